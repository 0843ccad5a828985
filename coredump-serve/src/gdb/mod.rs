//! Implements GDB's remote serial protocol as LLDB's plugin for WebAssembly speaks it: a core dump appears as a process
//! that has stopped. Specification: GDB manual, "Remote Protocol"; LLDB's additions in
//! `lldb/docs/resources/lldbgdbremote.md`.

mod space;
mod wire;

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use coredump_core::{Dump, Register};

use crate::words::ENDED;
pub use space::Space;
use wire::{Incoming, framed, hex};

/// The target triple, which says no more than that the target is WebAssembly.
const TRIPLE: &str = "wasm32-unknown-wasi-wasm";
/// The number of threads that are listed in one answer.
const THREADS: usize = 1000;

/// A session with one client.
pub struct Session<'a> {
    space: &'a Space,
    acknowledged: bool,
    /// True if errors contain a sentence.
    sentences: bool,
    /// Index of the selected thread.
    thread: usize,
    /// The number of threads that were listed so far.
    listed: usize,
}

/// The answer to a request.
enum GdbReply {
    /// These bytes; they are empty if the request is not known.
    Data(Vec<u8>),
    /// The request failed for this reason.
    Error(String),
    /// A sentence for the user, and where the program stopped.
    Stays,
    /// This text, and then the session ends.
    Last(&'static str),
}

impl GdbReply {
    fn text(text: impl Into<String>) -> GdbReply {
        GdbReply::Data(text.into().into_bytes())
    }
}

impl From<Result<Vec<u8>, String>> for GdbReply {
    fn from(result: Result<Vec<u8>, String>) -> GdbReply {
        result.map_or_else(GdbReply::Error, |bytes| GdbReply::text(hex(&bytes)))
    }
}

impl<'a> Session<'a> {
    /// Begins a session.
    pub fn new(space: &'a Space) -> Self {
        let thread = space.first_thread();
        Session { space, acknowledged: true, sentences: false, thread, listed: 0 }
    }

    /// Answers requests until the client leaves. Fails if the connection breaks.
    pub fn serve(mut self, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        let mut sent = Vec::new();
        loop {
            // A packet is acknowledged if that was agreed before the packet.
            let acknowledged = self.acknowledged;
            let answer = match wire::read(&mut input)? {
                Incoming::End => return Ok(()),
                Incoming::Resend => {
                    output.write_all(&sent)?;
                    output.flush()?;
                    continue;
                }
                Incoming::Garbled if acknowledged => {
                    output.write_all(b"-")?;
                    output.flush()?;
                    continue;
                }
                Incoming::Garbled => GdbReply::Error("the checksum of the packet is wrong".to_owned()),
                Incoming::TooLong => GdbReply::Error("the packet is too long".to_owned()),
                Incoming::Packet(packet) => self.answer(&packet),
            };
            if acknowledged {
                output.write_all(b"+")?;
            }
            let (data, over) = match answer {
                GdbReply::Data(data) => (data, false),
                GdbReply::Error(why) if self.sentences => (format!("E01;{}", hex(why.as_bytes())).into_bytes(), false),
                GdbReply::Error(_) => (b"E01".to_vec(), false),
                GdbReply::Stays => {
                    output.write_all(&framed(format!("O{}", hex(format!("{ENDED}\n").as_bytes())).as_bytes()))?;
                    (self.stopped(self.space.first_thread()).into_bytes(), false)
                }
                GdbReply::Last(text) => (text.into(), true),
            };
            sent = framed(&data);
            output.write_all(&sent)?;
            output.flush()?;
            if over {
                return Ok(());
            }
        }
    }

    fn dump(&self) -> &'a Dump {
        self.space.dump()
    }

    fn answer(&mut self, packet: &[u8]) -> GdbReply {
        // All requests that a dump can answer are text.
        let Ok(packet) = str::from_utf8(packet) else { return GdbReply::text("") };
        let (name, rest) = packet.split_once([':', ',']).unwrap_or((packet, ""));
        match name {
            "QStartNoAckMode" => {
                self.acknowledged = false;
                GdbReply::text("OK")
            }
            "QEnableErrorStrings" => {
                self.sentences = true;
                GdbReply::text("OK")
            }
            "QThreadSuffixSupported" => GdbReply::text("OK"),
            "qSupported" => GdbReply::text(format!(
                "PacketSize={:x};QStartNoAckMode+;QThreadSuffixSupported+;qXfer:libraries:read+",
                wire::MAX_PACKET
            )),
            "qHostInfo" => GdbReply::text(host()),
            // The recorded process id is not sent: the process has ended, and on this machine another process may have
            // that id.
            "qProcessInfo" => GdbReply::text(format!("pid:1;parent-pid:0;{}", host())),
            "qC" => GdbReply::text(format!("QC{:x}", self.thread + 1)),
            "qfThreadInfo" => {
                self.listed = 0;
                GdbReply::text(self.thread_list())
            }
            "qsThreadInfo" => GdbReply::text(self.thread_list()),
            "qThreadExtraInfo" => match self.thread_named(rest) {
                Some(thread) => GdbReply::text(hex(self.name(thread).as_bytes())),
                None => no_thread(),
            },
            "qWasmCallStack" => {
                let stack = self.thread_named(rest).and_then(|thread| self.space.call_stack(thread));
                stack.map_or_else(no_thread, |stack| {
                    GdbReply::text(stack.iter().fold(String::new(), |text, at| text + &hex(&at.to_le_bytes())))
                })
            }
            "qWasmLocal" => self.register(rest, Register::Local),
            "qWasmGlobal" => self.register(rest, Register::Global),
            "qWasmStackValue" => self.register(rest, Register::Operand),
            "qMemoryRegionInfo" => number(rest).map_or_else(bad_number, |address| self.region(address)),
            "qXfer" => match rest.strip_prefix("libraries:read::").and_then(two_numbers) {
                Some((offset, len)) => GdbReply::Data(piece(&self.libraries(), offset, len)),
                None => GdbReply::text(""),
            },
            _ => self.short(packet),
        }
    }

    /// Answers the requests whose names are not separated from their arguments.
    fn short(&mut self, packet: &str) -> GdbReply {
        if let Some(rest) = packet.strip_prefix("qRegisterInfo") {
            // An error ends the list after the last register.
            return match number(rest) {
                Some(0) => GdbReply::text(
                    "name:pc;alt-name:pc;bitsize:64;offset:0;encoding:uint;format:hex;set:General Purpose Registers;\
                     ehframe:16;dwarf:16;generic:pc;",
                ),
                _ => GdbReply::Error("there is one register, the program counter".to_owned()),
            };
        }
        if let Some(rest) = packet.strip_prefix("qThreadStopInfo") {
            return self.thread_named(rest).map_or_else(no_thread, |thread| GdbReply::text(self.stopped(thread)));
        }
        if packet.starts_with("vCont;") || packet.starts_with("vRun") || packet.starts_with("vAttach") {
            return GdbReply::Stays;
        }
        if packet.starts_with("vKill") {
            return GdbReply::Last("OK");
        }
        let Some(first) = packet.chars().next() else { return GdbReply::text("") };
        let rest = &packet[first.len_utf8()..];
        match first {
            '?' => GdbReply::text(self.stopped(self.space.first_thread())),
            'H' => match rest.get(1..).and_then(|id| self.thread_or_any(id)) {
                Some(thread) => {
                    self.thread = thread;
                    GdbReply::text("OK")
                }
                None => no_thread(),
            },
            'T' => self.thread_named(rest).map_or_else(no_thread, |_| GdbReply::text("OK")),
            'g' | 'p' => {
                let (register, suffix) = rest.split_once(';').unwrap_or((rest, ""));
                let named = suffix.strip_prefix("thread:").map(|id| id.trim_end_matches(';'));
                let thread = named.map_or(Some(self.thread), |id| self.thread_named(id));
                match thread {
                    _ if first == 'p' && number(register) != Some(0) => {
                        GdbReply::Error("there is one register, the program counter".to_owned())
                    }
                    Some(thread) => GdbReply::text(hex(&self.space.youngest(thread).to_le_bytes())),
                    None => no_thread(),
                }
            }
            'm' => two_numbers(rest).map_or_else(bad_number, |(address, len)| self.space.read(address, len).into()),
            'x' => match two_numbers(rest) {
                // With the length 0, the client asks whether the request is known.
                Some((_, 0)) => GdbReply::text("OK"),
                Some((address, len)) => self.space.read(address, len).map_or_else(GdbReply::Error, GdbReply::Data),
                None => bad_number(),
            },
            'c' | 'C' | 's' | 'S' | 'R' | 'b' => GdbReply::Stays,
            'G' | 'P' | 'M' | 'X' | 'Z' | 'z' => GdbReply::Error(ENDED.to_owned()),
            'D' => GdbReply::Last("OK"),
            'k' => GdbReply::Last("X09"),
            _ => GdbReply::text(""),
        }
    }

    /// The stop reply for a thread; for the thread that crashed, it says why the program died.
    fn stopped(&self, thread: usize) -> String {
        let pc = hex(&self.space.youngest(thread).to_le_bytes());
        let id = thread + 1;
        let mut text = format!("thread:{id:x};00:{pc};");
        let name = self.name(thread);
        if !name.is_empty() {
            let _ = write!(text, "hexname:{};", hex(name.as_bytes()));
        }
        if thread != self.space.first_thread() {
            return format!("T00{text}");
        }
        let crashed = self.dump().crashed_thread().is_none_or(|crashed| crashed.index() == thread);
        let reason = match self.dump().reason() {
            _ if !crashed => "another thread crashed".to_owned(),
            Some(reason) => reason.summary(),
            None => "no reason is known".to_owned(),
        };
        let reason = coredump_core::text::escape_lines(&reason);
        // SIGTRAP is reported, as no signal ended the program.
        format!("T05{text}reason:exception;description:{};", hex(reason.as_bytes()))
    }

    fn name(&self, thread: usize) -> String {
        let thread = self.dump().thread(thread);
        thread.map(|thread| coredump_core::text::escape(thread.name()).into_owned()).unwrap_or_default()
    }

    fn thread_list(&mut self) -> String {
        let threads = self.space.threads().iter().skip(self.listed).take(THREADS);
        let ids: Vec<_> = threads.map(|index| format!("{:x}", index + 1)).collect();
        self.listed += ids.len();
        if ids.is_empty() { "l".to_owned() } else { format!("m{}", ids.join(",")) }
    }

    fn thread_named(&self, id: &str) -> Option<usize> {
        let index = usize::try_from(number(id)?.checked_sub(1)?).ok()?;
        self.space.threads().binary_search(&index).is_ok().then_some(index)
    }

    /// The thread as from [`Session::thread_named`]; for 0 (any) and -1 (all), the selected one.
    fn thread_or_any(&self, id: &str) -> Option<usize> {
        if matches!(id, "0" | "-1") { Some(self.thread) } else { self.thread_named(id) }
    }

    /// The answer with a value of a frame, both given by decimal numbers. LLDB may mean another thread than the
    /// selected one.
    fn register(&self, rest: &str, which: fn(u32) -> Register) -> GdbReply {
        let Some((frame, index)) = rest.split_once(';') else { return bad_number() };
        match (frame.parse(), index.parse()) {
            (Ok(frame), Ok(index)) => self.space.register(frame, which(index)).into(),
            _ => bad_number(),
        }
    }

    fn region(&self, address: u64) -> GdbReply {
        let region = self.space.region(address);
        let mut text = format!("start:{address:x};size:{:x};", region.size);
        if region.readable {
            text.push_str(if region.code { "permissions:rx;" } else { "permissions:rw;" });
        }
        GdbReply::text(text)
    }

    fn libraries(&self) -> String {
        let mut list = "<library-list>".to_owned();
        for (name, address) in self.space.modules() {
            let name = xml(&name);
            let _ = write!(list, "<library name=\"{name}\"><section address=\"{address:#x}\"/></library>");
        }
        list + "</library-list>"
    }
}

fn host() -> String {
    format!("triple:{};endian:little;ptrsize:4;", hex(TRIPLE.as_bytes()))
}

fn no_thread() -> GdbReply {
    GdbReply::Error("there is no such thread".to_owned())
}

fn bad_number() -> GdbReply {
    GdbReply::Error("a number is missing, or is none".to_owned())
}

fn number(text: &str) -> Option<u64> {
    // `from_str_radix` would accept a sign.
    text.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok())?
}

fn two_numbers(text: &str) -> Option<(u64, u64)> {
    let (first, second) = text.split_once(',')?;
    Some((number(first)?, number(second)?))
}

/// A piece of a document: it begins with `m` if more follows, with `l` if it is the last one.
fn piece(document: &str, offset: u64, len: u64) -> Vec<u8> {
    let document = document.as_bytes();
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(document.len());
    let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(document.len());
    let mut piece = vec![if end < document.len() { b'm' } else { b'l' }];
    piece.extend_from_slice(&document[start..end]);
    piece
}

/// Escapes text as the value of an XML attribute. Characters that XML does not allow are left out.
fn xml(text: &str) -> String {
    let mut safe = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            letter => safe.push(letter),
        }
    }
    safe
}
