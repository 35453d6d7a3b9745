//! An instance that was used before is like a new one, and shows nothing of the guest before it.

use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Op, Pc};
use tvm_runtime::memory::Access;
use tvm_runtime::{Engine, GuestExit, GuestState, Instance, Module};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::engines;

const RO: &[u8] = b"read-only data";
const RW: [u8; 5000] = [0x5a; 5000];
const SECRET: u8 = 0xee;

/// Zeroed pages behind the data, and bytes of stack: few enough that all are written anew for the next guest, and so many
/// that those in the middle are dropped.
const SIZES: [(u16, u32); 2] = [(2, 9000), (60, 200_000)];

/// Lengths of arguments: pages, one byte more and less, and what the window to them holds.
const ARGUMENTS: [usize; 10] = [9, 0, 1, 4095, 4096, 4097, 10_000, 65_536, 65_537, 200_000];

fn program() -> Vec<u8> {
    program_of(SIZES[0])
}

/// A program that writes to every region it can, and then halts.
fn program_of((heap_pages, stack): (u16, u32)) -> Vec<u8> {
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    for (address, value) in [(0x3_0000, 0x1111), (0x3_2000, 0x2222), (0x3_3ff8, 0x3333)] {
        asm.set(7, address);
        asm.set(8, value);
        asm.push(Inst::two(Op::StoreIndU64, 8, 7, 0));
    }
    asm.push(Inst::two(Op::StoreIndU64, 8, 1, -8));
    asm.set(9, 10_000);
    asm.push(Inst::three(Op::Sbrk, 10, 9, 0));
    asm.push(Inst::two(Op::StoreIndU64, 8, 10, 0));
    asm.halt();
    standard(Memory { ro: RO, rw: &RW, heap_pages, stack }, &asm.blob())
}

/// Everything a guest or host can see of an instance.
#[derive(PartialEq, Debug)]
struct Everything {
    state: GuestState,
    pages: Vec<(u32, u32, Access)>,
    contents: Vec<Vec<u8>>,
}

fn everything(instance: &Instance) -> Everything {
    let pages = instance.memory().page_runs();
    let read = |&(first, count, _): &(u32, u32, Access)| {
        instance.memory().read(u64::from(first) << 12, u64::from(count) << 12).expect("accessible pages")
    };
    Everything { state: instance.state().clone(), contents: pages.iter().map(read).collect(), pages }
}

fn fresh(engine: &Engine, module: &Module, arguments: &[u8]) -> Everything {
    everything(&Instance::standard(engine, module, arguments).expect("an instance"))
}

/// How an instance is spoilt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poison {
    /// By what a guest can do: it writes everywhere it may, and grows its heap.
    Guest,
    /// Also by what a host can do: it gives and takes rights, and writes to pages of any, outside of the layout too.
    Host,
    /// It also zeroes pages of the object's file: such a memory is mapped anew by a reset, all others are cleaned.
    FilePages,
}

const POISONS: [Poison; 8] = [
    Poison::Guest,
    Poison::Guest,
    Poison::Guest,
    Poison::Host,
    Poison::Host,
    Poison::Guest,
    Poison::FilePages,
    Poison::Guest,
];

fn poison(instance: &mut Instance, how: Poison) {
    instance.state_mut().pc = Pc(0);
    instance.state_mut().gas = Gas(1000);
    assert_eq!(engines::run(instance), GuestExit::Halt);
    let memory = instance.memory_mut();
    if how != Poison::Guest {
        memory.set_access(0x500, 7, Access::Write).expect("rights can be given");
        memory.set_access(0xf_ffff, 1, Access::Write).expect("rights can be given");
    }
    for (first, count, access) in memory.page_runs() {
        let bytes = vec![SECRET; count as usize * 4096];
        if access == Access::Write {
            memory.write(u64::from(first) << 12, &bytes).expect("writable pages");
        } else if how != Poison::Guest {
            memory.initialise(GuestAddr(first << 12), &bytes).expect("accessible pages");
            memory.set_access(first, 1, Access::Write).expect("rights can be given");
        }
    }
    if how == Poison::FilePages {
        memory.zero_pages(0x10, 1).expect("pages can be zeroed");
    }
    if how != Poison::Guest {
        memory.set_access(0x30, 1, Access::None).expect("rights can be taken");
    }
    instance.state_mut().regs = [u64::from_le_bytes([SECRET; 8]); 13];
    instance.state_mut().pc = Pc(77);
}

fn modules() -> Vec<(Engine, Module)> {
    engines::all()
        .map(|engine| {
            let module = engines::load(&engine, GpVersion::V0_7_2, Container::Standard, &program());
            (engine, module)
        })
        .into()
}

#[test]
fn a_fresh_instance_is_what_the_layout_says() {
    for (engine, module) in modules() {
        let Everything { state, pages, contents } = fresh(&engine, &module, b"arguments");
        let mut regs = [0; 13];
        (regs[0], regs[1], regs[7], regs[8]) = (0xffff_0000, 0xfefe_0000, 0xfeff_0000, 9);
        assert_eq!(state, GuestState { regs, ..GuestState::new(Pc(0), Gas(0)) });
        // 14 bytes read-only; 5000 bytes and two pages; 9000 bytes of stack below its top; the arguments.
        let expected = [
            (0x10, 1, Access::Read),
            (0x30, 4, Access::Write),
            (0xf_efdd, 3, Access::Write),
            (0xf_eff0, 1, Access::Read),
        ];
        assert_eq!(pages, expected);
        let starts: [&[u8]; 4] = [RO, &RW, &[], b"arguments"];
        for ((bytes, start), (_, count, _)) in contents.iter().zip(starts).zip(expected) {
            let mut all = start.to_vec();
            all.resize(count as usize * 4096, 0);
            assert!(*bytes == all, "contents of {expected:x?}");
        }
    }
}

#[test]
fn a_reset_instance_is_a_fresh_one() {
    for (engine, (heap_pages, stack)) in engines::all().iter().flat_map(|engine| SIZES.map(|sizes| (engine, sizes))) {
        let bytes = program_of((heap_pages, stack));
        let module = engines::load(engine, GpVersion::V0_7_2, Container::Standard, &bytes);
        let mut instance = Instance::standard(engine, &module, b"other arguments").expect("an instance");
        for (round, len) in ARGUMENTS.into_iter().chain(ARGUMENTS.into_iter().rev()).enumerate() {
            let arguments: Vec<u8> = (0..len).map(|at| (at + round) as u8 | 1).collect();
            let expected = fresh(engine, &module, &arguments);
            assert_eq!(expected.pages.len(), if len == 0 { 3 } else { 4 });
            for how in POISONS {
                poison(&mut instance, how);
                instance.reset(&arguments).expect("a reset");
                assert!(everything(&instance) == expected, "{:?} {how:?}, {len} arguments", engine.backend());
            }
            // The heap begins anew as well.
            instance.state_mut().gas = Gas(1000);
            assert_eq!(engines::run(&mut instance), GuestExit::Halt);
            assert_eq!(instance.state().regs[10], 0x3_2000 + 4096 * u64::from(heap_pages));
        }
    }
}

/// The arguments end where they end: with zeroes up to the end of a page, and no page behind it.
#[test]
fn arguments_are_what_was_given() {
    for (engine, module) in modules() {
        let mut instance = Instance::standard(&engine, &module, &[SECRET; 70_000]).expect("an instance");
        for from in ARGUMENTS {
            for to in ARGUMENTS {
                instance.reset(&vec![SECRET; from]).expect("a reset");
                let mut given: Vec<u8> = (0..to).map(|at| at as u8 ^ 0x55).collect();
                instance.reset(&given).expect("a reset");
                given.resize(to.next_multiple_of(4096), 0);
                let found = instance.memory().read(0xfeff_0000, given.len() as u64).expect("readable");
                assert!(found == given, "{to} after {from}, {:?}", engine.backend());
                let pages = instance.memory().page_runs();
                let expected = (to > 0).then_some((0xf_eff0, given.len() as u32 / 4096, Access::Read));
                assert_eq!(pages.get(3).copied(), expected, "{to} after {from}");
                assert_eq!(instance.state().regs[8], to as u64);
            }
        }
    }
}

/// Pages that no layout has can be made accessible at any time: they are zero, whoever used them before.
#[test]
fn pages_that_become_accessible_are_zero() {
    for (engine, module) in modules() {
        let mut instance = Instance::standard(&engine, &module, &[]).expect("an instance");
        for how in POISONS {
            instance.reset(&[SECRET; 5000]).expect("a reset");
            poison(&mut instance, how);
            instance.reset(&[]).expect("a reset");
            for page in [0x500, 0x506, 0xf_eff0, 0xf_eff1, 0xf_eff2, 0xf_ffff, 0x34, 0x36] {
                instance.memory_mut().set_access(page, 1, Access::Read).expect("rights can be given");
                let bytes = instance.memory().read(u64::from(page) << 12, 4096).expect("readable");
                assert!(bytes.iter().all(|byte| *byte == 0), "page {page:#x}, {how:?}, {:?}", engine.backend());
            }
        }
    }
}

/// The memory of a dropped instance is used again: for the same module, for another, and for a bare program.
#[test]
fn pooled_memory_shows_nothing_of_its_last_guest() {
    engines::tiers().iter().for_each(pooled_memory_of);
}

fn pooled_memory_of(engine: &Engine) {
    SIZES.into_iter().for_each(|sizes| pooled_memory_of_module(engine, &program_of(sizes)));
}

fn pooled_memory_of_module(engine: &Engine, program: &[u8]) {
    let module = engines::load(engine, GpVersion::V0_7_2, Container::Standard, program);
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    asm.halt();
    let small = standard(Memory { rw: b"small", ..Memory::default() }, &asm.blob());
    let other = engines::load(engine, GpVersion::V0_7_2, Container::Standard, &small);
    let bare = engines::load(engine, GpVersion::V0_7_2, Container::Raw, &asm.blob());
    let expected = (fresh(engine, &module, b"x"), fresh(engine, &other, b"y"));
    for how in POISONS {
        let mut instances: Vec<Instance> =
            (0..3).map(|_| Instance::standard(engine, &module, b"secret").expect("an instance")).collect();
        instances.iter_mut().for_each(|instance| poison(instance, how));
        drop(instances);
        assert!(fresh(engine, &module, b"x") == expected.0);
        assert!(fresh(engine, &other, b"y") == expected.1);
        let mut instance = Instance::bare(engine, &bare).expect("an instance");
        assert_eq!(
            everything(&instance),
            Everything { state: GuestState::new(Pc(0), Gas(0)), pages: Vec::new(), contents: Vec::new() }
        );
        for page in [0x10, 0x30, 0x31, 0x33, 0x500, 0xf_efdd, 0xf_efdf, 0xf_eff0, 0xf_ffff] {
            instance.memory_mut().set_access(page, 1, Access::Read).expect("rights can be given");
            let bytes = instance.memory().read(u64::from(page) << 12, 4096).expect("readable");
            assert!(bytes.iter().all(|byte| *byte == 0), "page {page:#x}");
        }
    }
}
