//! Work in two halves, on two processors where there are two.

use std::thread::{self, Builder};

/// Does both; at the same time if that is `worth` it. A half may be done again, and does the same each time.
pub fn both<A: Send, B>(worth: bool, first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    if !worth || thread::available_parallelism().is_ok_and(|processors| processors.get() == 1) {
        return (first(), second());
    }
    thread::scope(|scope| {
        // Without a thread the result is the same, later.
        let other = Builder::new().spawn_scoped(scope, &first);
        let own = second();
        let other = match other.map(|other| other.join()) {
            Ok(Ok(other)) => other,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => first(),
        };
        (other, own)
    })
}
