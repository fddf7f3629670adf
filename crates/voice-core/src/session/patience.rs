//! How long may one answer keep its caller waiting? Each step has a deadline; all of them together have this one.
//!
//! What counts is silence: the time from the end of the caller's turn on in which the answer is still being made and
//! nothing of it is there to be heard or read. A long list that is read aloud is not cut: while it sounds, nobody waits.

use crate::output::Observation;
use crate::phrases;
use crate::playout::{Chunk, END_TOLERANCE_MS};
use crate::provider::{ProviderErrorKind, Stage};
use crate::timeline::PauseCause;

use super::Session;
use super::reply::Reply;

/// What becomes of a tool whose answer nobody waits for any more.
const TOO_LATE: &str = "the answer took too long";

/// How long an answer has kept the caller waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Patience {
    /// Used up so far, in milliseconds.
    spent_ms: u64,
    /// The caller waits from then on.
    waits_from_ms: Option<u64>,
    /// Until then the caller reads what was shown.
    reads_until_ms: u64,
}

impl Patience {
    /// Words were shown that it takes so long to read.
    pub(super) fn reads(&mut self, now_ms: u64, for_ms: u64) {
        self.reads_until_ms = self.reads_until_ms.max(now_ms) + for_ms;
    }

    /// Books the time up to now, and says from when on the caller waits, if nothing comes before.
    fn note(&mut self, now_ms: u64, waits_from_ms: Option<u64>) {
        if let Some(from_ms) = self.waits_from_ms {
            self.spent_ms += now_ms.saturating_sub(from_ms);
        }
        self.waits_from_ms = waits_from_ms.map(|from_ms| from_ms.max(now_ms).max(self.reads_until_ms));
    }

    /// When it is at its end, if nothing comes before.
    fn due_ms(&self, limit_ms: u64) -> Option<u64> {
        Some(self.waits_from_ms? + limit_ms.saturating_sub(self.spent_ms))
    }

    /// Whether the caller has waited for so long.
    pub(super) fn is_over(&self, now_ms: u64, limit_ms: u64) -> bool {
        let waits_ms = self.waits_from_ms.map_or(0, |from_ms| now_ms.saturating_sub(from_ms));
        self.spent_ms + waits_ms >= limit_ms
    }
}

impl Session {
    /// Notes whether the caller waits for the answer from now on.
    pub(super) fn note_patience(&mut self) {
        let (now_ms, voice) = (self.now_ms, self.has_voice());
        if let Some(reply) = &mut self.reply {
            let waits = reply.confirmed && reply.is_being_made() && !is_something_there(reply, voice);
            reply.patience.note(now_ms, waits.then(|| sounds_until_ms(reply, voice)));
        }
    }

    /// When the caller has waited long enough for the answer.
    pub(super) fn answer_due_ms(&self) -> Option<u64> {
        self.reply.as_ref()?.patience.due_ms(self.config.answer_deadline_ms)
    }

    /// The caller has waited long enough: what is there is said, and that no more will come.
    pub(super) fn give_up_answer(&mut self) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let cause = waited_for(reply);
        let request = reply.request.take();
        reply.waiting_calls.clear();
        reply.end_call = None;
        if let Some(timeline) = &mut reply.timeline {
            timeline.advance(now_ms, cause);
        }
        self.missed(match cause {
            PauseCause::Tool => "answer_tool",
            PauseCause::Tts => "answer_tts",
            _ => "answer_llm",
        });
        if let Some(request) = request {
            self.cancel_request(&request);
            if cause == PauseCause::Llm {
                let kind = if request.started { ProviderErrorKind::Stalled } else { ProviderErrorKind::Timeout };
                self.provider_failed(Stage::Llm, request.rung, kind.into());
            }
        }
        self.give_up_running_tool();
        self.say_too_slow();
    }

    fn give_up_running_tool(&mut self) {
        let Some(running) = self.reply.as_ref().and_then(|reply| reply.running.as_ref()) else { return };
        let (name, duration_ms) = (running.call.name.clone(), self.now_ms - running.since_ms);
        self.observe(Observation::ToolFinished { name, duration_ms, failed: true });
        self.withdraw_running_tool(TOO_LATE);
    }

    /// Says that the answer ends here, and whether anything was done.
    pub(super) fn say_too_slow(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        // Half a sentence must not run into this one.
        reply.chunker.clear();
        let done = reply.kept || !reply.staged.is_empty();
        self.say(if done { phrases::TOO_SLOW_AFTER_CHANGE } else { phrases::TOO_SLOW });
        self.finish_text();
    }
}

/// Whether the caller would have something to listen to, were it not for a pause.
fn is_something_there(reply: &Reply, voice: bool) -> bool {
    let limit = reply.permit_limit();
    let ready = |audio_ms: u64| audio_ms > 0 || !voice;
    let waiting = |chunk: &Chunk| !chunk.permitted && chunk.index < limit && ready(chunk.audio_ms);
    let paused = voice && reply.hold.is_some() && left_ms(reply) > END_TOLERANCE_MS;
    paused || reply.speech.chunks.iter().any(waiting)
}

/// When all that may be heard is played: by the clock, since the last that the playout said. To wait until it says that it
/// has come to the end would be to wait for ever on a page that says nothing.
fn sounds_until_ms(reply: &Reply, voice: bool) -> u64 {
    let left_ms = left_ms(reply);
    if voice && left_ms > END_TOLERANCE_MS { reply.playout_progress_ms + left_ms } else { 0 }
}

/// Milliseconds that may be heard and were not.
pub(super) fn left_ms(reply: &Reply) -> u64 {
    reply.speech.permitted_ms().saturating_sub(reply.speech.played_ms)
}

/// What an answer that is being made, and cannot be heard, waits for.
fn waited_for(reply: &Reply) -> PauseCause {
    let awaited = |chunk: &Chunk| chunk.asked && !chunk.done && !chunk.shown;
    if reply.running.is_some() {
        PauseCause::Tool
    } else if reply.speech.chunks.iter().any(|chunk| awaited(chunk) && chunk.index < reply.early_limit()) {
        PauseCause::Tts
    } else {
        PauseCause::Llm
    }
}
