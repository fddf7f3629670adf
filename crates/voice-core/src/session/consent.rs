//! May the call be recorded? What its first words say or ask, what the caller answers, and what stops it.

use std::ops::ControlFlow;

use crate::config::CoreConfig;
use crate::consent::{ConsentDecision, ConsentFlow, ConsentHow};
use crate::ids::{ReplyId, TurnId};
use crate::output::{ClientEvent, Output};
use crate::phrases::{self, ConsentAnswer};
use crate::timeline::Timeline;

use super::Session;

/// The question is asked so often at most, when a yes comes before it can be known what to, or when it leaves a doubt.
const MOST_TIMES: u32 = 2;

/// So often the caller's side may begin a recording in one session: whoever plays with the button fills neither the ledger nor the disk. It can be stopped
/// always.
const MOST_AGREED: u32 = 20;

/// What was decided so far.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// How often recording began.
    agreed: u32,
    /// The last decision was an objection to all recording.
    opted_out: bool,
}

/// The question whether the call may be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asking {
    /// The reply that asks it.
    reply: ReplyId,
    /// How often it was asked.
    times: u32,
    /// The caller has heard what is asked.
    heard: bool,
    /// Since when it waits for its answer.
    since_ms: Option<u64>,
}

/// What a session says first of all: with its channel's announcement, or the question instead of the greeting.
pub(super) fn opening(config: &CoreConfig) -> String {
    match config.consent {
        ConsentFlow::Announce => with(phrases::PHONE_CONSENT, &config.greeting),
        ConsentFlow::Ask => question(config),
        ConsentFlow::Elsewhere | ConsentFlow::Never => config.greeting.clone(),
    }
}

/// The question; only a telephone has keys.
fn question(config: &CoreConfig) -> String {
    let how = if config.can_type { phrases::CONSENT_BY_VOICE } else { phrases::CONSENT_BY_PHONE };
    with(phrases::CONSENT_QUESTION, how)
}

fn with(first: &str, then: &str) -> String {
    format!("{first} {then}").trim_end().to_owned()
}

/// Whether all of `words` was heard.
fn covers(heard: &str, words: &str) -> bool {
    heard.split_whitespace().count() >= words.split_whitespace().count()
}

impl Session {
    /// The first words. Words that were handed over are no announcement and no question, unless they are all of it. What was decided before
    /// anybody was connected (typed, say) is not asked again, and no announcement undoes it.
    pub(super) fn begin_opening(&mut self, words: &str) {
        if self.consent.state().recording_announced {
            let words = if words == opening(&self.config) { self.config.greeting.clone() } else { words.to_owned() };
            if words.trim().is_empty() {
                self.resume_after_reconnect();
            } else {
                self.begin_scripted(&words);
            }
            return;
        }
        self.begin_scripted(words);
        let Some(reply) = self.reply.as_ref().map(|reply| reply.id) else { return };
        match self.config.consent {
            ConsentFlow::Announce if words.starts_with(phrases::PHONE_CONSENT) => self.announcing = Some(reply),
            ConsentFlow::Ask if words.starts_with(phrases::CONSENT_QUESTION) => {
                self.asking = Some(Asking { reply, times: 1, heard: false, since_ms: None });
            }
            _ => {}
        }
    }

    /// The announcement counts from when all of it was heard.
    pub(super) fn note_announcement(&mut self) {
        let Some(id) = self.announcing else { return };
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.id == id) else { return };
        if covers(&reply.speech.split_heard().0, phrases::PHONE_CONSENT) {
            self.announcing = None;
            self.decide(ConsentDecision::Announced, ConsentHow::Announcement);
        }
    }

    /// The reply with the announcement or the question is over, and so much of it was heard. A caller who cut the announcement
    /// short was not told, and is not recorded.
    pub(super) fn opening_is_over(&mut self, reply: ReplyId, heard: &str) {
        if self.announcing.take_if(|id| *id == reply).is_some() && covers(heard, phrases::PHONE_CONSENT) {
            self.decide(ConsentDecision::Announced, ConsentHow::Announcement);
        }
        let now_ms = self.now_ms;
        if let Some(asking) = self.asking.as_mut().filter(|asking| asking.reply == reply) {
            asking.heard |= covers(heard, phrases::CONSENT_QUESTION);
            asking.since_ms = Some(now_ms);
        }
    }

    /// Answers a turn: as the answer to the question about recording, if that waits for one, and by the model otherwise.
    pub(super) fn answer_turn(
        &mut self,
        text: String,
        how: ConsentHow,
        spoken: Option<(TurnId, Timeline)>,
        message: Option<u64>,
    ) {
        match self.take_answer(&text, how) {
            ControlFlow::Continue(rest) => self.begin_reply(rest.unwrap_or(text), spoken, message),
            ControlFlow::Break(answer) => {
                self.answer_with(text, &answer, spoken, message);
                self.point_to_question();
            }
        }
    }

    /// What is said to an answer; or what is still to be answered, if that is not all of the text.
    fn take_answer(&mut self, text: &str, how: ConsentHow) -> ControlFlow<String, Option<String>> {
        let Some(asking) = &mut self.asking else { return ControlFlow::Continue(None) };
        match phrases::consent_answer(text) {
            ConsentAnswer::Yes { .. } if !asking.heard && asking.times < MOST_TIMES => {
                asking.times += 1;
                asking.since_ms = None;
                ControlFlow::Break(question(&self.config))
            }
            ConsentAnswer::Yes { rest } if asking.heard => {
                self.decide(ConsentDecision::Agreed, how);
                self.say_or_go_on(phrases::CONSENT_GIVEN, rest)
            }
            ConsentAnswer::Yes { rest } | ConsentAnswer::No { rest } => {
                self.decide(ConsentDecision::Declined, how);
                self.say_or_go_on(phrases::CONSENT_REFUSED, rest)
            }
            ConsentAnswer::Unclear if asking.times < MOST_TIMES => {
                asking.times += 1;
                asking.since_ms = None;
                ControlFlow::Break(question(&self.config))
            }
            // Whoever begins to talk of something else has not agreed.
            ConsentAnswer::Unclear | ConsentAnswer::Neither => {
                self.decide(ConsentDecision::Unanswered, how);
                ControlFlow::Continue(None)
            }
        }
    }

    fn say_or_go_on(&self, words: &str, rest: String) -> ControlFlow<String, Option<String>> {
        if rest.is_empty() {
            ControlFlow::Break(with(words, &self.config.greeting))
        } else {
            ControlFlow::Continue(Some(rest))
        }
    }

    /// The reply under way is the one that asks.
    fn point_to_question(&mut self) {
        if let (Some(asking), Some(reply)) = (&mut self.asking, &self.reply) {
            asking.reply = reply.id;
        }
    }

    /// Says the question once more.
    pub(super) fn ask_again(&mut self) {
        let question = question(&self.config);
        self.begin_scripted(&question);
        self.point_to_question();
        if let Some(asking) = &mut self.asking {
            asking.since_ms = None;
        }
    }

    /// Silence is no.
    pub(super) fn advance_asking(&mut self) {
        let now_ms = self.now_ms;
        let Some(asking) = &mut self.asking else { return };
        if self.reply.as_ref().is_none_or(|reply| reply.id != asking.reply) {
            asking.since_ms.get_or_insert(now_ms);
        }
        if self.asking_due_ms().is_some_and(|due_ms| now_ms >= due_ms) {
            self.decide(ConsentDecision::Unanswered, ConsentHow::Silence);
            let words = with(phrases::CONSENT_REFUSED, &self.config.greeting);
            self.begin_scripted(&words);
            self.advance_answer();
            self.advance_speech();
        }
    }

    /// When the question is not waited for any longer; none while somebody speaks, or nobody is there.
    pub(super) fn asking_due_ms(&self) -> Option<u64> {
        let quiet = self.reply.is_none() && self.listening.is_none() && self.speaking_since_ms.is_none();
        let there = self.link.is_some() && self.closing.is_none();
        let since_ms = self.asking.as_ref().filter(|_| quiet && there)?.since_ms?;
        Some(since_ms.max(self.last_activity_ms) + self.config.consent_wait_ms)
    }

    /// The caller's side says what was answered there.
    pub(super) fn handle_consent(&mut self, recording: bool) {
        let is_too_much = self.decided.agreed >= MOST_AGREED && self.consent.permit().is_none();
        if recording && (self.config.consent == ConsentFlow::Never || is_too_much) {
            self.client(ClientEvent::Recording { enabled: false });
            return;
        }
        let before = self.consent.state();
        if before.recording_enabled != recording || !before.recording_announced {
            let decision = match (recording, before.recording_enabled) {
                (true, _) => ConsentDecision::Agreed,
                (false, true) => ConsentDecision::Stopped,
                (false, false) => ConsentDecision::Declined,
            };
            self.decide(decision, ConsentHow::Page);
        }
        if recording && let Some(listening) = &mut self.listening {
            listening.forgive_stops();
        }
    }

    /// Destroys the permit, and whatever might still have made one.
    pub(super) fn stop_recording(&mut self, how: ConsentHow) {
        if self.consent.permit().is_some() {
            self.decide(ConsentDecision::Stopped, how);
        } else if self.may_still_begin() {
            self.decide(ConsentDecision::Declined, how);
        }
    }

    /// Whether the caller was to be told or asked, and nothing is decided yet.
    fn may_still_begin(&self) -> bool {
        let by_itself = matches!(self.config.consent, ConsentFlow::Announce | ConsentFlow::Ask);
        by_itself && !self.consent.state().recording_announced
    }

    /// Whether the caller is not to be recorded later either. Where nothing is recorded anyway, "stop recording" can mean
    /// nothing else.
    pub(super) fn opts_out(&self, text: &str) -> bool {
        let never = self.config.consent == ConsentFlow::Never;
        phrases::opts_out(text) || never && phrases::asks_to_stop_recording(text)
    }

    /// Remembers an objection to all recording, once. Only for what was said for certain.
    pub(super) fn heed_opt_out(&mut self, text: &str, how: ConsentHow) {
        if self.opts_out(text) && !self.decided.opted_out {
            self.decide(ConsentDecision::OptedOut, how);
        }
    }

    /// Makes or destroys the permit, and has it written down.
    fn decide(&mut self, decision: ConsentDecision, how: ConsentHow) {
        (self.announcing, self.asking) = (None, None);
        self.decided.opted_out = decision == ConsentDecision::OptedOut;
        self.decided.agreed = self.decided.agreed.saturating_add(u32::from(decision.records()));
        if self.consent.set(decision.records()) {
            self.client(ClientEvent::Recording { enabled: decision.records() });
        }
        self.push(Output::Consent { decision, how });
        self.saving.mark_dirty();
    }
}
