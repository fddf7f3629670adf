//! Whose voice is it? Chunks are synthesised, by another voice when one shows nothing, fails, or is slower than it sounds;
//! that one goes on at the word where the first stopped.

use crate::ids::{RungId, SpeechId};
use crate::input::WordTiming;
use crate::output::{Observation, Output};
use crate::playout::Chunk;
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};
use crate::timeline::PauseCause;

use super::Session;
use super::reply::Reply;

/// A chunk's synthesis may take this many times as long as the chunk probably sounds, and the deadline on top.
const TTS_SLOWEST: u64 = 2;
/// Without room for a rival a voice is given up after this many times the silence that would have brought one.
const GIVE_UP_AFTER: u64 = 4;
/// What another voice needs beyond its usual time, so that the caller hears no gap, in milliseconds.
const AHEAD_MS: u64 = 60;

impl Session {
    pub(super) fn synthesize(&mut self, index: u32) {
        let first = self.ladder.first(Stage::Tts);
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        // One voice speaks a whole reply, as long as it can.
        let rung = *reply.tts_rung.get_or_insert(first);
        let Some(chunk) = reply.speech.chunk_mut(index) else { return };
        chunk.asked = true;
        chunk.voices = vec![(rung, now_ms)];
        self.ladder.note_asked(Stage::Tts);
        self.send_synthesis(index, rung);
    }

    fn send_synthesis(&mut self, index: u32, rung: RungId) {
        let Some(reply) = &mut self.reply else { return };
        let (speech, id) = (reply.speech.id, reply.id);
        let Some(chunk) = reply.speech.chunk_mut(index) else { return };
        let text = chunk.text.clone();
        self.push(Output::Synthesize { speech, reply: id, chunk: index, rung, text });
    }

    /// The first chunk that has not all its audio.
    fn tts_head(&self) -> Option<(&Reply, &Chunk)> {
        let reply = self.reply.as_ref().filter(|_| self.has_voice())?;
        let head = reply.speech.chunks.iter().find(|chunk| chunk.asked && !chunk.done && !chunk.shown)?;
        Some((reply, head))
    }

    /// The voices that need not be asked any more for this chunk.
    fn voices_tried(reply: &Reply, chunk: &Chunk) -> Vec<RungId> {
        reply.tts_tried.iter().copied().chain(chunk.voices.iter().map(|(rung, _)| *rung)).collect()
    }

    /// When another voice is asked beside the one that shows nothing.
    pub(super) fn tts_hedge_due_ms(&self) -> Option<u64> {
        let (reply, chunk) = self.tts_head()?;
        if chunk.audio_ms > 0 {
            return None;
        }
        let tried = Self::voices_tried(reply, chunk);
        self.ladder.rival(Stage::Tts, &tried, &self.config.failover)?;
        let (last, asked_ms) = *chunk.voices.last()?;
        let since_ms = head_since_ms(reply, chunk)?.max(asked_ms);
        let wait_ms = self.ladder.hedge_ms(Stage::Tts, last);
        Some(not_before_it_matters(reply, since_ms + wait_ms, wait_ms))
    }

    /// Asks the next voice for the same chunk.
    pub(super) fn ask_tts_rival(&mut self) {
        let now_ms = self.now_ms;
        let Some((reply, chunk)) = self.tts_head() else { return };
        let tried = Self::voices_tried(reply, chunk);
        let Some(rung) = self.ladder.rival(Stage::Tts, &tried, &self.config.failover) else { return };
        let (index, from) = (chunk.index, chunk.voices.first().map_or(rung, |(first, _)| *first));
        self.ladder.note_hedged(Stage::Tts);
        if let Some(chunk) = self.reply.as_mut().and_then(|reply| reply.speech.chunk_mut(index)) {
            chunk.voices.push((rung, now_ms));
        }
        self.observe(Observation::Hedged { stage: Stage::Tts, from, to: rung });
        self.send_synthesis(index, rung);
    }

    /// When the voice has failed that should be speaking.
    pub(super) fn tts_due_ms(&self) -> Option<u64> {
        let (reply, chunk) = self.tts_head()?;
        let progress_ms = reply.tts_progress_ms;
        // Audio that comes far slower than it sounds is none that a caller would wait for.
        let slowest_ms = reply.tts_head.map(|(_, since_ms)| since_ms + TTS_SLOWEST * chunk.likely_ms());
        let last_ms =
            slowest_ms.map_or(progress_ms, |slowest_ms| progress_ms.min(slowest_ms)) + self.config.tts_deadline_ms;
        let tried = Self::voices_tried(reply, chunk);
        if self.ladder.next_usable(Stage::Tts, &tried).is_none() {
            return Some(last_ms);
        }
        let hedge_ms = self.ladder.hedge_ms(Stage::Tts, chunk.voices.last()?.0);
        if chunk.audio_ms == 0 {
            let since_ms = head_since_ms(reply, chunk)?;
            let due_ms = since_ms + GIVE_UP_AFTER * hedge_ms;
            return Some(not_before_it_matters(reply, due_ms, hedge_ms).min(last_ms));
        }
        Some(self.slow_due_ms(reply, chunk, hedge_ms).min(last_ms))
    }

    /// When a voice that has begun a chunk is too slow with it: it stands still, or falls behind what is played.
    fn slow_due_ms(&self, reply: &Reply, chunk: &Chunk, hedge_ms: u64) -> u64 {
        let stands_ms = reply.tts_progress_ms + self.config.failover.tts_gap_ms;
        let stands_ms = not_before_it_matters(reply, stands_ms, hedge_ms);
        // Slower than it sounds: by the time the caller has heard what is there, no more will be.
        let begun_ms = chunk.first_audio_ms.unwrap_or(reply.tts_progress_ms);
        let measured = self.now_ms.saturating_sub(begun_ms) >= self.config.failover.tts_gap_ms;
        let slow = measured && chunk.audio_ms < self.now_ms.saturating_sub(begun_ms);
        match audio_ends_ms(reply).filter(|_| slow) {
            Some(ends_ms) => stands_ms.min(ends_ms.saturating_sub(hedge_ms + AHEAD_MS)),
            None => stands_ms,
        }
    }

    pub(super) fn handle_tts_audio(
        &mut self,
        speech: SpeechId,
        index: u32,
        rung: RungId,
        audio_ms: u64,
        words: Vec<WordTiming>,
    ) {
        if !self.is_speaking(speech, index, rung) {
            return;
        }
        if audio_ms > 0 {
            self.win_chunk(index, rung);
        }
        let now_ms = self.now_ms;
        let Some(reply) = self.reply.as_mut() else { return };
        let first = reply.first_audio_ms.is_none() && audio_ms > 0;
        let playable_ms = reply.speech.permitted_ms();
        let Some(chunk) = reply.speech.chunk_mut(index).filter(|chunk| !chunk.done) else { return };
        if chunk.sounds(audio_ms) {
            reply.tts_progress_ms = now_ms;
        }
        if !words.is_empty() && audio_ms > 0 {
            chunk.words = words;
        }
        reply.note_playable(playable_ms, now_ms);
        if first {
            reply.first_audio_ms = Some(now_ms);
            if let Some(timeline) = &mut reply.timeline {
                timeline.advance(now_ms, PauseCause::Tts);
            }
            let ttfb_ms = now_ms - reply.first_text_ms.unwrap_or(now_ms);
            self.observe(Observation::TtsStarted { speech, rung, ttfb_ms });
        }
    }

    /// Whether this voice is asked for this chunk, and has not all of it.
    fn is_speaking(&self, speech: SpeechId, index: u32, rung: RungId) -> bool {
        let reply = self.reply.as_ref().filter(|reply| reply.speech.id == speech);
        let chunk = reply.and_then(|reply| reply.speech.chunks.iter().find(|chunk| chunk.index == index));
        chunk.is_some_and(|chunk| !chunk.done && chunk.voices.iter().any(|(voice, _)| *voice == rung))
    }

    /// The first of the voices that are asked for a chunk has audio: it speaks it, and the others stop.
    fn win_chunk(&mut self, index: u32, rung: RungId) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let (speech, before) = (reply.speech.id, reply.tts_rung);
        let head_ms = reply.tts_head.filter(|(head, _)| *head == index).map(|(_, since_ms)| since_ms);
        let Some(chunk) = reply.speech.chunk_mut(index).filter(|chunk| chunk.first_audio_ms.is_none()) else { return };
        chunk.first_audio_ms = Some(now_ms);
        let at = chunk.voices.iter().position(|(voice, _)| *voice == rung).unwrap_or(0);
        let asked_ms = chunk.voices.get(at).map_or(now_ms, |(_, asked_ms)| *asked_ms).max(head_ms.unwrap_or(0));
        let voices = std::mem::replace(&mut chunk.voices, vec![(rung, asked_ms)]);
        for (other, (voice, _)) in voices.iter().enumerate().filter(|(other, _)| *other != at) {
            self.push(Output::StopSynthesis { speech, chunk: index, rung: *voice });
            if other < at {
                self.provider_lost(Stage::Tts, *voice);
            }
        }
        self.provider_answered(Stage::Tts, rung, now_ms.saturating_sub(asked_ms));
        if let Some(from) = before.filter(|from| *from != rung) {
            self.failed_over(Stage::Tts, from, rung, ProviderErrorKind::Timeout);
            self.speak_on_with(rung);
        }
    }

    /// This voice speaks the rest of the reply: what another was asked for, and has no audio of, is asked for again.
    fn speak_on_with(&mut self, rung: RungId) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        reply.tts_rung = Some(rung);
        let waiting = |chunk: &&mut Chunk| {
            chunk.asked && !chunk.done && !chunk.shown && chunk.audio_ms == 0 && chunk.first_audio_ms.is_none()
        };
        let speech = reply.speech.id;
        let mut again = Vec::new();
        for chunk in reply.speech.chunks.iter_mut().filter(waiting) {
            again.push((chunk.index, std::mem::replace(&mut chunk.voices, vec![(rung, now_ms)])));
        }
        for (index, before) in again {
            for (voice, _) in before.iter().filter(|(voice, _)| *voice != rung) {
                self.push(Output::StopSynthesis { speech, chunk: index, rung: *voice });
            }
            if before.iter().all(|(voice, _)| *voice != rung) {
                self.send_synthesis(index, rung);
            }
        }
    }

    pub(super) fn handle_tts_done(
        &mut self,
        speech: SpeechId,
        index: u32,
        rung: RungId,
        audio_ms: u64,
        words: Vec<WordTiming>,
    ) {
        if audio_ms == 0 && self.has_other_voice(speech, index) {
            // A success without a sound is none.
            self.handle_tts_failed(speech, index, rung, ProviderErrorKind::Protocol.into());
            return;
        }
        self.handle_tts_audio(speech, index, rung, audio_ms, Vec::new());
        if !self.is_speaking(speech, index, rung) {
            return;
        }
        let Some(reply) = self.reply.as_mut() else { return };
        let playable_ms = reply.speech.permitted_ms();
        let Some(chunk) = reply.speech.chunk_mut(index).filter(|chunk| !chunk.done) else { return };
        if !words.is_empty() {
            chunk.words = words;
        }
        if chunk.lacks_words() && self.has_other_voice(speech, index) {
            // Nor is one that left the last words out.
            self.handle_tts_failed(speech, index, rung, ProviderErrorKind::Protocol.into());
            return;
        }
        let Some(reply) = self.reply.as_mut() else { return };
        if let Some(chunk) = reply.speech.chunk_mut(index) {
            chunk.done = true;
            reply.tts_progress_ms = self.now_ms;
            reply.note_playable(playable_ms, self.now_ms);
            if audio_ms == 0 {
                // The playout goes on only when it is told that nothing of this one comes from anybody else.
                self.push(Output::EndChunk { speech, chunk: index });
            }
        }
    }

    /// Whether a chunk could be spoken by somebody else.
    fn has_other_voice(&self, speech: SpeechId, index: u32) -> bool {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.speech.id == speech) else { return false };
        let Some(chunk) = reply.speech.chunks.iter().find(|chunk| chunk.index == index) else { return false };
        chunk.voices.len() > 1 || self.ladder.next(Stage::Tts, &Self::voices_tried(reply, chunk)).is_some()
    }

    /// The words that have no audio are spoken by the next voice, or tried once more by the only one; after that the caller
    /// reads them.
    pub(super) fn handle_tts_failed(&mut self, speech: SpeechId, index: u32, rung: RungId, failure: ProviderFailure) {
        if !self.is_speaking(speech, index, rung) {
            return;
        }
        let Some(reply) = self.reply.as_mut() else { return };
        reply.tts_failures += 1;
        reply.tts_tried.push(rung);
        let (failures, alone) = (
            reply.tts_failures,
            reply.speech.chunk_mut(index).is_some_and(|chunk| {
                chunk.voices.retain(|(voice, _)| *voice != rung);
                chunk.voices.is_empty()
            }),
        );
        self.provider_failed(Stage::Tts, rung, failure);
        if !alone {
            return;
        }
        let tried = self.reply.as_ref().map(|reply| reply.tts_tried.clone()).unwrap_or_default();
        match self.ladder.next(Stage::Tts, &tried) {
            Some(next) => {
                self.failed_over(Stage::Tts, rung, next, failure.kind);
                if let Some(reply) = &mut self.reply {
                    reply.tts_rung = Some(next);
                }
                self.synthesize_again(index);
            }
            None if failures < 2 => self.synthesize_again(index),
            None => self.fall_back_to_text(Stage::Tts),
        }
    }

    /// Replaces the pieces from this one on by new ones with the same words, as far as they have no audio.
    fn synthesize_again(&mut self, index: u32) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let rest = reply.speech.cut_off(index);
        let (speech, ended) = (reply.speech.id, rest.is_some());
        let captioned = reply.speech.chunk_mut(index).is_some_and(|chunk| chunk.captioned);
        let from = if ended { index + 1 } else { index };
        if ended {
            self.push(Output::EndChunk { speech, chunk: index });
        }
        let early = self.reply.as_mut().and_then(|reply| reply.early.take());
        let dropped = self.drop_chunks(from);
        let Some(reply) = &mut self.reply else { return };
        let first_new = reply.speech.next_index;
        // A limit that stood at or behind the cut moves to the same words' new numbers.
        let shift = u32::from(rest.as_ref().is_some_and(|rest| !rest.is_empty()));
        let moved = |limit: u32| {
            let before = dropped.iter().filter(|chunk| chunk.index < limit).count();
            first_new + shift + u32::try_from(before).unwrap_or(u32::MAX)
        };
        reply.gate = reply.gate.map(|gate| if gate >= from { moved(gate) } else { gate });
        reply.early = early;
        let limits = reply.running.iter_mut().map(|running| &mut running.after);
        let limits = limits.chain(reply.early.iter_mut().map(|early| &mut early.first_chunk));
        for after in limits.chain(reply.waiting_calls.iter_mut().map(|(_, after)| after)) {
            *after = if *after >= from { moved(*after) } else { *after };
        }
        if let Some(request) = &mut reply.request {
            for limit in [&mut request.first_chunk, &mut request.after_call] {
                *limit = if *limit >= from { moved(*limit) } else { *limit };
            }
        }
        reply.tts_progress_ms = now_ms;
        reply.last_said = false;
        let rest = rest.filter(|rest| !rest.is_empty()).map(|rest| (rest, captioned));
        let again = dropped.into_iter().map(|chunk| (chunk.text, chunk.captioned));
        for (text, captioned) in rest.into_iter().chain(again).collect::<Vec<_>>() {
            let Some(reply) = &mut self.reply else { return };
            let index = reply.speech.next_index;
            self.add_chunk(text);
            if let Some(chunk) = self.reply.as_mut().and_then(|reply| reply.speech.chunk_mut(index)) {
                chunk.captioned = captioned;
            }
        }
    }

    /// The voices that are asked make no progress.
    pub(super) fn fail_stalled_synthesis(&mut self) {
        let Some((reply, chunk)) = self.tts_head() else { return };
        let kind = if chunk.audio_ms > 0 { ProviderErrorKind::Stalled } else { ProviderErrorKind::Timeout };
        let (speech, index, voices) = (reply.speech.id, chunk.index, chunk.voices.clone());
        for (rung, _) in voices {
            self.push(Output::StopSynthesis { speech, chunk: index, rung });
            self.handle_tts_failed(speech, index, rung, kind.into());
        }
    }
}

/// Since when a chunk is the one that is waited for.
fn head_since_ms(reply: &Reply, chunk: &Chunk) -> Option<u64> {
    let (_, since_ms) = reply.tts_head.filter(|(head, _)| *head == chunk.index)?;
    Some(since_ms.max(chunk.voices.first().map_or(0, |(_, asked_ms)| *asked_ms)))
}

/// When the caller will have heard the audio that is there, if anything of it is being heard, in milliseconds.
fn audio_ends_ms(reply: &Reply) -> Option<u64> {
    if !reply.is_audible() {
        return None;
    }
    let since_ms = reply.position_ms.or(reply.first_audio_out_ms)?;
    Some(since_ms + reply.speech.permitted_ms().saturating_sub(reply.speech.played_ms))
}

/// While the caller has enough to listen to, there is no hurry: another voice is asked so that it is there in time.
fn not_before_it_matters(reply: &Reply, due_ms: u64, hedge_ms: u64) -> u64 {
    audio_ends_ms(reply).map_or(due_ms, |ends_ms| due_ms.max(ends_ms.saturating_sub(hedge_ms + AHEAD_MS)))
}
