//! Every service blob among the vectors compiles and loads, and the second time it is in the cache.

use std::path::PathBuf;

use tvm_cache::hash;
use tvm_isa::{Container, GpVersion};
use tvm_runtime::Origin;
use tvm_tests::{engines, vectors};

fn blobs(directory: &str) -> Vec<PathBuf> {
    let Some(directory) = vectors::find(directory) else { return Vec::new() };
    let entries = std::fs::read_dir(&directory).expect("a readable directory");
    let is_blob = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jam" || ending == "bin");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(is_blob).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no blobs in {}", directory.display());
    paths
}

#[test]
fn every_blob_compiles_and_is_found_the_second_time() {
    let cache = tempfile::tempdir().expect("a directory");
    let (first, second) = (engines::cached(cache.path()), engines::cached(cache.path()));
    for path in blobs("blobs").into_iter().chain(blobs("blobs/other")) {
        let bytes = std::fs::read(&path).expect("a readable blob");
        let container = Container::detect(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let module = engines::load(&first, GpVersion::V0_7_2, container, &bytes);
        assert_eq!(module.origin(), Origin::Compiled, "{}", path.display());
        let again = second
            .load(GpVersion::V0_7_2, container, hash(&bytes), || -> Result<Vec<u8>, _> {
                Err("the program is not needed: its object is in the cache".into())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(again.origin(), Origin::CacheHit, "{}", path.display());
        assert_eq!(again.program().blob(), module.program().blob());
    }
}

/// Some of them are valid under 0.8.0 as well, whatever they mean there: none may do worse than being refused.
#[test]
fn under_0_8_0_every_blob_loads_or_is_refused_as_malformed() {
    for engine in engines::tiers() {
        for path in blobs("blobs") {
            let bytes = std::fs::read(&path).expect("a readable blob");
            let container = Container::detect(&bytes).expect("a known container");
            match engine.load(GpVersion::V0_8_0, container, hash(&bytes), || Ok(&bytes)) {
                Ok(_) | Err(tvm_runtime::LoadError::Malformed(_)) => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }
}
