//! The compiler's limits, at the limit and one past it.

use tvm_abi::{CpuFeatures, Tier};
use tvm_compiler::{CompileError, CompileOptions, MAX_CODE_BYTES, compile};
use tvm_isa::codec::encode_natural;
use tvm_isa::{Container, GpVersion};

fn compile_raw(blob: &[u8]) -> Result<Vec<u8>, CompileError> {
    let options = CompileOptions {
        version: GpVersion::V0_7_2,
        container: Container::Raw,
        cpu: CpuFeatures::BASELINE,
        tier: Tier::Fast,
    };
    compile(blob, [0; 32], options)
}

/// A program of `len` code bytes that is one trap and then nothing.
fn program(len: usize) -> Vec<u8> {
    let mut blob = vec![0, 0];
    encode_natural(len as u64, &mut blob);
    blob.resize(blob.len() + len, 0);
    let mask = blob.len();
    blob.resize(mask + len.div_ceil(8), 0);
    blob[mask] = 1;
    blob
}

#[test]
fn code_of_the_longest_length_compiles_and_one_byte_more_does_not() {
    assert!(compile_raw(&program(MAX_CODE_BYTES)).is_ok());
    let too_long = compile_raw(&program(MAX_CODE_BYTES + 1));
    assert_eq!(too_long, Err(CompileError::CodeTooLong { found: MAX_CODE_BYTES + 1, limit: MAX_CODE_BYTES }));
    assert!(!too_long.unwrap_err().is_malformed());
}

#[test]
fn malformed_programs_say_so() {
    for blob in [&[][..], &[0], &[0, 0, 2, 1], &[0, 0, 1, 0, 0xff]] {
        assert!(compile_raw(blob).unwrap_err().is_malformed(), "{blob:?}");
    }
}
