//! What the caller says: the VAD, the audio that transcription may still need, and when to ask for an interim transcript.
//!
//! Pure: audio and times in, edges and stretches of audio out. Times are session milliseconds; inside, the audio stream
//! has a clock of its own, which only audio moves.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use voice_core::Input;
use voice_core::ids::UtteranceId;

use crate::audio::format::AudioFormat;
use crate::audio::frame::{FRAME_MS, FRAME_SAMPLES_16K, encode_pcm16le};
use crate::audio::mulaw;
use crate::audio::ring::{AudioRing, MulawRing};
use crate::turn::smart_turn::HEARD_MS;
use crate::vad::{Detector, Silero, VadConfig, VadEvent};

/// Audio before the first frame with speech in it that is transcribed too, in milliseconds: onsets are quiet.
const PRE_ROLL_MS: u64 = 300;
/// As much for a recogniser that streams: it takes audio in at little more than the pace at which it was spoken, and what it
/// is given at once keeps the transcript of a short answer back by nearly as long.
const STREAM_PRE_ROLL_MS: u64 = 200;
/// Audio after the last frame with speech in it that is transcribed too, in milliseconds.
const TAIL_MS: u64 = 100;
/// What is kept while nobody speaks, in milliseconds.
const IDLE_KEPT_MS: u64 = 600;
/// The most that is kept, in milliseconds: what the recogniser listens to at most, its pre-roll, and room for a pause. It
/// is allocated only while somebody speaks for so long.
const RING_MS: u64 = 32_000;
/// Utterances whose transcript may be waited for while the caller goes on.
const MOST_PAST: usize = 4;
/// Edges of speech whose place in the stream is remembered: those of as many utterances, and of a pause in each.
const MOST_EDGES: usize = 4 * MOST_PAST;
/// New audio between two interim transcripts, in milliseconds.
const INTERIM_EVERY_MS: u64 = 400;
/// When frames stop coming in mid-speech for this long, the speech has ended, in milliseconds. One or two retransmissions of
/// TCP take less: what was said meanwhile then comes at once, and no word should have been cut in two.
const STALL_MS: u64 = 1_000;

/// An utterance that is being listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Current {
    utterance: UtteranceId,
    /// Where it begins, in stream milliseconds.
    from_ms: u64,
    /// Where it begins for a recogniser that streams, in stream milliseconds.
    stream_from_ms: u64,
    next_interim_ms: u64,
    /// The recogniser has had a rest from the last one, in stream milliseconds.
    rested_ms: u64,
    interim_under_way: bool,
    /// The caller may have stopped, and no interim transcript was asked for since.
    may_have_ended: bool,
    /// As far as a streaming recogniser was given it, in stream milliseconds.
    streamed_ms: u64,
    /// The caller pauses: silence is not streamed.
    paused: bool,
}

/// An edge of speech: when it was, in session milliseconds, and the offset of the stream then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    session_ms: u64,
    offset_ms: i64,
}

/// A caller's ears, so to speak: one for each transport leg.
#[derive(Debug)]
pub(super) struct Ears {
    detector: Detector,
    ring: AudioRing,
    /// What a telephone sent, as it came, for recognisers that stream; none on other channels.
    raw: Option<MulawRing>,
    current: Option<Current>,
    /// Utterances before it whose transcript is still waited for: another recogniser may be asked for them.
    past: VecDeque<Current>,
    /// Where the caller began to speak last, in stream milliseconds.
    speech_from_ms: u64,
    /// Session time minus stream time, in milliseconds, as the last frame came.
    offset_ms: i64,
    /// The edges of speech that the core was told, and the offset with which it was told them. It asks for audio by those
    /// times, perhaps much later, and by then frames that came late, or not at all, have moved the offset.
    edges: VecDeque<Edge>,
    last_frame_ms: u64,
}

impl Ears {
    /// Ears for a stream that begins now, and is given on as `format` to recognisers that stream: µ-law, or the 16 kHz that the
    /// detector hears.
    pub(super) fn new(silero: Arc<Silero>, config: VadConfig, format: AudioFormat) -> Self {
        Self {
            detector: Detector::new(silero, config),
            ring: AudioRing::new(RING_MS),
            raw: (format == AudioFormat::Mulaw8k).then(|| MulawRing::new(RING_MS)),
            current: None,
            past: VecDeque::new(),
            speech_from_ms: 0,
            offset_ms: 0,
            edges: VecDeque::new(),
            last_frame_ms: 0,
        }
    }

    /// Takes a frame that came at `now_ms`, and the µ-law that it was, if it was; what the VAD heard in it is for the core.
    pub(super) fn hear(&mut self, now_ms: u64, frame: &[i16], raw: Option<&[u8]>) -> Vec<Input> {
        self.last_frame_ms = now_ms;
        self.detector.handle_audio(frame);
        self.ring.push(frame);
        if let Some(ring) = &mut self.raw {
            match raw.filter(|raw| 2 * raw.len() == frame.len()) {
                Some(raw) => ring.push(raw),
                // Of a leg that has no µ-law: every other sample is as good as none.
                None => ring.push(&frame.iter().step_by(2).map(|sample| mulaw::encode(*sample)).collect::<Vec<u8>>()),
            }
        }
        self.offset_ms = signed(now_ms) - signed(self.detector.stream_ms());
        self.take_edges()
    }

    /// Frames have stopped coming in mid-speech: what was being said has ended, as far as anybody knows. Frames that come
    /// after all follow those before without a gap: silence in between would be heard as a part of a word.
    pub(super) fn stall(&mut self) -> Vec<Input> {
        self.detector.end_speech();
        self.take_edges()
    }

    /// The microphone is muted: what was being said has ended.
    pub(super) fn fall_silent(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let silence = [0; FRAME_SAMPLES_16K];
        // The detector hears the end of speech within a known time; the bound is for one that never would.
        for _ in 0..(1_000 / FRAME_MS) {
            if !self.detector.is_speech() {
                break;
            }
            self.detector.handle_audio(&silence);
            self.ring.push(&silence);
            if let Some(raw) = &mut self.raw {
                raw.skip(FRAME_MS);
            }
            self.offset_ms -= signed(FRAME_MS);
            inputs.extend(self.take_edges());
        }
        inputs
    }

    /// When to see whether frames have stopped coming, in session milliseconds.
    pub(super) fn stall_due_ms(&self) -> Option<u64> {
        self.detector.is_speech().then_some(self.last_frame_ms + STALL_MS)
    }

    fn take_edges(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        while let Some(event) = self.detector.poll_event() {
            inputs.push(match event {
                VadEvent::PossibleSpeech => Input::PossibleSpeech,
                VadEvent::PossibleEnd => {
                    if let Some(current) = &mut self.current {
                        current.may_have_ended = true;
                        // What comes next was asked for before this silence, and may lack the last word.
                        if current.interim_under_way {
                            continue;
                        }
                    }
                    Input::PossibleEnd
                }
                VadEvent::StartOfSpeech { at_ms } => {
                    self.speech_from_ms = at_ms;
                    Input::StartOfSpeech { at_ms: self.tell_edge(at_ms) }
                }
                VadEvent::EndOfSpeech { last_speech_ms } => {
                    Input::EndOfSpeech { last_speech_ms: self.tell_edge(last_speech_ms) }
                }
            });
        }
        inputs
    }

    /// The core begins an utterance.
    pub(super) fn start(&mut self, utterance: UtteranceId, from_ms: u64) {
        if let Some(before) = self.current.take() {
            self.past.push_back(before);
            if self.past.len() > MOST_PAST {
                self.past.pop_front();
            }
        }
        let speech_ms = self.to_stream(from_ms);
        let from_ms = speech_ms.saturating_sub(PRE_ROLL_MS);
        let stream_from_ms = speech_ms.saturating_sub(STREAM_PRE_ROLL_MS);
        let next_interim_ms = from_ms + PRE_ROLL_MS + INTERIM_EVERY_MS;
        self.current = Some(Current {
            utterance,
            from_ms,
            stream_from_ms,
            next_interim_ms,
            rested_ms: 0,
            interim_under_way: false,
            may_have_ended: false,
            streamed_ms: stream_from_ms,
            paused: false,
        });
    }

    /// A streaming recogniser hears the utterance from its beginning.
    pub(super) fn stream_again(&mut self, utterance: UtteranceId) {
        if let Some(current) = self.current.as_mut().filter(|current| current.utterance == utterance) {
            current.streamed_ms = current.stream_from_ms;
            current.paused = false;
        }
    }

    /// The caller pauses: what comes is silence, which a recogniser that streams need not be given, and bills.
    pub(super) fn pause(&mut self, utterance: UtteranceId) {
        if let Some(current) = self.current.as_mut().filter(|current| current.utterance == utterance) {
            current.paused = true;
        }
    }

    /// The utterance's audio that a streaming recogniser was not given yet; none while there is none, or while the caller
    /// pauses.
    pub(super) fn take_unstreamed(&mut self, utterance: UtteranceId) -> Option<Bytes> {
        let end_ms = self.ring.end_ms();
        let current = self.current.as_mut().filter(|current| current.utterance == utterance)?;
        if current.paused || end_ms <= current.streamed_ms {
            return None;
        }
        let from_ms = std::mem::replace(&mut current.streamed_ms, end_ms);
        Some(self.coded(from_ms, end_ms))
    }

    /// A stretch of audio as recognisers that stream are given it.
    fn coded(&self, from_ms: u64, to_ms: u64) -> Bytes {
        match &self.raw {
            Some(raw) => raw.range(from_ms, to_ms).into(),
            None => encode_pcm16le(&self.ring.range(from_ms, to_ms)).into(),
        }
    }

    /// The audio of an utterance as far as it goes; none when it is not the current one. `until_ms` is where its speech ends.
    pub(super) fn finish(&self, utterance: UtteranceId, until_ms: u64) -> Option<Vec<i16>> {
        let (from_ms, until_ms) = self.span(utterance, until_ms)?;
        Some(self.ring.range(from_ms, until_ms))
    }

    /// The same as recognisers that stream are given it.
    pub(super) fn finish_coded(&self, utterance: UtteranceId, until_ms: u64) -> Option<Bytes> {
        let (from_ms, until_ms) = self.span(utterance, until_ms)?;
        Some(self.coded(from_ms, until_ms))
    }

    fn span(&self, utterance: UtteranceId, until_ms: u64) -> Option<(u64, u64)> {
        let mut all = self.past.iter().chain(&self.current);
        let current = all.find(|current| current.utterance == utterance)?;
        Some((current.from_ms, self.to_stream(until_ms) + TAIL_MS))
    }

    /// What a streaming recogniser was given of an utterance after its speech ended, in milliseconds; none of one that was given
    /// to it in one piece, which ends a moment after its speech does.
    pub(super) fn silence_ms(&self, utterance: UtteranceId, until_ms: u64) -> u64 {
        let current = self.current.filter(|current| current.utterance == utterance);
        current.map_or(0, |current| current.streamed_ms.saturating_sub(self.to_stream(until_ms)))
    }

    /// The audio that the end-of-turn score is made from.
    pub(super) fn last_seconds(&self) -> Vec<i16> {
        let kept_from = self.current.map_or(self.ring.begin_ms(), |current| current.from_ms);
        let end_ms = self.ring.end_ms();
        self.ring.range(kept_from.max(end_ms.saturating_sub(HEARD_MS)), end_ms)
    }

    /// The caller goes on with the utterance: an interim transcript that was under way is not waited for, and of the pause
    /// only its end is streamed.
    pub(super) fn go_on(&mut self, utterance: UtteranceId) {
        if let Some(current) = self.current.as_mut().filter(|current| current.utterance == utterance) {
            current.interim_under_way = false;
            if std::mem::take(&mut current.paused) {
                let onset_ms = self.speech_from_ms.saturating_sub(STREAM_PRE_ROLL_MS);
                current.streamed_ms = current.streamed_ms.max(onset_ms);
            }
        }
    }

    /// The core needs this utterance no longer.
    pub(super) fn forget(&mut self, utterance: UtteranceId) {
        self.current.take_if(|current| current.utterance == utterance);
        self.past.retain(|past| past.utterance != utterance);
    }

    /// The audio for an interim transcript, when one is due: sooner at a pause, where somebody can make use of that.
    pub(super) fn poll_interim(&mut self, at_pauses: bool) -> Option<(UtteranceId, Vec<i16>)> {
        let end_ms = self.ring.end_ms();
        let speaking = self.detector.is_speech();
        let current = self.current.as_mut()?;
        let at_pause = std::mem::take(&mut current.may_have_ended) && at_pauses;
        let due_ms = if at_pause { current.rested_ms } else { current.next_interim_ms };
        if !speaking || current.interim_under_way || end_ms < due_ms {
            return None;
        }
        current.interim_under_way = true;
        current.next_interim_ms = end_ms + INTERIM_EVERY_MS;
        Some((current.utterance, self.ring.range(current.from_ms, end_ms)))
    }

    /// An interim transcript came, or failed, after `took_ms`: slow ones are asked for less often.
    pub(super) fn end_interim(&mut self, utterance: UtteranceId, took_ms: u64) {
        let end_ms = self.ring.end_ms();
        if let Some(current) = self.current.as_mut().filter(|current| current.utterance == utterance) {
            current.interim_under_way = false;
            current.rested_ms = end_ms + 2 * took_ms;
            current.next_interim_ms = current.next_interim_ms.max(current.rested_ms);
        }
    }

    /// Gives back the memory of audio that nobody will ask for.
    pub(super) fn tidy(&mut self) {
        let needed = self.past.front().or(self.current.as_ref()).map(|current| current.from_ms);
        let keep_from = needed.unwrap_or_else(|| self.ring.end_ms().saturating_sub(IDLE_KEPT_MS));
        self.ring.forget_before(keep_from);
        if let Some(raw) = &mut self.raw {
            raw.forget_before(keep_from);
        }
    }

    /// The session time of an edge of speech, which is remembered.
    fn tell_edge(&mut self, stream_ms: u64) -> u64 {
        let session_ms = u64::try_from(signed(stream_ms) + self.offset_ms).unwrap_or(0);
        if self.edges.len() == MOST_EDGES {
            self.edges.pop_front();
        }
        self.edges.push_back(Edge { session_ms, offset_ms: self.offset_ms });
        session_ms
    }

    /// Where in the stream a time of the session is, by the last edge before it.
    fn to_stream(&self, session_ms: u64) -> u64 {
        let mut latest = self.edges.iter().rev();
        let edge = latest.clone().find(|edge| edge.session_ms == session_ms);
        let edge = edge.or_else(|| latest.find(|edge| edge.session_ms <= session_ms));
        let offset_ms = edge.map_or(self.offset_ms, |edge| edge.offset_ms);
        u64::try_from(signed(session_ms) - offset_ms).unwrap_or(0)
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
