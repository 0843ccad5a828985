//! What a person is told at the end: why the program died, where, and how to look further.

use coredump_core::cli::report::Report;
use coredump_core::cli::text;

use crate::ending::Ending;
use crate::output::Place;
use crate::record::Dumped;

/// Tells of the ending and of its dump.
pub fn tell(report: &Report, program: &std::path::Path, ending: &Ending, dumped: Option<&Dumped>, quiet: bool) {
    let died = !matches!(ending, Ending::Exit(_));
    if quiet {
        return;
    }
    if died {
        report.say(format_args!("{}: {}", text::path(program), ending.message()));
    }
    let Some(dumped) = dumped else { return };
    if let Some(capture) = &dumped.capture {
        for (index, frame) in capture.frames.iter().enumerate().take(100) {
            let function = frame.function.map_or("?".to_owned(), |index| format!("func[{index}]"));
            eprintln!("#{index:<3} {function}");
        }
    }
    match &dumped.place {
        Ok(Place::File(path)) => {
            report.say(format_args!("core dumped: {}", text::path(path)));
            report.hint(format_args!("coredump-bt {}", text::path(path)));
        }
        Ok(Place::Stdout) => {}
        Err(error) => report.say(format_args!("no core dump: {error}")),
    }
}
