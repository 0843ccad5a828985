//! Disassembles functions to the text format, with the instructions' offsets in the module's file.

use std::rc::Rc;

use coredump_core::text::escape;
use coredump_core::{Binary, Dump};
use serde_json::{Value, json};

use super::memory::MemoryReference;

/// The number of instructions that one request may ask for.
const MAX_COUNT: i64 = 10_000;
/// The size of the largest function body that is disassembled, in bytes.
const MAX_BODY: u64 = 4 << 20;
/// The number of disassembled functions that are cached.
const KEPT: usize = 64;

/// An instruction.
struct Instruction {
    /// Offset in the module's file, in bytes.
    offset: u64,
    text: String,
}

/// The instructions of one function.
struct Listing {
    module: u32,
    function: u32,
    /// Offset of the end of the function's body.
    end: u64,
    instructions: Vec<Instruction>,
}

/// The cache of the functions that were asked for.
#[derive(Default)]
pub struct Disassembly {
    listings: Vec<Rc<Listing>>,
}

impl Disassembly {
    /// The answer to a request for some instructions from a reference on. Instructions outside of its function are
    /// marked as invalid.
    pub fn answer(
        &mut self,
        dump: &Dump,
        arguments: &Value,
        mut source: impl FnMut(u32, u64) -> Option<(Value, u32, Option<u32>)>,
    ) -> Result<Value, String> {
        let place = MemoryReference::read(arguments["memoryReference"].as_str().unwrap_or_default())?;
        let place = place.moved(arguments["offset"].as_i64().unwrap_or(0))?;
        let MemoryReference::Code(module, offset) = place else {
            return Err("there is no code at that address".to_owned());
        };
        let listing = self.listing(dump, module, offset)?;
        let count = arguments["instructionCount"].as_i64().unwrap_or(0).clamp(0, MAX_COUNT);
        let here = listing.instructions.partition_point(|instruction| instruction.offset <= offset) as i64 - 1;
        let first = here.saturating_add(arguments["instructionOffset"].as_i64().unwrap_or(0));
        let binary = binary(dump, module)?;
        let mut last = None;
        let shown = (0..count).map(|nth| {
            let index = first.saturating_add(nth);
            let Some(instruction) = usize::try_from(index).ok().and_then(|index| listing.instructions.get(index))
            else {
                return outside(&listing, index);
            };
            let next = listing.instructions.get(index as usize + 1).map_or(listing.end, |next| next.offset);
            let mut entry = json!({
                "address": MemoryReference::Code(module, instruction.offset).text(),
                "instruction": instruction.text,
                "instructionBytes": bytes(binary, instruction.offset, next),
            });
            if index == 0
                && let Some(name) = binary.function_name(listing.function)
            {
                entry["symbol"] = json!(escape(name));
            }
            if let Some((source, line, column)) = source(module, instruction.offset)
                && last.as_ref() != Some(&(source["path"].clone(), line))
            {
                last = Some((source["path"].clone(), line));
                entry["location"] = source;
                entry["line"] = json!(line);
                if let Some(column) = column {
                    entry["column"] = json!(column);
                }
            }
            entry
        });
        let shown: Vec<_> = shown.collect();
        Ok(json!({"instructions": shown}))
    }

    fn listing(&mut self, dump: &Dump, module: u32, offset: u64) -> Result<Rc<Listing>, String> {
        let binary = binary(dump, module)?;
        let function = binary.module().function_at(offset).ok_or("there is no code at that address")?;
        let known = self.listings.iter().find(|known| known.module == module && known.function == function);
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let listing = Rc::new(print(binary, module, function)?);
        if self.listings.len() >= KEPT {
            self.listings.clear();
        }
        self.listings.push(listing.clone());
        Ok(listing)
    }
}

fn binary(dump: &Dump, module: u32) -> Result<&Binary, String> {
    Ok(dump.binaries().binary(module).ok_or("the module's binary is not known")?)
}

/// Disassembles a function. As `wasmprinter` prints only modules, it gets one in which the other functions are empty.
fn print(binary: &Binary, module: u32, function: u32) -> Result<Listing, String> {
    let body = binary.module().body(function).ok_or("there is no code at that address")?;
    if body.size() > MAX_BODY {
        return Err("the function is too large to be printed".to_owned());
    }
    let (bytes, moved) = binary.module().with_one_body(function).ok_or("there is no code at that address")?;
    let first =
        binary.instructions(function).map_or(body.start, |instructions| body.start + u64::from(instructions.first));
    let mut text = String::new();
    let printed = wasmprinter::Config::new().indent_text(" ").offsets_and_lines(&bytes, &mut text);
    let printed = printed.map_err(|error| format!("the function cannot be printed: {error}"))?;
    let mut instructions: Vec<Instruction> = Vec::new();
    for (offset, line) in printed {
        let offset = offset.and_then(|offset| (offset as u64).checked_add_signed(moved));
        let Some(offset) = offset.filter(|offset| (first..body.end).contains(offset)) else { continue };
        let line = line.trim();
        match instructions.last_mut() {
            // One instruction may take several lines.
            Some(last) if last.offset == offset => {
                last.text.push(' ');
                last.text.push_str(line);
            }
            _ => instructions.push(Instruction { offset, text: line.to_owned() }),
        }
    }
    Ok(Listing { module, function, end: body.end, instructions })
}

/// The placeholder for an instruction before the first or after the last one of a function.
fn outside(listing: &Listing, index: i64) -> Value {
    let count = listing.instructions.len() as i64;
    let start = listing.instructions.first().map_or(listing.end, |first| first.offset);
    let offset = if index < 0 {
        start.saturating_add_signed(index)
    } else {
        listing.end.saturating_add_signed(index.saturating_sub(count))
    };
    json!({
        "address": MemoryReference::Code(listing.module, offset).text(),
        "instruction": "outside of the function",
        "presentationHint": "invalid",
    })
}

fn bytes(binary: &Binary, start: u64, end: u64) -> String {
    let bytes = binary.module().bytes().get(start as usize..end as usize).unwrap_or_default();
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
