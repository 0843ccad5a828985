//! Prints why and where a program died and the variables of every frame, as `coredump-bt --locals` does.
//!
//! `cargo run -p coredump-core --example read-a-dump -- app.coredump [FOLDER OF BINARIES]`

use coredump_core::{Draft, Limits, Options, Result, Store, Variable, text::escape};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "app.coredump".to_owned());
    let options = args.fold(Options::default(), |options, folder| options.symbol_path(folder));
    let dump = Draft::open(path)?.find_binaries(&Store::new(), &options);
    println!("{}", dump.crash().reason.as_ref().map_or("no reason known".into(), |reason| reason.summary()));
    for frame in dump.threads().flat_map(|thread| thread.frames()) {
        let scopes = frame.variables(Limits::default());
        for (nth, call) in frame.calls().enumerate() {
            let at = call.location.map(|at| format!(" at {}:{}", at.file, at.line)).unwrap_or_default();
            println!("#{} {}{}", frame.index(), escape(call.function.as_deref().unwrap_or("?")), escape(&at));
            scopes.get(nth).iter().flat_map(|scope| &scope.variables).for_each(|variable| show(variable, 4));
        }
    }
    Ok(())
}

/// Prints a variable and, below it, its members, its elements, or what it points to.
fn show(variable: &Variable, indent: usize) {
    let line = format!("{}: {} = {}", variable.label(), variable.type_name, variable.text());
    println!("{:indent$}{}", "", escape(&line));
    variable.children.iter().for_each(|part| show(part, indent + 4));
}
