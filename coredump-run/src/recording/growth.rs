//! Whether a memory may grow: the one thing that the host decides without a call.

use coredump_core::internals::recording::Refusal;

/// Requests that are remembered between two events; from then on equal requests of several memories are not distinguished.
const REMEMBERED: usize = 1 << 12;

/// The requests since the last event, in which a refusal is placed: the sizes alone do not tell one memory from another.
#[derive(Default)]
pub struct Growth {
    /// Size and size asked for, of requests that were allowed.
    allowed: Vec<(u64, u64)>,
    /// Size and size asked for, of the last request.
    last: Option<(u64, u64)>,
}

impl Growth {
    /// An event was recorded or replayed.
    pub fn event(&mut self) {
        self.allowed.clear();
    }

    /// A memory asks, and is allowed so far.
    pub fn asked(&mut self, current: usize, desired: usize) {
        self.last = Some((current as u64, desired as u64));
        if self.allowed.len() < REMEMBERED {
            self.allowed.extend(self.last);
        }
    }

    /// The last request failed: the system had no room. `None` if it was refused before anybody was asked.
    pub fn failed(&mut self) -> Option<Refusal> {
        let (current, desired) = self.last.take()?;
        let before = self.count(current, desired).saturating_sub(1);
        self.event();
        Some(Refusal { current, desired, allowed: before })
    }

    /// How many times the same was allowed since the last event.
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
