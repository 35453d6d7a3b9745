//! Which x86_64 register holds which guest register.
//!
//! All 13 guest registers live in registers of their own for the whole run, so code never spills between
//! instructions. Of the three left, `rsp` stays the host's (signal handlers and host calls find a real stack), [`GAS`]
//! holds the remaining gas and [`SCRATCH`] belongs to no instruction for longer than its own machine code, unless half of a product waits
//! there for a later one.
//!
//! Why these places:
//! * The scratch register is `rdx`: `mulx` takes one factor from it, and other multiplications and divisions overwrite it.
//! * `rax`, which those overwrite too, holds the register that compiled guests use least, t2: saving it in an XMM register
//!   around a division then delays the fewest later instructions.
//! * `rcx`, the amount of shifts without BMI2 and of rotations, holds the one used least after that, t1.
//! * The stack pointer and the first argument registers are in the legacy eight, whose use as 32-bit address needs
//!   no REX prefix.

use tvm_isa::Reg;

/// Number of an x86_64 general register, as machine code encodes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the variants are the registers' own names")]
pub enum HostReg {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rbx = 3,
    Rsp = 4,
    Rbp = 5,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = 14,
    R15 = 15,
}

/// The host register of each guest register, by its index.
pub const GUEST: [HostReg; Reg::COUNT] = [
    HostReg::R8,  // φ0  ra
    HostReg::Rbp, // φ1  sp
    HostReg::R9,  // φ2  t0
    HostReg::Rcx, // φ3  t1
    HostReg::Rax, // φ4  t2
    HostReg::Rbx, // φ5  s0
    HostReg::R14, // φ6  s1
    HostReg::Rdi, // φ7  a0
    HostReg::Rsi, // φ8  a1
    HostReg::R10, // φ9  a2
    HostReg::R11, // φ10 a3
    HostReg::R12, // φ11 a4
    HostReg::R13, // φ12 a5
];

/// Remaining gas, as an unsigned number.
pub const GAS: HostReg = HostReg::R15;

/// Free within the code of one guest instruction.
pub const SCRATCH: HostReg = HostReg::Rdx;

/// The host register that holds `reg`.
#[must_use]
pub const fn guest(reg: Reg) -> HostReg {
    GUEST[reg.index()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_register_serves_two_purposes() {
        let mut used: Vec<u8> = GUEST.iter().map(|&reg| reg as u8).collect();
        used.extend([GAS as u8, SCRATCH as u8, HostReg::Rsp as u8]);
        used.sort_unstable();
        assert_eq!(used, (0..16).collect::<Vec<u8>>());
    }
}
