//! One trace: steps that are read one after the other, so that only two states are held at a time.

use std::path::PathBuf;
use std::vec::IntoIter;

use anyhow::Context;
use tvm_runtime::jam::types::Hash;

use crate::node::codec::{CodecError, Reader};
use crate::node::spec::TINY;
use crate::node::state::{Dictionary, StateKey};

/// A block between two states.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step's number in the file's name.
    pub name: String,
    /// The state before.
    pub pre: Dictionary,
    /// The encoded block.
    pub block: Vec<u8>,
    /// The state after. Equal to the one before when the block is to be rejected.
    pub post: Dictionary,
    /// Root of the state after.
    pub post_root: Hash,
}

/// A sequence of steps.
#[derive(Debug)]
pub struct Trace {
    /// Name of the directory or archive they are in.
    pub set: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Paths of files.
    Files { files: IntoIter<PathBuf>, last: Dictionary },
    /// Names and contents of `.bin` files.
    Read(IntoIter<(String, Vec<u8>)>),
}

impl Trace {
    /// The trace whose steps are these files, `.bin` or `.delta`.
    ///
    /// # Errors
    /// When deltas have no readable `initial.state` beside them.
    pub fn from_files(set: String, steps: &[PathBuf]) -> anyhow::Result<Self> {
        let is_step = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem != "genesis");
        let files: Vec<PathBuf> = steps.iter().filter(is_step).cloned().collect();
        let last = match files.first() {
            Some(first) if first.extension().is_some_and(|end| end == "delta") => {
                let initial = first.with_file_name("initial.state");
                let bytes = std::fs::read(&initial).with_context(|| format!("cannot read {}", initial.display()))?;
                read_state(&mut Reader::new(&bytes, &TINY)).with_context(|| initial.display().to_string())?.1
            }
            _ => Dictionary::default(),
        };
        Ok(Self { set, source: Source::Files { files: files.into_iter(), last } })
    }

    /// The trace whose steps are these `.bin` files' contents.
    #[must_use]
    pub fn from_contents(set: String, steps: Vec<(String, Vec<u8>)>) -> Self {
        Self { set, source: Source::Read(steps.into_iter()) }
    }

    fn read_next(&mut self) -> Option<anyhow::Result<Step>> {
        match &mut self.source {
            Source::Read(steps) => {
                let (name, bytes) = steps.next()?;
                Some(full_step(&bytes).with_context(|| name.clone()).map(|step| Step { name, ..step }))
            }
            Source::Files { files, last } => {
                let path = files.next()?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let is_delta = path.extension().is_some_and(|end| end == "delta");
                let step = std::fs::read(&path).map_err(anyhow::Error::from).and_then(|bytes| {
                    let step = if is_delta { delta_step(&bytes, last)? } else { full_step(&bytes)? };
                    last.clone_from(&step.post);
                    Ok(Step { name, ..step })
                });
                Some(step.with_context(|| format!("cannot read {}", path.display())))
            }
        }
    }
}

impl Iterator for Trace {
    type Item = anyhow::Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next()
    }
}

fn read_state(from: &mut Reader<'_>) -> Result<(Hash, Dictionary), CodecError> {
    let root = from.field("state_root")?;
    let mut state = Dictionary::default();
    state.read_entries(from)?;
    Ok((root, state))
}

/// `pre_state ++ block ++ post_state`: the block's length follows from its contents.
fn full_step(bytes: &[u8]) -> anyhow::Result<Step> {
    use crate::node::codec::Codec;
    use crate::node::model::Block;

    let mut reader = Reader::new(bytes, &TINY);
    let (_, pre) = read_state(&mut reader).map_err(|error| error.within("pre_state"))?;
    let with_block = reader.rest();
    Block::decode(&mut reader).map_err(|error| error.within("block"))?;
    let block = with_block[..with_block.len() - reader.rest().len()].to_vec();
    let (post_root, post) = read_state(&mut reader).map_err(|error| error.within("post_state"))?;
    reader.finish()?;
    Ok(Step { name: String::new(), pre, block, post, post_root })
}

fn delta_step(bytes: &[u8], pre: &Dictionary) -> anyhow::Result<Step> {
    let mut reader = Reader::new(bytes, &TINY);
    let len: u32 = reader.field("block length")?;
    let block = reader.take(len as usize)?.to_vec();
    let post_root = reader.field("state_root")?;
    let mut post = pre.clone();
    post.read_entries(&mut reader).map_err(|error| error.within("upserts"))?;
    for _ in 0..reader.natural()? {
        post.remove(&StateKey(reader.array()?));
    }
    reader.finish()?;
    Ok(Step { name: String::new(), pre: pre.clone(), block, post, post_root })
}
