//! What is heard of the answer? Chunks, permits, the heard-ledger, interruptions.

use crate::chat::ChatItem;
use crate::ids::{ConnectionId, SpeechId, TurnId};
use crate::output::{ClientEvent, EndReason, HushEnd, Observation, Outcome, Output};
use crate::phrases;
use crate::playout::Chunk;
use crate::provider::Stage;
use crate::timeline::Stages;

use super::Session;
use super::reply::{Hold, HoldCause, Reply};

/// The key of a session's `context` that says that its call ended because nobody could speak.
pub const VOICE_FAILED: &str = "voice_failed";

impl Session {
    /// One more piece of the reply: its synthesis begins at once, heard it is only when it may be.
    pub(super) fn add_chunk(&mut self, text: String) {
        let voice = self.has_voice();
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        if reply.speech.chunks.iter().all(|chunk| chunk.done || !chunk.asked) {
            reply.tts_progress_ms = now_ms;
        }
        let index = reply.speech.add(text);
        if voice {
            self.synthesize(index);
        }
    }

    /// These pieces will never be heard.
    pub(super) fn drop_chunks(&mut self, from_chunk: u32) -> Vec<Chunk> {
        let Some(reply) = &mut self.reply else { return Vec::new() };
        reply.early.take_if(|early| early.first_chunk >= from_chunk);
        let dropped = reply.speech.drop_from(from_chunk);
        if !dropped.is_empty() {
            reply.last_said = false;
            let speech = reply.speech.id;
            self.push(Output::DropChunks { speech, from_chunk });
        }
        dropped
    }

    /// Lets be heard what may be heard, and ends the reply when all of it was.
    pub(super) fn advance_speech(&mut self) {
        self.note_tts_head();
        let reachable = self.link.is_some();
        let voice = self.has_voice();
        let hushed = self.hush_until_ms().is_some_and(|until_ms| self.now_ms < until_ms);
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) else { return };
        if reply.hold.is_some() && !hushed && reachable && self.listening.is_none() {
            self.release_reply();
        }
        let Some(reply) = &mut self.reply else { return };
        // A typed message over HTTP is answered without a leg.
        if reply.hold.is_none() && (reachable || reply.message.is_some()) {
            self.permit_chunks(voice);
        }
        self.say_answered();
        let Some(reply) = &self.reply else { return };
        if reply.hold.is_none() && reply.is_through() {
            self.finish_reply();
        }
    }

    /// Since when the first chunk without all its audio is the first.
    fn note_tts_head(&mut self) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let head = reply.speech.chunks.iter().find(|chunk| chunk.asked && !chunk.done && !chunk.shown);
        let head = head.map(|chunk| chunk.index);
        if head != reply.tts_head.map(|(index, _)| index) {
            reply.tts_head = head.map(|index| (index, now_ms));
        }
    }

    fn permit_chunks(&mut self, voice: bool) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let (id, speech_id, gate) = (reply.id, reply.speech.id, reply.permit_limit());
        let playable_ms = reply.speech.permitted_ms();
        let mut captions = Vec::new();
        let mut through_chunk = None;
        for chunk in reply.speech.chunks.iter_mut().filter(|chunk| chunk.index < gate) {
            if !chunk.permitted {
                chunk.permitted = true;
                if !std::mem::replace(&mut chunk.captioned, true) {
                    captions.push(chunk.text.clone());
                }
                if voice && chunk.asked {
                    through_chunk = Some(chunk.index);
                }
            }
            let spoken = voice && chunk.asked;
            if !spoken && !chunk.shown {
                chunk.shown = true;
                reply.patience.reads(now_ms, chunk.likely_ms());
            }
        }
        reply.note_playable(playable_ms, now_ms);
        let last = reply.is_answered() && reply.gate.is_none();
        let spoken =
            reply.speech.chunks.iter().rev().find(|chunk| chunk.asked && !chunk.shown).map(|chunk| chunk.index);
        if last && !reply.last_said {
            through_chunk = through_chunk.or(spoken);
        }
        reply.last_said |= last;
        for text in captions {
            self.client(ClientEvent::AgentText { reply_id: id, speech_id, text });
        }
        if let Some(through_chunk) = through_chunk {
            self.push(Output::Play { speech: speech_id, reply: id, through_chunk, last });
        }
    }

    /// A leg that comes in the middle of a reply knows nothing of it: it is told the caption so far, in one piece.
    pub(super) fn caption_again(&mut self) {
        let Some(reply) = &self.reply else { return };
        let text = reply.speech.captioned_text();
        if !text.is_empty() {
            let (reply_id, speech_id) = (reply.id, reply.speech.id);
            self.client(ClientEvent::AgentText { reply_id, speech_id, text });
        }
    }

    /// The reply is thrown away before any of it was heard: its caption goes.
    pub(super) fn take_back_captions(&mut self, reply: &Reply) {
        let unheard = reply.speech.captioned_text();
        if !unheard.is_empty() {
            self.client(ClientEvent::Heard { reply_id: reply.id, heard: String::new(), unheard });
        }
    }

    fn say_answered(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        if !reply.is_answered() || reply.answer_said {
            return;
        }
        reply.answer_said = true;
        let (turn, text) = (reply.turn, reply.speech.text());
        self.observe_answer(turn, text);
    }

    fn observe_answer(&mut self, turn: Option<TurnId>, text: String) {
        let (Some(reply), Some(turn)) = (&self.reply, turn) else { return };
        let (message, agent, cost) = (reply.message, reply.agent.name.to_owned(), reply.turn_cost());
        self.report_tools();
        self.observe(Observation::Answered { turn, message, reply: text, agent, cost });
    }

    /// The caller speaks or may begin to, or is away: silence at once, but nothing is lost yet.
    pub(super) fn hold_reply(&mut self, cause: HoldCause) {
        let now_ms = self.now_ms;
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.confirmed) else { return };
        let speech = reply.speech.id;
        if let Some(hold) = &mut reply.hold {
            let (before, since_ms) = (std::mem::replace(&mut hold.cause, cause), hold.since_ms);
            if before == HoldCause::Doubt {
                let end = if cause == HoldCause::Speech { HushEnd::Speech } else { HushEnd::CutShort };
                self.observe_hush(speech, since_ms, end);
            }
            return;
        }
        let paused = reply.speech.chunks.iter().any(|chunk| chunk.permitted && !chunk.shown);
        reply.hold = Some(Hold { since_ms: now_ms, paused, cause });
        if paused {
            self.push(Output::PausePlayout { speech });
        }
    }

    /// It was only a cough, or less: go on where it stopped.
    pub(super) fn release_reply(&mut self) {
        let now_ms = self.now_ms;
        if self.link.is_none() {
            return;
        }
        let Some(reply) = &mut self.reply else { return };
        let Some(hold) = reply.hold.take() else { return };
        // What was played since the last report is played again: the playout's time begins anew. Hushes come ever more
        // seldom, so that this ends.
        reply.playout_progress_ms = now_ms;
        if let Some(timeline) = &mut reply.timeline {
            timeline.interrupt();
        }
        let (speech, from_ms) = (reply.speech.id, reply.speech.played_ms);
        let audible = reply.first_audio_out_ms.is_some();
        // A hush in the last word: there is nothing to go on with.
        let over = hold.cause == HoldCause::Doubt && reply.is_through();
        // Its pieces may have been made again meanwhile: the speech goes on all the same.
        if hold.paused && !over {
            self.push(Output::ResumePlayout { speech, from_ms });
            self.put_off_hush();
        }
        match hold.cause {
            HoldCause::Doubt => self.observe_hush(speech, hold.since_ms, HushEnd::Nothing),
            HoldCause::Speech if audible => {
                self.observe(Observation::FalseInterruption { speech, held_ms: now_ms - hold.since_ms });
            }
            // A lost connection is nobody's cough.
            HoldCause::Speech | HoldCause::Away => {}
        }
    }

    /// The caller is back on another leg, in the same process: what was held goes on.
    pub(super) fn resume_after_reconnect(&mut self) {
        let voice = self.has_voice();
        self.caption_again();
        let Some(reply) = &mut self.reply else { return };
        if voice {
            let missing: Vec<u32> = reply
                .speech
                .chunks
                .iter()
                .filter(|chunk| !chunk.asked && !chunk.shown)
                .map(|chunk| chunk.index)
                .collect();
            if !missing.is_empty() {
                reply.tts_progress_ms = self.now_ms;
            }
            for index in missing {
                self.synthesize(index);
            }
        } else {
            self.read_on();
        }
        self.release_reply();
    }

    /// The rest of the reply is read. It becomes another speech: should the voice come back, that begins at its start.
    fn read_on(&mut self) {
        self.counters.speech += 1;
        let next = SpeechId(self.counters.speech);
        let Some(reply) = &mut self.reply else { return };
        let dropped = std::mem::replace(&mut reply.speech.id, next);
        reply.speech.forget_audio();
        reply.last_said = false;
        reply.tts_head = None;
        if let Some(hold) = &mut reply.hold {
            hold.paused = false;
        }
        // What is read needs no silence.
        self.end_hush();
        self.push(Output::DropSpeech { speech: dropped });
    }

    /// Voice failed: the caller reads, and types. Whoever can do neither is not kept on a silent line: the call ends, and the
    /// shell tells them in another way.
    pub(super) fn fall_back_to_text(&mut self, stage: Stage) {
        if self.config.can_type {
            self.go_on_in_text();
        } else {
            self.voice_broken = true;
            self.extra.insert(VOICE_FAILED.to_owned(), true.into());
            self.close(Outcome::Error, EndReason::VoiceFailed);
        }
        self.observe(Observation::FellBackToText { stage });
    }

    /// The caller reads and types from here on, for whichever reason.
    pub(super) fn go_on_in_text(&mut self) {
        self.voice_broken = true;
        self.read_on();
        self.client(ClientEvent::FallbackToText { message: phrases::TEXT_FALLBACK.to_owned() });
    }

    pub(super) fn handle_first_audio_out(&mut self, speech: SpeechId) {
        let now_ms = self.now_ms;
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.speech.id == speech && reply.confirmed) else {
            return;
        };
        if reply.first_audio_out_ms.is_some() {
            return;
        }
        reply.first_audio_out_ms = Some(now_ms);
        reply.playout_progress_ms = now_ms;
        reply.position_ms = Some(now_ms);
        let closed = reply.timeline.as_mut().and_then(|timeline| timeline.close(now_ms));
        reply.latency = closed;
        if let (Some((latency_ms, stages, cause)), Some(turn)) = (closed, reply.turn) {
            self.observe(Observation::Latency { turn, latency_ms, stages, cause });
        }
    }

    pub(super) fn handle_playout_position(&mut self, speech: SpeechId, played_ms: u64, reported: bool) {
        let now_ms = self.now_ms;
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.speech.id == speech) else { return };
        if reply.first_audio_out_ms.is_none() {
            return;
        }
        reply.position_ms = Some(now_ms);
        if reply.speech.played(played_ms) {
            reply.playout_progress_ms = now_ms;
        }
        if reported {
            self.note_first_heard(played_ms);
        }
    }

    /// The far end says that it has played so much of the reply: since when, is where the pause ends that the caller feels.
    fn note_first_heard(&mut self, played_ms: u64) {
        let (now_ms, round_trip_ms) = (self.now_ms, self.link.as_ref().and_then(|link| link.round_trip_ms));
        let Some(reply) = &mut self.reply else { return };
        let (Some(turn), Some(timeline)) = (reply.turn, &mut reply.timeline) else { return };
        // What may not be heard was not played, whatever is said.
        let played_ms = played_ms.min(reply.speech.permitted_ms());
        let Some((after_ms, stages, cause)) = timeline.hear(now_ms, played_ms, round_trip_ms) else { return };
        reply.latency = reply.latency.map(|(latency_ms, ..)| (latency_ms, stages, cause));
        self.observe(Observation::FirstHeard { turn, after_ms, stages, cause });
    }

    /// One of a leg that was replaced before is ignored.
    pub(super) fn handle_round_trip(&mut self, connection: ConnectionId, round_trip_ms: u64) {
        if let Some(link) = self.link.as_mut().filter(|link| link.connection == connection) {
            link.round_trip_ms = Some(round_trip_ms);
        }
    }

    /// Nobody says how far the playout is: what may be heard is taken as heard.
    pub(super) fn take_stalled_playout_as_heard(&mut self) {
        if let Some(reply) = &mut self.reply {
            reply.speech.played(u64::MAX);
        }
    }

    /// The caller, or a typed message, cuts the reply short: history keeps what was heard.
    pub(super) fn interrupt(&mut self) {
        if self.reply.as_ref().is_some_and(|reply| reply.confirmed) {
            self.end_hush();
            self.forget_early_words();
        }
        let Some(mut reply) = self.reply.take_if(|reply| reply.confirmed) else { return };
        // Whoever goes on talking does not want the call to end.
        reply.end_call = None;
        let (heard, unheard) = reply.speech.split_heard();
        self.stop_producing(&mut reply);
        let interrupted = !unheard.is_empty() || !reply.text_done;
        if interrupted && reply.first_audio_out_ms.is_some() {
            self.observe(Observation::Interrupted { speech: reply.speech.id, heard_ms: reply.speech.played_ms });
        }
        if !unheard.is_empty() {
            self.client(ClientEvent::Heard { reply_id: reply.id, heard: heard.clone(), unheard });
        }
        self.settle(reply, heard, interrupted);
    }

    fn finish_reply(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        if reply.speech.chunks.iter().any(|chunk| chunk.asked) {
            self.push(Output::FinishSpeech { speech: reply.speech.id });
        }
        let text = reply.speech.text();
        self.settle(reply, text, false);
    }

    /// The reply is over: what was said and done becomes history.
    pub(super) fn settle(&mut self, reply: Reply, heard: String, interrupted: bool) {
        self.opening_is_over(reply.id, &heard);
        self.last_heard = Some((reply.id, heard.clone()));
        let in_flight = self.saving.tools_in_flight().to_vec();
        let (turn, cost, end_call) = (reply.turn, reply.turn_cost(), reply.end_call);
        if !reply.answer_said {
            self.reply = Some(reply);
            self.observe_answer(turn, heard.clone());
        } else {
            self.reply = Some(reply);
            self.report_tools();
        }
        let Some(reply) = self.reply.take() else { return };
        self.chat.items.extend(reply.user_text.clone().map(|text| ChatItem::User { text }));
        self.chat.items.extend(reply.kept_draft(&in_flight));
        if !heard.is_empty() {
            self.chat.items.push(ChatItem::Assistant { text: heard, interrupted });
        }
        self.trim_history();
        self.agent = reply.agent;
        self.last_activity_ms = self.now_ms;
        self.saving.mark_dirty();
        if let Some(turn) = turn {
            let (latency_ms, stages, cause) = match reply.latency {
                Some((latency_ms, stages, cause)) => (Some(latency_ms), stages, cause),
                None => (None, Stages::default(), None),
            };
            let cost_usd = cost.as_usd();
            self.client(ClientEvent::Turn { turn, latency_ms, stages, cause, cost_usd });
            self.observe(Observation::TurnFinished { turn, cost });
        }
        if let Some(reason) = end_call.filter(|_| !interrupted) {
            self.close(Outcome::Completed, reason);
        }
    }

    /// The longest duration is reached: a last sentence, then the end.
    pub(super) fn end_long_session(&mut self) {
        self.too_long_said = true;
        if self.is_saying_goodbye() {
            return;
        }
        self.drop_listening();
        self.interrupt();
        if self.closing.is_some() {
            // A goodbye was just heard to its end: nothing is to be added.
            return;
        }
        self.begin_scripted(phrases::TOO_LONG);
        if let Some(reply) = &mut self.reply {
            reply.end_call = Some(EndReason::TooLong);
        }
    }
}
