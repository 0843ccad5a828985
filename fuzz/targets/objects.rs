//! Reads any bytes as the section of a program's objects: no more is read than is there, every object is found by its
//! id as it is found in order, and walks along any references end.
#![no_main]

use coredump_core::Limits;
use coredump_core::gc::{Graph, Root, ObjectView, text_of};
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::model::CoreDump;
use coredump_core::objects::{Link, Objects};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let dump = CoreDump { objects: Some(Objects::new(bytes, 7)), ..CoreDump::default() };
    let Some(objects) = &dump.objects else { return };
    assert!(objects.count() as usize <= bytes.len(), "an object has at least one byte");
    if let Some((_, offset)) = objects.problem() {
        assert!((7..=bytes.len() as u64 + 7).contains(&offset), "what is wrong has a place");
    }
    let store = BinaryStore::default();
    let binaries =
        Binaries::locate(&store, &dump, &Options { recorded_paths: false, trusted: false, ..Options::default() });
    let view = ObjectView::new(&dump, &binaries);
    let limits = Limits { depth: 3, elements: 8, text_only: true };
    let mut held = 0;
    for object in objects.iter() {
        let found = objects.get(object.id).expect("what is listed is found");
        assert_eq!((found.type_index, found.len, found.bytes()), (object.type_index, object.len, object.bytes()));
        held += object.bytes().len();
        assert_eq!(object.fields().len(), object.held());
        assert!(object.get(object.held()).is_none());
        assert!(object.references().all(|(index, _)| index < object.held()));
        text_of(&object);
        if object.id < 64 {
            assert!(view.text(Link::Object(object.id), limits).len() < 1 << 20);
        }
    }
    assert!(held <= bytes.len(), "more contents than the section has bytes");
    let roots: Vec<Root> = (1..4).map(|id| Root { place: String::new(), id }).collect();
    let graph = Graph::new(objects, &roots);
    let dominators = Graph::new(objects, &roots).dominators(objects, || view.release());
    dominators.retained_by_group(objects, |object| view.group_of(object), || view.release());
    for id in 0..16 {
        assert_eq!(graph.path_to(id).is_some(), id > 0 && dominators.is_reached(id));
        graph.referrers(id, 4);
    }
});
