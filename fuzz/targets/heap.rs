//! Reads the heaps of a dump with an embedded module: the blocks of any recognised allocator are inside its heap, and
//! walks over them end.
#![no_main]

use coredump_core::heap::{Graph, Heap, Roots, Survey, View, inventory, shapes};
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::regions::{Regions, changed_constants};
use libfuzzer_sys::fuzz_target;

/// Larger memories only make the target slow.
const MOST: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut dump) = read(bytes) else { return };
    let store = BinaryStore::new();
    let options = Options { recorded_paths: false, trusted: false, ..Options::default() };
    let binaries = Binaries::settle(&store, bytes, &mut dump, &options);
    for (index, memory) in (0..2).zip(&dump.memories) {
        if memory.size > MOST {
            continue;
        }
        let regions = Regions::new(&dump, &binaries, index);
        let heaps = Heap::find(&dump, &binaries, index, &regions);
        let view = View::new(memory);
        for heap in &heaps {
            let mut count = 0;
            for block in heap.blocks(&view).filter_map(Result::ok) {
                count += 1;
                assert!(block.address <= block.end() && block.end() <= memory.size, "{:?}: {block:?}", heap.kind);
            }
            assert!(count <= memory.size, "{:?}: {count} blocks", heap.kind);
            let _ = (Survey::new(heap, &view), heap.damage(&view));
        }
        let _ = changed_constants(&dump, &binaries, index, &regions);
        let _ = inventory(&heaps, &view, &shapes(&dump, &binaries, index, &heaps));
        let roots = Roots::new(&dump, &binaries, index, &regions, &heaps, &[]);
        if let Some(mut graph) = Graph::new(&heaps, &view) {
            graph.leaks(&roots, |block| assert!(block.end() <= memory.size));
            let address = heaps.first().map_or(0, |heap| heap.ranges.first().map_or(0, |range| range.start + 64));
            let _ = graph.path_to(&roots, address);
            let _ = graph.pointers(&roots);
        }
    }
});
