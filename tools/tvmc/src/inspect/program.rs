//! What is in a program.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tvm_isa::disasm::{Disassembly, LineKind};
use tvm_isa::layout::{Layout, Region};
use tvm_isa::{Op, Program, StandardProgram};
use tvm_runtime::jam::table::LOG;
use tvm_runtime::jam::version::JamRules;

use crate::failure::Failure;
use crate::output::Report;
use crate::program_file::{Parts, ProgramFile, malformed};
use crate::quantity::{grouped, hex};
use crate::table::{Align, Table};

/// Operations that are shown to people, the most frequent ones; programs get all of them.
const SHOWN_OPERATIONS: usize = 16;

/// Metadata that is shown to people, in bytes.
const SHOWN_METADATA: usize = 64;

/// What is in a program.
#[derive(Serialize, Debug)]
pub struct ProgramReport {
    kind: &'static str,
    file: PathBuf,
    bytes: u64,
    code_hash: String,
    container: &'static str,
    gp: &'static str,
    gas_model: &'static str,
    /// Why the version's validation refuses the program, if it does.
    invalid: Option<String>,
    metadata: Option<String>,
    memory: Option<MemoryReport>,
    code: CodeReport,
    jump_table: JumpTableReport,
    /// Operations and how many instructions do them, the most frequent first.
    operations: Vec<Count>,
    /// Host calls in the code and how many instructions make them.
    host_calls: Vec<HostCallCount>,
    #[serde(skip)]
    shown_metadata: Option<String>,
}

/// The regions of a standard program.
#[derive(Serialize, Debug)]
struct MemoryReport {
    ro: RegionReport,
    rw: RegionReport,
    stack: RegionReport,
    heap_pages: u16,
}

#[derive(Serialize, Debug)]
struct RegionReport {
    /// Bytes the program states.
    bytes: u32,
    /// Where the region starts.
    start: String,
    /// Bytes of pages it takes, initial heap included.
    mapped_bytes: u32,
}

#[derive(Serialize, Default, Debug)]
struct CodeReport {
    bytes: u64,
    instructions: u64,
    blocks: u64,
    /// Marked positions whose opcode the version does not define.
    undefined_opcodes: u64,
    /// Bytes that belong to no instruction.
    gap_bytes: u64,
}

#[derive(Serialize, Debug)]
struct JumpTableReport {
    entries: u64,
    entry_bytes: u8,
}

#[derive(Serialize, Debug)]
struct Count {
    name: &'static str,
    count: u64,
}

#[derive(Serialize, Debug)]
struct HostCallCount {
    id: u64,
    /// The version's name for it; `None` where it has none.
    name: Option<&'static str>,
    count: u64,
}

impl ProgramReport {
    /// Looks at all of a program.
    pub fn new(file: &ProgramFile) -> Result<Self, Failure> {
        let Parts { metadata, standard, blob } = file.parts()?;
        let program = Program::parse(blob).map_err(|error| malformed(&file.path, error))?;
        let rules = file.gp.rules();
        let Contents { code, operations, host_calls } = Contents::of(&program, file);
        let jump_table = program.jump_table();
        Ok(Self {
            kind: "program",
            file: file.path.clone(),
            bytes: file.bytes.len() as u64,
            code_hash: hex(&file.code_hash()),
            container: file.container.name(),
            gp: file.gp.name(),
            gas_model: rules.gas.name(),
            invalid: program.validate(rules).err().map(|error| error.to_string()),
            metadata: metadata.map(hex),
            memory: standard.and_then(|standard| MemoryReport::new(&standard)),
            code,
            jump_table: JumpTableReport { entries: jump_table.len(), entry_bytes: jump_table.entry_size() },
            operations,
            host_calls,
            shown_metadata: metadata
                .map(|bytes| format!("\"{}\"", bytes[..bytes.len().min(SHOWN_METADATA)].escape_ascii())),
        })
    }
}

/// What counting the instructions gives.
struct Contents {
    code: CodeReport,
    operations: Vec<Count>,
    host_calls: Vec<HostCallCount>,
}

impl Contents {
    fn of(program: &Program<'_>, file: &ProgramFile) -> Self {
        let disassembly = Disassembly::new(program, file.gp.rules());
        let mut code = CodeReport {
            bytes: program.code_len().into(),
            blocks: disassembly.block_starts().count().into(),
            ..CodeReport::default()
        };
        let (mut operations, mut host_calls) = (BTreeMap::<Op, u64>::new(), BTreeMap::<u64, u64>::new());
        for line in disassembly.lines() {
            match line.kind {
                LineKind::Instruction(instruction) => {
                    code.instructions += 1;
                    *operations.entry(instruction.op).or_default() += 1;
                    if instruction.op == Op::Ecalli {
                        *host_calls.entry(instruction.x).or_default() += 1;
                    }
                }
                LineKind::UndefinedOpcode(_) => code.undefined_opcodes += 1,
                LineKind::Gap => code.gap_bytes += line.bytes.len() as u64,
            }
        }
        let mut operations: Vec<_> =
            operations.into_iter().map(|(op, count)| Count { name: op.name(), count }).collect();
        operations.sort_by_key(|operation| (std::cmp::Reverse(operation.count), operation.name));
        let functions = JamRules::of(file.gp).functions;
        let name = |id: u64| match functions.iter().find(|entry| u64::from(entry.number) == id) {
            Some(entry) => Some(entry.name),
            None => (id == LOG).then_some("log"),
        };
        let host_calls =
            host_calls.into_iter().map(|(id, count)| HostCallCount { id, name: name(id), count }).collect();
        Self { code, operations, host_calls }
    }
}

impl MemoryReport {
    fn new(standard: &StandardProgram<'_>) -> Option<Self> {
        let sizes = standard.sizes();
        let Layout { ro, rw, stack } = Layout::new(sizes).ok()?;
        let region =
            |bytes, Region { start, len }: Region| RegionReport { bytes, start: start.to_string(), mapped_bytes: len };
        Some(Self {
            ro: region(sizes.ro, ro),
            rw: region(sizes.rw, rw),
            stack: region(sizes.stack, stack),
            heap_pages: sizes.heap_pages,
        })
    }
}

impl Report for ProgramReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let CodeReport { bytes, instructions, blocks, undefined_opcodes, gap_bytes } = &self.code;
        let JumpTableReport { entries, entry_bytes } = &self.jump_table;
        let mut facts = Table::of_facts();
        facts
            .fact("program", format!("{}, {} bytes", self.file.display(), grouped(self.bytes)))
            .fact("container", self.container)
            .fact("code hash", &*self.code_hash)
            .fact("rules", format!("GP {}, gas {}", self.gp, self.gas_model));
        if let Some(reason) = &self.invalid {
            facts.fact("not valid", &**reason);
        }
        if let Some(metadata) = &self.shown_metadata {
            facts.fact("metadata", &**metadata);
        }
        facts
            .fact("code", format!("{} bytes", grouped(*bytes)))
            .fact(
                "instructions",
                format!("{} ({:.2} bytes each)", grouped(*instructions), ratio(*bytes, *instructions)),
            )
            .fact("blocks", format!("{} ({:.2} instructions each)", grouped(*blocks), ratio(*instructions, *blocks)))
            .fact("jump table", format!("{} entries of {entry_bytes} bytes", grouped(*entries)));
        if undefined_opcodes + gap_bytes > 0 {
            facts.fact(
                "odd code",
                format!("{undefined_opcodes} undefined opcodes, {gap_bytes} bytes in no instruction"),
            );
        }
        facts.write(out, 0)?;
        if let Some(memory) = &self.memory {
            memory.write(out)?;
        }
        self.write_host_calls(out)?;
        self.write_operations(out)
    }
}

impl ProgramReport {
    fn write_host_calls(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.host_calls.is_empty() {
            return writeln!(out, "\nhost calls: none");
        }
        let columns = [("HOST CALL", Align::Right), ("NAME", Align::Left), ("COUNT", Align::Right)];
        let mut table = Table::new(columns);
        for HostCallCount { id, name, count } in &self.host_calls {
            table.row([id.to_string(), name.unwrap_or("(unknown)").to_owned(), grouped(*count)]);
        }
        writeln!(out)?;
        table.write(out, 0)
    }

    fn write_operations(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new([("OPERATION", Align::Left), ("COUNT", Align::Right), ("SHARE", Align::Right)]);
        for Count { name, count } in self.operations.iter().take(SHOWN_OPERATIONS) {
            let share = format!("{:.1} %", 100.0 * ratio(*count, self.code.instructions));
            table.row([(*name).to_owned(), grouped(*count), share]);
        }
        writeln!(out)?;
        table.write(out, 0)?;
        match self.operations.len().saturating_sub(SHOWN_OPERATIONS) {
            0 => Ok(()),
            rest => writeln!(out, "and {rest} more operations (--json lists them all)"),
        }
    }
}

impl MemoryReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { ro, rw, stack, heap_pages } = self;
        let columns =
            [("REGION", Align::Left), ("START", Align::Left), ("BYTES", Align::Right), ("MAPPED", Align::Right)];
        let mut table = Table::new(columns);
        for (name, RegionReport { bytes, start, mapped_bytes }) in
            [("read-only", ro), ("read-write", rw), ("stack", stack)]
        {
            let numbers = [*bytes, *mapped_bytes].map(|number| grouped(number.into()));
            table.row([name.to_owned(), start.clone()].into_iter().chain(numbers));
        }
        writeln!(out)?;
        table.write(out, 0)?;
        writeln!(out, "{heap_pages} zeroed pages belong to the read-write region")
    }
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}
