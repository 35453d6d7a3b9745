//! Authorizers made with the SDK, through is-authorized.

use tvm_isa::{Gas, GpVersion};
use tvm_runtime::jam::types::{Hash, TimeSlot, WorkError};

use crate::support::world::{VERSIONS, World};

/// A world whose package has SELF's code as its authorizer, with these for token and configuration.
fn world(version: GpVersion, guest: &str, token: &[u8], config: &[u8]) -> World {
    let mut world = World::with_service(version, guest);
    world.package.auth_code_hash = Hash::of(&world.code);
    world.package.authorization = token.to_vec();
    world.package.authorizer_config = config.to_vec();
    world
}

/// Tokens, configurations, and whether they are the same.
fn pairs() -> Vec<(Vec<u8>, Vec<u8>)> {
    let long: Vec<u8> = (0..10_000_u32).map(|byte| (byte % 251) as u8).collect();
    let mut nearly = long.clone();
    nearly[9_999] ^= 1;
    let pair = |token: &[u8], config: &[u8]| (token.to_vec(), config.to_vec());
    vec![
        pair(b"", b""),
        pair(b"token", b"token"),
        pair(b"token", b""),
        pair(b"", b"token"),
        pair(b"token", b"tokem"),
        pair(b"token", b"token\0"),
        pair(b"token", b"toke"),
        pair(&long, &long),
        pair(&long, &nearly),
    ]
}

#[test]
fn the_token_has_to_be_the_configuration() {
    for version in VERSIONS {
        for (token, config) in pairs() {
            let world = world(version, "authorizer", &token, &config);
            let ran = world.is_authorized();
            let expected =
                if token == config { Ok([&token[..], &[1, 0]].concat().into()) } else { Err(WorkError::Panic) };
            assert_eq!(ran.result.result, expected, "{version}: {} and {} bytes", token.len(), config.len());
            assert!(ran.result.gas_used > Gas(0) && ran.result.gas_used < world.constants.is_authorized_gas);
        }
    }
}

/// The SDK's own one, which takes token and configuration from the work package.
#[test]
fn the_null_authorizer() {
    for (token, config) in pairs() {
        let ran = world(GpVersion::V0_8_0, "jam-null-authorizer", &token, &config).is_authorized();
        let text = format!("Auth=<{}>", String::from_utf8_lossy(&token));
        let expected = if token == config { Ok(text.into_bytes().into()) } else { Err(WorkError::Panic) };
        assert_eq!(ran.result.result, expected, "{} and {} bytes", token.len(), config.len());
        assert!(ran.seen.logs.iter().any(|log| log.text.starts_with("Null Authorizer, [1], ")), "{:?}", ran.seen.logs);
    }
}

/// It can only run if its code was available in the lookup anchor's slot, and is not too large.
#[test]
fn code_that_is_not_there() {
    for version in VERSIONS {
        let fine = world(version, "authorizer", b"x", b"x");
        let failed = |world: &World| (world.is_authorized().result.result, world.is_authorized().result.gas_used);
        let mut world = fine.clone();
        world.package.auth_code_hash = Hash([1; 32]);
        assert_eq!(failed(&world), (Err(WorkError::BadCode), Gas(0)), "{version}");
        let mut world = fine.clone();
        world.package.context.lookup_anchor_slot = TimeSlot(19);
        assert_eq!(failed(&world), (Err(WorkError::BadCode), Gas(0)), "{version}");
        // The limit is on the code behind the metadata.
        let mut world = fine.clone();
        let code = tvm_isa::split_metadata(&world.code).expect("metadata").1.len() as u32;
        world.constants.authorizer_code_bytes = code;
        assert!(failed(&world).0.is_ok(), "{version}");
        world.constants.authorizer_code_bytes = code - 1;
        assert_eq!(failed(&world), (Err(WorkError::BigCode), Gas(0)), "{version}");
    }
}

/// The gas is the chain's, and a trace is at most as long as a report has room for.
#[test]
fn limits() {
    for version in VERSIONS {
        let mut world = world(version, "authorizer", b"token", b"token");
        let used = world.is_authorized().result.gas_used;
        world.constants.is_authorized_gas = used;
        assert_eq!(world.is_authorized().result.gas_used, used, "{version}");
        assert!(world.is_authorized().result.result.is_ok());
        world.constants.is_authorized_gas = Gas(used.0 - 1);
        assert_eq!(world.is_authorized().result.result, Err(WorkError::OutOfGas), "{version}");

        world.constants.is_authorized_gas = Gas(50_000_000);
        for (len, fits) in [(49_150, true), (49_151, false)] {
            world.package.authorization = vec![7; len];
            world.package.authorizer_config = vec![7; len];
            let result = world.is_authorized().result.result;
            assert_eq!(
                result.as_ref().map(|trace| trace.len()),
                if fits { Ok(len + 2) } else { Err(&WorkError::Oversize) }
            );
        }
    }
}
