//! Reads any bytes as a recording and as its log: reading ends, and no more is kept than is there.
#![no_main]

use coredump_core::internals::recording::{Event, Outcome, EventReader, Recording};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    events(EventReader::new(bytes, 7), bytes.len());
    if let Ok(recording) = Recording::read(bytes, 7) {
        events(recording.events(), recording.log.len());
    }
});

fn events(mut reader: EventReader<'_>, size: usize) {
    let mut written = 0;
    loop {
        let before = reader.offset();
        match reader.next_event() {
            Ok(Some(event)) => {
                assert!(reader.offset() > before, "an event has at least one byte");
                if let Event::Call(call) = event {
                    written += call.writes.iter().map(|write| write.bytes.len()).sum::<usize>();
                    if let Outcome::Values(values) = call.outcome {
                        written += values.len();
                    }
                }
            }
            Ok(None) => break,
            Err(error) => {
                assert!(error.offset.is_some_and(|offset| offset >= before), "an error has its offset");
                break;
            }
        }
    }
    assert!(written <= size, "more was written than the log has bytes");
}
