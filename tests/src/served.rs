//! A dump that `coredump-serve --gdb` serves on a port of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::Tool;

/// A server; it ends when this is dropped.
pub struct Served {
    server: Child,
    /// Where it listens.
    pub address: String,
    /// What it said before.
    pub said: Vec<String>,
}

impl Served {
    /// Serves a dump with the binary of its module.
    pub fn new(dump: &Path, module: &Path) -> Served {
        Served::with(&[], dump, module)
    }

    /// The same with more options.
    pub fn with(options: &[&str], dump: &Path, module: &Path) -> Served {
        let tool =
            Tool::new("coredump-serve").args(["--gdb", "127.0.0.1:0"]).args(options).arg("-m").arg(module).arg(dump);
        let server = tool.into_command().stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut served = Served { server, address: String::new(), said: Vec::new() };
        let lines = BufReader::new(served.server.stderr.take().unwrap()).lines().map_while(Result::ok);
        for line in lines {
            if let Some((_, address)) = line.split_once("listening at ") {
                served.address = address.to_owned();
                return served;
            }
            served.said.push(line);
        }
        panic!("the server does not listen: {:?}", served.said);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
