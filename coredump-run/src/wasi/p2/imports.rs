//! Offers functions to a component. Their calls are noted, and recorded or answered from a recording, as the data of
//! the store says.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use coredump_core::internals::recording::{self, Outcome};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentNamedList, Lift, Linker, LinkerInstance, Lower, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi::p2::StreamError;
use wasmtime_wasi::p2::bindings::io::streams::{self, Host as _};

use crate::calls::ComponentFunction;
use crate::host::{self, Host};
use crate::recording::component_files::FileCall;
use crate::recording::{Log, failure};
use crate::values::{Input, Values};

/// The version of WASI 0.2 under which the library offers its interfaces.
pub const VERSION: &str = "0.2.12";

/// The number of bytes of the buffer for encoded arguments that are kept allocated between calls.
const SCRATCH: usize = 1 << 20;

type Store<'a> = StoreContextMut<'a, Host>;

/// The future of a call that may wait.
pub type Waiting<'a, R> = Pin<Box<dyn Future<Output = Result<R>> + Send + 'a>>;

/// The imports of a component, and their numbers in a recording.
pub struct Imports {
    /// The interfaces, without their versions, and the functions or resources.
    imported: HashSet<(String, String)>,
    numbers: Numbers,
}

/// Gives functions their numbers in the recording.
enum Numbers {
    /// Its calls are not even noted.
    Unnoted,
    /// It has no number.
    None,
    /// It gets the next number of the log.
    Recorded(Arc<Log>),
    /// It gets the number that it had in the recording.
    Replayed(Vec<(String, String)>),
}

impl Imports {
    /// The imports of a component whose calls are not noted.
    pub fn unnoted(component: &Component) -> Imports {
        Imports { imported: imported(component), numbers: Numbers::Unnoted }
    }

    /// The imports of a component that is recorded in `log`, or only has its calls noted.
    pub fn recorded(component: &Component, log: Option<Arc<Log>>) -> Imports {
        Imports { imported: imported(component), numbers: log.map_or(Numbers::None, Numbers::Recorded) }
    }

    /// The imports of a component that runs again; `names` are those of the recording.
    pub fn replayed(component: &Component, names: &[(String, String)]) -> Imports {
        Imports { imported: imported(component), numbers: Numbers::Replayed(names.to_vec()) }
    }

    /// The linker's instance of an interface, if the component imports it.
    pub fn interface<'l>(&'l self, name: &'static str, linker: &'l mut Linker<Host>) -> Result<Option<Interface<'l>>> {
        if !self.imported.iter().any(|(interface, _)| interface == name) {
            return Ok(None);
        }
        Ok(Some(Interface { imports: self, name, instance: linker.instance(&format!("{name}@{VERSION}"))? }))
    }

    /// The number of a function in the recording.
    fn number(&self, interface: &str, name: &str) -> Option<u32> {
        match &self.numbers {
            Numbers::Unnoted | Numbers::None => None,
            Numbers::Recorded(log) => Some(log.number(interface, name)),
            Numbers::Replayed(names) => {
                let same = |known: &(String, String)| (&*known.0, &*known.1) == (interface, name);
                names.iter().position(same).map(|number| number as u32)
            }
        }
    }

    /// A function that the host does not offer.
    pub fn unknown(&self, interface: &str, name: &str) -> ImportedFunction {
        let noted = Arc::new(ComponentFunction::new::<(), ()>(interface, name, &[]));
        ImportedFunction { noted, files: FileCall::None, number: self.number(interface, name) }
    }

    /// Returns true if the component imports a function or resource.
    fn has(&self, interface: &str, name: &str) -> bool {
        self.imported.contains(&(interface.to_owned(), name.to_owned()))
    }
}

/// The functions and resources of the interfaces that a component imports.
fn imported(component: &Component) -> HashSet<(String, String)> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut imported = HashSet::new();
    for (name, import) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let name = name.split('@').next().unwrap_or(name);
        imported.extend(instance.exports(engine).map(|(export, _)| (name.to_owned(), export.to_owned())));
    }
    imported
}

/// An interface in a linker. A caller that offers a function passes it as a pointer, so that the engine's code around a
/// function is compiled once for all functions with the same parameters and results.
pub struct Interface<'l> {
    imports: &'l Imports,
    name: &'static str,
    instance: LinkerInstance<'l, Host>,
}

impl Interface<'_> {
    /// Offers a function that does not wait.
    pub fn sync<P, R>(
        &mut self,
        name: &str,
        parameters: &'static [&'static str],
        call: fn(&mut Host, P) -> Result<R>,
    ) -> Result<()>
    where
        P: Values + ComponentNamedList + Lift + 'static,
        R: Values + ComponentNamedList + Lower + 'static,
    {
        if !self.imports.has(self.name, name) {
            return Ok(());
        }
        let function = self.function::<P, R>(name, parameters);
        self.instance.func_wrap(name, move |store: Store<'_>, params: P| run(function.as_deref(), store, params, call))
    }

    /// Offers a function that may wait.
    pub fn waits<P, R>(
        &mut self,
        name: &str,
        parameters: &'static [&'static str],
        call: for<'a> fn(&'a mut Host, P) -> Waiting<'a, R>,
    ) -> Result<()>
    where
        P: Values + ComponentNamedList + Lift + Send + 'static,
        R: Values + ComponentNamedList + Lower + Send + 'static,
    {
        if !self.imports.has(self.name, name) {
            return Ok(());
        }
        let function = self.function::<P, R>(name, parameters);
        self.instance.func_wrap_async(name, move |store: Store<'_>, params: P| {
            Box::new(run_waiting(function.clone(), store, params, call))
        })
    }

    /// Offers a resource whose drop does not wait.
    pub fn resource(&mut self, name: &str, ty: ResourceType, drop: fn(&mut Host, (u32,)) -> Result<()>) -> Result<()> {
        if !self.imports.has(self.name, name) {
            return Ok(());
        }
        let function = self.function::<(u32,), ()>(&format!("[resource-drop]{name}"), &["this"]);
        self.instance.resource(name, ty, move |store, own| run(function.as_deref(), store, (own,), drop))
    }

    /// Offers a resource whose drop may wait.
    pub fn resource_waits(
        &mut self,
        name: &str,
        ty: ResourceType,
        drop: for<'a> fn(&'a mut Host, (u32,)) -> Waiting<'a, ()>,
    ) -> Result<()> {
        if !self.imports.has(self.name, name) {
            return Ok(());
        }
        let function = self.function::<(u32,), ()>(&format!("[resource-drop]{name}"), &["this"]);
        self.instance
            .resource_async(name, ty, move |store, own| Box::new(run_waiting(function.clone(), store, (own,), drop)))
    }

    /// Returns the observer that notes the calls of a function; `None` if nothing does.
    fn function<P: Values, R: Values>(
        &self,
        name: &str,
        parameters: &'static [&'static str],
    ) -> Option<Arc<ImportedFunction>> {
        if matches!(self.imports.numbers, Numbers::Unnoted) {
            return None;
        }
        let noted = ComponentFunction::new::<P, R>(self.name, name, parameters);
        let number = self.imports.number(self.name, name);
        Some(Arc::new(ImportedFunction { noted: Arc::new(noted), files: FileCall::from_name(self.name, name), number }))
    }
}

/// Runs a call of the host, or answers it from the recording; `function` notes it.
fn run<P: Values, R: Values>(
    function: Option<&ImportedFunction>,
    mut store: Store<'_>,
    params: P,
    call: fn(&mut Host, P) -> Result<R>,
) -> Result<R> {
    let host = store.data_mut();
    let Some(function) = function else { return call(host, params) };
    let arguments = function.begin(host, &params);
    if host.playback.is_some() {
        return function.replay(&mut store, arguments);
    }
    let result = call(host, params);
    function.end(host, arguments, result)
}

/// As [`run`], for a call that may wait.
async fn run_waiting<P: Values, R: Values>(
    function: Option<Arc<ImportedFunction>>,
    mut store: Store<'_>,
    params: P,
    call: for<'a> fn(&'a mut Host, P) -> Waiting<'a, R>,
) -> Result<R> {
    let host = store.data_mut();
    let Some(function) = function else { return call(host, params).await };
    let arguments = function.begin(host, &params);
    if host.playback.is_some() {
        return function.replay(&mut store, arguments);
    }
    let result = call(host, params).await;
    function.end(store.data_mut(), arguments, result)
}

/// A function of the host.
pub struct ImportedFunction {
    noted: Arc<ComponentFunction>,
    files: FileCall,
    /// The number of the function in the recording, if it has one.
    number: Option<u32>,
}

impl ImportedFunction {
    /// A function whose calls are noted, but not recorded.
    pub fn noted<P: Values, R: Values>(
        interface: &str,
        name: &str,
        parameters: &'static [&'static str],
    ) -> Arc<ImportedFunction> {
        Arc::new(ImportedFunction {
            noted: Arc::new(ComponentFunction::new::<P, R>(interface, name, parameters)),
            files: FileCall::None,
            number: None,
        })
    }

    /// Begins a call, and returns the hash of its arguments.
    pub fn begin(&self, host: &mut Host, parameters: &impl Values) -> u32 {
        let mut bytes = std::mem::take(&mut host.scratch);
        bytes.clear();
        parameters.write(&mut bytes);
        let arguments = recording::hash_bytes(&bytes);
        host.calls.enter_component(&self.noted, &bytes);
        if let (Some(log), Some(number)) = (&host.log, self.number) {
            log.enter(number, arguments);
            if self.files != FileCall::None {
                host.component_files.begins(self.files, &bytes, &mut host.wasi, log);
            }
        }
        bytes.shrink_to(SCRATCH);
        host.scratch = bytes;
        arguments
    }

    /// Notes and records the result of a call, and returns it.
    pub fn end<R: Values>(&self, host: &mut Host, arguments: u32, result: Result<R>) -> Result<R> {
        let mut bytes = std::mem::take(&mut host.scratch);
        bytes.clear();
        match &result {
            Ok(value) => {
                value.write(&mut bytes);
                host.calls.gave(&bytes);
            }
            Err(error) => host.calls.failed(coredump_capture::internals::message(error)),
        }
        if let (Some(log), Some(number)) = (&host.log, self.number) {
            host.growth.event();
            let read = match &result {
                Ok(_) => host.component_files.ends(self.files, &mut bytes, &mut host.wasi, log),
                Err(_) => None,
            };
            let outcome = match &result {
                Ok(_) => Outcome::Values(&bytes),
                Err(error) => failure(error),
            };
            log.call(number, arguments, &outcome, read.as_ref(), &[]);
        }
        bytes.shrink_to(SCRATCH);
        host.scratch = bytes;
        result
    }

    /// Notes a call of a function that the host does not offer, which ends the program.
    pub fn fails(&self, host: &mut Host, error: wasmtime::Error) -> Result<()> {
        let arguments = self.begin(host, &());
        match host.playback.is_some() {
            true => self.answer(host, arguments),
            false => self.end(host, arguments, Err(error)),
        }
    }

    /// Answers a call from the recording.
    fn replay<R: Values>(&self, store: &mut StoreContextMut<'_, Host>, arguments: u32) -> Result<R> {
        let onlooker = store.data().onlooker.clone();
        if let Some(onlooker) = &onlooker {
            onlooker.call(self.noted.name(), false, store)?;
        }
        let answer = self.answer(store.data_mut(), arguments)?;
        if let Some(onlooker) = &onlooker {
            onlooker.call(self.noted.name(), true, store)?;
        }
        host::run_on(store)?;
        Ok(answer)
    }

    fn answer<R: Values>(&self, host: &mut Host, arguments: u32) -> Result<R> {
        let Some(playback) = &mut host.playback else { wasmtime::bail!("nothing is replayed") };
        playback.values(self.number, self.noted.name(), arguments, |bytes| {
            let mut input = Input::new(bytes);
            R::read(&mut input).filter(|_| input.is_over())
        })
    }
}

/// The result of a function of the library, converted for the component.
pub trait LibraryResult {
    /// The type of the result in the component.
    type Given;

    /// Converts the result for the component. An error that the type cannot represent ends the program.
    fn given(self, host: &mut Host) -> Result<Self::Given>;
}

impl<T> LibraryResult for Result<T> {
    type Given = T;

    fn given(self, _: &mut Host) -> Result<T> {
        self
    }
}

impl<T> LibraryResult for std::result::Result<T, StreamError> {
    type Given = std::result::Result<T, streams::StreamError>;

    fn given(self, host: &mut Host) -> Result<Self::Given> {
        match self {
            Ok(value) => Ok(Ok(value)),
            Err(error) => host.table().convert_stream_error(error).map(Err),
        }
    }
}

impl<T, E: std::error::Error + Send + Sync + 'static> LibraryResult for std::result::Result<T, TrappableError<E>> {
    type Given = std::result::Result<T, E>;

    fn given(self, _: &mut Host) -> Result<Self::Given> {
        match self {
            Ok(value) => Ok(Ok(value)),
            Err(error) => error.downcast().map(Err),
        }
    }
}
