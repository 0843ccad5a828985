//! Finds the parts of a memory that are worth writing: runs of blocks that are not all zero.

use std::ops::Range;

/// Granularity of the scan in bytes: the page size of most hosts.
pub const BLOCK: usize = 4096;

/// Segments that all memories of a dump may have together. Validators, and so many readers, stop at 100,000.
pub const SEGMENT_LIMIT: usize = 99_000;

/// The ranges of `bytes`, inside the given ranges (ascending, disjoint), that are not zero. Between two of them lies at
/// least one whole zero block, and none begins or ends with a zero byte.
pub fn nonzero(bytes: &[u8], within: impl IntoIterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut run: Option<Range<usize>> = None;
    for candidate in within {
        let mut at = candidate.start;
        while at < candidate.end {
            let end = (at / BLOCK * BLOCK + BLOCK).min(candidate.end);
            if !is_zero(&bytes[at..end]) {
                match &mut run {
                    Some(run) if run.end == at => run.end = end,
                    _ => ranges.extend(run.replace(at..end).map(|run| trim(bytes, run))),
                }
            }
            at = end;
        }
    }
    ranges.extend(run.map(|run| trim(bytes, run)));
    ranges
}

/// Joins neighbours across the smallest gaps until at most `limit` ranges are left in all the lists together.
///
/// A gap is never split between memories, so at least one range a list remains.
pub fn thin(lists: &mut [Vec<Range<usize>>], limit: usize) {
    let total: usize = lists.iter().map(Vec::len).sum();
    let Some(excess) = total.checked_sub(limit).filter(|&excess| excess > 0) else { return };
    let gap = |pair: &[Range<usize>]| pair[1].start - pair[0].end;
    let mut gaps: Vec<usize> = lists.iter().flat_map(|list| list.windows(2).map(gap)).collect();
    if gaps.is_empty() {
        return;
    }
    let nth = (excess - 1).min(gaps.len() - 1);
    let widest = *gaps.select_nth_unstable(nth).1;
    for list in lists {
        list.dedup_by(|next, previous| {
            let join = next.start - previous.end <= widest;
            if join {
                previous.end = next.end;
            }
            join
        });
    }
}

/// Returns true if all bytes are zero. Written so that the compiler uses vectors; stops at the first stretch that is
/// not.
fn is_zero(bytes: &[u8]) -> bool {
    let mut chunks = bytes.chunks_exact(128);
    chunks.all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
        && chunks.remainder().iter().all(|&byte| byte == 0)
}

/// Takes zero bytes off both ends of a range that is not all zero.
fn trim(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let run = &bytes[range.clone()];
    let leading = run.iter().take_while(|&&byte| byte == 0).count();
    let trailing = run.iter().rev().take_while(|&&byte| byte == 0).count();
    range.start + leading..range.end - trailing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse(size: usize, set: &[usize]) -> Vec<u8> {
        let mut bytes = vec![0; size];
        for &at in set {
            bytes[at] = 7;
        }
        bytes
    }

    #[test]
    fn runs_of_blocks_are_joined_and_trimmed() {
        let bytes = sparse(5 * BLOCK + 100, &[3, 17, BLOCK + 1, 3 * BLOCK + 5, 5 * BLOCK + 99]);
        let found = nonzero(&bytes, std::iter::once(0..bytes.len()));
        assert_eq!(found, [3..BLOCK + 2, 3 * BLOCK + 5..3 * BLOCK + 6, 5 * BLOCK + 99..5 * BLOCK + 100]);
    }

    #[test]
    fn only_the_given_ranges_are_looked_at() {
        let bytes = sparse(4 * BLOCK, &[5, BLOCK + 5, 3 * BLOCK]);
        let found = nonzero(&bytes, [0..BLOCK, 3 * BLOCK..4 * BLOCK]);
        assert_eq!(found, [5..6, 3 * BLOCK..3 * BLOCK + 1]);
    }

    #[test]
    fn nothing_but_zeros_gives_nothing() {
        assert!(nonzero(&[0; 10_000], std::iter::once(0..10_000)).is_empty());
        assert!(nonzero(&[], std::iter::once(0..0)).is_empty());
    }

    #[test]
    fn the_smallest_gaps_are_closed_first() {
        let mut lists = [vec![0..10, 20..30, 100..110, 1000..1010], vec![0..1, 6..7]];
        thin(&mut lists, 4);
        assert_eq!(lists.concat(), [0..30, 100..110, 1000..1010, 0..7]);
        thin(&mut lists, 1);
        assert_eq!(lists.concat(), [0..1010, 0..7]);
    }
}
