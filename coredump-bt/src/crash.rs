//! What kind of crash it was: why, where, and the key that groups it with others.

use std::sync::Arc;

use coredump_core::backtrace::{Location, Resolver};
use coredump_core::binaries::Binaries;
use coredump_core::model::CoreDump;
use coredump_core::reason::{self, CrashReason};
use coredump_core::signature::Signer;

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
        let crashed = dump.threads.iter().position(|thread| !thread.frames.is_empty());
        let thread = crashed.unwrap_or(0);
        let count = crashed.map_or(0, |thread| dump.threads[thread].frames.len());
        let young: Vec<_> = (0..count.min(reason::FRAMES)).filter_map(|frame| resolver.frame(thread, frame)).collect();
        let mut signer = Signer::default();
        let reason = reason::of_frames(dump, binaries, thread, &young, &mut signer);
        let signature = signer.signature((0..count).filter_map(|frame| resolver.frame(thread, frame)));
        let places = young.iter().flat_map(|frame| {
            let inlined = frame.inlines.iter().map(|inline| (&inline.function, &inline.location));
            inlined.chain([(&frame.function, &frame.location)])
        });
        let mut places = places.filter_map(|(name, location)| Some((name.clone()?, location.clone()))).peekable();
        let youngest = places.peek().cloned();
        let own = places.find(|(name, place)| !signer.classify(name, place.as_ref().map(|place| &place.file)).1);
        Crash { reason, signature, place: own.or(youngest) }
    }
}
