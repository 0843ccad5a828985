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
        let script = reason.as_ref().and_then(|reason| reason.panic.as_ref()).map_or(&[][..], |panic| &panic.frames);
        let named = script.iter().map(|frame| (frame.function.as_deref().unwrap_or(NAMELESS), frame.file.as_str()));
        let signature = signer.script_signature(named);
        let signature = signature.or_else(|| signer.signature(resolver.calls(thread)));
        let young: Vec<_> = resolver.calls(thread).take(FRAMES).collect();
        let mut places = young.into_iter().flat_map(|frame| places(thread, frame)).peekable();
        let youngest = places.peek().cloned();
        let own = |place: &CrashPlace| {
            let file = place.location.as_ref().map(|location| &location.file);
            !signer.classify(&place.function, file).1
        };
        let place = places.find(own).or(youngest).map(|place| in_script(place, script));
        Crash { reason, signature, place }
    }
}

/// The place in an interpreted program's own source, with the frame in which its interpreter gave up.
fn in_script(place: CrashPlace, script: &[ScriptFrame]) -> CrashPlace {
    match script.iter().find(|frame| !is_library(&frame.file)).or(script.first()) {
        Some(ScriptFrame { function, file, line, column }) => CrashPlace {
            function: function.as_deref().unwrap_or(NAMELESS).into(),
            location: Some(Location { file: file.as_str().into(), line: *line, column: *column }),
            ..place
        },
        None => place,
    }
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
