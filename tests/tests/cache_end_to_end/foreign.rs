//! Objects that are whole, but not what is asked for.

use std::fs;

use super::directory;
use super::subject::Subject;
use tvm_abi::{NOTE_NAME, Note};
use tvm_cache::Cache;
use tvm_runtime::Origin;
use tvm_tests::engines;

/// Where the note's descriptor is in an object.
fn descriptor(object: &[u8]) -> usize {
    let elf = goblin::elf::Elf::parse(object).expect("an ELF object");
    let note = elf.section_headers.iter().find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(".note.tvm"));
    let start = note.and_then(|header| header.file_range()).expect("a note").start;
    start + 12 + (NOTE_NAME.len() + 1).next_multiple_of(4)
}

/// The subject's object, out of a cache.
fn object_of(subject: &Subject) -> Vec<u8> {
    let directory = directory();
    let engine = engines::cached(directory.path());
    assert_eq!(subject.run(&engine), Origin::Compiled);
    let mut bytes = fs::read(subject.file(&engine, directory.path())).expect("the object");
    bytes.truncate(bytes.len() - tvm_cache::TRAILER_LEN as usize);
    bytes
}

/// An object filed properly under the subject's key, with a digest that is right, but with a note that is not.
fn check_note(what: &str, change: impl Fn(&mut [u8])) {
    let subject = Subject::small();
    let mut object = object_of(&subject);
    let at = descriptor(&object);
    assert!(Note::decode(&object[at..at + Note::BYTES]).is_ok());
    change(&mut object[at..at + Note::BYTES]);
    let directory = directory();
    let engine = engines::cached(directory.path());
    let cache = Cache::open(directory.path()).expect("a cache");
    cache.publish(&subject.key_parts(&engine), &object).expect("any bytes can be stored");
    assert_eq!(subject.run(&engine), Origin::Compiled, "{what}");
}

#[test]
fn an_object_of_another_compiler_is_not_used() {
    check_note("another compiler", |note| note[4] ^= 1);
}

#[test]
fn an_object_of_another_program_is_not_used() {
    check_note("another program", |note| note[36] ^= 1);
}

#[test]
fn an_object_for_other_rules_is_not_used() {
    check_note("another format", |note| note[0] += 1);
    check_note("another Gray Paper version", |note| note[68] = 2);
    check_note("another container", |note| note[70] = 2);
    check_note("a CPU that nobody has", |note| note[79] = 0x80);
}

#[test]
fn an_object_that_is_no_object_is_not_used() {
    let subject = Subject::small();
    let good = object_of(&subject);
    for bytes in [&[][..], b"text", &good[..4096], &[0x90; 100_000]] {
        let directory = directory();
        let engine = engines::cached(directory.path());
        let cache = Cache::open(directory.path()).expect("a cache");
        cache.publish(&subject.key_parts(&engine), bytes).expect("any bytes can be stored");
        assert_eq!(subject.run(&engine), Origin::Compiled, "{} bytes", bytes.len());
    }
}

/// What another build of the compiler made is filed under another key, and stays there for that build.
#[test]
fn another_build_of_the_compiler_has_objects_of_its_own() {
    let subject = Subject::small();
    let object = object_of(&subject);
    let directory = directory();
    let engine = engines::cached(directory.path());
    let mut theirs = subject.key_parts(&engine);
    theirs.compiler[0] ^= 1;
    let cache = Cache::open(directory.path()).expect("a cache");
    cache.publish(&theirs, &object).expect("stored");
    assert_eq!(subject.run(&engine), Origin::Compiled);
    assert!(cache.lookup(&theirs.key()).is_some());

    // Their file under our name is refused: a file says itself whose it is.
    engine.unload_idle();
    let ours = subject.file(&engine, directory.path());
    let name = format!("{}.o", theirs.key());
    let their_file = directory.path().join("objects").join(&name[..2]).join(name);
    fs::remove_file(&ours).expect("our own file");
    fs::copy(&their_file, &ours).expect("a copy");
    assert_eq!(subject.run(&engine), Origin::Compiled);
    engine.unload_idle();
    assert_eq!(subject.run(&engine), Origin::CacheHit);
}
