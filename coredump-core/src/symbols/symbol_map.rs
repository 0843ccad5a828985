//! Symbol maps, which Emscripten's `--emit-symbol-map` and the `--symbolmap` of wasm-opt and wasm-split write for a
//! stripped module. A line is a function's index, a colon, and its name, in which characters that are not allowed in C
//! identifiers may be escaped, as `\20`.

use std::collections::HashMap;
use std::ops::Range;

use crate::limits::MAX_SYMBOL;
use crate::module::{ItemKind, Module};

/// The most lines that are read: a module cannot have more functions (Wasm JavaScript interface, 7.1).
const MAX_NAMES: usize = 1_000_000;

/// A module's functions by index.
#[derive(Debug, Default)]
pub(super) struct SymbolMap<'s> {
    names: HashMap<u32, &'s str>,
}

/// The names of a map as they are read, and where each lies in their text.
type Read = (String, Vec<(u32, Range<usize>)>);

impl<'s> SymbolMap<'s> {
    /// Reads a map of `module`; `keep` keeps its text. `Err` says why it cannot be of this module.
    pub fn parse(
        bytes: &[u8],
        module: &Module<'_>,
        keep: impl FnOnce(Vec<u8>) -> &'s [u8],
    ) -> Result<SymbolMap<'s>, String> {
        let (text, places) = read(bytes)?;
        let text = str::from_utf8(keep(text.into_bytes())).unwrap_or_default();
        let names: HashMap<u32, &str> =
            places.into_iter().filter_map(|(index, place)| Some((index, text.get(place)?))).collect();
        // Besides the names, only the number of functions shows that the map is of the same build.
        let count = module.function_count();
        let last = names.keys().max().map_or(0, |last| u64::from(*last) + 1);
        if last != u64::from(count) {
            return Err(format!("it has names up to function {last}, the module has {count} functions"));
        }
        let by_name: HashMap<&str, u32> = names.iter().map(|(index, name)| (*name, *index)).collect();
        for export in module.exports().filter(|export| export.kind == ItemKind::Function) {
            // Names of minified exports mean nothing, and the wrapper of an exported function is named after it.
            let elsewhere = by_name.get(export.name).is_some_and(|&index| index != export.index);
            let here = names.get(&export.index).is_some_and(|name| name.starts_with(export.name));
            if export.name.len() > 3 && elsewhere && !here {
                return Err(format!("in it, {} is another function than in the module", export.name));
            }
        }
        Ok(SymbolMap { names })
    }

    /// A function's name.
    pub fn name(&self, function: u32) -> Option<&'s str> {
        self.names.get(&function).copied()
    }
}

fn read(bytes: &[u8]) -> Result<Read, String> {
    let (mut text, mut places) = (String::new(), Vec::new());
    for (number, line) in bytes.split(|&byte| byte == b'\n').take(MAX_NAMES).enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let split = colon.and_then(|colon| {
            let index = str::from_utf8(&line[..colon]).ok()?.parse().ok()?;
            Some((index, &line[colon + 1..]))
        });
        let Some((index, name)) = split else { return Err(format!("line {} is no index with a name", number + 1)) };
        let start = text.len();
        text.push_str(&unescaped(&name[..name.len().min(MAX_SYMBOL)]));
        places.push((index, start..text.len()));
    }
    Ok((text, places))
}

/// A name without escapes.
fn unescaped(name: &[u8]) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = behind.get(..2).filter(|_| byte == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(character) => {
                plain.push(character);
                rest = &behind[2..];
            }
            None => {
                plain.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_the_module_names_its_functions() {
        let bytes = wat::parse_str("(module (import \"a\" \"b\" (func)) (func (export \"main\")) (func))").unwrap();
        let module = Module::parse(&bytes).unwrap();
        let keep = |bytes: Vec<u8>| -> &'static [u8] { bytes.leak() };
        let map = b"0:b\n1:main\n2:geometry::Stack<int\\2c\\202>::Stack\\28\\29\n";
        let map = SymbolMap::parse(map, &module, keep).unwrap();
        assert_eq!(map.name(2), Some("geometry::Stack<int, 2>::Stack()"));
        assert_eq!(map.name(3), None);
        let refused = |map: &str| SymbolMap::parse(map.as_bytes(), &module, keep).unwrap_err();
        assert!(refused("0:b\n1:main\n").contains("up to function 2"), "of another build");
        assert!(refused("0:b\n1:x\n2:main\n").contains("main is another function"));
        assert!(refused("{\"version\":3}").contains("line 1"));
    }
}
