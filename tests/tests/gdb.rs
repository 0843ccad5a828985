//! `coredump-serve --gdb`: the questions of a client of GDB's remote protocol, packet by packet. `lldb.rs` tests the
//! same with LLDB.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use coredump_tests::dump_builder as build;
use coredump_tests::{Served, Tool, capture, fixture, scratch, wasmtime_dump};
use serde_json::json;

/// A client that acknowledges nothing, and wants no acknowledgement.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn new(served: &Served) -> Client {
        let stream = TcpStream::connect(&served.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream }
    }

    /// A client that wants errors as sentences.
    fn quiet(served: &Served) -> Client {
        let mut client = Client::new(served);
        assert_eq!(client.ask("QStartNoAckMode"), "OK");
        assert_eq!(client.ask("QEnableErrorStrings"), "OK");
        client
    }

    fn send(&mut self, data: &[u8]) {
        let sum = data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let packet = [b"$", data, format!("#{sum:02x}").as_bytes()].concat();
        self.stream.write_all(&packet).unwrap();
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// The next packet's data; what stands before it is skipped.
    fn receive(&mut self) -> String {
        while self.byte() != b'$' {}
        let mut data = Vec::new();
        loop {
            match self.byte() {
                b'#' => break,
                byte => data.push(byte),
            }
        }
        let sum = data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let stated = [self.byte(), self.byte()];
        assert_eq!(std::str::from_utf8(&stated).unwrap(), format!("{sum:02x}"));
        String::from_utf8_lossy(&data).into_owned()
    }

    fn ask(&mut self, request: &str) -> String {
        self.send(request.as_bytes());
        self.receive()
    }

    /// The sentence of an error.
    fn refused(&mut self, request: &str) -> String {
        let answer = self.ask(request);
        let text = answer.strip_prefix("E01;").unwrap_or_else(|| panic!("{request}: {answer}"));
        String::from_utf8(unhex(text)).unwrap()
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn serve(name: &str) -> Served {
    Served::new(&wasmtime_dump(name), &fixture(&format!("modules/{name}.wasm")))
}

#[test]
fn frames_stand_behind_their_calls() {
    let served = serve("sum-O0");
    let mut client = Client::quiet(&served);
    let stack = unhex(&client.ask("qWasmCallStack:1"));
    let stack: Vec<u64> = stack.chunks(8).map(|at| u64::from_le_bytes(at.try_into().unwrap())).collect();
    // The trap is at 0x7c2; the calls at 0x761, 0x661, 0x6a7 have six bytes each: an opcode, and an index padded by the
    // linker.
    let expected = [0x7c2, 0x761 + 6, 0x661 + 6, 0x6a7 + 6];
    assert_eq!(stack[..4], expected.map(|offset| 0x4000_0000_0000_0000 + offset));
    assert!(served.said.iter().any(|line| line.contains("recursion")), "{:?}", served.said);
    let stopped = client.ask("?");
    assert!(stopped.starts_with("T05thread:1;") && stopped.contains("reason:exception;"), "{stopped}");
    assert_eq!((client.ask("qfThreadInfo").as_str(), client.ask("qsThreadInfo").as_str()), ("m1", "l"));
    assert!(client.ask("qXfer:libraries:read::0,fff").contains("sum-O0.wasm"));
}

#[test]
fn memories_have_addresses_of_their_own() {
    let served = serve("wat-multi-memory");
    let mut client = Client::quiet(&served);
    let read =
        |client: &mut Client, address: &str| String::from_utf8(unhex(&client.ask(&format!("m{address},13")))).unwrap();
    // The frames' own, the module's first, the dump's first, second and third.
    for address in ["100", "0080000000000100"] {
        assert_eq!(read(&mut client, address), "in the first memory");
    }
    assert!(read(&mut client, "0080000100001000").starts_with("in the second memor"));
    assert_eq!(read(&mut client, "0080000200010000"), "in the third memory");
    assert_eq!(client.refused("m0080000300000000,1"), "there is no memory 3");
    assert!(client.refused("m20000,1").contains("does not hold"));
    assert!(client.refused("mc000000000000000,1").contains("nothing has such an address"));
    // A component's module stands in its own file.
    let served = serve("component-sum");
    let mut client = Client::quiet(&served);
    assert_eq!(client.ask("m4000000100000000,4"), "0061736d");
}

#[test]
fn nothing_that_comes_in_ends_the_server() {
    let served = serve("sum-O0");
    let mut client = Client::quiet(&served);
    for request in [
        "",
        "qWasmLocal:",
        "qWasmLocal:0",
        "qWasmLocal:99999999999999999999;0",
        "m",
        "m,",
        "mzz,1",
        "x-1,+1",
        "H",
        "Hg",
        "p",
        "vCont",
        "qRegisterInfo",
        "qThreadStopInfo",
        "QEcho:\u{e9}",
        "qXfer:libraries:read::,",
        "T",
        "!",
    ] {
        let answer = client.ask(request);
        assert!(answer.is_empty() || answer.starts_with('E'), "{request}: {answer}");
    }
    for request in [
        "qWasmCallStack:2",
        "qWasmLocal:99;0",
        "qWasmLocal:0;99999",
        "qWasmGlobal:0;999",
        "Hg7",
        "mffffffffffffffff,ffffffffffffffff",
    ] {
        assert!(client.refused(request).len() > 10);
    }
    for request in ["c", "s", "vCont;c", "bc"] {
        assert!(client.ask(request).starts_with('O'));
        assert!(client.receive().starts_with("T05"));
    }
    for request in ["M0,1:00", "Z0,0,1", "G00"] {
        assert!(client.refused(request).starts_with("this is a core dump"));
    }
    // Noise, a wrong checksum, and a packet without an end.
    client.stream.write_all(b"GET / HTTP/1.1\r\n\r\n\x03$?#00").unwrap();
    assert!(client.receive().starts_with("E01"));
    client.stream.write_all(&[&b"$"[..], &vec![b'm'; 1 << 18], b"#00"].concat()).unwrap();
    assert!(client.receive().starts_with("E01"));
    client.send(&[0xff, 0xfe, 0]);
    assert_eq!(client.receive(), "");
    assert!(client.ask("?").starts_with("T05"));
    client.stream.write_all(b"$m0,").unwrap();
    drop(client);
    // The next client is served, acknowledgements and all.
    let mut client = Client::new(&served);
    client.stream.write_all(b"$qC#b4").unwrap();
    let mut answer = [0; 4];
    client.stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+$QC");
    client.stream.write_all(b"$qC#00").unwrap();
    while client.byte() != b'-' {}
    assert_eq!(client.ask("D"), "OK");
}

#[test]
fn data_that_goes_beyond_the_last_address_went_nowhere() {
    // A 64-bit memory, and a segment whose second byte would be at the address 0 of the next turn.
    let code = build::section(10, &[1, 3, 0, 0, 0x0b]);
    let memory = build::section(5, &[1, 4, 1]);
    let segment = |address, bytes: &[u8]| {
        let at = [&[1, 0, 0x42][..], &build::signed_leb(address), &[0x0b, bytes.len() as u8], bytes].concat();
        build::section(11, &at)
    };
    let types = [build::section(1, &[1, 0x60, 0, 0]), build::section(3, &[1, 0])];
    let module = build::module(&[&types[..], &[memory.clone(), code, segment(-1, b"data")]].concat());
    let place = module.windows(4).position(|bytes| bytes == b"data").unwrap();
    let dump = build::module(&[
        build::coremodules(&["app.wasm"]),
        build::coreinstances(&[(0, &[0], &[])]),
        build::standard_stack(&[build::frame(0, 1, &[])]),
        memory,
        segment(0, b"other"),
    ]);
    let folder = scratch();
    let path = folder.path().join("app.coredump");
    std::fs::write(&path, dump).unwrap();
    let binary = folder.path().join("app.wasm");
    std::fs::write(&binary, module).unwrap();
    let served = Served::new(&path, &binary);
    let mut client = Client::quiet(&served);
    assert_eq!(client.ask("m0,5"), "6f74686572");
    for byte in 0..4 {
        let why = client.refused(&format!("m{:x},1", 0x4000_0000_0000_0000 + place + byte));
        assert!(why.contains("is not known"), "{why}");
    }
}

#[test]
fn a_dump_has_to_be_named() {
    let outcome = Tool::new("coredump-serve").args(["--gdb", "127.0.0.1:0"]).run().expect(64);
    assert!(outcome.stderr.contains("--gdb needs the dump"), "{}", outcome.stderr);
    let both = Tool::new("coredump-serve").args(["--gdb", "127.0.0.1:0", "--dap", "x"]).run().expect(64);
    assert!(both.stderr.contains("exclude each other"), "{}", both.stderr);
    let module =
        Tool::new("coredump-serve").args(["--gdb", "127.0.0.1:0"]).arg(fixture("modules/sum-O0.wasm")).run().expect(2);
    assert!(module.stderr.contains("not a core dump"), "{}", module.stderr);
}

/// A dump of `sum-O0` with a second thread, which is the first without its three youngest frames.
fn two_threads(folder: &std::path::Path) -> std::path::PathBuf {
    let (dump, _) = capture(folder, "sum-O0", &[]);
    let mut document = Tool::new("coredump-json").args(["--memory", "base64"]).arg(&dump).run().expect(0).json();
    let mut frames = document["threads"][0]["frames"].as_array().unwrap()[3..].to_vec();
    for (index, frame) in frames.iter_mut().enumerate() {
        frame["index"] = json!(index);
    }
    document["threads"]
        .as_array_mut()
        .unwrap()
        .push(json!({"index": 1, "name": "worker", "truncated": false, "frames": frames}));
    let (text, two) = (folder.join("two.json"), folder.join("two.coredump"));
    std::fs::write(&text, document.to_string()).unwrap();
    Tool::new("coredump-json").args(["--encode", "-o"]).arg(&two).arg(&text).run().expect(0);
    two
}

#[test]
fn a_value_that_threads_do_not_share_is_not_given_as_another_threads() {
    let folder = scratch();
    let (dump, module) = (two_threads(folder.path()), fixture("modules/sum-O0.wasm"));
    let served = Served::new(&dump, &module);
    assert!(served.said.iter().any(|line| line.contains("--thread N")), "{:?}", served.said);
    let mut client = Client::quiet(&served);
    assert_eq!(client.ask("qfThreadInfo"), "m1,2");
    // The frame's address in local 5: of `divide` and of `sum`.
    for chosen in ["Hg1", "Hg2"] {
        assert_eq!(client.ask(chosen), "OK");
        assert!(client.refused("qWasmLocal:0;5").contains("the threads differ"));
    }
    // The youngest of the threads' frames that only one of them has.
    let stacks = ["qWasmCallStack:1", "qWasmCallStack:2"].map(|request| client.ask(request).len() / 16);
    assert_eq!(stacks, [10, 7]);
    let first = Served::with(&["--thread", "0"], &dump, &module);
    let mut alone = Client::quiet(&first);
    assert_eq!(alone.ask("qfThreadInfo"), "m1");
    let last = |client: &mut Client| client.ask("qWasmLocal:7;2");
    assert_eq!(last(&mut client), last(&mut alone));
    // A thread that is served alone has all its values: what `sum` was called with.
    let second = Served::with(&["--thread", "1"], &dump, &module);
    let mut worker = Client::quiet(&second);
    assert_eq!(worker.ask("qfThreadInfo"), "m2");
    assert!(worker.ask("?").starts_with("T05thread:2;"));
    assert_eq!(worker.ask("qWasmLocal:0;2"), "02000000", "depth=2");
    assert_eq!(worker.ask("qWasmLocal:1;2"), "01000000", "depth=1");
    assert!(worker.refused("qThreadStopInfo1").contains("no such thread"));
    let wrong = Tool::new("coredump-serve").args(["--gdb", "0", "--thread", "2"]).arg(&dump).run();
    assert!(wrong.code() == 2 && wrong.stderr.contains("counted from 0"), "{}", wrong.stderr);
}
