use super::*;
use crate::memory::{Access, PagedMemory};

const PAGE: u32 = GuestAddr::PAGE_SIZE;

/// Pages 16 and 17 writable, page 18 readable, the last page writable.
fn memory() -> GuestMemory {
    let mut memory = GuestMemory::Paged(PagedMemory::new());
    memory.set_access(16, 2, Access::Write).unwrap();
    memory.set_access(18, 1, Access::Read).unwrap();
    memory.set_access((1 << 20) - 1, 1, Access::Write).unwrap();
    memory
}

fn fault(page: u32) -> Result<u64, GuestExit> {
    Err(GuestExit::PageFault(GuestAddr(page * PAGE)))
}

/// Executes `op` with A = 0x8182838485868788, B = `base` and the first immediate `x`.
fn run(memory: &mut GuestMemory, op: Op, base: u64, x: u64) -> Result<u64, GuestExit> {
    let (a, b) = (Reg::clamped(4), Reg::clamped(5));
    let y = 0x9192_9394_9596_9798;
    let instruction = Instruction { op, pc: tvm_isa::Pc(0), length: 1, a, b, d: Reg::default(), x, y };
    let mut regs = [0; Reg::COUNT];
    regs[a.index()] = 0x8182_8384_8586_8788;
    regs[b.index()] = base;
    let before = regs;
    let outcome = execute(&instruction, &mut regs, memory).expect("an access to memory");
    if outcome.is_err() {
        assert_eq!(regs, before, "{} changed a register", op.name());
    }
    outcome.map(|()| regs[a.index()])
}

#[test]
fn loads_extend_as_their_names_say() {
    let mut memory = memory();
    memory.write(0x1_0000, &0xf1f2_f3f4_f5f6_f7f8_u64.to_le_bytes()).unwrap();
    let cases = [
        (Op::LoadU8, Op::LoadIndU8, 0xf8),
        (Op::LoadI8, Op::LoadIndI8, 0xffff_ffff_ffff_fff8),
        (Op::LoadU16, Op::LoadIndU16, 0xf7f8),
        (Op::LoadI16, Op::LoadIndI16, 0xffff_ffff_ffff_f7f8),
        (Op::LoadU32, Op::LoadIndU32, 0xf5f6_f7f8),
        (Op::LoadI32, Op::LoadIndI32, 0xffff_ffff_f5f6_f7f8),
        (Op::LoadU64, Op::LoadIndU64, 0xf1f2_f3f4_f5f6_f7f8),
    ];
    for (direct, indirect, expected) in cases {
        assert_eq!(run(&mut memory, direct, 0, 0x1_0000), Ok(expected), "{}", direct.name());
        assert_eq!(run(&mut memory, indirect, 0x1_0010, 0_u64.wrapping_sub(16)), Ok(expected), "{}", indirect.name());
    }
}

#[test]
fn stores_write_their_width_of_the_right_value() {
    let from_register = 0x8182_8384_8586_8788_u64.to_le_bytes();
    let from_immediate = 0x9192_9394_9596_9798_u64.to_le_bytes();
    let cases = [
        (1, Op::StoreU8, Op::StoreIndU8, Op::StoreImmU8),
        (2, Op::StoreU16, Op::StoreIndU16, Op::StoreImmU16),
        (4, Op::StoreU32, Op::StoreIndU32, Op::StoreImmU32),
        (8, Op::StoreU64, Op::StoreIndU64, Op::StoreImmU64),
    ];
    for (width, direct, indirect, immediate) in cases {
        for (op, base, x, value) in [
            (direct, 0, 0x1_0001, from_register),
            (indirect, 0xffff_ffff_0001_0000, 1, from_register),
            (immediate, 0, 0x1_0001, from_immediate),
        ] {
            let mut memory = memory();
            run(&mut memory, op, base, x).unwrap();
            let mut expected = [0; 10];
            expected[1..=width].copy_from_slice(&value[..width]);
            assert_eq!(memory.read(0x1_0000, 10).unwrap(), expected, "{}", op.name());
        }
    }
}

#[test]
fn store_imm_ind_is_based_on_register_a() {
    for (width, op) in
        [(1, Op::StoreImmIndU8), (2, Op::StoreImmIndU16), (4, Op::StoreImmIndU32), (8, Op::StoreImmIndU64)]
    {
        let mut memory = memory();
        // A is 0x8182838485868788 in `run`: only its low half counts.
        run(&mut memory, op, 0, u64::from(0x1_0004_u32.wrapping_sub(0x8586_8788))).unwrap();
        let mut expected = [0; 8];
        expected[..width].copy_from_slice(&0x9192_9394_9596_9798_u64.to_le_bytes()[..width]);
        assert_eq!(memory.read(0x1_0004, 8).unwrap(), expected, "{}", op.name());
    }
}

#[test]
fn addresses_are_taken_modulo_2_to_the_32() {
    let mut memory = memory();
    memory.write(0x1_0008, &[7]).unwrap();
    assert_eq!(run(&mut memory, Op::LoadIndU8, 0xffff_ffff, 0x1_0009), Ok(7));
    assert_eq!(run(&mut memory, Op::LoadIndU8, 0x5_0001_0008, 0), Ok(7));
    assert_eq!(run(&mut memory, Op::LoadU8, 0, 0x1_0001_0008), Ok(7));
}

#[test]
fn accesses_across_a_page_end_need_both_pages() {
    let mut memory = memory();
    memory.initialise(GuestAddr(18 * PAGE), &[0xee; 8]).unwrap();
    // Readable on both sides; writable on the left only.
    assert_eq!(run(&mut memory, Op::LoadU32, 0, u64::from(18 * PAGE - 2)), Ok(0xeeee_0000));
    assert_eq!(run(&mut memory, Op::StoreU32, 0, u64::from(18 * PAGE - 2)), fault(18));
    assert_eq!(memory.read(u64::from(18 * PAGE - 2), 4).unwrap(), [0, 0, 0xee, 0xee], "a refused store writes nothing");
    // The end of the accessible pages, one byte too far and exactly.
    assert_eq!(run(&mut memory, Op::LoadU64, 0, u64::from(19 * PAGE - 7)), fault(19));
    assert_eq!(run(&mut memory, Op::LoadU64, 0, u64::from(19 * PAGE - 8)), Ok(0));
    assert_eq!(run(&mut memory, Op::StoreU64, 0, u64::from(17 * PAGE - 4)), Ok(0x8182_8384_8586_8788));
}

#[test]
fn stores_to_read_only_pages_fault() {
    assert_eq!(run(&mut memory(), Op::StoreU8, 0, u64::from(18 * PAGE + 5)), fault(18));
}

#[test]
fn the_first_bad_byte_decides_between_panic_and_fault() {
    let mut memory = memory();
    let panic = Err(GuestExit::Panic);
    assert_eq!(run(&mut memory, Op::LoadU8, 0, 0), panic);
    assert_eq!(run(&mut memory, Op::StoreU8, 0, 0xffff), panic);
    // Starts below 2^16, ends in an accessible page.
    assert_eq!(run(&mut memory, Op::LoadU64, 0, 0xfffc), panic);
    assert_eq!(run(&mut memory, Op::LoadU8, 0, u64::from(19 * PAGE)), fault(19));
    assert_eq!(run(&mut memory, Op::LoadU8, 0, u64::from(20 * PAGE - 1)), fault(19));
    // Without page 16, the first bad byte at or above 2^16 faults, below it panics.
    memory.set_access(16, 1, Access::None).unwrap();
    assert_eq!(run(&mut memory, Op::LoadU16, 0, 0xffff), panic);
    assert_eq!(run(&mut memory, Op::LoadU16, 0, 0x1_0000), fault(16));
}

#[test]
fn accesses_wrap_at_the_end_of_the_address_space() {
    let mut memory = memory();
    let end = 0xffff_ffff_u64;
    assert_eq!(run(&mut memory, Op::StoreU64, 0, end - 7), Ok(0x8182_8384_8586_8788));
    // The last page is accessible, byte 0 is not.
    assert_eq!(run(&mut memory, Op::LoadU64, 0, end - 6), Err(GuestExit::Panic));
    assert_eq!(run(&mut memory, Op::StoreU16, 0, end), Err(GuestExit::Panic));
    assert_eq!(memory.read(end, 1).unwrap(), [0x81], "a refused store writes nothing");
    // Neither is: the byte before the end comes first.
    memory.set_access((1 << 20) - 1, 1, Access::None).unwrap();
    assert_eq!(run(&mut memory, Op::LoadU64, 0, end - 3), fault((1 << 20) - 1));
    assert_eq!(run(&mut memory, Op::StoreU64, 0, end - 3), fault((1 << 20) - 1));
}

#[test]
fn a_host_that_maps_page_0_sees_wrapped_accesses_there() {
    let mut memory = memory();
    memory.set_access(0, 1, Access::Write).unwrap();
    run(&mut memory, Op::StoreU32, 0, 0xffff_fffe).unwrap();
    assert_eq!(memory.read(0, 3).unwrap(), [0x86, 0x85, 0]);
    assert_eq!(run(&mut memory, Op::LoadU32, 0, 0xffff_fffe), Ok(0x8586_8788));
    // Byte 0 is writable, but the bytes before it come first.
    memory.set_access((1 << 20) - 1, 1, Access::Read).unwrap();
    assert_eq!(run(&mut memory, Op::StoreU64, 0, 0xffff_fffe), fault((1 << 20) - 1));
    assert_eq!(memory.read(0, 3).unwrap(), [0x86, 0x85, 0]);
}
