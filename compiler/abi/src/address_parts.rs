//! Registers that optimised code does not compute, as sums of others: a part of the pc map.

use tvm_isa::Reg;

/// Stands for a register that is missing.
const NO_REGISTER: u8 = 15;

/// A register's lower half as the sum of others: `base + (index << scale) + disp`, modulo 2^32.
///
/// An access of optimised code may be at such a sum while the register that the instruction names holds something else. The interpreter,
/// which decides about the fault, needs the register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressParts {
    /// The register to set.
    pub target: Reg,
    /// A register as it is.
    pub base: Option<Reg>,
    /// A register, and the power of two it is multiplied with, at most 3.
    pub index: Option<(Reg, u8)>,
    /// A constant.
    pub disp: i32,
}

impl AddressParts {
    /// Sets the register, among all registers.
    pub fn apply(&self, regs: &mut [u64; Reg::COUNT]) {
        let base = self.base.map_or(0, |reg| regs[reg.index()] as u32);
        let index = self.index.map_or(0, |(reg, scale)| (regs[reg.index()] as u32) << (scale & 3));
        regs[self.target.index()] = base.wrapping_add(index).wrapping_add(self.disp as u32).into();
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let number = |reg: Option<Reg>| reg.map_or(NO_REGISTER, |reg| reg.index() as u8);
        let scale = self.index.map_or(0, |(_, scale)| scale);
        out.push(self.target.index() as u8 | number(self.base) << 4);
        out.push(number(self.index.map(|(reg, _)| reg)) | scale << 4);
        out.extend(self.disp.to_le_bytes());
    }

    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (&[registers, index, ref disp @ ..], rest) = bytes.split_first_chunk::<6>()?;
        *bytes = rest;
        let register = |number: u8| (number != NO_REGISTER).then(|| Reg::clamped(number));
        Some(Self {
            target: Reg::clamped(registers & 15),
            base: register(registers >> 4),
            index: register(index & 15).map(|reg| (reg, index >> 4 & 3)),
            disp: i32::from_le_bytes(*disp),
        })
    }
}
