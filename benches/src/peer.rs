//! Another program that does the same work when asked, so that both are measured in one run, in turns.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a pass took, and the most memory its process held so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Seconds by the wall.
    pub wall_s: f64,
    /// Seconds of all threads.
    pub cpu_s: f64,
    /// Peak of resident memory.
    pub peak_mib: f64,
}

/// A program that says `ready NAME`, then `WALL CPU PEAK_MIB` for every line it reads.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it calls itself.
    pub name: String,
}

impl Peer {
    /// Starts a command and waits until it is ready.
    pub(crate) fn start(command: &[&str], arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let (program, first) = command.split_first().ok_or("no command for the peer")?;
        let mut child = Command::new(program)
            .args(first)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let input = child.stdin.take().ok_or("the peer has no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("the peer has no output")?);
        let mut peer = Self { child, input, output, name: String::new() };
        let said = peer.line()?;
        let name = said.strip_prefix("ready ").ok_or_else(|| format!("the peer said {said:?}"))?;
        peer.name = name.to_owned();
        Ok(peer)
    }

    /// Asks for a pass.
    pub(crate) fn pass(&mut self) -> Result<Pass, Box<dyn Error>> {
        writeln!(self.input, "pass")?;
        let said = self.line()?;
        let numbers: Vec<f64> =
            said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        match numbers[..] {
            [wall_s, cpu_s, peak_mib] => Ok(Pass { wall_s, cpu_s, peak_mib }),
            _ => Err(format!("the peer said {said:?}").into()),
        }
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("the peer ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
