//! What a caller says or types reaches the task language and the words that are recognised without a model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::turn::text;
use voice_core::chunker::Chunker;
use voice_core::phrases;

fuzz_target!(|data: &str| {
    let _stop = phrases::is_stop_recording(data);
    let _listening = phrases::is_backchannel(data);
    let score = text::combine(0.5, data);
    assert!((0.0..=1.0).contains(&score), "{score}");
    let mut chunker = Chunker::default();
    let mut letters = 0;
    for piece in chunker.push(data).into_iter().chain(chunker.flush()) {
        letters += piece.chars().filter(|c| c.is_alphanumeric()).count();
    }
    assert_eq!(letters, data.chars().filter(|c| c.is_alphanumeric()).count());
});
