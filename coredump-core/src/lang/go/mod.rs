//! Go, as its own compiler builds it for WebAssembly (`GOARCH=wasm`), from version 1.21 on.
//!
//! A Go program has no DWARF, but its memory holds what its own tracebacks are made of: the table of functions
//! (`pclntab`), the list of all goroutines (`runtime.allgs`), and each goroutine's stack with the return addresses. The
//! layout of these structures differs between versions. So each place is taken only where what stands there is
//! consistent for every function or goroutine that is looked at. Layouts: Go's `runtime/symtab.go`,
//! `runtime/runtime2.go`.

mod goroutines;
mod pclntab;
mod stack;
mod traceback;

use std::collections::HashSet;
use std::sync::Arc;

use crate::binaries::Binaries;
use crate::memory::Memory;
use crate::metered::Metered;
use crate::model::{CoreDump, Value};
use crate::module::Module;
use crate::runtimes::{Runtime, Task};
use goroutines::Goroutines;
use pclntab::Pclntab;

pub use traceback::{FAILURES, fails, is_goroutine, traceback};

/// Addresses below which a program's static data lies: where the table of functions is looked for.
const STATIC_DATA: u64 = 256 << 20;

/// The number of goroutines that are listed.
const MAX_TASKS: usize = 1 << 20;

/// The number of frames that are listed of all goroutines together.
const MAX_FRAMES: usize = 1 << 20;

/// The function that runs all others of a Go program, one after the other.
const SCHEDULER: &str = "wasm_pc_f_loop";

/// The function of a program's main goroutine.
const MAIN: &str = "runtime.main";

/// Returns the oldest function of a goroutine that an engine listed, if the callers of that function may be missing: a
/// goroutine that has waited, or whose stack has moved, is run on from its youngest function, and the engine's stack
/// has none of its callers. `None` if no caller is missing, or the program is not Go's.
pub fn oldest_known<'n>(functions: impl Iterator<Item = Option<&'n str>>) -> Option<&'n str> {
    let mut oldest = None;
    for function in functions {
        match function {
            Some(SCHEDULER) => return oldest,
            Some(MAIN) => return None,
            function => oldest = function,
        }
    }
    None
}

/// The state of the engine when the Go program ended. Integers are as Go's globals hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Registers {
    /// Global 0, the stack pointer of the current goroutine.
    pub stack_pointer: Option<u64>,
    /// Global 2, the current `g`.
    pub current: Option<u64>,
    /// WebAssembly function indices of the frames, youngest first.
    pub frames: Vec<Option<u32>>,
    /// Number of functions that the module imports.
    pub imported_functions: u32,
}

/// The goroutines of a Go program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GoProgram {
    /// All goroutines that are not dead: the one that ran first, then by number.
    pub tasks: Vec<Task>,
    /// True if some are missing, since there are more than are listed.
    pub truncated: bool,
    /// The names of the functions of [`Registers::frames`].
    pub names: Vec<Option<Arc<str>>>,
}

/// Looks for the runtime of the program that crashed; `None` where there is none that is known.
pub fn find(dump: &CoreDump<'_>, binaries: &Binaries) -> Option<Runtime> {
    let thread = dump.threads.iter().position(|thread| !thread.frames.is_empty())?;
    let frames = &dump.threads[thread].frames;
    let mut seen = HashSet::new();
    let mut modules = frames.iter().filter_map(|frame| binaries.module_of(dump, frame));
    let module = modules
        .find(|&module| seen.insert(module) && binaries.binary(module).is_some_and(|found| is_go(found.module())))?;
    let instance = dump.instances.iter().find(|instance| instance.module == Some(module));
    let index = |list: Option<&[Option<u32>]>, nth: usize| match list {
        Some(list) => list.get(nth).copied().flatten(),
        None => u32::try_from(nth).ok(),
    };
    let memory = dump.memories.get(index(instance.map(|instance| &*instance.memories), 0)? as usize)?;
    let global = |nth| {
        let index = index(instance.map(|instance| &*instance.globals), nth)?;
        match dump.globals.get(index as usize)?.value {
            Value::I32(value) => Some(u64::from(value as u32)),
            Value::I64(value) => Some(value as u64),
            _ => None,
        }
    };
    let registers = Registers {
        stack_pointer: global(0),
        current: global(2),
        frames: frames
            .iter()
            .map(|frame| frame.function.filter(|_| binaries.module_of(dump, frame) == Some(module)))
            .collect(),
        imported_functions: binaries.binary(module)?.module().imported_functions(),
    };
    let program = read(memory, &registers)?;
    let GoProgram { tasks, truncated, mut names } = program;
    // If a tool reordered the functions after Go's linker, code addresses mean other functions.
    let module_code = binaries.binary(module)?.module();
    for (name, function) in names.iter_mut().zip(&registers.frames) {
        let own = function.and_then(|function| function.checked_sub(registers.imported_functions));
        let at = own.and_then(|own| module_code.table_function(0, table_index(own)));
        *name = name.take().filter(|_| at.is_some() && at == *function);
    }
    Some(Runtime { language: "go", thread, module, tasks, truncated, names })
}

/// Returns true if Go's own compiler made a module: it writes its version into the `producers` section, or, without
/// names, a section of its own.
fn is_go(module: &Module<'_>) -> bool {
    let producers = module.custom_section("producers");
    let named = producers.is_some_and(|section| memchr::memmem::find(section, b"\x02Go").is_some());
    named || module.custom_section("go:buildid").is_some() || module.custom_section("go.version").is_some()
}

/// The table index at which Go's linker puts a function, whose number `own` does not count imports.
fn table_index(own: u32) -> u64 {
    pclntab::FIRST_FUNCTION + u64::from(own)
}

/// Reads the goroutines of a Go program; `None` where the memory is not one of a Go program, or of a version whose
/// structures are not known.
fn read(memory: &Memory<'_>, registers: &Registers) -> Option<GoProgram> {
    let memory = &Metered::new(memory);
    let table = Pclntab::find(memory, registers.imported_functions)?;
    let goroutines = Goroutines::find(memory, &table)?;
    let current = goroutines.current(registers);
    let name = |frame: &Option<u32>| table.name(table.function(table.entry_of((*frame)?)?)?);
    let mut program = GoProgram { names: registers.frames.iter().map(name).collect(), ..GoProgram::default() };
    let mut frames = 0;
    let mut live: Vec<_> = goroutines.iter().filter(|goroutine| !goroutine.is_dead()).collect();
    live.sort_by_key(|goroutine| (current.is_none_or(|current| current.address != goroutine.address), goroutine.id));
    for goroutine in live {
        if program.tasks.len() >= MAX_TASKS || frames >= MAX_FRAMES {
            program.truncated = true;
            break;
        }
        let is_current = current.filter(|current| current.address == goroutine.address);
        let start = match is_current {
            Some(current) if current.on_its_own_stack => stack::start_of_running(memory, &table, registers),
            _ => Some((goroutine.pc, goroutine.stack_pointer)),
        };
        let (walked, broken) = match start {
            Some(start) => stack::walk(memory, &table, start, &goroutine.stack, MAX_FRAMES - frames),
            None => (Vec::new(), Some("where its stack begins is not known".to_owned())),
        };
        frames += walked.len();
        program.tasks.push(goroutines.describe(goroutine, &table, walked, broken, is_current.is_some()));
    }
    program.truncated |= memory.is_spent();
    Some(program)
}
