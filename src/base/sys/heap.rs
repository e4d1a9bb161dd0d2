//! In: sizes. Out: memory, from free blocks of about that size.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::{Mutex, MutexGuard};

use crate::base::sys::process::locked;
use crate::base::sys::start::note_exhaustion;

/// The heap: a list of free blocks for each size, and fresh blocks from one place. What musl
/// brings with it here (zig 0.17, lib/std/heap/SmpAllocator.zig) spins on its locks, so that
/// of 512 threads those that wait take the processor from the one that holds it; it rounds
/// sizes up to powers of two, and asks the kernel for memory twice for each of them.
struct Heap(Mutex<Blocks>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Blocks {
    free: [std::ptr::null_mut(); SIZES],
    fresh: std::ptr::null_mut(),
    left: 0,
}));

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
        let Some(first) = self.free.get_mut(index) else { return std::ptr::null_mut() };
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
            return std::ptr::null_mut();
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
    match unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) } {
        libc::MAP_FAILED => {
            note_exhaustion();
            std::ptr::null_mut()
        }
        pages => pages.cast(),
    }
}

impl Heap {
    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        locked(&self.0)
    }
}

// SAFETY: a block is on a list or belongs to whoever took it; the sizes are multiples of 16,
// as chunks begin at pages. A mutex of futexes allocates nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match block_index(layout) {
            Some(index) => self.blocks().take(index),
            // Nothing asks for more than the alignment of a page.
            None if layout.align() > PAGE_MIN => std::ptr::null_mut(),
            None => map(layout.size()),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match block_index(layout) {
            Some(index) => self.blocks().give(index, memory),
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
/// All blocks begin at multiples of this.
const BLOCK_ALIGN: usize = 16;
/// Bytes asked of the kernel at a time; only what is touched counts.
const CHUNK: usize = 256 << 10;
/// The smallest page of the machines that Linux runs on.
const PAGE_MIN: usize = 4096;
