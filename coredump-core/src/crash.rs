//! A crash in short: why, where, and the key that groups it with others.

use std::sync::Arc;

use crate::backtrace::{Call, Location, ResolvedFrame, Resolver};
use crate::interpreted::Interpreted;
use crate::model::CoreDump;
use crate::reason::{CrashReason, ScriptFrame};
use crate::runtimes::InterpretedFrame;
use crate::signature::{Signer, is_library};

/// The name of a function that has none.
const NAMELESS: &str = "<anonymous>";
/// The number of the youngest frames that are searched for the program's own code.
const FRAMES: usize = 64;

/// A crash in short.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Crash {
    /// The reason why the program died.
    pub reason: Option<CrashReason>,
    /// The key by which crashes are grouped; `docs/signature.md` explains it.
    pub signature: Option<String>,
    /// The place in its own code where it died.
    pub place: Option<CrashPlace>,
}

/// The youngest place in the program's own code: if the crash happened in a panic's machinery or the standard library,
/// the place from which these were called. If every frame is machinery, it is the youngest place of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPlace {
    /// Index of the thread.
    pub thread: usize,
    /// Index of the frame in it.
    pub frame: usize,
    /// The source function, which may be inlined in the frame; `func[N]` for a Wasm function without a name.
    pub function: Arc<str>,
    /// The place where execution stood in it.
    pub location: Option<Location>,
}

impl Crash {
    /// The crash of the thread that died for this reason, which is the first that has frames. `signer` remembers names
    /// from dump to dump.
    ///
    /// If an interpreter ran another program, that program's functions count.
    pub(crate) fn new(
        dump: &CoreDump<'_>,
        reason: Option<CrashReason>,
        resolver: &Resolver<'_, '_>,
        interpreted: Option<&Interpreted>,
        signer: &Signer,
    ) -> Crash {
        let thread = dump.crashed_thread().unwrap_or(0);
        let inner: Vec<_> = interpreted.into_iter().flat_map(|program| program.frames()).take(FRAMES).collect();
        if let Some(&(frame, youngest)) = inner.first() {
            let place = CrashPlace {
                thread,
                frame: frame.unwrap_or(0),
                function: youngest.function.clone(),
                location: youngest.location(),
            };
            let signature = signer.signature(inner.iter().map(|(_, frame)| resolved(frame)));
            return Crash { reason, signature, place: Some(place) };
        }
        let panic = reason.as_ref().and_then(|reason| reason.panic.as_ref());
        let script = panic.map_or(&[][..], |panic| &panic.frames);
        // Go's functions are the program's own, which may be machinery by their names, as in a dump.
        let compiled = panic.is_some_and(|panic| panic.language == "go");
        let named = script.iter().map(|frame| (frame.function.as_deref().unwrap_or(NAMELESS), frame.file.as_str()));
        let signature = match compiled {
            true => signer.signature(script.iter().map(printed)),
            false => signer.script_signature(named),
        };
        let signature = signature.or_else(|| signer.signature(resolver.calls(thread)));
        let young: Vec<_> = resolver.calls(thread).take(FRAMES).collect();
        let mut places = young.into_iter().flat_map(|frame| places(thread, frame)).peekable();
        let youngest = places.peek().cloned();
        let own = |place: &CrashPlace| {
            let file = place.location.as_ref().map(|location| &location.file);
            !signer.classify(&place.function, file).1
        };
        let of_program = |frame: &ScriptFrame| match compiled {
            true => !signer.classify(&printed_name(frame), Some(&frame.file.as_str().into())).1,
            false => !is_library(&frame.file),
        };
        let place = places.find(own).or(youngest);
        let place =
            place.map(|place| in_script(place, script.iter().find(|frame| of_program(frame)).or(script.first())));
        Crash { reason, signature, place }
    }
}

/// The place in the program's own source that a traceback tells, with the frame in which an interpreter gave up, or
/// which is that of the place.
fn in_script(place: CrashPlace, told: Option<&ScriptFrame>) -> CrashPlace {
    match told {
        Some(frame) => CrashPlace { function: printed_name(frame), location: Some(location(frame)), ..place },
        None => place,
    }
}

fn printed_name(frame: &ScriptFrame) -> Arc<str> {
    frame.function.as_deref().unwrap_or(NAMELESS).into()
}

fn location(ScriptFrame { file, line, column, .. }: &ScriptFrame) -> Location {
    Location { file: file.as_str().into(), line: *line, column: *column }
}

/// A function of a traceback in the form in which signatures are computed.
fn printed(frame: &ScriptFrame) -> ResolvedFrame {
    ResolvedFrame { function: Some(printed_name(frame)), location: Some(location(frame)), ..ResolvedFrame::default() }
}

/// A frame of an interpreted program in the form in which signatures are computed.
fn resolved(frame: &InterpretedFrame) -> ResolvedFrame {
    ResolvedFrame {
        function: Some(frame.function.clone()),
        location: frame.location(),
        in_memory: true,
        ..ResolvedFrame::default()
    }
}

/// The source functions of a frame with their places, innermost first.
pub fn places(thread: usize, frame: ResolvedFrame) -> Vec<CrashPlace> {
    let place = |call: Call<'_>| {
        Some(CrashPlace { thread, frame: frame.index, function: call.function?, location: call.location.cloned() })
    };
    frame.calls().filter_map(place).collect()
}
