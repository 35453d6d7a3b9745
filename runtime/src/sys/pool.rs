//! Memories that wait for their next guest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Image, SysError};
use crate::memory::MappedMemory;

/// Most memories that wait. Each holds 4 GiB of address space, a page and page tables, and its image's file, but no
/// guest's data.
const MAX_WAITING: usize = 64;

thread_local! {
    /// Only its address counts, by which threads are told apart.
    static HERE: u8 = const { 0 };
}

/// A number that threads running at the same time do not share. One that begins later may have that of one that ended.
fn this_thread() -> usize {
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

/// A memory without a guest.
#[derive(Debug)]
struct Waiting {
    memory: MappedMemory,
    /// Who put it here: its pages are in the caches of the processor that ran it, and others would have to fetch them.
    thread: usize,
}

/// A bounded store of memories. They are reset before they are put in, so that they are ready for another guest of the
/// same module. For another module all mappings are made anew, which takes several times as long as clearing: a memory
/// only changes modules when its own is gone, or the pool is full.
#[derive(Default, Debug)]
pub(crate) struct Pool {
    /// Those that waited longest come first.
    waiting: Mutex<Vec<Waiting>>,
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
        // A memory that cannot be cleaned is given back to the system, which cleans it too.
        if !is_sole || memory.reset(&image).is_err() {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() < MAX_WAITING {
            waiting.push(Waiting { memory, thread: this_thread() });
        }
    }

    fn take_waiting(&self, image: &Arc<Image>) -> Option<MappedMemory> {
        self.take_at(|waiting| {
            // The last one that this thread had is most likely still in the processor's caches.
            let thread = this_thread();
            let same = |waiting: &Waiting| has_image(&waiting.memory, image);
            let own = waiting.iter().rposition(|waiting| waiting.thread == thread && same(waiting));
            let of_another = || waiting.iter().rposition(same);
            let of_no_module = || waiting.iter().position(|waiting| is_of_no_module(&waiting.memory));
            own.or_else(of_another).or_else(of_no_module).or((waiting.len() == MAX_WAITING).then_some(0))
        })
    }

    fn take_at(&self, choose: impl FnOnce(&[Waiting]) -> Option<usize>) -> Option<MappedMemory> {
        let mut waiting = self.waiting();
        let index = choose(&waiting).filter(|&index| index < waiting.len())?;
        Some(waiting.remove(index).memory)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
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
        assert_eq!(memory.context(), MappedMemory::new().unwrap().context());
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
    fn threads_get_back_what_they_had() {
        let pool = Pool::default();
        let image = image(16);
        let turn = || {
            let memory = pool.take(&image).unwrap();
            let base = memory.base() as usize;
            pool.put(memory);
            base
        };
        let [here, there] = [&image; 2].map(|image| pool.take(image).unwrap());
        let bases = [here.base() as usize, there.base() as usize];
        pool.put(here);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pool.put(there);
                assert_eq!([turn(), turn()], [bases[1]; 2]);
            });
        });
        // Another thread put one back later.
        assert_eq!([turn(), turn()], [bases[0]; 2]);
        // What another thread had is better than a new one.
        let first = pool.take(&image).unwrap();
        assert_eq!(turn(), bases[1]);
        drop(first);
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
