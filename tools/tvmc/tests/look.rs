//! `tvmc disasm`, `inspect` and `completions`, and what all commands have in common.

mod common;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use common::{Dir, guest, raw_program};
use serde_json::json;

#[test]
fn the_listing_begins_with_block_0() {
    let dir = Dir::new();
    let listing = dir.tvmc(["disasm", &guest("sum")]).expect(0).stdout;
    let first = listing.lines().find(|line| line.starts_with('@')).unwrap();
    assert!(first.starts_with("@0:"), "{first}");
    let document = dir.tvmc(["disasm", &guest("sum"), "--json"]).expect(0).json();
    let lines = document["lines"].as_array().unwrap();
    assert_eq!((&lines[0]["pc"], &lines[0]["block_start"]), (&json!(0), &json!(true)));
    let starts = lines.iter().filter(|line| line["block_start"] == true).count();
    assert_eq!(document["blocks"], starts);
    let bytes: usize = lines.iter().map(|line| line["bytes"].as_str().unwrap().len() / 2).sum();
    assert_eq!(document["code_bytes"], bytes);
}

#[test]
fn an_object_lists_the_program_it_was_made_from() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "-o", "sum.o"]).expect(0);
    let of_program = dir.tvmc(["disasm", &guest("sum")]).expect(0).stdout;
    let of_object = dir.tvmc(["disasm", "sum.o"]).expect(0).stdout;
    assert_eq!(of_program, of_object);
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let dir = Dir::new();
    // The first listing is longer than what a pipe holds (64 KiB), so that writing it does meet the closed end.
    let long = guest("ed25519");
    assert!(dir.tvmc(["disasm", &long]).expect(0).stdout.len() > 1 << 16);
    for args in [["disasm", &long], ["disasm", "--help"], ["completions", "bash"]] {
        let mut command = dir.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn programs_are_inspected() {
    let dir = Dir::new();
    let report = dir.tvmc(["inspect", &guest("sum"), "--json"]).expect(0).json();
    assert_eq!(
        (&report["kind"], &report["container"], &report["gp"]),
        (&json!("program"), &json!("jam"), &json!("0.7.2"))
    );
    assert_eq!(report["bytes"], fs::metadata(guest("sum")).unwrap().len());
    let sum: u64 = report["operations"].as_array().unwrap().iter().map(|op| op["count"].as_u64().unwrap()).sum();
    assert_eq!(report["code"]["instructions"], sum);
    assert_eq!(report["memory"]["ro"]["start"], "0x00010000");
    let text = dir.tvmc(["inspect", &guest("sum")]).expect(0).stdout;
    assert!(text.contains("OPERATION") && text.contains("read-only"), "{text}");
}

#[test]
fn host_calls_are_named() {
    let dir = Dir::new();
    dir.write("x.pvm", &raw_program(&[10, 0, 10, 100, 10, 99, 0], &[0, 2, 4, 6]));
    let report = dir.tvmc(["inspect", "x.pvm", "--json"]).expect(0).json();
    let expected = json!([
        { "id": 0, "name": "gas", "count": 1 },
        { "id": 99, "name": null, "count": 1 },
        { "id": 100, "name": "log", "count": 1 },
    ]);
    assert_eq!(report["host_calls"], expected);
}

#[test]
fn invalid_programs_say_why() {
    let dir = Dir::new();
    dir.write("x.pvm", &raw_program(&[255, 0], &[0, 1]));
    let report = dir.tvmc(["inspect", "x.pvm", "--gp", "0.8.0", "--json"]).expect(0).json();
    assert!(report["invalid"].as_str().unwrap().contains("opcode 255"), "{report}");
    let report = dir.tvmc(["inspect", "x.pvm", "--json"]).expect(0).json();
    assert!(report["invalid"].is_null());
    assert_eq!(report["code"]["undefined_opcodes"], 1);
}

#[test]
fn objects_are_inspected_from_files_and_from_the_cache() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "-o", "sum.o"]).expect(0);
    dir.tvmc(["compile", &guest("sum"), "--quiet"]).expect(0);
    let cached = dir.cached_objects().remove(0);
    let report = dir.tvmc(["inspect", "sum.o", "--json"]).expect(0).json();
    let of_cached = dir.tvmc(["inspect", cached.to_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!(report["kind"], "object");
    assert_eq!((&report["note"], &report["sections"]), (&of_cached["note"], &of_cached["sections"]));
    assert_eq!((&report["note"]["this_compiler"], &report["note"]["runs_here"]), (&json!(true), &json!(true)));
    let names: Vec<_> = report["sections"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!([".note.tvm", ".text", ".tvm.pcmap"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(report["text"]["regions"].as_u64().unwrap() > 0);
    let text = dir.tvmc(["inspect", "sum.o"]).expect(0).stdout;
    assert!(text.contains("SECTION") && text.contains(".note.tvm"), "{text}");
}

#[test]
fn damaged_objects_are_malformed() {
    let dir = Dir::new();
    dir.tvmc(["compile", &guest("sum"), "-o", "sum.o"]).expect(0);
    let bytes = fs::read(dir.path("sum.o")).unwrap();
    for len in [5, 64, 4096, bytes.len() / 2] {
        dir.write("cut.o", &bytes[..len]);
        dir.tvmc(["inspect", "cut.o"]).expect(3);
        dir.tvmc(["disasm", "cut.o"]).expect(3);
    }
}

#[test]
fn every_shell_gets_completions() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = dir.tvmc(["completions", shell]).expect(0).stdout;
        assert!(script.contains("tvmc") && script.contains("disasm"), "{shell}");
    }
    dir.tvmc(["completions", "csh"]).expect(2);
}

#[test]
fn usage_errors_and_help() {
    let dir = Dir::new();
    assert!(dir.tvmc(["--help"]).expect(0).stdout.contains("Exit codes:"));
    let help = dir.tvmc(["run", "--help"]).expect(0).stdout;
    assert!(help.contains("WHAT"), "{help}");
    dir.tvmc(["run"]).expect(2);
    dir.tvmc(["fly"]).expect(2);
    dir.tvmc(["run", "x", "--gas", "18446744073709551616"]).expect(2);
}
