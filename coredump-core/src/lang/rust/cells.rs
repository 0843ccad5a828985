//! Cells, locks and once-initialised values: their contents, and the state they are in.

use super::{RustValues, StdType};
use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::lang::Shown;
use crate::values::{Value, Variable};

impl<'s> RustValues<'_, '_, '_, 's> {
    pub(super) fn cell(&self, known: &StdType<'_>, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        let once = |name: &str, inner: Option<Value>| match inner {
            Some(inner) => self.with_payload(name, &inner, depth),
            None => Shown::text(format!("{name}(<uninit>)")),
        };
        Some(match known.name {
            "UnsafeCell" | "SyncUnsafeCell" => self.show(&self.field(value, "value")?, depth),
            "Cell" => self.with_field("Cell", "value", &self.cell_contents(known, value)?, "", depth),
            "RefCell" => {
                let borrows = self.unwrapped(&self.field(value, "borrow")?)?;
                let (more, state) = match borrows.number(self.frame, true) {
                    Ok(0) => ("", "no".into()),
                    Ok(1..) => ("", format!("{}, shared", borrows.number(self.frame, true).unwrap_or(0))),
                    Ok(_) => (", borrow: mutable", "mutable".into()),
                    Err(missing) => ("", missing.to_string()),
                };
                let shown = self.with_field("RefCell", "value", &self.cell_contents(known, value)?, more, depth);
                self.with_state(shown, self.noted("borrow", &borrows, state))
            }
            "Mutex" | "RwLock" => {
                let contents = self.cell_contents(known, value)?;
                let poisoned = self.is_poisoned(value)?;
                let locked = self.lock_state(value);
                let more = match &locked {
                    Some(state) if *state != "no" => format!(", locked: {state}, poisoned: {poisoned}, .."),
                    _ => format!(", poisoned: {poisoned}, .."),
                };
                let shown = self.with_field(known.name, "data", &contents, &more, depth);
                match locked {
                    Some(state) => self.with_state(shown, self.noted("locked", &self.field(value, "inner")?, state)),
                    None => shown,
                }
            }
            "OnceCell" | "OnceLock" | "LazyCell" | "LazyLock" => once(known.name, self.made_once(known, value)?),
            // The storage of a `thread_local!` in a program without threads.
            "EagerStorage" if known.is_in("std::sys") => self.show(&self.field(value, "value")?, depth),
            "LazyStorage" if known.is_in("std::sys") => {
                let state = self.unwrapped(&self.field(value, "state")?)?;
                let (_, ty) = self.frame.units.peeled(state.ty)?;
                let Kind::Enum(list) = &ty.kind else { return None };
                match self.enumerator(&state, list).text {
                    Ok(state) if state == "Alive" => self.show(&self.bare(&self.field(value, "value")?), depth),
                    Ok(_) => Shown::text("<uninit>"),
                    Err(missing) => missing.into(),
                }
            }
            name if name.starts_with("Atomic") && known.is_in("core::sync") => {
                let inner = self.unwrapped(&self.field(value, "v")?)?;
                let named = self.frame.units.name(die).unwrap_or_default();
                if matches!(named, b"AtomicBool" | b"Atomic<bool>") {
                    return Some(match inner.number(self.frame, false) {
                        Ok(0) => Shown::text("false"),
                        Ok(1) => Shown::text("true"),
                        Ok(other) => Shown::text(format!("{other} (neither true nor false)")),
                        Err(missing) => missing.into(),
                    });
                }
                self.show(&inner, depth)
            }
            _ => return None,
        })
    }

    /// The contents of a cell or a lock, if there are any now.
    pub(super) fn cell_contents(&self, known: &StdType<'_>, value: &Value) -> Option<Value> {
        Some(match known.name {
            "UnsafeCell" | "SyncUnsafeCell" | "Cell" | "RefCell" | "ManuallyDrop" => {
                self.bare(&self.field(value, "value")?)
            }
            "Mutex" | "RwLock" => self.bare(&self.field(value, "data")?),
            "OnceCell" | "OnceLock" | "LazyCell" | "LazyLock" => self.made_once(known, value)??,
            _ => return None,
        })
    }

    fn with_state(&self, mut shown: Shown, state: Variable) -> Shown {
        if !shown.children.is_empty() {
            shown.children.push(state);
        }
        shown
    }

    /// The value of a `OnceCell` or the like: the inner `None` before it is initialised, the outer for a layout that is
    /// not known.
    fn made_once(&self, known: &StdType<'_>, value: &Value) -> Option<Option<Value>> {
        let of_variant = |inner: &Value, name: &str| {
            let (found, variant) = self.named_variant(inner)?;
            Some(if found == name { Some(self.first_member(&variant)?) } else { None })
        };
        match known.name {
            "OnceCell" => of_variant(&self.bare(&self.field(value, "inner")?), "Some"),
            "LazyCell" => of_variant(&self.bare(&self.field(value, "state")?), "Init"),
            name => {
                if !self.is_complete(&self.field(value, "once")?)? {
                    return Some(None);
                }
                let inner = match name {
                    "OnceLock" => self.field(value, "value")?,
                    _ => self.field(&self.bare(&self.field(value, "data")?), "value")?,
                };
                Some(Some(self.bare(&inner)))
            }
        }
    }

    /// Returns true if a `Once` has run, where its state is an enum. If it is a number, its meaning differs between
    /// versions.
    fn is_complete(&self, once: &Value) -> Option<bool> {
        let state = self.unwrapped(&self.dig(once, "state")?)?;
        let (_, ty) = self.frame.units.peeled(state.ty)?;
        let Kind::Enum(list) = &ty.kind else { return None };
        Some(self.enumerator(&state, list).text.ok()? == "Complete")
    }

    /// Returns true if a lock is poisoned. In a program without unwinding no lock can be, and no flag is stored.
    fn is_poisoned(&self, value: &Value) -> Option<bool> {
        let flag = self.field(value, "poison")?;
        if self.frame.units.size_of(flag.ty) == Some(0) {
            return Some(false);
        }
        self.count(&flag, "failed")?.ok().map(|failed| failed != 0)
    }

    /// Describes how a lock is held, for locks of a program without threads. The state of an operating system's locks
    /// is not shown.
    fn lock_state(&self, value: &Value) -> Option<String> {
        let inner = self.field(value, "inner")?;
        let number = |name: &str| self.unwrapped(&self.dig(&inner, name)?)?.number(self.frame, true).ok();
        if let Some(locked) = number("locked") {
            return Some(if locked == 0 { "no" } else { "yes" }.into());
        }
        Some(match number("mode")? {
            0 => "no".into(),
            readers @ 1.. => format!("{readers}, shared"),
            _ => "yes".into(),
        })
    }
}
