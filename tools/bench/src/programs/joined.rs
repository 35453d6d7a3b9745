//! Programs of any size, joined from real ones.

use std::path::Path;

use anyhow::Context as _;
use tvm_isa::{GpVersion, Op, StandardProgram};

use super::renumber::{Parts, number};
use super::subject::Subject;

/// Real programs to join.
pub struct Pool(Vec<Subject>);

impl Pool {
    /// The guests for GP 0.8.0.
    pub fn of_guests(guests: &Path) -> anyhow::Result<Self> {
        Subject::read_all(&guests.join("blobs").join(GpVersion::V0_8_0.name())).map(Self)
    }

    /// The programs themselves, the largest first.
    pub fn subjects(&self) -> &[Subject] {
        &self.0
    }

    /// A program of about `bytes` of code that returns at once: behind its first instruction comes whole programs after
    /// another, always the largest that fits and has not been taken in this round.
    pub fn joined(&self, bytes: usize) -> anyhow::Result<Subject> {
        let returns = |version| -> anyhow::Result<Parts> {
            let op = number(version, Op::JumpInd).context("every version has jump_ind")?;
            // jump_ind ra
            Ok(Parts { code: vec![op, 0], starts: vec![0], table: vec![0] })
        };
        let mut joined: [Parts; 2] = [returns(GpVersion::V0_7_2)?, returns(GpVersion::V0_8_0)?];
        loop {
            let before = joined[0].code.len();
            for subject in &self.0 {
                if joined[0].code.len() + subject.code_bytes <= bytes {
                    joined.iter_mut().zip(&subject.parts).for_each(|(all, part)| all.append(part));
                }
            }
            if joined[0].code.len() == before {
                break;
            }
        }
        let memory = StandardProgram { ro: &[], rw: &[], heap_pages: 0, stack_size: 4096, program: &[] };
        Ok(Subject::new(format!("{} KB joined", bytes >> 10), joined, &memory))
    }
}
