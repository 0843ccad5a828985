//! Loads a dump's pages into memory ahead of a search, on another processor: for a big dump, that takes as long as the
//! search itself.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use coredump_core::memory::{Chunk, Memory};

/// The size in bytes from which on loading ahead saves time.
const WORTH: u64 = 64 << 20;
/// The step in bytes: where one byte is read, the system loads those around it (64 KiB on Linux).
const STEP: usize = 64 << 10;

/// Runs `search`, which reads all that the dump holds of `range`, in order, while another thread loads the pages.
pub fn ahead<T>(memory: &Memory<'_>, range: Range<u64>, search: impl FnOnce() -> T) -> T {
    let held: Vec<&[u8]> = memory
        .chunks(range)
        .filter_map(|chunk| match chunk {
            Chunk::Captured(segment) => Some(segment.bytes),
            _ => None,
        })
        .collect();
    let size = held.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
    // The system is asked only if loading ahead may save time, as a dump may have a million memories.
    let alone = || thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    // Pages that do not fit into memory would be evicted before the search reaches them.
    if size < WORTH || alone() || available().is_none_or(|available| size > available / 2) {
        return search();
    }
    let done = AtomicBool::new(false);
    let touch = || {
        for part in held.iter().flat_map(|bytes| bytes.chunks(STEP)) {
            if done.load(Ordering::Relaxed) {
                return;
            }
            std::hint::black_box(part[0]);
        }
    };
    thread::scope(|scope| {
        // Without the thread, the search has the same result, but is slower.
        let _ = thread::Builder::new().spawn_scoped(scope, touch);
        let result = search();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Returns the number of bytes of memory that are available, including those of the system's page cache.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use coredump_core::memory::Segment;

    use super::*;

    #[test]
    fn a_search_ends_when_it_is_done_however_much_is_left_to_bring_in() {
        let contents = vec![1; WORTH as usize + 1];
        let mut memory = Memory::new(1 << 30);
        memory.set_contents(vec![Segment { address: 1 << 20, bytes: &contents }], Vec::new());
        assert_eq!(ahead(&memory, 0..memory.size, || contents.iter().position(|&byte| byte == 1)), Some(0));
        assert_eq!(ahead(&memory, 0..100, || "nothing is held there"), "nothing is held there");
    }
}
