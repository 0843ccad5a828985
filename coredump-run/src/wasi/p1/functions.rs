//! Defines the functions of WASI 0.1 and of its predecessor, and what they write to the memory: the results in
//! `wasi_snapshot_preview1.witx` and `wasi_unstable.witx`.

use std::sync::Arc;

use wasmtime::{Caller, Linker, Module, Result};
use wasmtime_wasi::I32Exit;

use super::recorded::Importing;
use super::targets::Out;
use crate::host::Host;
use crate::recording::Log;

/// Replaces the functions that `module` imports by functions whose calls are noted, and recorded in `log`. With
/// `unknown_imports_trap`, this includes functions that the host does not offer.
pub fn link(
    linker: &mut Linker<Host>,
    log: Option<&Arc<Log>>,
    module: &Module,
    unknown_imports_trap: bool,
) -> Result<()> {
    let importing = Importing { module, log };
    link_p1(linker, &importing)?;
    link_p0(linker, &importing)?;
    if unknown_imports_trap && let Some(log) = log {
        importing.unknown(log, linker)?;
    }
    Ok(())
}

/// Offers recorded functions. Each row is a function with its arguments, whether it may wait, and what it writes.
macro_rules! functions {
    ($linker:ident, $importing:ident, $wasi:path as $name:literal:
        $($how:ident $function:ident($($argument:ident: $ty:ident),*) $out:expr;)*
    ) => {{
        use $wasi as wasi;
        $(if let Some(recorder) = $importing.function($name, stringify!($function), &[$(stringify!($argument)),*]) {
            functions!(@$how $linker, wasi, $name, recorder, $function($($argument: $ty),*) $out);
        })*
    }};
    (@sync $linker:ident, $wasi:ident, $name:literal, $recorder:ident,
        $function:ident($($argument:ident: $ty:ident),*) $out:expr
    ) => {
        $linker.func_wrap(
            $name,
            stringify!($function),
            move |mut caller: Caller<'_, Host>, $($argument: $ty),*| -> Result<i32> {
                let call = $recorder.call(&mut caller, [$($argument as u64),*], $out)?;
                let (mut memory, host) = call.split(&mut caller);
                let result = $wasi::$function(host, &mut memory, $($argument),*);
                call.finish(&mut caller, result)
            },
        )?;
    };
    (@waits $linker:ident, $wasi:ident, $name:literal, $recorder:ident,
        $function:ident($($argument:ident: $ty:ident),*) $out:expr
    ) => {
        let recorder = Arc::new($recorder);
        $linker.func_wrap_async(
            $name,
            stringify!($function),
            move |mut caller: Caller<'_, Host>, ($($argument,)*): ($($ty,)*)| {
                let recorder = recorder.clone();
                Box::new(async move {
                    let call = recorder.call(&mut caller, [$($argument as u64),*], $out)?;
                    let (mut memory, host) = call.split(&mut caller);
                    let result = $wasi::$function(host, &mut memory, $($argument),*).await;
                    call.finish(&mut caller, result)
                })
            },
        )?;
    };
}

/// Offers the functions that WASI 0.1 and its predecessor both have, recorded, and `more`. The two differ in the size
/// of a `filestat`, as its number of links became larger.
macro_rules! wasi {
    ($linker:ident, $importing:ident, $wasi:path as $name:literal, filestat: $filestat:literal; $($more:tt)*) => {{
        functions! { $linker, $importing, $wasi as $name:
            sync args_get(argv: i32, texts: i32) Out::Arguments(argv, texts);
            sync args_sizes_get(count: i32, size: i32) Out::Two(count, size);
            sync environ_get(pointers: i32, texts: i32) Out::Environment(pointers, texts);
            sync environ_sizes_get(count: i32, size: i32) Out::Two(count, size);
            sync clock_res_get(id: i32, out: i32) Out::At(out, 8);
            sync clock_time_get(id: i32, precision: i64, out: i32) Out::At(out, 8);
            waits fd_advise(fd: i32, offset: i64, len: i64, advice: i32) Out::None;
            sync fd_allocate(fd: i32, offset: i64, len: i64) Out::None;
            waits fd_close(fd: i32) Out::None;
            waits fd_datasync(fd: i32) Out::None;
            waits fd_fdstat_get(fd: i32, out: i32) Out::At(out, 24);
            sync fd_fdstat_set_flags(fd: i32, flags: i32) Out::None;
            sync fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64) Out::None;
            waits fd_filestat_get(fd: i32, out: i32) Out::At(out, $filestat);
            waits fd_filestat_set_size(fd: i32, size: i64) Out::None;
            waits fd_filestat_set_times(fd: i32, accessed: i64, modified: i64, flags: i32) Out::None;
            waits fd_pread(fd: i32, list: i32, len: i32, offset: i64, count: i32) Out::Vectors(list, len, count);
            sync fd_prestat_get(fd: i32, out: i32) Out::At(out, 8);
            sync fd_prestat_dir_name(fd: i32, path: i32, len: i32) Out::Whole(path, len);
            waits fd_pwrite(fd: i32, list: i32, len: i32, offset: i64, count: i32) Out::At(count, 4);
            waits fd_read(fd: i32, list: i32, len: i32, count: i32) Out::Vectors(list, len, count);
            waits fd_readdir(fd: i32, buffer: i32, len: i32, cookie: i64, count: i32) Out::Counted(buffer, len, count);
            waits fd_renumber(fd: i32, to: i32) Out::None;
            waits fd_seek(fd: i32, offset: i64, whence: i32, out: i32) Out::At(out, 8);
            waits fd_sync(fd: i32) Out::None;
            sync fd_tell(fd: i32, out: i32) Out::At(out, 8);
            waits fd_write(fd: i32, list: i32, len: i32, count: i32) Out::At(count, 4);
            waits path_create_directory(fd: i32, path: i32, len: i32) Out::None;
            waits path_filestat_get(fd: i32, flags: i32, path: i32, len: i32, out: i32) Out::At(out, $filestat);
            waits path_filestat_set_times(
                fd: i32, flags: i32, path: i32, len: i32, accessed: i64, modified: i64, which: i32
            ) Out::None;
            waits path_link(fd: i32, flags: i32, path: i32, len: i32, to: i32, new: i32, new_len: i32) Out::None;
            waits path_open(
                fd: i32, flags: i32, path: i32, len: i32, how: i32, rights: i64, inheriting: i64, more: i32, out: i32
            ) Out::At(out, 4);
            waits path_readlink(fd: i32, path: i32, path_len: i32, buffer: i32, len: i32, count: i32)
                Out::Counted(buffer, len, count);
            waits path_remove_directory(fd: i32, path: i32, len: i32) Out::None;
            waits path_rename(fd: i32, path: i32, len: i32, to: i32, new: i32, new_len: i32) Out::None;
            waits path_symlink(path: i32, len: i32, fd: i32, new: i32, new_len: i32) Out::None;
            waits path_unlink_file(fd: i32, path: i32, len: i32) Out::None;
            waits poll_oneoff(list: i32, events: i32, len: i32, count: i32) Out::Events(events, len, count);
            sync proc_raise(signal: i32) Out::None;
            sync sched_yield() Out::None;
            sync random_get(buffer: i32, len: i32) Out::Whole(buffer, len);
            sync sock_recv(fd: i32, list: i32, len: i32, flags: i32, count: i32, out: i32)
                Out::Received(list, len, count, out);
            sync sock_send(fd: i32, list: i32, len: i32, flags: i32, count: i32) Out::At(count, 4);
            sync sock_shutdown(fd: i32, how: i32) Out::None;
            $($more)*
        }
        link_exit($linker, $importing, $name)
    }};
}

/// Offers WASI 0.1, recorded.
fn link_p1(linker: &mut Linker<Host>, importing: &Importing<'_>) -> Result<()> {
    wasi! { linker, importing, wasmtime_wasi::p1::wasi_snapshot_preview1 as "wasi_snapshot_preview1", filestat: 64;
        sync sock_accept(fd: i32, flags: i32, out: i32) Out::At(out, 4);
    }
}

/// Offers the predecessor of WASI 0.1, recorded.
fn link_p0(linker: &mut Linker<Host>, importing: &Importing<'_>) -> Result<()> {
    wasi! { linker, importing, wasmtime_wasi::p0::wasi_unstable as "wasi_unstable", filestat: 56; }
}

/// Offers `proc_exit` as [`crate::wasi::link_module`] does.
fn link_exit(linker: &mut Linker<Host>, importing: &Importing<'_>, module: &str) -> Result<()> {
    let Some(recorder) = importing.function(module, "proc_exit", &["code"]) else { return Ok(()) };
    linker.func_wrap(module, "proc_exit", move |mut caller: Caller<'_, Host>, code: i32| -> Result<()> {
        recorder.failed(&mut caller, [code as u64], I32Exit(code).into())
    })?;
    Ok(())
}
