//! Refinement and the encodings of work packages on public data (shared/vectors/refine, shared/vectors/codec).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::codec::{Decoder, encode_context, encode_item, encode_package};
use tvm_runtime::jam::constants::ChainConstants;
use tvm_runtime::jam::observer::{HostCallEvent, Observer};
use tvm_runtime::jam::state::Accounts;
use tvm_runtime::jam::types::{
    Bytes, Hash, RequestKey, ServiceAccount, ServiceId, TimeSlot, Timeline, WorkItem, WorkPackage,
};
use tvm_runtime::jam::version::JamRules;
use tvm_runtime::jam::{Chain, RefineInput, Refined, refine};
use tvm_runtime::{Backend, Engine, EngineConfig, HostError, Tier};

/// The directory of the public vectors. Without it a test has nothing to do, which continuous integration does not accept.
fn have_vectors() -> bool {
    let found = directory().exists();
    assert!(found || std::env::var_os("CI").is_none(), "no vectors at {}: set TVM_VECTORS", directory().display());
    if !found {
        eprintln!("nothing tested: no vectors at {}; set TVM_VECTORS", directory().display());
    }
    found
}

fn directory() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    std::env::var_os("TVM_VECTORS").map_or(default, PathBuf::from)
}

fn read(path: &str) -> Vec<u8> {
    let path = directory().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

fn hash(value: &Value) -> Hash {
    Hash(bytes(value).try_into().unwrap())
}

/// Every preimage is available, and every service exists.
struct Preimages(BTreeMap<Hash, Bytes>);

impl Accounts for Preimages {
    fn account(&self, _: ServiceId) -> Result<Option<ServiceAccount>, HostError> {
        Ok(Some(ServiceAccount::default()))
    }

    fn storage(&self, _: ServiceId, _: &[u8]) -> Result<Option<Bytes>, HostError> {
        Ok(None)
    }

    fn preimage(&self, _: ServiceId, hash: &Hash) -> Result<Option<Bytes>, HostError> {
        Ok(self.0.get(hash).cloned())
    }

    fn request(&self, _: ServiceId, _: RequestKey) -> Result<Option<Timeline>, HostError> {
        Ok(Some(Timeline::Available(TimeSlot(0))))
    }
}

/// Counts host calls by number.
#[derive(Default)]
struct Counts(BTreeMap<u64, u64>);

impl Observer for Counts {
    fn host_call(&mut self, event: &HostCallEvent<'_>) {
        *self.0.entry(event.id).or_default() += 1;
    }
}

/// Refines an item under GP 0.7.0, whose arguments the programs expect, interpreted and compiled on both tiers.
fn refined(package: &WorkPackage, item: usize, more: &[Vec<u8>]) -> (Refined, Counts) {
    let code_hash = package.items[item].code_hash;
    let mut preimages = Preimages(BTreeMap::new());
    for preimage in more.iter().cloned().chain([read(&format!("blobs/{code_hash}.jam"))]) {
        preimages.0.insert(Hash::of(&preimage), preimage.into());
    }
    let constants = ChainConstants::tiny();
    let chain = Chain { version: GpVersion::V0_7_0, constants: &constants, accounts: &preimages };
    let nothing = vec![Vec::new(); package.items.len()];
    let ways = [(Backend::Interpreter, Tier::Fast), (Backend::Compiled, Tier::Fast), (Backend::Compiled, Tier::Best)];
    let [interpreted, fast, best] = ways.map(|(backend, tier)| {
        let engine = Engine::new(EngineConfig { backend, tiers: tier.into(), ..EngineConfig::default() }).unwrap();
        let input = RefineInput {
            chain,
            core: 0,
            package,
            item,
            auth_trace: &[],
            imports: &nothing,
            extrinsics: &nothing,
            export_offset: 0,
        };
        let mut counts = Counts::default();
        (refine(&engine, &input, Some(&mut counts)).unwrap(), counts)
    });
    assert_eq!((&interpreted.0, &interpreted.1.0), (&fast.0, &fast.1.0));
    assert_eq!((&interpreted.0, &interpreted.1.0), (&best.0, &best.1.0));
    best
}

#[test]
fn recorded_refinements() {
    if !have_vectors() {
        return;
    }
    for vector in json("refine/refine-vectors.json").as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        // Arguments: item, service, payload behind its length, hash of a package that is not public.
        let arguments = bytes(&vector["args"]);
        let mut decoder = Decoder::new(&arguments);
        let index = decoder.natural().unwrap() as usize;
        let item = WorkItem {
            service: ServiceId(decoder.natural().unwrap() as u32),
            payload: decoder.blob().unwrap().to_vec(),
            code_hash: hash(&vector["code_hash"]),
            refine_gas: Gas(vector["gas_limit"].as_u64().unwrap()),
            ..WorkItem::default()
        };
        let mut package = WorkPackage { items: vec![WorkItem::default(); index], ..WorkPackage::default() };
        package.items.push(item);
        let lookups = vector["historical_lookup_answers"].as_array().unwrap();
        let more: Vec<_> = lookups.iter().map(|lookup| read(&format!("blobs/{}.bin", hash(&lookup["hash"])))).collect();

        let (found, counts) = refined(&package, index, &more);
        assert_eq!(found.result.as_deref(), Ok(&bytes(&vector["expected_output"])[..]), "{name}");
        let expected: BTreeMap<u64, u64> = vector["host_call_counts"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, count)| (id.parse().unwrap(), count.as_u64().unwrap()))
            .collect();
        assert_eq!(counts.0, expected, "{name}");
        // Where the programs come from `log` was free; the vectors charge ten for it.
        let logs = expected.get(&100).copied().unwrap_or(0);
        assert_eq!(found.gas_used.0, vector["expected_gas_used"].as_u64().unwrap() - 10 * logs, "{name}");
        let exports = found.exports.concat();
        assert_eq!(found.exports.len() as u64, vector["exports_count"].as_u64().unwrap(), "{name}");
        if !exports.is_empty() {
            assert!(exports == read(&format!("refine/{name}.exports.bin")), "{name}: exports differ");
        }
    }
}

#[test]
fn a_published_work_package() {
    if !have_vectors() {
        return;
    }
    let rules = JamRules::of(GpVersion::V0_7_0);
    let bundle = json("refine/bundle_00000028.json");
    // Hash and core, then the package.
    let data = read("refine/bundle_00000028.bin");
    let mut decoder = Decoder::new(&data);
    let package_hash = decoder.hash().unwrap();
    decoder.u16().unwrap();
    let package = decoder.work_package(rules).unwrap();
    assert_eq!(package_hash, hash(&bundle["package_hash"]));
    assert_eq!(Hash::of(&encode_package(&package, rules)), package_hash);

    for (index, expected) in bundle["report"]["results"].as_array().unwrap().iter().enumerate() {
        let (found, _) = refined(&package, index, &[]);
        assert_eq!(found.result.as_deref(), Ok(&bytes(&expected["result"]["ok"])[..]), "item {index}");
        assert_eq!(Some(found.gas_used.0), expected["refine_load"]["gas_used"].as_u64(), "item {index}");
    }
}

#[test]
fn codec_vectors_round_trip() {
    if !have_vectors() {
        return;
    }
    let rules = JamRules::of(GpVersion::V0_7_2);
    let check = |name: &str, recode: &dyn Fn(&mut Decoder<'_>) -> Vec<u8>| {
        let encoded = read(&format!("codec/tiny/{name}.bin"));
        let mut decoder = Decoder::new(&encoded);
        assert_eq!(hex::encode(recode(&mut decoder)), hex::encode(&encoded), "{name}");
        decoder.finish().unwrap();
    };
    let collect = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        encode(&mut out);
        out
    };
    check("work_package", &|decoder| encode_package(&decoder.work_package(rules).unwrap(), rules));
    check("work_item", &|decoder| {
        let item = decoder.work_item().unwrap();
        collect(&|out| encode_item(&item, out))
    });
    check("refine_context", &|decoder| {
        let context = decoder.context(rules).unwrap();
        collect(&|out| encode_context(&context, rules, out))
    });
}

#[test]
fn what_is_cut_short_does_not_decode() {
    if !have_vectors() {
        return;
    }
    let rules = JamRules::of(GpVersion::V0_7_2);
    let encoded = read("codec/tiny/work_package.bin");
    for len in 0..encoded.len() {
        assert!(Decoder::new(&encoded[..len]).work_package(rules).is_err(), "{len} octets");
    }
}
