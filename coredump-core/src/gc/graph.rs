//! The graph of objects: shortest chains of references from the roots, and the bytes that would be freed with an
//! object.

use super::Root;
use crate::objects::{Id, Object, Objects};

/// All references between objects. An object has the number of its id; number 0 stands for the roots.
pub struct Graph {
    /// The index in `targets` at which each object's references begin; one more stands at the end.
    starts: Vec<u32>,
    targets: Vec<Id>,
}

/// The immediate dominator of each object: the last object that all chains from the roots to it have in common.
pub struct Dominators {
    /// By id: 0 where nothing but the roots does, [`UNSEEN`] of an object that no root leads to.
    of: Vec<Id>,
    /// By id, in bytes: what would be freed with it, itself included. Of 0, of all that is reachable.
    retained: Vec<u64>,
}

impl Graph {
    /// The references of all objects of a dump, which `roots` hold.
    pub fn new(objects: &Objects<'_>, roots: &[Root]) -> Graph {
        let count = objects.count();
        let mut graph = Graph { starts: Vec::with_capacity(count as usize + 2), targets: Vec::new() };
        let held = |id: &Id| (1..=count).contains(id);
        graph.starts.push(0);
        graph.targets.extend(roots.iter().map(|root| root.id).filter(held));
        for object in objects.iter() {
            graph.starts.push(graph.targets.len() as u32);
            graph.targets.extend(object.references().map(|(_, id)| id).filter(held));
        }
        graph.starts.push(graph.targets.len() as u32);
        graph
    }

    /// Makes the graph of `count` vertices from its references, each a pair of vertices. Those of one vertex are kept in the reverse order.
    fn from_references<I: Iterator<Item = (usize, u32)>>(count: usize, references: impl Fn() -> I) -> Graph {
        let mut starts = vec![0u32; count + 1];
        references().for_each(|(from, _)| starts[from] += 1);
        for number in 1..starts.len() {
            starts[number] += starts[number - 1];
        }
        // So far these are the ends.
        let mut targets = vec![0; starts.last().map_or(0, |end| *end as usize)];
        for (from, to) in references() {
            let start = &mut starts[from];
            *start -= 1;
            targets[*start as usize] = to;
        }
        Graph { starts, targets }
    }

    /// Returns the number of objects, and one more for the roots.
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn targets(&self, number: u32) -> &[Id] {
        let number = number as usize;
        &self.targets[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// A shortest chain of objects from a root to this one, both included; none if no root leads to it.
    pub fn path_to(&self, id: Id) -> Option<Vec<Id>> {
        if id == 0 || id as usize >= self.len() {
            return None;
        }
        const NONE: u32 = u32::MAX;
        let mut parents = vec![NONE; self.len()];
        parents[0] = 0;
        let mut queue = vec![0];
        let mut next = 0;
        while parents[id as usize] == NONE {
            let from = *queue.get(next)?;
            next += 1;
            for &to in self.targets(from) {
                if parents[to as usize] == NONE {
                    parents[to as usize] = from;
                    queue.push(to);
                }
            }
        }
        let mut path = vec![id];
        let mut at = parents[id as usize];
        while at != 0 {
            path.push(at);
            at = parents[at as usize];
        }
        path.reverse();
        Some(path)
    }

    /// The objects that refer to this one, by their ids, up to `limit` of them.
    pub fn referrers(&self, id: Id, limit: usize) -> Vec<Id> {
        let numbers = 1..self.len() as u32;
        numbers.filter(|from| self.targets(*from).contains(&id)).take(limit).collect()
    }

    /// Finds the immediate dominators and the retained sizes (Lengauer and Tarjan 1979, the simple version). It uses the graph up,
    /// so that there is never more than is needed. `release` lets go of the pages of the dump's file that were read.
    pub fn dominators(self, objects: &Objects<'_>, release: impl Fn()) -> Dominators {
        release();
        let count = self.len();
        let search = self.search();
        let (numbers, dominators) = search.dominators();
        let mut vertices = vec![0u32; dominators.len()];
        for (vertex, &number) in (0u32..).zip(&numbers).filter(|(_, number)| **number != UNSEEN) {
            vertices[number as usize] = vertex;
        }
        drop(numbers);
        let mut of = vec![UNSEEN; count];
        of[0] = 0;
        for (&vertex, &by) in vertices.iter().zip(&dominators).skip(1) {
            of[vertex as usize] = vertices[by as usize];
        }
        drop(dominators);
        let mut retained = vec![0u64; count];
        read_all(objects, release, |object| retained[object.id as usize] = object.size());
        // Whatever is dominated comes later in the order.
        for &vertex in vertices.iter().skip(1).rev() {
            let size = retained[vertex as usize];
            let by = &mut retained[of[vertex as usize] as usize];
            *by = by.saturating_add(size);
        }
        Dominators { of, retained }
    }

    /// Searches all that the roots reach, depth first.
    fn search(self) -> DepthFirstSearch {
        let mut numbers = vec![UNSEEN; self.len()];
        numbers[0] = 0;
        let (mut vertices, mut parents) = (vec![0u32], vec![0u32]);
        // The vertices that are open are the last one and its parents; of each, the next target to be looked at.
        let mut last = 0u32;
        let mut open = vec![self.starts[0]];
        while let Some(next) = open.last_mut() {
            if *next == self.starts[vertices[last as usize] as usize + 1] {
                open.pop();
                last = parents[last as usize];
                continue;
            }
            let to = self.targets[*next as usize];
            *next += 1;
            if numbers[to as usize] == UNSEEN {
                parents.push(last);
                last = vertices.len() as u32;
                numbers[to as usize] = last;
                vertices.push(to);
                open.push(self.starts[to as usize]);
            }
        }
        drop((open, vertices));
        let sources = self.sources(&parents, &numbers);
        DepthFirstSearch { numbers, parents, sources, way: Vec::new() }
    }

    /// The reverse of all references from vertices that were reached, as another graph, by numbers. It lacks the
    /// reference from the parent of a vertex, which `parents` has.
    fn sources(&self, parents: &[u32], numbers: &[u32]) -> Graph {
        let references = || {
            let reached = (0u32..).zip(numbers).filter(|(_, number)| **number != UNSEEN);
            let all = reached.flat_map(|(vertex, &from)| {
                self.targets(vertex).iter().map(move |&to| (numbers[to as usize] as usize, from))
            });
            all.filter(|(to, from)| parents[*to] != *from)
        };
        Graph::from_references(parents.len(), references)
    }
}

/// Calls `each` with every object. As often as so many bytes were read, `release` lets go of them.
fn read_all(objects: &Objects<'_>, release: impl Fn(), mut each: impl FnMut(&Object<'_>)) {
    const RELEASED: usize = 4 << 20;
    let mut read = 0;
    for object in objects.iter() {
        each(&object);
        read += object.bytes().len() + 1;
        if read >= RELEASED {
            release();
            read = 0;
        }
    }
    release();
}

/// Stands for the number of a vertex that was not reached, and for the dominator of an object that was not.
const UNSEEN: u32 = u32::MAX;

/// A depth-first search. Vertices are numbered in the order in which they were met.
struct DepthFirstSearch {
    /// The number of each vertex, or [`UNSEEN`].
    numbers: Vec<u32>,
    /// The number of each one's parent in the search tree; of vertices that are linked, that of an ancestor.
    parents: Vec<u32>,
    /// The numbers of the vertices that refer to each vertex, without its parent.
    sources: Graph,
    /// The way that was last followed, which is kept for its memory.
    way: Vec<u32>,
}

impl DepthFirstSearch {
    /// The numbers of the vertices, and by number that of the immediate dominator of each.
    fn dominators(mut self) -> (Vec<u32>, Vec<u32>) {
        let count = self.parents.len() as u32;
        let mut semi: Vec<u32> = (0..count).collect();
        let mut best: Vec<u32> = (0..count).collect();
        // Vertices are gone through from the last to the first. Of one that is still to come, this is the first in the list of
        // those whose semidominator it is; of one that is done, the next in such a list, and in the end its dominator. By the
        // time that it is done, its own list is empty.
        let mut links = vec![UNSEEN; count as usize];
        for at in (1..count).rev() {
            let parent = self.parents[at as usize];
            semi[at as usize] = parent;
            for index in self.sources.starts[at as usize]..self.sources.starts[at as usize + 1] {
                let source = self.sources.targets[index as usize];
                let least = self.evaluate(source, at + 1, &semi, &mut best);
                semi[at as usize] = semi[at as usize].min(semi[least as usize]);
            }
            let first = &mut links[semi[at as usize] as usize];
            let next = std::mem::replace(first, at);
            links[at as usize] = next;
            let mut member = std::mem::replace(&mut links[parent as usize], UNSEEN);
            while member != UNSEEN {
                let least = self.evaluate(member, at, &semi, &mut best);
                let sooner = semi[least as usize] < semi[member as usize];
                member = std::mem::replace(&mut links[member as usize], if sooner { least } else { parent });
            }
        }
        for at in 1..count as usize {
            if links[at] != semi[at] {
                links[at] = links[links[at] as usize];
            }
        }
        (self.numbers, links)
    }

    /// The vertex of least semidominator on the way up from `at`, whose way is shortened. The vertices from `linked` on are linked
    /// with their parents.
    fn evaluate(&mut self, at: u32, linked: u32, semi: &[u32], best: &mut [u32]) -> u32 {
        if at < linked {
            return at;
        }
        self.way.clear();
        self.way.push(at);
        let mut top = self.parents[at as usize];
        while top >= linked {
            self.way.push(top);
            top = self.parents[top as usize];
        }
        // The last one hangs below the root of its tree: it stays as it is.
        for index in (0..self.way.len() - 1).rev() {
            let (vertex, above) = (self.way[index] as usize, self.way[index + 1] as usize);
            if semi[best[above] as usize] < semi[best[vertex] as usize] {
                best[vertex] = best[above];
            }
            self.parents[vertex] = self.parents[above];
        }
        best[at as usize]
    }
}

impl Dominators {
    /// The object that every chain from the roots to this one goes through last; none if there is no single one, or no
    /// chain.
    pub fn dominator(&self, id: Id) -> Option<Id> {
        self.of.get(id as usize).copied().filter(|&by| by != 0 && by != UNSEEN)
    }

    /// Bytes that would be freed with this object: of itself, and of all that only it leads to.
    pub fn retained(&self, id: Id) -> u64 {
        self.retained.get(id as usize).copied().unwrap_or(0)
    }

    /// By group: bytes that would be freed with all objects of the group, which `group_of` gives. `release` is as for
    /// [`Graph::dominators`].
    pub fn retained_by_group(
        &self,
        objects: &Objects<'_>,
        group_of: impl Fn(&Object<'_>) -> u32,
        release: impl Fn(),
    ) -> Vec<u64> {
        let mut groups = vec![0u32; self.of.len()];
        read_all(objects, release, |object| groups[object.id as usize] = group_of(object));
        // The tree of dominators: an object's first child, and its next sibling. Nothing has the roots as a child.
        let (mut children, mut siblings) = (vec![0u32; self.of.len()], vec![0u32; self.of.len()]);
        for (id, &by) in (0u32..).zip(&self.of).skip(1).filter(|(_, by)| **by != UNSEEN) {
            siblings[id as usize] = std::mem::replace(&mut children[by as usize], id);
        }
        // Objects that an object of the same group keeps are counted there.
        let mut totals = vec![0u64; groups.iter().max().map_or(0, |last| *last as usize + 1)];
        let mut inside = vec![0u32; totals.len()];
        let mut next = children[0];
        while next != 0 {
            let group = groups[next as usize] as usize;
            if inside[group] == 0 {
                totals[group] = totals[group].saturating_add(self.retained(next));
            }
            inside[group] += 1;
            let mut at = next;
            next = children[at as usize];
            while next == 0 && at != 0 {
                inside[groups[at as usize] as usize] -= 1;
                next = siblings[at as usize];
                at = self.of[at as usize];
            }
        }
        totals
    }

    /// Returns true if a root leads to it.
    pub fn is_reached(&self, id: Id) -> bool {
        self.of.get(id as usize).is_some_and(|by| *by != UNSEEN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::{ObjectKind, ObjectType, Storage, StoredReference, Writer};

    /// A program whose n-th object refers to those in the n-th list, as an array.
    fn program(edges: &[Vec<u32>]) -> (Vec<u8>, Vec<u8>) {
        let mut writer = Writer::new();
        let ty = writer.add_type(&ObjectType::new(ObjectKind::Array, Vec::new(), vec![Storage::Ref]));
        for targets in edges {
            writer.begin_array(ty, targets.len() as u32, targets.len() as u32);
            targets.iter().for_each(|id| writer.reference(StoredReference::object(*id)));
        }
        writer.finish()
    }

    fn roots(ids: &[Id]) -> Vec<Root> {
        ids.iter().map(|&id| Root { place: String::new(), id }).collect()
    }

    /// Returns the objects that roots reach without going through `without`.
    fn reach(edges: &[Vec<u32>], roots: &[Id], without: Id) -> Vec<bool> {
        let mut seen = vec![false; edges.len() + 1];
        let mut open: Vec<Id> = roots.to_vec();
        while let Some(id) = open.pop() {
            if id != without && id as usize <= edges.len() && id > 0 && !std::mem::replace(&mut seen[id as usize], true)
            {
                open.extend(&edges[id as usize - 1]);
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn what_is_freed_with_an_object_is_what_only_it_leads_to(
            edges in proptest::collection::vec(proptest::collection::vec(1..24u32, 0..4), 1..20),
            held in proptest::collection::vec(1..24u32, 1..4),
        ) {
            let (head, body) = program(&edges);
            let objects = Objects::of_parts(&head, &body);
            let graph = Graph::new(&objects, &roots(&held));
            let dominators = Graph::new(&objects, &roots(&held)).dominators(&objects, || ());
            let all = reach(&edges, &held, 0);
            for id in 1..=edges.len() as u32 {
                prop_assert_eq!(dominators.is_reached(id), all[id as usize]);
                prop_assert_eq!(graph.path_to(id).is_some(), all[id as usize]);
                if !all[id as usize] {
                    continue;
                }
                let without = reach(&edges, &held, id);
                let freed = (1..=edges.len() as u32).filter(|&other| all[other as usize] && !without[other as usize]);
                let bytes: u64 = freed.map(|other| 4 * edges[other as usize - 1].len() as u64).sum();
                prop_assert_eq!(dominators.retained(id), bytes, "object {}", id);
                if let Some(by) = dominators.dominator(id) {
                    prop_assert!(!reach(&edges, &held, by)[id as usize]);
                }
                let path = graph.path_to(id).unwrap();
                prop_assert!(held.contains(&path[0]) && path.last() == Some(&id));
                prop_assert!(path.windows(2).all(|step| edges[step[0] as usize - 1].contains(&step[1])));
            }
        }
    }

    #[test]
    fn a_long_list_is_no_recursion() {
        let count = 200_000;
        let edges: Vec<Vec<u32>> = (1..=count).map(|id| vec![id + 1]).collect();
        let (head, body) = program(&edges);
        let objects = Objects::of_parts(&head, &body);
        let graph = Graph::new(&objects, &roots(&[1]));
        assert_eq!(graph.path_to(count).unwrap().len(), count as usize);
        let dominators = graph.dominators(&objects, || ());
        assert_eq!(dominators.dominator(count), Some(count - 1));
        assert_eq!(dominators.retained(1), 4 * u64::from(count));
    }
}
