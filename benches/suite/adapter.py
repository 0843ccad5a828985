"""Speaks with a debug adapter as an editor does: `adapter.py FRAMES REQUEST-JSON ADAPTER…`.

Opens what the request names and asks for the youngest FRAMES frames of the thread that stopped; with `last:` before the number, also for
the oldest. Prints the frames, and on standard error the seconds from `initialize` to the (last) answer.
"""
import json
import subprocess
import sys
import time


class Adapter:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.sequence, self.answers, self.events = 0, {}, []

    def send(self, command, arguments):
        self.sequence += 1
        message = {"seq": self.sequence, "type": "request", "command": command, "arguments": arguments}
        text = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self.process.stdin.flush()
        return self.sequence

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message = json.loads(self.process.stdout.read(length))
        if message["type"] == "response":
            self.answers[message["request_seq"]] = message
        elif message["type"] == "event":
            self.events.append(message)

    def answer(self, number):
        while number not in self.answers:
            self.receive()
        answer = self.answers[number]
        if not answer["success"]:
            raise SystemExit(f"{answer['command']}: {answer.get('message')}")
        return answer.get("body") or {}

    def ask(self, command, **arguments):
        return self.answer(self.send(command, arguments))

    def event(self, name):
        while not (found := [event for event in self.events if event["event"] == name]):
            self.receive()
        return found[0].get("body") or {}


def main(frames, request, command):
    adapter = Adapter(command)
    # The process has started when it first answers; what is measured is what an editor waits for afterwards.
    start = time.perf_counter()
    adapter.ask("initialize", adapterID="bench", linesStartAt1=True)
    opened = adapter.send("attach", json.loads(request))
    adapter.event("initialized")
    adapter.ask("configurationDone")
    adapter.answer(opened)
    thread = adapter.event("stopped")["threadId"]
    adapter.ask("threads")
    count = int(frames.rpartition(":")[2])
    stack = adapter.ask("stackTrace", threadId=thread, startFrame=0, levels=count)
    if frames.startswith("last:"):
        start = time.perf_counter()
        stack = adapter.ask("stackTrace", threadId=thread, startFrame=stack["totalFrames"] - count, levels=count)
    seconds = time.perf_counter() - start
    for frame in stack["stackFrames"]:
        print(frame["name"], frame.get("source", {}).get("name"), frame["line"])
    print(seconds, file=sys.stderr)
    adapter.process.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
