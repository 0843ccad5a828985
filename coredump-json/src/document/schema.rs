//! The published JSON Schema is generated from the types that documents are written from.

use std::collections::HashSet;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::redact::KeptPath;
use super::{Document, Failure};

/// The output of `coredump-json` for a WebAssembly core dump. An unknown value is null, never 0. Readers should take every field as optional and ignore fields that they do not know: fields may be added, but are never renamed.
#[derive(JsonSchema)]
#[schemars(title = "coredump-json, version 1", untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Line {
    Document(Document<'static>),
    Failure(Failure<'static>),
}

/// Lets a value be null as well.
fn allow_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let null = json!("null");
    if let Some(ty) = object.get_mut("type") {
        match ty {
            Value::Array(types) if types.contains(&null) => {}
            Value::Array(types) => types.push(null),
            ty => *ty = json!([ty.clone(), "null"]),
        }
    } else if let Some(reference) = object.remove("$ref") {
        object.insert("anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
    } else if let Some(Value::Array(others)) = object.get_mut("anyOf")
        && !others.iter().any(|other| other["type"] == null)
    {
        others.push(json!({"type": "null"}));
    }
    if let Some(Value::Array(values)) = object.get_mut("enum").filter(|values| !values[0].is_null()) {
        values.push(Value::Null);
    }
}

/// Finds the fields that a redacted document leaves out, all that [`KeptPath`] does not list: `(definition, field)`.
struct LeftOut<'s> {
    definitions: &'s Map<String, Value>,
    seen: HashSet<(&'s str, KeptPath)>,
    fields: HashSet<(&'s str, &'s str)>,
}

impl<'s> LeftOut<'s> {
    fn value(&mut self, schema: &'s Value, kept: KeptPath) {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            self.definition(name, kept);
        }
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            self.value(one, kept);
        }
        if let Some(kept) = kept.below("[]") {
            self.value(&schema["items"], kept);
        }
    }

    fn definition(&mut self, name: &'s str, kept: KeptPath) {
        if !self.seen.insert((name, kept)) {
            return;
        }
        for (field, schema) in self.definitions[name]["properties"].as_object().into_iter().flatten() {
            match kept.below(field) {
                Some(below) => self.value(schema, below),
                None => drop(self.fields.insert((name, field))),
            }
        }
    }
}

/// The schema, as it is published.
fn published() -> String {
    let mut schema: Schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Line>();
    // The width of an integer in Rust means nothing in JSON.
    RecursiveTransform(|schema: &mut Schema| drop(schema.remove("format"))).transform(&mut schema);
    let mut schema = Value::from(schema);
    let definitions = schema["$defs"].as_object().cloned().expect("definitions");
    let mut left_out = LeftOut { definitions: &definitions, seen: HashSet::new(), fields: HashSet::new() };
    left_out.value(&schema, KeptPath::all());
    let fields: Vec<_> = left_out.fields.iter().map(|(name, field)| (name.to_string(), field.to_string())).collect();
    for (name, field) in fields {
        allow_null(&mut schema["$defs"][name]["properties"][field]);
    }
    serde_json::to_string_pretty(&schema).expect("JSON") + "\n"
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("coredump.schema.json");
    let schema = published();
    if std::env::var_os("COREDUMP_UPDATE").is_some() {
        std::fs::write(&path, &schema).expect("the schema can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the schema can be read");
    assert!(committed == schema, "{} is not as the types say: COREDUMP_UPDATE=1 writes it anew", path.display());
}

#[test]
fn every_field_is_described() {
    fn undescribed(schema: &Value, path: &str, missing: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(format!("{path}.{name}"));
            }
        }
    }
    let schema: Value = serde_json::from_str(&published()).expect("JSON");
    let mut missing = Vec::new();
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        undescribed(definition, name, &mut missing);
    }
    assert!(missing.is_empty(), "without a description: {missing:?}");
}
