//! What the caller hears: the audio of the speech that may be heard, paced.
//!
//! Pure but for the aborting of synthesis: it is told the time, and says what is to leave.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::task::AbortHandle;
use voice_core::ids::{ReplyId, RungId, SpeechId};
use voice_core::input::WordTiming;

use super::api::Outbound;
use crate::audio::format::AudioFormat;
use crate::audio::frame::FRAME_MS;

/// Audio leaves at most this long before it is due, in milliseconds: enough for a slow network, little to take back.
pub(super) const LEAD_MS: u64 = 400;
/// A voice that has made so much audio, in milliseconds, without saying where a single word ends will not say it in time.
const WORDLESS_MS: u64 = 1_000;
/// When the lead has shrunk to this, more leaves.
const REFILL_MS: u64 = 200;

#[derive(Debug)]
struct ChunkAudio {
    index: u32,
    audio: Vec<u8>,
    done: bool,
    /// It was made before: nobody was asked, and nothing is charged.
    free: bool,
}

/// One voice at work on a chunk.
#[derive(Debug)]
struct Synthesis {
    chunk: u32,
    rung: RungId,
    abort: AbortHandle,
    /// It says while it speaks where words end: only whole words are let out, so that another voice can go on between two.
    timed: bool,
    words: Vec<WordTiming>,
    /// Audio of a word that is not whole yet.
    held: Vec<u8>,
    /// Bytes that it has made.
    made: usize,
    /// Something of it can be heard: silence alone is nothing to show, and another voice is asked in time.
    audible: bool,
}

impl Synthesis {
    /// How much of what it has made may be let out, in bytes.
    fn whole(&self, format: AudioFormat) -> usize {
        if !self.audible {
            return 0;
        }
        let made_ms = length_ms(self.made, format);
        if !self.timed || (self.words.is_empty() && made_ms >= WORDLESS_MS) {
            return self.made;
        }
        let whole_ms = self.words.iter().map(|word| word.end_ms).take_while(|end_ms| *end_ms <= made_ms).last();
        usize::try_from(whole_ms.unwrap_or(0)).unwrap_or(0) * format.bytes_per_ms()
    }
}

/// What a voice has let out of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LetOut {
    /// Milliseconds of audio.
    pub(super) audio_ms: u64,
    /// Where its words end, as far as is known.
    pub(super) words: Vec<WordTiming>,
}

/// A voice that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped {
    pub(super) reply: ReplyId,
    pub(super) rung: RungId,
    /// Milliseconds of audio that it had made.
    pub(super) audio_ms: u64,
    /// They are thrown away.
    pub(super) wasted: bool,
}

/// One speech.
#[derive(Debug)]
struct Voice {
    id: SpeechId,
    reply: ReplyId,
    format: AudioFormat,
    chunks: Vec<ChunkAudio>,
    texts: VecDeque<(u32, RungId, String)>,
    /// Who is at work: one voice, or several on the same chunk.
    synthesis: Vec<Synthesis>,
    through_chunk: Option<u32>,
    last: bool,
    playing: bool,
    announced: bool,
    finished: bool,
    /// Bytes that have left.
    sent: usize,
    /// When what has left will have been played, in session milliseconds.
    sent_until_ms: u64,
    /// It waits for audio to be made, not for its time.
    starved: bool,
}

impl Voice {
    /// Stops those voices, and says what they had made.
    fn stop(&mut self, which: impl Fn(&Synthesis) -> bool, wasted: bool) -> Vec<Stopped> {
        let (reply, format, chunks) = (self.reply, self.format, &self.chunks);
        let stopped = self.synthesis.extract_if(.., |synthesis| which(synthesis));
        let stopped = stopped.map(|synthesis| {
            synthesis.abort.abort();
            let free = chunks.iter().any(|chunk| chunk.index == synthesis.chunk && chunk.free);
            let audio_ms = if free { 0 } else { length_ms(synthesis.made, format) };
            Stopped { reply, rung: synthesis.rung, audio_ms, wasted }
        });
        stopped.collect()
    }

    /// Bytes that may leave, and whether the speech ends with them.
    fn permitted(&self) -> (usize, bool) {
        let mut bytes = 0;
        for chunk in &self.chunks {
            if self.through_chunk.is_none_or(|through| chunk.index > through) {
                return (bytes, false);
            }
            bytes += chunk.audio.len();
            if !chunk.done {
                return (bytes, false);
            }
        }
        let whole = self.texts.is_empty() && self.synthesis.is_empty();
        (bytes, self.last && whole)
    }

    /// Bytes of a frame.
    const fn frame_bytes(&self) -> usize {
        self.format.bytes_per_ms() * FRAME_MS as usize
    }

    /// The next whole frames; the last one of a speech is filled up with silence.
    fn frames(&self, frames: usize) -> Bytes {
        let count = frames * self.frame_bytes();
        let mut bytes = self.between(self.sent, self.sent + count);
        bytes.resize(count, self.format.silence());
        bytes.into()
    }

    /// The audio from one byte to another, as far as it is there.
    fn between(&self, from: usize, to: usize) -> Vec<u8> {
        let count = to.saturating_sub(from);
        let mut bytes = Vec::with_capacity(count);
        let mut skip = from;
        for chunk in &self.chunks {
            let from = skip.min(chunk.audio.len());
            skip -= from;
            let to = chunk.audio.len().min(from + count - bytes.len());
            bytes.extend_from_slice(&chunk.audio[from..to]);
        }
        bytes
    }
}

/// What happened while audio left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pumped {
    /// The first frame of this speech has left.
    pub(super) first: Option<SpeechId>,
    /// Frames that left after their time though their audio was there.
    pub(super) late: u64,
}

/// The agent's mouth: one speech at a time.
#[derive(Debug)]
pub(super) struct Mouth {
    format: AudioFormat,
    voice: Option<Voice>,
    stopped: Vec<Stopped>,
}

impl Mouth {
    /// A mouth whose audio leaves in this format.
    pub(super) const fn new(format: AudioFormat) -> Self {
        Self { format, voice: None, stopped: Vec::new() }
    }

    /// The format in which audio is to be made.
    pub(super) const fn format(&self) -> AudioFormat {
        self.format
    }

    /// A text is to be spoken. A new speech takes the place of the one before.
    pub(super) fn add_text(&mut self, speech: SpeechId, reply: ReplyId, chunk: u32, rung: RungId, text: String) {
        if self.voice.as_ref().is_none_or(|voice| voice.id != speech) {
            self.drop_speech_now();
            self.voice = Some(Voice {
                id: speech,
                reply,
                format: self.format,
                chunks: Vec::new(),
                texts: VecDeque::new(),
                synthesis: Vec::new(),
                through_chunk: None,
                last: false,
                playing: false,
                announced: false,
                finished: false,
                sent: 0,
                sent_until_ms: 0,
                starved: true,
            });
        }
        if let Some(voice) = &mut self.voice {
            // What another voice was asked for and has not begun is asked of this one instead.
            voice.texts.retain(|(waiting, ..)| *waiting != chunk);
            let at = voice.texts.iter().position(|(waiting, ..)| *waiting > chunk).unwrap_or(voice.texts.len());
            voice.texts.insert(at, (chunk, rung, text));
        }
    }

    /// The next text to be made into audio: when none is being made, or when another voice is to try the same.
    pub(super) fn next_text(&mut self) -> Option<(SpeechId, u32, RungId, String)> {
        let voice = self.voice.as_mut()?;
        let (next, ..) = voice.texts.front()?;
        if voice.synthesis.iter().any(|synthesis| synthesis.chunk != *next) {
            return None;
        }
        let (chunk, rung, text) = voice.texts.pop_front()?;
        if voice.chunks.iter().all(|there| there.index != chunk) {
            voice.chunks.push(ChunkAudio { index: chunk, audio: Vec::new(), done: false, free: false });
        }
        Some((voice.id, chunk, rung, text))
    }

    /// The synthesis of the text that `next_text` gave has begun; `timed`: the voice says while it speaks where words end.
    pub(super) fn begin_synthesis(&mut self, chunk: u32, rung: RungId, timed: bool, abort: AbortHandle) {
        if let Some(voice) = &mut self.voice {
            let (words, held) = (Vec::new(), Vec::new());
            voice.synthesis.push(Synthesis { chunk, rung, abort, timed, words, held, made: 0, audible: false });
        }
    }

    /// The audio of this chunk was made before.
    pub(super) fn set_free(&mut self, speech: SpeechId, index: u32) {
        if let Some(chunk) = self.chunk_mut(speech, index) {
            chunk.free = true;
        }
    }

    /// Whether the audio of this chunk was made before.
    pub(super) fn is_free(&self, speech: SpeechId, index: u32) -> bool {
        let voice = self.voice.as_ref().filter(|voice| voice.id == speech);
        voice.is_some_and(|voice| voice.chunks.iter().any(|chunk| chunk.index == index && chunk.free))
    }

    /// Audio came. Answers what of the chunk is let out; none when nobody wants it any more.
    pub(super) fn add_audio(&mut self, speech: SpeechId, chunk: u32, rung: RungId, audio: &[u8]) -> Option<LetOut> {
        let format = self.format;
        let synthesis = self.synthesis_mut(speech, chunk, rung)?;
        synthesis.audible |= !format.is_silent(audio);
        synthesis.held.extend_from_slice(audio);
        synthesis.made += audio.len();
        self.let_out(speech, chunk, rung)
    }

    /// Where words of the audio end is known now.
    pub(super) fn add_words(
        &mut self,
        speech: SpeechId,
        chunk: u32,
        rung: RungId,
        words: Vec<WordTiming>,
    ) -> Option<LetOut> {
        self.synthesis_mut(speech, chunk, rung)?.words = words;
        self.let_out(speech, chunk, rung)
    }

    fn let_out(&mut self, speech: SpeechId, index: u32, rung: RungId) -> Option<LetOut> {
        let format = self.format;
        let synthesis = self.synthesis_mut(speech, index, rung)?;
        let out = synthesis.whole(format).saturating_sub(synthesis.made - synthesis.held.len());
        let audio: Vec<u8> = synthesis.held.drain(..out).collect();
        let ended_ms = length_ms(synthesis.made - synthesis.held.len(), format);
        let words = synthesis.words.iter().take_while(|word| word.end_ms <= ended_ms).copied().collect();
        let chunk = self.chunk_mut(speech, index)?;
        chunk.audio.extend_from_slice(&audio);
        Some(LetOut { audio_ms: length_ms(chunk.audio.len(), format), words })
    }

    /// A voice is done with a chunk: all of its audio is let out, unless it was silence from beginning to end. Answers its milliseconds. A chunk without any is not over:
    /// the session says what becomes of it.
    pub(super) fn end_audio(&mut self, speech: SpeechId, index: u32, rung: RungId) -> Option<u64> {
        let format = self.format;
        let mut ended = self.take_synthesis(speech, index, rung)?;
        let chunk = self.chunk_mut(speech, index)?;
        if ended.audible {
            chunk.audio.append(&mut ended.held);
        }
        chunk.done = !chunk.audio.is_empty();
        Some(length_ms(chunk.audio.len(), format))
    }

    /// A voice broke off: what it held back is lost. Answers the milliseconds that it had made.
    pub(super) fn fail_audio(&mut self, speech: SpeechId, index: u32, rung: RungId) -> Option<u64> {
        let failed = self.take_synthesis(speech, index, rung)?;
        Some(length_ms(failed.made, self.format))
    }

    /// Nothing more is wanted from this voice.
    pub(super) fn stop_voice(&mut self, speech: SpeechId, index: u32, rung: RungId) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        voice.texts.retain(|(chunk, waiting, _)| *chunk != index || *waiting != rung);
        self.stopped.extend(voice.stop(|synthesis| synthesis.chunk == index && synthesis.rung == rung, true));
    }

    /// No more audio of a chunk is wanted: its synthesis stops, and it ends with what is there.
    pub(super) fn cut_chunk(&mut self, speech: SpeechId, index: u32) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        voice.texts.retain(|(chunk, ..)| *chunk != index);
        self.stopped.extend(voice.stop(|synthesis| synthesis.chunk == index, false));
        if let Some(chunk) = self.chunk_mut(speech, index) {
            chunk.done = true;
        }
    }

    fn synthesis_mut(&mut self, speech: SpeechId, index: u32, rung: RungId) -> Option<&mut Synthesis> {
        let voice = self.voice.as_mut().filter(|voice| voice.id == speech)?;
        voice.synthesis.iter_mut().find(|synthesis| synthesis.chunk == index && synthesis.rung == rung)
    }

    fn take_synthesis(&mut self, speech: SpeechId, index: u32, rung: RungId) -> Option<Synthesis> {
        let voice = self.voice.as_mut().filter(|voice| voice.id == speech)?;
        let at = voice.synthesis.iter().position(|synthesis| synthesis.chunk == index && synthesis.rung == rung)?;
        Some(voice.synthesis.remove(at))
    }

    fn chunk_mut(&mut self, speech: SpeechId, index: u32) -> Option<&mut ChunkAudio> {
        let voice = self.voice.as_mut().filter(|voice| voice.id == speech)?;
        voice.chunks.iter_mut().find(|chunk| chunk.index == index && !chunk.done)
    }

    /// The reply that a speech is for.
    pub(super) fn reply_of(&self, speech: SpeechId) -> Option<ReplyId> {
        self.voice.as_ref().filter(|voice| voice.id == speech).map(|voice| voice.reply)
    }

    /// The speech may be heard up to this chunk.
    pub(super) fn play(&mut self, now_ms: u64, speech: SpeechId, through_chunk: u32, last: bool) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        voice.through_chunk = Some(voice.through_chunk.map_or(through_chunk, |before| before.max(through_chunk)));
        voice.last = last;
        if !voice.playing {
            voice.playing = true;
            voice.sent_until_ms = now_ms;
            voice.starved = true;
        }
    }

    /// Silence now; the audio is kept.
    pub(super) fn pause(&mut self, speech: SpeechId, out: &mut Vec<Outbound>) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech && voice.playing) else { return };
        voice.playing = false;
        if voice.announced {
            out.push(Outbound::Clear { speech });
        }
    }

    /// Go on from this position.
    pub(super) fn resume(&mut self, now_ms: u64, speech: SpeechId, from_ms: u64, out: &mut Vec<Outbound>) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        voice.playing = true;
        voice.starved = true;
        voice.finished = false;
        voice.sent_until_ms = now_ms;
        if voice.announced {
            let from = usize::try_from(from_ms).unwrap_or(usize::MAX).saturating_mul(voice.format.bytes_per_ms());
            voice.sent = from.min(voice.permitted().0);
            out.push(Outbound::SpeechResumed { speech, from_ms });
        }
    }

    /// These chunks will never be heard.
    pub(super) fn drop_chunks(&mut self, speech: SpeechId, from_chunk: u32) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        voice.texts.retain(|(chunk, ..)| *chunk < from_chunk);
        self.stopped.extend(voice.stop(|synthesis| synthesis.chunk >= from_chunk, true));
        voice.chunks.retain(|chunk| chunk.index < from_chunk);
        voice.last = false;
    }

    /// Milliseconds of a speech that have left.
    pub(super) fn sent_ms(&self, speech: SpeechId) -> u64 {
        let voice = self.voice.as_ref().filter(|voice| voice.id == speech);
        voice.map_or(0, |voice| length_ms(voice.sent, voice.format))
    }

    /// The audio of a speech from one position to another, as far as it has left.
    pub(super) fn sent_between(&self, speech: SpeechId, from_ms: u64, to_ms: u64) -> Vec<u8> {
        let Some(voice) = self.voice.as_ref().filter(|voice| voice.id == speech) else { return Vec::new() };
        let at = |ms: u64| {
            usize::try_from(ms).unwrap_or(usize::MAX).saturating_mul(voice.format.bytes_per_ms()).min(voice.sent)
        };
        voice.between(at(from_ms), at(to_ms))
    }

    /// The speech is over, heard or not.
    pub(super) fn drop_speech(&mut self, speech: SpeechId, out: &mut Vec<Outbound>) {
        if self.voice.as_ref().is_some_and(|voice| voice.id == speech) {
            if self.voice.as_ref().is_some_and(|voice| voice.announced) {
                out.push(Outbound::Clear { speech });
            }
            self.drop_speech_now();
        }
    }

    /// The speech was heard to its end: its audio goes.
    pub(super) fn finish_speech(&mut self, speech: SpeechId) {
        if self.voice.as_ref().is_some_and(|voice| voice.id == speech) {
            self.drop_speech_now();
        }
    }

    /// Everything goes.
    pub(super) fn drop_speech_now(&mut self) {
        if let Some(mut voice) = self.voice.take() {
            self.stopped.extend(voice.stop(|_| true, true));
        }
    }

    /// The synthesis that was stopped since the last look.
    pub(super) fn take_stopped(&mut self) -> Vec<Stopped> {
        std::mem::take(&mut self.stopped)
    }

    /// Lets leave what is due.
    pub(super) fn pump(&mut self, now_ms: u64, out: &mut Vec<Outbound>) -> Pumped {
        let mut pumped = Pumped::default();
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.playing && !voice.finished) else { return pumped };
        let (permitted, ends) = voice.permitted();
        let late_by_ms = now_ms.saturating_sub(voice.sent_until_ms);
        let wanted = frames_due(voice.format, voice.sent_until_ms.saturating_sub(now_ms));
        let left = permitted.saturating_sub(voice.sent);
        let whole = left / voice.frame_bytes() + usize::from(ends && !left.is_multiple_of(voice.frame_bytes()));
        let frames = wanted.min(whole);
        if frames > 0 {
            if !voice.announced {
                voice.announced = true;
                pumped.first = Some(voice.id);
                out.push(Outbound::SpeechStarted { speech: voice.id, reply: voice.reply });
            }
            if !voice.starved && late_by_ms > 0 {
                pumped.late = late_by_ms.div_ceil(FRAME_MS).min(frames as u64);
            }
            out.push(Outbound::Audio(voice.frames(frames)));
            voice.sent = (voice.sent + frames * voice.frame_bytes()).min(permitted);
            voice.sent_until_ms = voice.sent_until_ms.max(now_ms) + frames as u64 * FRAME_MS;
        }
        voice.starved = frames == whole;
        if ends && voice.sent == permitted {
            voice.finished = true;
            if voice.announced {
                let duration_ms = length_ms(permitted, voice.format);
                out.push(Outbound::SpeechFinished { speech: voice.id, duration_ms });
            }
        }
        pumped
    }

    /// When to pump again, in session milliseconds; none when only new audio or a new permit can change anything.
    pub(super) fn next_pump_ms(&self) -> Option<u64> {
        let voice = self.voice.as_ref().filter(|voice| voice.playing && !voice.finished && !voice.starved)?;
        Some(voice.sent_until_ms.saturating_sub(REFILL_MS))
    }

    /// Bytes of audio that are kept.
    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        self.voice.iter().flat_map(|voice| &voice.chunks).map(|chunk| chunk.audio.len()).sum()
    }
}

/// How many frames fill the lead up. A telephone's leave in large pieces: each is two messages, and a mark that comes back.
fn frames_due(format: AudioFormat, lead_ms: u64) -> usize {
    if format == AudioFormat::Mulaw8k && lead_ms > REFILL_MS {
        return 0;
    }
    usize::try_from(LEAD_MS.saturating_sub(lead_ms) / FRAME_MS).unwrap_or(0)
}

/// Milliseconds of so many bytes of audio.
const fn length_ms(bytes: usize, format: AudioFormat) -> u64 {
    (bytes / format.bytes_per_ms()) as u64
}

#[cfg(test)]
mod tests;
