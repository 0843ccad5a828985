//! Records whether memories may grow: the only decision of the host without a call.

use coredump_core::internals::recording::Refusal;

/// The number of requests that are remembered between two events; beyond them, equal requests of several memories are
/// not told apart.
const REMEMBERED: usize = 1 << 12;

/// The requests since the last event. They place a refusal, as the sizes alone do not distinguish one memory from
/// another.
#[derive(Default)]
pub struct Growth {
    /// The present and the requested size of each request that was allowed, in bytes.
    allowed: Vec<(u64, u64)>,
    /// The present and the requested size of the last request, in bytes.
    last: Option<(u64, u64)>,
}

impl Growth {
    /// Is called when an event was recorded or replayed.
    pub fn event(&mut self) {
        self.allowed.clear();
    }

    /// Notes the request of a memory, which is allowed so far.
    pub fn asked(&mut self, current: usize, desired: usize) {
        self.last = Some((current as u64, desired as u64));
        if self.allowed.len() < REMEMBERED {
            self.allowed.extend(self.last);
        }
    }

    /// The refusal for the last request, which failed as the system had no memory. `None` if the engine refused it
    /// before asking.
    pub fn failed(&mut self) -> Option<Refusal> {
        let (current, desired) = self.last.take()?;
        let before = self.count(current, desired).saturating_sub(1);
        self.event();
        Some(Refusal { current, desired, allowed: before })
    }

    /// Returns the number of equal requests that were allowed since the last event.
    pub fn count(&self, current: u64, desired: u64) -> u32 {
        self.allowed.iter().filter(|allowed| **allowed == (current, desired)).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_the_same_requests_of_other_memories() {
        let mut growth = Growth::default();
        growth.asked(1, 2);
        growth.asked(1, 3);
        growth.asked(1, 2);
        assert_eq!(growth.failed(), Some(Refusal { current: 1, desired: 2, allowed: 1 }));
        assert_eq!(growth.failed(), None, "nobody was asked");
        growth.asked(1, 2);
        growth.event();
        growth.asked(1, 2);
        assert_eq!(growth.failed(), Some(Refusal { current: 1, desired: 2, allowed: 0 }));
    }
}
