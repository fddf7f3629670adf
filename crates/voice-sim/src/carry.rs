//! Wishes are carried out: to the models of the providers, the playout, the store and the page.

use voice_core::chat::{ChatContext, ChatItem};
use voice_core::ids::{CommitId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId};
use voice_core::output::EndReason;
use voice_core::provider::Stage;
use voice_core::snapshot::Snapshot;
use voice_core::{Output, Session};

use crate::check::Id;
use crate::seen::Seen;
use crate::world::{Checked, World, violated};

impl World {
    /// What the session wishes, as it is carried out.
    pub(crate) fn carry_out(&mut self, output: Output) -> Checked {
        if self.check.ended {
            return violated("nothing after End", format!("{output:?}"));
        }
        self.check.patience.wished(&output);
        match output {
            Output::StartUtterance { utterance, from_ms, rung } => {
                self.check_hearing(utterance)?;
                if !self.ears.hears(utterance) {
                    self.new_id(Id::Utterance, utterance.0)?;
                }
                self.rungs.ask(Stage::Stt);
                self.start_utterance(utterance, from_ms, rung);
            }
            Output::ContinueUtterance { .. } => {}
            Output::FinishUtterance { utterance, revision, until_ms, rung } => {
                self.check.page.until_ms = until_ms;
                self.score(utterance, revision);
                self.transcribe(utterance, revision, until_ms, rung);
            }
            Output::Transcribe { utterance, revision, until_ms, rung } => {
                self.transcribe(utterance, revision, until_ms, rung);
            }
            Output::DropUtterance { utterance } => {
                self.check.stop_said = false;
                self.check_transcript(utterance)?;
                self.drop_utterance(utterance);
            }
            Output::RequestLlm { request, reply, agent, chat, brief, .. } => {
                self.rungs.ask(Stage::Llm);
                self.check_thrift(reply, brief)?;
                self.carry_request(request, reply, agent, &chat)?;
            }
            Output::CancelLlm { request } | Output::EndLlm { request } => self.cancel_llm(request),
            Output::RunTool { call } => {
                self.new_id(Id::Call, call.id.0)?;
                self.run_tool(call);
            }
            Output::DropTools { calls } => {
                self.store.drop_tools(&calls);
                self.check.gates.retain(|(call, ..)| !calls.contains(call));
            }
            Output::Synthesize { speech, reply, chunk, rung, text } => {
                self.rungs.ask(Stage::Tts);
                self.carry_chunk(speech, reply, chunk, rung, &text)?;
            }
            Output::StopSynthesis { speech, chunk, rung } => self.stop_synthesis(speech, chunk, rung),
            Output::Play { speech, through_chunk, .. } => self.play(speech, through_chunk)?,
            Output::EndChunk { speech, chunk } => self.device.end_chunk(speech, chunk),
            Output::DropChunks { speech, from_chunk } => {
                if self.device.drop_chunks(speech, from_chunk) {
                    let text = format!("speech {speech} from chunk {from_chunk}");
                    self.strange("what was heard is not dropped", text)?;
                }
            }
            Output::PausePlayout { speech } => self.pause(speech),
            Output::ResumePlayout { speech, from_ms } => self.resume(speech, from_ms)?,
            Output::DropSpeech { speech } => self.drop_speech(speech),
            Output::FinishSpeech { speech } => self.finish_speech(speech)?,
            Output::Commit { commit, tools, snapshot, .. } => self.carry_commit(commit, &tools, snapshot)?,
            Output::Consent { decision, .. } => self.decided(decision),
            Output::Client { event } => self.client_sees(event)?,
            Output::Observe { observation } => self.observed(observation)?,
            Output::HandOver { say } => self.leave(say)?,
            Output::End { reason, .. } => self.end(reason)?,
        }
        Ok(())
    }

    /// The session goes on in another process.
    fn leave(&mut self, say: String) -> Checked {
        self.check.ended = true;
        self.check_hand_over(&say)?;
        self.store.handed_over = Some(say);
        Ok(())
    }

    fn end(&mut self, reason: EndReason) -> Checked {
        self.check.thrift.ended = Some(reason);
        self.check.ended = true;
        self.see_end(reason);
        self.check_open_turns(reason)
    }

    fn carry_request(&mut self, request: LlmRequestId, reply: ReplyId, agent: &str, chat: &ChatContext) -> Checked {
        self.new_id(Id::Request, request.0)?;
        if reply != self.check.reply {
            self.new_id(Id::Reply, reply.0)?;
            self.check.reply = reply;
            self.check.page.guessed = self.caller.vad_on.then_some(reply);
            if self.check.open_turns.is_empty() {
                self.saw(if self.caller.vad_on { Seen::Guessed } else { Seen::Speculation });
            }
        }
        self.check.last_request = request.0;
        self.check_request(&chat.items)?;
        if matches!(chat.items.last(), Some(ChatItem::Assistant { interrupted: true, .. })) {
            self.saw(Seen::WentOn);
        }
        self.check_asked(reply, chat.last_user_text().unwrap_or_default())?;
        self.request_llm(request, reply, agent, chat);
        Ok(())
    }

    fn carry_chunk(&mut self, speech: SpeechId, reply: ReplyId, chunk: u32, rung: RungId, text: &str) -> Checked {
        // A speech has many chunks: its id comes again, but never for another reply.
        if self.device.line(speech).is_none_or(|line| line.reply != reply) {
            self.new_id(Id::Speech, speech.0)?;
        }
        if text.contains("lost my thread") || text.contains("something went wrong") {
            self.saw(Seen::Apology);
        }
        if text.contains("taking too long") {
            self.saw(Seen::TooSlow);
        }
        if text.contains("not sure that was saved") {
            self.saw(Seen::NotSure);
        }
        if text.contains("save that as soon as") {
            self.saw(Seen::SavedLater);
        }
        if self.promises(text) && !self.check.gates.iter().any(|(_, of, _)| *of == reply) {
            self.saw(Seen::EarlyWords);
        }
        if text.contains("couldn't hear") || text.contains("didn't catch") {
            self.saw(Seen::NotHeard);
        }
        if self.check.gates.iter().any(|(_, of, last)| *of == reply && self.check.last_request > *last) {
            self.saw(Seen::GatedWords);
        }
        self.synthesize(speech, reply, chunk, rung, text);
        Ok(())
    }

    fn carry_commit(&mut self, commit: CommitId, tools: &[ToolCallId], snapshot: Box<Snapshot>) -> Checked {
        self.new_id(Id::Commit, commit.0)?;
        if self.check.in_flight.is_some() {
            return self.strange("one commit at a time", format!("commit {commit} while one is under way"));
        }
        if !tools.is_empty() {
            self.check_guess(self.check.reply)?;
        }
        self.check.in_flight = Some((commit, tools.to_vec()));
        self.commit(commit, tools, snapshot)
    }

    /// Not in chaos: there a leg may be known to the session alone, and a commit is said to have happened that never did.
    fn new_id(&mut self, kind: Id, id: u64) -> Checked {
        if self.profile.chaos { Ok(()) } else { self.check.new_id(kind, id) }
    }

    /// Whoever leaves leaves nothing behind: the store has it all, and nobody is cut short or kept waiting.
    pub(crate) fn check_hand_over(&mut self, say: &str) -> Checked {
        const CHECK: &str = "what is handed over is saved, and nobody waits";
        // In chaos a commit is said to have happened that never did.
        if self.profile.chaos {
            return Ok(());
        }
        let left = self.session.as_ref().map(Session::snapshot);
        if let Some(left) = left {
            let kept = Snapshot { connected_ms: left.connected_ms, ..self.store.saved.clone() };
            if kept != left {
                return violated(CHECK, format!("left {left:?}, the store has {kept:?}"));
            }
        }
        if !say.is_empty() {
            self.saw(Seen::MovedMidSpeech);
        }
        let waits =
            (self.check.texts_given - self.check.texts_taken.min(self.check.texts_given), &self.check.open_turns);
        if self.check.caller_speaks || waits.0 > 0 || !waits.1.is_empty() || self.store.is_busy() {
            let text =
                format!("speaks {}, waiting {waits:?}, saving {}", self.check.caller_speaks, self.store.is_busy());
            return self.strange(CHECK, text);
        }
        Ok(())
    }
}
