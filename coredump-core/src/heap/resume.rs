//! Finds out which of two headers is broken. The size of a block leads to the next header, so a size that was written
//! over shows only there: it leads to the middle of some other block, where no sound header is.

/// Headers that follow each other from a place on, before it is believed that blocks go on there.
const ENOUGH: usize = 4;
/// Headers that are looked at in all.
const MOST: usize = 1 << 20;

/// Returns the address between `first` and `broken` at which blocks go on. `broken` is the address to which the size of
/// the block before led, and where no sound header is: if blocks go on earlier, that size is wrong. `next` returns the
/// address at which the block at an address ends, if its header is sound; blocks end at `end`, and addresses are
/// multiples of `step` apart.
pub fn resumes(first: u64, broken: u64, step: u64, end: u64, next: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    let mut left = MOST;
    let mut start = first;
    while start < broken && left > 0 {
        let (mut at, mut sound) = (start, 0);
        // A chain that comes to the broken header says nothing against it.
        while left > 0 && at != broken && (at < broken || sound < ENOUGH) && at != end {
            left -= 1;
            match next(at).filter(|&next| next > at && next <= end) {
                Some(next) => (at, sound) = (next, sound + 1),
                None => break,
            }
        }
        if at > broken && (at == end || sound >= ENOUGH) {
            return Some(start);
        }
        start = start.checked_add(step)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::resumes;

    /// Blocks of 32 bytes from 0 to 320, but for what `lies` says of one of them.
    fn next(lies: (u64, u64)) -> impl Fn(u64) -> Option<u64> {
        move |at| match at {
            at if at == lies.0 => Some(at + lies.1),
            at if at % 32 == 0 => Some(at + 32),
            _ => None,
        }
    }

    #[test]
    fn a_size_that_leads_into_another_block_is_the_wrong_one() {
        // The block at 64 says 80 bytes: there is no header at 144, and blocks go on at 96.
        assert_eq!(resumes(72, 144, 8, 320, next((64, 80))), Some(96));
    }

    #[test]
    fn a_header_that_blocks_lead_to_is_broken_itself() {
        // The block at 64 ends at 96, where nothing sound is: no blocks go on inside of it.
        assert_eq!(resumes(72, 96, 8, 320, next((96, 0))), None);
    }
}
