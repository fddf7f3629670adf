//! What of the audio is given to recognisers, and that late frames change nothing of it.

use std::path::Path;

use super::*;
use crate::audio::resample::read_wav;
use crate::model::runtime::default_models_dir;

/// A caller says a sentence, and falls silent. The frames after it come as they are let.
struct Call {
    ears: Ears,
    now_ms: u64,
    utterance: UtteranceId,
    /// Where the speech ends, in session milliseconds.
    until_ms: u64,
}

impl Call {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/stt_what_are_my_tasks.wav");
        let silero = Silero::load(&default_models_dir()).expect("the model; `make models` fetches it");
        let ears = Ears::new(silero, VadConfig::default(), AudioFormat::Pcm16k);
        let mut call = Self { ears, now_ms: 5_000, utterance: UtteranceId(1), until_ms: 0 };
        let speech = read_wav(&path, 16_000).expect("the fixture");
        let silence = vec![0; 1_000 * FRAME_SAMPLES_16K / FRAME_MS as usize];
        for frame in [&silence[..], &speech, &silence].concat().chunks_exact(FRAME_SAMPLES_16K) {
            call.hear(frame, FRAME_MS);
        }
        assert!(call.until_ms > 0, "an end of speech");
        call
    }

    /// A frame comes so long after the one before.
    fn hear(&mut self, frame: &[i16], after_ms: u64) {
        self.now_ms += after_ms;
        for input in self.ears.hear(self.now_ms, frame, None) {
            match input {
                Input::StartOfSpeech { at_ms } => self.ears.start(self.utterance, at_ms),
                Input::EndOfSpeech { last_speech_ms } => self.until_ms = last_speech_ms,
                _ => {}
            }
        }
    }

    fn transcribed(&self) -> Vec<i16> {
        self.ears.finish(self.utterance, self.until_ms).expect("the current utterance")
    }
}

#[test]
fn frames_that_come_late_after_the_speech_take_nothing_of_its_end() {
    let mut call = Call::new();
    let transcribed = call.transcribed();
    assert!(transcribed.len() > 16_000, "{} samples", transcribed.len());
    let silence_ms = call.ears.silence_ms(call.utterance, call.until_ms);
    // Half a second is lost on the way: the stream is behind the session from now on.
    for after_ms in [500, 20, 20] {
        call.hear(&[0; FRAME_SAMPLES_16K], after_ms);
    }
    assert!(transcribed == call.transcribed(), "{} samples", call.transcribed().len());
    assert!(call.ears.take_unstreamed(call.utterance).is_some());
    let streamed_ms = call.ears.ring.end_ms();
    assert!(call.ears.silence_ms(call.utterance, call.until_ms) > silence_ms);
    assert!(call.ears.silence_ms(call.utterance, call.until_ms) < streamed_ms);
}

#[test]
fn frames_that_catch_up_after_the_speech_add_nothing_to_it() {
    let mut call = Call::new();
    let transcribed = call.transcribed();
    for after_ms in [500].into_iter().chain([0; 25]) {
        call.hear(&[0; FRAME_SAMPLES_16K], after_ms);
        assert!(transcribed == call.transcribed(), "{} samples", call.transcribed().len());
    }
}

#[test]
fn the_second_utterance_is_found_where_it_was_said_though_frames_were_lost_between() {
    let mut call = Call::new();
    let first = call.transcribed();
    call.hear(&[0; FRAME_SAMPLES_16K], 700);
    let before = (call.utterance, call.until_ms);
    call.utterance = UtteranceId(2);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/voice_right.wav");
    let speech = read_wav(&path, 16_000).expect("the fixture");
    for frame in speech.chunks_exact(FRAME_SAMPLES_16K) {
        call.hear(frame, FRAME_MS);
    }
    for _ in 0..50 {
        call.hear(&[0; FRAME_SAMPLES_16K], FRAME_MS);
    }
    assert!(call.until_ms > before.1 + 700, "a second end of speech");
    let second = call.transcribed();
    call.hear(&[0; FRAME_SAMPLES_16K], 900);
    assert!(second == call.transcribed());
    assert!(call.ears.finish(before.0, before.1).expect("it is waited for") == first);
}
