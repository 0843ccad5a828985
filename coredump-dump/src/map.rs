//! Implements `--map`, which draws a picture of each memory, for a terminal or as SVG.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use coredump_core::cli::size::bytes;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;
use coredump_core::memory::Count;
use coredump_core::regions::Use;

use crate::cells::{Cell, Map, MapPart};
use crate::content::{Content, LOOKED_AT};
use crate::inspection::Inspection;
use crate::list::MAX_PICTURED;
use crate::svg;
use coredump_core::cli::paint::{Paint, TextRole};

/// Draws the memories: as SVG into a file, else for a terminal.
pub fn map(inspection: &Inspection<'_>) -> Result<()> {
    let as_svg =
        inspection.args.output.as_ref().is_some_and(|file| file.path().extension().is_some_and(|end| end == "svg"));
    let room = match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if inspection.on_terminal() => Room::on_terminal(size.ws_col.into(), size.ws_row.into()),
        _ if as_svg => Room { columns: 128, rows: 48, names: usize::MAX },
        _ => Room { columns: 64, rows: 32, names: usize::MAX },
    };
    let mut memories = inspection.memories()?;
    if memories.len() > MAX_PICTURED {
        let count = memories.len();
        inspection
            .report
            .say(format_args!("of {count} memories the first {MAX_PICTURED} are drawn; --memory N draws one"));
        memories.truncate(MAX_PICTURED);
    }
    let maps: Vec<Map> = memories
        .into_iter()
        .filter(|(_, memory)| memory.size > 0)
        .map(|(index, memory)| Map::new(inspection, index, memory, room.columns, room.rows))
        .collect();
    let paint = inspection.paint();
    inspection.write(|out| match as_svg {
        true => svg::write(out, &inspection.input.name(), &maps),
        false => maps.iter().try_for_each(|map| draw(out, map, room.names, paint)),
    })
}

/// The size limit of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    /// Cells per row: a power of two, so that rows begin at round addresses.
    columns: usize,
    /// The number of rows.
    rows: usize,
    /// The number of characters for the names after a row.
    names: usize,
}

impl Room {
    /// The size that fits a terminal of `width` characters and `height` lines; 0 stands for an unknown size.
    fn on_terminal(width: usize, height: usize) -> Room {
        let width = if width == 0 { 80 } else { width };
        let height = if height == 0 { 24 } else { height };
        const ADDRESS: usize = "0x00000000 ".len();
        const GAP: usize = 2;
        const NAMES: usize = 24;
        // The lines of title and legend.
        const AROUND: usize = 10;
        let room = width.saturating_sub(ADDRESS + GAP + NAMES).clamp(16, 256);
        let columns = 1 << room.ilog2();
        let names = width.saturating_sub(ADDRESS + columns + GAP);
        Room { columns, rows: height.saturating_sub(AROUND).clamp(8, 64), names }
    }
}

fn draw(out: &mut impl Write, map: &Map, room: usize, paint: Paint) -> io::Result<()> {
    let row = map.cell * map.columns as u64;
    let title = format!("Memory {}: {}", map.index, bytes(map.size));
    let judged = if map.cell > LOOKED_AT as u64 { ", judged by samples" } else { "" };
    writeln!(
        out,
        "{}  {}",
        paint.paint(TextRole::Title, title),
        paint.paint(TextRole::Faint, format_args!("{} a cell{judged}, {} a row", bytes(map.cell), bytes(row)))
    )?;
    writeln!(out)?;
    for (start, cells) in map.rows() {
        let mut line = format!("{} ", paint.paint(TextRole::Faint, format_args!("{start:#010x}")));
        for run in cells.chunk_by(|a, b| style(a) == style(b)) {
            let text: String = run.iter().map(|cell| glyph(cell.content)).collect();
            line.push_str(&paint.paint_as(style(&run[0]), text));
        }
        let names: Vec<_> =
            map.beginning(start).map(|region| (MapPart::Region(region.r#use), region.label())).collect();
        if !names.is_empty() {
            line.push_str(&" ".repeat(map.columns - cells.len() + 2));
            let mut room = room;
            for (number, (part, name)) in names.iter().enumerate() {
                let name = escape(name);
                let comma = if number > 0 { ", " } else { "" };
                let len = comma.len() + name.chars().count();
                // The last name needs no space for the count of those that follow.
                let rest = if number + 1 < names.len() { ", 99 more".len() } else { 0 };
                if number == 4 || len + rest > room {
                    line.push_str(&paint.paint(TextRole::Faint, format_args!("{comma}{} more", names.len() - number)));
                    break;
                }
                room -= len;
                line.push_str(&format!("{comma}{}", paint.paint_as(colour(*part), name)));
            }
        }
        writeln!(out, "{line}")?;
    }
    legend(out, map, paint)
}

fn legend(out: &mut impl Write, map: &Map, paint: Paint) -> io::Result<()> {
    writeln!(out)?;
    let parts: Vec<_> = map
        .parts()
        .into_iter()
        .map(|(part, len)| {
            format!(
                "{} {} {}",
                paint.paint_as(colour(part), "██"),
                part.name(),
                paint.paint(TextRole::Faint, bytes(len))
            )
        })
        .collect();
    for line in parts.chunks(3) {
        writeln!(out, "  {}", line.join("   "))?;
    }
    let glyphs = [
        (Content::Zero, "zero"),
        (Content::Text, "text"),
        (Content::Pointers, "pointers"),
        (Content::Data(1), "some data"),
        (Content::Data(4), "much data"),
    ];
    let mut glyphs: Vec<_> = glyphs.iter().map(|(content, name)| format!("{} {name}", glyph(*content))).collect();
    glyphs.push(format!("{} not captured", paint.paint(TextRole::Missing, glyph(Content::Missing))));
    writeln!(out, "  {}", glyphs.join("   "))?;
    let Count { captured, zero, missing } = map.count;
    let counts = format!("{} stored, {} zero, {} not captured", bytes(captured), bytes(zero), bytes(missing));
    writeln!(out, "  {}\n", paint.paint(TextRole::Faint, counts))
}

fn glyph(content: Content) -> char {
    match content {
        Content::Missing => '╳',
        Content::Zero => '·',
        Content::Text => '≡',
        Content::Pointers => '»',
        Content::Data(1) => '░',
        Content::Data(2) => '▒',
        Content::Data(3) => '▓',
        Content::Data(_) => '█',
    }
}

fn style(cell: &Cell) -> Style {
    match cell.content {
        Content::Missing => AnsiColor::Red.on_default().dimmed(),
        Content::Zero => colour(cell.part).dimmed(),
        _ => colour(cell.part),
    }
}

fn colour(part: MapPart) -> Style {
    let r#use = match part {
        MapPart::Region(r#use) => r#use,
        MapPart::Used => Use::Heap,
        MapPart::Free => return AnsiColor::Cyan.on_default(),
        MapPart::Leaked => return AnsiColor::Red.on_default().bold(),
    };
    match r#use {
        Use::Data => AnsiColor::Blue.on_default(),
        Use::Bss => AnsiColor::Cyan.on_default(),
        Use::Stack => AnsiColor::Yellow.on_default().bold(),
        Use::FreeStack | Use::BssOrFreeStack => AnsiColor::Yellow.on_default(),
        Use::Heap | Use::BssOrHeap => AnsiColor::Green.on_default(),
        Use::Unknown => AnsiColor::White.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_its_terminal() {
        for (width, height) in [(80, 24), (100, 30), (120, 40), (200, 60), (400, 120), (60, 20)] {
            let room = Room::on_terminal(width, height);
            assert!("0x00000000 ".len() + room.columns + 2 + room.names <= width, "{width}: {room:?}");
            assert!(room.columns.is_power_of_two() && room.rows + 10 <= height.max(18), "{height}: {room:?}");
            assert!(room.names >= 24, "{room:?}");
        }
        assert_eq!(Room::on_terminal(0, 0), Room::on_terminal(80, 24));
    }
}
