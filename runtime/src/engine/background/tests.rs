//! What happens when jobs fail, which the compiler's own jobs do not.

use tvm_abi::CpuFeatures;
use tvm_compiler::{CompileError, compile};
use tvm_isa::{Container, GpVersion};

use super::*;
use crate::engine::config::Verification;
use crate::error::Error;

/// A program of one trap.
const PROGRAM: [u8; 5] = [0, 0, 1, 0, 1];

/// A background whose jobs are done by `make`, and what it works for.
struct Setting {
    background: Background,
    objects: Arc<Objects>,
    modules: Arc<Modules>,
}

impl Setting {
    fn new(make: Make) -> Self {
        let objects = Arc::new(Objects::new(CpuFeatures::host(), None, Verification::default()));
        let modules = Arc::new(Modules::default());
        let background =
            Background::with(make, BackgroundLimits::default(), Arc::clone(&objects), Arc::clone(&modules));
        Self { background, objects, modules }
    }

    /// Loads the program under a hash of its own, and says whether best code is to be asked for.
    fn load(&self, number: u16) -> (ModuleKey, Module, bool) {
        let mut code_hash = [0; 32];
        code_hash[..2].copy_from_slice(&number.to_le_bytes());
        let key = ModuleKey { version: GpVersion::V0_7_2, container: Container::Raw, code_hash };
        let fast = || {
            let compile = |options| Ok(compile(&PROGRAM, code_hash, options)?);
            self.objects.make(key, Tier::Fast, compile).map(|module| (module, true))
        };
        let (module, asks) = self.modules.get_or_load(key, fast).unwrap();
        (key, module, asks)
    }

    /// Loads the program, asks for best code if it is to be asked for, and waits for what comes of it.
    fn ask(&self, number: u16) -> Option<Tier> {
        let (key, module, asks) = self.load(number);
        if asks {
            self.background.ask(key, module.native_code().unwrap());
            self.background.wait();
        }
        self.load(number).1.tier()
    }

    fn failed(&self) -> u64 {
        self.objects.counters.snapshot().failed
    }
}

#[test]
fn what_succeeds_is_swapped_in_and_not_asked_for_again() {
    let setting = Setting::new(make);
    assert_eq!(setting.ask(0), Some(Tier::Best));
    let (key, module, asks) = setting.load(0);
    assert!(!asks);
    // Whoever asks all the same, having looked before the swap, starts no other job.
    setting.background.ask(key, module.native_code().unwrap());
    setting.background.wait();
    let stats = setting.objects.counters.snapshot();
    assert_eq!((stats.compiled_best, stats.swapped, stats.failed), (1, 1, 0));
}

#[test]
fn what_the_compiler_refuses_is_tried_once() {
    let setting = Setting::new(|_, _| Err(CompileError::TextTooLarge.into()));
    for _ in 0..5 {
        assert_eq!(setting.ask(0), Some(Tier::Fast));
    }
    assert_eq!(setting.failed(), 1);
    // Nor if the program comes back.
    setting.modules.unload_idle();
    assert!(setting.load(0).2);
    assert_eq!(setting.ask(0), Some(Tier::Fast));
    assert_eq!(setting.failed(), 1);
    let failures = setting.background.failures();
    let [BackgroundFailure { version, container, code_hash, is_final, reason }] = failures.as_slice() else {
        panic!("one failure expected: {failures:?}")
    };
    assert_eq!((*version, *container, *code_hash), (GpVersion::V0_7_2, Container::Raw, [0; 32]));
    assert!(is_final);
    assert_eq!(*reason, CompileError::TextTooLarge.to_string());
}

#[test]
fn what_is_not_safe_is_tried_once() {
    let setting = Setting::new(|_, _| {
        let violation = tvm_loader::Violation { at: tvm_abi::TextOffset(24), rule: tvm_loader::Rule::Memory };
        Err(Error::Unsafe(violation).into())
    });
    for _ in 0..3 {
        assert_eq!(setting.ask(0), Some(Tier::Fast));
    }
    let failures = setting.background.failures();
    assert_eq!((setting.failed(), failures.len(), failures[0].is_final), (1, 1, true));
    assert!(failures[0].reason.contains("machine code at 0x18"), "{}", failures[0].reason);
}

#[test]
fn what_the_machine_fails_at_is_tried_again_up_to_the_limit() {
    let setting = Setting::new(|_, _| Err(Error::Internal("no luck".to_owned()).into()));
    for attempt in 1..=MAX_BACKGROUND_ATTEMPTS + 1 {
        assert_eq!(setting.ask(0), Some(Tier::Fast));
        let expected = attempt.min(MAX_BACKGROUND_ATTEMPTS);
        assert_eq!(setting.failed(), expected.into());
        assert_eq!(setting.background.failures()[0].is_final, expected == MAX_BACKGROUND_ATTEMPTS);
    }
}

#[test]
fn a_panic_is_a_failure_and_the_thread_goes_on() {
    let setting = Setting::new(|objects, job| {
        assert_ne!(job.key.code_hash[0], 1, "no compiler");
        make(objects, job)
    });
    assert_eq!(setting.ask(1), Some(Tier::Fast));
    assert_eq!(setting.ask(2), Some(Tier::Best));
    assert_eq!(setting.failed(), 1);
    assert!(setting.background.failures()[0].is_final);
}

#[test]
fn failures_are_remembered_up_to_the_limit_and_forgotten_beyond() {
    let setting = Setting::new(|_, _| Err(CompileError::TextTooLarge.into()));
    for number in 0..MAX_BACKGROUND_FAILURES {
        setting.ask(number as u16);
        assert_eq!(setting.background.failures().len(), number + 1);
    }
    setting.ask(MAX_BACKGROUND_FAILURES as u16);
    assert_eq!(setting.background.failures().len(), 1);
}
