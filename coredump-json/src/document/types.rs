//! How much there is of each type: of blocks, of objects.

use coredump_core::objects::Kind;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// The used blocks of one type, or its objects.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "type"))]
pub struct TypeEntry {
    /// The memory's index; null for objects, which are in none.
    pub memory: Option<u32>,
    /// What the objects are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["struct", "array", "exn", "extern"])))]
    pub kind: Option<&'static str>,
    /// The type's name; arrays of all lengths are one type, as `node[]`. Of objects the name in the module's name section, else what they are.
    pub r#type: String,
    /// Blocks or objects.
    pub count: u64,
    /// Bytes of these. Of objects, those of their fields and elements, where a reference counts four.
    pub bytes: u64,
}

impl TypeEntry {
    /// No object of this type yet.
    pub fn of_objects(name: String, kind: Kind) -> TypeEntry {
        TypeEntry { memory: None, kind: Some(kind.name()), r#type: name, count: 0, bytes: 0 }
    }

    /// Adds one.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
