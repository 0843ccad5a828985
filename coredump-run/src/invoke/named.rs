//! Calls the function of a component that `--invoke 'FUNC(ARGS)'` names, in WAVE, the notation that `wasmtime run`
//! takes.

use coredump_core::error::{Error, ErrorKind, Result};
use wasm_wave::untyped::UntypedFuncCall;
use wasm_wave::value::Value;
use wasmtime::Store;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};

use super::{Ran, wave};
use crate::ending::Ending;
use crate::host::Host;

/// Calls the function that `call` names, at the root or in one of the exported interfaces, and prints what it returns.
pub async fn run(pre: &InstancePre<Host>, call: &str, store: &mut Store<Host>) -> Result<Ran> {
    match enter(pre, call, store, |_| Ok(())).await? {
        Ok(results) => {
            super::print(results.iter().map(wave::text))?;
            Ok(Ok(Ending::Exit(0)))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Calls the function and prints nothing; `starts` is called once the component is instantiated.
pub async fn enter(
    pre: &InstancePre<Host>,
    call: &str,
    store: &mut Store<Host>,
    starts: impl FnOnce(&mut Store<Host>) -> Result<()>,
) -> Result<wasmtime::Result<Vec<Val>>> {
    let (name, arguments) = split_call(call);
    let export = find(pre.component(), name)?;
    let instance = match pre.instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) => return Ok(Err(error)),
    };
    starts(store)?;
    let Some(function) = instance.get_func(&mut *store, export) else { return Err(missing(name)) };
    let ty = function.ty(&*store);
    let types: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    let parameters = parameters(name, arguments, &types)?;
    let mut results = vec![Val::Bool(false); ty.results().len()];
    let called = function.call_async(&mut *store, &parameters, &mut results).await;
    Ok(called.map(|()| results))
}

/// Parses `(a, b)` as parameters of these types.
fn parameters(name: &str, arguments: &str, types: &[Type]) -> Result<Vec<Val>> {
    let expressible = types.iter().map(wave::wave_type).collect::<Option<Vec<_>>>();
    let expressible = expressible.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{name} takes a value that cannot be written as text, such as a resource"))
    })?;
    // WAVE allows only plain names of functions, so a placeholder stands for the name.
    let call = format!("f{arguments}");
    let values = UntypedFuncCall::parse(&call).and_then(|call| call.to_wasm_params::<Value>(&expressible));
    let values = values.map_err(|error| {
        let count = types.len();
        let error = Error::new(ErrorKind::Usage, format!("the arguments of {name} in {arguments:?}: {error}"));
        error.hint(format!("it takes {count}, written as in 'NAME(1, \"text\", [1, 2], {{field: true}}, some(3))'"))
    })?;
    Ok(values.iter().zip(types).map(|(value, ty)| wave::to_val(value, ty)).collect())
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the program exports no function {name:?}"))
}

/// Finds a function: `interface.function`, one at the root, or the only one of that name in an exported interface.
fn find(component: &Component, name: &str) -> Result<ComponentExportIndex> {
    let function = |parent: Option<&ComponentExportIndex>, name: &str| match component.get_export(parent, name) {
        Some((ComponentItem::ComponentFunc(_), index)) => Some(index),
        _ => None,
    };
    if let Some(index) = function(None, name) {
        return Ok(index);
    }
    if let Some((interface, plain)) = qualified(name) {
        let interface = component.get_export(None, interface).map(|(_, index)| index);
        return interface.and_then(|interface| function(Some(&interface), plain)).ok_or_else(|| missing(name));
    }
    let ty = component.component_type();
    let found = ty.exports(component.engine()).filter_map(|(interface, _)| {
        let (_, interface) = component.get_export(None, interface)?;
        function(Some(&interface), name)
    });
    let found: Vec<ComponentExportIndex> = found.collect();
    match found[..] {
        [index] => Ok(index),
        [] => Err(missing(name)),
        _ => {
            let message =
                format!("{name:?} is exported by several interfaces: say which, as in package:name/interface.{name}");
            Err(Error::new(ErrorKind::Usage, message))
        }
    }
}

/// Splits `wasi:cli/run.run@0.2.0` into the interface `wasi:cli/run@0.2.0` and `run`; the version may also follow the
/// interface.
fn qualified(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('#').or_else(|| name.contains('/').then(|| name.rsplit_once('.')).flatten())
}

/// Splits `name(a, b)` before the parenthesis; a name alone has no arguments.
fn split_call(call: &str) -> (&str, &str) {
    match call.find('(') {
        Some(at) => (call[..at].trim(), &call[at..]),
        None => (call.trim(), "()"),
    }
}
