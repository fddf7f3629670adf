//! A call comes near to what it may cost: it saves, step by step, and ends politely.

use std::collections::BTreeMap;

use crate::ceiling::{AtCeiling, CeilingOf, Ceilings, CostStep};
use crate::config::CoreConfig;
use crate::cost::{NanoUsd, Price, Prices, Quantity, Usage};
use crate::failover::{Chains, Rung};
use crate::ids::{ConnectionId, RungId};
use crate::input::{HangUp, Input};
use crate::output::{ClientEvent, EndReason, Observation, Outcome, Output};
use crate::phrases;
use crate::provider::Stage;
use crate::session::{Restored, Session};

use super::call::Call;

/// A call may cost 1,000 nano-dollars; the second model and the second voice are the cheap ones.
fn config() -> CoreConfig {
    let price = |tokens, audio_minute| Price { output_1k_tokens: tokens, audio_minute, ..Price::default() };
    let prices =
        [("dear/llm", price(9, 0)), ("cheap/llm", price(3, 0)), ("dear/tts", price(0, 9)), ("cheap/tts", price(0, 3))];
    let prices = Prices(prices.map(|(name, price)| (name.to_owned(), price)).into_iter().collect::<BTreeMap<_, _>>());
    let chain = |model: &str| vec![Rung::new("unknown", model), Rung::new("dear", model), Rung::new("cheap", model)];
    CoreConfig {
        greeting: String::new(),
        preemptive: false,
        prices,
        chains: Chains { llm: chain("llm"), tts: chain("tts"), ..Chains::default() },
        ceilings: Ceilings { call: NanoUsd(1_000), ..Ceilings::default() },
        ..CoreConfig::default()
    }
}

/// So many nano-dollars more are spent: the dear model's thousand tokens cost nine.
fn spent(nanos: u64) -> Input {
    let quantity = Quantity::AudioMs(nanos * 60_000 / 9);
    let (provider, model) = ("dear".to_owned(), "tts".to_owned());
    Input::Used(Usage { stage: Stage::Tts, provider, model, quantity, reply: None, utterance: None, wasted: false })
}

impl Call {
    fn steps(&self) -> Vec<(CostStep, CeilingOf)> {
        let step = |observation: &Observation| match observation {
            Observation::CostStepTaken { to, ceiling, .. } => Some((*to, *ceiling)),
            _ => None,
        };
        self.observations().iter().filter_map(step).collect()
    }

    /// Who was asked last, and whether for a short answer.
    fn asked(&self) -> Option<(RungId, bool)> {
        self.log.iter().rev().find_map(|(_, output)| match output {
            Output::RequestLlm { rung, brief, .. } => Some((*rung, *brief)),
            _ => None,
        })
    }

    fn last_spoken(&self) -> (RungId, String) {
        let spoken = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Synthesize { rung, text, .. } => Some((*rung, text.clone())),
            _ => None,
        });
        spoken.expect("a synthesis")
    }

    /// One whole turn that begins at `start_ms`.
    fn turn(&mut self, start_ms: u64) {
        self.speaks(start_ms, start_ms + 1_000, "List my tasks", 950);
        self.until(start_ms + 1_400);
        self.llm_says(start_ms + 1_450, "None.");
        let rung = self.last_spoken().0;
        self.voice_answers(start_ms + 1_500, rung);
        self.plays(start_ms + 1_510, 300);
    }

    fn voice_answers(&mut self, now_ms: u64, rung: RungId) {
        let (speech, chunk) = self
            .log
            .iter()
            .rev()
            .find_map(|(_, output)| match output {
                Output::Synthesize { speech, chunk, .. } => Some((*speech, *chunk)),
                _ => None,
            })
            .expect("a synthesis");
        self.at(now_ms, Input::TtsDone { speech, chunk, rung, audio_ms: 300, words: Vec::new() });
    }

    fn says_fallback(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, ClientEvent::FallbackToText { .. })).count()
    }
}

#[test]
fn steps_are_taken_between_turns_and_the_cheapest_known_provider_comes_first() {
    let mut call = Call::with(config());
    call.turn(1_000);
    assert_eq!((call.asked(), call.last_spoken().0), (Some((RungId(0), false)), RungId(0)));
    call.speaks(5_000, 6_000, "List my tasks", 950);
    call.until(6_500);
    call.at(6_510, spent(650));
    assert_eq!(call.steps(), [], "not within a turn");
    call.llm_says(6_520, "None.");
    call.voice_answers(6_600, RungId(0));
    call.plays(6_610, 300);
    assert_eq!(call.steps(), [(CostStep::Brief, CeilingOf::Call)]);
    call.turn(10_000);
    assert_eq!((call.asked(), call.last_spoken().0), (Some((RungId(0), true)), RungId(0)));
    call.at(14_000, spent(200));
    call.turn(15_000);
    assert_eq!((call.asked(), call.last_spoken().0), (Some((RungId(2), true)), RungId(2)));
    assert_eq!(call.steps().last(), Some(&(CostStep::Cheap, CeilingOf::Call)));
}

#[test]
fn at_the_ceiling_the_turn_under_way_is_finished_and_the_goodbye_is_said_to_its_end() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_500);
    call.at(2_510, spent(5_000));
    call.llm_says(2_520, "None.");
    call.voice_answers(2_600, RungId(0));
    call.plays(2_610, 300);
    assert_eq!(call.last_spoken().0, RungId(2));
    assert_eq!(call.steps(), [(CostStep::Close, CeilingOf::Call)]);
    // Nobody is listened to any more, and nothing typed cuts it short.
    call.at(3_200, Input::StartOfSpeech { at_ms: 3_100 });
    call.at(3_300, Input::Text { text: "Wait".into(), message: None });
    let heard =
        |output: &Output| matches!(output, Output::StartUtterance { from_ms: 3_100, .. } | Output::DropSpeech { .. });
    assert!(!call.has(heard));
    let before = call.asked();
    let synthesised: Vec<_> = call
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Synthesize { speech, chunk, rung: RungId(2), .. } => Some((*speech, *chunk)),
            _ => None,
        })
        .collect();
    for (speech, chunk) in &synthesised {
        let done = Input::TtsDone { speech: *speech, chunk: *chunk, rung: RungId(2), audio_ms: 900, words: Vec::new() };
        call.at(3_400, done);
    }
    call.plays(3_500, 900 * synthesised.len() as u64);
    call.until(20_000);
    assert!(
        call.has(|output| matches!(output, Output::End { outcome: Outcome::Completed, reason: EndReason::Ceiling }))
    );
    assert_eq!(call.history().last().unwrap(), &format!("agent: {}", phrases::CEILING));
    assert_eq!(call.asked(), before);
}

#[test]
fn a_turn_that_ends_beyond_the_ceiling_is_answered_with_the_goodbye() {
    let mut call = Call::with(CoreConfig { preemptive: true, ..config() });
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_100, spent(1_000));
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_500);
    assert_eq!(call.asked(), None, "neither before the turn's end nor after it");
    assert!(call.last_spoken().1.starts_with("I have to end"));
    let mut typed = Call::with(config());
    typed.at(1_000, Input::DaySpend { spent: NanoUsd(5) });
    typed.at_once(1_000, Input::Text { text: "List my tasks".into(), message: Some(7) });
    assert!(typed.asked().is_some());
}

#[test]
fn a_page_goes_on_in_text_and_is_told_again_when_it_comes_back() {
    let ceilings = Ceilings { call: NanoUsd(1_000), at_ceiling: AtCeiling::Text, ..Ceilings::default() };
    let mut call = Call::with(CoreConfig { ceilings, ..config() });
    call.at(1_000, Input::Consent { recording: true });
    call.at(1_100, spent(1_000));
    assert_eq!((call.steps(), call.says_fallback()), (vec![(CostStep::Text, CeilingOf::Call)], 1));
    assert!(call.session.recording_permit().is_none(), "who is not heard cannot withdraw");
    assert!(
        !call.observations().iter().any(|seen| matches!(seen, Observation::FellBackToText { .. })),
        "no provider failed"
    );
    call.at(2_000, Input::StartOfSpeech { at_ms: 2_000 });
    assert!(!call.has(|output| matches!(output, Output::StartUtterance { .. })));
    call.at(3_000, Input::Text { text: "List my tasks".into(), message: None });
    call.llm_says(3_100, "None.");
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. })));
    call.at(4_000, Input::Connected { connection: ConnectionId(2), voice: true });
    assert_eq!(call.says_fallback(), 2);
    call.at(5_000, spent(200));
    assert_eq!(call.steps().last(), Some(&(CostStep::Close, CeilingOf::Call)));
    call.until(20_000);
    assert!(call.has(|output| matches!(output, Output::End { reason: EndReason::Ceiling, .. })));
}

#[test]
fn the_days_spend_counts_and_midnight_takes_no_step_back() {
    let ceilings = Ceilings { day: NanoUsd(10_000), ..Ceilings::default() };
    let mut call = Call::with(CoreConfig { ceilings, ..config() });
    call.at(1_000, Input::DaySpend { spent: NanoUsd(8_500) });
    assert_eq!(call.steps(), [(CostStep::Cheap, CeilingOf::Day)]);
    call.at(2_000, Input::DaySpend { spent: NanoUsd(0) });
    call.turn(3_000);
    assert_eq!(call.asked(), Some((RungId(2), true)));
    assert_eq!(call.session.cost_step(), CostStep::Cheap);
}

#[test]
fn short_answers_need_no_ceiling() {
    let ceilings = Ceilings { always_brief: true, ..Ceilings::default() };
    let mut call = Call::with(CoreConfig { ceilings, ..config() });
    call.at(1_000, Input::Text { text: "List my tasks".into(), message: None });
    assert_eq!((call.asked(), call.steps()), (Some((RungId(0), true)), Vec::new()));
}

#[test]
fn a_restored_call_keeps_its_step() {
    let mut call = Call::with(config());
    call.at(1_000, spent(850));
    let saved = call.commits().last().expect("the step is saved at once").2.clone();
    assert_eq!(saved.cost_step, CostStep::Cheap);
    let session = Session::restore(config(), saved.clone(), Restored::Lost).unwrap();
    assert_eq!(session.snapshot(), saved);
    let mut again = Call::unconnected(session);
    again.at(0, Input::Connected { connection: ConnectionId(1), voice: false });
    again.at(100, Input::Text { text: "List my tasks".into(), message: None });
    assert_eq!(again.asked(), Some((RungId(2), true)));
}

#[test]
fn a_call_that_is_over_its_ceiling_says_goodbye_and_nothing_else_to_whoever_comes_back() {
    let mut call = Call::with(config());
    call.at(1_000, spent(1_000));
    let saved = call.session.snapshot();
    let greeted = CoreConfig { greeting: "Hello!".into(), ..config() };
    let mut again = Call::unconnected(Session::restore(greeted, saved, Restored::Lost).unwrap());
    again.at(0, Input::Connected { connection: ConnectionId(1), voice: true });
    let spoken: Vec<_> = again.log.iter().filter(|(_, output)| matches!(output, Output::Synthesize { .. })).collect();
    assert!(matches!(&spoken[0].1, Output::Synthesize { text, .. } if text.starts_with("I have to end")));
    again.at(100, Input::HangUp { by: HangUp::Caller });
    assert!(again.has(|output| matches!(output, Output::End { reason: EndReason::HungUp, .. })));
}
