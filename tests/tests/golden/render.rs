//! From an entry to text: compiled, and the machine code of its region disassembled.

use std::collections::BTreeMap;
use std::fmt::Write;

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction as Machine, IntelFormatter, Mnemonic, OpKind};
use iced_x86::{SymbolResolver, SymbolResult};
use tvm_abi::sections::TEXT_FILE_OFFSET;
use tvm_abi::{COLD_SITE_BYTES, CpuFeatures, Note, PcMap, Region, Site, Stub, TextOffset, Tier};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, GpVersion, Instruction, Op, Pc, Program};
use tvm_tests::assemble::{Memory, standard};

use super::entry::{Entry, Shown};

/// What code is made for.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Rules of the program.
    pub version: GpVersion,
    /// What the CPU has.
    pub cpu: CpuFeatures,
    /// How much work goes into it.
    pub tier: Tier,
}

/// An entry as it stands in a golden file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendered {
    /// The instruction, its bytes and what is special about it.
    pub title: String,
    /// One line for each machine instruction.
    pub code: Vec<String>,
}

/// Width of the column with the machine code's bytes.
const BYTES_COLUMN: usize = 40;

/// Stands where an instruction needs no machine code.
const NOTHING: &str = "(nothing)";

/// Compiles the entry's program and writes down what was asked for.
pub fn render(target: Target, entry: &Entry) -> Rendered {
    let Target { version, cpu, tier } = target;
    let Entry { note, pc, blob, shown, service, .. } = entry;
    let object = if *service {
        let bytes = standard(Memory::default(), blob);
        compile(&bytes, [0; 32], CompileOptions { version, container: Container::Standard, cpu, tier })
    } else {
        compile(blob, [0; 32], CompileOptions { version, container: Container::Raw, cpu, tier })
    };
    let object = object.expect("a valid program");
    let program = Program::parse(blob).expect("a valid program");
    let code = Code::of(&object, &program);
    let note = if note.is_empty() { String::new() } else { format!(" ; {note}") };
    if *shown == Shown::Region {
        let container = if *service { "service" } else { "inner" };
        let title = format!("{} | {container}{note}", region_text(&program, version, Pc(*pc)));
        return Rendered { title, code: code.region(Pc(*pc), *shown) };
    }
    if *shown == Shown::Program {
        let title = format!("{}{note}", program_text(&program, version));
        return Rendered { title, code: code.all() };
    }
    let instruction = Instruction::decode(&program, version.rules(), Pc(*pc));
    let bytes = hex_of(&program.code()[*pc as usize..instruction.next_pc().0.min(program.code_len()) as usize]);
    Rendered { title: format!("{} | {bytes}{note}", instruction.text()), code: code.region(Pc(*pc), *shown) }
}

/// The instructions from `pc` to the end of the block or to a host call.
fn region_text(program: &Program<'_>, version: GpVersion, mut pc: Pc) -> String {
    let mut texts = Vec::new();
    loop {
        let instruction = Instruction::decode(program, version.rules(), pc);
        pc = instruction.next_pc();
        texts.push(instruction.text().to_string());
        if instruction.op.terminates_block() || instruction.op == Op::Ecalli {
            return texts.join(" / ");
        }
    }
}

/// All instructions with their places.
fn program_text(program: &Program<'_>, version: GpVersion) -> String {
    let mut texts = Vec::new();
    let mut pc = Pc(0);
    while pc.0 < program.code_len() {
        let instruction = Instruction::decode(program, version.rules(), pc);
        texts.push(format!("@{pc} {}", instruction.text()));
        pc = instruction.next_pc();
    }
    texts.join(" / ")
}

/// Machine code with everything that names its places.
struct Code<'a> {
    text: &'a [u8],
    map: PcMap<'a>,
    /// Where the last region ends and the cold sites begin.
    cold_start: u32,
    names: Names,
}

impl<'a> Code<'a> {
    fn of(object: &'a [u8], program: &Program<'_>) -> Self {
        let elf = goblin::elf::Elf::parse(object).expect("an ELF object");
        let section = |name: &str| {
            let found = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name));
            &object[found.and_then(|header| header.file_range()).expect("objects have all sections")]
        };
        let text = section(tvm_abi::sections::TEXT);
        // Behind the note's header and name.
        let note = Note::decode(&section(tvm_abi::sections::NOTE)[16..]).expect("a valid note");
        let map = PcMap::new(note.pc_map, section(tvm_abi::sections::PC_MAP)).expect("a valid pc map");
        let mut names = BTreeMap::new();
        for (number, (stub, _)) in (0..).zip(Stub::THUNKS) {
            names.insert(TEXT_FILE_OFFSET + 8 * number, format!("{stub:?}"));
        }
        for region in map.regions() {
            let past = if region.pc.0 >= program.code_len() { " (end)" } else { "" };
            names.insert(address(TextOffset(charge_start(text, &region))), format!("@{}{past}", region.pc));
        }
        // Cold sites stand behind the last region, one after the other.
        let mut end = text.len() as u32;
        while let Some(at) = end.checked_sub(COLD_SITE_BYTES)
            && let Some(site) = map.site(TextOffset(end - 1)).filter(|_| is_cold(&map, at))
        {
            names.insert(address(TextOffset(at)), format!("cold site of @{}", describe(&site)));
            end = at;
        }
        Self { text, map, cold_start: end, names: Names(names) }
    }

    /// The machine code of the region that starts at `pc`.
    fn region(&self, pc: Pc, shown: Shown) -> Vec<String> {
        let region = self.map.entry(pc).expect("a region starts at the instruction");
        let next = self.map.regions().find(|next| next.pc > region.pc);
        let end = next.map_or(self.cold_start, |next| charge_start(self.text, &next));
        let start = charge_start(self.text, &region);
        let bytes = &self.text[start as usize..end as usize];
        let instructions: Vec<Machine> =
            Decoder::with_ip(64, bytes, address(TextOffset(start)), DecoderOptions::NONE).into_iter().collect();
        let charge = if start < region.text.0 { 2 } else { 0 };
        if let [subtract, jump, ..] = &instructions[..charge] {
            assert_eq!((subtract.mnemonic(), jump.mnemonic()), (Mnemonic::Sub, Mnemonic::Jb), "a charge");
        }
        let lines = match shown {
            Shown::Charge => &instructions[..charge],
            _ => &instructions[charge..],
        };
        if lines.is_empty() {
            return vec![NOTHING.to_owned()];
        }
        lines.iter().map(|instruction| self.line(instruction)).collect()
    }

    /// All machine code up to the cold sites, with the names of its places.
    fn all(&self) -> Vec<String> {
        let start = Stub::THUNKS.len() as u32 * 8;
        let bytes = &self.text[start as usize..self.cold_start as usize];
        let mut lines = Vec::new();
        for instruction in Decoder::with_ip(64, bytes, address(TextOffset(start)), DecoderOptions::NONE) {
            lines.extend(self.names.0.get(&instruction.ip()).map(|name| format!("{name}:")));
            let is_fill = instruction.mnemonic() == Mnemonic::Nop;
            lines.extend((!is_fill).then(|| self.line(&instruction)));
        }
        lines
    }

    fn line(&self, instruction: &Machine) -> String {
        let at = (instruction.ip() - TEXT_FILE_OFFSET) as usize;
        assert!(!instruction.is_invalid(), "undecodable machine code at {at:#x}");
        let mut formatter = IntelFormatter::with_options(Some(Box::new(self.names.clone())), None);
        let options = formatter.options_mut();
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_uppercase_hex(false);
        options.set_space_after_operand_separator(true);
        options.set_signed_immediate_operands(true);
        options.set_branch_leading_zeros(false);
        options.set_show_branch_size(false);
        let mut line = format!("{:BYTES_COLUMN$}", hex_of(&self.text[at..at + instruction.len()]));
        formatter.format(instruction, &mut line);
        // A site of a memory access is where it starts, that of a call its last byte.
        let site = [at, at + instruction.len() - 1].into_iter().find_map(|at| self.map.site(TextOffset(at as u32)));
        if let Some(site) = site {
            write!(line, " ; site of @{}", describe(&site)).expect("strings take everything");
        }
        line
    }
}

/// Where the code begins that charges for a region: `sub r15, cost; jb cold`, with a cost of one byte or four.
fn charge_start(text: &[u8], region: &Region) -> u32 {
    const JUMP_BYTES: u32 = 6;
    let end = region.text.0;
    let is = |bytes: u32, opcode: u8| {
        let start = end.checked_sub(bytes + JUMP_BYTES)? as usize;
        (text[start..start + 3] == [0x49, opcode, 0xef]).then_some(start as u32)
    };
    is(4, 0x83).or_else(|| is(7, 0x81)).filter(|_| region.charge.0 > 0).unwrap_or(end)
}

/// Whether the map has a cold site whose call starts at `at`: then it does so in no region.
fn is_cold(map: &PcMap<'_>, at: u32) -> bool {
    let in_region = (0..map.region_count()).flat_map(|index| map.sites_of(index)).any(|site| site.text.0 >= at);
    !in_region
}

fn describe(site: &Site) -> String {
    match site.give_back.0 {
        0 => site.pc.to_string(),
        gas => format!("{}, gives back {gas}", site.pc),
    }
}

fn address(text: TextOffset) -> u64 {
    TEXT_FILE_OFFSET + u64::from(text.0)
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Names of places, by their address.
#[derive(Clone)]
struct Names(BTreeMap<u64, String>);

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &Machine,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let is_branch = instruction_operand.is_some_and(|n| instruction.op_kind(n) == OpKind::NearBranch64);
        let name = self.0.get(&address).filter(|_| is_branch || instruction.is_ip_rel_memory_operand())?;
        Some(SymbolResult::with_str(address, name))
    }
}
