//! Hashes the sources that decide what the compiler emits.

use std::fs;
use std::path::{Path, PathBuf};

use blake2::{Blake2b, Digest, digest::consts::U32};

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let mut files = Vec::new();
    for folder in ["src", "isa/src", "abi/src"] {
        collect(&here.join(folder), &mut files);
        println!("cargo::rerun-if-changed={folder}");
    }
    for file in ["build.rs", "Cargo.toml"] {
        files.push(here.join(file));
        println!("cargo::rerun-if-changed={file}");
    }
    // The versions of the assembler and of the object writer decide about bytes too.
    let lock = here.join("../Cargo.lock");
    if lock.exists() {
        println!("cargo::rerun-if-changed=../Cargo.lock");
    }
    files.sort();

    let mut hash = Blake2b::<U32>::new();
    for file in &files {
        let name = file.strip_prefix(&here).unwrap_or(file).to_string_lossy().into_owned();
        let contents = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for part in [name.as_bytes(), &contents] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    for package in locked_versions(&lock, &["dynasm", "dynasmrt", "object"]) {
        hash.update(package);
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo")).join("compiler_identity");
    fs::write(&out, hash.finalize()).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `name version checksum` of the locked packages with these names.
fn locked_versions(lock: &Path, names: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(lock).unwrap_or_default();
    let mut found: Vec<String> = text
        .split("[[package]]")
        .filter(|package| names.iter().any(|name| package.contains(&format!("name = \"{name}\"\n"))))
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}
