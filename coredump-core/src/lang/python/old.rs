//! CPython 3.11 and 3.12, which have no table for external debuggers.
//!
//! The state of a thread is recognised by its shape: links to its neighbours, a recursion limit, and the current frame,
//! which a record on the C stack refers to, whose code must be a `code` object and whose chain of frames must be sound.
//! Layouts, for pointers of 32 bits: CPython's `Include/cpython/pystate.h`, `Include/internal/pycore_frame.h`,
//! `Include/cpython/code.h`.

use super::objects::Objects;
use super::offsets::{Attributes, GeneratorStates, Integers, LoopEntry, OffsetTable, Offsets, StackEnd, Start};
use crate::memory::{Chunk, Memory};

/// Offsets in a thread's state: the links to its neighbours, the interpreter, the record that refers to the current
/// frame.
const PREVIOUS: u64 = 0;
const NEXT: u64 = 4;
const INTERPRETER: u64 = 8;
const RECORD: u64 = 40;
/// The number of bytes of a thread's state that are looked at.
const THREAD: usize = 44;
/// Recursion limits that count as plausible.
const RECURSION: std::ops::RangeInclusive<u64> = 1..=1 << 20;
/// The head of the list of threads is within so many bytes of an interpreter's state.
const HEAD_WITHIN: u64 = 1 << 14;
/// The number of frames of a thread that must be sound.
const CHECKED_FRAMES: usize = 16;
/// The number of places that look right at first that are looked at more closely.
const MAX_PLACES: usize = 1 << 16;
/// For how many of them the interpreter is searched.
const MAX_INTERPRETERS: usize = 1 << 8;

/// A version: its offsets, and those of the recursion limit in a thread's state and of the frame in the record.
struct Version {
    offsets: Offsets,
    limit: usize,
    frame: u64,
}

/// The offsets that both versions have in common.
fn common() -> Offsets {
    Offsets {
        thread_next: NEXT,
        frame_instr_ptr: 28,
        frame_stackpointer: 32,
        frame_localsplus: 40,
        code_localsplusnames: 72,
        code_localspluskinds: 76,
        code_filename: 80,
        code_qualname: 88,
        code_linetable: 92,
        ob_type: 4,
        tp_name: 12,
        tp_repr: 44,
        tp_flags: 84,
        tuple_size: 8,
        tuple_item: 12,
        list_size: 8,
        list_item: 12,
        set_used: 12,
        set_mask: 16,
        set_table: 20,
        dict_keys: 24,
        dict_values: 28,
        float_value: 8,
        long_tag: 8,
        long_digit: 12,
        bytes_size: 8,
        bytes_data: 16,
        unicode_length: 8,
        unicode_state: 16,
        stack_end: StackEnd::Count,
        generator_states: GeneratorStates { created: -2, suspended: -1, awaits: None, executing: 0 },
        ..Offsets::default()
    }
}

fn versions() -> [Version; 2] {
    let python_3_11 = Offsets {
        version: (3, 11),
        frame_executable: 16,
        frame_previous: 24,
        frame_owner: 37,
        code_argcount: 32,
        code_firstlineno: 48,
        code_adaptive: 116,
        unicode_ascii_size: 24,
        unicode_utf8: 12,
        generator_name: 16,
        generator_state: 39,
        generator_frame: 40,
        ht_cached_keys: 436,
        integers: Integers::Sized,
        attributes: Attributes::Apart,
        entry: LoopEntry::Flag(36),
        ..common()
    };
    let python_3_12 = Offsets {
        version: (3, 12),
        frame_executable: 0,
        frame_previous: 4,
        frame_owner: 38,
        code_argcount: 28,
        code_firstlineno: 44,
        code_adaptive: 124,
        unicode_ascii_size: 20,
        unicode_utf8: 8,
        generator_name: 12,
        generator_state: 35,
        generator_frame: 36,
        ht_cached_keys: 440,
        attributes: Attributes::Tagged,
        ..common()
    };
    [Version { offsets: python_3_11, limit: 24, frame: 4 }, Version { offsets: python_3_12, limit: 20, frame: 0 }]
}

/// Finds the state of a thread that runs Python code. `None` also where the layouts of both versions fit.
pub fn find(memory: &Memory<'_>) -> Option<OffsetTable> {
    if memory.memory64 {
        return None;
    }
    let mut found = versions().into_iter().filter_map(|version| thread(memory, &version));
    match (found.next(), found.next()) {
        (Some(only), None) => Some(OffsetTable::Known(Box::new(only))),
        _ => None,
    }
}

fn thread(memory: &Memory<'_>, version: &Version) -> Option<Offsets> {
    let (mut places, mut interpreters) = (MAX_PLACES, MAX_INTERPRETERS);
    memory.chunks(0..memory.size).find_map(|chunk| {
        let Chunk::Captured(segment) = chunk else { return None };
        let first = segment.address.next_multiple_of(4);
        let bytes = segment.bytes.get((first - segment.address) as usize..)?;
        (0..bytes.len().checked_sub(THREAD)?).step_by(4).find_map(|at| {
            let word = |offset: u64| {
                let at = at + offset as usize;
                u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
            };
            let is_address = |address: u64| address.is_multiple_of(4) && address < memory.size;
            let looks_right = RECURSION.contains(&word(version.limit as u64))
                && [PREVIOUS, NEXT, INTERPRETER, RECORD].iter().all(|&link| is_address(word(link)))
                && word(INTERPRETER) != 0
                && word(RECORD) != 0;
            if !looks_right || places == 0 {
                return None;
            }
            places -= 1;
            let thread = first + at as u64;
            let offsets = Offsets { start: Start::Thread(thread), current_frame: version.frame, ..version.offsets };
            let objects = Objects::new(memory, &offsets);
            if !runs(&objects, thread) || interpreters == 0 {
                return None;
            }
            interpreters -= 1;
            is_listed(&objects, thread, word(INTERPRETER)).then_some(offsets)
        })
    })
}

/// Returns true if a thread's frames are sound, as far as they are looked at.
fn runs(objects: &Objects<'_, '_>, thread: u64) -> bool {
    let Some(mut frame) = current_frame(objects, thread).filter(|&frame| frame != 0) else { return false };
    for _ in 0..CHECKED_FRAMES {
        if frame == 0 {
            break;
        }
        let code = objects.pointer(frame + objects.offsets.frame_executable);
        if code.and_then(|code| objects.type_of(code)).is_none_or(|kind| kind.full != "code") {
            return false;
        }
        let Some(previous) = objects.pointer(frame + objects.offsets.frame_previous) else { return false };
        frame = previous;
    }
    true
}

/// Returns true if the thread's neighbours link back to it, and the interpreter's state holds the address of the first
/// thread in their list.
fn is_listed(objects: &Objects<'_, '_>, thread: u64, interpreter: u64) -> bool {
    let is_neighbour = |link: u64, back: u64| {
        let neighbour = objects.pointer(thread + link);
        neighbour.is_some_and(|at| at == 0 || objects.pointer(at + back) == Some(thread))
    };
    let head = first(objects, thread);
    is_neighbour(PREVIOUS, NEXT)
        && is_neighbour(NEXT, PREVIOUS)
        && (0..HEAD_WITHIN).step_by(4).any(|offset| objects.pointer(interpreter + offset) == Some(head))
}

/// The first thread of the list that `thread` is in.
pub fn first(objects: &Objects<'_, '_>, thread: u64) -> u64 {
    let mut first = thread;
    for _ in 0..super::MAX_THREADS {
        match objects.pointer(first + PREVIOUS) {
            Some(before) if before != 0 => first = before,
            _ => break,
        }
    }
    first
}

/// The current frame of a thread, from the record on the C stack.
pub fn current_frame(objects: &Objects<'_, '_>, thread: u64) -> Option<u64> {
    let record = objects.pointer(thread + RECORD)?;
    objects.pointer(record + objects.offsets.current_frame)
}
