//! Machine code with single bits or bytes changed: what the verifier says of it, and what becomes of it if that lets it pass.

use anyhow::Context as _;
use tvm_abi::{CpuFeatures, Tier, sections};
use tvm_compiler::{CompileOptions, compile};
use tvm_isa::{Container, Gas, GpVersion};
use tvm_loader::{Loaded, VerifyError, verify};
use tvm_runtime::{Engine, GuestExit, Instance, Origin, StopAtHostCalls};

use crate::differential::{Case, Generator};

/// Longest text that is mutated, in bytes: each has some mutants.
pub const MAX_TEXT_BYTES: usize = 1500;

/// Gas that mutants get: enough to run through, little enough that they come to an end.
const GAS: Gas = Gas(2000);

/// Stops of a mutant before it is given up: host calls go on.
const STOPS: usize = 4;

/// An object that is mutated, and the case that it runs.
pub struct Subject {
    case: Case,
    program: Vec<u8>,
    container: Container,
    version: GpVersion,
    tier: Tier,
    object: Vec<u8>,
    text_bytes: usize,
    change: Change,
}

/// How a byte is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// One bit of it.
    Bits,
    /// To every other value.
    Values,
}

impl Change {
    /// How many mutants each byte has.
    fn of_each_byte(self) -> usize {
        match self {
            Self::Bits => 8,
            Self::Values => 255,
        }
    }

    /// What a byte is combined with, by exclusive or, in the mutant with this number among its own.
    fn mask(self, number: usize) -> u8 {
        match self {
            Self::Bits => 1 << number,
            Self::Values => number as u8 + 1,
        }
    }
}

/// What becomes of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The verifier refuses it.
    Refused,
    /// It is accepted; ran, and ended as guests do.
    Ended,
    /// It is accepted; ran, and TVM found that it contradicts what is known of it.
    Contradicted,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Ended, Self::Contradicted];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Ended => "ended",
            Self::Contradicted => "contradicted",
        }
    }
}

impl Subject {
    /// A subject for each tier, of the first program of this seed whose code is short enough.
    pub fn of_seed(seed: u64, version: GpVersion, change: Change) -> anyhow::Result<[Self; 2]> {
        let mut generator = Generator::new(seed, version, Vec::new());
        loop {
            let (_, case) = generator.case();
            if let [Some(fast), Some(best)] =
                [Self::new(case.clone(), version, Tier::Fast, change)?, Self::new(case, version, Tier::Best, change)?]
            {
                return Ok([fast, best]);
            }
        }
    }

    /// `None` if the case is no program, or its code too long.
    fn new(case: Case, version: GpVersion, tier: Tier, change: Change) -> anyhow::Result<Option<Self>> {
        let (program, container) = match case.standard() {
            Some(standard) => (standard, Container::Standard),
            None => (case.blob.clone(), Container::Raw),
        };
        let Ok(object) = compile(&program, [0; 32], options(version, container, tier)) else { return Ok(None) };
        verify(&object).context("what the compiler made is refused")?;
        let text_bytes = Loaded::from_bytes(&object, CpuFeatures::host())?.text().len();
        let is_short = text_bytes <= MAX_TEXT_BYTES;
        Ok(is_short.then_some(Self { case, program, container, version, tier, object, text_bytes, change }))
    }

    /// The tier of its code.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// How many mutants it has.
    pub fn mutants(&self) -> usize {
        self.change.of_each_byte() * self.text_bytes
    }

    /// Whether the verifier accepts the mutant with this number.
    pub fn is_accepted(&self, number: usize) -> anyhow::Result<bool> {
        match verify(&self.mutant(self.object.clone(), number)) {
            Ok(_) => Ok(true),
            Err(VerifyError::Code(_)) => Ok(false),
            Err(VerifyError::Object(error)) => Err(error.into()),
        }
    }

    /// Runs a mutant that was accepted, in an engine with a cache.
    pub fn run(&self, engine: &Engine, number: usize) -> anyhow::Result<Fate> {
        let Self { version, container, tier, .. } = *self;
        // A key of its own, so that no other's module is taken for it.
        let mut code_hash = [0; 32];
        code_hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
        code_hash[8] = tier as u8;
        code_hash[9..17].copy_from_slice(&tvm_cache::hash(&self.program)[..8]);
        let object = self.mutant(compile(&self.program, code_hash, options(version, container, tier))?, number);
        let parts = engine.key_parts(version, container, code_hash, tier);
        let cache = engine.cache().context("an engine without a cache")?;
        cache.publish(&parts, &object)?;
        let module = engine.load(version, container, code_hash, || Err::<Vec<u8>, _>("it is in the cache".into()))?;
        anyhow::ensure!(module.origin() == Origin::CacheHit, "expected the mutant from the cache");
        let instance = match container {
            Container::Raw => Instance::bare(engine, &module),
            _ => Instance::standard(engine, &module, &[1, 2, 3]),
        };
        let fate = self.execute(&mut instance?);
        drop(module);
        engine.unload_idle();
        cache.remove(&parts.key())?;
        fate
    }

    fn execute(&self, instance: &mut Instance) -> anyhow::Result<Fate> {
        self.case.prepare(instance, GAS)?;
        for _ in 0..STOPS {
            match instance.run(&mut StopAtHostCalls) {
                Ok(GuestExit::HostCall(_)) => instance.skip_host_call(),
                Ok(_) => return Ok(Fate::Ended),
                Err(tvm_runtime::Error::Internal(_)) => return Ok(Fate::Contradicted),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Fate::Ended)
    }

    /// An object of the same program, changed.
    fn mutant(&self, mut object: Vec<u8>, number: usize) -> Vec<u8> {
        let of_each = self.change.of_each_byte();
        object[sections::TEXT_FILE_OFFSET as usize + number / of_each] ^= self.change.mask(number % of_each);
        object
    }
}

fn options(version: GpVersion, container: Container, tier: Tier) -> CompileOptions {
    CompileOptions { version, container, cpu: CpuFeatures::host(), tier }
}
