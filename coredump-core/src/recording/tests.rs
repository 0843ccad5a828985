//! Round trips, and what happens to a log that was cut off or altered.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// An event that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Call { function: u32, arguments: u32, outcome: Outcome<'static>, writes: Vec<(u64, Vec<u8>)> },
    Values { function: u32, arguments: u32, values: Vec<u8>, read: Option<Read> },
    Read { function: u32, arguments: u32, read: Read, writes: Vec<(u64, Vec<u8>)> },
    Refusal(Refusal),
}

impl Owned {
    fn event(&self) -> Event<'_> {
        match self {
            Owned::Call { function, arguments, outcome, writes } => Event::Call(RecordedCall {
                function: *function,
                arguments: *arguments,
                outcome: outcome.clone(),
                writes: borrowed(writes),
                read: None,
            }),
            Owned::Values { function, arguments, values, read } => Event::Call(RecordedCall {
                function: *function,
                arguments: *arguments,
                outcome: Outcome::Values(values),
                writes: Vec::new(),
                read: *read,
            }),
            Owned::Read { function, arguments, read, writes } => Event::Call(RecordedCall {
                function: *function,
                arguments: *arguments,
                outcome: Outcome::Returned(0),
                writes: borrowed(writes),
                read: Some(*read),
            }),
            Owned::Refusal(refusal) => Event::GrowthRefused(*refusal),
        }
    }
}

fn borrowed(writes: &[(u64, Vec<u8>)]) -> Vec<Write<'_>> {
    writes.iter().map(|(address, bytes)| Write { address: *address, bytes }).collect()
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        any::<i32>().prop_map(Failure::Exit),
        ".*".prop_map(Failure::Message),
        proptest::option::of(1..u32::MAX).prop_map(Failure::Interrupted),
    ]
}

fn event() -> impl Strategy<Value = Owned> {
    let outcome = prop_oneof![any::<u64>().prop_map(Outcome::Returned), failure().prop_map(Outcome::Failed)];
    let writes = || vec((0..u64::MAX / 2, vec(any::<u8>(), 0..20)), 0..4);
    let (function, arguments) = (any::<u32>, any::<u32>);
    prop_oneof![
        (function(), arguments(), outcome, writes()).prop_map(|(function, arguments, outcome, writes)| Owned::Call {
            function,
            arguments,
            outcome,
            writes
        }),
        (function(), arguments(), vec(any::<u8>(), 0..20), proptest::option::of(read(0..1)))
            .prop_map(|(function, arguments, values, read)| Owned::Values { function, arguments, values, read }),
        (function(), arguments(), read(0..u64::MAX / 2), writes())
            .prop_map(|(function, arguments, read, writes)| Owned::Read { function, arguments, read, writes }),
        (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(current, desired, allowed)| Owned::Refusal(Refusal {
            current,
            desired,
            allowed
        })),
    ]
}

fn read(to: std::ops::Range<u64>) -> impl Strategy<Value = Read> {
    (any::<u32>(), 0..u64::MAX / 2, 0..u64::MAX / 2, any::<u64>(), to)
        .prop_map(|(file, offset, len, digest, to)| Read { passage: Passage { file, offset, len, digest }, to })
}

fn log(events: &[Owned]) -> Vec<u8> {
    let mut log = Vec::new();
    for event in events {
        match event.event() {
            Event::Call(RecordedCall { function, arguments, outcome, writes, read }) => match (&outcome, &read) {
                (Outcome::Values(values), Some(read)) => values_read(function, arguments, read, values, &mut log),
                (_, Some(read)) => reading(function, arguments, read, &writes, &mut log),
                (_, None) => call(function, arguments, &outcome, &writes, &mut log),
            },
            Event::GrowthRefused(refusal) => growth_refused(&refusal, &mut log),
        }
    }
    log
}

fn section(log: &[u8]) -> Vec<u8> {
    let start = Start { version: VERSION, digests: Recording::digests(log), ..Start::default() };
    let mut section = section_head(&start);
    section.extend(log);
    section
}

proptest! {
    #[test]
    fn events_come_back_as_they_were_written(events in vec(event(), 0..8)) {
        let log = log(&events);
        let mut reader = EventReader::new(&log, 100);
        for event in &events {
            prop_assert_eq!(reader.next_event().unwrap(), Some(event.event()));
        }
        prop_assert_eq!(reader.next_event().unwrap(), None);
        prop_assert_eq!(reader.offset(), 100 + log.len() as u64);
    }

    #[test]
    fn a_log_that_is_cut_off_never_reads_as_another(events in vec(event(), 1..5), cut in any::<prop::sample::Index>()) {
        let log = log(&events);
        let cut = cut.index(log.len());
        let mut reader = EventReader::new(&log[..cut], 0);
        let mut whole = EventReader::new(&log, 0);
        loop {
            match reader.next_event() {
                Ok(Some(event)) => prop_assert_eq!(Some(event), whole.next_event().unwrap()),
                Ok(None) => break,
                Err(error) => {
                    prop_assert_eq!(error.kind, crate::error::ErrorKind::Truncated);
                    prop_assert!(error.offset.unwrap() <= cut as u64);
                    break;
                }
            }
        }
    }

    #[test]
    fn a_section_that_is_altered_is_refused_with_its_offset(
        events in vec(event(), 1..5),
        at in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let log = log(&events);
        let mut section = section(&log);
        prop_assert_eq!(Recording::read(&section, 0).unwrap().log, &log[..]);
        let at = section.len() - log.len() + at.index(log.len());
        section[at] ^= 1 << bit;
        let error = Recording::read(&section, 1000).unwrap_err();
        let offset = error.offset.unwrap();
        prop_assert!((1000..=1000 + at as u64).contains(&offset));
        // A recording that was cut off is refused, too.
        section.truncate(at);
        prop_assert!(Recording::read(&section, 1000).unwrap_err().offset.is_some());
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..200)) {
        let mut reader = EventReader::new(&bytes, 0);
        while let Ok(Some(_)) = reader.next_event() {}
        let _ = Recording::read(&bytes, 0);
    }
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    // A call with 2^60 writes, and one with a write of 2^60 bytes.
    let mut many = vec![1, 0, 0, 0, 0, 0];
    many.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let mut long = vec![1, 0, 0, 0, 0, 0, 1, 0];
    long.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    // A call of a component that returned so many.
    let mut values = vec![5, 0, 0, 0, 0, 0];
    values.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    for log in [many, long, values] {
        let error = EventReader::new(&log, 0).next_event().unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Truncated, "{error}");
    }
}

#[test]
fn the_order_of_arguments_matters() {
    assert_ne!(hash(&[1, 2]), hash(&[2, 1]));
    assert_ne!(hash(&[0]), hash(&[0, 0]));
    assert_ne!(hash_bytes(&[0; 3]), hash_bytes(&[0; 4]));
    assert_ne!(hash_bytes(b"12345678"), hash_bytes(b"12345678\0"));
}
