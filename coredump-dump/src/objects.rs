//! `--objects`, `--object` and `--path-to` of objects: what a garbage-collected program holds, and what keeps it.

use std::collections::{BTreeMap, HashMap};

use coredump_core::Limits;
use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::gc::{Graph, ObjectForm, ObjectView, Root, text_of};
use coredump_core::objects::{Id, Object, ObjectKind, Objects};

use crate::inspection::Inspection;
use crate::table::{RecordTable, Records};

/// Objects that a person gets listed.
const LINES: usize = 40;
/// Objects that refer to another one that are listed.
const REFERRERS: usize = 20;
/// The limits on an object in one line.
const LINE: Limits = Limits { depth: 1, elements: 8, text_only: true };

/// The objects of a dump, if there are any. Reports what is wrong with them.
pub fn known<'a>(inspection: &Inspection<'a>) -> Option<(&'a ObjectView<'a>, &'a Objects<'a>)> {
    inspection.binaries();
    let view = inspection.opened.objects();
    let objects = view.objects()?;
    if objects.count() == 0 && objects.problem().is_none() {
        return None;
    }
    for warning in view.warnings() {
        inspection.report.warning(inspection.input.name(), &warning);
    }
    Some((view, objects))
}

/// The objects, where nothing can be done without them.
fn needed<'a>(inspection: &Inspection<'a>) -> Result<(&'a ObjectView<'a>, &'a Objects<'a>)> {
    known(inspection).ok_or_else(|| {
        let error = inspection.error(ErrorKind::NotFound, "the dump holds no objects of a garbage-collected program");
        error.hint("coredump-run captures them; --memory none leaves them out")
    })
}

/// Returns [`Exit::Partial`] if something that was asked for is unknown.
fn outcome(objects: &Objects<'_>) -> Exit {
    Exit::partial_if(objects.problem().is_some() || objects.limit().is_some())
}

/// Lists the objects, those that are kept by nothing but themselves with the most bytes first.
pub fn list(inspection: &Inspection<'_>, wanted: &str) -> Result<Exit> {
    let (view, objects) = needed(inspection)?;
    let roots = view.roots();
    let dominators = Graph::new(objects, &roots).dominators(objects, || view.release());
    let mut groups: HashMap<u32, bool> = HashMap::new();
    let mut chosen = |object: &Object<'_>| {
        let group = view.group_of(object);
        wanted.is_empty() || *groups.entry(group).or_insert_with(|| is_named(&view.group_label(group), wanted))
    };
    let mut ids: Vec<(u64, Id)> = objects
        .iter()
        .filter(|object| chosen(object))
        .map(|object| (dominators.retained(object.id), object.id))
        .collect();
    if ids.is_empty() {
        return Err(inspection
            .error(ErrorKind::NotFound, format!("there is no object of type {wanted}"))
            .hint("--heap lists the types"));
    }
    ids.sort_by_key(|(retained, id)| (std::cmp::Reverse(*retained), *id));
    ids.truncate(inspection.args.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    const COLUMNS: &[&str] = &[">id", "kind", "type", ">bytes", ">retained", "object"];
    inspection.write(|out| {
        let mut table = RecordTable::new(out, inspection.form(LINES), "Objects", "object", COLUMNS);
        for (retained, id) in ids {
            let Some(object) = objects.get(id) else { continue };
            table.row([
                format!("#{id}"),
                object.kind().name().to_owned(),
                view.label_of(&object),
                object.size().to_string(),
                retained.to_string(),
                in_short(view, &object),
            ]);
        }
        table.finish()
    })?;
    Ok(outcome(objects))
}

/// Returns true if one of the names of a type is the wanted one, whole or after its last dot.
fn is_named(label: &str, wanted: &str) -> bool {
    let mut names = label.split(" | ").chain([label]);
    names.any(|name| name == wanted || name.rsplit('.').next() == Some(wanted))
}

/// An object in one line: the text that it is, or its fields.
fn in_short(view: &ObjectView<'_>, object: &Object<'_>) -> String {
    view.object_text(object, LINE)
}

/// Prints all that is known of one object.
pub fn one(inspection: &Inspection<'_>, id: Id) -> Result<Exit> {
    let (view, objects) = needed(inspection)?;
    let Some(object) = objects.get(id) else { return Err(absent(inspection, objects, id)) };
    let roots = view.roots();
    let graph = Graph::new(objects, &roots);
    let referrers = graph.referrers(id, REFERRERS);
    let dominators = graph.dominators(objects, || view.release());
    let mut facts = Records::new("Object", "object", &["", ""]);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("id", format!("#{id}"));
    fact("kind", object.kind().name().to_owned());
    fact("type", view.label_of(&object));
    if object.kind() == ObjectKind::Array {
        fact("length", object.len.to_string());
    }
    fact("bytes", object.size().to_string());
    match dominators.is_reached(id) {
        true => fact("retained", dominators.retained(id).to_string()),
        false => fact("retained", "no root leads to it".to_owned()),
    }
    if let Some(by) = dominators.dominator(id) {
        fact("kept by", head(view, by));
    }
    let shown = inspection.args.elements.map_or(32, |elements| elements as usize);
    let limits = Limits::asked(Some(inspection.args.depth.unwrap_or(1)), inspection.args.elements);
    if let Some(text) = text_of(&object) {
        fact("text", text);
    }
    let meaning = view.meaning(&object, 0..shown as u64);
    if meaning.is_some() {
        fact("value", view.object_text(&object, limits));
    }
    let mut fields = Records::new("Fields", "field", &["", "stored as", "value"]);
    for index in 0..object.held().min(shown) {
        let storage = object.storage(index).map_or("", |storage| storage.name());
        let text = view.field_text(&object, index, limits).unwrap_or_default();
        fields.row([part(view, &object, index), storage.to_owned(), text]);
    }
    if object.held() > shown {
        fields.row(["…".to_owned(), String::new(), format!("{} more: --elements N", object.held() - shown)]);
    }
    if object.len > object.held() as u64 {
        let lost = object.len - object.held() as u64;
        fields.row(["…".to_owned(), String::new(), format!("{lost} that are not in the dump")]);
    }
    let mut holders = Records::new("Held by", "holder", &["", ""]);
    for root in roots.iter().filter(|root| root.id == id) {
        holders.row(["root".to_owned(), root.place.clone()]);
    }
    for from in referrers {
        let Some(from) = objects.get(from) else { continue };
        let places: Vec<String> =
            from.references().filter(|(_, to)| *to == id).take(4).map(|(index, _)| part(view, &from, index)).collect();
        holders.row([head(view, from.id), places.join(", ")]);
    }
    let mut tables = vec![facts, fields];
    tables.extend(meaning.and_then(|meaning| contents(view, meaning.form, limits)));
    tables.push(holders);
    inspection.show(&tables)?;
    Ok(outcome(objects))
}

/// The elements of a list or the entries of a map, as many as are in its form, with the ids of the objects that they are.
fn contents(view: &ObjectView<'_>, form: ObjectForm, limits: Limits) -> Option<Records> {
    let (mut table, shown, len) = match form {
        ObjectForm::Elements { parts, len, .. } => {
            let mut table = Records::new("Elements", "element", &["", "value"]);
            for (index, part) in parts.iter().enumerate() {
                table.row([format!("[{index}]"), view.text_with_id(*part, limits)]);
            }
            (table, parts.len() as u64, len)
        }
        ObjectForm::Entries { parts, len, .. } => {
            let mut table = Records::new("Entries", "entry", &["key", "value"]);
            for (key, value) in &parts {
                table.row([view.text_with_id(*key, limits), view.text_with_id(*value, limits)]);
            }
            (table, parts.len() as u64, len)
        }
        _ => return None,
    };
    if len > shown {
        table.row(["…".to_owned(), format!("{} more: --elements N", len - shown)]);
    }
    (shown > 0).then_some(table)
}

/// Shows a shortest chain of references from a root to an object.
pub fn path_to(inspection: &Inspection<'_>, id: Id) -> Result<Exit> {
    let (view, objects) = needed(inspection)?;
    if objects.get(id).is_none() {
        return Err(absent(inspection, objects, id));
    }
    let roots = view.roots();
    let Some(path) = Graph::new(objects, &roots).path_to(id) else {
        inspection.report.say(format_args!("{}: no root leads to object #{id}", inspection.input.name()));
        return Ok(Exit::Partial);
    };
    let mut table = Records::new("Path", "step", &["", "place", "refers to"]);
    let root = roots.iter().find(|root| path.first() == Some(&root.id)).map(|root: &Root| root.place.clone());
    table.row(["root".to_owned(), root.unwrap_or_default(), path.first().map_or(String::new(), |id| head(view, *id))]);
    for step in path.windows(2) {
        let Some(from) = objects.get(step[0]) else { continue };
        let through = from.references().find(|(_, to)| *to == step[1]).map(|(index, _)| part(view, &from, index));
        table.row([head(view, from.id), through.unwrap_or_default(), head(view, step[1])]);
    }
    inspection.show(&[table])?;
    Ok(outcome(objects))
}

/// The types of the objects: how many there are, their bytes, and what would be freed with all of a type.
pub fn types(inspection: &Inspection<'_>) -> Option<Records> {
    let (view, objects) = known(inspection)?;
    const COLUMNS: &[&str] = &["kind", "type", ">objects", ">bytes", ">retained"];
    let mut table = Records::new("Object types", "object-type", COLUMNS);
    // The objects are counted first: what is read of the file is let go of before the graph takes memory.
    let counted = by_group(view, objects);
    let release = || view.release();
    let dominators = Graph::new(objects, &view.roots()).dominators(objects, release);
    let retained = dominators.retained_by_group(objects, |object| view.group_of(object), release);
    let mut rows: Vec<((&'static str, String), [u64; 3])> =
        named(view, &counted, |group| retained.get(group as usize).copied().unwrap_or(0)).into_iter().collect();
    rows.sort_by_key(|(_, [_, bytes, _])| std::cmp::Reverse(*bytes));
    for ((kind, name), numbers) in rows {
        let [count, bytes, retained] = numbers.map(|number| number.to_string());
        table.row([kind.to_owned(), name, count, bytes, retained]);
    }
    Some(table)
}

/// Objects and bytes by kind and name of their type.
pub fn counts(view: &ObjectView<'_>, objects: &Objects<'_>) -> BTreeMap<(&'static str, String), [u64; 3]> {
    named(view, &by_group(view, objects), |_| 0)
}

/// The objects of each group: their kind, their number, and their bytes.
fn by_group(view: &ObjectView<'_>, objects: &Objects<'_>) -> Vec<Option<(ObjectKind, [u64; 2])>> {
    let mut groups = Vec::new();
    for object in objects.iter() {
        let group = view.group_of(&object) as usize;
        if group >= groups.len() {
            groups.resize(group + 1, None);
        }
        let (_, [count, bytes]) = groups[group].get_or_insert((object.kind(), [0u64; 2]));
        *count += 1;
        *bytes = bytes.saturating_add(object.size());
    }
    groups
}

/// Objects and bytes by kind and name, and a third number of each group.
fn named(
    view: &ObjectView<'_>,
    groups: &[Option<(ObjectKind, [u64; 2])>],
    third: impl Fn(u32) -> u64,
) -> BTreeMap<(&'static str, String), [u64; 3]> {
    let mut named: BTreeMap<(&'static str, String), [u64; 3]> = BTreeMap::new();
    for (group, counted) in (0u32..).zip(groups) {
        let Some((kind, [count, bytes])) = counted else { continue };
        let sums = named.entry((kind.name(), view.group_label(group))).or_default();
        let more = [*count, *bytes, third(group)];
        *sums = std::array::from_fn(|number| sums[number].saturating_add(more[number]));
    }
    named
}

/// An object's id and what it is.
fn head(view: &ObjectView<'_>, id: Id) -> String {
    match view.get(id) {
        Some(object) => format!("#{id} {}", view.head(&object)),
        None => format!("#{id}"),
    }
}

/// The name of a field, or `[3]`.
fn part(view: &ObjectView<'_>, object: &Object<'_>, index: usize) -> String {
    match view.field_name(object.type_index, index) {
        Some(name) => name.to_owned(),
        None => format!("[{index}]"),
    }
}

fn absent(inspection: &Inspection<'_>, objects: &Objects<'_>, id: Id) -> coredump_core::Error {
    let error = inspection.error(ErrorKind::NotFound, format!("there is no object #{id}"));
    error.hint(format!("the dump holds {}, counted from 1", objects.count()))
}
