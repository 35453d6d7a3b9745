//! Programs whose results are known.

use std::path::{Path, PathBuf};

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, GpVersion, Op};
use tvm_runtime::{Engine, GuestExit, Instance, Module, Origin};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::{engines, guests};

const VERSION: GpVersion = GpVersion::V0_7_2;

/// A program with its result.
pub struct Subject {
    pub name: &'static str,
    container: Container,
    bytes: Vec<u8>,
    arguments: Vec<u8>,
    /// What halting leaves at register 7, as many bytes as register 8 says.
    output: Vec<u8>,
}

impl Subject {
    /// A few instructions that use code, jump table, read-only and read-write data.
    pub fn small() -> Self {
        let mut asm = Assembler::new(VERSION);
        let (function, back) = (asm.label(), asm.label());
        asm.push(Inst { y: 0, ..Inst::imm(Op::LoadImmJump, 0, 4) }.to(function));
        asm.bind(back);
        asm.set(7, 0x3_0000);
        asm.push(Inst::two(Op::StoreIndU64, 9, 7, 0));
        asm.set(8, 16);
        asm.halt();
        asm.bind(function);
        asm.set(6, 0x1_0000);
        asm.push(Inst::two(Op::LoadIndU64, 9, 6, 0));
        asm.push(Inst::two(Op::MulImm64, 9, 9, 3));
        asm.push(Inst::imm(Op::JumpInd, 0, 0));
        asm.jump_table(&[function, back]);
        let ro = 1_000_000_007_u64.to_le_bytes();
        let rw = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let bytes = standard(Memory { ro: &ro, rw: &rw, stack: 4096, ..Memory::default() }, &asm.blob());
        let output = [3_000_000_021_u64.to_le_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]].concat();
        Self { name: "small", container: Container::Standard, bytes, arguments: Vec::new(), output }
    }

    /// A guest, in its shortest case.
    pub fn guest(name: &'static str) -> Self {
        let cases = guests::expected().expect("guests");
        let case = cases[name].iter().find(|case| case.case == "small").expect("each guest has a small case");
        let bytes = guests::blob(VERSION, name).expect("the guest's blob");
        Self { name, container: Container::Jam, bytes, arguments: case.args.clone(), output: case.output.clone() }
    }

    pub fn all() -> [Self; 3] {
        [Self::small(), Self::guest("keccak256"), Self::guest("sieve")]
    }

    pub fn load(&self, engine: &Engine) -> Module {
        engines::load(engine, VERSION, self.container, &self.bytes)
    }

    /// Loads and runs it, and checks the result.
    pub fn run(&self, engine: &Engine) -> Origin {
        let module = self.load(engine);
        let mut instance = Instance::standard(engine, &module, &self.arguments).expect("an instance");
        instance.state_mut().gas = Gas(1 << 40);
        assert_eq!(engines::run(&mut instance), GuestExit::Halt, "{}", self.name);
        assert_eq!(engines::output(&instance).as_ref(), Some(&self.output), "{}", self.name);
        module.origin()
    }

    /// What an engine files it under.
    pub fn key_parts(&self, engine: &Engine) -> tvm_cache::KeyParts {
        engine.key_parts(VERSION, self.container, tvm_cache::hash(&self.bytes), Tier::Fast)
    }

    /// The file that holds its object.
    pub fn file(&self, engine: &Engine, directory: &Path) -> PathBuf {
        let name = format!("{}.o", self.key_parts(engine).key());
        directory.join("objects").join(&name[..2]).join(name)
    }
}
