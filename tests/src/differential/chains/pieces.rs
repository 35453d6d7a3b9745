//! Instructions of a chain with the places that they lead to.

use tvm_isa::Op;

use crate::assemble::{Assembler, Inst, Label};

/// A place within a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(usize);

/// A part of a chain.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// An instruction; perhaps where it jumps, and the place whose address in the jump table is added to its first immediate.
    Inst(Inst, Option<Place>, Option<Place>),
    /// A place, at which a block starts.
    Here(Place),
}

/// A chain.
#[derive(Clone, Default, Debug)]
pub struct Chain {
    pieces: Vec<Piece>,
    places: usize,
}

impl Chain {
    /// Appends an instruction.
    pub fn push(&mut self, inst: Inst) {
        self.pieces.push(Piece::Inst(inst, None, None));
    }

    /// Appends an instruction that jumps.
    pub fn push_to(&mut self, inst: Inst, to: Place) {
        self.pieces.push(Piece::Inst(inst, Some(to), None));
    }

    /// Appends an instruction to whose immediate the address of a place is added, and that perhaps jumps.
    pub fn push_address(&mut self, inst: Inst, of: Place, to: Option<Place>) {
        self.pieces.push(Piece::Inst(inst, to, Some(of)));
    }

    /// A place that is to be somewhere.
    pub fn place(&mut self) -> Place {
        self.places += 1;
        Place(self.places - 1)
    }

    /// Puts a place here.
    pub fn put(&mut self, place: Place) {
        let begins = match self.pieces.last() {
            Some(Piece::Inst(inst, ..)) => inst.op.terminates_block(),
            Some(Piece::Here(_)) => true,
            None => false,
        };
        if !begins {
            self.push(Inst::new(Op::Fallthrough));
        }
        self.pieces.push(Piece::Here(place));
    }

    /// Writes the chain; places whose addresses are asked for go into the jump table.
    pub fn write(&self, asm: &mut Assembler, table: &mut Vec<Label>) {
        let labels: Vec<Label> = (0..self.places).map(|_| asm.label()).collect();
        for piece in &self.pieces {
            match *piece {
                Piece::Inst(mut inst, to, address) => {
                    if let Some(Place(of)) = address {
                        table.push(labels[of]);
                        inst.x += 2 * table.len() as i64;
                    }
                    asm.push(to.map_or(inst, |Place(to)| inst.to(labels[to])));
                }
                Piece::Here(Place(place)) => {
                    asm.bind(labels[place]);
                }
            }
        }
    }
}
