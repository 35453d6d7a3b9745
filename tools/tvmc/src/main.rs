//! The TVM command line: compile, run and look at PVM programs, and look after the cache.
//!
//! Arguments are parsed into plain values first ([`args`]); each command turns them into what it works with, does the
//! work, and hands a report to [`output`], which alone knows whether people or programs read it.

#![forbid(unsafe_code)]

mod args;
mod cache;
mod cache_place;
mod compile;
mod completions;
mod disasm;
mod failure;
mod inspect;
mod output;
mod program_file;
mod quantity;
mod run;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args::CommandLine { output, command } = args::CommandLine::parse();
    let output = output::Output::new(&output);
    let result = match command {
        args::Command::Compile(args) => compile::compile(args, &output),
        args::Command::Run(args) => run::run(args, &output),
        args::Command::Trace(args) => run::trace::trace(args, &output),
        args::Command::Disasm(args) => disasm::disasm(&args, &output),
        args::Command::Inspect(args) => inspect::inspect(&args, &output),
        args::Command::Cache(args) => cache::cache(args, &output),
        args::Command::Completions(args) => completions::completions(&args, &output),
    };
    match result {
        Ok(status) => status.into(),
        Err(failure) => output.fail(&failure).into(),
    }
}
