//! `tvm-mutants`: machine code with single bits or bytes changed against the verifier, and what it accepts against the machine.

mod child;
mod parent;

use std::process::ExitCode;

use clap::Parser;
use tvm_isa::GpVersion;
use tvm_tests::mutants::Change;

/// Changes every bit of the machine code of generated programs, one at a time, and has the verifier look at each. What it accepts is run, in
/// a process of its own: whatever it computes, that process must come to no harm.
#[derive(Parser)]
struct Args {
    /// Programs to generate; each is compiled on both tiers.
    #[arg(long, default_value_t = 20)]
    programs: u64,
    /// Seed of the first program; each has its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Gray Paper version.
    #[arg(long, default_value = "0.8.0")]
    gp: GpVersion,
    /// Change every byte to every other value, not only bit by bit.
    #[arg(long)]
    values: bool,
    /// Run what is accepted of the program with this seed, from the mutant with this number on: what the process for that does.
    #[arg(long, hide = true, value_names = ["TIER", "NUMBER"], num_args = 2)]
    child: Option<Vec<String>>,
}

impl Args {
    fn change(&self) -> Change {
        if self.values { Change::Values } else { Change::Bits }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.child {
        Some(from) => child::run(&args, from).map(|()| true),
        None => parent::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tvm-mutants: {error:#}");
            ExitCode::from(2)
        }
    }
}
