//! Calls into a program: its start, or the export that `--invoke` names.

mod command;
mod named;
mod wave;

pub use command::{enter as enter_component, look_at_exports, run as component};

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{Func, InstancePre, Store, Val, ValType};

use crate::args::Args;
use crate::ending::Ending;
use crate::host::Host;

/// The result of a call: an ending, or the error that left the guest.
pub type Ran = wasmtime::Result<Ending>;

/// The function at which a core module is entered.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Name of the export, if it is not the program's start.
    pub invoke: Option<String>,
    /// The parameters as text.
    pub parameters: Vec<String>,
}

impl Entry {
    /// The entry that `args` name.
    pub fn from_args(args: &Args) -> Entry {
        let parameters = args.guest_args().iter().map(|arg| arg.0.to_string_lossy().into_owned());
        let parameters = if args.invoke.is_some() { parameters.collect() } else { Vec::new() };
        Entry { invoke: args.invoke.clone(), parameters }
    }
}

/// Runs a core module as [`enter`] does, and prints the results of a function that `--invoke` names.
pub async fn module(pre: &InstancePre<Host>, entry: &Entry, store: &mut Store<Host>) -> Result<Ran> {
    match enter(pre, entry, store).await? {
        Ok(results) => {
            print(results.iter().map(text))?;
            Ok(Ok(Ending::Exit(0)))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Runs a core module as wasmtime does: `_initialize` if it has one, then the function of `entry`, or else `""` or
/// `_start`.
pub async fn enter(
    pre: &InstancePre<Host>,
    entry: &Entry,
    store: &mut Store<Host>,
) -> Result<wasmtime::Result<Vec<Val>>> {
    let instance = match pre.instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(initialize) = instance.get_func(&mut *store, "_initialize")
        && let Err(error) = initialize.call_async(&mut *store, &[], &mut []).await
    {
        return Ok(Err(error));
    }
    let function = match &entry.invoke {
        Some(name) => instance.get_func(&mut *store, name),
        None => instance.get_func(&mut *store, "").or_else(|| instance.get_func(&mut *store, "_start")),
    };
    let Some(function) = function else { return Ok(Ok(Vec::new())) };
    let parameters = parameters(&function, entry, store)?;
    let ty = function.ty(&*store);
    if ty.params().len() != parameters.len() {
        let message = format!("the function takes {} arguments, not {}", ty.params().len(), parameters.len());
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let mut results = vec![Val::I32(0); ty.results().len()];
    let called = function.call_async(&mut *store, &parameters, &mut results).await;
    Ok(called.map(|()| results))
}

/// Prints the results of a call, one per line, as `wasmtime run --invoke` does.
fn print(results: impl Iterator<Item = String>) -> Result<()> {
    let lines: String = results.map(|result| result + "\n").collect();
    coredump_core::cli::output::print(&lines)
}

/// Parses the guest's arguments as parameters of the function.
fn parameters(function: &Func, entry: &Entry, store: &Store<Host>) -> Result<Vec<Val>> {
    let ty = function.ty(store);
    let parse = |(ty, text): (ValType, &String)| {
        let value = match ty {
            ValType::I32 => integer(text).and_then(|value| narrow(value).map(Val::I32)),
            ValType::I64 => integer(text).map(Val::I64),
            ValType::F32 => text.parse::<f32>().ok().map(|value| Val::F32(value.to_bits())),
            ValType::F64 => text.parse::<f64>().ok().map(|value| Val::F64(value.to_bits())),
            ValType::V128 => text.parse::<u128>().ok().map(|value| Val::V128(value.into())),
            ValType::Ref(_) => None,
        };
        value.ok_or_else(|| Error::new(ErrorKind::Usage, format!("{text:?} is no {ty}")))
    };
    ty.params().zip(&entry.parameters).map(parse).collect::<Result<Vec<Val>>>()
}

/// Parses an integer, decimal or hexadecimal, signed or unsigned.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<u64>().ok()?,
    };
    if negative { 0i64.checked_sub_unsigned(value) } else { Some(value as i64) }
}

/// Converts to an i32 a value that fits an i32 or a u32.
fn narrow(value: i64) -> Option<i32> {
    i32::try_from(value).ok().or_else(|| u32::try_from(value).ok().map(|value| value as i32))
}

fn text(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => value.as_u128().to_string(),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => "<null>".to_owned(),
        _ => "<reference>".to_owned(),
    }
}
