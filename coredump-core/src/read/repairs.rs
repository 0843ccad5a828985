//! What some producers write that is not so, put right or taken out. Each repair leaves a warning.

use std::collections::{BTreeSet, HashMap};

use crate::model::{CoreDump, Layout, RefTarget, Reference, Value, Warning};

/// The youngest frames Wasmtime writes unless it is told otherwise.
const WASMTIME_FRAMES: usize = 20;

/// Modules of which the same is told.
const MAX_TOLD: usize = 16;

/// What xtuc's rewriter writes for parameter 0 where it does not know it; for parameter 1 the next number, and so on.
const REWRITER_PLACEHOLDER: i32 = 669;

/// Applies the repairs that the dump alone calls for. `rewriter`: xtuc's rewriter wrote it.
pub fn apply(dump: &mut CoreDump<'_>, rewriter: bool) {
    if rewriter {
        dump.producer.get_or_insert_with(|| "wasm-coredump-rewriter (inferred)".into());
        placeholders(dump);
    }
    match dump.layout {
        Layout::Xtuc01 => offsets_never_written(dump),
        Layout::Wasmer => {
            dump.producer.get_or_insert_with(|| "wasmer (inferred)".into());
            memory_never_written(dump);
        }
        Layout::WasmEdge => {
            dump.producer.get_or_insert_with(|| "wasmedge (inferred)".into());
            if dump.threads.iter().flat_map(|thread| &thread.frames).any(|frame| frame.locals.is_some()) {
                warn(dump, "this producer writes the low 32 bits of every value and calls them i32");
            }
            // A function that an index of 0 truly means is lost with the others: which is which cannot be told.
            let frames = dump.threads.iter_mut().flat_map(|thread| &mut thread.frames);
            frames.filter(|frame| frame.function == Some(0)).for_each(|frame| frame.function = None);
            warn(
                dump,
                "this producer's function indices are wrong for functions called indirectly or by the host (it writes 0: \
                 taken as unknown), \
                 and its code offsets are where the caller stood",
            );
        }
        Layout::Standard | Layout::Xtuc02 => {}
    }
    let producer = dump.producer.clone().unwrap_or_default();
    if producer.starts_with("wasmtime") {
        frames_cut_by_wasmtime(dump);
        instances_of_one_module(dump);
    }
    if producer.starts_with("wasmtime") || producer.starts_with("wasmedge") {
        references_written_as_null(dump);
    }
}

/// The rewriter knows the parameters of the youngest frame only (0.1 up to 0.1.16: of none) and writes 669, 670, … for
/// the others.
fn placeholders(dump: &mut CoreDump<'_>) {
    let youngest_is_known = dump.layout == Layout::Xtuc02;
    let mut removed = 0usize;
    for thread in &mut dump.threads {
        for frame in thread.frames.iter_mut().skip(usize::from(youngest_is_known)) {
            for (expected, value) in (REWRITER_PLACEHOLDER..).zip(frame.locals.iter_mut().flatten()) {
                if *value != Value::I32(expected) {
                    break;
                }
                *value = Value::Missing;
                removed += 1;
            }
        }
    }
    if removed > 0 {
        warn(dump, &format!("{removed} parameters are placeholders (669, 670, …) of the rewriter: taken as missing"));
    }
}

/// Before 0.1.20 the rewriter wrote 0 for every code offset.
fn offsets_never_written(dump: &mut CoreDump<'_>) {
    let mut frames = dump.threads.iter_mut().flat_map(|thread| &mut thread.frames).peekable();
    if frames.peek().is_none() || frames.any(|frame| frame.code_offset != Some(0)) {
        return;
    }
    for frame in dump.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
        frame.code_offset = None;
    }
    warn(dump, "this producer writes no code offsets: where a function stood is not known");
}

/// Wasmer declares a memory of no pages and one empty segment: it captures none.
fn memory_never_written(dump: &mut CoreDump<'_>) {
    if dump.memories.iter().all(|memory| memory.size == 0 && memory.segments().is_empty()) {
        dump.memories.clear();
        warn(dump, "this producer captures no memory");
    }
}

/// Wasmtime leaves older frames out without a mark.
fn frames_cut_by_wasmtime(dump: &mut CoreDump<'_>) {
    let mut cut = false;
    for thread in dump.threads.iter_mut().filter(|thread| thread.frames.len() == WASMTIME_FRAMES && !thread.truncated) {
        thread.truncated = true;
        cut = true;
    }
    if cut {
        let message = "exactly 20 frames, as many as Wasmtime keeps by default: older ones are probably missing \
                       (wasmtime -D max-backtrace=N keeps more)";
        warn(dump, message);
    }
}

/// Wasmtime names the last instance of a module for every frame, so where there are several it may be another's.
fn instances_of_one_module(dump: &mut CoreDump<'_>) {
    let mut instances: HashMap<u32, usize> = HashMap::new();
    for module in dump.instances.iter().filter_map(|instance| instance.module) {
        *instances.entry(module).or_default() += 1;
    }
    let frames = dump.threads.iter().flat_map(|thread| &thread.frames);
    let named = frames.filter_map(|frame| dump.instances.get(frame.instance? as usize)?.module);
    let doubtful: BTreeSet<u32> =
        named.filter(|module| instances.get(module).is_some_and(|&count| count > 1)).collect();
    for module in doubtful.into_iter().take(MAX_TOLD) {
        let count = instances.get(&module).copied().unwrap_or_default();
        let message = format!(
            "module {module} has {count} instances, and this producer names the last one for every frame: the memory and \
             the globals of these frames may be another's"
        );
        warn(dump, &message);
    }
}

/// Wasmtime and WasmEdge write a null for every reference, whatever it refers to.
fn references_written_as_null(dump: &mut CoreDump<'_>) {
    let null = |value: &Value| matches!(value, Value::Ref(Reference { target: RefTarget::Null, .. }));
    let mut found = false;
    for global in dump.globals.iter_mut().filter(|global| null(&global.value)) {
        global.value = Value::Missing;
        found = true;
    }
    if found {
        warn(dump, "this producer writes every reference in a global as null: taken as missing");
    }
}

fn warn(dump: &mut CoreDump<'_>, message: &str) {
    dump.warnings.push(Warning { message: message.into(), offset: None });
}
