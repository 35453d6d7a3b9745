//! What accumulate is told: its inputs and what else can be fetched there, and where commands come from.

use tvm_runtime::jam::InvocationEnd;
use tvm_runtime::jam::results::NONE;
use tvm_runtime::jam::types::{Hash, WorkError};

use crate::support::commands::{Answers, Commands, at, n};
use crate::support::encoding;
use crate::support::world::{SELF, VERSIONS, World, transfer, work_item};

/// Room for every value here, and where in the scratch area.
const ROOM: u32 = 4096;

fn fetch(commands: Commands, kind: u64, index: u64) -> Commands {
    let commands = commands.fill(0, ROOM, 0xaa);
    commands.call("fetch", &[at(0), n(0), n(ROOM.into()), n(kind), n(index), n(0)]).show(0, ROOM)
}

/// Takes what [`fetch`] shows.
fn fetched(answers: &mut Answers) -> Option<Vec<u8>> {
    let (len, mut shown) = (answers.first(), answers.bytes(ROOM as usize));
    let rest = if len == NONE { shown.clone() } else { shown.split_off(len as usize) };
    assert!(rest.iter().all(|byte| *byte == 0xaa), "nothing is written behind the value");
    (len != NONE).then_some(shown)
}

/// Constants, entropy, and all inputs: together, one by one, and read by the SDK.
#[test]
fn every_kind() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let commands = (0..4).fold(Commands::new(), |commands, index| fetch(commands, 15, index));
        let commands = [4, 1 << 32, u64::MAX].into_iter().fold(commands, |commands, index| fetch(commands, 15, index));
        let commands = [0, 1, 14].into_iter().fold(commands, |commands, kind| fetch(commands, kind, u64::MAX));
        // What only refine and is-authorized know.
        let nothing = (2..14).chain([16, 17, u64::MAX]);
        let commands = nothing.clone().fold(commands, |commands, kind| fetch(commands, kind, 0));
        let commands = commands.typed(0).typed(1).typed(6).store(b"results");
        world.inputs = vec![
            transfer(5, &[]),
            work_item(Ok(Commands::new().work_output().into())),
            work_item(Err(WorkError::BadExports)),
            work_item(Ok(commands.work_output().into())),
        ];
        let mut answers = world.accumulate().answers();
        for input in &world.inputs {
            assert_eq!(fetched(&mut answers), Some(encoding::input(input)), "{version}");
        }
        assert_eq!([(); 3].map(|()| fetched(&mut answers)), [None, None, None], "{version}: no more inputs");
        assert_eq!(fetched(&mut answers), Some(encoding::tiny_constants(version)));
        assert_eq!(fetched(&mut answers), Some(world.entropy.0.to_vec()));
        let inputs = encoding::inputs(&world.inputs);
        assert_eq!(fetched(&mut answers), Some(inputs.clone()));
        nothing.for_each(|kind| assert_eq!(fetched(&mut answers), None, "{version}: kind {kind}"));
        assert_eq!(answers.typed(), encoding::tiny_constants(version));
        assert_eq!(answers.typed(), world.entropy.0);
        assert_eq!(answers.typed(), inputs);
        answers.end();
    }
}

/// Every way in which a work item can fail reaches the service as what it is.
#[test]
fn failed_items() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let errors = [
            WorkError::OutOfGas,
            WorkError::Panic,
            WorkError::BadExports,
            WorkError::Oversize,
            WorkError::BadCode,
            WorkError::BigCode,
        ];
        world.inputs = errors.into_iter().map(|error| work_item(Err(error))).collect();
        world.inputs.push(work_item(Ok(Commands::new().typed(6).store(b"results").work_output().into())));
        let mut answers = world.accumulate().answers();
        let inputs = encoding::inputs(&world.inputs);
        assert_eq!(answers.typed(), inputs);
        // Behind tag, hashes and gas; the trace follows.
        let tags: Vec<u8> = inputs[1..].chunks(140).take(6).map(|input| input[1 + 128 + 4]).collect();
        assert_eq!(tags, [1, 2, 3, 4, 5, 6]);
    }
}

/// The stored list comes first, then the inputs in their order; results add up over all of them.
#[test]
fn commands_come_from_storage_items_and_memos() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let show = |byte| Commands::new().put(0, &[byte]).show(0, 1);
        world.accounts.store(SELF, b"always", &show(9).clear().then(&show(1)).0);
        let last = show(4).store(b"results").hash([0x77; 32]);
        world.inputs = vec![
            work_item(Ok(show(2).work_output().into())),
            transfer(1000, &show(3).0),
            work_item(Err(WorkError::Panic)),
            work_item(Ok(last.work_output().into())),
        ];
        let ran = world.accumulate();
        assert_eq!(ran.answers().bytes(4), [1, 2, 3, 4], "{version}");
        assert_eq!(ran.result.yielded, Some(Hash([0x77; 32])), "an output of 32 bytes is what is yielded");
        assert_eq!(ran.changes().account.balance, world.own().balance + 1000);
        assert!(ran.result.transfers.is_empty() && ran.result.accounts.0.len() == 1);
    }
}

/// Without inputs only the stored list runs; without that, nothing does.
#[test]
fn no_inputs() {
    for version in VERSIONS {
        let mut world = World::new(version);
        let ran = world.accumulate();
        assert_eq!(ran.result.end, InvocationEnd::Halt);
        assert_eq!((ran.own().account, ran.own().storage.len()), (world.own(), 0));
        ran.check_nothing_else();
        // The constants, and one look for the list.
        let names = ran.seen.calls.iter().filter_map(|call| call.name);
        let mut names: Vec<&str> = names.filter(|name| *name != "grow_heap").collect();
        names.dedup();
        assert_eq!(names, ["fetch", "read"], "{version}");

        world.accounts.store(SELF, b"always", &Commands::new().call("gas", &[]).store(b"results").0);
        let ran = world.accumulate();
        assert_eq!(ran.codes(), [ran.calls("gas")[0].gas_after]);
    }
}

/// Amounts are credited before anything runs, and stay credited whatever comes of it.
#[test]
fn amounts_are_credited() {
    for version in VERSIONS {
        let mut world = World::new(version);
        world.inputs = vec![transfer(100, &[]), transfer(23, &Commands::new().trap().0)];
        let ran = world.accumulate();
        assert_eq!(ran.result.end, InvocationEnd::Panic);
        assert_eq!(ran.own().account.balance, world.own().balance + 123, "{version}");
        ran.check_nothing_else();
        // Without code too.
        world.accounts.of(SELF).code_hash = Hash([1; 32]);
        let ran = world.accumulate();
        assert_eq!((ran.result.end, ran.result.gas_used.0), (InvocationEnd::NotRun, 0));
        assert_eq!(ran.own().account.balance, world.own().balance + 123, "{version}");
    }
}
