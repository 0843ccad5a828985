//! Writes the code around an instruction that writes to memory, and the functions that it calls.

use wasm_encoder::{BlockType, Function, Instruction, InstructionSink, MemArg, ValType};

use super::layout::Layout;
use super::operators::{Bulk, StoreInstruction};
use super::{BEFORE, KEPT, TOTAL, TOUCHES, Watch, counters, entries, entry_size};

/// The indices of the locals that are appended to a function.
#[derive(Clone, Copy)]
pub struct Locals {
    /// Index of the first of three i32 locals.
    narrow: u32,
    /// Index of the first of three i64 locals.
    wide: u32,
    f32: u32,
    f64: u32,
    v128: u32,
    /// Index of the local that says whether the watched bytes are touched.
    flag: u32,
}

impl Locals {
    /// The types of the appended locals, and how many there are of each.
    pub const ADDED: [(u32, ValType); 6] = [
        (3, ValType::I32),
        (3, ValType::I64),
        (1, ValType::F32),
        (1, ValType::F64),
        (1, ValType::V128),
        (1, ValType::I32),
    ];

    /// The appended locals, the first of which has the index `first`.
    pub fn from(first: u32) -> Locals {
        Locals { narrow: first, wide: first + 3, f32: first + 6, f64: first + 7, v128: first + 8, flag: first + 9 }
    }

    /// The local of an address or a length: the `nth` of its width.
    fn number(&self, wide: bool, nth: u32) -> u32 {
        if wide { self.wide + nth } else { self.narrow + nth }
    }

    /// The local of a value that is compared.
    fn compared(&self, ty: ValType) -> u32 {
        self.number(ty == ValType::I64, 2)
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

/// Writes code that reads the watched bytes before and after each instruction that touches them.
pub struct Looks<'l> {
    pub watch: Watch,
    pub layout: &'l Layout,
    /// The number of the touch after which no changes are noted.
    pub last: u64,
}

impl Looks<'_> {
    /// Writes a store with the code before and after it.
    pub fn store(
        &self,
        site: i32,
        StoreInstruction { memarg, size, ty, compares }: StoreInstruction,
        locals: Locals,
        instruction: &Instruction<'_>,
        body: &mut Function,
    ) {
        let wide = self.layout.wide(memarg.memory);
        let (address, value) = (locals.number(wide, 0), locals.value(ty));
        // One unsigned comparison checks that the address plus the immediate is in [first watched - size + 1, last
        // watched]. An address that wraps around beyond the end of the memory traps in the instruction itself.
        let lowest = self.watch.address.wrapping_sub(size - 1);
        let plus = memarg.offset.wrapping_sub(lowest);
        let span = self.watch.len + size - 1;
        let mut sink = body.instructions();
        sink.local_set(value);
        if compares {
            sink.local_set(locals.compared(ty));
        }
        sink.local_tee(address).local_get(address);
        if wide {
            sink.i64_const(plus as i64).i64_add().i64_const(span as i64).i64_lt_u();
        } else {
            sink.i32_const(plus as i32).i32_add().i32_const(span as i32).i32_lt_u();
        }
        sink.local_tee(locals.flag);
        self.look_before(&mut sink);
        if compares {
            sink.local_get(locals.compared(ty));
        }
        sink.local_get(value);
        self.look_after(site, locals, body.instruction(instruction));
    }

    /// Writes an instruction that writes many bytes with the code before and after it.
    pub fn bulk(
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

    /// Writes code that computes how many of the watched bytes are inside the memory, as an i32.
    fn known(&self, local: u32, sink: &mut InstructionSink<'_>) {
        let (wide, page) = self.layout.memories.get(self.layout.watched).copied().unwrap_or((false, 1 << 16));
        sink.memory_size(self.watch.memory);
        if !wide {
            sink.i64_extend_i32_u();
        }
        sink.i64_const(page as i64).i64_mul().i64_const(self.watch.address as i64).i64_sub().local_tee(local);
        sink.i64_const(self.watch.len as i64).local_get(local).i64_const(self.watch.len as i64).i64_lt_s().select();
    }

    /// The function that copies the watched bytes.
    pub fn before(&self) -> Function {
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

    /// The function that counts a touch of a site, and notes a change if the bytes have changed.
    pub fn after(&self) -> Function {
        // The parameter is the site; the locals are scratch, the number of known bytes, an index, and the address of
        // the entry.
        let (site, scratch, known, index, at) = (0, 1, 2, 3, 4);
        let mut body = Function::new([(1, ValType::I64), (3, ValType::I32)]);
        let notes = self.layout.notes();
        let arg = |offset: u64, align: u32| MemArg { offset, align, memory_index: notes };
        let counter = arg(counters(self.watch.len), 3);
        let mut sink = body.instructions();
        sink.local_get(site).i32_const(3).i32_shl();
        sink.local_get(site).i32_const(3).i32_shl().i64_load(counter);
        sink.i64_const(1).i64_add().i64_store(counter);
        sink.i32_const(0).i32_const(0).i64_load(arg(TOUCHES, 3)).i64_const(1).i64_add().i64_store(arg(TOUCHES, 3));
        sink.i32_const(0).i64_load(arg(TOUCHES, 3)).i64_const(self.last as i64).i64_gt_u();
        sink.if_(BlockType::Empty).return_().end();
        self.known(scratch, &mut sink);
        sink.i32_wrap_i64().local_set(known);
        // Returns if all bytes are unchanged.
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
        // Writes the entry.
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
}
