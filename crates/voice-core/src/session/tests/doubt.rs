//! The store does not say whether it has a change.

use serde_json::json;

use super::call::Call;
use crate::chat::ChatItem;
use crate::ids::CommitId;
use crate::input::{CommitError, Input};
use crate::output::{ClientEvent, Observation, Output};
use crate::phrases::NOT_SURE_SAVED;

/// "Added milk." waits for this commit, of which the store does not say whether it has it.
fn doubted() -> (Call, CommitId) {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_205, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_210, "add_task", true);
    call.llm_says(2_215, "Added milk.");
    call.tts_answers(2_260);
    call.store_works = false;
    call.until(2_300);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(6_800, Input::CommitFailed { commit, error: CommitError::Unknown });
    (call, commit)
}

fn status(call: &Call) -> String {
    let status = |item: &ChatItem| match item {
        ChatItem::ToolOutput(output) => output.result["status"].as_str().map(str::to_owned),
        _ => None,
    };
    call.session.snapshot().asides.iter().find_map(|aside| status(&aside.item)).unwrap_or_default()
}

fn told(call: &Call) -> Vec<String> {
    let told = |event| match event {
        ClientEvent::ToolCall { result, .. } => result["status"].as_str().map(str::to_owned),
        _ => None,
    };
    call.events().into_iter().filter_map(told).collect()
}

#[test]
fn a_change_that_may_be_saved_is_neither_claimed_nor_denied() {
    let (call, commit) = doubted();
    let said = |words: &str| {
        call.events().iter().any(|event| matches!(event, ClientEvent::AgentText { text, .. } if text.contains(words)))
    };
    assert!(said("not sure that was saved") && !said("Added milk"));
    assert_eq!(call.request_id().0, 2, "no model is asked what to make of it");
    assert_eq!(call.commits().pop().unwrap().0, commit, "nothing is saved over a commit that may still be made");
    assert_eq!((status(&call), told(&call)), ("unknown".to_owned(), vec!["unknown".to_owned()]));
}

#[test]
fn what_turns_out_to_be_saved_is_history_and_told() {
    let (mut call, commit) = doubted();
    call.tts_answers(6_850);
    call.plays(6_900, 9_000);
    call.at(20_000, Input::Committed { commit });
    assert_eq!(status(&call), "added");
    assert_eq!(told(&call), ["unknown", "added"]);
    assert_eq!(call.history().last(), Some(&format!("agent: {NOT_SURE_SAVED}")));
    let (_, tools, snapshot) = call.commits().pop().unwrap();
    assert!(tools.is_empty() && snapshot == call.session.snapshot(), "the truth is saved next");
}

#[test]
fn what_turns_out_not_to_be_saved_is_marked_failed() {
    let (mut call, commit) = doubted();
    call.at(20_000, Input::CommitFailed { commit, error: CommitError::Conflict });
    assert_eq!((status(&call), told(&call)), ("failed".to_owned(), vec!["unknown".to_owned(), "failed".to_owned()]));
}

#[test]
fn a_store_that_never_answers_leaves_the_change_unknown_and_is_asked_again() {
    let (mut call, commit) = doubted();
    call.until(90_000);
    assert_eq!(status(&call), "unknown");
    assert!(call.commits().pop().unwrap().0 > commit);
}

#[test]
fn while_one_change_is_unknown_no_other_is_promised() {
    let (mut call, _) = doubted();
    call.tts_answers(6_850);
    call.plays(6_900, 9_000);
    call.speaks(17_000, 18_000, "Add eggs", 950);
    call.llm_calls(18_310, "add_task", json!({"title": "Eggs"}));
    call.tool_answers(18_320, "add_task", true);
    let calls = call.commits().len();
    call.llm_says(18_330, "Added eggs.");
    let second = call.tool().unwrap();
    assert!(call.has(|output| matches!(output, Output::DropTools { calls } if calls.contains(&second))));
    assert_eq!(call.commits().len(), calls);
    let (_, _, chat) = call.request().unwrap();
    assert!(matches!(chat.last(), Some(ChatItem::ToolOutput(output)) if output.is_error));
}

#[test]
fn a_commit_that_is_not_answered_in_time_is_unknown_too() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_205, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_210, "add_task", true);
    call.store_works = false;
    call.until(7_400);
    assert_eq!(status(&call), "unknown");
}

#[test]
fn a_change_while_the_store_is_away_is_promised_for_later_and_told_when_it_is_kept() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.store_works = false;
    call.tool_answers(2_315, "add_task", true);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!(tools.len(), 1);
    call.take();
    call.at(2_330, Input::CommitFailed { commit, error: CommitError::Postponed });
    let said = |call: &Call, words: &str| {
        call.has(|one| matches!(one, Output::Synthesize { text, .. } if words.contains(text.as_str())))
    };
    assert!(said(&call, crate::phrases::SAVED_LATER));
    call.tts_answers(2_400);
    call.plays(2_410, 9_000);
    // However long it takes, no other commit is made before this one is known.
    call.until(200_000);
    assert!(call.commits().is_empty());
    call.take();
    call.at(200_010, Input::Committed { commit });
    let told = call.events().into_iter().find_map(|event| match event {
        ClientEvent::ToolCall { result, .. } => Some(result),
        _ => None,
    });
    assert_eq!(told.unwrap()["status"], "added");
    assert_eq!(call.commits().len(), 1, "what came of it is saved");
}

#[test]
fn a_promise_that_cannot_be_kept_is_owned_up_to_and_counted() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.store_works = false;
    call.tool_answers(2_315, "add_task", true);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_330, Input::CommitFailed { commit, error: CommitError::Postponed });
    call.tts_answers(2_400);
    call.plays(2_410, 9_000);
    call.take();
    call.at(12_000, Input::CommitFailed { commit, error: CommitError::Conflict });
    assert!(call.observations().contains(&Observation::CommitConflicted { commit }));
    let told = |one: &Output| matches!(one, Output::Synthesize { text, .. } if crate::phrases::NOT_SAVED_AFTER_ALL.contains(text.as_str()));
    assert!(call.has(told), "{:?}", call.take());
}

#[test]
fn words_of_which_nobody_knows_whether_they_are_saved_keep_no_change_waiting() {
    let mut call = Call::new();
    call.store_works = false;
    call.at(10, Input::Consent { recording: true });
    let (words, ..) = call.commits().pop().unwrap();
    call.at(20, Input::CommitFailed { commit: words, error: CommitError::Unknown });
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_315, "add_task", true);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!((tools.len(), commit > words), (1, true));
    assert!(!call.has(|output| matches!(output, Output::DropTools { .. })));
}
