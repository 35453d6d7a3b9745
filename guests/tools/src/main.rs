//! Turns a linked RISC-V ELF into a JAM blob, and runs a JAM blob in the `polkavm` crate's interpreter.
//!
//! One source for both Gray Paper versions: `pvm-0.7.2/` and `pvm-0.8.0/` build it against the linker of their version.
//! The runner is an engine independent of TVM; of the host functions it serves only a few (host.rs).

mod host;
mod jam;
mod run;

use polkavm_linker::{Config, ProgramParts, TargetInstructionSet, program_from_elf};
use std::process::ExitCode;

const USAGE: &str = "usage:
  guest-tool link ELF OUT.jam NAME VERSION STACK SYMBOL...
                                             SYMBOLs are entered at program counters 0, 5, 10, ...; STACK is in bytes
  guest-tool target LINKER                   prints the rustc target description, linking through LINKER
  guest-tool run BLOB.jam ENTRY_PC [ARGS_HEX [KIND=HEX...]]
                                             prints the output as hex; `fetch` finds the values given by kind";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["link", elf, out, name, version, stack, symbols @ ..] if !symbols.is_empty() => {
            link(elf, out, &jam::crate_metadata(name, version), stack, symbols)
        }
        ["target", linker] => print_target(linker),
        ["run", blob, pc] => run_blob(blob, pc, "", &[]),
        ["run", blob, pc, arguments, fetched @ ..] => run_blob(blob, pc, arguments, fetched),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn link(elf: &str, out: &str, metadata: &[u8], stack: &str, symbols: &[&str]) -> Result<(), String> {
    let stack = stack.parse().map_err(|e| format!("stack size {stack:?}: {e}"))?;
    let elf_bytes = std::fs::read(elf).map_err(|e| format!("cannot read {elf}: {e}"))?;
    let mut config = Config::default();
    config.set_strip(true);
    config.set_min_stack_size(stack);
    config.set_dispatch_table(symbols.iter().map(|s| s.as_bytes().to_vec()).collect());
    let container = program_from_elf(config, TargetInstructionSet::JamV1, &elf_bytes)
        .map_err(|e| format!("cannot link {elf}: {e}"))?;
    let parts = ProgramParts::from_bytes(container.into())
        .map_err(|e| format!("the linker's output for {elf} does not parse: {e:?}"))?;
    let blob = jam::encode(&parts, metadata)?;
    std::fs::write(out, &blob).map_err(|e| format!("cannot write {out}: {e}"))
}

/// The linker crate's own description, changed to link through a wrapper that stands where rustc expects a C compiler.
fn print_target(linker: &str) -> Result<(), String> {
    let mut target = polkavm_linker::TARGET_JSON_64_BIT_NEW.to_owned();
    let changes = [
        (r#""rust-lld""#, format!("{linker:?}")),
        (r#""linker-flavor": "ld.lld""#, r#""linker-flavor": "gnu-cc""#.to_owned()),
        (r#""ld": ["#, r#""gnu-cc": ["#.to_owned()),
    ];
    for (from, to) in changes {
        if target.matches(from).count() != 1 {
            return Err(format!("expected {from} once in the linker crate's target description"));
        }
        target = target.replace(from, &to);
    }
    print!("{target}");
    Ok(())
}

fn run_blob(path: &str, pc: &str, arguments: &str, fetched: &[&str]) -> Result<(), String> {
    let blob = std::fs::read(path).map_err(|e| format!("cannot read {path}: {e}"))?;
    let pc = pc.parse().map_err(|e| format!("entry pc {pc:?}: {e}"))?;
    let mut host = host::Host::default();
    for value in fetched {
        let (kind, hex) = value.split_once('=').ok_or_else(|| format!("expected KIND=HEX, found {value:?}"))?;
        let kind = kind.parse().map_err(|e| format!("fetch kind {kind:?}: {e}"))?;
        host.fetched.insert(kind, from_hex(hex)?);
    }
    let output = run::run(&blob, pc, &from_hex(arguments)?, &host)?;
    println!("{}", output.iter().map(|b| format!("{b:02x}")).collect::<String>());
    Ok(())
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(format!("expected an even number of hex digits, found {text:?}"));
    }
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
            u8::from_str_radix(pair, 16).map_err(|e| format!("hex digits {pair:?}: {e}"))
        })
        .collect()
}
