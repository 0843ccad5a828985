//! The standard's own sections: `core`, `coremodules`, `coreinstances`, and `producers` (tool-conventions
//! `Coredump.md`).
//!
//! Each function adds to the dump as it reads, so that what came before a failure stays.

use wasmparser::BinaryReader;

use crate::error::Result;
use crate::limits::MAX_ITEMS;
use crate::model::{CoreDump, Instance, ModuleRecord};
use crate::producers;
use crate::sections::RawSection;
use crate::sections::input::{capacity, failed, index, name, used_up, version, within};

/// `core`: `0x00 executable-name:name`.
pub fn executable(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    version(&mut reader, "core")?;
    let executable = name(&mut reader, "the executable's name")?;
    if !executable.is_empty() && dump.executable.is_none() {
        dump.executable = Some(executable);
    }
    used_up(&reader, "core")
}

/// `coremodules`: `vec(0x00 module-name:name)`.
pub fn modules(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    if let Some(read) = producers::own_modules(section, dump) {
        return read;
    }
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of modules"))?;
    for _ in 0..count {
        within(dump.modules.len(), MAX_ITEMS, "modules", &reader)?;
        version(&mut reader, "a module of coremodules")?;
        let name = name(&mut reader, "a module's name")?;
        dump.modules.push(ModuleRecord::named(name));
    }
    used_up(&reader, "coremodules")
}

/// `coreinstances`: `vec(0x00 moduleidx:u32 memories:vec(u32) globals:vec(u32))`.
pub fn instances(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of instances"))?;
    for _ in 0..count {
        within(dump.instances.len(), MAX_ITEMS, "instances", &reader)?;
        version(&mut reader, "an instance of coreinstances")?;
        let module = index(reader.read_var_u32().map_err(failed("an instance's module index"))?);
        let memories = indices(&mut reader, "an instance's memories")?;
        let globals = indices(&mut reader, "an instance's globals")?;
        dump.instances.push(Instance { module, memories, globals, tables: None });
    }
    used_up(&reader, "coreinstances")
}

/// `producers`: who wrote the dump (tool-conventions `ProducersSection.md`), for the `processed-by` field.
pub fn producers(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let fields = reader.read_var_u32().map_err(failed("the producers section"))?;
    for _ in 0..fields {
        let field = name(&mut reader, "a field of the producers section")?;
        let count = reader.read_var_u32().map_err(failed("the producers section"))?;
        for _ in 0..count {
            let program = name(&mut reader, "a name in the producers section")?;
            let version = name(&mut reader, "a version in the producers section")?;
            if field == "processed-by" && dump.producer.is_none() {
                dump.producer = Some(format!("{program} {version}").trim_end().to_owned());
            }
        }
    }
    Ok(())
}

fn indices(reader: &mut BinaryReader<'_>, what: &str) -> Result<Vec<Option<u32>>> {
    let count = reader.read_var_u32().map_err(failed(what))?;
    let mut indices = Vec::with_capacity(capacity(reader, count, 1));
    for _ in 0..count {
        indices.push(index(reader.read_var_u32().map_err(failed(what))?));
    }
    Ok(indices)
}
