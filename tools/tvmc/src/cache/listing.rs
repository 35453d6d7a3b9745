//! `tvmc cache ls` and `stat`.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tvm_abi::{CpuFeatures, Tier};
use tvm_cache::{Cache, Entry, KeyParts, Stats, UnixSecs};
use tvm_compiler::COMPILER_IDENTITY;
use tvm_isa::{Container, GasModel, GpVersion};

use crate::failure::{Outcome, Status};
use crate::output::{Output, Report};
use crate::quantity::{ago, counted, grouped, hex};
use crate::table::{Align, Table};

/// Digits of keys and hashes that are shown to people; `rm` takes them.
const SHOWN_DIGITS: usize = 16;

/// Lists the objects.
pub fn ls(cache: &Cache, output: &Output) -> Outcome {
    let objects = cache.ls().iter().map(ObjectReport::new).collect();
    output.show(&LsReport { path: cache.path(), objects })?;
    Ok(Status::Done)
}

/// Counts what is in the directory.
pub fn stat(cache: &Cache, output: &Output) -> Outcome {
    let Stats { entries, bytes, quarantined, quarantined_bytes, temporary, .. } = cache.stat();
    let current = cache.ls().iter().filter(|entry| entry.parts.compiler == COMPILER_IDENTITY).count() as u64;
    let report = StatReport {
        path: cache.path(),
        read_only: cache.is_read_only(),
        objects: entries,
        bytes,
        by_this_compiler: current,
        quarantined,
        quarantined_bytes,
        unfinished: temporary,
    };
    output.show(&report)?;
    Ok(Status::Done)
}

#[derive(Serialize, Debug)]
struct LsReport {
    path: PathBuf,
    objects: Vec<ObjectReport>,
}

/// An object. Tags that this build does not know are shown as numbers.
#[derive(Serialize, Debug)]
struct ObjectReport {
    key: String,
    code_hash: String,
    gp: String,
    gas_model: String,
    container: String,
    cpu_features: String,
    tier: String,
    this_compiler: bool,
    object_bytes: u64,
    last_use_unix: u64,
    verified: bool,
    #[serde(skip)]
    unused_secs: u64,
}

impl ObjectReport {
    fn new(entry: &Entry) -> Self {
        let Entry { key, parts, object_len, last_use, verified, .. } = *entry;
        let KeyParts {
            code_hash,
            format_version: _,
            compiler,
            gp_version,
            gas_model,
            container,
            cpu_features,
            options,
        } = parts;
        let named = |name: Option<&str>, tag: u8| name.map_or_else(|| tag.to_string(), str::to_owned);
        Self {
            key: key.to_string(),
            code_hash: hex(&code_hash),
            gp: named(GpVersion::from_tag(gp_version).map(GpVersion::name), gp_version),
            gas_model: named(GasModel::from_tag(gas_model).map(GasModel::name), gas_model),
            container: named(Container::from_tag(container).map(Container::name), container),
            cpu_features: target_name(cpu_features),
            tier: tier_name(options),
            this_compiler: compiler == COMPILER_IDENTITY,
            object_bytes: object_len,
            last_use_unix: last_use.0,
            verified,
            unused_secs: UnixSecs::now().since(last_use),
        }
    }
}

/// The target's name if the features are those of one, else the features'.
fn target_name(bits: u64) -> String {
    match CpuFeatures::from_bits(bits) {
        Some(CpuFeatures::BASELINE) => "x86-64".to_owned(),
        Some(CpuFeatures::V3) => "x86-64-v3".to_owned(),
        Some(features) => features.names().collect::<Vec<_>>().join("+"),
        None => format!("{bits:#x}"),
    }
}

/// The name of the tier that the options say; all of their bits if they say more.
fn tier_name(options: u64) -> String {
    let tier = u8::try_from(options).ok().and_then(Tier::from_tag);
    tier.map_or_else(|| options.to_string(), |tier| tier.name().to_owned())
}

impl Report for LsReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = [
            ("KEY", Align::Left),
            ("CODE HASH", Align::Left),
            ("GP", Align::Left),
            ("CONTAINER", Align::Left),
            ("CPU", Align::Left),
            ("TIER", Align::Left),
            ("BYTES", Align::Right),
            ("LAST USE", Align::Left),
            ("", Align::Left),
        ];
        let mut table = Table::new(columns);
        for object in &self.objects {
            let short = |digits: &str| digits.trim_start_matches("0x").chars().take(SHOWN_DIGITS).collect::<String>();
            let remark = if object.this_compiler { "" } else { "other compiler" };
            table.row([
                short(&object.key),
                short(&object.code_hash),
                object.gp.clone(),
                object.container.clone(),
                object.cpu_features.clone(),
                object.tier.clone(),
                grouped(object.object_bytes),
                ago(object.unused_secs),
                remark.to_owned(),
            ]);
        }
        table.write(out, 0)?;
        writeln!(out, "{} in {}", counted(self.objects.len() as u64, "object"), self.path.display())
    }
}

#[derive(Serialize, Debug)]
struct StatReport {
    path: PathBuf,
    read_only: bool,
    objects: u64,
    bytes: u64,
    by_this_compiler: u64,
    quarantined: u64,
    quarantined_bytes: u64,
    unfinished: u64,
}

impl Report for StatReport {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { path, read_only, objects, bytes, by_this_compiler, quarantined, quarantined_bytes, unfinished } =
            self;
        let access = if *read_only { " (read-only)" } else { "" };
        let mut facts = Table::of_facts();
        facts
            .fact("directory", format!("{}{access}", path.display()))
            .fact("objects", format!("{} of {} bytes", grouped(*objects), grouped(*bytes)))
            .fact("by this compiler", grouped(*by_this_compiler))
            .fact("quarantined", format!("{} of {} bytes", grouped(*quarantined), grouped(*quarantined_bytes)))
            .fact("unfinished files", grouped(*unfinished));
        facts.write(out, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_named_and_unknown_ones_are_numbers() {
        assert_eq!([0, 1, 2, 1 << 40].map(tier_name), ["fast", "best", "2", "1099511627776"]);
    }

    #[test]
    fn targets_are_named_after_their_features() {
        assert_eq!(target_name(CpuFeatures::BASELINE.bits()), "x86-64");
        assert_eq!(target_name(CpuFeatures::V3.bits()), "x86-64-v3");
        assert_eq!(target_name(CpuFeatures::BMI1.union(CpuFeatures::BMI2).bits()), "bmi1+bmi2");
        assert_eq!(target_name(1 << 40), "0x10000000000");
    }
}
