//! The node's suites fail when something differs, and name it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tvm_runtime::jam::types::{Bytes, ServiceId};
use tvm_tests::conformance::Report;
use tvm_tests::engines::Way;
use tvm_tests::node::codec::{Codec, Natural};
use tvm_tests::node::model::{Statistics, WorkReport};
use tvm_tests::node::spec::TINY;
use tvm_tests::node::state::{Component, Dictionary, StateKey};
use tvm_tests::node::suites::{self, NodeEngine};
use tvm_tests::node::traces::{Step, for_each_trace};
use tvm_tests::vectors;

const TRACE: &str = "fuzzy_01-40";

fn engines() -> [NodeEngine; 1] {
    [NodeEngine::new(Way::Interpreted, None, 1).expect("an engine")]
}

/// Block 6 of the trace, the first that runs code.
fn step() -> Option<Step> {
    let path = vectors::find("traces-delta")?.join(TRACE);
    let mut found = None;
    for_each_trace(&path, &mut |trace| {
        found = trace.map(|step| step.expect("a readable step")).find(|step| step.name == "00000006");
        Ok(())
    })
    .expect("a readable trace");
    Some(found.expect("block 6"))
}

/// A step in the published form.
fn published(step: &Step) -> Vec<u8> {
    let write = |state: &Dictionary| {
        let mut out = vec![0; 32];
        Natural(state.iter().count() as u64).encode(&mut out);
        for (key, value) in state.iter() {
            out.extend_from_slice(&key.0);
            value.encode(&mut out);
        }
        out
    };
    [write(&step.pre), step.block.clone(), write(&step.post)].concat()
}

fn run(step: &Step) -> anyhow::Result<Report> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("00000006.bin"), published(step))?;
    suites::traces(directory.path(), &engines())
}

/// What the suite says when the expected state is changed in this way.
fn said(step: &Step, change: impl FnOnce(&mut Dictionary)) -> String {
    let mut step = step.clone();
    change(&mut step.post);
    let report = run(&step).expect("a readable step");
    assert_eq!((report.passed, report.failed), (0, 1));
    report.to_string()
}

#[test]
fn a_step_in_the_published_form_passes_unchanged() {
    let Some(step) = step() else { return };
    let report = run(&step).expect("a readable step");
    assert_eq!((report.passed, report.failed), (1, 0), "{report}");
}

#[test]
fn each_key_that_differs_is_named() {
    let Some(step) = step() else { return };
    let changed = step.post.iter().find(|(key, value)| key.as_service_data().is_some() && value.len() < 32);
    let key = *changed.expect("data of a service").0;
    let text = said(&step, |post| post.set(key, vec![1, 2, 3]));
    assert!(text.contains(&format!("{key:?}: expected 0x010203, found 0x")), "{text}");

    let text = said(&step, |post| post.set(StateKey::storage(ServiceId(7), b"name"), vec![9]));
    assert!(text.contains("data of service 7") && text.contains("expected 0x09, found nothing"), "{text}");

    let text = said(&step, |post| post.remove(&StateKey::account(ServiceId(0))));
    assert!(text.contains("account of service 0: expected nothing, found ServiceRecord"), "{text}");

    let one_output = [&[1, 7, 0, 0, 0][..], &[3; 32]].concat();
    let text = said(&step, |post| post.set(Component::LastOutputs.key(), one_output));
    assert!(text.contains("C(16) LastOutputs: expected 0x01070000000303"), "{text}");
    let text = said(&step, |post| post.remove(&Component::AuthQueues.key()));
    assert!(text.contains("C(2) AuthQueues: expected nothing"), "{text}");
}

#[test]
fn gas_in_the_statistics_counts() {
    let Some(step) = step() else { return };
    let text = said(&step, |post| {
        let mut statistics: Statistics = post.component(Component::Statistics, &TINY).expect("readable statistics");
        let used = statistics.services.iter_mut().find(|service| service.record.accumulate_gas_used.0 > 0);
        used.expect("a service that ran").record.accumulate_gas_used.0 += 1;
        post.set_component(Component::Statistics, &statistics);
    });
    assert!(text.contains("service statistics"), "{text}");
}

#[test]
fn blocks_to_be_rejected_are_no_cases() {
    let Some(step) = step() else { return };
    let rejected = Step { post: step.pre.clone(), ..step };
    assert!(run(&rejected).unwrap_err().to_string().contains("no block in"));
}

#[test]
fn recorded_calls_that_differ_are_named() {
    let Some(all) = vectors::find("ecalli") else { return };
    let log = fs::read_to_string(all.join(TRACE).join("00000006.log")).expect("a log");
    let say = |log: &str, name: &str| {
        let directory = tempfile::tempdir()?;
        symlink(all.join("../traces-delta"), directory.path().join("traces-delta"))?;
        let logs = directory.path().join("ecalli");
        fs::create_dir_all(logs.join(TRACE))?;
        fs::write(logs.join(TRACE).join(name), log)?;
        suites::ecalli(&logs, &engines())
    };
    let report = say(&log, "00000006.log").expect("a readable log");
    assert_eq!((report.passed, report.failed), (1, 0), "{report}");

    let mut lines: Vec<String> = log.lines().map(ToOwned::to_owned).collect();
    let at = lines.iter().position(|line| line.starts_with("setreg")).expect("a result");
    lines[at].push('0');
    let report = say(&lines.join("\n"), "00000006.log").expect("a readable log");
    assert_eq!((report.passed, report.failed), (0, 1));
    assert!(report.to_string().contains(&format!("expected {}", lines[at])), "{report}");

    let error = say(&log, "00000999.log").unwrap_err();
    assert!(error.to_string().contains("00000999"), "{error}");
}

#[test]
fn vectors_of_another_form_are_errors() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).expect("a file");
    let run_all = |path: &Path| {
        let engines = engines();
        [
            suites::accumulate(path, &engines),
            suites::preimages(path),
            suites::traces(path, &engines),
            suites::ecalli(path, &engines),
            suites::refine(path, None, &engines),
        ]
    };
    assert!(run_all(directory.path()).iter().all(Result::is_err), "an empty directory");
    assert!(run_all(&directory.path().join("nowhere")).iter().all(Result::is_err), "no directory");
    write("a.json", b"{\"input\": 5}");
    let [accumulate, preimages, ..] = run_all(directory.path());
    let named = |error: anyhow::Error| format!("{error:#}");
    assert!(named(accumulate.unwrap_err()).contains("a.json: input: expected an object"));
    assert!(named(preimages.unwrap_err()).contains("a.json: input: expected an object"));
    write("00000001.bin", &[0; 40]);
    let [_, _, traces, ..] = run_all(directory.path());
    assert!(named(traces.unwrap_err()).contains("00000001.bin"));
}

/// Anything decodes or is an error; nothing panics, and no length in the bytes makes memory grow by itself.
#[test]
fn hostile_bytes_are_errors() {
    let mut huge = vec![0xff; 9];
    huge.extend([0; 64]);
    assert!(Bytes::from_bytes(&huge, &TINY).is_err());
    assert!(Vec::<u64>::from_bytes(&huge, &TINY).is_err());
    assert!(WorkReport::from_bytes(&huge, &TINY).is_err());
    let mut state = 1_u64;
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        assert!(WorkReport::from_bytes(&bytes, &TINY).is_err());
        assert!(Statistics::from_bytes(&bytes, &TINY).is_err());
    }
}
