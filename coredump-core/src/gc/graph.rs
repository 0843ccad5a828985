//! Which object refers to which: shortest chains from the roots, and what would be freed with an object.

use super::Root;
use crate::objects::{Id, Objects};

/// All references between objects. An object has the number of its id; number 0 stands for the roots.
pub struct Graph {
    /// Where each object's references begin in `targets`; one more at the end.
    starts: Vec<u32>,
    targets: Vec<Id>,
}

/// The immediate dominator of each object: the last object that all chains from the roots to it have in common.
pub struct Dominators {
    /// By id: 0 where nothing but the roots does.
    of: Vec<Id>,
    /// By id, in bytes: what would be freed with it, itself included. Of 0, of all that is reachable.
    retained: Vec<u64>,
    reached: Vec<bool>,
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

    /// How many objects there are, and one for the roots.
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

    /// The reverse of all references, as another graph.
    fn reversed(&self) -> Graph {
        let mut starts = vec![0u32; self.len() + 1];
        for &to in &self.targets {
            starts[to as usize + 1] += 1;
        }
        for number in 0..self.len() {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut targets = vec![0; self.targets.len()];
        for from in 0..self.len() as u32 {
            for &to in self.targets(from) {
                let place = &mut next[to as usize];
                targets[*place as usize] = from;
                *place += 1;
            }
        }
        Graph { starts, targets }
    }

    /// Finds the immediate dominators and the retained sizes (Lengauer and Tarjan 1979, the simple version).
    pub fn dominators(&self, objects: &Objects<'_>) -> Dominators {
        let order = self.depth_first();
        let of = Links::new(self, &order).dominators();
        let mut retained = vec![0u64; self.len()];
        let mut reached = vec![false; self.len()];
        order.vertices.iter().for_each(|&number| reached[number as usize] = true);
        for object in objects.iter() {
            retained[object.id as usize] = object.size();
        }
        // Whatever is dominated comes later in the order.
        for &number in order.vertices.iter().skip(1).rev() {
            let size = retained[number as usize];
            let by = &mut retained[of[number as usize] as usize];
            *by = by.saturating_add(size);
        }
        Dominators { of, retained, reached }
    }

    /// All that the roots reach, in the order of a depth-first search.
    fn depth_first(&self) -> Order {
        let mut order = Order { numbers: vec![UNSEEN; self.len()], vertices: vec![0], parents: vec![0] };
        order.numbers[0] = 0;
        let mut open = vec![(0u32, 0usize)];
        while let Some((vertex, at)) = open.last_mut() {
            let Some(&to) = self.targets(*vertex).get(*at) else {
                open.pop();
                continue;
            };
            *at += 1;
            if order.numbers[to as usize] == UNSEEN {
                let parent = order.numbers[*vertex as usize];
                order.numbers[to as usize] = order.vertices.len() as u32;
                order.vertices.push(to);
                order.parents.push(parent);
                open.push((to, 0));
            }
        }
        order
    }
}

/// Stands for the number of a vertex that was not reached.
const UNSEEN: u32 = u32::MAX;

/// A depth-first search: numbers of vertices in the order in which they were met.
struct Order {
    /// The place of each vertex in the order.
    numbers: Vec<u32>,
    vertices: Vec<u32>,
    /// The place of each one's parent in the search tree, by place.
    parents: Vec<u32>,
}

/// The forest of the algorithm. All is by places in the order of the search.
struct Links<'g> {
    order: &'g Order,
    sources: Graph,
    semi: Vec<u32>,
    best: Vec<u32>,
    ancestor: Vec<u32>,
}

impl Links<'_> {
    fn new<'g>(graph: &Graph, order: &'g Order) -> Links<'g> {
        let count = order.vertices.len() as u32;
        Links {
            order,
            sources: graph.reversed(),
            semi: (0..count).collect(),
            best: (0..count).collect(),
            ancestor: vec![UNSEEN; count as usize],
        }
    }

    /// The immediate dominator of each vertex; 0 of what is not reached.
    fn dominators(mut self) -> Vec<u32> {
        let count = self.order.vertices.len();
        let mut dominator = vec![0u32; count];
        // Vertices whose semidominator this is: the first, and of each the next.
        let mut first = vec![UNSEEN; count];
        let mut next = vec![UNSEEN; count];
        for at in (1..count as u32).rev() {
            let parent = self.order.parents[at as usize];
            for index in 0..self.sources.targets(self.order.vertices[at as usize]).len() {
                let source = self.sources.targets(self.order.vertices[at as usize])[index];
                let source = self.order.numbers[source as usize];
                if source == UNSEEN {
                    continue;
                }
                let best = self.evaluate(source);
                self.semi[at as usize] = self.semi[at as usize].min(self.semi[best as usize]);
            }
            let semi = self.semi[at as usize] as usize;
            next[at as usize] = first[semi];
            first[semi] = at;
            self.ancestor[at as usize] = parent;
            let mut member = std::mem::replace(&mut first[parent as usize], UNSEEN);
            while member != UNSEEN {
                let best = self.evaluate(member);
                let sooner = self.semi[best as usize] < self.semi[member as usize];
                dominator[member as usize] = if sooner { best } else { parent };
                member = std::mem::replace(&mut next[member as usize], UNSEEN);
            }
        }
        let mut of = vec![0u32; self.order.numbers.len()];
        for at in 1..count {
            if dominator[at] != self.semi[at] {
                dominator[at] = dominator[dominator[at] as usize];
            }
            of[self.order.vertices[at] as usize] = self.order.vertices[dominator[at] as usize];
        }
        of
    }

    /// The vertex of least semidominator on the way up from `at`, whose way is shortened.
    fn evaluate(&mut self, at: u32) -> u32 {
        if self.ancestor[at as usize] == UNSEEN {
            return at;
        }
        let mut way = vec![at];
        let mut top = self.ancestor[at as usize];
        while self.ancestor[top as usize] != UNSEEN {
            way.push(top);
            top = self.ancestor[top as usize];
        }
        // The last one hangs below the root of its tree: it stays as it is.
        for index in (0..way.len() - 1).rev() {
            let (vertex, above) = (way[index] as usize, way[index + 1] as usize);
            if self.semi[self.best[above] as usize] < self.semi[self.best[vertex] as usize] {
                self.best[vertex] = self.best[above];
            }
            self.ancestor[vertex] = self.ancestor[above];
        }
        self.best[at as usize]
    }
}

impl Dominators {
    /// The object that every chain from the roots to this one goes through last; none if there is no single one, or no
    /// chain.
    pub fn dominator(&self, id: Id) -> Option<Id> {
        self.of.get(id as usize).copied().filter(|&by| by != 0)
    }

    /// Bytes that would be freed with this object: of itself, and of all that only it leads to.
    pub fn retained(&self, id: Id) -> u64 {
        self.retained.get(id as usize).copied().unwrap_or(0)
    }

    /// By type: bytes that would be freed with all objects of the type.
    pub fn retained_by_type(&self, objects: &Objects<'_>) -> Vec<u64> {
        let types: Vec<u32> = objects.iter().map(|object| object.type_index).collect();
        let mut starts = vec![0u32; self.of.len() + 1];
        let reached = || (1..self.of.len()).filter(|id| self.reached[*id]);
        for id in reached() {
            starts[self.of[id] as usize + 1] += 1;
        }
        for number in 0..self.of.len() {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut below = vec![0u32; starts.last().map_or(0, |end| *end as usize)];
        for id in reached() {
            let place = &mut next[self.of[id] as usize];
            below[*place as usize] = id as u32;
            *place += 1;
        }
        // Objects that an object of the same type keeps are counted there.
        let mut totals = vec![0u64; objects.types().len()];
        let mut inside = vec![0u32; totals.len()];
        let mut open = vec![(0u32, starts[0])];
        while let Some((id, at)) = open.last_mut() {
            let own = id.checked_sub(1).map(|place| types[place as usize] as usize);
            if *at == starts[*id as usize + 1] {
                if let Some(own) = own {
                    inside[own] -= 1;
                }
                open.pop();
                continue;
            }
            let child = below[*at as usize];
            *at += 1;
            let ty = types[child as usize - 1] as usize;
            if inside[ty] == 0 {
                totals[ty] = totals[ty].saturating_add(self.retained(child));
            }
            inside[ty] += 1;
            open.push((child, starts[child as usize]));
        }
        totals
    }

    /// Whether a root leads to it.
    pub fn is_reached(&self, id: Id) -> bool {
        self.reached.get(id as usize).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::{Code, ObjectKind, ObjectType, Storage, Writer};

    /// A program whose n-th object refers to those in the n-th list, as an array.
    fn program(edges: &[Vec<u32>]) -> (Vec<u8>, Vec<u8>) {
        let mut writer = Writer::new();
        let ty = writer.add_type(&ObjectType::new(ObjectKind::Array, Vec::new(), vec![Storage::Ref]));
        for targets in edges {
            writer.begin_array(ty, targets.len() as u32, targets.len() as u32);
            targets.iter().for_each(|id| writer.reference(Code::object(*id)));
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
            let dominators = graph.dominators(&objects);
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
        let dominators = graph.dominators(&objects);
        assert_eq!(dominators.dominator(count), Some(count - 1));
        assert_eq!(dominators.retained(1), 4 * u64::from(count));
        assert_eq!(graph.path_to(count).unwrap().len(), count as usize);
    }
}
