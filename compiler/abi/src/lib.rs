//! What compiled code and its host agree on.
//!
//! Compiler, loader and runtime meet here and nowhere else: the register map, the VM context, the stubs, the sections
//! of an object and the formats of the note and the pc map. Whatever changes here changes [`sections::FORMAT_VERSION`].

#![forbid(unsafe_code)]

mod address_parts;
pub mod context;
mod cpu;
mod note;
mod observed;
mod pc_map;
mod placed;
pub mod registers;
pub mod sections;
mod stubs;
mod tier;

pub use address_parts::AddressParts;
pub use context::{HostCall, VmContext};
pub use cpu::CpuFeatures;
pub use note::{NOTE_NAME, NOTE_TYPE, Note, NoteError};
pub use observed::Observed;
pub use pc_map::{COLD_SITE_BYTES, PcMap, PcMapBuilder, PcMapHeader, Region, Site};
pub use placed::{Placed, Places};
pub use registers::HostReg;
pub use stubs::{HALT_KEY, Leave, Stub, jump_key};
pub use tier::Tier;

/// A position in an object's text, in bytes from its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct TextOffset(pub u32);
