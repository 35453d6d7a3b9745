//! The note: what an object was made from, by whom and for which machines.
//!
//! Layout of the descriptor, little-endian, in the order of the fields of [`Note`]; [`Note::BYTES`] long.

use tvm_isa::{Container, GasModel, GpVersion, layout::Sizes};

use crate::TextOffset;
use crate::cpu::CpuFeatures;
use crate::pc_map::PcMapHeader;
use crate::sections::FORMAT_VERSION;
use crate::tier::Tier;

/// Owner name in the ELF note header, without its terminating zero.
pub const NOTE_NAME: &[u8] = b"TVM";

/// Type in the ELF note header.
pub const NOTE_TYPE: u32 = 1;

/// Contents of the note section's descriptor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Identity of the compiler: a hash of its sources.
    pub compiler: [u8; 32],
    /// BLAKE2b-256 of the bytes that were compiled, container included.
    pub code_hash: [u8; 32],
    /// Rules the code follows.
    pub gp_version: GpVersion,
    /// How the code charges gas.
    pub gas_model: GasModel,
    /// Container the program came in. Raw programs have no memory layout.
    pub container: Container,
    /// How much work went into the code.
    pub tier: Tier,
    /// Features a CPU must have to run the code.
    pub cpu_features: CpuFeatures,
    /// Sizes of the standard program's regions; zero for raw programs.
    pub sizes: Sizes,
    /// Entries in the jump table section, entry 0 included.
    pub jump_table_slots: u32,
    /// What is in the pc map section.
    pub pc_map: PcMapHeader,
}

/// Why a descriptor is not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoteError {
    /// Wrong number of bytes.
    #[error("note descriptor of {found} bytes, expected {}", Note::BYTES)]
    Length {
        /// Bytes there are.
        found: usize,
    },
    /// Written by another version of TVM.
    #[error("object format {found}, this TVM reads format {FORMAT_VERSION}: compile the program again")]
    FormatVersion {
        /// The object's format version.
        found: u32,
    },
    /// A field has a value without meaning.
    #[error("note field `{field}` has the undefined value {found}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: u64,
    },
}

impl Note {
    /// Bytes in an encoded descriptor.
    pub const BYTES: usize = 4 + 32 + 32 + 4 + 8 + 16 + 4 + 20;

    /// The descriptor's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Without `..`, so that a new field cannot be forgotten here.
        let Self {
            format_version,
            compiler,
            code_hash,
            gp_version,
            gas_model,
            container,
            tier,
            cpu_features,
            sizes: Sizes { ro, rw, heap_pages, stack },
            jump_table_slots,
            pc_map: PcMapHeader { regions, stream_bytes, cold_records, cold_start, regions_have_cold_sites },
        } = self;
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend(format_version.to_le_bytes());
        out.extend(compiler);
        out.extend(code_hash);
        out.extend([*gp_version as u8, *gas_model as u8, *container as u8, *tier as u8]);
        out.extend(cpu_features.bits().to_le_bytes());
        for number in [*ro, *rw, u32::from(*heap_pages), *stack, *jump_table_slots] {
            out.extend(number.to_le_bytes());
        }
        for number in [*regions, *stream_bytes, *cold_records, cold_start.0, u32::from(*regions_have_cold_sites)] {
            out.extend(number.to_le_bytes());
        }
        out
    }

    /// Decodes a descriptor.
    ///
    /// # Errors
    /// When it is not exactly what [`Note::encode`] of this format version writes.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Self, NoteError> {
        let Some(format_version) = bytes.first_chunk::<4>().map(|b| u32::from_le_bytes(*b)) else {
            return Err(NoteError::Length { found: bytes.len() });
        };
        if format_version != FORMAT_VERSION {
            return Err(NoteError::FormatVersion { found: format_version });
        }
        if bytes.len() != Self::BYTES {
            return Err(NoteError::Length { found: bytes.len() });
        }
        let hash = |at: usize| <[u8; 32]>::try_from(&bytes[at..at + 32]).expect("32 bytes");
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let undefined = |field, found: u64| NoteError::Field { field, found };
        let [version, gas, container, tier] = *bytes[68..].first_chunk().expect("4 bytes");
        let features = u64::from_le_bytes(bytes[72..80].try_into().expect("8 bytes"));
        let heap_pages = word(88);
        Ok(Self {
            format_version,
            compiler: hash(4),
            code_hash: hash(36),
            gp_version: GpVersion::from_tag(version).ok_or(undefined("gp_version", version.into()))?,
            gas_model: GasModel::from_tag(gas).ok_or(undefined("gas_model", gas.into()))?,
            container: Container::from_tag(container).ok_or(undefined("container", container.into()))?,
            tier: Tier::from_tag(tier).ok_or(undefined("tier", tier.into()))?,
            cpu_features: CpuFeatures::from_bits(features).ok_or(undefined("cpu_features", features))?,
            sizes: Sizes {
                ro: word(80),
                rw: word(84),
                heap_pages: heap_pages.try_into().map_err(|_| undefined("heap_pages", heap_pages.into()))?,
                stack: word(92),
            },
            jump_table_slots: word(96),
            pc_map: PcMapHeader {
                regions: word(100),
                stream_bytes: word(104),
                cold_records: word(108),
                cold_start: TextOffset(word(112)),
                regions_have_cold_sites: match word(116) {
                    0 => false,
                    1 => true,
                    found => return Err(undefined("regions_have_cold_sites", found.into())),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Note {
        Note {
            format_version: FORMAT_VERSION,
            compiler: [1; 32],
            code_hash: [2; 32],
            gp_version: GpVersion::V0_7_2,
            gas_model: GasModel::PerInstruction,
            container: Container::Jam,
            tier: Tier::Best,
            cpu_features: CpuFeatures::V3,
            sizes: Sizes { ro: 1, rw: 2, heap_pages: 3, stack: 4 },
            jump_table_slots: 5,
            pc_map: PcMapHeader {
                regions: 6,
                stream_bytes: 7,
                cold_records: 8,
                cold_start: TextOffset(9),
                regions_have_cold_sites: true,
            },
        }
    }

    #[test]
    fn round_trip() {
        let bytes = sample().encode();
        assert_eq!(bytes.len(), Note::BYTES);
        assert_eq!(Note::decode(&bytes), Ok(sample()));
    }

    #[test]
    fn other_lengths_and_versions_are_refused() {
        let bytes = sample().encode();
        for len in 0..bytes.len() {
            assert!(Note::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        let mut newer = bytes.clone();
        newer[0] += 1;
        assert!(matches!(Note::decode(&newer), Err(NoteError::FormatVersion { .. })));
        for at in [68, 69, 70, 71, 79, 91, 116, 119] {
            let mut bad = bytes.clone();
            bad[at] = 0xee;
            assert!(matches!(Note::decode(&bad), Err(NoteError::Field { .. })), "byte {at}");
        }
    }
}
