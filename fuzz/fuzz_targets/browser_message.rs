//! What a browser's socket may send: text and audio are taken or refused, never more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::transport::browser::{decode_audio, decode_text};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _taken_or_refused = decode_text(text, 8_192);
    }
    if let Ok(frame) = decode_audio(data) {
        assert_eq!(data.len(), frame.len() * 2);
    }
});
