//! `--redact`: a document without the program's data.
//!
//! It fails closed: only the fields that this file lists are written, and all others are null. A new field is therefore
//! left out until somebody has thought about it and added it here. A listed field whose text comes from the dump keeps
//! the text only if something else vouches for it: a binary that was found, or a form that leaves no room for secrets.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;

use coredump_core::{Slot, extension};
use serde_json::ser::{CharEscape, Formatter};

/// Paths of the values that are kept.
const KEPT: &str = "
    version signature
    dump.kind dump.line dump.path dump.size dump.modified dump.layout dump.offsets dump.executable dump.producer dump.incomplete.offset
    process.executable process.start_time process.time process.runtime process.producer process.pid process.exit_code
    process.memory_limit
    process.detail process.request.method
    host_calls[].name host_calls[].failed host_calls[].since_start_ms
    reason.kind reason.message reason.source reason.panic.language reason.panic.source
    reason.instruction reason.memory_access.size reason.memory_access.kind
    reason.exception.language reason.exception.rethrown reason.exception.last_only
    reason.allocation.function reason.allocation.thread reason.allocation.frame
    place.thread place.frame place.function place.file place.line place.column
    modules[].index modules[].name modules[].path modules[].sha256 modules[].content_sha256 modules[].digest
    modules[].build_id modules[].embedded_size modules[].symbols modules[].verified
    modules[].binary.path modules[].binary.nested modules[].binary.checked modules[].binary.symbols_from
    instances[].index instances[].module instances[].memories[] instances[].globals[] instances[].tables[]
    threads[].index threads[].truncated
    threads[].frames[].index threads[].frames[].instance threads[].frames[].module threads[].frames[].function_index
    threads[].frames[].code_offset threads[].frames[].module_offset threads[].frames[].dwarf_pc
    threads[].frames[].function threads[].frames[].raw_name threads[].frames[].file threads[].frames[].line
    threads[].frames[].column threads[].frames[].entered threads[].frames[].declared.file threads[].frames[].declared.line threads[].frames[].language
    threads[].frames[].inlines[].function threads[].frames[].inlines[].file threads[].frames[].inlines[].line
    threads[].frames[].inlines[].column
    threads[].frames[].locals[].name threads[].frames[].locals[].type threads[].frames[].stack[].type
    threads[].frames[].variables_omitted
    threads[].frames[].variables[].name threads[].frames[].variables[].type threads[].frames[].variables[].function
    threads[].frames[].variables[].inlined threads[].frames[].variables[].hidden threads[].frames[].variables[].kind
    threads[].frames[].variables[].location threads[].frames[].variables[].address threads[].frames[].variables[].status
    threads[].frames[].variables[].at
    tasks[].language tasks[].executor tasks[].id tasks[].state tasks[].address tasks[].waits_for[]
    memories[].index memories[].size memories[].maximum memories[].page_size memories[].memory64 memories[].shared
    memories[].captured_bytes memories[].redacted
    globals[].index globals[].name globals[].type globals[].mutable
    tables[].index tables[].type tables[].size
    sections[].id sections[].name sections[].offset sections[].size
    warnings[]
    error.kind error.offset error.path
";

/// The fields that are kept of each function and future that an asynchronous task awaits, and how deep these may be
/// nested.
const KEPT_OF_AWAITS: &str = "kind function state file line column thread frame address task";
const AWAITS: usize = 16;

/// The fields that are kept of an event for Sentry.
const KEPT_OF_EVENTS: &str = "
    event_id timestamp platform level fingerprint[]
    exception.values[].type exception.values[].value exception.values[].thread_id exception.values[].mechanism.type
    exception.values[].mechanism.handled exception.values[].mechanism.synthetic
    threads.values[].id threads.values[].crashed
    debug_meta.images[].type debug_meta.images[].code_id debug_meta.images[].debug_id
    contexts.runtime.type contexts.runtime.name contexts.runtime.version
    contexts.coredump.type contexts.coredump.kind contexts.coredump.path contexts.coredump.line
    contexts.coredump.producer contexts.coredump.executable
";

/// The fields that are kept of each of its stack traces.
const KEPT_OF_STACKS: &str = "
    platform function raw_function filename abs_path lineno colno instruction_addr addr_mode in_app data.symbolicator_status
";

/// A path in a document: whether a value there is kept, and the paths below it.
#[derive(Default)]
struct Node {
    kept: bool,
    /// By the name of a field; `[]` is any element of a list.
    below: HashMap<&'static str, usize>,
}

static NODES: LazyLock<Vec<Node>> = LazyLock::new(|| {
    let mut nodes = vec![Node::default()];
    let stacks = ["exception", "threads"].into_iter().flat_map(|list| {
        let fields = KEPT_OF_STACKS.split_whitespace();
        fields.map(move |field| format!("{list}.values[].stacktrace.frames[].{field}"))
    });
    let awaits = (1..=AWAITS).flat_map(|level| {
        let inner = "awaits[].".repeat(level);
        KEPT_OF_AWAITS.split_whitespace().map(move |field| format!("tasks[].{inner}{field}"))
    });
    let made: Vec<&'static str> = stacks.chain(awaits).map(|path| &*path.leak()).collect();
    for path in KEPT.split_whitespace().chain(KEPT_OF_EVENTS.split_whitespace()).chain(made) {
        let mut at = 0;
        for field in path.split('.') {
            let name = field.trim_end_matches("[]");
            for step in std::iter::once(name).chain(field.ends_with("[]").then_some("[]")) {
                let next = nodes.len();
                let below = *nodes[at].below.entry(step).or_insert(next);
                if below == next {
                    nodes.push(Node::default());
                }
                at = below;
            }
        }
        nodes[at].kept = true;
    }
    nodes
});

/// A path in a document of which something is kept, for the schema.
#[cfg(all(test, feature = "schema"))]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeptPath(usize);

#[cfg(all(test, feature = "schema"))]
impl KeptPath {
    /// The document itself.
    pub fn all() -> KeptPath {
        KeptPath(0)
    }

    /// The path below it with this name (`[]` is any element of a list), if anything there is kept.
    pub fn below(self, name: &str) -> Option<KeptPath> {
        NODES[self.0].below.get(name).copied().map(KeptPath)
    }
}

/// Writes a document as the formatter inside does, with null for what is not kept.
pub struct Redacting<F> {
    inner: F,
    /// True if anything is left out.
    on: bool,
    /// The paths of the objects and lists that are open; `None` where nothing is kept.
    open: Vec<Option<usize>>,
    /// The path of the next value.
    next: Option<usize>,
    /// The number of open objects and lists that are not written.
    skipped: usize,
    /// The name of the field that is being written.
    key: Option<String>,
    /// True if the current string is left out.
    muted: bool,
}

impl<F: Formatter> Redacting<F> {
    /// Leaves out what is not kept, if `on`.
    pub fn new(inner: F, on: bool) -> Self {
        Redacting { inner, on, open: Vec::new(), next: Some(0), skipped: 0, key: None, muted: false }
    }

    fn node(&self) -> Option<&'static Node> {
        self.next.and_then(|next| NODES.get(next))
    }

    /// Returns true if the value that comes next is written as it is. Writes null for one that is not.
    fn keeps<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<bool> {
        if !self.on {
            return Ok(true);
        }
        if self.skipped > 0 {
            return Ok(false);
        }
        let kept = self.node().is_some_and(|node| node.kept);
        if !kept {
            self.inner.write_null(writer)?;
        }
        Ok(kept)
    }

    /// Returns true if the object or list that begins is written. Writes null for one that is not.
    fn enters<W: ?Sized + Write>(&mut self, list: bool, writer: &mut W) -> io::Result<bool> {
        if !self.on {
            return Ok(true);
        }
        let below = |node: &Node| node.below.keys().any(|&name| (name == "[]") == list);
        if self.skipped == 0 && self.node().is_some_and(below) {
            self.open.push(self.next);
            return Ok(true);
        }
        if self.skipped == 0 {
            self.inner.write_null(writer)?;
        }
        self.skipped += 1;
        Ok(false)
    }

    /// Returns true if the end of an object or list is written.
    fn leaves(&mut self) -> bool {
        if self.skipped > 0 {
            self.skipped -= 1;
            return false;
        }
        self.open.pop();
        true
    }

    /// Moves to the field or element of this name in the open object or list.
    fn step(&mut self, name: &str) {
        let open = self.open.last().copied().flatten().and_then(|open| NODES.get(open));
        self.next = open.and_then(|open| open.below.get(name).copied());
    }
}

/// Values that are written as they are, or null.
macro_rules! values {
    ($($method:ident($type:ty);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            if self.keeps(writer)? { self.inner.$method(writer, value) } else { Ok(()) }
        })*
    };
}

impl<F: Formatter> Formatter for Redacting<F> {
    values! {
        write_bool(bool);
        write_i8(i8);
        write_i16(i16);
        write_i32(i32);
        write_i64(i64);
        write_i128(i128);
        write_u8(u8);
        write_u16(u16);
        write_u32(u32);
        write_u64(u64);
        write_u128(u128);
        write_f32(f32);
        write_f64(f64);
        write_number_str(&str);
        write_byte_array(&[u8]);
        write_raw_fragment(&str);
    }

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped == 0 { self.inner.write_null(writer) } else { Ok(()) }
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped == 0 && self.key.is_some() {
            return self.inner.begin_string(writer);
        }
        self.muted = !self.keeps(writer)?;
        if self.muted { Ok(()) } else { self.inner.begin_string(writer) }
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if std::mem::take(&mut self.muted) || self.skipped > 0 { Ok(()) } else { self.inner.end_string(writer) }
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if self.muted || self.skipped > 0 {
            return Ok(());
        }
        if let Some(key) = &mut self.key {
            key.push_str(fragment);
        }
        self.inner.write_string_fragment(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.muted || self.skipped > 0 { Ok(()) } else { self.inner.write_char_escape(writer, escape) }
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.enters(true, writer)? { self.inner.begin_array(writer) } else { Ok(()) }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.leaves() { self.inner.end_array(writer) } else { Ok(()) }
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if self.skipped > 0 {
            return Ok(());
        }
        self.step("[]");
        self.inner.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped > 0 { Ok(()) } else { self.inner.end_array_value(writer) }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.enters(false, writer)? { self.inner.begin_object(writer) } else { Ok(()) }
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.leaves() { self.inner.end_object(writer) } else { Ok(()) }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if self.skipped > 0 {
            return Ok(());
        }
        self.key = Some(String::new());
        self.inner.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped > 0 {
            return Ok(());
        }
        let key = self.key.take().unwrap_or_default();
        self.step(&key);
        self.inner.end_object_key(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped > 0 { Ok(()) } else { self.inner.begin_object_value(writer) }
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.skipped > 0 { Ok(()) } else { self.inner.end_object_value(writer) }
    }
}

/// The known kinds of reasons (`docs/format.md`). Any other text may be a secret.
const KINDS: &str = "unreachable integer-divide-by-zero integer-overflow invalid-conversion-to-integer memory-out-of-bounds \
    table-out-of-bounds indirect-call indirect-call-to-null indirect-call-type-mismatch null-reference cast-failure \
    array-out-of-bounds array-access unaligned-atomic atomic-access stack-overflow out-of-fuel memory-limit exception \
    host-error host-call exit timeout signal snapshot interrupt allocation-too-large null-i31-ref \
    cannot-leave-component cannot-enter-component no-async-result unhandled-tag";

/// The functions of WASI 0.1 (`wasi_snapshot_preview1.witx`), and those of WASI 0.2 for command lines, as its WIT has
/// them.
const FUNCTIONS: &str = include_str!("functions.txt");

/// Messages of engines for traps that are always the same.
const MESSAGES: &[&str] = &[
    "all fuel consumed by WebAssembly",
    "allocation size too large",
    "call stack exhausted",
    "cannot enter component instance",
    "cannot leave component instance",
    "cast failure",
    "indirect call type mismatch",
    "integer divide by zero",
    "integer overflow",
    "interrupt",
    "invalid conversion to integer",
    "null i31 reference",
    "null reference",
    "out of bounds array access",
    "out of bounds memory access",
    "out of bounds table access",
    "unaligned atomic",
    "undefined element: out of bounds table access",
    "uninitialized element",
    "unreachable",
    "uncaught exception",
    "wasm `unreachable` instruction executed",
];

/// Programs that write dumps.
const PRODUCERS: &[&str] = &[
    "wasmtime",
    "wasmedge",
    "wasmer",
    "extism",
    "v8",
    "spidermonkey",
    "jsc",
    "wasm-coredump-rewriter",
    "coredump-run",
    "coredump-json",
    "coredump-capture",
];

/// Sections whose names the standard or this project defines.
const SECTIONS: &[&str] = &[
    "core",
    "coremodules",
    "coreinstances",
    "corestack",
    "producers",
    extension::PROCESS,
    extension::REASON,
    extension::CALLS,
    extension::MODULES,
    extension::MEMORIES,
    extension::TABLES,
    extension::VALUES,
    extension::THREADS,
    extension::EMBEDDED_MODULE,
    extension::COMPONENT,
];

/// A kind of reason, or `other`.
pub fn kind(kind: &str) -> &str {
    if KINDS.split_whitespace().any(|known| known == kind) { kind } else { "other" }
}

/// A message, if it is one that engines always give in the same words.
pub fn message(message: &str) -> Option<&str> {
    let plain = message.strip_prefix("wasm trap: ").unwrap_or(message);
    MESSAGES.contains(&plain).then_some(message)
}

/// The name of a producer, if it is a known one, with its version if that is three numbers.
pub fn producer(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let known = PRODUCERS.iter().any(|known| name.eq_ignore_ascii_case(known));
    let version = rest.strip_suffix(" (inferred)").unwrap_or(rest);
    let is_number = |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = version.is_empty()
        || version == "(inferred)"
        || version.split('.').count() == 3 && version.split('.').all(is_number);
    match (known, plain) {
        (true, true) => Some(text),
        (true, false) => Some(name),
        (false, _) => None,
    }
}

/// Returns true if a name is that of a function of WASI. Any other may be a secret.
pub fn function(name: &str) -> bool {
    FUNCTIONS.split_whitespace().any(|known| known == name)
}

/// A method of HTTP (RFC 9110, RFC 5789), if it is one. Any other text may be a secret.
pub fn method(text: &str) -> Option<&str> {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"].contains(&text).then_some(text)
}

/// A text, if it is a time of RFC 3339.
pub fn time(text: &str) -> Option<&str> {
    humantime::parse_rfc3339(text).is_ok().then_some(text)
}

/// Returns the text if it is one of the words that say how a program was run before its dump was made.
pub fn detail(text: &str) -> Option<&str> {
    ["live", "replayed", "none"].contains(&text).then_some(text)
}

/// A text, if it may be a hash of 256 bits.
pub fn hash(text: &str) -> Option<&str> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// A text, if it may be a build id: hexadecimal digits of 8 to 32 bytes. If all of them are decimal, they may as well
/// be a number of the program's.
pub fn build_id(text: &str) -> Option<&str> {
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    (hex && !decimal && (16..=64).contains(&text.len())).then_some(text)
}

/// The name of a section that is known.
pub fn section(name: &str) -> Option<&str> {
    SECTIONS.contains(&name).then_some(name)
}

/// The names of the binaries that were found, which vouch for the names of modules in the dump.
pub struct Binaries<'d> {
    /// The names in their own name sections.
    names: HashSet<&'d str>,
    /// Their files, by the last part of the path.
    files: HashMap<&'d OsStr, Vec<&'d Path>>,
}

impl<'d> Binaries<'d> {
    /// Collects the names and files of the binaries that a dump's modules have.
    pub fn new(slots: &'d [Slot]) -> Self {
        let (mut names, mut files) = (HashSet::new(), HashMap::<_, Vec<_>>::new());
        for binary in slots.iter().filter_map(|slot| Some(&slot.found.as_ref()?.binary)) {
            names.extend(binary.module().name());
            if let Some((path, last)) = binary.path().and_then(|path| Some((path, path.file_name()?))) {
                let same: &mut Vec<&Path> = files.entry(last).or_default();
                // Modules that share a binary follow each other.
                if same.last() != Some(&path) {
                    same.push(path);
                }
            }
        }
        Binaries { names, files }
    }

    /// A name or path of a binary, if a binary that was found has the same file name or name section.
    pub fn vouched<'t>(&self, text: &'t str) -> Option<&'t str> {
        let path = Path::new(text);
        let same = path.file_name().and_then(|last| self.files.get(last));
        let file = same.is_some_and(|files| files.iter().any(|file| file.ends_with(path)));
        (file || self.names.contains(text)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;
    use serde_json::ser::CompactFormatter;

    use super::*;

    fn redacted(value: &serde_json::Value) -> serde_json::Value {
        let mut written = Vec::new();
        let formatter = Redacting::new(CompactFormatter, true);
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut written, formatter)).unwrap();
        serde_json::from_slice(&written).unwrap()
    }

    #[test]
    fn only_what_is_listed_is_kept() {
        let document = json!({
            "version": 1,
            "secret": {"a": ["b", {"c": 1}], "d": "e"},
            "process": {"pid": 1, "args": ["secret"], "annotations": {"secret": "secret"},
                "request": {"method": "GET", "path": "secret", "headers": [{"name": "secret"}], "peer": "secret"}},
            "host_calls": [{"name": "fd_read", "args": ["secret"], "result": "secret", "failed": true}],
            "modules": [{"index": 0, "refused": [{"path": "secret"}]}, "secret", 7, ["secret"]],
            "instances": [{"memories": [1, null, {"secret": 1}], "globals": []}],
            "signature": {"secret": "secret"},
            "warnings": [],
        });
        let expected = json!({
            "version": 1,
            "secret": null,
            "process": {"pid": 1, "args": null, "annotations": null,
                "request": {"method": "GET", "path": null, "headers": null, "peer": null}},
            "host_calls": [{"name": "fd_read", "args": null, "result": null, "failed": true}],
            "modules": [{"index": 0, "refused": null}, null, null, null],
            "instances": [{"memories": [1, null, null], "globals": []}],
            "signature": null,
            "warnings": [],
        });
        assert_eq!(redacted(&document), expected);
        assert!(!redacted(&document).to_string().contains("secret\":\""));
    }

    #[test]
    fn text_of_a_dump_is_kept_where_its_form_leaves_no_room() {
        assert_eq!((kind("unreachable"), kind("4111 1111 1111 1111")), ("unreachable", "other"));
        assert_eq!(producer("wasmtime 48.0.8"), Some("wasmtime 48.0.8"));
        assert_eq!(producer("wasmtime (inferred)"), Some("wasmtime (inferred)"));
        assert_eq!(producer("wasmtime 4111111111111111"), Some("wasmtime"));
        assert_eq!(producer("secret 1.2.3"), None);
        assert_eq!(message("wasm trap: integer divide by zero"), Some("wasm trap: integer divide by zero"));
        assert_eq!(message("integer divide by zero: 4111"), None);
        assert_eq!((method("GET"), method("secret")), (Some("GET"), None));
        assert_eq!((time("2026-11-28T10:00:00Z"), time("secret")), (Some("2026-11-28T10:00:00Z"), None));
        assert_eq!((detail("replayed"), detail("4111")), (Some("replayed"), None));
        let digits = |count: usize| "0f".repeat(count / 2);
        assert!(hash(&digits(64)).is_some() && build_id(&digits(16)).is_some() && build_id(&digits(64)).is_some());
        assert!([2, 62, 66].iter().all(|&count| hash(&digits(count)).is_none()));
        assert!(
            ["4111111111111111", &digits(2), &digits(66), "secret-secret-se"].iter().all(|id| build_id(id).is_none())
        );
    }
}
