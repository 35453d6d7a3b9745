//! An object's machine code, looked at by the verifier.

use std::ops::Range;

use tvm_abi::{CpuFeatures, Note, PcMap};
use tvm_verifier::{Code, Verified, Violation};

use crate::LoadError;
use crate::object::{self, Checked};
use crate::reader::Reader;

/// Why an object must not run.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is none.
    #[error(transparent)]
    Object(#[from] LoadError),
    /// Its machine code may leave its sandbox.
    #[error(transparent)]
    Code(#[from] Violation),
}

/// Decides whether an object's machine code stays in its sandbox, whatever made it. Nothing is mapped; the CPU it is for need not be this
/// one. Takes time in proportion to the code's length.
///
/// # Errors
/// What was found that is not as it must be.
pub fn verify(object: &[u8]) -> Result<Verified, VerifyError> {
    let Checked { sections, note } = object::check(&mut Reader::of_bytes(object), CpuFeatures::V3)?;
    let part = |range: &Range<usize>| &object[range.clone()];
    let places = &sections.places;
    let map = PcMap::new(note.pc_map, part(&places.pc_map)).expect("its length was checked");
    Ok(verify_parts(part(&places.text), part(&places.jump_table), &note, map)?)
}

/// The same for parts that have been found.
pub(crate) fn verify_parts(
    text: &[u8],
    jump_table: &[u8],
    note: &Note,
    pc_map: PcMap<'_>,
) -> Result<Verified, Violation> {
    let (jump_table_slots, cpu_features) = (note.jump_table_slots, note.cpu_features);
    tvm_verifier::verify(&Code { text, jump_table, jump_table_slots, pc_map, cpu_features })
}
