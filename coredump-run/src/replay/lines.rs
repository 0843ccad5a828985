//! Looks up the source lines of the instructions that write to watched bytes.

use std::collections::HashMap;

use coredump_core::cli::text::escape;
use coredump_core::internals::backtrace::Resolver;
use coredump_core::internals::binaries::BinaryStore;
use coredump_core::model::{CoreDump, Frame, Instance, ModuleRecord, Thread};
use coredump_core::module::{Module, sha256};
use coredump_core::{Binaries, Options};

use crate::program::Source;
use crate::rewrite::WriteSite;

/// The source lines of instructions, by the numbers of their sites.
pub struct Lines(HashMap<u32, String>);

impl Lines {
    /// Looks up the lines in the `modules` of a program.
    pub fn new(source: &Source, modules: &[Vec<u8>], sites: &[(u32, WriteSite)]) -> Lines {
        let (numbers, sites): (Vec<u32>, Vec<WriteSite>) = sites.iter().copied().unzip();
        let parsed: Vec<_> = modules.iter().map(|module| Module::parse(module).ok()).collect();
        let frame = |site: &WriteSite| {
            let parsed = parsed.get(site.module as usize).and_then(Option::as_ref);
            let body = parsed.and_then(|module| module.body(site.function));
            let code_offset = body.and_then(|body| u32::try_from(site.offset.checked_sub(body.start)?).ok());
            Frame { instance: Some(site.module), function: Some(site.function), code_offset, ..Frame::default() }
        };
        let instance = |module: u32| Instance { module: Some(module), ..Instance::default() };
        let dump = CoreDump {
            modules: modules.iter().map(|module| record(source, module)).collect(),
            instances: (0..modules.len() as u32).map(instance).collect(),
            // Each is the youngest frame of a thread, so its offset is not taken for that of a call.
            threads: sites.iter().map(|site| Thread { frames: vec![frame(site)], ..Thread::default() }).collect(),
            ..CoreDump::default()
        };
        let store = BinaryStore::new();
        let binaries = Binaries::locate(&store, &dump, &Options::default());
        let resolver = Resolver::new(&dump, &binaries);
        let line = |index: usize| {
            let frame = resolver.frame(index, 0);
            let Some(frame) = frame else { return "?".to_owned() };
            let inline = frame.inlines.first();
            let function = inline.and_then(|inline| inline.function.as_deref()).or(frame.function.as_deref());
            let location = inline.map_or(frame.location.as_ref(), |inline| inline.location.as_ref());
            let name = match function {
                Some(name) => escape(name).into_owned(),
                None => format!("func[{}]", sites[index].function),
            };
            match location {
                Some(at) => format!("{name} at {}:{}", escape(&at.file), at.line),
                None => format!("{name} at offset {:#x}", sites[index].offset),
            }
        };
        Lines(numbers.into_iter().enumerate().map(|(index, number)| (number, line(index))).collect())
    }

    /// The line of an instruction as text; `?` if it is not known.
    pub fn line(&self, site: u32) -> &str {
        self.0.get(&site).map_or("?", String::as_str)
    }
}

fn record<'m>(source: &Source, module: &'m [u8]) -> ModuleRecord<'m> {
    ModuleRecord {
        path: Some(source.name().to_owned()),
        sha256: Some(sha256(module)),
        embedded: Some(module),
        ..ModuleRecord::default()
    }
}
