use serde_json::json;

use super::call::Call;
use crate::chat::ChatItem;
use crate::cost::{Quantity, Usage};
use crate::ids::{ReplyId, RungId, ToolCallId};
use crate::input::Input;
use crate::output::{ClientEvent, EndReason, Observation, Output};
use crate::provider::{ProviderErrorKind, Stage};
use crate::session::Session;
use crate::{CoreConfig, cost};

#[test]
fn a_tool_runs_before_the_turn_is_over_but_changes_nothing_until_then() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_205, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_210, "add_task", true);
    call.llm_says(2_215, "Added milk.");
    call.tts_answers(2_260);
    assert!(call.commits().iter().all(|(_, tools, _)| tools.is_empty()));
    call.store_works = false;
    call.until(2_300);
    let (commit, tools, snapshot) = call.commits().pop().unwrap();
    assert_eq!(tools, [ToolCallId(1)]);
    assert_eq!(snapshot.history.len(), 1);
    assert!(!call.has(|output| matches!(output, Output::Play { .. })), "nothing is claimed before it is kept");
    call.at(2_304, Input::Committed { commit });
    assert!(call.has(|output| matches!(output, Output::Play { last: true, .. })));
    assert!(
        call.events().iter().any(|event| matches!(event, ClientEvent::ToolCall { name, .. } if name == "add_task"))
    );
}

#[test]
fn what_the_store_does_not_take_is_never_claimed() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_205, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_210, "add_task", true);
    call.llm_says(2_215, "Added milk.");
    call.tts_answers(2_260);
    call.store_works = false;
    call.until(2_300);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_310, Input::CommitFailed { commit, error: crate::input::CommitError::Unavailable });
    assert!(call.has(|output| matches!(output, Output::DropTools { calls } if calls == &[ToolCallId(1)])));
    let (_, _, chat) = call.request().unwrap();
    let failed = chat.iter().any(|item| matches!(item, ChatItem::ToolOutput(output) if output.is_error));
    assert!(failed, "the model is told");
    call.llm_says(2_320, "I couldn't save that.");
    call.tts_answers(2_350);
    call.plays(2_360, 2_000);
    assert_eq!(call.history(), ["user: Add milk", "agent: I couldn't save that."]);
}

#[test]
fn a_conflict_makes_the_whole_answer_again() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Complete milk", 950);
    call.llm_calls(2_205, "complete_task", json!({"title": "Milk"}));
    call.tool_answers(2_210, "complete_task", true);
    call.store_works = false;
    call.until(2_300);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_310, Input::CommitFailed { commit, error: crate::input::CommitError::Conflict });
    let (_, reply, chat) = call.request().unwrap();
    assert_eq!((reply, chat.len()), (ReplyId(2), 1));
    let seen = call.observations();
    assert!(seen.contains(&Observation::CommitConflicted { commit }));
    assert!(!seen.iter().any(|seen| matches!(seen, Observation::CommitFailed { .. })), "nothing is lost");
}

#[test]
fn conflicts_cost_an_answer_none_of_its_requests() {
    let mut call = Call::new();
    call.store_works = false;
    call.speaks(1_000, 2_000, "Complete milk", 950);
    // Two requests each time: far more than one answer may make.
    for round in 0..6 {
        let at_ms = 2_310 + round * 1_000;
        call.llm_calls(at_ms, "complete_task", json!({"title": "Milk"}));
        call.tool_answers(at_ms + 10, "complete_task", true);
        call.llm_says(at_ms + 20, "Milk is done.");
        call.until(at_ms + 200);
        let (commit, ..) = call.commits().pop().unwrap();
        if round < 5 {
            call.at(at_ms + 300, Input::CommitFailed { commit, error: crate::input::CommitError::Conflict });
        } else {
            call.at(at_ms + 300, Input::Committed { commit });
        }
    }
    call.tts_answers(7_800);
    call.plays(7_900, 2_000);
    assert_eq!(call.history(), ["user: Complete milk", "agent: Milk is done."]);
}

#[test]
fn the_model_hears_what_its_tools_answered() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "How many tasks", 950);
    call.llm_calls(2_310, "list_tasks", json!({}));
    call.tool_answers(2_320, "list_tasks", false);
    let (_, _, chat) = call.request().unwrap();
    assert!(matches!(chat.as_slice(), [ChatItem::User { .. }, ChatItem::ToolCall(_), ChatItem::ToolOutput(_)]));
}

#[test]
fn a_hand_off_changes_the_agent_and_is_kept_with_the_turn() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Let's review my tasks", 950);
    call.llm_calls(2_310, "transfer_to_agent", json!({"agent": "ReviewAgent"}));
    assert!(call.has(|output| matches!(output, Output::RequestLlm { agent: "ReviewAgent", .. })));
    call.llm_says(2_320, "First: milk.");
    call.tts_answers(2_350);
    call.plays(2_360, 2_000);
    assert_eq!(call.session.snapshot().current_agent, "ReviewAgent");
    assert!(call.events().contains(&ClientEvent::Agent { agent: "ReviewAgent".into() }));
    assert!(call.observations().contains(&Observation::Handoff { from: "TaskAgent".into(), to: "ReviewAgent".into() }));
    let counted = Observation::ToolFinished { name: "transfer_to_agent".into(), duration_ms: 0, failed: false };
    assert!(call.observations().contains(&counted));
}

#[test]
fn an_agent_hands_over_only_to_whom_it_may() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Let me talk to sales", 950);
    call.llm_calls(2_310, "transfer_to_agent", json!({"agent": "SalesAgent"}));
    assert!(call.has(|output| matches!(output, Output::RequestLlm { agent: "TaskAgent", .. })));
    let (_, _, chat) = call.request().unwrap();
    assert!(matches!(chat.last(), Some(ChatItem::ToolOutput(output)) if output.is_error));
    let counted = Observation::ToolFinished { name: "transfer_to_agent".into(), duration_ms: 0, failed: true };
    assert!(call.observations().contains(&counted));
}

#[test]
fn a_goodbye_ends_the_session_once_it_was_heard() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Goodbye", 950);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "Goodbye!".into() });
    call.llm_calls(2_310, "end_call", json!({}));
    assert_eq!(call.request_id(), request, "a goodbye that was said needs no further words");
    let counted = Observation::ToolFinished { name: "end_call".into(), duration_ms: 0, failed: false };
    assert!(call.observations().contains(&counted));
    call.tts_answers(2_350);
    assert!(!call.has(|output| matches!(output, Output::End { .. })));
    call.plays(2_360, 480);
    assert!(call.has(|output| matches!(output, Output::End { reason: EndReason::Goodbye, .. })));
}

#[test]
fn a_model_that_fails_is_asked_once_more_and_then_the_agent_apologises() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_310, Input::LlmFailed { request: first, failure: ProviderErrorKind::Unavailable.into() });
    let second = call.request_id();
    assert!(second > first);
    call.until(2_310 + 4_000);
    assert!(call.has(|output| matches!(output, Output::CancelLlm { request } if *request == second)));
    assert!(
        call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("something went wrong")))
    );
}

#[test]
fn a_model_that_dribbles_off_is_cut_with_an_apology_when_it_was_heard() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_300);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "You have three tasks. The first".into() });
    call.until(2_310 + 3_000);
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("lost my thread"))));
    assert_eq!(call.request_id(), request, "what was heard is not said twice");
}

/// The model spoke, called a tool and broke off: the tool is not called again, and the model is asked with what it answered.
#[test]
fn a_model_that_breaks_off_after_a_tool_is_asked_with_its_output() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "Let me see. ".into() });
    call.llm_calls_and_goes_on(2_312, "add_task", json!({"title": "Milk"}));
    call.at(2_315, Input::LlmFailed { request, failure: ProviderErrorKind::Unavailable.into() });
    call.tts_answers(2_320);
    let plays_beyond = |call: &Call| {
        call.log.iter().any(|(_, output)| matches!(output, Output::Play { through_chunk, .. } if *through_chunk > 0))
    };
    assert_eq!(call.request_id(), request, "the tool still runs");
    call.store_works = false;
    call.tool_answers(2_330, "add_task", true);
    let (again, _, items) = call.request().unwrap();
    assert!(again != request && matches!(items.last(), Some(ChatItem::ToolOutput(_))));
    call.llm_says(2_335, "Added milk.");
    call.tts_answers(2_336);
    assert!(!plays_beyond(&call), "it is not in the store yet");
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!(tools.len(), 1);
    call.at(2_340, Input::Committed { commit });
    assert!(plays_beyond(&call));
}

#[test]
fn a_model_that_says_nothing_is_no_silence() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let request = call.request_id();
    call.at(2_310, Input::LlmDone { request });
    assert!(call.has(|output| matches!(output, Output::Synthesize { .. })));
}

#[test]
fn a_model_that_only_calls_tools_is_stopped() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Hang up", 950);
    for round in 0..20 {
        if call.has(|output| matches!(output, Output::Synthesize { .. })) {
            break;
        }
        call.llm_calls(2_310 + round, "list_tasks", json!({}));
        call.tool_answers(2_310 + round, "list_tasks", false);
    }
    assert!(call.has(|output| matches!(output, Output::Synthesize { .. })));
}

#[test]
fn a_tool_that_hangs_fails_and_its_late_answer_is_dropped() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.until(2_310 + 3_000);
    let (_, _, chat) = call.request().unwrap();
    assert!(matches!(chat.last(), Some(ChatItem::ToolOutput(output)) if output.is_error));
    call.tool_answers(5_500, "add_task", true);
    assert!(matches!(call.log.last(), Some((_, Output::DropTools { .. }))));
    assert!(call.commits().iter().all(|(_, tools, _)| tools.is_empty()));
}

#[test]
fn messages_that_come_too_fast_are_answered_one_after_the_other() {
    let mut call = Call::unconnected(Session::new(CoreConfig { greeting: String::new(), ..CoreConfig::default() }));
    call.at(0, Input::Text { text: "Add milk".into(), message: Some(1) });
    call.at(1, Input::Text { text: "Add eggs".into(), message: Some(2) });
    call.llm_says(5, "Added milk.");
    call.llm_says(9, "Added eggs.");
    assert_eq!(call.history(), ["user: Add milk", "agent: Added milk.", "user: Add eggs", "agent: Added eggs."]);
}

/// A minute of hearing costs 600 nano-dollars, a thousand tokens 600.
fn priced() -> Call {
    let price = cost::Price { audio_minute: 600, output_1k_tokens: 600, ..cost::Price::default() };
    let prices = cost::Prices([("p/m".to_owned(), price)].into());
    Call::with(CoreConfig { greeting: String::new(), prices, ..CoreConfig::default() })
}

fn used(stage: Stage, reply: Option<u64>, utterance: Option<u64>, wasted: bool) -> Input {
    let quantity = match stage {
        Stage::Llm => Quantity::Tokens { input: 0, cached: 0, output: 1_000 },
        _ => Quantity::AudioMs(60_000),
    };
    let (reply, utterance) = (reply.map(ReplyId), utterance.map(crate::ids::UtteranceId));
    Input::Used(Usage { stage, provider: "p".into(), model: "m".into(), quantity, reply, utterance, wasted })
}

#[test]
fn what_it_cost_to_hear_a_turn_belongs_to_that_turn() {
    let mut call = priced();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_500, used(Stage::Stt, None, Some(1), false));
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(2_150, used(Stage::Stt, None, Some(1), false));
    call.at(2_200, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "List my tasks".into() });
    call.until(3_000);
    call.at(3_010, used(Stage::Stt, None, Some(1), true));
    call.at(3_020, used(Stage::Stt, None, Some(9), false));
    call.llm_says(3_030, "None.");
    call.tts_answers(3_040);
    call.plays(3_050, 300);
    let cost = call.observations().into_iter().find_map(|observation| match observation {
        Observation::TurnFinished { cost, .. } => Some(cost.0),
        _ => None,
    });
    assert_eq!(cost, Some(1_800), "three of the four; the other one is a cough's");
    assert_eq!((call.session.cost().stt.0, call.session.cost().wasted.0), (2_400, 600));
}

#[test]
fn cancelled_work_is_wasted_once() {
    let mut call = priced();
    call.speaks(1_000, 2_000, "Add milk", 700);
    call.at(2_210, used(Stage::Llm, Some(1), None, true));
    call.speaks(2_250, 3_000, "Add milk and eggs", 950);
    call.at(3_300, used(Stage::Llm, Some(1), None, true));
    assert_eq!((call.session.cost().llm.0, call.session.cost().wasted.0), (1_200, 1_200));
}

#[test]
fn what_was_spent_on_a_discarded_reply_is_wasted() {
    let price = cost::Price { output_1k_tokens: 600_000, ..cost::Price::default() };
    let prices = cost::Prices([("openai/gpt-4o-mini".to_owned(), price)].into());
    let mut call = Call::with(CoreConfig { greeting: String::new(), prices, ..CoreConfig::default() });
    let used = |reply| {
        let quantity = Quantity::Tokens { input: 0, cached: 0, output: 1_000 };
        Input::Used(Usage {
            stage: Stage::Llm,
            provider: "openai".into(),
            model: "gpt-4o-mini".into(),
            quantity,
            reply: Some(reply),
            utterance: None,
            wasted: false,
        })
    };
    call.speaks(1_000, 2_000, "Add milk", 700);
    call.at(2_210, used(ReplyId(1)));
    call.speaks(2_250, 3_000, "Add milk and eggs", 950);
    call.at(3_300, used(ReplyId(1)));
    call.at(3_310, used(ReplyId(2)));
    assert_eq!(call.session.cost().llm, cost::NanoUsd(1_800_000));
    assert_eq!(call.session.cost().wasted, cost::NanoUsd(1_200_000));
}

/// A session left for another process behind a reply that was thrown away, and the next one knew nothing of what that had cost for
/// nothing. (One of a million seeds.)
#[test]
fn what_a_thrown_away_reply_cost_is_saved_before_the_session_leaves() {
    let mut call = priced();
    call.speaks(1_000, 2_000, "hello", 950);
    call.llm_says(2_310, "Hi.");
    call.tts_answers(2_350);
    call.store_works = false;
    call.plays(2_360, 2_000);
    let (commit, ..) = call.commits().pop().unwrap();
    let heard_ms = call.log.last().unwrap().0;
    call.at(heard_ms + 10, Input::CommitFailed { commit, error: crate::input::CommitError::Unavailable });
    call.speaks(heard_ms + 100, heard_ms + 500, "and", 500);
    call.at(heard_ms + 800, used(Stage::Llm, Some(call.request().unwrap().1.0), None, false));
    call.until(heard_ms + 1_020);
    let (commit, _, snapshot) = call.commits().pop().unwrap();
    assert_eq!(
        (snapshot.cost.llm > cost::NanoUsd(0), snapshot.cost.wasted),
        (true, cost::NanoUsd(0)),
        "it may be said yet"
    );
    call.store_works = true;
    call.at(heard_ms + 1_030, Input::Committed { commit });
    call.at(heard_ms + 1_040, Input::HandOver { within_ms: 8_000 });
    call.at(heard_ms + 1_050, Input::StartOfSpeech { at_ms: heard_ms + 1_050 });
    call.at(heard_ms + 1_300, Input::EndOfSpeech { last_speech_ms: heard_ms + 1_200 });
    let (utterance, revision) = call.finishing().unwrap();
    let text = String::new();
    call.at(heard_ms + 1_400, Input::FinalTranscript { utterance, revision, rung: RungId(0), text });
    call.until(heard_ms + 5_000);
    assert!(call.has(|output| matches!(output, Output::HandOver { .. })), "nobody waits for anything");
    assert_eq!(call.commits().pop().unwrap().2.cost.wasted, call.session.cost().wasted);
    assert!(call.session.cost().wasted > cost::NanoUsd(0));
}
