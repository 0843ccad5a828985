//! Random programs with random answers of the host: what a replay shows is what an instrumented run shows.

use std::path::Path;

use arbitrary::Unstructured;
use coredump_tests::{Tool, scratch};
use serde_json::{Value, json};
use wasm_smith::{Config, Module};

use super::read;

/// The functions that the programs may import: their answers are the same in two runs with the same input.
const IMPORTS: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_tell" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))))"#;

/// The exports of the programs. Programs ask for standard input through lists of buffers in their own memory.
const EXPORTS: &str = r#"(module (memory (export "memory") 1 4) (func (export "_start")))"#;

/// Programs that are tried.
const PROGRAMS: u64 = 40;

/// Bytes that are as good as random, always the same for one seed (xorshift64).
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn program(seed: u64) -> Vec<u8> {
    let parsed = |text| Some(wat::parse_str(text).unwrap());
    let config = Config {
        available_imports: parsed(IMPORTS),
        exports: parsed(EXPORTS),
        min_imports: 8,
        min_funcs: 4,
        // A program that cannot trap goes on until its fuel is used up, and calls the host more often.
        disallow_traps: seed.is_multiple_of(2),
        max_memories: 2,
        max_memory32_bytes: 4 << 16,
        // The standard does not say which of two NaNs a processor takes.
        canonicalize_nans: true,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let bytes = noise(seed, 20_000);
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).expect("any bytes will do");
    module.ensure_termination(2000).expect("nothing is exported that is in the way");
    module.to_bytes()
}

/// A program that asks the host again and again, with random arguments, mixes what it is told, and dies. The programs
/// of wasm-smith seldom come to a call before they die.
fn asking(seed: u64) -> Vec<u8> {
    let noise = noise(seed, 500);
    let mut bytes = noise.iter();
    let mut next = |below: u32| u32::from(*bytes.next().expect("there is noise enough")) % below;
    let mut body = String::new();
    for step in 0..40 {
        let at = 1024 + next(64) * 64;
        let call = match next(9) {
            0 => format!("(call $args_sizes_get (i32.const {at}) (i32.const {}))", at + 4),
            1 => format!("(call $args_get (i32.const {at}) (i32.const {}))", at + 32),
            2 => format!("(call $environ_sizes_get (i32.const {at}) (i32.const {}))", at + 4),
            3 => format!("(call $environ_get (i32.const {at}) (i32.const {}))", at + 32),
            4 => format!("(call $fd_fdstat_get (i32.const {}) (i32.const {at}))", next(5)),
            5 => format!(
                "(call $fd_seek (i32.const {}) (i64.const {}) (i32.const 1) (i32.const {at}))",
                next(5),
                next(9)
            ),
            6 => "(call $sched_yield)".to_owned(),
            7 => format!("(memory.grow (i32.const {}))", next(2)),
            // Two buffers, of which one may be empty.
            _ => {
                let (first, second) = (next(8), next(8));
                format!(
                    "(i32.store (i32.const 16) (i32.const {at})) (i32.store (i32.const 20) (i32.const {first}))
                     (i32.store (i32.const 24) (i32.const {})) (i32.store (i32.const 28) (i32.const {second}))
                     (call $fd_read (i32.const 0) (i32.const 16) (i32.const 2) (i32.const {}))",
                    at + 8,
                    at + 16
                )
            }
        };
        let result = 8192 + 4 * step;
        body += &format!(
            "(local.set $told (block (result i32) {call})) (i32.store (i32.const {result}) (local.get $told))\n"
        );
        body += &format!(
            "(global.set $mix (i32.add (i32.mul (global.get $mix) (i32.const 31)) (i32.load (i32.const {at}))))\n"
        );
    }
    let ends = [
        "unreachable",
        "(drop (i32.div_u (global.get $mix) (i32.const 0)))",
        "(drop (i32.load (i32.const -4)))",
        "(drop (i32.trunc_f32_s (f32.const nan)))",
    ];
    let functions = IMPORTS.replace("(func (", "(func $NAME (");
    let named = |line: &str| match line.split('"').nth(3) {
        Some(name) => line.replace("$NAME", &format!("${name}")),
        None => line.to_owned(),
    };
    let imports: Vec<_> = functions.trim_end_matches(')').lines().map(named).collect();
    // The last import lost its own parentheses with the module's.
    let text = format!(
        "{})))
            (memory (export \"memory\") 1 4) (global $mix (mut i32) (i32.const 7))
            (func (export \"_start\") (local $told i32) {body} {}))",
        imports.join("\n"),
        ends[(seed % 4) as usize]
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The dump of a run, if it died.
fn dump(folder: &Path, seed: u64, options: &[&str]) -> Option<Value> {
    let dump = folder.join(format!("{}.coredump", options.len()));
    let input = noise(seed + 1000, 100);
    let letters: String = noise(seed + 2000, 20).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let tool = Tool::new("coredump-run").args(options).args(["-o", dump.to_str().unwrap(), "--env"]);
    let tool = tool.arg(format!("LETTERS={letters}")).arg("app.wasm").arg(&letters);
    let outcome = tool.in_folder(folder).stdin(input).run();
    assert!(!outcome.stderr.contains("warning"), "{seed}: {}", outcome.stderr);
    dump.exists().then(|| read(&dump))
}

#[test]
fn what_a_replay_of_a_random_program_shows_is_what_a_live_run_shows() {
    let (mut compared, mut called) = (0, 0);
    for seed in 0..PROGRAMS {
        let folder = scratch();
        let program = if seed < PROGRAMS / 2 { program(seed) } else { asking(seed) };
        std::fs::write(folder.path().join("app.wasm"), program).unwrap();
        let live = dump(folder.path(), seed, &["--live"]);
        let replayed = dump(folder.path(), seed, &[]);
        let (Some(live), Some(replayed)) = (&live, &replayed) else {
            assert_eq!(live, replayed, "program {seed}: one of two runs left a dump");
            continue;
        };
        for key in ["threads", "memories", "globals", "tables", "instances", "reason"] {
            assert_eq!(replayed[key], live[key], "program {seed}: {key}");
        }
        assert_eq!(replayed["process"]["detail"], "replayed", "program {seed}");
        assert_eq!(replayed["process"]["replay"]["verified"], json!(true), "program {seed}");
        compared += 1;
        called += u64::from(replayed["process"]["replay"]["host_calls"].as_u64() > Some(20));
    }
    assert!(
        compared >= PROGRAMS / 2 && called >= PROGRAMS / 2,
        "{compared} programs died, {called} of them after many calls"
    );
}
