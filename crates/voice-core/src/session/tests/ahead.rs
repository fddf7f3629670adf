//! What is to be said once a tool has done what it was called for, said by the model with the call.

use serde_json::json;

use super::call::Call;
use crate::chat::{ChatItem, ToolOutput};
use crate::ids::CommitId;
use crate::input::{CommitError, Input};
use crate::output::Output;

impl Call {
    /// "Add milk", and the model's call, with these words for when it is done.
    fn adds(says: &str) -> Self {
        let mut call = Self::new();
        call.speaks(1_000, 2_000, "Add milk", 950);
        call.llm_calls(2_205, "add_task", json!({"title": "Milk", "say": says}));
        call
    }

    fn times_asked(&self) -> usize {
        self.log.iter().filter(|(_, output)| matches!(output, Output::RequestLlm { .. })).count()
    }

    fn spoken(&self) -> Vec<String> {
        let text = |output: &Output| match output {
            Output::Synthesize { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.log.iter().filter_map(|(_, output)| text(output)).collect()
    }

    fn last_commit(&self) -> CommitId {
        self.commits().pop().expect("a commit").0
    }
}

#[test]
fn the_words_of_a_call_are_spoken_when_it_is_kept_and_the_model_is_not_asked_again() {
    let mut call = Call::adds("Added milk.");
    let arguments = call.log.iter().find_map(|(_, output)| match output {
        Output::RunTool { call } => Some(call.arguments.clone()),
        _ => None,
    });
    assert_eq!(arguments, json!({"title": "Milk"}).as_object().cloned(), "they are no argument of the tool");
    assert_eq!(call.spoken(), Vec::<String>::new(), "nothing is promised before the tool has answered");
    call.store_works = false;
    call.tool_answers(2_210, "add_task", true);
    assert_eq!((call.times_asked(), call.spoken()), (1, vec!["Added milk.".to_owned()]));
    call.tts_answers(2_260);
    call.until(2_300);
    assert!(!call.has(|output| matches!(output, Output::Play { .. })), "nothing is claimed before it is kept");
    let commit = call.last_commit();
    call.at(2_304, Input::Committed { commit });
    assert!(call.has(|output| matches!(output, Output::Play { last: true, .. })));
    call.plays(2_310, 2_000);
    assert_eq!(
        (call.times_asked(), call.history()),
        (1, vec!["user: Add milk".to_owned(), "agent: Added milk.".to_owned()])
    );
}

#[test]
fn a_tool_that_did_not_do_it_is_told_by_the_model() {
    for (status, is_error) in [("exists", false), ("failed", true)] {
        let mut call = Call::adds("Added milk.");
        let id = call.tool().unwrap();
        let output = ToolOutput { id, name: "add_task".into(), result: json!({"status": status}), is_error };
        call.at(2_210, Input::ToolComputed { output, mutates: false });
        assert_eq!((call.times_asked(), call.spoken()), (2, Vec::new()), "{status}");
        call.llm_says(2_400, "You have that already.");
        assert_eq!(call.spoken(), ["You have that already."]);
    }
}

#[test]
fn what_the_store_does_not_keep_is_not_said() {
    let mut call = Call::adds("Added milk.");
    call.store_works = false;
    call.tool_answers(2_210, "add_task", true);
    call.tts_answers(2_260);
    call.until(2_300);
    let commit = call.last_commit();
    call.at(2_310, Input::CommitFailed { commit, error: CommitError::Unavailable });
    assert_eq!(call.times_asked(), 2);
    call.llm_says(2_320, "I couldn't save that.");
    call.tts_answers(2_350);
    call.plays(2_360, 2_000);
    assert_eq!(call.history(), ["user: Add milk", "agent: I couldn't save that."]);
}

#[test]
fn of_several_calls_all_must_have_words_and_be_done() {
    for (second, asked) in [(json!({"title": "Eggs", "say": "And eggs."}), 1), (json!({"title": "Eggs"}), 2)] {
        let mut call = Call::new();
        call.speaks(1_000, 2_000, "Add milk and eggs", 950);
        call.llm_calls_and_goes_on(2_205, "add_task", json!({"title": "Milk", "say": "Added milk."}));
        call.llm_calls(2_206, "add_task", second);
        call.tool_answers(2_210, "add_task", true);
        assert_eq!(call.spoken(), Vec::<String>::new());
        call.tool_answers(2_220, "add_task", true);
        let said = if asked == 1 { vec!["Added milk.".to_owned(), "And eggs.".to_owned()] } else { Vec::new() };
        assert_eq!((call.times_asked(), call.spoken()), (asked, said));
    }
}

#[test]
fn who_went_on_to_speak_after_the_call_is_asked_again() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    let request = call.request_id();
    call.llm_calls_and_goes_on(2_205, "add_task", json!({"title": "Milk", "say": "Added milk."}));
    call.at(2_206, Input::LlmText { request, text: "Let me see.".into() });
    call.at(2_207, Input::LlmDone { request });
    call.tool_answers(2_210, "add_task", true);
    assert_eq!((call.times_asked(), call.spoken()), (2, vec!["Let me see.".to_owned()]));
}

#[test]
fn a_stream_that_breaks_off_behind_the_call_loses_nothing() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    let request = call.request_id();
    call.llm_calls_and_goes_on(2_205, "add_task", json!({"title": "Milk", "say": "Added milk."}));
    call.at(2_206, Input::LlmFailed { request, failure: crate::provider::ProviderErrorKind::Disconnected.into() });
    call.tool_answers(2_210, "add_task", true);
    assert_eq!((call.times_asked(), call.spoken()), (1, vec!["Added milk.".to_owned()]));
}

#[test]
fn words_that_are_none_are_no_promise() {
    for says in [json!(""), json!(" … "), json!(7), json!(null)] {
        let mut call = Call::new();
        call.speaks(1_000, 2_000, "Add milk", 950);
        call.llm_calls(2_205, "add_task", json!({"title": "Milk", "say": says}));
        call.tool_answers(2_210, "add_task", true);
        let outputs = |item: &ChatItem| matches!(item, ChatItem::ToolOutput(_));
        assert_eq!((call.times_asked(), call.request().unwrap().2.iter().filter(|item| outputs(item)).count()), (2, 1));
    }
}
