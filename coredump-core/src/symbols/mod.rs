//! Finds the source of an address in a module: in DWARF first, then in a source map, then names. Nothing is fetched
//! over a network.
//!
//! Everything is lazy: DWARF units, functions and line tables are parsed when an address falls into them. Debug info
//! that does not agree with the code (a tool rewrote the code afterwards) is not used: no line is better than a wrong
//! one.

mod abbreviations;
mod debug;
pub(crate) mod demangle;
mod extent;
mod functions;
mod heads;
mod inlined;
mod kotlin;
mod leb128;
mod line_program;
mod lines;
mod moonbit;
mod neighbours;
mod ranges;
#[cfg(test)]
mod real;
mod seek;
mod source_map;
mod split;
mod step;
mod symbol_map;
mod unit;
mod units;
mod url;
mod walk;
mod work;
#[cfg(test)]
pub(crate) mod written;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub use debug::{AddressLookup, DebugInfo};
pub use demangle::demangle;
pub use extent::CodeExtent;
pub use lines::{LineRow, append_path};
pub use neighbours::{Neighbours, Twin};
pub use ranges::{Covered, RangeLists, Ranges};
pub use walk::Walk;

use gimli::{AttributeValue, Section};

use crate::limits::MAX_SYMBOL;
use crate::locked::Locked;
use crate::module::Module;
use source_map::LineMap;
use split::SplitFinder;
use symbol_map::SymbolMap;

/// The reader all DWARF is read with.
pub type Slice<'s> = gimli::EndianSlice<'s, gimli::LittleEndian>;
/// DWARF sections.
pub type Dwarf<'s> = gimli::Dwarf<Slice<'s>>;
/// A unit with its sections.
pub type UnitRef<'u, 's> = gimli::UnitRef<'u, Slice<'s>>;

/// The most addresses for which the answer is remembered.
const MAX_KNOWN: usize = 1 << 20;

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path as the debug info has it, joined to the compilation directory when relative.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1; `None` where the debug info has none.
    pub column: Option<u32>,
}

/// A source function and where execution stood in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceFrame {
    /// Linkage name, else plain name, as the debug info has it.
    pub name: Option<Arc<str>>,
    /// The place in the source at which execution stood; `None` if the line table has no line for it (line 0).
    pub location: Option<Location>,
}

/// The contents of a source file, as far as debug info holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedSource {
    /// The text that was compiled.
    pub text: Option<Arc<str>>,
    /// The MD5 of the file.
    pub md5: Option<[u8; 16]>,
}

/// The kind of a module's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolsKind {
    /// DWARF.
    Dwarf,
    /// A source map.
    SourceMap,
    /// Only function names.
    Names,
    /// Nothing: neither name section nor exports.
    Nothing,
}

impl SymbolsKind {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SymbolsKind::Dwarf => "dwarf",
            SymbolsKind::SourceMap => "source-map",
            SymbolsKind::Names => "names",
            SymbolsKind::Nothing => "none",
        }
    }
}

/// A memo of answers, by function and file offset.
type Answers = HashMap<(u32, u64), Arc<[SourceFrame]>>;

/// A module's symbols.
pub struct Symbols<'s> {
    debug: Option<Arc<DebugInfo<'s>>>,
    twin: Option<Module<'s>>,
    map: Option<LineMap>,
    /// The JSON that the source map was decoded from.
    map_json: Cow<'s, [u8]>,
    /// The source texts in the map, by path.
    texts: OnceLock<HashMap<String, Arc<str>>>,
    names: Option<SymbolMap<'s>>,
    kind: SymbolsKind,
    origin: String,
    problems: Vec<String>,
    stale: AtomicBool,
    known: Locked<Answers>,
}

impl<'s> Symbols<'s> {
    /// Finds the symbols of `module`: its own, else those of a file beside it.
    pub fn load(module: &Module<'s>, neighbours: Neighbours<'s>) -> Symbols<'s> {
        let mut symbols = Symbols {
            debug: None,
            twin: None,
            map: None,
            map_json: Cow::Borrowed(&[]),
            texts: OnceLock::new(),
            names: None,
            kind: SymbolsKind::Nothing,
            origin: String::new(),
            problems: Vec::new(),
            stale: AtomicBool::new(false),
            known: Locked::default(),
        };
        if module.has_function_names() {
            symbols.kind = SymbolsKind::Names;
            symbols.origin = "function names only".to_owned();
        } else if symbols.load_names(module, &neighbours) {
            symbols.kind = SymbolsKind::Names;
        } else if module.exports().len() == 0 {
            symbols.origin = "no symbols".to_owned();
        } else {
            symbols.kind = SymbolsKind::Names;
            symbols.origin = "names of exports and imports only".to_owned();
        }
        if let Some(defect) = module.defect() {
            symbols.problems.push(format!("the binary is damaged: {defect}"));
        }
        symbols.load_map(module, &neighbours);
        symbols.load_debug(module, neighbours);
        symbols
    }

    fn load_debug(&mut self, module: &Module<'s>, neighbours: Neighbours<'s>) {
        let code_size = module.code_section_size();
        if let Some(dwarf) = dwarf_of(module) {
            let debug = DebugInfo::new(dwarf, code_size, SplitFinder::new(neighbours));
            if debug.is_empty() {
                self.problems.extend(debug.damage());
            } else if self.accept(debug, module, "DWARF".to_owned()) {
                return;
            }
        }
        let outside = match neighbours.debug_twin(module) {
            Ok(outside) => outside,
            Err(problem) => {
                self.problems.push(problem);
                return;
            }
        };
        let Some(Twin { path, module: twin, bytes, certain }) = outside else { return };
        if let Some(dwarf) = dwarf_of(&twin) {
            let debug = DebugInfo::new(dwarf, code_size, SplitFinder::new(neighbours.with_debug_file(bytes)));
            if !certain && !debug.agrees_throughout(module) {
                let problem = format!("{} not used: nothing tells that it belongs to the module", path.display());
                self.problems.push(problem);
                return;
            }
            if !debug.is_empty() && self.accept(debug, module, format!("DWARF in {}", path.display())) {
                self.twin = Some(twin);
            }
        }
    }

    /// Uses debug info if it was made for this code; returns whether it was.
    fn accept(&mut self, debug: DebugInfo<'s>, module: &Module<'s>, origin: String) -> bool {
        if !debug.was_made_for(module) {
            self.stale.store(true, Ordering::Relaxed);
            return false;
        }
        // If the line tables name no source files, the lines come from the source map.
        if self.map.is_none() || debug.path_of_no_file().is_none() {
            (self.kind, self.origin) = (SymbolsKind::Dwarf, origin);
        }
        self.debug = Some(Arc::new(debug));
        true
    }

    /// Uses the names of a symbol map beside the module, if one fits; returns whether it did.
    fn load_names(&mut self, module: &Module<'s>, neighbours: &Neighbours<'s>) -> bool {
        for (path, bytes) in neighbours.symbol_maps() {
            match SymbolMap::parse(bytes, module, |text| neighbours.keep(text)) {
                Ok(names) => {
                    self.origin = format!("function names of {}", path.display());
                    self.names = Some(names);
                    return true;
                }
                Err(problem) => self.problems.push(format!("{} not used: {problem}", path.display())),
            }
        }
        false
    }

    fn load_map(&mut self, module: &Module<'s>, neighbours: &Neighbours<'s>) {
        let Some(url) = module.custom_name("sourceMappingURL") else { return };
        let parsed = if url.starts_with("data:") {
            source_map::of_data_url(url).map(|json| (Cow::Owned(json), "source map in the module".to_owned()))
        } else {
            let found = neighbours.source_map(url);
            found.map(|(path, json)| (Cow::Borrowed(json), format!("source map {}", path.display())))
        };
        match parsed.and_then(|(json, origin)| Ok((LineMap::parse(&json)?, json, origin))) {
            Ok((map, json, origin)) => {
                (self.kind, self.origin) = (SymbolsKind::SourceMap, origin);
                (self.map, self.map_json) = (Some(map), json);
            }
            Err(problem) => self.problems.push(format!("source map not used: {problem}")),
        }
    }

    /// Returns the kind of the symbols.
    pub fn kind(&self) -> SymbolsKind {
        self.kind
    }

    /// Returns the origin of the symbols, in words for the user.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The parts that could not be used, and why. The list grows as addresses are looked up.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        if self.stale.load(Ordering::Relaxed) {
            let instead = if self.map.is_some() { ": the source map's are" } else { "" };
            problems.push(format!("its debug info does not fit its code, so its lines are not used there{instead}"));
        }
        if let Some(path) = self.debug.as_ref().and_then(|debug| debug.path_of_no_file()) {
            let instead =
                if self.map.is_some() { "the source map's lines are used" } else { "its columns are not used" };
            problems.push(format!("the line table of its debug info names no file ({path}), so {instead}"));
        }
        if let Some(debug) = &self.debug {
            problems.extend(debug.damage());
            if debug.gave_up() {
                problems.push("its debug info asks for more work than is sound: not all of it was read".to_owned());
            }
            problems.extend(debug.missing_split().into_iter().map(|name| format!("split debug info {name} not found")));
        }
        problems
    }

    /// The DWARF, where there is any.
    pub fn debug(&self) -> Option<&Arc<DebugInfo<'s>>> {
        self.debug.as_ref()
    }

    /// A function's name: the module's own name section, that of its debug file, an export or the import.
    pub fn function_name<'m>(&self, module: &Module<'m>, function: u32) -> Option<&'m str>
    where
        's: 'm,
    {
        let twin = self.twin.as_ref().filter(|_| !module.has_function_names());
        let named = twin.and_then(|twin| twin.function_name(function));
        let mapped = || self.names.as_ref().and_then(|names| names.name(function));
        named.or_else(mapped).or_else(|| module.function_name(function))
    }

    /// The source frames at a file offset in a function, innermost inlined call first, the function itself last.
    /// Empty where nothing is known.
    pub fn lookup(&self, module: &Module<'_>, function: u32, module_offset: u64) -> Arc<[SourceFrame]> {
        let key = (function, module_offset);
        if let Some(known) = self.known.lock().get(&key) {
            return known.clone();
        }
        let frames: Arc<[SourceFrame]> = self.find(module, function, module_offset).into();
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, frames.clone());
        frames
    }

    /// Returns the contents of the source file `file` from debug info or source map, which a location in a function of
    /// `module` names.
    pub fn embedded_source(&self, module: &Module<'_>, function: u32, file: &str) -> Option<EmbeddedSource> {
        let described = self.debug.as_ref().and_then(|debug| debug.source(module, function, file));
        described.or_else(|| {
            let texts = self.texts.get_or_init(|| source_map::texts(&self.map_json));
            Some(EmbeddedSource { text: Some(texts.get(file)?.clone()), md5: None })
        })
    }

    /// Returns the place at which the source declares a function; `None` if its debug info does not say so.
    pub fn declaration(&self, module: &Module<'_>, function: u32) -> Option<Location> {
        self.debug.as_ref()?.declaration(module, function)
    }

    fn find(&self, module: &Module<'_>, function: u32, module_offset: u64) -> Vec<SourceFrame> {
        let pc = module.code_section_start().and_then(|code| module_offset.checked_sub(code));
        let mapped = || self.map.as_ref()?.lookup(module_offset, module.body(function)?);
        if let (Some(debug), Some(pc), Some(extent)) = (&self.debug, pc, CodeExtent::from_function(module, function)) {
            match debug.lookup(pc, &extent, module) {
                // If the line table is not believed, the function has no line.
                AddressLookup::Frames(frames) if !matches!(&frames[..], [SourceFrame { location: None, .. }]) => {
                    return frames;
                }
                AddressLookup::Frames(frames) => return relocated(frames, mapped()),
                AddressLookup::Doubtful(frames) if self.map.is_some() => return relocated(frames, mapped()),
                AddressLookup::Doubtful(frames) => return frames,
                AddressLookup::Stale => self.stale.store(true, Ordering::Relaxed),
                AddressLookup::Nothing => {}
            }
        }
        mapped().into_iter().collect()
    }
}

/// The function itself as debug info names it, at the location that a source map gives.
fn relocated(frames: Vec<SourceFrame>, mapped: Option<SourceFrame>) -> Vec<SourceFrame> {
    let function = frames.into_iter().next_back();
    let location = mapped.and_then(|mapped| mapped.location);
    function.map(|function| SourceFrame { location, ..function }).into_iter().collect()
}

/// A string from debug info, shortened if it is very long.
fn text(text: Slice<'_>) -> Cow<'_, str> {
    String::from_utf8_lossy(&text.slice()[..text.len().min(MAX_SYMBOL)])
}

/// The text of an attribute, or the beginning of one that is longer than any name. Many entries may share a text, so it
/// is not read to its end for each of them.
pub fn attribute_text<'s>(unit: UnitRef<'_, 's>, value: AttributeValue<Slice<'s>>) -> Option<Slice<'s>> {
    let (texts, offset) = match value {
        AttributeValue::DebugStrRef(offset) => (unit.dwarf.debug_str.reader(), offset.0),
        AttributeValue::DebugStrOffsetsIndex(index) => {
            (unit.dwarf.debug_str.reader(), unit.string_offset(index).ok()?.0)
        }
        AttributeValue::DebugLineStrRef(offset) => (unit.dwarf.debug_line_str.reader(), offset.0),
        AttributeValue::String(text) => return Some(text.range_to(..text.len().min(MAX_SYMBOL))),
        _ => return None,
    };
    let rest = texts.slice().get(offset..)?;
    let end = memchr::memchr(0, &rest[..rest.len().min(MAX_SYMBOL)]);
    // A text without an end is damaged.
    let end = end.or((rest.len() > MAX_SYMBOL).then_some(MAX_SYMBOL))?;
    Some(Slice::new(&rest[..end], gimli::LittleEndian))
}

/// Loads DWARF from custom sections; missing ones are empty.
fn load<'s>(section: impl Fn(gimli::SectionId) -> Option<&'s [u8]>) -> Dwarf<'s> {
    let read = |id| -> Result<Slice<'s>, std::convert::Infallible> {
        Ok(Slice::new(section(id).unwrap_or_default(), gimli::LittleEndian))
    };
    match Dwarf::load(read) {
        Ok(dwarf) => dwarf,
    }
}

/// The DWARF a module itself carries.
fn dwarf_of<'s>(module: &Module<'s>) -> Option<Dwarf<'s>> {
    module.custom_section(".debug_info")?;
    Some(load(|id| module.custom_section(id.name())))
}
