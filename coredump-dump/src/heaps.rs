//! The heaps of a memory with all that is known of their blocks.

use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::{Block, Graph, Heap, Roots, Types, View, preview};
use coredump_core::memory::Memory;
use coredump_core::regions::{global_names, shapes};
use coredump_core::variables::Shapes;

use crate::session::Session;

/// The heaps of one memory, and the types that the program's debug information knows.
pub struct Heaps<'a> {
    /// The heaps.
    pub heaps: Vec<Heap>,
    /// Where pointers begin.
    pub roots: Roots,
    view: View<'a>,
    shapes: Shapes,
}

impl<'a> Heaps<'a> {
    /// The heaps of the memory with this index.
    pub fn of(session: &Session<'a>, index: u32, memory: &'a Memory<'a>) -> Heaps<'a> {
        let regions = session.regions(index);
        let binaries = session.binaries();
        let heaps = Heap::find(session.dump, binaries, index, &regions);
        let names = global_names(session.dump, binaries);
        let roots = Roots::of(session.dump, index, &regions, &heaps, &names);
        let shapes = if heaps.is_empty() { Shapes::default() } else { shapes(session.dump, binaries, index) };
        Heaps { heaps, roots, view: View::new(memory), shapes }
    }

    /// The memory.
    pub fn view(&self) -> &View<'a> {
        &self.view
    }

    /// The blocks and their pointers; an error if they are spread too far.
    pub fn graph<'h>(&'h self, session: &Session<'_>, index: u32) -> Result<Graph<'h, 'h>> {
        Graph::new(&self.heaps, &self.view)
            .ok_or_else(|| session.error(ErrorKind::TooLarge, format!("the heaps of memory {index} are too far apart")))
    }

    /// The types of the graph's blocks.
    pub fn types<'h>(&'h self, graph: &Graph<'h, 'h>) -> Types<'h> {
        Types::find(graph, &self.shapes)
    }

    /// What a block holds, in a few words: its type, its text, or that it is zero.
    pub fn what(&self, graph: &Graph<'_, '_>, types: &Types<'_>, block: &Block) -> String {
        let ty = types.of(graph, block);
        let text = if types.is_text(graph, block) { preview(&self.view, block) } else { None };
        match (ty, text) {
            (Some(ty), Some(text)) if text.contains('"') => format!("{ty} {text}"),
            (Some(ty), _) => ty,
            (None, text) => text.unwrap_or_default(),
        }
    }
}
