//! A digest of a module that is quick to check: processors share the work, and BLAKE3 is quicker than SHA-256.
//!
//! It is the BLAKE3 of the BLAKE3 of each MiB, lower-case hex.

use std::fs::File;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

use crate::buffer::read_in_parts;
use crate::text::hex;

/// Bytes that are hashed as one.
const PIECE: usize = 1 << 20;
/// Pieces that are worth a thread of their own.
const WORTH: usize = 8;

/// That of bytes in memory.
pub fn of_bytes(bytes: &[u8]) -> String {
    let piece = |range: Range<usize>, hash: &mut dyn FnMut(&[u8])| {
        hash(&bytes[range]);
        Some(())
    };
    of_pieces(bytes.len(), &piece).unwrap_or_default()
}

/// That of a file of so many bytes, which is read and not mapped: no page of it becomes resident. `None` if it cannot be
/// read, or has another size.
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
    // At least one, which may be empty.
    let count = size.div_ceil(PIECE).max(1);
    let hashes = |pieces: Range<usize>| -> Option<Vec<[u8; 32]>> {
        let hash = |piece: usize| {
            let mut hasher = blake3::Hasher::new();
            let range = piece * PIECE..((piece + 1) * PIECE).min(size);
            read(range, &mut |bytes| {
                hasher.update(bytes);
            })?;
            Some(*hasher.finalize().as_bytes())
        };
        pieces.map(hash).collect()
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
            // Without a thread it is done here.
            all.extend(worker.map_or_else(|| hashes(pieces.clone()), |worker| worker.join().ok().flatten())?);
        }
        Some(all)
    })?;
    Some(hex(blake3::hash(all.as_flattened()).as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// By the plain words of its definition.
    fn expected(bytes: &[u8]) -> String {
        let pieces: Vec<&[u8]> = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(1 << 20).collect() };
        let hashes: Vec<u8> = pieces.iter().flat_map(|piece| *blake3::hash(piece).as_bytes()).collect();
        blake3::hash(&hashes).to_hex().to_string()
    }

    #[test]
    fn it_is_the_hash_of_the_hashes_of_all_pieces_however_many_share_the_work() {
        let bytes: Vec<u8> = (0..35 * PIECE as u64 + 12345).map(|at| ((at * at) >> 7) as u8).collect();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 7 * PIECE, 16 * PIECE, bytes.len()] {
            let part = &bytes[..size];
            assert_eq!(of_bytes(part), expected(part), "{size}");
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(part).unwrap();
            assert_eq!(of_file(&file, size), Some(expected(part)), "{size}");
            assert_eq!(of_file(&file, size + 1), None);
        }
    }
}
