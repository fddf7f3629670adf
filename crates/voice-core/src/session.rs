//! The call: told what happened and when, says what to do. The control flow of a session, on one page.
//!
//! The parts of its life stand in the modules below, one per question: `listen` (has the caller finished?), `answer`
//! (what is the answer?), `speak` (what is heard of it?), `save` (what is kept?), `deadline` (what takes too long?).

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::agents::{self, Agent};
use crate::chat::ChatContext;
use crate::config::CoreConfig;
use crate::consent::{Consent, ConsentHow, RecordingPermit};
use crate::cost::{CostMeter, Usage};
use crate::ids::{ConnectionId, ReplyId};
use crate::input::Input;
use crate::output::{AgentState, ClientEvent, EndReason, Observation, Outcome, Output};
use crate::phrases;
use crate::snapshot::Counters;

pub use save::{Restored, first_words};
pub use speak::VOICE_FAILED;

mod ahead;
mod answer;
mod consent;
mod deadline;
mod doubt;
mod frugal;
mod guess;
mod hear;
mod hush;
mod key;
mod ladder;
mod leave;
mod listen;
mod overlap;
mod patience;
mod reply;
mod rival;
mod save;
mod speak;
mod taped;
#[cfg(test)]
mod tests;
mod tools;
mod voice;

use consent::{Asking, Decided};
use frugal::Frugal;
use hush::Hush;
use ladder::Ladder;
use leave::Leaving;
use listen::Listening;
use reply::{HoldCause, Reply};
use save::Saving;

/// Times beyond this are taken as this, in milliseconds: what is added to them never overflows.
const MAX_TIME_MS: u64 = 1 << 52;

/// The transport leg that the caller is on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    connection: ConnectionId,
    voice: bool,
    since_ms: u64,
    /// The way there and back, in milliseconds, as it was measured last.
    round_trip_ms: Option<u64>,
}

/// A typed message that waits until the one before is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PendingText {
    text: String,
    message: Option<u64>,
}

/// The session is to end as soon as its last state is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closing {
    outcome: Outcome,
    reason: EndReason,
    deadline_ms: u64,
}

/// A conversation. Pure: the same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Session {
    config: CoreConfig,
    now_ms: u64,
    out: VecDeque<Output>,
    chat: ChatContext,
    agent: &'static Agent,
    counters: Counters,
    consent: Consent,
    /// The reply that announces the recording, until it was heard.
    announcing: Option<ReplyId>,
    /// The question whether the call may be recorded, until it is answered.
    asking: Option<Asking>,
    decided: Decided,
    cost: CostMeter,
    frugal: Frugal,
    extra: Map<String, Value>,
    link: Option<Link>,
    lost_since_ms: Option<u64>,
    /// What may become speech is heeded again from then on.
    hush: Hush,
    connected_before_ms: u64,
    /// Said once, when the first leg comes.
    greeting: Option<String>,
    voice_broken: bool,
    /// Utterances in a row of which no recogniser said anything.
    unheard: u32,
    listening: Option<Listening>,
    speaking_since_ms: Option<u64>,
    too_long_said: bool,
    reply: Option<Reply>,
    /// The store does not have a change of which the caller was told that it would.
    broken_promise: bool,
    /// The reply before, and what was heard of it.
    last_heard: Option<(ReplyId, String)>,
    pending_texts: VecDeque<PendingText>,
    saving: Saving,
    ladder: Ladder,
    last_activity_ms: u64,
    state: AgentState,
    /// The agent that the caller's side knows of.
    told_agent: &'static str,
    /// Restored after a loss: what came after the last save used ids that nobody remembers.
    skips_ids: bool,
    closing: Option<Closing>,
    /// The process goes down: the session is to move.
    leaving: Option<Leaving>,
    ended: bool,
}

impl Session {
    /// A new session.
    pub fn new(config: CoreConfig) -> Self {
        let greeting = first_words(&consent::opening(&config), false, Restored::Moved).map(str::to_owned);
        let ladder = Ladder::new(&config);
        Self {
            config,
            now_ms: 0,
            out: VecDeque::new(),
            chat: ChatContext::default(),
            agent: agents::find(agents::TASK_AGENT),
            counters: Counters::default(),
            consent: Consent::default(),
            announcing: None,
            asking: None,
            decided: Decided::default(),
            cost: CostMeter::default(),
            frugal: Frugal::default(),
            extra: Map::new(),
            link: None,
            hush: Hush::default(),
            lost_since_ms: None,
            connected_before_ms: 0,
            greeting,
            voice_broken: false,
            unheard: 0,
            listening: None,
            speaking_since_ms: None,
            too_long_said: false,
            reply: None,
            broken_promise: false,
            last_heard: None,
            pending_texts: VecDeque::new(),
            saving: Saving::default(),
            ladder,
            last_activity_ms: 0,
            state: AgentState::Listening,
            told_agent: agents::TASK_AGENT,
            skips_ids: false,
            closing: None,
            leaving: None,
            ended: false,
        }
    }

    /// Tells the session what happened at `now_ms`, in milliseconds since its start. A time before the last one counts as
    /// the last one. After the end nothing is taken.
    pub fn handle_input(&mut self, now_ms: u64, input: Input) {
        if self.ended {
            return;
        }
        self.now_ms = self.now_ms.max(now_ms.min(MAX_TIME_MS));
        if std::mem::take(&mut self.skips_ids) {
            self.counters.skip();
            self.trim_history();
            self.saving.mark_dirty();
        }
        self.dispatch(input);
        self.check_deadlines();
        self.go_on();
        self.note_patience();
        self.announce_state();
        self.announce_agent();
    }

    /// The next wish, in the order in which they are to be carried out; none when all were taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When the session wants to be woken with `Tick`, in milliseconds since its start. Ask again after every input.
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.ended { None } else { self.next_deadline() }
    }

    /// The right to record, while there is consent. Borrow it for each frame.
    pub const fn recording_permit(&self) -> Option<&RecordingPermit> {
        self.consent.permit()
    }

    /// The agent that has the call.
    pub fn current_agent(&self) -> &'static str {
        self.reply.as_ref().filter(|reply| reply.confirmed).map_or(self.agent.name, |reply| reply.agent.name)
    }

    /// What the agent is doing.
    pub const fn state(&self) -> AgentState {
        self.state
    }

    /// Turns so far.
    pub const fn turns(&self) -> u32 {
        self.counters.turn
    }

    /// What was spent so far.
    pub const fn cost(&self) -> &CostMeter {
        &self.cost
    }

    /// Whether the session is over.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether speech or an answer is under way: nothing that should be moved or cut now.
    pub const fn is_busy(&self) -> bool {
        self.reply.is_some() || self.listening.is_some()
    }

    /// Whether the store has all there is to keep: nothing is unsaved or on its way. Only then may a session be moved, or
    /// history may hold a change that the store does not have.
    pub fn is_saved(&self) -> bool {
        self.saving.is_clean()
    }

    /// Whether an answer is being made: what the caller asked for is not done yet.
    pub fn is_answering(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.confirmed && !reply.is_answered())
    }

    fn dispatch(&mut self, input: Input) {
        match input {
            Input::Connected { connection, voice } => self.handle_connected(connection, voice),
            Input::Disconnected { connection } => self.handle_disconnected(connection),
            Input::PossibleSpeech => self.handle_possible_speech(),
            Input::StartOfSpeech { at_ms } => self.handle_start_of_speech(at_ms),
            Input::PossibleEnd => self.handle_possible_end(),
            Input::EndOfSpeech { last_speech_ms } => self.handle_end_of_speech(last_speech_ms),
            Input::InterimTranscript { utterance, text } => self.handle_interim(utterance, &text),
            Input::FinalTranscript { utterance, revision, rung, text } => {
                self.handle_final(utterance, revision, rung, &text);
            }
            Input::TranscriptGap { utterance, revision, rung, gap_ms } => {
                self.note_gap(utterance, revision, rung, gap_ms)
            }
            Input::SttFailed { utterance, revision, rung, failure } => {
                self.handle_stt_failed(utterance, revision, rung, failure);
            }
            Input::SttLineFailed { utterance, rung, failure } => self.handle_line_failed(utterance, rung, failure),
            Input::EndOfTurnScore { utterance, revision, permille } => self.handle_score(utterance, revision, permille),
            Input::LlmText { request, text } => self.handle_llm_text(request, &text),
            Input::LlmCalling { request } => self.handle_llm_calling(request),
            Input::LlmWordsAhead { request, words } => self.handle_llm_words_ahead(request, &words),
            Input::LlmToolCall { request, name, arguments } => self.handle_llm_tool_call(request, name, arguments),
            Input::LlmDone { request } => self.handle_llm_done(request),
            Input::LlmFailed { request, failure } => self.handle_llm_failed(request, failure),
            Input::ToolComputed { output, mutates } => self.handle_tool_computed(output, mutates),
            Input::Committed { commit } => self.handle_committed(commit),
            Input::CommitFailed { commit, error } => self.handle_commit_failed(commit, error),
            Input::TtsAudio { speech, chunk, rung, audio_ms, words } => {
                self.handle_tts_audio(speech, chunk, rung, audio_ms, words);
            }
            Input::TtsDone { speech, chunk, rung, audio_ms, words } => {
                self.handle_tts_done(speech, chunk, rung, audio_ms, words);
            }
            Input::TtsFailed { speech, chunk, rung, failure } => self.handle_tts_failed(speech, chunk, rung, failure),
            Input::FirstAudioOut { speech } => self.handle_first_audio_out(speech),
            Input::PlayoutPosition { speech, played_ms, reported } => {
                self.handle_playout_position(speech, played_ms, reported);
            }
            Input::RoundTrip { connection, round_trip_ms } => self.handle_round_trip(connection, round_trip_ms),
            Input::Text { text, message } => self.handle_text(&text, message),
            Input::Key { key } => self.handle_key(key),
            Input::Consent { recording } => self.handle_consent(recording),
            Input::HangUp { by } => self.handle_hang_up(by),
            Input::HandOver { within_ms } => self.handle_hand_over(within_ms),
            Input::TookOver { say } => self.handle_took_over(&say),
            Input::TakenOver => self.give_up_ownership(),
            Input::StoreIsBack => self.saving.retry_now(self.now_ms),
            Input::ProviderHealth(health) => self.handle_provider_health(health),
            Input::Used(usage) => self.handle_used(&usage),
            Input::DaySpend { spent } => self.handle_day_spend(spent),
            Input::Tick => {}
        }
    }

    /// Whatever has become possible now happens here, and only here.
    fn go_on(&mut self) {
        self.consider_end_of_turn();
        self.advance_answer();
        self.advance_speech();
        self.take_pending_text();
        self.note_announcement();
        self.advance_asking();
        self.consider_ceilings();
        self.own_up();
        self.advance_leaving();
        self.advance_saving();
        self.report_tools();
        self.advance_closing();
    }

    fn handle_connected(&mut self, connection: ConnectionId, voice: bool) {
        self.leave_link();
        self.lost_since_ms = None;
        self.last_activity_ms = self.now_ms;
        self.link = Some(Link { connection, voice, since_ms: self.now_ms, round_trip_ms: None });
        if voice {
            self.voice_broken = false;
            self.unheard = 0;
        }
        if self.closing.is_some() {
            return;
        }
        // A new leg takes it for granted that the agent listens.
        self.state = AgentState::Listening;
        self.tell_text_again();
        if self.must_close() {
            self.greeting = None;
        }
        // An answer that is being made or waits for the caller comes before any greeting.
        if let Some(greeting) = self.greeting.take().filter(|_| self.reply.is_none()) {
            self.begin_opening(&greeting);
        } else {
            self.resume_after_reconnect();
        }
    }

    fn handle_disconnected(&mut self, connection: ConnectionId) {
        if self.link.as_ref().is_none_or(|link| link.connection != connection) {
            return;
        }
        self.leave_link();
        self.lost_since_ms = Some(self.now_ms);
        self.saving.mark_dirty();
    }

    /// The caller's audio ends here: what was being said is dropped, what was being heard waits.
    fn leave_link(&mut self) {
        if let Some(link) = self.link.take() {
            self.connected_before_ms += self.now_ms - link.since_ms;
            self.answer_unanswered();
            self.drop_listening();
            self.hold_reply(HoldCause::Away);
        }
    }

    fn handle_text(&mut self, text: &str, message: Option<u64>) {
        if self.closing.is_some() {
            return;
        }
        self.last_activity_ms = self.now_ms;
        let text = cut(text.trim(), self.config.max_text_chars);
        if self.pending_texts.len() >= self.config.max_pending_texts {
            let message = "Too many messages are waiting for an answer. Please wait for one.".to_owned();
            self.client(ClientEvent::Error { code: "too_many_messages".to_owned(), message });
            return;
        }
        self.pending_texts.push_back(PendingText { text, message });
    }

    /// A typed message is its own end of turn. It cuts short what is being said, but never an answer in the making.
    fn take_pending_text(&mut self) {
        let in_the_making = self.is_answering();
        let words_spoken = self.listening.as_ref().is_some_and(Listening::has_text);
        if in_the_making || words_spoken || self.closing.is_some() || self.is_saying_goodbye() {
            return;
        }
        let Some(PendingText { text, message }) = self.pending_texts.pop_front() else { return };
        self.drop_listening();
        self.interrupt();
        self.client(ClientEvent::UserText { text: text.clone() });
        let was_on = self.consent.state().recording_enabled;
        if phrases::asks_to_stop_recording(&text) {
            self.stop_recording(ConsentHow::Text);
        }
        self.heed_opt_out(&text, ConsentHow::Text);
        if phrases::is_stop_recording(&text) {
            self.answer_stop_recording(text, was_on, None, message);
        } else {
            self.answer_turn(text, ConsentHow::Text, None, message);
        }
        self.advance_answer();
        self.advance_speech();
    }

    fn end(&mut self, outcome: Outcome, reason: EndReason) {
        if self.ended {
            return;
        }
        self.client(ClientEvent::Ended { outcome, reason });
        self.push(Output::End { outcome, reason });
        self.ended = true;
    }

    fn handle_used(&mut self, usage: &Usage) {
        let cost = self.config.prices.price(usage);
        self.cost.add(usage.stage, cost);
        if usage.wasted {
            self.cost.wasted += cost;
        }
        if let Some(utterance) = usage.utterance {
            self.book_hearing(utterance, cost);
            self.saving.mark_stale();
            return;
        }
        match (&mut self.reply, usage.reply) {
            (Some(reply), Some(id)) if reply.id == id => {
                reply.cost += cost;
                if usage.wasted {
                    reply.wasted += cost;
                }
            }
            // Of a reply that is gone: if it was thrown away unheard, so was this.
            (_, Some(id)) if self.saving.was_discarded(id) && !usage.wasted => self.cost.wasted += cost,
            (Some(reply), None) if reply.confirmed => reply.cost += cost,
            _ => {}
        }
        self.saving.mark_stale();
    }

    /// What is said when the first caller's leg comes; none when it came, or when the caller speaks first.
    pub fn first_words_due(&self) -> Option<&str> {
        self.greeting.as_deref()
    }

    /// How long a caller was connected so far, in milliseconds.
    pub fn connected_ms(&self) -> u64 {
        let now_ms = self.link.as_ref().map_or(0, |link| self.now_ms - link.since_ms);
        (self.connected_before_ms + now_ms).min(MAX_TIME_MS)
    }

    fn announce_state(&mut self) {
        let state = self.reply.as_ref().map_or(AgentState::Listening, Reply::state);
        if state != self.state {
            self.state = state;
            self.client(ClientEvent::State { state });
        }
    }

    fn announce_agent(&mut self) {
        let agent = self.current_agent();
        if agent != self.told_agent {
            self.told_agent = agent;
            self.client(ClientEvent::Agent { agent: agent.to_owned() });
        }
    }

    /// Whether the agent can be heard on the caller's leg.
    fn has_voice(&self) -> bool {
        !self.voice_broken && self.link.as_ref().is_some_and(|link| link.voice)
    }

    /// `End` is the last wish: nothing follows it.
    fn push(&mut self, output: Output) {
        if !self.ended {
            self.out.push_back(output);
        }
    }

    fn client(&mut self, event: ClientEvent) {
        self.push(Output::Client { event });
    }

    fn observe(&mut self, observation: Observation) {
        self.push(Output::Observe { observation });
    }
}

/// At most `chars` characters.
fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
