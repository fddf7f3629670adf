//! A transcript that ends before the speech does.

use crate::ids::{RungId, UtteranceId};
use crate::input::Input;
use crate::output::Output;
use crate::provider::{ProviderErrorKind, Stage};

use super::call::Call;
use super::failover::config;

const FIRST: RungId = RungId(0);
const SECOND: RungId = RungId(1);

/// A caller who spoke from 1 s to 3 s, whose first recogniser has words up to so many milliseconds before the end.
fn half_heard(gap_ms: u64) -> Call {
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_800, Input::InterimTranscript { utterance: UtteranceId(1), text: "Add a task".into() });
    call.at(3_100, Input::EndOfSpeech { last_speech_ms: 3_000 });
    gives(&mut call, 3_200, FIRST, gap_ms, "Add a task.");
    call
}

fn gives(call: &mut Call, at_ms: u64, rung: RungId, gap_ms: u64, text: &str) {
    let (utterance, revision) = call.finishing().unwrap();
    if gap_ms > 0 {
        call.at(at_ms, Input::TranscriptGap { utterance, revision, rung, gap_ms });
    }
    call.at(at_ms, Input::FinalTranscript { utterance, revision, rung, text: text.into() });
}

fn asked_again(call: &Call) -> bool {
    call.has(|output| matches!(output, Output::Transcribe { rung: SECOND, .. }))
}

/// What the model is asked.
fn question(call: &mut Call) -> String {
    call.until(8_000);
    serde_json::to_string(&call.request().expect("a request").2).unwrap()
}

#[test]
fn words_that_end_before_the_speech_does_are_worth_a_second_opinion() {
    let mut call = half_heard(1_200);
    assert!(asked_again(&call));
    call.until(3_300);
    assert_eq!(call.request(), None, "nothing is answered before it is there");
    gives(&mut call, 3_400, SECOND, 0, "Add a task to buy milk");
    assert!(question(&mut call).contains("Add a task to buy milk"));
    assert_eq!(call.failovers()[0], (Stage::Stt, FIRST, SECOND, ProviderErrorKind::Protocol));
}

#[test]
fn a_short_end_or_a_pause_in_front_of_one_is_no_reason() {
    assert!(!asked_again(&half_heard(499)));
    // The caller went on after two seconds, with 300 ms that may have been a cough.
    let mut call = half_heard(0);
    call.at(3_250, Input::StartOfSpeech { at_ms: 3_240 });
    call.at(3_650, Input::EndOfSpeech { last_speech_ms: 3_540 });
    gives(&mut call, 3_700, FIRST, 2_300, "Add a task.");
    assert!(!asked_again(&call));
    // Somebody else's gap, and one of another revision.
    let mut call = half_heard(0);
    let (utterance, revision) = call.finishing().unwrap();
    call.at(3_250, Input::TranscriptGap { utterance, revision, rung: SECOND, gap_ms: 2_000 });
    call.at(3_250, Input::TranscriptGap { utterance, revision: revision + 1, rung: FIRST, gap_ms: 2_000 });
    assert!(question(&mut call).contains("Add a task."));
    assert!(!asked_again(&call));
}

#[test]
fn what_was_heard_is_kept_when_nobody_hears_more() {
    // The same in other signs, nothing, and less.
    for text in ["add a task", "", "Add"] {
        let mut call = half_heard(1_200);
        gives(&mut call, 3_400, SECOND, 0, text);
        let asked = question(&mut call);
        assert!(asked.to_lowercase().contains("add a task"), "{text:?}: {asked}");
        let heard_elsewhere = call.failovers().iter().any(|(stage, ..)| *stage == Stage::Stt);
        assert!(!heard_elsewhere, "{text:?}: the first one's words are answered");
    }
}

#[test]
fn what_was_heard_is_kept_when_the_second_opinion_fails_or_does_not_come() {
    let mut call = half_heard(1_200);
    let (utterance, revision) = call.finishing().unwrap();
    let failure = ProviderErrorKind::Unavailable.into();
    call.at(3_300, Input::SttFailed { utterance, revision, rung: SECOND, failure });
    assert!(question(&mut call).contains("Add a task."));
    assert!(question(&mut half_heard(1_200)).contains("Add a task."));
}
