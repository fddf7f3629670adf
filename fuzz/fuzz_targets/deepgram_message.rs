//! What Deepgram's socket may say, in any order, of an utterance that begins and ends anywhere: it is taken or refused, and
//! nothing is due that was due before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::stt::deepgram::utterance::Hearing;
use voice_agent::stt::deepgram::wire::{ServerMessage, decode};
use voice_core::ids::UtteranceId;

fuzz_target!(|data: &[u8]| {
    let mut hearing = Hearing::new(250);
    let mut now_ms = 0;
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        now_ms += 100;
        match line {
            b"begin" => {
                hearing.forget(now_ms);
                hearing.begin(UtteranceId(number as u64));
            }
            b"finish" => {
                let _asked = hearing.finish(number as u32, now_ms);
                hearing.finalize_left(now_ms, now_ms);
            }
            b"lost" => drop(hearing.lost()),
            _ => hearing.given(now_ms),
        }
        if let Ok(text) = std::str::from_utf8(line)
            && let Ok(ServerMessage::Results(results)) = decode(text)
        {
            let _understood = hearing.results(&results, now_ms);
        }
        let _settled = hearing.poll(now_ms);
        assert!(hearing.due_ms().is_none_or(|due_ms| due_ms > now_ms));
    }
});
