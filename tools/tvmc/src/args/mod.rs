//! The command line as it is written: plain values, nothing looked up yet.

mod cache;
mod values;

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueHint};
use tvm_abi::Tier;
use tvm_isa::{GpVersion, Pc};

use crate::failure::EXIT_CODES;
use crate::quantity::{parse_hex, parse_number};

pub use cache::{CacheArgs, CacheCommand, GcArgs, RmArgs, VerifyArgs};
pub use values::{ContainerChoice, EngineChoice, Target, gp_version, tier};

/// Gas of `run` when none is given: enough for some seconds of guest code, so that endless loops end.
pub const DEFAULT_GAS: u64 = 10_000_000_000;

/// Ahead-of-time compiler and runtime for PVM programs (JAM protocol).
#[derive(Parser, Debug)]
#[command(name = "tvmc", version, after_help = EXIT_CODES)]
pub struct CommandLine {
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The form of the output.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Write one JSON document to standard output instead of text.
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
    /// Write nothing but errors (and the document of --json).
    #[arg(long, short, global = true, display_order = 901)]
    pub quiet: bool,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Compile programs into the cache, or one program into a file.
    ///
    /// Also called `prewarm`: compile everything for another Gray Paper version (--gp) or with a new build of TVM
    /// before it is put to use, so that nothing has to be compiled at the moment of the change.
    #[command(visible_alias = "prewarm")]
    Compile(CompileArgs),
    /// Run a program and print its outcome.
    ///
    /// Host calls: `gas` (0) is served; `log` (100, JIP-1) goes to standard error; all others are answered with WHAT at
    /// the gas that the Gray Paper version has for unknown calls (which `log` costs, too). With --stop-at-host-calls the
    /// run ends at the first host call.
    Run(RunArgs),
    /// Run a program and write every host call as it is made.
    ///
    /// The text follows the draft of JIP-6, one event a line: the start, each host call with gas and registers before it,
    /// the memory it read, what it changed, and the end. Host calls are served as `run` serves them, and the exit code is
    /// the same. With --json the lines stand in the document of `run`.
    Trace(TraceArgs),
    /// List a program's instructions, block by block.
    Disasm(DisasmArgs),
    /// Tell what is in a program or in a compiled object.
    Inspect(InspectArgs),
    /// Look after the cache.
    Cache(CacheArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

/// How the bytes of a program are to be read.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProgramArgs {
    /// Gray Paper version whose rules apply.
    #[arg(long, value_name = "VERSION", value_parser = gp_version(), default_value = GpVersion::V0_7_2.name())]
    pub gp: GpVersion,
    /// Format of the program; `auto` tells by the content.
    #[arg(long, value_enum, default_value_t)]
    pub container: ContainerChoice,
}

/// Where the cache is.
#[derive(Args, Clone, Debug)]
pub struct CacheDirArgs {
    /// Cache directory [default: $TVM_CACHE, else $XDG_CACHE_HOME/tvm, else ~/.cache/tvm].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
}

/// `tvmc compile`.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// Programs, and folders that are searched for programs (.jam, .pvm, .spi, .bin).
    #[arg(required = true, value_name = "FILE|FOLDER", value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<PathBuf>,
    /// Programs to compile at the same time [default: one for each CPU].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Write the object of the only input to FILE; the cache is not used.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "cache")]
    pub output: Option<PathBuf>,
    /// CPU to compile for.
    #[arg(long, value_enum, default_value_t)]
    pub target: Target,
    /// How much work goes into the code: `fast` is what a node runs at once on a miss, `best` what it runs if it is there.
    #[arg(long, value_parser = tier(), default_value = Tier::Best.name())]
    pub tier: Tier,
    /// How the programs are read.
    #[command(flatten)]
    pub program: ProgramArgs,
    /// Where objects are stored.
    #[command(flatten)]
    pub cache: CacheDirArgs,
}

/// `tvmc run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// What to run and how.
    #[command(flatten)]
    pub start: StartArgs,
    /// End the run at the first host call.
    #[arg(long)]
    pub stop_at_host_calls: bool,
    /// Write the output bytes to FILE.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// `tvmc trace`.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// What to run and how.
    #[command(flatten)]
    pub start: StartArgs,
}

/// A program and how it starts.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The program; `-` reads standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Argument bytes in hexadecimal, such as 0x2a00.
    #[arg(long, value_name = "HEX", value_parser = parse_hex, conflicts_with = "args_file")]
    pub args: Option<HexBytes>,
    /// File with the argument bytes.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub args_file: Option<PathBuf>,
    /// Gas to start with, 0 to 2^64 - 1.
    #[arg(long, value_name = "N", value_parser = parse_number, default_value_t = DEFAULT_GAS)]
    pub gas: u64,
    /// Program counter to start at (services: 0 refine or is_authorized, 5 accumulate).
    #[arg(long, value_name = "PC", value_parser = clap::value_parser!(u32).map(Pc), default_value = "0")]
    pub entry: Pc,
    /// How to execute the program.
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// Run only code of this tier, `fast` or `best` [default: best if it is in the cache, else fast, as a node does; `trace`: fast].
    /// `fast` keeps all registers exact also where a service panics.
    #[arg(long, value_name = "TIER", value_parser = tier(), hide_possible_values = true)]
    pub tier: Option<Tier>,
    /// Do not use a cache.
    #[arg(long, conflicts_with = "cache")]
    pub no_cache: bool,
    /// How the program is read.
    #[command(flatten)]
    pub program: ProgramArgs,
    /// Where objects are stored.
    #[command(flatten)]
    pub cache: CacheDirArgs,
}

/// A name for what [`parse_hex`] gives: clap takes `Vec` in an argument's type to mean "several".
pub type HexBytes = Vec<u8>;

/// `tvmc disasm`.
#[derive(Args, Debug)]
pub struct DisasmArgs {
    /// The program, or an object, whose program is listed; `-` reads standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// How the program is read.
    #[command(flatten)]
    pub program: ProgramArgs,
}

/// `tvmc inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The program or object; `-` reads standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// How a program is read; objects say it themselves.
    #[command(flatten)]
    pub program: ProgramArgs,
}

/// `tvmc completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn gas_takes_all_of_64_bits_and_no_more() {
        let gas = |gas: &str| match CommandLine::try_parse_from(["tvmc", "run", "x", "--gas", gas])?.command {
            Command::Run(args) => Ok(args.start.gas),
            other => panic!("{other:?}"),
        };
        let parsed: Result<u64, clap::Error> = gas("18446744073709551615");
        assert_eq!(parsed.unwrap(), u64::MAX);
        assert!(gas("18446744073709551616").is_err());
    }

    #[test]
    fn every_version_is_accepted() {
        for version in GpVersion::ALL {
            let line = CommandLine::try_parse_from(["tvmc", "disasm", "x", "--gp", version.name()]).unwrap();
            assert!(matches!(line.command, Command::Disasm(args) if args.program.gp == version));
        }
        assert!(CommandLine::try_parse_from(["tvmc", "disasm", "x", "--gp", "0.6.0"]).is_err());
    }

    #[test]
    fn jobs_are_limited() {
        let parse = |jobs: &str| CommandLine::try_parse_from(["tvmc", "compile", "x", "--jobs", jobs]);
        assert!(parse("1").is_ok() && parse("1024").is_ok());
        assert!(parse("0").is_err() && parse("1025").is_err());
    }

    #[test]
    fn tiers_are_known_by_name() {
        let tier_of = |line: &[&str]| match CommandLine::try_parse_from(line)?.command {
            Command::Compile(args) => Ok(Some(args.tier)),
            Command::Run(args) => Ok(args.start.tier),
            other => panic!("{other:?}"),
        };
        let parsed = |line: &[&str]| -> Result<_, clap::Error> { tier_of(line) };
        assert_eq!(parsed(&["tvmc", "compile", "x"]).unwrap(), Some(Tier::Best));
        assert_eq!(parsed(&["tvmc", "compile", "x", "--tier", "fast"]).unwrap(), Some(Tier::Fast));
        assert_eq!(parsed(&["tvmc", "run", "x"]).unwrap(), None);
        assert_eq!(parsed(&["tvmc", "run", "x", "--tier", "best"]).unwrap(), Some(Tier::Best));
        assert!(parsed(&["tvmc", "run", "x", "--tier", "better"]).is_err());
    }

    #[test]
    fn prewarm_is_compile() {
        let line = CommandLine::try_parse_from(["tvmc", "prewarm", "x", "--gp", "0.8.0"]).unwrap();
        assert!(matches!(line.command, Command::Compile(args) if args.program.gp == GpVersion::V0_8_0));
    }
}
