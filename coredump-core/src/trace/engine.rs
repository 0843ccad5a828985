//! The engines whose traces are recognised, and what their offsets mean.

/// An engine, or the host that prints in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Wasmtime, and hosts that print its backtrace (Spin, Extism's Rust SDK).
    Wasmtime,
    /// V8: Node, Deno, Chrome, Cloudflare.
    V8,
    /// V8 before 2018: offsets count from the function.
    OldV8,
    /// SpiderMonkey: Firefox.
    SpiderMonkey,
    /// JavaScriptCore: Safari. It prints no offsets.
    JavaScriptCore,
    /// Wasmer.
    Wasmer,
    /// WasmEdge.
    WasmEdge,
    /// WebAssembly Micro Runtime.
    Wamr,
    /// wazero, and hosts that print its stack (Extism's Go SDK and command line).
    Wazero,
    /// wasm3.
    Wasm3,
    /// Hosts of proxy-wasm with V8: Envoy, Istio.
    ProxyWasm,
    /// The Internet Computer. It prints no offsets.
    InternetComputer,
    /// The sanitizers of Emscripten, which print the stack of an error, of an allocation or of a `free`.
    Sanitizer,
}

/// The byte from which an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceBase {
    /// The first byte of the file that was loaded: a module or a component.
    File,
    /// The code section's contents, as DWARF's addresses.
    CodeSection,
    /// The first byte after the size of the function's body.
    Function,
}

/// On which side of its instruction an offset points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// To its first byte.
    On,
    /// After its last byte.
    Behind,
}

/// The meaning of the offsets of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// From which byte they count.
    pub base: TraceBase,
    /// The place at which the youngest frame's offset points, relative to the instruction that failed.
    pub youngest: Stand,
    /// The place at which a caller's offset points, relative to its call.
    pub caller: Stand,
}

/// The offsets that most engines print: in the file, to the first byte of the instruction or call.
const FILE: Rule = Rule { base: TraceBase::File, youngest: Stand::On, caller: Stand::On };

impl Engine {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Wasmtime => "wasmtime",
            Engine::V8 | Engine::OldV8 => "v8",
            Engine::SpiderMonkey => "spidermonkey",
            Engine::JavaScriptCore => "javascriptcore",
            Engine::Wasmer => "wasmer",
            Engine::WasmEdge => "wasmedge",
            Engine::Wamr => "wamr",
            Engine::Wazero => "wazero",
            Engine::Wasm3 => "wasm3",
            Engine::ProxyWasm => "proxy-wasm",
            Engine::InternetComputer => "internet-computer",
            Engine::Sanitizer => "sanitizer",
        }
    }

    /// The possible meanings of its offsets, the usual first. If there are several, the function bodies decide.
    pub(crate) fn rules(self) -> &'static [Rule] {
        match self {
            // The classic interpreter stops after the instruction; code compiled ahead of time records its first byte.
            Engine::Wamr => &[Rule { youngest: Stand::Behind, caller: Stand::Behind, ..FILE }, FILE],
            Engine::Wazero => &[Rule { base: TraceBase::CodeSection, ..FILE }],
            Engine::OldV8 => &[Rule { base: TraceBase::Function, ..FILE }],
            _ => &[FILE],
        }
    }

    /// Returns true if its frames are numbered, so that interleaved traces can be told apart.
    pub(super) fn numbers(self) -> bool {
        matches!(self, Engine::Wasmtime | Engine::Wasm3 | Engine::ProxyWasm | Engine::Wamr)
    }
}
