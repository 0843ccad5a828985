//! Reads what must be known of a module before it is rewritten.

/// The items of a module, by their indices.
pub struct Layout {
    /// The number of types.
    pub types: u32,
    /// The number of parameters that each function type has.
    pub parameters: Vec<u32>,
    /// The type of each defined function.
    pub functions: Vec<u32>,
    /// The number of functions that are imported.
    pub imported: u32,
    /// For each memory, whether it has 64-bit addresses, and its page size in bytes.
    pub memories: Vec<(bool, u64)>,
    /// Index of the memory that is watched.
    pub watched: usize,
}

impl Layout {
    /// Reads the layout of a module.
    pub fn parse(binary: &[u8], watched: u32) -> std::result::Result<Layout, wasmparser::BinaryReaderError> {
        let mut layout = Layout {
            types: 0,
            parameters: Vec::new(),
            functions: Vec::new(),
            imported: 0,
            memories: Vec::new(),
            watched: watched as usize,
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

    /// Returns true if a memory has 64-bit addresses.
    pub fn wide(&self, memory: u32) -> bool {
        self.memories.get(memory as usize).is_some_and(|memory| memory.0)
    }

    /// Index of the first function that is appended.
    pub fn helpers(&self) -> u32 {
        self.imported + self.functions.len() as u32
    }

    /// Index of the memory that is appended.
    pub fn notes(&self) -> u32 {
        self.memories.len() as u32
    }
}
