//! What a LiveKit server, and whoever reaches our sockets, may send to a participant: signalling, packets, a byte stream of
//! packets, frames of video. The participant goes on, or ends with a reason.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use livekit_rtc::engine::{Config, Engine, Role};
use livekit_rtc::{Address, framing, video};
use str0m::net::Protocol;

fuzz_target!(|data: &[u8]| {
    let Ok(address) = Address::parse("ws://127.0.0.1:7880") else { return };
    let mut now = Instant::now();
    let mut engine = Engine::new(now, Config::new(address, "nonce", 0), "token");
    let mut stream = framing::Decoder::default();
    stream.push(data);
    let (source, destination) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
    // Each packet of the stream is taken for everything that it could be.
    while let Some(packet) = stream.packet() {
        engine.handle_signal(now, packet);
        for role in [Role::Publisher, Role::Subscriber] {
            engine.handle_bound(now, role);
            engine.handle_packet(now, role, Protocol::Udp, source, destination, packet);
        }
        if let Some(picture) = video::picture(packet) {
            assert_eq!(picture.webp.len() % 2, 0);
        }
        while engine.poll_output().is_some() {}
        now += Duration::from_millis(700);
        engine.handle_timeout(now);
    }
    assert!(engine.closed().is_some() || engine.poll_timeout().is_some());
});
