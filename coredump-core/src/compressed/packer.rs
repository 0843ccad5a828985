//! Compresses on several processors: every few megabytes become a frame of their own (in gzip's terms a member).
//! Readers take frames that follow each other for one file.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::Compression;

/// Zstandard's level: the fastest of its regular ones (the negative levels hardly compress).
const LEVEL: i32 = 1;
/// Bytes that become one frame: many times the window of the compression at that level.
const FRAME: usize = 4 << 20;
/// The greatest number of threads that compress. Each holds a frame and its compressed form.
const MAX_WORKERS: usize = 8;

/// Compresses what is written to it. Only [`Packer::finish`] makes the output whole.
pub struct Packer<W: Write> {
    compression: Compression,
    output: W,
    /// The beginning of the next frame.
    frame: Vec<u8>,
    /// Frames that are being compressed, in their order.
    working: VecDeque<JoinHandle<io::Result<Vec<u8>>>>,
    workers: usize,
    /// True if a frame was begun, so that even empty input becomes a valid file.
    begun: bool,
}

impl<W: Write> Packer<W> {
    /// Compresses into `output`.
    pub(super) fn new(compression: Compression, output: W) -> Packer<W> {
        let workers = thread::available_parallelism().map_or(1, |count| count.get()).min(MAX_WORKERS);
        Packer { compression, output, frame: Vec::new(), working: VecDeque::new(), workers, begun: false }
    }

    /// Writes what is left, and hands out the output.
    ///
    /// # Errors
    ///
    /// The output's failure, or that there is no memory for the compression.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.frame.is_empty() || !self.begun {
            self.end_frame(true)?;
        }
        while !self.working.is_empty() {
            self.write_oldest()?;
        }
        self.output.flush()?;
        Ok(self.output)
    }

    /// Hands the frame to a thread that compresses it; the last frame is compressed by this thread.
    fn end_frame(&mut self, last: bool) -> io::Result<()> {
        self.begun = true;
        while self.working.len() >= self.workers {
            self.write_oldest()?;
        }
        let (compression, frame) = (self.compression, Arc::new(std::mem::take(&mut self.frame)));
        let spawned = (!last && self.workers > 1).then(|| {
            let frame = frame.clone();
            thread::Builder::new().name("compress".to_owned()).spawn(move || pack(compression, &frame))
        });
        if let Some(Ok(worker)) = spawned {
            self.working.push_back(worker);
            return Ok(());
        }
        let packed = pack(compression, &frame)?;
        while !self.working.is_empty() {
            self.write_oldest()?;
        }
        self.output.write_all(&packed)
    }

    /// Waits for the frame whose turn it is, and writes it.
    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(worker) = self.working.pop_front() else { return Ok(()) };
        let packed = worker.join().unwrap_or_else(|_| Err(io::Error::other("the compression failed")))?;
        self.output.write_all(&packed)
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME - self.frame.len());
        self.frame.extend_from_slice(&bytes[..taken]);
        if self.frame.len() == FRAME {
            self.end_frame(false)?;
        }
        Ok(taken)
    }

    /// Does nothing: a frame is written when it is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses `bytes` to one whole frame.
fn pack(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Compression::Zstandard => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
            encoder.include_checksum(true)?;
            encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
            encoder.write_all(bytes)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut packer = compression.packer(Vec::new());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn frames_of_many_processors_are_one_file_in_order() {
        let bytes: Vec<u8> = (0..3 * FRAME / 4 + 7).flat_map(|at| (at as u32 / 3).to_le_bytes()).collect();
        for compression in [Compression::Gzip, Compression::Zstandard] {
            for len in [0, 1, FRAME - 1, FRAME, FRAME + 1, bytes.len()] {
                let packed = packed(compression, &bytes[..len]);
                assert_eq!(Compression::from_start(&packed), Some(compression));
                let mut unpacked = Vec::new();
                compression.unpack(&packed[..]).unwrap().read_to_end(&mut unpacked).unwrap();
                assert!(unpacked == bytes[..len], "{compression:?} {len}");
            }
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let bytes = vec![7; 20 * FRAME];
        for room in [0, 1000] {
            let mut packer = Compression::Zstandard.packer(Full(room));
            let outcome = packer.write_all(&bytes).and_then(|()| packer.finish().map(|_| ()));
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}
