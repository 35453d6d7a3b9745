//! What a compilation works with besides the code that it writes.

use tvm_abi::{PcMapBuilder, Stub};

use crate::asm::Jumps;
use crate::targets::BlockTargets;

/// Tables of a compilation in progress. Who compiles again and again keeps them: memory that is new to the process costs
/// more to get than to fill. Nothing of one program is seen by the next.
#[derive(Default, Debug)]
pub struct Scratch {
    /// Where blocks start and regions end.
    pub(crate) targets: BlockTargets,
    /// Jumps and where they lead.
    pub(crate) jumps: Jumps,
    /// The pc map.
    pub(crate) map: PcMapBuilder,
    /// What the cold sites call.
    pub(crate) cold: Vec<Stub>,
    /// The dynamic jump table.
    pub(crate) jump_table: Vec<u32>,
}

impl Scratch {
    /// Bytes of memory that the tables take; for the largest programs that is about five times the length of the code.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        let Self { targets, jumps, map, cold, jump_table } = self;
        targets.capacity_bytes()
            + jumps.capacity_bytes()
            + map.capacity_bytes()
            + cold.capacity() * size_of::<Stub>()
            + jump_table.capacity() * size_of::<u32>()
    }
}
