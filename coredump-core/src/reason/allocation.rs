//! The allocation that was under way when the program died, or that failed before it gave up, with the number of bytes
//! asked for.

use std::fmt;
use std::sync::LazyLock;

use super::{CrashContext, panics};
use crate::rule::Pattern;
use crate::signature::Signer;

/// A request for memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocation {
    /// Index of the thread.
    pub thread: usize,
    /// Index of the allocating function's frame; the youngest is 0.
    pub frame: usize,
    /// Name of the allocating function.
    pub function: String,
    /// The number of bytes that were asked for.
    pub bytes: u64,
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allocation { frame, function, bytes, .. } = self;
        write!(f, "while {bytes} bytes were asked of {function} (frame {frame})")
    }
}

/// The rules: a function's name, and the parameters whose product is the size.
static RULES: LazyLock<Vec<(Pattern, Vec<usize>)>> = LazyLock::new(|| {
    let rule = |line: &'static str| {
        let (function, parameters) = line.rsplit_once(" |")?;
        let parameters = parameters.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some((Pattern::new(function.trim()), parameters))
    };
    super::rule_lines(include_str!("allocations.txt")).filter_map(rule).collect()
});

/// The request in whose functions the crash happened. Of the allocating functions on top of the stack it is the oldest
/// whose arguments are known for certain; `None` if there is none.
pub fn allocation(crash: &CrashContext<'_, '_>, signer: &Signer) -> Option<Allocation> {
    let mut found = Vec::new();
    for (index, frame) in crash.frames.iter().enumerate() {
        let Some(function) = &frame.function else { break };
        let (name, machinery) = signer.classify(function, frame.location.as_ref().map(|location| &location.file));
        match RULES.iter().find(|(pattern, _)| pattern.is_match(&name)) {
            Some((_, parameters)) => found.push((index, name, parameters)),
            None if machinery || panics::is_known(crash, index, &name) => {}
            None => break,
        }
    }
    found.into_iter().rev().find_map(|(frame, function, parameters)| {
        let arguments = panics::arguments(crash, frame);
        let argument = |parameter: &usize| arguments.get(*parameter).copied().flatten();
        let bytes = parameters.iter().try_fold(1u64, |product, parameter| product.checked_mul(argument(parameter)?))?;
        Some(Allocation { thread: crash.thread, frame, function: function.to_string(), bytes })
    })
}
