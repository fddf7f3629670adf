//! An answer's stream, whatever a server sends, in whatever pieces: the events are the same, and `Done` is the last.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voice_agent::llm::LlmEvent;
use voice_agent::llm::openai::sse::{EventTooLong, SseDecoder};
use voice_agent::llm::openai::wire::AnswerDecoder;

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<String>, EventTooLong> {
    let (mut decoder, mut data) = (SseDecoder::default(), Vec::new());
    for piece in pieces {
        decoder.handle_bytes(piece, &mut data)?;
    }
    decoder.handle_end(&mut data)?;
    Ok(data)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = decode([bytes].into_iter());
    assert_eq!(decode(bytes.chunks(usize::from(size).max(1))), whole);
    let Ok(data) = whole else { return };
    let mut decoder = AnswerDecoder::new(0);
    let answered = data.iter().try_for_each(|data| decoder.handle_data(data)).and_then(|()| decoder.handle_end());
    let events: Vec<LlmEvent> = std::iter::from_fn(|| decoder.poll_event()).collect();
    let ends = events.iter().filter(|event| matches!(event, LlmEvent::Done { .. })).count();
    assert_eq!(ends, usize::from(answered.is_ok()));
    assert_eq!(matches!(events.last(), Some(LlmEvent::Done { .. })), answered.is_ok());
});
