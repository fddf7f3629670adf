"""Callers by the browser's protocol, who talk all the while and come back whenever the connection is lost, as the page does."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import threading
import time
import urllib.request
import wave

FRAME = 640
TICK = 0.02
QUIET = bytes(FRAME)
# How many ticks lie between two reports of what was played.
REPORT_EVERY = 5
REQUEST = 10
BACKOFF = [0.25, 0.5, 1, 2, 4, 5]
AT_ONCE = {1001, 4007}
OVER = {1000, 1009, 4000, 4001, 4002, 4004, 4005, 4006}
# Words that every recogniser of the rehearsal knows: each caller's tasks have names of their own.
VERBS = ["buy", "check", "clean", "find", "order", "prepare", "read", "send"]
NOUNS = ["bread", "milk", "coffee", "cake", "flowers", "food", "paper", "parcel", "invoice", "report", "letter", "book"]


def bearer(secret, issuer, audience, user):
    """A token of the identity provider's."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    claims = {"iss": issuer, "aud": audience, "sub": user, "exp": int(time.time()) + 3600}
    signed = f'{part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())}.{part(json.dumps(claims).encode())}'
    return f"{signed}.{part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


class Closed(Exception):
    """The connection is over, with this code."""

    def __init__(self, code):
        super().__init__(str(code))
        self.code = code


class Socket:
    """As much of a WebSocket's client as is needed: no extensions, no fragments."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, door, path, host, protocols):
        reader, writer = await asyncio.open_connection(*door)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocols}\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            writer.close()
            raise Closed(1006)
        return cls(reader, writer)

    def send(self, data, opcode):
        size = len(data)
        # A mask of zeros is one.
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
        self.writer.write(head + bytes(4) + data)

    def say(self, event):
        self.send(json.dumps(event).encode(), 1)

    async def receive(self):
        """The next message: bytes, or an event."""
        while True:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            data, opcode = await self.reader.readexactly(size), first & 0x0F
            if opcode == 8:
                raise Closed(int.from_bytes(data[:2], "big") if data else 1005)
            if opcode == 9:
                self.send(data, 10)
            elif opcode in (1, 2):
                return data if opcode == 2 else json.loads(data)


class Playing:
    """A speech that is being played: what came of it, and what of that was heard."""

    def __init__(self, speech, from_ms):
        self.speech, self.came_ms, self.dry, self.whole_ms = speech, from_ms, None, None

    def take(self):
        at = time.monotonic()
        self.came_ms += 20
        self.dry = max(self.dry or at, at) + TICK

    def played_ms(self):
        left = max((self.dry or 0) - time.monotonic(), 0)
        played = max(self.came_ms - int(left * 1000), 0)
        return played if self.whole_ms is None else min(played, self.whole_ms)

    def report(self):
        return {"type": "playout", "speech_id": self.speech, "played_ms": self.played_ms()}


class Caller:
    """One caller's call, and what became of it."""

    def __init__(self, crowd, number):
        self.crowd, self.number, self.user = crowd, number, f"caller-{number}"
        self.session, self.token, self.ended = None, None, None
        self.losses, self.added, self.answers, self.titles = [], [], [], []
        self.greetings, self.backs, self.greeted_in = 0, 0, None
        self.playing, self.frames, self.begun, self.waits = None, [], False, None
        self.sentences = itertools.count()
        self.next_at = time.monotonic() + crowd.pace * (number % 8) / 8

    def request(self, method, path, body=None, token=None):
        host, port = self.crowd.door
        headers = {"Host": self.crowd.host, "Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        request = urllib.request.Request(f"http://{host}:{port}{path}", None if body is None else json.dumps(body).encode(), headers,
                                         method=method)
        with urllib.request.urlopen(request, timeout=REQUEST) as answer:
            return json.loads(answer.read())

    async def live(self):
        body = {"channel": "browser", "time_zone": "UTC"}
        begun = await asyncio.to_thread(self.request, "POST", "/api/sessions", body, self.crowd.token(self.user))
        self.session, self.token = begun["session_id"], begun["token"]
        tries, moved = 0, -10
        while not self.crowd.hang_up.is_set() and self.ended is None:
            began = time.monotonic()
            code = await self.connection()
            if self.crowd.hang_up.is_set() or self.ended is not None:
                break
            if code in OVER:
                self.ended = f"closed with {code}"
                break
            tries = 0 if time.monotonic() - began > 3 else tries
            moved = time.monotonic() if code == 4007 else moved
            if tries and time.monotonic() - moved < 10:
                # Handed over: the other process may not have it yet.
                await asyncio.sleep(0.2)
            elif tries or code not in AT_ONCE:
                await asyncio.sleep(BACKOFF[min(tries, len(BACKOFF) - 1)])
            tries += 1
        tasks = await asyncio.to_thread(self.request, "GET", "/api/tasks")
        self.titles = [task["title"].lower() for task in tasks]

    async def connection(self):
        """One connection, to its end: the code that it was closed with."""
        try:
            opened = Socket.open(self.crowd.door, f"/api/sessions/{self.session}/audio", self.crowd.host,
                                 f"voice-agent.v1, token.{self.token}")
            socket = await asyncio.wait_for(opened, REQUEST)
        except (OSError, Closed, asyncio.TimeoutError, asyncio.IncompleteReadError):
            return 1006
        speaks = asyncio.create_task(self.speak(socket))
        try:
            while True:
                said = await socket.receive()
                if isinstance(said, bytes):
                    self.hear()
                elif answer := self.take(said):
                    socket.say(answer)
        except Closed as closed:
            code = closed.code
        except (OSError, asyncio.IncompleteReadError):
            code = 1006
        speaks.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await speaks
        socket.writer.close()
        if self.ended is None and not self.crowd.hang_up.is_set():
            self.losses.append({"code": code, "at": time.monotonic(), "back": None, "spoke": bool(self.frames)})
        self.playing, self.frames = None, []
        return code

    async def speak(self, socket):
        """A frame every 20 ms, whatever the network does."""
        due = time.monotonic()
        for tick in itertools.count():
            if self.crowd.hang_up.is_set():
                socket.writer.close()
                return
            self.begin()
            socket.send(self.frames.pop(0) if self.frames else QUIET, 2)
            if self.waits is None and self.begun and not self.frames:
                self.waits, self.begun = time.monotonic(), False
            if tick % REPORT_EVERY == 0 and self.playing and self.playing.dry:
                socket.say(self.playing.report())
                if self.playing.whole_ms is not None and self.playing.played_ms() >= self.playing.whole_ms:
                    self.playing = None
            due += TICK
            await asyncio.sleep(max(due - time.monotonic(), 0))

    def begin(self):
        """Begins the next sentence, when it is time and the agent is quiet."""
        at = time.monotonic()
        waits = self.waits is not None and at - self.waits < 2 * self.crowd.pace
        if self.frames or self.playing or waits or at < self.next_at or self.crowd.finish.is_set():
            return
        number = next(self.sentences)
        title = f"{VERBS[(number // len(NOUNS) + self.number) % len(VERBS)]} {NOUNS[(number + self.number) % len(NOUNS)]}"
        self.frames, self.begun, self.waits = self.crowd.sentence(f"add a task to {title}"), True, None
        self.next_at = at + self.crowd.pace

    def hear(self):
        if self.waits is not None:
            self.answers.append(time.monotonic() - self.waits)
            self.waits = None
        if self.playing:
            self.playing.take()

    def take(self, event):
        """What an event changes, and what is answered at once."""
        kind = event["type"]
        if kind == "ready" and self.losses and self.losses[-1]["back"] is None:
            self.losses[-1]["back"] = time.monotonic()
        elif kind in ("speech_started", "speech_resumed"):
            self.playing = Playing(event["speech_id"], event.get("from_ms", 0))
        elif kind == "speech_finished" and self.playing and self.playing.speech == event["speech_id"]:
            self.playing.whole_ms = event["duration_ms"]
        elif kind == "clear" and self.playing and self.playing.speech == event["speech_id"]:
            playing, self.playing = self.playing, None
            return playing.report()
        elif kind == "agent_text":
            self.read(event)
        elif kind == "tool_call" and event["name"] == "add_task" and (event.get("result") or {}).get("status") == "added":
            self.added.append(event["result"]["task"]["title"].lower())
        elif kind == "ended":
            self.ended = event["reason"]
        return None

    def read(self, event):
        self.backs += "I'm back" in event["text"]
        # The same caption is told again to a new connection.
        if "Hello!" in event["text"] and self.greeted_in != event["reply_id"]:
            self.greetings, self.greeted_in = self.greetings + 1, event["reply_id"]

    def wrong(self):
        """What this caller would complain of."""
        lost = sorted(set(self.added) - set(self.titles))
        doubled = sorted({title for title in self.titles if self.titles.count(title) > 1})
        return [f"{self.user}: {what}" for what, is_so in (
            (f"ended: {self.ended}", self.ended), (f"lost {lost}", lost), (f"doubled {doubled}", doubled),
            (f"greeted {self.greetings} times", self.greetings != 1), (f"'I'm back' {self.backs} times", self.backs),
            ("never answered", not self.answers)) if is_so]


class Crowd:
    """Callers in a loop of their own, until they are told to hang up."""

    def __init__(self, door, host, token, speaker, folder, count, pace=8.0):
        self.door, self.host, self.token, self.pace = door, host, token, pace
        self.speaker, self.folder, self.spoken = speaker, folder, {}
        self.hang_up, self.finish = threading.Event(), threading.Event()
        self.callers, self.failed = [Caller(self, number) for number in range(count)], []
        for caller in self.callers:
            for noun in NOUNS:
                self.sentence(f"add a task to {VERBS[caller.number % len(VERBS)]} {noun}")
        self.thread = threading.Thread(target=lambda: asyncio.run(self.all()), daemon=True)
        self.thread.start()

    async def all(self):
        tasks = []
        for caller in self.callers:
            tasks.append(asyncio.create_task(caller.live()))
            await asyncio.sleep(0.1)
        self.failed = [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True) if each is not None]

    def sentence(self, text):
        """A sentence in frames, as a recogniser of the rehearsal understands it."""
        if text not in self.spoken:
            path = self.folder / "sentence.wav"
            subprocess.run([str(self.speaker), "say", text, str(path)], check=True, capture_output=True)
            with wave.open(str(path)) as file:
                data = file.readframes(file.getnframes())
            self.spoken[text] = [data[at:at + FRAME].ljust(FRAME, b"\0") for at in range(0, len(data), FRAME)]
        return list(self.spoken[text])

    def stop(self):
        """They say no more, hear their last answers, and hang up. What they would complain of."""
        self.finish.set()
        time.sleep(8)
        self.hang_up.set()
        self.thread.join(60)
        return self.failed + [line for caller in self.callers for line in caller.wrong()]

    def losses(self):
        return [loss for caller in self.callers for loss in caller.losses]
