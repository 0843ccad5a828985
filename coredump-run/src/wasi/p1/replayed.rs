//! Answers a module's calls from a recording: the host's system is not asked, and nothing is written outside of the
//! program.

use coredump_core::internals::recording;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Module, Result, Val, bail};

use crate::host::{self, Host};
use crate::playback::Playback;
use crate::rewrite::{self, Rewritten};

/// Offers the functions that `module` imports.
pub fn link(linker: &mut Linker<Host>, module: &Module, names: &[(String, String)]) -> Result<()> {
    linker.allow_shadowing(true);
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        let same =
            |(module, name): &(String, String)| (module.as_str(), name.as_str()) == (import.module(), import.name());
        let number = names.iter().position(same);
        let name = format!("{}::{}", import.module(), import.name());
        linker.func_new(import.module(), import.name(), ty, move |mut caller, params, results| {
            answer(&mut caller, number, &name, params, results)
        })?;
    }
    Ok(())
}

/// Answers one call with the next event.
fn answer(
    caller: &mut Caller<'_, Host>,
    number: Option<usize>,
    name: &str,
    params: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let memory = match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    };
    let noted = match caller.data().playback.as_ref().is_some_and(Playback::is_watching) {
        true => match caller.get_export(rewrite::NOTES) {
            Some(Extern::Memory(notes)) => Rewritten::total(notes.data(&*caller)),
            _ => 0,
        },
        false => 0,
    };
    let (bytes, host): (&mut [u8], &mut Host) = match memory {
        Some(memory) => memory.data_and_store_mut(&mut *caller),
        None => (&mut [], caller.data_mut()),
    };
    let Some(playback) = &mut host.playback else { bail!("nothing is replayed") };
    let number = number.map(|number| number as u32);
    let arguments: Vec<u64> = params.iter().map(bits).collect();
    let bits = playback.bits(number, name, recording::hash(&arguments), bytes, noted)?;
    if let Some(result) = results.first_mut() {
        *result = match result {
            Val::I64(_) => Val::I64(bits as i64),
            Val::F32(_) => Val::F32(bits as u32),
            Val::F64(_) => Val::F64(bits),
            _ => Val::I32(bits as i32),
        };
    }
    host::run_on(&mut caller.as_context_mut())
}

/// The bits of a value for the hash of arguments; references and vectors are never arguments of a recorded function.
pub fn bits(value: &Val) -> u64 {
    match *value {
        Val::I32(value) => value as u64,
        Val::I64(value) => value as u64,
        Val::F32(bits) => u64::from(bits),
        Val::F64(bits) => bits,
        _ => 0,
    }
}
