//! Numbers of blocks or objects by type.

use coredump_core::objects::ObjectKind;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// The used blocks of one type, or its objects.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "type"))]
pub struct TypeEntry {
    /// The memory's index; null for objects, which are in none.
    pub memory: Option<u32>,
    /// The kind of the objects; absent for blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["struct", "array", "exn", "extern"])))]
    pub kind: Option<&'static str>,
    /// The type's name; arrays of all lengths are one type, as `node[]`. For objects, the name in the module's name section, else their kind.
    pub r#type: String,
    /// Number of blocks or objects.
    pub count: u64,
    /// Their size in bytes. For objects, that of their fields and elements, with four bytes for a reference.
    pub bytes: u64,
}

impl TypeEntry {
    /// An entry for a type of objects, with no object counted yet.
    pub fn of_objects(name: String, kind: ObjectKind) -> TypeEntry {
        TypeEntry { memory: None, kind: Some(kind.name()), r#type: name, count: 0, bytes: 0 }
    }

    /// Counts one more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
