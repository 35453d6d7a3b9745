//! Each explained disagreement, in the smallest program that shows it: what the Gray Paper says and TVM does, and what
//! the polkavm crate does. When one of these fails with a newer crate, the explanation can go.

use polkavm::BackendKind;
use tvm_isa::codec::encode_natural;
use tvm_isa::layout::HALT_ADDRESS;
use tvm_isa::{GuestAddr, Op};
use tvm_runtime::GuestExit;
use tvm_tests::differential::{Case, Pages};
use tvm_tests::machine::InterpreterEngine;

use crate::generated::{Verdict, check};
use crate::known::Disagreement;
use crate::machine::{Effect, Machine};
use crate::ours::{Ours, VERSION};
use crate::peer::Peer;

const GAS: u64 = 1000;

/// A program of these instructions, with a jump table of zeros.
fn blob(instructions: &[&[u8]], entries: u64, entry_size: u8) -> Vec<u8> {
    let code = instructions.concat();
    let mut mask = vec![0_u8; code.len().div_ceil(8)];
    let mut at = 0;
    for instruction in instructions {
        mask[at / 8] |= 1 << (at % 8);
        at += instruction.len();
    }
    let mut out = Vec::new();
    encode_natural(entries, &mut out);
    out.push(entry_size);
    encode_natural(code.len() as u64, &mut out);
    out.extend(vec![0; entries as usize * usize::from(entry_size)]);
    out.extend(code);
    out.extend(mask);
    out
}

fn op(op: Op) -> u8 {
    (0..=u8::MAX).find(|&number| VERSION.rules().opcodes[usize::from(number)] == Some(op)).expect("0.8.0 has it")
}

/// A case with registers 0, 1, 2, … and one page of each kind: 0x10000 writable, 0x11000 read-only, nothing behind it.
fn case(blob: Vec<u8>) -> Case {
    let page = |first, writable| Pages { first, count: 1, writable, contents: vec![first as u8; 4096] };
    let regs = std::array::from_fn(|index| index as u64);
    let pages = vec![page(0x10, true), page(0x11, false)];
    Case { version: VERSION.name().to_owned(), blob, outer: false, entry: 0, regs, pages, gas: GAS }
}

fn peer() -> Peer {
    Peer::new(BackendKind::Interpreter).expect("the crate's interpreter")
}

/// What both do with a case that is not adapted: how they stop, and their registers.
fn both(case: &Case) -> [(GuestExit, [u64; 13]); 2] {
    let peer = peer();
    let mut ours = Ours::bare(&InterpreterEngine, case, case.gas).expect("TVM runs").expect("a valid program");
    let module = peer.module(&case.blob).expect("a program that the crate takes");
    let mut theirs = peer.bare(&module, case, case.gas).expect("the crate runs");
    let machines: [&mut dyn Machine; 2] = [&mut ours, &mut theirs];
    machines.map(|machine| (machine.run().expect("a run"), machine.regs()))
}

/// The disagreements that the tool finds, all explained.
fn known(case: &Case) -> Vec<Disagreement> {
    match check(case, &InterpreterEngine, &peer()).expect("both run") {
        Verdict::Agreed { known, .. } => known.into_iter().filter(|(_, count)| *count > 0).map(|(it, _)| it).collect(),
        Verdict::Differs(difference) => panic!("{difference}"),
        _ => panic!("refused"),
    }
}

#[test]
fn a_last_instruction_that_may_run_on() {
    let case = case(blob(&[&[op(Op::Fallthrough)]], 0, 0));
    assert!(Ours::bare(&InterpreterEngine, &case, GAS).expect("TVM runs").is_some());
    assert!(peer().module(&case.blob).is_err());
    assert_eq!(known(&case), [Disagreement::OpenEnd]);
}

#[test]
fn a_third_register_of_16_or_more() {
    let case = case(blob(&[&[op(Op::Add64), 0x65, 0x10], &[op(Op::Trap)]], 0, 0));
    let [(_, ours), (_, theirs)] = both(&case);
    assert_eq!((ours[12], ours[0]), (11, 0));
    assert_eq!((theirs[12], theirs[0]), (12, 11));
    assert_eq!(known(&case), [Disagreement::ThirdRegister]);
}

#[test]
fn an_access_that_ends_at_the_end_of_memory() {
    let load = [op(Op::LoadU8), 3, 0xff];
    let mut case = case(blob(&[&load, &[op(Op::Ecalli)], &[op(Op::Trap)]], 0, 0));
    case.pages.push(Pages { first: 0xf_ffff, count: 1, writable: false, contents: vec![7; 4096] });
    let [(our_exit, ours), (their_exit, _)] = both(&case);
    assert_eq!((our_exit, ours[3]), (GuestExit::HostCall(0), 7));
    assert_eq!(their_exit, GuestExit::Panic);
    assert_eq!(known(&case), [Disagreement::TopOfMemory]);
}

#[test]
fn an_access_past_the_end_of_memory() {
    // Bytes 0xfffffffe to 1. Without the last page its absence decides, with it the bytes at the start do.
    let mut case = case(blob(&[&[op(Op::LoadU32), 3, 0xfe], &[op(Op::Trap)]], 0, 0));
    assert_eq!(both(&case).map(|(exit, _)| exit), [GuestExit::PageFault(GuestAddr(0xffff_f000)); 2]);
    case.pages.push(Pages { first: 0xf_ffff, count: 1, writable: false, contents: vec![7; 4096] });
    assert_eq!(both(&case).map(|(exit, _)| exit), [GuestExit::Panic; 2]);
    assert_eq!(known(&case), []);
}

#[test]
fn a_store_from_a_read_only_page_into_a_missing_one() {
    let store = [op(Op::StoreU16), 3, 0xff, 0x1f, 1];
    let case = case(blob(&[&store, &[op(Op::Trap)]], 0, 0));
    let faults = [0x1_1000, 0x1_2000].map(|page| GuestExit::PageFault(GuestAddr(page)));
    assert_eq!(both(&case).map(|(exit, _)| exit), faults);
    assert_eq!(known(&case), [Disagreement::ReadOnlyBeforeMissing]);
}

#[test]
fn jump_table_entries_without_bytes() {
    // GP: such entries are 0, and a block starts there. polkavm has no entry then.
    let case = case(blob(&[&[op(Op::JumpInd), 2]], 1, 0));
    assert_eq!(both(&case).map(|(exit, _)| exit), [GuestExit::OutOfGas, GuestExit::Panic]);
    assert!(matches!(check(&case, &InterpreterEngine, &peer()).expect("both run"), Verdict::BeyondPeer));
}

#[test]
fn jump_table_entries_of_more_than_four_bytes() {
    let case = case(blob(&[&[op(Op::JumpInd), 2]], 1, 5));
    assert!(peer().module(&case.blob).is_err());
    assert!(matches!(check(&case, &InterpreterEngine, &peer()).expect("both run"), Verdict::BeyondPeer));
}

#[test]
fn a_block_is_charged_whole_when_entered_in_its_middle_and_once_when_resumed() {
    // load; ecalli; store to a page that is not there; jump to the halt address.
    let load = [op(Op::LoadU8), 3, 0, 0, 1];
    let store = [op(Op::StoreU8), 3, 0, 0, 2];
    let mut case = case(blob(&[&load, &[op(Op::Ecalli), 0xff], &store, &[op(Op::JumpInd), 0]], 0, 0));
    case.regs[0] = HALT_ADDRESS.into();
    let cost = tvm_isa::gas::block_cost(
        &tvm_isa::Program::parse(&case.blob).expect("a program"),
        VERSION.rules(),
        tvm_isa::Pc(0),
    );
    let expected = |entry| {
        let fault = (GuestExit::PageFault(GuestAddr(0x2_0000)), GAS - cost.0);
        let stops = [(GuestExit::HostCall(u64::MAX), GAS - cost.0), fault, (GuestExit::Halt, GAS - cost.0)];
        if entry == 7 { stops[1..].to_vec() } else { stops.to_vec() }
    };
    let peer = peer();
    let module = peer.module(&case.blob).expect("a program that the crate takes");
    for entry in [0, 5, 7] {
        case.entry = entry;
        let mut ours = Ours::bare(&InterpreterEngine, &case, GAS).expect("TVM runs").expect("a valid program");
        let mut theirs = peer.bare(&module, &case, GAS).expect("the crate runs");
        let machines: [&mut dyn Machine; 2] = [&mut ours, &mut theirs];
        for machine in machines {
            let mut stops = Vec::new();
            while stops.len() < expected(entry).len() {
                let exit = machine.run().expect("a run");
                stops.push((exit, machine.gas()));
                if let GuestExit::PageFault(page) = exit {
                    machine.apply(&Effect::Map { page: page.0, readable: false }).expect("a page");
                }
            }
            assert_eq!(stops, expected(entry), "entered at {entry}");
        }
        assert_eq!(known(&case), []);
    }
}
