//! Which instructions there may be, and what they may name.

use super::*;

/// An instruction in which four bytes are a displacement from the segment base.
fn with_displacement(before: &[u8], displacement: i32) -> Vec<u8> {
    [before, &displacement.to_le_bytes()].concat()
}

#[test]
fn what_compiled_code_has_is_accepted() {
    let bodies: [(&str, &[u8], &[u32]); 10] = [
        ("mov rax, gs:[ecx]", &[0x65, 0x67, 0x48, 0x8b, 0x01], &[0]),
        ("mov gs:[ebp+8], r14b", &[0x65, 0x67, 0x44, 0x88, 0x75, 8], &[0]),
        ("add rax, gs:[r12d*8+ebx-1]", &[0x65, 0x67, 0x4a, 0x03, 0x44, 0xe3, 0xff], &[0]),
        ("mov eax, gs:[0xfffffffc]", &[0x65, 0x67, 0x8b, 0x04, 0x25, 0xfc, 0xff, 0xff, 0xff], &[0]),
        ("lea rax, [rcx+rsi*4+7]", &[0x48, 0x8d, 0x44, 0xb1, 7], &[]),
        ("movq xmm0, rax; movq rax, xmm0", &[0x66, 0x48, 0x0f, 0x6e, 0xc0, 0x66, 0x48, 0x0f, 0x7e, 0xc0], &[]),
        ("nop [rax+rax]", &[0x0f, 0x1f, 0x44, 0, 0], &[]),
        ("add r15, 5", &[0x49, 0x83, 0xc7, 5], &[]),
        ("popcnt eax, ecx", &[0xf3, 0x0f, 0xb8, 0xc1], &[]),
        ("mulx rax, rdx, rcx", &[0xc4, 0xe2, 0xeb, 0xf6, 0xc1], &[]),
    ];
    for (what, body, accesses) in bodies {
        let verified = Text::around(body, accesses).verify().unwrap_or_else(|violation| panic!("{what}: {violation}"));
        assert_eq!((verified.accesses, verified.charges), (accesses.len() as u64, 1), "{what}");
    }
}

#[test]
fn memory_of_others_is_refused() {
    all_refused(
        &Rule::Memory,
        &[
            ("without segment", &[0x67, 0x48, 0x8b, 0x00]),
            ("with an address of 64 bits", &[0x65, 0x48, 0x8b, 0x00]),
            ("the same, with an index", &[0x65, 0x48, 0x8b, 0x04, 0x08]),
            ("without either", &[0x48, 0x8b, 0x00]),
            ("two segments", &[0x64, 0x65, 0x67, 0x48, 0x8b, 0x00]),
            ("two segments, the other way", &[0x65, 0x67, 0x2e, 0x48, 0x8b, 0x00]),
            ("a third prefix behind others", &[0x65, 0x67, 0x66, 0x66, 0x2e, 0x8b, 0x00]),
            ("the same twice", &[0x65, 0x67, 0x48, 0x65, 0x8b, 0x00]),
            ("a locked access", &[0x65, 0x67, 0x48, 0x87, 0x08]),
            ("fs", &[0x64, 0x67, 0x48, 0x8b, 0x00]),
            ("the host's stack", &[0x65, 0x67, 0x48, 0x8b, 0x04, 0x24]),
            ("by the gas counter", &[0x65, 0x67, 0x49, 0x8b, 0x07]),
            ("beside the code", &[0x65, 0x67, 0x48, 0x8b, 0x05, 0, 0, 0, 0]),
            ("beside the code, without prefixes", &[0x48, 0x8b, 0x05, 0, 0, 0, 0]),
            ("at a constant without segment", &[0x67, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]),
            ("a vector register from memory", &[0x65, 0x67, 0x66, 0x48, 0x0f, 0x6e, 0x00]),
            ("the table by another scale", &with_displacement(&[0x65, 0x48, 0x63, 0x14, 0xd5], context::JUMP_TABLE)),
            ("beside the table", &with_displacement(&[0x65, 0x48, 0x63, 0x14, 0x95], context::JUMP_TABLE + 4)),
        ],
    );
}

#[test]
fn the_context_is_not_read_or_written() {
    let displacements = [context::STATE, context::HOST_RSP, context::TEXT_BASE, context::STUBS, 0x1000, i32::MIN];
    for displacement in displacements {
        // mov rax, gs:[displacement] and mov gs:[displacement], rax
        for opcode in [0x8b, 0x89] {
            let body = with_displacement(&[0x65, 0x48, opcode, 0x04, 0x25], displacement);
            assert_eq!(refused(&body), Rule::Context, "{displacement}");
        }
    }
    // movsxd rdx, gs:[rdx*4 + table], and what a dynamic jump adds to it
    let table = with_displacement(&[0x65, 0x48, 0x63, 0x14, 0x95], context::JUMP_TABLE);
    let text = with_displacement(&[0x65, 0x48, 0x03, 0x14, 0x25], context::TEXT_BASE);
    assert_eq!([refused(&table), refused(&text)], [Rule::Context, Rule::Context]);
    assert_eq!(refused(&[table, text].concat()), Rule::Context);
}

#[test]
fn what_has_no_use_is_refused() {
    all_refused(
        &Rule::Form(String::new()),
        &[
            ("syscall", &[0x0f, 0x05]),
            ("int 0x80", &[0xcd, 0x80]),
            ("int3", &[0xcc]),
            ("ud2", &[0x0f, 0x0b]),
            ("ret", &[0xc3]),
            ("wrgsbase rax", &[0xf3, 0x48, 0x0f, 0xae, 0xd8]),
            ("swapgs", &[0x0f, 0x01, 0xf8]),
            ("xrstor", &[0x0f, 0xae, 0x28]),
            ("std", &[0xfd]),
            ("popf", &[0x9d]),
            ("cli", &[0xfa]),
            ("rdtsc", &[0x0f, 0x31]),
            ("rep movsb", &[0xf3, 0xa4]),
            ("movups xmm0, gs:[eax]", &[0x65, 0x67, 0x0f, 0x10, 0x00]),
            ("bts gs:[eax], rcx, which reaches beyond", &[0x65, 0x67, 0x48, 0x0f, 0xab, 0x08]),
            ("lock add gs:[eax], rax", &[0xf0, 0x65, 0x67, 0x48, 0x01, 0x00]),
            ("push rax", &[0x50]),
            ("pop rsp", &[0x5c]),
            ("push gs:[eax]", &[0x65, 0x67, 0xff, 0x30]),
            ("enter", &[0xc8, 0, 0, 0]),
            ("jmp far", &[0xff, 0x28]),
            ("jmp with 16 bits on some processors, with 32 on others", &[0x66, 0xe9, 0, 0, 0, 0]),
            ("the same for je", &[0x66, 0x0f, 0x84, 0, 0, 0, 0]),
            ("a short je, as long with its prefixes as a long one", &[0x66, 0x66, 0x66, 0x66, 0x74, 0]),
            ("je with a hint", &[0x3e, 0x74, 0]),
            ("jecxz", &[0x67, 0xe3, 0]),
            ("vpxor", &[0xc5, 0xf9, 0xef, 0xc0]),
        ],
    );
}

#[test]
fn registers_of_the_host_are_refused() {
    all_refused(
        &Rule::Register(String::new()),
        &[
            ("add rsp, 8", &[0x48, 0x83, 0xc4, 8]),
            ("mov rax, rsp", &[0x48, 0x89, 0xe0]),
            ("xchg rax, rsp", &[0x48, 0x94]),
            ("lea rsp, [rax]", &[0x48, 0x8d, 0x20]),
            ("lea rax, [rsp]", &[0x48, 0x8d, 0x04, 0x24]),
            ("lea rax, [rip]", &[0x48, 0x8d, 0x05, 0, 0, 0, 0]),
            ("movq rsp, xmm0", &[0x66, 0x48, 0x0f, 0x7e, 0xc4]),
            ("movq xmm3, rax", &[0x66, 0x48, 0x0f, 0x6e, 0xd8]),
            ("mov spl, al", &[0x40, 0x88, 0xc4]),
            ("mov ah, al", &[0x88, 0xc4]),
            ("mov eax, gs", &[0x8c, 0xe8]),
            ("mov gs, eax", &[0x8e, 0xe8]),
            ("mov rax, cr0", &[0x0f, 0x20, 0xc0]),
            ("mov rax, r15", &[0x4c, 0x89, 0xf8]),
            ("sub r15d, 1", &[0x41, 0x83, 0xef, 1]),
            ("mov gs:[eax], rsp", &[0x65, 0x67, 0x48, 0x89, 0x20]),
        ],
    );
}

#[test]
fn only_features_of_the_note_are_used() {
    let bodies: [&[u8]; 4] = [
        &[0xf3, 0x0f, 0xb8, 0xc1],
        &[0xf3, 0x0f, 0xbd, 0xc1],
        &[0xf3, 0x0f, 0xbc, 0xc1],
        &[0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 1],
    ];
    for (body, (feature, _)) in bodies.into_iter().zip(CpuFeatures::NAMES) {
        let with = |features| Text { features, ..Text::around(body, &[]) };
        assert!(with(feature).verify().is_ok(), "{feature:?}");
        assert!(same_rule(&with(CpuFeatures::BASELINE).broken(), &Rule::Feature(String::new())), "{feature:?}");
    }
}

#[test]
fn what_is_no_instruction_is_refused() {
    assert_eq!(refused(&[0x06]), Rule::Undecodable);
    assert_eq!(refused(&[0x0f, 0x04]), Rule::Undecodable);
    let mut cut = Text::around(&[], &[]);
    cut.put(&[0x48, 0x8b]);
    assert_eq!(cut.broken(), Rule::Undecodable);
}
