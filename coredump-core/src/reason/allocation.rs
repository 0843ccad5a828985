//! The allocation that was under way when the program died, or that failed before it gave up, with the number of bytes
//! asked for.

use std::fmt;
use std::sync::{Arc, LazyLock};

use super::CrashContext;
use super::panics::{self, FunctionRule};
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

/// The rules: a function, and the parameters whose product is the size.
static RULES: LazyLock<Vec<(FunctionRule, Vec<usize>)>> = LazyLock::new(|| {
    let rule = |line: &'static str| {
        let (function, parameters) = line.rsplit_once(" |")?;
        let parameters = parameters.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some((FunctionRule::new(function), parameters))
    };
    super::rule_lines(include_str!("allocations.txt")).filter_map(rule).collect()
});

/// The number of the program's own functions in a row that an allocating function may have called: those that handle
/// its failure.
const MOST_OWN: usize = 8;

/// An allocating function on the stack.
struct Allocating {
    frame: usize,
    name: Arc<str>,
    /// The parameters whose product is the size.
    parameters: &'static [usize],
}

/// The request in whose functions the crash happened, also in functions of the program's own that they called, as
/// `xmalloc` or a handler of C++'s `operator new` does. Of the youngest allocating functions in a row it is the oldest
/// whose arguments are known for certain; `None` if there is none. Unless the program may have given up (`gave_up`), only
/// those on top of the stack count: a function of its own that trapped for another cause was not called for want of memory.
pub fn allocation(crash: &CrashContext<'_, '_>, signer: &Signer, gave_up: bool) -> Option<Allocation> {
    let most_own = if gave_up { MOST_OWN } else { 0 };
    let (mut row, mut own) = (Vec::new(), 0);
    for (index, frame) in crash.frames.iter().enumerate() {
        let file = frame.location.as_ref().map(|location| &location.file);
        let (name, machinery) = match &frame.function {
            Some(function) => signer.classify(function, file),
            None => ("".into(), false),
        };
        let count = panics::parameters(crash, index);
        if let Some((_, parameters)) = RULES.iter().find(|(function, _)| function.is_for(&name, count)) {
            own = 0;
            row.push(Allocating { frame: index, name, parameters });
        } else if !machinery && !panics::is_known(crash, index, &name) {
            // A function of the program's own ends a row.
            let told = oldest_known(crash, &row);
            own += 1;
            if told.is_some() || own > most_own {
                return told;
            }
            row.clear();
        }
    }
    oldest_known(crash, &row)
}

/// The request of the oldest of some allocating functions whose arguments are known.
fn oldest_known(crash: &CrashContext<'_, '_>, row: &[Allocating]) -> Option<Allocation> {
    row.iter().rev().find_map(|Allocating { frame, name, parameters }| {
        let arguments = panics::arguments(crash, *frame);
        let argument = |parameter: &usize| arguments.get(*parameter).copied().flatten();
        let bytes = parameters.iter().try_fold(1u64, |product, parameter| product.checked_mul(argument(parameter)?))?;
        Some(Allocation { thread: crash.thread, frame: *frame, function: name.to_string(), bytes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_parameters_are_the_size() {
        let lines = super::super::rule_lines(include_str!("allocations.txt")).count();
        assert_eq!(RULES.len(), lines, "every line is a rule");
        let size = |name: &str, count: usize| {
            let rule = RULES.iter().find(|(function, _)| function.is_for(name, Some(count)));
            rule.map(|(_, parameters)| parameters.as_slice())
        };
        assert_eq!(size("malloc", 1), Some(&[0][..]));
        assert_eq!(size("xmalloc", 1), Some(&[0][..]));
        assert_eq!(size("xmalloc", 2), None);
        assert_eq!(size("pool_malloc", 1), None, "this may be the pool");
        assert_eq!(size("ecalloc", 2), Some(&[0, 1][..]));
        assert_eq!(size("g_realloc", 2), Some(&[1][..]));
        assert_eq!(size("xnmalloc", 2), Some(&[0, 1][..]));
        assert_eq!(size("g_malloc0_n", 2), Some(&[0, 1][..]));
        assert_eq!(size("xreallocarray", 3), Some(&[1, 2][..]));
    }
}
