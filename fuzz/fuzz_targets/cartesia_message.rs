//! What Cartesia's socket may send, and what may stand in a refused handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::tts::cartesia::wire;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _taken_or_refused = wire::decode(text);
    }
    let _failure = wire::refused(400, data, None);
});
