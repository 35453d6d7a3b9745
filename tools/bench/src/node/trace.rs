//! A trace's blocks, decoded.

use std::path::Path;

use anyhow::{Context as _, ensure};
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::types::Hash;
use tvm_tests::node::codec::Codec;
use tvm_tests::node::model::{Block, Entropy};
use tvm_tests::node::spec::Spec;
use tvm_tests::node::state::{Component, Dictionary};
use tvm_tests::node::traces::{Step, for_each_trace, spec_of};

/// Blocks that can be imported in any order, because each comes with the state before it.
pub struct Trace {
    pub blocks: Vec<TraceBlock>,
    pub constants: ChainConstants,
    pub spec: &'static Spec,
}

/// A block, and what importing it takes.
pub struct TraceBlock {
    pub prior: Dictionary,
    pub block: Block,
    pub entropy: Hash,
}

impl Trace {
    /// Reads the trace in the directory `path`.
    pub fn read(name: &str, path: &Path) -> anyhow::Result<Self> {
        let mut steps: Vec<Step> = Vec::new();
        for_each_trace(path, &mut |trace| {
            steps.append(&mut trace.collect::<anyhow::Result<_>>()?);
            Ok(())
        })?;
        let spec = spec_of(&steps.first().with_context(|| format!("no block in {}", path.display()))?.pre)?;
        let blocks = steps.into_iter().map(|step| TraceBlock::of(step, spec)).collect::<anyhow::Result<Vec<_>>>();
        let blocks = blocks.with_context(|| name.to_owned())?;
        ensure!(!blocks.is_empty(), "no block in {}", path.display());
        Ok(Self { blocks, constants: (spec.constants)(), spec })
    }
}

impl TraceBlock {
    fn of(step: Step, spec: &'static Spec) -> anyhow::Result<Self> {
        let Step { name: _, pre, block, post, post_root: _ } = step;
        let entropy: Entropy = post.component(Component::Entropy, spec)?;
        Ok(Self { prior: pre, block: Block::from_bytes(&block, spec)?, entropy: entropy[0] })
    }
}
