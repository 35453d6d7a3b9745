//! An instance that was used before is like a new one, and shows nothing of the guest before it.

use tvm_isa::{Container, Gas, GpVersion, GuestAddr, Op, Pc};
use tvm_runtime::memory::Access;
use tvm_runtime::{Engine, GuestExit, GuestState, Instance, Module};
use tvm_tests::assemble::{Assembler, Inst, Memory, standard};
use tvm_tests::engines;

const RO: &[u8] = b"read-only data";
const RW: [u8; 5000] = [0x5a; 5000];
const SECRET: u8 = 0xee;

/// A program that writes to every region it can, and then halts.
fn program() -> Vec<u8> {
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
    standard(Memory { ro: RO, rw: &RW, heap_pages: 2, stack: 9000 }, &asm.blob())
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

/// Changes whatever can be changed: contents, rights, registers, the heap, pages outside of the layout. Pages of the
/// object's file are zeroed only on request: such a memory is mapped anew by a reset, all others are cleaned.
fn poison(instance: &mut Instance, zero_file_pages: bool) {
    instance.state_mut().pc = Pc(0);
    instance.state_mut().gas = Gas(1000);
    assert_eq!(engines::run(instance), GuestExit::Halt);
    let memory = instance.memory_mut();
    memory.set_access(0x500, 7, Access::Write).expect("rights can be given");
    memory.set_access(0xf_ffff, 1, Access::Write).expect("rights can be given");
    for (first, count, access) in memory.page_runs() {
        let bytes = vec![SECRET; count as usize * 4096];
        memory.initialise(GuestAddr(first << 12), &bytes).expect("accessible pages");
        if access == Access::Read {
            memory.set_access(first, 1, Access::Write).expect("rights can be given");
        }
    }
    if zero_file_pages {
        memory.zero_pages(0x10, 1).expect("pages can be zeroed");
    }
    memory.set_access(0x30, 1, Access::None).expect("rights can be taken");
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
    for (engine, module) in modules() {
        for arguments in [&b"arguments"[..], &[], &[7; 10_000]] {
            let expected = fresh(&engine, &module, arguments);
            let mut instance = Instance::standard(&engine, &module, b"other arguments").expect("an instance");
            for zero_file_pages in [false, false, true, false] {
                poison(&mut instance, zero_file_pages);
                instance.reset(arguments).expect("a reset");
                assert!(everything(&instance) == expected, "{:?}", engine.backend());
            }
            // The heap begins anew as well.
            instance.state_mut().gas = Gas(1000);
            assert_eq!(engines::run(&mut instance), GuestExit::Halt);
            assert_eq!(instance.state().regs[10], 0x3_4000);
        }
    }
}

/// Pages that no layout has can be made accessible at any time: they are zero, whoever used them before.
#[test]
fn pages_that_become_accessible_are_zero() {
    for (engine, module) in modules() {
        let mut instance = Instance::standard(&engine, &module, &[]).expect("an instance");
        for zero_file_pages in [false, true, false] {
            poison(&mut instance, zero_file_pages);
            instance.reset(&[]).expect("a reset");
            for page in [0x500, 0x506, 0xf_ffff, 0x34, 0x36] {
                instance.memory_mut().set_access(page, 1, Access::Read).expect("rights can be given");
                let bytes = instance.memory().read(u64::from(page) << 12, 4096).expect("readable");
                assert!(bytes.iter().all(|byte| *byte == 0), "page {page:#x}, {:?}", engine.backend());
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
    let module = engines::load(engine, GpVersion::V0_7_2, Container::Standard, &program());
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    asm.halt();
    let small = standard(Memory { rw: b"small", ..Memory::default() }, &asm.blob());
    let other = engines::load(engine, GpVersion::V0_7_2, Container::Standard, &small);
    let bare = engines::load(engine, GpVersion::V0_7_2, Container::Raw, &asm.blob());
    let expected = (fresh(engine, &module, b"x"), fresh(engine, &other, b"y"));
    for zero_file_pages in [false, false, true, false] {
        let mut instances: Vec<Instance> =
            (0..3).map(|_| Instance::standard(engine, &module, b"secret").expect("an instance")).collect();
        instances.iter_mut().for_each(|instance| poison(instance, zero_file_pages));
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
