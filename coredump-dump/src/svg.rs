//! Draws the picture of a memory as SVG.

use std::io::{self, Write};

use coredump_core::cli::size::bytes;
use coredump_core::cli::text::markup;
use coredump_core::regions::Use;

use crate::cells::{Cell, Map, MapPart};
use crate::content::Content;

/// Width and height of a cell, in pixels.
const CELL: (usize, usize) = (7, 14);
/// The left edge of the cells, after the addresses, in pixels.
const LEFT: usize = 118;
/// The width for names of regions, in pixels.
const RIGHT: usize = 300;
/// The height of a line of text, in pixels.
const LINE: usize = 20;
/// The margin around the drawing, in pixels.
const MARGIN: usize = 28;

/// Writes one drawing of all memories, one below the other.
pub fn write(out: &mut impl Write, title: &str, maps: &[Map]) -> io::Result<()> {
    let width = maps.iter().map(|map| LEFT + map.columns * CELL.0 + RIGHT).max().unwrap_or(LEFT + RIGHT) + 2 * MARGIN;
    let height = 2 * MARGIN + 2 * LINE + maps.iter().map(self::height).sum::<usize>();
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13" fill="#1f2933">
<title>{0}</title>
<defs>
<pattern id="missing" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/><rect width="1.5" height="6" fill="#d64545"/></pattern>
</defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{MARGIN}" y="{1}" font-size="18" font-weight="600">{0}</text>"##,
        markup(title),
        MARGIN + 14,
    )?;
    let mut top = MARGIN + 2 * LINE;
    for map in maps {
        draw(out, map, top)?;
        top += self::height(map);
    }
    writeln!(out, "</svg>")
}

fn height(map: &Map) -> usize {
    map.cells.len().div_ceil(map.columns) * CELL.1 + 7 * LINE
}

fn draw(out: &mut impl Write, map: &Map, top: usize) -> io::Result<()> {
    let left = MARGIN + LEFT;
    let row_bytes = map.cell * map.columns as u64;
    writeln!(
        out,
        r##"<text x="{MARGIN}" y="{}" font-weight="600">Memory {}: {}<tspan dx="10" font-weight="400" fill="#7b8794">{} a cell, {} a row</tspan></text>"##,
        top + 4,
        map.index,
        bytes(map.size),
        bytes(map.cell),
        bytes(row_bytes),
    )?;
    let top = top + LINE;
    let mut free = top;
    for (number, (start, cells)) in map.rows().enumerate() {
        let y = top + number * CELL.1;
        let middle = y + CELL.1 - 3;
        writeln!(
            out,
            r##"<text x="{}" y="{middle}" text-anchor="end" font-family="ui-monospace, monospace" font-size="11" fill="#9aa5b1">{start:#010x}</text>"##,
            left - 10,
        )?;
        let mut column = 0;
        for run in cells.chunk_by(|a, b| a == b) {
            let (x, width) = (left + column * CELL.0, run.len() * CELL.0);
            let address = start + map.cell * column as u64;
            let end = (address + map.cell * run.len() as u64).min(map.size);
            let (colour, opacity) = fill(&run[0]);
            writeln!(
                out,
                r##"<rect x="{x}" y="{y}" width="{width}" height="{}" fill="{colour}" fill-opacity="{opacity}"><title>{address:#x}..{end:#x}: {}, {}</title></rect>"##,
                CELL.1 - 1,
                run[0].part.name(),
                content_name(run[0].content),
            )?;
            mark(out, &run[0], x, y, run.len())?;
            column += run.len();
        }
        let names: Vec<_> = map.beginning(start).collect();
        if let Some(first) = names.first() {
            // The names of neighbouring rows must not overlap.
            let line = middle.max(free);
            free = line + 13;
            let x = left + map.columns * CELL.0 + 12;
            let shown: Vec<_> = names.iter().take(3).map(|region| markup(region.label())).collect();
            let more = if names.len() > 3 { format!(", and {} more", names.len() - 3) } else { String::new() };
            writeln!(
                out,
                r##"<text x="{x}" y="{line}" font-size="11" fill="{}">{}{more}<tspan dx="6" fill="#9aa5b1">{:#x}</tspan></text>"##,
                colour(MapPart::Region(first.r#use)),
                shown.join(", "),
                first.range.start,
            )?;
        }
    }
    let bottom = (top + map.cells.len().div_ceil(map.columns) * CELL.1).max(free) + LINE;
    legend(out, map, left, bottom)
}

fn legend(out: &mut impl Write, map: &Map, left: usize, top: usize) -> io::Result<()> {
    let mut x = left;
    for (part, len) in map.parts() {
        let text = format!("{} {}", part.name(), bytes(len));
        swatch(out, &Cell { part, content: Content::Data(4) }, x, top, &text)?;
        x += 40 + 7 * text.len();
    }
    let contents = [
        Content::Zero,
        Content::Data(1),
        Content::Data(2),
        Content::Data(4),
        Content::Text,
        Content::Pointers,
        Content::Missing,
    ];
    let mut x = left;
    for content in contents {
        let name = content_name(content);
        swatch(out, &Cell { part: MapPart::Region(Use::Unknown), content }, x, top + LINE + 4, name)?;
        x += 40 + 7 * name.len();
    }
    Ok(())
}

fn swatch(out: &mut impl Write, cell: &Cell, x: usize, y: usize, text: &str) -> io::Result<()> {
    let (colour, opacity) = fill(cell);
    writeln!(
        out,
        r##"<rect x="{x}" y="{}" width="21" height="{}" fill="{colour}" fill-opacity="{opacity}"/>"##,
        y - 11,
        CELL.1 - 1,
    )?;
    mark(out, cell, x, y - 11, 3)?;
    writeln!(out, r##"<text x="{}" y="{y}" font-size="12" fill="#52606d">{text}</text>"##, x + 27)
}

/// Marks text by lines and pointers by dots, so that contents are distinguished without colours as well.
fn mark(out: &mut impl Write, cell: &Cell, x: usize, y: usize, cells: usize) -> io::Result<()> {
    let width = cells * CELL.0;
    match cell.content {
        Content::Text => {
            for line in [3.5, 6.5, 9.5] {
                let y = y as f64 + line;
                writeln!(out, r##"<path d="M{x} {y}h{width}" stroke="#ffffff" stroke-width="1.2"/>"##)?;
            }
            Ok(())
        }
        Content::Pointers => {
            let (x, y) = (x as f64 + 3.5, y as f64 + 6.5);
            writeln!(
                out,
                r##"<path d="M{x} {y}h{}" stroke="#ffffff" stroke-width="3" stroke-linecap="round" stroke-dasharray="0.01 {}"/>"##,
                width as f64 - 3.5,
                CELL.0,
            )
        }
        _ => Ok(()),
    }
}

fn fill(cell: &Cell) -> (&'static str, f32) {
    match cell.content {
        Content::Missing => ("url(#missing)", 1.0),
        Content::Zero => (colour(cell.part), 0.13),
        Content::Data(1) => (colour(cell.part), 0.4),
        Content::Data(2) => (colour(cell.part), 0.6),
        Content::Data(3) => (colour(cell.part), 0.8),
        _ => (colour(cell.part), 1.0),
    }
}

/// The colour of a part, from a palette that colour-blind people can distinguish (Okabe and Ito).
fn colour(part: MapPart) -> &'static str {
    let r#use = match part {
        MapPart::Region(r#use) => r#use,
        MapPart::Used => Use::Heap,
        MapPart::Free => return "#9be0c8",
        MapPart::Leaked => return "#cc3311",
    };
    match r#use {
        Use::Data => "#0072b2",
        Use::Bss => "#56b4e9",
        Use::Stack => "#d55e00",
        Use::FreeStack => "#e69f00",
        Use::BssOrFreeStack => "#c9a227",
        Use::Heap => "#009e73",
        Use::BssOrHeap => "#4fae94",
        Use::Unknown => "#7b8794",
    }
}

fn content_name(content: Content) -> &'static str {
    match content {
        Content::Missing => "not captured",
        Content::Zero => "zero",
        Content::Text => "text",
        Content::Pointers => "pointers",
        Content::Data(1) => "little data",
        Content::Data(2 | 3) => "some data",
        Content::Data(_) => "dense data",
    }
}
