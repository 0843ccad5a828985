//! `--heapsnapshot`: the objects in the format of V8's heap snapshots, which Chrome's DevTools and other viewers open.
//!
//! A snapshot is one JSON document: nodes with their sizes, edges with their names, and at the end all texts. It is
//! written as a stream, in as many looks at the objects. The fields are those that V8 12 writes
//! (`src/profiler/heap-snapshot-generator.cc`).

use std::collections::HashMap;
use std::io::{self, Write};

use coredump_core::cli::Exit;
use coredump_core::cli::shorten;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::gc::{ObjectView, Root, text_of};
use coredump_core::objects::{Object, ObjectKind, Objects};

use crate::inspection::Inspection;
use crate::objects;

/// The description of nodes and edges, and of fields that are not used.
const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],"trace_node_fields":["id","function_info_index","count","size","children"],"sample_fields":["timestamp_us","last_assigned_id"],"location_fields":["object_index","script_id","line","column"]}"#;

/// Numbers in a node.
const NODE: u64 = 6;
/// Bytes of a text that is a node's name.
const MAX_TEXT: usize = 1024;

/// Types of nodes and edges, by their places in the lists above.
mod kind {
    pub const ARRAY: u32 = 1;
    pub const STRING: u32 = 2;
    pub const OBJECT: u32 = 3;
    pub const NATIVE: u32 = 8;
    pub const SYNTHETIC: u32 = 9;
    pub const ELEMENT: u32 = 1;
    pub const PROPERTY: u32 = 2;
}

/// Writes the snapshot.
pub fn snapshot(inspection: &Inspection<'_>) -> Result<Exit> {
    let Some((view, objects)) = objects::known(inspection) else {
        return Err(inspection.error(ErrorKind::NotFound, "the dump holds no objects of a garbage-collected program"));
    };
    let held = |root: &Root| objects.get(root.id).is_some();
    let roots: Vec<Root> = view.roots().into_iter().filter(held).collect();
    inspection.write(|out| Snapshot { view, objects, roots, texts: Texts::default() }.write(out))?;
    Ok(Exit::partial_if(objects.problem().is_some() || objects.limit().is_some()))
}

struct Snapshot<'s> {
    view: &'s ObjectView<'s>,
    objects: &'s Objects<'s>,
    roots: Vec<Root>,
    texts: Texts,
}

/// All texts, each once.
#[derive(Default)]
struct Texts {
    places: HashMap<String, u32>,
    all: Vec<String>,
}

impl Texts {
    /// Returns the index of a text, which is added if it is new.
    fn index(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.places.insert(text.to_owned(), place);
        self.all.push(text.to_owned());
        place
    }
}

impl Snapshot<'_> {
    /// Node 0 is the root, node 1 holds what the program's roots hold, and object N is node N + 1.
    fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        // An object that the dump does not hold has no node.
        let count = self.objects.count();
        let references =
            |object: Object<'_>| object.references().filter(|(_, id)| (1..=count).contains(id)).count() as u64;
        let edges = 1 + self.roots.len() as u64 + self.objects.iter().map(references).sum::<u64>();
        let nodes = u64::from(count) + 2;
        writeln!(
            out,
            "{{\"snapshot\":{{\"meta\":{META},\"node_count\":{nodes},\"edge_count\":{edges},\"trace_function_count\":0}},"
        )?;
        let (root, held) = (self.texts.index(""), self.texts.index("(GC roots)"));
        writeln!(out, "\"nodes\":[{},{root},1,0,1,0", kind::SYNTHETIC)?;
        writeln!(out, ",{},{held},3,0,{},0", kind::SYNTHETIC, self.roots.len())?;
        for object in self.objects.iter() {
            let (ty, name) = self.node(&object);
            let (id, size) = (u64::from(object.id) * 2 + 3, object.size());
            writeln!(out, ",{ty},{name},{id},{size},{},0", references(object))?;
        }
        writeln!(out, "],\n\"edges\":[{},1,{NODE}", kind::ELEMENT)?;
        for root in &self.roots {
            let name = self.texts.index(&root.place);
            writeln!(out, ",{},{name},{}", kind::PROPERTY, node_offset(root.id))?;
        }
        for object in self.objects.iter() {
            for (index, id) in object.references().filter(|(_, id)| (1..=count).contains(id)) {
                match (object.kind(), self.view.field_name(object.type_index, index)) {
                    (ObjectKind::Array, _) => writeln!(out, ",{},{index},{}", kind::ELEMENT, node_offset(id))?,
                    (_, Some(name)) => {
                        writeln!(out, ",{},{},{}", kind::PROPERTY, self.texts.index(name), node_offset(id))?
                    }
                    (_, None) => {
                        let name = self.texts.index(&index.to_string());
                        writeln!(out, ",{},{name},{}", kind::PROPERTY, node_offset(id))?;
                    }
                }
            }
        }
        writeln!(
            out,
            "],\n\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\n\"strings\":["
        )?;
        for (number, text) in self.texts.all.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            writeln!(out, "{comma}{}", serde_json::Value::from(text.as_str()))?;
        }
        writeln!(out, "]}}")
    }

    /// The type of an object's node, and its name: an array that is text is a string.
    fn node(&mut self, object: &Object<'_>) -> (u32, u32) {
        if let Some(text) = text_of(object) {
            return (kind::STRING, self.texts.index(&shorten(&text, MAX_TEXT)));
        }
        let ty = match object.kind() {
            ObjectKind::Array => kind::ARRAY,
            ObjectKind::Struct | ObjectKind::Exception => kind::OBJECT,
            ObjectKind::Extern => kind::NATIVE,
        };
        (ty, self.texts.index(&self.view.label_of(object)))
    }
}

/// Returns the index of the first number of an object's node in the list of all nodes.
fn node_offset(id: u32) -> u64 {
    (u64::from(id) + 1) * NODE
}
