//! One pass over the text, instruction by instruction.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use tvm_abi::{CpuFeatures, Stub, TextOffset};

use crate::Verified;
use crate::forms::{Form, form};
use crate::jumps::{self, CALL_BYTES, Jump, JumpKind};
use crate::operands::{self, Memory};
use crate::place_set::PlaceSet;
use crate::sequences::{self, DYNAMIC_JUMP_READS, GasChange, Recent};
use crate::sites::Sites;
use crate::violation::{Rule, Violation};

/// The prefix of what lies in the guest's segment.
const GS: u8 = 0x65;

/// The prefix of 32-bit addresses.
const ADDRESS_SIZE: u8 = 0x67;

/// Bytes of a push of a constant.
const PUSH_BYTES: u32 = 5;

/// Bytes of a thunk, `jmp gs:[slot]`.
const THUNK_BYTES: u32 = 8;

/// Where the thunks end and code begins.
const THUNKS_END: u32 = Stub::THUNKS.len() as u32 * THUNK_BYTES;

/// What the pass found.
pub struct Swept {
    /// Where instructions start that may be jumped to.
    pub starts: PlaceSet,
    /// Jumps and branches, in order.
    pub jumps: Vec<Jump>,
    /// Instructions behind which execution does not go on, other than jumps, in order: dynamic jumps, and calls of stubs that do not
    /// return.
    pub ends: Vec<u32>,
    /// Dynamic jumps among them.
    pub dynamic_jumps: Vec<u32>,
    pub counts: Verified,
}

/// What must come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Anything,
    /// The branch that belongs to a charge.
    ChargeBranch,
    /// The jump that belongs to a push.
    LeavingJump,
}

struct Sweep<'c> {
    code: &'c crate::Code<'c>,
    recent: Recent,
    expected: Expected,
    /// Reads of context and jump table that no dynamic jump has accounted for.
    open_reads: usize,
    sites: Sites<'c>,
    found: Swept,
}

/// Looks at all instructions behind the thunks.
pub fn sweep(code: &crate::Code<'_>) -> Result<Swept, Violation> {
    thunks(code.text)?;
    if i32::try_from(code.text.len()).is_err() {
        return Err(Rule::Length.broken_at(u32::MAX));
    }
    let found = Swept {
        starts: PlaceSet::new(code.text.len()),
        jumps: Vec::new(),
        ends: Vec::new(),
        dynamic_jumps: Vec::new(),
        counts: Verified::default(),
    };
    let (recent, sites) = (Recent::new(), Sites::new(code.pc_map));
    let mut sweep = Sweep { code, recent, expected: Expected::Anything, open_reads: 0, sites, found };
    let behind = &code.text[THUNKS_END as usize..];
    let mut decoder = Decoder::with_ip(64, behind, THUNKS_END.into(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut at = THUNKS_END;
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        at = instruction.ip() as u32;
        sweep.instruction(at, &instruction).map_err(|rule| rule.broken_at(at))?;
    }
    if sweep.open_reads > 0 {
        return Err(Rule::Context.broken_at(at));
    }
    if let Some(TextOffset(site)) = sweep.sites.left_over() {
        return Err(Rule::Site.broken_at(site));
    }
    // What lies behind the last instruction is not code.
    let is_left = sweep.expected == Expected::Anything
        && (sweep.found.ends.last() == Some(&at)
            || sweep.found.jumps.last().is_some_and(|last| last.at == at && last.kind == JumpKind::Jump));
    if is_left { Ok(sweep.found) } else { Err(Rule::End.broken_at(at)) }
}

/// The text begins with a jump to each stub's address in the VM context.
fn thunks(text: &[u8]) -> Result<(), Violation> {
    let mut expected = Vec::new();
    for (stub, _) in Stub::THUNKS {
        expected.extend([GS, 0xff, 0x24, 0x25]);
        expected.extend(stub.slot().to_le_bytes());
    }
    if text.starts_with(&expected) { Ok(()) } else { Err(Rule::Thunks.broken_at(0)) }
}

/// Where the thunk of a stub stands.
fn thunk(stub: Stub) -> u32 {
    stub as u32 * THUNK_BYTES
}

impl Sweep<'_> {
    fn instruction(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        if instruction.is_invalid() {
            return Err(Rule::Undecodable);
        }
        let name = || format!("{:?}", instruction.code());
        let (form, features) = form(instruction).ok_or_else(|| Rule::Form(name()))?;
        if features != CpuFeatures::BASELINE && !self.code.cpu_features.contains(features) {
            return Err(Rule::Feature(name()));
        }
        self.recent.push(*instruction);
        self.found.counts.instructions += 1;
        let expected = std::mem::replace(&mut self.expected, Expected::Anything);
        if expected == Expected::Anything {
            self.found.starts.insert(at);
        }
        // Reads below guest memory are parts of dynamic jumps, which are over after two instructions more.
        if self.open_reads > 0 && !matches!(form, Form::Plain | Form::Branch | Form::DynamicJump) {
            return Err(Rule::Context);
        }
        match (form, expected) {
            (Form::Branch, Expected::Anything) => self.jump(at, instruction, JumpKind::Branch),
            (Form::Branch, Expected::ChargeBranch) if instruction.mnemonic() == Mnemonic::Jb => {
                self.found.counts.charges += 1;
                self.charge_branch(at, instruction)
            }
            (Form::Jump, Expected::LeavingJump) => self.leaving_jump(at, instruction),
            (_, Expected::ChargeBranch) => Err(Rule::Gas),
            (_, Expected::LeavingJump) => Err(Rule::Leave),
            (Form::Plain, _) => self.plain(at, instruction),
            (Form::Address, _) => operands::address(instruction),
            (Form::Vector, _) => operands::vector(instruction),
            (Form::Nothing, _) => Ok(()),
            (Form::Jump, _) => self.jump(at, instruction, JumpKind::Jump),
            (Form::Divide, _) => self.divide(),
            (Form::DynamicJump, _) => self.dynamic_jump(at, instruction),
            (Form::Call, _) => self.call(at, instruction),
            (Form::CallStub, _) => self.host_call(at, instruction),
            (Form::Push, _) => self.push(at, instruction),
        }
    }

    fn plain(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        match sequences::gas_change(instruction) {
            Some(GasChange::Charge(_)) => {
                self.expected = Expected::ChargeBranch;
                return Ok(());
            }
            Some(GasChange::GiveBack(_)) => return Ok(()),
            None if instruction.op0_kind() == OpKind::Register && instruction.op0_register() == Register::R15 => {
                return Err(Rule::Gas);
            }
            None => {}
        }
        match operands::plain(instruction)? {
            None => {}
            Some(Memory::Guest) => {
                self.prefixes(at, &[GS, ADDRESS_SIZE])?;
                self.found.counts.accesses += 1;
                self.sites.left_at(TextOffset(at))?;
            }
            Some(Memory::Context(_) | Memory::JumpTable) => {
                self.prefixes(at, &[GS])?;
                self.open_reads += 1;
            }
        }
        Ok(())
    }

    fn prefixes(&self, at: u32, expected: &[u8]) -> Result<(), Rule> {
        if has_only(&self.code.text[at as usize..], expected) { Ok(()) } else { Err(Rule::Memory) }
    }

    fn divide(&mut self) -> Result<(), Rule> {
        let before = sequences::division(&self.recent).ok_or(Rule::Division)?;
        self.close(before);
        Ok(())
    }

    fn dynamic_jump(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        let slots = self.code.jump_table_slots;
        let is_scratch = instruction.op0_kind() == OpKind::Register
            && instruction.op0_register() == Register::RDX
            && instruction.len() == 2;
        let before = if is_scratch { sequences::dynamic_jump(&self.recent, slots) } else { None };
        let before = before.ok_or(Rule::DynamicJump { slots })?;
        self.open_reads -= DYNAMIC_JUMP_READS.min(self.open_reads);
        if self.open_reads > 0 {
            return Err(Rule::Context);
        }
        self.close(before);
        self.found.counts.dynamic_jumps += 1;
        self.found.dynamic_jumps.push(at);
        self.found.ends.push(at);
        Ok(())
    }

    /// Lets nobody jump to the last instruction of a sequence, nor to the `before` in front of it but for the first of them.
    fn close(&mut self, before: usize) {
        for TextOffset(at) in self.recent.places(before) {
            self.found.starts.remove(at);
        }
    }

    fn jump(&mut self, at: u32, instruction: &Instruction, kind: JumpKind) -> Result<(), Rule> {
        let target = self.target(at, instruction)?;
        self.found.counts.jumps += 1;
        self.found.jumps.push(Jump { at, target, kind });
        Ok(())
    }

    /// Where gas does not fit, the charge leads to a call of the stub for that, or to where as much is given back.
    fn charge_branch(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        let target = self.target(at, instruction)?;
        let there = self.code.text.get(target as usize..).unwrap_or(&[]);
        let Some(GasChange::Charge(gas)) = sequences::gas_change(self.recent.get(1)) else { return Err(Rule::Gas) };
        let kind = if jumps::is_call_of(there, target, thunk(Stub::OutOfGas)) && self.is_given_back_at(target, gas) {
            JumpKind::Charge
        } else if jumps::gives_back(there, gas) {
            JumpKind::ChargeIfFits
        } else {
            return Err(Rule::Gas);
        };
        self.found.jumps.push(Jump { at, target, kind });
        Ok(())
    }

    /// Whether who leaves by the call at `call`, a cold site, gets back at least so much. The counter, having no sign, went below zero by less; it would stay a
    /// huge number otherwise.
    fn is_given_back_at(&self, call: u32, gas: u64) -> bool {
        let site = self.code.pc_map.cold_site_at(TextOffset(call.saturating_add(CALL_BYTES - 1)));
        site.is_some_and(|site| site.give_back.0 >= gas)
    }

    /// The place that is pushed is where the push ends, as the map knows it.
    fn push(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        let end = at + PUSH_BYTES;
        if instruction.len() != PUSH_BYTES as usize || instruction.immediate(0) != u64::from(end) {
            return Err(Rule::Leave);
        }
        self.expected = Expected::LeavingJump;
        self.site(at, instruction)
    }

    fn leaving_jump(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        if self.target(at, instruction)? != thunk(Stub::Jump) {
            return Err(Rule::Leave);
        }
        self.found.ends.push(at);
        Ok(())
    }

    fn call(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        let target = self.target(at, instruction)?;
        if target != thunk(Stub::OutOfGas) && target != thunk(Stub::Interpret) {
            return Err(Rule::Leave);
        }
        self.found.ends.push(at);
        self.site(at, instruction)
    }

    fn host_call(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        if !sequences::is_host_call(&self.recent) {
            return Err(Rule::Leave);
        }
        self.close(1);
        self.site(at, instruction)
    }

    /// Where a jump leads.
    fn target(&self, at: u32, instruction: &Instruction) -> Result<u32, Rule> {
        jumps::target(&self.code.text[at as usize..], instruction)
    }

    /// Code is left here: the map knows the place by the last byte.
    fn site(&mut self, at: u32, instruction: &Instruction) -> Result<(), Rule> {
        self.sites.left_at(TextOffset(at + instruction.len() as u32 - 1))
    }
}

/// Whether an instruction begins with these prefixes, and has no others that say where memory is: processors differ in which of several
/// counts.
fn has_only(code: &[u8], expected: &[u8]) -> bool {
    let Some(rest) = code.strip_prefix(expected) else { return false };
    // The other prefixes, REX among them. None of those looked for is ever an opcode.
    let behind = rest.iter().find(|byte| !matches!(byte, 0x66 | 0xf2 | 0xf3 | 0x40..=0x4f));
    behind.is_some_and(|byte| !matches!(*byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | GS | ADDRESS_SIZE))
}
