//! The node's encodings, against the published ones.

use std::path::Path;

use tvm_tests::node::codec::{Codec, CodecError};
use tvm_tests::node::model::{
    Assurance, Block, Disputes, Extrinsic, Guarantee, Header, Preimage, RefineContext, TicketEnvelope, WorkDigest,
    WorkReport,
};
use tvm_tests::node::spec::{Spec, TINY};
use tvm_tests::node::state::recode;
use tvm_tests::node::traces::{for_each_trace, spec_of};
use tvm_tests::vectors;

/// Reads both forms of a published value, and writes both.
type Recode = fn(&[u8], &serde_json::Value, &Spec) -> Result<[Vec<u8>; 2], CodecError>;

fn recode_both<T: Codec>(bytes: &[u8], json: &serde_json::Value, spec: &Spec) -> Result<[Vec<u8>; 2], CodecError> {
    Ok([T::from_bytes(bytes, spec)?.to_bytes(), T::from_json(json)?.to_bytes()])
}

const PUBLISHED: [(&str, Recode); 13] = [
    ("assurances_extrinsic", recode_both::<Vec<Assurance>>),
    ("block", recode_both::<Block>),
    ("disputes_extrinsic", recode_both::<Disputes>),
    ("extrinsic", recode_both::<Extrinsic>),
    ("guarantees_extrinsic", recode_both::<Vec<Guarantee>>),
    ("header_0", recode_both::<Header>),
    ("header_1", recode_both::<Header>),
    ("preimages_extrinsic", recode_both::<Vec<Preimage>>),
    ("refine_context", recode_both::<RefineContext>),
    ("tickets_extrinsic", recode_both::<Vec<TicketEnvelope>>),
    ("work_report", recode_both::<WorkReport>),
    ("work_result_0", recode_both::<WorkDigest>),
    ("work_result_1", recode_both::<WorkDigest>),
];

#[test]
fn published_values_read_and_write_the_same() {
    let Some(directory) = vectors::find("codec/tiny") else { return };
    for (name, recode) in PUBLISHED {
        let read = |ending| std::fs::read(directory.join(name).with_extension(ending)).expect("a readable vector");
        let bytes = read("bin");
        let json = serde_json::from_slice(&read("json")).expect("JSON");
        let written = recode(&bytes, &json, &TINY).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(written.iter().all(|written| *written == bytes), "{name}");
    }
}

#[test]
fn values_cut_short_are_errors() {
    let Some(directory) = vectors::find("codec/tiny") else { return };
    let bytes = std::fs::read(directory.join("work_report.bin")).expect("a readable vector");
    for len in 0..bytes.len() {
        assert!(WorkReport::from_bytes(&bytes[..len], &TINY).is_err(), "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(WorkReport::from_bytes(&longer, &TINY).unwrap_err().to_string().contains("1 more bytes"));
}

/// Reads and writes every state component and block of the traces; gives how many steps there were.
fn recode_traces(path: &Path) -> usize {
    let mut steps = 0;
    for_each_trace(path, &mut |trace| {
        let set = trace.set.clone();
        for step in trace {
            let step = step?;
            let at = format!("{set}/{}", step.name);
            let spec = spec_of(&step.post)?;
            for (key, value) in step.post.iter() {
                assert_eq!(recode(key, value, spec)?, value[..], "{at}: {key:?}");
            }
            assert_eq!(Block::from_bytes(&step.block, spec)?.to_bytes(), step.block, "{at}");
            steps += 1;
        }
        Ok(())
    })
    .expect("readable traces");
    steps
}

#[test]
fn states_and_blocks_of_all_traces_read_and_write_the_same() {
    for (path, expected) in [("traces-delta", 640), ("traces/fuzz-0.7.0.tar.zst", 166)] {
        let Some(path) = vectors::find(path) else { return };
        assert_eq!(recode_traces(&path), expected, "steps in {}", path.display());
    }
}
