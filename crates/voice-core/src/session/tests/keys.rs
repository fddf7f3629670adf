use super::call::Call;
use crate::config::CoreConfig;
use crate::consent::ConsentFlow;
use crate::ids::{ConnectionId, RungId};
use crate::input::{Input, Key};
use crate::output::{ClientEvent, EndReason, Observation, Outcome, Output};
use crate::phrases;
use crate::provider::{ProviderErrorKind, Stage};

fn key(text: &str) -> Input {
    Input::Key { key: Key::parse(text).expect("a key") }
}

/// The agent has asked: "I found two. Shall I delete both?", and this much of it was played.
fn asked(played_ms: u64) -> Call {
    let config = CoreConfig { greeting: String::new(), consent: ConsentFlow::Announce, ..CoreConfig::default() };
    let mut call = Call::with(config);
    call.speaks(1_000, 2_000, "Delete milk", 950);
    call.llm_says(2_250, "I found two. Shall I delete both?");
    call.tts_answers(2_290);
    call.plays(2_310, played_ms);
    call.take();
    call
}

/// What was asked of the model last.
fn last_user_text(call: &Call) -> Option<String> {
    call.request().and_then(|(_, _, items)| {
        items.iter().rev().find_map(|item| match item {
            crate::chat::ChatItem::User { text } => Some(text.clone()),
            _ => None,
        })
    })
}

/// What the agent says next.
fn says(call: &Call) -> String {
    let texts = call.log.iter().filter_map(|(_, output)| match output {
        Output::Synthesize { text, .. } => Some(text.trim().to_owned()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn one_and_two_answer_a_question_of_which_the_caller_has_heard_something() {
    for (pressed, said) in [("1", "Yes."), ("2", "No.")] {
        let mut call = asked(1_400);
        call.at(3_800, key(pressed));
        assert!(call.has(|output| matches!(output, Output::DropSpeech { .. })), "it is silent at once");
        assert_eq!(last_user_text(&call).as_deref(), Some(said));
        assert!(call.events().contains(&ClientEvent::UserText { text: said.to_owned() }));
    }
    // After the question, too.
    let mut call = asked(10_000);
    call.at(20_000, key("1"));
    assert_eq!(last_user_text(&call).as_deref(), Some("Yes."));
}

#[test]
fn before_the_question_a_yes_would_be_one_to_nothing() {
    let mut call = asked(300);
    call.at(2_700, key("1"));
    assert_eq!(last_user_text(&call), None);
    assert_eq!(says(&call), phrases::KEYS);
}

#[test]
fn zero_says_what_the_keys_are_and_asks_again() {
    let mut call = asked(10_000);
    call.at(20_000, key("0"));
    assert_eq!(says(&call), format!("{} Shall I delete both?", phrases::KEYS));
    call.tts_answers(20_100);
    call.plays(20_110, 20_000);
    call.take();
    call.at(50_000, key("2"));
    assert_eq!(last_user_text(&call).as_deref(), Some("No."));
}

#[test]
fn the_pound_key_says_it_again_and_any_other_says_what_the_keys_are() {
    let mut call = asked(500);
    call.at(2_900, key("#"));
    assert_eq!(says(&call), "I found two. Shall I delete both?");
    for pressed in ["7", "A"] {
        let mut call = Call::new();
        call.at(1_000, key(pressed));
        assert_eq!(says(&call), phrases::KEYS);
    }
    let mut call = Call::new();
    call.at(1_000, key("#"));
    assert_eq!(says(&call), phrases::KEYS, "nothing was said");
}

#[test]
fn the_star_key_stops_the_recording_whatever_is_under_way() {
    let mut call = asked(10_000);
    call.at(20_000, Input::Consent { recording: true });
    assert!(call.session.recording_permit().is_some());
    call.at(21_000, key("*"));
    assert!(call.session.recording_permit().is_none());
    assert_eq!(says(&call), phrases::RECORDING_STOPPED);

    let mut call =
        Call::with(CoreConfig { greeting: String::new(), consent: ConsentFlow::Announce, ..CoreConfig::default() });
    call.at(500, Input::Consent { recording: true });
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_300);
    call.at(2_400, key("*"));
    assert!(call.session.recording_permit().is_none(), "while the caller waits for an answer, too");
    assert!(!says(&call).contains(phrases::RECORDING_STOPPED), "which comes first");
    call.llm_says(2_500, "You have none.");
    call.tts_answers(2_600);
    call.plays(2_610, 5_000);
    assert!(says(&call).ends_with(phrases::RECORDING_STOPPED), "{}", says(&call));
}

#[test]
fn a_key_means_nothing_while_an_answer_is_awaited_or_nobody_is_there() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let asked = call.request_id();
    call.at(2_400, key("1"));
    call.at(2_410, key("0"));
    assert_eq!((call.request_id(), says(&call).as_str()), (asked, ""));
    call.at(2_420, Input::Disconnected { connection: ConnectionId(1) });
    call.take();
    call.at(2_430, key("0"));
    assert_eq!(says(&call), "");
}

#[test]
fn keys_are_those_of_a_telephone() {
    for text in ["0", "9", "*", "#", "A", "D"] {
        assert!(Key::parse(text).is_some(), "{text}");
    }
    for text in ["", "10", "E", "a", "é", " ", "+"] {
        assert_eq!(Key::parse(text), None, "{text}");
    }
}

#[test]
fn who_cannot_type_is_not_kept_on_a_silent_line() {
    let mut call = Call::with(CoreConfig { greeting: String::new(), can_type: false, ..CoreConfig::default() });
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three tasks.");
    let speech = call.speech();
    for chunk in [0, 1] {
        let failure = ProviderErrorKind::Auth.into();
        call.at(2_300, Input::TtsFailed { speech, chunk, rung: RungId(0), failure });
    }
    assert!(call.observations().contains(&Observation::FellBackToText { stage: Stage::Tts }));
    assert!(
        call.has(|output| matches!(output, Output::End { outcome: Outcome::Error, reason: EndReason::VoiceFailed }))
    );
    assert_eq!(call.history(), ["user: List my tasks"], "nobody heard the answer");
    let (_, _, snapshot) = call.commits().pop().expect("it is saved");
    assert_eq!(snapshot.extra.get(crate::session::VOICE_FAILED), Some(&true.into()));
}

impl Call {
    /// The caller speaks, and nobody understands a word.
    fn is_not_understood(&mut self, at_ms: u64) {
        self.at(at_ms, Input::StartOfSpeech { at_ms });
        self.at(at_ms + 1_100, Input::EndOfSpeech { last_speech_ms: at_ms + 1_000 });
        let (utterance, revision) = self.finishing().expect("an utterance to finish");
        let failure = ProviderErrorKind::Unavailable.into();
        self.at(at_ms + 1_200, Input::SttFailed { utterance, revision, rung: RungId(0), failure });
    }

    /// What the agent says is made, and heard.
    fn is_answered(&mut self, at_ms: u64) {
        self.tts_answers(at_ms);
        self.plays(at_ms + 10, 5_000);
    }

    fn has_fallen(&self) -> bool {
        self.observations().contains(&Observation::FellBackToText { stage: Stage::Stt })
    }
}

#[test]
fn whom_nobody_understands_twice_is_not_asked_a_third_time() {
    for can_type in [false, true] {
        let mut call = Call::with(CoreConfig { greeting: String::new(), can_type, ..CoreConfig::default() });
        call.is_not_understood(1_000);
        call.is_answered(3_000);
        assert!(!call.has_fallen(), "it may have been a moment");
        call.is_not_understood(10_000);
        assert!(call.has_fallen());
        let ended = call
            .has(|output| matches!(output, Output::End { outcome: Outcome::Error, reason: EndReason::VoiceFailed }));
        assert_eq!(ended, !can_type, "a page goes on in text");
    }
}

#[test]
fn who_is_understood_in_between_may_go_on() {
    let mut call = Call::with(CoreConfig { greeting: String::new(), can_type: false, ..CoreConfig::default() });
    call.is_not_understood(1_000);
    call.is_answered(3_000);
    call.speaks(10_000, 11_000, "List my tasks", 950);
    call.llm_says(11_250, "You have three tasks.");
    call.is_answered(11_300);
    call.is_not_understood(20_000);
    assert!(!call.has_fallen() && !call.session.is_ended());
}
