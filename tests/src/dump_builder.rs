//! Builds core dumps byte by byte, as other programs write them (`docs/producers.md`). Nothing here is shared with the
//! reader, as its mistakes would be repeated.

/// A frame to be written. Each layout leaves out the fields that it cannot represent.
#[derive(Clone, Debug, Default)]
pub struct FrameBytes {
    /// Instance index.
    pub instance: u32,
    /// Function index, including imports.
    pub function: u32,
    /// Code offset.
    pub offset: u32,
    /// Locals.
    pub locals: Vec<Number>,
    /// Operand stack.
    pub stack: Vec<Number>,
}

/// A value of a frame.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A value that is marked as missing.
    Missing,
    /// `i32`
    I32(i32),
    /// `i64`
    I64(i64),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
}

/// A frame of instance 0 with locals.
pub fn frame(function: u32, offset: u32, locals: &[Number]) -> FrameBytes {
    FrameBytes { function, offset, locals: locals.to_vec(), ..FrameBytes::default() }
}

/// An unsigned LEB128 number.
pub fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A signed LEB128 number.
pub fn signed_leb(mut number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        let sign = low & 0x40 != 0;
        if (number == 0 && !sign) || (number == -1 && sign) {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A name: its length and its bytes.
pub fn name(text: &str) -> Vec<u8> {
    [leb(text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// A section with its id and size.
pub fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [vec![id], leb(contents.len() as u64), contents.to_vec()].concat()
}

/// A custom section.
pub fn custom(section_name: &str, contents: &[u8]) -> Vec<u8> {
    section(0, &[name(section_name), contents.to_vec()].concat())
}

/// A file of these sections.
pub fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// `core` with a program's name.
pub fn core(executable: &str) -> Vec<u8> {
    custom("core", &[vec![0], name(executable)].concat())
}

/// `corestack` of the thread `main`, with its frames already encoded after `count`.
pub fn corestack(count: Vec<u8>, frames: Vec<u8>) -> Vec<u8> {
    custom("corestack", &[vec![0], name("main"), count, frames].concat())
}

/// One memory of `minimum` to `maximum` pages.
pub fn memory(minimum: u32, maximum: Option<u32>) -> Vec<u8> {
    let limits = match maximum {
        Some(maximum) => [vec![1], leb(minimum.into()), leb(maximum.into())].concat(),
        None => [vec![0], leb(minimum.into())].concat(),
    };
    section(5, &[vec![1], limits].concat())
}

/// Active segments of memory 0.
pub fn data(segments: &[(u32, &[u8])]) -> Vec<u8> {
    let mut contents = leb(segments.len() as u64);
    for (address, bytes) in segments {
        contents.extend([0, 0x41]);
        contents.extend(signed_leb(i64::from(*address as i32)));
        contents.push(0x0b);
        contents.extend(leb(bytes.len() as u64));
        contents.extend(*bytes);
    }
    section(11, &contents)
}

/// `coremodules` with names, as the standard writes it.
pub fn coremodules(names: &[&str]) -> Vec<u8> {
    let modules = names.iter().flat_map(|module| [vec![0], name(module)].concat());
    custom("coremodules", &[leb(names.len() as u64), modules.collect()].concat())
}

/// `coreinstances`: module, memories and globals of each.
pub fn coreinstances(instances: &[(u32, &[u32], &[u32])]) -> Vec<u8> {
    let vector = |indices: &[u32]| {
        [leb(indices.len() as u64), indices.iter().flat_map(|index| leb((*index).into())).collect()].concat()
    };
    let instances: Vec<Vec<u8>> = instances
        .iter()
        .map(|(module, memories, globals)| [vec![0], leb((*module).into()), vector(memories), vector(globals)].concat())
        .collect();
    custom("coreinstances", &[leb(instances.len() as u64), instances.concat()].concat())
}

/// `corestack` as the standard has it.
pub fn standard_stack(frames: &[FrameBytes]) -> Vec<u8> {
    let encode = |frame: &FrameBytes| {
        let vector = |values: &[Number]| {
            [leb(values.len() as u64), values.iter().flat_map(|value| value.standard()).collect()].concat()
        };
        let numbers = [frame.instance, frame.function, frame.offset].map(|number| leb(number.into())).concat();
        [vec![0], numbers, vector(&frame.locals), vector(&frame.stack)].concat()
    };
    corestack(leb(frames.len() as u64), frames.iter().flat_map(encode).collect())
}

/// The bytes of a frame from xtuc's rewriter 0.2: both counts first, integers of fixed size, no operands.
pub fn xtuc_0_2(frames: &[FrameBytes], contents: &[u8]) -> Vec<u8> {
    let encode = |frame: &FrameBytes| [vec![0], leb(frame.instance.into()), xtuc_rest(frame)].concat();
    let stack = corestack(leb(frames.len() as u64), frames.iter().flat_map(encode).collect());
    rewriter(stack, contents)
}

/// The rewriter 0.1.14 to 0.1.24: no instance.
pub fn xtuc_0_1_14(frames: &[FrameBytes], contents: &[u8]) -> Vec<u8> {
    let encode = |frame: &FrameBytes| [vec![0], xtuc_rest(frame)].concat();
    rewriter(corestack(leb(frames.len() as u64), frames.iter().flat_map(encode).collect()), contents)
}

/// The rewriter from 3 to 18 May 2023: numbers of four bytes.
pub fn xtuc_2023_05(frames: &[FrameBytes], contents: &[u8]) -> Vec<u8> {
    let encode = |frame: &FrameBytes| {
        let numbers = [frame.function, frame.offset, frame.locals.len() as u32, 0].map(u32::to_le_bytes).concat();
        [vec![0], numbers, fixed(&frame.locals)].concat()
    };
    let count = (frames.len() as u32).to_le_bytes().to_vec();
    rewriter(corestack(count, frames.iter().flat_map(encode).collect()), contents)
}

/// The rewriter 0.1.11 and 0.1.12: a size after the count, no version byte, no count of operands.
pub fn xtuc_0_1_11(frames: &[FrameBytes], contents: &[u8]) -> Vec<u8> {
    let encode = |frame: &FrameBytes| {
        let numbers = [frame.function, frame.offset, frame.locals.len() as u32].map(u32::to_le_bytes).concat();
        [numbers, fixed(&frame.locals)].concat()
    };
    let encoded: Vec<u8> = frames.iter().flat_map(encode).collect();
    let count = [frames.len() as u32, encoded.len() as u32 + 8].map(u32::to_le_bytes).concat();
    rewriter(corestack(count, encoded), contents)
}

/// Wasmer: the rewriter's encoding of 0.1.14 without values, an offset it does not know as `u32::MAX`, no memory.
pub fn wasmer(executable: &str, frames: &[FrameBytes]) -> Vec<u8> {
    let encode =
        |frame: &FrameBytes| [vec![0], leb(frame.function.into()), leb(frame.offset.into()), vec![0, 0]].concat();
    let stack = corestack(leb(frames.len() as u64), frames.iter().flat_map(encode).collect());
    module(&[core(executable), stack, memory(0, None), data(&[(0, b"")])])
}

/// WasmEdge before August 2026; `for_wasmgdb` as its option of that name: operands are counted and not written.
/// `host_frames` are declared and not written.
pub fn wasmedge_old(frames: &[FrameBytes], host_frames: usize, module_name: &str, for_wasmgdb: bool) -> Vec<u8> {
    let raw = |value: &Number| {
        let bytes = value.fixed();
        [vec![0x7f], bytes[1..5].to_vec()].concat()
    };
    let encode = |frame: &FrameBytes| {
        let numbers = [frame.function, frame.offset, frame.locals.len() as u32, frame.stack.len() as u32];
        let operands = if for_wasmgdb { &[][..] } else { &frame.stack[..] };
        let values = frame.locals.iter().chain(operands).flat_map(raw).collect();
        [vec![0], numbers.map(|number| leb(number.into())).concat(), values].concat()
    };
    let stack = corestack(leb((frames.len() + host_frames) as u64), frames.iter().flat_map(encode).collect());
    let modules = custom("coremodules", &[vec![1, 0], module_name.as_bytes().to_vec()].concat());
    let instances = custom("coreinstances", &[0]);
    let global_without_value = section(6, &[1, 0x7f, 1, 0x0b]);
    module(&[custom("core", &[0, 0]), stack, modules, instances, memory(2, None), global_without_value])
}

/// The rewriter's file: the stack first, no program name, the memory from the dump's own end to its end.
fn rewriter(stack: Vec<u8>, contents: &[u8]) -> Vec<u8> {
    const PAGE: usize = 65536;
    let pages = contents.len() / PAGE;
    assert_eq!(contents.len() % PAGE, 0, "a memory has whole pages");
    let before = module(&[stack, core(""), memory(0, Some(pages as u32))]);
    // The dump lies over the beginning of the memory: the segment starts where its own bytes do.
    let mut start = before.len();
    loop {
        let segment = data(&[(start as u32, &contents[start..])]);
        let header = segment.len() - (contents.len() - start);
        if before.len() + header == start {
            return [before, segment].concat();
        }
        start = before.len() + header;
    }
}

/// A core module of functions `[] -> []` with these bodies (locals first), and names for some of them.
pub fn wasm(bodies: &[&[u8]], names: &[(u32, &str)]) -> Vec<u8> {
    let count = leb(bodies.len() as u64);
    let types = section(1, &[1, 0x60, 0, 0]);
    let functions = section(3, &[count.clone(), vec![0; bodies.len()]].concat());
    let bodies = bodies.iter().flat_map(|body| [leb(body.len() as u64), body.to_vec()].concat()).collect();
    let code = section(10, &[count, bodies].concat());
    let map: Vec<u8> = names.iter().flat_map(|(index, text)| [leb(u64::from(*index)), name(text)].concat()).collect();
    let names = section(1, &[leb(names.len() as u64), map].concat());
    module(&[types, functions, code, custom("name", &names)])
}

/// Function, offset, both counts and locals.
fn xtuc_rest(frame: &FrameBytes) -> Vec<u8> {
    let numbers = [frame.function, frame.offset, frame.locals.len() as u32, 0].map(|number| leb(number.into()));
    [numbers.concat(), fixed(&frame.locals)].concat()
}

fn fixed(values: &[Number]) -> Vec<u8> {
    values.iter().flat_map(|value| value.fixed()).collect()
}

impl Number {
    fn standard(self) -> Vec<u8> {
        match self {
            Number::I32(number) => [vec![0x7f], signed_leb(number.into())].concat(),
            Number::I64(number) => [vec![0x7e], signed_leb(number)].concat(),
            other => other.fixed(),
        }
    }

    fn fixed(self) -> Vec<u8> {
        match self {
            Number::Missing => vec![1],
            Number::I32(number) => [vec![0x7f], number.to_le_bytes().to_vec()].concat(),
            Number::I64(number) => [vec![0x7e], number.to_le_bytes().to_vec()].concat(),
            Number::F32(number) => [vec![0x7d], number.to_le_bytes().to_vec()].concat(),
            Number::F64(number) => [vec![0x7c], number.to_le_bytes().to_vec()].concat(),
        }
    }
}
