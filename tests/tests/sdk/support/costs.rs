//! What host calls cost, written down once more from the rules (GP 0.7.2 B.5 to B.7, GP 0.8.0 I.4.5): every call in
//! every test is checked against them.

use tvm_isa::GpVersion;
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{OK, WHO};

use super::recorder::CallSeen;

/// What is charged for every call of GP 0.8.0 that has a fixed price.
const FIXED_0_8_0: [(&str, u128); 18] = [
    ("gas", 48),
    ("info", 703),
    ("export", 3521),
    ("expunge", 335),
    ("assign", 1818),
    ("checkpoint", 103),
    ("new", 3855),
    ("upgrade", 1028),
    ("eject", 458),
    ("query", 643),
    ("solicit", 2193),
    ("forget", 3250),
    ("yield", 98),
    ("transfer", 575),
    ("invoke", 968),
    ("grow_heap", 275),
    ("bless", 422),
    ("designate", 1100),
];

/// GP 0.8.0, fetch: base, and gas for 1024 octets, by kind.
const FETCH_0_8_0: [(u128, u128); 16] = [
    (390, 0),
    (103, 0),
    (80, 96),
    (85, 96),
    (85, 96),
    (171, 0),
    (171, 0),
    (85, 96),
    (84, 0),
    (88, 0),
    (111, 0),
    (317, 0),
    (250, 0),
    (95, 96),
    (287, 400),
    (355, 344),
];

/// Checks what calls were charged. `heap_end` is the number of the page behind the heap at the start.
pub fn check(version: GpVersion, calls: &[CallSeen], mut heap_end: u64) {
    for call in calls {
        let cost = match version {
            GpVersion::V0_8_0 => cost_0_8_0(call, heap_end),
            GpVersion::V0_7_0 | GpVersion::V0_7_2 => 10 + delivered(call),
        };
        let what = format!("{version}: {:?} {} with {:x?}", call.name, call.id, &call.before[7..]);
        let expected = match u128::from(call.gas_before).checked_sub(cost) {
            Some(left) => left,
            // Only `grow_heap` keeps what does not suffice.
            None if call.name == Some("grow_heap") => call.gas_before.into(),
            None => 0,
        };
        assert_eq!(u128::from(call.gas_after), expected, "{what}: gas before {}", call.gas_before);
        if call.name == Some("grow_heap") && call.exit.is_none() {
            heap_end = call.after[7];
        }
    }
}

/// The receiver's gas in a transfer that succeeds, or would if there were enough.
fn delivered(call: &CallSeen) -> u128 {
    let succeeds = match call.exit {
        None => call.after[7] == OK,
        Some(exit) => exit == GuestExit::OutOfGas,
    };
    if call.name == Some("transfer") && succeeds { call.before[9].into() } else { 0 }
}

fn cost_0_8_0(call: &CallSeen, heap_end: u64) -> u128 {
    let Some(name) = call.name else { return 1000 };
    let arg = |register: usize| u128::from(call.before[register]);
    let kib = |rate: u128, register| (rate * arg(register)).div_ceil(1024);
    let fixed = FIXED_0_8_0.iter().find(|(known, _)| *known == name).map_or(0, |(_, gas)| *gas);
    let more = match name {
        "transfer" => delivered(call),
        "invoke" => lent(call),
        "grow_heap" => 121 * u128::from(call.after[7].saturating_sub(heap_end)),
        "bless" => 20 * arg(12),
        "designate" => 302 * arg(8),
        "fetch" => match FETCH_0_8_0.get(call.before[10] as usize) {
            Some((base, rate)) => base + kib(*rate, 9),
            None => 80,
        },
        "lookup" => 600 + kib(248, 11),
        "read" => 2407 + kib(1736, 9) + kib(248, 12),
        "write" => 2442 + kib(3358, 8) + kib(216, 10),
        "historical_lookup" => 1125 + kib(264, 11),
        "machine" => 1862 + kib(112, 8),
        "peek" => 377 + kib(336, 10),
        "poke" => 297 + kib(224, 10),
        "provide" => 3980 + kib(2264, 9),
        "pages" => match call.before[10] {
            0 => 212 + 118 * arg(9),
            1 | 2 => 275 + 121 * arg(9),
            3 | 4 => 130 + 29 * arg(9),
            _ => 80,
        },
        _ => 0,
    };
    assert!(fixed + more > 0, "no cost of {name}");
    fixed + more
}

/// Gas that an inner machine used, or that was lent to none.
fn lent(call: &CallSeen) -> u128 {
    let mut gas = call.memory.iter().map(|access| {
        let (first, _) = access.bytes.split_first_chunk::<8>().expect("gas comes first");
        u128::from(u64::from_le_bytes(*first))
    });
    let given = gas.next().unwrap_or(0);
    let returned = if call.after[7] == WHO { 0 } else { gas.next().unwrap_or(0) };
    given - returned
}
