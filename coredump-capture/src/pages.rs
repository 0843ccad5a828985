//! Finds the pages of this process that hold anything: reading one that was never touched would only make the host
//! provide it.

use std::ops::Range;

/// Pages asked for at once.
#[cfg(target_os = "linux")]
const CHUNK: usize = 1 << 15;

/// Pages whose entries are looked at together: most were never touched.
#[cfg(target_os = "linux")]
const GROUP: usize = 16;

/// The parts of `bytes` that may differ from zero, as offsets into it, ascending and disjoint.
///
/// Pages of a copy-on-write image hold data before they are first touched, so those that a file is mapped to are always
/// among them. If the host does not report pages, the result is all of `bytes`.
pub fn touched(bytes: &[u8]) -> Vec<Range<usize>> {
    #[cfg(target_os = "linux")]
    if let Some(touched) = pagemap(bytes)
        && let Some(images) = images(bytes)
    {
        return union(touched, images);
    }
    std::iter::once(0..bytes.len()).collect()
}

/// The parts of `bytes` that files are mapped to (Linux, proc_pid_maps(5): their inode is not 0).
#[cfg(target_os = "linux")]
fn images(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let (first, last) = (bytes.as_ptr() as usize, bytes.as_ptr() as usize + bytes.len());
    let mut ranges = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        let (start, end) = (start.max(first), end.min(last));
        if start < end && fields.nth(3)? != "0" {
            ranges.push(start - first..end - first);
        }
    }
    Some(ranges)
}

/// Returns the union of two lists of ranges. All three are ascending and disjoint.
#[cfg(target_os = "linux")]
fn union(one: Vec<Range<usize>>, other: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut all = [one, other].concat();
    all.sort_by_key(|range| range.start);
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(all.len());
    for range in all {
        match ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => ranges.push(range),
        }
    }
    ranges
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_mapped_file_count_before_they_are_touched() {
        const PAGE: usize = 4096;
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &vec![7; 2048 * PAGE]).unwrap();
        let mapped = coredump_core::internals::mapped::Bytes::from_file(file).unwrap();
        let covered: usize = touched(&mapped).iter().map(|range| range.len()).sum();
        assert_eq!(covered, mapped.len());
    }

    #[test]
    fn ranges_of_two_lists_are_joined() {
        assert_eq!(union(vec![0..10, 20..30, 50..60], vec![5..20, 55..58, 70..80]), [0..30, 50..60, 70..80]);
        assert_eq!(union(vec![], vec![1..2]), [1..2]);
    }
}
