//! `_Py_DebugOffsets`: the table of offsets that CPython 3.13 and later have for external debuggers.
//!
//! It begins with the cookie `xdebugpy` and the version. After them come the sizes of the interpreter's structures and
//! the offsets of their fields, 64 bits each, in an order that changes with each minor version. Layout: CPython's
//! `Include/internal/pycore_debug_offsets.h`; until 3.13 in `pycore_runtime.h`.

use crate::memory::{Chunk, Memory};

/// The bytes with which the table begins.
const COOKIE: &[u8] = b"xdebugpy";
/// No size and no offset in the table is as large as this.
const MAX_OFFSET: u64 = 1 << 24;

/// The offsets that are needed to read objects and frames, in bytes from the beginning of a structure. Each is named
/// after the structure and the field as CPython spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// The place where a walk begins.
    pub start: Start,
    /// Major and minor version.
    pub version: (u8, u8),
    pub interpreters_head: u64,
    pub interpreter_size: u64,
    pub interpreter_next: u64,
    pub threads_head: u64,
    pub thread_next: u64,
    pub current_frame: u64,
    pub thread_id: u64,
    pub frame_previous: u64,
    pub frame_executable: u64,
    pub frame_instr_ptr: u64,
    pub frame_localsplus: u64,
    pub frame_owner: u64,
    pub frame_stackpointer: u64,
    pub code_filename: u64,
    pub code_qualname: u64,
    pub code_linetable: u64,
    pub code_firstlineno: u64,
    pub code_argcount: u64,
    pub code_localsplusnames: u64,
    pub code_localspluskinds: u64,
    pub code_adaptive: u64,
    pub ob_type: u64,
    pub tp_name: u64,
    pub tp_repr: u64,
    pub tp_flags: u64,
    pub tuple_item: u64,
    pub tuple_size: u64,
    pub list_item: u64,
    pub list_size: u64,
    pub set_used: u64,
    pub set_table: u64,
    pub set_mask: u64,
    pub dict_keys: u64,
    pub dict_values: u64,
    pub float_value: u64,
    pub long_tag: u64,
    pub long_digit: u64,
    pub bytes_size: u64,
    pub bytes_data: u64,
    pub unicode_state: u64,
    pub unicode_length: u64,
    pub unicode_ascii_size: u64,
    pub generator_name: u64,
    pub generator_frame: u64,
    pub generator_state: u64,
    /// The keys that the instances of a class share. This field and those below are not in the tables of all versions.
    pub ht_cached_keys: u64,
    /// The number of bytes by which the characters of a string that is not ASCII begin further on than those of one
    /// that is.
    pub unicode_utf8: u64,
    pub integers: Integers,
    pub attributes: Attributes,
    pub entry: LoopEntry,
    pub stack_end: StackEnd,
    pub generator_states: GeneratorStates,
}

/// The place where a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The address of `_PyRuntime`, where the table lies.
    Runtime(u64),
    /// The address of a thread's state.
    Thread(u64),
}

impl Default for Start {
    fn default() -> Self {
        Start::Runtime(0)
    }
}

/// The way in which an integer stores its sign and its number of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integers {
    /// Sign and number of digits are in a tag word, since 3.12.
    #[default]
    Tagged,
    /// `ob_size` is the number of digits, negative for a negative integer.
    Sized,
}

/// The place of the attributes of an instance that has no dictionary yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attributes {
    /// They follow the object, since 3.13.
    #[default]
    Inline,
    /// They lie elsewhere; their address, less one, is stored in the place of the dictionary's.
    Tagged,
    /// They lie elsewhere; their address is stored in the word before the dictionary's.
    Apart,
}

/// The mark of a frame whose evaluation loop was called by C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopEntry {
    /// A frame of its own marks the call, since 3.12.
    #[default]
    Frame,
    /// The byte at this offset is 1 in the first frame of the call.
    Flag(u64),
}

/// The way in which a frame stores the end of its stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StackEnd {
    /// As the address after the last value, since 3.14.
    #[default]
    Address,
    /// As the number of values, local variables included.
    Count,
}

/// The numbers of a generator's or coroutine's states (`Include/internal/pycore_frame.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorStates {
    pub created: i8,
    pub suspended: i8,
    /// The state of one that awaits or delegates to the object on its stack; `None` in versions without such a state.
    pub awaits: Option<i8>,
    pub executing: i8,
}

/// The result of a search for the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetTable {
    /// The table of a version whose order of fields is known.
    Known(Box<Offsets>),
    /// The table of another version (major and minor), or of a free-threaded build.
    Unknown((u8, u8)),
}

/// Finds the table in a memory.
pub fn find(memory: &Memory<'_>) -> Option<OffsetTable> {
    memory.chunks(0..memory.size).find_map(|chunk| {
        let Chunk::Captured(segment) = chunk else { return None };
        let mut hits = memchr::memmem::find_iter(segment.bytes, COOKIE).take(64);
        hits.find_map(|hit| table_at(memory, segment.address + hit as u64))
    })
}

/// Reads the table of offsets at an address; `None` if there is none.
fn table_at(memory: &Memory<'_>, address: u64) -> Option<OffsetTable> {
    let word = |index: u64| memory.uint(address.checked_add(8 * index)?, 8).ok();
    let hexversion = word(1).filter(|version| version >> 32 == 0)?;
    let version = ((hexversion >> 24) as u8, (hexversion >> 16) as u8);
    let free_threaded = word(2).filter(|&flag| flag <= 1)?;
    if version.0 != 3 {
        return None;
    }
    let order = match version {
        (3, 13) => [RUNTIME_3_13, THREAD_3_13, FRAME_AND_CODE_3_13, TYPE_3_13, VALUES_3_13, &[]],
        (3, 14) => [RUNTIME, THREAD_3_13, FRAME_AND_CODE, TYPE_3_13, VALUES, GENERATOR_3_14],
        (3, 15) => [RUNTIME, THREAD_3_15, FRAME_AND_CODE, TYPE_3_15, VALUES, GENERATOR_3_15],
        _ => return Some(OffsetTable::Unknown(version)),
    };
    if free_threaded == 1 || memory.memory64 {
        return Some(OffsetTable::Unknown(version));
    }
    let mut offsets = Offsets { start: Start::Runtime(address), ..told_by_no_table(version) };
    for (nth, field) in (3..).zip(order.into_iter().flatten()) {
        let value = word(nth).filter(|&value| value < MAX_OFFSET)?;
        if let Some(field) = field {
            *field(&mut offsets) = value;
        }
    }
    Some(OffsetTable::Known(Box::new(offsets)))
}

/// The offsets that no table has, or only that of a later version, for 32-bit pointers.
fn told_by_no_table(version: (u8, u8)) -> Offsets {
    let newest = Offsets {
        version,
        ht_cached_keys: 440,
        unicode_utf8: 8,
        // A number of its own for one that others may not touch, 3, is not seen without threads.
        generator_states: GeneratorStates { created: 0, suspended: 1, awaits: Some(2), executing: 4 },
        ..Offsets::default()
    };
    let old = GeneratorStates { created: -3, suspended: -2, awaits: Some(-1), executing: 0 };
    match version.1 {
        13 => Offsets {
            set_used: 12,
            set_mask: 16,
            set_table: 20,
            frame_stackpointer: 32,
            generator_name: 12,
            generator_frame: 36,
            generator_state: 35,
            stack_end: StackEnd::Count,
            generator_states: old,
            ..newest
        },
        14 => Offsets { generator_states: old, ..newest },
        _ => newest,
    }
}

/// A field of the table: the field of [`Offsets`] that takes its value, if it is needed.
type Field = Option<fn(&mut Offsets) -> &mut u64>;

/// The order of a version's fields; `_` stands for one that is not needed.
macro_rules! order {
    (@ _) => { None };
    (@ $field:ident) => { Some(|offsets: &mut Offsets| &mut offsets.$field) };
    ($($field:tt)*) => { &[$(order!(@ $field)),*] };
}

const RUNTIME_3_13: &[Field] = order!(
    // _PyRuntimeState: size, finalizing, interpreters_head.
    _ _ interpreters_head
    // PyInterpreterState: size, id, next, threads_head and nine more.
    interpreter_size _ interpreter_next threads_head _ _ _ _ _ _ _ _ _
);

const RUNTIME: &[Field] = order!(
    // _PyRuntimeState: size, finalizing, interpreters_head.
    _ _ interpreters_head
    // PyInterpreterState: size, id, next, threads_head, threads_main and eleven more.
    interpreter_size _ interpreter_next threads_head _ _ _ _ _ _ _ _ _ _ _ _
);

/// PyThreadState: size, prev, next, interp, current_frame, thread_id, native_thread_id, datastack_chunk, status.
const THREAD_3_13: &[Field] = order!(_ _ thread_next _ current_frame thread_id _ _ _);

/// PyThreadState: size, prev, next, interp, current_frame, base_frame, two of profilers, thread_id and seven more.
const THREAD_3_15: &[Field] = order!(_ _ thread_next _ current_frame _ _ _ thread_id _ _ _ _ _ _ _ _);

const FRAME_AND_CODE_3_13: &[Field] = order!(
    // _PyInterpreterFrame: size, previous, executable, instr_ptr, localsplus, owner.
    _ frame_previous frame_executable frame_instr_ptr frame_localsplus frame_owner
    // PyCodeObject: size, filename, name, qualname, linetable, firstlineno, argcount, names, kinds, code.
    _ code_filename _ code_qualname code_linetable code_firstlineno code_argcount
    code_localsplusnames code_localspluskinds code_adaptive
    // PyObject: size, ob_type.
    _ ob_type
);

const FRAME_AND_CODE: &[Field] = order!(
    // _PyInterpreterFrame: size, previous, executable, instr_ptr, localsplus, owner, stackpointer, tlbc_index.
    _ frame_previous frame_executable frame_instr_ptr frame_localsplus frame_owner frame_stackpointer _
    // PyCodeObject: size, filename, name, qualname, linetable, firstlineno, argcount, names, kinds, code, co_tlbc.
    _ code_filename _ code_qualname code_linetable code_firstlineno code_argcount
    code_localsplusnames code_localspluskinds code_adaptive _
    // PyObject: size, ob_type.
    _ ob_type
);

/// PyTypeObject: size, tp_name, tp_repr, tp_flags.
const TYPE_3_13: &[Field] = order!(_ tp_name tp_repr tp_flags);

/// PyTypeObject has tp_basicsize and tp_dictoffset too, and PyHeapTypeObject follows it: size, ht_cached_keys.
const TYPE_3_15: &[Field] = order!(_ tp_name tp_repr tp_flags _ _ _ ht_cached_keys);

/// Tuple, list, dict, float, int, bytes, str: the size first.
const VALUES_3_13: &[Field] = order!(
    _ tuple_item tuple_size
    _ list_item list_size
    _ dict_keys dict_values
    _ float_value
    _ long_tag long_digit
    _ bytes_size bytes_data
    _ unicode_state unicode_length unicode_ascii_size
);

/// Tuple, list, set, dict, float, int, bytes, str: the size first.
const VALUES: &[Field] = order!(
    _ tuple_item tuple_size
    _ list_item list_size
    _ set_used set_table set_mask
    _ dict_keys dict_values
    _ float_value
    _ long_tag long_digit
    _ bytes_size bytes_data
    _ unicode_state unicode_length unicode_ascii_size
);

/// Collector: the size and one more. Generators: size, gi_name, gi_iframe, gi_frame_state.
const GENERATOR_3_14: &[Field] = order!(_ _ _ generator_name generator_frame generator_state);

/// The collector has the size and five more.
const GENERATOR_3_15: &[Field] = order!(_ _ _ _ _ _ _ generator_name generator_frame generator_state);
