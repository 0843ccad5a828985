//! `--serve`: HTTP components under real requests. `sources/component/service.rs` says what their pages do.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use coredump_tests::{Tool, fixture, scratch, skip};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::signals::{send, until};
use super::{Run, frames, places, read};

/// A server that runs, and the folder for its dumps.
struct Server {
    child: Child,
    address: String,
    folder: TempDir,
    /// The text that it wrote to its standard error.
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// An answer.
struct Reply {
    status: u16,
    body: Vec<u8>,
    /// The body came to its end.
    whole: bool,
}

impl Reply {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Server {
    fn start(options: &[&str], component: &str) -> Server {
        Server::start_in(scratch(), options, component)
    }

    fn start_in(folder: TempDir, options: &[&str], component: &str) -> Server {
        let tool = Tool::new("coredump-run").args(["--serve", "0", "-o", "%e.%p.coredump"]).args(options);
        let mut command = tool.arg(fixture(&format!("modules/{component}.wasm"))).into_command();
        let mut child = command
            .current_dir(folder.path())
            .env("SECRET", "4111")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().split_once("serving HTTP on http://").unwrap_or_else(|| panic!("{line}")).1;
        let address = address.trim_end_matches('/').to_owned();
        assert!(address.starts_with("127.0.0.1:"), "only this machine is served unless somebody says so");
        let said = Arc::new(Mutex::new(String::new()));
        let more = said.clone();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|len| len > 0) {
                more.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        Server { child, address, folder, said, reader: Some(reader) }
    }

    fn get(&self, target: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"), b"")
    }

    fn ask(&self, head: &str, body: &[u8]) -> Reply {
        ask(&self.address, head, body)
    }

    fn dumps(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "coredump")).collect()
    }

    #[track_caller]
    fn only_dump(&self) -> Value {
        let dumps = self.dumps();
        assert_eq!(dumps.len(), 1, "{dumps:?}");
        read(&dumps[0])
    }

    /// Ends it as an operator does, and returns its exit code and all that it said.
    fn stop(mut self) -> (Option<i32>, String) {
        send("TERM", &self.child);
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status.code(), std::mem::take(&mut *self.said.lock().unwrap()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads its answer, whose connection is closed after it.
fn ask(address: &str, head: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // It may rightly be refused before all of it was sent.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {bytes:?}"));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = &bytes[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return Reply { status, body: rest.to_vec(), whole: true };
    }
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return Reply { status, body, whole: true };
        }
        body.extend(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    Reply { status, body, whole: false }
}

#[test]
fn a_crash_leaves_a_dump_with_its_request_and_the_server_goes_on() {
    let server = Server::start(&["--annotate", "version=1.4.2"], "http-service");
    assert_eq!((server.get("/").status, server.get("/").text()), (200, "hello\n"));
    let head = "DELETE /crash?4111 HTTP/1.1\r\nhost: here\r\nx-card: 4111\r\nconnection: close\r\n\r\n";
    assert_eq!(server.ask(head, b"").status, 500);
    assert_eq!(server.get("/").status, 200);
    // Another crash at the same place within a minute leaves no dump.
    assert_eq!(server.get("/crash?2").status, 500);
    let dump = server.only_dump();
    let request = &dump["process"]["request"];
    assert_eq!((&request["method"], &request["path"]), (&json!("DELETE"), &json!("/crash?4111")));
    assert!(request["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{request}");
    let headers = request["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({"name": "x-card", "value": "4111"})), "{request}");
    assert_eq!(dump["process"]["annotations"], json!({"version": "1.4.2"}));
    assert_eq!(dump["process"]["exit_code"], Value::Null);
    assert_eq!(dump["reason"]["panic"]["message"], "order 4111 has no items");
    let place = &dump["place"];
    assert_eq!((&place["function"], &place["line"]), (&json!("service::average"), &json!(61)), "{place}");

    let path = server.dumps().remove(0);
    let text = Tool::new("coredump-bt").arg(&path).run().expect(0);
    let peer = request["peer"].as_str().unwrap();
    assert!(text.text().contains(&format!("request: DELETE /crash?4111 from {peer}\n")), "{}", text.text());
    assert!(text.text().contains("    x-card: 4111\n"), "{}", text.text());
    let redacted = Tool::new("coredump-json").arg("--redact").arg(&path).run().expect(0);
    let nothing = json!({"method": "DELETE", "path": null, "headers": null, "peer": null});
    assert_eq!(redacted.json()["process"]["request"], nothing);
    assert!(!redacted.text().contains("4111"), "{}", redacted.text());

    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("DELETE /crash from 127.0.0.1:"), "{said}");
    assert!(!said.contains("/crash?"), "a query may hold secrets: {said}");
    assert!(said.contains("no core dump: a dump was written of this place in this minute already"), "{said}");
}

#[test]
fn with_live_the_dump_has_variables() {
    let server = Server::start(&["--live"], "http-service");
    assert_eq!(server.get("/crash?77").status, 500);
    let dump = Tool::new("coredump-json").arg("--locals").arg(&server.dumps()[0]).run().expect(0).json();
    let average = frames(&dump).iter().find(|frame| frame["function"] == "service::average").unwrap();
    let variables = average["variables"].as_array().unwrap();
    let order = variables.iter().find(|variable| variable["name"] == "order").unwrap();
    assert_eq!(order["value"], "\"77\"", "{order}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn services_of_wasi_0_3_are_served() {
    let server = Server::start(&[], "http-service3");
    assert_eq!(server.get("/").text(), "hello\n");
    assert_eq!(server.get("/crash?5").status, 500);
    let dump = server.only_dump();
    assert_eq!(dump["reason"]["panic"]["message"], "order 5 has no items");
    assert_eq!(dump["process"]["request"]["path"], "/crash?5");
    // A task that writes the body outlives the call that answered.
    let late = server.get("/late?6");
    assert_eq!((late.status, late.text(), late.whole), (200, "hello\n", false));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn a_body_whose_guest_died_does_not_look_whole() {
    let server = Server::start(&[], "http-service");
    let late = server.get("/late?4");
    assert_eq!((late.status, late.text(), late.whole), (200, "so far so good\n", false));
    until("dump", || server.dumps().len() == 1);
}

#[test]
fn a_service_in_c_is_served() {
    let server = Server::start(&["--live"], "http-service-c");
    assert_eq!(server.get("/?468").text(), "6");
    assert_eq!(server.get("/").status, 500);
    let dump = server.only_dump();
    assert_eq!(dump["reason"]["kind"], "integer-divide-by-zero");
    assert_eq!(places(&dump), ["divide service.c:43", "average service.c:53", "handle service.c:62"]);
}

/// `sources/component/prices.rs`, whose handler is asynchronous: what it waits for is polled by an executor of wstd.
#[test]
fn a_service_in_rust_with_wstd_is_served() {
    let server = Server::start(&["--timeout", "2s"], "http-service-wstd");
    assert_eq!((server.get("/").text(), server.get("/total?3,4").text()), ("hello\n", "7\n"));
    assert_eq!(server.get("/nothing").status, 404);
    assert_eq!(server.get("/total?3,x").status, 500);
    let dump = server.only_dump();
    assert_eq!(dump["reason"]["panic"]["message"], "price 1 is no number: \"x\"");
    assert_eq!(
        (&dump["place"]["function"], &dump["process"]["request"]["path"]),
        (&json!("service::price"), &json!("/total?3,x"))
    );
    // A service that waits is in the call of the host in which all of its tasks wait.
    assert_eq!(server.get("/wait?ab").status, 504);
    let last = server.dumps().iter().map(|dump| read(dump)).find(|dump| dump["reason"]["kind"] == "timeout").unwrap();
    let functions: Vec<_> = frames(&last).iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert!(functions.contains(&"wasip2::imports::wasi::io::poll::poll"), "{functions:?}");
    assert_eq!(server.get("/total?1,2,3").text(), "6\n");
}

/// `sources/component/orders.c`, with the bindings of wit-bindgen.
#[test]
fn a_service_in_c_with_generated_bindings_and_a_library_is_served() {
    let source = std::fs::read_to_string(fixture("sources/component/orders.c")).unwrap();
    let line = |statement: &str| 1 + source.lines().position(|line| line.contains(statement)).unwrap();
    let server = Server::start(&["--live", "--network"], "http-service-bindgen");
    assert_eq!(server.get("/average?pears=3&plums=5").text(), "4\n");
    assert_eq!(server.get("/average").status, 500);
    let dump = server.only_dump();
    assert_eq!(dump["reason"]["kind"], "integer-divide-by-zero");
    let [average, serve] = [line("order->total / order->count"), line("return average(&order)")];
    assert_eq!(places(&dump)[..2], [format!("average orders.c:{average}"), format!("serve orders.c:{serve}")]);
    let first = server.dumps().remove(0);
    // A service that gives up by itself says why, and its variables show whose order it was.
    assert_eq!(server.get("/average?plums=5&pears=x").status, 500);
    let second = server.dumps().into_iter().find(|dump| *dump != first).unwrap();
    let dump = read(&second);
    assert_eq!(dump["reason"]["guest_stderr"], "pears: x is no amount\n");
    assert_eq!(dump["place"]["line"], line("        abort();"));
    let print = ["name", "order.items.name", "order.total"].iter().flat_map(|name| ["--print", name]);
    let values = Tool::new("coredump-dump").args(["--frame", "1"]).args(print).arg(&second).run().expect(0);
    let values: Vec<_> = values.text().lines().map(|line| line.rsplit(" = ").next().unwrap().to_owned()).collect();
    assert!(values[0].ends_with("\"pears\"") && values[1].ends_with("\"plums\"") && values[2] == "5", "{values:?}");
    // It is told in words why a request over TLS is not sent (38 is an internal error), and without leave only that
    // (15: denied).
    let why = server.get("/buy");
    assert!(why.text().starts_with("error 38: ") && why.text().contains("https is not supported"), "{}", why.text());
    assert_eq!(Server::start(&[], "http-service-bindgen").get("/buy").text(), "error 15: \n");
}

#[test]
fn each_request_has_its_time() {
    let server = Server::start(&["--timeout", "500ms", "--keep", "2"], "http-service");
    let kinds = |target: &str| {
        let known: HashSet<_> = server.dumps().into_iter().collect();
        assert_eq!(server.get(target).status, 504);
        let new = server.dumps().into_iter().find(|path| !known.contains(path)).unwrap();
        let dump = read(&new);
        (dump["reason"]["kind"].clone(), !frames(&dump).is_empty(), dump["process"]["request"]["path"].clone())
    };
    // A service may be busy or wait.
    assert_eq!(kinds("/loop"), (json!("timeout"), true, json!("/loop")));
    assert_eq!(kinds("/sleep?60000"), (json!("timeout"), true, json!("/sleep?60000")));
    assert_eq!(server.get("/crash?1").status, 500);
    assert_eq!(server.dumps().len(), 2, "--keep holds for a server, too");
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.get("/loop").status, 504));
        }
        // Busy requests leave room for others.
        assert_eq!(server.get("/").status, 200);
    });
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// A task of WASI 0.3 that waits is in no function, so nothing of it can be interrupted.
#[test]
fn a_task_that_waits_too_long_leaves_its_state() {
    for live in [&[][..], &["--live"]] {
        let server = Server::start(&[&["--timeout", "300ms"], live].concat(), "http-service3");
        assert_eq!(server.get("/wait?order-4111").status, 504);
        let dump = server.only_dump();
        assert_eq!(dump["reason"]["kind"], "timeout");
        let message = dump["reason"]["message"].as_str().unwrap();
        assert!(message.contains("no frames are known"), "{message}");
        assert!(frames(&dump).is_empty());
        assert_eq!(dump["process"]["request"]["path"], "/wait?order-4111");
        assert!(dump["globals"].as_array().is_some_and(|globals| !globals.is_empty()));
        let modules = dump["modules"].as_array().unwrap();
        assert!(!modules.is_empty() && modules.iter().all(|module| module["sha256"].is_string()), "{modules:?}");
        let found = Tool::new("coredump-dump").args(["--find", "order-4111"]).arg(&server.dumps()[0]).run().expect(0);
        assert!(!found.text().is_empty(), "what the task is about is in its memory");
        let tool = Tool::new("coredump-json").arg("--locals").arg(&server.dumps()[0]);
        let document = tool.run().expect(0).json();
        let [task] = &document["tasks"].as_array().unwrap()[..] else { panic!("{}", document["tasks"]) };
        assert_eq!((&task["executor"], &task["state"]), (&json!("wit-bindgen"), &json!("idle")));
        let mut awaited = Vec::new();
        let mut at = task;
        while let Some(next) = at["awaits"].get(0) {
            awaited.push(next);
            at = next;
        }
        let gather =
            awaited.iter().find(|one| one["function"] == "service::gather").unwrap_or_else(|| panic!("{task}"));
        assert_eq!((&gather["state"], &gather["line"]), (&json!("suspended"), &json!(42)), "{gather}");
        let variables = gather["variables"].as_array().unwrap();
        let value =
            |name: &str| variables.iter().find(|variable| variable["name"] == name).map(|variable| &variable["value"]);
        assert_eq!((value("order"), value("weight")), (Some(&json!("\"order-4111\"")), Some(&json!("0"))), "{gather}");
        assert_eq!(server.get("/").status, 200);
    }
    // If dumps of timeouts are not asked for, none are written.
    let server = Server::start(&["--timeout", "300ms", "--on", "trap"], "http-service3");
    assert_eq!(server.get("/wait?1").status, 504);
    assert!(server.dumps().is_empty());
}

#[test]
fn nothing_is_reachable_that_was_not_given() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("given")).unwrap();
    std::fs::write(path("given/open.txt"), "for all").unwrap();
    std::fs::write(path("secret.txt"), "4111").unwrap();
    std::os::unix::fs::symlink("../secret.txt", path("given/link")).unwrap();
    std::os::unix::fs::symlink(path("secret.txt"), path("given/absolute")).unwrap();
    std::os::unix::fs::symlink("..", path("given/up")).unwrap();
    let secret = path("secret.txt").display().to_string();
    let server = Server::start_in(folder, &["--dir", "given::/data:ro", "--env", "GIVEN=yes"], "http-service");
    assert_eq!(server.get("/read?/data/open.txt").text(), "for all");
    for hidden in [
        "secret.txt",
        "../secret.txt",
        "/secret.txt",
        "/data/../secret.txt",
        "/data/../../etc/passwd",
        "/data/link",
        "/data/absolute",
        "/data/up/secret.txt",
        "given/open.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/stdin",
        &secret,
        fixture("modules/http-service.wasm").to_str().unwrap(),
    ] {
        let reply = server.get(&format!("/read?{hidden}"));
        assert_eq!(reply.status, 404, "{hidden}: {}", String::from_utf8_lossy(&reply.body));
    }
    assert_eq!(server.get("/env?GIVEN").text(), "yes");
    assert_eq!(server.get("/env?SECRET").text(), "");
    assert_eq!(server.get("/env?PATH").text(), "");
    let denied = server.get(&format!("/fetch?{}", server.address));
    assert_eq!((denied.status, denied.text()), (502, "ErrorCode::HttpRequestDenied\n"));
}

#[test]
fn with_network_it_asks_others() {
    let other = Server::start(&[], "http-service");
    let server = Server::start(&["--network"], "http-service");
    assert_eq!(server.get(&format!("/fetch?{}", other.address)).text(), "it says 200\n");
}

#[test]
fn bodies_have_a_limit() {
    let server = Server::start(&["--max-body", "1000"], "http-service");
    let post = |length: usize| {
        let head =
            format!("POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        server.ask(&head, &vec![b'x'; length])
    };
    assert_eq!(post(1000).text(), "x".repeat(1000));
    assert_eq!(post(1001).status, 413);
    // A request that does not say how long it is is stopped on the way.
    let chunked = "POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let pieces = [b"1f4\r\n", &[b'x'; 500][..], b"\r\n"].concat().repeat(3);
    let reply = server.ask(chunked, &[&pieces[..], b"0\r\n\r\n"].concat());
    assert_ne!(reply.body, vec![b'x'; 1500]);
    let told = String::from_utf8_lossy(&reply.body);
    assert!(told.ends_with("HTTP request body size exceeds limit: 1000 bytes"), "{told}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn a_signal_lets_requests_finish() {
    let server = Server::start(&[], "http-service");
    let address = server.address.clone();
    let slow = std::thread::spawn(move || {
        ask(&address, "GET /sleep?1500 HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n", b"")
    });
    std::thread::sleep(Duration::from_millis(500));
    send("USR1", &server.child);
    let address = server.address.clone();
    let began = Instant::now();
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20));
    let reply = slow.join().unwrap();
    assert_eq!((reply.status, reply.text()), (200, "rested\n"));
    assert!(said.contains("SIGTERM: finishing the requests"), "{said}");
    assert!(said.contains("a server takes no snapshots"), "{said}");
    assert!(TcpStream::connect(address).is_err());
}

/// Guests that never end keep all threads of the event loop busy; signals need none of them.
#[test]
fn signals_end_a_server_whose_guests_never_end() {
    let mut server = Server::start(&[], "http-service");
    let busy = std::thread::available_parallelism().map_or(4, |count| 2 * count.get());
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..busy {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(b"GET /loop HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
        open.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    send("USR1", &server.child);
    send("TERM", &server.child);
    until("the first signal", || server.said.lock().unwrap().contains("SIGTERM: finishing the requests"));
    send("TERM", &server.child);
    let status = server.child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15), "{status}");
}

/// Wrong requests cost the server nothing: it goes on, and takes no memory to speak of.
#[test]
fn requests_that_break_the_rules_are_refused_and_the_server_goes_on() {
    let server = Server::start(&["--max-body", "1m"], "http-service");
    let many = "x-many: 1\r\n".repeat(50_000);
    let long = format!("x-long: {}\r\n", "a".repeat(1 << 20));
    let target = format!("/{}", "a".repeat(1 << 20));
    let head = |rest: &str| format!("POST /echo HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{rest}\r\n");
    let attacks = [
        head(&many),
        head(&long),
        head("content-length: 18446744073709551616\r\n"),
        head("content-length: 99999999999999999\r\n"),
        head("content-length: -1\r\n"),
        head("content-length: 3\r\ncontent-length: 5\r\n"),
        head("content-length: 3\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n",
        head("transfer-encoding: chunked\r\n") + "ffffffffffffffff\r\nx\r\n",
        head("transfer-encoding: chunked\r\n") + "-1\r\nx\r\n",
        head("transfer-encoding: chunked\r\n") + "1;" + &"e".repeat(1 << 20) + "\r\nx\r\n0\r\n\r\n",
        head("transfer-encoding: gzip\r\n"),
        format!("GET {target} HTTP/1.1\r\nhost: here\r\n\r\n"),
        "GET / HTTP/1.1\r\nhost: \r\nhost: two\r\n\r\n".to_owned(),
        "GET http://[::1 HTTP/1.1\r\nhost: here\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nhost: here\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "CONNECT here:1 HTTP/1.1\r\nhost: here\r\n\r\n".to_owned(),
        "\0\u{1b}[2J".repeat(100_000),
    ];
    let size = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = size();
    for (nth, attack) in attacks.iter().cycle().take(3 * attacks.len()).enumerate() {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // It may be refused before all of it was sent.
        let _ = stream.write_all(attack.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let said = String::from_utf8_lossy(&reply[..reply.len().min(12)]).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1."), "attack {nth}: {said}");
    }
    assert_eq!(server.get("/").text(), "hello\n");
    assert!(size() < before + 65536, "it grew from {before} to {} kB", size());
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    // A guest may panic whose client had gone before it answered; the server may not.
    let mut panics = said.lines().filter(|line| line.contains("panicked at"));
    assert!(panics.all(|line| line.contains("panicked at src/lib.rs:")), "{said}");
}

/// HTTP wants it so (RFC 9112, 3.2): whoever looked at the request before may have taken the other host.
#[test]
fn a_request_with_two_hosts_is_refused() {
    for component in ["http-service", "http-service3"] {
        let server = Server::start(&[], component);
        let status =
            |hosts: &str| server.ask(&format!("GET / HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"), b"").status;
        assert_eq!(status("host: here\r\n"), 200, "{component}");
        for hosts in ["host: here\r\nhost: there\r\n", "host: here\r\nHost: here\r\n"] {
            assert_eq!(status(hosts), 400, "{component}: {hosts}");
        }
        assert!(server.dumps().is_empty());
    }
}

/// 10,000 requests by 64 clients, of which every tenth crashes, at one of two places.
#[test]
fn of_a_storm_of_crashes_few_leave_dumps_and_no_other_request_fails() {
    const CLIENTS: usize = 64;
    const ROUNDS: usize = 160;
    const CRASHES: [&str; 2] = ["/average", "/average?pears=x"];
    let server = Server::start(&["--max-dumps", "2"], "http-service-bindgen");
    let is_crash = |client: usize, round: usize| (client + round).is_multiple_of(10);
    let storm = |rounds: usize| {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let server = &server;
                scope.spawn(move || {
                    for round in 0..rounds {
                        if is_crash(client, round) {
                            assert_eq!(server.get(CRASHES[usize::from(round.is_multiple_of(3))]).status, 500);
                        } else {
                            let reply = server.get("/average?pears=4");
                            assert_eq!((reply.status, reply.text(), reply.whole), (200, "4\n", true));
                        }
                    }
                });
            }
        });
        (0..CLIENTS * rounds).filter(|at| is_crash(at % CLIENTS, at / CLIENTS)).count()
    };
    let mut crashed = storm(ROUNDS / 8);
    let before = resident(server.child.id());
    crashed += storm(ROUNDS - ROUNDS / 8);
    let after = resident(server.child.id());
    assert!(after < before + (16 << 10), "memory grew from {before} to {after} KiB");
    let dumps = server.dumps();
    let mut paths: Vec<_> = dumps.iter().map(|dump| read(dump)["process"]["request"]["path"].clone()).collect();
    paths.sort_by_key(Value::to_string);
    assert_eq!(paths, CRASHES, "one of each place");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert_eq!(said.matches("(no core dump: ").count() + dumps.len(), crashed, "each crash is reported");
}

/// The physical memory that a process has, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn curl_is_served() {
    if Tool::other("sh").args(["-c", "command -v curl"]).run().status.code() != Some(0) {
        return skip("there is no curl");
    }
    let server = Server::start(&[], "http-service");
    let url = |target: &str| format!("http://{}{target}", server.address);
    // Two requests of one connection, and a body that curl asks leave for.
    let both = Tool::other("curl").args(["-s", "-S", "-m", "60", &url("/"), &url("/nope")]).run().expect(0);
    assert_eq!(both.text(), "hello\nno such page\n");
    let body = "x".repeat(300_000);
    let curl = Tool::other("curl").args(["-s", "-S", "-m", "60", "--data-binary", "@-", &url("/echo")]);
    assert_eq!(curl.stdin(body.clone()).run().expect(0).text(), body);
    // 18: the body is not whole.
    Tool::other("curl").args(["-s", "-m", "60", &url("/late?1")]).run().expect(18);
}

#[test]
fn what_cannot_be_served_is_refused_before_it_is_compiled() {
    let refused = |options: &[&str], program: &Path, code: i32| {
        let run = Run::new(&[&["--serve", "0"], options].concat(), program, &[]);
        run.expect(code).outcome.stderr
    };
    let module = refused(&[], &fixture("modules/sum-O0.wasm"), 126);
    assert!(module.contains("it is a core module"), "{module}");
    let command = refused(&[], &fixture("modules/component-sum.wasm"), 126);
    assert!(command.contains("it exports neither wasi:http/incoming-handler 0.2 nor"), "{command}");
    let folder = scratch();
    let foreign = folder.path().join("foreign.wat");
    std::fs::write(
        &foreign,
        "(component (import \"wasi:keyvalue/store@0.2.0\" (instance))
            (instance $i) (export \"wasi:http/incoming-handler@0.2.0\" (instance $i)))",
    )
    .unwrap();
    let foreign = refused(&[], &foreign, 126);
    assert!(foreign.contains("the host does not offer its import wasi:keyvalue/store@0.2.0"), "{foreign}");
    let service = fixture("modules/http-service.wasm");
    let stdout = Tool::new("coredump-run").args(["--serve", "0", "-o", "-"]).arg(&service).run().expect(64);
    assert!(stdout.stderr.contains("standard output takes one"), "{}", stdout.stderr);
    let server = Server::start(&[], "http-service");
    let taken = Tool::new("coredump-run").arg("--serve").arg(&server.address).arg(&service).run().expect(125);
    assert!(taken.stderr.contains(&format!("{}: cannot listen", server.address)), "{}", taken.stderr);
}
