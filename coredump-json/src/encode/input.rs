//! The parts of a document from which a dump is written. Fields that only describe how a dump was read are ignored, and
//! so are fields that this version does not know.

use std::borrow::Cow;

use coredump_core::model::{HostCall, Process, Thrown};
use serde::Deserialize;

/// A document. Long texts (contents in base64) are borrowed from it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Document<'a> {
    pub version: Option<u32>,
    pub dump: File,
    pub process: Process,
    pub reason: Option<Reason>,
    #[serde(borrow)]
    pub modules: Vec<Module<'a>>,
    pub instances: Vec<Instance>,
    pub threads: Vec<Thread>,
    #[serde(borrow)]
    pub memories: Vec<Memory<'a>>,
    pub globals: Vec<Global>,
    pub tables: Vec<Table>,
    pub host_calls: Vec<HostCall>,
    #[serde(borrow)]
    pub objects: Option<Objects<'a>>,
}

/// The section of objects, unchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Objects<'a> {
    #[serde(borrow)]
    pub data: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct File {
    pub executable: Option<String>,
    pub producer: Option<String>,
    pub layout: Option<String>,
    pub offsets: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reason {
    pub kind: String,
    pub message: Option<String>,
    pub source: Option<String>,
    pub guest_stderr: Option<String>,
    pub exception: Option<Thrown>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Module<'a> {
    pub name: Option<String>,
    pub path: Option<String>,
    pub sha256: Option<String>,
    pub content_sha256: Option<String>,
    pub digest: Option<String>,
    pub stamp: Option<String>,
    pub build_id: Option<String>,
    #[serde(borrow)]
    pub embedded: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Instance {
    pub module: Option<u32>,
    pub memories: Vec<Option<u32>>,
    pub globals: Vec<Option<u32>>,
    pub tables: Option<Vec<Option<u32>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Thread {
    pub name: Option<String>,
    pub truncated: bool,
    pub frames: Vec<Frame>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Frame {
    pub instance: Option<u32>,
    pub module: Option<u32>,
    pub function_index: Option<u32>,
    pub code_offset: Option<String>,
    pub locals: Option<Vec<Typed>>,
    pub stack: Option<Vec<Typed>>,
    pub in_memory: bool,
}

/// A value with its type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    pub r#type: Option<String>,
    pub value: serde_json::Value,
    pub bits: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Global {
    pub mutable: bool,
    #[serde(flatten)]
    pub value: Typed,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Table {
    pub r#type: String,
    pub size: u64,
    pub elements: Option<Vec<serde_json::Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Memory<'a> {
    pub size: u64,
    pub maximum: Option<u64>,
    pub page_size: Option<u64>,
    pub memory64: bool,
    pub shared: bool,
    #[serde(borrow)]
    pub captured: Option<Vec<Range<'a>>>,
}

/// A captured range, whose contents are in `data`, `file` or `zero`; without these it is not captured.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range<'a> {
    pub address: String,
    pub size: u64,
    #[serde(borrow)]
    pub data: Option<Cow<'a, str>>,
    pub zero: bool,
    pub file: Option<String>,
    pub offset: u64,
}
