//! Carrying out what the core wishes for, and taking what comes of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use voice_core::agents;
use voice_core::chat::{ChatContext, ToolCall};
use voice_core::cost::Quantity;
use voice_core::ids::{CommitId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, TurnId, UtteranceId};
use voice_core::input::{CommitError, WordTiming};
use voice_core::output::{EndReason, Outcome};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};
use voice_core::snapshot::Snapshot;
use voice_core::{Input, Output};

use super::api::Outbound;
use super::book::asked_chars;
use super::mouth::{LetOut, Stopped};
use super::recall::recall_answer;
use super::recommit;
use super::{Asked, Done, Driver, ScoreParts};
use crate::llm::{LlmEvent, LlmRequest};
use crate::store::{Commit, CommitOutcome, StoreError, UserTasks};
use crate::tasks::{TaskId, clean_arguments, clean_text};
use crate::tools;
use crate::tts::{SpeechKey, Tts, TtsEvent, TtsRequest};
use crate::turn::text;
use crate::voice_cache::{Speaking, VoiceKey};

impl Driver {
    pub(super) fn carry_out(&mut self, now_ms: u64, output: Output) {
        let mut out = Vec::new();
        match output {
            Output::StartUtterance { utterance, from_ms, rung } => self.start_utterance(utterance, from_ms, rung),
            Output::ContinueUtterance { utterance } => self.continue_utterance(utterance),
            Output::FinishUtterance { utterance, revision, until_ms, rung } => {
                self.finish_utterance(utterance, revision, until_ms, rung);
            }
            Output::Transcribe { utterance, revision, until_ms, rung } => {
                self.transcribe(utterance, revision, until_ms, rung);
            }
            Output::DropUtterance { utterance } => self.drop_utterance(utterance),
            Output::RequestLlm { request, reply, rung, agent, chat, brief } => {
                self.staging.set_asked(tools::Asked::in_chat(&chat));
                self.ask_model((request, reply, rung), agent, chat, brief);
            }
            Output::CancelLlm { request } => {
                if let Some(asked) = self.models.remove(&request) {
                    asked.abort.abort();
                    self.book_unfinished(&asked, true);
                }
            }
            Output::EndLlm { request } => {
                if let Some(asked) = self.models.remove(&request) {
                    asked.abort.abort();
                    self.book_unfinished(&asked, false);
                }
            }
            Output::RunTool { call } => self.run_tool(call),
            Output::DropTools { calls } => self.staging.forget(&calls),
            Output::Synthesize { speech, reply, chunk, rung, text } => {
                self.mouth.add_text(speech, reply, chunk, rung, text);
            }
            Output::StopSynthesis { speech, chunk, rung } => self.mouth.stop_voice(speech, chunk, rung),
            Output::Play { speech, through_chunk, last, .. } => self.mouth.play(now_ms, speech, through_chunk, last),
            Output::EndChunk { speech, chunk } => self.mouth.cut_chunk(speech, chunk),
            Output::DropChunks { speech, from_chunk } => self.mouth.drop_chunks(speech, from_chunk),
            Output::PausePlayout { speech } => self.mouth.pause(speech, &mut out),
            Output::ResumePlayout { speech, from_ms } => self.mouth.resume(now_ms, speech, from_ms, &mut out),
            Output::DropSpeech { speech } => {
                self.mouth.drop_speech(speech, &mut out);
                self.end_speech(speech);
            }
            Output::FinishSpeech { speech } => {
                self.mouth.finish_speech(speech);
                self.end_speech(speech);
            }
            Output::Commit { commit, turn, tools, snapshot } => self.commit(commit, turn, tools, &snapshot),
            Output::Consent { decision, how } => self.write_consent(decision, how),
            Output::Client { event } => self.tell_client(event),
            Output::Observe { observation } => self.observe(now_ms, &observation),
            Output::HandOver { say } => {
                self.left = Some(say);
                self.end = Some((Outcome::Dropped, EndReason::HandedOver));
            }
            Output::End { outcome, reason } => self.end = Some((outcome, reason)),
        }
        self.send_all(out);
        for Stopped { reply, rung, audio_ms, wasted } in self.mouth.take_stopped() {
            self.book_speaking(reply, rung, audio_ms, wasted);
        }
    }

    /// Runs a request beside the loop; its answer comes back through the queue.
    pub(super) fn spawn(&self, work: impl Future<Output = Done> + Send + 'static) -> AbortHandle {
        let sender = self.done_sender.clone();
        self.deps
            .tracker
            .spawn(async move {
                // The session may have ended: then nobody waits.
                let _gone = sender.send(work.await).await;
            })
            .abort_handle()
    }

    fn ask_model(
        &mut self,
        (request, reply, rung): (LlmRequestId, ReplyId, RungId),
        agent: &'static str,
        chat: ChatContext,
        brief: bool,
    ) {
        let Some(llm) = self.deps.providers.llm.get(usize::from(rung.0)).cloned() else {
            let failure = ProviderErrorKind::Unavailable.into();
            self.pending.push_back(Input::LlmFailed { request, failure });
            return;
        };
        let seen = self.screen.seen_in(&chat);
        let request_body = LlmRequest {
            agent: agent.to_owned(),
            instructions: agents::find(agent).instructions.to_owned(),
            chat,
            tools: tools::specs_for(agent).into_iter().chain(self.screen.tool()).collect(),
            now: self.local_now(),
            titles: self.staging.titles().to_vec(),
            brief,
            seen,
        };
        self.note_request(request, reply);
        let asked = asked_chars(llm.as_ref(), &request_body);
        let recall = self.may_recall(rung, &request_body);
        let sender = self.done_sender.clone();
        let abort = match recall {
            None => self.deps.tracker.spawn(follow_model(request, llm.stream(request_body), sender)),
            Some(key) => {
                let (deps, user) = (Arc::clone(&self.deps), self.doc.user_id.clone());
                self.deps.tracker.spawn(async move {
                    if !recall_answer(&deps, user, request, key, &sender).await {
                        follow_model(request, llm.stream(request_body), sender).await;
                    }
                })
            }
        };
        let abort = abort.abort_handle();
        self.models
            .insert(request, Asked { abort, reply, rung, chars: (asked, 0), ahead: 0, begun: false, booked: false });
    }

    /// The speech under a name that is unique in the process.
    const fn speech_key(&self, speech: SpeechId) -> SpeechKey {
        SpeechKey((self.number << 32) | (speech.0 & 0xffff_ffff))
    }

    fn local_now(&self) -> jiff::ZonedDateTime {
        self.deps.clock.now().to_zoned_datetime(self.time_zone.clone())
    }

    /// A tool reads the tasks as they are in the store now, or as this turn's tools before it leave them.
    fn run_tool(&mut self, call: ToolCall) {
        if call.name == tools::LOOK_AT_SCREEN {
            self.look(call);
            return;
        }
        if self.staging.is_staged() {
            self.compute_tool(&call);
            return;
        }
        let (store, user) = (Arc::clone(&self.deps.store), self.doc.user_id.clone());
        // Its deadline is the core's; it is never aborted, because reading changes nothing.
        let _abort = self.spawn(async move { Done::Tasks { call, tasks: store.tasks(user).await } });
    }

    fn compute_tool(&mut self, call: &ToolCall) {
        match TaskId::random() {
            Ok(new_id) => {
                let (output, mutates) = self.staging.run(call, self.local_now(), new_id);
                self.pending.push_back(Input::ToolComputed { output, mutates });
            }
            Err(error) => {
                let reason = format!("no id for a task: {error}");
                self.pending.push_back(failed_tool(call, &reason));
            }
        }
    }

    fn commit(&mut self, commit: CommitId, turn: TurnId, calls: Vec<ToolCallId>, snapshot: &Snapshot) {
        self.answers.saving(commit, !calls.is_empty());
        self.lay_out(snapshot);
        let tools = self.staging.commits(&calls);
        let store = Arc::clone(&self.deps.store);
        let what = Commit { doc: self.doc.clone(), fence: self.fence, turn, tools };
        // One that is still being made is of no use any more: this one holds all of it that was not given up.
        if let Some(before) = self.committing.take().filter(|before| !before.is_finished()) {
            before.abort();
            // Nor is its outcome heard of: the store may have it, or take it from its queue yet.
            self.staging.mark_stale();
        }
        let (sender, began) = (self.done_sender.clone(), Instant::now());
        // Not aborted at the session's end: what it saves is wanted all the same.
        let task = self.deps.tracker.spawn(async move {
            let outcome = recommit::until_kept(store.as_ref(), what, commit, &sender).await;
            // The session may have ended: then nobody waits.
            let _gone = sender.send(Done::Commit { commit, calls, outcome, took: began.elapsed() }).await;
        });
        self.committing = Some(task.abort_handle());
    }

    /// Gives voices their next text.
    pub(super) fn speak_next(&mut self) {
        while let Some((speech, chunk, rung, text)) = self.mouth.next_text() {
            let Some(tts) = self.deps.providers.tts.get(usize::from(rung.0)).cloned() else {
                let failure = ProviderErrorKind::Unavailable.into();
                self.pending.push_back(Input::TtsFailed { speech, chunk, rung, failure });
                return;
            };
            let request = TtsRequest { text, speech: self.speech_key(speech), format: self.mouth.format() };
            let stream = self.speak(speech, chunk, tts.as_ref(), request);
            let sender = self.done_sender.clone();
            let abort = self.deps.tracker.spawn(follow_voice(speech, chunk, rung, stream, sender)).abort_handle();
            self.mouth.begin_synthesis(chunk, rung, tts.is_timed(), abort);
        }
    }

    /// From memory, if it was spoken before.
    fn speak(&mut self, speech: SpeechId, chunk: u32, tts: &dyn Tts, request: TtsRequest) -> Speaking {
        let Some(key) = VoiceKey::of(tts, &request) else { return tts.synthesize(request) };
        let now = self.deps.clock.now();
        let kept = self.deps.voice_cache.get(&key, now);
        self.deps.events.voice_recalled(kept.is_some());
        match kept {
            Some(speaking) => {
                self.mouth.set_free(speech, chunk);
                speaking
            }
            None => self.deps.voice_cache.keep(key, now, tts.synthesize(request)),
        }
    }

    /// No more chunks of this speech will be asked for.
    fn end_speech(&self, speech: SpeechId) {
        for tts in &self.deps.providers.tts {
            tts.end_speech(self.speech_key(speech));
        }
    }

    pub(super) fn take_done(&mut self, done: Done) {
        match done {
            Done::Core(input) => {
                self.follow_request(&input);
                self.note_answer(&input);
                self.pending.push_back(input);
            }
            Done::Line { rung, event } => self.take_line(rung, event),
            Done::Interim { utterance, rung, audio_ms, text, took_ms } => {
                self.book_hearing(utterance, rung, audio_ms, false);
                self.ears.end_interim(utterance, took_ms);
                // An interim transcript that failed is only not shown; the final one reports its failures.
                if let Ok(text) = text {
                    self.pending.push_back(Input::InterimTranscript { utterance, text });
                }
            }
            Done::Final { utterance, revision, rung, audio_ms, text } => {
                self.note_hearing(utterance, rung, audio_ms);
                match text {
                    Ok(text) => self.give_final(utterance, revision, rung, text),
                    Err(failure) => self.pending.push_back(Input::SttFailed { utterance, revision, rung, failure }),
                }
            }
            Done::Score { utterance, revision, acoustic } => {
                if self.score.utterance == utterance && self.score.revision == revision {
                    self.score.acoustic = acoustic.ok();
                    self.give_score();
                }
            }
            Done::Recall { request, key, found } => self.take_recall(request, key, found),
            Done::Looked { look, picture } => self.take_picture(look, picture),
            Done::LlmBegun { request } => self.note_begun(request),
            Done::LlmUsed { request, quantity, wasted } => self.book_request(request, quantity, wasted),
            Done::Audio { speech, chunk, rung, audio } => {
                let out = self.mouth.add_audio(speech, chunk, rung, &audio);
                self.tell_audio(speech, chunk, rung, out);
            }
            Done::Words { speech, chunk, rung, words } => {
                let out = self.mouth.add_words(speech, chunk, rung, words);
                self.tell_audio(speech, chunk, rung, out);
            }
            Done::Spoken { speech, chunk, rung, words } => self.end_chunk(speech, chunk, rung, words),
            Done::VoiceFailed { speech, chunk, rung, failure } => {
                let reply = self.mouth.reply_of(speech);
                if let Some(audio_ms) = self.mouth.fail_audio(speech, chunk, rung) {
                    if let Some(reply) = reply {
                        self.book_speaking(reply, rung, audio_ms, false);
                    }
                    self.pending.push_back(Input::TtsFailed { speech, chunk, rung, failure });
                }
            }
            Done::Base { tasks: Ok(tasks) } => self.take_base(tasks),
            Done::Base { tasks: Err(error) } => self.deps.events.store_failed("tasks", &error),
            Done::Tasks { call, tasks } => self.take_tasks(&call, tasks),
            Done::Doubt { commit } => {
                // Nobody is kept waiting for what may take long.
                self.acknowledge(commit);
                self.pending.push_back(Input::CommitFailed { commit, error: CommitError::Unknown });
            }
            Done::Postponed { commit } => {
                self.acknowledge(commit);
                self.pending.push_back(Input::CommitFailed { commit, error: CommitError::Postponed });
            }
            Done::Commit { commit, calls, outcome, took } => self.take_commit(commit, &calls, outcome, took),
        }
    }

    /// A voice's audio is let out.
    fn tell_audio(&mut self, speech: SpeechId, chunk: u32, rung: RungId, out: Option<LetOut>) {
        if let Some(LetOut { audio_ms, words }) = out.filter(|out| out.audio_ms > 0) {
            self.pending.push_back(Input::TtsAudio { speech, chunk, rung, audio_ms, words });
        }
    }

    /// A final transcript is there: the score may be waiting for its words. One with more words than an earlier one of the same revision is a second
    /// opinion on it: what sounded unfinished may not be.
    pub(super) fn give_final(&mut self, utterance: UtteranceId, revision: u32, rung: RungId, text: String) {
        let count = |text: &str| text.split_whitespace().count();
        let says_more = self.score.text.as_deref().is_none_or(|known| count(&text) > count(known));
        if self.score.utterance == utterance && self.score.revision == revision && says_more {
            self.score.text = Some(text.clone());
            self.give_score();
        }
        self.final_is_known(utterance, revision);
        self.pending.push_back(Input::FinalTranscript { utterance, revision, rung, text });
    }

    /// The score needs both the sound and the words.
    fn give_score(&mut self) {
        let ScoreParts { utterance, revision, acoustic: Some(acoustic), text: Some(text) } = &self.score else {
            return;
        };
        let probability = text::combine(*acoustic, text).clamp(0.0, 1.0);
        // At most 1000: the cast is exact enough for a score.
        let permille = (probability * 1_000.0).round() as u16;
        self.pending.push_back(Input::EndOfTurnScore { utterance: *utterance, revision: *revision, permille });
    }

    fn end_chunk(&mut self, speech: SpeechId, chunk: u32, rung: RungId, words: Vec<WordTiming>) {
        let reply = self.mouth.reply_of(speech);
        let Some(audio_ms) = self.mouth.end_audio(speech, chunk, rung) else { return };
        if let Some(reply) = reply.filter(|_| !self.mouth.is_free(speech, chunk)) {
            self.book_speaking(reply, rung, audio_ms, false);
        }
        self.pending.push_back(Input::TtsDone { speech, chunk, rung, audio_ms, words });
    }

    fn take_tasks(&mut self, call: &ToolCall, tasks: Result<UserTasks, StoreError>) {
        match tasks {
            Ok(tasks) => {
                if !self.staging.is_staged() {
                    // What is older than the base is of no use: the tool works on the base then.
                    let _is_new = self.staging.set_base(tasks);
                }
                self.compute_tool(call);
            }
            Err(error) => {
                self.deps.events.store_failed("tasks", &error);
                if self.staging.is_known() {
                    // What is known is better than nothing; a change is refused as a conflict if it is not the truth any more.
                    self.compute_tool(call);
                } else {
                    self.pending.push_back(failed_tool(call, "the task list cannot be reached just now"));
                }
            }
        }
    }

    fn take_commit(
        &mut self,
        commit: CommitId,
        calls: &[ToolCallId],
        outcome: Result<CommitOutcome, StoreError>,
        took: std::time::Duration,
    ) {
        self.acknowledge(commit);
        let input = match outcome {
            Ok(CommitOutcome::Committed { tasks_rev }) => {
                self.deps.events.store_committed(took);
                self.take_committed(calls, tasks_rev);
                Input::Committed { commit }
            }
            // The same call was committed before: its effect is there, once.
            Ok(CommitOutcome::AlreadyApplied { .. }) => {
                self.take_committed(calls, None);
                Input::Committed { commit }
            }
            Ok(CommitOutcome::Conflict) => Input::CommitFailed { commit, error: CommitError::Conflict },
            Ok(CommitOutcome::Fenced) => Input::CommitFailed { commit, error: CommitError::Fenced },
            Err(error) => {
                // Counted with the core's own observation.
                tracing::error!(session = self.labels.session_id, operation = "commit", %error, "the store failed");
                let error = match error {
                    StoreError::Fenced(_) | StoreError::Ended(_) => CommitError::Fenced,
                    // One that ran out is put back by whoever keeps the sessions, as after an outage.
                    _ => CommitError::Unavailable,
                };
                Input::CommitFailed { commit, error }
            }
        };
        self.pending.push_back(input);
        if self.staging.take_stale() {
            self.load_tasks();
        }
    }

    fn take_base(&mut self, tasks: UserTasks) {
        if self.staging.is_staged() {
            // Read again when nothing stands on what was known before.
            self.staging.mark_stale();
        } else if self.staging.set_base(tasks) {
            self.send(Outbound::Tasks(self.staging.tasks()));
        }
    }

    fn take_committed(&mut self, calls: &[ToolCallId], tasks_rev: Option<u64>) {
        if self.staging.holds(calls) {
            self.staging.committed(calls, tasks_rev);
        } else if !calls.is_empty() {
            // The session had given the change up for unknown: what the store has is read anew.
            self.load_tasks();
        }
    }
}

fn failed_tool(call: &ToolCall, reason: &str) -> Input {
    let result = serde_json::json!({"status": "failed", "reason": reason});
    let output = voice_core::chat::ToolOutput { id: call.id, name: call.name.clone(), result, is_error: true };
    Input::ToolComputed { output, mutates: false }
}

type LlmStream = futures_util::stream::BoxStream<'static, Result<LlmEvent, ProviderFailure>>;

/// A stream that ends without its last event has broken off.
async fn follow_model(request: LlmRequestId, mut stream: LlmStream, sender: mpsc::Sender<Done>) {
    loop {
        let (done, last) = match stream.next().await {
            Some(Ok(LlmEvent::Begun)) => (Done::LlmBegun { request }, false),
            Some(Ok(LlmEvent::Used(quantity))) => (Done::LlmUsed { request, quantity, wasted: true }, false),
            Some(Ok(LlmEvent::Text(text))) => (Done::Core(Input::LlmText { request, text }), false),
            Some(Ok(LlmEvent::Calling)) => (Done::Core(Input::LlmCalling { request }), false),
            Some(Ok(LlmEvent::WordsAhead(words))) => {
                (Done::Core(Input::LlmWordsAhead { request, words: clean_text(words) }), false)
            }
            Some(Ok(LlmEvent::ToolCall { name, mut arguments })) => {
                clean_arguments(&mut arguments);
                (Done::Core(Input::LlmToolCall { request, name, arguments }), false)
            }
            Some(Ok(LlmEvent::Done { input_tokens, cached_tokens, output_tokens })) => {
                let quantity = Quantity::Tokens { input: input_tokens, cached: cached_tokens, output: output_tokens };
                let used = Done::LlmUsed { request, quantity, wasted: false };
                if sender.send(used).await.is_err() {
                    return;
                }
                (Done::Core(Input::LlmDone { request }), true)
            }
            Some(Err(failure)) => (Done::Core(Input::LlmFailed { request, failure }), true),
            None => (Done::Core(Input::LlmFailed { request, failure: ProviderErrorKind::Disconnected.into() }), true),
        };
        if sender.send(done).await.is_err() || last {
            return;
        }
    }
}

async fn follow_voice(speech: SpeechId, chunk: u32, rung: RungId, mut stream: Speaking, sender: mpsc::Sender<Done>) {
    loop {
        let (done, last) = match stream.next().await {
            Some(Ok(TtsEvent::Audio(audio))) => (Done::Audio { speech, chunk, rung, audio }, false),
            Some(Ok(TtsEvent::Words(words))) => (Done::Words { speech, chunk, rung, words }, false),
            Some(Ok(TtsEvent::Done { words })) => (Done::Spoken { speech, chunk, rung, words }, true),
            Some(Err(failure)) => (Done::VoiceFailed { speech, chunk, rung, failure }, true),
            None => {
                let failure = ProviderErrorKind::Disconnected.into();
                (Done::VoiceFailed { speech, chunk, rung, failure }, true)
            }
        };
        if sender.send(done).await.is_err() || last {
            return;
        }
    }
}
