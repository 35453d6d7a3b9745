//! Code as it must be, and what is refused of code that differs from it in one thing.

use tvm_abi::{CpuFeatures, PcMap, PcMapBuilder, PcMapHeader, Region, Site, Stub, TextOffset, context, sections};
use tvm_isa::{Gas, Pc};

use crate::{Code, Rule, Verified, Violation, verify};

mod control;
mod instructions;

/// Where the thunks end.
const BODY: u32 = 24;

/// Entries of the jump table that tests have.
const SLOTS: u32 = 3;

/// A text around some instructions, and what belongs to it.
struct Text {
    bytes: Vec<u8>,
    /// Where code is left, as the pc map counts it.
    sites: Vec<u32>,
    regions: Vec<u32>,
    /// Where the cold site is.
    cold: u32,
    table: Vec<u32>,
    slots: u32,
    features: CpuFeatures,
    /// Words of the pc map to be overwritten: where, and with what.
    patches: Vec<(usize, u32)>,
    /// What the pc map says instead: where cold sites begin, if each region has one.
    claim: Option<TextOffset>,
}

impl Text {
    /// `charge; body; leave` and the call for want of gas. Sites for `accesses`, counted from the start of `body`.
    fn around(body: &[u8], accesses: &[u32]) -> Self {
        let mut text = Self {
            bytes: Vec::new(),
            sites: Vec::new(),
            regions: Vec::new(),
            cold: 0,
            table: vec![sections::NO_TARGET; 1024],
            slots: SLOTS,
            features: CpuFeatures::V3,
            patches: Vec::new(),
            claim: None,
        };
        for (stub, _) in Stub::THUNKS {
            text.put(&[0x65, 0xff, 0x24, 0x25]);
            text.put(&stub.slot().to_le_bytes());
        }
        // sub r15, 1; jb to the call behind all others.
        text.put(&[0x49, 0x83, 0xef, 1, 0x0f, 0x82]);
        text.put(&(body.len() as u32 + 5).to_le_bytes());
        let start = text.here();
        text.regions.push(start);
        text.sites.extend(accesses.iter().map(|at| start + at));
        text.put(body);
        text.call(Stub::Interpret);
        text.cold = text.here();
        text.call(Stub::OutOfGas);
        text.sites.pop();
        text
    }

    fn here(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn call(&mut self, stub: Stub) {
        let distance = (stub as u32 * 8).wrapping_sub(self.here() + 5);
        self.put(&[0xe8]);
        self.put(&distance.to_le_bytes());
        self.sites.push(self.here() - 1);
    }

    fn verify(&self) -> Result<Verified, Violation> {
        let mut map = PcMapBuilder::default();
        for (&text, pc) in self.regions.iter().zip(0..) {
            map.region(Region { text: TextOffset(text), pc: Pc(pc), charge: Gas(1) });
        }
        for &text in &self.sites {
            map.site(Site { text: TextOffset(text), pc: Pc(0), give_back: Gas(1), base: None });
        }
        map.cold_start(TextOffset(self.cold));
        map.cold_site(Pc(0), Gas(1));
        let (mut header, mut map) = map.finish();
        if let Some(cold_start) = self.claim {
            header = PcMapHeader { cold_start, regions_have_cold_sites: true, ..header };
        }
        for &(at, word) in &self.patches {
            map[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let table: Vec<u8> = self.table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        verify(&Code {
            text: &self.bytes,
            jump_table: &table,
            jump_table_slots: self.slots,
            pc_map: PcMap::new(header, &map).expect("a map just made"),
            cpu_features: self.features,
        })
    }

    /// The rule that is broken.
    fn broken(&self) -> Rule {
        match self.verify() {
            Ok(verified) => panic!("{:02x?} was accepted: {verified:?}", &self.bytes[BODY as usize..]),
            Err(violation) => violation.rule,
        }
    }
}

/// The rule that these instructions break.
fn refused(body: &[u8]) -> Rule {
    Text::around(body, &[]).broken()
}

/// Whether two rules are the same but for what was found.
fn same_rule(a: &Rule, b: &Rule) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Checks that each of these is refused for breaking the rule.
fn all_refused(rule: &Rule, bodies: &[(&str, &[u8])]) {
    for (what, body) in bodies {
        let found = refused(body);
        assert!(same_rule(&found, rule), "{what}: expected {rule:?}, found {found:?}");
    }
}
