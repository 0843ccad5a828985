//! A panic's message where standard error was not recorded: runtimes build the message in memory before they print it.

use super::{CrashContext, Panic, PanicSource, stderr};
use crate::memory::Memory;
use crate::regions;
use crate::variables::{Inspector, Limits};

/// The number of bytes below the stack pointer that are searched for Rust's message: its panic hook calls a few
/// functions deep.
const DEPTH: u64 = 1 << 14;
/// Size in bytes of the buffer in which `std::panicking::default_hook` builds the message. Longer messages are printed
/// unbuffered.
const BUFFER: usize = 512;
/// The number of bytes of the buffer that must be untouched after the message.
const GAP: usize = 64;
/// The number of frames on top of the stack that may belong to Zig's panic.
const FRAMES: usize = 8;
/// The longest message of Zig that is not cut off (`std.debug.panicExtra`).
const LONGEST: u64 = 0x1000;

/// The panic with its whole message, if that is still in memory.
pub fn completed(crash: &CrashContext<'_, '_>, panic: Panic) -> Panic {
    match panic.language {
        "rust" => rust(crash, panic.location.as_deref()).unwrap_or(panic),
        "zig" => match zig(crash) {
            Some(message) => Panic { message: Some(message), ..panic },
            None => panic,
        },
        _ => panic,
    }
}

/// The message that Rust's hook printed, if it names the source location that is known for the panic.
fn rust(crash: &CrashContext<'_, '_>, location: Option<&str>) -> Option<Panic> {
    let index = crash.memory()?;
    let pointer = regions::stack_pointer(crash.dump, crash.binaries, index)?;
    left_over(crash.dump.memories.get(index as usize)?, pointer, location)
}

/// Looks for the hook's buffer in the unused part of the stack, below the stack pointer.
///
/// After the message the hook prints a note, whose frames overwrite the end of the buffer: so the first `GAP` bytes
/// after the message must still be as they were initialised. A message that was overwritten itself contains zero bytes,
/// since numbers and addresses on a stack of a few megabytes have some.
fn left_over(memory: &Memory<'_>, pointer: u64, location: Option<&str>) -> Option<Panic> {
    const START: &[u8] = b"thread '";
    let low = pointer.saturating_sub(DEPTH);
    let bytes = memory.bytes(low, pointer.min(memory.size).checked_sub(low)?).ok()?;
    let mut found = None;
    for at in memchr::memmem::find_iter(&bytes, START) {
        // Newer versions of Rust print an empty line first.
        let at = if at > 0 && bytes[at - 1] == b'\n' { at - 1 } else { at };
        let Some(buffer) = bytes.get(at..at + BUFFER) else { break };
        let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(BUFFER);
        let (words, rest) = buffer.split_at(end);
        let unwritten = rest.get(..GAP).is_some_and(|gap| gap.iter().all(|&byte| byte == 0));
        if words.last() != Some(&b'\n') || !unwritten {
            continue;
        }
        let panic = str::from_utf8(words).ok().and_then(stderr::panic);
        let Some(panic) = panic.filter(|panic| location.is_none() || location == panic.location.as_deref()) else {
            continue;
        };
        let panic = Panic { source: PanicSource::Stack, ..panic };
        // Two different messages were found, so one is of another panic.
        if found.as_ref().is_some_and(|found| *found != panic) {
            return None;
        }
        found = Some(panic);
    }
    found
}

/// The message with which Zig's panic was called, as the variables of its frames have it.
fn zig(crash: &CrashContext<'_, '_>) -> Option<String> {
    let inspector = Inspector::new(crash.dump, crash.binaries);
    let scene = crash.scene(0)?;
    let memory = scene.memory(0)?;
    let number = |frame, expression: &str| {
        let limits = Limits { depth: 1, elements: 1, text_only: true };
        let value = inspector.evaluate(crash.thread, frame, expression, &limits).ok()?.value?;
        match value.strip_prefix("0x") {
            Some(address) => u64::from_str_radix(address.split(' ').next()?, 16).ok(),
            None => value.parse().ok(),
        }
    };
    let text = |frame, address: &str, len: &str| {
        let (address, len) = (number(frame, address)?, number(frame, len)?);
        super::panics::text(memory, address, Some(len).filter(|&len| len < LONGEST)?)
    };
    let mut said = None;
    for (index, frame) in crash.frames.iter().enumerate().take(FRAMES) {
        let of = |name: &str| frame.function.as_ref().is_some_and(|function| function.starts_with(name));
        let words = match () {
            () if of("debug.defaultPanic") => text(index, "msg.ptr", "msg.len"),
            () if of("debug.panicExtra") => {
                text(index, "msg.ptr", "msg.len").or_else(|| text(index, "bw.buffer.ptr", "bw.end"))
            }
            () => None,
        };
        // The oldest frame counts: those above it are of a panic within the panic.
        said = words.or(said);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    /// A stack in use from 0x2000 on, with these bytes at 0x1000.
    fn found(bytes: &[u8], location: Option<&str>) -> Option<String> {
        let mut memory = Memory::new(65536);
        memory.set_contents(
            vec![Segment { address: 0x1000, bytes }],
            vec![0..0x1000, 0x1000 + bytes.len() as u64..65536],
        );
        left_over(&memory, 0x2000, location)?.message
    }

    #[test]
    fn the_words_of_a_whole_buffer_are_taken_and_no_others() {
        let words = b"\nthread 'main' (1) panicked at src/main.rs:2:3:\nbad 5\n";
        assert_eq!(found(words, None).as_deref(), Some("bad 5"));
        assert_eq!(found(&words[1..], Some("src/main.rs:2:3")).as_deref(), Some("bad 5"));
        assert_eq!(found(words, Some("src/main.rs:9:3")), None, "another panic's");
        let note = [&words[..], &[0; 100], b"x"].concat();
        assert_eq!(found(&note, None).as_deref(), Some("bad 5"), "only its end was written over");
        assert_eq!(found(&[&words[..], &[0; 60], b"x"].concat(), None), None, "something was written near the words");
        assert_eq!(found(&words[..words.len() - 1], None), None, "its end is not there");
        let full = [&words[..], &[b'a'; 600]].concat();
        assert_eq!(found(&full, None), None, "it did not fit");
        let other = b"thread 'main' (1) panicked at src/main.rs:2:3:\nworse\n";
        assert_eq!(found(&[&words[..], &[0; 512], other].concat(), None), None, "two of them");
        let mut memory = Memory::new(65536);
        memory.set_contents(vec![Segment { address: 0x1000, bytes: words }], vec![0..0x1000, 0x1100..65536]);
        assert_eq!(left_over(&memory, 0x1100, None), None, "the buffer is in use again");
    }
}
