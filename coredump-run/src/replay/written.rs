//! Implements `--last-write` and `--writes`, which show what changed some bytes of the program's memory.

use std::sync::Arc;

use coredump_core::cli::paint::Paint;
use coredump_core::cli::{Exit, output};
use coredump_core::error::{Error, ErrorKind, Result};

use super::bytes::{NamedBytes, hex};
use super::changes::Changes;
use super::goal::Goal;
use super::hunt::Hunt;
use super::lines::Lines;
use super::recorded_run::RecordedRun;
use super::witness::{Witness, Writer};
use crate::dump::placed;
use crate::playback::HostChange;
use crate::report::{self, Look};

/// The message if the second run of a program did not reach a write of the first one.
const LOST: &str = "the write is not found again";

impl RecordedRun<'_> {
    /// Shows the last change of some bytes.
    pub fn last_write(&self, bytes: &str) -> Result<Exit> {
        let named = NamedBytes::parse(bytes, &self.dump, self.args.frame)?;
        let watch = named.watch;
        let Changes { sites, modules, changes, host, from } = self.changes(watch, true)?;
        let last = changes.last();
        let is_component = self.source.is_component();
        let none = Goal::default();
        let (goal, call) = match (last, host.last()) {
            (None, None) => {
                let since = if is_component { "since the component was instantiated" } else { "from the start on" };
                output::print(&format!("nothing changed {named} {since}\n"))?;
                return Ok(Exit::Partial);
            }
            (Some(change), host) if host.is_none_or(|host| host.number <= change.number) => {
                let site = *sites.get(change.site as usize).ok_or_else(|| Error::new(ErrorKind::NotFound, LOST))?;
                let goal = match is_component {
                    true => {
                        let code_offset = modules.get(site.module as usize).and_then(|module| site.code_offset(module));
                        let writer = Writer::Instruction(change.site, change.times);
                        Goal { witness: Some(Arc::new(Witness::stops_at(watch, from, writer, code_offset))), ..none }
                    }
                    false => Goal { hunt: Some(Arc::new(Hunt::instruction(watch, site, change.times))), ..none },
                };
                (goal, None)
            }
            (_, Some(host)) if is_component => {
                let witness = Witness::stops_at(watch, from, Writer::Host(host.call), None);
                (Goal { witness: Some(Arc::new(witness)), ..none }, Some(host.call))
            }
            (_, host) => (Goal { hunt: Some(Arc::new(Hunt::host(watch))), ..none }, host.map(|host| host.call)),
        };
        // The results of a call of the host are written into a component after the call.
        let last_call = call.filter(|_| !is_component);
        let (program, dumped, _) = self.again(None, goal, last_call, self.args.output.is_some())?;
        let (before, after) = match (call.and(host.last()), last) {
            (Some(host), _) => (&host.before, &host.after),
            (None, Some(change)) => (&change.before, &change.after),
            (None, None) => return Err(Error::new(ErrorKind::NotFound, LOST)),
        };
        let who = call.and(host.last()).map_or_else(String::new, |host| format!(" by {}", by_host(host)));
        let look = Look { paint: Paint { on: self.args.color.on_stdout() }, ..Look::from_args(self.args) };
        let frames = report::frames(&dumped, &program, &look);
        output::print(&format!(
            "{named} was last changed{who} here:\n{frames}before: {}\nafter:  {}\n",
            named.spelled(before),
            named.spelled(after)
        ))?;
        if !self.args.quiet {
            placed::report(self.report, &dumped.place);
        }
        Ok(Exit::Done)
    }

    /// Lists the changes of some bytes.
    pub fn writes(&self, bytes: &str) -> Result<Exit> {
        let named = NamedBytes::parse(bytes, &self.dump, self.args.frame)?;
        let Changes { sites: all, modules, changes, host, .. } = self.changes(named.watch, false)?;
        let total = changes.last().map_or(0, |change| change.number + 1) + host.len() as u64;
        let mut lines = format!("{named}: {total} changes\n");
        let kept = changes.first().map_or(0, |change| change.number);
        if kept > 0 {
            lines += &format!("  ({kept} earlier ones by instructions are not kept)\n");
        }
        let mut sites: Vec<u32> = changes.iter().map(|change| change.site).collect();
        sites.sort_unstable();
        sites.dedup();
        let sites: Vec<_> = sites.into_iter().filter_map(|site| Some((site, *all.get(site as usize)?))).collect();
        let source_lines = Lines::new(&self.source, &modules, &sites);
        let mut host = host.iter().peekable();
        let host_line =
            |change: &HostChange| format!("  {} -> {}  {}\n", hex(&change.before), hex(&change.after), by_host(change));
        for change in &changes {
            while let Some(before) = host.next_if(|host| host.number <= change.number) {
                lines += &host_line(before);
            }
            let place = source_lines.line(change.site);
            lines += &format!("  {} -> {}  {place}\n", hex(&change.before), hex(&change.after));
        }
        host.for_each(|change| lines += &host_line(change));
        output::print(&lines)?;
        Ok(Exit::partial_if(total == 0))
    }
}

/// The function of the host that changed the bytes, as text.
fn by_host(change: &HostChange) -> String {
    match change.call {
        0 => "the host, before any call of it".to_owned(),
        call => format!("{} of the host, call {call}", change.name),
    }
}
