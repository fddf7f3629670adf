//! Contexts in virtual time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use serde_json::Value;
use tokio::time::Instant;
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::super::context::{Contexts, Job, Names};
use super::super::sink;
use super::super::wire::{NamedWord, Said, ServerMessage, Speaker};
use super::Stream;
use crate::audio::format::AudioFormat;
use crate::tts::{SpeechKey, TtsEvent};

const KEEP_MS: u64 = 800;

struct Call {
    contexts: Contexts,
    began: Instant,
    jobs: u64,
}

impl Call {
    fn new() -> Self {
        let speaker =
            Speaker { model: "sonic-3".to_owned(), voice_id: "v".to_owned(), language: "en".to_owned(), speed: None };
        let names = Names { prefix: "p".into(), socket: 1 };
        let contexts = Contexts::new(Arc::new(speaker), names, Duration::from_millis(KEEP_MS));
        Self { contexts, began: Instant::now(), jobs: 0 }
    }

    fn at(&self, at_ms: u64) -> Instant {
        self.began + Duration::from_millis(at_ms)
    }

    fn speak(&mut self, at_ms: u64, speech: u64, text: &str) -> (u64, Stream) {
        let (sink, stream) = sink::pair();
        self.jobs += 1;
        let (text, speech, format) = (text.to_owned(), Some(SpeechKey(speech)), AudioFormat::Mulaw8k);
        self.contexts.speak(Job { id: self.jobs, text, speech, format, ends: false, sink }, self.at(at_ms));
        (self.jobs, stream)
    }

    fn says(&mut self, at_ms: u64, context: &str, said: Said) {
        let now = self.at(at_ms);
        self.contexts.handle(ServerMessage::Context { context: context.to_owned(), said }, now).unwrap();
    }

    fn audio(&mut self, at_ms: u64, context: &str, bytes: usize, flush_id: Option<u64>) {
        self.says(at_ms, context, Said::Audio { audio: vec![1; bytes].into(), flush_id, done: false });
    }

    fn spoken(&mut self, at_ms: u64, context: &str) {
        self.audio(at_ms, context, 80, None);
        self.says(at_ms, context, Said::FlushDone { flush_id: None });
    }

    /// What was sent: the context and what is wanted of it.
    fn sent(&mut self) -> Vec<(String, String)> {
        let wanted = |frame: &Value| match (&frame["cancel"], &frame["flush"], &frame["continue"]) {
            (Value::Bool(true), ..) => "cancel".to_owned(),
            (_, Value::Bool(true), _) => "flush".to_owned(),
            (_, _, Value::Bool(false)) => "end".to_owned(),
            _ => frame["transcript"].as_str().unwrap().to_owned(),
        };
        let frames =
            self.contexts.take_frames().into_iter().map(|frame| serde_json::from_str::<Value>(&frame).unwrap());
        frames.map(|frame| (frame["context_id"].as_str().unwrap().to_owned(), wanted(&frame))).collect()
    }
}

/// All that a stream has to say by now.
fn said(stream: &mut Stream) -> Vec<Result<TtsEvent, ProviderFailure>> {
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect()
}

fn sent(frames: &[(&str, &str)]) -> Vec<(String, String)> {
    frames.iter().map(|(context, wanted)| ((*context).to_owned(), (*wanted).to_owned())).collect()
}

#[test]
fn a_context_is_kept_from_its_last_audio_on() {
    let mut call = Call::new();
    let _one = call.speak(0, 1, "One.");
    // It took its time, which is the server's: what counts is the audio.
    call.spoken(5_000, "p-1-1");
    let _two = call.speak(5_000 + KEEP_MS - 1, 1, "Two.");
    call.spoken(6_000, "p-1-1");
    let _three = call.speak(6_000 + KEEP_MS, 1, "Three.");
    let wanted = [
        ("p-1-1", "One. "),
        ("p-1-1", "flush"),
        ("p-1-1", "Two. "),
        ("p-1-1", "flush"),
        ("p-1-2", "Three. "),
        ("p-1-2", "flush"),
    ];
    assert_eq!(call.sent(), sent(&wanted));
    assert!(call.contexts.take_over().is_empty(), "the speech has a context all the while");
}

#[test]
fn old_contexts_are_forgotten_and_busy_ones_are_not() {
    let mut call = Call::new();
    let _idle = call.speak(0, 1, "One.");
    let _busy = call.speak(0, 2, "Two.");
    call.spoken(0, "p-1-1");
    call.contexts.sweep(call.at(KEEP_MS - 1));
    assert!(call.contexts.take_over().is_empty());
    call.contexts.sweep(call.at(KEEP_MS));
    assert_eq!(call.contexts.take_over(), [SpeechKey(1)]);
    call.contexts.sweep(call.at(100_000));
    assert!(!call.contexts.is_empty());
    // What the server has forgotten is not ended.
    call.sent();
    call.contexts.end(SpeechKey(1), call.at(KEEP_MS));
    assert_eq!(call.sent(), []);
}

#[test]
fn a_file_is_no_audio() {
    let mut call = Call::new();
    let (_, mut stream) = call.speak(0, 1, "One.");
    call.audio(1, "p-1-1", 80, None);
    call.says(2, "p-1-1", Said::Audio { audio: b"ID3\x04\0\0\0\0".as_slice().into(), flush_id: None, done: false });
    let heard = said(&mut stream);
    assert_eq!(heard, [Ok(TtsEvent::Audio(vec![1; 80].into())), Err(Kind::Protocol.into())]);
    let cancelled = [("p-1-1", "One. "), ("p-1-1", "flush"), ("p-1-1", "cancel")];
    assert_eq!(call.sent(), sent(&cancelled));
}

#[test]
fn ending_a_speech_ends_its_context_once() {
    let mut call = Call::new();
    let (_, mut stream) = call.speak(0, 1, "One.");
    call.contexts.end(SpeechKey(1), call.at(1));
    call.contexts.end(SpeechKey(1), call.at(2));
    call.contexts.end(SpeechKey(9), call.at(2));
    assert_eq!(call.sent(), sent(&[("p-1-1", "One. "), ("p-1-1", "flush"), ("p-1-1", "end")]));
    call.spoken(10, "p-1-1");
    assert_eq!(said(&mut stream).last(), Some(&Ok(TtsEvent::Done { words: vec![] })));
    assert!(call.contexts.is_empty());
    assert_eq!(call.contexts.take_over(), [SpeechKey(1)]);
}

#[test]
fn what_is_of_an_earlier_flush_is_late_and_servers_that_do_not_count_are_believed() {
    let mut call = Call::new();
    let (_, mut one) = call.speak(0, 1, "One.");
    call.audio(10, "p-1-1", 80, Some(1));
    call.says(10, "p-1-1", Said::FlushDone { flush_id: Some(1) });
    assert_eq!(said(&mut one).len(), 2);
    let (_, mut two) = call.speak(20, 1, "Two.");
    call.audio(30, "p-1-1", 160, Some(2));
    call.audio(31, "p-1-1", 80, Some(1));
    call.says(32, "p-1-1", Said::FlushDone { flush_id: Some(1) });
    assert_eq!(said(&mut two), [Ok(TtsEvent::Audio(vec![1; 160].into()))]);
    call.says(33, "p-1-1", Said::FlushDone { flush_id: Some(2) });
    assert_eq!(said(&mut two).len(), 1);
    // The same number for ever.
    let (_, mut three) = call.speak(40, 1, "Three.");
    call.audio(50, "p-1-1", 80, Some(2));
    call.says(51, "p-1-1", Said::FlushDone { flush_id: Some(2) });
    assert_eq!(said(&mut three).len(), 2);
}

#[test]
fn a_job_that_nobody_waits_for_is_not_sent_and_not_remembered() {
    let mut call = Call::new();
    let (sink, stream) = sink::pair();
    drop(stream);
    let (text, speech, format) = ("One.".to_owned(), Some(SpeechKey(1)), AudioFormat::Mulaw8k);
    call.contexts.speak(Job { id: 1, text, speech, format, ends: false, sink }, call.at(0));
    assert_eq!((call.sent(), call.contexts.take_over()), (vec![], vec![SpeechKey(1)]));
    assert!(call.contexts.is_empty());
}

#[test]
fn a_chunk_that_nobody_hears_any_more_makes_room_for_the_next() {
    let mut call = Call::new();
    let (job, stream) = call.speak(0, 1, "One.");
    call.sent();
    drop(stream);
    // Its end has not been noticed when the next one comes.
    let (_, mut next) = call.speak(1, 1, "Two.");
    assert_eq!(call.sent(), sent(&[("p-1-1", "cancel"), ("p-1-2", "Two. "), ("p-1-2", "flush")]));
    call.contexts.dropped(job);
    assert_eq!(call.sent(), []);
    call.spoken(2, "p-1-2");
    assert_eq!(said(&mut next).len(), 2);
}

#[test]
fn two_chunks_at_once_are_spoken_each_in_its_own_context() {
    let mut call = Call::new();
    let (_, mut one) = call.speak(0, 1, "One.");
    let (_, mut two) = call.speak(0, 1, "Two.");
    call.spoken(1, "p-1-1");
    call.spoken(1, "p-1-2");
    assert_eq!((said(&mut one).len(), said(&mut two).len()), (2, 2));
}

#[test]
fn a_continued_chunk_of_which_something_was_heard_is_not_begun_anew() {
    let mut call = Call::new();
    let _one = call.speak(0, 1, "One.");
    call.spoken(1, "p-1-1");
    let (_, mut two) = call.speak(2, 1, "Two.");
    call.audio(3, "p-1-1", 80, None);
    call.says(4, "p-1-1", Said::Failed(Kind::BadRequest.into()));
    assert_eq!(said(&mut two).last(), Some(&Err(Kind::BadRequest.into())));
    // Nor one that is refused for what would not change.
    let _three = call.speak(5, 1, "Three.");
    call.spoken(6, "p-1-2");
    for failure in [
        ProviderFailure::from(Kind::RateLimited),
        ProviderFailure { kind: Kind::BadRequest, retry_after_ms: Some(3_600_000) },
    ] {
        let (_, mut again) = call.speak(7, 1, "Four.");
        let context = call.sent().pop().unwrap().0;
        call.says(8, &context, Said::Failed(failure));
        assert_eq!(said(&mut again), [Err(failure)]);
        let _next = call.speak(9, 1, "Five.");
        let context = call.sent().pop().unwrap().0;
        call.spoken(10, &context);
    }
}

/// Anything the server may say of one of two contexts.
fn anything() -> impl Strategy<Value = (bool, Said)> {
    let flush_id = prop::option::of(0u64..4);
    let words = prop::collection::vec(("[a-z]{0,4}", 0u64..3_000), 0..4);
    let said = prop_oneof![
        4 => (0usize..400, flush_id.clone(), prop::bool::weighted(0.05)).prop_map(|(bytes, flush_id, done)| Said::Audio {
            audio: vec![7; bytes].into(), flush_id, done
        }),
        2 => words.prop_map(|words| {
            Said::Words(words.into_iter().map(|(word, end_ms)| NamedWord { word, end_ms }).collect())
        }),
        2 => flush_id.prop_map(|flush_id| Said::FlushDone { flush_id }),
        1 => Just(Said::Done),
        1 => Just(Said::Failed(Kind::BadRequest.into())),
    ];
    (any::<bool>(), said)
}

proptest! {
    #[test]
    fn whatever_is_said_every_stream_is_sound_and_nothing_is_left_behind(
        steps in prop::collection::vec(prop_oneof![anything().prop_map(Some), Just(None)], 0..40),
    ) {
        let mut call = Call::new();
        let mut streams: Vec<(u64, Stream)> = Vec::new();
        let mut names = [String::new(), String::new()];
        for (at, step) in steps.into_iter().enumerate() {
            let at_ms = at as u64 * 100;
            match step {
                Some((which, said)) => call.says(at_ms, &names[usize::from(which)], said),
                None => streams.push(call.speak(at_ms, at as u64 % 2, "one two three")),
            }
            call.contexts.sweep(call.at(at_ms));
            for (context, _) in call.sent() {
                if !names.contains(&context) {
                    names = [std::mem::take(&mut names[1]), context];
                }
            }
        }
        for (job, mut stream) in streams {
            let said = said(&mut stream);
            let is_end = |event: &Result<TtsEvent, ProviderFailure>| !matches!(event, Ok(TtsEvent::Audio(_) | TtsEvent::Words(_)));
            let ends = said.iter().filter(|event| is_end(event)).count();
            prop_assert!(ends <= 1);
            prop_assert_eq!(ends == 1, said.last().is_some_and(is_end));
            let is_whole = said.last().is_some_and(|event| event.is_ok() && is_end(event));
            let has_audio = said.iter().any(|event| matches!(event, Ok(TtsEvent::Audio(_))));
            prop_assert!(has_audio || !is_whole, "an end without a sample");
            drop(stream);
            call.contexts.dropped(job);
        }
        call.contexts.sweep(call.at(1_000_000));
        prop_assert!(call.contexts.is_empty());
    }
}
