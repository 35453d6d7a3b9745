//! Programs with known results, and engines to run them on.

use std::path::Path;

use tvm_abi::Tier;
use tvm_isa::{Container, Gas, GpVersion};
use tvm_runtime::{BackgroundLimits, Engine, EngineConfig, GuestExit, Instance, Module, Tiers};
use tvm_tests::{engines, guests};

/// The versions that guests are built for.
pub const VERSIONS: [GpVersion; 2] = [GpVersion::V0_7_2, GpVersion::V0_8_0];

/// More gas than any guest needs.
const GAS: u64 = 1 << 40;

/// A guest in its shortest case.
#[derive(Clone)]
pub struct Subject {
    pub version: GpVersion,
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub hash: [u8; 32],
    arguments: Vec<u8>,
    output: Vec<u8>,
}

impl Subject {
    pub fn new(version: GpVersion, name: &'static str) -> Self {
        let cases = guests::expected().expect("guests");
        let case = cases[name].iter().find(|case| case.case == "small").expect("each guest has a small case");
        let bytes = guests::blob(version, name).expect("the guest's blob");
        let hash = tvm_cache::hash(&bytes);
        Self { version, name, bytes, hash, arguments: case.args.clone(), output: case.output.clone() }
    }

    /// Guests that do different things.
    pub fn all(version: GpVersion) -> [Self; 4] {
        ["sieve", "keccak256", "quicksort", "interpreter"].map(|name| Self::new(version, name))
    }

    pub fn load(&self, engine: &Engine) -> Module {
        engines::load(engine, self.version, Container::Jam, &self.bytes)
    }

    /// Loads it where nobody may ask for its code.
    pub fn load_cached(&self, engine: &Engine) -> Module {
        let unread = || -> Result<Vec<u8>, _> { Err("the program is not needed".into()) };
        engine.load(self.version, Container::Jam, self.hash, unread).expect("it is loaded, or in the cache")
    }

    pub fn instance(&self, engine: &Engine, module: &Module) -> Instance {
        let mut instance = Instance::standard(engine, module, &self.arguments).expect("an instance");
        instance.state_mut().gas = Gas(GAS);
        instance
    }

    /// Runs an instance to its end, and checks the result; gives the gas that is left, and all registers.
    pub fn finish(&self, instance: &mut Instance) -> (Gas, [u64; 13]) {
        assert_eq!(engines::run(instance), GuestExit::Halt, "{}", self.name);
        assert_eq!(engines::output(instance).as_ref(), Some(&self.output), "{}", self.name);
        (instance.state().gas, instance.state().regs)
    }

    /// Runs a module in an instance of its own.
    pub fn run(&self, engine: &Engine, module: &Module) -> (Gas, [u64; 13]) {
        self.finish(&mut self.instance(engine, module))
    }
}

/// An engine of this policy.
pub fn engine(tiers: Tiers, cache: Option<&Path>) -> Engine {
    limited(tiers, cache, BackgroundLimits::default())
}

/// An engine of this policy whose background may not take more.
pub fn limited(tiers: Tiers, cache: Option<&Path>, background: BackgroundLimits) -> Engine {
    let cache = cache.map(Path::to_owned);
    Engine::new(EngineConfig { tiers, cache, background, ..EngineConfig::default() }).expect("an engine")
}

/// The tiers of the objects in an engine's cache, as their keys say, in order.
pub fn cached_tiers(engine: &Engine) -> Vec<Tier> {
    let objects = engine.cache().expect("a cache").ls();
    let tier = |options: u64| Tier::from_tag(options as u8).expect("a tier");
    let mut tiers: Vec<Tier> = objects.iter().map(|object| tier(object.parts.options)).collect();
    tiers.sort_unstable();
    tiers
}
