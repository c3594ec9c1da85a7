//! The command line. Doc comments are its help text.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use clap_complete::Shell;

/// Local-first runtime for open-weight video diffusion models.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a clip from a prompt.
    Generate(Box<Generate>),
    /// Make a clip again from the manifest that travels with it.
    Replay(Replay),
    /// Begin a production: a folder of scenes, cuts and characters.
    New {
        /// Folder to begin it in; it is made where it is not there.
        folder: PathBuf,
    },
    /// Read the production and list everything that is wrong in it.
    Check(Where),
    /// Print every value of a cut, and where it was said.
    Explain(Explain),
    /// Show which model each cut is made on, and why.
    Route(Box<Route>),
    /// Make what is missing of the production's cuts.
    Render(Box<Render>),
    /// List takes.
    Takes(Takes),
    /// Pick a take: it is the one of its cut.
    Pick(OneTake),
    /// Reject a take.
    Reject(Reject),
    /// Give a take stars.
    Rate(Rate),
    /// Say something about a take, or read what was said.
    Note(Note),
    /// Show how two takes differ.
    Diff(Diff),
    /// List hosted jobs that are not over, and say what became of them.
    Jobs(Jobs),
    /// Keep keys of providers, say where they are, and remove them.
    ///
    /// A key is looked for in the variable that the production names, then in the keyring of the desktop, then in a file that only
    /// its owner can read: the one that the production names, then the user's own.
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Verify, rebuild, export and tidy up the ledger of takes.
    #[command(subcommand)]
    Ledger(LedgerVerb),
    /// Show what left this machine and what was denied.
    #[command(subcommand)]
    Egress(EgressVerb),
    /// List, show, fetch and check models.
    #[command(subcommand)]
    Models(Models),
    /// Show devices, memory, instruction sets and encoders.
    Doctor,
    /// Make four short cartoons and a contact sheet with the model inside this program.
    Demo(Demo),
    /// Print shell completions.
    Completions {
        /// Shell to print them for.
        shell: Shell,
    },
}

/// Which production.
#[derive(Debug, Clone, Group)]
pub(crate) struct Where {
    /// The production's folder, or one in it [default: the current folder].
    #[arg(short = 'C', long, value_name = "FOLDER")]
    pub(crate) production: Option<PathBuf>,
}

/// Print every value of a cut, and where it was said.
#[derive(Debug, Group)]
pub(crate) struct Explain {
    /// The cut: scene/cut, or its own name where only one scene has it.
    pub(crate) cut: String,
    /// Model to explain it for [default: the cut's own].
    #[arg(short, long, value_name = "CARD")]
    pub(crate) model: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Show which model each cut is made on, and why.
#[derive(Debug, Group)]
pub(crate) struct Route {
    /// Scenes and cuts [default: all].
    #[arg(value_name = "SCENE|CUT")]
    pub(crate) cuts: Vec<String>,
    /// Print every model with every reason for and against it.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print JSON lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Model for all of them.
    #[arg(short, long, value_name = "CARD|PATH")]
    pub(crate) model: Option<String>,
    /// Ask no host.
    #[arg(long)]
    pub(crate) offline: bool,
    /// How to use this machine.
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Make what is missing of the production's cuts.
///
/// A cut without a picked take gets as many takes as it is to have. Started again, a rendering that was stopped goes on.
#[derive(Debug, Group)]
pub(crate) struct Render {
    /// Scenes and cuts [default: all].
    #[arg(value_name = "SCENE|CUT")]
    pub(crate) cuts: Vec<String>,
    /// How many takes each cut is to have.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) takes: Option<u32>,
    /// Seed of each cut's first take.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Model for all of them.
    #[arg(short, long, value_name = "CARD|PATH")]
    pub(crate) model: Option<String>,
    /// Denoising steps.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) steps: Option<u32>,
    /// Print what would be made, in order, and make nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Takes that providers make at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallel: u32,
    /// Ask no host.
    #[arg(long)]
    pub(crate) offline: bool,
    /// How to use this machine.
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// List takes.
#[derive(Debug, Group)]
pub(crate) struct Takes {
    /// Scene or cut [default: all].
    #[arg(value_name = "SCENE|CUT")]
    pub(crate) cut: Option<String>,
    /// No more than so many [default: 200; of more in all cuts, a line for each cut].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Print JSON lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Pick a take: it is the one of its cut.
#[derive(Debug, Group)]
pub(crate) struct OneTake {
    /// The take: CUT:NUMBER, such as sh0010:3, or its own name of 26 letters.
    pub(crate) take: String,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Reject a take.
#[derive(Debug, Group)]
pub(crate) struct Reject {
    /// The take: CUT:NUMBER, such as sh0010:3, or its own name of 26 letters.
    pub(crate) take: String,
    /// What is wrong with it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) why: String,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Give a take stars.
#[derive(Debug, Group)]
pub(crate) struct Rate {
    /// The take: CUT:NUMBER, such as sh0010:3, or its own name of 26 letters.
    pub(crate) take: String,
    /// From 1 to 5.
    #[arg(value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) stars: u8,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Say something about a take, or read what was said.
#[derive(Debug, Group)]
pub(crate) struct Note {
    /// The take: CUT:NUMBER, such as sh0010:3, or its own name of 26 letters.
    pub(crate) take: String,
    /// What to say; without it what was said is printed, the oldest first.
    pub(crate) text: Option<String>,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Show how two takes differ.
#[derive(Debug, Group)]
pub(crate) struct Diff {
    /// A take.
    pub(crate) one: String,
    /// Another.
    pub(crate) two: String,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// List hosted jobs that are not over, and say what became of them.
#[derive(Debug, Group)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Jobs {
    /// What to do with one of them.
    #[command(subcommand)]
    pub(crate) verb: Option<JobsVerb>,
    /// Print JSON lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// What to do with a hosted job.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsVerb {
    /// Say what became of a job that nobody knows about: its provider lists what it made.
    Resolve(Resolve),
    /// Call a job off, at its provider too where that is possible.
    Cancel(OneTake),
}

/// Say what became of a job.
#[derive(Debug, Group)]
#[group(skip)]
pub(crate) struct Resolve {
    /// The take it was to become: CUT:NUMBER, such as sh0010:3, or its own name of 26 letters.
    pub(crate) take: String,
    /// It is there: the provider's name of it. The next rendering fetches its clip.
    #[arg(long, value_name = "REMOTE", group = "verdict", required_unless_present_any = ["not_made", "lost"])]
    pub(crate) made: Option<String>,
    /// It never came to be: nothing is owed, and its money is free again.
    #[arg(long, group = "verdict")]
    pub(crate) not_made: bool,
    /// Its clip will never come: what was reserved for it counts as spent.
    #[arg(long, group = "verdict")]
    pub(crate) lost: bool,
    /// Which production.
    #[command(flatten)]
    pub(crate) place: Where,
}

/// Keep keys of providers, say where they are, and remove them.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Keep a key that is typed or piped in: in the keyring, and in a file where there is none.
    Set {
        /// The provider, or the host of a server of your own, such as render.lan:8000.
        provider: String,
        /// Keep it in a file, for work at which nobody can unlock a keyring.
        #[arg(long)]
        file: bool,
    },
    /// List who has a key, and where it is.
    List {
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
        /// Which production's servers, too.
        #[command(flatten)]
        place: Where,
    },
    /// Remove a key from the keyring and from its file.
    Remove {
        /// The provider, or the host of a server of your own.
        provider: String,
    },
}

/// Verify, rebuild, export and tidy up the ledger of takes.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerVerb {
    /// Hold every event and every clip against what was written.
    Verify(Where),
    /// Make the index again from events and clips.
    Rebuild(Where),
    /// Print everything the ledger knows, as JSON lines.
    Export(Where),
    /// Give up the clips of rejected takes, and remove what belongs to nothing.
    Gc {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        /// Which production.
        #[command(flatten)]
        place: Where,
    },
}

/// Show what left this machine and what was denied.
///
/// It is the log of the production, and outside of one the user's own, where `models pull` is written down.
#[derive(Debug, Subcommand)]
pub(crate) enum EgressVerb {
    /// Print every question and what came of it.
    Log {
        /// Print the log's own lines, which are JSON.
        #[arg(long)]
        json: bool,
        /// Which production.
        #[command(flatten)]
        place: Where,
    },
    /// Hold every line of the log against the one before, and its end against its witness.
    Verify(Where),
}

/// How this machine is to be used.
#[derive(Debug, Clone, Group)]
pub(crate) struct Machine {
    /// Device: auto, cpu, cuda, cuda:N or metal.
    #[arg(long, default_value = "auto", help_heading = "Machine")]
    pub(crate) device: String,
    /// Precision of matrix products in text encoder and denoiser: f32, bf16 or f16.
    #[arg(long, default_value = "bf16", help_heading = "Machine")]
    pub(crate) dtype: String,
    /// Precision of matrix products in the VAE: f32, bf16 or f16.
    #[arg(long, default_value = "f32", help_heading = "Machine")]
    pub(crate) vae_dtype: String,
    /// Decode in tiles of so many pixels a side: auto, off or N.
    #[arg(long, default_value = "auto", help_heading = "Machine")]
    pub(crate) vae_tile: String,
    /// Threads [default: all]. Results do not depend on it.
    #[arg(long, value_name = "N", help_heading = "Machine")]
    pub(crate) threads: Option<usize>,
    /// Memory to stay within, such as 8GB [default: what is free].
    #[arg(long, value_name = "SIZE", help_heading = "Machine")]
    pub(crate) memory: Option<String>,
}

/// Make a clip from a prompt.
#[derive(Debug, Group)]
pub(crate) struct Generate {
    /// What the picture should be.
    pub(crate) prompt: String,
    /// Model: a card's name, a repository that was pulled, or a folder [default: $KINORA_MODEL, else
    /// the small cartoon model inside this program].
    #[arg(short, long, value_name = "CARD|PATH")]
    pub(crate) model: Option<String>,
    /// File to write: .mp4 (H.264), .mkv (lossless FFV1), .png, or a folder of PNGs.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Width and height in pixels, such as 832x480.
    #[arg(long, value_name = "WxH")]
    pub(crate) size: Option<String>,
    /// Number of frames.
    #[arg(long, value_name = "N")]
    pub(crate) frames: Option<u32>,
    /// Frames per second: a number, a fraction such as 24000/1001, or 23.976.
    #[arg(long, value_name = "N")]
    pub(crate) fps: Option<String>,
    /// Denoising steps.
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u32>,
    /// Strength of classifier-free guidance; 1 turns it off.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) guidance: Option<f64>,
    /// Shift of the noise schedule.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) flow_shift: Option<f64>,
    /// Sampler: unipc or euler.
    #[arg(long)]
    pub(crate) sampler: Option<String>,
    /// Seed of the noise; the same noise as torch.randn of this seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What the picture should not be. Not given: the model's own. Empty: nothing.
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative: Option<String>,
    /// Picture to begin with, where the model takes one.
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// LoRA file and its strength; may be given more than once.
    #[arg(long = "lora", value_name = "FILE[:SCALE]")]
    pub(crate) loras: Vec<String>,
    /// Write it N times as large, for looking at: N, N:lanczos or N:nearest [default filter: lanczos].
    #[arg(long, value_name = "N[:FILTER]")]
    pub(crate) enlarge: Option<String>,
    /// How to use this machine.
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Begin from latents in a safetensors file (`latents` or `noise`) instead of the seed.
    #[arg(long, value_name = "FILE", help_heading = "Tensors")]
    pub(crate) init_latents: Option<PathBuf>,
    /// Write the final latents to a safetensors file.
    #[arg(long, value_name = "FILE", help_heading = "Tensors")]
    pub(crate) save_latents: Option<PathBuf>,
    /// Write every intermediate tensor to a safetensors file, under the reference's names.
    #[arg(long, value_name = "FILE", help_heading = "Tensors")]
    pub(crate) trace: Option<PathBuf>,
    /// Put the output of every block of the first step into the trace.
    #[arg(long, requires = "trace", help_heading = "Tensors")]
    pub(crate) trace_blocks: bool,
    /// Print events as JSON lines on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a clip again from the manifest that travels with it.
#[derive(Debug, Group)]
pub(crate) struct Replay {
    /// The clip, or a take of the production such as sh0010:3.
    #[arg(value_name = "FILE|TAKE")]
    pub(crate) file: PathBuf,
    /// Which production, where a take is named.
    #[command(flatten)]
    pub(crate) place: Where,
    /// Compare latents and frames with the original bit for bit; write nothing.
    #[arg(long)]
    pub(crate) verify: bool,
    /// File to write [default: beside the original, with `.replay` in its name].
    #[arg(short, long, value_name = "FILE", conflicts_with = "verify")]
    pub(crate) output: Option<PathBuf>,
    /// Model to use instead of the one in the manifest.
    #[arg(short, long, value_name = "CARD|PATH")]
    pub(crate) model: Option<String>,
    /// Threads [default: all]. Results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Print events as JSON lines on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List, show, fetch and check models.
#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the cards and what of them is on this machine.
    List,
    /// Show a card: defaults, limits, licence, source.
    Show {
        /// Card.
        card: String,
    },
    /// Fetch a model from its hub into the shared cache; the command is the consent to connect.
    Pull {
        /// Card.
        card: String,
        /// Layout to fetch: diffusers or original.
        #[arg(long, default_value = "diffusers")]
        layout: String,
    },
    /// Show what a checkpoint or a safetensors or .pth file holds; reads no weight.
    Inspect {
        /// Card's name, repository in the cache, folder or file.
        #[arg(value_name = "CARD|PATH")]
        path: PathBuf,
    },
    /// Account for every tensor of a checkpoint and read every weight once.
    Verify {
        /// Card's name, repository in the cache, or folder.
        #[arg(value_name = "CARD|PATH")]
        path: PathBuf,
    },
}

/// Make four short cartoons and a contact sheet with the model inside this program.
#[derive(Debug, Group)]
pub(crate) struct Demo {
    /// Folder to write to; it is made where it is not there.
    #[arg(short, long, value_name = "FOLDER", default_value = "kinora-demo")]
    pub(crate) output: PathBuf,
    /// Seed of the noise: another one makes other clips of the same prompts.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}
