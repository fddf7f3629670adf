//! What a telephone's stream may send: messages are taken or refused, audio becomes whole frames, marks become positions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::transport::twilio::{CallerAudio, FRAME_BYTES, Ledger, StreamEvent, decode};
use voice_core::ids::SpeechId;

const LIMIT: usize = 8_192;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut audio, mut ledger) = (CallerAudio::new(), Ledger::new());
    ledger.begin(SpeechId(1), 0);
    let mut sent_ms = 0;
    let mut bytes = 0;
    let mut frames = 0;
    // A message in each line.
    for (now_ms, line) in (0..).step_by(20).zip(text.lines()) {
        if ledger.send(now_ms, 200).is_some() {
            sent_ms += 200;
        }
        match decode(line, LIMIT).map(|incoming| incoming.event) {
            Ok(StreamEvent::Media(mulaw)) => {
                bytes += mulaw.len();
                frames += audio.take(mulaw).len();
                assert_eq!(frames, bytes / FRAME_BYTES);
            }
            Ok(StreamEvent::Mark(name)) => {
                if let Some(position) = ledger.returned(now_ms, &name) {
                    assert!(position.played_ms <= sent_ms);
                }
            }
            Ok(StreamEvent::Start(start)) => {
                assert!(!start.call.as_str().contains(['"', '<', '\\']) && !start.stream.as_str().is_empty());
            }
            _ => {}
        }
    }
});
