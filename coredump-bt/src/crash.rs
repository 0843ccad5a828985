//! What kind of crash it was: why, where, and the key that groups it with others.

use std::sync::Arc;

use coredump_core::backtrace::{Location, ResolvedFrame, Resolver};
use coredump_core::binaries::Binaries;
use coredump_core::model::CoreDump;
use coredump_core::reason::{self, CrashReason};
use coredump_core::signature::Signer;

/// Frames among which the program's own code is looked for.
const FRAMES: usize = 64;

/// A crash in short.
pub struct Crash {
    /// Why.
    pub reason: Option<CrashReason>,
    /// Its grouping key.
    pub signature: Option<String>,
    /// Function and place where the program's own code stood: below a panic's machinery, if that is what it was.
    pub place: Option<(Arc<str>, Option<Location>)>,
}

impl Crash {
    /// Of the first thread that has frames.
    pub fn of(dump: &CoreDump<'_>, binaries: &Binaries<'_>, resolver: &mut Resolver<'_, '_, '_>) -> Crash {
        let thread = dump.threads.iter().position(|thread| !thread.frames.is_empty()).unwrap_or(0);
        let mut signer = Signer::default();
        let reason = reason::of(dump, binaries, resolver, &mut signer);
        let signature = signer.signature((0..).map_while(|frame| resolver.frame(thread, frame)));
        let young = (0..FRAMES).map_while(|frame| resolver.frame(thread, frame));
        let mut places = young.flat_map(places).peekable();
        let youngest = places.peek().cloned();
        let own = places.find(|(name, place)| !signer.classify(name, place.as_ref().map(|place| &place.file)).1);
        Crash { reason, signature, place: own.or(youngest) }
    }
}

/// The source functions of a frame with their places, innermost first. One without a name has its index, as in signatures.
fn places(frame: ResolvedFrame) -> Vec<(Arc<str>, Option<Location>)> {
    let inlined = frame.inlines.iter();
    let inlined = inlined.filter_map(|inline| Some((inline.function.clone()?, inline.location.clone())));
    let unnamed = || frame.function_index.map(|index| format!("func[{index}]").into());
    let own = frame.function.clone().or_else(unnamed);
    let mut places: Vec<_> = inlined.collect();
    places.extend(own.map(|own| (own, frame.location)));
    places
}
