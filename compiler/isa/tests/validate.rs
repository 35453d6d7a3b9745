//! Each rule of GP 0.8.0's program validation, at its limit and one past it.

mod common;

use common::{Rng, blob, random_soup};
use tvm_isa::ValidationError::{Empty, Entry, OpenEnd, UndefinedOpcode, Unmarked};
use tvm_isa::{GpVersion, Op, Pc, Program, ValidationError};

fn validate_at(entry: u32, code: &[u8], marked: &[usize]) -> Result<(), ValidationError> {
    let blob = blob(code, marked);
    let program = Program::parse(&blob).unwrap();
    let check = |version: GpVersion| {
        program.validate(version.rules())?;
        program.validate_entry(version.rules(), Pc(entry))
    };
    assert_eq!(check(GpVersion::V0_7_2), Ok(()), "0.7.2 takes everything that parses");
    check(GpVersion::V0_8_0)
}

fn validate(code: &[u8], marked: &[usize]) -> Result<(), ValidationError> {
    validate_at(0, code, marked)
}

const LOAD_IMM: u8 = 51;

#[test]
fn a_program_needs_an_instruction() {
    assert_eq!(validate(&[], &[]), Err(Empty));
    assert_eq!(validate(&[0], &[0]), Ok(()));
}

#[test]
fn the_first_position_must_be_marked() {
    assert_eq!(validate(&[0, 0], &[1]), Err(Unmarked { pc: Pc(0) }));
    assert_eq!(validate(&[0, 0], &[]), Err(Unmarked { pc: Pc(0) }));
    assert_eq!(validate(&[0, 0], &[0, 1]), Ok(()));
}

#[test]
fn instructions_have_25_bytes_at_most() {
    for (length, expected) in [(25, Ok(())), (26, Err(Unmarked { pc: Pc(25) }))] {
        let mut code = vec![LOAD_IMM; length];
        code.push(0);
        assert_eq!(validate(&code, &[0, length]), expected, "{length} bytes before a trap");
        assert_eq!(validate(&vec![0; length], &[0]), expected, "a trap of {length} bytes at the end");
    }
}

#[test]
fn every_opcode_is_accepted_or_refused_as_defined() {
    let rules = GpVersion::V0_8_0.rules();
    for opcode in 0..=255 {
        let found = validate(&[opcode, 0, 0], &[0, 2]);
        match rules.opcodes[usize::from(opcode)] {
            Some(_) => assert_eq!(found, Ok(()), "{opcode}"),
            None => assert_eq!(found, Err(UndefinedOpcode { pc: Pc(0), opcode })),
        }
    }
    assert_eq!(validate(&[0, 111, 0], &[0, 1, 2]), Err(UndefinedOpcode { pc: Pc(1), opcode: 111 }));
    assert_eq!(validate(&[0, 0, 111], &[0, 1]), Ok(()), "an operand is no opcode");
}

#[test]
fn the_last_instruction_must_end_a_block() {
    let rules = GpVersion::V0_8_0.rules();
    for opcode in 0..=255 {
        let Some(op) = rules.opcodes[usize::from(opcode)] else { continue };
        let expected = if op.terminates_block() { Ok(()) } else { Err(OpenEnd { pc: Pc(1), op }) };
        assert_eq!(validate(&[0, opcode, 0], &[0, 1]), expected);
    }
    assert_eq!(validate(&[10, 1], &[0]), Err(OpenEnd { pc: Pc(0), op: Op::Ecalli }));
}

#[test]
fn the_entry_must_start_an_instruction() {
    let (code, marked) = (&[LOAD_IMM, 7, 1, 0], &[0, 3]);
    for (entry, expected) in [(0, true), (1, false), (2, false), (3, true), (4, false), (u32::MAX, false)] {
        let expected = if expected { Ok(()) } else { Err(Entry { entry: Pc(entry) }) };
        assert_eq!(validate_at(entry, code, marked), expected);
    }
}

#[test]
fn errors_say_where_and_what() {
    let errors = [
        (Unmarked { pc: Pc(25) }, "must start at 25"),
        (UndefinedOpcode { pc: Pc(7), opcode: 111 }, "opcode 111 at 7"),
        (OpenEnd { pc: Pc(9), op: Op::LoadImm }, "`load_imm` at 9"),
        (Entry { entry: Pc(5) }, "starts at 5"),
    ];
    for (error, part) in errors {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// The rules as GP 0.8.0, A.1, writes them: 𝔳_blob from 0 on, and 𝔳_inst at the entry.
fn literal(program: &Program<'_>, entry: Pc) -> bool {
    let rules = GpVersion::V0_8_0.rules();
    let len = program.code_len();
    let is_instruction = |pc: Pc| program.op_at(rules, pc).is_some();
    let mut pc = Pc(0);
    loop {
        let next = Pc(pc.0 + 1 + u32::from(program.skip(pc)));
        if pc.0 > 0 && pc.0 == len {
            return is_instruction(entry);
        }
        if !is_instruction(pc) || (next.0 == len && !program.op_at(rules, pc).unwrap().terminates_block()) {
            return false;
        }
        pc = next;
    }
}

#[test]
fn random_programs_are_judged_as_the_text_does() {
    let mut rng = Rng(1);
    let rules = GpVersion::V0_8_0.rules();
    let mut valid = 0;
    for round in 0..20_000 {
        let bytes = if round % 2 == 0 {
            random_soup(&mut rng, 12)
        } else {
            // Opcodes that are mostly defined, mostly one byte apart.
            let code: Vec<u8> = (0..1 + rng.below(5)).map(|_| *rng.pick(&[0, 1, 2, 10, 40, 100, 3])).collect();
            let marked: Vec<usize> = (0..code.len()).filter(|_| rng.below(8) != 0).collect();
            blob(&code, &marked)
        };
        let program = Program::parse(&bytes).unwrap();
        let entry = Pc(rng.below(6) as u32);
        let expected = literal(&program, entry);
        let found = program.validate(rules).and_then(|()| program.validate_entry(rules, entry));
        assert_eq!(found.is_ok(), expected, "{bytes:?} at {entry}");
        valid += u32::from(expected);
    }
    assert!(valid > 1_000, "only {valid} of the random programs are valid: the test shows little");
}
