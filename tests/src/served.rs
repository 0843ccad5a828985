//! Serves a dump by `coredump-serve --gdb` on a free port.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::Tool;

/// A server that ends when this value is dropped.
pub struct Served {
    server: Child,
    /// The address at which it listens.
    pub address: String,
    /// The lines that it printed before.
    pub said: Vec<String>,
}

impl Served {
    /// Serves a dump with the binary of its module.
    pub fn new(dump: &Path, module: &Path) -> Served {
        Served::with(&[], dump, module)
    }

    /// Serves a dump with more options.
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
