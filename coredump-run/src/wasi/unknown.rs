//! Implements `--unknown-imports-trap`: replaces the imports that the host does not offer.

use std::collections::HashMap;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, LinkerInstance, ResourceType};
use wasmtime::{AsContextMut, Engine, ExternType, Linker, Memory, Module, SharedMemory, Store, bail, component};
use wasmtime_wasi::p2;

use super::p2::Imports;
use crate::host::Host;
use crate::offered::is_offered;

/// Offers to a core module the memories that it imports, and functions that trap for its other imports that the host
/// does not offer.
pub async fn stand_in_module(
    linker: &mut Linker<Host>,
    module: &Module,
    store: &mut Store<Host>,
) -> wasmtime::Result<()> {
    for import in module.imports() {
        let ExternType::Memory(ty) = import.ty() else { continue };
        if linker.get(&mut *store, import.module(), import.name()).is_ok() {
            continue;
        }
        if ty.is_shared() {
            let memory = SharedMemory::new(module.engine(), ty)?;
            linker.define(store.as_context_mut(), import.module(), import.name(), memory)?;
        } else {
            let memory = Memory::new_async(&mut *store, ty).await?;
            linker.define(store.as_context_mut(), import.module(), import.name(), memory)?;
        }
    }
    linker.define_unknown_imports_as_traps(module)
}

/// Offers to a component functions that trap, and resources that cannot be created, for its imports that the host does
/// not offer. Imports that WASI offers in another version of the same series stay those of WASI, and so do WASI's
/// resources if other interfaces use them.
pub fn stand_in_component(
    linker: &mut component::Linker<Host>,
    component: &Component,
    imports: &Imports,
) -> wasmtime::Result<()> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut resources = Resources::default();
    for (name, import) in ty.imports(engine) {
        if let ComponentItem::ComponentInstance(instance) = &import.ty
            && is_offered(name)
        {
            let exports = instance.exports(engine);
            resources.learn(name, exports.map(|(name, export)| (name, export.ty)));
        }
    }
    for (name, import) in ty.imports(engine) {
        if !is_offered(name) {
            stand_in(&mut linker.root(), name, &import.ty, "", engine, (&mut resources, imports))?;
        }
    }
    Ok(())
}

/// The resources of a component's imports, and their types in the linker.
#[derive(Default)]
struct Resources {
    known: Vec<(ResourceType, ResourceType)>,
    /// The number of resource types that were created.
    made: u32,
}

impl Resources {
    /// Notes which of WASI's resources those of an interface are, if other interfaces use them.
    fn learn<'e>(&mut self, interface: &str, exports: impl Iterator<Item = (&'e str, ComponentItem)>) {
        let interface = interface.split('@').next().unwrap_or(interface);
        let wasi = HashMap::from([
            (("wasi:io/error", "error"), ResourceType::host::<p2::bindings::io::error::Error>()),
            (("wasi:io/poll", "pollable"), ResourceType::host::<p2::DynPollable>()),
            (("wasi:io/streams", "input-stream"), ResourceType::host::<p2::DynInputStream>()),
            (("wasi:io/streams", "output-stream"), ResourceType::host::<p2::DynOutputStream>()),
        ]);
        for (name, export) in exports {
            if let (ComponentItem::Resource(ty), Some(real)) = (export, wasi.get(&(interface, name))) {
                self.known.push((ty, *real));
            }
        }
    }

    /// The type of a resource in the linker, which is the same wherever it is imported.
    fn in_linker(&mut self, ty: ResourceType) -> ResourceType {
        if let Some((_, real)) = self.known.iter().find(|(known, _)| *known == ty) {
            return *real;
        }
        let real = ResourceType::host_dynamic(self.made);
        self.made += 1;
        self.known.push((ty, real));
        real
    }
}

fn stand_in(
    linker: &mut LinkerInstance<'_, Host>,
    name: &str,
    item: &ComponentItem,
    parent: &str,
    engine: &Engine,
    (resources, imports): (&mut Resources, &Imports),
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(ty) => {
            let full = if parent.is_empty() { name.to_owned() } else { format!("{parent}#{name}") };
            if ty.async_() {
                return linker.func_new_concurrent(name, move |_, _, _, _| {
                    let full = full.clone();
                    Box::pin(async move { bail!("unknown import: `{full}` has not been defined") })
                });
            }
            let function = imports.unknown(parent, name);
            linker.func_new(name, move |mut store, _, _, _| {
                let error = wasmtime::format_err!("unknown import: `{full}` has not been defined");
                function.fails(store.data_mut(), error)
            })
        }
        ComponentItem::ComponentInstance(instance) => {
            let mut inside = linker.instance(name)?;
            instance.exports(engine).try_for_each(|(export, item)| {
                stand_in(&mut inside, export, &item.ty, name, engine, (&mut *resources, imports))
            })
        }
        ComponentItem::Resource(ty) => linker.resource(name, resources.in_linker(*ty), |_, _| Ok(())),
        _ => Ok(()),
    }
}
