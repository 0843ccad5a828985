//! Values of Rust: enums in every layout, fat pointers, closures, and the standard library's types, all as `{:?}`
//! writes them.

use super::{Contiguous, Renderer, Shown, cut};
use crate::variables::location::Missing;
use crate::variables::types::{Kind, Struct};
use crate::variables::units::Die;
use crate::variables::value::Value;

/// Levels of a B-tree: with six entries a node at least, more than any memory holds.
const TREE: u64 = 32;
/// Buckets of a hash table that are looked at.
const BUCKETS: u64 = 1 << 20;

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as Rust's programmers know it; `None` for one that is shown by its members.
    pub(super) fn rust(&self, value: &Value, die: Die, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        if contents.variants.is_some() {
            return Some(self.variant(value, contents, depth));
        }
        if let Some(found) = self.rust_contiguous(value, die, contents) {
            return Some(match found {
                Ok(found) if self.is_rust_text(die) => match self.text_at(found.address, found.len) {
                    Ok(text) => Shown::text(text),
                    Err(missing) => missing.into(),
                },
                Ok(found) => self.elements("[", "]", found, depth),
                Err(missing) => missing.into(),
            });
        }
        if let Some(vtable) = self.field(value, "vtable")
            && let Some(pointer) = self.field(value, "pointer")
        {
            return Some(self.dynamic(&pointer, &vtable, depth));
        }
        let (outer, name) = self.family(die);
        if !matches!(outer.as_str(), "alloc" | "core" | "std" | "hashbrown") {
            return None;
        }
        let transparent = |inner: Value| Some(self.show(&inner, depth));
        let named = |label: &str, field: &str, inner: Value| {
            let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!("{name} {{ ... }}"))) };
            let part = self.part(field, &inner, deeper);
            let text = format!("{label} {{ {field}: {} }}", part.text());
            Some(Shown { text: Ok(cut(text)), children: vec![part] })
        };
        match name.as_str() {
            "String" => transparent(self.field(value, "vec")?).map(|_| self.string(value)),
            "PathBuf" | "OsString" => Some(self.string(value)),
            "UnsafeCell" | "ManuallyDrop" => transparent(self.field(value, "value")?),
            "Pin" => transparent(self.field(value, "pointer").or_else(|| self.field(value, "__pointer"))?),
            "NonNull" | "Unique" => transparent(self.field(value, "pointer")?),
            "NonZero" => transparent(self.unwrapped(value)?),
            name if name.starts_with("Atomic") => transparent(self.unwrapped(&self.field(value, "v")?)?),
            "Ref" | "RefMut" if outer == "core" => {
                let (address, target) = self.address_in(&self.field(value, "value")?)?.ok()?;
                Some(self.pointing(Value::in_memory(target, address), depth))
            }
            "Cell" => named("Cell", "value", self.field(value, "value")?),
            "RefCell" => named("RefCell", "value", self.field(value, "value")?),
            "Mutex" => named("Mutex", "data", self.field(value, "data")?),
            "RwLock" => named("RwLock", "data", self.field(value, "data")?),
            "PhantomData" => Some(Shown::text("PhantomData")),
            "Rc" | "Arc" => Some(self.pointing(self.rust_pointee(value, die, contents)?, depth)),
            "VecDeque" => Some(self.deque(value, contents, depth)?.unwrap_or_else(Shown::from)),
            "HashMap" | "HashSet" => Some(self.hash_table(value, &name, depth)?.unwrap_or_else(Shown::from)),
            "BTreeMap" => Some(self.tree(value, false, depth)?.unwrap_or_else(Shown::from)),
            "BTreeSet" => Some(self.tree(&self.field(value, "map")?, true, depth)?.unwrap_or_else(Shown::from)),
            _ => None,
        }
    }

    /// What a box or counted pointer holds, as the thing itself.
    fn pointing(&self, pointee: Value, depth: u32) -> Shown {
        let Some(deeper) = depth.checked_sub(1) else { return Shown::text("...") };
        let part = self.part("*", &pointee, deeper);
        match (&part.value, &pointee.source) {
            (None, crate::variables::value::Source::Missing(missing)) => missing.clone().into(),
            _ => Shown { text: Ok(part.text()), children: vec![part] },
        }
    }

    fn is_rust_text(&self, die: Die) -> bool {
        let name = self.frame.units.name(die).unwrap_or_default();
        let name = name.strip_prefix(b"&mut ").or_else(|| name.strip_prefix(b"&")).unwrap_or(name);
        name == b"str" || name.starts_with(b"alloc::boxed::Box<str,") || matches!(name, b"*const str" | b"*mut str")
    }

    /// `Vec`, slices behind any pointer, and `str`.
    pub(super) fn rust_contiguous(
        &self,
        value: &Value,
        die: Die,
        contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        if let (Some(data), Some(len)) = (self.field(value, "data_ptr"), self.field(value, "length")) {
            let (address, element) = match self.address_in(&data)? {
                Ok(found) => found,
                Err(missing) => return Some(Err(missing)),
            };
            // A pointer to an unsized structure (`Rc<[T]>` inside) counts what stands at its end: no plain slice.
            if !matches!(self.frame.units.name(die), Some(name) if is_slice_name(name)) {
                return None;
            }
            return Some(len.number(self.frame, false).map(|len| Contiguous { element, address, len: len as u64 }));
        }
        let (outer, name) = self.family(die);
        if (outer.as_str(), name.as_str()) != ("alloc", "Vec") {
            return None;
        }
        let element = self.argument(contents, 0);
        let (address, _) = match self.address_in(&self.dig(&self.field(value, "buf")?, "pointer")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let len = self.field(value, "len")?.number(self.frame, false);
        Some(len.map(|len| Contiguous { element, address, len: len as u64 }))
    }

    /// A `String`, or what wraps a vector of bytes as one.
    fn string(&self, value: &Value) -> Shown {
        let mut at = value.clone();
        for _ in 0..8 {
            let Some((die, ty)) = self.frame.units.peeled(at.ty) else { break };
            let Kind::Struct(contents) = &ty.kind else { break };
            at = at.with_type(Some(die));
            match self.rust_contiguous(&at, die, contents) {
                Some(Ok(found)) => {
                    return match self.text_at(found.address, found.len) {
                        Ok(text) => Shown::text(text),
                        Err(missing) => missing.into(),
                    };
                }
                Some(Err(missing)) => return missing.into(),
                None => {}
            }
            let Some(inner) = self.field(&at, "vec").or_else(|| self.field(&at, "inner")) else { break };
            at = inner;
        }
        Missing::Malformed("a string of an unknown layout".into()).into()
    }

    /// Elements one behind the other.
    pub(super) fn elements(&self, open: &str, close: &str, found: Contiguous, depth: u32) -> Shown {
        let size = self.frame.units.size_of(found.element).unwrap_or(0);
        let extent = size.checked_mul(found.len);
        let checked = extent.ok_or_else(|| Missing::Malformed(format!("length {}", found.len)));
        // Of elements without a size any number fits.
        match checked.and_then(|extent| if extent == 0 { Ok(()) } else { self.check_extent(found.address, extent) }) {
            Ok(()) => {}
            Err(missing) => return missing.into(),
        }
        self.sequence(open, close, found.len, depth, |index, deeper| {
            let element = Value::in_memory(found.element, found.address + index * size);
            Some(self.part(format!("[{index}]"), &element, deeper))
        })
    }

    /// What an `Rc` or `Arc` points to.
    pub(super) fn rust_pointee(&self, value: &Value, die: Die, _contents: &Struct<'s>) -> Option<Value> {
        let (outer, name) = self.family(die);
        if outer != "alloc" || !matches!(name.as_str(), "Rc" | "Arc") {
            return None;
        }
        let pointer = self.field(value, "ptr")?;
        let ty = self.argument_of(value.ty, 0);
        let (address, inner) = match self.address_in(&pointer) {
            Some(Ok(found)) => found,
            Some(Err(missing)) => return Some(Value::missing(ty, missing)),
            None => return None,
        };
        let inner = Value::in_memory(inner, address);
        self.field(&inner, "value").or_else(|| self.field(&inner, "data"))
    }

    /// The contents of the variant an enum is in, as a structure.
    pub fn active_variant(&self, value: &Value, contents: &Struct<'s>) -> Option<Value> {
        self.find_variant(value, contents)?.ok().flatten()
    }

    /// `None` for what is no enum; `Ok(None)` for an enum without variants.
    fn find_variant(&self, value: &Value, contents: &Struct<'s>) -> Option<Result<Option<Value>, Missing>> {
        let variants = contents.variants.as_ref()?;
        let found = match &variants.discriminant {
            None => variants.list.first(),
            Some(discriminant) => {
                let member = value.member(self.frame, discriminant);
                let size = self.frame.units.size_of(member.ty).unwrap_or(0).min(16);
                let bits = match member.unsigned(self.frame, size) {
                    Ok(bits) => bits,
                    Err(missing) => return Some(Err(missing)),
                };
                let mask = if size >= 16 { u128::MAX } else { (1 << (size * 8)) - 1 };
                let holds = |&(low, high): &(u128, u128)| {
                    let (low, high) = (low & mask, high & mask);
                    if low <= high { (low..=high).contains(&bits) } else { bits >= low || bits <= high }
                };
                let exact = variants.list.iter().find(|variant| variant.values.iter().any(holds));
                // A niche: every other value means the variant that uses the place for its own contents.
                let found = exact.or_else(|| variants.list.iter().find(|variant| variant.values.is_empty()));
                match found {
                    Some(found) => Some(found),
                    None => return Some(Err(Missing::Malformed(format!("no variant has discriminant {bits}")))),
                }
            }
        };
        Some(Ok(found.and_then(|variant| variant.member.as_ref()).map(|member| value.member(self.frame, member))))
    }

    fn variant(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Shown {
        match self.find_variant(value, contents) {
            Some(Ok(Some(variant))) => match self.frame.units.peeled(variant.ty) {
                Some((die, ty)) => match &ty.kind {
                    // The variant's structure holds its own members only: no printer knows it better.
                    Kind::Struct(contents) => self.members(&variant.with_type(Some(die)), die, contents, depth),
                    _ => self.show(&variant, depth),
                },
                None => Missing::Malformed("a variant without a type".into()).into(),
            },
            Some(Err(missing)) => missing.into(),
            Some(Ok(None)) | None => Missing::Malformed("an enum without variants".into()).into(),
        }
    }

    /// A trait object: the value with the type that its vtable is for.
    fn dynamic(&self, pointer: &Value, vtable: &Value, depth: u32) -> Shown {
        let read = |value: &Value| value.pointer(self.frame);
        let (address, table) = match (read(pointer), read(vtable)) {
            (Ok(address), Ok(table)) => (address, table),
            (Err(missing), _) | (_, Err(missing)) => return missing.into(),
        };
        let Some(ty) = self.vtable_type(table) else {
            return Shown::text(format!("{address:#x} (vtable {table:#x})"));
        };
        let name = self.type_name(Some(ty));
        let Some(deeper) = depth.checked_sub(1) else { return Shown::text(format!("{address:#x} ({name})")) };
        let part = self.part("*", &Value::in_memory(Some(ty), address), deeper);
        Shown { text: Ok(part.text()), children: vec![part] }
    }

    /// The type a vtable is for: rustc describes each as a variable whose type says it.
    fn vtable_type(&self, address: u64) -> Option<Die> {
        let units = &self.frame.units;
        let first = self.frame.function.map_or(0, |function| function.unit);
        units.mentioning(first, address).into_iter().find_map(|unit| {
            units.vtables_of(unit).into_iter().find_map(|die| {
                let (location, _) = self.frame.locate(die)?;
                let at = match location.pieces.as_slice() {
                    [piece] => &piece.place,
                    _ => return None,
                };
                if *at != crate::variables::location::Place::Memory(address) {
                    return None;
                }
                match &units.peeled(units.type_of(die))?.1.kind {
                    Kind::Struct(contents) => contents.containing,
                    _ => None,
                }
            })
        })
    }

    /// `VecDeque`: a ring.
    fn deque(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Option<Result<Shown, Missing>> {
        let element = self.argument(contents, 0);
        let size = self.frame.units.size_of(element)?;
        let buffer = self.field(value, "buf")?;
        let (address, _) = match self.address_in(&self.dig(&buffer, "pointer")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let read = || -> Option<Result<(u64, u64, u64), Missing>> {
            let (head, len, cap) = (self.count(value, "head")?, self.count(value, "len")?, self.count(&buffer, "cap")?);
            Some(head.and_then(|head| Ok((head, len?, cap?))))
        };
        let (head, len, cap) = match read()? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let whole = cap.checked_mul(size).ok_or_else(|| Missing::Malformed(format!("capacity {cap}")));
        let sound = whole.and_then(|whole| match size == 0 || head < cap.max(1) && len <= cap {
            true => {
                if whole == 0 {
                    Ok(())
                } else {
                    self.check_extent(address, whole)
                }
            }
            false => Err(Missing::Malformed(format!("length {len} of a capacity of {cap}"))),
        });
        if let Err(missing) = sound {
            return Some(Err(missing));
        }
        Some(Ok(self.sequence("[", "]", len, depth, |index, deeper| {
            let slot = if cap == 0 { 0 } else { (head + index) % cap };
            Some(self.part(format!("[{index}]"), &Value::in_memory(element, address + slot * size), deeper))
        })))
    }

    /// A hashbrown table: control bytes, and before them the entries, backwards.
    fn hash_table(&self, value: &Value, name: &str, depth: u32) -> Option<Result<Shown, Missing>> {
        let table = self.dig(value, "table")?;
        let entry = self.argument_of(table.ty, 0)?;
        let size = self.frame.units.size_of(Some(entry))?;
        let items = match self.count(&table, "items")? {
            Ok(items) => items,
            Err(missing) => return Some(Err(missing)),
        };
        if items == 0 {
            return Some(Ok(Shown::text("{}")));
        }
        let (mask, control) = match (self.count(&table, "bucket_mask")?, self.address_in(&self.dig(&table, "ctrl")?)?) {
            (Ok(mask), Ok((control, _))) => (mask, control),
            (Err(missing), _) | (_, Err(missing)) => return Some(Err(missing)),
        };
        let buckets = mask.checked_add(1).filter(|buckets| buckets.is_power_of_two() && items <= *buckets);
        let extent = buckets.and_then(|buckets| buckets.checked_mul(size));
        let (Some(buckets), Some(start)) = (buckets, extent.and_then(|extent| control.checked_sub(extent))) else {
            return Some(Err(Missing::Malformed(format!("a table of {items} entries in {mask:#x} + 1 buckets"))));
        };
        if let Err(missing) =
            self.check_extent(start, control - start).and_then(|()| self.check_extent(control, buckets))
        {
            return Some(Err(missing));
        }
        let wanted = u64::from(self.limits.elements).min(items);
        let mut found = Vec::new();
        let controls = Value::in_memory(None, control);
        let controls = match controls.read(self.frame, buckets.min(BUCKETS)) {
            Ok(bytes) => bytes,
            Err(missing) => return Some(Err(missing)),
        };
        // A control byte with its top bit clear marks a bucket in use.
        for (bucket, _) in controls.iter().enumerate().filter(|(_, byte)| **byte < 0x80) {
            if found.len() as u64 == wanted {
                break;
            }
            found.push(Value::in_memory(Some(entry), control - (bucket as u64 + 1) * size));
        }
        let get = |index: u64| found.get(index as usize);
        Some(Ok(if name == "HashSet" {
            self.sequence("{", "}", items, depth, |index, deeper| {
                Some(self.part(format!("[{index}]"), &self.field(get(index)?, "__0")?, deeper))
            })
        } else {
            self.map(items, depth, |index| {
                let entry = get(index)?;
                Some((self.field(entry, "__0")?, self.field(entry, "__1")?))
            })
        }))
    }

    /// A B-tree, in order.
    fn tree(&self, value: &Value, set: bool, depth: u32) -> Option<Result<Shown, Missing>> {
        let len = match self.count(value, "length")? {
            Ok(len) => len,
            Err(missing) => return Some(Err(missing)),
        };
        if len == 0 {
            return Some(Ok(Shown::text("{}")));
        }
        let root = self.field(value, "root")?;
        let contents = self.frame.units.peeled(root.ty)?;
        let Kind::Struct(contents) = &contents.1.kind else { return None };
        let root = self.field(&self.active_variant(&root, contents)?, "__0")?;
        let height = match self.count(&root, "height")? {
            Ok(height) if height <= TREE => height,
            Ok(height) => return Some(Err(Missing::Malformed(format!("a tree {height} levels high")))),
            Err(missing) => return Some(Err(missing)),
        };
        let (node, leaf) = match self.address_in(&self.field(&root, "node")?)? {
            Ok(found) => found,
            Err(missing) => return Some(Err(missing)),
        };
        let arguments = (self.argument_of(leaf, 0), self.argument_of(leaf, 1));
        let mut found = Vec::new();
        let wanted = u64::from(self.limits.elements).min(len) as usize;
        if let Err(missing) = self.walk(node, height, leaf, arguments, wanted, &mut found)? {
            return Some(Err(missing));
        }
        Some(Ok(if set {
            self.sequence("{", "}", len, depth, |index, deeper| {
                Some(self.part(format!("[{index}]"), &found.get(index as usize)?.0, deeper))
            })
        } else {
            self.map(len, depth, |index| found.get(index as usize).cloned())
        }))
    }

    /// Entries of a node and the nodes below, as long as more are wanted. `None` for a layout that is not known.
    fn walk(
        &self,
        address: u64,
        height: u64,
        leaf: Option<Die>,
        (key, data): (Option<Die>, Option<Die>),
        wanted: usize,
        found: &mut Vec<(Value, Value)>,
    ) -> Option<Result<(), Missing>> {
        let node = Value::in_memory(leaf, address);
        let len = match self.count(&node, "len")? {
            // A node of Rust's B-tree has eleven entries at most.
            Ok(len) if len <= 11 => len,
            Ok(len) => return Some(Err(Missing::Malformed(format!("a tree node of {len} entries")))),
            Err(missing) => return Some(Err(missing)),
        };
        let edges = if height == 0 { None } else { Some(self.edges(&node)?) };
        let width = u64::from(self.frame.address_size());
        let keys = self.field(&node, "keys")?.source.address()?;
        let values = self.field(&node, "vals")?.source.address()?;
        let (key_size, data_size) = (self.frame.units.size_of(key)?, self.frame.units.size_of(data)?);
        for index in 0..=len {
            if found.len() >= wanted {
                break;
            }
            if let Some(edges) = edges {
                let child = Value::in_memory(None, edges.checked_add(index * width)?).unsigned(self.frame, width);
                let below = match child {
                    Ok(child) => self.walk(child as u64, height - 1, leaf, (key, data), wanted, found)?,
                    Err(missing) => Err(missing),
                };
                if below.is_err() {
                    return Some(below);
                }
            }
            if index < len && found.len() < wanted {
                found.push((
                    Value::in_memory(key, keys.checked_add(index * key_size)?),
                    Value::in_memory(data, values.checked_add(index * data_size)?),
                ));
            }
        }
        Some(Ok(()))
    }

    /// Where the children of an inner node stand: its type is what a node's parent pointer points to.
    fn edges(&self, leaf: &Value) -> Option<u64> {
        let parent = self.field(leaf, "parent")?;
        let (_, ty) = self.frame.units.peeled(parent.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let variants = contents.variants.as_ref()?;
        let pointers = variants.list.iter().filter_map(|variant| variant.member.as_ref()?.ty);
        let inner = pointers.into_iter().find_map(|ty| {
            let pointer = self.dig(&Value::in_memory(Some(ty), 0), "pointer")?;
            crate::variables::lookup::pointer_target(self.frame, pointer.ty)?.0
        })?;
        self.field(&leaf.with_type(Some(inner)), "edges")?.source.address()
    }
}

/// Whether a type of a pointer and a length is a slice or text, by its name.
fn is_slice_name(name: &[u8]) -> bool {
    let behind = |prefix: &[u8]| name.strip_prefix(prefix);
    let pointee = behind(b"&mut ")
        .or_else(|| behind(b"&"))
        .or_else(|| behind(b"*const "))
        .or_else(|| behind(b"*mut "))
        .or_else(|| behind(b"alloc::boxed::Box<"));
    pointee.is_some_and(|pointee| pointee.starts_with(b"[") || pointee.starts_with(b"str"))
}
