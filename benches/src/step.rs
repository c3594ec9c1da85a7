//! A denoiser pass or a decode of a checkpoint, in turns with a peer that does the same.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use kinora_kernels::{Isa, cases};
use kinora_models::parts::{Placement, Timesteps};

use crate::clock::{Clock, Taken, best};
use crate::peer::{Pass, Peer};

/// Between two passes: threads that wait for more work by spinning have given up by then.
const REST: Duration = Duration::from_millis(500);

/// Words enough to fill every row of a prompt.
const MANY: usize = 600;

/// Prints the medians of `pairs` passes, ours and the peer's by turns, with the rate that no kernel of ours exceeds.
///
/// Ours run on a thread of the pool, as they do in the engine.
pub(crate) fn run(work: [&str; 4], pairs: usize, peer: &[&str]) -> Result<(), Box<dyn Error>> {
    rayon::scope(|_| compare(work, pairs, peer).map_err(|error| error.to_string()))?;
    Ok(())
}

fn compare(
    [folder, part, size, dtype]: [&str; 4],
    pairs: usize,
    peer: &[&str],
) -> Result<(), Box<dyn Error>> {
    let compute = match dtype {
        "bf16" => DType::BF16,
        "f32" => DType::F32,
        _ => return Err(format!("a dtype of bf16 or f32, not {dtype}").into()),
    };
    let (work, words) = part.split_once(':').unwrap_or((part, ""));
    let mut pass = match (work, words) {
        ("denoiser", "") => denoiser(Path::new(folder), MANY, size, compute)?,
        ("denoiser", words) => denoiser(Path::new(folder), words.parse()?, size, compute)?,
        ("decode", "") => decode(Path::new(folder), size, compute)?,
        _ => return Err(format!("denoiser, denoiser:WORDS or decode, not {part}").into()),
    };
    pass()?;
    let mut peer = match peer {
        [] => None,
        command => Some(Peer::start(command, &[folder, work, size, dtype])?),
    };
    let (mut ours, mut theirs) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for _ in 0..pairs {
        std::thread::sleep(REST);
        let clock = Clock::start();
        pass()?;
        let Taken { wall, processor } = clock.stop();
        let (wall_s, cpu_s) = (wall.as_secs_f64(), processor.as_secs_f64());
        ours.push(Pass { wall_s, cpu_s, peak_mib: peak_mib() });
        if let Some(peer) = &mut peer {
            std::thread::sleep(REST);
            theirs.push(peer.pass()?);
        }
    }
    let ceiling = ceiling(compute)?;
    println!(
        "program,case,dtype,isa,threads,pairs,median_s_wall,median_s_cpu,peak_mib,ceiling_gflops_per_cpu_second"
    );
    let case = format!("{part} {size}");
    let threads = rayon::current_num_threads();
    let ours = median(&ours);
    println!(
        "kinora,{case},{dtype},{},{threads},{pairs},{:.3},{:.3},{:.0},{ceiling:.0}",
        Isa::detect().name(),
        ours.wall_s,
        ours.cpu_s,
        ours.peak_mib,
    );
    if let Some(peer) = &peer {
        let theirs = median(&theirs);
        println!(
            "{},{case},{dtype},-,-,{pairs},{:.3},{:.3},{:.0},",
            peer.name, theirs.wall_s, theirs.cpu_s, theirs.peak_mib,
        );
        eprintln!(
            "ratio: {:.3} by the wall, {:.3} by the processor",
            ours.wall_s / theirs.wall_s,
            ours.cpu_s / theirs.cpu_s,
        );
    }
    Ok(())
}

type Work = Box<dyn FnMut() -> Result<(), Box<dyn Error>>>;

/// A pass with a prompt of so many words; the peer pays for all rows of a prompt whatever is in them.
fn denoiser(
    folder: &Path,
    words: usize,
    size: &str,
    compute: DType,
) -> Result<Work, Box<dyn Error>> {
    let model = kinora_models::open(folder)?;
    let placement = Placement { device: Device::Cpu, compute };
    let prompt = model.text_encoder(&placement)?.encode(&"word ".repeat(words))?;
    let denoiser = model.denoiser(&placement)?;
    let context = denoiser.prepare(&prompt, &mut ())?;
    let latents = latents(model.as_ref(), size)?;
    Ok(Box::new(move || {
        denoiser.forward(&latents, &Timesteps::Clip(900.0), context.as_ref(), &mut ())?;
        Ok(())
    }))
}

fn decode(folder: &Path, size: &str, compute: DType) -> Result<Work, Box<dyn Error>> {
    let model = kinora_models::open(folder)?;
    let vae = model.vae(&Placement { device: Device::Cpu, compute })?;
    let latents = latents(model.as_ref(), size)?;
    Ok(Box::new(move || {
        vae.decode(&latents, None, &mut |_, _| ControlFlow::Continue(()))?;
        Ok(())
    }))
}

/// Values about as large as noise.
fn latents(model: &dyn kinora_models::family::Model, size: &str) -> Result<Tensor, Box<dyn Error>> {
    let numbers: Vec<usize> = size.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let [width, height, frames] = numbers[..] else {
        return Err(format!("a size of WIDTHxHEIGHTxFRAMES, not {size}").into());
    };
    let facts = model.facts();
    let (spatial, temporal) = (facts.grid.spatial as usize, facts.grid.temporal as usize);
    let shape = [
        facts.latent_channels,
        frames.saturating_sub(1) / temporal + 1,
        height / spatial,
        width / spatial,
    ];
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| 1.4 * (i as f32 * 0.7).sin()).collect();
    Ok(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?)
}

/// Gflop/s that the register tile reaches from the first cache, in a second of one thread.
fn ceiling(dtype: DType) -> Result<f64, Box<dyn Error>> {
    let mut flops = 0.0;
    let taken = best(3, || -> Result<(), kinora_kernels::Error> {
        flops = cases::ceiling(dtype, 500_000)?;
        Ok(())
    })?;
    Ok(flops / taken.processor.as_secs_f64() / 1e9)
}

fn median(passes: &[Pass]) -> Pass {
    let middle = |of: fn(&Pass) -> f64| {
        let mut all: Vec<f64> = passes.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let half = all.len() / 2;
        if all.len() % 2 == 1 { all[half] } else { (all[half.saturating_sub(1)] + all[half]) / 2.0 }
    };
    Pass {
        wall_s: middle(|pass| pass.wall_s),
        cpu_s: middle(|pass| pass.cpu_s),
        peak_mib: passes.iter().map(|pass| pass.peak_mib).fold(0.0, f64::max),
    }
}

/// The most memory this process held, from Linux; zero where the system does not say.
fn peak_mib() -> f64 {
    peak_in(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

/// The peak of resident memory in what Linux says of a process.
pub(crate) fn peak_in(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
