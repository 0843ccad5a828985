//! A panic's words where nobody recorded standard error: the runtimes put them together in memory before they print them.

use super::{Evidence, Panic, PanicSource, stderr};
use crate::memory::Memory;
use crate::regions;
use crate::variables::{Inspector, Limits};

/// How far below the stack pointer Rust's words are looked for: its hook calls a few functions deep.
const DEPTH: u64 = 1 << 14;
/// The buffer in which `std::panicking::default_hook` puts its words together. Longer ones are printed without.
const BUFFER: usize = 512;
/// Bytes of the buffer that must be untouched after the words.
const GAP: usize = 64;
/// Frames on top of the stack that may be Zig's panic.
const FRAMES: usize = 8;
/// The longest message of Zig that is not cut off (`std.debug.panicExtra`).
const LONGEST: u64 = 0x1000;

/// The panic with all that it said, if that is still in memory.
pub fn completed(crash: &Evidence<'_, '_>, panic: Panic) -> Panic {
    match panic.language {
        "rust" => rust(crash, panic.location.as_deref()).unwrap_or(panic),
        "zig" => match zig(crash) {
            Some(message) => Panic { message: Some(message), ..panic },
            None => panic,
        },
        _ => panic,
    }
}

/// What Rust's hook printed, at the place where the panic is known to be from.
fn rust(crash: &Evidence<'_, '_>, location: Option<&str>) -> Option<Panic> {
    let index = crash.memory()?;
    let pointer = regions::stack_pointer(crash.dump, crash.binaries, index)?;
    left_over(crash.dump.memories.get(index as usize)?, pointer, location)
}

/// The hook's buffer in the part of the stack that is not in use any more, below all that is on the stack now.
///
/// The hook goes on to print a note, and that reaches into the end of the buffer: after the words it has to be as it was
/// made for a while. What is written over words is seen in them: numbers and addresses on a stack of a few megabytes have
/// bytes that are zero.
fn left_over(memory: &Memory<'_>, pointer: u64, location: Option<&str>) -> Option<Panic> {
    const START: &[u8] = b"thread '";
    let low = pointer.saturating_sub(DEPTH);
    let bytes = memory.bytes(low, pointer.min(memory.size).checked_sub(low)?).ok()?;
    let mut found = None;
    for at in memchr::memmem::find_iter(&bytes, START) {
        // Newer versions begin with an empty line.
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
        // Two that differ: one is of another panic.
        if found.as_ref().is_some_and(|found| *found != panic) {
            return None;
        }
        found = Some(panic);
    }
    found
}

/// The message with which Zig's panic was called, as the variables of its frames have it.
fn zig(crash: &Evidence<'_, '_>) -> Option<String> {
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
        // The oldest: those above it are of a panic within the panic.
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
