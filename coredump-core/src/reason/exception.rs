//! An uncaught exception in its language's terms.
//!
//! C++ throws a pointer to the exception's unwinder header, from which the type and the object lie at fixed distances
//! (libc++abi, `cxa_exception.h` and `private_typeinfo.h`). Rust's panics use the same tag; their header has a
//! different exception class.

use crate::gc;
use crate::limits::shorten;
use crate::memory::Memory;
use crate::model::{CoreDump, RefTarget, Thrown, ThrownValue};
use crate::module::Module;
use crate::symbols::demangle;
use crate::text::escape;
use crate::variables::Limits;

/// Exception classes as numbers: `CLNGC++\0` of libc++abi, `CLNGC++\1` of a dependent exception
/// (`std::rethrow_exception`), and `MOZ\0RUST` of Rust's panics.
const CPP: u64 = 0x434C_4E47_432B_2B00;
const CPP_DEPENDENT: u64 = CPP | 1;
const RUST: u64 = 0x4D4F_5A00_5255_5354;

/// The number of base classes that are followed along one path.
const DEPTH: usize = 16;
/// The number of bases of a class that are looked at.
const BASES: u64 = 16;
/// Longest name of a type and longest message, in bytes.
const MAX_TEXT: u64 = 4096;

/// The extent to which an object that an exception carries is shown in one line.
const CARRIED: Limits = Limits { depth: 1, elements: 8, text_only: true };
/// The number of values of an exception that are shown in one line.
const MAX_CARRIED: usize = 8;
/// Bytes of a tag's name, and of one value, that are shown in one line.
const MAX_PART: usize = 256;

/// An uncaught exception.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exception {
    /// The name of its tag.
    pub tag: Option<String>,
    /// The language whose runtime threw it: `c++`, `rust`, `kotlin`.
    pub language: Option<&'static str>,
    /// Its type, in that language's notation.
    pub ty: Option<String>,
    /// Its message: for C++'s standard exceptions the text that they were made with; for a thrown number or C string
    /// its value.
    pub message: Option<String>,
    /// The exception that caused it.
    pub cause: Option<Box<gc::Thrown>>,
    /// The exceptions that it suppressed (Kotlin).
    pub suppressed: Vec<gc::Thrown>,
    /// The values that it carries, in the tag's order.
    pub values: Vec<ThrownValue>,
    /// The number of times that it was thrown again.
    pub rethrown: Option<u64>,
    /// True if the frames are those of the last throw, because the first is not known.
    pub last_only: bool,
}

impl Exception {
    /// Type and message in one line, if either is known.
    pub fn summary(&self) -> Option<String> {
        match (&self.ty, &self.message) {
            (Some(ty), Some(message)) => Some(format!("{ty}: {message}")),
            (Some(only), None) | (None, Some(only)) => Some(only.clone()),
            (None, None) => None,
        }
    }

    /// Tag and values in one line, for an exception of which no language says more: `uncaught exception $failure
    /// (i32 13, struct $list {…})`. `None` if it has neither.
    pub(super) fn carried(&self, objects: &gc::ObjectView<'_>) -> Option<String> {
        let part = |text: &str| shorten(text, MAX_PART).into_owned();
        let mut values: Vec<String> =
            self.values.iter().take(MAX_CARRIED).map(|value| part(&value_text(value, objects))).collect();
        let more = self.values.len() - values.len();
        if more > 0 {
            values.push(format!("… {more} more"));
        }
        let tag = self.tag.as_deref().map(|tag| format!(" ${}", escape(&part(&demangle::demangle(tag)))));
        let values = (!values.is_empty()).then(|| format!(" ({})", values.join(", ")));
        (tag.is_some() || values.is_some())
            .then(|| format!("uncaught exception{}{}", tag.unwrap_or_default(), values.unwrap_or_default()))
    }
}

/// Writes a value that an exception carries: a number with its type, a reference as its target, or the type alone where
/// the target is not known or not in the dump.
fn value_text(value: &ThrownValue, objects: &gc::ObjectView<'_>) -> String {
    match &value.reference {
        Some(RefTarget::Object(id)) if objects.get(*id).is_none() => value.ty.clone(),
        Some(RefTarget::Opaque(_)) => value.ty.clone(),
        Some(target) => objects.text(gc::ObjectView::link(target), CARRIED),
        None => value.text(),
    }
}

/// Describes `thrown`. `objects` are the objects of its program, and `memory` is the memory of the module that threw
/// it.
pub fn describe<'d>(
    thrown: &Thrown,
    dump: &CoreDump<'d>,
    objects: &gc::ObjectView<'_>,
    memory: Option<&Memory<'d>>,
    module: Option<&Module<'_>>,
) -> Exception {
    let mut exception = Exception {
        tag: thrown.tag.clone(),
        values: thrown.values.clone(),
        rethrown: thrown.rethrown,
        last_only: thrown.last_only,
        ..Exception::default()
    };
    let object = thrown.values.iter().find_map(|value| objects.thrown(gc::ObjectView::link(value.reference.as_ref()?)));
    if let Some(object) = object {
        exception.language = Some("kotlin");
        (exception.ty, exception.message) = (Some(object.class), object.message);
        (exception.cause, exception.suppressed) = (object.cause, object.suppressed);
        return exception;
    }
    if let ([value], Some(memory)) = (&thrown.values[..], memory)
        && let Some(header) = value.to_bits()
    {
        match memory.uint(header, 8) {
            Ok(CPP | CPP_DEPENDENT) => {
                exception.language = Some("c++");
                let cpp = CppExceptions { memory, dump, module };
                if let Some((ty, object)) = cpp.parts(header) {
                    exception.ty = cpp.name(ty);
                    exception.message = cpp.message(ty, object);
                }
            }
            Ok(RUST) => exception.language = Some("rust"),
            _ => {}
        }
    }
    exception
}

/// Reads C++ exceptions.
struct CppExceptions<'c, 'd, 's> {
    memory: &'c Memory<'d>,
    dump: &'c CoreDump<'d>,
    module: Option<&'c Module<'s>>,
}

impl CppExceptions<'_, '_, '_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.memory.pointer(address).ok()
    }

    /// Addresses of the thrown object's type and of the object. The unwinder's header takes 32 bytes and the object lies
    /// after it.
    fn parts(&self, header: u64) -> Option<(u64, u64)> {
        let wide = self.memory.memory64;
        let object = match self.memory.uint(header, 8).ok()? {
            CPP_DEPENDENT => self.word(header.checked_sub(if wide { 88 } else { 4 })?)?,
            _ => header.checked_add(32)?,
        };
        let before = if wide { 80 } else { 48 };
        let ty = self.word(object.checked_sub(32)?.checked_sub(before)?)?;
        (ty != 0).then_some((ty, object))
    }

    /// The mangled name of the type whose type info is at `ty`.
    fn mangled(&self, ty: u64) -> Option<String> {
        let width = self.memory.pointer_size();
        let (name, whole) = self.memory.c_string(self.word(ty.checked_add(width)?)?, MAX_TEXT).ok()?;
        let plausible = whole && !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic());
        String::from_utf8(name).ok().filter(|_| plausible)
    }

    /// The demangled name of the type whose type info is at `ty`.
    fn name(&self, ty: u64) -> Option<String> {
        let mangled = self.mangled(ty)?;
        // The demangler takes symbols only, so the type's name is made into that of its type info.
        let symbol = format!("_ZTI{mangled}");
        let demangled = demangle::demangle(&symbol);
        demangled.strip_prefix("typeinfo for ").map(str::to_owned)
    }

    fn message(&self, ty: u64, object: u64) -> Option<String> {
        let mangled = self.mangled(ty)?;
        let int = |size| self.memory.uint(object, size).ok();
        Some(match mangled.as_str() {
            "a" => (int(1)? as i8).to_string(),
            "b" => (int(1)? != 0).to_string(),
            "c" | "h" => int(1)?.to_string(),
            "s" => (int(2)? as i16).to_string(),
            "t" => int(2)?.to_string(),
            "i" => (int(4)? as i32).to_string(),
            "j" => int(4)?.to_string(),
            "l" if self.memory.memory64 => (int(8)? as i64).to_string(),
            "m" if self.memory.memory64 => int(8)?.to_string(),
            "l" => (int(4)? as i32).to_string(),
            "m" => int(4)?.to_string(),
            "x" => (int(8)? as i64).to_string(),
            "y" => int(8)?.to_string(),
            "f" => f32::from_bits(int(4)? as u32).to_string(),
            "d" => f64::from_bits(int(8)?).to_string(),
            "Pc" | "PKc" => self.text(self.word(object)?)?,
            _ => {
                let base = self.standard_base(ty, object, DEPTH)?;
                if !self.says_its_text(object) {
                    return None;
                }
                // The object is a vtable pointer, then a pointer to the characters (`__libcpp_refstring`).
                self.text(self.word(base.checked_add(self.memory.pointer_size())?)?)?
            }
        })
    }

    fn text(&self, address: u64) -> Option<String> {
        let (bytes, _) = self.memory.c_string(address, MAX_TEXT).ok()?;
        (address != 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the address at which the `std::runtime_error` or `std::logic_error` base of `object` begins, if it has
    /// one. After its name, a type info has nothing, one base, or flags, a count and the bases with their offsets.
    fn standard_base(&self, ty: u64, object: u64, depth: usize) -> Option<u64> {
        if matches!(self.mangled(ty)?.as_str(), "St13runtime_error" | "St11logic_error") {
            return Some(object);
        }
        let depth = depth.checked_sub(1)?;
        let width = self.memory.pointer_size();
        let behind = ty.checked_add(2 * width)?;
        let flags = self.memory.uint(behind, 4).ok()?;
        let count = self.memory.uint(behind.checked_add(4)?, 4).ok()?;
        if flags <= 3 && (1..=BASES).contains(&count) {
            return (0..count).find_map(|index| {
                let base = behind.checked_add(8)?.checked_add(index * 2 * width)?;
                let offset = self.word(base.checked_add(width)?)?;
                // Bit 0 says that the base is virtual, so that its offset is in the object's vtable.
                let place = object.checked_add(offset >> 8).filter(|_| offset & 1 == 0)?;
                self.standard_base(self.word(base)?, place, depth)
            });
        }
        self.standard_base(self.word(behind)?, object, depth)
    }

    /// Returns true if `what()` of an object returns the text that it was made with, and is not overridden by the
    /// program. If the functions' names do not say so, it is taken for not overridden.
    fn says_its_text(&self, object: u64) -> bool {
        // `what()` comes after two destructors in the vtable.
        let width = self.memory.pointer_size();
        let slot = self.word(object).and_then(|vtable| self.word(vtable.checked_add(2 * width)?));
        let element = slot.and_then(|slot| self.dump.tables.first()?.elements.get(slot as usize));
        let function = match element {
            Some(RefTarget::Function { index, .. }) => Some(*index),
            _ => slot.and_then(|slot| self.module?.table_function(0, slot)),
        };
        let name = function.and_then(|function| self.module?.function_name(function));
        name.is_none_or(|name| {
            let name = demangle::demangle(name);
            name.contains("runtime_error::what") || name.contains("logic_error::what")
        })
    }
}
