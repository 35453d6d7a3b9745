//! Services in accumulate: new, upgrade, transfer, eject.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::GuestExit;
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::results::{CASH, FULL, HUH, LOW, OK, WHO};
use tvm_runtime::jam::state::{AccountChange, AccountDelta};
use tvm_runtime::jam::types::{DeferredTransfer, Hash, ServiceAccount, ServiceId, TimeSlot, Timeline};

use crate::support::commands::{Arg, Commands, at, n};
use crate::support::encoding::natural;
use crate::support::world::{NOBODY, OTHER, SELF, VERSIONS, World, memo};

/// Where the public indices begin, and how many there are.
const PUBLIC: u64 = 1 << 16;
const SPAN: u64 = (1 << 32) - PUBLIC - (1 << 8);

/// The first index that an accumulation gives out: GP B.4, before anything was created.
fn first_index(world: &World) -> u64 {
    let seed = [&natural(SELF.0.into())[..], &world.entropy.0, &natural(world.slot.0.into())].concat();
    let (first, _) = tvm_cache::hash(&seed).split_first_chunk::<4>().map(|(first, rest)| (*first, rest.len())).unwrap();
    PUBLIC + u64::from(u32::from_le_bytes(first)) % SPAN
}

/// The index after it.
fn next_index(index: u64) -> u64 {
    PUBLIC + (index - PUBLIC + 42) % SPAN
}

/// `new` with the hash at 0.
fn new(commands: Commands, len: u64, gratis: u64, wanted: u64) -> Commands {
    commands.call("new", &[at(0), n(len), n(1 << 40), n(17), n(gratis), n(wanted)])
}

/// A service that SELF created with this length of code and gratis deposit.
fn created(world: &World, len: u64, gratis: u64) -> AccountChange {
    let account = ServiceAccount {
        code_hash: Hash([0xcd; 32]),
        balance: (100 + 20 + 81 + len).saturating_sub(gratis),
        min_item_gas: Gas(1 << 40),
        min_memo_gas: Gas(17),
        octets: 81 + len,
        items: 2,
        gratis,
        created: world.slot,
        last_accumulated: TimeSlot(0),
        parent: SELF,
    };
    let requests = [((account.code_hash, len as u32), Some(Timeline::Requested))].into();
    AccountChange::Changed(AccountDelta { account, created: true, requests, ..AccountDelta::default() })
}

fn put_code_hash() -> Commands {
    Commands::new().put(0, &[0xcd; 32])
}

#[test]
fn new_services() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let first = first_index(&world);
        // What the caller wishes for does not matter: it is not the registrar.
        let commands = new(new(put_code_hash(), 1000, 0, 5), 0, 0, u64::MAX);
        let ran = world.accumulate_commands(&commands);
        let second = next_index(first);
        assert_eq!(ran.codes(), [first, second], "{version}");
        let changes = ran.changes();
        let mut own = world.own();
        own.balance -= 1201 + 201;
        assert_eq!(changes.account, own);
        for (index, len) in [(first, 1000), (second, 0)] {
            assert_eq!(ran.result.accounts.get(ServiceId(index as u32)), Some(&created(&world, len, 0)), "{version}");
        }
        assert_eq!(ran.result.accounts.0.len(), 3);

        // Indices that are taken are passed over.
        for index in [first, first + 1, second + 1] {
            world.accounts.add(ServiceId(index as u32), 0, Hash::default());
        }
        let codes = world.accumulate_commands(&commands).codes();
        assert_eq!(codes, [first + 2, next_index(first + 2)], "{version}");
        // The next one is worked out from the one that is given out.
        world.accounts.add(ServiceId(next_index(first + 2) as u32), 0, Hash::default());
        assert_eq!(world.accumulate_commands(&commands).codes(), [first + 2, next_index(first + 2) + 1], "{version}");
        // Another slot and another entropy lead elsewhere.
        world.slot = TimeSlot(1001);
        assert_eq!(world.accumulate_commands(&commands).codes()[0], first_index(&world), "{version}");
        world.entropy = Hash([1; 32]);
        assert_eq!(world.accumulate_commands(&commands).codes()[0], first_index(&world), "{version}");
    }
}

/// The registrar chooses indices below 2^16, which moves nothing on for the others.
#[test]
fn the_registrar_chooses() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.privileges.registrar = SELF;
        world.accounts.add(ServiceId(8), 0, Hash::default());
        let commands = [5, 65_535, 5, 8, 65_536, u64::MAX]
            .iter()
            .fold(put_code_hash(), |commands, &wanted| new(commands, 1, 0, wanted));
        let ran = world.accumulate_commands(&commands);
        let first = first_index(&world);
        assert_eq!(ran.codes(), [5, 65_535, FULL, FULL, first, next_index(first)], "{version}");
        let ids: Vec<u64> = ran.result.accounts.0.keys().map(|id| id.0.into()).collect();
        let mut expected = [5, 65_535, SELF.0.into(), first, next_index(first)];
        expected.sort_unstable();
        assert_eq!(ids, expected, "{version}");
        assert_eq!(ran.changes().account.balance, world.own().balance - 4 * 202, "a refusal costs nothing");
    }
}

/// Deposits that need not be covered are the manager's to give.
#[test]
fn gratis_deposits() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let commands = new(new(put_code_hash(), 10, 200, 0), 10, 5000, 0);
        let ran = world.accumulate_commands(&commands);
        assert_eq!((ran.codes(), ran.result.accounts.0.len()), (vec![HUH, HUH], 1), "{version}");
        world.privileges.manager = SELF;
        let ran = world.accumulate_commands(&commands);
        let first = first_index(&world);
        assert_eq!(ran.codes(), [first, next_index(first)]);
        // 211 less 200 is left to pay, then nothing.
        assert_eq!(ran.changes().account.balance, world.own().balance - 11, "{version}");
        for (index, gratis) in [(first, 200), (next_index(first), 5000)] {
            let found = ran.result.accounts.get(ServiceId(index as u32));
            assert_eq!(found, Some(&created(&world, 10, gratis)), "{version}");
        }
    }
}

#[test]
fn new_services_that_cannot_be() {
    for version in VERSIONS {
        let mut world = World::new(version);
        for (hash, len) in [(n(0), 1), (at(0), 1 << 32), (at(0), u64::MAX), (n((1 << 32) - 31), 1)] {
            let ran = world.accumulate_commands(&Commands::new().call("new", &[hash, n(len), n(1), n(1), n(0), n(0)]));
            assert_eq!(ran.last_call().exit, Some(GuestExit::Panic), "{version}: {len}");
        }
        // The largest length that fits 32 bits cannot be paid; neither can what would eat into the own deposit.
        let own = world.own();
        let threshold = 100 + 10 * u64::from(own.items) + own.octets;
        let commands = new(put_code_hash(), u32::MAX.into(), 0, 0);
        assert_eq!(world.accumulate_commands(&commands).codes(), [CASH], "{version}");
        for (spare, code) in [(300, CASH), (301, first_index(&world))] {
            world.accounts.of(SELF).balance = threshold + spare;
            let ran = world.accumulate_without_results(&new(put_code_hash(), 100, 0, 0));
            assert_eq!(ran.last_call().after[7], code, "{version}: {spare} to spare");
            let left = if code == CASH { threshold + spare } else { threshold };
            assert_eq!(ran.own().account.balance, left);
        }
    }
}

#[test]
fn upgrade() {
    for version in VERSIONS {
        let world = World::new(version);
        let commands = put_code_hash().call("upgrade", &[at(0), n(u64::MAX), n(1 << 50)]);
        let ran = world.accumulate_commands(&commands.call("info", &[n(u64::MAX), at(100), n(0), n(96)]).show(100, 32));
        let mut answers = ran.answers();
        assert_eq!((answers.first(), answers.first()), (OK, 96));
        assert_eq!(answers.bytes(32), [0xcd; 32], "it is upgraded at once");
        let own = ServiceAccount {
            code_hash: Hash([0xcd; 32]),
            min_item_gas: Gas(u64::MAX),
            min_memo_gas: Gas(1 << 50),
            ..world.own()
        };
        assert_eq!(ran.changes().account, own, "{version}");
        let ran = world.accumulate_commands(&Commands::new().call("upgrade", &[n(0), n(1), n(1)]));
        assert_eq!((ran.result.end, ran.own().account), (InvocationEnd::Panic, world.own()), "{version}");
    }
}

#[test]
fn transfer() {
    for version in VERSIONS {
        let world = World::new(version);
        let put = Commands::new().put(0, b"a memo");
        let transfer = |commands: Commands, to: u64, amount, gas, memo: Arg| {
            commands.call("transfer", &[n(to), n(amount), n(gas), memo])
        };
        let (other, own) = (OTHER.0.into(), SELF.0.into());
        // The least gas for a transfer is 200 of both.
        let mut commands = transfer(put, other, 1000, 200, at(0));
        commands = transfer(commands, own, 10, 5000, at(100)); // to itself
        commands = transfer(commands, other, 0, 300, at(0));
        commands = transfer(commands, other, 1, 199, at(0));
        commands = transfer(commands, NOBODY.0.into(), 1, 199, at(0));
        commands = transfer(commands, (1 << 32) | other, 1, 200, at(0));
        commands = transfer(commands, other, u64::MAX, 200, at(0));
        commands = transfer(commands, other, u64::MAX, 0, at(0));
        let ran = world.accumulate_commands(&commands);
        assert_eq!(ran.codes(), [OK, OK, OK, LOW, WHO, WHO, CASH, LOW], "{version}");
        let deferred = |destination, amount, gas, text: &[u8]| DeferredTransfer {
            source: SELF,
            destination,
            amount,
            memo: memo(text),
            gas: Gas(gas),
        };
        let expected =
            [deferred(OTHER, 1000, 200, b"a memo"), deferred(SELF, 10, 5000, b""), deferred(OTHER, 0, 300, b"a memo")];
        assert_eq!(ran.result.transfers, expected, "{version}");
        assert_eq!(ran.changes().account.balance, world.own().balance - 1010);
        // The receiver's gas is charged on success only, on top of the price.
        let costs: Vec<u64> = ran.calls("transfer").iter().map(|call| call.gas_before - call.gas_after).collect();
        let price = if version == GpVersion::V0_8_0 { 575 } else { 10 };
        assert_eq!(costs, [200, 5000, 300, 0, 0, 0, 0, 0].map(|gas| gas + price), "{version}");

        let ran =
            world.accumulate_commands(&Commands::new().call("transfer", &[n(other), n(0), n(200), n((1 << 32) - 127)]));
        assert_eq!((ran.result.end, ran.result.transfers.len()), (InvocationEnd::Panic, 0));
    }
}

/// All that is not the deposit can be sent, and no more. Gas for the receiver that is not there ends the run.
#[test]
fn transfers_to_the_limit() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let own = world.own();
        let threshold = 100 + 10 * u64::from(own.items) + own.octets;
        let all = own.balance - threshold;
        let to = n(OTHER.0.into());
        let send = |amount| Commands::new().call("transfer", &[to, n(amount), n(200), at(0)]);
        for (amount, code) in [(all + 1, CASH), (all, OK)] {
            let ran = world.accumulate_without_results(&send(amount));
            assert_eq!(ran.last_call().after[7], code, "{version}");
            let left = if code == OK { threshold } else { own.balance };
            assert_eq!(ran.own().account.balance, left);
        }
        let plenty = world.gas;
        let ran = world.accumulate_commands(&Commands::new().call("transfer", &[to, n(1), n(plenty.0), at(0)]));
        assert_eq!(ran.last_call().exit, Some(GuestExit::OutOfGas), "{version}");
        assert_eq!((ran.result.end, ran.result.gas_used), (InvocationEnd::OutOfGas, plenty));
        assert!(ran.result.transfers.is_empty());
        // Exactly as much as there is.
        let ran = world.accumulate_without_results(&send(1));
        let call = ran.last_call();
        world.gas = Gas(world.gas.0 - call.gas_after);
        let ran = world.accumulate_without_results(&send(1));
        assert_eq!((ran.last_call().after[7], ran.last_call().gas_after), (OK, 0), "{version}");
        assert_eq!(ran.result.end, InvocationEnd::OutOfGas);
    }
}

#[test]
fn eject() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let mut mine = [0; 32];
        mine[..4].copy_from_slice(&SELF.0.to_le_bytes());
        let (mine, code) = (Hash(mine), [0x5c; 44]);
        let forgotten = |until| Timeline::Forgotten(TimeSlot(1), TimeSlot(until));
        let add = |world: &mut World, index: u32, code_hash, timeline| {
            world.accounts.add(ServiceId(index), 1000 + u64::from(index), code_hash);
            world.accounts.provide(ServiceId(index), &code, timeline)
        };
        let hash = add(&mut world, 1, mine, forgotten(967));
        // Forgotten too recently, not forgotten, of somebody else.
        add(&mut world, 2, mine, forgotten(968));
        add(&mut world, 3, mine, Timeline::Requested);
        add(&mut world, 4, Hash([1; 32]), forgotten(967));
        // With something else left: an entry; nothing left at all; a preimage of another length.
        add(&mut world, 5, mine, forgotten(967));
        world.accounts.store(ServiceId(5), b"", b"");
        world.accounts.add(ServiceId(6), 1006, mine);
        world.accounts.add(ServiceId(7), 1007, mine);
        world.accounts.request(ServiceId(7), (hash, 45), forgotten(1));
        let eject = |commands: Commands, index: u64, hash| commands.call("eject", &[n(index), at(hash)]);
        let put = Commands::new().put(0, &hash.0);
        let commands = (1..=7).fold(put, |commands, index| eject(commands, index, 0));
        let commands = eject(commands, 1, 0); // it is gone
        let commands = [SELF.0.into(), NOBODY.0.into(), 1 << 32, u64::MAX]
            .into_iter()
            .fold(commands, |commands, index| eject(commands, index, 0));
        let ran = world.accumulate_commands(&commands);
        let codes = [OK, HUH, HUH, WHO, HUH, HUH, OK, WHO, WHO, WHO, WHO, WHO];
        assert_eq!(ran.codes(), codes, "{version}");
        assert_eq!(ran.changes().account.balance, world.own().balance + 1001 + 1007, "{version}");
        let accounts = &ran.result.accounts;
        assert_eq!(accounts.get(ServiceId(1)), Some(&AccountChange::Removed((hash, 44))), "{version}");
        assert_eq!(accounts.get(ServiceId(7)), Some(&AccountChange::Removed((hash, 45))), "{version}");
        assert_eq!(accounts.0.len(), 3);

        // Another hash is not the request that is left.
        let ran = world.accumulate_commands(&eject(Commands::new().put(0, &hash.0), 1, 1));
        assert_eq!(ran.codes(), [HUH]);
        let ran = world.accumulate_commands(&Commands::new().call("eject", &[n(1), n(0)]));
        assert_eq!((ran.result.end, ran.result.accounts.0.len()), (InvocationEnd::Panic, 1), "{version}");
        // In the first slots nothing is old enough.
        world.slot = TimeSlot(31);
        world.accounts.add(ServiceId(8), 0, mine);
        world.accounts.request(ServiceId(8), (hash, 44), Timeline::Forgotten(TimeSlot(0), TimeSlot(0)));
        let commands = eject(put_hash(hash), 8, 0);
        for (slot, code) in [(31, HUH), (32, HUH), (33, OK)] {
            world.slot = TimeSlot(slot);
            assert_eq!(world.accumulate_commands(&commands).codes(), [code], "{version}: in slot {slot}");
        }
    }
}

fn put_hash(hash: Hash) -> Commands {
    Commands::new().put(0, &hash.0)
}
