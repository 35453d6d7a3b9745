//! The cost of single blocks, longer than those of generated programs, without running them.

use polkavm::ProgramCounter;
use tvm_isa::codec::encode_natural;
use tvm_isa::{BlockStarts, Format, OPERATIONS, Operation, Program, gas};

use crate::ours::VERSION;
use crate::peer::Peer;

/// Most instructions of a block before its terminator: several times the reorder buffer.
const MAX_INSTRUCTIONS: u64 = 130;

/// Blocks of a program.
const BLOCKS: u64 = 16;

/// Makes programs of random blocks from a seed.
pub struct BlockGenerator {
    state: u64,
    inner: Vec<(u8, &'static Operation)>,
    terminators: Vec<(u8, &'static Operation)>,
}

impl BlockGenerator {
    /// A generator: the same seed makes the same programs.
    pub fn new(seed: u64) -> Self {
        let numbered = (0..=u8::MAX).filter_map(|number| {
            VERSION.rules().opcodes[usize::from(number)].map(|op| (number, &OPERATIONS[op as usize]))
        });
        let (terminators, inner) = numbered.partition(|(_, operation)| operation.terminates_block);
        Self { state: seed, inner, terminators }
    }

    /// A random number below `limit` (SplitMix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// The next program's blob. It ends with a trap, so that both engines take it.
    pub fn program(&mut self) -> Vec<u8> {
        let (mut code, mut marks) = (Vec::new(), Vec::new());
        for _ in 0..1 + self.below(BLOCKS) {
            // Few registers make long dependency chains, few operations make them of the same kind.
            let registers = 1 + self.below(13);
            let operations = 1 + self.below(self.inner.len() as u64);
            let first = self.below(self.inner.len() as u64);
            for _ in 0..self.below(MAX_INSTRUCTIONS) {
                let index = (first + self.below(operations)) as usize % self.inner.len();
                let operation = self.inner[index];
                self.instruction(&mut code, &mut marks, operation, registers);
            }
            let last = self.below(self.terminators.len() as u64) as usize;
            let last = self.terminators[last];
            self.instruction(&mut code, &mut marks, last, registers);
        }
        marks.push(code.len());
        code.push(0);
        let mut blob = vec![0, 0];
        encode_natural(code.len() as u64, &mut blob);
        let mut mask = vec![0; code.len().div_ceil(8)];
        marks.iter().for_each(|at| mask[at / 8] |= 1 << (at % 8));
        blob.extend(code);
        blob.extend(mask);
        blob
    }

    fn instruction(
        &mut self,
        code: &mut Vec<u8>,
        marks: &mut Vec<usize>,
        (number, operation): (u8, &'static Operation),
        registers: u64,
    ) {
        marks.push(code.len());
        code.push(number);
        let pair = (self.below(registers) | self.below(registers) << 4) as u8;
        let random = |generator: &mut Self, code: &mut Vec<u8>, len: u64| {
            code.extend((0..len).map(|_| generator.below(256) as u8));
        };
        let immediate = self.below(5);
        match operation.format {
            Format::None => {}
            Format::Imm | Format::Offset => random(self, code, immediate),
            Format::RegImm64 => {
                code.push(pair);
                random(self, code, 8);
            }
            Format::ImmImm => {
                code.push(immediate as u8);
                random(self, code, immediate + 2);
            }
            Format::RegImm | Format::RegRegImm | Format::RegRegOffset => {
                code.push(pair);
                random(self, code, immediate);
            }
            Format::RegImmImm | Format::RegImmOffset => {
                code.push(pair & 15 | (immediate as u8) << 4);
                random(self, code, immediate + 1);
            }
            Format::RegReg => code.push(pair),
            Format::RegRegImmImm => {
                code.extend([pair, immediate as u8]);
                random(self, code, immediate + 2);
            }
            Format::RegRegReg => {
                code.push(pair);
                code.push(self.below(registers) as u8);
            }
        }
    }
}

/// Compares the costs of all blocks of a valid program; `peer_blob` is what the crate gets of it. Gives the number of
/// blocks, or the first that differs.
pub fn compare(blob: &[u8], peer_blob: &[u8], peer: &Peer) -> anyhow::Result<Result<u64, String>> {
    let program = Program::parse(blob)?;
    let module = match peer.module(peer_blob) {
        Ok(module) => module,
        Err(reason) => return Ok(Err(format!("TVM accepts the program, polkavm does not: {reason}"))),
    };
    let mut blocks = 0;
    for start in BlockStarts::new(&program, VERSION.rules()).iter() {
        let ours = gas::block_cost(&program, VERSION.rules(), start).0;
        let theirs = module.calculate_gas_cost_for(ProgramCounter(start.0));
        if theirs != i64::try_from(ours).ok() {
            return Ok(Err(format!("block {start}: TVM charges {ours}, polkavm {theirs:?}")));
        }
        blocks += 1;
    }
    Ok(Ok(blocks))
}
