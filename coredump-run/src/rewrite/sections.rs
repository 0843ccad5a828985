//! Writes the sections of the rewritten module.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, MemorySection, MemoryType, Module, SectionId, ValType,
};

use super::code::{Locals, Looks};
use super::layout::Layout;
use super::operators::WriteInstruction;
use super::{NOTES, Watch, WriteSite, notes_size};

type Encoded<T> = std::result::Result<T, reencode::Error>;

/// Rewrites a module once.
pub struct Rewriter<'l> {
    looks: Looks<'l>,
    /// The size of the added memory, in bytes.
    notes: u64,
    /// The number of function bodies that were rewritten.
    defined: u32,
    /// The instructions that write to the watched memory, so far.
    pub sites: Vec<WriteSite>,
    exported: bool,
}

impl<'l> Rewriter<'l> {
    /// A rewriter whose notes have room for `sites` sites.
    pub fn new(watch: Watch, last: u64, layout: &'l Layout, sites: u64) -> Rewriter<'l> {
        let notes = notes_size(watch.len, sites);
        Rewriter { looks: Looks { watch, layout, last }, notes, defined: 0, sites: Vec::new(), exported: false }
    }

    fn export(&mut self, exports: &mut ExportSection) {
        exports.export(NOTES, ExportKind::Memory, self.looks.layout.notes());
        self.exported = true;
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Infallible;

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
        functions.function(self.looks.layout.types).function(self.looks.layout.types + 1);
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_memory_section(self, memories, section)?;
        let minimum = self.notes / (1 << 16);
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
        code.function(&self.looks.before()).function(&self.looks.after());
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, func: wasmparser::FunctionBody<'_>) -> Encoded<()> {
        let layout = self.looks.layout;
        let ty = layout.functions.get(self.defined as usize).copied().unwrap_or_default();
        let mut count = layout.parameters.get(ty as usize).copied().unwrap_or_default();
        let function = layout.imported + self.defined;
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
            let writes = WriteInstruction::from_operator(&operator, layout)
                .filter(|writes| writes.memory() == self.looks.watch.memory);
            let instruction = self.instruction(operator)?;
            let site = self.sites.len() as i32;
            let offset = offset as u64;
            self.sites.extend(writes.as_ref().map(|writes| WriteSite { function, offset, ..writes.site() }));
            match writes {
                None => _ = body.instruction(&instruction),
                Some(WriteInstruction::Store(store)) => self.looks.store(site, store, locals, &instruction, &mut body),
                Some(WriteInstruction::Bulk(bulk)) => self.looks.bulk(site, bulk, locals, &instruction, &mut body),
            }
        }
        code.function(&body);
        Ok(())
    }
}
