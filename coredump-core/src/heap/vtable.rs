//! The class of a C++ object, by the vtable it begins with.

use super::view::View;
use crate::lang::cpp::plain_std;
use crate::symbols::demangle;

/// Bytes of a mangled class name.
const NAME: u64 = 1024;

/// The most derived class of the objects that begin with the word `table`, if that is the address of a vtable with
/// run-time type information.
///
/// Itanium C++ ABI, 2.5.2 and 2.9.5: an object's first word points past two words, the offset to the top of the object
/// (0 here) and the address of its type information, whose second word points to the mangled name. All of it lies
/// outside of the heaps, where `is_static`.
pub fn class(view: &View<'_>, table: u64, is_static: impl Fn(u64) -> bool) -> Option<String> {
    let width = view.width();
    if !table.is_multiple_of(width) || !is_static(table) {
        return None;
    }
    let offset = view.word(table.checked_sub(2 * width)?)?;
    let information = view.word(table - width)?;
    if offset != 0 || information % width != 0 || !is_static(information) {
        return None;
    }
    // Type information has a class too, hence a vtable.
    let own = view.word(information)?;
    let name = view.word(information.checked_add(width)?)?;
    if !is_static(own) || !is_static(name) {
        return None;
    }
    let (name, ended) = view.memory().c_string(name, NAME).ok()?;
    let name = str::from_utf8(&name).ok().filter(|_| ended)?;
    // A star marks the name of a class that other files do not know.
    let name = name.strip_prefix('*').unwrap_or(name);
    if !name.starts_with(|first: char| first.is_ascii_digit() || matches!(first, 'N' | 'S')) {
        return None;
    }
    let mangled = format!("_ZTS{name}");
    let plain = demangle(&mangled);
    plain.strip_prefix("typeinfo name for ").map(plain_std)
}
