//! gas, lookup, read, write, info, unknown calls, log, grow_heap.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::results::{FULL, NONE, SELF as CALLER, WHAT};
use tvm_runtime::jam::types::DeferredTransfer;
use tvm_runtime::jam::{InvocationEnd, MAX_LOG_BYTES};

use crate::services::changed;
use crate::support::{ALL, Expect, GuestCode, NOWHERE, OTHER, RO, RW, RW_END, SELF, World};

const PAST_32_BITS: u64 = 1 << 32;

#[test]
fn gas_is_told_after_the_call_is_paid() {
    for version in ALL {
        let world = World::new(version);
        let blob = GuestCode::new().call(world.id("gas"), &[]).halt(0, 0);
        for call in [world.accumulate(&blob).last(), world.refine(&blob).last(), world.is_authorized(&blob).last()] {
            assert_eq!(
                (call.after[7], call.cost()),
                (call.gas_after, if version == GpVersion::V0_8_0 { 48 } else { 10 })
            );
        }
        let expected = world.accumulate(&blob).last().gas_after;
        world.check(&GuestCode::new(), "gas", &[], Expect::Answer(expected));
    }
}

#[test]
fn lookup_copies_preimages() {
    for version in ALL {
        let mut world = World::new(version);
        let own = world.accounts.preimage(SELF, b"of mine");
        let other = world.accounts.preimage(OTHER, b"another's");
        let guest = GuestCode::new().with(RO, &own.0).with(RO + 32, &other.0);
        let other_id = u64::from(OTHER.0);
        let rows: [(&[u64], Expect, &[u8]); 14] = [
            (&[CALLER, RO, RW, 0, 100], Expect::Answer(7), b"of mine"),
            (&[SELF.0.into(), RO, RW, 3, 2], Expect::Answer(7), b"mi"),
            (&[other_id, RO + 32, RW, 0, u64::MAX], Expect::Answer(9), b"another's"),
            (&[other_id, RO + 32, RW, u64::MAX, u64::MAX], Expect::Answer(9), b""),
            (&[other_id, RO + 32, RW, 9, 1], Expect::Answer(9), b""),
            (&[other_id, RO + 32, NOWHERE, 0, 0], Expect::Answer(9), b""),
            (&[other_id, RO + 32, RW_END - 9, 0, 9], Expect::Answer(9), b"another's"),
            (&[other_id, RO + 32, RW_END - 8, 0, 9], Expect::Panic, b""),
            (&[other_id, RO + 32, RO, 0, 1], Expect::Panic, b""),
            (&[other_id, RO, RW, 0, 9], Expect::Answer(NONE), b""),
            (&[999, RO, NOWHERE, 0, 9], Expect::Answer(NONE), b""),
            (&[PAST_32_BITS + other_id, RO + 32, RW, 0, 9], Expect::Answer(NONE), b""),
            (&[CALLER, NOWHERE, RW, 0, 9], Expect::Panic, b""),
            (&[999, u64::MAX, RW, 0, 9], Expect::Panic, b""),
        ];
        for (arguments, expect, written) in rows {
            let mut world = world.clone();
            world.gas = u64::MAX;
            assert_eq!(world.check(&guest, "lookup", arguments, expect).last().written(), written);
        }
    }
}

#[test]
fn read_copies_storage() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.store(SELF, b"key", b"value");
        world.accounts.store(SELF, b"", b"empty key");
        world.accounts.store(OTHER, b"key", b"other value");
        world.gas = u64::MAX;
        let guest = GuestCode::new().with(RO, b"key");
        let other_id = u64::from(OTHER.0);
        let rows: [(&[u64], Expect, &[u8]); 13] = [
            (&[CALLER, RO, 3, RW, 0, 100], Expect::Answer(5), b"value"),
            (&[SELF.0.into(), RO, 3, RW, 1, 3], Expect::Answer(5), b"alu"),
            (&[other_id, RO, 3, RW, 6, u64::MAX], Expect::Answer(11), b"value"),
            (&[CALLER, u64::MAX, 0, RW, 0, 9], Expect::Answer(9), b"empty key"),
            (&[CALLER, RO, 2, RW, 0, 9], Expect::Answer(NONE), b""),
            (&[other_id, u64::MAX, 0, NOWHERE, 0, 9], Expect::Answer(NONE), b""),
            (&[999, RO, 3, RW, 0, 9], Expect::Answer(NONE), b""),
            (&[PAST_32_BITS + other_id, RO, 3, RW, 0, 9], Expect::Answer(NONE), b""),
            (&[CALLER, NOWHERE, 3, RW, 0, 9], Expect::Panic, b""),
            (&[999, RO + 4094, 3, RW, 0, 9], Expect::Panic, b""),
            (&[CALLER, RO, 3, RO, 0, 5], Expect::Panic, b""),
            (&[CALLER, RO, 3, RW_END - 4, 0, 5], Expect::Panic, b""),
            (&[CALLER, RO, 3, RW_END - 4, 1, 5], Expect::Answer(5), b"alue"),
        ];
        for (arguments, expect, written) in rows {
            assert_eq!(world.check(&guest, "read", arguments, expect).last().written(), written);
        }
    }
}

#[test]
fn write_sets_replaces_and_removes() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.store(SELF, b"key", b"value");
        let guest = GuestCode::new().with(RO, b"keyvalues");
        let footprint = |arguments: &[u64], expect| {
            let ran = world.check(&guest, "write", arguments, expect);
            let own = changed(&ran, SELF);
            let storage: Vec<_> =
                own.storage.iter().map(|(key, value)| (key.clone(), value.as_deref().map(<[u8]>::to_vec))).collect();
            (own.account.items, own.account.octets, storage)
        };
        let before = 34 + 3 + 5;
        let set = |key: &[u8], value: &[u8]| vec![(key.to_vec(), Some(value.to_vec()))];
        let removed = |key: &[u8]| vec![(key.to_vec(), None)];
        let written = footprint(&[RO, 3, RO + 3, 6], Expect::Answer(5));
        assert_eq!(written, (1, before + 1, set(b"key", b"values")));
        let written = footprint(&[RO, 2, RO + 3, 5], Expect::Answer(NONE));
        assert_eq!(written, (2, before + 34 + 2 + 5, set(b"ke", b"value")));
        let written = footprint(&[u64::MAX, 0, RO + 3, 5], Expect::Answer(NONE));
        assert_eq!(written, (2, before + 34 + 5, set(b"", b"value")));
        // The value's address does not matter for a removal.
        assert_eq!(footprint(&[RO, 3, u64::MAX, 0], Expect::Answer(5)), (0, 0, removed(b"key")));
        assert_eq!(footprint(&[RO, 2, NOWHERE, 0], Expect::Answer(NONE)), (1, before, vec![]));
    }
}

#[test]
fn write_refuses_and_panics() {
    for version in ALL {
        let mut world = World::new(version);
        let guest = GuestCode::new().with(RO, b"keyvalues");
        world.check(&guest, "write", &[NOWHERE, 3, RO, 5], Expect::Panic);
        world.check(&guest, "write", &[RO, 3, NOWHERE, 5], Expect::Panic);
        world.check(&guest, "write", &[RO, 3, RO + 4092, 5], Expect::Panic);
        world.check(&guest, "write", &[NOWHERE, 3, RO, 0], Expect::Panic);
        // A new entry of key 3 and value 5 takes 10 + 34 + 8.
        world.accounts.set_free_balance(SELF, 52);
        world.check(&guest, "write", &[RO, 3, RO + 3, 5], Expect::Answer(NONE));
        world.accounts.set_free_balance(SELF, 51);
        let ran = world.check(&guest, "write", &[RO, 3, RO + 3, 5], Expect::Answer(FULL));
        assert!(changed(&ran, SELF).storage.is_empty());
        // A service below its threshold cannot even remove, unless that brings it above.
        world.accounts.store(SELF, b"key", b"value");
        let threshold = 100 + 10 + 34 + 8;
        let balance = |world: &mut World, balance| world.accounts.accounts.get_mut(&SELF).unwrap().balance = balance;
        balance(&mut world, threshold - 1);
        world.check(&guest, "write", &[RO, 3, RO, 0], Expect::Answer(5));
        world.check(&guest, "write", &[RO, 2, RO, 0], Expect::Answer(FULL));
        world.check(&guest, "write", &[RO, 3, RO + 3, 4], Expect::Answer(5));
        world.check(&guest, "write", &[RO, 3, RO + 3, 5], Expect::Answer(FULL));
        balance(&mut world, 99);
        world.check(&guest, "write", &[RO, 3, RO, 0], Expect::Answer(FULL));
    }
}

#[test]
fn writes_are_seen_by_reads() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.store(SELF, b"key", b"value");
        let (write, checkpoint) = (world.id("write"), world.id("checkpoint"));
        let guest = GuestCode::new().with(RO, b"keyvalues");
        let written = guest.clone().call(write, &[RO, 3, RO + 4, 4]);
        let removed = guest.call(write, &[RO, 3, 0, 0]);
        for guest in [written.clone(), written.call(checkpoint, &[])] {
            let ran = world.check_after(&guest, "read", &[CALLER, RO, 3, RW, 0, 9], Expect::Answer(4));
            assert_eq!(ran.last().written(), b"alue");
        }
        for guest in [removed.clone(), removed.call(checkpoint, &[])] {
            world.check_after(&guest, "read", &[CALLER, RO, 3, RW, 0, 9], Expect::Answer(NONE));
        }
    }
}

#[test]
fn info_copies_the_record() {
    for version in ALL {
        let mut world = World::new(version);
        world.accounts.store(OTHER, b"key", b"value");
        world.accounts.accounts.get_mut(&OTHER).unwrap().gratis = 12;
        world.gas = u64::MAX;
        let mut expected = vec![7; 32];
        // Balance, threshold, least gas for items and transfers, octets.
        for number in [5_000_u64, 100 + 10 + 42 - 12, 10, 20, 42] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(1_u32.to_le_bytes());
        expected.extend(12_u64.to_le_bytes());
        for number in [1_u32, 2, 3] {
            expected.extend(number.to_le_bytes());
        }
        let window = |service: u64, to: u64, offset: u64, len: u64| vec![service, to, offset, len];
        let other = u64::from(OTHER.0);
        let rows = [
            (window(other, RW, 0, 96), Expect::Answer(96), &expected[..]),
            (window(other, RW, 32, 8), Expect::Answer(96), &expected[32..40]),
            (window(other, RW, 90, u64::MAX), Expect::Answer(96), &expected[90..]),
            (window(other, NOWHERE, 97, 5), Expect::Answer(96), &[]),
            (window(other, RW_END - 95, 0, 96), Expect::Panic, &[]),
            (window(other, RO, 0, 1), Expect::Panic, &[]),
            (window(999, NOWHERE, 0, 96), Expect::Answer(NONE), &[]),
            (window(PAST_32_BITS + other, RW, 0, 96), Expect::Answer(NONE), &[]),
        ];
        for (arguments, expect, written) in rows {
            assert_eq!(world.check(&GuestCode::new(), "info", &arguments, expect).last().written(), written);
        }
    }
}

#[test]
fn info_shows_the_balance_of_the_moment() {
    for version in ALL {
        let world = World::new(version);
        let balance = |guest: GuestCode| {
            let ran = world.check_after(&guest, "info", &[CALLER, RW, 32, 8], Expect::Answer(96));
            u64::from_le_bytes(ran.last().written().try_into().unwrap())
        };
        assert_eq!(balance(GuestCode::new()), 1_000_000);
        let guest = GuestCode::new().call(world.id("transfer"), &[OTHER.0.into(), 300, 25, RO]);
        assert_eq!(balance(guest), 1_000_000 - 300);
    }
}

#[test]
fn unknown_calls_are_answered_and_paid() {
    for (version, cost) in [(GpVersion::V0_7_0, 10), (GpVersion::V0_7_2, 10), (GpVersion::V0_8_0, 1000)] {
        let world = World::new(version);
        let past_the_table = if version == GpVersion::V0_8_0 { 28 } else { 27 };
        for id in [past_the_table, 99, 101, 255, u64::from(u32::MAX), 1 << 31] {
            let blob = GuestCode::new().call(id, &[0; 6]).halt(0, 0);
            for call in [world.accumulate(&blob).last(), world.refine(&blob).last(), world.is_authorized(&blob).last()]
            {
                assert_eq!((call.after[7], call.cost(), call.name, call.exit), (WHAT, cost, None, None), "call {id}");
                // The number is the sign-extended immediate.
                assert_eq!(call.id, id as u32 as i32 as u64);
            }
        }
        let blob = GuestCode::new().call(99, &[0; 6]).halt(0, 0);
        let earlier = world.gas - world.accumulate(&blob).last().gas_before;
        let short = World { gas: earlier + cost - 1, ..world.clone() }.accumulate(&blob);
        assert_eq!(short.last().exit, Some(GuestExit::OutOfGas));
        assert_eq!((short.result.end, short.result.gas_used), (InvocationEnd::OutOfGas, Gas(earlier + cost - 1)));
    }
}

#[test]
fn calls_of_other_settings_are_unknown() {
    for version in ALL {
        let world = World::new(version);
        let account = ["lookup", "read", "write", "info"];
        let refine = ["historical_lookup", "export", "machine", "peek", "poke", "pages", "invoke", "expunge"];
        let accumulate = [
            "bless",
            "assign",
            "designate",
            "checkpoint",
            "new",
            "upgrade",
            "transfer",
            "eject",
            "query",
            "solicit",
            "forget",
            "yield",
            "provide",
        ];
        let answer = |name: &str, run: &dyn Fn(&[u8]) -> u64| {
            run(&GuestCode::new().call(world.id(name), &[NOWHERE; 6]).halt(0, 0))
        };
        for name in refine {
            assert_eq!(answer(name, &|blob| world.accumulate(blob).last().after[7]), WHAT, "{name}");
        }
        for name in account.iter().chain(&accumulate) {
            assert_eq!(answer(name, &|blob| world.refine(blob).last().after[7]), WHAT, "{name}");
        }
        for name in account.iter().chain(&accumulate).chain(&refine) {
            assert_eq!(answer(name, &|blob| world.is_authorized(blob).last().after[7]), WHAT, "{name}");
        }
        let transfer =
            DeferredTransfer { source: OTHER, destination: SELF, amount: 1, memo: [0; 128], gas: Gas(1_000_000) };
        for name in accumulate.iter().chain(&refine) {
            let transfers = [transfer.clone()];
            assert_eq!(answer(name, &|blob| world.on_transfer(blob, &transfers).last().after[7]), WHAT, "{name}");
        }
    }
}

#[test]
fn log_is_unknown_but_heard() {
    for version in ALL {
        let world = World::new(version);
        let guest = GuestCode::new().with(RO, b"targetmessage\xff");
        let logs = |arguments: [u64; 5]| {
            let ran = world.accumulate(&guest.clone().call(100, &arguments).halt(0, 0));
            assert_eq!((ran.last().after[7], ran.last().exit), (WHAT, None));
            // An unknown call costs the same, but in GP 0.7.0's time this one was free.
            let cost = match version {
                GpVersion::V0_7_0 => 0,
                GpVersion::V0_7_2 => 10,
                GpVersion::V0_8_0 => 1000,
            };
            assert_eq!(ran.last().cost(), cost);
            ran.recorder.logs
        };
        let heard = logs([2, RO, 6, RO + 6, 8]);
        assert_eq!((heard[0].level, &heard[0].target[..], &heard[0].text[..]), (2, "target", "message\u{fffd}"));
        assert_eq!(heard[0].service, SELF);
        let heard = logs([u64::MAX, 0, 0, RO + 6, 7]);
        assert_eq!((heard[0].level, &heard[0].target[..], &heard[0].text[..]), (u64::MAX, "", "message"));
        // What cannot be read, or is too long to be meant, is not heard.
        assert!(logs([2, NOWHERE, 6, RO, 6]).is_empty());
        assert!(logs([2, RO, 6, RO, u64::MAX]).is_empty());
        assert!(logs([2, RO, 6, RO + 4095, 2]).is_empty());
    }
}

#[test]
fn long_logs_are_not_heard() {
    let world = World::new(GpVersion::V0_7_2);
    for (len, heard) in [(MAX_LOG_BYTES, 1), (MAX_LOG_BYTES + 1, 0)] {
        let blob = GuestCode::new().with_rw_pages(17).call(100, &[2, 0, 0, RW, len]).halt(0, 0);
        assert_eq!(world.accumulate(&blob).recorder.logs.len(), heard);
        let blob = GuestCode::new().with_rw_pages(17).call(100, &[2, RW, len, RO, 1]).halt(0, 0);
        assert_eq!(world.accumulate(&blob).recorder.logs.len(), heard);
    }
}

/// GP 0.8.0: pages 0x30 to 0x38 are the guest's writable ones; the stack of one page starts at 0xfefdf, a zone below is
/// the limit.
const HEAP_END: u64 = RW_END >> 12;
const HEAP_LIMIT: u64 = 0xfefdf - 16;

#[test]
fn grow_heap_tells_and_grows() {
    let world = World::new(GpVersion::V0_8_0);
    let guest = GuestCode::new();
    for (wanted, end) in [(0, HEAP_END), (HEAP_END, HEAP_END), (u64::MAX, HEAP_END), (HEAP_LIMIT + 1, HEAP_END)] {
        let ran = world.check(&guest, "grow_heap", &[wanted], Expect::Answer(end));
        assert_eq!(ran.last().cost(), 275);
    }
    let grown = guest.call(world.id("grow_heap"), &[HEAP_END + 3]);
    let ran = world.check_after(&grown, "grow_heap", &[0], Expect::Answer(HEAP_END + 3));
    assert_eq!((ran.calls[0].after[7], ran.calls[0].cost()), (HEAP_END + 3, 275 + 3 * 121));
    // The new pages are zero and writable, up to their end.
    let ran = world.check_after(&grown, "fetch", &[RW_END + 3 * 4096 - 134, 0, 134, 0], Expect::Answer(122));
    assert_eq!(ran.last().exit, None);
    world.check_after(&grown, "fetch", &[RW_END + 3 * 4096 - 121, 0, 134, 0], Expect::Panic);
    let ran = world.check_after(&grown, "read", &[CALLER, RW_END, 3 * 4096, RW, 0, 0], Expect::Answer(NONE));
    assert!(ran.last().memory.iter().all(|access| access.bytes.iter().all(|&byte| byte == 0)));
}

#[test]
fn grow_heap_up_to_the_limit() {
    let mut world = World::new(GpVersion::V0_8_0);
    world.gas = 1 << 40;
    let grown = GuestCode::new().call(world.id("grow_heap"), &[HEAP_LIMIT]);
    let ran = world.check_after(&grown, "grow_heap", &[HEAP_LIMIT + 1], Expect::Answer(HEAP_LIMIT));
    assert_eq!(ran.calls[0].cost(), 275 + 121 * (HEAP_LIMIT - HEAP_END));
}

#[test]
fn grow_heap_out_of_gas_keeps_the_gas_only_for_growth() {
    let world = World::new(GpVersion::V0_8_0);
    let run = |wanted, gas_at_the_call: u64| {
        let blob = GuestCode::new().call(world.id("grow_heap"), &[wanted]).halt(0, 0);
        let earlier = world.gas - world.accumulate(&blob).last().gas_before;
        let ran = World { gas: earlier + gas_at_the_call, ..world.clone() }.accumulate(&blob);
        assert_eq!(ran.last().exit, Some(GuestExit::OutOfGas));
        (ran.last().gas_after, ran.result.gas_used.0 - earlier)
    };
    assert_eq!(run(HEAP_END + 2, 275 + 2 * 121 - 1), (275 + 2 * 121 - 1, 0));
    assert_eq!(run(HEAP_END + 2, 0), (0, 0));
    assert_eq!(run(0, 274), (0, 274));
}

#[test]
fn grow_heap_is_everywhere_since_0_8_only() {
    let world = World::new(GpVersion::V0_8_0);
    let blob = GuestCode::new().call(1, &[0]).halt(0, 0);
    assert_eq!(world.accumulate(&blob).last().after[7], HEAP_END);
    assert_eq!(world.refine(&blob).last().after[7], HEAP_END);
    assert_eq!(world.is_authorized(&blob).last().after[7], HEAP_END);
}
