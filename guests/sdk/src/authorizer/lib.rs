//! An authorizer that accepts a work package when its authorization token equals the authorizer's configuration.
//!
//! Accepted: the output (authorizer trace) is the token followed by the core index in two little-endian bytes.
//! Refused: it panics.
#![no_std]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use jam_pvm_common::{Authorizer, declare_authorizer, imports};
use jam_types::{AuthTrace, CoreIndex};

/// The kinds of `fetch` read here.
const AUTH_CONFIG: u64 = 8;
const AUTH_TOKEN: u64 = 9;

struct TokenEqualsConfig;
declare_authorizer!(TokenEqualsConfig);

impl Authorizer for TokenEqualsConfig {
    fn is_authorized(core: CoreIndex) -> AuthTrace {
        let mut token = fetch(AUTH_TOKEN);
        assert!(token == fetch(AUTH_CONFIG), "the token is not the configuration");
        token.extend_from_slice(&core.to_le_bytes());
        token.into()
    }
}

/// The whole value of one kind. The SDK's own `auth_config` expects a length prefix, which the Gray Paper does not have.
fn fetch(kind: u64) -> Vec<u8> {
    // SAFETY: no byte is written to a buffer of length zero.
    let len = unsafe { imports::fetch(core::ptr::null_mut(), 0, 0, kind, 0, 0) };
    let mut value = vec![0; usize::try_from(len).expect("a length")];
    // SAFETY: the buffer has the length that is passed.
    unsafe { imports::fetch(value.as_mut_ptr(), 0, len, kind, 0, 0) };
    value
}
