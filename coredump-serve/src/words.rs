//! Texts that both protocols use.

/// The answer to every request that would run or change the program.
pub const ENDED: &str = "this is a core dump: the program has ended, and nothing in it can run or change";
