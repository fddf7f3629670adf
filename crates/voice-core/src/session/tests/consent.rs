use super::call::Call;
use crate::config::{CoreConfig, GREETING};
use crate::consent::{ConsentDecision, ConsentFlow, ConsentHow};
use crate::ids::ConnectionId;
use crate::input::{Input, Key};
use crate::output::{ClientEvent, Output};
use crate::phrases;
use crate::session::{Restored, Session};

/// A call by telephone that begins like this.
fn call(consent: ConsentFlow) -> Call {
    Call::with(CoreConfig { consent, can_type: false, ..CoreConfig::default() })
}

/// The first words are made, and so much of them is played from 100 ms on.
fn hears_opening(call: &mut Call, played_ms: u64) {
    call.tts_answers(50);
    call.plays(100, played_ms);
}

/// What was said since the last look is made at this time, and heard to its end; says when that was.
fn hears_all(call: &mut Call, from_ms: u64) -> u64 {
    let chars = |output: &Output| match output {
        Output::Synthesize { text, .. } => text.chars().count() as u64,
        _ => 0,
    };
    let whole_ms: u64 = call.log.iter().map(|(_, output)| 60 * chars(output)).sum();
    call.tts_answers(from_ms);
    call.plays(from_ms + 50, whole_ms);
    from_ms + 50 + whole_ms
}

fn permit(call: &Call) -> bool {
    call.session.recording_permit().is_some()
}

fn decided(call: &Call) -> Vec<(ConsentDecision, ConsentHow)> {
    let decisions = call.log.iter().filter_map(|(_, output)| match output {
        Output::Consent { decision, how } => Some((*decision, *how)),
        _ => None,
    });
    decisions.collect()
}

/// What the agent says since the last look.
fn says(call: &mut Call) -> String {
    let texts = call.take().into_iter().filter_map(|output| match output {
        Output::Synthesize { text, .. } => Some(text.trim().to_owned()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn asks() -> String {
    format!("{} {}", phrases::CONSENT_QUESTION, phrases::CONSENT_BY_PHONE)
}

#[test]
fn an_announced_call_is_recorded_once_the_announcement_was_heard_to_its_end() {
    let mut call = call(ConsentFlow::Announce);
    let announcement_ms = 60 * phrases::PHONE_CONSENT.chars().count() as u64;
    call.tts_answers(50);
    call.plays(100, announcement_ms - 600);
    assert!(!permit(&call) && decided(&call).is_empty(), "some of it is still to be heard");
    let speech = call.speech();
    call.at(announcement_ms + 500, Input::PlayoutPosition { speech, played_ms: announcement_ms + 300, reported: true });
    assert!(permit(&call));
    assert_eq!(decided(&call), [(ConsentDecision::Announced, ConsentHow::Announcement)]);
    assert!(call.events().contains(&ClientEvent::Recording { enabled: true }));
    let state = call.session.snapshot().consent;
    assert!(state.recording_announced && state.recording_enabled);
    call.until(15_000);
    assert_eq!(says(&mut call), format!("{} {GREETING}", phrases::PHONE_CONSENT), "and greeted in the same breath");
}

#[test]
fn who_cuts_the_announcement_short_was_not_told_and_is_not_recorded() {
    let mut call = call(ConsentFlow::Announce);
    hears_opening(&mut call, 1_500);
    call.speaks(2_000, 3_000, "List my tasks", 950);
    call.llm_says(3_300, "You have none.");
    call.until(30_000);
    assert!(!permit(&call) && decided(&call).is_empty());
    assert!(!call.session.snapshot().consent.recording_announced);
}

#[test]
fn stop_recording_over_the_announcement_is_an_objection() {
    let mut call = call(ConsentFlow::Announce);
    hears_opening(&mut call, 1_500);
    call.speaks(2_000, 3_000, "Stop recording", 950);
    assert_eq!(decided(&call), [(ConsentDecision::Declined, ConsentHow::Voice)]);
    call.until(30_000);
    assert!(!permit(&call));
}

/// Typed before anybody was on the line, and then announced all the same: from the announcement's last word on the call was recorded.
/// (Five of a million seeds.)
#[test]
fn no_announcement_undoes_what_was_objected_to_before_it() {
    for flow in [ConsentFlow::Announce, ConsentFlow::Ask] {
        let config = CoreConfig { consent: flow, can_type: false, ..CoreConfig::default() };
        let mut call = Call::unconnected(Session::new(config));
        call.at(0, Input::Text { text: "Please stop recording".into(), message: Some(1) });
        assert_eq!(decided(&call), [(ConsentDecision::Declined, ConsentHow::Text)]);
        call.until(5_000);
        call.take();
        call.at(10_000, Input::Connected { connection: ConnectionId(1), voice: true });
        hears_all(&mut call, 10_050);
        assert_eq!(says(&mut call), GREETING, "nobody is told or asked again");
        assert!(!permit(&call) && decided(&call).is_empty());
    }
}

#[test]
fn a_plain_yes_to_the_question_and_nothing_else_begins_a_recording() {
    for (text, agreed) in [("Yes.", true), ("Yeah, sure", true), ("No.", false), ("Stop recording", false)] {
        let mut call = call(ConsentFlow::Ask);
        let heard_ms = hears_all(&mut call, 50);
        assert_eq!(says(&mut call), asks());
        assert!(!permit(&call), "nothing is recorded before the answer");
        call.speaks(heard_ms + 500, heard_ms + 1_100, text, 950);
        call.until(heard_ms + 2_500);
        assert_eq!(permit(&call), agreed, "{text}");
        let decision = if agreed { ConsentDecision::Agreed } else { ConsentDecision::Declined };
        assert_eq!(decided(&call), [(decision, ConsentHow::Voice)], "{text}");
        assert!(call.request().is_none(), "no model decides it");
        let said = says(&mut call);
        match text {
            "Stop recording" => assert_eq!(said, phrases::NOT_RECORDING),
            _ if agreed => assert_eq!(said, format!("{} {GREETING}", phrases::CONSENT_GIVEN)),
            _ => assert_eq!(said, format!("{} {GREETING}", phrases::CONSENT_REFUSED)),
        }
    }
}

#[test]
fn keys_answer_the_question_too_and_another_key_asks_again() {
    for (key, agreed) in [(Key::YES, true), (Key::NO, false)] {
        let mut call = call(ConsentFlow::Ask);
        let heard_ms = hears_all(&mut call, 50);
        call.take();
        call.at(heard_ms + 1_000, Input::Key { key: Key::parse("7").unwrap() });
        assert_eq!(call.log.iter().filter(|(_, output)| matches!(output, Output::Synthesize { .. })).count(), 2);
        call.tts_answers(heard_ms + 1_050);
        call.plays(heard_ms + 1_100, 1_000);
        call.at(heard_ms + 2_500, Input::Key { key });
        call.until(heard_ms + 3_500);
        // The question was heard the first time already.
        assert_eq!(permit(&call), agreed);
        let decision = if agreed { ConsentDecision::Agreed } else { ConsentDecision::Declined };
        assert_eq!(decided(&call), [(decision, ConsentHow::Key)]);
    }
}

#[test]
fn silence_is_no_and_the_call_goes_on() {
    let mut call = call(ConsentFlow::Ask);
    let heard_ms = hears_all(&mut call, 50);
    call.take();
    call.until(heard_ms + 5_900);
    assert_eq!(says(&mut call), "");
    call.until(heard_ms + 6_100);
    assert_eq!(decided(&call), [(ConsentDecision::Unanswered, ConsentHow::Silence)]);
    assert!(!permit(&call));
    let heard_ms = hears_all(&mut call, heard_ms + 6_200);
    assert_eq!(says(&mut call), format!("{} {GREETING}", phrases::CONSENT_REFUSED));
    call.speaks(heard_ms + 1_000, heard_ms + 1_500, "Yes", 950);
    call.until(heard_ms + 3_000);
    assert!(!permit(&call), "a yes to something else is none to this");
    assert!(call.request().is_some());
}

#[test]
fn who_talks_of_something_else_is_answered_and_has_not_agreed() {
    let mut call = call(ConsentFlow::Ask);
    let heard_ms = hears_all(&mut call, 50);
    call.speaks(heard_ms + 500, heard_ms + 1_500, "What is on my list?", 950);
    call.until(heard_ms + 3_000);
    assert_eq!(decided(&call), [(ConsentDecision::Unanswered, ConsentHow::Voice)]);
    assert!(!permit(&call) && call.request().is_some());
    assert!(!call.session.snapshot().consent.recording_enabled);
}

#[test]
fn what_is_said_besides_the_yes_is_done() {
    let mut call = call(ConsentFlow::Ask);
    let heard_ms = hears_all(&mut call, 50);
    call.speaks(heard_ms + 500, heard_ms + 1_500, "Yes. What is on my list?", 950);
    call.until(heard_ms + 3_000);
    assert!(permit(&call));
    let (.., items) = call.request().unwrap();
    assert_eq!(items.last(), Some(&crate::chat::ChatItem::User { text: "What is on my list?".to_owned() }));
}

#[test]
fn a_yes_before_the_question_was_heard_is_asked_again_and_then_taken_for_no() {
    let mut call = call(ConsentFlow::Ask);
    hears_opening(&mut call, 500);
    call.take();
    call.speaks(700, 1_200, "Yes", 950);
    call.until(2_200);
    assert!(!permit(&call) && decided(&call).is_empty());
    assert_eq!(says(&mut call), asks(), "asked once more");
    // Nobody knows how much of it is heard.
    call.speaks(2_400, 2_900, "Yes", 950);
    call.until(4_500);
    assert!(!permit(&call), "nobody knows whether it was heard: no");
    assert_eq!(decided(&call), [(ConsentDecision::Declined, ConsentHow::Voice)]);
}

#[test]
fn what_only_sounds_like_a_yes_records_nothing() {
    for text in [
        "I do have a question first.",
        "You can tell me what's on my list",
        "It may rain tomorrow",
        "Yeah, nah.",
        "Okay, I'd prefer you didn't.",
        "Yes I wouldn't like that",
        "Go ahead and tell me my tasks",
    ] {
        let mut call = call(ConsentFlow::Ask);
        let heard_ms = hears_all(&mut call, 50);
        call.speaks(heard_ms + 500, heard_ms + 1_500, text, 950);
        call.until(heard_ms + 3_000);
        assert!(!permit(&call) && call.request().is_some(), "{text}");
        assert_eq!(decided(&call), [(ConsentDecision::Unanswered, ConsentHow::Voice)], "{text}");
    }
}

#[test]
fn a_yes_that_asks_is_asked_once_more_and_then_taken_for_no() {
    for text in ["Sure, why would you record me?", "OK what is this?", "Okay, hello?", "Yes?"] {
        let mut call = call(ConsentFlow::Ask);
        let heard_ms = hears_all(&mut call, 50);
        call.take();
        call.speaks(heard_ms + 500, heard_ms + 1_100, text, 950);
        call.until(heard_ms + 2_500);
        assert!(!permit(&call) && decided(&call).is_empty(), "{text}");
        let heard_ms = hears_all(&mut call, heard_ms + 2_600);
        assert_eq!(says(&mut call), asks(), "{text}");
        call.speaks(heard_ms + 500, heard_ms + 1_100, text, 950);
        call.until(heard_ms + 3_000);
        assert_eq!(decided(&call), [(ConsentDecision::Unanswered, ConsentHow::Voice)], "{text}");
        assert!(!permit(&call) && call.request().is_some(), "{text}");
    }
}

#[test]
fn the_second_question_may_be_agreed_to() {
    let mut call = call(ConsentFlow::Ask);
    hears_opening(&mut call, 500);
    call.take();
    call.speaks(700, 1_200, "Yes", 950);
    call.until(2_200);
    let heard_ms = hears_all(&mut call, 2_300);
    call.speaks(heard_ms + 500, heard_ms + 1_000, "Yes", 950);
    call.until(heard_ms + 2_500);
    assert!(permit(&call));
}

#[test]
fn an_objection_for_good_is_remembered_and_said() {
    let mut call = call(ConsentFlow::Announce);
    let heard_ms = hears_all(&mut call, 50);
    assert!(permit(&call));
    call.take();
    call.speaks(heard_ms + 500, heard_ms + 1_500, "Don't record me again", 950);
    call.until(heard_ms + 3_000);
    assert!(!permit(&call));
    let all = [(ConsentDecision::Stopped, ConsentHow::Voice), (ConsentDecision::OptedOut, ConsentHow::Voice)];
    assert_eq!(decided(&call), all);
    assert_eq!(says(&mut call), phrases::RECORDING_OPTED_OUT);
}

#[test]
fn where_nothing_may_be_recorded_nothing_is_whatever_is_said() {
    let mut call = call(ConsentFlow::Never);
    call.at(10, Input::Consent { recording: true });
    assert!(!permit(&call) && decided(&call).is_empty());
    assert!(call.events().contains(&ClientEvent::Recording { enabled: false }), "and the page is told");
    let heard_ms = hears_all(&mut call, 50);
    assert_eq!(says(&mut call), GREETING);
    call.speaks(heard_ms + 500, heard_ms + 1_500, "Stop recording", 950);
    call.until(heard_ms + 3_000);
    assert_eq!(decided(&call), [(ConsentDecision::OptedOut, ConsentHow::Voice)], "it can mean nothing else");
}

#[test]
fn whoever_plays_with_the_button_is_recorded_no_more_and_may_stop_always() {
    let mut call = Call::new();
    for _ in 0..200 {
        for recording in [true, false] {
            call.at(10, Input::Consent { recording });
            assert!(!permit(&call) || recording);
        }
    }
    let agreed = decided(&call).iter().filter(|(decision, _)| *decision == ConsentDecision::Agreed).count();
    assert_eq!((agreed, decided(&call).len()), (20, 40));
    assert_eq!(call.events().last(), Some(&ClientEvent::Recording { enabled: false }), "and the page is told");
}

#[test]
fn an_objection_that_is_said_again_is_written_once() {
    let mut call = call(ConsentFlow::Never);
    let mut at_ms = hears_all(&mut call, 50) + 500;
    for _ in 0..4 {
        call.speaks(at_ms, at_ms + 1_000, "Don't record me again", 950);
        call.until(at_ms + 3_000);
        at_ms = hears_all(&mut call, at_ms + 3_000) + 500;
    }
    assert_eq!(decided(&call), [(ConsentDecision::OptedOut, ConsentHow::Voice)]);
}

#[test]
fn a_page_says_what_was_answered_there_and_it_is_written_once() {
    let mut call = Call::new();
    for recording in [true, true, false, false] {
        call.at(10, Input::Consent { recording });
        assert_eq!(permit(&call), recording);
    }
    let page = ConsentHow::Page;
    assert_eq!(decided(&call), [(ConsentDecision::Agreed, page), (ConsentDecision::Stopped, page)]);
}

#[test]
fn a_session_that_was_lost_in_the_question_is_not_recorded() {
    let mut call = call(ConsentFlow::Ask);
    hears_all(&mut call, 50);
    let snapshot = call.session.snapshot();
    let config = CoreConfig { consent: ConsentFlow::Ask, can_type: false, ..CoreConfig::default() };
    let mut back = Call::unconnected(Session::restore(config, snapshot, Restored::Lost).unwrap());
    back.at(0, Input::Connected { connection: ConnectionId(1), voice: true });
    back.speaks(5_000, 5_500, "Yes", 950);
    back.until(9_000);
    assert!(!permit(&back));
}

#[test]
fn a_session_with_an_open_question_is_not_moved() {
    let mut call = call(ConsentFlow::Ask);
    let heard_ms = hears_all(&mut call, 50);
    call.at(heard_ms + 500, Input::HandOver { within_ms: 60_000 });
    assert!(!call.has(|output| matches!(output, Output::HandOver { .. })));
    call.take();
    call.speaks(heard_ms + 1_000, heard_ms + 1_500, "Yes", 950);
    call.until(heard_ms + 3_000);
    let heard_ms = hears_all(&mut call, heard_ms + 3_100);
    call.until(heard_ms + 5_000);
    assert!(call.has(|output| matches!(output, Output::HandOver { .. })));
    assert!(call.session.snapshot().consent.recording_enabled, "it goes with it");
}
