//! What the caller hears: the audio of the speech that may be heard, paced.
//!
//! Pure but for the aborting of synthesis: it is told the time, and says what is to leave.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::task::AbortHandle;
use voice_core::ids::{ReplyId, SpeechId};

use super::api::Outbound;
use crate::audio::format::AudioFormat;
use crate::audio::frame::FRAME_MS;

/// Audio leaves at most this long before it is due, in milliseconds: enough for a slow network, little to take back.
pub(super) const LEAD_MS: u64 = 400;
/// When the lead has shrunk to this, more leaves.
const REFILL_MS: u64 = 200;

#[derive(Debug)]
struct ChunkAudio {
    index: u32,
    audio: Vec<u8>,
    done: bool,
}

/// One speech.
#[derive(Debug)]
struct Voice {
    id: SpeechId,
    reply: ReplyId,
    format: AudioFormat,
    chunks: Vec<ChunkAudio>,
    texts: VecDeque<(u32, String)>,
    synthesis: Option<(u32, AbortHandle)>,
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
    fn abort(&mut self) {
        self.texts.clear();
        if let Some((_, synthesis)) = self.synthesis.take() {
            synthesis.abort();
        }
    }

    /// Milliseconds of a chunk's audio so far.
    fn audio_ms(&self, index: u32) -> u64 {
        let chunk = self.chunks.iter().find(|chunk| chunk.index == index);
        chunk.map_or(0, |chunk| length_ms(chunk.audio.len(), self.format))
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
        let whole = self.texts.is_empty() && self.synthesis.is_none();
        (bytes, self.last && whole)
    }

    /// Bytes of a frame.
    const fn frame_bytes(&self) -> usize {
        self.format.bytes_per_ms() * FRAME_MS as usize
    }

    /// The next whole frames; the last one of a speech is filled up with silence.
    fn frames(&self, frames: usize) -> Bytes {
        let count = frames * self.frame_bytes();
        let mut bytes = Vec::with_capacity(count);
        let mut skip = self.sent;
        for chunk in &self.chunks {
            let from = skip.min(chunk.audio.len());
            skip -= from;
            let to = chunk.audio.len().min(from + count - bytes.len());
            bytes.extend_from_slice(&chunk.audio[from..to]);
        }
        bytes.resize(count, self.format.silence());
        bytes.into()
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
    /// Synthesis that was stopped: its reply, the milliseconds of audio that were there, and whether they are thrown away.
    stopped: Vec<(ReplyId, u64, bool)>,
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
    pub(super) fn add_text(&mut self, speech: SpeechId, reply: ReplyId, chunk: u32, text: String) {
        if self.voice.as_ref().is_none_or(|voice| voice.id != speech) {
            self.drop_speech_now();
            self.voice = Some(Voice {
                id: speech,
                reply,
                format: self.format,
                chunks: Vec::new(),
                texts: VecDeque::new(),
                synthesis: None,
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
            voice.texts.push_back((chunk, text));
        }
    }

    /// The next text to be made into audio, when none is being made.
    pub(super) fn next_text(&mut self) -> Option<(SpeechId, ReplyId, u32, String)> {
        let voice = self.voice.as_mut().filter(|voice| voice.synthesis.is_none())?;
        let (chunk, text) = voice.texts.pop_front()?;
        voice.chunks.push(ChunkAudio { index: chunk, audio: Vec::new(), done: false });
        Some((voice.id, voice.reply, chunk, text))
    }

    /// The synthesis of the text that `next_text` gave has begun.
    pub(super) fn begin_synthesis(&mut self, chunk: u32, synthesis: AbortHandle) {
        if let Some(voice) = &mut self.voice {
            voice.synthesis = Some((chunk, synthesis));
        }
    }

    /// Audio came. Answers the milliseconds of the chunk so far; none when nobody wants it any more.
    pub(super) fn add_audio(&mut self, speech: SpeechId, chunk: u32, audio: &[u8]) -> Option<u64> {
        let format = self.format;
        let chunk = self.chunk_mut(speech, chunk)?;
        chunk.audio.extend_from_slice(audio);
        Some(length_ms(chunk.audio.len(), format))
    }

    /// A chunk's audio is complete, or broke off. Answers its milliseconds.
    pub(super) fn end_audio(&mut self, speech: SpeechId, index: u32) -> Option<u64> {
        let format = self.format;
        let chunk = self.chunk_mut(speech, index)?;
        chunk.done = true;
        let audio_ms = length_ms(chunk.audio.len(), format);
        if let Some(voice) = &mut self.voice {
            voice.synthesis.take_if(|(chunk, _)| *chunk == index);
        }
        Some(audio_ms)
    }

    /// No more audio of a chunk is wanted: its synthesis stops, and it ends with what is there.
    pub(super) fn cut_chunk(&mut self, speech: SpeechId, index: u32) {
        let Some(voice) = self.voice.as_mut().filter(|voice| voice.id == speech) else { return };
        if let Some((_, synthesis)) = voice.synthesis.take_if(|(chunk, _)| *chunk == index) {
            synthesis.abort();
            self.stopped.push((voice.reply, voice.audio_ms(index), false));
        }
        if let Some(chunk) = self.chunk_mut(speech, index) {
            chunk.done = true;
        }
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
        voice.texts.retain(|(chunk, _)| *chunk < from_chunk);
        if let Some((chunk, synthesis)) = voice.synthesis.take_if(|(chunk, _)| *chunk >= from_chunk) {
            synthesis.abort();
            self.stopped.push((voice.reply, voice.audio_ms(chunk), true));
        }
        voice.chunks.retain(|chunk| chunk.index < from_chunk);
        voice.last = false;
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
            let stopped = voice.synthesis.as_ref().map(|(chunk, _)| (voice.reply, voice.audio_ms(*chunk), true));
            self.stopped.extend(stopped);
            voice.abort();
        }
    }

    /// The synthesis that was stopped since the last look.
    pub(super) fn take_stopped(&mut self) -> Vec<(ReplyId, u64, bool)> {
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
mod tests {
    use super::*;

    const SPEECH: SpeechId = SpeechId(1);

    fn mouth(chunks: &[(u32, usize)]) -> Mouth {
        let mut mouth = Mouth::new(AudioFormat::Pcm24k);
        for (index, samples) in chunks {
            mouth.add_text(SPEECH, ReplyId(1), *index, "words".to_owned());
            let (.., chunk, _) = mouth.next_text().unwrap();
            mouth.add_audio(SPEECH, chunk, &vec![7; 2 * *samples]).unwrap();
            mouth.end_audio(SPEECH, chunk).unwrap();
        }
        mouth
    }

    fn bytes(out: &[Outbound]) -> usize {
        out.iter().map(|one| if let Outbound::Audio(bytes) = one { bytes.len() } else { 0 }).sum()
    }

    #[test]
    fn nothing_leaves_before_it_may_be_heard() {
        let mut mouth = mouth(&[(0, 24_000)]);
        let mut out = Vec::new();
        assert_eq!(mouth.pump(0, &mut out), Pumped::default());
        mouth.play(10, SPEECH, 0, true);
        assert_eq!(mouth.pump(10, &mut out).first, Some(SPEECH));
        assert_eq!(bytes(&out), 20 * 960);
    }

    #[test]
    fn a_second_of_speech_takes_a_second_and_no_frame_is_late() {
        let mut mouth = mouth(&[(0, 20_000), (1, 4_100)]);
        mouth.play(0, SPEECH, 1, true);
        let (mut out, mut late) = (Vec::new(), 0);
        let mut now_ms = 0;
        late += mouth.pump(now_ms, &mut out).late;
        while let Some(next_ms) = mouth.next_pump_ms() {
            assert!(next_ms > now_ms);
            now_ms = next_ms;
            late += mouth.pump(now_ms, &mut out).late;
        }
        assert_eq!((late, bytes(&out), now_ms), (0, 51 * 960, 800));
        assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 1_004, .. })));
    }

    #[test]
    fn a_frame_that_leaves_after_its_time_is_counted() {
        let mut mouth = mouth(&[(0, 48_000)]);
        mouth.play(0, SPEECH, 0, true);
        let mut out = Vec::new();
        mouth.pump(0, &mut out);
        assert_eq!(mouth.pump(430, &mut out).late, 2);
    }

    #[test]
    fn waiting_for_audio_is_not_being_late() {
        let mut mouth = Mouth::new(AudioFormat::Pcm24k);
        mouth.add_text(SPEECH, ReplyId(1), 0, "words".to_owned());
        mouth.next_text().unwrap();
        mouth.play(0, SPEECH, 0, true);
        mouth.add_audio(SPEECH, 0, &[7; 1_920]).unwrap();
        let mut out = Vec::new();
        mouth.pump(0, &mut out);
        assert_eq!(mouth.next_pump_ms(), None);
        mouth.add_audio(SPEECH, 0, &[7; 1_920]).unwrap();
        assert_eq!(mouth.pump(900, &mut out).late, 0);
        assert_eq!(bytes(&out), 4 * 960);
    }

    #[test]
    fn a_pause_clears_and_a_resume_goes_on_where_the_caller_was() {
        let mut mouth = mouth(&[(0, 48_000)]);
        mouth.play(0, SPEECH, 0, true);
        let mut out = Vec::new();
        mouth.pump(0, &mut out);
        mouth.pause(SPEECH, &mut out);
        assert!(matches!(out.last(), Some(Outbound::Clear { .. })));
        out.clear();
        mouth.pump(100, &mut out);
        assert!(out.is_empty());
        mouth.resume(500, SPEECH, 120, &mut out);
        mouth.pump(500, &mut out);
        assert!(matches!(out.first(), Some(Outbound::SpeechResumed { from_ms: 120, .. })));
        let mut rest = Vec::new();
        let mut now_ms = 500;
        while let Some(next_ms) = mouth.next_pump_ms() {
            now_ms = now_ms.max(next_ms);
            mouth.pump(now_ms, &mut rest);
        }
        assert_eq!(bytes(&out) + bytes(&rest), (2_000 - 120) / 20 * 960);
    }

    #[test]
    fn dropped_chunks_are_never_heard() {
        let mut mouth = mouth(&[(0, 4_800), (1, 4_800)]);
        mouth.play(0, SPEECH, 0, false);
        let mut out = Vec::new();
        mouth.pump(0, &mut out);
        assert_eq!(bytes(&out), 10 * 960);
        mouth.drop_chunks(SPEECH, 1);
        mouth.play(50, SPEECH, 5, true);
        mouth.pump(50, &mut out);
        assert_eq!(bytes(&out), 10 * 960);
        assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 200, .. })));
    }

    #[test]
    fn a_chunk_that_is_cut_ends_with_what_is_there() {
        let mut mouth = Mouth::new(AudioFormat::Pcm24k);
        mouth.add_text(SPEECH, ReplyId(1), 0, "words".to_owned());
        mouth.next_text().unwrap();
        mouth.add_audio(SPEECH, 0, &[7; 1_920]).unwrap();
        mouth.cut_chunk(SPEECH, 0);
        assert_eq!(mouth.add_audio(SPEECH, 0, &[7; 1_920]), None);
        mouth.play(0, SPEECH, 0, true);
        let mut out = Vec::new();
        mouth.pump(0, &mut out);
        assert!(matches!(out.last(), Some(Outbound::SpeechFinished { duration_ms: 40, .. })));
    }

    #[test]
    fn what_was_made_of_a_speech_that_is_stopped_is_told_once() {
        let mut mouth = Mouth::new(AudioFormat::Pcm24k);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (chunk, kept) in [(0, true), (1, false)] {
            mouth.add_text(SPEECH, ReplyId(1), chunk, "words".to_owned());
            mouth.next_text().unwrap();
            mouth.begin_synthesis(chunk, runtime.spawn(std::future::pending::<()>()).abort_handle());
            mouth.add_audio(SPEECH, chunk, &[7; 4_800]).unwrap();
            if kept {
                mouth.cut_chunk(SPEECH, chunk);
            } else {
                mouth.drop_speech(SPEECH, &mut Vec::new());
            }
        }
        assert_eq!(mouth.take_stopped(), [(ReplyId(1), 100, false), (ReplyId(1), 100, true)]);
        assert_eq!(mouth.take_stopped(), []);
    }

    #[test]
    fn late_audio_of_another_speech_is_not_taken() {
        let mut mouth = mouth(&[(0, 480)]);
        assert_eq!(mouth.add_audio(SpeechId(9), 0, &[1, 0]), None);
        assert_eq!(mouth.add_audio(SPEECH, 0, &[1, 0]), None, "a chunk that is complete takes no more");
        mouth.drop_speech(SPEECH, &mut Vec::new());
        assert_eq!(mouth.buffered_bytes(), 0);
    }
}
