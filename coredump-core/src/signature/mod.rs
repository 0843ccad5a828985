//! The grouping key of a crash: the functions in which it happened, in a form such that the same bug gives the same key
//! after a rebuild, and another bug another key. `docs/signature.md` explains the rules, which are data files in this
//! folder.

mod name;
mod rules;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::backtrace::{ResolvedFrame, ResolvedThread};
use crate::locked::Locked;

use rules::RULES;

/// The most functions in a signature.
const MAX_FUNCTIONS: usize = 5;
/// Longest cycle of functions that counts as recursion.
const MAX_CYCLE: usize = 8;
/// The number of names that are remembered with their stable form.
const MAX_KNOWN: usize = 1 << 16;

/// The signature of a crash; `None` if no frame is known. The crashed thread is the first.
pub fn signature(threads: &[ResolvedThread]) -> Option<String> {
    let crashed = threads.iter().find(|thread| !thread.frames.is_empty())?;
    Signer::default().signature(&crashed.frames)
}

/// Makes signatures and remembers names, for many dumps of the same programs. Threads can share it.
#[derive(Debug, Default)]
pub struct Signer {
    known: Locked<HashMap<Key, StableFunction>>,
}

/// A function's name, and its source file.
type Key = (Arc<str>, Option<Arc<str>>);

/// A function's stable name and its role.
#[derive(Clone, Debug)]
struct StableFunction {
    name: Arc<str>,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A function of the program's own code.
    Own,
    /// A function of a panic's machinery or a standard library.
    Machinery,
    /// Start-up code, which calls the program's own code.
    Entry,
}

impl Signer {
    /// The signature of the thread with these frames, youngest first; `None` if there is none.
    pub fn signature(&self, frames: impl IntoIterator<Item: Borrow<ResolvedFrame>>) -> Option<String> {
        let mut own = Path::default();
        let mut all = Path::default();
        'frames: for frame in frames {
            let frame = frame.borrow();
            for (name, file) in source_functions(frame) {
                let function = match name {
                    Some(name) => self.function(name, file),
                    None => unnamed(frame),
                };
                all.push(&function.name);
                match function.role {
                    Role::Entry => break 'frames,
                    Role::Machinery => {}
                    Role::Own => own.push(&function.name),
                }
            }
            if own.is_full() {
                break;
            }
        }
        // If all functions are machinery, the signature is made of these.
        if own.functions.is_empty() { all.finish() } else { own.finish() }
    }

    /// The signature of an interpreted program, from the functions of its traceback with their files, innermost first.
    /// The file alone decides whether a function is the program's own; `None` if none is.
    pub fn script_signature<'t>(&self, functions: impl IntoIterator<Item = (&'t str, &'t str)>) -> Option<String> {
        let mut own = Path::default();
        for (name, file) in functions {
            if !is_library(file) {
                own.push(&name::stable(name).into());
            }
        }
        own.finish()
    }

    /// A function's name in its stable form, and whether the function belongs to a panic's machinery, a standard
    /// library or start-up code.
    pub fn classify(&self, name: &Arc<str>, file: Option<&Arc<str>>) -> (Arc<str>, bool) {
        let function = self.function(name, file);
        (function.name, function.role != Role::Own)
    }

    fn function(&self, name: &Arc<str>, file: Option<&Arc<str>>) -> StableFunction {
        let key = (name.clone(), file.cloned());
        if let Some(known) = self.known.lock().get(&key) {
            return known.clone();
        }
        let stable = name::stable(name);
        let role = if RULES.entry.is_match(&stable) {
            Role::Entry
        } else if RULES.machinery.is_match(&stable) || file.is_some_and(|file| is_library(file)) {
            Role::Machinery
        } else {
            Role::Own
        };
        let function = StableFunction { name: stable.into(), role };
        let mut known = self.known.lock();
        if known.len() < MAX_KNOWN {
            known.insert(key, function.clone());
        }
        function
    }
}

/// Returns true if a source file belongs to a runtime or a standard library.
pub(crate) fn is_library(file: &str) -> bool {
    RULES.paths.is_match(&file.replace('\\', "/"))
}

/// The source functions of a frame with their files, innermost first.
fn source_functions(frame: &ResolvedFrame) -> impl Iterator<Item = (Option<&Arc<str>>, Option<&Arc<str>>)> {
    let inlined = frame.inlines.iter().map(|inline| (&inline.function, &inline.location));
    let named = inlined.chain([(&frame.function, &frame.location)]);
    named.map(|(function, location)| (function.as_ref(), location.as_ref().map(|location| &location.file)))
}

/// A function without a name is identified by its index, though a rebuild may change that. If its binary was not found
/// (an adapter that the engine made between components is in no file), it counts only where no function has a name.
fn unnamed(frame: &ResolvedFrame) -> StableFunction {
    let name = match frame.function_index {
        Some(index) => format!("func[{index}]"),
        None => "?".to_owned(),
    };
    let role = if frame.module_offset.is_some() || frame.in_memory { Role::Own } else { Role::Machinery };
    StableFunction { name: name.into(), role }
}

/// The functions from the crash outwards, with recursion folded.
#[derive(Debug, Default)]
struct Path {
    /// The functions as they come, as many as are needed to detect a cycle.
    top: Vec<Arc<str>>,
    /// Each function once.
    functions: Vec<Arc<str>>,
}

impl Path {
    fn push(&mut self, function: &Arc<str>) {
        if self.top.len() < 2 * MAX_CYCLE {
            self.top.push(function.clone());
        }
        if self.functions.len() < MAX_FUNCTIONS && !self.functions.contains(function) {
            self.functions.push(function.clone());
        }
    }

    /// Returns true if more functions would change nothing.
    fn is_full(&self) -> bool {
        self.functions.len() == MAX_FUNCTIONS && self.top.len() == 2 * MAX_CYCLE
    }

    fn finish(mut self) -> Option<String> {
        // Functions that call each other in a cycle: it is chance where in the cycle the stack ran out, so the cycle
        // begins with the name that sorts first.
        let cycle = (2..=MAX_CYCLE)
            .find(|&length| self.top.len() >= 2 * length && self.top[..length] == self.top[length..2 * length]);
        if let Some(length) = cycle
            && self.top[..length].iter().any(|function| *function != self.top[0])
        {
            let length = self.functions.iter().take(length).filter(|one| self.top[..length].contains(one)).count();
            let first = (0..length).min_by_key(|&index| &self.functions[index]).unwrap_or(0);
            self.functions[..length].rotate_left(first);
        }
        (!self.functions.is_empty()).then(|| self.functions.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtrace::InlinedFrame;

    fn frame(function: &str) -> ResolvedFrame {
        ResolvedFrame {
            function_index: Some(7),
            module_offset: Some(9),
            function: (!function.is_empty()).then(|| function.into()),
            ..ResolvedFrame::default()
        }
    }

    fn signature_of(functions: &[&str]) -> String {
        let frames = functions.iter().map(|function| frame(function)).collect();
        signature(&[ResolvedThread { name: "main".into(), truncated: false, frames }]).unwrap()
    }

    #[test]
    fn panic_machinery_and_start_up_code_are_skipped() {
        let panic =
            ["abort", "rust_panic", "std::panicking::begin_panic_handler::{closure#0}", "core::panicking::panic_fmt"];
        let own = ["trap::baz::h0123456789abcdef", "trap::main"];
        let start = ["core::ops::function::FnOnce::call_once", "std::rt::lang_start", "main", "_start"];
        assert_eq!(signature_of(&[&panic[..], &own, &start].concat()), "trap::baz | trap::main");
        assert_eq!(signature_of(&["divide", "sum", "__original_main", "_start"]), "divide | sum | main");
    }

    #[test]
    fn a_task_ends_where_its_executor_polls_it() {
        let own = ["shop::price", "shop::order::{{closure}}"];
        let tokio = [
            "tokio::runtime::task::core::Core<T,S>::poll::{{closure}}",
            "tokio::runtime::task::raw::poll",
            "tokio::task::local::LocalSet::tick",
            "shop::main::{{closure}}",
        ];
        assert_eq!(signature_of(&[&own[..], &tokio].concat()), "shop::price | shop::order::{closure}");
        let smol = [
            "<async_executor::AsyncCallOnDrop<Fut,Cleanup> as core::future::future::Future>::poll",
            "async_task::raw::RawTask<F,T,S,M>::run",
            "wstd::runtime::block_on::block_on",
            "shop::main",
        ];
        assert_eq!(signature_of(&[&own[..], &smol].concat()), "shop::price | shop::order::{closure}");
        // The program's own frames poll a future that the program waits for.
        let root = [
            "tokio::runtime::park::CachedParkThread::block_on",
            "tokio::runtime::runtime::Runtime::block_on",
            "shop::main",
        ];
        assert_eq!(signature_of(&[&own[..], &root].concat()), "shop::price | shop::order::{closure} | shop::main");
    }

    #[test]
    fn what_is_only_machinery_is_named_all_the_same() {
        assert_eq!(signature_of(&["abort", "_start"]), "abort | _start");
        assert_eq!(signature(&[]), None);
    }

    #[test]
    fn recursion_is_folded() {
        assert_eq!(signature_of(&["f", "f", "f", "main"]), "f | main");
        assert_eq!(signature_of(&["g", "f", "g", "f", "g", "main"]), "f | g | main");
        assert_eq!(signature_of(&["f", "g", "f", "g", "main"]), "f | g | main");
        assert_eq!(signature_of(&["divide", "sum", "sum", "main"]), "divide | sum | main");
    }

    #[test]
    fn inlined_functions_are_part_of_it() {
        let mut outer = frame("sum");
        outer.inlines = [InlinedFrame { function: Some("divide".into()), location: None }].into();
        let thread = ResolvedThread { name: String::new(), truncated: false, frames: vec![outer, frame("main")] };
        assert_eq!(signature(&[thread]).unwrap(), "divide | sum | main");
    }

    #[test]
    fn its_length_is_bounded_and_nameless_functions_have_their_index() {
        assert_eq!(signature_of(&["a", "b", "c", "d", "e", "f", "g"]), "a | b | c | d | e");
        assert_eq!(signature_of(&["", "b"]), "func[7] | b");
    }

    #[test]
    fn a_function_without_a_binary_counts_only_where_nothing_has_a_name() {
        let adapter = ResolvedFrame { module_offset: None, ..frame("") };
        let thread = |frames| [ResolvedThread { name: "main".into(), truncated: false, frames }];
        assert_eq!(signature(&thread(vec![frame("a"), adapter.clone(), frame("b")])).unwrap(), "a | b");
        assert_eq!(signature(&thread(vec![adapter.clone(), adapter])).unwrap(), "func[7]");
    }

    #[test]
    fn a_function_is_machinery_by_its_name_or_its_source() {
        let signer = Signer::default();
        let is_machinery = |name: &str, file: Option<&str>| {
            let (_, machinery) = signer.classify(&name.into(), file.map(Arc::from).as_ref());
            machinery
        };
        assert!(is_machinery("core::panicking::panic", None));
        assert!(is_machinery("helper", Some("/rustc/0123/library/core/src/panicking.rs")));
        assert!(!is_machinery("helper", Some("src/main.rs")));
        // Allocators that programs bring along are machinery too.
        assert!(is_machinery("wee_alloc::alloc_with_refill", None));
        assert!(is_machinery("<talc::wasm::WasmDynamicTalc as core::alloc::global::GlobalAlloc>::alloc", None));
        assert!(!is_machinery("talcum::powder", None));
        assert!(is_machinery("std::__1::vector<int, std::__1::allocator<int> >::at(unsigned long) const", None));
        // Go's library is machinery; a program in the folder of all Go programs, or its own package of such a name, is
        // not.
        assert!(is_machinery("sync.(*Mutex).Lock", None) && is_machinery("sync.runtime_Semacquire", None));
        assert!(is_machinery("strings.Repeat", Some("/usr/local/go/src/strings/strings.go")));
        assert!(!is_machinery("shop/sync.(*Stock).Lock", Some("/Users/me/go/src/shop/sync/stock.go")));
    }

    #[test]
    fn an_implementation_of_a_library_trait_is_the_programs_if_the_type_is() {
        let signer = Signer::default();
        let is_machinery = |name: &str| signer.classify(&name.into(), None).1;
        assert!(!is_machinery("<bank::Account as core::ops::drop::Drop>::drop"));
        assert!(!is_machinery("<bank::Statement<T> as core::iter::traits::iterator::Iterator>::next"));
        assert!(!is_machinery("<&bank::Account as core::fmt::Display>::fmt"));
        let library = [
            "<T as core::any::Any>::type_id",
            "<&T as core::fmt::Debug>::fmt",
            "<usize as core::slice::index::SliceIndex<[T]>>::index",
            "<alloc::vec::Vec<T,A> as core::ops::index::Index<I>>::index",
            "<&mut core::slice::iter::Iter<T> as core::iter::traits::iterator::Iterator>::next",
            "<bank::main::{{closure}} as core::ops::function::FnOnce<()>>::call_once",
        ];
        for name in library {
            assert!(is_machinery(name), "{name}");
        }
    }
}
