//! Memories that wait for their next guest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Image, SysError};
use crate::memory::MappedMemory;

/// Most memories that wait. Each holds 4 GiB of address space, a page and page tables, and its image's file, but no
/// guest's data.
const MAX_WAITING: usize = 64;

/// A bounded store of memories. They are reset before they are put in, so that they are ready for another guest of the
/// same module. For another module all mappings are made anew, which takes several times as long as clearing: a memory
/// only changes modules when its own is gone, or the pool is full.
#[derive(Default, Debug)]
pub(crate) struct Pool {
    /// Those that waited longest come first.
    waiting: Mutex<Vec<MappedMemory>>,
}

impl Pool {
    /// A memory that is what `image` says: preferably one that was so before, which costs next to nothing.
    ///
    /// # Errors
    /// When the system refuses address space or mappings.
    pub(crate) fn take(&self, image: &Arc<Image>) -> Result<MappedMemory, SysError> {
        let mut memory = match self.take_waiting(image) {
            Some(memory) => memory,
            // Where address space is scarce, what there is has to do.
            None => MappedMemory::new().or_else(|error| self.take_at(|_| Some(0)).ok_or(error))?,
        };
        if !has_image(&memory, image) {
            memory.reset(image)?;
        }
        Ok(memory)
    }

    /// Puts a memory back that no code runs in. Its contents are gone afterwards.
    pub(crate) fn put(&self, mut memory: MappedMemory) {
        let Some(image) = memory.image().cloned() else { return };
        // Someone else could still write to a reservation they hold.
        let is_sole = Arc::strong_count(memory.reservation()) == 1;
        // There is no use in cleaning one too many.
        if !is_sole || self.waiting().len() >= MAX_WAITING {
            return;
        }
        // A memory that cannot be cleaned is given back to the system, which cleans it too.
        if memory.reset(&image).is_err() {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() < MAX_WAITING {
            waiting.push(memory);
        }
    }

    fn take_waiting(&self, image: &Arc<Image>) -> Option<MappedMemory> {
        self.take_at(|waiting| {
            // The last one is most likely still in the processor's caches.
            let same = waiting.iter().rposition(|memory| has_image(memory, image));
            let of_no_module = || waiting.iter().position(is_of_no_module);
            same.or_else(of_no_module).or((waiting.len() == MAX_WAITING).then_some(0))
        })
    }

    fn take_at(&self, choose: impl FnOnce(&[MappedMemory]) -> Option<usize>) -> Option<MappedMemory> {
        let mut waiting = self.waiting();
        let index = choose(&waiting).filter(|&index| index < waiting.len())?;
        Some(waiting.remove(index))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<MappedMemory>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody can ask for this memory's image any more: one module has it, which is gone.
fn is_of_no_module(memory: &MappedMemory) -> bool {
    memory.image().is_none_or(|image| Arc::strong_count(image) == 1)
}

fn has_image(memory: &MappedMemory, image: &Arc<Image>) -> bool {
    memory.image().is_some_and(|has| Arc::ptr_eq(has, image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Access, GuestMemory};
    use crate::sys::Segment;

    fn image(first: u32) -> Arc<Image> {
        let segment = Segment { first, count: 2, access: Access::Write, file_offset: None };
        Arc::new(Image::new(None, None, vec![segment]).unwrap())
    }

    fn dirty(mut memory: MappedMemory) -> MappedMemory {
        *memory.context() = [0x5ec2e7; _];
        let mut guest = GuestMemory::Mapped(memory);
        guest.write(16 << 12, &[0xaa; 8192]).unwrap();
        guest.set_access(1 << 10, 3, Access::Write).unwrap();
        guest.write(1 << 22, &[0xbb; 3 << 12]).unwrap();
        guest.set_access(16, 1, Access::None).unwrap();
        guest.set_access(1 << 10, 1, Access::Read).unwrap();
        let GuestMemory::Mapped(memory) = guest else { unreachable!("made above") };
        memory
    }

    /// Every byte that any page can be made to show.
    fn assert_clean(memory: MappedMemory) {
        let mut memory = memory;
        assert_eq!(*memory.context(), [0; _]);
        let mut guest = GuestMemory::Mapped(memory);
        for (first, count) in [(16, 2), (1 << 10, 3), (20, 2)] {
            guest.set_access(first, count, Access::Read).unwrap();
            let bytes = guest.read(u64::from(first) << 12, u64::from(count) << 12).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "page {first}");
        }
    }

    #[test]
    fn nothing_of_the_last_guest_is_left() {
        let pool = Pool::default();
        let (last, next) = (image(16), image(20));
        pool.put(dirty(pool.take(&last).unwrap()));
        let again = pool.take(&last).unwrap();
        assert!(has_image(&again, &last));
        assert_clean(again);
        // Also for another module, once that of the memory is gone.
        let memory = dirty(pool.take(&last).unwrap());
        let base = memory.base();
        pool.put(memory);
        drop(last);
        let other = pool.take(&next).unwrap();
        assert!(has_image(&other, &next) && other.base() == base);
        assert_clean(other);
    }

    #[test]
    fn modules_do_not_take_memories_from_each_other() {
        let pool = Pool::default();
        let images = [image(16), image(20), image(24)];
        let turn = |image| {
            let memory = pool.take(image).unwrap();
            let base = memory.base();
            pool.put(memory);
            base
        };
        let bases = images.each_ref().map(turn);
        assert_eq!(images.each_ref().map(turn), bases);
        assert_eq!(pool.waiting().len(), images.len());
    }

    #[test]
    fn of_a_full_pool_the_memory_that_waited_longest_changes_modules() {
        let pool = Pool::default();
        let (first, second) = (image(16), image(20));
        let memories: Vec<_> = (0..MAX_WAITING).map(|_| pool.take(&first).unwrap()).collect();
        let bases: Vec<_> = memories.iter().map(MappedMemory::base).collect();
        memories.into_iter().for_each(|memory| pool.put(dirty(memory)));
        let taken = [0, 1].map(|_| pool.take(&second).unwrap());
        assert_eq!(taken[0].base(), bases[0]);
        assert!(!bases.contains(&taken[1].base()), "there is room for another one now");
        taken.into_iter().for_each(assert_clean);
    }

    #[test]
    fn the_same_image_gets_the_same_memory() {
        let pool = Pool::default();
        let (first, second) = (image(16), image(20));
        let (one, two) = (pool.take(&first).unwrap(), pool.take(&second).unwrap());
        let base = one.base();
        pool.put(one);
        pool.put(two);
        assert_eq!(pool.take(&first).unwrap().base(), base);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = Pool::default();
        let image = image(16);
        let memories: Vec<_> = (0..=MAX_WAITING).map(|_| pool.take(&image).unwrap()).collect();
        for (count, memory) in (1..).zip(memories) {
            pool.put(memory);
            assert_eq!(pool.waiting().len(), count.min(MAX_WAITING));
        }
    }

    #[test]
    fn a_memory_that_is_still_referred_to_is_not_used_again() {
        let pool = Pool::default();
        let memory = pool.take(&image(16)).unwrap();
        let held = Arc::clone(memory.reservation());
        pool.put(memory);
        assert!(pool.waiting().is_empty());
        drop(held);
    }
}
