//! Golden files: written, read and compared.

use std::fmt::Write;
use std::path::PathBuf;

use super::render::{Rendered, Target};

/// When set, files are written instead of compared.
const UPDATE_VARIABLE: &str = "TVM_UPDATE_GOLDEN";

/// How many differences are shown.
const MAX_SHOWN: usize = 20;

/// Compares `found` with the file of this name, or writes it.
pub fn check(name: &str, target: Target, found: &[Rendered]) {
    let mut titles: Vec<&str> = found.iter().map(|entry| entry.title.as_str()).collect();
    titles.sort_unstable();
    assert!(titles.is_sorted_by(|one, next| one < next), "two entries of {name} have one title: {titles:#?}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{}/{name}.txt", target.tier));
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&path, text_of(name, target, found)).expect("the golden directory can be written");
        return;
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; {UPDATE_VARIABLE}=1 makes it", path.display()));
    let expected = entries_of(&text);
    let differences = differences(&expected, found);
    if !differences.is_empty() {
        let mut report = format!("{}: {} entries differ\n", path.display(), differences.len());
        differences.iter().take(MAX_SHOWN).for_each(|difference| report.push_str(difference));
        panic!("{report}\nif this is meant: {UPDATE_VARIABLE}=1 cargo test -p tvm-tests --test golden");
    }
    assert_eq!(text, text_of(name, target, found), "{}: only the file's head differs", path.display());
}

fn differences(expected: &[Rendered], found: &[Rendered]) -> Vec<String> {
    let mut out = Vec::new();
    for Rendered { title, code } in found {
        match expected.iter().find(|entry| entry.title == *title) {
            None => out.push(format!("\n{title}\n  is not in the file; found\n{}", indented(code))),
            Some(entry) if entry.code != *code => {
                out.push(format!("\n{title}\n  expected\n{}  found\n{}", indented(&entry.code), indented(code)))
            }
            Some(_) => {}
        }
    }
    let gone = expected.iter().filter(|entry| !found.iter().any(|found| found.title == entry.title));
    out.extend(gone.map(|entry| format!("\n{}\n  is in the file, but no longer made\n", entry.title)));
    out
}

fn indented(code: &[String]) -> String {
    code.iter().fold(String::new(), |mut out, line| {
        writeln!(out, "    {line}").expect("strings take everything");
        out
    })
}

fn text_of(name: &str, target: Target, found: &[Rendered]) -> String {
    let Target { version, cpu, tier } = target;
    let features: Vec<&str> = cpu.names().collect();
    let features = if features.is_empty() { "plain x86-64".to_owned() } else { features.join(", ") };
    let mut out = format!("# {name}: {tier} machine code under Gray Paper {version} with {features}.\n");
    out.push_str("# Written by the test `golden` with TVM_UPDATE_GOLDEN=1. Without it, the test compares.\n");
    for Rendered { title, code } in found {
        writeln!(out, "\n{title}\n{}", indented(code).trim_end_matches('\n')).expect("strings take everything");
    }
    out
}

fn entries_of(text: &str) -> Vec<Rendered> {
    let mut entries: Vec<Rendered> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("    "), entries.last_mut()) {
            (Some(code), Some(entry)) => entry.code.push(code.to_owned()),
            _ => entries.push(Rendered { title: line.to_owned(), code: Vec::new() }),
        }
    }
    entries
}

#[test]
fn what_is_written_is_read_back() {
    let entry = |title: &str, code: &[&str]| Rendered {
        title: title.to_owned(),
        code: code.iter().map(|&line| line.to_owned()).collect(),
    };
    let entries = [entry("a0 = 1 | 33", &["b8  mov eax, 1", "c3  ret"]), entry("fallthrough | 01", &["(nothing)"])];
    let target =
        Target { version: tvm_isa::GpVersion::V0_7_2, cpu: tvm_abi::CpuFeatures::V3, tier: tvm_abi::Tier::Fast };
    assert_eq!(entries_of(&text_of("name", target, &entries)), entries);
    let changed = [entry("a0 = 1 | 33", &["b8  mov eax, 1"]), entry("new | 00", &[])];
    assert_eq!(differences(&entries, &changed).len(), 3);
    assert!(differences(&entries, &entries).is_empty());
}
