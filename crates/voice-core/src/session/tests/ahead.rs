//! What is to be said once a tool has done what it was called for, said by the model with the call.

use serde_json::json;

use super::call::Call;
use crate::chat::{ChatItem, ToolOutput};
use crate::ids::{CommitId, RungId};
use crate::input::{CommitError, Input};
use crate::output::{ClientEvent, Output};
use crate::provider::ProviderErrorKind;

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
    call.at(2_206, Input::LlmFailed { request, failure: ProviderErrorKind::Disconnected.into() });
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

impl Call {
    /// "Add milk", and the words for when it is done, while the model still writes the call.
    fn words_first(words: &str) -> Self {
        let mut call = Self::new();
        call.speaks(1_000, 2_000, "Add milk", 950);
        call.words_come(2_205, words);
        call
    }

    fn words_come(&mut self, now_ms: u64, words: &str) {
        let request = self.request_id();
        self.at(now_ms, Input::LlmWordsAhead { request, words: words.to_owned() });
    }

    fn drops_chunks(&self) -> bool {
        self.has(|output| matches!(output, Output::DropChunks { .. }))
    }

    fn may_be_heard(&self) -> bool {
        self.has(|output| matches!(output, Output::Play { .. }))
    }
}

#[test]
fn words_are_spoken_while_the_call_is_written_and_heard_when_it_is_kept() {
    let mut call = Call::words_first("Added milk.");
    assert_eq!(call.spoken(), ["Added milk."]);
    call.tts_answers(2_230);
    call.until(2_400);
    assert!(!call.may_be_heard(), "nothing is known of the call");
    call.store_works = false;
    call.llm_calls(2_410, "add_task", json!({"title": "Milk", "say": " Added milk. "}));
    call.tool_answers(2_412, "add_task", true);
    call.until(2_440);
    assert!(!call.may_be_heard(), "nothing is claimed before it is kept");
    let commit = call.last_commit();
    call.at(2_444, Input::Committed { commit });
    assert!(call.has(|output| matches!(output, Output::Play { last: true, .. })));
    call.plays(2_450, 2_000);
    assert_eq!((call.times_asked(), call.spoken().len(), call.drops_chunks()), (1, 1, false));
    assert_eq!(call.history(), ["user: Add milk", "agent: Added milk."]);
}

#[test]
fn words_that_the_call_has_not_are_never_heard() {
    for (says, spoken) in [(json!("Added eggs."), Some("Added eggs.")), (json!(null), None)] {
        let mut call = Call::words_first("Added milk.");
        call.llm_calls(2_300, "add_task", json!({"title": "Eggs", "say": says}));
        assert!(call.drops_chunks());
        call.tool_answers(2_310, "add_task", true);
        assert_eq!(call.times_asked(), if spoken.is_some() { 1 } else { 2 });
        assert_eq!(call.spoken().get(1).map(String::as_str), spoken);
        call.tts_answers(2_330);
        assert_eq!(call.may_be_heard(), spoken.is_some());
        assert!(!call.session.snapshot().history.iter().any(|message| message.content.contains("milk.")));
    }
}

#[test]
fn words_of_a_call_that_did_not_do_it_are_forgotten() {
    let mut call = Call::words_first("Added milk.");
    call.tts_answers(2_230);
    call.llm_calls(2_300, "add_task", json!({"title": "Milk", "say": "Added milk."}));
    call.tool_answers(2_310, "add_task", false);
    assert!(call.drops_chunks());
    assert_eq!(call.times_asked(), 2);
    call.llm_says(2_500, "You have that already.");
    call.tts_answers(2_530);
    call.plays(2_540, 2_000);
    assert_eq!(call.history(), ["user: Add milk", "agent: You have that already."]);
}

#[test]
fn of_several_calls_the_first_ones_words_are_spoken_first() {
    let mut call = Call::words_first("Added milk.");
    call.llm_calls_and_goes_on(2_300, "add_task", json!({"title": "Milk", "say": "Added milk."}));
    call.words_come(2_302, "And eggs.");
    call.llm_calls(2_304, "add_task", json!({"title": "Eggs", "say": "And eggs."}));
    call.tool_answers(2_310, "add_task", true);
    assert_eq!(call.spoken(), ["Added milk."]);
    call.tts_answers(2_315);
    assert!(!call.may_be_heard(), "the second is not done");
    call.tool_answers(2_320, "add_task", true);
    assert_eq!((call.times_asked(), call.spoken()), (1, vec!["Added milk.".to_owned(), "And eggs.".to_owned()]));
    assert!(call.may_be_heard() && !call.drops_chunks());
}

#[test]
fn a_model_that_speaks_instead_of_calling_takes_its_words_back() {
    let mut call = Call::words_first("Added milk.");
    call.llm_says(2_300, "Which milk do you mean?");
    call.tts_answers(2_330);
    call.plays(2_340, 3_000);
    assert_eq!((call.drops_chunks(), call.times_asked()), (true, 1));
    assert_eq!(call.history(), ["user: Add milk", "agent: Which milk do you mean?"]);
}

#[test]
fn a_call_that_is_never_whole_leaves_nothing_to_be_heard() {
    for ends in [true, false] {
        let mut call = Call::words_first("Added milk.");
        call.tts_answers(2_230);
        let request = call.request_id();
        if ends {
            call.at(2_300, Input::LlmDone { request });
            assert!(call.spoken().last().is_some_and(|text| text.contains("went wrong")), "{:?}", call.spoken());
        } else {
            let failure = ProviderErrorKind::Disconnected.into();
            call.at(2_300, Input::LlmFailed { request, failure });
            assert_eq!((call.times_asked(), call.may_be_heard()), (2, false), "it is asked once more");
        }
        assert!(call.drops_chunks());
    }
}

#[test]
fn who_interrupts_hears_no_word_of_a_call_that_was_not_whole() {
    let mut call = Call::words_first("Added milk.");
    call.until(2_290);
    call.at(2_500, Input::StartOfSpeech { at_ms: 2_460 });
    call.at(
        2_900,
        Input::InterimTranscript { utterance: call.finishing().unwrap().0, text: "Add milk no wait".into() },
    );
    assert!(call.events().iter().all(|event| !matches!(event, ClientEvent::Heard { .. })));
    assert!(!call.may_be_heard());
}

#[test]
fn a_voice_that_fails_in_the_words_does_not_let_them_out() {
    let mut call = Call::words_first("Added milk.");
    let speech = call.speech();
    let failure = ProviderErrorKind::Disconnected.into();
    call.at(2_230, Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure });
    assert_eq!(call.spoken(), ["Added milk.", "Added milk."]);
    call.tts_answers(2_260);
    call.until(2_290);
    assert!(!call.may_be_heard());
    call.llm_calls(2_300, "add_task", json!({"title": "Milk", "say": "Added milk."}));
    call.tool_answers(2_310, "add_task", true);
    assert!(call.may_be_heard());
    assert_eq!((call.times_asked(), call.spoken().len()), (1, 2));
}

/// A voice and a model fail in one turn: what was said after the call has new numbers by then.
#[test]
fn words_after_a_call_that_are_made_again_are_still_words_after_it() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    let request = call.request_id();
    call.at(2_205, Input::LlmText { request, text: "Okay. ".into() });
    call.llm_calls_and_goes_on(2_206, "add_task", json!({"title": "Milk"}));
    call.at(2_207, Input::LlmText { request, text: "It is there. ".into() });
    let (speech, failure) = (call.speech(), ProviderErrorKind::Disconnected.into());
    call.at(2_210, Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure });
    call.at(2_220, Input::LlmFailed { request, failure });
    call.tool_answers(2_230, "add_task", true);
    call.llm_says(2_400, "I've added milk.");
    call.tts_answers(2_450);
    call.plays(2_460, 9_000);
    assert_eq!(call.history(), ["user: Add milk", "agent: Okay. I've added milk."]);
}
