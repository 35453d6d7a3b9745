//! What an engine is made with.

use std::path::PathBuf;

use tvm_abi::{CpuFeatures, Tier};

/// How programs are executed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Backend {
    /// Compiled to machine code.
    #[default]
    Compiled,
    /// Interpreted.
    Interpreter,
}

/// Which of the compiler's tiers an engine uses, and when. Results and gas are the same on all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Tiers {
    /// Fast code, and no other.
    Fast,
    /// Best code, and no other: what is not in the cache is waited for.
    Best,
    /// Best code that is in the cache already, else fast code. For processes that live for one run.
    Cached,
    /// As [`Cached`](Self::Cached), and best code is made in the background for programs that run fast code: for nodes.
    ///
    /// Once made it is stored in the cache, if there is one, and is what the next [`Engine::load`](super::Engine::load)
    /// of the program gives. Modules and instances that exist keep the code they have.
    #[default]
    Background,
}

impl From<Tier> for Tiers {
    /// This tier, and no other.
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Fast => Self::Fast,
            Tier::Best => Self::Best,
        }
    }
}

/// Which code is verified between the compiler and everything else: that its machine code stays in its sandbox ([`tvm_loader::verify`]).
///
/// Code that does not pass never runs and is never stored; its program is interpreted, or keeps its fast code, and is counted
/// ([`EngineStats::refused`](super::EngineStats::refused)). Objects in the cache were verified when they were stored, or not, as the engine
/// that stored them was configured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Verification {
    /// None.
    Never,
    /// Best code, which takes a quarter longer to make for it. Mostly nobody waits for that.
    #[default]
    Best,
    /// Fast code too, which takes two to two and a half times as long to make for it.
    Always,
}

impl Verification {
    /// Whether code of this tier is verified.
    #[must_use]
    pub fn covers(self, tier: Tier) -> bool {
        match self {
            Self::Never => false,
            Self::Best => tier == Tier::Best,
            Self::Always => true,
        }
    }
}

/// Threads that compile in the background, unless the configuration says otherwise.
pub const DEFAULT_BACKGROUND_THREADS: usize = 1;

/// Programs that wait to be compiled in the background, unless the configuration says otherwise.
pub const DEFAULT_BACKGROUND_QUEUE: usize = 256;

/// What compiling in the background may take.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BackgroundLimits {
    /// Most threads. They are started when there is work, and run at low priority. Each takes the memory of one
    /// compilation while it works ([`tvm_compiler::MAX_CODE_BYTES`] says how much that can be). With 0, nothing is compiled
    /// in the background.
    pub threads: usize,
    /// Most programs that wait. Each keeps its fast code mapped. Requests beyond are dropped, and made again when the
    /// program is loaded again.
    pub queue: usize,
}

impl Default for BackgroundLimits {
    fn default() -> Self {
        Self { threads: DEFAULT_BACKGROUND_THREADS, queue: DEFAULT_BACKGROUND_QUEUE }
    }
}

/// What an engine is made with.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EngineConfig {
    /// How programs are executed.
    pub backend: Backend,
    /// The cache directory; `None` compiles anew in every process.
    pub cache: Option<PathBuf>,
    /// CPU features to compile for; `None` means those of this machine. Objects that need more than this machine has
    /// are refused.
    pub cpu: Option<CpuFeatures>,
    /// How much work goes into compiling, and when. Without meaning for an engine that interprets.
    pub tiers: Tiers,
    /// What compiling in the background may take. Without meaning but for [`Tiers::Background`].
    pub background: BackgroundLimits,
    /// Which code is verified before it runs or is stored.
    pub verification: Verification,
}
