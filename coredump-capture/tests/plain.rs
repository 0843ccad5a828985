//! Plain stores: uninstrumented, synchronous, captured after the call; and the bounds of a capture.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coredump_capture::{Binary, Budget, Cause, DumpPlace, Dumped, Output, Plain, Recorder, Settings};
use coredump_core::{Draft, Dump, Options, Store as Binaries};
use tempfile::TempDir;
use wasmtime::{AsContextMut, Config, Engine, Linker, Module, Store};

/// Its second page is never touched.
const PLUGIN: &str = r#"(module
    (import "host" "fail" (func $fail))
    (memory (export "memory") 3)
    (global (export "jobs") (mut i32) (i32.const 0))
    (data (i32.const 70000) "untouched")
    (func $share (param $total i32) (param $workers i32) (result i32)
        (i32.div_u (local.get $total) (local.get $workers)))
    (func (export "work") (param $workers i32) (result i32)
        (global.set 0 (i32.const 7))
        (i32.store (i32.const 64) (i32.const 1234))
        (call $share (i32.const 600) (local.get $workers)))
    (func (export "ask") (call $fail)))"#;

/// A host of the plugin.
struct Host {
    engine: Engine,
    module: Module,
    binary: Arc<Binary>,
    folder: TempDir,
    budget: Arc<Budget>,
}

impl Host {
    fn new(change: impl FnOnce(&mut Config)) -> Host {
        let mut config = Config::new();
        let _: Plain = Plain::configure(&mut config, 1 << 20);
        change(&mut config);
        let engine = Engine::new(&config).unwrap();
        let bytes = wat::parse_str(PLUGIN).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let binary = Arc::new(Binary::from_bytes("plugin.wasm", bytes));
        let (folder, budget) = (tempfile::tempdir().unwrap(), Arc::new(Budget::new(10, 1)));
        Host { engine, module, binary, folder, budget }
    }

    /// Calls an export that fails, and has the crash recorded.
    fn crash(&self, change: impl FnOnce(&mut Settings), export: &str) -> Option<Dumped> {
        let output = Output::new(self.folder.path().join("%e.coredump"), "plugin.wasm", None);
        let mut settings = Settings::new("host 1.0.0", Arc::new(output));
        settings.budget = Some(self.budget.clone());
        change(&mut settings);
        let recorder = Recorder::new(self.binary.clone(), settings);
        let mut store = Store::new(&self.engine, ());
        let mut linker = Linker::new(&self.engine);
        linker
            .func_wrap("host", "fail", || -> wasmtime::Result<()> { Err(wasmtime::Error::msg("no such account")) })
            .unwrap();
        let instance = linker.instantiate(&mut store, &self.module).unwrap();
        let error = match export {
            "ask" => instance.get_typed_func::<(), ()>(&mut store, "ask").unwrap().call(&mut store, ()).unwrap_err(),
            _ => instance.get_typed_func::<i32, i32>(&mut store, export).unwrap().call(&mut store, 0).unwrap_err(),
        };
        recorder.after(&error, &mut store.as_context_mut());
        recorder.take_dumped()
    }
}

#[track_caller]
fn path(dumped: Option<Dumped>) -> PathBuf {
    match dumped.unwrap().place.unwrap() {
        DumpPlace::File(path) => path,
        place => panic!("{place:?}"),
    }
}

fn open(path: PathBuf) -> Dump {
    Draft::open(&path).unwrap().find_binaries(&Binaries::new(), &Options::default())
}

#[test]
fn a_trap_is_captured_after_the_call() {
    let host = Host::new(|_| {});
    let dump = open(path(host.crash(|_| {}, "work")));
    assert_eq!(dump.reason().unwrap().kind, "integer-divide-by-zero");
    let frames = &dump.recorded().threads[0].frames;
    assert_eq!(frames.iter().map(|frame| frame.function).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert!(
        frames.iter().all(|frame| frame.locals.is_none() && frame.stack.is_none()),
        "not known, which is not empty"
    );
    assert_eq!(dump.memory(0).unwrap().uint(64, 4).unwrap(), 1234);
    assert_eq!(dump.recorded().globals[0].value, coredump_core::model::Value::I32(7));
    assert_eq!(dump.recorded().producer.as_deref(), Some("host 1.0.0"));
}

#[test]
fn an_error_of_the_hosts_own_is_captured_and_can_be_named() {
    let host = Host::new(|_| {});
    let dump = open(path(host.crash(|_| {}, "ask")));
    assert_eq!(dump.reason().unwrap().kind, "host-error");
    assert_eq!(dump.reason().unwrap().message.as_deref(), Some("no such account"));
    let named = |settings: &mut Settings| {
        settings.budget = None;
        settings.classify = Box::new(|_| Some(Cause::new("host-call", "the bank said no")));
        settings.complete = Some(Box::new(|dump| dump.reason.as_mut().unwrap().guest_stderr = Some("bye".to_owned())));
    };
    let dump = open(path(host.crash(named, "ask")));
    assert_eq!(dump.reason().unwrap().kind, "host-call");
    assert_eq!(dump.reason().unwrap().guest_stderr.as_deref(), Some("bye"));
    // An error that is classified as no crash leaves no dump.
    assert!(host.crash(|settings| settings.classify = Box::new(|_| None), "ask").is_none());
}

#[test]
fn images_of_memories_are_captured_whole() {
    // Pages of a copy-on-write image hold data before the guest touches them.
    for images in [true, false] {
        let host = Host::new(|config| {
            config.memory_init_cow(images);
        });
        let dump = open(path(host.crash(|_| {}, "work")));
        let bytes = dump.memory(0).unwrap().bytes(70000, 9).unwrap().into_owned();
        assert_eq!(bytes, b"untouched", "images: {images}");
    }
}

#[test]
fn a_place_has_one_dump_a_minute_and_the_rest_say_why() {
    let host = Host::new(|_| {});
    assert!(host.crash(|_| {}, "work").unwrap().place.is_ok());
    let second = host.crash(|_| {}, "work").unwrap();
    assert!(second.capture.is_none(), "nothing of it was looked at");
    assert_eq!(second.reason.kind, "integer-divide-by-zero");
    let why = second.place.unwrap_err();
    assert_eq!(why.message, "a dump was written of this place in this minute already");
    assert!(host.crash(|_| {}, "ask").unwrap().place.is_ok(), "another place has room");
    assert_eq!(std::fs::read_dir(host.folder.path()).unwrap().count(), 2);
}

#[test]
fn without_time_a_dump_has_all_but_memory() {
    let host = Host::new(|_| {});
    let dump = open(path(host.crash(|settings| settings.time = Some(Duration::ZERO), "work")));
    assert_eq!(dump.recorded().threads[0].frames.len(), 2);
    assert!(dump.memory(0).unwrap().uint(64, 4).is_err(), "unknown, not zero");
    let missing = dump.recorded().memories[0].missing.as_deref();
    assert_eq!(missing, Some("there was no time for it"));
}
