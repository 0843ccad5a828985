//! Reports where a dump was written.

use coredump_capture::DumpPlace;
use coredump_core::cli::report::Report;
use coredump_core::cli::text;
use coredump_core::error::Result;

/// Reports where a dump was written, or why there is none.
pub fn report(report: &Report, place: &Result<DumpPlace>) {
    match place {
        Ok(DumpPlace::File(path)) => {
            report.say(format_args!("core dumped: {}", text::path(path)));
            report.hint(format_args!("coredump-bt --locals {}", text::shell(path.as_os_str())));
        }
        Ok(DumpPlace::Stdout | DumpPlace::Nowhere) => {}
        Err(error) => {
            report.say(format_args!("no core dump: {error}"));
            if let Some(hint) = &error.hint {
                report.hint(hint);
            }
        }
    }
}
