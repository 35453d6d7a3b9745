//! `tvm-bench`: what TVM costs, as Markdown tables or JSON.
//!
//! Every measurement is checked first: results against the values that native builds of the guests gave, gas against
//! the interpreter. Times are medians with the spread between the 10th and 90th percentile, taken in alternation.

mod guests;
mod node;
mod programs;
mod run;
mod scale;
mod start;
mod stats;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use table::Table;

#[derive(Parser)]
#[command(about, version)]
struct Args {
    /// What to measure.
    #[command(subcommand)]
    command: Command,
    /// Print JSON instead of Markdown.
    #[arg(long, global = true)]
    json: bool,
    /// Folder with the guests.
    #[arg(long, global = true, default_value = "guests")]
    guests: PathBuf,
    /// Repetitions of each measurement.
    #[arg(long, global = true, default_value_t = 31)]
    rounds: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Running time of the guests: compiled code and the interpreter.
    Run,
    /// The way to the first result: compile, load, instantiate, call.
    Start,
    /// Compile time, memory and object size of the worst programs per byte, against program size.
    Scale,
    /// Services in a node: the public traces, cold, warm, loaded and interpreted, and where the time goes.
    Node {
        /// Directory of the test vectors.
        #[arg(long, env = "TVM_VECTORS", default_value = "../shared/vectors")]
        vectors: PathBuf,
    },
    /// One warm load in this process; used by `start`.
    #[command(hide = true)]
    WarmLoad {
        /// Cache directory.
        cache: PathBuf,
        /// JAM blob.
        blob: PathBuf,
    },
    /// Compile one worst-case program and print time and peak memory; used by `scale`.
    #[command(hide = true)]
    CompileWorst {
        /// Name of the program.
        program: String,
        /// Code bytes.
        bytes: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let Args { command, json, guests, rounds } = Args::parse();
    let tables: Vec<Table> = match command {
        Command::Run => vec![run::measure(&guests, rounds)?],
        Command::Start => start::measure(&guests, rounds)?,
        Command::Scale => vec![scale::measure()?],
        Command::Node { vectors } => node::measure(&vectors, rounds)?,
        Command::WarmLoad { cache, blob } => {
            println!("{}", serde_json::to_string(&start::warm_load(&cache, &blob)?)?);
            return Ok(());
        }
        Command::CompileWorst { program, bytes } => {
            println!("{}", serde_json::to_string(&scale::compile_worst(&program, bytes)?)?);
            return Ok(());
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&tables)?);
    } else {
        tables.iter().for_each(|table| println!("{table}"));
    }
    Ok(())
}
