//! Notes on standard error: which binary and symbols each module's frames came from, which files were refused and why,
//! and how to name a missing binary.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use coredump_core::cli::report::MAX_WARNINGS;
use coredump_core::cli::report::Report;
use coredump_core::cli::text;
use coredump_core::model::CoreDump;
use coredump_core::{Binaries, Found, Slot, Verification};

use crate::frames::short;

/// The number of the module without a binary for which, and for all further ones, a single last line is printed.
const FIRST_OMITTED: usize = MAX_WARNINGS + 1;

/// The note on how variables are found in a dump without Wasm locals.
pub fn without_locals(dump: &CoreDump<'_>) -> String {
    let recorded =
        if dump.process.detail.as_deref() == Some("none") { "; coredump-run --live records them" } else { "" };
    format!("the dump has no Wasm locals: variables are found by stack pointers recovered from the code{recorded}")
}

/// Prints the notes about every module that a frame runs in. Returns whether all of them have a binary.
pub fn render(
    report: &Report,
    file: &str,
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    locals: bool,
    quiet: bool,
) -> bool {
    let frames = || dump.threads.iter().flat_map(|thread| &thread.frames);
    let used: BTreeSet<u32> = frames().filter_map(|frame| binaries.module_of(dump, frame)).collect();
    let with_debug = used.iter().any(|&module| {
        let found = binaries.found(module);
        found.is_some_and(|found| found.binary.has_dwarf())
    });
    if locals && !quiet && with_debug && frames().all(|frame| frame.locals.is_none()) {
        report.say(format_args!("{file}: {}", without_locals(dump)));
    }
    let composed = composed(dump, binaries);
    let is_adapter = |module: u32| dump.modules.get(module as usize).is_some_and(|it| composed.contains(&it.path));
    let (mut complete, mut told) = (true, 0);
    for (module, slot) in used.into_iter().filter_map(|module| Some((module, binaries.slot(module)?))) {
        match &slot.found {
            Some(found) if !quiet => used_binary(report, file, slot, found),
            Some(_) => {}
            None => {
                let adapter = is_adapter(module);
                complete &= adapter;
                told += 1;
                match told {
                    ..=MAX_WARNINGS if !adapter => missing(report, file, slot, binaries.len() > 1),
                    ..=MAX_WARNINGS if !quiet => {
                        let name = short(&slot.name);
                        let what = "an adapter that the engine made between components: it has no names and no lines";
                        report.say(format_args!("{file}: module {name}: {what}"));
                    }
                    FIRST_OMITTED => report.say(format_args!("{file}: other modules have no binary either")),
                    _ => {}
                }
            }
        }
    }
    for warning in &binaries.warnings {
        report.say(format_args!("{file}: warning: {warning}"));
    }
    complete
}

/// The paths of components whose file was found. If such a file does not hold one of the component's modules, the engine made
/// that module itself (an adapter), and it is in no file.
pub fn composed<'d>(dump: &'d CoreDump<'_>, binaries: &Binaries) -> BTreeSet<&'d Option<String>> {
    let nested = |slot: &Slot| {
        let found = slot.found.as_ref();
        found.is_some_and(|found| found.binary.nested().is_some() && found.verification >= Verification::Sha256)
    };
    let modules = dump.modules.iter().zip(binaries.slots());
    modules.filter(|(module, slot)| module.path.is_some() && nested(slot)).map(|(module, _)| &module.path).collect()
}

fn used_binary(report: &Report, file: &str, slot: &Slot, found: &Found) {
    let binary = found.binary.describe();
    let checked = found.verification.describe();
    let name = short(&slot.name);
    report.say(format_args!("{file}: module {name}: {binary} ({checked}), {}", found.binary.symbols_origin()));
    for problem in found.binary.symbols_problems() {
        report.say(format_args!("{file}: module {name}: warning: {problem}"));
    }
}

fn missing(report: &Report, file: &str, slot: &Slot, several: bool) {
    let name = short(&slot.name);
    report.say(format_args!("{file}: module {name}: no binary found, so no names and no lines"));
    for refused in &slot.refused {
        match &refused.path {
            Some(path) => report.say(format_args!("{file}: not used: {}: {}", path.display(), refused.reason)),
            None => report.say(format_args!("{file}: not used: the module embedded in the dump: {}", refused.reason)),
        }
    }
    report.hint(format_args!("name it: -m {}", if several { named(name) } else { "FILE".to_owned() }));
}

/// The value of `-m` that names the binary of this module, for a shell. A file without a name is tried for all modules: that is
/// for a name with a `=`, which would end it.
fn named(name: &str) -> String {
    if name.contains('=') {
        return "FILE".to_owned();
    }
    let value = text::shell(OsStr::new(&format!("{name}=FILE")));
    // A value may begin with `-`, and is no path.
    value.strip_prefix("./-").map_or(value.clone(), |rest| format!("-{rest}"))
}
