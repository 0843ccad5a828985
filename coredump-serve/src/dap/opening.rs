//! Opens what a request names: a core dump, or a text with stack traces.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;

use coredump_core::compressed::{MAX_PIPED, unpacked};
use coredump_core::trace::Scanner;
use coredump_core::{Bytes, Draft, Dump, Error, Options, Store};

use super::launch::Launch;
use crate::args::Args;

/// The number of traces of a text that are shown; these are the last ones.
const MAX_TRACES: usize = 100;
/// The number of bytes of a text that are read.
const MAX_TEXT: u64 = 1 << 30;

/// The dumps that a request named.
pub struct OpenedDumps {
    /// The dump; for a text, a dump for each of its traces, in their order.
    pub dumps: Vec<Dump>,
    /// True if a text was opened.
    pub is_text: bool,
}

/// Opens what a request names. The error is one sentence.
pub fn open(args: &Args, launch: &Launch) -> Result<OpenedDumps, String> {
    let default = args.dump.as_ref().map(|dump| dump.to_path());
    let (path, programs) = match (launch.dump.clone().or(default), launch.programs.split_first()) {
        (Some(path), _) => (path, &launch.programs[..]),
        // If a request names no dump, its program is the dump to open.
        (None, Some((first, rest))) => (first.clone(), rest),
        (None, None) => return Err("name the core dump: coreFile, coreDumpPath or core".to_owned()),
    };
    let mut options = args.locating(Some(&path));
    options.named.extend(programs.iter().map(|program| (None, program.clone())));
    options.symbol_paths.extend(launch.folders.iter().cloned());
    // The editor waits for its answer, so only regular files are opened, as others may have no end.
    let bytes = Bytes::open_regular(&path).map_err(said)?;
    let bytes = unpacked(bytes, MAX_PIPED).map_err(|error| said(error.in_file(&path)))?;
    if !bytes.starts_with(b"\0asm") {
        return traces(&path, &bytes, options);
    }
    let draft = Draft::new(bytes).map_err(|error| said(error.in_file(&path)))?.at(Some(&path));
    Ok(OpenedDumps { dumps: vec![draft.find_binaries(&Store::new(), &options)], is_text: false })
}

/// Finds the stack traces in a text.
fn traces(path: &Path, text: &[u8], options: Options) -> Result<OpenedDumps, String> {
    let mut last = VecDeque::new();
    let mut scanner = Scanner::new(text.take(MAX_TEXT));
    while let Some(block) = scanner.next_block().map_err(|error| error.to_string())? {
        for trace in block.traces {
            last.push_back(trace);
            if last.len() > MAX_TRACES {
                last.pop_front();
            }
        }
    }
    if last.is_empty() {
        return Err(format!("{}: neither a core dump nor a text with a stack trace", path.display()));
    }
    let store = Store::new();
    let mut locator = store.locator(options);
    let dumps = last.iter().map(|trace| Dump::of_trace(locator.locate(trace), &store)).collect();
    Ok(OpenedDumps { dumps, is_text: true })
}

fn said(error: Error) -> String {
    match &error.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}
