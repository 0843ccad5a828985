//! Checks whether a binary belongs to a dump: each frame must lie in a function of it, and each caller must stand on a
//! call.
//!
//! The same check finds out what a producer's code offsets mean: from which byte they count, and whether a caller's
//! offset points at its call or after it.

use std::collections::HashSet;

use super::body::{Instructions, ModuleBodies};
use crate::model::{CoreDump, Frame};
use crate::module::Body;
use crate::producers::{OffsetBase, bases, confuses_functions};

/// The place at which a caller's code offset points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOffset {
    /// At the first byte of the call instruction.
    AtCall,
    /// After the call instruction: the return address.
    BehindCall,
}

/// The meaning of a producer's code offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convention {
    /// The byte that they count from.
    pub base: OffsetBase,
    /// The place at which a caller's offset points.
    pub call: CallOffset,
}

impl Convention {
    /// All conventions to try, the likeliest for the dump's producer first.
    pub fn candidates(dump: &CoreDump<'_>) -> Vec<Convention> {
        let calls = [CallOffset::AtCall, CallOffset::BehindCall];
        bases(dump).iter().flat_map(|&base| calls.map(|call| Convention { base, call })).collect()
    }

    /// A frame's place in its function; for a caller, that of its call. `Err` says why the code offset cannot be right.
    ///
    /// `Ok(None)` means that the producer did not record the offset.
    pub fn offset(self, instructions: &Instructions, body: Body, code_offset: Option<u32>, caller: bool) -> Outcome {
        let Some(raw) = code_offset.filter(|&raw| raw != u32::MAX) else { return Ok(None) };
        if self.base == OffsetBase::Body && raw == 0 {
            // Wasmtime writes 0 for an offset that it does not know, as on entry to a function. Offset 0 of a body is
            // never an instruction, because the declaration of locals comes first.
            return Ok(None);
        }
        let offset = match self.base {
            OffsetBase::Body => u64::from(raw),
            OffsetBase::FirstInstruction => u64::from(raw) + u64::from(instructions.first),
            OffsetBase::CodeSection => {
                let start = instructions.from_section.ok_or("its module has no code section")?;
                let before = || format!("its code offset {raw:#x} is before the function");
                u64::from(raw.checked_sub(start).ok_or_else(before)?)
            }
        };
        if offset >= body.size() {
            return Err(format!("its code offset {raw:#x} is outside the function ({:#x} bytes)", body.size()));
        }
        let offset = offset as u32;
        let known = |offset| Placed { offset, call: None, decoded: true, entered: false };
        if offset < instructions.first {
            return match caller {
                true => Err(format!("its code offset {raw:#x} is inside the declaration of locals")),
                // The function had only been entered, as at a stack overflow. That proves nothing of the binary.
                false => Ok(Some(Placed::at_entry(instructions))),
            };
        }
        if offset > instructions.decoded {
            return Ok(Some(Placed { decoded: false, ..known(offset) }));
        }
        if !caller {
            let call = instructions.call_at(offset);
            return match instructions.begins_at(offset) {
                true => Ok(Some(Placed { call: call.map(|call| call.target), ..known(offset) })),
                false => Err(format!("no instruction begins at its code offset {raw:#x}")),
            };
        }
        let (call, place) = match self.call {
            CallOffset::AtCall => (instructions.call_at(offset), "at"),
            CallOffset::BehindCall => (instructions.call_before(offset), "before"),
        };
        match call {
            Some(call) => Ok(Some(Placed { call: Some(call.target), ..known(call.start) })),
            None => Err(format!("it called another function, but no call stands {place} its code offset {raw:#x}")),
        }
    }
}

/// The result of [`Convention::offset`].
pub type Outcome = Result<Option<Placed>, String>;

/// A frame's place in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Offset in bytes from the body's start.
    pub offset: u32,
    /// `Some` if it stands at a call: the index of the called function, if the instruction names it.
    pub call: Option<Option<u32>>,
    /// True if the place was checked: the body could be decoded up to it, and execution had reached an instruction.
    pub decoded: bool,
    /// True if its function had only been entered: none of its instructions had run.
    pub entered: bool,
}

impl Placed {
    /// The place of a frame whose function had only been entered.
    pub fn at_entry(instructions: &Instructions) -> Placed {
        Placed { offset: instructions.first, call: None, decoded: false, entered: true }
    }
}

/// A distinct place at which some frame of a module stands.
#[derive(Clone, Debug)]
pub struct Site {
    thread: usize,
    frame: usize,
    function: Option<u32>,
    code_offset: Option<u32>,
    caller: bool,
    /// The function of the next younger frame, if it ran in the same instance.
    callee: Option<u32>,
}

/// The distinct places of a dump's frames, by module.
pub fn sites(dump: &CoreDump<'_>, modules: usize, module_of: impl Fn(&Frame) -> Option<u32>) -> Vec<Vec<Site>> {
    let mut sites = vec![Vec::new(); modules];
    let mut seen = HashSet::new();
    for (thread, frames) in dump.threads.iter().map(|thread| &thread.frames).enumerate() {
        for (index, frame) in frames.iter().enumerate() {
            let Some(module) = module_of(frame) else { continue };
            let younger = index.checked_sub(1).map(|younger| &frames[younger]);
            let same = |younger: &&Frame| younger.instance == frame.instance && module_of(younger) == Some(module);
            let callee = younger.filter(same).and_then(|frame| frame.function);
            let callee = callee.filter(|_| !confuses_functions(dump));
            let caller = index > 0;
            if let Some(list) = sites.get_mut(module as usize)
                && seen.insert((module, frame.function, frame.code_offset, caller, callee))
            {
                let Frame { function, code_offset, .. } = *frame;
                list.push(Site { thread, frame: index, function, code_offset, caller, callee });
            }
        }
    }
    sites
}

/// A measure of how well the frames fit a binary.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// The meaning of the offsets.
    pub convention: Convention,
    /// Frames whose place could be checked against the code.
    pub checked: usize,
    /// The number of frames among these that are callers and stand on a call of the very function that is the next
    /// frame.
    pub agreeing: usize,
}

/// The result for a site that could be checked.
enum Sign {
    /// The frame stands where a frame can stand.
    Possible,
    /// The frame is a caller that stands on a call of the very function that is the next frame.
    Agrees,
    /// The frame is a caller that stands on a call of another function, which would have to be the next frame. An
    /// engine that inlines functions leaves such frames out, so a single contradiction proves nothing while others
    /// agree.
    Contradicts(String),
}

/// Checks all sites against a binary, trying the conventions in order. `Err` names the frame that does not fit and why.
pub fn check(code: &ModuleBodies<'_>, sites: &[Site], conventions: &[Convention]) -> Result<Fit, String> {
    let mut best: Option<Fit> = None;
    let mut nearest: Option<(usize, String)> = None;
    for &convention in conventions {
        match check_as(code, sites, convention) {
            Ok(fit) if best.is_none_or(|best| fit.agreeing > best.agreeing) => best = Some(fit),
            Ok(_) => {}
            // If every convention fails, the one that got furthest explains best what is wrong.
            Err((index, reason)) if nearest.as_ref().is_none_or(|nearest| index > nearest.0) => {
                nearest = Some((index, reason));
            }
            Err(_) => {}
        }
    }
    best.ok_or_else(|| nearest.map_or_else(String::new, |nearest| nearest.1))
}

/// As [`check`], under one convention. `Err` has the number of sites that fitted before one did not, and why it did
/// not.
fn check_as(code: &ModuleBodies<'_>, sites: &[Site], convention: Convention) -> Result<Fit, (usize, String)> {
    let mut fit = Fit { convention, checked: 0, agreeing: 0 };
    let mut contradictions = 0;
    let mut first = None;
    let blame = |site: &Site, reason| format!("frame {} of thread {}: {reason}", site.frame, site.thread);
    for (index, site) in sites.iter().enumerate() {
        let sign = judge(code, site, convention).map_err(|reason| (index, blame(site, reason)))?;
        fit.checked += usize::from(sign.is_some());
        match sign {
            Some(Sign::Agrees) => fit.agreeing += 1,
            Some(Sign::Contradicts(reason)) => {
                contradictions += 1;
                first.get_or_insert_with(|| (index, blame(site, reason)));
            }
            Some(Sign::Possible) | None => {}
        }
    }
    match first {
        Some(contradiction) if contradictions > fit.agreeing => Err(contradiction),
        _ => Ok(fit),
    }
}

/// Returns the sign for or against a site, or the error that says why it cannot fit; `Ok(None)` if nothing is known.
fn judge(code: &ModuleBodies<'_>, site: &Site, convention: Convention) -> Result<Option<Sign>, String> {
    let Some(function) = site.function.filter(|&function| function != u32::MAX) else { return Ok(None) };
    let module = code.module();
    let Some(body) = module.body(function) else {
        let count = module.function_count();
        return Err(if function < module.imported_functions() {
            format!("function {function} is an import")
        } else {
            format!("function {function} does not exist (the module has {count})")
        });
    };
    let Some(instructions) = code.instructions(function) else {
        return Err(format!("function {function} cannot be decoded"));
    };
    let placed = convention
        .offset(&instructions, body, site.code_offset, site.caller)
        .map_err(|reason| format!("in function {function}, {reason}"))?;
    let Some(placed) = placed.filter(|placed| placed.decoded) else { return Ok(None) };
    Ok(Some(match (placed.call.flatten().filter(|_| site.caller), site.callee) {
        (Some(target), Some(callee)) if target == callee => Sign::Agrees,
        (Some(target), Some(callee)) if stays(code, target) => Sign::Contradicts(format!(
            "in function {function}, it stands at a call of function {target}, but the next frame is of function {callee}"
        )),
        _ => Sign::Possible,
    }))
}

/// Returns true if a called function has a frame until it returns. A host function has none, and a function with a tail
/// call may hand its frame on to another.
fn stays(code: &ModuleBodies<'_>, function: u32) -> bool {
    code.instructions(function).is_some_and(|instructions| !instructions.tail_calls)
}
