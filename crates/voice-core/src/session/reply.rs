//! One answer, from the first request to the model to its last heard word.

use std::collections::VecDeque;

use crate::agents::Agent;
use crate::chat::{ChatItem, ToolCall};
use crate::chunker::Chunker;
use crate::cost::NanoUsd;
use crate::ids::{LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, TurnId, UtteranceId};
use crate::output::{AgentState, EndReason};
use crate::playout::Speech;
use crate::timeline::{PauseCause, Stages, Timeline};

use super::ahead::EarlyWords;
use super::overlap::Overlap;
use super::patience::Patience;

/// Another provider that is asked the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rival {
    pub(super) id: LlmRequestId,
    pub(super) rung: RungId,
    pub(super) asked_ms: u64,
    /// What was heard of the answer that stands still, which this one is to go on with.
    pub(super) overlap: Option<Overlap>,
}

/// A request to the model that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: LlmRequestId,
    /// Who answers.
    pub(super) rung: RungId,
    pub(super) asked_ms: u64,
    pub(super) progress_ms: u64,
    /// The longest wait between two signs of it since the first.
    pub(super) gap_ms: u64,
    pub(super) started: bool,
    /// Who is asked the same, because this one shows nothing.
    pub(super) rivals: Vec<Rival>,
    /// Who was asked this.
    pub(super) tried: Vec<RungId>,
    /// What was heard of an answer that broke off, and that this one goes on with.
    pub(super) overlap: Option<Overlap>,
    /// It called a tool: what it says counts, and nobody else is asked the same.
    pub(super) called: bool,
    /// The first chunk of what was said after its last tool call.
    pub(super) after_call: u32,
    /// The first chunk of the speech that came from this request, if it has any.
    pub(super) first_chunk: u32,
    /// What it said so far.
    pub(super) text: String,
    /// It called tools that it is to hear the outputs of.
    pub(super) wants_outputs: bool,
}

/// What is to be said when a tool call has done what it asks for, so that the model need not be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WordsAhead {
    pub(super) call: ToolCallId,
    /// The model's own words; none when it wants to hear what the tool answers.
    pub(super) words: Option<String>,
    /// It has changed what it was to change.
    pub(super) done: bool,
}

/// A tool that is being computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunningTool {
    pub(super) call: ToolCall,
    /// The first chunk of what was said after the call: it may take the tool's success for granted.
    pub(super) after: u32,
    pub(super) since_ms: u64,
}

/// Why nothing of a reply is heard for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldCause {
    /// Somebody may begin to speak.
    Doubt,
    /// The caller speaks.
    Speech,
    /// The caller is away.
    Away,
}

/// Nothing of the reply is heard for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) since_ms: u64,
    /// The playout was told to pause.
    pub(super) paused: bool,
    pub(super) cause: HoldCause,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) id: ReplyId,
    /// Which turn it answers; none for what the agent says unasked, and before the turn is over.
    pub(super) turn: Option<TurnId>,
    /// What it answers; none for what the agent says unasked.
    pub(super) user_text: Option<String>,
    /// It was begun before the VAD was sure of the pause.
    pub(super) guessed: bool,
    /// What it answers may end in mid-word: nothing is to be done on it, and nothing added to it.
    pub(super) cut_off: bool,
    /// The turn is over: the reply may be heard, and its tools may be committed.
    pub(super) confirmed: bool,
    pub(super) message: Option<u64>,
    pub(super) timeline: Option<Timeline>,
    pub(super) agent: &'static Agent,
    pub(super) request: Option<Request>,
    pub(super) requests_made: u32,
    /// Which model answered last: it makes the rest, too, as long as it can.
    pub(super) llm_rung: Option<RungId>,
    pub(super) calls_made: u32,
    pub(super) retried: bool,
    /// Tool calls, outputs, hand-offs, and what was said between them.
    pub(super) draft: Vec<ChatItem>,
    /// Each with the first chunk of what is said after it.
    pub(super) waiting_calls: VecDeque<(ToolCall, u32)>,
    pub(super) running: Option<RunningTool>,
    /// Of each tool call of the last request.
    pub(super) words_ahead: Vec<WordsAhead>,
    /// The words of a call, before it is known whether they may be said.
    pub(super) early: Option<EarlyWords>,
    /// Computed, and not yet in the store.
    pub(super) staged: Vec<ToolCallId>,
    /// Something it did is in the store, or on its way there.
    pub(super) changed: bool,
    /// Something it did is in the store.
    pub(super) kept: bool,
    /// Tools that the caller's side and operations were told about.
    pub(super) reported: Vec<ToolCallId>,
    /// How long it has kept the caller waiting.
    pub(super) patience: Patience,
    pub(super) chunker: Chunker,
    pub(super) chars: usize,
    /// No more words will come.
    pub(super) text_done: bool,
    pub(super) speech: Speech,
    /// From this chunk on nothing may be heard before the staged tools are in the store.
    pub(super) gate: Option<u32>,
    pub(super) first_text_ms: Option<u64>,
    pub(super) first_audio_ms: Option<u64>,
    pub(super) first_audio_out_ms: Option<u64>,
    /// Since when the head of the speech's unfinished chunks is waited for.
    pub(super) tts_progress_ms: u64,
    /// The first chunk whose audio is not complete, and since when it is that, in milliseconds.
    pub(super) tts_head: Option<(u32, u64)>,
    pub(super) tts_failures: u32,
    /// Whose voice speaks it.
    pub(super) tts_rung: Option<RungId>,
    /// The voices that failed in it.
    pub(super) tts_tried: Vec<RungId>,
    /// When the playout began, at the latest, with what it has not yet said that it played.
    pub(super) playout_progress_ms: u64,
    /// When the playout last began, or said where it is.
    pub(super) position_ms: Option<u64>,
    pub(super) hold: Option<Hold>,
    /// `Play` with `last` was said.
    pub(super) last_said: bool,
    /// The session ends when this is heard.
    pub(super) end_call: Option<EndReason>,
    /// Milliseconds to the first audio that left; where they went and, as far as is known, those until it was heard; and the cause if
    /// all of that was over the budget.
    pub(super) latency: Option<(u64, Stages, Option<PauseCause>)>,
    pub(super) answer_said: bool,
    /// What its words and its voice cost.
    pub(super) cost: NanoUsd,
    /// Of that, what was cancelled, and is booked as wasted already.
    pub(super) wasted: NanoUsd,
    /// What it cost to hear what it answers.
    pub(super) heard_cost: NanoUsd,
    /// The utterances that it answers.
    pub(super) utterances: Vec<UtteranceId>,
}

impl Reply {
    pub(super) fn new(id: ReplyId, speech: SpeechId, agent: &'static Agent, now_ms: u64) -> Self {
        Self {
            id,
            turn: None,
            user_text: None,
            guessed: false,
            cut_off: false,
            confirmed: false,
            message: None,
            timeline: None,
            agent,
            request: None,
            requests_made: 0,
            llm_rung: None,
            calls_made: 0,
            retried: false,
            draft: Vec::new(),
            waiting_calls: VecDeque::new(),
            running: None,
            words_ahead: Vec::new(),
            early: None,
            staged: Vec::new(),
            changed: false,
            kept: false,
            reported: Vec::new(),
            patience: Patience::default(),
            chunker: Chunker::default(),
            chars: 0,
            text_done: false,
            speech: Speech::new(speech),
            gate: None,
            first_text_ms: None,
            first_audio_ms: None,
            first_audio_out_ms: None,
            tts_progress_ms: now_ms,
            tts_head: None,
            tts_failures: 0,
            tts_rung: None,
            tts_tried: Vec::new(),
            playout_progress_ms: now_ms,
            position_ms: None,
            hold: None,
            last_said: false,
            end_call: None,
            latency: None,
            answer_said: false,
            cost: NanoUsd::default(),
            wasted: NanoUsd::default(),
            heard_cost: NanoUsd::default(),
            utterances: Vec::new(),
        }
    }

    /// What its turn cost so far.
    pub(super) fn turn_cost(&self) -> NanoUsd {
        self.cost + self.heard_cost
    }

    /// The model has said and done everything, and what it did is kept.
    pub(super) fn is_answered(&self) -> bool {
        self.text_done && self.staged.is_empty() && self.running.is_none() && self.waiting_calls.is_empty()
    }

    /// Something of it is still being made: words, or what a tool computes.
    pub(super) fn is_being_made(&self) -> bool {
        !self.text_done || self.running.is_some() || !self.waiting_calls.is_empty()
    }

    /// All of it is said and heard.
    pub(super) fn is_through(&self) -> bool {
        self.is_answered() && self.speech.chunks.iter().all(|chunk| chunk.permitted) && self.speech.is_heard()
    }

    /// Whether this request of its is under way.
    pub(super) fn asks(&self, id: LlmRequestId) -> bool {
        self.request.as_ref().is_some_and(|request| request.id == id)
    }

    /// Nothing of it was heard, shown or kept: it can be made again from the start.
    pub(super) fn is_untouched(&self) -> bool {
        !self.kept && self.first_audio_out_ms.is_none() && self.speech.chunks.iter().all(|chunk| !chunk.shown)
    }

    /// More audio can be played than before. A playout that had run dry goes on now: what it had until then is played,
    /// whether it said so or not.
    pub(super) fn note_playable(&mut self, before_ms: u64, now_ms: u64) {
        if self.speech.permitted_ms() > before_ms {
            let unsaid_ms = before_ms.saturating_sub(self.speech.played_ms);
            self.playout_progress_ms = self.playout_progress_ms.max(now_ms.saturating_sub(unsaid_ms));
        }
    }

    /// Whether the caller, going on to speak, goes on with the same turn: nothing of the answer was heard or done.
    pub(super) fn reopens(&self) -> bool {
        self.user_text.is_some()
            && self.timeline.is_some()
            && !self.cut_off
            && self.first_audio_out_ms.is_none()
            && !self.changed
            && self.speech.chunks.iter().all(|chunk| !chunk.shown)
    }

    /// Whether it has begun to be heard, and is not through.
    pub(super) fn is_audible(&self) -> bool {
        self.first_audio_out_ms.is_some() && self.hold.is_none()
    }

    pub(super) fn state(&self) -> AgentState {
        match (self.confirmed, self.hold) {
            (true, None) if self.is_audible() => AgentState::Speaking,
            (true, Some(Hold { cause: HoldCause::Doubt, .. })) => AgentState::Speaking,
            (true, None) => AgentState::Thinking,
            _ => AgentState::Listening,
        }
    }

    /// From this chunk on nothing may be heard yet: it was said after a tool that is not in the store, or not even computed.
    pub(super) fn permit_limit(&self) -> u32 {
        let running = self.running.as_ref().map(|running| running.after);
        let waiting = self.waiting_calls.front().map(|(_, after)| *after);
        [self.gate, running, waiting].into_iter().flatten().min().unwrap_or(u32::MAX).min(self.early_limit())
    }

    /// The calls and outputs of the draft that history keeps: those that are computed, and not merely staged, or that
    /// are in this commit. What was said between them is part of the speech.
    pub(super) fn kept_draft(&self, committing: &[ToolCallId]) -> Vec<ChatItem> {
        let outputs: Vec<ToolCallId> = self
            .draft
            .iter()
            .filter_map(|item| match item {
                ChatItem::ToolOutput(output) => Some(output.id),
                _ => None,
            })
            .collect();
        let kept = |id: ToolCallId| outputs.contains(&id) && (!self.staged.contains(&id) || committing.contains(&id));
        self.draft
            .iter()
            .filter(|item| match item {
                ChatItem::ToolCall(call) => kept(call.id),
                ChatItem::ToolOutput(output) => kept(output.id),
                ChatItem::Handoff { .. } => true,
                ChatItem::User { .. } | ChatItem::Assistant { .. } => false,
            })
            .cloned()
            .collect()
    }
}
