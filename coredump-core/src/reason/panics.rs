//! Panics found on the stack: which function the program called to give up, and with which arguments.

use std::sync::LazyLock;

use wasmparser::Operator;

use super::operands::{Stopped, stopped_at};
use super::{CrashContext, Panic, PanicSource};
use crate::binaries::StoppedAt;
use crate::memory::Memory;
use crate::rule::Pattern;
use crate::signature::Signer;

/// Longest text read from memory, in bytes.
const MAX_TEXT: u64 = 4096;
/// The number of arguments that are looked at.
const MAX_ARGUMENTS: usize = 16;

/// The functions that a rule is for: `PATTERN` or `PATTERN/PARAMETERS`.
pub struct FunctionRule {
    name: Pattern,
    /// The number of Wasm parameters, where it distinguishes the function from others of its name.
    parameters: Option<usize>,
}

impl FunctionRule {
    /// Reads the first field of a rule.
    pub fn new(field: &'static str) -> FunctionRule {
        let name = field.trim();
        let counted = name.rsplit_once('/').and_then(|(name, count)| Some((name, count.parse().ok()?)));
        let (name, parameters) = counted.map_or((name, None), |(name, count)| (name, Some(count)));
        FunctionRule { name: Pattern::new(name), parameters }
    }

    /// Returns true if the rule is for a function of this name. One whose number of parameters is unknown counts as one
    /// without parameters.
    pub fn is_for(&self, name: &str, parameters: Option<usize>) -> bool {
        self.parameters.is_none_or(|count| count == parameters.unwrap_or(0)) && self.name.is_match(name)
    }
}

struct Rule {
    function: FunctionRule,
    language: &'static str,
    says: &'static str,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |line: &'static str| {
        let mut fields = line.splitn(3, " |");
        Some(Rule {
            function: FunctionRule::new(fields.next()?),
            language: fields.next()?.trim(),
            says: fields.next()?.trim(),
        })
    };
    super::rule_lines(include_str!("panics.txt")).filter_map(rule).collect()
});

/// The panic in whose machinery the crash happened. Of the functions of machinery on top of the stack, it is the oldest
/// that has a rule.
pub fn panic(crash: &CrashContext<'_, '_>, trapped: Option<&Stopped<'_>>, signer: &Signer) -> Option<Panic> {
    let mut found = None;
    for (index, frame) in crash.frames.iter().enumerate() {
        let Some(function) = &frame.function else { break };
        let (name, machinery) = signer.classify(function, frame.location.as_ref().map(|location| &location.file));
        if let Some(rule) = rule(&name, parameters(crash, index)) {
            found = Some((index, rule));
        } else if !machinery {
            break;
        }
    }
    if let Some((index, rule)) = found {
        // If the function is another module's, the texts are in the memory of the calling module.
        let imported = crash.frames.get(index + 1).is_some_and(|caller| caller.module != crash.frames[index].module);
        let home = if imported && rule.language == "assemblyscript" { index + 1 } else { index };
        return Some(told(crash, rule, home, &arguments(crash, index)));
    }
    host_panic(crash, trapped?)
}

/// The reason that clang encoded for the `unreachable` on which the program died: it is in the name of an artificial
/// inlined function there (`__builtin_verbose_trap` since clang 19, trapping sanitizers since 22).
pub fn verbose_trap(crash: &CrashContext<'_, '_>) -> Option<Panic> {
    let frame = crash.frames.first()?;
    let name = frame.inlines.first()?.function.as_deref()?;
    let (category, message) = name.strip_prefix("__clang_trap_msg$")?.split_once('$')?;
    let parts = [category, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let mangled = frame.raw_name.as_ref().is_some_and(|name| name.starts_with("_Z"));
    Some(Panic {
        language: if mangled { "c++" } else { "c" },
        message: Some(parts.join(": ")).filter(|message| !message.is_empty()),
        location: None,
        source: PanicSource::Stack,
        frames: Vec::new(),
        chain: Vec::new(),
    })
}

/// The rule for a function.
fn rule(function: &str, parameters: Option<usize>) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.function.is_for(function, parameters))
}

/// Returns true if the function of a frame, which has this name, is one that programs call to give up.
pub fn is_known(crash: &CrashContext<'_, '_>, index: usize, name: &str) -> bool {
    rule(name, parameters(crash, index)).is_some()
}

/// The number of Wasm parameters that the function of a frame has.
pub fn parameters(crash: &CrashContext<'_, '_>, index: usize) -> Option<usize> {
    Some(crash.binary(index)?.module().signature(crash.frame(index)?.function?)?.params.len())
}

/// A host call that means giving up (`env.abort` of AssemblyScript).
fn host_panic(crash: &CrashContext<'_, '_>, trapped: &Stopped<'_>) -> Option<Panic> {
    let Operator::Call { function_index } = trapped.operator else { return None };
    let module = crash.binary(0)?.module();
    let import = module.imported(crate::module::ItemKind::Function, function_index)?;
    let parameters = module.signature(function_index)?.params.len();
    let rule = rule(&format!("{}.{}", import.module, import.name), Some(parameters))?;
    let count = parameters.min(MAX_ARGUMENTS);
    let arguments: Vec<_> = (0..count).map(|index| trapped.operand(count - 1 - index)).collect();
    Some(told(crash, rule, 0, &arguments))
}

fn told(crash: &CrashContext<'_, '_>, rule: &Rule, index: usize, arguments: &[Option<u64>]) -> Panic {
    let scene = crash.scene(index);
    let memory = scene.as_ref().and_then(|scene| scene.memory(0));
    let message = (!rule.says.is_empty()).then(|| fill(rule.says, arguments, memory)).flatten();
    let location = match rule.language {
        "rust" => memory
            .and_then(|memory| arguments.iter().rev().flatten().find_map(|&address| rust_location(memory, address))),
        _ => None,
    };
    Panic {
        language: rule.language,
        message,
        location,
        source: PanicSource::Stack,
        frames: Vec::new(),
        chain: Vec::new(),
    }
}

/// The arguments with which the function of frame `index` was called.
pub fn arguments(crash: &CrashContext<'_, '_>, index: usize) -> Vec<Option<u64>> {
    let callee = || {
        let function = crash.frame(index)?.function?;
        let count = crash.binary(index)?.module().signature(function)?.params.len();
        Some((function, count.min(MAX_ARGUMENTS)))
    };
    let Some((function, count)) = callee() else { return Vec::new() };
    let call = crash.stopped(index + 1).filter(|call| {
        let same = crash.frames.get(index + 1).is_some_and(|caller| caller.module == crash.frames[index].module);
        match call.operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => match same {
                true => function_index == function,
                // Another module's function is called through an import.
                false => {
                    crash.binary(index + 1).is_some_and(|caller| function_index < caller.module().imported_functions())
                }
            },
            _ => false,
        }
    });
    let kept = crash.unchanged_parameters(index, count);
    let of_callee = crash.scene(index);
    let argument = |argument: usize| {
        let passed = call.as_ref().and_then(|call| call.operand(count - 1 - argument));
        passed.or_else(|| of_callee.as_ref()?.local(argument as u32).filter(|_| kept[argument]))
    };
    (0..count).map(argument).collect()
}

/// A rule's text with its placeholders filled in. If one of them is not known, only the text before the first colon, if
/// that has no placeholders.
fn fill(says: &str, arguments: &[Option<u64>], memory: Option<&Memory<'_>>) -> Option<String> {
    let general = || says.split_once(": ").map(|(general, _)| general.to_owned()).filter(|text| !text.contains('{'));
    filled(says, arguments, memory).or_else(general)
}

/// A rule's text with its placeholders filled in; `None` if one of them is not known.
fn filled(says: &str, arguments: &[Option<u64>], memory: Option<&Memory<'_>>) -> Option<String> {
    let argument = |index: &str| {
        let index: isize = index.parse().ok()?;
        // A negative index counts from the end, for functions where the compiler puts arguments of its own first.
        let index = if index < 0 { arguments.len().checked_add_signed(index)? } else { index as usize };
        arguments.get(index).copied().flatten()
    };
    let mut parts = says.split('{');
    let mut filled = parts.next()?.to_owned();
    for part in parts {
        let (placeholder, plain) = part.split_once('}')?;
        let text = match placeholder.split(' ').collect::<Vec<_>>()[..] {
            [index] => argument(index)?.to_string(),
            ["str", pointer, len] => text(memory?, argument(pointer)?, argument(len)?)?,
            ["c", pointer] => c_text(memory?, argument(pointer)?)?,
            ["utf16", pointer] => utf16(memory?, argument(pointer)?)?,
            ["args", pointer] => static_arguments(memory?, argument(pointer)?)?,
            _ => return None,
        };
        filled.push_str(&text);
        filled.push_str(plain);
    }
    Some(filled)
}

pub fn text(memory: &Memory<'_>, address: u64, len: u64) -> Option<String> {
    let bytes = memory.bytes(address, (len > 0 && len <= MAX_TEXT).then_some(len)?).ok()?;
    Some(str::from_utf8(&bytes).ok()?.to_owned())
}

fn c_text(memory: &Memory<'_>, address: u64) -> Option<String> {
    let (bytes, complete) = memory.c_string(address, MAX_TEXT).ok()?;
    (complete && address != 0).then(|| String::from_utf8(bytes).ok()).flatten()
}

/// An AssemblyScript string: UTF-16, its size in bytes in the four bytes before it.
fn utf16(memory: &Memory<'_>, address: u64) -> Option<String> {
    let size = memory.uint(address.checked_sub(4)?, 4).ok()?;
    let bytes = memory.bytes(address, (size <= MAX_TEXT && size % 2 == 0).then_some(size)?).ok()?;
    let (units, _) = bytes.as_chunks::<2>();
    String::from_utf16(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()).ok()
}

/// `core::fmt::Arguments` of a plain text: a pointer to it, then its length shifted left with the lowest bit set (the
/// layout of Rust 1.93 and later; older ones are not read).
fn static_arguments(memory: &Memory<'_>, address: u64) -> Option<String> {
    let pointer = memory.pointer(address).ok()?;
    let len = memory.pointer(address.checked_add(memory.pointer_size())?).ok()?;
    text(memory, pointer, (len & 1 == 1).then_some(len >> 1)?)
}

/// `core::panic::Location`: the file's pointer and length, line, column.
fn rust_location(memory: &Memory<'_>, address: u64) -> Option<String> {
    let width = memory.pointer_size();
    let file = memory.pointer(address).ok()?;
    let len = memory.pointer(address.checked_add(width)?).ok()?;
    let line = memory.uint(address.checked_add(2 * width)?, 4).ok()?;
    let column = memory.uint(address.checked_add(2 * width + 4)?, 4).ok()?;
    let file = text(memory, file, len)?;
    let file = file.trim_end_matches('\0');
    let plausible = file.ends_with(".rs") && !file.contains(char::is_control) && line > 0 && column > 0;
    plausible.then(|| format!("{file}:{line}:{column}"))
}

/// Returns the ones of a function's first parameters that its code never writes to.
pub fn unchanged(binary: &crate::binaries::Binary, function: u32, count: usize) -> Vec<bool> {
    let mut unchanged = vec![true; count];
    let Some(mut operators) = binary.module().operators(function) else { return vec![false; count] };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
                if let Some(parameter) = unchanged.get_mut(local_index as usize) {
                    *parameter = false;
                }
            }
            Ok(_) => {}
            Err(_) => return vec![false; count],
        }
    }
    unchanged
}

/// The instruction at which a frame stands, with its operands.
pub fn stopped<'c>(crash: &CrashContext<'c, '_>, index: usize) -> Option<Stopped<'c>> {
    let frame = crash.frame(index)?;
    let place = crash
        .binaries
        .code_place(crash.dump, crash.thread, index)
        .filter(|place| place.stop == StoppedAt::Instruction)?;
    stopped_at(crash.binary(index)?, frame.function?, place.module_offset, &crash.scene(index)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    #[test]
    fn every_line_is_a_rule_with_placeholders_that_are_known() {
        assert_eq!(super::super::rule_lines(include_str!("panics.txt")).count(), RULES.len());
        for says in RULES.iter().map(|rule| rule.says) {
            let placeholders = says.split('{').skip(1).map(|part| part.split_once('}').expect(says).0);
            let kinds = ["str ", "c ", "utf16 ", "args ", ""];
            let known = |placeholder: &str| {
                let rest = kinds.iter().find_map(|kind| placeholder.strip_prefix(kind)).unwrap_or_default();
                rest.split(' ').all(|index| index.parse::<isize>().is_ok())
            };
            assert!(placeholders.into_iter().all(known), "{says}");
        }
    }

    #[test]
    fn arguments_are_read_or_nothing_is_said() {
        let mut memory = Memory::new(65536);
        let bytes = b"x != 42\0....\x10\0\0\0\x07\0\0\0\x03\0\0\0\x05\0\0\0main.rs";
        memory.set_contents(vec![Segment { address: 16, bytes }], vec![]);
        let says = |says: &str, arguments: &[Option<u64>]| fill(says, arguments, Some(&memory));
        assert_eq!(says("{c 0}", &[Some(16)]).as_deref(), Some("x != 42"));
        assert_eq!(says("a {str 0 1} b", &[Some(16), Some(4)]).as_deref(), Some("a x != b"));
        assert_eq!(says("{1} of {0}", &[Some(3), Some(4)]).as_deref(), Some("4 of 3"));
        assert_eq!(says("{str 0 1}", &[Some(16), None]), None);
        assert_eq!(says("{str 0 1}", &[Some(16), Some(1 << 40)]), None);
        assert_eq!(says("{c 0}", &[Some(0)]), None);
        assert_eq!(says("index out of bounds: {0} of {1}", &[Some(4), None]).as_deref(), Some("index out of bounds"));
        assert_eq!(says("range {0}: of {1}", &[None, None]), None);
        assert_eq!(rust_location(&memory, 28), None, "a file of Rust ends in .rs");
    }
}
