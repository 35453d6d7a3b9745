//! Accesses to inaccessible memory, against the Gray Paper's rule (A.4) written down once more here.

mod access;
mod rule;

use access::{ACCESSES, Access};
use rule::{Outcome, Rights};
use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Op, Pc};
use tvm_runtime::memory;
use tvm_runtime::{Engine, GuestExit, Instance, Module};
use tvm_tests::assemble::{Assembler, Inst};
use tvm_tests::engines;

/// Gas that suffices for everything here.
const GAS: u64 = 1000;

/// Two pages side by side, and how an access may find them.
struct Place {
    pages: [u32; 2],
    rights: &'static [[Rights; 2]],
}

use Rights::{None as N, Read as R, Write as W};

/// In the middle of memory, across its end, and at the pages below 2^16, which nothing can make accessible.
const PLACES: [Place; 3] = [
    Place { pages: [0x20, 0x21], rights: &[[N, N], [N, R], [N, W], [R, N], [R, R], [R, W], [W, N], [W, R], [W, W]] },
    Place { pages: [0xf_ffff, 0], rights: &[[N, N], [R, N], [W, N]] },
    Place { pages: [15, 16], rights: &[[N, N], [N, R], [N, W]] },
];

/// Where accesses start, counted from the second page.
const STARTS: std::ops::RangeInclusive<i64> = -15..=7;

/// What memory holds at an address.
fn content(address: u32) -> u8 {
    (address.wrapping_mul(0x9e37_79b1) >> 13) as u8
}

fn page_contents(page: u32) -> Vec<u8> {
    (0..4096).map(|offset| content((page << 12) + offset)).collect()
}

/// One access on one instance.
struct Trial<'a> {
    engine: &'a Engine,
    module: &'a Module,
    version: GpVersion,
    access: Access,
    address: u32,
    place: &'a Place,
    rights: [Rights; 2],
    base: Option<(usize, u64)>,
}

impl Trial<'_> {
    fn run(&self) {
        let Self { engine, module, place, rights, base, .. } = self;
        let mut instance = Instance::bare(engine, module).expect("an instance");
        for (page, rights) in place.pages.into_iter().zip(*rights) {
            give(&mut instance, page, rights);
        }
        let state = instance.state_mut();
        state.gas = Gas(GAS);
        state.regs = std::array::from_fn(|index| 0x1111_2222_3333_4444_u64.wrapping_mul(index as u64 + 1));
        if let Some((register, value)) = base {
            state.regs[*register] = *value;
        }
        self.to_the_end(&mut instance);
    }

    /// Runs, gives the pages that are missing, and runs on until the access succeeds or panics.
    fn to_the_end(&self, instance: &mut Instance) {
        let mut rights = self.rights;
        let mut charge = Charge::new(self.version, self.module);
        loop {
            let before = (instance.state().regs, self.memory(instance));
            let exit = engines::run(instance);
            charge.attempt();
            let outcome = rule::outcome(self.address, self.access.size, self.access.needs, |page| {
                self.place.pages.iter().position(|known| *known == page).map_or(N, |index| rights[index])
            });
            let state = instance.state();
            match outcome {
                Outcome::Done => {
                    // The access was the first instruction; the trap behind it ends the run.
                    charge.attempt();
                    assert_eq!((exit, state.pc), (GuestExit::Panic, Pc(self.access_len())), "{self}");
                    assert_eq!(state.gas, charge.left(), "{self}");
                    return self.check_effect(instance, before);
                }
                Outcome::Panic => assert_eq!(exit, GuestExit::Panic, "{self}"),
                Outcome::Fault(page) => assert_eq!(exit, GuestExit::PageFault(GuestAddr(page)), "{self}"),
            }
            // Nothing but the gas has changed.
            assert_eq!((state.pc, state.gas), (Pc(0), charge.left()), "{self}");
            assert_eq!(state.charged, self.version == GpVersion::V0_8_0, "{self}");
            assert_eq!(state.regs, before.0, "{self}");
            assert_eq!(self.memory(instance), before.1, "{self}");
            let Outcome::Fault(page) = outcome else { return };
            let index = self.place.pages.iter().position(|known| *known == page >> 12).expect("a page of the place");
            give(instance, page >> 12, W);
            rights[index] = W;
        }
    }

    fn access_len(&self) -> u32 {
        self.module.program().code_len() - 1
    }

    /// The contents of the pages, as far as they can be read.
    fn memory(&self, instance: &Instance) -> [Option<Vec<u8>>; 2] {
        self.place.pages.map(|page| instance.memory().read(u64::from(page) << 12, 4096).ok())
    }

    fn check_effect(&self, instance: &Instance, (mut regs, mut memory): ([u64; 13], [Option<Vec<u8>>; 2])) {
        let addresses = (0..self.access.size).map(|at| self.address.wrapping_add(at));
        if let Some(register) = self.access.loads_to() {
            let bytes: Vec<u8> = addresses.map(content).collect();
            regs[register] = self.access.loaded(&bytes);
        } else {
            for (byte, address) in self.access.stored(&regs).into_iter().zip(addresses) {
                let index = self.place.pages.iter().position(|page| *page == address >> 12).expect("in the place");
                memory[index].as_mut().expect("writable")[address as usize % 4096] = byte;
            }
        }
        assert_eq!(instance.state().regs, regs, "{self}");
        assert_eq!(self.memory(instance), memory, "{self}");
    }
}

impl std::fmt::Display for Trial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { module, version, access, address, place, rights, base, .. } = self;
        let (op, origin, pages) = (access.op.name(), module.origin(), place.pages);
        write!(f, "{origin:?} {version} {op} at {address:#x}, pages {pages:x?} {rights:?}, base {base:x?}")
    }
}

/// What attempts have cost so far: each by itself, or the block once.
struct Charge {
    per_attempt: u64,
    once: u64,
    attempts: u64,
}

impl Charge {
    fn new(version: GpVersion, module: &Module) -> Self {
        let block = tvm_isa::gas::block_cost(&module.program(), version.rules(), Pc(0)).0;
        let (per_attempt, once) = if version == GpVersion::V0_8_0 { (0, block) } else { (1, 0) };
        Self { per_attempt, once, attempts: 0 }
    }

    fn attempt(&mut self) {
        self.attempts += 1;
    }

    fn left(&self) -> Gas {
        Gas(GAS - self.once - self.per_attempt * self.attempts)
    }
}

fn give(instance: &mut Instance, page: u32, rights: Rights) {
    let rights = match rights {
        N => return,
        R => memory::Access::Read,
        W => memory::Access::Write,
    };
    instance.memory_mut().set_access(page, 1, rights).expect("rights can be given");
    instance.memory_mut().initialise(GuestAddr(page << 12), &page_contents(page)).expect("accessible");
}

/// A program whose first instruction makes the access; its last byte is a trap.
fn program(version: GpVersion, inst: Inst) -> Vec<u8> {
    let mut asm = Assembler::new(version);
    asm.push(inst);
    asm.op(Op::Trap);
    asm.blob()
}

fn every_trial(engine: &Engine, version: GpVersion, displacements: &[i64]) {
    let load = |inst| engines::load(engine, version, Container::Raw, &program(version, inst));
    for access in ACCESSES {
        for place in &PLACES {
            for start in STARTS {
                let address = (place.pages[1] << 12).wrapping_add(start as u32);
                let trial = |module: &Module, base| {
                    for &rights in place.rights {
                        Trial { engine, module, version, access, address, place, rights, base }.run();
                    }
                };
                match access.base() {
                    None => trial(&load(access.inst(address as i32 as i64)), None),
                    Some(register) => {
                        for &displacement in displacements {
                            let value = u64::from(address).wrapping_sub(displacement as u64);
                            let module = load(access.inst(displacement));
                            trial(&module, Some((register, value)));
                            // Only the low half of the register counts.
                            trial(&module, Some((register, value ^ 0xdead_beef_0000_0000)));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn compiled_under_0_7_2() {
    for engine in engines::tiers() {
        every_trial(&engine, GpVersion::V0_7_2, &[0, -24, 0x1000]);
    }
}

#[test]
fn compiled_under_0_8_0() {
    for engine in engines::tiers() {
        every_trial(&engine, GpVersion::V0_8_0, &[8]);
    }
}

#[test]
fn interpreted() {
    every_trial(&engines::interpreted(), GpVersion::V0_7_2, &[0]);
    every_trial(&engines::interpreted(), GpVersion::V0_8_0, &[-24]);
}

/// Cases of the rule with values written by hand, so that the rule as written here is tested itself.
#[test]
fn by_hand() {
    const P: u32 = 0x20_000;
    let rights = |page: u32| match page {
        0x20 => R,
        0x21 => W,
        0xf_ffff => W,
        16 => R,
        _ => N,
    };
    let cases = [
        (P, 8, R, Outcome::Done),
        (P, 1, W, Outcome::Fault(P)),
        (P + 0xfff, 1, R, Outcome::Done),
        (P + 0xfff, 2, R, Outcome::Done),
        (P + 0xfff, 2, W, Outcome::Fault(P)),
        (P + 0x1ff8, 8, W, Outcome::Done),
        (P + 0x1ff9, 8, W, Outcome::Fault(P + 0x2000)),
        (P - 1, 2, R, Outcome::Fault(P - 0x1000)),
        (0xffff_fff8, 8, W, Outcome::Done),
        (0xffff_fff9, 8, W, Outcome::Panic),
        (0xffff_ffff, 4, R, Outcome::Panic),
        (0xffff, 1, R, Outcome::Panic),
        (0xfffe, 4, R, Outcome::Panic),
        (0x1_0000, 4, R, Outcome::Done),
        (0x1_0000, 4, W, Outcome::Fault(0x1_0000)),
        (0, 1, R, Outcome::Panic),
    ];
    for (address, size, needs, expected) in cases {
        assert_eq!(rule::outcome(address, size, needs, rights), expected, "{size} bytes at {address:#x} for {needs:?}");
    }
}
