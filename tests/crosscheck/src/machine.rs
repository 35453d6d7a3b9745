//! What both engines are seen as: a machine that stops, is looked at, is changed and goes on.

use tvm_isa::Reg;
use tvm_runtime::GuestExit;

/// A program with its state, in one of the engines.
pub trait Machine {
    /// Runs to the next stop. The next run goes on from there, after a host call behind it.
    fn run(&mut self) -> anyhow::Result<GuestExit>;

    /// The instruction that stopped the run; `None` where the engine does not say.
    fn pc(&mut self) -> Option<u32>;

    /// Remaining gas.
    fn gas(&mut self) -> u64;

    /// All registers.
    fn regs(&mut self) -> [u64; Reg::COUNT];

    /// Bytes of memory, which must be readable.
    fn read(&mut self, address: u32, len: u32) -> anyhow::Result<Vec<u8>>;

    /// Changes something between two runs.
    fn apply(&mut self, effect: &Effect) -> anyhow::Result<()>;
}

/// What a host does to a machine that has stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Sets a register.
    Register(usize, u64),
    /// Sets the remaining gas.
    Gas(u64),
    /// Writes memory.
    Write(u32, Vec<u8>),
    /// Makes one page readable and writable. A page that was not readable before is zero then.
    Map {
        /// The page's first address.
        page: u32,
        /// Whether the page is readable already.
        readable: bool,
    },
    /// Makes the heap of a standard program longer by zero pages.
    GrowHeap {
        /// The heap's end before, as a page's number.
        end: u32,
        /// The number of new pages.
        count: u32,
    },
}

/// Addresses from a first one on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first address.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

/// What can be seen of a machine at a stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// How it stopped.
    pub exit: GuestExit,
    /// The instruction that stopped it.
    pub pc: Option<u32>,
    /// Remaining gas.
    pub gas: u64,
    /// All registers.
    pub regs: [u64; Reg::COUNT],
    /// The contents of the spans that were asked for.
    pub memory: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Looks at `machine`, which has just stopped with `exit`.
    pub fn of(machine: &mut dyn Machine, exit: GuestExit, spans: &[Span]) -> anyhow::Result<Self> {
        let memory = spans.iter().map(|span| machine.read(span.start, span.len)).collect::<anyhow::Result<_>>()?;
        Ok(Self { exit, pc: machine.pc(), gas: machine.gas(), regs: machine.regs(), memory })
    }
}
