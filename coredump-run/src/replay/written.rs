//! `--last-write` and `--writes`: who changed some bytes of the program's memory.

use std::sync::Arc;

use coredump_core::cli::paint::Paint;
use coredump_core::cli::{Exit, output};
use coredump_core::error::{Error, ErrorKind, Result};

use super::bytes::{Named, hex};
use super::changes::Changes;
use super::command::Session;
use super::hunt::Hunt;
use super::play::HostChange;
use super::rerun::Goal;
use crate::report::{self, Look};
use crate::{placed, watched};

impl Session<'_> {
    /// Shows the last change of some bytes.
    pub fn last_write(&self, bytes: &str) -> Result<Exit> {
        let named = Named::of(bytes, &self.dump, self.args.frame)?;
        let watch = named.watch;
        let Changes { sites, changes, host } = self.changes(watch)?;
        let last = changes.last();
        let (goal, call) = match (last, host.last()) {
            (None, None) => {
                output::print(&format!("nothing changed {named} from the start on\n"))?;
                return Ok(Exit::Partial);
            }
            (Some(change), host) if host.is_none_or(|host| host.number <= change.number) => {
                let site = sites.get(change.site as usize).copied();
                let site = site.ok_or_else(|| Error::new(ErrorKind::NotFound, "the write is not found again"))?;
                (Hunt::instruction(watch, site, change.times), None)
            }
            (_, host) => (Hunt::host(watch), host.map(|host| host.call)),
        };
        let goal = Goal { hunt: Some(Arc::new(goal)), ..Goal::default() };
        let (program, dumped, _) = self.again(None, goal, call, self.args.output.is_some())?;
        let (before, after) = match (call.and(host.last()), last) {
            (Some(host), _) => (&host.before, &host.after),
            (None, Some(change)) => (&change.before, &change.after),
            (None, None) => return Err(Error::new(ErrorKind::NotFound, "the write is not found again")),
        };
        let who = match call.and(host.last()) {
            Some(host) => format!(" by {} of the host, call {}", host.name, host.call),
            None => String::new(),
        };
        let look = Look { paint: Paint { on: self.args.color.on_stdout() }, ..Look::of(self.args) };
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
        let named = Named::of(bytes, &self.dump, self.args.frame)?;
        let Changes { sites: all, changes, host } = self.changes(named.watch)?;
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
        let places = watched::Places::new(&self.source, &sites);
        let mut host = host.iter().peekable();
        let host_line = |change: &HostChange| {
            format!(
                "  {} -> {}  {} of the host, call {}\n",
                hex(&change.before),
                hex(&change.after),
                change.name,
                change.call
            )
        };
        for change in &changes {
            while let Some(before) = host.next_if(|host| host.number <= change.number) {
                lines += &host_line(before);
            }
            let place = places.of(change.site);
            lines += &format!("  {} -> {}  {place}\n", hex(&change.before), hex(&change.after));
        }
        host.for_each(|change| lines += &host_line(change));
        output::print(&lines)?;
        Ok(Exit::partial_if(total == 0))
    }
}
