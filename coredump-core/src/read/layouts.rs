//! Finds out which encoding a dump uses. Every producer writes the version byte 0, so each encoding is tried on the
//! whole `corestack` section, and one that uses up its last byte can be right. `docs/producers.md` lists the producers.

use crate::error::ErrorKind;
use crate::limits::MAX_FRAMES;
use crate::model::{Frame, Layout, Reading, Thread};
use crate::producers::{Encoding, Producer, STANDARD, encodings, encodings_of};
use crate::sections::RawSection;

use super::frames::{Budget, frames};

/// Decides on an encoding: the one that uses up every `corestack` section and suits the rest of the file best. Also
/// returns other encodings that fit as well and give different frames: then agreement with the modules decides.
pub fn sniff(sections: &[RawSection<'_>]) -> (Encoding, Vec<Reading>) {
    let candidates = Producer::candidates(sections);
    if candidates.iter().all(|producer| producer.is_faithful()) {
        return (STANDARD, Vec::new());
    }
    let stacks: Vec<&RawSection<'_>> = custom(sections, "corestack").collect();
    let instances = custom(sections, "coreinstances").next().and_then(|section| section.reader().read_var_u32().ok());
    let encodings = encodings(candidates).into_iter();
    let mut fitting: Vec<(Fit, Encoding)> =
        encodings.map(|encoding| (Fit::new(&encoding, candidates, &stacks, instances), encoding)).collect();
    // The sort is stable, so that the standard comes first where nothing else decides.
    fitting.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
    let (best, chosen) = fitting[0];
    let mut seen = vec![frames_of(&chosen, &stacks)];
    let mut others = Vec::new();
    for (fit, encoding) in &fitting[1..] {
        let rival = best.exact && (fit.exact, fit.counted, fit.instances) == (true, best.counted, best.instances);
        if !rival || stacks.is_empty() {
            continue;
        }
        let frames = frames_of(encoding, &stacks);
        if !seen.contains(&frames) {
            others.push(Reading { layout: encoding.layout, name: encoding.name });
            seen.push(frames);
        }
    }
    (chosen, others)
}

/// The encoding of `layout` that suits the file best.
pub fn of_layout(layout: Layout, sections: &[RawSection<'_>]) -> Encoding {
    let stacks: Vec<&RawSection<'_>> = custom(sections, "corestack").collect();
    let candidates = Producer::candidates(sections);
    let encodings = encodings_of(layout).into_iter().rev();
    encodings.max_by_key(|encoding| Fit::new(encoding, candidates, &stacks, None)).unwrap_or(STANDARD)
}

/// The encoding of one of the readings that [`sniff`] returned.
pub fn of_reading(reading: Reading, sections: &[RawSection<'_>]) -> Encoding {
    let same = |encoding: &Encoding| (encoding.layout, encoding.name) == (reading.layout, reading.name);
    encodings(Producer::candidates(sections)).into_iter().find(same).unwrap_or(STANDARD)
}

/// A measure of how well an encoding suits a file. Fits are compared field by field, and the greatest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// True if it reads every section to its last byte (as far as the section is there).
    exact: bool,
    /// True if there are as many frames as are declared.
    counted: bool,
    /// True if frames name instances that exist.
    instances: bool,
    /// The number of bytes that it could read of a damaged section, which decides between encodings of which none fits.
    read: u64,
    /// True if the rest of the file has the habits of a producer that writes this encoding.
    habit: bool,
}

impl Fit {
    fn new(encoding: &Encoding, candidates: &[Producer], stacks: &[&RawSection<'_>], instances: Option<u32>) -> Fit {
        let habit = candidates.iter().any(|producer| producer.writes(encoding.layout));
        let mut fit = Fit { exact: true, counted: true, instances: true, read: 0, habit };
        for stack in stacks {
            let mut thread = Thread::default();
            let mut reader = stack.reader();
            let mut budget = Budget::default();
            let outcome = frames(&mut reader, encoding, &mut thread, &mut budget);
            let used_up = match &outcome {
                Ok(_) => reader.eof() && stack.cut_off().is_none() || thread.frames.len() >= MAX_FRAMES,
                // A section that the file's end cuts off cannot be read to its end in any encoding.
                Err(error) => {
                    let cut = stack.cut_off().is_some() && error.kind == ErrorKind::Truncated;
                    cut && !encoding.declares_too_many(stack)
                }
            };
            fit.exact &= used_up;
            fit.counted &= outcome.is_ok_and(|declared| declared as usize == thread.frames.len());
            fit.read += (stack.bytes.len() - reader.bytes_remaining()) as u64;
            fit.instances &= instances.is_none_or(|count| {
                thread.frames.iter().all(|frame| frame.instance.is_none_or(|instance| instance < count))
            });
        }
        // An encoding that does not fit may have read no frame, and so no wrong instance either: its instances do not
        // count.
        fit.instances |= !fit.exact;
        fit
    }
}

/// The frames of all stacks as read in an encoding. After a failure there are fewer frames.
fn frames_of(encoding: &Encoding, stacks: &[&RawSection<'_>]) -> Vec<Vec<Frame>> {
    let read = |stack: &&RawSection<'_>| {
        let mut thread = Thread::default();
        let _ = frames(&mut stack.reader(), encoding, &mut thread, &mut Budget::default());
        thread.frames
    };
    stacks.iter().map(read).collect()
}

fn custom<'s, 'a>(sections: &'s [RawSection<'a>], name: &'s str) -> impl Iterator<Item = &'s RawSection<'a>> {
    sections.iter().filter(move |section| section.id == 0 && section.name == name)
}
