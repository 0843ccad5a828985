//! Threads and their frames.

use coredump_core::model::{CoreDump, Frame, Thread, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::{Each, Hex};
use super::values::TypedValue;

/// A thread.
pub struct ThreadEntry<'d> {
    pub index: usize,
    pub thread: &'d Thread,
    pub dump: &'d CoreDump<'d>,
}

impl Serialize for ThreadEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("name", &self.thread.name)?;
        map.serialize_entry("truncated", &self.thread.truncated)?;
        let frames = || {
            let entry = |(index, frame)| FrameEntry { index, frame, dump: self.dump };
            self.thread.frames.iter().enumerate().map(entry)
        };
        map.serialize_entry("frames", &Each(frames))?;
        map.end()
    }
}

/// A frame.
struct FrameEntry<'d> {
    index: usize,
    frame: &'d Frame,
    dump: &'d CoreDump<'d>,
}

impl Serialize for FrameEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frame = self.frame;
        let instance = frame.instance.and_then(|index| self.dump.instances.get(index as usize));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("instance", &frame.instance)?;
        map.serialize_entry("module", &instance.and_then(|instance| instance.module))?;
        map.serialize_entry("function_index", &frame.function)?;
        map.serialize_entry("code_offset", &frame.code_offset.map(|offset| Hex(offset.into())))?;
        map.serialize_entry("locals", &values(&frame.locals))?;
        map.serialize_entry("stack", &values(&frame.stack))?;
        map.end()
    }
}

/// Null if the producer did not record them.
fn values(values: &Option<Box<[Value]>>) -> Option<impl Serialize + '_> {
    values.as_deref().map(|values| Each(move || values.iter().map(TypedValue)))
}
