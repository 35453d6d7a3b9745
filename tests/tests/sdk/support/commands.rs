//! The probe's command lists, and its answers to them. `guests/README.md` has the encoding as a table.

/// Names of the host functions by the numbers that commands use: those of GP 0.8.0, in every build of the probe.
const NAMES: [&str; 28] = [
    "gas",
    "grow_heap",
    "fetch",
    "lookup",
    "read",
    "write",
    "info",
    "historical_lookup",
    "export",
    "machine",
    "peek",
    "poke",
    "pages",
    "invoke",
    "expunge",
    "bless",
    "assign",
    "designate",
    "checkpoint",
    "new",
    "upgrade",
    "transfer",
    "eject",
    "query",
    "solicit",
    "forget",
    "yield",
    "provide",
];

/// The command number of the call that no version has.
const UNKNOWN: u8 = 255;

/// The command number of `log`.
const LOG: u8 = 100;

/// An argument of a host call.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// The number itself.
    Number(u64),
    /// An address: this offset in the probe's scratch area.
    Scratch(u64),
    /// The number that is stored at this offset in the scratch area.
    Stored(u64),
}

/// The number itself as an argument.
pub fn n(number: u64) -> Arg {
    Arg::Number(number)
}

/// The address of this offset in the scratch area as an argument.
pub fn at(offset: u64) -> Arg {
    Arg::Scratch(offset)
}

/// The number stored at this offset in the scratch area as an argument.
pub fn stored(offset: u64) -> Arg {
    Arg::Stored(offset)
}

/// A command list.
#[derive(Clone, Default, Debug)]
pub struct Commands(pub Vec<u8>);

impl Commands {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(mut self, number: u8, operands: &[&[u8]]) -> Self {
        self.0.push(number);
        operands.iter().for_each(|bytes| self.0.extend_from_slice(bytes));
        self
    }

    /// Calls a host function; φ7 and φ8 become results.
    pub fn call(self, name: &str, arguments: &[Arg]) -> Self {
        let number = match name {
            "log" => LOG,
            "unknown" => UNKNOWN,
            _ => NAMES.iter().position(|known| *known == name).expect("a host function") as u8,
        };
        let (mut pointers, mut in_scratch, mut values) = (0, 0, Vec::new());
        for (bit, argument) in arguments.iter().enumerate() {
            let value = match *argument {
                Arg::Number(value) => value,
                Arg::Scratch(offset) => {
                    pointers |= 1 << bit;
                    offset
                }
                Arg::Stored(offset) => {
                    in_scratch |= 1 << bit;
                    offset
                }
            };
            values.extend(value.to_le_bytes());
        }
        self.push(1, &[&[number, pointers, in_scratch, arguments.len() as u8], &values])
    }

    /// Writes into the scratch area.
    pub fn put(self, offset: u32, bytes: &[u8]) -> Self {
        self.push(2, &[&offset.to_le_bytes(), &(bytes.len() as u32).to_le_bytes(), bytes])
    }

    /// Appends a part of the scratch area to the results.
    pub fn show(self, offset: u32, len: u32) -> Self {
        self.push(3, &[&offset.to_le_bytes(), &len.to_le_bytes()])
    }

    /// Fills a part of the scratch area.
    pub fn fill(self, offset: u32, len: u32, byte: u8) -> Self {
        self.push(4, &[&offset.to_le_bytes(), &len.to_le_bytes(), &[byte]])
    }

    /// Writes the results so far to storage.
    pub fn store(self, key: &[u8]) -> Self {
        self.push(5, &[&[key.len() as u8], key])
    }

    /// Forgets the results so far.
    pub fn clear(self) -> Self {
        self.push(6, &[])
    }

    /// Sets accumulate's output.
    pub fn hash(self, hash: [u8; 32]) -> Self {
        self.push(7, &[&hash])
    }

    /// Loops.
    pub fn burn(self, rounds: u64) -> Self {
        self.push(8, &[&rounds.to_le_bytes()])
    }

    /// Panics.
    pub fn trap(self) -> Self {
        self.push(9, &[])
    }

    /// Appends the byte at an address to the results, as a number.
    pub fn load(self, address: u64) -> Self {
        self.push(10, &[&address.to_le_bytes()])
    }

    /// Stores a byte at an address.
    pub fn save(self, address: u64, byte: u8) -> Self {
        self.push(11, &[&address.to_le_bytes(), &[byte]])
    }

    /// Takes memory from the allocator and touches it; appends the number of pages.
    pub fn alloc(self, len: u32) -> Self {
        self.push(12, &[&len.to_le_bytes()])
    }

    /// Runs a list several times.
    pub fn repeat(self, count: u32, commands: &Self) -> Self {
        let Self(body) = commands;
        self.push(13, &[&count.to_le_bytes(), &(body.len() as u32).to_le_bytes(), body])
    }

    /// Appends a value that the SDK decoded and encoded again, with its length before it.
    pub fn typed(self, kind: u8) -> Self {
        self.push(14, &[&[kind]])
    }

    /// Recurses; appends the depth.
    pub fn recurse(self, depth: u32) -> Self {
        self.push(15, &[&depth.to_le_bytes()])
    }

    /// Stores φ7 of the last call in the scratch area.
    pub fn keep(self, offset: u32) -> Self {
        self.push(16, &[&offset.to_le_bytes()])
    }

    /// Appends the scratch area's address.
    pub fn whereabouts(self) -> Self {
        self.push(17, &[])
    }

    /// Adds another list.
    pub fn then(mut self, more: &Self) -> Self {
        self.0.extend_from_slice(&more.0);
        self
    }

    /// The payload that makes refine run this list, and accumulate the other one.
    pub fn payload(&self, accumulate: &Self) -> Vec<u8> {
        [&(self.0.len() as u32).to_le_bytes()[..], &self.0, &accumulate.0].concat()
    }

    /// A refine output without results that makes accumulate run this list.
    pub fn work_output(&self) -> Vec<u8> {
        [&[0; 4][..], &self.0].concat()
    }
}

/// Reads results in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answers(Vec<u8>);

impl Answers {
    pub fn new(results: &[u8]) -> Self {
        Self(results.to_vec())
    }

    /// The next bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        assert!(len <= self.0.len(), "{len} bytes expected, {} left", self.0.len());
        self.0.drain(..len).collect()
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().expect("8 bytes"))
    }

    /// φ7 and φ8 after a call.
    pub fn both(&mut self) -> (u64, u64) {
        (self.number(), self.number())
    }

    /// φ7 after a call with one result.
    pub fn first(&mut self) -> u64 {
        let (first, second) = self.both();
        assert_eq!(second, 0, "the probe shows φ8 of invoke and query only");
        first
    }

    /// Bytes behind their four-byte length, as TYPED appends them.
    pub fn typed(&mut self) -> Vec<u8> {
        let len = u32::from_le_bytes(self.bytes(4).try_into().expect("4 bytes"));
        self.bytes(len as usize)
    }

    /// φ7 after each call, when the list had nothing but calls with one result.
    pub fn codes(mut self) -> Vec<u64> {
        let mut codes = Vec::new();
        while !self.0.is_empty() {
            codes.push(self.first());
        }
        codes
    }

    /// Nothing is left.
    pub fn end(self) {
        assert!(self.0.is_empty(), "{} more bytes of results", self.0.len());
    }
}
