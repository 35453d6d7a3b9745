//! Tells programs that use TVM how to link what a first load runs together: see start.ld.
//!
//! A program's own build script has to pass it on, as Cargo lets only that decide about its linking. tools/tvmc/build.rs
//! shows how.

use std::env;
use std::path::PathBuf;

/// Set to 0, leaves the layout to the linker.
const SWITCH: &str = "TVM_START_TOGETHER";

/// Linkers that do not know linker scripts with `SECTIONS`, or not all of what start.ld uses.
const OTHER_LINKERS: [&str; 3] = ["mold", "wild", "gold"];

fn main() {
    println!("cargo::rerun-if-changed=start.ld");
    println!("cargo::rerun-if-env-changed={SWITCH}");
    if is_understood() {
        let script = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("start.ld");
        let arg = format!("-T{}", script.display());
        println!("cargo::metadata=LINK_ARG={arg}");
        println!("cargo::rustc-link-arg-examples={arg}");
    }
}

/// Whether the linker is one of those that understand the script.
fn is_understood() -> bool {
    let target = |part| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    let chosen = ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_LINKER"].map(|name| env::var(name).unwrap_or_default());
    target("OS") == "linux"
        && target("ENV") == "gnu"
        && env::var(SWITCH).as_deref() != Ok("0")
        && !OTHER_LINKERS.iter().any(|linker| chosen.iter().any(|chosen| chosen.contains(linker)))
}
