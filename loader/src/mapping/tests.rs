use std::sync::atomic::{AtomicBool, Ordering};

use tvm_abi::CpuFeatures;

use super::*;
use crate::reader::Reader;
use crate::tests::good;
use crate::{Loaded, memfd, object};

/// Rights and addresses of the process's mappings.
fn maps() -> Vec<(String, Range<usize>)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        (words.next().unwrap().to_owned(), hex(start)..hex(end))
    };
    maps.lines().map(line).collect()
}

/// Rights of the pages of `bytes`, one entry for each page.
fn rights(bytes: &[u8]) -> Vec<String> {
    let maps = maps();
    let rights = |page: usize| maps.iter().find(|(_, range)| range.contains(&page)).unwrap().0.clone();
    (bytes.as_ptr() as usize..bytes.as_ptr_range().end as usize).step_by(4096).map(rights).collect()
}

#[test]
fn rights_at_each_stage() {
    let object = good();
    let sections = object::check(&mut Reader::of_bytes(&object), CpuFeatures::BASELINE).unwrap().sections;
    let part = sections.places.in_place();
    let mapped = Mapped::new(&memfd::sealed(&[&object]).unwrap(), part.clone()).unwrap();
    assert_eq!(mapped.bytes(&part), &object[part.clone()]);
    assert!(rights(mapped.bytes(&part)).iter().all(|rights| rights == "r--p"));
    mapped.make_executable(&sections.places.text).unwrap();
    let rights = rights(mapped.bytes(&part));
    assert_eq!(rights[0], "r-xp");
    assert!(rights.len() > 1 && rights[1..].iter().all(|rights| rights == "r--p"), "{rights:?}");
}

#[test]
fn no_page_is_writable_and_executable_at_any_time() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let object = good();
            for _ in 0..500 {
                Loaded::from_bytes(&object, CpuFeatures::BASELINE).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let bad = maps().into_iter().find(|(rights, _)| rights.contains('w') && rights.contains('x'));
            assert_eq!(bad, None);
        }
    });
}

/// Mounts a file system on which nothing may be executed at `directory`, for this thread only.
fn mount_noexec(directory: &std::path::Path) -> io::Result<()> {
    let path = std::ffi::CString::new(directory.as_os_str().as_encoded_bytes()).unwrap();
    let check = |done| if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    let none = std::ptr::null();
    // SAFETY: all strings are terminated; the mounts are seen by this thread only.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        check(libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))?;
        check(libc::mount(c"tmpfs".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), libc::MS_NOEXEC, none.cast()))
    }
}

#[test]
fn objects_on_a_file_system_without_execution_are_copied() {
    std::thread::spawn(|| {
        let directory = tempfile::tempdir().unwrap();
        if let Err(error) = mount_noexec(directory.path()) {
            eprintln!("not tested: mounting a noexec file system is not permitted here ({error})");
            return;
        }
        let path = directory.path().join("object");
        let object = good();
        std::fs::write(&path, &object).unwrap();

        let sections = object::check(&mut Reader::of_bytes(&object), CpuFeatures::BASELINE).unwrap().sections;
        let mapped = Mapped::new(&File::open(&path).unwrap(), sections.places.in_place()).unwrap();
        let error = mapped.make_executable(&sections.places.text).unwrap_err();
        assert!(is_not_executable_here(&error), "{error}");

        let len = object.len() as u64;
        let loaded = Loaded::from_file(File::open(&path).unwrap(), len, CpuFeatures::BASELINE).unwrap();
        crate::tests::assert_is_good(&loaded);
        drop(loaded);
        std::fs::remove_file(&path).unwrap();
        // SAFETY: the string is terminated.
        unsafe {
            let path = std::ffi::CString::new(directory.path().as_os_str().as_encoded_bytes()).unwrap();
            libc::umount2(path.as_ptr(), libc::MNT_DETACH);
        }
    })
    .join()
    .unwrap();
}
