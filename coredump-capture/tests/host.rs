//! Hosts as people write them: many stores at once, a pooling allocator, limits by epochs and fuel, calls that are
//! given up, components, and several programs in one store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coredump_capture::{Binary, Budget, Cause, DumpPlace, Full, Output, Plain, Recorder, Settings};
use coredump_core::model::Value;
use coredump_core::{Draft, Dump, Options, Store as Binaries};
use tempfile::TempDir;
use wasmtime::component::{self, Component};
use wasmtime::{
    AsContextMut, Caller, Config, Engine, Extern, Linker, Module, PoolingAllocationConfig, Store, UpdateDeadline,
};

/// The data that this host keeps for a plugin.
struct Tenant {
    name: &'static str,
}

/// A plugin that asks its host for a number, notes it, and divides by it; or does not end.
const PLUGIN: &str = r#"(module $plugin
    (import "host" "ask" (func $ask (result i32)))
    (memory (export "memory") 1)
    (global $asked (export "asked") (mut i32) (i32.const 0))
    (func $divide (param $by i32) (result i32) (i32.div_u (i32.const 600) (local.get $by)))
    (func (export "work") (param $job i32) (result i32)
        (i32.store (i32.const 64) (local.get $job))
        (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
        (call $divide (call $ask)))
    (func $spin (export "spin") (loop $again (br $again))))"#;

/// Everything that the stores share.
struct Host {
    engine: Engine,
    module: Module,
    binary: Arc<Binary>,
    full: Option<Full>,
    folder: TempDir,
    output: Arc<Output>,
    budget: Arc<Budget>,
}

impl Host {
    /// A host whose dumps are of full detail or plain. `change` sets what else its engine is to be.
    fn new(full: bool, change: impl FnOnce(&mut Config)) -> Host {
        let mut config = Config::new();
        let full = if full {
            Some(Full::configure(&mut config, 1 << 20))
        } else {
            let _: Plain = Plain::configure(&mut config, 1 << 20);
            None
        };
        change(&mut config);
        let engine = Engine::new(&config).unwrap();
        let bytes = wat::parse_str(PLUGIN).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let output = Arc::new(Output::new(folder.path().join("%e.%p.coredump"), "plugin.wasm", Some(100)));
        let binary = Arc::new(Binary::from_bytes("plugin.wasm", bytes));
        Host { engine, module, binary, full, folder, output, budget: Arc::new(Budget::new(100, 100)) }
    }

    fn recorder(&self, binary: &Arc<Binary>, tenant: &str) -> Arc<Recorder> {
        let mut settings = Settings::new("host 1.0.0", self.output.clone());
        settings.process.annotations.insert("tenant".to_owned(), tenant.to_owned());
        settings.budget = Some(self.budget.clone());
        Arc::new(Recorder::new(binary.clone(), settings))
    }

    fn store(&self, name: &'static str, recorder: &Arc<Recorder>) -> Store<Tenant> {
        let mut store = Store::new(&self.engine, Tenant { name });
        if let Some(full) = self.full {
            full.watch(&mut store, recorder.clone());
        }
        store
    }

    /// A linker with the host's functions. They answer nothing soon to the slow plugin, and nothing good to the others.
    fn linker(&self) -> Linker<Tenant> {
        let mut linker = Linker::new(&self.engine);
        let ask = linker.func_wrap_async("host", "ask", |caller: Caller<'_, Tenant>, (): ()| {
            let slow = caller.data().name == "slow";
            Box::new(async move {
                if slow {
                    std::future::pending::<()>().await;
                }
                tokio::task::yield_now().await;
                0
            })
        });
        ask.unwrap();
        linker
    }
}

fn path(recorder: &Recorder) -> PathBuf {
    match recorder.take_dumped().expect("a dump was tried").place.unwrap() {
        DumpPlace::File(path) => path,
        place => panic!("{place:?}"),
    }
}

fn open(path: &Path) -> Dump {
    Draft::open(path).unwrap().find_binaries(&Binaries::new(), &Options::default())
}

fn kind(dump: &Dump) -> String {
    dump.reason().unwrap().kind.clone()
}

fn functions(dump: &Dump) -> Vec<String> {
    let frames = dump.threads().flat_map(|thread| thread.frames());
    frames.map(|frame| frame.function().unwrap_or("?").to_owned()).collect()
}

/// Memories and stacks that are used again and again, room for so many.
fn pooled(config: &mut Config, count: u32) {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(count)
        .total_memories(count)
        .total_tables(count)
        .total_stacks(count)
        .total_gc_heaps(count);
    config.allocation_strategy(pool);
}

#[tokio::test]
async fn many_stores_at_once_leave_each_its_own_dump() {
    for full in [false, true] {
        let host = Arc::new(Host::new(full, |config| pooled(config, 40)));
        let work = (0..16).map(|job| {
            let host = host.clone();
            tokio::spawn(async move {
                let recorder = host.recorder(&host.binary, &job.to_string());
                let mut store = host.store("quick", &recorder);
                let instance = host.linker().instantiate_async(&mut store, &host.module).await.unwrap();
                let work = instance.get_typed_func::<i32, i32>(&mut store, "work").unwrap();
                let error = work.call_async(&mut store, job).await.unwrap_err();
                recorder.after(&error, &mut store.as_context_mut());
                path(&recorder)
            })
        });
        for (job, work) in work.collect::<Vec<_>>().into_iter().enumerate() {
            let dump = open(&work.await.unwrap());
            assert_eq!(kind(&dump), "integer-divide-by-zero");
            assert_eq!(functions(&dump), ["divide", "work"], "{full}");
            assert_eq!(dump.memory(0).unwrap().uint(64, 4).unwrap(), job as u64, "{full}");
            assert_eq!(dump.recorded().process.annotations["tenant"], job.to_string());
            let locals = &dump.recorded().threads[0].frames[0].locals;
            assert_eq!(locals.as_deref(), full.then_some(&[Value::I32(0)][..]));
        }
        assert_eq!(std::fs::read_dir(host.folder.path()).unwrap().count(), 16);
    }
}

#[tokio::test]
async fn a_guest_that_does_not_end_is_dumped_where_it_is() {
    // The reason in the dump, and how the host limits the guest's time.
    type Limit = (&'static str, fn(&mut Store<Tenant>));
    let limits: [Limit; 3] = [
        ("interrupt", |store| store.set_epoch_deadline(1)),
        ("host-error", |store| {
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|_| -> wasmtime::Result<UpdateDeadline> {
                Err(wasmtime::Error::msg("the tenant's minute is over"))
            });
        }),
        ("out-of-fuel", |store| {
            store.set_epoch_deadline(1 << 40);
            store.set_fuel(10_000).unwrap();
        }),
    ];
    for full in [false, true] {
        let host = Host::new(full, |config| {
            config.epoch_interruption(true).consume_fuel(true);
        });
        for (expected, limit) in limits {
            let recorder = host.recorder(&host.binary, expected);
            let mut store = host.store("busy", &recorder);
            store.set_fuel(u64::MAX).unwrap();
            store.set_epoch_deadline(1 << 40);
            let instance = host.linker().instantiate_async(&mut store, &host.module).await.unwrap();
            let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
            limit(&mut store);
            host.engine.increment_epoch();
            let error = spin.call_async(&mut store, ()).await.unwrap_err();
            recorder.after(&error, &mut store.as_context_mut());
            let dump = open(&path(&recorder));
            assert_eq!((kind(&dump).as_str(), functions(&dump)), (expected, vec!["spin".to_owned()]), "{full}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_guests_state() {
    for full in [false, true] {
        let host = Host::new(full, |config| {
            config.consume_fuel(true);
        });
        let recorder = host.recorder(&host.binary, "slow");
        let mut store = host.store("slow", &recorder);
        // The rest of the fuel does not matter then.
        store.set_fuel(10_000).unwrap();
        let instance = host.linker().instantiate_async(&mut store, &host.module).await.unwrap();
        let work = instance.get_typed_func::<i32, i32>(&mut store, "work").unwrap();
        let call = tokio::time::timeout(Duration::from_millis(20), work.call_async(&mut store, 41));
        call.await.expect_err("its host does not answer");
        store.set_fuel(0).unwrap();
        let cause = Cause::new("timeout", "it took longer than 20 ms");
        recorder.idle(&cause, &mut store.as_context_mut()).await;
        recorder.idle(&cause, &mut store.as_context_mut()).await;
        let dump = open(&path(&recorder));
        assert_eq!((kind(&dump).as_str(), functions(&dump)), ("timeout", Vec::new()), "{full}");
        assert_eq!(dump.memory(0).unwrap().uint(64, 4).unwrap(), 41);
        assert_eq!(dump.recorded().globals[0].value, Value::I32(1));
        assert_eq!(dump.recorded().instances.len(), 1, "only what is the guest's");
        assert_eq!(dump.recorded().modules.len(), 1);
        assert_eq!(std::fs::read_dir(host.folder.path()).unwrap().count(), 1);
    }
}

/// The host looks at its guest from within a call of its own, and lets it go on.
#[tokio::test]
async fn a_plain_guest_in_a_host_call_has_its_frames() {
    let host = Host::new(false, |_| {});
    let recorder = host.recorder(&host.binary, "asked");
    let mut store = host.store("asked", &recorder);
    let mut linker = Linker::new(&host.engine);
    let own = recorder.clone();
    let ask = linker.func_wrap_async("host", "ask", move |mut caller: Caller<'_, Tenant>, (): ()| {
        let own = own.clone();
        Box::new(async move {
            own.idle(&Cause::new("snapshot", "the host wants to know"), &mut caller.as_context_mut()).await;
            5
        })
    });
    ask.unwrap();
    let instance = linker.instantiate_async(&mut store, &host.module).await.unwrap();
    let work = instance.get_typed_func::<i32, i32>(&mut store, "work").unwrap();
    assert_eq!(work.call_async(&mut store, 3).await.unwrap(), 120);
    let dump = open(&path(&recorder));
    assert_eq!((kind(&dump).as_str(), functions(&dump)), ("snapshot", vec!["work".to_owned()]));
    assert_eq!(dump.memory(0).unwrap().uint(64, 4).unwrap(), 3);
}

const LIBRARY: &str = r#"(module $library
    (memory (export "memory") 1)
    (func $share (export "share") (param $total i32) (param $of i32) (result i32)
        (i32.store (i32.const 8) (local.get $total))
        (i32.div_s (local.get $total) (local.get $of))))"#;

const CALLER: &str = r#"(module $caller
    (import "library" "share" (func $share (param i32 i32) (result i32)))
    (func $outer (export "run") (result i32) (call $share (i32.const 70) (i32.const 0))))"#;

#[tokio::test]
async fn each_of_several_programs_in_a_store_is_named_in_its_dump() {
    for full in [false, true] {
        let host = Host::new(full, |_| {});
        let files = tempfile::tempdir().unwrap();
        let [library, caller] = [("library", LIBRARY), ("caller", CALLER)].map(|(name, text)| {
            let file = files.path().join(name).with_extension("wasm");
            std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
            file
        });
        let binary = Binary::read(&caller).unwrap().beside(Arc::new(Binary::read(&library).unwrap()));
        let recorder = host.recorder(&Arc::new(binary), "linked");
        let mut store = host.store("linked", &recorder);
        let mut linker = Linker::new(&host.engine);
        let module = Module::from_file(&host.engine, &library).unwrap();
        linker.module_async(&mut store, "library", &module).await.unwrap();
        let module = Module::from_file(&host.engine, &caller).unwrap();
        let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        let error = run.call_async(&mut store, ()).await.unwrap_err();
        recorder.after(&error, &mut store.as_context_mut());
        let dump = open(&path(&recorder));
        assert_eq!(functions(&dump), ["share", "outer"], "{full}");
        let recorded = dump.recorded();
        let module = |name: &str| recorded.modules.iter().find(|module| module.name.as_deref() == Some(name)).unwrap();
        for (name, file) in [("library", &library), ("caller", &caller)] {
            assert_eq!(module(name).path.as_deref(), file.to_str(), "{full}");
            assert!(module(name).embedded.is_none(), "its file is there");
        }
        assert_eq!(dump.memory(0).unwrap().uint(8, 4).unwrap(), 70);
    }
}

const COMPONENT: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (func $halve (param $n i32) (result i32)
            (if (i32.eqz (local.get $n)) (then unreachable))
            (i32.div_u (local.get $n) (i32.const 2)))
        (func (export "half") (param i32) (result i32)
            (i32.store (i32.const 16) (i32.const 99)) (call $halve (local.get 0))))
    (core instance $i (instantiate $m))
    (func (export "half") (param "n" u32) (result u32) (canon lift (core func $i "half"))))"#;

#[tokio::test]
async fn components_are_captured_like_modules() {
    for full in [false, true] {
        let host = Host::new(full, |_| {});
        let bytes = wat::parse_str(COMPONENT).unwrap();
        let component = Component::new(&host.engine, &bytes).unwrap();
        let recorder = host.recorder(&Arc::new(Binary::from_bytes("half.wasm", bytes)), "component");
        let mut store = host.store("component", &recorder);
        let linker = component::Linker::new(&host.engine);
        let instance = linker.instantiate_async(&mut store, &component).await.unwrap();
        let half = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "half").unwrap();
        let error = half.call_async(&mut store, (0,)).await.unwrap_err();
        recorder.after(&error, &mut store.as_context_mut());
        let dump = open(&path(&recorder));
        assert_eq!((kind(&dump).as_str(), functions(&dump)[0].as_str()), ("unreachable", "halve"), "{full}");
        assert_eq!(dump.memory(0).unwrap().uint(16, 4).unwrap(), 99);
    }
}

#[tokio::test]
async fn of_a_storm_of_crashes_few_dumps_are_written_and_few_stay() {
    let host = Host::new(false, |_| {});
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("plugin.wasm");
    std::fs::write(&file, wat::parse_str(PLUGIN).unwrap()).unwrap();
    // Every file that the host would name itself: the program's path is not the name that its dumps have.
    let output = Arc::new(Output::new(host.folder.path().join("%e.coredump"), "plugin.wasm", Some(3)));
    let (budget, binary) = (Arc::new(Budget::new(5, 5)), Arc::new(Binary::read(&file).unwrap()));
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for job in 0..200 {
        let mut settings = Settings::new("host 1.0.0", output.clone());
        settings.budget = Some(budget.clone());
        let recorder = Recorder::new(binary.clone(), settings);
        let mut store = Store::new(&host.engine, Tenant { name: "quick" });
        let instance = host.linker().instantiate_async(&mut store, &host.module).await.unwrap();
        let Some(Extern::Func(work)) = instance.get_export(&mut store, "work") else { panic!("no function") };
        let work = work.typed::<i32, i32>(&store).unwrap();
        let error = work.call_async(&mut store, job).await.unwrap_err();
        recorder.after(&error, &mut store.as_context_mut());
        if let Err(error) = recorder.take_dumped().unwrap().place {
            *refused.entry(error.message).or_default() += 1;
        }
    }
    assert_eq!(refused, [("5 dumps were written in this minute already".to_owned(), 195)].into());
    assert_eq!(std::fs::read_dir(host.folder.path()).unwrap().count(), 3, "--keep counts by the dump's own program");
}
