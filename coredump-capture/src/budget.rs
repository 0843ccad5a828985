//! How many dumps a host writes: a plugin that crashes a thousand times a second must not fill its disk.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::Frame;

/// The time in which dumps are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// Places that are told apart; of what crashes elsewhere only the total is counted.
const PLACES: usize = 4096;

/// A limit of dumps, for all stores of a host together.
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
    /// At most so many dumps in a minute, and so many of crashes of one kind at one place: with the same frames.
    pub fn new(per_minute: u32, per_place: u32) -> Budget {
        Budget { per_minute, per_place, state: Mutex::default() }
    }

    /// Takes one dump of a crash of this kind with these frames from it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] with the limit that was reached.
    pub fn take(&self, kind: &str, frames: &[Frame]) -> Result<()> {
        self.take_at(kind, frames, Instant::now())
    }

    fn take_at(&self, kind: &str, frames: &[Frame], now: Instant) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        for frame in frames {
            (frame.instance.is_some(), frame.module, frame.function, frame.code_offset).hash(&mut hasher);
        }
        let place = hasher.finish();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.duration_since(began) >= MINUTE) {
            *state = State { began: Some(now), ..State::default() };
        }
        let reached = |what: String| Err(Error::new(ErrorKind::TooLarge, what));
        if state.count >= self.per_minute {
            return reached(format!("{} dumps were written in this minute", state.count));
        }
        if state.places.get(&place).is_some_and(|count| *count >= self.per_place) {
            return reached(format!("{} dumps of this place were written in this minute", self.per_place));
        }
        state.count += 1;
        if state.places.len() < PLACES || state.places.contains_key(&place) {
            *state.places.entry(place).or_default() += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_are_limited_by_minute_and_by_place() {
        let budget = Budget::new(3, 2);
        let at = |function| [Frame { function: Some(function), ..Frame::default() }];
        let now = Instant::now();
        assert!(budget.take_at("unreachable", &at(1), now).is_ok());
        assert!(budget.take_at("unreachable", &at(1), now).is_ok());
        let place = budget.take_at("unreachable", &at(1), now).unwrap_err();
        assert_eq!(place.message, "2 dumps of this place were written in this minute");
        assert!(budget.take_at("integer-overflow", &at(1), now).is_ok());
        let minute = budget.take_at("unreachable", &at(2), now).unwrap_err();
        assert_eq!(minute.message, "3 dumps were written in this minute");
        assert!(budget.take_at("unreachable", &at(1), now + MINUTE).is_ok());
    }
}
