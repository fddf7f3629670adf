//! Any words named for any text: what has ended is of the text, in order, and within the audio.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::tts::timing::WordMatch;

fuzz_target!(|data: (&str, Vec<(&str, u32)>, u16)| {
    let (text, named, audio_ms) = data;
    let mut words = WordMatch::new(text);
    for (word, end_ms) in named {
        let before = words.words().len();
        assert_eq!(words.hear(word, end_ms.into()), words.words().len() > before);
    }
    let ends = words.finish(audio_ms.into());
    assert!(ends.iter().all(|word| text.is_char_boundary(word.byte_end) && word.end_ms <= audio_ms.into()));
    assert!(ends.is_sorted_by_key(|word| word.byte_end) && ends.is_sorted_by_key(|word| word.end_ms));
});
