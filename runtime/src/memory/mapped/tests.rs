use std::io::Write;
use std::os::unix::fs::FileExt;

use super::cleaning::MAX_GROWN_RESIDENT_PAGES;
use super::*;
use crate::memory::GuestMemory;
use crate::sys::{ImageFile, JumpTable, Segment, child};

const PAGE: u64 = GuestAddr::PAGE_SIZE as u64;

fn mapped(guest: &mut GuestMemory) -> &mut MappedMemory {
    match guest {
        GuestMemory::Mapped(memory) => memory,
        GuestMemory::Paged(_) => unreachable!("the tests make mapped memory"),
    }
}

/// A memory with a page of each kind: 16 read-only and 17, 18 writable from a file that is filled with 0x11, 0x22 and
/// 0x33; 32 and 33 writable zeroes.
fn with_file() -> (GuestMemory, Arc<Image>) {
    let mut file = tempfile::tempfile().unwrap();
    for byte in [0x11, 0x22, 0x33] {
        file.write_all(&[byte; PAGE as usize]).unwrap();
    }
    let segment = |first, count, access, file_offset| Segment { first, count, access, file_offset };
    let segments = vec![
        segment(16, 1, Access::Read, Some(0)),
        segment(17, 2, Access::Write, Some(PAGE)),
        segment(32, 2, Access::Write, None),
    ];
    let table = JumpTable { file_offset: PAGE, len: PAGE as usize };
    let image = Arc::new(Image::new(Some(ImageFile::File(Arc::new(file))), Some(table), segments).unwrap());
    let mut memory = MappedMemory::new().unwrap();
    memory.reset(&image).unwrap();
    (GuestMemory::Mapped(memory), image)
}

/// The first byte of a page, or `None` when it is not readable.
fn first_byte(guest: &GuestMemory, page: u64) -> Option<u8> {
    guest.read(page * PAGE, 1).ok().map(|bytes| bytes[0])
}

/// Rights that the kernel grants a guest page.
fn system_access(guest: &mut GuestMemory, page: u64) -> Access {
    access_at(mapped(guest).base() as u64 + page * PAGE)
}

/// Rights to the jump table area's first page.
fn jump_table_access(guest: &mut GuestMemory) -> Access {
    access_at(mapped(guest).base().wrapping_offset(tvm_abi::context::JUMP_TABLE as isize) as u64)
}

/// Rights that the kernel grants, from `/proc/self/maps`.
fn access_at(address: u64) -> Access {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let covers = |line: &&str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        (hex(start)..hex(end)).contains(&address)
    };
    let line = maps.lines().find(covers).unwrap();
    match line.split(' ').nth(1).unwrap() {
        "---p" => Access::None,
        "r--p" => Access::Read,
        "rw-p" => Access::Write,
        other => panic!("guest memory mapped {other}"),
    }
}

fn assert_as_image(guest: &mut GuestMemory) {
    let bytes: Vec<_> = [15, 16, 17, 18, 19, 32, 33, 34].map(|page| first_byte(guest, page)).into();
    assert_eq!(bytes, [None, Some(0x11), Some(0x22), Some(0x33), None, Some(0), Some(0), None]);
    for page in [15, 16, 17, 18, 19, 32, 33, 34] {
        assert_eq!(system_access(guest, page), guest.page_access(page as u32), "page {page}");
    }
}

#[test]
fn an_image_is_mapped_with_its_rights() {
    let (mut guest, _) = with_file();
    assert_as_image(&mut guest);
    // SAFETY: the table was mapped readable at the start of the area below the context.
    let entry = unsafe { mapped(&mut guest).base().offset(tvm_abi::context::JUMP_TABLE as isize).read() };
    assert_eq!(entry, 0x22);
    assert!(guest.write(16 * PAGE, &[1]).is_err());
    guest.write(18 * PAGE, &[1]).unwrap();
    assert_eq!(first_byte(&guest, 18), Some(1));
}

#[test]
fn writing_does_not_reach_the_file_or_other_instances() {
    let (mut guest, image) = with_file();
    let mut other = MappedMemory::new().unwrap();
    other.reset(&image).unwrap();
    guest.write(17 * PAGE, &[1; 2 * PAGE as usize]).unwrap();
    guest.initialise(GuestAddr(16 << 12), &[1; PAGE as usize]).unwrap();
    assert_as_image(&mut GuestMemory::Mapped(other));
}

#[test]
fn reset_takes_everything_back() {
    let (mut guest, image) = with_file();
    for round in 0..3 {
        guest.write(17 * PAGE, &[1; 2 * PAGE as usize]).unwrap();
        guest.write(32 * PAGE, &[1; 2 * PAGE as usize]).unwrap();
        guest.initialise(GuestAddr(16 << 12), &[1; 5]).unwrap();
        guest.set_access(16, 4, Access::Write).unwrap();
        guest.write(19 * PAGE, &[1]).unwrap();
        guest.set_access(33, 100, Access::Read).unwrap();
        guest.set_access(32, 1, Access::None).unwrap();
        if round == 1 {
            guest.zero_pages(15, 4).unwrap();
        }
        *mapped(&mut guest).context() = [7; _];
        mapped(&mut guest).reset(&image).unwrap();
        assert_as_image(&mut guest);
        assert_eq!(mapped(&mut guest).context(), MappedMemory::new().unwrap().context());
        guest.set_access(19, 1, Access::Read).unwrap();
        assert_eq!(first_byte(&guest, 19), Some(0), "round {round}");
        mapped(&mut guest).reset(&image).unwrap();
    }
}

#[test]
fn another_image_replaces_everything() {
    let (mut guest, _) = with_file();
    guest.write(32 * PAGE, &[1]).unwrap();
    assert_eq!(jump_table_access(&mut guest), Access::Read);
    let empty = Arc::new(Image::default());
    mapped(&mut guest).reset(&empty).unwrap();
    assert_eq!(jump_table_access(&mut guest), Access::None);
    for page in 0..40 {
        assert_eq!(system_access(&mut guest, page), Access::None);
        guest.set_access(page as u32, 1, Access::Read).unwrap();
        assert_eq!(first_byte(&guest, page), Some(0));
    }
}

#[test]
fn a_memory_that_was_used_without_an_image_is_cleaned_for_one() {
    let (_, image) = with_file();
    let uses: [fn(&mut GuestMemory); 4] = [
        |guest| {
            guest.set_access(19, 1, Access::Write).unwrap();
            guest.write(19 * PAGE, &[1]).unwrap();
        },
        |guest| guest.set_access(15, 1, Access::Read).unwrap(),
        |guest| mapped(guest).set_arguments(&[1; 5000]).unwrap(),
        |guest| {
            for _ in 0..2 {
                mapped(guest).reset(&Arc::new(Image::default())).unwrap();
                mapped(guest).set_arguments(&[1; 5000]).unwrap();
            }
        },
    ];
    for (case, used) in uses.into_iter().enumerate() {
        let mut guest = GuestMemory::Mapped(MappedMemory::new().unwrap());
        used(&mut guest);
        mapped(&mut guest).reset(&image).unwrap();
        assert_as_image(&mut guest);
        for page in [15, 19, ARGUMENTS, ARGUMENTS + 1] {
            assert_eq!(system_access(&mut guest, page), Access::None, "page {page:#x}, case {case}");
            guest.set_access(page as u32, 1, Access::Read).unwrap();
            assert_eq!(first_byte(&guest, page), Some(0), "page {page:#x}, case {case}");
        }
    }
}

#[test]
fn zeroed_pages_do_not_show_the_file_again() {
    let (mut guest, _) = with_file();
    guest.set_access(18, 1, Access::None).unwrap();
    guest.zero_pages(16, 20).unwrap();
    for page in [16, 17, 32, 33] {
        assert_eq!(first_byte(&guest, page), Some(0));
    }
    guest.zero_pages(16, 3).unwrap();
    for page in 15..20 {
        assert_eq!(system_access(&mut guest, page), guest.page_access(page as u32), "page {page}");
    }
    guest.set_access(18, 1, Access::Read).unwrap();
    assert_eq!(first_byte(&guest, 18), Some(0));
}

#[test]
fn contents_outlive_changes_of_rights() {
    let (mut guest, _) = with_file();
    guest.write(17 * PAGE, &[5]).unwrap();
    for access in [Access::None, Access::Read, Access::None, Access::Write] {
        guest.set_access(17, 1, access).unwrap();
        assert_eq!(system_access(&mut guest, 17), access);
        assert_eq!(first_byte(&guest, 17), (access != Access::None).then_some(5));
    }
}

#[test]
fn initialising_leaves_the_rights() {
    let (mut guest, _) = with_file();
    guest.set_access(19, 2, Access::Read).unwrap();
    guest.initialise(GuestAddr(16 * 4096 + 4095), &[9; 4 * 4096]).unwrap();
    assert_eq!(guest.read(16 * PAGE + 4094, 3).unwrap(), [0x11, 9, 9]);
    assert_eq!(guest.read(20 * PAGE + 4094, 2).unwrap(), [9, 0]);
    for page in 15..22 {
        assert_eq!(system_access(&mut guest, page), guest.page_access(page as u32), "page {page}");
    }
    assert!(guest.initialise(GuestAddr(20 << 12), &[0; 4097]).is_err());
}

#[test]
fn the_last_page_and_ranges_past_it() {
    let mut guest = GuestMemory::Mapped(MappedMemory::new().unwrap());
    guest.set_access(GUEST_PAGES - 1, 9, Access::Write).unwrap();
    guest.set_access(u32::MAX, u32::MAX, Access::Write).unwrap();
    guest.write((1 << 32) - 4, &[1, 2, 3, 4]).unwrap();
    assert!(guest.write((1 << 32) - 4, &[0; 5]).is_err());
    assert_eq!(guest.read((1 << 32) - 2, 2).unwrap(), [3, 4]);
    guest.zero_pages(GUEST_PAGES - 1, 9).unwrap();
    guest.zero_pages(u32::MAX, u32::MAX).unwrap();
    assert_eq!(guest.read((1 << 32) - 2, 2).unwrap(), [0, 0]);
}

/// Gives every second of `count` pages other rights.
fn alternate(guest: &mut GuestMemory, count: u32) {
    for page in 0..count {
        guest.set_access(1000 + page, 1, if page % 2 == 0 { Access::Read } else { Access::Write }).unwrap();
    }
}

#[test]
fn many_runs_of_rights_give_up_protection_but_nothing_else() {
    let (mut guest, image) = with_file();
    guest.write(17 * PAGE, &[5]).unwrap();
    alternate(&mut guest, MAX_PROTECTED_RUNS as u32 / 2);
    assert!(mapped(&mut guest).hardware_protected());
    alternate(&mut guest, MAX_PROTECTED_RUNS as u32);
    assert!(!mapped(&mut guest).hardware_protected());
    assert_eq!(guest.page_access(1000), Access::Read);
    assert_eq!(guest.page_access(1001), Access::Write);
    assert_eq!(guest.page_access(999), Access::None);
    assert!(guest.write(1000 * PAGE, &[1]).is_err());
    assert_eq!(first_byte(&guest, 17), Some(5));
    // All operations go on.
    guest.initialise(GuestAddr(1000 << 12), &[7; 4097]).unwrap();
    guest.set_access(16, 1, Access::None).unwrap();
    guest.zero_pages(17, 1).unwrap();
    assert_eq!((first_byte(&guest, 16), first_byte(&guest, 17), first_byte(&guest, 1000)), (None, Some(0), Some(7)));
    mapped(&mut guest).reset(&image).unwrap();
    assert!(mapped(&mut guest).hardware_protected());
    assert_as_image(&mut guest);
}

#[test]
fn many_changes_that_make_few_runs_keep_protection() {
    let (mut guest, _) = with_file();
    for round in 0..3 * MAX_PROTECTED_RUNS {
        guest.set_access(100, 1, if round % 2 == 0 { Access::Read } else { Access::Write }).unwrap();
        guest.set_access(200 + round as u32, 1, Access::Write).unwrap();
    }
    assert!(mapped(&mut guest).hardware_protected());
}

/// A file mapped page by page, until the kernel refuses; every second page is taken, so that none can be joined.
/// A few mappings are then left for the allocator.
fn use_up_mappings() -> Vec<*mut libc::c_void> {
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let limit: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
    // SAFETY: a new mapping overlaps nothing.
    let area = unsafe { libc::mmap(std::ptr::null_mut(), limit * 4096, libc::PROT_NONE, anonymous, -1, 0) };
    assert_ne!(area, libc::MAP_FAILED);
    let mut taken = Vec::with_capacity(limit);
    for page in (0..limit).step_by(2) {
        let address = area.wrapping_byte_add(page * 4096);
        // SAFETY: the page belongs to the area mapped above.
        if unsafe { libc::mprotect(address, 4096, libc::PROT_READ) } != 0 {
            return taken;
        }
        taken.push(address);
    }
    panic!("the limit of {limit} mappings was not met");
}

#[test]
fn when_the_system_refuses_protection_the_answers_stay_exact() {
    if child::case().is_none() {
        let test = "when_the_system_refuses_protection_the_answers_stay_exact";
        let output = child::run(module_path!(), test, "mappings");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (mut guest, image) = with_file();
    let (mut zeroed, _) = with_file();
    guest.set_access(1000, 10, Access::Write).unwrap();
    guest.write(1000 * PAGE, &[3; 40960]).unwrap();
    let taken = use_up_mappings();
    guest.set_access(1005, 1, Access::Read).unwrap();
    guest.set_access(1007, 1, Access::None).unwrap();
    assert!(!mapped(&mut guest).hardware_protected());
    assert_eq!((first_byte(&guest, 1005), first_byte(&guest, 1007)), (Some(3), None));
    assert!(guest.write(1005 * PAGE, &[0]).is_err());
    guest.write(1006 * PAGE, &[4]).unwrap();
    assert_eq!((first_byte(&guest, 1006), first_byte(&guest, 16)), (Some(4), Some(0x11)));
    // Replacing the middle of a file's pages needs mappings too.
    zeroed.zero_pages(18, 1).unwrap();
    assert_eq!((first_byte(&zeroed, 17), first_byte(&zeroed, 18)), (Some(0x22), Some(0)));
    for address in taken.into_iter().take(100) {
        // SAFETY: the page is one of those that only hold a mapping.
        assert_eq!(unsafe { libc::mprotect(address, 4096, libc::PROT_NONE) }, 0);
    }
    mapped(&mut guest).reset(&image).unwrap();
    assert_as_image(&mut guest);
}

#[test]
fn a_deleted_file_stays_mapped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all_at(&[0x44; PAGE as usize], 0).unwrap();
    let handle = Arc::new(file.reopen().unwrap());
    file.close().unwrap();
    let segment = Segment { first: 16, count: 1, access: Access::Read, file_offset: Some(0) };
    let image = Arc::new(Image::new(Some(ImageFile::File(handle)), None, vec![segment]).unwrap());
    let mut memory = MappedMemory::new().unwrap();
    memory.reset(&image).unwrap();
    assert_eq!(first_byte(&GuestMemory::Mapped(memory), 16), Some(0x44));
}

/// Writable pages of a file and zeroes, so many that those in the middle are dropped.
fn with_many_pages() -> (GuestMemory, Arc<Image>, Vec<u8>) {
    let mut file = tempfile::tempfile().unwrap();
    let contents: Vec<u8> = (0..30 * PAGE).map(|at| (at / PAGE) as u8 + 1).collect();
    file.write_all(&contents).unwrap();
    let segment = |first, count, file_offset| Segment { first, count, access: Access::Write, file_offset };
    let segments = vec![segment(16, 30, Some(0)), segment(46, 20, None), segment(200, 40, None)];
    let image = Arc::new(Image::new(Some(ImageFile::File(Arc::new(file))), None, segments).unwrap());
    let mut memory = MappedMemory::new().unwrap();
    memory.reset(&image).unwrap();
    (GuestMemory::Mapped(memory), image, contents)
}

#[test]
fn resident_and_dropped_pages_are_cleaned_alike() {
    let (mut guest, image, contents) = with_many_pages();
    for round in 0..4 {
        assert!(guest.read(16 * PAGE, 30 * PAGE).unwrap() == contents, "round {round}");
        for (first, count) in [(46, 20), (200, 40)] {
            let bytes = guest.read(first * PAGE, count * PAGE).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "page {first}, round {round}");
            guest.write(first * PAGE, &vec![9; (count * PAGE) as usize]).unwrap();
        }
        guest.write(16 * PAGE, &[9; 30 * PAGE as usize]).unwrap();
        match round {
            // Pages next to those of the image, and so far from them that nothing else is dropped with them.
            1 => [66, 240].into_iter().for_each(|page| {
                guest.set_access(page, 1, Access::Write).unwrap();
                guest.write(u64::from(page) * PAGE, &[8; PAGE as usize]).unwrap();
            }),
            // Within it, with other rights.
            2 => {
                guest.set_access(10, 300, Access::Read).unwrap();
                guest.zero_pages(20, 10).unwrap();
                assert_eq!((first_byte(&guest, 19), first_byte(&guest, 20)), (Some(9), Some(0)));
            }
            _ => {}
        }
        mapped(&mut guest).reset(&image).unwrap();
        let runs = [(16, 50, Access::Write), (200, 40, Access::Write)];
        assert_eq!(guest.page_runs(), runs);
        for page in [15, 16, 24, 45, 46, 65, 66, 199, 200, 239, 240] {
            assert_eq!(system_access(&mut guest, page), guest.page_access(page as u32), "page {page}");
        }
    }
}

/// Grown pages stay in memory, and show nothing of it.
#[test]
fn pages_outside_the_image_are_zero_for_the_next_guest() {
    let (mut guest, image) = with_file();
    for (round, count) in [2, 2, 2, MAX_GROWN_RESIDENT_PAGES, MAX_GROWN_RESIDENT_PAGES + 1, 1].into_iter().enumerate() {
        guest.zero_pages(34, count).unwrap();
        guest.set_access(34, count, Access::Write).unwrap();
        let len = u64::from(count) * PAGE;
        assert!(guest.read(34 * PAGE, len).unwrap().iter().all(|byte| *byte == 0), "round {round}");
        guest.write(34 * PAGE, &vec![7; len as usize]).unwrap();
        // Zeroed while they are in use, too.
        guest.zero_pages(34, 1).unwrap();
        assert_eq!(first_byte(&guest, 34), Some(0));
        guest.write(34 * PAGE, &[7; PAGE as usize]).unwrap();
        if round == 2 {
            guest.set_access(35, 1, Access::Read).unwrap();
        }
        mapped(&mut guest).reset(&image).unwrap();
        assert_as_image(&mut guest);
        assert_eq!(system_access(&mut guest, 35), Access::None);
    }
}

/// First of the pages that arguments take.
const ARGUMENTS: u64 = ARGUMENT_PAGES.0 as u64;

#[test]
fn arguments_can_only_be_read() {
    let (mut guest, image) = with_file();
    let lengths = [5, 4097, 0, 65536, 65537, 3];
    // In a memory that is used once, and in one that is used again.
    for (len, is_first) in lengths.into_iter().map(|len| (len, true)).chain(lengths.map(|len| (len, false))) {
        if is_first {
            (guest, _) = with_file();
        } else {
            mapped(&mut guest).reset(&image).unwrap();
        }
        mapped(&mut guest).set_arguments(&vec![6; len]).unwrap();
        let count = len.div_ceil(4096) as u64;
        for page in 0..count + 2 {
            let expected = if page < count { Access::Read } else { Access::None };
            assert_eq!(guest.page_access((ARGUMENTS + page) as u32), expected);
            assert_eq!(system_access(&mut guest, ARGUMENTS + page), expected, "page {page} of {len} bytes");
        }
        assert!(guest.write(ARGUMENTS * PAGE, &[1]).is_err());
    }
}

#[test]
fn what_is_done_to_arguments_is_taken_back() {
    let (mut guest, mut image) = with_file();
    let spoil: [fn(&mut GuestMemory); 5] = [
        |_| {},
        |guest| guest.initialise(GuestAddr(ARGUMENT_PAGES.0 << 12), &[9; 8192]).unwrap(),
        |guest| {
            guest.set_access(ARGUMENT_PAGES.0, 20, Access::Write).unwrap();
            guest.write(ARGUMENTS * PAGE, &[9; 20 << 12]).unwrap();
        },
        |guest| guest.set_access(ARGUMENT_PAGES.0 + 1, 1, Access::None).unwrap(),
        |guest| {
            guest.zero_pages(ARGUMENT_PAGES.0, 1).unwrap();
            assert_eq!((first_byte(guest, ARGUMENTS), first_byte(guest, ARGUMENTS + 1)), (Some(0), Some(6)));
            assert_eq!(system_access(guest, ARGUMENTS), Access::Read);
        },
    ];
    for (case, spoil) in spoil.iter().enumerate() {
        for round in 0..3 {
            if round == 0 {
                (guest, image) = with_file();
            } else {
                mapped(&mut guest).reset(&image).unwrap();
            }
            mapped(&mut guest).set_arguments(&[6; 8000]).unwrap();
            spoil(&mut guest);
            mapped(&mut guest).reset(&image).unwrap();
            mapped(&mut guest).set_arguments(&[5; 5000]).unwrap();
            let mut expected = vec![5; 5000];
            expected.resize(8192, 0);
            assert_eq!(guest.read(ARGUMENTS * PAGE, 2 * PAGE).unwrap(), expected, "case {case}");
            for page in ARGUMENTS..ARGUMENTS + 22 {
                assert_eq!(
                    system_access(&mut guest, page),
                    guest.page_access(page as u32),
                    "page {page:#x}, case {case}"
                );
            }
            guest.set_access(ARGUMENT_PAGES.0, 20, Access::Read).unwrap();
            let behind = guest.read((ARGUMENTS + 2) * PAGE, 18 * PAGE).unwrap();
            assert!(behind.iter().all(|byte| *byte == 0), "case {case}");
            assert_as_image(&mut guest);
        }
    }
}

#[test]
fn arguments_do_not_reach_other_instances() {
    let (mut one, image) = with_file();
    let mut other = GuestMemory::Mapped(MappedMemory::new().unwrap());
    for _ in 0..3 {
        mapped(&mut other).reset(&image).unwrap();
        mapped(&mut other).set_arguments(&[1; 10]).unwrap();
        mapped(&mut one).set_arguments(&[2; 10]).unwrap();
        assert_eq!((first_byte(&one, ARGUMENTS), first_byte(&other, ARGUMENTS)), (Some(2), Some(1)));
        mapped(&mut one).reset(&image).unwrap();
    }
}

#[test]
fn a_forked_child_has_arguments_of_its_own() {
    if child::case().is_none() {
        let output = child::run(module_path!(), "a_forked_child_has_arguments_of_its_own", "fork");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (mut guest, image) = with_file();
    // What is shared is the window, which a memory has that is used again.
    mapped(&mut guest).reset(&image).unwrap();
    mapped(&mut guest).set_arguments(b"parent").unwrap();
    // SAFETY: the child does what follows, and ends; no other thread of this process holds a lock that it needs.
    let child = unsafe { libc::fork() };
    if child == 0 {
        mapped(&mut guest).reset(&image).unwrap();
        mapped(&mut guest).set_arguments(b"child").unwrap();
        let right = guest.read(ARGUMENTS * PAGE, 6).is_ok_and(|bytes| bytes == b"child\0");
        // SAFETY: the call has no preconditions.
        unsafe { libc::_exit(if right { 42 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the status is an integer.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 42);
    assert_eq!(guest.read(ARGUMENTS * PAGE, 6).unwrap(), b"parent");
}
