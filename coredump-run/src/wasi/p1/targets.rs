//! Finds the bytes of the program's memory that a function of WASI 0.1 writes.

use coredump_core::internals::recording::Write;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

/// The results of a function by the witx, with the addresses from its arguments.
#[derive(Clone, Copy)]
pub enum Out {
    /// Nothing.
    None,
    /// An address, and how many bytes are written there.
    At(i32, u32),
    /// The addresses of two words.
    Two(i32, i32),
    /// Address and length of a buffer that is wholly filled.
    Whole(i32, i32),
    /// Address and length of a buffer, and the address of the number of bytes written to it.
    Counted(i32, i32, i32),
    /// Address and length of a list of buffers, and the address of the number of bytes written.
    Vectors(i32, i32, i32),
    /// Address and length of a list of buffers, and the addresses of the number of bytes written and of the flags.
    Received(i32, i32, i32, i32),
    /// Address and length of a list of events of 32 bytes, and the address of their number.
    Events(i32, i32, i32),
    /// The program's arguments: the addresses of the pointers and of the strings.
    Arguments(i32, i32),
    /// The environment: the addresses of the pointers and of the strings.
    Environment(i32, i32),
}

/// Size of an event of `poll_oneoff`, in bytes.
const EVENT: u32 = 32;

/// The number of buffers of a list that are read; operating systems accept 1024.
const VECTORS: u32 = 1 << 16;

/// The ranges that a call may write. They are found before the call, as it may overwrite the list that names them.
#[derive(Default)]
pub struct Targets {
    /// Addresses and lengths of ranges that are written as far as the count says.
    counted: Vec<(u32, u32)>,
    /// Address of the count, and the size in bytes of what it counts.
    count: Option<(u32, u32)>,
    /// True if a call that failed may have written a part of the ranges.
    partly: bool,
    /// Addresses and lengths of ranges that are always written.
    fixed: [(u32, u32); 2],
}

impl Out {
    /// Addresses and lengths of all that the function writes, if the arguments alone show them.
    #[inline(always)]
    pub fn fixed(self) -> Option<[(u32, u32); 2]> {
        match self {
            Out::None => Some([(0, 0); 2]),
            Out::At(address, len) => Some([(address as u32, len), (0, 0)]),
            Out::Two(first, second) => Some([(first as u32, 4), (second as u32, 4)]),
            Out::Whole(address, len) => Some([(address as u32, len as u32), (0, 0)]),
            _ => None,
        }
    }

    /// Returns true if the memory must be read to find the ranges.
    pub fn is_in_memory(self) -> bool {
        matches!(self, Out::Vectors(..) | Out::Received(..) | Out::Arguments(..) | Out::Environment(..))
    }
}

impl Targets {
    /// Finds the ranges that the arguments alone name.
    pub fn from_arguments(out: Out) -> Targets {
        let mut targets = Targets { partly: true, fixed: out.fixed().unwrap_or_default(), ..Targets::default() };
        match out {
            Out::Counted(address, len, count) => {
                targets.counted.push((address as u32, len as u32));
                targets.counts(count, 1);
            }
            Out::Events(list, len, count) => {
                targets.counted.push((list as u32, (len as u32).saturating_mul(EVENT)));
                targets.counts(count, EVENT);
            }
            _ => {}
        }
        targets
    }

    /// Finds the ranges that the memory names.
    pub fn read(&mut self, out: Out, memory: &mut GuestMemory<'_>, wasi: &mut WasiP1Ctx) {
        match out {
            Out::Vectors(list, len, count) => self.vectors(list, len, count, memory),
            Out::Received(list, len, count, flags) => {
                self.vectors(list, len, count, memory);
                self.fixed[1] = (flags as u32, 2);
            }
            Out::Arguments(pointers, texts) => {
                self.texts(pointers, texts, wasi.args_sizes_get(memory).unwrap_or_default());
            }
            Out::Environment(pointers, texts) => {
                self.texts(pointers, texts, wasi.environ_sizes_get(memory).unwrap_or_default());
            }
            Out::None | Out::At(..) | Out::Two(..) | Out::Whole(..) | Out::Counted(..) | Out::Events(..) => {}
        }
    }

    fn counts(&mut self, count: i32, unit: u32) {
        self.fixed[0] = (count as u32, 4);
        self.count = Some((count as u32, unit));
    }

    fn vectors(&mut self, list: i32, len: i32, count: i32, memory: &GuestMemory<'_>) {
        for index in 0..(len as u32).min(VECTORS) {
            let Some(at) = (list as u32).checked_add(index * 8) else { break };
            let word = |at| memory.read(GuestPtr::<u32>::new(at));
            let (Ok(address), Ok(len)) = (word(at), word(at.saturating_add(4))) else { break };
            if len > 0 {
                self.counted.push((address, len));
            }
        }
        self.counts(count, 1);
        // A read that failed has written nothing.
        self.partly = false;
    }

    fn texts(&mut self, pointers: i32, texts: i32, (count, bytes): (u32, u32)) {
        self.fixed = [(pointers as u32, count.saturating_mul(4)), (texts as u32, bytes)];
    }

    /// The bytes that a successful read wrote into the first buffer, if it used no other buffer and nothing else is
    /// written there.
    pub fn read_whole<'m>(&self, memory: &'m [u8]) -> Option<Write<'m>> {
        let (&(address, room), (count, _)) = (self.counted.first()?, self.count?);
        let len = word(memory, count);
        let apart = |&(at, size): &(u32, u32)| {
            let (at, address) = (u64::from(at), u64::from(address));
            size == 0 || at + u64::from(size) <= address || at >= address + u64::from(len)
        };
        if len > room || !self.fixed.iter().all(apart) {
            return None;
        }
        clipped(memory, address, u64::from(len)).filter(|write| write.bytes.len() == len as usize)
    }

    /// Returns the other writes of such a read.
    pub fn writes_besides<'m>(&self, memory: &'m [u8]) -> Writes<'m> {
        let mut writes = Writes::default();
        for (address, len) in self.fixed {
            if len > 0 {
                writes.add(clipped(memory, address, u64::from(len)));
            }
        }
        writes
    }

    /// The contents of the ranges after the call, which returned `errno`. More bytes than were written are harmless, as
    /// a program that runs again has the same bytes there.
    pub fn writes<'m>(&self, memory: &'m [u8], errno: Option<i32>) -> Writes<'m> {
        let mut writes = self.writes_besides(memory);
        let mut left = match (errno, self.count) {
            (Some(0), Some((at, unit))) => u64::from(word(memory, at)).saturating_mul(u64::from(unit)),
            (Some(0), None) => u64::MAX,
            _ if self.partly => u64::MAX,
            _ => 0,
        };
        for &(address, len) in &self.counted {
            let len = u64::from(len).min(left);
            left -= len;
            writes.add(clipped(memory, address, len));
        }
        writes
    }
}

/// The ranges that a call wrote. Most calls write one or two, for which nothing is allocated.
pub enum Writes<'m> {
    /// One or two ranges, of which only the first ones count.
    Few([Write<'m>; 2], usize),
    /// Any number of ranges.
    Many(Vec<Write<'m>>),
}

impl Default for Writes<'_> {
    fn default() -> Self {
        Writes::Few([Write { address: 0, bytes: &[] }; 2], 0)
    }
}

impl<'m> Writes<'m> {
    fn add(&mut self, write: Option<Write<'m>>) {
        let Some(write) = write else { return };
        match self {
            Writes::Few(few, count) => match few.get_mut(*count) {
                Some(place) => {
                    *place = write;
                    *count += 1;
                }
                None => *self = Writes::Many([&few[..], &[write]].concat()),
            },
            Writes::Many(many) => many.push(write),
        }
    }
}

impl<'m> std::ops::Deref for Writes<'m> {
    type Target = [Write<'m>];

    fn deref(&self) -> &[Write<'m>] {
        match self {
            Writes::Few(few, count) => &few[..*count],
            Writes::Many(many) => many,
        }
    }
}

fn word(memory: &[u8], at: u32) -> u32 {
    let bytes = memory.get(at as usize..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn clipped(memory: &[u8], address: u32, len: u64) -> Option<Write<'_>> {
    let rest = memory.get(address as usize..)?;
    let bytes = &rest[..usize::try_from(len).unwrap_or(usize::MAX).min(rest.len())];
    (!bytes.is_empty()).then_some(Write { address: u64::from(address), bytes })
}
