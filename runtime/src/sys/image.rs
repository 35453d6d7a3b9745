//! What an instance's memory holds before it runs.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use tvm_isa::GuestAddr;

use super::SysError;
use super::native::ImageFile;
use super::reservation::{FilePages, GUEST_PAGES as PAGES, Reservation};
use super::resident::{Resident, resident};
use crate::memory::Access;

/// Bytes in a page.
pub(super) const PAGE: usize = GuestAddr::PAGE_SIZE as usize;

/// Initial contents of an instance's address space, shared by all instances of a module.
#[derive(Default, Debug)]
pub(crate) struct Image {
    file: Option<ImageFile>,
    jump_table: Option<JumpTable>,
    segments: Vec<Segment>,
    resident: Resident,
    /// The file's contents of resident pages, in their order, once they were needed.
    contents: OnceLock<Vec<u8>>,
}

/// A module's jump table in its object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct JumpTable {
    /// Offset in the file, page-aligned.
    pub file_offset: u64,
    /// Length in bytes, in whole pages.
    pub len: usize,
}

/// A run of guest pages. All others are inaccessible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Number of the first page.
    pub first: u32,
    /// Number of pages.
    pub count: u32,
    /// Access rights at the start.
    pub access: Access,
    /// Where in the file the contents are, page-aligned; `None` for zeroes.
    pub file_offset: Option<u64>,
}

/// An image that contradicts itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// Pages past the end of guest memory.
    #[error("image segment of {count} pages at page {first:#x} passes the end of guest memory")]
    PastEnd { first: u32, count: u32 },
    /// Two segments share a page.
    #[error("two image segments hold page {page:#x}")]
    Overlap { page: u32 },
    /// Contents in a file that was not given.
    #[error("image with contents in a file, but no file")]
    NoFile,
}

impl Image {
    /// Puts an image together; `file` holds the jump table and the contents of segments. Empty segments are left out.
    ///
    /// # Errors
    /// When segments overlap, do not fit, or need a file that is not there.
    pub(crate) fn new(
        file: Option<ImageFile>,
        jump_table: Option<JumpTable>,
        mut segments: Vec<Segment>,
    ) -> Result<Self, ImageError> {
        segments.retain(|segment| segment.count > 0);
        segments.sort_by_key(|segment| segment.first);
        let mut free_from = 0;
        for &Segment { first, count, file_offset, .. } in &segments {
            if first < free_from {
                return Err(ImageError::Overlap { page: first });
            }
            free_from =
                first.checked_add(count).filter(|end| *end <= PAGES).ok_or(ImageError::PastEnd { first, count })?;
            if file_offset.is_some() && file.is_none() {
                return Err(ImageError::NoFile);
            }
        }
        if jump_table.is_some() && file.is_none() {
            return Err(ImageError::NoFile);
        }
        let resident = resident(&segments);
        Ok(Self { file, jump_table, segments, resident, contents: OnceLock::new() })
    }

    /// The segments in order of their pages.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Which writable pages stay in memory between guests, and are written anew.
    pub(crate) fn resident(&self) -> &Resident {
        &self.resident
    }

    /// Ranges of pages that are mapped from the file.
    pub(crate) fn mapped_from_file(&self) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        let of_file = self.segments.iter().filter(|segment| segment.file_offset.is_some());
        of_file.flat_map(|segment| self.resident.outside(segment.first, segment.count))
    }

    /// Writes the file's contents to the resident pages that have some. They must be writable, whatever they hold.
    pub(crate) fn write_contents(&self, space: &Reservation) -> Result<(), SysError> {
        let mut at = 0;
        for &(first, count, _) in &self.resident.contents {
            let len = count as usize * PAGE;
            space.write(first, &self.contents()?[at..at + len]);
            at += len;
        }
        Ok(())
    }

    fn contents(&self) -> Result<&[u8], SysError> {
        if let Some(contents) = self.contents.get() {
            return Ok(contents);
        }
        let failed = |source| SysError { operation: "reading a guest's initial data", source };
        let file = self.file.as_ref().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?.get()?;
        let mut contents = Vec::new();
        for &(_, count, offset) in &self.resident.contents {
            let at = contents.len();
            contents.resize(at + count as usize * PAGE, 0);
            file.read_exact_at(&mut contents[at..], offset).map_err(failed)?;
        }
        Ok(self.contents.get_or_init(|| contents))
    }

    /// Whether anything of it is in a file.
    fn is_of_file(&self) -> bool {
        self.jump_table.is_some() || self.segments.iter().any(|segment| segment.file_offset.is_some())
    }

    /// Whether every page is inaccessible, and there is no jump table.
    pub(crate) fn is_blank(&self) -> bool {
        self.segments.is_empty() && self.jump_table.is_none()
    }

    /// Maps this image into an address space that is [blank](Reservation::make_blank).
    pub(crate) fn map_into(&self, space: &Reservation) -> Result<(), SysError> {
        let file = match &self.file {
            Some(file) if self.is_of_file() => Some(file.get()?),
            _ => None,
        };
        let pages = |offset| file.map(|file| FilePages { file: file.as_fd(), offset });
        if let Some(table) = self.jump_table
            && let Some(from) = pages(table.file_offset)
        {
            space.map_jump_table(from, table.len)?;
        }
        for &Segment { first, count, access, file_offset } in &self.segments {
            let Some(offset) = file_offset else {
                space.protect(first, count, access)?;
                continue;
            };
            let mut accessible = 0;
            for (part, len) in self.resident.outside(first, count) {
                space.map(part, len, access, pages(offset + u64::from(part - first) * PAGE as u64))?;
                accessible += len;
            }
            if accessible < count {
                space.protect(first, count, access)?;
            }
        }
        self.write_contents(space)
    }
}

impl Segment {
    /// The part of this segment within `count` pages from `first` on, as first page and number of pages.
    pub(crate) fn within(&self, first: u32, count: u32) -> Option<(u32, u32)> {
        let start = self.first.max(first);
        let end = (self.first + self.count).min(first.saturating_add(count));
        (start < end).then(|| (start, end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeroes(first: u32, count: u32) -> Segment {
        Segment { first, count, access: Access::Write, file_offset: None }
    }

    #[test]
    fn segments_must_fit_and_not_overlap() {
        let image = |segments| Image::new(None, None, segments).map(|image| image.segments.len());
        assert_eq!(image(vec![zeroes(20, 1), zeroes(16, 4), zeroes(PAGES, 0)]), Ok(2));
        assert_eq!(image(vec![zeroes(20, 1), zeroes(16, 5)]), Err(ImageError::Overlap { page: 20 }));
        assert_eq!(image(vec![zeroes(PAGES - 1, 1)]), Ok(1));
        assert_eq!(image(vec![zeroes(PAGES - 1, 2)]), Err(ImageError::PastEnd { first: PAGES - 1, count: 2 }));
        assert!(image(vec![zeroes(u32::MAX, u32::MAX)]).is_err());
    }

    #[test]
    fn contents_need_a_file() {
        let segment = Segment { file_offset: Some(0), ..zeroes(16, 1) };
        assert_eq!(Image::new(None, None, vec![segment]).unwrap_err(), ImageError::NoFile);
        let table = JumpTable { file_offset: 0, len: 4096 };
        assert_eq!(Image::new(None, Some(table), vec![]).unwrap_err(), ImageError::NoFile);
    }

    #[test]
    fn the_shared_part_of_two_ranges() {
        let segment = zeroes(16, 4);
        assert_eq!(segment.within(0, 16), None);
        assert_eq!(segment.within(0, 17), Some((16, 1)));
        assert_eq!(segment.within(18, u32::MAX), Some((18, 2)));
        assert_eq!(segment.within(20, 1), None);
    }
}
