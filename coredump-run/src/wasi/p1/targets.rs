//! Which bytes of the program's memory a function of WASI 0.1 writes.

use coredump_core::internals::recording::Write;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

/// What the witx says of the results of a function, with addresses from its arguments.
#[derive(Clone, Copy)]
pub enum Out {
    /// Nothing.
    None,
    /// So many bytes here.
    At(i32, u32),
    /// Two words.
    Two(i32, i32),
    /// A buffer that is filled whole: address and length.
    Whole(i32, i32),
    /// A buffer with its length, and where the number of bytes goes that were written to it.
    Counted(i32, i32, i32),
    /// A list of buffers with its length, and where the number of bytes goes.
    Vectors(i32, i32, i32),
    /// A list of buffers with its length, where the number of bytes goes, and where flags go.
    Received(i32, i32, i32, i32),
    /// A list of events of 32 bytes with its length, and where their number goes.
    Events(i32, i32, i32),
    /// The program's arguments: pointers, texts.
    Arguments(i32, i32),
    /// The environment: pointers, texts.
    Environment(i32, i32),
}

/// Bytes of an event of `poll_oneoff`.
const EVENT: u32 = 32;

/// Buffers of a list that are looked at: an operating system takes 1024.
const VECTORS: u32 = 1 << 16;

/// Ranges that may be written, found before the call: the call may overwrite the very list that names them.
#[derive(Default)]
pub struct Targets {
    /// Address and length; written as far as the count says.
    counted: Vec<(u32, u32)>,
    /// Where the count is, and how many bytes it counts by.
    count: Option<(u32, u32)>,
    /// Whether a call that failed may have written some of it.
    partly: bool,
    /// Address and length.
    fixed: [(u32, u32); 2],
}

impl Out {
    /// Address and length of all that the function writes, if its arguments alone say that.
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

    /// Whether it takes a look at the memory to find them.
    pub fn is_in_memory(self) -> bool {
        matches!(self, Out::Vectors(..) | Out::Received(..) | Out::Arguments(..) | Out::Environment(..))
    }
}

impl Targets {
    /// Finds those that the arguments alone name.
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

    /// Finds those that stand in the memory.
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
        // A read that fails has read nothing.
        self.partly = false;
    }

    fn texts(&mut self, pointers: i32, texts: i32, (count, bytes): (u32, u32)) {
        self.fixed = [(pointers as u32, count.saturating_mul(4)), (texts as u32, bytes)];
    }

    /// The bytes that a read which succeeded put into the first buffer, if it used no other and nothing else is written there.
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

    /// What else such a call wrote.
    pub fn writes_besides<'m>(&self, memory: &'m [u8]) -> Writes<'m> {
        let mut writes = Writes::default();
        for (address, len) in self.fixed {
            if len > 0 {
                writes.add(clipped(memory, address, u64::from(len)));
            }
        }
        writes
    }

    /// What stands there after the call, which gave `errno`. More than was written is harmless: a program that runs again
    /// has the same bytes there.
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

/// What a call wrote. Most write at one or two places, for which nothing is allocated.
pub enum Writes<'m> {
    /// So many of these.
    Few([Write<'m>; 2], usize),
    /// All of these.
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
