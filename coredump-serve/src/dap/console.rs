//! Implements the commands of an editor's console: `help`, `memory`, `whatis`, `heap`, `leaks`, `tasks`. All other
//! lines are expressions.

use std::fmt::Write;
use std::ops::Range;

use coredump_core::memory::Chunk;
use coredump_core::text::escape;
use coredump_core::{Dump, Frame, Memory};

use super::LIMITS;
use super::memory::{self, MemoryReference, number};
use super::{heaps, tasks};

/// The names of the commands.
pub const VERBS: [&str; 6] = ["heap", "help", "leaks", "memory", "tasks", "whatis"];
/// The number of bytes that `memory` shows by default.
const SHOWN: u64 = 64;
/// The number of bytes that `memory` shows at most.
const MOST: u64 = 4096;
/// The number of bytes that a line shows.
const LINE: u64 = 16;

const HELP: &str = "\
EXPRESSION        its value in the selected frame: node->next, buf[2..5], (struct node *)0x10450, $sp
memory PLACE [N]  N bytes from an address or an expression on
whatis PLACE      what an address belongs to
heap              what the heaps hold
leaks             the blocks that nothing points to any more
tasks             the asynchronous tasks, and what each waits for
A place is an address (0x10450; in memory 2, 2:0x10450) or an expression: a pointer leads where it points.";

/// The context of a line of the call stack, in which expressions and commands are evaluated.
pub struct Scene<'a> {
    /// The dump.
    pub dump: &'a Dump,
    /// The asynchronous tasks of the dump.
    pub tasks: &'a tasks::TaskLists,
    /// The frame, and the number of its inlined function.
    pub frame: Option<(Frame, usize)>,
}

/// Runs a line of the console; `None` if its first word is not a command.
pub fn run(scene: &Scene<'_>, line: &str) -> Option<Result<String, String>> {
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    // A variable may have the name of a command.
    if rest.is_empty() && VERBS.contains(&verb) && scene.names(verb) {
        return None;
    }
    Some(match (verb, rest) {
        ("help", _) => Ok(scene.help()),
        ("heap", "") => heaps::summary(scene.dump),
        ("leaks", "") => heaps::leaks(scene.dump),
        ("tasks", "") => {
            let none = || escape(&coredump_core::tasks::none_found(scene.dump.binaries())).into_owned();
            scene.tasks.text(scene.dump).ok_or_else(none)
        }
        ("memory", rest) if !rest.is_empty() => scene.memory(rest),
        ("whatis", rest) if !rest.is_empty() => scene.whatis(rest),
        ("memory" | "whatis", _) => Err(format!("{verb} needs an address or an expression")),
        _ => return None,
    })
}

impl Scene<'_> {
    fn names(&self, name: &str) -> bool {
        self.frame.as_ref().is_some_and(|(frame, scope)| frame.evaluate_in(*scope, name, LIMITS).is_ok())
    }

    fn help(&self) -> String {
        let recorded = self.dump.recorded().recording.is_some();
        match (recorded, self.dump.path()) {
            (true, Some(path)) => format!(
                "{HELP}\nThe run was recorded: coredump-run --replay {} --last-write NAME finds what wrote to a variable last.",
                coredump_core::text::shell(path.as_os_str())
            ),
            _ => HELP.to_owned(),
        }
    }

    /// Returns the index of the memory and the address that a person names.
    fn address_of(&self, text: &str) -> Result<(u32, u64), String> {
        match MemoryReference::read(text) {
            Ok(MemoryReference::Memory(memory, address)) => return Ok((memory, address)),
            Ok(MemoryReference::Code(..)) => return Err("code is disassembled, not listed".to_owned()),
            Err(_) => {}
        }
        let (frame, scope) = self.frame.as_ref().ok_or("nothing is known of this frame's variables")?;
        let value = frame.evaluate_in(*scope, text, LIMITS);
        let value = value.map_err(|error| format!("column {}: {}", error.column, error.message))?;
        let memory = memory::memory_of(self.dump, frame).ok_or("which memory the frame uses is not known")?;
        let shown = value.text();
        let pointer = shown.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        let address = Some(pointer).filter(|pointer| pointer.starts_with("0x")).and_then(number);
        match address.or(value.address) {
            Some(address) => Ok((memory, address)),
            None => Err(format!("{text} has no address: it is {shown}")),
        }
    }

    fn memory(&self, rest: &str) -> Result<String, String> {
        let split = rest.rsplit_once(char::is_whitespace);
        let split = split.and_then(|(place, count)| Some((place.trim(), number(count)?)));
        let (text, count) = split.unwrap_or((rest, SHOWN));
        let (index, address) = self.address_of(text)?;
        let memory = memory::memory(self.dump, index)?;
        let end = address.saturating_add(count.min(MOST)).min(memory.size);
        if address >= end {
            return Err(outside(memory, address));
        }
        let mut text = String::new();
        let mut at = address;
        while at < end {
            let next = (at + LINE).min(end);
            line(&mut text, memory, at..next);
            at = next;
        }
        text.pop();
        Ok(text)
    }

    fn whatis(&self, rest: &str) -> Result<String, String> {
        let (index, address) = self.address_of(rest)?;
        let memory = memory::memory(self.dump, index)?;
        let chunk = memory.chunks(address..memory.size).next().ok_or_else(|| outside(memory, address))?;
        let mut text = format!("{address:#x} in memory {index}");
        if let Chunk::Hole { .. } = chunk {
            text.push_str(", which the dump does not hold");
        }
        let regions = self.dump.regions(index);
        if let Some(region) = regions.at(address) {
            let Range { start, end } = region.range;
            let _ = write!(text, "\nregion: {}, {start:#x}..{end:#x}", escape(region.label()));
        }
        let symbols = self.dump.statics(index);
        if let Some((symbol, offset)) = symbols.at(address) {
            let _ = write!(text, "\nsymbol: {} at {:#x}", escape(&symbol.name), symbol.address);
            if offset > 0 {
                let _ = write!(text, ", {offset:#x} bytes into it");
            }
        }
        heaps::describe_address(self.dump, index, memory, address, &mut text);
        Ok(text)
    }
}

fn outside(memory: &Memory<'_>, address: u64) -> String {
    format!("{address:#x} lies outside the memory, which ends at {:#x}", memory.size)
}

/// Appends bytes in hexadecimal and as text. Bytes that the dump does not hold are `??`.
fn line(text: &mut String, memory: &Memory<'_>, range: Range<u64>) {
    let byte = |at: u64| memory.uint(at, 1).ok().map(|byte| byte as u8);
    let _ = write!(text, "{:#010x} ", range.start);
    for at in range.start..range.start + LINE {
        let _ = match (at < range.end, byte(at)) {
            (false, _) => write!(text, "   "),
            (true, None) => write!(text, " ??"),
            (true, Some(byte)) => write!(text, " {byte:02x}"),
        };
    }
    text.push_str("  |");
    for at in range {
        text.push(match byte(at) {
            Some(byte @ b' '..=b'~') => char::from(byte),
            Some(_) => '.',
            None => '?',
        });
    }
    text.push_str("|\n");
}
