//! Checks documents against the published JSON Schema, which is done for every document in any test.

use std::path::Path;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

/// Checks a document of `coredump-json`; other JSON is ignored.
pub fn check(document: &Value) {
    if document["version"].is_u64() && document["dump"].is_object() {
        follows_schema(document);
    }
}

/// Fails the test unless the document is valid by the schema in `docs`.
#[track_caller]
pub fn follows_schema(document: &Value) {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coredump.schema.json");
        let text = std::fs::read_to_string(path).expect("the schema can be read");
        let schema = serde_json::from_str(&text).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is one")
    });
    let errors: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "the document is not as its schema says: {errors:#?}");
}
