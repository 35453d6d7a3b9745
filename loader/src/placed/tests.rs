use std::ops::Range;

use tvm_abi::sections::{PAGE, TEXT_FILE_OFFSET};
use tvm_abi::{CpuFeatures, Note};

use super::*;
use crate::Loaded;
use crate::tests::assert_is_good;
use crate::tests::builder::{note, pc_map, sections};

/// Writes the parts of the good object as a compiler would; asks for at least `len` bytes.
fn write(memory: &mut CodeMemory, len: usize) -> tvm_abi::Placed {
    let text = sections().into_iter().find(|section| section.name == tvm_abi::sections::TEXT).unwrap().bytes;
    let page = PAGE as usize;
    let bytes = memory.of_len(len.max(8 * page)).unwrap();
    let mut at = TEXT_FILE_OFFSET as usize;
    let mut put = |part: &[u8], align: usize| -> Range<usize> {
        at = at.next_multiple_of(align);
        let range = at..at + part.len();
        bytes[range.clone()].copy_from_slice(part);
        at = range.end;
        range
    };
    tvm_abi::Placed {
        note: note(),
        places: tvm_abi::Places {
            text: put(&text, page),
            jump_table: put(&vec![0xff; page], page),
            pc_map: put(&pc_map().1, 8),
            program: put(b"program", 8),
            ro_image: put(&vec![0x11; page], page),
            rw_image: put(&vec![0x22; 2 * page], page),
        },
    }
}

fn load(supply: &Supply, len: usize) -> Loaded {
    let mut memory = supply.memory();
    let placed = write(&mut memory, len);
    Loaded::from_memory(memory, placed, CpuFeatures::BASELINE).unwrap()
}

/// Addresses and rights of the memory that a module's text is in.
fn rights_at(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_there = |line: &&str| {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).unwrap());
        (start..end).contains(&address)
    };
    maps.lines().find(is_there).map_or(String::new(), |line| line.split_whitespace().nth(1).unwrap().to_owned())
}

#[test]
fn code_in_memory_runs_and_its_memory_is_used_again() {
    let supply = Supply::default();
    let loaded = load(&supply, 0);
    assert_is_good(&loaded);
    let text = loaded.text_range().start;
    assert_eq!(rights_at(text), "r-xp");
    for elsewhere in [loaded.program_blob().as_ptr() as usize, text - 1] {
        assert_eq!(rights_at(elsewhere), "r--p");
    }
    let other = load(&supply, 0);
    assert_ne!(other.text_range().start, text, "memory in use");
    drop(loaded);
    assert_eq!(rights_at(text), "rw-p");
    let again = load(&supply, 0);
    assert_eq!(again.text_range().start, text);
    assert_is_good(&again);
    assert_is_good(&other);
}

#[test]
fn a_short_program_does_not_keep_a_long_ones_memory() {
    let supply = Supply::default();
    let long = 1 << 20;
    let mut memory = supply.memory();
    memory.of_len(long).unwrap().fill(1);
    memory.pages.as_mut().unwrap().touched = long;
    let placed = write(&mut memory, 0);
    drop(memory);
    // Far too long for it: it gets other memory. Not far too long: it gets this, and gives back what it does not need.
    supply.keep(Pages { touched: long, ..Pages::new(long).unwrap() });
    assert!(supply.take(long / 8).is_none());
    let loaded = load(&supply, long / 2);
    assert!(supply.idle().is_empty());
    drop(loaded);
    assert_eq!(supply.idle()[0].touched, placed.places.rw_image.end);
}

#[test]
fn what_is_kept_is_limited() {
    let keep = |supply: &Supply, touched| supply.keep(Pages { touched, ..Pages::new(PAGE as usize).unwrap() });
    let touched = |supply: &Supply| supply.idle().iter().map(|pages| pages.touched).collect::<Vec<_>>();
    let supply = Supply::default();
    for index in 0..=MAX_IDLE_PIECES {
        keep(&supply, index);
    }
    assert_eq!(touched(&supply), (1..=MAX_IDLE_PIECES).collect::<Vec<_>>());

    let supply = Supply::default();
    keep(&supply, MAX_IDLE_BYTES + 1);
    assert_eq!(touched(&supply), []);
    keep(&supply, MAX_IDLE_BYTES - 1);
    keep(&supply, 1);
    assert_eq!(touched(&supply), [MAX_IDLE_BYTES - 1, 1]);
    keep(&supply, 1);
    assert_eq!(touched(&supply), [1, 1]);
}

#[test]
fn parts_must_fit() {
    let refusal = |change: fn(&mut tvm_abi::Placed)| {
        let mut memory = Supply::default().memory();
        let mut placed = write(&mut memory, 0);
        change(&mut placed);
        Loaded::from_memory(memory, placed, CpuFeatures::BASELINE).expect_err("parts that contradict")
    };
    assert!(refusal(|placed| placed.places.rw_image.end = 1 << 30).to_string().contains("length of the code"));
    assert!(refusal(|placed| placed.places.pc_map.end += 1).to_string().contains("pcmap"));
    assert!(refusal(|placed| placed.note.jump_table_slots = 1025).to_string().contains("jump table"));
    let other_cpu = refusal(|placed| placed.note = Note { cpu_features: CpuFeatures::BMI2, ..note() });
    assert!(!other_cpu.is_object_fault());
}
