//! The suite `refine`: items of work packages, refined with recorded inputs.
//!
//! The runs were recorded under GP 0.7.0's argument layout, with 10 gas for each `log`, which that version had for free:
//! expected gas is corrected by that. The packages themselves are not known, so the hash of the package that the guest
//! gets to see is another one than recorded; none of the programs looks at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tvm_isa::{Gas, GpVersion};
use tvm_runtime::HostError;
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::state::Accounts;
use tvm_runtime::jam::trace::TraceWriter;
use tvm_runtime::jam::types::{
    Bytes, Hash, RequestKey, SEGMENT_BYTES, ServiceAccount, ServiceId, TimeSlot, Timeline, WorkItem, WorkPackage,
};
use tvm_runtime::jam::{self, Chain, RefineInput};

use super::log::{Log, compare_logs, read_logs, split_logs};
use super::{NodeEngine, run_case};
use crate::conformance::{Differences, Report};
use crate::node::codec::{Codec, Reader};
use crate::node::spec::TINY_0_7_0;

/// The file that lists the runs.
const INDEX: &str = "refine-vectors.json";

/// Number of the `gas` call.
const GAS: &str = "0";

/// Number of the `log` call.
const LOG: &str = "100";

/// Number of the `expunge` call.
const EXPUNGE: &str = "13";

/// What the recordings charge for a `log`.
const LOG_GAS: u64 = 10;

/// Bytes of the package's hash at the end of the arguments.
const PACKAGE_HASH_BYTES: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    code_hash: String,
    service: u32,
    entry_pc: u32,
    gas_limit: u64,
    args: String,
    export_offset: u64,
    fetch_answers: Vec<FetchAnswer>,
    imports_file: Option<PathBuf>,
    historical_lookup_answers: Vec<LookupAnswer>,
    expected_status: String,
    expected_output: String,
    expected_gas_used: u64,
    host_call_counts: BTreeMap<String, u64>,
    exports_count: usize,
    exports_root: String,
    #[serde(rename = "note")]
    _note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FetchAnswer {
    mode: u64,
    #[serde(rename = "a")]
    _a: u64,
    #[serde(rename = "b")]
    _b: u64,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupAnswer {
    service: u32,
    hash: String,
    found: bool,
}

/// Runs the vectors that `refine-vectors.json` in `directory` lists. Programs are in `blobs`, or else in the directory of
/// that name beside `directory`.
///
/// # Errors
/// When a vector cannot be read, or needs what this suite does not serve.
pub fn refine(directory: &Path, blobs: Option<&Path>, engines: &[NodeEngine]) -> anyhow::Result<Report> {
    let blobs = blobs.map_or_else(|| directory.join("../blobs"), Path::to_owned);
    let index = directory.join(INDEX);
    let text = std::fs::read(&index).with_context(|| format!("cannot read {}", index.display()))?;
    let vectors: Vec<Vector> =
        serde_json::from_slice(&text).with_context(|| format!("{} is not in the suite's format", index.display()))?;
    let mut report = Report::default();
    for vector in vectors {
        let run =
            Run::prepare(&vector, directory, &blobs).with_context(|| format!("cannot prepare {}", vector.name))?;
        run_case(&mut report, &vector.name, engines, |engine| run.check(engine));
    }
    Ok(report)
}

/// A run with everything it needs, and what is expected of it.
struct Run {
    package: WorkPackage,
    item: usize,
    imports: Vec<Vec<Bytes>>,
    accounts: Preimages,
    export_offset: u64,
    output: Bytes,
    gas_used: Gas,
    calls: BTreeMap<String, u64>,
    exports: Vec<u8>,
    exports_root: Hash,
    log: Log,
}

impl Run {
    fn prepare(vector: &Vector, directory: &Path, blobs: &Path) -> anyhow::Result<Self> {
        let answers_nothing = |answer: &FetchAnswer| answer.mode == 6 && answer.value.is_none();
        ensure!(vector.fetch_answers.iter().all(answers_nothing), "only missing imports can be served so far");
        ensure!(vector.entry_pc == 0, "expected the entry of refine, 0, found {}", vector.entry_pc);
        ensure!(vector.expected_status == "ok", "expected the status `ok`, found `{}`", vector.expected_status);

        let service = ServiceId(vector.service);
        let code_hash = hash(&vector.code_hash)?;
        let mut accounts = Preimages::default();
        accounts.add(service, code_hash, &blobs.join(format!("{code_hash}.jam")))?;
        for LookupAnswer { service, hash: wanted, found } in &vector.historical_lookup_answers {
            if *found {
                let wanted = hash(wanted)?;
                accounts.add(ServiceId(*service), wanted, &blobs.join(format!("{wanted}.bin")))?;
            }
        }

        let arguments = bytes(&vector.args)?;
        let (item, payload) = split_arguments(&arguments, service)?;
        let work = WorkItem { service, code_hash, payload, refine_gas: Gas(vector.gas_limit), ..WorkItem::default() };
        let mut imports = vec![Vec::new(); item + 1];
        if let Some(file) = &vector.imports_file {
            let segments = std::fs::read(directory.join(file))?;
            imports[item] = segments.chunks(SEGMENT_BYTES).map(Bytes::from).collect();
        }
        let exports = match vector.exports_count {
            0 => Vec::new(),
            _ => std::fs::read(directory.join(format!("{}.exports.bin", vector.name)))?,
        };
        ensure!(exports.len() == vector.exports_count * SEGMENT_BYTES, "the exports' file has another length");
        let logs = vector.host_call_counts.get(LOG).copied().unwrap_or_default();
        let recorded = read_logs(&directory.join(format!("{}.log", vector.name)))?;
        let [log] = &recorded[..] else { bail!("expected a log of one run, found {}", recorded.len()) };
        Ok(Self {
            package: WorkPackage { items: vec![work; item + 1], ..WorkPackage::default() },
            item,
            imports,
            accounts,
            export_offset: vector.export_offset,
            output: bytes(&vector.expected_output)?.into(),
            gas_used: Gas(vector.expected_gas_used.saturating_sub(logs * LOG_GAS)),
            calls: vector.host_call_counts.clone(),
            exports,
            exports_root: hash(&vector.exports_root)?,
            log: binding(&with_free_logs(log)),
        })
    }

    fn check(&self, engine: &NodeEngine) -> anyhow::Result<Differences> {
        let constants = ChainConstants::tiny();
        let chain = Chain { version: GpVersion::V0_7_0, constants: &constants, accounts: &self.accounts };
        let extrinsics = vec![Vec::new(); self.imports.len()];
        let input = RefineInput {
            chain,
            core: 0,
            package: &self.package,
            item: self.item,
            auth_trace: &[],
            imports: &self.imports,
            extrinsics: &extrinsics,
            export_offset: self.export_offset,
        };
        let mut writer = TraceWriter::new(Vec::new());
        let found = jam::refine(&engine.tvm.engine, &input, Some(&mut writer))?;
        let log = split_logs(&String::from_utf8(writer.finish()?)?).concat();

        let mut differences = Differences::default();
        differences.expect("output", &Ok(self.output.clone()), &found.result);
        differences.expect("gas used", self.gas_used, found.gas_used);
        differences.expect("host calls", &self.calls, &count_calls(&log));
        if self.exports != found.exports.concat() {
            differences.note("the exported segments differ");
        }
        differences.expect("root of the exports", self.exports_root, segment_root(&found.exports));
        compare_logs(std::slice::from_ref(&self.log), &[binding(&log)], &mut differences);
        Ok(differences)
    }
}

/// Item index and payload in the arguments, in GP 0.7.0's layout.
fn split_arguments(arguments: &[u8], service: ServiceId) -> anyhow::Result<(usize, Vec<u8>)> {
    let mut reader = Reader::new(arguments, &TINY_0_7_0);
    let item = usize::from(u8::try_from(reader.natural()?)?);
    let found = reader.natural()?;
    ensure!(found == u64::from(service.0), "the arguments name service {found}, the vector service {service}");
    let payload = Bytes::decode(&mut reader)?.to_vec();
    reader.take(PACKAGE_HASH_BYTES)?;
    reader.finish()?;
    Ok((item, payload))
}

/// The log without what is another in this run, and what the recording has against the text: the package's hash at the
/// end of the arguments; registers, if the program asks for its gas and computes with it; and the result of `expunge`.
/// The inner machine that is expunged has halted, and its program counter is 0 then (GP A.1); the recording has that of
/// its last instruction.
fn binding(log: &Log) -> Log {
    let asks_for_gas = log.iter().any(|line| call_of(line) == Some(GAS));
    let mut call = None;
    let mut binding = Log::new();
    for line in log {
        call = call_of(line).or(call);
        match line.split(' ').next() {
            Some("setreg") if asks_for_gas || call == Some(EXPUNGE) => {}
            Some(word) if asks_for_gas && (word == "HALT" || word.starts_with("ecalli")) => {
                binding.push(line.split(" r").next().unwrap_or_default().to_owned());
            }
            _ => binding.push(line.clone()),
        }
    }
    if let Some(arguments) = binding.iter_mut().find(|line| line.starts_with("memwrite")) {
        arguments.truncate(arguments.len().saturating_sub(2 * PACKAGE_HASH_BYTES));
    }
    binding
}

/// The number of the call, if the line is one.
fn call_of(line: &str) -> Option<&str> {
    line.strip_prefix("ecalli=")?.split(' ').next()
}

/// The log as it would be if `log` were free.
fn with_free_logs(log: &Log) -> Log {
    let mut saved = 0;
    let mut call = None;
    let correct = |line: &String| {
        call = call_of(line).map(ToOwned::to_owned).or(call.take());
        if line.starts_with("setgas") && call.as_deref() == Some(LOG) {
            saved += LOG_GAS;
        }
        add_gas(line, saved)
    };
    log.iter().map(correct).collect()
}

/// A line with this much more gas in it, if there is gas in it.
fn add_gas(line: &str, gas: u64) -> String {
    for mark in [" gas=", "setgas <- "] {
        let Some((before, rest)) = line.split_once(mark) else { continue };
        let (number, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        if let Ok(number) = number.parse::<u64>() {
            return format!("{before}{mark}{}{after}", number + gas);
        }
    }
    line.to_owned()
}

fn count_calls(log: &Log) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for call in log.iter().filter_map(|line| call_of(line)) {
        *counts.entry(call.to_owned()).or_default() += 1;
    }
    counts
}

/// Root of the exported segments: a binary tree of constant depth (GP E.1, M).
fn segment_root(segments: &[Bytes]) -> Hash {
    if segments.is_empty() {
        return Hash::default();
    }
    let mut level: Vec<Hash> = segments.iter().map(|segment| Hash::of(&[b"leaf", &segment[..]].concat())).collect();
    level.resize(level.len().next_power_of_two(), Hash::default());
    while level.len() > 1 {
        let node = |pair: &[Hash]| Hash::of(&[&b"node"[..], &pair[0].0, &pair[1].0].concat());
        level = level.chunks(2).map(node).collect();
    }
    level[0]
}

fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    Ok(Bytes::from_json(&text.into())?.to_vec())
}

fn hash(text: &str) -> anyhow::Result<Hash> {
    Ok(Hash::from_json(&text.into())?)
}

/// Accounts that have nothing but preimages, available since slot 0.
#[derive(Default)]
struct Preimages(BTreeMap<(ServiceId, Hash), Bytes>);

impl Preimages {
    fn add(&mut self, service: ServiceId, hash: Hash, file: &Path) -> anyhow::Result<()> {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        ensure!(Hash::of(&bytes) == hash, "{} has another hash than its name", file.display());
        self.0.insert((service, hash), bytes.into());
        Ok(())
    }
}

impl Accounts for Preimages {
    fn account(&self, service: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        Ok(self.0.keys().any(|(owner, _)| *owner == service).then(ServiceAccount::default))
    }

    fn storage(&self, _: ServiceId, _: &[u8]) -> Result<Option<Bytes>, HostError> {
        Ok(None)
    }

    fn preimage(&self, service: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        Ok(self.0.get(&(service, *hash)).cloned())
    }

    fn request(&self, service: ServiceId, (hash, len): RequestKey) -> Result<Option<Timeline>, HostError> {
        let preimage = self.0.get(&(service, hash)).filter(|preimage| preimage.len() as u64 == u64::from(len));
        Ok(preimage.map(|_| Timeline::Available(TimeSlot(0))))
    }
}
