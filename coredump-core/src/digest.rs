//! A digest of a module that is quick to check: its BLAKE3, lower-case hex, as `b3sum` prints it.
//!
//! BLAKE3 is quicker than SHA-256, and it is a tree: each MiB is a subtree of its own, which any processor can hash,
//! and the subtrees are merged to the hash of the whole (`blake3::hazmat`).

use std::fs::File;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};

use crate::buffer::read_in_parts;
use crate::text::hex;

/// Bytes of a subtree that is hashed as one: a power of two of BLAKE3's chunks of 1 KiB.
const PIECE: usize = 1 << 20;
/// The number of pieces that are worth a thread of their own.
const WORTH: usize = 8;

/// The digest of bytes in memory.
pub fn of_bytes(bytes: &[u8]) -> String {
    let piece = |range: Range<usize>, hash: &mut dyn FnMut(&[u8])| {
        hash(&bytes[range]);
        Some(())
    };
    of_pieces(bytes.len(), &piece).unwrap_or_default()
}

/// The digest of a file of `size` bytes. The file is read and not mapped, so that no page of it becomes resident.
/// `None` if it cannot be read, or has another size.
pub fn of_file(file: &File, size: usize) -> Option<String> {
    (file.metadata().ok()?.len() == size as u64).then_some(())?;
    let piece = |range: Range<usize>, hash: &mut dyn FnMut(&[u8])| {
        let range = range.start as u64..range.end as u64;
        read_in_parts(file, range, |_, part| {
            hash(part);
            Ok(())
        })
        .ok()
    };
    of_pieces(size, &piece)
}

type ReadPiece<'r> = &'r (dyn Fn(Range<usize>, &mut dyn FnMut(&[u8])) -> Option<()> + Sync);

fn of_pieces(size: usize, read: ReadPiece<'_>) -> Option<String> {
    let hashed = |piece: usize| {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset((piece * PIECE) as u64);
        let range = piece * PIECE..((piece + 1) * PIECE).min(size);
        read(range, &mut |bytes| {
            hasher.update(bytes);
        })?;
        Some(hasher)
    };
    let count = size.div_ceil(PIECE);
    if count <= 1 {
        return Some(hex(hashed(0)?.finalize().as_bytes()));
    }
    let hashes = |pieces: Range<usize>| -> Option<Vec<ChainingValue>> {
        pieces.map(|piece| Some(hashed(piece)?.finalize_non_root())).collect()
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(count / WORTH).max(1);
    let share = count.div_ceil(workers);
    let shares: Vec<_> = (0..count).step_by(share).map(|first| first..(first + share).min(count)).collect();
    let all = thread::scope(|scope| {
        let (own, others) = shares.split_first()?;
        let spawn = |pieces: &Range<usize>| {
            let pieces = pieces.clone();
            thread::Builder::new().spawn_scoped(scope, move || hashes(pieces)).ok()
        };
        let others: Vec<_> = others.iter().map(spawn).collect();
        let mut all = hashes(own.clone())?;
        for (worker, pieces) in others.into_iter().zip(&shares[1..]) {
            // If no thread could be started, the pieces are hashed here.
            all.extend(worker.map_or_else(|| hashes(pieces.clone()), |worker| worker.join().ok().flatten())?);
        }
        Some(all)
    })?;
    let (left, right) = halves(&all, size);
    Some(hex(hazmat::merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
}

/// The chaining values of the root's two subtrees, for `size` bytes, which are more than one piece.
fn halves(pieces: &[ChainingValue], size: usize) -> (ChainingValue, ChainingValue) {
    let left = hazmat::left_subtree_len(size as u64) as usize;
    let (first, second) = pieces.split_at(left / PIECE);
    (subtree(first, left), subtree(second, size - left))
}

/// The chaining value of the subtree of `size` bytes.
fn subtree(pieces: &[ChainingValue], size: usize) -> ChainingValue {
    match pieces {
        [only] => *only,
        _ => {
            let (left, right) = halves(pieces, size);
            hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The digest as the library computes it in one go.
    fn expected(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    #[test]
    fn it_is_the_blake3_of_all_however_many_share_the_work() {
        // Given in the specification of BLAKE3 and printed by `b3sum`.
        assert_eq!(of_bytes(b""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        let bytes: Vec<u8> = (0..35 * PIECE as u64 + 12345).map(|at| ((at * at) >> 7) as u8).collect();
        for size in [
            0,
            1,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            2 * PIECE,
            3 * PIECE + 5,
            7 * PIECE,
            16 * PIECE,
            17 * PIECE,
            bytes.len(),
        ] {
            let part = &bytes[..size];
            assert_eq!(of_bytes(part), expected(part), "{size}");
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(part).unwrap();
            assert_eq!(of_file(&file, size), Some(expected(part)), "{size}");
            assert_eq!(of_file(&file, size + 1), None);
        }
    }
}
