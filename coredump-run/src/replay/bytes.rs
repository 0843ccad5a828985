//! Finds the bytes that a person names: by an address, or by a variable or an expression in a frame.

use crate::rewrite::{self, Watch};
use coredump_core::cli::text;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::variables::Inspector;
use coredump_core::memory::Segment;
use coredump_core::{CoreDump, Dump, Limits};

/// The number of frames that are searched for a name that the chosen frame does not know.
const FRAMES: usize = 64;

/// The bytes that a person named.
pub struct NamedBytes<'d> {
    dump: &'d Dump,
    /// Number of the frame in which a name is looked up.
    frame: usize,
    /// The text that names the bytes.
    text: String,
    /// The expression, if the text is one.
    expression: Option<String>,
    /// The memory, the address and the length of the bytes.
    pub watch: Watch,
}

impl<'d> NamedBytes<'d> {
    /// Finds the bytes that `text` names: `ADDRESS[+LENGTH]`, in another memory than the first one `N:ADDRESS[+LENGTH]`,
    /// or an expression that has an address in frame number `frame` of the crashed thread.
    ///
    /// # Errors
    ///
    /// Fails if there are no such bytes, or if they cannot be watched.
    pub fn parse(text: &str, dump: &'d Dump, frame: usize) -> Result<NamedBytes<'d>> {
        let wrong = |why: &str| Error::new(ErrorKind::Usage, format!("{text:?}: {why}"));
        let (name, len) = match text.rsplit_once('+') {
            Some((name, len)) if number(len).is_some() => (name.trim(), number(len)),
            _ => (text.trim(), None),
        };
        let mut named = NamedBytes {
            dump,
            frame,
            text: text.to_owned(),
            expression: None,
            watch: Watch { memory: 0, address: 0, len: 4 },
        };
        let elsewhere = name.split_once(':').and_then(|(memory, address)| memory.parse().ok().zip(number(address)));
        match (elsewhere, number(name)) {
            (Some((memory, address)), _) => (named.watch.memory, named.watch.address) = (memory, address),
            (None, Some(address)) => named.watch.address = address,
            (None, None) => {
                named.expression = Some(name.to_owned());
                (named.watch.address, named.watch.len) = named.variable(name)?;
            }
        }
        let Watch { memory, address, .. } = named.watch;
        let len = len.unwrap_or(named.watch.len);
        if len == 0 || len > rewrite::LONGEST {
            return Err(wrong(&format!("1 to {} bytes can be watched", rewrite::LONGEST)));
        }
        let missing = || match memory {
            0 => wrong("the program has no memory"),
            _ => wrong(&format!("the program has no memory {memory}")),
        };
        let size = dump.memory(memory).ok_or_else(missing)?.size;
        if address.checked_add(len).is_none_or(|end| end > size) {
            return Err(wrong("outside of the memory"));
        }
        named.watch.len = len;
        Ok(named)
    }

    /// Address and size in bytes of a variable or an expression.
    fn variable(&self, name: &str) -> Result<(u64, u64)> {
        let wrong = |why: String| Error::new(ErrorKind::NotFound, format!("{name}: {why}"));
        let frame = self.dump.crashed_thread().and_then(|thread| thread.frame(self.frame));
        let frame = frame.ok_or_else(|| wrong(format!("there is no frame {}", self.frame)))?;
        let variable = frame.evaluate(name).map_err(|error| self.known_elsewhere(name, wrong(error.to_string())))?;
        let address = variable.address.ok_or_else(|| wrong("it has no address in memory".to_owned()))?;
        // The next object of the same type begins where this one ends.
        let behind = frame.evaluate(&format!("&({name}) + 1")).ok().and_then(|behind| number(&behind.text()));
        let size = behind.and_then(|behind| behind.checked_sub(address)).filter(|&size| size > 0);
        Ok((address, size.unwrap_or(4)))
    }

    /// The error for a name that this frame does not know; it names the frame that knows it.
    fn known_elsewhere(&self, name: &str, error: Error) -> Error {
        let frames = self.dump.crashed_thread().into_iter().flat_map(|thread| thread.frames()).take(FRAMES);
        let mut knowing = frames.filter(|frame| frame.evaluate(name).is_ok_and(|variable| variable.address.is_some()));
        let Some(frame) = knowing.next() else { return error };
        let function = frame.calls().last().and_then(|call| call.function.clone());
        let function = function.map_or_else(String::new, |name| format!(", in {}", text::escape(&name)));
        error.hint(format!("frame {0}{function}, knows it: --frame {0}", frame.index()))
    }

    /// The value that the expression would have had at the crash if its bytes had been these.
    fn value(&self, bytes: &[u8]) -> Option<String> {
        let expression = self.expression.as_deref()?;
        let recorded = self.dump.recorded();
        let mut memories = recorded.memories.clone();
        let memory = memories.get_mut(self.watch.memory as usize)?;
        let segments = memory.segments().iter().copied();
        let segments = segments.chain([Segment { address: self.watch.address, bytes }]).collect();
        memory.set_contents(segments, memory.known_zero().to_vec());
        let changed = CoreDump {
            layout: recorded.layout,
            offsets: recorded.offsets,
            modules: recorded.modules.clone(),
            instances: recorded.instances.clone(),
            threads: recorded.threads.clone(),
            globals: recorded.globals.clone(),
            tables: recorded.tables.clone(),
            memories,
            ..CoreDump::default()
        };
        let inspector = Inspector::new(&changed, self.dump.binaries());
        let thread = self.dump.crashed_thread()?.index();
        let variable = inspector.evaluate(thread, self.frame, expression, &Limits::default()).ok()?;
        // With these bytes, the expression may have another address, for example if it follows a pointer in them.
        variable.value.filter(|_| variable.address == Some(self.watch.address))
    }

    /// The bytes as text, and the value of the expression where that is known.
    pub fn spelled(&self, bytes: &[u8]) -> String {
        match self.value(bytes) {
            Some(value) => format!("{} = {}", hex(bytes), text::escape(&value)),
            None => hex(bytes),
        }
    }
}

impl std::fmt::Display for NamedBytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Watch { memory, address, len } = self.watch;
        let memory = if memory == 0 { String::new() } else { format!("{memory}:") };
        match self.expression {
            Some(_) => write!(f, "{} ({memory}{address:#x}+{len})", text::escape(&self.text)),
            None => write!(f, "{memory}{address:#x}+{len}"),
        }
    }
}

/// Parses an address or a length.
fn number(text: &str) -> Option<u64> {
    match text.trim().strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.trim().parse().ok(),
    }
}

/// The bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
