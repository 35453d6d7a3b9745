//! The guests as programs of the machine itself.
//!
//! Each is a process that runs its guest as often as it is told and takes the time of that itself, so nothing of being
//! another process is in the time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::sources::{Cpu, Sources};
use crate::guests::Guest;
use crate::runner::{Contender, Runner};

/// The native compiler, for a kind of processor.
pub struct Native {
    name: String,
    cpu: Cpu,
    sources: Rc<Sources>,
}

struct NativeRunner {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    output: Vec<u8>,
}

impl Native {
    pub fn new(cpu: Cpu, sources: Rc<Sources>) -> Self {
        Self { name: format!("native {}", cpu.name()), cpu, sources }
    }
}

impl Contender for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_up(&self, guest: &Guest) -> anyhow::Result<Box<dyn Runner>> {
        let mut child = Command::new(self.sources.native(&guest.name, self.cpu)?)
            .arg(hex::encode(&guest.args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().context("no pipe from the child")?);
        let orders = child.stdin.take();
        Ok(Box::new(NativeRunner { child, orders, answers, output: Vec::new() }))
    }
}

impl Runner for NativeRunner {
    fn run(&mut self) -> anyhow::Result<Duration> {
        let orders = self.orders.as_mut().context("no pipe to the child")?;
        orders.write_all(b"1\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(words.len() == 2, "expected an output and a time, found `{}`", line.trim());
        self.output = hex::decode(words[0])?;
        Ok(Duration::from_nanos(words[1].parse()?))
    }

    fn output(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(self.output.clone())
    }
}

impl Drop for NativeRunner {
    fn drop(&mut self) {
        // At the end of its input the child ends.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
