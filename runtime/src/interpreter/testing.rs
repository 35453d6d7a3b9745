//! Small programs for the interpreter's unit tests.

use tvm_isa::codec::encode_natural;
use tvm_isa::{Gas, GpVersion, Instruction, Pc, Program};

use super::{Interpreter, Step, StepObserver};
use crate::exit::{GuestExit, GuestState};
use crate::memory::{GuestMemory, PagedMemory};

/// A program blob of these instructions, each marked at its first byte, with this jump table.
pub(super) fn program(instructions: &[&[u8]], jump_table: &[u32]) -> Vec<u8> {
    let mut code = Vec::new();
    let mut marks = Vec::new();
    for bytes in instructions {
        marks.push(code.len());
        code.extend_from_slice(bytes);
    }
    blob(&code, &marks, jump_table)
}

/// A program blob with these marks.
pub(super) fn blob(code: &[u8], marks: &[usize], jump_table: &[u32]) -> Vec<u8> {
    let mut blob = Vec::new();
    encode_natural(jump_table.len() as u64, &mut blob);
    blob.push(4);
    encode_natural(code.len() as u64, &mut blob);
    blob.extend(jump_table.iter().flat_map(|entry| entry.to_le_bytes()));
    blob.extend_from_slice(code);
    let mut bitmask = vec![0; code.len().div_ceil(8)];
    for at in marks {
        bitmask[at / 8] |= 1 << (at % 8);
    }
    blob.extend(bitmask);
    blob
}

/// A machine without memory, about to execute a program at 0 with much gas.
pub(super) struct Machine<'p> {
    pub interpreter: Interpreter<'p>,
    pub state: GuestState,
    pub memory: GuestMemory,
}

impl<'p> Machine<'p> {
    pub fn new(version: GpVersion, blob: &'p [u8]) -> Self {
        let program = Program::parse(blob).expect("a program blob");
        Self {
            interpreter: Interpreter::new(program, version.rules()),
            state: GuestState::new(Pc(0), Gas(1_000_000)),
            memory: GuestMemory::Paged(PagedMemory::new()),
        }
    }

    pub fn step(&mut self) -> Step {
        self.interpreter.step(&mut self.state, &mut self.memory).expect("no error of the machine")
    }

    /// Runs to the exit, which these programs reach within a thousand instructions.
    pub fn run(&mut self) -> GuestExit {
        let exit =
            self.interpreter.run(&mut self.state, &mut self.memory, Some(1000)).expect("no error of the machine");
        exit.expect("an exit")
    }

    /// Runs to the exit; gives the program counters of all instructions attempted, too.
    pub fn trace(&mut self) -> (Vec<u32>, GuestExit) {
        struct Pcs(Vec<u32>);
        impl StepObserver for Pcs {
            fn before_step(&mut self, instruction: &Instruction, state: &GuestState) {
                assert_eq!(instruction.pc, state.pc);
                self.0.push(state.pc.0);
            }
        }
        let mut pcs = Pcs(Vec::new());
        let exit = self.interpreter.run_observed(&mut self.state, &mut self.memory, Some(1000), &mut pcs);
        (pcs.0, exit.expect("no error of the machine").expect("an exit"))
    }
}
