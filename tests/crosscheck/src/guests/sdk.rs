//! Sessions of the guests built with the Rust SDK. guests/README.md has the probe's commands.

use std::collections::BTreeMap;

use tvm_isa::codec::encode_natural;

use super::Session;

/// Kinds of `fetch`.
const CONSTANTS: u64 = 0;
const ENTROPY: u64 = 1;
const PACKAGE: u64 = 7;
const AUTHORIZER_CONFIG: u64 = 8;
const AUTHORIZER_TOKEN: u64 = 9;
const INPUTS: u64 = 14;

/// Where the guests are entered.
const REFINE: u32 = 0;
const ACCUMULATE: u32 = 5;
const IS_AUTHORIZED: u32 = 0;

/// The constants of the tiny chain, as GP 0.8.0 encodes them.
fn constants() -> Vec<u8> {
    let mut out = Vec::new();
    [10_u64, 1, 100].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(2_u16.to_le_bytes());
    [32_u32, 12].iter().for_each(|number| out.extend(number.to_le_bytes()));
    [10_000_000_u64, 50_000_000, 1_000_000_000, 20_000_000].iter().for_each(|number| out.extend(number.to_le_bytes()));
    [8_u16, 16, 8, 3].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(24_u32.to_le_bytes());
    [8_u16, 4, 80, 4, 128, 5].iter().for_each(|number| out.extend(number.to_le_bytes()));
    [64_000_u32, 13_791_360, 4_000_000, 3072, 49_152, 128, 3072, 10]
        .iter()
        .for_each(|number| out.extend(number.to_le_bytes()));
    out
}

fn natural(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_natural(number, &mut out);
    out
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [natural(bytes.len() as u64), bytes.to_vec()].concat()
}

/// CALL without pointers.
fn call(function: u8, arguments: &[u64]) -> Vec<u8> {
    call_with(function, 0, arguments)
}

/// CALL, in which the arguments with a bit in `pointers` count from the scratch area.
fn call_with(function: u8, pointers: u8, arguments: &[u64]) -> Vec<u8> {
    let mut out = vec![1, function, pointers, 0, arguments.len() as u8];
    arguments.iter().for_each(|argument| out.extend(argument.to_le_bytes()));
    out
}

fn put(offset: u32, bytes: &[u8]) -> Vec<u8> {
    [&[2], &offset.to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

fn show(offset: u32, len: u32) -> Vec<u8> {
    [&[3], &offset.to_le_bytes()[..], &len.to_le_bytes()].concat()
}

/// A command with one number.
fn with_u32(command: u8, number: u32) -> Vec<u8> {
    [&[command], &number.to_le_bytes()[..]].concat()
}

/// A command with one number.
fn with_u64(command: u8, number: u64) -> Vec<u8> {
    [&[command], &number.to_le_bytes()[..]].concat()
}

/// A work item's payload for the probe.
fn payload(refine: &[u8], accumulate: &[u8]) -> Vec<u8> {
    [&(refine.len() as u32).to_le_bytes()[..], refine, accumulate].concat()
}

fn refine_arguments(payload: &[u8]) -> Vec<u8> {
    [natural(0), natural(3), natural(42), with_length(payload), vec![0; 32]].concat()
}

fn accumulate_arguments(inputs: u64) -> Vec<u8> {
    [natural(7), natural(42), natural(inputs)].concat()
}

fn session(guest: &str, name: &str, entry: u32, arguments: Vec<u8>, fetched: &[(u64, Vec<u8>)]) -> Session {
    let mut fetched: BTreeMap<u64, Vec<u8>> = fetched.iter().cloned().collect();
    fetched.insert(CONSTANTS, constants());
    Session { guest: guest.to_owned(), name: name.to_owned(), entry, arguments, fetched }
}

/// All of them.
pub fn sessions() -> Vec<Session> {
    let mut all = probe_refines();
    all.extend(probe_accumulates());
    all.extend(authorizers());
    all.extend(bootstrap());
    all
}

fn probe_refines() -> Vec<Session> {
    let token = b"token bytes".to_vec();
    let fetched = [(AUTHORIZER_TOKEN, token), (ENTROPY, (0..32).collect())];
    let repeat = |count: u32, commands: &[u8]| {
        [&[0x0d], &count.to_le_bytes()[..], &(commands.len() as u32).to_le_bytes(), commands].concat()
    };
    let scripts: [(&str, Vec<u8>); 20] = [
        ("nothing", vec![]),
        ("unserved calls", [call(6, &[0; 4]), call(100, &[0; 5]), call(255, &[1, 2])].concat()),
        ("gas", [call(0, &[]), call(0, &[])].concat()),
        ("grow_heap asked", call(1, &[0])),
        ("memory from the allocator", [with_u32(0x0c, 100_000), with_u32(0x0c, 2_000_000)].concat()),
        ("put, fill, show", [put(0, b"abcdef"), vec![4, 1, 0, 0, 0, 2, 0, 0, 0, 0x7a], show(0, 7)].concat()),
        ("fetch", [call_with(2, 1, &[64, 2, 5, AUTHORIZER_TOKEN, 0, 0]), show(64, 6)].concat()),
        ("repeat", repeat(300, &[put(3, b"x"), show(0, 9), vec![6]].concat())),
        ("end", [show(0, 1), vec![0], show(0, 1)].concat()),
        ("clear", [show(0, 9), vec![6], show(0, 1)].concat()),
        ("recursion", with_u32(0x0f, 100)),
        ("stack overflow", with_u32(0x0f, 100_000)),
        ("burn", with_u64(8, 100_000)),
        ("trap", vec![9]),
        ("unknown command", vec![0x7f]),
        ("load from address 0", with_u64(0x0a, 0)),
        ("load between regions", with_u64(0x0a, 0x8000_0000)),
        ("store to the arguments", [with_u64(0x0b, 0xfeff_0001), vec![0]].concat()),
        ("typed values", vec![0x0e, 0, 0x0e, 1]),
        ("where", vec![0x11]),
    ];
    let refine = |(name, commands): (&str, Vec<u8>)| {
        session("probe", name, REFINE, refine_arguments(&payload(&commands, b"\x01\x02")), &fetched)
    };
    scripts.into_iter().map(refine).collect()
}

fn probe_accumulates() -> Vec<Session> {
    let commands: Vec<u8> = [&[7][..], &(100..132).collect::<Vec<u8>>()].concat();
    let result = payload(b"", &commands);
    let item = [vec![0], vec![0; 128], natural(1000), vec![0], with_length(&result), natural(0)].concat();
    let mut memo = commands;
    memo.resize(128, 0);
    let amounts = [&1_u32.to_le_bytes()[..], &42_u32.to_le_bytes(), &5_u64.to_le_bytes()].concat();
    let transfer = [vec![1], amounts, memo, 10_u64.to_le_bytes().to_vec()].concat();
    let one = |name: &str, input: &[u8]| {
        let fetched = [(INPUTS, [natural(1), input.to_vec()].concat())];
        session("probe", name, ACCUMULATE, accumulate_arguments(1), &fetched)
    };
    vec![
        session("probe", "no inputs", ACCUMULATE, accumulate_arguments(0), &[]),
        one("a work item", &item),
        one("a transfer", &transfer),
        one("half a transfer", &transfer[..40]),
    ]
}

fn authorizers() -> Vec<Session> {
    let token = b"token bytes".to_vec();
    let mut all = Vec::new();
    for (name, given) in [("authorized", token.clone()), ("not authorized", b"else".to_vec())] {
        let fetched = [(AUTHORIZER_CONFIG, token.clone()), (AUTHORIZER_TOKEN, given.clone())];
        all.push(session("authorizer", name, IS_AUTHORIZED, vec![1, 0], &fetched));
        let context = [vec![0; 32 + 4 + 3 * 32 + 4 + 32], natural(0)].concat();
        let package = [vec![0; 36], context, with_length(&given), with_length(&token), natural(0)].concat();
        all.push(session("jam-null-authorizer", name, IS_AUTHORIZED, vec![1, 0], &[(PACKAGE, package)]));
    }
    all
}

fn bootstrap() -> Vec<Session> {
    let refine =
        |name: &str, payload: &[u8]| session("jam-bootstrap-service", name, REFINE, refine_arguments(payload), &[]);
    vec![
        refine("no instructions", &[0; 33]),
        refine("a short payload", &[0]),
        session("jam-bootstrap-service", "no inputs", ACCUMULATE, accumulate_arguments(0), &[]),
    ]
}
