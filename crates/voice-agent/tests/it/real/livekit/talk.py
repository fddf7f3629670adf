"""A caller with LiveKit's official Python SDK: `talk.py URL TOKEN`.

Reads orders as lines of JSON: `{"say": WAV}` (16 kHz, mono), `{"type": TEXT}`, `{"save": WAV}` (what was heard so far). Writes
what it sees as lines of JSON, each with the milliseconds since its start.
"""

import asyncio
import json
import math
import sys
import time
import wave

from livekit import rtc

RATE = 16_000
FRAME = RATE // 50
LOUD = 0.01
# The agent's words have pauses of their own.
OVER_S = 0.6

started = time.monotonic()


def tell(**fields):
    print(json.dumps({"at_ms": round((time.monotonic() - started) * 1000), **fields}), flush=True)


class Caller:
    def __init__(self):
        self.room = rtc.Room()
        self.source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
        self.heard = bytearray()
        self.tasks = set()

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def hear(self, track):
        """Tells when the agent begins to be heard, and when it has fallen silent."""
        last = None
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
            frame = event.frame
            self.heard.extend(bytes(frame.data))
            level = math.sqrt(sum(s * s for s in frame.data) / len(frame.data)) / 32_768
            now = time.monotonic()
            if level > LOUD:
                if last is None:
                    tell(event="sound", loud=True)
                last = now
            elif last is not None and now - last > OVER_S:
                tell(event="sound", loud=False, since_ms=round((last - started) * 1000))
                last = None

    async def read(self, reader, identity):
        text = await reader.read_all()
        attributes = dict(reader.info.attributes or {})
        tell(event="text", topic=reader.info.topic, text=text, identity=identity, attributes=attributes)

    async def say(self, path):
        with wave.open(path) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE, 1), path
            pcm = file.readframes(file.getnframes())
        tell(event="saying", words=True)
        for at in range(0, len(pcm) - 2 * FRAME + 1, 2 * FRAME):
            await self.source.capture_frame(rtc.AudioFrame(pcm[at : at + 2 * FRAME], RATE, 1, FRAME))
        tell(event="saying", words=False)

    def save(self, path):
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(bytes(self.heard))
        self.heard.clear()
        tell(event="saved")

    async def join(self, url, token):
        room = self.room

        @room.on("track_subscribed")
        def _(track, publication, participant):
            tell(event="subscribed", identity=participant.identity)
            if track.kind == rtc.TrackKind.KIND_AUDIO:
                self.start(self.hear(track))

        @room.on("participant_attributes_changed")
        def _(changed, participant):
            tell(event="attributes", identity=participant.identity, changed=changed)

        for topic in ("lk.chat", "lk.transcription"):
            room.register_text_stream_handler(topic, lambda reader, identity: self.start(self.read(reader, identity)))
        await room.connect(url, token)
        tell(event="connected")
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)

    async def obey(self):
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            if "say" in order:
                self.start(self.say(order["say"]))
            elif "type" in order:
                await self.room.local_participant.send_text(order["type"], topic="lk.chat")
            elif "save" in order:
                self.save(order["save"])
        await self.room.disconnect()


async def main(url, token):
    caller = Caller()
    await caller.join(url, token)
    await caller.obey()


asyncio.run(main(*sys.argv[1:]))
