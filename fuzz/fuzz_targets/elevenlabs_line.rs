//! What a line of ElevenLabs' answer may be, and what may stand in a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::tts::elevenlabs::wire;

fuzz_target!(|data: &[u8]| {
    for line in data.split(|byte| *byte == b'\n') {
        let _taken_or_refused = wire::decode(line);
    }
    let _failure = wire::refused(400, data, None);
});
