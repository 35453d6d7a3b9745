//! From machine code to program counters and back: the contents of `.tvm.pcmap`.
//!
//! Code is divided into *regions*: stretches of instructions that are charged together at their start. The map has one
//! record for each region, sorted by text offset and by program counter at once (code is laid out in program order),
//! and for each region a short stream with its *sites*, the places where compiled code can be left. Sites are sorted by text
//! offset; a loop's code may be there several times, so that program counters may fall.
//!
//! ```text
//!   n × { u32 text offset | u32 pc | u32 charge | u32 start of its sites in the stream }
//!   m × { u32 pc | u32 give-back }
//!   stream: per site { ULEB128 text offset − previous | zigzag ULEB128 pc − previous | ULEB128 2 · give-back + has parts | parts }
//!   parts: { u8 target + 16 · base | u8 index + 16 · scale | u32 displacement }, of a register that is missing 15
//! ```
//!
//! The numbers n and m and two more are the map's [*header*](PcMapHeader), which is part of the object's note: loading looks at the
//! note anyway.
//!
//! The first site of a region counts from the region's start. *Cold sites* stand together at the end of the text, each
//! a call of [`COLD_SITE_BYTES`] bytes, so that their index follows from the return address. Where each region has one, for a
//! charge that does not fit, those come first, in the order of the regions, whose records say all about them. Dynamic jumps
//! take two: a push of what would be the return address of the first, and a jump ([`crate::Stub::Jump`]).
//!
//! The text offset of a site is that of the machine instruction that faults, or of the last byte of the instruction that
//! calls a stub: the return address less one, because the return address itself may begin the next region.
//!
//! *Give-back* is the gas that the charge covered for the site's instruction and those after it: adding it restores the
//! counter to what it was before the instruction.

use core::ops::Range;

use tvm_isa::{Gas, Pc};

use crate::{AddressParts, TextOffset};

/// Bytes in a region record.
const RECORD: usize = 16;
/// Bytes in a cold site's record.
const COLD_RECORD: usize = 8;
/// Bytes in the stream that most sites take.
const SHORT_SITE: usize = 3;
/// Bytes of machine code of a cold site: one `call rel32`.
pub const COLD_SITE_BYTES: u32 = 5;

/// A region's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// Where its code starts, behind the charge: who enters here has paid.
    pub text: TextOffset,
    /// Program counter of its first instruction.
    pub pc: Pc,
    /// Gas that must have been charged where its code starts: for the region, and perhaps for what certainly executes behind it.
    /// Zero when the region is the rest of a block that is paid for already; such a region may only be entered in that state,
    /// and all others only in the opposite one.
    pub charge: Gas,
}

/// What a place in the machine code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// Offset of the machine instruction that faults, or of the last byte of the call of a stub.
    pub text: TextOffset,
    /// The guest instruction executing there.
    pub pc: Pc,
    /// Gas to add to the counter to undo the charge for this instruction and the rest of its region.
    pub give_back: Gas,
    /// What the lower half of the access's base register is, where compiled code did not compute it.
    pub base: Option<AddressParts>,
}

/// Collects regions and sites, in the order of the code, each in its final form at once.
#[derive(Default, Debug)]
pub struct PcMapBuilder {
    records: Vec<u8>,
    stream: Vec<u8>,
    last: (TextOffset, Pc),
    cold: Vec<u8>,
    cold_start: TextOffset,
    regions_have_cold_sites: bool,
}

impl PcMapBuilder {
    /// Makes ready for a map of about so many regions and sites; all of another one is forgotten.
    pub fn begin(&mut self, regions: usize, sites: usize) {
        let Self { records, stream, last, cold, cold_start, regions_have_cold_sites } = self;
        (*last, *cold_start, *regions_have_cold_sites) = <_>::default();
        for part in [&mut *records, stream, cold] {
            part.clear();
        }
        records.reserve(regions * RECORD);
        stream.reserve(sites * SHORT_SITE);
    }

    /// Bytes of memory that this takes.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        let Self { records, stream, last: _, cold, cold_start: _, regions_have_cold_sites: _ } = self;
        records.capacity() + stream.capacity() + cold.capacity()
    }

    /// Begins a region. Offsets and program counters must not fall from call to call.
    #[inline]
    pub fn region(&mut self, region: Region) {
        debug_assert!(self.last.0 <= region.text && self.last_pc() <= region.pc, "regions in code order");
        let Region { text, pc, charge } = region;
        self.last = (text, pc);
        self.records.extend_from_slice(&bytes_of::<4, RECORD>([
            text.0,
            pc.0,
            gas_word(charge),
            self.stream.len() as u32,
        ]));
    }

    /// Program counter of the region begun last.
    fn last_pc(&self) -> Pc {
        self.records.last_chunk().map_or(Pc(0), |record| decode_record(record).0.pc)
    }

    /// Adds a site to the region begun last.
    #[inline]
    pub fn site(&mut self, site: Site) {
        debug_assert!(!self.records.is_empty(), "a site belongs to a region");
        debug_assert!(self.last.0 <= site.text, "sites in code order");
        let (text, pc) = (site.text.0 - self.last.0.0, zigzag(site.pc.0.wrapping_sub(self.last.1.0) as i32));
        let give_back = site.give_back.0 << 1 | u64::from(site.base.is_some());
        self.last = (site.text, site.pc);
        if u64::from(text | pc) | give_back < 0x80 {
            self.stream.extend_from_slice(&[text as u8, pc as u8, give_back as u8]);
        } else {
            [text.into(), pc.into(), give_back].into_iter().for_each(|value| encode(value, &mut self.stream));
        }
        if let Some(parts) = &site.base {
            parts.encode(&mut self.stream);
        }
    }

    /// All regions added.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = Region> {
        let (records, _) = self.records.as_chunks();
        records.iter().map(|record| decode_record(record).0)
    }

    /// To be called if each region has a cold site, before all others.
    pub fn regions_have_cold_sites(&mut self) {
        self.regions_have_cold_sites = true;
    }

    /// Adds the next cold site. The calls must be emitted in this order at the place given to [`Self::cold_start`], behind those
    /// of the regions.
    #[inline]
    pub fn cold_site(&mut self, pc: Pc, give_back: Gas) {
        self.cold.extend_from_slice(&bytes_of::<2, COLD_RECORD>([pc.0, gas_word(give_back)]));
    }

    /// Where the first cold site's call begins.
    pub fn cold_start(&mut self, text: TextOffset) {
        self.cold_start = text;
    }

    /// The map's header.
    #[must_use]
    pub fn header(&self) -> PcMapHeader {
        let Self { records, stream, last: _, cold, cold_start, regions_have_cold_sites } = self;
        PcMapHeader {
            regions: (records.len() / RECORD) as u32,
            stream_bytes: stream.len() as u32,
            cold_records: (cold.len() / COLD_RECORD) as u32,
            cold_start: *cold_start,
            regions_have_cold_sites: *regions_have_cold_sites,
        }
    }

    /// Gives the section's bytes to `put`, piece by piece.
    pub fn write(&self, mut put: impl FnMut(&[u8])) {
        let Self { records, stream, last: _, cold, cold_start: _, regions_have_cold_sites: _ } = self;
        for part in [records, cold, stream] {
            put(part);
        }
    }

    /// The map's header, and the section's bytes.
    #[must_use]
    pub fn finish(self) -> (PcMapHeader, Vec<u8>) {
        let mut out = Vec::new();
        self.write(|bytes| out.extend_from_slice(bytes));
        (self.header(), out)
    }
}

/// The little-endian bytes of some words.
#[inline]
fn bytes_of<const WORDS: usize, const N: usize>(words: [u32; WORDS]) -> [u8; N] {
    const { assert!(N == 4 * WORDS) };
    let mut bytes = [0; N];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Gas within one region, which is far below 2^32 because programs are shorter than that.
#[inline]
fn gas_word(gas: Gas) -> u32 {
    u32::try_from(gas.0).expect("the compiler limits regions to less gas than that")
}

/// Reads a map in place. Malformed contents give `None` or nonsense numbers, never a panic.
#[derive(Clone, Copy, Debug)]
pub struct PcMap<'a> {
    records: &'a [u8],
    cold: &'a [u8],
    cold_start: TextOffset,
    /// How many cold sites are regions'.
    cold_of_regions: usize,
    stream: &'a [u8],
}

/// What has to be known of a pc map to take it apart.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PcMapHeader {
    /// Region records.
    pub regions: u32,
    /// Bytes of the site stream.
    pub stream_bytes: u32,
    /// Cold site records.
    pub cold_records: u32,
    /// Where the first cold site's call begins.
    pub cold_start: TextOffset,
    /// Whether each region has a cold site, before those that have records.
    pub regions_have_cold_sites: bool,
}

impl PcMapHeader {
    /// Length in bytes of the map.
    #[must_use]
    #[inline]
    pub fn map_len(&self) -> u64 {
        u64::from(self.regions) * RECORD as u64
            + u64::from(self.cold_records) * COLD_RECORD as u64
            + u64::from(self.stream_bytes)
    }
}

#[inline]
fn words<const WORDS: usize, const N: usize>(bytes: &[u8; N]) -> [u32; WORDS] {
    const { assert!(N == 4 * WORDS) };
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|index| u32::from_le_bytes(words[index]))
}

impl<'a> PcMap<'a> {
    /// Takes a section's bytes apart, in constant time. `None` when they are not as many as the header says. None of them is
    /// looked at, so that no page of them need be in memory.
    #[must_use]
    #[inline]
    pub fn new(header: PcMapHeader, bytes: &'a [u8]) -> Option<Self> {
        if header.map_len() != bytes.len() as u64 {
            return None;
        }
        let (records, rest) = bytes.split_at_checked(header.regions as usize * RECORD)?;
        let (cold, stream) = rest.split_at_checked(header.cold_records as usize * COLD_RECORD)?;
        let cold_of_regions = if header.regions_have_cold_sites { header.regions as usize } else { 0 };
        Some(Self { records, cold, cold_start: header.cold_start, cold_of_regions, stream })
    }

    /// Number of regions.
    #[must_use]
    #[inline]
    pub fn region_count(&self) -> usize {
        self.records.len() / RECORD
    }

    /// All regions in order.
    pub fn regions(&self) -> impl Iterator<Item = Region> + use<'a> {
        let map = *self;
        (0..map.region_count()).map(move |index| map.record(index).0)
    }

    /// The region that begins at `pc`: where to enter compiled code to execute from there.
    #[must_use]
    #[inline]
    pub fn entry(&self, pc: Pc) -> Option<Region> {
        // Most runs begin at the first instruction, and invocations at the first few: looking there first spares them the
        // search.
        if let Some(first) = self.records.first_chunk()
            && let (region, _) = decode_record(first)
            && region.pc == pc
        {
            return Some(region);
        }
        let mut end = 1;
        while end < self.region_count() && self.record(end).0.pc <= pc {
            end *= 2;
        }
        let after = self.count_while_in(end / 2..self.region_count().min(end), |region| region.pc <= pc);
        // Several regions at one pc do not occur: a region has at least one instruction.
        let (region, _) = self.record(after.checked_sub(1)?);
        (region.pc == pc).then_some(region)
    }

    /// The region that the code at `text` belongs to.
    #[must_use]
    pub fn region_at(&self, text: TextOffset) -> Option<Region> {
        let after = self.count_while(|region| region.text <= text);
        Some(self.record(after.checked_sub(1)?).0)
    }

    /// The site at exactly `text`.
    #[must_use]
    #[inline]
    pub fn site(&self, text: TextOffset) -> Option<Site> {
        // As `is_cold` says, in the form that halting guests, which come by here, take the fewest instructions for.
        if let Some(after_start) = text.0.checked_sub(self.cold_start.0)
            && self.cold_of_regions + self.cold.len() > 0
        {
            return self.cold_site(text, after_start);
        }
        let after = self.count_while(|region| region.text <= text);
        self.sites_of(after.checked_sub(1)?).take_while(|site| site.text <= text).find(|site| site.text == text)
    }

    /// Whether a site at `text` is a cold one: those are not listed with their regions.
    #[must_use]
    pub fn is_cold(&self, text: TextOffset) -> bool {
        text >= self.cold_start && self.cold_of_regions + self.cold.len() > 0
    }

    /// The cold site at exactly `text`, in constant time.
    #[must_use]
    pub fn cold_site_at(&self, text: TextOffset) -> Option<Site> {
        self.cold_site(text, text.0.checked_sub(self.cold_start.0)?)
    }

    /// The cold site whose call ends `after_start` bytes behind the start of the cold sites.
    #[inline]
    fn cold_site(&self, text: TextOffset, after_start: u32) -> Option<Site> {
        if after_start % COLD_SITE_BYTES != COLD_SITE_BYTES - 1 {
            return None;
        }
        let index = (after_start / COLD_SITE_BYTES) as usize;
        let Some(index) = index.checked_sub(self.cold_of_regions) else {
            let (Region { pc, charge, .. }, _) = self.record(index);
            return Some(Site { text, pc, give_back: charge, base: None });
        };
        let at = index * COLD_RECORD;
        let record = self.cold.get(at..at + COLD_RECORD)?;
        let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"));
        Some(Site { text, pc: Pc(word(0)), give_back: Gas(word(4).into()), base: None })
    }

    /// All sites of region number `index`, in order; cold ones are not among them.
    pub fn sites_of(&self, index: usize) -> impl Iterator<Item = Site> + use<'a> {
        let (region, start) = self.record(index);
        let end = if index + 1 < self.region_count() { self.record(index + 1).1 } else { self.stream.len() };
        let mut rest = self.stream.get(start..end).unwrap_or(&[]);
        let mut last = Site { text: region.text, pc: region.pc, give_back: Gas(0), base: None };
        core::iter::from_fn(move || {
            last.text.0 = last.text.0.wrapping_add(decode(&mut rest)? as u32);
            last.pc.0 = last.pc.0.wrapping_add_signed(unzigzag(decode(&mut rest)? as u32));
            let give_back = decode(&mut rest)?;
            last.give_back = Gas(give_back >> 1);
            last.base = if give_back & 1 != 0 { Some(AddressParts::decode(&mut rest)?) } else { None };
            Some(last)
        })
    }

    /// Number of leading regions for which `is_before` holds; it must hold for a prefix.
    fn count_while(&self, is_before: impl Fn(&Region) -> bool) -> usize {
        self.count_while_in(0..self.region_count(), is_before)
    }

    /// The same where it is known that the number lies in `range` or is its end.
    #[inline]
    fn count_while_in(&self, range: Range<usize>, is_before: impl Fn(&Region) -> bool) -> usize {
        let Range { start: mut low, end: mut high } = range;
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&self.record(middle).0) { low = middle + 1 } else { high = middle }
        }
        low
    }

    #[inline]
    fn record(&self, index: usize) -> (Region, usize) {
        let bytes = &self.records[index * RECORD..(index + 1) * RECORD];
        decode_record(bytes.first_chunk().expect("as long as a record"))
    }
}

/// A difference as a number that is small when the difference is, whatever its sign.
#[inline]
fn zigzag(difference: i32) -> u32 {
    (difference << 1 ^ difference >> 31) as u32
}

/// What [`zigzag`] made a number of.
#[inline]
fn unzigzag(number: u32) -> i32 {
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

/// A region, and where its sites start in the stream.
#[inline]
fn decode_record(bytes: &[u8; RECORD]) -> (Region, usize) {
    let [text, pc, charge, sites] = words::<4, RECORD>(bytes);
    (Region { text: TextOffset(text), pc: Pc(pc), charge: Gas(charge.into()) }, sites as usize)
}

/// ULEB128.
fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn decode(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> AddressParts {
        let reg = tvm_isa::Reg::clamped;
        AddressParts { target: reg(12), base: None, index: Some((reg(3), 2)), disp: -7 }
    }

    fn sample() -> (PcMapHeader, Vec<u8>) {
        builder().finish()
    }

    fn builder() -> PcMapBuilder {
        let mut map = PcMapBuilder::default();
        let region = |text, pc, charge| Region { text: TextOffset(text), pc: Pc(pc), charge: Gas(charge) };
        let site =
            |text, pc, give_back| Site { text: TextOffset(text), pc: Pc(pc), give_back: Gas(give_back), base: None };
        map.region(region(16, 0, 3));
        map.site(site(20, 2, 2));
        map.site(Site { base: Some(parts()), ..site(400, 300, 1) });
        map.site(Site { base: None, ..site(410, 5, 3) });
        map.region(region(500, 310, 0));
        map.region(region(600, 320, 200));
        map.site(site(600, 320, 200));
        map.cold_start(TextOffset(1000));
        map.cold_site(Pc(0), Gas(3));
        map.cold_site(Pc(7), Gas(0));
        map
    }

    #[test]
    fn sites_are_found_by_exact_offset() {
        let (header, bytes) = sample();
        let map = PcMap::new(header, &bytes).unwrap();
        assert_eq!(map.region_count(), 3);
        assert_eq!(
            map.site(TextOffset(20)),
            Some(Site { text: TextOffset(20), pc: Pc(2), give_back: Gas(2), base: None })
        );
        assert_eq!(map.site(TextOffset(400)).unwrap().pc, Pc(300));
        assert_eq!(map.site(TextOffset(400)).unwrap().base, Some(parts()));
        assert_eq!(map.site(TextOffset(410)).unwrap().pc, Pc(5), "before the site in front of it");
        assert_eq!(map.site(TextOffset(600)).unwrap().give_back, Gas(200));
        let cold = |text, pc, give_back| {
            Some(Site { text: TextOffset(text), pc: Pc(pc), give_back: Gas(give_back), base: None })
        };
        assert_eq!(map.site(TextOffset(1004)), cold(1004, 0, 3));
        assert_eq!(map.site(TextOffset(1009)), cold(1009, 7, 0));
        for text in [0, 15, 16, 21, 399, 401, 500, 601, 1000, 1003, 1005, 1010, 1014] {
            assert_eq!(map.site(TextOffset(text)), None, "{text}");
        }
        assert_eq!(map.region_at(TextOffset(550)).unwrap().pc, Pc(310));
        assert_eq!(map.region_at(TextOffset(15)), None);
    }

    #[test]
    fn cold_sites_of_regions_come_first() {
        let mut map = builder();
        map.regions_have_cold_sites();
        let (header, bytes) = map.finish();
        let map = PcMap::new(header, &bytes).unwrap();
        let found = |text| map.site(TextOffset(text)).map(|site| (site.pc, site.give_back));
        let expected = [(0, 3), (310, 0), (320, 200), (0, 3), (7, 0)].map(|(pc, gas)| (Pc(pc), Gas(gas)));
        for (index, expected) in (0..).zip(expected) {
            assert_eq!(found(1004 + 5 * index), Some(expected), "{index}");
        }
        assert_eq!((found(1029), found(20)), (None, Some((Pc(2), Gas(2)))));
        // A builder is ready for the next program.
        let mut map = builder();
        map.regions_have_cold_sites();
        map.begin(0, 0);
        let (header, bytes) = map.finish();
        assert_eq!(PcMap::new(header, &bytes).unwrap().site(TextOffset(4)), None);
    }

    #[test]
    fn entries_are_found_by_exact_program_counter() {
        let (header, bytes) = sample();
        let map = PcMap::new(header, &bytes).unwrap();
        assert_eq!(map.entry(Pc(0)).unwrap().text, TextOffset(16));
        assert_eq!(map.entry(Pc(320)).unwrap().text, TextOffset(600));
        for pc in [1, 309, 319, 321] {
            assert_eq!(map.entry(Pc(pc)), None, "{pc}");
        }
    }

    #[test]
    fn entries_are_found_at_every_place() {
        for count in 0..40 {
            let mut map = PcMapBuilder::default();
            (0..count).for_each(|i| map.region(Region { text: TextOffset(i), pc: Pc(3 * i + 1), charge: Gas(1) }));
            let (header, bytes) = map.finish();
            let map = PcMap::new(header, &bytes).unwrap();
            for pc in 0..3 * count + 5 {
                let expected = (pc % 3 == 1 && pc / 3 < count).then_some(TextOffset(pc / 3));
                assert_eq!(map.entry(Pc(pc)).map(|region| region.text), expected, "{pc} of {count}");
            }
        }
    }

    #[test]
    fn differences_of_any_size_come_back() {
        for difference in [0, 1, -1, 63, -64, 64, i32::MAX, i32::MIN] {
            assert_eq!(unzigzag(zigzag(difference)), difference);
        }
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
    }

    #[test]
    fn cut_and_flipped_maps_do_not_panic() {
        let mut map = builder();
        map.regions_have_cold_sites();
        let (header, bytes) = map.finish();
        for len in 0..bytes.len() {
            assert!(PcMap::new(header, &bytes[..len]).is_none(), "{len} bytes");
        }
        assert!(PcMap::new(header, &[&bytes[..], &[0]].concat()).is_none());
        let most = PcMapHeader { regions: u32::MAX, cold_records: u32::MAX, stream_bytes: u32::MAX, ..header };
        assert_eq!((most.map_len(), PcMap::new(most, &bytes).is_none()), (25 * u64::from(u32::MAX), true));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let map = PcMap::new(header, &bad).unwrap();
                for probe in (0..700).chain(990..1040) {
                    let _ = (map.site(TextOffset(probe)), map.entry(Pc(probe)), map.region_at(TextOffset(probe)));
                }
            }
        }
    }
}
