//! The SDK's own bootstrap service (GP 0.8.0), which a chain starts with. Its instructions are encoded here as
//! `jam-bootstrap-service-common` 0.1.29 says.

use std::collections::BTreeMap;

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::state::AccountChange;
use tvm_runtime::jam::types::{Bytes, Hash, Privileges, ServiceAccount, ServiceId, TimeSlot, Timeline, WorkError};

use crate::support::encoding::{blob, natural};
use crate::support::world::{OTHER, SELF, World, memo, transfer, work_item};

/// Which item of its package the work is, in what refine passes on.
const ITEM: u16 = 1;

fn world() -> World {
    let mut world = World::with_service(GpVersion::V0_8_0, "jam-bootstrap-service");
    world.privileges.manager = SELF;
    world.privileges.assigners = vec![SELF; 2];
    world.privileges.delegator = SELF;
    world
}

/// An instruction: its number and its fields.
fn instruction(number: u8, fields: &[&[u8]]) -> Vec<u8> {
    [&[number][..], &fields.concat()].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [natural(items.len() as u64), items.concat()].concat()
}

fn send(destination: ServiceId, amount: u64, gas: u64, text: &[u8]) -> Vec<u8> {
    instruction(2, &[&destination.0.to_le_bytes(), &amount.to_le_bytes(), &gas.to_le_bytes(), &memo(text)])
}

fn solicit(hash: Hash, len: u64) -> Vec<u8> {
    instruction(6, &[&hash.0, &len.to_le_bytes()])
}

fn lookup(service: ServiceId, hash: Hash, eager: bool) -> Vec<u8> {
    instruction(8, &[&service.0.to_le_bytes(), &hash.0, &[eager.into()]])
}

/// The payload of a work item.
fn payload(instructions: &[Vec<u8>]) -> Vec<u8> {
    [list(instructions), vec![0x5a; 32]].concat()
}

/// What refine passes on.
fn work_output(instructions: &[Vec<u8>]) -> Vec<u8> {
    [&list(instructions)[..], &ITEM.to_le_bytes()].concat()
}

/// Keys under which the service keeps things.
fn results_key() -> Vec<u8> {
    [&[2][..], &[0xf1; 32], &ITEM.to_le_bytes()].concat()
}

/// What it stores for every work item: a counter, which item it was, and results.
fn bookkeeping(results: &[u8]) -> BTreeMap<Vec<u8>, Option<Bytes>> {
    [
        (vec![0], 1_u32.to_le_bytes().to_vec()),
        (vec![1, 0, 0, 0, 0], [&[0xf1; 32][..], &ITEM.to_le_bytes()].concat()),
        (results_key(), results.to_vec()),
    ]
    .map(|(key, value)| (key, Some(value.into())))
    .into()
}

/// The footprint of new entries.
fn add_footprint(account: &mut ServiceAccount, entries: &BTreeMap<Vec<u8>, Option<Bytes>>) {
    for (key, value) in entries {
        account.items += 1;
        account.octets += 34 + (key.len() + value.as_ref().expect("an entry").len()) as u64;
    }
}

/// Instructions for refine are carried out there, all others passed on.
#[test]
fn refine() {
    let mut world = world();
    let preimage = b"looked up in refine";
    let hash = world.accounts.provide(OTHER, preimage, Timeline::Available(TimeSlot(3)));
    let number = |value: u64| value.to_le_bytes().to_vec();
    let passed_on = [send(OTHER, 1, 2, b"x"), lookup(OTHER, hash, false), instruction(15, &[])];
    let given = [
        instruction(10, &[&list(&[blob(b"first"), blob(&[9; 4104])])]),
        lookup(OTHER, hash, true),
        lookup(OTHER, Hash([1; 32]), true),
        instruction(9, &[&list(&[[number(1), number(3)].concat(), [number(0), number(4104)].concat()])]),
    ];
    let instructions = [&given[..], &passed_on].concat();
    world.package.items[1].payload = payload(&instructions);
    let ran = world.refine();
    let done = [
        instruction(20, &[&number(2)]),
        instruction(18, &[&[1], &blob(preimage)]),
        instruction(18, &[&[0]]),
        instruction(19, &[&list(&[blob(&[0x33; 3]), blob(&[0x22; 4104])])]),
    ];
    let expected = work_output(&[&done[..], &passed_on].concat());
    let found = ran.result.result.as_ref().expect("an output");
    assert_eq!(hex::encode(found), hex::encode(expected));
    let segments: Vec<&[u8]> = ran.result.exports.iter().map(|segment| &segment[..]).collect();
    assert_eq!(segments, [&[&b"first"[..], &[0; 4099]].concat()[..], &[9; 4104]]);
    let first = &ran.seen.logs[0];
    assert_eq!(
        (first.level, first.target.as_str(), first.text.as_str()),
        (2, "boot", "Bootstrap Service Refine, 12345h")
    );

    // Neither a payload that is none nor an import that is not there is the host's problem.
    world.package.items[1].payload = vec![1];
    assert_eq!(world.refine().result.result, Err(WorkError::Panic));
    let import = instruction(9, &[&list(&[[number(2), number(3)].concat()])]);
    world.package.items[1].payload = payload(&[import]);
    assert_eq!(world.refine().result.result, Err(WorkError::Panic));
}

/// A block's worth of everything: incoming transfers, and a work item with most instructions.
#[test]
fn accumulate() {
    let mut world = world();
    let code = b"the code of a new service".as_slice();
    let code_hash = world.accounts.provide(SELF, code, Timeline::Available(TimeSlot(5)));
    let foreign = world.accounts.provide(OTHER, b"foreign", Timeline::Available(TimeSlot(5)));
    let wanted = b"wanted".as_slice();
    world.accounts.request(OTHER, (Hash::of(wanted), 6), Timeline::Requested);
    world.accounts.store(SELF, b"old", b"entry");
    let solicited = Hash([0xab; 32]);
    let (queue, keys) = ([[0x51; 32]; 80].concat(), [0x52; 6 * 336]);
    let number = |value: u64| value.to_le_bytes();
    let create = instruction(
        0,
        &[
            &code_hash.0,
            &number(code.len() as u64),
            &number(11),
            &number(12),
            &number(5000),
            &memo(b"hello"),
            &[1],
            &blob(b"name"),
            &number(0),
            &[0],
        ],
    );
    let instructions = [
        create,
        send(OTHER, 77, 200, b"a memo"),
        send(OTHER, 77, 199, b"too little gas"),
        solicit(solicited, 1000),
        instruction(7, &[&solicited.0, &number(1000)]), // forget
        instruction(7, &[&solicited.0, &number(1000)]), // not there any more
        solicit(solicited, 2000),
        lookup(OTHER, foreign, false),
        instruction(18, &[&[1], &blob(b"from refine")]),
        instruction(20, &[&number(3)]),                            // exported
        instruction(5, &[&list(&[blob(b"old"), blob(b"never")])]), // delete items
        instruction(12, &[&1_u16.to_le_bytes(), &queue, &OTHER.0.to_le_bytes()]), // assign
        instruction(13, &[&natural(6), &keys]),                    // designate
        instruction(14, &[&[0x99; 32]]),                           // yield
        instruction(17, &[&OTHER.0.to_le_bytes(), &[1], &blob(wanted)]), // provide
        instruction(15, &[]),                                      // checkpoint
        instruction(
            11,
            &[
                &SELF.0.to_le_bytes(),
                &1_u32.to_le_bytes(),
                &2_u32.to_le_bytes(),
                &3_u32.to_le_bytes(),
                &list(&[[&4_u32.to_le_bytes()[..], &number(500)].concat()]),
            ],
        ), // bless
    ];
    world.inputs = vec![
        transfer(1000, b"first"),
        transfer(2000, b"second"),
        work_item(Err(WorkError::OutOfGas)),
        work_item(Ok(work_output(&instructions).into())),
    ];
    let ran = world.accumulate();
    assert_eq!(ran.result.end, InvocationEnd::Halt);
    let created: Vec<u64> = ran.calls("new").iter().map(|call| call.after[7]).collect();
    let [created] = created[..] else { panic!("one service is created: {created:?}") };
    let created = ServiceId(created as u32);

    let ok = |kind: u8, value: &[u8]| [&[0, kind][..], value].concat();
    let unit = || ok(0, &[]);
    let results = list(&[
        ok(1, &created.0.to_le_bytes()),
        ok(3, &[&OTHER.0.to_le_bytes()[..], &number(77), &memo(b"a memo")].concat()),
        vec![1, 3], // transfer failed
        ok(4, &solicited.0),
        ok(4, &solicited.0),
        vec![1, 4], // nothing to query
        ok(4, &solicited.0),
        ok(5, &blob(b"foreign")),
        ok(5, &blob(b"from refine")),
        ok(2, &3_u32.to_le_bytes()),
        unit(),
        unit(),
        unit(),
        unit(),
        unit(),
        unit(),
        unit(),
    ]);
    let mut entries = bookkeeping(&results);
    let mut store = |key: &[u8], value: Vec<u8>| entries.insert(key.to_vec(), Some(value.into()));
    store(b"transfer-count", 2_u32.to_le_bytes().to_vec());
    let received = |amount, text: &[u8]| [&OTHER.0.to_le_bytes()[..], &number(amount), &memo(text)].concat();
    store(b"transfer0", received(1000, b"first"));
    store(b"transfer1", received(2000, b"second"));
    store(&[3], list(&[[&blob(b"name")[..], &created.0.to_le_bytes(), &code_hash.0].concat()]));

    let deposit = 100 + 20 + 81 + code.len() as u64;
    let mut account = world.own();
    account.balance = account.balance + 3000 - deposit - 5000 - 77;
    add_footprint(&mut account, &entries);
    account.octets -= 34 + 3 + 5;
    account.items = account.items - 1 + 2;
    account.octets += 81 + 2000;
    entries.insert(b"old".to_vec(), None);
    let own = ran.own();
    assert_eq!(own.storage, entries);
    assert_eq!(own.account, account);
    assert_eq!(own.requests, [((solicited, 1000), None), ((solicited, 2000), Some(Timeline::Requested))].into());

    let Some(AccountChange::Changed(new)) = ran.result.accounts.get(created) else { panic!("no service is created") };
    assert_eq!((new.account.code_hash, new.account.balance, new.account.parent), (code_hash, deposit, SELF));
    let transfers: Vec<_> = ran.result.transfers.iter().map(|sent| (sent.destination, sent.amount, sent.gas)).collect();
    assert_eq!(transfers, [(created, 5000, Gas(12)), (OTHER, 77, Gas(200))]);
    let provisions = [((created, code_hash), Bytes::from(code)), ((OTHER, Hash::of(wanted)), Bytes::from(wanted))];
    assert_eq!(ran.result.provisions, provisions.into());
    assert_eq!(ran.result.yielded, Some(Hash([0x99; 32])));
    assert_eq!(ran.result.staging.as_deref(), Some(&keys[..]));
    assert_eq!(ran.result.queues.keys().collect::<Vec<_>>(), [&1]);
    let privileges = Privileges {
        manager: SELF,
        assigners: vec![ServiceId(1); 2],
        delegator: ServiceId(2),
        registrar: ServiceId(3),
        always_accumulate: [(ServiceId(4), Gas(500))].into(),
    };
    assert_eq!(ran.result.privileges.as_deref(), Some(&privileges));
    let texts: Vec<&str> = ran.seen.logs.iter().map(|log| log.text.as_str()).collect();
    assert!(texts[0].starts_with("Bootstrap Service Accumulate, 12345h @1000 $10003000"), "{texts:?}");
}

/// What refine made goes into accumulate.
#[test]
fn from_refine_to_accumulate() {
    let mut world = world();
    let hash = world.accounts.provide(OTHER, b"foreign", Timeline::Available(TimeSlot(5)));
    world.package.items[1].payload = payload(&[lookup(OTHER, hash, true), send(OTHER, 5, 200, b"")]);
    let output = world.refine().result.result.expect("an output");
    world.inputs = vec![work_item(Ok(output))];
    let ran = world.accumulate();
    let sent = [&OTHER.0.to_le_bytes()[..], &5_u64.to_le_bytes(), &memo(b"")].concat();
    let results = list(&[[&[0, 5][..], &blob(b"foreign")].concat(), [&[0, 3][..], &sent].concat()]);
    assert_eq!(ran.own().storage, bookkeeping(&results));
}

/// It makes a checkpoint before it starts, with empty results; what follows is undone by a panic.
#[test]
fn panic_after_the_checkpoint() {
    let mut world = world();
    let instructions = [send(OTHER, 5, 200, b""), solicit(Hash([1; 32]), 5), instruction(16, &[])];
    world.inputs = vec![transfer(9, b""), work_item(Ok(work_output(&instructions).into()))];
    let ran = world.accumulate();
    assert_eq!((ran.result.end, ran.result.transfers.len()), (InvocationEnd::Panic, 0));
    let mut entries = bookkeeping(&list(&[]));
    entries.insert(b"transfer-count".to_vec(), Some(1_u32.to_le_bytes()[..].into()));
    let received = [&OTHER.0.to_le_bytes()[..], &9_u64.to_le_bytes(), &[0; 128]].concat();
    entries.insert(b"transfer0".to_vec(), Some(received.into()));
    let mut account = world.own();
    account.balance += 9;
    add_footprint(&mut account, &entries);
    assert_eq!((ran.own().storage, ran.own().account, ran.own().requests.len()), (entries, account, 0));
}

/// A service gives itself up, and the one that it named removes it when its code was forgotten for long enough.
#[test]
fn zombie() {
    let mut world = world();
    world.inputs = vec![work_item(Ok(work_output(&[instruction(3, &[&OTHER.0.to_le_bytes()])]).into()))];
    let ran = world.accumulate();
    assert_eq!(ran.result.end, InvocationEnd::Halt);
    let mut ejector = [0; 32];
    ejector[..4].copy_from_slice(&OTHER.0.to_le_bytes());
    let before = world.own();
    let after =
        ServiceAccount { code_hash: Hash(ejector), min_item_gas: Gas(0), min_memo_gas: Gas(0), ..before.clone() };
    let own = ran.own();
    assert_eq!(own.account, after);
    assert!(own.storage.values().all(Option::is_none), "nothing stays stored: {:?}", own.storage);
    let code = (before.code_hash, world.code.len() as u32);
    assert_eq!(own.requests, [(code, Some(Timeline::Forgotten(TimeSlot(20), world.slot)))].into());

    // The other way round: SELF ejects such a service.
    let mut mine = [0; 32];
    mine[..4].copy_from_slice(&SELF.0.to_le_bytes());
    world.accounts.add(ServiceId(400), 4321, Hash(mine));
    world.accounts.request(ServiceId(400), code, Timeline::Forgotten(TimeSlot(20), TimeSlot(967)));
    let eject = instruction(4, &[&400_u32.to_le_bytes(), &code.0.0]);
    world.inputs = vec![work_item(Ok(work_output(&[eject]).into()))];
    let ran = world.accumulate();
    assert_eq!(ran.own().storage, bookkeeping(&list(&[vec![0, 0]])));
    assert_eq!(ran.own().account.balance, world.own().balance + 4321);
    assert_eq!(ran.result.accounts.get(ServiceId(400)), Some(&AccountChange::Removed(code)));
}

/// The service's benchmark: a thousand entries, with a checkpoint after each.
#[test]
fn a_thousand_checkpoints() {
    let mut world = world();
    world.inputs = vec![work_item(Ok(work_output(&[instruction(23, &[])]).into()))];
    let ran = world.accumulate();
    assert_eq!(ran.result.end, InvocationEnd::Halt);
    let mut entries = bookkeeping(&list(&[vec![0, 0]]));
    for round in 0..1000 {
        entries.insert(format!("item-1000-{round}").into_bytes(), Some(format!("{round}").into_bytes().into()));
    }
    let mut account = world.own();
    add_footprint(&mut account, &entries);
    assert_eq!((ran.own().account, ran.own().storage), (account, entries));
    assert_eq!(ran.calls("checkpoint").len(), 1001);
    // Out of gas in the middle of it: what the last checkpoint had.
    world.gas = Gas(ran.result.gas_used.0 / 2);
    let ran = world.accumulate();
    assert_eq!(ran.result.end, InvocationEnd::OutOfGas);
    let rounds = ran.calls("checkpoint").iter().filter(|call| call.exit.is_none()).count() - 1;
    assert!((400..600).contains(&rounds), "{rounds} rounds on half of the gas");
    assert_eq!(ran.own().storage.len(), 3 + rounds);
}
