//! A crash in short: why, where, and the key that groups it with others.

use std::sync::Arc;

use crate::backtrace::{Location, ResolvedFrame, Resolver};
use crate::model::CoreDump;
use crate::reason::CrashReason;
use crate::signature::Signer;

/// Frames among which the program's own code is looked for.
const FRAMES: usize = 64;

/// A crash in short.
#[derive(Clone, Debug)]
pub struct Crash {
    /// Why.
    pub reason: Option<CrashReason>,
    /// Its grouping key.
    pub signature: Option<String>,
    /// Where.
    pub place: Option<Place>,
}

/// The youngest place in the program's own code: below a panic's machinery and the standard library, if the crash
/// happened there. Where all is machinery, the youngest of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the thread.
    pub thread: usize,
    /// Index of the frame in it.
    pub frame: usize,
    /// The function, or the one inlined there; `func[N]` if it has no name.
    pub function: Arc<str>,
    /// Where execution stood in it.
    pub location: Option<Location>,
}

impl Crash {
    /// Of the thread that crashed, which is the first that has frames, and died for this reason; `signer` remembers names
    /// from dump to dump.
    pub fn of(dump: &CoreDump<'_>, reason: Option<CrashReason>, resolver: &Resolver<'_, '_>, signer: &Signer) -> Crash {
        let thread = dump.crashed_thread().unwrap_or(0);
        let signature = signer.signature((0..).map_while(|frame| resolver.frame(thread, frame)));
        let young = (0..FRAMES).map_while(|frame| resolver.frame(thread, frame));
        let mut places = young.flat_map(|frame| places(thread, frame)).peekable();
        let youngest = places.peek().cloned();
        let own = |place: &Place| {
            let file = place.location.as_ref().map(|location| &location.file);
            !signer.classify(&place.function, file).1
        };
        Crash { reason, signature, place: places.find(own).or(youngest) }
    }
}

/// The source functions of a frame with their places, innermost first.
fn places(thread: usize, frame: ResolvedFrame) -> Vec<Place> {
    let place = |function, location| Place { thread, frame: frame.index, function, location };
    let inlined = frame.inlines.iter();
    let inlined = inlined.filter_map(|inline| Some(place(inline.function.clone()?, inline.location.clone())));
    let unnamed = || frame.function_index.map(|index| format!("func[{index}]").into());
    let own = frame.function.clone().or_else(unnamed);
    inlined.chain(own.map(|own| place(own, frame.location.clone()))).collect()
}
