//! Builds the C guests for wasm and for the machine itself.
//!
//! What is built stays in a folder, under names that hold a hash of everything it was made from.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use tvm_cache::hash;

/// What the guests need on a Debian or Ubuntu machine, named in messages.
const PACKAGES: &str = "apt-get update && apt-get install -y clang-22 lld-22 (or other versions of clang and lld)";

/// Flags of all builds, as `guests/build.sh` has them: freestanding, so that compilers see the same program.
const COMMON: [&str; 4] = ["-std=gnu11", "-O2", "-ffreestanding", "-fno-builtin"];

/// The machine's own compilers, the best first, with what keeps them from vectorising.
const NATIVE: [(&str, [&str; 2]); 4] = [
    ("clang-22", CLANG_SCALAR),
    ("clang", CLANG_SCALAR),
    ("gcc", ["-fno-tree-vectorize", "-fno-tree-slp-vectorize"]),
    ("cc", ["-fno-tree-vectorize", "-fno-tree-slp-vectorize"]),
];

const CLANG_SCALAR: [&str; 2] = ["-fno-vectorize", "-fno-slp-vectorize"];

/// Kinds of processors to build for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cpu {
    /// What every x86-64 processor has.
    Plain,
    /// With BMI and what else processors have had since 2013.
    V3,
}

impl Cpu {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "x86-64 -O2",
            Self::V3 => "x86-64-v3 -O2",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Plain => "-march=x86-64",
            Self::V3 => "-march=x86-64-v3",
        }
    }
}

/// The compilers, and where things are.
pub struct Sources {
    guests: PathBuf,
    own: PathBuf,
    out: PathBuf,
    native: (Tool, [&'static str; 2]),
    clang: Tool,
    linker: Tool,
}

/// A compiler or linker.
#[derive(Clone)]
struct Tool {
    name: &'static str,
    /// What it says it is.
    version: String,
}

/// Stack of a guest in wasm, in bytes, as `guests/build.sh` has it.
const GUEST_STACK: u32 = 8 << 20;

impl Sources {
    /// Finds the compilers. `guests` is the folder of the guests, `out` where to build.
    pub fn new(guests: &Path, out: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let native = NATIVE.into_iter().find_map(|(name, flags)| Some((Tool::find(name)?, flags)));
        let native = native.with_context(|| format!("no C compiler for native guests: {PACKAGES}"))?;
        let find = |names: [&'static str; 2], what| {
            let found = names.into_iter().find_map(Tool::find);
            found.with_context(|| format!("no {what} for wasm guests: {PACKAGES}"))
        };
        Ok(Self {
            guests: guests.join("c"),
            own: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/c")),
            out: std::path::absolute(out)?,
            native,
            clang: find(["clang-22", "clang"], "clang")?,
            linker: find(["wasm-ld-22", "wasm-ld"], "wasm-ld")?,
        })
    }

    /// What the native compiler says it is.
    pub fn compiler(&self) -> &str {
        &self.native.0.version
    }

    /// A guest's native program.
    pub fn native(&self, guest: &str, cpu: Cpu) -> anyhow::Result<PathBuf> {
        let source = std::path::absolute(self.guests.join(format!("{guest}.c")))?;
        let (compiler, scalar) = &self.native;
        let mut command = Command::new(compiler.name);
        command.args(COMMON).args(*scalar).arg(cpu.flag()).arg(format!("-DGUEST=\"{}\"", source.display()));
        command.arg(self.own.join("driver.c"));
        self.build(compiler, command, &format!("{guest}-{}", cpu.flag().trim_start_matches("-march=")))
    }

    /// A guest's wasm module.
    pub fn wasm(&self, guest: &str) -> anyhow::Result<Vec<u8>> {
        self.wasm_with_stack(guest, GUEST_STACK)
    }

    /// A guest's wasm module with this much stack, in bytes.
    pub fn wasm_with_stack(&self, guest: &str, stack: u32) -> anyhow::Result<Vec<u8>> {
        let guest_object = self.wasm_object(&self.guests.join(format!("{guest}.c")))?;
        self.link_wasm(guest, &[guest_object, self.wasm_object(&self.guests.join("rt.c"))?], stack)
    }

    fn wasm_object(&self, source: &Path) -> anyhow::Result<PathBuf> {
        let mut command = Command::new(self.clang.name);
        command.args(COMMON).args(["--target=wasm32", "-c"]).arg(source);
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        self.build(&self.clang, command, &format!("{name}-wasm.o"))
    }

    fn link_wasm(&self, name: &str, objects: &[PathBuf], stack: u32) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new(self.linker.name);
        command.args(["--no-entry", "--gc-sections", "--allow-undefined", "-z", &format!("stack-size={stack}")]);
        command.args(objects);
        let path = self.build(&self.linker, command, &format!("{name}.wasm"))?;
        std::fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Runs a compiler or linker that writes to `-o`, unless it did so before with the same inputs.
    fn build(&self, tool: &Tool, mut command: Command, name: &str) -> anyhow::Result<PathBuf> {
        let mut inputs = vec![tool.version.clone().into_bytes()];
        for argument in command.get_args() {
            inputs.push(argument.as_encoded_bytes().to_vec());
            if Path::new(argument).is_file() {
                inputs.push(std::fs::read(argument)?);
            }
        }
        inputs.extend(self.texts()?);
        let digest = hash(&inputs.concat());
        let path = self.out.join(format!("{}-{name}", hex::encode(&digest[..6])));
        if !path.exists() {
            // A name of its own until it is whole.
            let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
            let output = command.arg("-o").arg(&unfinished).output()?;
            let complaint = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{:?} failed: {complaint}", command.get_program());
            std::fs::rename(unfinished, &path)?;
        }
        Ok(path)
    }

    /// All sources that others include.
    fn texts(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut paths = Vec::new();
        for folder in [&self.guests, &self.own] {
            for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
                paths.push(entry?.path());
            }
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == OsStr::new("h") || extension == "c"));
        paths.sort();
        if paths.is_empty() {
            bail!("no sources in {}", self.guests.display());
        }
        paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
    }
}

impl Tool {
    /// The tool, if it is there.
    fn find(name: &'static str) -> Option<Self> {
        let output = Command::new(name).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next().unwrap_or_default().to_owned();
        output.status.success().then_some(Self { name, version })
    }
}
