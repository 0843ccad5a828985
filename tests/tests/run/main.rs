//! `coredump-run` as a user meets it: one real program for each way to end, and what its dump must hold. Expected
//! values stand in the programs' sources; dumps are read by `coredump-json` and `coredump-dump`, and validated by
//! wasmparser.

mod abrupt;
mod attacks;
mod cache;
mod calls;
mod components;
mod compressed;
mod concurrent;
mod endings;
mod fast;
mod invoke;
mod objects;
mod output;
mod property;
mod reads;
mod replay;
mod server;
mod signals;
mod state;
mod stopped;
mod written;

use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, fixture, scratch};
use serde_json::Value;
use tempfile::TempDir;

/// A run of a program, and the dump it may have left.
pub struct Run {
    /// The output and the exit code of the run.
    pub outcome: Outcome,
    /// The path of its dump, which exists if one was written.
    pub dump: PathBuf,
    folder: TempDir,
}

impl Run {
    /// Runs `program` with `options`; its dump goes into a folder of its own.
    pub fn new(options: &[&str], program: &Path, args: &[&str]) -> Run {
        let folder = scratch();
        let dump = folder.path().join("app.coredump");
        let tool = Tool::new("coredump-run").arg("-o").arg(&dump).args(options).arg(program).args(args);
        let outcome = tool.in_folder(folder.path()).run();
        Run { outcome, dump, folder }
    }

    /// Runs a fixture.
    pub fn fixture(options: &[&str], name: &str) -> Run {
        Run::new(options, &fixture(&format!("modules/{name}.wasm")), &[])
    }

    /// Runs a program given as text.
    pub fn wat(options: &[&str], text: &str) -> Run {
        let folder = scratch();
        let program = folder.path().join("app.wat");
        std::fs::write(&program, text).unwrap();
        Run::new(options, &program, &[])
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        let Run { outcome, dump, folder } = self;
        Run { outcome: outcome.expect(code), dump, folder }
    }

    /// The dump as JSON, after a check that it is a valid module.
    #[track_caller]
    pub fn json(&self) -> Value {
        read(&self.dump)
    }
}

/// A dump as JSON, after a check that it is a valid module.
#[track_caller]
pub fn read(dump: &Path) -> Value {
    let bytes = std::fs::read(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features).validate_all(&bytes).expect("the dump is a valid module");
    let outcome = Tool::new("coredump-json").arg(dump).run();
    assert!(outcome.status.code() <= Some(1), "{outcome:?}");
    outcome.json()
}

/// The frames of the only thread.
pub fn frames(dump: &Value) -> &Vec<Value> {
    assert_eq!(dump["threads"].as_array().unwrap().len(), 1);
    dump["threads"][0]["frames"].as_array().unwrap()
}

/// Each frame's function, file without its folder, and line.
pub fn places(dump: &Value) -> Vec<String> {
    let place = |frame: &Value| {
        let file = Path::new(frame["file"].as_str()?).file_name()?.to_str()?;
        Some(format!("{} {file}:{}", frame["function"].as_str()?, frame["line"]))
    };
    frames(dump).iter().map(|frame| place(frame).unwrap_or_default()).collect()
}

/// The values of a list of locals or operands.
pub fn values(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("not recorded: {list}"));
    list.iter().map(|value| value["value"].to_string().trim_matches('"').to_owned()).collect()
}

/// Returns the bytes that memory `index` holds from `address` on.
pub fn memory(dump: &Path, index: u32, address: u64, len: u64) -> Vec<u8> {
    let tool = Tool::new("coredump-dump").arg("--memory").arg(index.to_string());
    tool.arg("--range").arg(format!("{address}+{len}")).arg("--raw").arg(dump).run().expect(0).stdout
}
