//! WasmEdge: `In instruction: unreachable (0x00) , Bytecode offset: 0x000343e4` for the youngest frame, and since 2026
//! `calling stack:module[0]:12, module[0]:7`.

use super::super::{Engine, Printed};
use super::{Recognised, decimal, hexadecimal, named};

/// The number of frames of one line that are looked at; WasmEdge records 256.
const MAX_FRAMES: usize = 256;

/// The youngest frame, or those below it.
pub fn frame(line: &str) -> Option<Recognised> {
    if let Some(start) = line.find("In instruction: ") {
        let (_, offset) = line[start..].split_once("Bytecode offset: ")?;
        let (offset, _) = hexadecimal(offset)?;
        return Some(Recognised::Frame(
            Engine::WasmEdge,
            Printed { offset: Some(offset), ..Printed::default() },
            start,
        ));
    }
    let (_, list) = line.split_once("calling stack:")?;
    let frames = list.split(", ").take(MAX_FRAMES).map_while(|entry| {
        let (module, index) = entry.trim().rsplit_once(':')?;
        let (index, "") = decimal(index)? else { return None };
        let module = Some(module).filter(|module| !module.starts_with("module[")).and_then(named);
        Some(Printed { module, index: Some(index), ..Printed::default() })
    });
    let frames: Vec<_> = frames.collect();
    (!frames.is_empty()).then_some(Recognised::Frames(Engine::WasmEdge, frames))
}
