//! Answers that were given before: looked for before a model is asked, and noted when one has answered.

use tokio::sync::mpsc;
use voice_core::Input;
use voice_core::failover::EMBEDDED;
use voice_core::ids::{LlmRequestId, ReplyId, RungId};
use voice_core::output::{Observation, Output};
use voice_core::provider::Stage;

use super::{Deps, Done, Driver};
use crate::answer_cache::{AnswerKey, Pieces};
use crate::llm::LlmRequest;
use crate::store::UserId;

/// The one tool that an answer which is kept may have used: it reads, and changes nothing.
const READS: &str = "list_tasks";

/// An answer in the making that may be kept.
#[derive(Debug)]
pub(super) struct Noting {
    key: AnswerKey,
    reply: ReplyId,
    request: Option<LlmRequestId>,
    answer: Pieces,
    called: bool,
    /// What it says is of these tasks, and not of titles that may be older.
    is_fresh: bool,
}

/// Looks for an answer that was given before, to the tasks as the store has them now. Says whether there is one; whoever is
/// asked tells the session either way, unless the store fails.
pub(super) async fn recall_answer(
    deps: &Deps,
    user: UserId,
    request: LlmRequestId,
    key: AnswerKey,
    sender: &mpsc::Sender<Done>,
) -> bool {
    let Ok(tasks) = deps.store.tasks(user).await else { return false };
    let key = key.at(tasks.list.rev);
    let found = deps.answer_cache.get(&key, deps.clock.now());
    let is_found = found.is_some();
    sender.send(Done::Recall { request, key, found }).await.is_err() || is_found
}

impl Driver {
    /// Whether an answer to this may have been kept, and under which key, but for the tasks' revision.
    pub(super) fn may_recall(&self, rung: RungId, request: &LlmRequest) -> Option<AnswerKey> {
        let rung = self.labels.chains.of(Stage::Llm).get(usize::from(rung.0))?;
        // A change that is on its way to the store has no revision yet. What is built in costs nothing.
        // What is on the screen now is no part of the key.
        if self.screen.tool().is_some()
            || !self.deps.answer_cache.is_on()
            || self.staging.is_staged()
            || rung.provider == EMBEDDED
        {
            return None;
        }
        AnswerKey::of(&self.doc.user_id, (&rung.provider, &rung.model), request)
    }

    /// What was found for a request that is still wanted: the answer, or nothing, and a model answers.
    pub(super) fn take_recall(&mut self, request: LlmRequestId, key: AnswerKey, found: Option<Pieces>) {
        let Some(asked) = self.models.get_mut(&request) else { return };
        self.deps.events.answer_recalled(&self.labels.session_id, found.is_some());
        let Some(pieces) = found else {
            let is_fresh = self.staging.rev() == key.tasks_rev;
            let (reply, request, answer) = (asked.reply, Some(request), Pieces::new());
            self.noting = Some(Noting { key, reply, request, answer, called: false, is_fresh });
            return;
        };
        // No model was asked, so nothing was used, and nothing is learned of how quick one is.
        asked.booked = true;
        self.recalled = Some(request);
        for text in pieces {
            self.take_done(Done::Core(Input::LlmText { request, text }));
        }
        self.take_done(Done::Core(Input::LlmDone { request }));
    }

    /// A model is asked: for the answer that is noted, once more after its tool, or for another.
    pub(super) fn note_request(&mut self, request: LlmRequestId, reply: ReplyId) {
        match self.noting.as_mut().filter(|noting| noting.reply == reply && noting.request.is_none()) {
            Some(noting) => (noting.request, noting.called) = (Some(request), false),
            // Another answer, or another model beside the first.
            None => self.noting = None,
        }
    }

    /// Notes what a model says; keeps it when it is all there and nothing was changed.
    pub(super) fn note_answer(&mut self, input: &Input) {
        let Some(noting) = &mut self.noting else { return };
        let of_it = |request: &LlmRequestId| noting.request == Some(*request);
        let is_lost = match input {
            Input::LlmText { request, text } if of_it(request) => {
                noting.answer.push(text.clone());
                noting.called
            }
            Input::LlmToolCall { request, name, .. } if of_it(request) => {
                (noting.called, noting.is_fresh) = (true, true);
                name != READS || !noting.answer.is_empty()
            }
            Input::LlmDone { request } if of_it(request) && noting.called => {
                noting.request = None;
                false
            }
            Input::LlmDone { request } if of_it(request) => {
                if noting.is_fresh {
                    let (key, answer) = (noting.key.clone(), std::mem::take(&mut noting.answer));
                    self.deps.answer_cache.put(key, answer, self.deps.clock.now());
                }
                true
            }
            Input::LlmFailed { request, .. } => of_it(request),
            _ => false,
        };
        if is_lost {
            self.noting = None;
        }
    }

    /// The stage at which nobody was asked for this: it was made before, and how fast it comes says nothing of a provider.
    pub(super) fn unasked(&self, input: &Input) -> Option<Stage> {
        match input {
            Input::LlmText { request, .. } | Input::LlmDone { request } => {
                (self.recalled == Some(*request)).then_some(Stage::Llm)
            }
            Input::TtsAudio { speech, chunk, .. } => self.mouth.is_free(*speech, *chunk).then_some(Stage::Tts),
            _ => None,
        }
    }
}

/// What is observed of a provider, where none was asked.
pub(super) fn tells_of_a_provider(output: &Output, stage: Stage) -> bool {
    let Output::Observe { observation } = output else { return false };
    match observation {
        Observation::LlmStarted { .. } => stage == Stage::Llm,
        Observation::TtsStarted { .. } => stage == Stage::Tts,
        Observation::Attempt { stage: of, .. } => *of == stage,
        _ => false,
    }
}
