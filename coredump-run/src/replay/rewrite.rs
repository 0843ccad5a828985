//! A module rewritten so that it notes which instruction changed some bytes of its memory.
//!
//! Each instruction that writes to the watched memory is put between two looks: if it is about to touch the watched
//! bytes, they are copied before it, and compared behind it. Functions, a memory and an export are only appended, and
//! temporaries are appended locals, so no index changes, and the rewritten program does what the original did.

use coredump_core::error::{Error, ErrorKind, Result};
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, Instruction, InstructionSink, MemArg, MemorySection,
    MemoryType, Module, SectionId, ValType,
};
use wasmparser::Operator;

/// Name under which the rewritten module exports its notes.
pub const NOTES: &str = "coredump-run:notes";

/// Changes that are kept, the last ones.
pub const KEPT: u64 = 1024;

/// Longest stretch that is watched, in bytes.
pub const LONGEST: u64 = 4096;

/// Offset in the notes of the number of changes (u64).
const TOTAL: u64 = 0;
/// Offset in the notes of the bytes before a write.
const BEFORE: u64 = 64;

/// The bytes that are watched.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The memory, by the module's index.
    pub memory: u32,
    /// Address of the first byte.
    pub address: u64,
    /// How many there are, at most [`LONGEST`].
    pub len: u64,
}

/// An instruction that writes to the watched memory.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Its function.
    pub function: u32,
    /// Its offset in the module's file.
    pub offset: u64,
    /// Where its address is on the operand stack, counted from the top.
    pub depth: u32,
    /// What is added to that address.
    pub plus: u64,
    /// How many bytes it writes; `None` for those whose length is on top of the operand stack.
    pub size: Option<u64>,
}

impl Watch {
    /// Whether a write of `size` bytes at `address` touches the watched bytes.
    pub fn touches(&self, address: u64, size: u64) -> bool {
        address < self.address.saturating_add(self.len) && address.saturating_add(size) > self.address
    }
}

/// A change that was noted.
#[derive(Clone, Debug)]
pub struct Change {
    /// How many changes by instructions came before it.
    pub number: u64,
    /// Index of the instruction's site.
    pub site: u32,
    /// How many times the instruction had touched the watched bytes by then.
    pub times: u64,
    /// The bytes before.
    pub before: Vec<u8>,
    /// The bytes after.
    pub after: Vec<u8>,
}

/// A rewritten module.
pub struct Rewritten {
    /// Its bytes.
    pub binary: Vec<u8>,
    /// The instructions that write, by the number under which they are noted.
    pub sites: Vec<Site>,
    len: u64,
}

impl Rewritten {
    /// Reads how many changes were noted.
    pub fn total(notes: &[u8]) -> u64 {
        word(notes, TOTAL)
    }

    /// The last changes that were noted, oldest first.
    pub fn changes(&self, notes: &[u8]) -> Vec<Change> {
        let total = Rewritten::total(notes);
        let entry = |number: u64| {
            let at = entries(self.len) + number % KEPT * entry_size(self.len);
            let head = word(notes, at);
            let (site, known) = (head as u32, (head >> 32).min(self.len));
            let bytes = |from: u64| {
                let from = (at + from) as usize;
                notes.get(from..from + known as usize).unwrap_or_default().to_vec()
            };
            let (before, after) = (bytes(16), bytes(16 + self.len));
            Change { number, site, times: word(notes, at + 8), before, after }
        };
        (total.saturating_sub(KEPT)..total).map(entry).collect()
    }
}

fn word(notes: &[u8], at: u64) -> u64 {
    let bytes = notes.get(at as usize..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn entries(len: u64) -> u64 {
    (BEFORE + len).next_multiple_of(64)
}

/// Site (u32), bytes that are known (u32), how many times (u64), the bytes before, the bytes after.
fn entry_size(len: u64) -> u64 {
    (16 + 2 * len).next_multiple_of(8)
}

fn counters(len: u64) -> u64 {
    entries(len) + KEPT * entry_size(len)
}

/// Rewrites a module.
///
/// # Errors
///
/// What of it cannot be rewritten.
pub fn rewrite(binary: &[u8], watch: Watch) -> Result<Rewritten> {
    let layout = Layout::of(binary, watch.memory).map_err(malformed)?;
    let mut rewriter = Rewriter { binary, watch, layout, defined: 0, sites: Vec::new(), exported: false };
    // The notes' size depends on the number of sites, which are known only behind the memory section: two rounds.
    let mut module = Module::new();
    rewriter.parse_core_module(&mut module, wasmparser::Parser::new(0), binary).map_err(failed)?;
    rewriter.layout.sites = rewriter.sites.len() as u64;
    (rewriter.defined, rewriter.exported) = (0, false);
    rewriter.sites.clear();
    let mut module = Module::new();
    rewriter.parse_core_module(&mut module, wasmparser::Parser::new(0), binary).map_err(failed)?;
    Ok(Rewritten { binary: module.finish(), sites: rewriter.sites, len: watch.len })
}

fn malformed(error: wasmparser::BinaryReaderError) -> Error {
    Error::malformed(error.offset() as u64, format!("the module cannot be read: {}", error.message()))
}

fn failed(error: reencode::Error<Refused>) -> Error {
    match error {
        reencode::Error::UserError(Refused(what)) => {
            Error::new(ErrorKind::Usage, format!("writes of this module cannot be watched: it has {what}"))
        }
        error => Error::new(ErrorKind::Malformed, format!("the module cannot be rewritten: {error}")),
    }
}

/// What is not covered.
#[derive(Debug)]
struct Refused(&'static str);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

type Encoded<T> = std::result::Result<T, reencode::Error<Refused>>;

/// What must be known of a module before it is rewritten.
struct Layout {
    types: u32,
    /// Parameters of each function type.
    parameters: Vec<u32>,
    /// The type of each defined function.
    functions: Vec<u32>,
    imported: u32,
    /// For each memory whether it has 64-bit addresses, and bytes a page.
    memories: Vec<(bool, u64)>,
    watched: usize,
    /// Sites that were found.
    sites: u64,
}

impl Layout {
    fn of(binary: &[u8], watched: u32) -> std::result::Result<Layout, wasmparser::BinaryReaderError> {
        let mut layout = Layout {
            types: 0,
            parameters: Vec::new(),
            functions: Vec::new(),
            imported: 0,
            memories: Vec::new(),
            watched: watched as usize,
            sites: 0,
        };
        for payload in wasmparser::Parser::new(0).parse_all(binary) {
            match payload? {
                wasmparser::Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let parameters = match ty.composite_type.inner {
                                wasmparser::CompositeInnerType::Func(ty) => ty.params().len() as u32,
                                _ => 0,
                            };
                            layout.parameters.push(parameters);
                            layout.types += 1;
                        }
                    }
                }
                wasmparser::Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            wasmparser::TypeRef::Func(_) | wasmparser::TypeRef::FuncExact(_) => layout.imported += 1,
                            wasmparser::TypeRef::Memory(ty) => layout.memory(ty),
                            _ => {}
                        }
                    }
                }
                wasmparser::Payload::FunctionSection(section) => {
                    layout.functions = section.into_iter().collect::<std::result::Result<_, _>>()?;
                }
                wasmparser::Payload::MemorySection(section) => {
                    for memory in section {
                        layout.memory(memory?);
                    }
                }
                _ => {}
            }
        }
        Ok(layout)
    }

    fn memory(&mut self, ty: wasmparser::MemoryType) {
        self.memories.push((ty.memory64, 1 << ty.page_size_log2.unwrap_or(16)));
    }

    fn wide(&self, memory: u32) -> bool {
        self.memories.get(memory as usize).is_some_and(|memory| memory.0)
    }

    /// Index of the first function that is appended.
    fn helpers(&self) -> u32 {
        self.imported + self.functions.len() as u32
    }

    /// Index of the memory that is appended.
    fn notes(&self) -> u32 {
        self.memories.len() as u32
    }
}

struct Rewriter<'b> {
    binary: &'b [u8],
    watch: Watch,
    layout: Layout,
    /// Functions whose bodies were rewritten.
    defined: u32,
    sites: Vec<Site>,
    exported: bool,
}

/// The appended locals of a function: their indices.
#[derive(Clone, Copy)]
struct Locals {
    /// The first of three i32.
    narrow: u32,
    /// The first of three i64.
    wide: u32,
    f32: u32,
    f64: u32,
    v128: u32,
    /// Whether the watched bytes are touched.
    flag: u32,
}

impl Locals {
    const ADDED: [(u32, ValType); 6] = [
        (3, ValType::I32),
        (3, ValType::I64),
        (1, ValType::F32),
        (1, ValType::F64),
        (1, ValType::V128),
        (1, ValType::I32),
    ];

    fn from(first: u32) -> Locals {
        Locals { narrow: first, wide: first + 3, f32: first + 6, f64: first + 7, v128: first + 8, flag: first + 9 }
    }

    /// The local of an address or a length: the `nth` of its width.
    fn number(&self, wide: bool, nth: u32) -> u32 {
        if wide { self.wide + nth } else { self.narrow + nth }
    }

    /// The local of a value to be stored.
    fn value(&self, ty: ValType) -> u32 {
        match ty {
            ValType::I64 => self.wide + 1,
            ValType::F32 => self.f32,
            ValType::F64 => self.f64,
            ValType::V128 => self.v128,
            _ => self.narrow + 1,
        }
    }
}

/// An instruction that writes.
enum Writes {
    /// An address and a value.
    Store(Store),
    /// An address, something, and a length.
    Bulk(Bulk),
}

/// An instruction that stores a value.
#[derive(Clone, Copy)]
struct Store {
    memarg: wasmparser::MemArg,
    /// Bytes that it writes.
    size: u64,
    ty: ValType,
}

/// An instruction that writes many bytes.
#[derive(Clone, Copy)]
struct Bulk {
    memory: u32,
    /// Whether its second operand is an i64.
    source_wide: bool,
    /// Whether its length is an i64.
    len_wide: bool,
}

impl Writes {
    fn memory(&self) -> u32 {
        match self {
            Writes::Store(store) => store.memarg.memory,
            Writes::Bulk(bulk) => bulk.memory,
        }
    }
}

impl Rewriter<'_> {
    /// Whether an operator writes to memory, and how.
    fn writes(&self, operator: &Operator<'_>, first_byte: u8) -> Encoded<Option<Writes>> {
        use Operator as O;
        let store =
            |memarg: &wasmparser::MemArg, size, ty| Ok(Some(Writes::Store(Store { memarg: *memarg, size, ty })));
        match operator {
            O::I32Store { memarg } => store(memarg, 4, ValType::I32),
            O::I64Store { memarg } => store(memarg, 8, ValType::I64),
            O::F32Store { memarg } => store(memarg, 4, ValType::F32),
            O::F64Store { memarg } => store(memarg, 8, ValType::F64),
            O::I32Store8 { memarg } => store(memarg, 1, ValType::I32),
            O::I32Store16 { memarg } => store(memarg, 2, ValType::I32),
            O::I64Store8 { memarg } => store(memarg, 1, ValType::I64),
            O::I64Store16 { memarg } => store(memarg, 2, ValType::I64),
            O::I64Store32 { memarg } => store(memarg, 4, ValType::I64),
            O::V128Store { memarg } => store(memarg, 16, ValType::V128),
            O::V128Store8Lane { memarg, .. } => store(memarg, 1, ValType::V128),
            O::V128Store16Lane { memarg, .. } => store(memarg, 2, ValType::V128),
            O::V128Store32Lane { memarg, .. } => store(memarg, 4, ValType::V128),
            O::V128Store64Lane { memarg, .. } => store(memarg, 8, ValType::V128),
            O::MemoryFill { mem } => {
                let wide = self.layout.wide(*mem);
                Ok(Some(Writes::Bulk(Bulk { memory: *mem, source_wide: false, len_wide: wide })))
            }
            O::MemoryInit { mem, .. } => {
                Ok(Some(Writes::Bulk(Bulk { memory: *mem, source_wide: false, len_wide: false })))
            }
            O::MemoryCopy { dst_mem, src_mem } => {
                let source_wide = self.layout.wide(*src_mem);
                let len_wide = source_wide && self.layout.wide(*dst_mem);
                Ok(Some(Writes::Bulk(Bulk { memory: *dst_mem, source_wide, len_wide })))
            }
            operator if first_byte == ATOMIC && is_atomic_write(operator) => {
                Err(reencode::Error::UserError(Refused("atomic instructions that write")))
            }
            _ => Ok(None),
        }
    }

    fn watched_store(
        &self,
        site: i32,
        Store { memarg, size, ty }: Store,
        locals: Locals,
        instruction: &Instruction<'_>,
        body: &mut Function,
    ) {
        let wide = self.layout.wide(memarg.memory);
        let (address, value) = (locals.number(wide, 0), locals.value(ty));
        // The address plus the immediate is in [first watched - size + 1, last watched], as one unsigned comparison. What
        // wraps beyond the end of the memory traps in the instruction itself.
        let lowest = self.watch.address.wrapping_sub(size - 1);
        let plus = memarg.offset.wrapping_sub(lowest);
        let span = self.watch.len + size - 1;
        let mut sink = body.instructions();
        sink.local_set(value).local_tee(address);
        sink.local_get(address);
        if wide {
            sink.i64_const(plus as i64).i64_add().i64_const(span as i64).i64_lt_u();
        } else {
            sink.i32_const(plus as i32).i32_add().i32_const(span as i32).i32_lt_u();
        }
        sink.local_tee(locals.flag);
        self.look_before(&mut sink);
        sink.local_get(value);
        self.look_after(site, locals, body.instruction(instruction));
    }

    fn watched_bulk(
        &self,
        site: i32,
        Bulk { memory, source_wide, len_wide }: Bulk,
        locals: Locals,
        instruction: &Instruction<'_>,
        body: &mut Function,
    ) {
        let wide = self.layout.wide(memory);
        let address = locals.number(wide, 0);
        let (source, len) = (locals.number(source_wide, 1), locals.number(len_wide, 2));
        let mut sink = body.instructions();
        sink.local_set(len).local_set(source).local_set(address);
        let extended = |local, wide: bool, sink: &mut InstructionSink<'_>| {
            sink.local_get(local);
            if !wide {
                sink.i64_extend_i32_u();
            }
        };
        extended(address, wide, &mut sink);
        sink.i64_const(self.watch.address.saturating_add(self.watch.len) as i64).i64_lt_u();
        extended(address, wide, &mut sink);
        extended(len, len_wide, &mut sink);
        sink.i64_add().i64_const(self.watch.address as i64).i64_gt_u().i32_and().local_tee(locals.flag);
        self.look_before(&mut sink);
        sink.local_get(address).local_get(source).local_get(len);
        self.look_after(site, locals, body.instruction(instruction));
    }

    fn look_before(&self, sink: &mut InstructionSink<'_>) {
        sink.if_(BlockType::Empty).call(self.layout.helpers()).end();
    }

    fn look_after(&self, site: i32, locals: Locals, body: &mut Function) {
        let mut sink = body.instructions();
        sink.local_get(locals.flag).if_(BlockType::Empty).i32_const(site).call(self.layout.helpers() + 1).end();
    }

    /// How many of the watched bytes the memory has, as i32.
    fn known(&self, local: u32, sink: &mut InstructionSink<'_>) {
        let (wide, page) = self.layout.memories.get(self.layout.watched).copied().unwrap_or((false, 1 << 16));
        sink.memory_size(self.watch.memory);
        if !wide {
            sink.i64_extend_i32_u();
        }
        sink.i64_const(page as i64).i64_mul().i64_const(self.watch.address as i64).i64_sub().local_tee(local);
        sink.i64_const(self.watch.len as i64).local_get(local).i64_const(self.watch.len as i64).i64_lt_s().select();
    }

    /// Copies the watched bytes.
    fn before(&self) -> Function {
        let mut body = Function::new([(1, ValType::I64)]);
        let mut sink = body.instructions();
        sink.i32_const(BEFORE as i32);
        self.watched_address(&mut sink);
        self.known(0, &mut sink);
        sink.i32_wrap_i64().memory_copy(self.layout.notes(), self.watch.memory).end();
        body
    }

    fn watched_address(&self, sink: &mut InstructionSink<'_>) {
        match self.layout.wide(self.watch.memory) {
            true => sink.i64_const(self.watch.address as i64),
            false => sink.i32_const(self.watch.address as i32),
        };
    }

    /// Counts the site's touch, and notes it if the bytes have changed.
    fn after(&self) -> Function {
        // Parameter: the site. Locals: scratch, known bytes, index, address of the entry.
        let (site, scratch, known, index, at) = (0, 1, 2, 3, 4);
        let mut body = Function::new([(1, ValType::I64), (3, ValType::I32)]);
        let notes = self.layout.notes();
        let arg = |offset: u64, align: u32| MemArg { offset, align, memory_index: notes };
        let counter = arg(counters(self.watch.len), 3);
        let mut sink = body.instructions();
        sink.local_get(site).i32_const(3).i32_shl();
        sink.local_get(site).i32_const(3).i32_shl().i64_load(counter);
        sink.i64_const(1).i64_add().i64_store(counter);
        self.known(scratch, &mut sink);
        sink.i32_wrap_i64().local_set(known);
        // Returns if all are as they were.
        sink.block(BlockType::Empty).loop_(BlockType::Empty);
        sink.local_get(index).local_get(known).i32_ge_u().if_(BlockType::Empty).return_().end();
        sink.local_get(index).i32_load8_u(arg(BEFORE, 0));
        self.watched_address(&mut sink);
        sink.local_get(index);
        match self.layout.wide(self.watch.memory) {
            true => sink.i64_extend_i32_u().i64_add(),
            false => sink.i32_add(),
        };
        sink.i32_load8_u(MemArg { offset: 0, align: 0, memory_index: self.watch.memory }).i32_ne().br_if(1);
        sink.local_get(index).i32_const(1).i32_add().local_set(index).br(0).end().end();
        // The entry.
        sink.i32_const(0).i64_load(arg(TOTAL, 3)).i64_const(KEPT as i64).i64_rem_u().i32_wrap_i64();
        sink.i32_const(entry_size(self.watch.len) as i32).i32_mul();
        sink.i32_const(entries(self.watch.len) as i32).i32_add().local_set(at);
        sink.local_get(at).local_get(site).i32_store(arg(0, 2));
        sink.local_get(at).local_get(known).i32_store(arg(4, 2));
        sink.local_get(at).local_get(site).i32_const(3).i32_shl().i64_load(counter).i64_store(arg(8, 3));
        sink.local_get(at).i32_const(16).i32_add().i32_const(BEFORE as i32).local_get(known).memory_copy(notes, notes);
        sink.local_get(at).i32_const(16 + self.watch.len as i32).i32_add();
        self.watched_address(&mut sink);
        sink.local_get(known).memory_copy(notes, self.watch.memory);
        sink.i32_const(0).i32_const(0).i64_load(arg(TOTAL, 3)).i64_const(1).i64_add().i64_store(arg(TOTAL, 3));
        sink.end();
        body
    }

    fn export(&mut self, exports: &mut ExportSection) {
        exports.export(NOTES, ExportKind::Memory, self.layout.notes());
        self.exported = true;
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Refused;

    fn parse_type_section(
        &mut self,
        types: &mut wasm_encoder::TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        types.ty().function([ValType::I32], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut wasm_encoder::FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.layout.types).function(self.layout.types + 1);
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_memory_section(self, memories, section)?;
        let bytes = counters(self.watch.len) + 8 * self.layout.sites;
        let minimum = bytes.div_ceil(1 << 16);
        memories.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_export_section(self, exports, section)?;
        self.export(exports);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Encoded<()> {
        let behind = matches!(
            before,
            None | Some(
                SectionId::Start | SectionId::Element | SectionId::DataCount | SectionId::Code | SectionId::Data
            )
        );
        if behind && !self.exported {
            let mut exports = ExportSection::new();
            self.export(&mut exports);
            module.section(&exports);
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: wasmparser::CustomSectionReader<'_>) -> Encoded<()> {
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.before()).function(&self.after());
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, func: wasmparser::FunctionBody<'_>) -> Encoded<()> {
        let ty = self.layout.functions.get(self.defined as usize).copied().unwrap_or_default();
        let mut count = self.layout.parameters.get(ty as usize).copied().unwrap_or_default();
        let function = self.layout.imported + self.defined;
        self.defined += 1;
        let mut declared = Vec::new();
        for pair in func.get_locals_reader()? {
            let (times, ty) = pair?;
            count = count.saturating_add(times);
            declared.push((times, self.val_type(ty)?));
        }
        declared.extend(Locals::ADDED);
        let locals = Locals::from(count);
        let mut body = Function::new(declared);
        let mut reader = func.get_operators_reader()?;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset()?;
            let first_byte = self.binary.get(offset).copied().unwrap_or_default();
            let writes = self.writes(&operator, first_byte)?.filter(|writes| writes.memory() == self.watch.memory);
            let instruction = self.instruction(operator)?;
            let site = self.sites.len() as i32;
            let offset = offset as u64;
            match writes {
                None => {
                    body.instruction(&instruction);
                }
                Some(Writes::Store(store)) => {
                    self.watched_store(site, store, locals, &instruction, &mut body);
                    let (plus, size) = (store.memarg.offset, Some(store.size));
                    self.sites.push(Site { function, offset, depth: 1, plus, size });
                }
                Some(Writes::Bulk(bulk)) => {
                    self.watched_bulk(site, bulk, locals, &instruction, &mut body);
                    self.sites.push(Site { function, offset, depth: 2, plus: 0, size: None });
                }
            }
        }
        code.function(&body);
        Ok(())
    }
}

/// The first byte of every atomic instruction.
const ATOMIC: u8 = 0xFE;

/// Whether this is an atomic instruction that writes to a memory: all whose names say so. Loads, fences, waits and
/// notifications write nothing.
fn is_atomic_write(operator: &Operator<'_>) -> bool {
    let name = format!("{operator:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default();
    (name.contains("AtomicStore") || name.contains("AtomicRmw")) && !name.contains("Global") && !name.contains("Table")
}
