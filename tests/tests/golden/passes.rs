//! What each pass of the optimiser makes of a few regions, in a service and, where it differs, in an inner machine.

use tvm_isa::{GpVersion, Op};
use tvm_tests::assemble::{Assembler, Inst};

use super::entry::{Entry, Shown};
use super::forms::{IN_RAX, IN_RCX};

/// Registers of the regions, a0 to a5.
pub(super) const A: [u8; 6] = [7, 8, 9, 10, 11, 12];

/// A region of these instructions, of which only `wanted` is looked at behind it, in a service.
pub(super) fn service(note: &str, region: &[Inst], wanted: &[u8]) -> Entry {
    Entry { shown: Shown::Region, service: true, ..inner(note, region, wanted) }
}

/// The same in an inner machine.
fn inner(note: &str, region: &[Inst], wanted: &[u8]) -> Entry {
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    region.iter().for_each(|&inst| {
        asm.push(inst);
    });
    if !region.last().is_some_and(|last| last.op.terminates_block()) {
        asm.op(Op::Fallthrough);
    }
    // A store of each wanted register, then an end that shows nothing.
    wanted.iter().for_each(|&reg| {
        asm.push(Inst::imm(Op::StoreU64, reg, 0x2_0000));
    });
    asm.op(Op::Trap);
    Entry { shown: Shown::Region, ..Entry::at(note, region[0].op, 0, &asm) }
}

/// Both.
pub(super) fn both(note: &str, region: &[Inst], wanted: &[u8]) -> [Entry; 2] {
    [service(note, region, wanted), inner(note, region, wanted)]
}

fn load(to: u8, base: u8, disp: i64) -> Inst {
    Inst::two(Op::LoadIndU64, to, base, disp)
}

pub fn constants() -> Vec<Entry> {
    let set = |value| Inst::imm(Op::LoadImm, A[0], value);
    let three = |op, a, b| Inst::three(op, A[1], a, b);
    let mut entries = Vec::new();
    for op in [Op::Add64, Op::And, Op::Mul32, Op::Sub64, Op::SetLtU, Op::ShloL64] {
        entries.push(service("on the right", &[set(5), three(op, A[2], A[0])], &[A[1]]));
        entries.push(service("on the left", &[set(5), three(op, A[0], A[2])], &[A[1]]));
    }
    entries.push(service("no negative", &[set(i32::MIN.into()), three(Op::Sub64, A[2], A[0])], &[A[1]]));
    entries.push(service("still wanted", &[set(5), three(Op::Add64, A[2], A[0])], &[A[0], A[1]]));
    let wide = Inst::imm(Op::LoadImm64, A[0], 1 << 40);
    entries.push(service("too wide", &[wide, three(Op::Add64, A[2], A[0])], &[A[1]]));
    entries.extend(both("stored", &[set(5), Inst::two(Op::StoreIndU32, A[0], A[2], 8)], &[]));
    entries
}

pub fn address() -> Vec<Entry> {
    let [i, base, sum, out, ..] = A;
    let shift = |to, by| Inst::two(Op::ShloLImm64, to, i, by);
    let add = |to, a, b| Inst::three(Op::Add64, to, a, b);
    let mut entries = Vec::new();
    entries.extend(both("", &[shift(sum, 3), add(sum, sum, base), load(out, sum, 16)], &[out]));
    entries.push(service("in place", &[shift(i, 3), add(i, i, base), load(out, i, 0)], &[out]));
    entries.push(service("scale of 16", &[shift(sum, 4), add(sum, sum, base), load(out, sum, 0)], &[out]));
    entries.push(service("sum still wanted", &[add(sum, i, base), load(out, sum, 0)], &[out, sum]));
    let chain = [Inst::two(Op::AddImm64, sum, base, 100), Inst::two(Op::AddImm32, sum, sum, -4), load(out, sum, 8)];
    entries.extend(both("constants", &chain, &[out]));
    let back = Inst::two(Op::ShloRImm64, sum, sum, 30);
    entries.push(service("lower half", &[shift(sum, 32), back, add(sum, sum, base), load(out, sum, 0)], &[out]));
    let load_over = [add(sum, i, base), load(i, sum, 0), load(out, sum, 8)];
    entries.push(service("part overwritten by a load", &load_over, &[i, out]));
    entries.push(service("sum only", &[shift(sum, 2), add(out, base, sum)], &[out]));
    entries
}

pub fn extension() -> Vec<Entry> {
    let up = |by| Inst::two(Op::ShloLImm64, A[1], A[0], by);
    let down = |op, by| Inst::two(op, A[2], A[1], by);
    let mut entries = Vec::new();
    for by in [29, 31, 32, 33, 40] {
        for op in [Op::ShloRImm64, Op::SharRImm64] {
            entries.push(service("", &[up(32), down(op, by)], &[A[2]]));
        }
    }
    entries.push(service("not by 32", &[up(33), down(Op::ShloRImm64, 33)], &[A[2]]));
    entries.push(service("first still wanted", &[up(32), down(Op::ShloRImm64, 32)], &[A[1], A[2]]));
    entries.push(inner("", &[up(32), down(Op::ShloRImm64, 32)], &[A[2]]));
    entries
}

pub fn carry() -> Vec<Entry> {
    let [low, by, bit, high, x, ..] = A;
    let sum = Inst::three(Op::Add64, low, low, by);
    let less = Inst::three(Op::SetLtU, bit, low, by);
    let take = |op| Inst::three(op, high, high, bit);
    let mut entries = Vec::new();
    entries.extend(both("", &[sum, less, take(Op::Add64)], &[low, high]));
    entries.push(service("", &[less, take(Op::Sub64)], &[low, high]));
    entries.push(service("", &[Inst::two(Op::SetLtUImm, bit, low, 9), take(Op::Add64)], &[high]));
    entries.push(service("bit still wanted", &[less, take(Op::Add64)], &[bit, high]));
    let overwritten = Inst::three(Op::Xor, low, low, by);
    let word = Inst::three(Op::Sub32, low, low, by);
    let store = Inst::imm(Op::StoreU32, high, 0x2_0000);
    let negative = Inst::two(Op::SetLtUImm, bit, low, i32::MIN.into());
    entries.push(service("half of the sum wanted", &[word, negative, take(Op::Sub64), store], &[]));
    for op in [Op::Add32, Op::Sub32] {
        entries.push(service("", &[less, take(op)], &[high]));
    }
    let byte = Inst::imm(Op::StoreU8, low, 0x2_0000);
    entries.extend(both("up", &[sum, byte, less, take(Op::Add64)], &[low, high]));
    let loaded = Inst::imm(Op::LoadU64, high, 0x2_0000);
    entries.extend(both("the addition down", &[sum, loaded, less, take(Op::Add64)], &[low, high]));
    entries.push(service("neither", &[sum, loaded, byte, less, take(Op::Add64)], &[low, high]));
    let apart = Inst::three(Op::Add64, x, low, by);
    entries.push(service("in a third register", &[apart, Inst { a: x, ..less }, take(Op::Add64)], &[x, high]));
    let difference = Inst::three(Op::Sub64, x, low, by);
    entries.push(service("of a difference", &[difference, less, take(Op::Sub64)], &[x, high]));
    let in_place = Inst::three(Op::Sub64, low, low, by);
    entries.push(service("of a difference in place", &[in_place, less, take(Op::Sub64)], &[low, high]));
    entries.push(service("operand overwritten", &[less, overwritten, take(Op::Add64)], &[low, high]));
    entries
}

pub fn forward() -> Vec<Entry> {
    let [word, base, other, out, loaded, ..] = A;
    let store = |reg, at| Inst::two(Op::StoreIndU64, reg, base, at);
    let (gone, load) = (Inst::imm(Op::LoadImm, word, 5), load(loaded, base, 8));
    let mut entries = Vec::new();
    entries.extend(both("", &[store(word, 8), gone, load], &[loaded]));
    let combined = Inst::three(Op::Xor, out, out, loaded);
    entries.push(service("an operand", &[store(word, 8), gone, load, combined], &[out]));
    entries.push(service("beside another", &[store(word, 8), store(other, 16), load], &[loaded]));
    entries.push(service("overwritten in part", &[store(word, 8), store(other, 15), load], &[loaded]));
    let elsewhere = Inst::two(Op::StoreIndU8, other, out, 0);
    entries.push(service("perhaps overwritten", &[store(word, 8), elsewhere, load], &[loaded]));
    let compared = Inst::three(Op::SetLtU, other, other, out);
    entries.push(service("scratch register needed", &[store(word, 8), compared, load], &[other, loaded]));
    entries
}

pub fn needs() -> Vec<Entry> {
    let word = Inst::three(Op::Add32, A[0], A[1], A[2]);
    let copy = Inst::three(Op::MoveReg, A[3], A[0], 0);
    let mut entries = Vec::new();
    entries.extend(both("not looked at", &[word], &[]));
    entries.extend(both("wanted", &[word], &[A[0]]));
    entries.push(service("stored", &[word, Inst::imm(Op::StoreU32, A[0], 0x2_0000)], &[]));
    entries.push(service("all of it stored", &[word, Inst::imm(Op::StoreU64, A[0], 0x2_0000)], &[]));
    entries.push(service("by a copy", &[word, copy, Inst::imm(Op::StoreU16, A[3], 0x2_0000)], &[]));
    let host_call = Inst { x: 1, ..Inst::new(Op::Ecalli) };
    entries.push(service("a host call sees it", &[word, host_call], &[]));
    let fault = Inst::imm(Op::LoadU8, A[4], 0x2_0000);
    entries.extend(both("a fault in between", &[word, fault, Inst::imm(Op::LoadImm, A[0], 1)], &[]));
    entries
}

/// A service, of which all code is shown.
fn whole(note: &str, asm: &Assembler) -> Entry {
    Entry { shown: Shown::Program, service: true, ..Entry::at(note, Op::Trap, 0, asm) }
}

pub fn credit() -> Vec<Entry> {
    let add = Inst::two(Op::AddImm64, A[0], A[0], 1);
    let branch = Inst::imm(Op::BranchEqImm, A[0], 9);
    let mut entries = Vec::new();
    for note in ["if", "if, else", "trap"] {
        let mut asm = Assembler::new(GpVersion::V0_7_2);
        let [other, end] = [asm.label(), asm.label()];
        asm.push(branch.to(if note == "if" { end } else { other }));
        asm.push(add);
        asm.push(Inst::new(Op::Jump).to(end));
        asm.bind(other);
        if note == "trap" {
            asm.op(Op::Trap);
        } else {
            asm.push(add);
            asm.push(add);
            asm.op(Op::Fallthrough);
        }
        asm.bind(end);
        asm.push(Inst::imm(Op::JumpInd, A[1], 0));
        entries.push(whole(note, &asm));
    }
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    let [start, end] = [asm.label(), asm.label()];
    asm.op(Op::Fallthrough);
    asm.bind(start);
    asm.push(add);
    asm.push(branch.to(end));
    asm.push(add);
    asm.push(Inst::new(Op::Jump).to(start));
    asm.bind(end);
    asm.push(add);
    asm.push(Inst::imm(Op::JumpInd, A[1], 0));
    entries.push(whole("loop", &asm));
    entries
}

pub fn copies() -> Vec<Entry> {
    let add = Inst::two(Op::AddImm64, A[0], A[0], 1);
    let access = Inst::two(Op::StoreIndU8, A[1], A[0], 0);
    let of_length = |note: &str, accesses: usize| {
        let mut asm = Assembler::new(GpVersion::V0_7_2);
        asm.op(Op::Fallthrough);
        let start = asm.here();
        (0..accesses).for_each(|_| {
            asm.push(access);
        });
        asm.push(add);
        asm.push(Inst::two(Op::BranchNe, A[0], A[2], 0).to(start));
        asm.push(Inst::imm(Op::JumpInd, A[1], 0));
        whole(note, &asm)
    };
    vec![of_length("three", 1), of_length("two", 16), of_length("one", 24)]
}

/// A function that calls itself.
pub fn returns() -> Vec<Entry> {
    let [x, ..] = A;
    let mut asm = Assembler::new(GpVersion::V0_7_2);
    let after = asm.label();
    asm.jump_table(&[after]);
    asm.op(Op::Fallthrough);
    let start = asm.here();
    asm.push(Inst::two(Op::AddImm64, 1, 1, -8));
    asm.push(Inst { a: 0, x: 2, ..Inst::new(Op::LoadImmJump) }.to(start));
    asm.bind(after);
    asm.push(Inst::two(Op::AddImm64, x, x, 1));
    asm.push(Inst::imm(Op::JumpInd, 0, 0));
    vec![whole("", &asm)]
}

/// Additions of constants one after the other.
pub fn steps() -> Vec<Entry> {
    let [at, out, other, ..] = A;
    let add = |op, by| Inst::two(op, at, at, by);
    let (whole, word) = (add(Op::AddImm64, 8), add(Op::AddImm32, 8));
    let mut entries = Vec::new();
    entries.extend(both("", &[whole, load(out, at, 0), whole], &[at, out]));
    entries.push(service("looked at in between", &[whole, Inst::three(Op::Xor, out, out, at), whole], &[at, out]));
    entries.push(service("words", &[word, add(Op::AddImm32, i64::from(i32::MAX))], &[at]));
    entries.push(service("word and whole", &[word, whole], &[at]));
    entries.push(service("whole and word", &[whole, word], &[at]));
    entries.push(service("too far", &[whole, add(Op::AddImm64, i32::MAX.into())], &[at]));
    entries.push(service("beside", &[Inst { a: other, ..whole }, Inst { b: other, ..whole }], &[at, other]));
    entries
}

/// Loops that count.
pub fn counted() -> Vec<Entry> {
    let [at, end, out, ..] = A;
    let with = |note: &str, count: Inst, branch: Inst| {
        let mut asm = Assembler::new(GpVersion::V0_7_2);
        asm.op(Op::Fallthrough);
        let start = asm.here();
        asm.push(Inst::two(Op::StoreIndU8, out, at, 0));
        asm.push(count);
        asm.push(branch.to(start));
        asm.push(Inst::imm(Op::JumpInd, out, 0));
        whole(note, &asm)
    };
    let up = Inst::two(Op::AddImm64, at, at, 1);
    vec![
        with("until it is there", up, Inst::two(Op::BranchNe, at, end, 0)),
        with("up to a register", up, Inst::two(Op::BranchLtU, at, end, 0)),
        with("down to a constant", Inst::two(Op::AddImm32, at, at, -1), Inst::imm(Op::BranchGtSImm, at, 5)),
        with("words, by a register", Inst::three(Op::Add32, at, at, out), Inst::two(Op::BranchLtU, at, end, 0)),
    ]
}

/// An interpreter's dispatch and a common end, both jumped to.
pub fn tails() -> Vec<Entry> {
    let [op, at, end, ..] = A;
    let mut dispatch = Assembler::new(GpVersion::V0_7_2);
    dispatch.op(Op::Fallthrough);
    let start = dispatch.here();
    dispatch.push(load(op, at, 0));
    dispatch.push(Inst::two(Op::BranchGeU, op, end, 0).to(start));
    dispatch.push(load(op, op, 0x2_0000));
    dispatch.push(Inst::imm(Op::JumpInd, op, 0));
    dispatch.push(Inst::two(Op::AddImm64, at, at, 8));
    dispatch.push(Inst::new(Op::Jump).to(start));
    let mut returns = Assembler::new(GpVersion::V0_7_2);
    returns.op(Op::Fallthrough);
    let start = returns.here();
    returns.push(Inst::two(Op::AddImm64, 1, 1, 16));
    returns.push(Inst::imm(Op::JumpInd, 0, 0));
    returns.push(load(0, 1, 8));
    returns.push(Inst::new(Op::Jump).to(start));
    vec![whole("dispatch", &dispatch), whole("return", &returns)]
}

pub fn sink() -> Vec<Entry> {
    let [at, base, sum, step, ..] = A;
    let three = |op, d, a, b| Inst::three(op, d, a, b);
    let adds = [three(Op::Add64, sum, at, base), Inst::two(Op::AddImm64, at, at, 1)];
    let access = Inst::two(Op::StoreIndU8, base, sum, 0);
    let mut entries = Vec::new();
    entries.extend(both("", &[adds[0], adds[1], access], &[at]));
    entries.push(service("sum still wanted", &[adds[0], adds[1], access], &[at, sum]));
    entries.push(service("stored", &[adds[0], adds[1], Inst::two(Op::StoreIndU8, at, sum, 0)], &[at]));
    entries.push(service("by what is loaded", &[adds[0], three(Op::Add64, at, at, step), load(step, sum, 0)], &[at]));
    entries
}

pub fn late() -> Vec<Entry> {
    let [x, y, z, out, ..] = A;
    let turned = |to, by| Inst::two(Op::RotR32Imm, to, to, by);
    let three = |op, d, a, b| Inst::three(op, d, a, b);
    let sigma = [turned(x, 2), turned(y, 13), turned(z, 22), three(Op::Xor, x, x, y), three(Op::Xor, out, x, z)];
    let mut entries = Vec::new();
    entries.extend(both("", &sigma, &[out]));
    entries.push(service("one still wanted", &sigma, &[out, z]));
    entries.push(service("all still wanted", &sigma, &[out, x, y, z]));
    let masked = [turned(x, 2), turned(y, 13), three(Op::And, x, y, x)];
    entries.push(service("in place", &masked, &[x]));
    let unknown = [turned(x, 2), three(Op::Xor, x, x, y)];
    entries.push(service("one side unknown", &unknown, &[x]));
    entries
}

pub fn operand() -> Vec<Entry> {
    let [t, base, out, other, ..] = A;
    let three = |op, a, b| Inst::three(op, out, a, b);
    let mut entries = Vec::new();
    for op in [Op::Add64, Op::Sub64, Op::And, Op::Or, Op::Xor, Op::Mul64] {
        entries.push(service("", &[load(t, base, 8), three(op, out, t)], &[out]));
    }
    for op in [Op::LoadIndU32, Op::LoadIndI32] {
        let word = Inst::two(op, t, base, 8);
        entries.push(service("32 bits", &[word, three(Op::Add32, t, out)], &[out]));
        entries.push(service("32 bits", &[word, three(Op::And, t, out)], &[out]));
        let store = Inst::imm(Op::StoreU32, out, 0x2_0000);
        entries.push(service("32 bits stored", &[word, three(Op::Add64, t, out), store], &[]));
    }
    let sum = three(Op::Add64, out, t);
    entries.push(service("64 bits, of which 32 are added", &[load(t, base, 8), three(Op::Add32, out, t)], &[out]));
    entries.push(service("not in place", &[load(t, base, 8), Inst::three(Op::Add64, other, out, t)], &[other]));
    entries.push(service("minus what is computed in place", &[load(t, base, 8), three(Op::Sub64, t, out)], &[out]));
    entries.push(service("still wanted", &[load(t, base, 8), sum], &[out, t]));
    let gone = Inst::imm(Op::LoadImm, t, 1);
    entries.push(inner("overwritten", &[load(t, base, 8), sum, gone], &[out]));
    let byte = Inst::two(Op::StoreIndU8, other, base, 9);
    entries.extend(both("up over a store", &[load(t, base, 8), byte, sum, gone], &[out]));
    let before = Inst::two(Op::AddImm64, out, out, 5);
    entries.extend(both("down over an addition", &[load(t, base, 8), before, sum, gone], &[out]));
    let moved = Inst::two(Op::AddImm64, base, base, 5);
    entries.push(service("the address changes", &[load(t, base, 8), before, moved, sum], &[out, base]));
    let computed = [Inst::two(Op::ShloLImm64, t, other, 3), Inst::three(Op::Add64, t, t, base), load(t, t, 8), sum];
    entries.push(service("at a computed address", &computed, &[out]));
    entries
}

pub fn product() -> Vec<Entry> {
    let [a, b, low, high, x, ..] = A;
    let (lower, upper) = (Inst::three(Op::Mul64, low, a, b), Inst::three(Op::MulUpperUU, high, b, a));
    let mut entries = Vec::new();
    entries.extend(both("", &[lower, upper], &[low, high]));
    entries.push(service("", &[upper, lower], &[low, high]));
    let in_place = [Inst::three(Op::MulUpperUU, high, a, b), Inst::three(Op::Mul64, a, a, b)];
    entries.push(service("in place", &in_place, &[a, high]));
    let overwritten = [Inst::three(Op::Mul64, a, a, b), Inst::three(Op::MulUpperUU, high, a, b)];
    entries.push(service("another factor", &overwritten, &[a, high]));
    let reads = |reg| Inst::three(Op::Add64, x, x, reg);
    entries.push(service("up", &[lower, reads(low), upper], &[low, high, x]));
    entries.push(service("down", &[lower, reads(high), upper], &[low, high, x]));
    entries.push(service("neither", &[lower, reads(low), reads(high), upper], &[low, high, x]));
    let fault = load(x, x, 0);
    entries.extend(both("a fault in between", &[lower, fault, upper], &[low, high, x]));
    let kept = |reg, address| Inst::imm(Op::StoreU64, reg, address);
    for (name, [first, second]) in [("the upper half waits", [lower, upper]), ("the lower half waits", [upper, lower])]
    {
        let halves = [first, second].map(|half| Inst { d: low, ..half });
        entries.extend(both(name, &[halves[0], kept(low, 0x2_0000), halves[1], kept(low, 0x2_0008)], &[]));
    }
    let [within, behind] = [(Op::Mul64, x), (Op::MulUpperUU, a)].map(|(op, d)| Inst::three(op, d, high, b));
    let halves = [lower, kept(low, 0x2_0000), Inst { d: low, ..upper }];
    let crossing = [halves[0], within, halves[1], halves[2], behind];
    entries.push(service("another product begins meanwhile", &crossing, &[low, x, a]));
    let quotient = Inst::three(Op::DivU64, x, low, b);
    entries.push(service("a division in between", &[lower, quotient, Inst { d: low, ..upper }], &[low, x]));
    let signed = Inst::three(Op::MulUpperSS, high, b, a);
    entries.push(service("signed", &[lower, signed], &[low, high]));
    entries
}

pub fn fixed() -> Vec<Entry> {
    let [d, a, b, ..] = A;
    let three = |op, d, a, b| Inst::three(op, d, a, b);
    let mut entries = Vec::new();
    for op in [Op::RotL64, Op::DivU64, Op::MulUpperSS] {
        entries.push(service("rax and rcx not wanted", &[three(op, d, a, b)], &[d]));
        entries.push(service("both wanted", &[three(op, d, a, b)], &[d, IN_RAX, IN_RCX]));
    }
    entries.push(service("what is turned is in rcx", &[three(Op::RotR32, d, IN_RCX, b)], &[d]));
    entries.push(service("what is divided by is in rax", &[three(Op::RemS64, d, a, IN_RAX)], &[d]));
    let zero = |to| Inst::imm(Op::LoadImm, to, 0);
    let overwritten = [three(Op::RotL64, d, a, b), zero(IN_RCX)];
    entries.extend(both("rcx overwritten", &overwritten, &[d]));
    entries
}
