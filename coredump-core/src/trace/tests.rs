//! Tests with traces of each format, within other text.

use std::io::Read;

use super::*;

fn traces(text: &str) -> Vec<Trace> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut traces = Vec::new();
    while let Some(block) = scanner.next_block().unwrap() {
        traces.extend(block.traces);
    }
    traces
}

fn only(text: &str) -> Trace {
    let mut traces = traces(text);
    assert_eq!(traces.len(), 1, "{traces:#?}");
    traces.remove(0)
}

/// A frame in short: number, module, function, index, offset.
fn short(frame: &Printed) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or("-".into());
    let index = frame.index.map_or("-".to_owned(), |index| index.to_string());
    let offset = frame.offset.map_or("-".to_owned(), |offset| format!("{offset:#x}"));
    format!("{} {} {index} {offset}", part(&frame.module), part(&frame.function))
}

fn frames(trace: &Trace) -> Vec<String> {
    trace.frames.iter().map(short).collect()
}

#[test]
fn each_engines_frames_are_told_apart() {
    let lines = [
        ("    0:   0x3b62 - crash.wasm!divide", Engine::Wasmtime, "crash.wasm divide - 0x3b62"),
        ("    0:   0x3b62 - <unknown>!<wasm function 51>", Engine::Wasmtime, "- - 51 0x3b62"),
        (
            "    9: 0xbed6 - t.wasm!<&dyn Fn<(), Output = i32> as FnOnce<()>>::call_once::<f, !>",
            Engine::Wasmtime,
            "t.wasm <&dyn Fn<(), Output = i32> as FnOnce<()>>::call_once::<f, !> - 0xbed6",
        ),
        (
            "    at crash.wasm.divide (wasm://wasm/crash.wasm-003aa54a:wasm-function[51]:0x3b62)",
            Engine::V8,
            "crash.wasm divide 51 0x3b62",
        ),
        ("    at wasm://wasm/00015cd2:wasm-function[51]:0x3b62", Engine::V8, "- - 51 0x3b62"),
        (
            "    at divide (wasm://wasm/crash.wasm-003aa54a:wasm-function[0]:0x3b62)",
            Engine::V8,
            "crash.wasm divide - 0x3b62",
        ),
        (
            "    at crash.wasm.divide (http://127.0.0.1:8931/crash.wasm:wasm-function[51]:0x3b62)",
            Engine::V8,
            "http://127.0.0.1:8931/crash.wasm divide 51 0x3b62",
        ),
        ("    at wasm-function[33]:0x3369", Engine::V8, "- - 33 0x3369"),
        ("    at 3e2f.module.wasm:0x2d451", Engine::V8, "3e2f.module.wasm - - 0x2d451"),
        ("    at foo (wasm-function[33]:17)", Engine::OldV8, "- foo 33 0x11"),
        (
            "crash.wasm.divide@http://127.0.0.1:8932/crash.wasm:wasm-function[51]:0x3b62",
            Engine::SpiderMonkey,
            "http://127.0.0.1:8932/crash.wasm divide 51 0x3b62",
        ),
        ("@http://h/s.wasm:wasm-function[51]:0x3b62", Engine::SpiderMonkey, "http://h/s.wasm - 51 0x3b62"),
        (
            "    at crash.wasm.divide (http://127.0.0.1:8932/crash.wasm:15202:1)",
            Engine::SpiderMonkey,
            "http://127.0.0.1:8932/crash.wasm divide - 0x3b62",
        ),
        (
            "    at divide (http://127.0.0.1:8932/crash.wasm:1:15203)",
            Engine::V8,
            "http://127.0.0.1:8932/crash.wasm divide - 0x3b62",
        ),
        (
            "    at $divide (http://127.0.0.1:8932/crash.wasm:1:15203)",
            Engine::V8,
            "http://127.0.0.1:8932/crash.wasm divide - 0x3b62",
        ),
        (
            "    at $func51 (http://127.0.0.1:8932/crash.wasm:1:15203)",
            Engine::V8,
            "http://127.0.0.1:8932/crash.wasm - - 0x3b62",
        ),
        ("    at $leaf (wasm://wasm/app-50f98cf2:1:55)", Engine::V8, "app leaf - 0x36"),
        ("    at $func3 (wasm://wasm/50f98cf2:1:55)", Engine::V8, "- - - 0x36"),
        ("    at divide (wasm://wasm/app-50f98cf2:1:78)", Engine::V8, "app divide - 0x4d"),
        ("<?>.wasm-function[divide]@[wasm code]", Engine::JavaScriptCore, "- divide - -"),
        ("<?>.wasm-function[1693]@[wasm code]", Engine::JavaScriptCore, "- - 1693 -"),
        ("run@<?>:wasm-function[1]", Engine::JavaScriptCore, "- run 1 -"),
        ("12@<?>:wasm-function[12]", Engine::JavaScriptCore, "- - 12 -"),
        ("    at divide (crash.wasm[51]:0x3b62)", Engine::Wasmer, "crash.wasm divide 51 0x3b62"),
        ("           at <unnamed> (<module>[51]:0x3b62)", Engine::Wasmer, "- - 51 0x3b62"),
        ("  0: 0x003b62 - .unnamed!divide", Engine::Wasm3, "- divide - 0x3b62"),
        ("  0: 0x003b62 - .unnamed!$func51", Engine::Wasm3, "- - 51 0x3b62"),
        ("#00: 0x0a04 - $f18", Engine::Wamr, "- - 18 0xa04"),
        ("#00: 0x0a04 - _start", Engine::Wamr, "- _start - 0xa04"),
        ("#00 $f18", Engine::Wamr, "- - 18 -"),
        ("I/wasm_runtime::: #00 __cxa_throw ", Engine::Wamr, "- __cxa_throw - -"),
        (
            "[2022-07-27 19:24:05.981] [error]     In instruction: unreachable (0x00) , Bytecode offset: 0x00059719",
            Engine::WasmEdge,
            "- - - 0x59719",
        ),
        ("  0:  0xdbd - runtime._panic", Engine::ProxyWasm, "- runtime._panic - 0xdbd"),
        ("  1:  0xd1 - unknown(function index:1)", Engine::ProxyWasm, "- - 1 0xd1"),
        ("    #1 0xb67 in middle+0xb67 (/app/crash.wasm+0xb67)", Engine::Sanitizer, "/app/crash.wasm middle - 0xb67"),
        ("    #0 0x2f in f(int) (https://h/a.wasm+0x2f)", Engine::Sanitizer, "https://h/a.wasm f(int) - 0x2f"),
    ];
    for (line, engine, expected) in lines {
        let trace = only(line);
        assert_eq!((trace.engine, frames(&trace)), (engine, vec![expected.to_owned()]), "{line}");
    }
}

#[test]
fn lists_below_a_headline_are_traces() {
    let wazero = only(
        "Error: wasm error: unreachable\nwasm stack trace:\n\t.$1049(i32,i32)\n\tapp.wasm._ZN3foo3barE(i32) i32\n\t\t0x37: /b.zig:8:1\n\t.main() (i32,i64)\ndone (now)\n",
    );
    assert_eq!(wazero.engine, Engine::Wazero);
    assert_eq!(frames(&wazero), ["- - 1049 -", "app.wasm _ZN3foo3barE - 0x37", "- main - -"]);
    assert_eq!(wazero.message.as_deref(), Some("Error: wasm error: unreachable"));
    let canister = only(
        "Canister trapped: unreachable\nCanister Backtrace:\n_canister::inner_2\nunknown function at index 672\n_canister::method::{{closure}}\n.\nother\n",
    );
    assert_eq!(canister.engine, Engine::InternetComputer);
    assert_eq!(frames(&canister), ["- _canister::inner_2 - -", "- - 672 -", "- _canister::method::{{closure}} - -"]);
    let envoy = only(
        "2022-05-19T07:12:57Z error envoy wasm Function: f failed: Uncaught RuntimeError: unreachable\nProxy-Wasm plugin in-VM backtrace:\n  0:  0xdbd - runtime._panic\n  1:  0x103ab - main.other\tthread=39\n",
    );
    assert_eq!((envoy.engine, envoy.frames.len()), (Engine::ProxyWasm, 2));
    assert_eq!(envoy.message.as_deref(), Some("Uncaught RuntimeError: unreachable"));
}

#[test]
fn a_list_is_known_behind_what_a_log_puts_in_front() {
    let front = "2026-11-28T12:00:00.5Z web | ";
    let lines = ["wasm error: unreachable", "wasm stack trace:", "\t.f(i32) i32", "\t\t0x5ef: src/f.c:25:29 (inlined)"];
    let more = ["\t\t       src/f.c:33:12", "\t.ns::g(int, char*)(i32,i32)", "\t\t0x58e: src/f.c:40:1", "done (now)"];
    let text: String = lines.iter().chain(&more).map(|line| format!("{front}{line}\n")).collect();
    let trace = only(&text);
    assert_eq!(frames(&trace), ["- f - 0x5ef", "- ns::g(int, char*) - 0x58e"]);
}

#[test]
fn what_only_looks_like_a_frame_is_none() {
    let lines = [
        "   0: 0x55d0c8e4b3a0 - std::backtrace::Backtrace::create",
        "12:00:07: 0x10 - connection closed",
        "#00 pc 0001a2b4  /system/lib/libc.so (abort+63)",
        "at Object.<anonymous> (/app/index.js:12:34)",
        "GET /app.wasm: 0x10 - ok",
        "    1: 0x 12 - f",
        "fn@http://host/app.js:12:34",
        "read at /srv/app.wasm:12",
        "    #1 0x55d0c8e4b3a0 in main /src/main.c:12:3",
        "    #2 0x7f1201 in start (/lib/libc.so.6+0x29d8f)",
        "    #3 0x80001022 in callMain /app/app.js:4275:13",
    ];
    for line in lines {
        assert_eq!(traces(line), [], "{line}");
    }
}

#[test]
fn the_number_in_v8s_name_of_a_module_is_its_size() {
    let size = |name: &str| only(&format!("at wasm://wasm/{name}:wasm-function[1]:0x10")).frames[0].size;
    assert_eq!(size("0008b90e"), Some(142915), "of the fixture sum-O0");
    assert_eq!(size("trap.wasm-00132082"), Some(313376));
    assert_eq!(size("0004a1b3"), None, "a hash");
    assert_eq!(size("0000fff6"), None, "of a small file it is a hash, whatever its last bits are");
}

#[test]
fn traces_that_are_printed_at_the_same_time_are_told_apart() {
    let by_program = "a | 0: 0x1 - x!f\nb | 0: 0x2 - x!g\nb | 1: 0x3 - x!h\na | 1: 0x4 - x!i\n";
    let offsets = |trace: &Trace| trace.frames.iter().map(|frame| frame.offset.unwrap()).collect::<Vec<_>>();
    let found = traces(by_program);
    assert_eq!(found.iter().map(offsets).collect::<Vec<_>>(), [[1, 4], [2, 3]]);
    assert!(found.iter().all(|trace| !trace.tangled));
    let by_number = "0: 0x1 - x!f\n0: 0x2 - x!g\n1: 0x4 - x!i\n2: 0x5 - x!j\n1: 0x3 - x!h\n";
    let found = traces(by_number);
    assert_eq!(found.iter().map(offsets).collect::<Vec<_>>(), [vec![1, 4, 5], vec![2, 3]]);
    assert!(found.iter().all(|trace| trace.tangled));
}

#[test]
fn the_place_of_a_frame_is_where_more_can_be_put_in() {
    let text = "{\"t\":1,\"msg\":\"RuntimeError: unreachable\\n    at f (wasm://wasm/x-0:wasm-function[1]:0x10)\\n    at g (wasm://wasm/x-0:wasm-function[2]:0x20)\"}\nplain\n";
    let mut scanner = Scanner::new(text.as_bytes());
    let block = scanner.next_block().unwrap().unwrap();
    let rest: Vec<_> = block.marks.iter().map(|mark| str::from_utf8(&block.text[mark.at..][..3]).unwrap()).collect();
    assert_eq!(rest, ["\\n ", "\"}\n"]);
    assert_eq!(block.traces[0].message.as_deref(), Some("RuntimeError: unreachable"));
    assert_eq!(block.marks[0].front, "    ");
}

#[test]
fn hostile_text_is_bounded() {
    let mut scanner = Scanner::new(std::io::repeat(b'x').take(4 << 20));
    let (mut most, mut total) = (0, 0);
    while let Some(block) = scanner.next_block().unwrap() {
        (most, total) = (most.max(block.text.len()), total + block.text.len());
    }
    assert_eq!(total, 4 << 20);
    assert!(most <= 2 << 20, "{most}");
    let frames = (0..100_000).map(|number| format!("{number}: 0x20 - a!c\n")).collect::<String>();
    let trace = only(&frames);
    assert_eq!((trace.frames.len(), trace.truncated), (group::MAX_FRAMES, true));
}
