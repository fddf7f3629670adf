"""The official Python SDK as the other participant: `peer.py URL TOKEN ROLE`. Writes what it sees as lines of JSON."""

import asyncio
import json
import math
import struct
import sys

from livekit import rtc

RATE = 48_000
FRAME = RATE // 50


def tell(**fields):
    print(json.dumps(fields), flush=True)


def tone(hz, number):
    samples = (
        int(16_384 * math.sin(2 * math.pi * hz * (number * FRAME + n) / RATE)) for n in range(FRAME)
    )
    return struct.pack(f"<{FRAME}h", *samples)


async def say(room, hz):
    """Publishes a tone for as long as it is let."""
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    await room.local_participant.publish_track(track, options)
    number = 0
    while True:
        await source.capture_frame(rtc.AudioFrame(tone(hz, number), RATE, 1, FRAME))
        number += 1


async def hear(track):
    """Tells the level and the pitch (by zero crossings) of each second that is loud."""
    samples = []
    async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
        samples.extend(event.frame.data)
        if len(samples) < RATE:
            continue
        level = math.sqrt(sum(s * s for s in samples) / len(samples)) / 32_768
        crossings = sum(1 for a, b in zip(samples, samples[1:]) if (a < 0) != (b < 0))
        tell(event="heard", level=level, hz=crossings / 2 * RATE / len(samples))
        samples = []


async def show(room):
    """Publishes a picture of four coloured quarters, 640 by 360, ten times a second."""
    width, height = 640, 360
    source = rtc.VideoSource(width, height)
    track = rtc.LocalVideoTrack.create_video_track("screen", source)
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_SCREENSHARE, video_codec=rtc.VideoCodec.VP8, simulcast=False
    )
    await room.local_participant.publish_track(track, options)
    red, green, blue, white = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255, 255, 255, 255)
    top = bytes(red) * (width // 2) + bytes(green) * (width // 2)
    bottom = bytes(blue) * (width // 2) + bytes(white) * (width // 2)
    picture = top * (height // 2) + bottom * (height // 2)
    while True:
        source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, picture))
        await asyncio.sleep(0.1)


async def read(reader, identity):
    text = await reader.read_all()
    tell(event="text", topic=reader.info.topic, text=text, identity=identity, attributes=reader.info.attributes)


async def main(url, token, role):
    room = rtc.Room()
    tasks = set()

    def start(coroutine):
        task = asyncio.ensure_future(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    @room.on("track_subscribed")
    def _(track, publication, participant):
        tell(event="subscribed", sid=publication.sid, name=publication.name, identity=participant.identity)
        if role == "talk" and track.kind == rtc.TrackKind.KIND_AUDIO:
            start(hear(track))

    @room.on("participant_attributes_changed")
    def _(changed, participant):
        tell(event="attributes", identity=participant.identity, changed=changed)

    @room.on("participant_disconnected")
    def _(participant):
        tell(event="left", identity=participant.identity)

    for topic in ("lk.chat", "lk.transcription"):
        room.register_text_stream_handler(topic, lambda reader, identity: start(read(reader, identity)))

    await room.connect(url, token)
    tell(event="connected")
    if role == "talk":
        start(say(room, 440))
        await room.local_participant.send_text("hello from Python", topic="lk.chat")
        await room.local_participant.publish_data(b"\x01\x02", reliable=True, topic="bytes")
        await room.local_participant.set_attributes({"mood": "fine"})
    else:
        start(show(room))
    # Until whoever started us closes our input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await room.disconnect()


asyncio.run(main(*sys.argv[1:]))
