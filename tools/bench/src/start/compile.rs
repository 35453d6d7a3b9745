//! Compiling a program that was never seen before, until it can be called.
//!
//! Nothing is read or stored. The same programs are compiled for one gas per instruction and for the full model of GP
//! 0.8.0: TVM takes them in the numbers of 0.7.2 and 0.8.0, polkavm in those of 0.8.0, charging one way or the other.

use tvm_abi::Tier;
use tvm_cache::hash;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::{Engine, EngineConfig, Origin};

use super::SIZES;
use crate::Options;
use crate::goals::{Figure, Figures};
use crate::programs::{Pool, Subject};
use crate::stats::{Samples, duration, geometric_mean};
use crate::table::Table;

/// How blocks are charged, and what it is called.
pub const GAS_MODELS: [(GpVersion, &str); 2] = [(GpVersion::V0_7_2, "naive"), (GpVersion::V0_8_0, "full")];

/// Something that compiles programs.
pub trait Compiler {
    /// What people know it by.
    fn name(&self) -> String;

    /// Compiles once, for the gas model of a version; the processor time goes to `times`.
    fn compile(&mut self, subject: &Subject, gas: GpVersion, times: &mut Samples) -> anyhow::Result<()>;
}

struct Tvm {
    tier: Tier,
    engine: Engine,
}

impl Compiler for Tvm {
    fn name(&self) -> String {
        format!("TVM {}", self.tier)
    }

    fn compile(&mut self, subject: &Subject, gas: GpVersion, times: &mut Samples) -> anyhow::Result<()> {
        let jam = subject.jam(gas);
        let code_hash = hash(jam);
        let module = times.time(|| Ok(self.engine.load(gas, Container::Jam, code_hash, || Ok(jam))?))?;
        anyhow::ensure!(module.origin() == Origin::Compiled, "expected compiled code, found {:?}", module.origin());
        drop(module);
        self.engine.unload_idle();
        Ok(())
    }
}

/// Measures TVM's tiers and the peer. Also gives what the peer took, with the full model, for the largest program.
pub fn measure(pool: &Pool, options: &Options, figures: &mut Figures) -> anyhow::Result<(Table, Option<f64>)> {
    let mut compilers: Vec<Box<dyn Compiler>> = Vec::new();
    for tier in Tier::ALL {
        let engine = Engine::new(EngineConfig { tiers: tier.into(), ..EngineConfig::default() })?;
        compilers.push(Box::new(Tvm { tier, engine }));
    }
    #[cfg(feature = "peers")]
    compilers.push(Box::new(crate::peers::polkavm::Polkavm::new(crate::peers::polkavm::Sandbox::Process)?));

    let mut columns = vec!["program".to_owned(), "code".to_owned()];
    for (_, gas) in GAS_MODELS {
        for (index, compiler) in compilers.iter().enumerate() {
            columns.push(format!("{}, {gas}", compiler.name()));
            if index >= Tier::ALL.len() {
                columns.extend(Tier::ALL.map(|tier| format!("{tier} ÷ it")));
            }
        }
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("Cold compile, to callable: time, and time per byte of code", &columns);
    let joined = SIZES.into_iter().map(|bytes| pool.joined(bytes)).collect::<anyhow::Result<Vec<_>>>()?;
    let vectors = match &options.vectors {
        folder if folder.join("blobs").is_dir() => Subject::read_all(&folder.join("blobs"))?,
        _ => Vec::new(),
    };
    let real = pool.subjects().iter().chain(&vectors).filter(|subject| subject.code_bytes >= SIZES[0]);
    let mut ratios: [Vec<f64>; GAS_MODELS.len()] = Default::default();
    let mut largest = None;
    for subject in joined.iter().chain(real) {
        eprintln!("compiling {}", subject.name);
        let times = measure_subject(subject, &mut compilers, options.rounds())?;
        let mut row = vec![subject.name.clone(), format!("{:.1} KB", subject.code_bytes as f64 / 1024.0)];
        for (times, ratios) in times.iter().zip(&mut ratios) {
            for (index, samples) in times.iter().enumerate() {
                let time = samples.median();
                row.push(format!("{}, {:.1} ns", duration(time), time / subject.code_bytes as f64));
                if index >= Tier::ALL.len() {
                    row.extend((0..Tier::ALL.len()).map(|tier| format!("{:.2}×", times[tier].ratio(samples))));
                    ratios.push(times[Tier::Fast as usize].ratio(samples));
                }
            }
        }
        if subject.name == joined[SIZES.len() - 1].name {
            largest = times[1].get(Tier::ALL.len()).map(Samples::median);
        }
        table.rows.push(row);
    }
    for (figure, ratios) in [Figure::CompileNaive, Figure::CompileFull].into_iter().zip(&ratios) {
        if !ratios.is_empty() {
            figures.insert(figure, geometric_mean(ratios));
        }
    }
    Ok((table, largest))
}

/// Times of one program, by gas model and compiler.
fn measure_subject(
    subject: &Subject,
    compilers: &mut [Box<dyn Compiler>],
    rounds: usize,
) -> anyhow::Result<Vec<Vec<Samples>>> {
    let mut times = vec![vec![Samples::default(); compilers.len()]; GAS_MODELS.len()];
    for round in 0..=rounds {
        for ((gas, _), times) in GAS_MODELS.into_iter().zip(&mut times) {
            for (compiler, times) in compilers.iter_mut().zip(times) {
                compiler.compile(subject, gas, times)?;
                if round == 0 {
                    // The first time warms up.
                    *times = Samples::default();
                }
            }
        }
    }
    Ok(times)
}
