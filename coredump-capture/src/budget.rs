//! Limits the number of dumps that a host writes: a plugin that crashes a thousand times a second must not fill its
//! disk.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use coredump_core::error::{Error, ErrorKind, Result};

/// The time in which dumps are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// The number of crash sites that are distinguished; crashes at other sites count towards the total only.
const PLACES: usize = 4096;

/// A limit on the number of dumps, for all stores of a host together.
#[derive(Debug)]
pub struct Budget {
    per_minute: u32,
    per_place: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    count: u32,
    places: HashMap<u64, u32>,
}

impl Budget {
    /// Returns a budget of so many dumps in a minute, of which so many may be of crashes of one kind at one place.
    pub fn new(per_minute: u32, per_place: u32) -> Budget {
        Budget { per_minute, per_place, state: Mutex::default() }
    }

    /// Takes the room for one dump of a crash of this kind. `place` distinguishes the places of crashes, for example by
    /// the functions and offsets of the frames.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] with the limit that was reached.
    pub fn take(&self, kind: &str, place: impl Hash) -> Result<()> {
        self.take_at(kind, place, Instant::now())
    }

    fn take_at(&self, kind: &str, place: impl Hash, now: Instant) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        (kind, place).hash(&mut hasher);
        let place = hasher.finish();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.duration_since(began) >= MINUTE) {
            *state = State { began: Some(now), ..State::default() };
        }
        let reached = |what: String| Err(Error::new(ErrorKind::TooLarge, what));
        if state.count >= self.per_minute {
            return reached(counted(state.count, "in this minute"));
        }
        if state.places.get(&place).is_some_and(|count| *count >= self.per_place) {
            return reached(counted(self.per_place, "of this place in this minute"));
        }
        state.count += 1;
        if state.places.len() < PLACES || state.places.contains_key(&place) {
            *state.places.entry(place).or_default() += 1;
        }
        Ok(())
    }
}

fn counted(count: u32, which: &str) -> String {
    match count {
        1 => format!("a dump was written {which} already"),
        _ => format!("{count} dumps were written {which} already"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_limited_by_minute_and_by_place() {
        let budget = Budget::new(3, 2);
        let now = Instant::now();
        assert!(budget.take_at("unreachable", [1], now).is_ok());
        assert!(budget.take_at("unreachable", [1], now).is_ok());
        let place = budget.take_at("unreachable", [1], now).unwrap_err();
        assert_eq!(place.message, "2 dumps were written of this place in this minute already");
        assert!(budget.take_at("integer-overflow", [1], now).is_ok());
        let minute = budget.take_at("unreachable", [2], now).unwrap_err();
        assert_eq!(minute.message, "3 dumps were written in this minute already");
        assert!(budget.take_at("unreachable", [1], now + MINUTE).is_ok());
    }
}
