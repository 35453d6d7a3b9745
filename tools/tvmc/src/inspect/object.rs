//! What is in an object.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use serde::Serialize;
use tvm_abi::{CpuFeatures, Note, PcMap};
use tvm_compiler::COMPILER_IDENTITY;
use tvm_isa::Program;
use tvm_isa::layout::Sizes;
use tvm_loader::{Loaded, Verified, symbols};

use crate::failure::Failure;
use crate::output::Report;
use crate::quantity::{grouped, hex};
use crate::table::{Align, Table};

/// What is in an object.
#[derive(Serialize, Debug)]
pub struct ObjectReport {
    kind: &'static str,
    file: PathBuf,
    /// Of the file; one from a cache ends in a trailer of the cache's own.
    bytes: u64,
    note: NoteReport,
    sections: Vec<SectionReport>,
    text: TextReport,
    verification: VerificationReport,
}

/// Whether the machine code stays in its sandbox.
#[derive(Serialize, Debug)]
#[serde(rename_all = "snake_case")]
enum VerificationReport {
    /// It does.
    Safe { instructions: u64, accesses: u64, charges: u64, jumps: u64, dynamic_jumps: u64 },
    /// Why it may not.
    Unsafe { reason: String },
}

#[derive(Serialize, Debug)]
struct NoteReport {
    format_version: u32,
    compiler: String,
    /// Whether this build of TVM made it; if not, nothing here will ask the cache for it.
    this_compiler: bool,
    code_hash: String,
    gp: &'static str,
    gas_model: &'static str,
    container: &'static str,
    tier: &'static str,
    cpu_features: Vec<&'static str>,
    /// Whether this machine has those features.
    runs_here: bool,
    ro_bytes: u32,
    rw_bytes: u32,
    heap_pages: u16,
    stack_bytes: u32,
    jump_table_slots: u32,
}

#[derive(Serialize, Debug)]
struct SectionReport {
    name: String,
    offset: u64,
    bytes: u64,
    flags: String,
}

#[derive(Serialize, Debug)]
struct TextReport {
    text_bytes: u64,
    /// Bytes of the program's code, without jump table and bitmask.
    guest_code_bytes: u64,
    text_bytes_per_guest_byte: f64,
    blocks: u64,
    /// Stretches of instructions that are charged together.
    regions: u64,
    /// Places where compiled code can be left, apart from cold ones.
    sites: u64,
    pc_map_bytes: u64,
}

impl ObjectReport {
    /// Looks at all of an object, after checking it as loading does.
    pub fn new(file: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let refuse = |error: anyhow::Error| Failure::malformed(error).about(format!("{} is no object", file.display()));
        // Nothing is executed, so that this machine's features do not matter.
        let loaded = Loaded::from_bytes(bytes, CpuFeatures::V3);
        let loaded = loaded.map_err(|error| match error.is_object_fault() {
            true => refuse(error.into()),
            false => Failure::machine(error).about(format!("{} was not loaded", file.display())),
        })?;
        let program = Program::parse(loaded.program_blob()).map_err(|error| refuse(error.into()))?;
        let sections = sections(bytes).map_err(|error| refuse(error.into()))?;
        let blocks = symbols(bytes).map_err(|error| refuse(error.into()))?;
        let blocks = blocks.iter().filter(|symbol| symbol.name.starts_with("pc_")).count() as u64;
        let pc_map_bytes =
            sections.iter().find(|section| section.name == tvm_abi::sections::PC_MAP).map_or(0, |s| s.bytes);
        let text = TextReport::new(loaded.text().len(), &program, blocks, &loaded.pc_map(), pc_map_bytes);
        Ok(Self {
            kind: "object",
            file: file.to_owned(),
            bytes: bytes.len() as u64,
            note: NoteReport::new(loaded.note()),
            sections,
            text,
            verification: VerificationReport::new(&loaded),
        })
    }
}

impl NoteReport {
    fn new(note: &Note) -> Self {
        let Note {
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
            // Told with the text.
            pc_map: _,
        } = note;
        Self {
            format_version: *format_version,
            compiler: hex(compiler),
            this_compiler: *compiler == COMPILER_IDENTITY,
            code_hash: hex(code_hash),
            gp: gp_version.name(),
            gas_model: gas_model.name(),
            container: container.name(),
            tier: tier.name(),
            cpu_features: cpu_features.names().collect(),
            runs_here: CpuFeatures::host().contains(*cpu_features),
            ro_bytes: *ro,
            rw_bytes: *rw,
            heap_pages: *heap_pages,
            stack_bytes: *stack,
            jump_table_slots: *jump_table_slots,
        }
    }
}

impl VerificationReport {
    fn new(loaded: &Loaded) -> Self {
        match loaded.verify() {
            Ok(Verified { instructions, accesses, charges, jumps, dynamic_jumps, .. }) => {
                Self::Safe { instructions, accesses, charges, jumps, dynamic_jumps }
            }
            Err(violation) => Self::Unsafe { reason: violation.to_string() },
        }
    }

    /// In words.
    fn describe(&self) -> String {
        match self {
            Self::Safe { instructions, accesses, charges, jumps, dynamic_jumps } => format!(
                "stays in its sandbox: {} machine instructions verified, with {} accesses, {} charges, {} jumps, {} dynamic ones",
                grouped(*instructions),
                grouped(*accesses),
                grouped(*charges),
                grouped(*jumps),
                grouped(*dynamic_jumps)
            ),
            Self::Unsafe { reason } => format!("NOT SAFE: {reason}"),
        }
    }
}

impl TextReport {
    fn new(text_len: usize, program: &Program<'_>, blocks: u64, map: &PcMap<'_>, pc_map_bytes: u64) -> Self {
        let (text_bytes, guest_code_bytes) = (text_len as u64, u64::from(program.code_len()));
        let regions = map.region_count();
        Self {
            text_bytes,
            guest_code_bytes,
            text_bytes_per_guest_byte: text_bytes as f64 / guest_code_bytes.max(1) as f64,
            blocks,
            regions: regions as u64,
            sites: (0..regions).map(|region| map.sites_of(region).count() as u64).sum(),
            pc_map_bytes,
        }
    }
}

/// The section table, in the file's order.
fn sections(bytes: &[u8]) -> Result<Vec<SectionReport>, goblin::error::Error> {
    let elf = Elf::parse(bytes)?;
    let report = |header: &goblin::elf::SectionHeader| {
        let flags = [(SHF_ALLOC, 'a'), (SHF_WRITE, 'w'), (SHF_EXECINSTR, 'x')];
        let set = |(flag, _): &(u32, char)| header.sh_flags & u64::from(*flag) != 0;
        SectionReport {
            name: elf.shdr_strtab.get_at(header.sh_name).unwrap_or("?").to_owned(),
            offset: header.sh_offset,
            bytes: header.sh_size,
            flags: flags.iter().filter(|flag| set(flag)).map(|(_, letter)| letter).collect(),
        }
    };
    Ok(elf.section_headers.iter().skip(1).map(report).collect())
}

impl Report for ObjectReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let note = &self.note;
        let made = if note.this_compiler { "this build of TVM" } else { "another build of TVM" };
        let features = if note.cpu_features.is_empty() { "none".to_owned() } else { note.cpu_features.join(", ") };
        let here = if note.runs_here { "runs on this machine" } else { "does not run on this machine" };
        let NoteReport { ro_bytes, rw_bytes, heap_pages, stack_bytes, .. } = note;
        let TextReport {
            text_bytes,
            guest_code_bytes,
            text_bytes_per_guest_byte,
            blocks,
            regions,
            sites,
            pc_map_bytes,
        } = &self.text;
        let mut facts = Table::of_facts();
        facts
            .fact(
                "object",
                format!("{}, {} bytes, format {}", self.file.display(), grouped(self.bytes), note.format_version),
            )
            .fact("code hash", &*note.code_hash)
            .fact("compiler", format!("{} ({made})", note.compiler))
            .fact("rules", format!("GP {}, gas {}", note.gp, note.gas_model))
            .fact("container", note.container)
            .fact("tier", note.tier)
            .fact("CPU features", format!("{features} ({here})"))
            .fact(
                "memory",
                format!("ro {ro_bytes} bytes, rw {rw_bytes} bytes, heap {heap_pages} pages, stack {stack_bytes} bytes"),
            )
            .fact(
                "text",
                format!(
                    "{} bytes for {} of guest code: {text_bytes_per_guest_byte:.2} each",
                    grouped(*text_bytes),
                    grouped(*guest_code_bytes)
                ),
            )
            .fact("blocks", grouped(*blocks))
            .fact(
                "regions",
                format!(
                    "{} with {} sites, map of {} bytes",
                    grouped(*regions),
                    grouped(*sites),
                    grouped(*pc_map_bytes)
                ),
            )
            .fact("jump table", format!("{} slots", grouped(note.jump_table_slots.into())))
            .fact("code", self.verification.describe());
        facts.write(out, 0)?;
        let columns =
            [("SECTION", Align::Left), ("OFFSET", Align::Right), ("BYTES", Align::Right), ("FLAGS", Align::Left)];
        let mut table = Table::new(columns);
        for SectionReport { name, offset, bytes, flags } in &self.sections {
            table.row([name.clone(), format!("{offset:#x}"), grouped(*bytes), flags.clone()]);
        }
        writeln!(out)?;
        table.write(out, 0)
    }
}

#[cfg(test)]
mod tests {
    use tvm_compiler::{CompileOptions, compile};
    use tvm_isa::{Container, GpVersion};

    use super::*;
    use crate::failure::Status;

    #[test]
    fn damaged_objects_are_refused_or_reported_on() {
        // load_imm a0, 7; trap
        let program = [0, 0, 4, 51, 7, 7, 0, 0b1001];
        let (version, container) = (GpVersion::V0_7_2, Container::Raw);
        let options = CompileOptions { version, container, cpu: CpuFeatures::BASELINE, tier: tvm_abi::Tier::Fast };
        let object = compile(&program, [0; 32], options).unwrap();
        let report = |bytes: &[u8]| ObjectReport::new(Path::new("x"), bytes);
        assert_eq!(report(&object).unwrap().text.guest_code_bytes, 4);
        let text = tvm_abi::sections::TEXT_FILE_OFFSET as usize;
        for at in (0..text).chain(2 * text..object.len()) {
            let mut bad = object.clone();
            bad[at] ^= 0x81;
            match report(&bad) {
                Ok(report) => report.write(&mut io::sink()).unwrap(),
                Err(failure) => assert_eq!(failure.status(), Status::Malformed, "byte {at}: {:?}", failure.messages()),
            }
            assert!(at % 7 != 0 || report(&object[..at]).is_err(), "cut to {at} bytes");
        }
    }
}
