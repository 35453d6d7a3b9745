//! Links what a first load runs together in the program: see runtime/start.ld.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Not there where the linker would not understand it.
    if let Ok(arg) = std::env::var("DEP_TVM_RUNTIME_LINK_ARG") {
        println!("cargo::rustc-link-arg-bins={arg}");
        // For the test that looks whether it had any effect.
        println!("cargo::rustc-env=TVM_LINKED_TOGETHER=yes");
    }
}
