//! Runs a tool as a user would: in real processes, with real pipes.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::{binary, schema};

/// A command to run.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    stdin: Option<Vec<u8>>,
}

/// The exit status of a process and its output.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, with invalid UTF-8 replaced.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; a process that a signal killed fails the test.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("killed: {self:?}"))
    }

    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("standard output is UTF-8")
    }

    /// Standard output as one JSON document. A document that describes a dump must be valid by the published schema.
    pub fn json(&self) -> serde_json::Value {
        let document =
            serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}: {self:?}"));
        schema::check(&document);
        document
    }

    /// Checks the exit code; fails with all output if it is a different one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\nstdout: {}\nstderr: {}",
            self.status,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }
}

impl Tool {
    /// One of the tools. Colours and other settings of the environment do not reach it, and what it keeps between runs
    /// is kept beside the binaries.
    pub fn new(name: &str) -> Self {
        let mut tool = Tool::other(binary(name));
        tool.command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("RUST_BACKTRACE");
        tool.command.env("XDG_CACHE_HOME", std::path::absolute(binary(name).with_file_name("cache")).expect("a path"));
        tool
    }

    /// Runs one of the tools with a limit of `kilobytes` of address space, beyond which it ends with an error: no input
    /// may need unlimited memory.
    pub fn bounded(name: &str, kilobytes: u32) -> Self {
        let script = format!("ulimit -v {kilobytes}; exec {} \"$@\"", binary(name).display());
        Tool::other("sh").args(["-c", &script, "sh"])
    }

    /// Another program.
    pub fn other(program: impl AsRef<OsStr>) -> Self {
        Tool { command: Command::new(program), stdin: None }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs it in `folder`.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Writes `bytes` to its standard input, a pipe. Without this, standard input is empty.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// The command, for uses that this kit does not cover.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Outcome {
        let input = self.stdin.take();
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let pipe = child.stdin.take();
        let feeder = std::thread::spawn(move || {
            if let (Some(mut pipe), Some(input)) = (pipe, input) {
                // The tool may rightly end before it has read all.
                let _ = pipe.write_all(&input);
            }
        });
        let output = child.wait_with_output().expect("the child can be waited for");
        feeder.join().expect("the feeding thread does not panic");
        outcome(output)
    }
}

fn outcome(output: std::process::Output) -> Outcome {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Outcome { status: output.status, stdout: output.stdout, stderr }
}

/// Runs tools with each one's standard output in the next one's standard input, as a shell does. Returns all outcomes
/// in order; only the last one has its standard output.
pub fn pipeline(tools: impl IntoIterator<Item = Tool>) -> Vec<Outcome> {
    let mut children: Vec<std::process::Child> = Vec::new();
    for mut tool in tools {
        let stdin = match children.last_mut().and_then(|previous| previous.stdout.take()) {
            Some(stdout) => Stdio::from(stdout),
            None => Stdio::null(),
        };
        tool.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        children.push(tool.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", tool.command)));
    }
    // The last one first: the others end when their pipes are drained.
    let mut outcomes: Vec<Outcome> =
        children.into_iter().rev().map(|child| outcome(child.wait_with_output().expect("it ends"))).collect();
    outcomes.reverse();
    outcomes
}
