//! Makes the guest's arguments, and the description of the process in a dump.

use std::time::SystemTime;

use coredump_core::cli::args::RawArg;
use coredump_core::model::Process;

use crate::args::Args;

/// The arguments of the guest. The first one is its own name: that of the file, as with wasmtime. WASI allows only
/// Unicode.
pub fn guest_args(args: &Args, file: &RawArg) -> Vec<String> {
    let name = args.argv0.clone().unwrap_or_else(|| {
        let path = file.path();
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    });
    let rest = args.guest_args().iter().map(|arg| arg.0.to_string_lossy().into_owned());
    std::iter::once(name).chain(if args.invoke.is_some() { None } else { Some(rest) }.into_iter().flatten()).collect()
}

/// The description of the process in a dump.
pub fn process(args: &Args, file: &RawArg, guest_args: &[String]) -> Process {
    Process {
        executable: Some(file.0.to_string_lossy().into_owned()),
        args: Some(guest_args.to_vec()),
        start_time: Some(coredump_capture::internals::timestamp(SystemTime::now())),
        runtime: Some(coredump_capture::RUNTIME.to_owned()),
        producer: Some(format!("{} {}", crate::TOOL.name, crate::TOOL.version)),
        pid: Some(std::process::id()),
        host: coredump_capture::internals::host_name(),
        memory_limit: args.max_memory.map(|bytes| bytes as u64),
        annotations: args
            .annotate
            .iter()
            .map(|annotation| (annotation.key.clone(), annotation.value.clone()))
            .collect(),
        ..Process::default()
    }
}
