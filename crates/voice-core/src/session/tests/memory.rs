//! An answer and a voice from memory: whoever carries the session's wishes out has both at once.

use crate::config::CoreConfig;
use crate::input::Input;
use crate::output::Output;

use super::call::Call;

/// When this was wished for first.
fn first(call: &Call, wanted: impl Fn(&Output) -> bool) -> u64 {
    call.log.iter().find(|(_, output)| wanted(output)).expect("it is wished for").0
}

fn asked_ms(call: &Call) -> u64 {
    first(call, |output| matches!(output, Output::RequestLlm { .. }))
}

/// The model's answer and the voice's audio come so long after they were asked for; when the speech may begin.
fn played_ms(call: &mut Call, after_ms: u64) -> u64 {
    let answered_ms = asked_ms(call) + after_ms;
    call.llm_says(answered_ms, "You have three tasks: milk, eggs and bread.");
    call.tts_answers(answered_ms);
    call.until(answered_ms + 5_000);
    first(call, |output| matches!(output, Output::Play { .. }))
}

fn call() -> Call {
    Call::with(CoreConfig { greeting: String::new(), ..CoreConfig::default() })
}

#[test]
fn an_answer_from_memory_is_heard_in_the_millisecond_in_which_it_is_asked_for() {
    let mut typed = call();
    typed.at(1_000, Input::Text { text: "What are my tasks?".to_owned(), message: None });
    assert_eq!(played_ms(&mut typed, 0), 1_000);
}

#[test]
fn a_spoken_question_that_is_answered_from_memory_waits_for_nothing_but_its_own_end() {
    let spoken = |after_ms: u64| {
        let mut call = call();
        call.speaks(1_000, 2_000, "What are my tasks?", 950);
        assert_eq!(asked_ms(&call), 2_200, "the final transcript's moment");
        played_ms(&mut call, after_ms)
    };
    // From here on it is sure that the caller has finished; until then there is time for an answer.
    assert_eq!((spoken(0), spoken(99)), (2_300, 2_300));
    assert_eq!(spoken(150), 2_350, "what takes longer is waited for");
}
