//! The heaps of a memory with all that is known of their blocks.

use std::cell::OnceCell;
use std::rc::Rc;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::heap::{
    Block, Graph, Heap, Roots, Survey, Totals, Types, View, inventory, preview, shapes, unclaimed,
};
use coredump_core::memory::Memory;
use coredump_core::model::CoreDump;
use coredump_core::regions::{Regions, global_names};
use coredump_core::{Binaries, Shapes};

use crate::inspection::Inspection;

/// The heaps of one memory.
pub struct Heaps<'a> {
    /// The heaps.
    pub heaps: Vec<Heap>,
    roots: OnceCell<Roots>,
    regions: Rc<Regions>,
    view: View<'a>,
    dump: &'a CoreDump<'a>,
    binaries: &'a Binaries,
    memory: u32,
    shapes: OnceCell<Shapes>,
}

impl<'a> Heaps<'a> {
    /// The heaps of the memory with this index.
    pub fn new(inspection: &Inspection<'a>, index: u32, memory: &'a Memory<'a>) -> Heaps<'a> {
        let regions = inspection.regions(index);
        let binaries = inspection.binaries();
        let heaps = Heap::find(inspection.dump, binaries, index, &regions);
        let (roots, view, dump, shapes) = (OnceCell::new(), View::new(memory), inspection.dump, OnceCell::new());
        Heaps { heaps, roots, regions, view, dump, binaries, memory: index, shapes }
    }

    /// Returns the roots: the places where pointers begin.
    pub fn roots(&self) -> &Roots {
        self.roots.get_or_init(|| {
            let names = global_names(self.dump, self.binaries);
            Roots::new(self.dump, self.binaries, self.memory, &self.regions, &self.heaps, &names)
        })
    }

    /// The types that are known of blocks, which are read when they are first asked for.
    fn shapes(&self) -> &Shapes {
        self.shapes.get_or_init(|| shapes(self.dump, self.binaries, self.memory, &self.heaps))
    }

    /// The memory.
    pub fn view(&self) -> &View<'a> {
        &self.view
    }

    /// Reports where more of the memory was written to than the heaps hold: then there is another allocator. Returns
    /// whether that is so.
    pub fn complain_of_others(&self, inspection: &Inspection<'_>) -> bool {
        let held: u64 = self.heaps.iter().flat_map(|heap| &heap.ranges).map(|range| range.end - range.start).sum();
        let others = unclaimed(&self.heaps, &self.view, &self.regions);
        let any = others > held;
        if any {
            inspection.report.say(format_args!(
                "{}: memory {}: {others} bytes in use beyond static data are in no heap that is recognised",
                inspection.input.name(),
                self.memory
            ));
        }
        any
    }

    /// The numbers of each heap, and the used blocks by type; an error if they are spread too far.
    pub fn inventory(&self, inspection: &Inspection<'_>, index: u32) -> Result<(Vec<Survey>, Totals)> {
        let (surveys, totals) = inventory(&self.heaps, &self.view, self.shapes());
        Ok((surveys, totals.ok_or_else(|| too_far(inspection, index))?))
    }

    /// The blocks and their pointers; an error if they are spread too far.
    pub fn graph<'h>(&'h self, inspection: &Inspection<'_>, index: u32) -> Result<Graph<'h, 'h>> {
        Graph::new(&self.heaps, &self.view).ok_or_else(|| too_far(inspection, index))
    }

    /// The types of the graph's blocks.
    pub fn types<'h>(&'h self, graph: &Graph<'h, 'h>) -> Types<'h> {
        Types::find(graph, self.shapes())
    }

    /// The types of lost blocks, to which no variable leads: those that some say themselves, and what these lead to.
    pub fn types_of_lost<'h>(&'h self, graph: &Graph<'h, 'h>, lost: &[Block]) -> Types<'h> {
        Types::of_lost(graph, self.shapes(), lost)
    }

    /// Describes the contents of a block in a few words: its type, its text, or that it is zero.
    pub fn what(&self, graph: &Graph<'_, '_>, types: &Types<'_>, block: &Block) -> String {
        let ty = types.name(graph, block);
        let text = if types.is_text(graph, block) { preview(&self.view, block) } else { None };
        match (ty, text) {
            (Some(ty), Some(text)) if text.contains('"') => format!("{ty} {text}"),
            (Some(ty), _) => ty,
            (None, text) => text.unwrap_or_default(),
        }
    }
}

fn too_far(inspection: &Inspection<'_>, memory: u32) -> Error {
    inspection.error(ErrorKind::TooLarge, format!("the heaps of memory {memory} are too far apart"))
}
