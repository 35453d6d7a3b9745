pub(crate) mod builder;

use std::os::unix::fs::FileExt;

use tvm_abi::sections::{self, PAGE};

use super::*;
use builder::*;

pub(crate) fn good() -> Vec<u8> {
    build(&sections())
}

fn check(object: &[u8]) -> Result<Checked, LoadError> {
    object::check(&mut Reader::of_bytes(object), CpuFeatures::BASELINE)
}

fn load(object: &[u8]) -> Result<Loaded, LoadError> {
    Loaded::from_bytes(object, CpuFeatures::BASELINE)
}

/// The object of good sections after a change.
fn changed(change: impl FnOnce(&mut Vec<Section>)) -> Vec<u8> {
    let mut sections = sections();
    change(&mut sections);
    build(&sections)
}

fn section<'a>(sections: &'a mut [Section], name: &str) -> &'a mut Section {
    sections.iter_mut().find(|section| section.name == name).unwrap()
}

/// Why the changed object is refused.
fn refusal(change: impl FnOnce(&mut Vec<Section>)) -> String {
    let error = load(&changed(change)).expect_err("a malformed object");
    assert!(error.is_object_fault(), "{error}");
    error.to_string()
}

/// What the code of [`sections`] returns.
fn call(loaded: &Loaded) -> u32 {
    // SAFETY: the text is the function that the builder wrote.
    let code: extern "sysv64" fn() -> u32 = unsafe { std::mem::transmute(loaded.text_range().start) };
    code()
}

/// A file with the object in it, and others' bytes behind it.
fn file(object: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_at(object, 0).unwrap();
    file.write_at(b"trailer", object.len() as u64).unwrap();
    file
}

pub(crate) fn assert_is_good(loaded: &Loaded) {
    assert_eq!(loaded.note(), &note());
    assert_eq!(loaded.program_blob(), b"program");
    assert_eq!(loaded.text_range().len(), 8);
    assert_eq!(loaded.pc_map().region_count(), 1);
    let byte_at = |span: FileSpan| {
        let mut byte = [0];
        loaded.file().unwrap().read_exact_at(&mut byte, span.offset + span.len - 1).unwrap();
        (byte[0], span.len / PAGE)
    };
    assert_eq!(byte_at(loaded.jump_table()), (0xff, 1));
    assert_eq!(byte_at(loaded.ro_image()), (0x11, 1));
    assert_eq!(byte_at(loaded.rw_image()), (0x22, 2));
    assert_eq!(call(loaded), RETURNED);
}

#[test]
fn good_objects_load_and_run() {
    let object = good();
    assert_is_good(&load(&object).unwrap());
    let len = object.len() as u64;
    let loaded = Loaded::from_file(file(&object), len, CpuFeatures::BASELINE).unwrap();
    assert_is_good(&loaded);
    let mut in_file = vec![0; object.len()];
    loaded.file().unwrap().read_exact_at(&mut in_file, 0).unwrap();
    assert!(in_file == object, "linking changed the file");
}

#[test]
fn sections_for_tools_are_not_looked_at() {
    let object = changed(|sections| {
        sections.push(Section::new(".debug_line", PROGBITS, 0, 1, vec![1; 5000]));
        sections.push(Section::new(".comment", PROGBITS, 0, 1, b"anything".to_vec()));
    });
    assert_is_good(&load(&object).unwrap());
}

#[test]
fn images_may_be_empty_or_short() {
    let object = changed(|sections| {
        section(sections, sections::RO_IMAGE).bytes.clear();
        section(sections, sections::RW_IMAGE).bytes.truncate(PAGE as usize);
    });
    let loaded = load(&object).unwrap();
    assert_eq!((loaded.ro_image().len, loaded.rw_image().len), (0, PAGE));
}

#[test]
fn every_section_is_needed_once() {
    for index in 0..sections().len() {
        // Numbers of sections stay as they are.
        let name = sections()[index].name;
        let other = |sections: &mut Vec<Section>| sections[index] = Section::new(".other", PROGBITS, 0, 1, vec![]);
        if name.ends_with("tab") {
            // They are for tools.
            assert_is_good(&load(&changed(other)).unwrap());
            continue;
        }
        refusal(other);
        let error = refusal(|sections| sections.push(Section::new(name, sections[index].kind, 0, PAGE, vec![])));
        assert!(error.contains("twice"), "{error}");
    }
}

#[test]
fn unknown_sections_that_would_be_loaded_are_refused() {
    for (kind, flags) in [(PROGBITS, ALLOC), (PROGBITS, EXEC), (RELA, 0), (9, 0)] {
        let error = refusal(|sections| sections.push(Section::new(".rela.text", kind, flags, 8, vec![])));
        assert!(error.contains(".rela.text"), "{error}");
    }
}

#[test]
fn names_are_compared_in_full() {
    for name in [".tex", ".text.", ".text.hot", ".rodata.jumptable.and.more"] {
        let error = refusal(|sections| sections.push(Section::new(name, PROGBITS, ALLOC, 1, vec![])));
        assert!(error.contains("unknown section"), "{error}");
    }
}

#[test]
fn sections_must_be_of_their_kind_and_place() {
    for (name, field, change) in [
        (sections::NOTE, "section type", (|s| s.kind = PROGBITS) as fn(&mut Section)),
        (sections::PROGRAM, "executable flag", |s| s.flags |= EXEC),
        (sections::TEXT, "executable flag", |s| s.flags = ALLOC),
        (sections::TEXT, "compressed", |s| s.flags |= 1 << 11),
        (sections::JUMP_TABLE, "length modulo", |s| s.bytes.truncate(4095)),
        (sections::RO_IMAGE, "length modulo", |s| s.bytes.push(0)),
        (sections::PC_MAP, "length", |s| s.bytes.push(0)),
        (sections::PC_MAP, "length", |s| s.bytes.truncate(7)),
        (sections::NOTE, "not a note", |s| s.bytes[0] = 5),
        (sections::NOTE, "not a note", |s| s.bytes[8] = 2),
        (sections::NOTE, "not a note", |s| s.bytes[12] = b'G'),
        (sections::NOTE, "not a note", |s| s.bytes.truncate(12)),
        (sections::NOTE, "object format", |s| s.bytes[16] += 1),
    ] {
        let error = refusal(|sections| change(section(sections, name)));
        assert!(error.contains(field), "{name}: {error}");
    }
}

#[test]
fn the_note_promises_no_more_than_there_is() {
    let with = |change: fn(&mut Note)| {
        let mut note = note();
        change(&mut note);
        changed(|sections| section(sections, sections::NOTE).bytes = note_section(&note.encode()))
    };
    assert!(load(&with(|note| note.jump_table_slots = 1024)).is_ok());
    assert!(load(&with(|note| note.jump_table_slots = 1025)).is_err());
    assert!(load(&with(|note| note.sizes.ro = 1)).is_ok());
    assert!(load(&with(|note| note.sizes.ro = 0)).is_err());
    assert!(load(&with(|note| note.sizes.rw = 4097)).is_ok());
    assert!(load(&with(|note| note.sizes.rw = 4096)).is_err());
    assert!(load(&with(|note| note.sizes.stack = u32::MAX)).is_err());
    assert!(load(&with(|note| note.pc_map.regions = 2)).is_err());
    assert!(load(&with(|note| note.pc_map.regions = u32::MAX)).is_err());
    assert!(load(&with(|note| note.pc_map.cold_records = 1)).is_err());
    assert!(load(&with(|note| note.pc_map.stream_bytes = 1)).is_err());
}

#[test]
fn code_for_another_cpu_is_refused_without_blame() {
    let object = changed(|sections| {
        let note = Note { cpu_features: CpuFeatures::BMI2, ..note() };
        section(sections, sections::NOTE).bytes = note_section(&note.encode());
    });
    let error = load(&object).unwrap_err();
    assert!(!error.is_object_fault());
    assert!(error.to_string().contains("bmi2"), "{error}");
    assert!(Loaded::from_bytes(&object, CpuFeatures::V3).is_ok());
}

#[test]
fn nothing_shares_pages_with_the_text() {
    let no_jump_table = |sections: &mut [Section]| {
        let table = section(sections, sections::JUMP_TABLE);
        (table.align, table.bytes) = (1, vec![]);
    };
    let error = refusal(|sections| no_jump_table(sections));
    assert!(error.contains("shares pages"), "{error}");
    let whole_page = changed(|sections| {
        no_jump_table(sections);
        section(sections, sections::TEXT).bytes.resize(PAGE as usize, 0xcc);
        let note = Note { jump_table_slots: 0, ..note() };
        section(sections, sections::NOTE).bytes = note_section(&note.encode());
    });
    assert!(load(&whole_page).is_ok());
}

#[test]
fn the_number_of_sections_is_limited() {
    let with = |count: usize| {
        changed(|sections| {
            // The null section and the names' come on top.
            sections.resize_with(count - 2, || Section::new(".debug_line", PROGBITS, 0, 1, vec![]));
        })
    };
    assert!(load(&with(MAX_SECTIONS as usize)).is_ok());
    assert!(load(&with(MAX_SECTIONS as usize + 1)).unwrap_err().to_string().contains("number of sections"));
}

#[test]
fn lengths_are_checked_before_anything_is_mapped() {
    let object = good();
    let from_file = |len| Loaded::from_file(file(&object), len, CpuFeatures::BASELINE).unwrap_err();
    let with_trailer = object.len() as u64 + 7;
    assert!(matches!(from_file(with_trailer + 1), LoadError::Truncated { found, .. } if found == with_trailer));
    assert!(matches!(from_file(MAX_OBJECT_BYTES + 1), LoadError::TooLong { .. }));
    assert!(matches!(from_file(MAX_OBJECT_BYTES), LoadError::Truncated { .. }));
    assert!(from_file(0).is_object_fault());
    assert!(load(&[]).unwrap_err().is_object_fault());
}

#[test]
fn objects_cut_anywhere_are_refused() {
    let object = good();
    for len in 0..object.len() {
        let error = check(&object[..len]).expect_err("cut objects have no headers");
        assert!(error.is_object_fault(), "{len}: {error}");
        if len % 64 == 0 {
            assert!(load(&object[..len]).is_err());
        }
    }
}

/// Checks what a caller may rely on.
fn assert_facts(object: &[u8], sections: &Sections, note: &Note) {
    let header = note.pc_map;
    let Sections { note, places } = sections;
    let Places { text, jump_table, pc_map, program, ro_image, rw_image } = places;
    for range in [note, text, jump_table, pc_map, program, ro_image, rw_image] {
        assert!(range.start <= range.end && range.end <= object.len(), "{sections:?}");
    }
    let in_place = places.in_place();
    assert_eq!((text.start, in_place.start), (4096, 4096));
    for range in [text, pc_map, program] {
        assert!(range.start >= in_place.start && range.end <= in_place.end, "{sections:?}");
    }
    let page =
        |range: &Range<usize>| range.is_empty() || range.start.is_multiple_of(4096) && range.len().is_multiple_of(4096);
    assert!([jump_table, ro_image, rw_image].into_iter().all(page), "{sections:?}");
    assert!(ro_image.len() <= 4096 << 20 && PcMap::new(header, &object[pc_map.clone()]).is_some());
}

/// The bytes that decide how an object is loaded: those before the text, and all after the images.
fn deciding(object: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let images_end = crate::sections::find(&mut Reader::of_bytes(object)).unwrap().places.rw_image.end;
    (0..4096).chain(images_end..object.len())
}

#[test]
fn objects_with_any_bit_flipped_are_refused_or_sound() {
    let mut object = good();
    let mut refused = 0;
    for at in deciding(&object) {
        for bit in 0..8 {
            object[at] ^= 1 << bit;
            match check(&object) {
                Ok(checked) => assert_facts(&object, &checked.sections, &checked.note),
                Err(_) => refused += 1,
            }
            let _ = symbols(&object);
            object[at] ^= 1 << bit;
        }
        object[at] ^= 0xff;
        if let Ok(loaded) = load(&object) {
            assert_facts(&object, &loaded.sections, &loaded.note);
        }
        object[at] ^= 0xff;
    }
    assert!(refused > 2000, "{refused} flips were noticed");
}

#[test]
fn objects_with_many_bytes_changed_are_refused_or_sound() {
    let object = good();
    let places: Vec<usize> = deciding(&object).filter(|at| !(512..4096).contains(at)).collect();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..50_000 {
        let mut object = object.clone();
        for _ in 0..=random(4) {
            let interesting = [0, 1, 2, 7, 8, 16, 0x10, 0x7f, 0x80, 0xff];
            object[places[random(places.len())]] = interesting[random(interesting.len())];
        }
        if let Ok(checked) = check(&object) {
            assert_facts(&object, &checked.sections, &checked.note);
        }
        let _ = symbols(&object);
    }
}

#[test]
fn symbols_are_listed_for_tools() {
    let symbol = Symbol { name: "pc_0".to_owned(), start: tvm_abi::TextOffset(0), len: 8 };
    assert_eq!(symbols(&good()).unwrap(), [symbol]);
    assert!(symbols(b"no object").is_err());
    assert!(symbols(&changed(|sections| section(sections, ".symtab").link = 1)).is_err());
    assert!(symbols(&changed(|sections| section(sections, ".symtab").link = 100)).is_err());
    assert!(symbols(&changed(|sections| section(sections, ".symtab").kind = PROGBITS)).is_err());
}

#[test]
fn headers_of_other_files_are_refused() {
    // Magic number, class, byte order, type, machine.
    for at in [0, 4, 5, 16, 18] {
        let mut object = good();
        object[at] += 1;
        assert!(load(&object).unwrap_err().is_object_fault(), "byte {at}");
    }
    // Section headers past the end, and their number zero, which would be elsewhere.
    for (at, value) in [(47, 0xff), (40, 0xff), (60, 0), (62, 200)] {
        let mut object = good();
        object[at] = value;
        assert!(load(&object).unwrap_err().is_object_fault(), "byte {at}");
    }
}
