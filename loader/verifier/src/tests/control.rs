//! Where code may go, where it may be entered and left, and that it comes to an end.

use super::*;

/// A jump to where it stands.
const FOR_EVER: [u8; 2] = [0xeb, 0xfe];

/// `sub r15, 1; jb`, to `distance` bytes behind it.
fn charge(distance: i32) -> Vec<u8> {
    [&[0x49, 0x83, 0xef, 1, 0x0f, 0x82], &distance.to_le_bytes()[..]].concat()
}

/// A dynamic jump in parts.
fn dynamic_jump() -> Vec<Vec<u8>> {
    let [table, text] = [context::JUMP_TABLE, context::TEXT_BASE].map(i32::to_le_bytes);
    vec![
        vec![0xc4, 0xe3, 0x7b, 0xf0, 0xd0, 1],                  // rorx edx, eax, 1
        vec![0x83, 0xfa, SLOTS as u8 - 1],                      // cmp edx, last
        vec![0x77, 22],                                         // ja behind the jump
        [&[0x65, 0x48, 0x63, 0x14, 0x95], &table[..]].concat(), // movsxd rdx, gs:[rdx*4 + table]
        [&[0x65, 0x48, 0x03, 0x14, 0x25], &text[..]].concat(),  // add rdx, gs:[text]
        vec![0x72, 2],                                          // jb behind the jump
        vec![0xff, 0xe2],                                       // jmp rdx
    ]
}

#[test]
fn dynamic_jumps_ask_before() {
    let verified = Text::around(&dynamic_jump().concat(), &[]).verify().expect("as it must be");
    assert_eq!((verified.dynamic_jumps, verified.jumps), (1, 2));
    // A constant may be loaded on the way, but not into the scratch register.
    let with_constant = |register: u8| {
        let mut parts = dynamic_jump();
        let constant = vec![0xb8 | register, 7, 0, 0, 0];
        [2, 5].into_iter().for_each(|branch| parts[branch][1] += constant.len() as u8);
        parts.insert(6, constant);
        Text::around(&parts.concat(), &[])
    };
    assert!(with_constant(0).verify().is_ok());
    assert!(same_rule(&with_constant(2).broken(), &Rule::DynamicJump { slots: SLOTS }));
    // Without any one part, and with each of these in its place, it is none.
    for missing in 0..6 {
        let mut parts = dynamic_jump();
        parts.remove(missing);
        refused(&parts.concat());
    }
    let others: [(usize, &[u8]); 10] = [
        (0, &[0xc4, 0xe3, 0xfb, 0xf0, 0xd0, 1]), // rorx rdx, rax, 1: the upper half remains
        (0, &[0xc4, 0xe3, 0x7b, 0xf0, 0xc0, 1]), // rorx eax, eax, 1
        (0, &[0xc4, 0xe3, 0x7b, 0xf0, 0xd0, 0]), // rorx edx, eax, 0
        (0, &[0xc1, 0xca, 0x20]),                // ror edx, 32
        (1, &[0x83, 0xfa, SLOTS as u8]),         // cmp edx, one more than the last
        (1, &[0x83, 0xfa, 0xff]),                // cmp edx, -1
        (1, &[0x83, 0xf8, SLOTS as u8 - 1]),     // cmp eax, last
        (2, &[0x7f, 22]),                        // jg
        (5, &[0x76, 2]),                         // jbe
        (6, &[0xff, 0xe0]),                      // jmp rax
    ];
    for (at, other) in others {
        let mut parts = dynamic_jump();
        parts[at] = other.to_vec();
        let rule = refused(&parts.concat());
        assert!(same_rule(&rule, &Rule::DynamicJump { slots: SLOTS }), "{at}: {rule:?}");
    }
}

#[test]
fn what_dynamic_jumps_read_is_in_the_guests_segment() {
    for read in [3, 4] {
        for other in [[0x64, 0x65], [0x65, 0x64], [0x65, 0x65], [0x65, 0x2e], [0x36, 0x65]] {
            let mut parts = dynamic_jump();
            parts[read].splice(..1, other);
            assert_eq!(refused(&parts.concat()), Rule::Memory, "{other:02x?} at {read}");
        }
    }
}

#[test]
fn nobody_jumps_into_a_sequence() {
    // je over the question: to each instruction of the dynamic jump but the first.
    let parts = dynamic_jump();
    for skipped in 0..parts.len() {
        let distance: usize = parts[..skipped].iter().map(Vec::len).sum();
        let text = Text::around(&[&[0x74, distance as u8], &parts.concat()[..]].concat(), &[]);
        match skipped {
            0 => assert!(text.verify().is_ok()),
            _ => assert!(same_rule(&text.broken(), &Rule::Target { target: 0 }), "instruction {skipped}"),
        }
    }
    // Nor to the branch of a charge, nor does the host enter there.
    let mut text = Text::around(&[], &[]);
    text.regions[0] -= 6;
    assert!(same_rule(&text.broken(), &Rule::Region { pc: 0 }));
}

#[test]
fn jumps_lead_to_instructions_of_the_text() {
    for distance in [-1, 3, 64, 0x7f, -0x80_i8] {
        // jmp; mov eax, 7
        let body = [0xeb, distance as u8, 0xb8, 7, 0, 0, 0];
        assert!(same_rule(&refused(&body), &Rule::Target { target: 0 }), "{distance}");
    }
    // To a thunk, which expects a place on the stack.
    let body = [&[0xe9], &(-39_i32).to_le_bytes()[..]].concat();
    assert!(same_rule(&refused(&body), &Rule::Target { target: 0 }));
}

#[test]
fn divisions_ask_before() {
    let unsigned: &[u8] = &[0x48, 0x85, 0xc9, 0x74, 5, 0x31, 0xd2, 0x48, 0xf7, 0xf1];
    let signed: &[u8] = &[0x85, 0xc9, 0x74, 8, 0x83, 0xf9, 0xff, 0x74, 3, 0x99, 0xf7, 0xf9];
    for good in [unsigned, signed] {
        assert!(Text::around(good, &[]).verify().is_ok(), "{:?}", Text::around(good, &[]).broken());
    }
    all_refused(
        &Rule::Division,
        &[
            ("no question", &[0x31, 0xd2, 0x48, 0xf7, 0xf1]),
            ("of another register", &[0x48, 0x85, 0xc0, 0x74, 5, 0x31, 0xd2, 0x48, 0xf7, 0xf1]),
            ("of half of it", &[0x85, 0xc9, 0x74, 5, 0x31, 0xd2, 0x48, 0xf7, 0xf1]),
            ("jne", &[0x48, 0x85, 0xc9, 0x75, 5, 0x31, 0xd2, 0x48, 0xf7, 0xf1]),
            ("a dividend of 128 bits", &[0x48, 0x85, 0xc9, 0x74, 3, 0x48, 0xf7, 0xf1]),
            ("by the scratch register", &[0x48, 0x85, 0xd2, 0x74, 5, 0x31, 0xd2, 0x48, 0xf7, 0xf2]),
            ("by memory", &[0x65, 0x67, 0x48, 0xf7, 0x30]),
            ("signed, one question", &[0x85, 0xc9, 0x74, 3, 0x99, 0xf7, 0xf9]),
            ("signed, another number", &[0x85, 0xc9, 0x74, 8, 0x83, 0xf9, 1, 0x74, 3, 0x99, 0xf7, 0xf9]),
        ],
    );
    // Over the questions.
    let over = [&[0x74, 7], signed].concat();
    assert!(same_rule(&refused(&over), &Rule::Target { target: 0 }));
}

#[test]
fn gas_is_charged_or_given_back() {
    all_refused(
        &Rule::Gas,
        &[
            ("no branch", &[0x49, 0x83, 0xef, 1]),
            ("another branch", &[0x49, 0x83, 0xef, 1, 0x77, 5]),
            ("a branch elsewhere", &[0x49, 0x83, 0xef, 1, 0x72, 0]),
            ("nothing is charged", &[0x49, 0x83, 0xef, 0]),
            ("less than nothing", &[0x49, 0x83, 0xef, 0xff]),
            ("less than nothing is given back", &[0x49, 0x83, 0xc7, 0xff]),
            ("mov r15, rax", &[0x49, 0x89, 0xc7]),
        ],
    );
}

#[test]
fn who_cannot_pay_gets_back_what_was_charged() {
    // The map says 1.
    let mut text = Text::around(&[], &[]);
    assert!(text.verify().is_ok());
    text.bytes[BODY as usize + 3] = 2;
    assert_eq!(text.broken(), Rule::Gas);
}

#[test]
fn loops_are_charged_for() {
    assert_eq!(refused(&FOR_EVER), Rule::Uncharged);
    // nop; je back; and back to the charge in front of all.
    assert_eq!(refused(&[0x90, 0x74, 0xfd]), Rule::Uncharged);
    assert!(Text::around(&[0x74, 0xf4], &[]).verify().is_ok());
    // sub r15, 1; jb to the add; jmp back; add r15, given; jmp on, or back: without gas that is for ever.
    let if_it_fits = |given: u8, distance: u8| {
        let back = [0xeb, 0xf4, 0x49, 0x83, 0xc7, given, 0xeb, distance];
        Text::around(&[&charge(2)[..], &back].concat(), &[])
    };
    assert_eq!(if_it_fits(1, 0).verify().map(|verified| verified.charges), Ok(2));
    assert_eq!(if_it_fits(1, 0xee).broken(), Rule::Uncharged);
    assert_eq!(if_it_fits(2, 0).broken(), Rule::Gas);
}

#[test]
fn dynamic_jumps_lead_to_charges() {
    let mut text = Text::around(&dynamic_jump().concat(), &[]);
    text.table[1] = BODY;
    assert!(text.verify().is_ok());
    // To itself, behind the charge.
    text.table[2] = BODY + 10;
    assert_eq!(text.broken(), Rule::Uncharged);
}

#[test]
fn the_jump_table_leads_to_instructions() {
    let with = |slot: usize, target: u32| {
        let mut text = Text::around(&[0xb8, 7, 0, 0, 0], &[]);
        text.table[slot] = target;
        text
    };
    assert!(with(1, BODY).verify().is_ok());
    for target in [0, 8, BODY + 4, BODY + 11, 4096, 0x8000_0000, u32::MAX - 1] {
        assert_eq!(with(2, target).broken(), Rule::TableEntry { slot: 2, target });
        assert!(with(SLOTS as usize, target).verify().is_ok(), "behind the table");
    }
    for (slots, is_good) in [(1024, true), (1025, false), (u32::MAX, false)] {
        let text = Text { slots, ..with(1, BODY) };
        assert_eq!(text.verify().is_ok(), is_good, "{slots}");
    }
}

#[test]
fn ways_out_are_calls_of_stubs() {
    let to_thunk = |stub: Stub, here: u32| (stub as u32 * 8).wrapping_sub(here + 5).to_le_bytes();
    // push, and a jump to the stub for jumps
    let push = [&[0x68], &(BODY + 15).to_le_bytes()[..]].concat();
    let leave = |stub: Stub| [&push[..], &[0xe9], &to_thunk(stub, BODY + 15)].concat();
    assert!(Text::around(&leave(Stub::Jump), &[4]).verify().is_ok());
    all_refused(
        &Rule::Leave,
        &[
            ("a call of code", &[0xe8, 0, 0, 0, 0]),
            ("a call of a register", &[0xff, 0xd0]),
            ("a call of the stub that is jumped to", &[&[0xe8], &to_thunk(Stub::Jump, BODY + 10)[..]].concat()),
        ],
    );
    let pushes: [&[u8]; 3] = [&[0x68, 0, 0, 0, 0], &[0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0], &leave(Stub::Interpret)];
    for body in &pushes {
        assert_eq!(Text::around(body, &[4]).broken(), Rule::Leave, "{body:02x?}");
    }
    // mov rdx, 0; call gs:[stub]
    let host_call = |stub: Stub| {
        [&[0x48, 0xba, 0, 0, 0, 0, 0, 0, 0, 0, 0x65, 0xff, 0x14, 0x25], &stub.slot().to_le_bytes()[..]].concat()
    };
    assert!(Text::around(&host_call(Stub::HostCall), &[17]).verify().is_ok());
    assert_eq!(refused(&host_call(Stub::HostCall)[10..]), Rule::Leave);
    assert_eq!(refused(&host_call(Stub::OutOfGas)), Rule::Leave);
}

#[test]
fn the_end_leaves() {
    let mut text = Text::around(&[], &[]);
    text.put(&[0x90]);
    assert_eq!(text.broken(), Rule::End);
    text.put(&FOR_EVER);
    assert_eq!(text.broken(), Rule::Uncharged);
    let mut thunk = Text::around(&[], &[]);
    thunk.bytes[4] ^= 8;
    assert_eq!(thunk.broken(), Rule::Thunks);
    assert_eq!(Text { bytes: Vec::new(), ..thunk }.broken(), Rule::Thunks);
    let mut empty = Text::around(&[], &[]);
    empty.bytes.truncate(BODY as usize);
    empty.sites.clear();
    assert_eq!(empty.broken(), Rule::End);
}

#[test]
fn the_map_knows_where_code_is_left() {
    // mov rax, gs:[ecx]
    let access: &[u8] = &[0x65, 0x67, 0x48, 0x8b, 0x01];
    assert_eq!(Text::around(access, &[]).broken(), Rule::NoSite);
    assert_eq!(Text::around(access, &[1]).broken(), Rule::NoSite);
    assert_eq!(Text::around(access, &[0, 0]).broken(), Rule::Site);
    assert_eq!(Text::around(&[0x90], &[0]).broken(), Rule::Site);
    // Two regions at one place, the sites in the second one. A record is text offset, pc, charge and where its sites start.
    let with = |record: usize, field: usize, word: u32| {
        let mut text = Text::around(access, &[0]);
        text.regions.push(text.regions[0]);
        text.patches.push((16 * record + 4 * field, word));
        text
    };
    assert!(with(1, 1, 1).verify().is_ok());
    assert_eq!(with(0, 0, BODY + 15).broken(), Rule::Region { pc: 1 });
    assert_eq!(with(1, 1, 0).broken(), Rule::Region { pc: 0 });
    // Behind where the map says that cold sites begin, where nobody searches the list.
    let mut hidden = Text::around(&[&[0x90], access].concat(), &[1]);
    let place = hidden.regions[0] + 1;
    hidden.regions.push(place);
    hidden.claim = Some(TextOffset(place));
    assert_eq!(hidden.broken(), Rule::Site);
    // In the first region's, where nobody would look for them.
    assert!(with(1, 3, 9).verify().is_err());
}
