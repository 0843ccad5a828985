//! Folds recursion: runs of the same few frames are shown once.

use std::ops::Range;

use crate::model::Frame;

/// The most frames of a repeated block.
const MAX_PERIOD: usize = 16;
/// The fewest frames that folding must save.
const MIN_SAVED: usize = 3;

/// A part of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoldedPart {
    /// These frames, one by one.
    Frames(Range<usize>),
    /// Frames that repeat the block before them.
    Repeat {
        /// The indices of the frames that need not be shown.
        frames: Range<usize>,
        /// The number of frames that the repeated block has.
        period: usize,
        /// The number of times that the block is repeated in `frames`.
        times: usize,
    },
}

/// Divides a thread's frames into parts. Frames with the same instance, function and code offset count as the same.
pub fn frames(frames: &[Frame]) -> Vec<FoldedPart> {
    let key = |index: usize| (frames[index].instance, frames[index].function, frames[index].code_offset);
    fold(frames.len(), |a, b| key(a) == key(b))
}

/// Divides the frames `0..count` into parts; `same` compares two of them.
fn fold(count: usize, same: impl Fn(usize, usize) -> bool) -> Vec<FoldedPart> {
    let mut parts = Vec::new();
    let mut plain = 0;
    let mut start = 0;
    while start < count {
        let best = (1..=MAX_PERIOD.min(count - start))
            .map(|period| (repeats(start, period, count, &same), period))
            .filter(|&(times, period)| times * period >= MIN_SAVED)
            // The longest run is taken; of equally long runs the one with the shortest block.
            .max_by_key(|&(times, period)| (times * period, std::cmp::Reverse(period)));
        let Some((times, period)) = best else {
            start += 1;
            continue;
        };
        let first = start + period;
        let end = first + times * period;
        parts.push(FoldedPart::Frames(plain..first));
        parts.push(FoldedPart::Repeat { frames: first..end, period, times });
        (plain, start) = (end, end);
    }
    if plain < count {
        parts.push(FoldedPart::Frames(plain..count));
    }
    parts
}

/// Counts the repetitions of the block of `period` frames at `start` after itself.
fn repeats(start: usize, period: usize, count: usize, same: &impl Fn(usize, usize) -> bool) -> usize {
    let equal = (start..count - period).take_while(|&at| same(at, at + period)).count();
    equal / period
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(frames: &str) -> Vec<FoldedPart> {
        let frames = frames.as_bytes();
        fold(frames.len(), |a, b| frames[a] == frames[b])
    }

    #[test]
    fn runs_of_one_frame_fold() {
        let expected = [
            FoldedPart::Frames(0..2),
            FoldedPart::Repeat { frames: 2..6, period: 1, times: 4 },
            FoldedPart::Frames(6..7),
        ];
        assert_eq!(folded("abbbbbc"), expected);
    }

    #[test]
    fn mutual_recursion_folds_with_its_rest() {
        let expected = [
            FoldedPart::Frames(0..3),
            FoldedPart::Repeat { frames: 3..9, period: 2, times: 3 },
            FoldedPart::Frames(9..11),
        ];
        assert_eq!(folded("xababababaz"), expected);
    }

    #[test]
    fn what_saves_little_stays() {
        assert_eq!(folded("aaab"), [FoldedPart::Frames(0..4)]);
        assert_eq!(folded("abcabx"), [FoldedPart::Frames(0..6)]);
        assert_eq!(folded(""), []);
    }

    #[test]
    fn a_million_frames_fold_at_once() {
        let parts = fold(1_000_000, |a, b| a % 3 == b % 3);
        assert_eq!(parts[1], FoldedPart::Repeat { frames: 3..999_999, period: 3, times: 333_332 });
    }
}
