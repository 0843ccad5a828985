//! `--invoke 'FUNC(ARGS)'` of a component, in the notation that `wasmtime run` takes (WAVE), for values that are one
//! word: numbers, truth values, characters and strings.

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::Store;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};

use super::Ran;
use crate::ending::Ending;
use crate::host::Host;

/// Calls the function that `call` names, at the root or in one of the exported interfaces, and prints what it returns.
pub async fn run(pre: &InstancePre<Host>, call: &str, store: &mut Store<Host>) -> Result<Ran> {
    let (name, arguments) = split_call(call)?;
    let export = find(pre.component(), name)?;
    let instance = match pre.instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) => return Ok(Err(error)),
    };
    let Some(function) = instance.get_func(&mut *store, export) else { return Err(missing(name)) };
    let ty = function.ty(&*store);
    let types: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    if types.len() != arguments.len() {
        let message = format!("{name} takes {} arguments, not {}", types.len(), arguments.len());
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let parameters = types.iter().zip(&arguments).map(|(ty, text)| {
        let message = || Error::new(ErrorKind::Usage, format!("{text:?} is no value that {name} takes there"));
        value(ty, text).ok_or_else(message)
    });
    let parameters = parameters.collect::<Result<Vec<Val>>>()?;
    let mut results = vec![Val::Bool(false); ty.results().len()];
    let called = function.call_async(&mut *store, &parameters, &mut results).await;
    if let Err(error) = called {
        return Ok(Err(error));
    }
    super::print(results.iter().map(text))?;
    Ok(Ok(Ending::Exit(0)))
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

/// `wasi:cli/run.run@0.2.0` as the interface `wasi:cli/run@0.2.0` and `run`; the version may also stand in the middle.
fn qualified(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('#').or_else(|| name.contains('/').then(|| name.rsplit_once('.')).flatten())
}

/// Cuts `name(a, b)`; a bare name has no arguments.
fn split_call(call: &str) -> Result<(&str, Vec<String>)> {
    let Some((name, rest)) = call.split_once('(') else { return Ok((call, Vec::new())) };
    let inner = rest
        .trim_end()
        .strip_suffix(')')
        .ok_or_else(|| Error::new(ErrorKind::Usage, format!("{call:?} lacks its closing parenthesis")))?;
    let mut arguments = Vec::new();
    let mut current = String::new();
    let (mut quote, mut escaped) = (None, false);
    for letter in inner.chars() {
        match (quote, letter) {
            (None, ',') => arguments.push(std::mem::take(&mut current)),
            _ => {
                quote = match quote {
                    Some(open) if letter == open && !escaped => None,
                    None if matches!(letter, '"' | '\'') => Some(letter),
                    same => same,
                };
                escaped = letter == '\\' && !escaped;
                current.push(letter);
            }
        }
    }
    if !current.trim().is_empty() || !arguments.is_empty() {
        arguments.push(current);
    }
    Ok((name.trim(), arguments.into_iter().map(|argument| argument.trim().to_owned()).collect()))
}

fn value(ty: &Type, text: &str) -> Option<Val> {
    Some(match ty {
        Type::Bool => Val::Bool(text.parse().ok()?),
        Type::S8 => Val::S8(text.parse().ok()?),
        Type::U8 => Val::U8(text.parse().ok()?),
        Type::S16 => Val::S16(text.parse().ok()?),
        Type::U16 => Val::U16(text.parse().ok()?),
        Type::S32 => Val::S32(text.parse().ok()?),
        Type::U32 => Val::U32(text.parse().ok()?),
        Type::S64 => Val::S64(text.parse().ok()?),
        Type::U64 => Val::U64(text.parse().ok()?),
        Type::Float32 => Val::Float32(text.parse().ok()?),
        Type::Float64 => Val::Float64(text.parse().ok()?),
        Type::Char => {
            let text = unquote(text, '\'')?;
            let mut letters = text.chars();
            let letter = letters.next()?;
            letters.next().is_none().then_some(Val::Char(letter))?
        }
        Type::String => Val::String(unquote(text, '"')?),
        Type::Enum(_) => Val::Enum(text.to_owned()),
        _ => return None,
    })
}

fn unquote(text: &str, quote: char) -> Option<String> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut plain = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            },
            letter => letter,
        });
    }
    Some(plain)
}

fn text(value: &Val) -> String {
    match value {
        Val::Bool(value) => value.to_string(),
        Val::S8(value) => value.to_string(),
        Val::U8(value) => value.to_string(),
        Val::S16(value) => value.to_string(),
        Val::U16(value) => value.to_string(),
        Val::S32(value) => value.to_string(),
        Val::U32(value) => value.to_string(),
        Val::S64(value) => value.to_string(),
        Val::U64(value) => value.to_string(),
        Val::Float32(value) => value.to_string(),
        Val::Float64(value) => value.to_string(),
        Val::Char(value) => format!("{value:?}"),
        Val::String(value) => format!("{value:?}"),
        Val::Enum(name) => name.clone(),
        Val::Result(Ok(None)) => "ok".to_owned(),
        Val::Result(Err(None)) => "err".to_owned(),
        Val::Result(Ok(Some(value))) => format!("ok({})", self::text(value)),
        Val::Result(Err(Some(value))) => format!("err({})", self::text(value)),
        Val::Option(None) => "none".to_owned(),
        Val::Option(Some(value)) => format!("some({})", self::text(value)),
        Val::List(values) => format!("[{}]", join(values)),
        Val::Tuple(values) => format!("({})", join(values)),
        other => format!("{other:?}"),
    }
}

fn join(values: &[Val]) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_cut_at_commas_outside_of_quotes() {
        assert_eq!(split_call("run").unwrap(), ("run", vec![]));
        assert_eq!(split_call("run()").unwrap(), ("run", vec![]));
        let (name, arguments) = split_call(r#"a:b/c.f(1, "x, \"y\"", 'c')"#).unwrap();
        assert_eq!(name, "a:b/c.f");
        assert_eq!(arguments, ["1", r#""x, \"y\"""#, "'c'"]);
        assert!(split_call("run(1").is_err());
        assert_eq!(unquote(r#""x, \"y\"\n""#, '"').unwrap(), "x, \"y\"\n");
    }
}
