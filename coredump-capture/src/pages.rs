//! Which pages of this process hold anything: reading one that was never touched would only make the host provide it.

use std::ops::Range;

/// Pages asked for at once.
#[cfg(target_os = "linux")]
const CHUNK: usize = 1 << 15;

/// Pages whose entries are looked at together: most were never touched.
#[cfg(target_os = "linux")]
const GROUP: usize = 16;

/// The parts of `bytes` that may differ from zero, as offsets into it, ascending and disjoint.
///
/// Sound only for memory without a copy-on-write image behind it, whose pages hold data before they are first touched:
/// the engine is set up without such images ([`crate::setup`]). Where the host does not tell, that is all of it.
pub fn touched(bytes: &[u8]) -> Vec<Range<usize>> {
    #[cfg(target_os = "linux")]
    if let Some(ranges) = pagemap(bytes) {
        return ranges;
    }
    std::iter::once(0..bytes.len()).collect()
}

/// Reads `/proc/self/pagemap` (Linux, `Documentation/admin-guide/mm/pagemap.rst`): 64 bits a page, of which bit 63 says
/// "in memory" and bit 62 "swapped out". Both are shown to unprivileged processes.
#[cfg(target_os = "linux")]
fn pagemap(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    use std::os::unix::fs::FileExt;

    const PAGE: usize = 4096;
    // Entries count pages of the host's size; a host with other pages is scanned instead.
    if page_size::get() != PAGE {
        return None;
    }
    let map = std::fs::File::open("/proc/self/pagemap").ok()?;
    let start = bytes.as_ptr() as usize;
    let first = start / PAGE;
    let last = (start + bytes.len()).div_ceil(PAGE);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut entries = vec![0; CHUNK.min(last - first) * 8];
    let mut page = first;
    while page < last {
        let count = CHUNK.min(last - page);
        let entries = &mut entries[..count * 8];
        map.read_exact_at(entries, page as u64 * 8).ok()?;
        for (group, entries) in entries.chunks(8 * GROUP).enumerate() {
            if entries.iter().fold(0, |any, byte| any | byte) == 0 {
                continue;
            }
            for (index, entry) in entries.chunks_exact(8).enumerate() {
                if entry[7] & 0b1100_0000 == 0 {
                    continue;
                }
                let at = (page + group * GROUP + index) * PAGE;
                let range = at.saturating_sub(start)..(at + PAGE - start).min(bytes.len());
                match ranges.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => ranges.push(range),
                }
            }
        }
        page += count;
    }
    Some(ranges)
}
