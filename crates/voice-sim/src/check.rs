//! The invariants that are checked as things happen.

use std::collections::BTreeSet;

use voice_core::chat::ChatItem;
use voice_core::consent::ConsentFlow;
use voice_core::cost::{CostMeter, NanoUsd, Quantity, Usage};
use voice_core::ids::{CommitId, ConnectionId, ReplyId, ToolCallId, TurnId};
use voice_core::input::{CommitError, Key};
use voice_core::output::{ClientEvent, EndReason, HushEnd, Observation};
use voice_core::provider::Stage;
use voice_core::session::Restored;
use voice_core::snapshot::Snapshot;
use voice_core::{Input, Output, Session, phrases};

use crate::page::Page;
use crate::patience::Patience;
use crate::pauses::Pauses;
use crate::said::asks_to_stop;
use crate::seen::Seen;
use crate::thrift::Thrift;
use crate::world::{Checked, World, violated};

/// The kinds of ids that count up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id {
    Reply,
    Request,
    Speech,
    Utterance,
    Call,
    Commit,
}

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// The VAD's last edge, as the session told the page.
    pub(crate) caller_speaks: bool,
    /// Consent was given, and neither withdrawn nor "stop recording" said.
    pub(crate) recording_allowed: bool,
    pub(crate) ended: bool,
    /// The greatest id of each kind so far: reply, request, speech, utterance, call, commit.
    greatest: [u64; 6],
    greatest_before: [u64; 6],
    /// Whether the session was told anything since its process began.
    pub(crate) told: bool,
    /// The announcement, or the question, may have been heard.
    pub(crate) opened: bool,
    /// "Stop recording" was said in what the caller is saying now.
    pub(crate) stop_said: bool,
    /// The calls whose change is not committed, their reply, and the last request before they were computed.
    pub(crate) gates: Vec<(ToolCallId, ReplyId, u64)>,
    /// The last request of which a call is committed.
    pub(crate) kept_through: u64,
    pub(crate) reply: ReplyId,
    pub(crate) last_request: u64,
    pub(crate) in_flight: Option<(CommitId, Vec<ToolCallId>)>,
    /// The last commit of which nobody knows whether it was made.
    doubted: Option<CommitId>,
    /// Turns that are over and not yet answered.
    pub(crate) open_turns: BTreeSet<TurnId>,
    /// Until when something has to be heard or read, in world time.
    answer_due_ms: Option<u64>,
    pub(crate) texts_given: u64,
    pub(crate) texts_taken: u64,
    /// Messages that somebody waits for.
    awaited: BTreeSet<u64>,
    /// The input under way is a new leg.
    connecting: bool,
    answered: BTreeSet<u64>,
    /// Spent so far: STT, LLM, TTS.
    pub(crate) spent: [u128; 3],
    agent: String,
    text_broken: bool,
    pub(crate) page: Page,
    pub(crate) patience: Patience,
    pub(crate) pauses: Pauses,
    pub(crate) thrift: Thrift,
}

impl Check {
    /// The process is gone.
    ///
    /// One that saved nothing left no trace of the ids that it used: the next one uses them again.
    pub(crate) fn life_over(&mut self, saved_something: bool) {
        let greatest = if saved_something { self.greatest } else { self.greatest_before };
        *self = Self { greatest, greatest_before: greatest, ..Self::default() };
    }

    /// A process takes up what was saved.
    pub(crate) fn life_begins(&mut self, session: &Session, saved: &Snapshot) {
        self.recording_allowed = saved.consent.recording_enabled;
        let cost = &saved.cost;
        self.spent = [cost.stt, cost.llm, cost.tts].map(|part| u128::from(part.0));
        self.agent = session.current_agent().to_owned();
        self.thrift.begin(saved.cost_step);
        // What another process left to be said was kept.
        self.kept_through = self.greatest[Id::Request as usize];
    }

    pub(crate) fn new_id(&mut self, kind: Id, id: u64) -> Checked {
        let greatest = &mut self.greatest[kind as usize];
        if id <= *greatest {
            return violated("no id is used twice", format!("{kind:?} {id} after {greatest}"));
        }
        *greatest = id;
        Ok(())
    }
}

/// What a usage record costs, worked out here once more.
fn price(world: &World, usage: &Usage) -> u128 {
    let name = format!("{}/{}", usage.provider, usage.model);
    let Some(price) = world.profile.config.prices.0.get(&name) else { return 0 };
    let (nanos, by) = match usage.quantity {
        Quantity::AudioMs(ms) => (u128::from(ms) * u128::from(price.audio_minute), 60_000),
        Quantity::Tokens { input, cached, output } => {
            let (fresh, cached) = (u128::from(input.saturating_sub(cached)), u128::from(input.min(cached)));
            let cached_price = price.cached_input_1k_tokens.unwrap_or(price.input_1k_tokens);
            let input = fresh * u128::from(price.input_1k_tokens) + cached * u128::from(cached_price);
            (input + u128::from(output) * u128::from(price.output_1k_tokens), 1_000)
        }
    };
    (nanos + by / 2) / by
}

impl World {
    pub(crate) fn before_input(&mut self, input: &Input) {
        self.check.connecting = matches!(input, Input::Connected { .. });
        if self.check.ended {
            return;
        }
        self.check.told = true;
        self.check.patience.told(input);
        self.check.pauses.told(input);
        match input {
            Input::Used(usage) => {
                let stage = match usage.stage {
                    Stage::Stt => 0,
                    Stage::Llm => 1,
                    Stage::Tts => 2,
                };
                self.check.spent[stage] += price(self, usage);
                self.look_at_ceilings();
            }
            Input::DaySpend { spent } => {
                self.check.thrift.day = *spent;
                self.look_at_ceilings();
            }
            Input::Consent { recording } => {
                self.check.recording_allowed = *recording && self.profile.config.consent != ConsentFlow::Never;
            }
            Input::Key { key: Key::YES } => self.check_yes("yes"),
            Input::Connected { voice, .. } => {
                self.check.text_broken = false;
                self.check.page.new_leg();
                if !voice {
                    self.device.read_on();
                }
                self.answer_is_due_again();
            }
            Input::StartOfSpeech { .. } | Input::EndOfSpeech { .. } => self.answer_is_due_again(),
            Input::Committed { commit } => {
                if self.check.doubted.take_if(|id| id == commit).is_some() {
                    self.saw(Seen::DoubtSettled);
                }
                if let Some((_, tools)) = self.check.in_flight.take_if(|(id, _)| id == commit) {
                    let kept =
                        self.check.gates.extract_if(.., |(call, ..)| tools.contains(call)).map(|(.., last)| last);
                    self.check.kept_through = kept.fold(self.check.kept_through, u64::max);
                }
            }
            // It may still be made.
            Input::CommitFailed { error: CommitError::Unknown | CommitError::Postponed, .. } => {}
            Input::CommitFailed { commit, .. } => {
                self.check.in_flight.take_if(|(id, _)| id == commit);
            }
            Input::ToolComputed { output, mutates } => {
                self.saw(Seen::ToolRan);
                if *mutates {
                    self.check.gates.push((output.id, self.check.reply, self.check.last_request));
                }
            }
            Input::FinalTranscript { text, .. } => {
                self.check.page.understand(text);
                self.check_yes(text);
            }
            Input::Text { message, text } => {
                self.check.page.understand(text);
                self.check_yes(text);
                self.check.texts_given += 1;
                self.check.awaited.extend(message);
            }
            _ => {}
        }
    }

    /// The session as it is after an input.
    pub(crate) fn after_input(&mut self, session: &Session, at_ms: u64, outputs: &[Output]) -> Checked {
        for output in outputs {
            if let Output::Client { event: ClientEvent::AgentText { text, .. } } = output {
                self.check_opening(text);
            }
            if let Output::Client { event: ClientEvent::Transcript { text, .. } | ClientEvent::UserText { text } } =
                output
                && (phrases::asks_to_stop_recording(text) || asks_to_stop(text))
                && !std::mem::replace(&mut self.check.stop_said, true)
                && asks_to_stop(text)
            {
                self.check.stop_said = matches!(output, Output::Client { event: ClientEvent::Transcript { .. } });
                if self.check.recording_allowed {
                    self.saw(Seen::StopRecording);
                }
                self.check.recording_allowed = false;
            }
        }
        match session.recording_permit() {
            Some(_) if !self.check.recording_allowed => {
                return violated("no recording without consent", "there is a permit without consent, or after its end");
            }
            Some(_) => self.saw(Seen::Recorded),
            None => {}
        }
        if !self.profile.chaos
            && let Some(due_ms) = session.poll_timeout()
            && due_ms <= at_ms
        {
            let text = format!("at {at_ms} ms it wants to be woken at {due_ms} ms");
            return violated("a deadline is always ahead", text);
        }
        if session.is_ended() && session.poll_timeout().is_some() {
            return violated("nothing after End", "an ended session wants to be woken");
        }
        self.check_step(session)?;
        self.check_state(session)
    }

    fn check_state(&mut self, session: &Session) -> Checked {
        if self.dice.chance(15) {
            let snapshot = session.snapshot();
            let how = self.dice.pick(&[Restored::Lost, Restored::Moved]);
            let restored = Session::restore(self.profile.config.clone(), snapshot.clone(), how);
            if restored.as_ref().map(Session::snapshot).as_ref() != Ok(&snapshot) {
                let text = format!("{snapshot:?} became {:?}", restored.map(|session| session.snapshot()));
                return violated("restore(snapshot(s)) is s", text);
            }
            self.saw(Seen::SnapshotChecked);
        }
        Ok(())
    }

    pub(crate) fn check_request(&mut self, items: &[ChatItem]) -> Checked {
        let config = &self.profile.config;
        let calls = items.iter().rev().take_while(|item| !matches!(item, ChatItem::User { .. }));
        let calls = calls.filter(|item| matches!(item, ChatItem::ToolCall(_))).count();
        let most = (config.max_tool_calls + config.max_llm_requests) as usize;
        if calls >= config.max_tool_calls as usize {
            self.saw(Seen::TooManyCalls);
        }
        if calls > most {
            return violated("a turn's calls are limited", format!("{calls} calls in one turn, at most {most}"));
        }
        Ok(())
    }

    pub(crate) fn client_sees(&mut self, event: ClientEvent) -> Checked {
        match event {
            ClientEvent::UserSpeaking { speaking } => self.check.caller_speaks = speaking,
            ClientEvent::Transcript { utterance_id, text, r#final } => {
                self.check.page.transcript(utterance_id, r#final);
                if text == "uh-huh" && self.device.is_paused() {
                    self.saw(Seen::Backchannel);
                }
            }
            ClientEvent::Heard { reply_id, heard, .. } => {
                if heard.is_empty() {
                    self.saw(Seen::TakenBack);
                }
                self.check.page.heard(reply_id, &heard);
            }
            ClientEvent::UserText { .. } => self.check.texts_taken += 1,
            ClientEvent::Error { code, .. } if code == "too_many_messages" => {
                self.saw(Seen::TooManyMessages);
                self.check.texts_taken += 1;
            }
            ClientEvent::AgentText { reply_id, speech_id, text } => {
                if self.page_shows(reply_id, &text)? {
                    self.saw(Seen::CaptionAgain);
                    if self.caller.leg.is_some_and(|(_, voice)| !voice) {
                        self.device.told_again(reply_id);
                    }
                    return Ok(());
                }
                self.check_gate(reply_id, &text)?;
                let voice = self.caller.leg.is_some_and(|(_, voice)| voice) && !self.check.text_broken;
                if !voice {
                    self.check.patience.reads(&text);
                }
                self.device.caption(speech_id, reply_id, &text, voice);
            }
            ClientEvent::FallbackToText { .. } => {
                self.saw(Seen::TextFallback);
                self.check.text_broken = true;
                self.device.read_on();
                self.device.sounded = true;
            }
            ClientEvent::Agent { agent } => self.check.agent = agent,
            ClientEvent::Turn { turn, latency_ms, stages, cause, .. } => {
                self.check_told_pause(turn, latency_ms, stages, cause)?;
                if !self.check.open_turns.contains(&turn) {
                    return self.strange("a turn is finished once", format!("turn {turn} was not open"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn observed(&mut self, observation: Observation) -> Checked {
        self.see(&observation);
        match observation {
            Observation::EndOfTurn { turn, reopened, .. } => {
                self.check.page.end_turn(turn);
                if reopened {
                    self.saw(Seen::Reopened);
                }
                if self.check.open_turns.insert(turn) == reopened {
                    return self.strange("a turn is counted once", format!("turn {turn}, reopened: {reopened}"));
                }
                self.device.sounded = false;
                self.check.patience.begin();
                self.answer_is_due_again();
            }
            Observation::Attempt { stage, rung, result } => self.take_attempt(stage, rung, result),
            Observation::CostStepTaken { from, to, .. } => self.check_new_step(from, to)?,
            Observation::Hedged { stage, from, to } => self.check_rival(stage, from, to)?,
            Observation::FailedOver { from, to, .. } if from == to => {
                return self.strange("a failover leads elsewhere", format!("from {from} to {to}"));
            }
            Observation::Hushed { speech, held_ms, end: HushEnd::Nothing } => self.check_hush(speech, held_ms)?,
            Observation::FalseInterruption { speech, .. } if self.check.connecting => {
                return self.strange("a new leg is no cough", format!("speech {speech} was held for a lost leg"));
            }
            Observation::SpeculationDiscarded { .. } => self.check.patience.begin(),
            Observation::DeadlineMissed { state } if state.starts_with("answer") => self.check_given_up()?,
            Observation::Latency { .. } | Observation::FirstHeard { .. } => self.check_pause(&observation)?,
            Observation::CommitFailed { commit } | Observation::CommitConflicted { commit } => {
                self.check.doubted = self.check.in_flight.take_if(|(id, _)| *id == commit).map(|(id, _)| id);
            }
            Observation::TurnFinished { turn, .. } => {
                if !self.check.open_turns.remove(&turn) {
                    return self.strange("a turn is finished once", format!("turn {turn} was not open"));
                }
                self.check.answer_due_ms = None;
            }
            Observation::Answered { message: Some(message), .. }
                if !self.check.answered.insert(message) && !self.profile.chaos =>
            {
                return violated("a message is answered once", format!("message {message}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The longest that an answer may take, in milliseconds: every deadline on its way, one after the other.
    fn longest_answer_ms(&self) -> u64 {
        let config = &self.profile.config;
        config.answer_deadline_ms
            + u64::from(config.max_llm_requests) * config.commit_deadline_ms
            + 4 * config.tts_deadline_ms
            + config.playout_grace_ms
    }

    fn answer_is_due_again(&mut self) {
        let waits = !self.check.open_turns.is_empty() && !self.device.sounded;
        self.check.answer_due_ms =
            waits.then(|| self.now_ms + self.longest_answer_ms() + self.profile.config.max_turn_ms);
    }

    /// The caller does not wait for ever.
    pub(crate) fn check_waiting(&mut self) -> Checked {
        if self.device.sounded {
            self.check.answer_due_ms = None;
        }
        let Some(due_ms) = self.check.answer_due_ms else { return Ok(()) };
        if self.now_ms > due_ms && self.session.is_some() && self.caller.leg.is_some() && !self.profile.chaos {
            let text = format!("turn {:?} waits since {} ms", self.check.open_turns, self.longest_answer_ms());
            return violated("every turn is answered in time", text);
        }
        Ok(())
    }

    /// After all wishes of one input were carried out.
    pub(crate) fn after_outputs(&mut self) -> Checked {
        let waiting = self.check.texts_given.saturating_sub(self.check.texts_taken);
        if waiting > self.profile.config.max_pending_texts as u64 && !self.check.ended {
            let closing = self.check.ended || self.session.as_ref().is_some_and(|session| !session.is_busy());
            if !closing {
                return self.strange("pending messages are limited", format!("{waiting} are waiting"));
            }
        }
        let Some(session) = &self.session else { return Ok(()) };
        if self.check.agent.is_empty() {
            session.current_agent().clone_into(&mut self.check.agent);
        }
        if !session.is_busy() && !session.is_ended() && session.current_agent() != self.check.agent {
            let text = format!("the page was told {}, it is {}", self.check.agent, session.current_agent());
            return self.strange("the page knows the agent", text);
        }
        Ok(())
    }

    pub(crate) fn check_cost(&self, cost: &CostMeter) -> Checked {
        let total = cost.total();
        if cost.wasted > total {
            return violated("wasted is part of the total", format!("{} of {total}", cost.wasted));
        }
        let saturated = |spent: u128| NanoUsd(u64::try_from(spent).unwrap_or(u64::MAX));
        let spent = self.check.spent.map(saturated);
        if spent != [cost.stt, cost.llm, cost.tts] && !self.profile.chaos {
            let text = format!("{spent:?} was used, the session says {cost:?}");
            return violated("cost is usage times price", text);
        }
        Ok(())
    }

    /// The session is over.
    pub(crate) fn check_at_end(&mut self) -> Checked {
        let Some(session) = self.session.take() else { return Ok(()) };
        let snapshot = session.snapshot();
        self.session = Some(session);
        self.check_saved(&snapshot)?;
        if !self.profile.chaos {
            self.check_history(&snapshot, usize::MAX)?;
            self.check_goodbye(&snapshot)?;
        }
        if snapshot.cost.wasted > NanoUsd(0) {
            self.saw(Seen::Wasted);
        }
        if self.profile.chaos {
            self.end_of_time(snapshot)?;
        }
        for input in [Input::Tick, Input::Text { text: "still there?".to_owned(), message: None }] {
            self.feed(input)?;
        }
        Ok(())
    }

    /// A clock that jumps to the end of time breaks nothing.
    fn end_of_time(&mut self, snapshot: Snapshot) -> Checked {
        let restored = Session::restore(self.profile.config.clone(), snapshot, Restored::Lost);
        let Ok(mut session) = restored else { return violated("a saved session can be restored", "it cannot") };
        for _ in 0..8 {
            let at_ms = self.dice.pick(&[u64::MAX, u64::MAX - 1, 0, 1 << 63]);
            let inputs = [
                Input::Connected { connection: ConnectionId(1), voice: true },
                Input::StartOfSpeech { at_ms: u64::MAX },
                Input::EndOfSpeech { last_speech_ms: u64::MAX },
                Input::Text { text: "add milk".to_owned(), message: None },
                Input::Tick,
            ];
            let at = self.dice.below(inputs.len() as u64) as usize;
            session.handle_input(at_ms, inputs[at].clone());
            while session.poll_output().is_some() {}
            session.poll_timeout();
        }
        Ok(())
    }

    pub(crate) fn see_end(&mut self, reason: EndReason) {
        match reason {
            EndReason::Goodbye => self.saw(Seen::EndGoodbye),
            EndReason::HungUp => self.saw(Seen::EndHungUp),
            EndReason::Operator => self.saw(Seen::EndOperator),
            EndReason::Idle => self.saw(Seen::EndIdle),
            EndReason::TooLong => self.saw(Seen::EndTooLong),
            EndReason::Ceiling => self.saw(Seen::EndCeiling),
            EndReason::Lost => self.saw(Seen::EndLost),
            EndReason::TakenOver => {
                self.saw(Seen::Fenced);
                self.store.was_taken_over();
            }
            EndReason::VoiceFailed => self.saw(Seen::EndVoiceFailed),
            EndReason::HandedOver | EndReason::Failed => {}
        }
    }

    /// What is left open when a session ends for good.
    pub(crate) fn check_open_turns(&self, reason: EndReason) -> Checked {
        if reason == EndReason::TakenOver || self.check.open_turns.is_empty() {
            return Ok(());
        }
        self.strange("every turn is finished", format!("{:?} never were", self.check.open_turns))
    }
}
