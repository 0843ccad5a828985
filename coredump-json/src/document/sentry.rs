//! A crash as an event for Sentry (https://develop.sentry.dev/sdk/data-model/event-payloads/). `docs/sentry.md`
//! explains its fields.

use std::collections::HashMap;
use std::sync::Arc;

use coredump_core::model::Thread;
use coredump_core::module::{Module, hex};
use coredump_core::{Location, ResolvedFrame};
use serde::Serialize;
use serde_json::ser::CompactFormatter;
use sha2::{Digest, Sha256};

use super::{Document, Redacting};

/// The number of frames of one thread that an event has at most: Sentry keeps 250 source frames, of the youngest and the oldest.
const MAX_FRAMES: usize = 200;
/// The number of threads that an event has at most.
const MAX_THREADS: usize = 64;

/// An event.
#[derive(Serialize)]
pub struct Event {
    event_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    platform: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dist: Option<String>,
    exception: Values<Exception>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<Values<ThreadEntry>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fingerprint: Vec<String>,
    debug_meta: DebugMeta,
    contexts: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Values<T> {
    values: Vec<T>,
}

#[derive(Serialize)]
struct Exception {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    mechanism: Mechanism,
    thread_id: usize,
    stacktrace: Stacktrace,
}

#[derive(Serialize)]
struct Mechanism {
    #[serde(rename = "type")]
    kind: &'static str,
    handled: bool,
    synthetic: bool,
}

#[derive(Serialize)]
struct ThreadEntry {
    id: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    crashed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stacktrace: Option<Stacktrace>,
}

#[derive(Serialize)]
struct Stacktrace {
    frames: Vec<Frame>,
}

/// A source function, with the physical frame that it is part of.
#[derive(Serialize)]
struct Frame {
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    abs_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lineno: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    colno: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction_addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr_mode: Option<String>,
    in_app: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

/// Tells the server that frames are symbolicated already.
#[derive(Serialize)]
struct Data {
    symbolicator_status: &'static str,
}

#[derive(Serialize)]
struct DebugMeta {
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_id: Option<String>,
    debug_id: String,
    code_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_file: Option<String>,
}

impl Event {
    /// The event of a crash.
    pub fn new(document: &Document<'_>) -> Event {
        let dump = document.recorded();
        let crashed = dump.threads.iter().position(|thread| !thread.frames.is_empty()).unwrap_or(0);
        let (images, indices) = images(document);
        let stack = |thread: usize| stacktrace(document, thread, &indices);
        let reason = document.reason();
        let kind = reason.as_ref().map_or("unknown", |reason| reason.kind).to_owned();
        let value = document.dump.crash().reason.as_ref().map(|reason| {
            let summary = reason.summary();
            match document.redact {
                true => kind.clone(),
                false => summary.strip_prefix(&format!("{kind}: ")).map(str::to_owned).unwrap_or(summary),
            }
        });
        let exception = Exception {
            kind: kind.clone(),
            value,
            mechanism: Mechanism { kind: "wasm", handled: false, synthetic: false },
            thread_id: crashed,
            stacktrace: stack(crashed),
        };
        let several = dump.threads.len() > 1;
        let threads = several.then(|| {
            let entry = |(id, thread): (usize, &Thread)| ThreadEntry {
                id,
                name: thread.name.clone(),
                crashed: id == crashed,
                stacktrace: (id != crashed).then(|| stack(id)),
            };
            Values { values: dump.threads.iter().enumerate().take(MAX_THREADS).map(entry).collect() }
        });
        let process = document.process();
        let modified = document
            .modified
            .filter(super::process::has_four_digits)
            .map(|time| humantime::format_rfc3339_seconds(time).to_string());
        let timestamp = process.time.map(str::to_owned).or(modified);
        let signature = document.signature().map(str::to_owned);
        // Annotations of the run whose keys are fields of Sentry.
        let annotated =
            |names: &[&str]| names.iter().find_map(|name| process.annotations.get(name)).map(|&said| said.to_owned());
        let mut event = Event {
            event_id: String::new(),
            timestamp,
            platform: "native",
            level: "fatal",
            server_name: process.host.map(str::to_owned),
            release: annotated(&["release", "version"]),
            environment: annotated(&["environment"]),
            dist: annotated(&["dist"]),
            exception: Values { values: vec![exception] },
            threads,
            fingerprint: signature.into_iter().collect(),
            debug_meta: DebugMeta { images },
            contexts: contexts(document),
        };
        event.event_id = id(document, &event);
        event
    }
}

/// An id computed from the event's contents, so that the same crash from the same file has the same id and counts once
/// if it is sent twice.
fn id(document: &Document<'_>, event: &Event) -> String {
    let mut hash = Sha256::new();
    hash.update(document.path.map(|path| path.as_os_str().as_encoded_bytes()).unwrap_or_default());
    hash.update(document.recorded().trace_line.unwrap_or_default().to_le_bytes());
    // If the event cannot be serialised, it is not written either.
    let mut told = Vec::new();
    let layout = Redacting::new(CompactFormatter, document.redact);
    let _ = event.serialize(&mut serde_json::Serializer::with_formatter(&mut told, layout));
    hash.update(told);
    hex(&hash.finalize()[..16])
}

/// The debug images of all modules, and the index of each module's image.
fn images(document: &Document<'_>) -> (Vec<Image>, HashMap<u32, usize>) {
    let mut images = Vec::new();
    let mut indices = HashMap::new();
    for (module, slot) in document.dump.binaries().slots().iter().enumerate() {
        let Some(found) = &slot.found else { continue };
        let (code_id, debug_id) = ids(found.binary.module());
        indices.insert(module as u32, images.len());
        images.push(Image {
            kind: "wasm",
            code_id,
            debug_id,
            code_file: slot.name.clone(),
            debug_file: found.binary.module().custom_name("external_debug_info").map(str::to_owned),
        });
    }
    (images, indices)
}

/// The code id and debug id by which Sentry finds debug files, as its library `symbolic` reads them. The code id is the
/// whole payload of the section `build_id`, with a length in front if there is one; the debug id is its first 16 bytes,
/// nil if there are fewer.
fn ids(module: &Module<'_>) -> (Option<String>, String) {
    let payload = module.custom_section("build_id").unwrap_or_default();
    let uuid = hex(payload.get(..16).unwrap_or(&[0; 16]));
    let debug_id = [&uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]].join("-");
    (Some(hex(payload)).filter(|id| !id.is_empty()), debug_id)
}

/// The frames of a thread, oldest first, each inlined call as a frame of its own.
fn stacktrace(document: &Document<'_>, thread: usize, indices: &HashMap<u32, usize>) -> Stacktrace {
    let thread = document.dump.thread(thread);
    let count = thread.as_ref().map_or(0, |thread| thread.frames().len());
    // Of a long stack, the youngest frames and the oldest are sent.
    let shown =
        (0..count).filter(|&frame| count <= MAX_FRAMES || frame < MAX_FRAMES / 2 || frame >= count - MAX_FRAMES / 2);
    let mut frames = Vec::new();
    for index in shown {
        let Some(frame_of) = thread.as_ref().and_then(|thread| thread.frame(index)) else { continue };
        let resolved = frame_of.resolved();
        let named = document.tells(&frame_of);
        for call in resolved.calls() {
            let raw = resolved.raw_name.as_ref().filter(|raw| !call.inlined && Some(*raw) != call.function.as_ref());
            let names = (call.function.as_ref().filter(|_| named), raw.filter(|_| named));
            frames.push(frame(document, resolved, names, call.location.filter(|_| named), indices));
        }
    }
    frames.reverse();
    Stacktrace { frames }
}

fn frame(
    document: &Document<'_>,
    resolved: &ResolvedFrame,
    (function, raw_function): (Option<&Arc<str>>, Option<&Arc<str>>),
    location: Option<&Location>,
    indices: &HashMap<u32, usize>,
) -> Frame {
    let image = resolved.module.and_then(|module| indices.get(&module));
    let recorded = location.map(|location| &location.file);
    let machinery = function.is_none_or(|name| document.dump.is_machinery(name, location));
    let file = recorded.map(|file| document.paths.apply(file));
    Frame {
        platform: "native",
        function: function.map(|name| name.to_string()),
        raw_function: raw_function.map(|name| name.to_string()),
        filename: file.as_ref().map(|file| file.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()),
        abs_path: file.map(|file| file.to_string()),
        lineno: location.map(|location| location.line),
        colno: location.and_then(|location| location.column),
        package: resolved.module.and_then(|module| Some(document.dump.binaries().slot(module)?.name.clone())),
        instruction_addr: image.and(resolved.module_offset).map(|offset| format!("{offset:#x}")),
        addr_mode: image.filter(|_| resolved.module_offset.is_some()).map(|index| format!("rel:{index}")),
        in_app: !machinery,
        data: location.map(|_| Data { symbolicator_status: "symbolicated" }),
    }
}

/// The event's contexts: the runtime, and details of the crash.
fn contexts(document: &Document<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut contexts = serde_json::Map::new();
    let process = document.process();
    let runtime = process.runtime.or(document
        .recorded()
        .producer
        .as_deref()
        .filter(|_| document.recorded().trace_line.is_some()));
    if let Some(runtime) = runtime {
        let (name, version) = runtime.split_once(' ').map_or((runtime, None), |(name, version)| (name, Some(version)));
        let mut context = serde_json::json!({"type": "runtime", "name": name});
        if let Some(version) = version {
            context["version"] = version.into();
        }
        contexts.insert("runtime".to_owned(), context);
    }
    let file = document.file();
    let mut dump = serde_json::json!({"type": "coredump", "kind": file.kind});
    let known = [
        ("path", file.path.clone().map(Into::into)),
        ("line", file.line.map(Into::into)),
        ("producer", file.producer.map(Into::into)),
        ("executable", process.executable.map(Into::into)),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            dump[name] = value;
        }
    }
    contexts.insert("coredump".to_owned(), dump);
    if !process.annotations.is_empty() {
        contexts.insert("annotations".to_owned(), serde_json::json!(process.annotations));
    }
    contexts
}
