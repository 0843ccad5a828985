//! Sends any bytes from an editor while a small dump is open: every valid message is answered with JSON.
#![no_main]
#![allow(dead_code, missing_docs)]

use std::io::BufReader;
use std::sync::LazyLock;

use argh::FromArgs;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

#[path = "../../coredump-serve/src/args.rs"]
mod args;
#[path = "../../coredump-serve/src/dap/mod.rs"]
mod dap;
#[path = "../../coredump-serve/src/words.rs"]
mod words;

/// The requests that open the dump.
static OPENING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
    let arguments = json!({
        "coreFile": format!("{fixtures}/dumps/sum-O0.wasmtime.coredump"),
        "program": format!("{fixtures}/modules/sum-O0.wasm"),
    });
    let stack = json!({"threadId": 1});
    let requests = [("attach", arguments), ("stackTrace", stack), ("scopes", json!({"frameId": 1}))];
    requests.iter().flat_map(|(command, arguments)| message(command, arguments)).collect()
});

fn message(command: &str, arguments: &serde_json::Value) -> Vec<u8> {
    let request = json!({"seq": 1, "type": "request", "command": command, "arguments": arguments}).to_string();
    format!("Content-Length: {}\r\n\r\n{request}", request.len()).into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let args = args::Args::from_args(&["coredump-serve"], &["--dap", "--untrusted"]).expect("these are right");
    // Whole streams, or one request after another: a line each, its command first.
    let input = match bytes.strip_prefix(b"\0") {
        Some(stream) => [&OPENING, stream].concat(),
        None => {
            let lines = bytes.split(|&byte| byte == b'\n').take(64).filter_map(|line| {
                let (command, arguments) = std::str::from_utf8(line).ok()?.split_once(' ')?;
                // Requests that open files of the machine are not tried with made-up names.
                let opens = matches!(command, "launch" | "attach");
                (!opens).then(|| message(command, &serde_json::from_str(arguments).unwrap_or_default()))
            });
            [OPENING.clone(), lines.flatten().collect()].concat()
        }
    };
    let mut output = Vec::new();
    let _ = dap::Session::new(&args).serve(BufReader::new(&input[..]), &mut output);
    let mut rest = &output[..];
    while let Some(at) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&rest[..at]).expect("a header is text");
        let length: usize = head.strip_prefix("Content-Length: ").and_then(|text| text.parse().ok()).expect("a length");
        let body = &rest[at + 4..at + 4 + length];
        serde_json::from_slice::<serde_json::Value>(body).expect("each message is JSON");
        rest = &rest[at + 4 + length..];
    }
    assert!(rest.is_empty());
});
