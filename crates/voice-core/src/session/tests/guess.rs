//! The answer is begun before the VAD is sure of the pause.

use super::call::Call;
use crate::config::CoreConfig;
use crate::ids::{RungId, UtteranceId};
use crate::input::Input;
use crate::output::{Observation, Output};

impl Call {
    /// The caller speaks from 1,000 ms on, and may have stopped at 2,000 ms with these words.
    fn may_have_said(config: CoreConfig, words: &str) -> (Self, UtteranceId) {
        let mut call = Self::with(CoreConfig { greeting: String::new(), ..config });
        call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
        let started = |(_, output): &(u64, Output)| match output {
            Output::StartUtterance { utterance, .. } => Some(*utterance),
            _ => None,
        };
        let utterance = call.log.iter().find_map(started).expect("an utterance");
        call.at(2_040, Input::PossibleEnd);
        call.at(2_050, Input::InterimTranscript { utterance, text: words.to_owned() });
        (call, utterance)
    }

    /// The pause is one, and these words are all that was said.
    fn ends_with(&mut self, utterance: UtteranceId, end_ms: u64, words: &str) {
        self.at(end_ms + 100, Input::EndOfSpeech { last_speech_ms: end_ms });
        let (_, revision) = self.finishing().expect("an utterance to finish");
        self.at(end_ms + 110, Input::EndOfTurnScore { utterance, revision, permille: 950 });
        let text = words.to_owned();
        self.at(end_ms + 120, Input::FinalTranscript { utterance, revision, rung: RungId(0), text });
    }

    fn asked_at(&self) -> Vec<u64> {
        let asked = |(at_ms, output): &(u64, Output)| matches!(output, Output::RequestLlm { .. }).then_some(*at_ms);
        self.log.iter().filter_map(asked).collect()
    }

    fn thrown_away(&self) -> usize {
        let is_one = |observation: &Observation| matches!(observation, Observation::SpeculationDiscarded { .. });
        self.observations().iter().filter(|observation| is_one(observation)).count()
    }
}

#[test]
fn words_that_sound_whole_at_a_pause_are_answered_before_the_pause_is_sure() {
    let (mut call, utterance) = Call::may_have_said(CoreConfig::default(), "What are my tasks?");
    assert_eq!(call.asked_at(), [2_050]);
    call.llm_says(2_090, "You have none.");
    call.tts_answers(2_095);
    call.ends_with(utterance, 2_000, "What are my tasks?");
    call.until(2_299);
    assert!(!call.has(|output| matches!(output, Output::Play { .. })), "the turn is not over");
    call.until(2_300);
    assert!(call.has(|output| matches!(output, Output::Play { last: true, .. })));
    assert_eq!((call.asked_at(), call.thrown_away()), (vec![2_050], 0));
}

#[test]
fn a_caller_who_goes_on_costs_one_request_a_turn() {
    let (mut call, utterance) = Call::may_have_said(CoreConfig::default(), "Add milk.");
    call.llm_says(2_090, "I've added milk.");
    call.at(2_400, Input::PossibleEnd);
    call.at(2_410, Input::InterimTranscript { utterance, text: "Add milk and eggs.".into() });
    assert_eq!(call.asked_at(), [2_050], "once a turn");
    call.ends_with(utterance, 3_000, "Add milk and eggs and bread.");
    assert_eq!((call.asked_at(), call.thrown_away()), (vec![2_050, 3_120], 1));
    assert!(!call.has(|output| matches!(output, Output::Play { .. })));
    call.llm_says(3_200, "I've added three.");
    call.until(3_300);
    call.tts_answers(3_310);
    call.plays(3_320, 5_000);
    assert_eq!(call.history(), ["user: Add milk and eggs and bread.", "agent: I've added three."]);
}

#[test]
fn nothing_is_guessed_of_words_that_may_go_on() {
    let (call, _) = Call::may_have_said(CoreConfig::default(), "Add milk");
    assert!(call.asked_at().is_empty(), "no sentence ends");
    let off = CoreConfig { preemptive: false, ..CoreConfig::default() };
    assert!(Call::may_have_said(off, "Add milk.").0.asked_at().is_empty());
    let (mut call, utterance) = Call::may_have_said(CoreConfig::default(), "Add");
    call.at(2_150, Input::InterimTranscript { utterance, text: "Add milk.".into() });
    assert!(call.asked_at().is_empty(), "it is not of that pause");
    call.at(2_200, Input::PossibleEnd);
    call.at(2_210, Input::InterimTranscript { utterance, text: "Add milk.".into() });
    assert_eq!(call.asked_at(), [2_210], "what was understood before is of this one too");
}

#[test]
fn guesses_that_were_wrong_are_under_the_ceiling_on_doubled_spend() {
    let mut config = CoreConfig::default();
    (config.failover.free_hedges, config.failover.hedge_percent) = (1, 0);
    let (mut call, utterance) = Call::may_have_said(config.clone(), "Add milk.");
    call.ends_with(utterance, 2_500, "Add milk and eggs.");
    call.llm_says(2_630, "I've added both.");
    call.tts_answers(2_640);
    call.until(2_810);
    call.plays(2_820, 5_000);
    let asked = call.asked_at().len();
    call.at(9_000, Input::StartOfSpeech { at_ms: 9_000 });
    let next = UtteranceId(utterance.0 + 1);
    call.at(9_500, Input::PossibleEnd);
    call.at(9_510, Input::InterimTranscript { utterance: next, text: "Thank you.".into() });
    assert_eq!(call.asked_at().len(), asked, "the one that is free was used up");
    config.failover.free_hedges = 0;
    assert!(Call::may_have_said(config, "Add milk.").0.asked_at().is_empty());
}

#[test]
fn who_goes_on_after_a_silence_is_not_guessed_to_have_finished_before_it() {
    let mut call = Call::with(CoreConfig { greeting: String::new(), ..CoreConfig::default() });
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_040, Input::PossibleEnd);
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    let (utterance, _) = call.finishing().unwrap();
    call.at(2_120, Input::StartOfSpeech { at_ms: 2_090 });
    call.at(2_130, Input::InterimTranscript { utterance, text: "Add milk.".into() });
    assert!(call.asked_at().is_empty(), "the caller has gone on since");
}
