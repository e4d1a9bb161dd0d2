//! In: sizes. Out: memory, from free blocks of about that size.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use std::sync::Mutex;

use crate::base::sys::process::locked;
use crate::base::sys::start::note_exhaustion;

/// The heap: a list of free blocks for each size, and fresh blocks from one place. What musl
/// brings with it here (zig 0.17, lib/std/heap/SmpAllocator.zig) spins on its locks, so that
/// of 512 threads those that wait take the processor from the one that holds it; it rounds
/// sizes up to powers of two, and asks the kernel for memory twice for each of them.
///
/// Measured in pairs on two busy processors, as shares of what the same file takes with musl's:
/// a single `-z` 0.89 of the processor time, a TLS check with `--ca` 0.92, closed rows of a list
/// 1.0 as text and 0.86 of the time with `--json`, in nine tenths of the memory. It adds 3.5 kB to
/// the file. Without blocks of the threads' own, rows as JSON took 1.4 of what they take with
/// them, and twice the waits in the kernel. `tests/unit/base/sys/heap.rs` fills, moves and
/// checks blocks of several threads; `build-scripts/miri` runs it where each access is checked.
struct Heap(Mutex<Blocks>);

#[global_allocator]
static HEAP: Heap =
    Heap(Mutex::new(Blocks { free: [null_mut(); SIZES], fresh: null_mut(), left: 0 }));

struct Blocks {
    /// The first free block of each size, which begins with the address of the next.
    free: [*mut u8; SIZES],
    /// Memory that nobody has had yet, and how many bytes of it.
    fresh: *mut u8,
    left: usize,
}

// SAFETY: they point to memory that belongs to the process, whichever thread asks.
unsafe impl Send for Blocks {}

impl Blocks {
    /// A block of a size of ours; null if there is no memory.
    fn take(&mut self, index: usize) -> *mut u8 {
        let Some(first) = self.free.get_mut(index) else { return null_mut() };
        let block = *first;
        if !block.is_null() {
            // SAFETY: `give` put the address of the next one there.
            *first = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        let size = block_size(index);
        if self.left < size {
            // What is left stays untouched, so it takes up addresses and no memory.
            self.fresh = map(CHUNK);
            self.left = if self.fresh.is_null() { 0 } else { CHUNK };
        }
        if self.left < size {
            return null_mut();
        }
        let block = self.fresh;
        // SAFETY: `left` says that so many bytes follow.
        self.fresh = unsafe { block.add(size) };
        self.left -= size;
        block
    }

    /// Takes a block of that size back.
    fn give(&mut self, index: usize, block: *mut u8) {
        if let Some(first) = self.free.get_mut(index) {
            // SAFETY: nobody else has the block, and it has room for a pointer.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        }
    }
}

/// Which of our sizes holds so many bytes: each multiple of 16 up to 128, then four between
/// one power of two and the next, so that at most a fifth is lost. `None`: pages of its own.
pub fn block_index(layout: Layout) -> Option<usize> {
    let size = layout.size().max(1);
    if size > BLOCK_MAX || layout.align() > BLOCK_ALIGN {
        return None;
    }
    if size <= 128 {
        return Some((size - 1) / 16);
    }
    let power = (size - 1).ilog2() as usize;
    Some(8 + (power - 7) * 4 + ((size - 1) >> (power - 2)) - 4)
}

/// The bytes of a block.
pub fn block_size(index: usize) -> usize {
    match index.checked_sub(8) {
        None => (index + 1) * 16,
        Some(above) => (above % 4 + 5) << (above / 4 + 5),
    }
}

/// Pages of zeros; null if there are none.
fn map(bytes: usize) -> *mut u8 {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, where the kernel likes.
    match unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) } {
        libc::MAP_FAILED => {
            note_exhaustion();
            null_mut()
        }
        pages => pages.cast(),
    }
}

/// Small blocks that a thread keeps for itself, so that those at work seldom wait for each other.
struct Own {
    free: [*mut u8; OWN_SIZES],
    count: [usize; OWN_SIZES],
    /// How many are taken from the others at a time: twice as many each time, so that a thread
    /// that needs few touches few.
    batch: [usize; OWN_SIZES],
    /// Only where somebody will give them back: see `with_own_blocks`.
    on: bool,
}

thread_local! {
    // Without a destructor, which would need the heap to be noted.
    static OWN: UnsafeCell<Own> = const {
        let (free, count, batch) = ([null_mut(); OWN_SIZES], [0; OWN_SIZES], [1; OWN_SIZES]);
        UnsafeCell::new(Own { free, count, batch, on: false })
    };
}

/// Does work for which this thread keeps some small blocks for itself; then gives them back.
pub fn with_own_blocks(work: &mut dyn FnMut()) {
    OWN.with(|own| {
        // SAFETY: this thread's own, and no reference to it lasts longer than this.
        unsafe { (*own.get()).on = true };
        work();
        // SAFETY: as above; `spill` does not call the heap from outside.
        let own = unsafe { &mut *own.get() };
        own.on = false;
        (0..OWN_SIZES).for_each(|index| own.spill(index, 0));
    });
}

impl Own {
    /// A block of that size from those kept here, or from the others.
    fn take(&mut self, index: usize) -> Option<*mut u8> {
        let (first, count) = (self.free.get_mut(index)?, self.count.get_mut(index)?);
        if first.is_null() {
            let batch = self.batch.get_mut(index)?;
            let mut blocks = locked(&HEAP.0);
            for _ in 0..*batch {
                let block = blocks.take(index);
                if block.is_null() {
                    break;
                }
                // SAFETY: nobody else has the block, and it has room for a pointer.
                unsafe { block.cast::<*mut u8>().write(*first) };
                (*first, *count) = (block, *count + 1);
            }
            *batch = (*batch * 2).min(own_max(index) / 2);
        }
        let block = *first;
        if !block.is_null() {
            // SAFETY: the address of the next one stands in each that is kept.
            *first = unsafe { block.cast::<*mut u8>().read() };
            *count -= 1;
        }
        Some(block)
    }

    /// Keeps a block of that size; half of them go back when there are too many.
    fn give(&mut self, index: usize, block: *mut u8) -> Option<()> {
        let (first, count) = (self.free.get_mut(index)?, self.count.get_mut(index)?);
        // SAFETY: nobody else has the block, and it has room for a pointer.
        unsafe { block.cast::<*mut u8>().write(*first) };
        (*first, *count) = (block, *count + 1);
        if *count > own_max(index) {
            self.spill(index, own_max(index) / 2);
        }
        Some(())
    }

    /// Gives all but so many blocks of that size back to the others.
    fn spill(&mut self, index: usize, keep: usize) {
        let (Some(first), Some(count)) = (self.free.get_mut(index), self.count.get_mut(index))
        else {
            return;
        };
        let mut blocks = locked(&HEAP.0);
        while *count > keep && !first.is_null() {
            let block = *first;
            // SAFETY: the address of the next one stands in each that is kept.
            *first = unsafe { block.cast::<*mut u8>().read() };
            *count -= 1;
            blocks.give(index, block);
        }
    }
}

/// How many blocks of a size a thread keeps: 2 KiB of them, 4 at least, and 16 at most.
fn own_max(index: usize) -> usize {
    (2048 / block_size(index)).clamp(4, 16)
}

impl Heap {
    fn take(&self, index: usize) -> *mut u8 {
        OWN.with(|own| {
            // SAFETY: this thread's own, and `Own` does not call the heap from outside.
            let own = unsafe { &mut *own.get() };
            let kept = if own.on { own.take(index) } else { None };
            kept.unwrap_or_else(|| locked(&self.0).take(index))
        })
    }

    fn give(&self, index: usize, block: *mut u8) {
        OWN.with(|own| {
            // SAFETY: as above.
            let own = unsafe { &mut *own.get() };
            let kept = if own.on { own.give(index, block) } else { None };
            kept.unwrap_or_else(|| locked(&self.0).give(index, block));
        });
    }
}

// SAFETY: a block is on a list or belongs to whoever took it; the sizes are multiples of 16,
// as chunks begin at pages. A mutex of futexes allocates nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match block_index(layout) {
            Some(index) => self.take(index),
            // Nothing asks for more than the alignment of a page.
            None if layout.align() > PAGE_MIN => null_mut(),
            None => map(layout.size()),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match block_index(layout) {
            Some(index) => self.give(index, memory),
            // SAFETY: `alloc` mapped so many bytes there.
            None => drop(unsafe { libc::munmap(memory.cast(), layout.size()) }),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `alloc` asks for; the block has `size` bytes.
        unsafe {
            let memory = self.alloc(layout);
            if block_index(layout).is_some() && !memory.is_null() {
                memory.write_bytes(0, layout.size());
            }
            memory
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that size and alignment go together.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (block_index(layout), block_index(new)) {
            (Some(old), Some(index)) if old == index => memory,
            (None, None) => {
                let may = libc::MREMAP_MAYMOVE;
                // SAFETY: `alloc` mapped the old size there.
                match unsafe { libc::mremap(memory.cast(), layout.size(), size, may) } {
                    // A sandbox may not know the call.
                    // SAFETY: the caller promises what `moved` asks for.
                    libc::MAP_FAILED => unsafe { self.moved(memory, layout, new) },
                    pages => pages.cast(),
                }
            }
            // SAFETY: as above.
            _ => unsafe { self.moved(memory, layout, new) },
        }
    }
}

impl Heap {
    /// The same bytes in a new place; null if there is none, and then they stay.
    ///
    /// # Safety
    /// What `realloc` asks for.
    unsafe fn moved(&self, memory: *mut u8, layout: Layout, new: Layout) -> *mut u8 {
        // SAFETY: two blocks that do not overlap, of at least the smaller size.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(memory, layout.size().min(new.size()));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}

/// Largest block that comes from a list; beyond it, memory goes back to the kernel at once.
const BLOCK_MAX: usize = 32 << 10;
/// Sizes of blocks: `block_index` of the largest, and one.
const SIZES: usize = 40;
/// Sizes of which threads keep blocks: up to 1 KiB.
const OWN_SIZES: usize = 20;
/// All blocks begin at multiples of this.
const BLOCK_ALIGN: usize = 16;
/// Bytes asked of the kernel at a time; only what is touched counts.
const CHUNK: usize = 256 << 10;
/// The smallest page of the machines that Linux runs on.
const PAGE_MIN: usize = 4096;
