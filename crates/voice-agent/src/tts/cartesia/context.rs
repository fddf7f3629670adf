//! The contexts of one socket: which speech is spoken in which, how far, and what every message means for whom.
//!
//! Pure: it is told the time, and says what is to be sent. A speech's chunks are spoken in one context, one after the other;
//! a flush behind each tells where its audio ends. A context is over when it is ended, cancelled, failed, or when its last
//! audio is too old: the server forgets it a second after that, and an id is never used again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::sink::{NotTaken, Sink};
use super::wire::{self, Ask, NamedWord, Said, ServerMessage, Speaker};
use crate::audio::format::AudioFormat;
use crate::tts::sample::{Samples, is_file};
use crate::tts::timing::WordMatch;
use crate::tts::{SpeechKey, TtsEvent};

/// One chunk that is to be spoken, and who hears it.
#[derive(Debug)]
pub(super) struct Job {
    /// Names it in this process.
    pub(super) id: u64,
    /// The words.
    pub(super) text: String,
    /// Whose they are; none when nobody's: a probe.
    pub(super) speech: Option<SpeechKey>,
    /// How the audio is to be coded.
    pub(super) format: AudioFormat,
    /// Nothing follows in this speech.
    pub(super) ends: bool,
    /// Who hears it.
    pub(super) sink: Sink,
}

/// A chunk that is being spoken.
#[derive(Debug)]
struct Chunk {
    job: Job,
    samples: Samples,
    words: WordMatch,
    /// It was asked for in a context that had spoken before.
    is_continued: bool,
}

#[derive(Debug)]
struct Context {
    speech: Option<SpeechKey>,
    format: AudioFormat,
    /// What is being spoken; none between two chunks.
    chunk: Option<Chunk>,
    /// Bytes of the chunks that were spoken to their end: words are timed from the context's start.
    spoken_bytes: u64,
    /// The highest flush that was heard of: what is of a lower one is late.
    flush_id: u64,
    last_audio: Instant,
    /// The server was told that nothing follows.
    is_ended: bool,
}

impl Context {
    /// Milliseconds of the chunks before the present one.
    const fn spoken_ms(&self) -> u64 {
        self.spoken_bytes / self.format.bytes_per_ms() as u64
    }
}

/// Where contexts' names come from: the same for no two contexts of this process, and probably of no two processes.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// What begins them all.
    pub(super) prefix: Arc<str>,
    /// The socket that they are of.
    pub(super) socket: u64,
}

/// The contexts of one socket.
#[derive(Debug)]
pub(super) struct Contexts {
    speaker: Arc<Speaker>,
    names: Names,
    begun: u64,
    keep: Duration,
    open: HashMap<String, Context>,
    speeches: HashMap<SpeechKey, String>,
    frames: Vec<String>,
    over: Vec<SpeechKey>,
    spoke: bool,
}

impl Contexts {
    /// No context. One whose last audio is older than `keep` is not spoken in again.
    pub(super) fn new(speaker: Arc<Speaker>, names: Names, keep: Duration) -> Self {
        Self {
            speaker,
            names,
            begun: 0,
            keep,
            open: HashMap::new(),
            speeches: HashMap::new(),
            frames: Vec::new(),
            over: Vec::new(),
            spoke: false,
        }
    }

    /// What is to be sent, in order.
    pub(super) fn take_frames(&mut self) -> Vec<String> {
        std::mem::take(&mut self.frames)
    }

    /// The speeches that have no context here any more.
    pub(super) fn take_over(&mut self) -> Vec<SpeechKey> {
        self.over.retain(|speech| !self.speeches.contains_key(speech));
        std::mem::take(&mut self.over)
    }

    /// Whether any of them ever had audio.
    pub(super) const fn has_spoken(&self) -> bool {
        self.spoke
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A chunk is to be spoken: in its speech's context when that still lives, else in a new one.
    pub(super) fn speak(&mut self, job: Job, now: Instant) {
        if job.sink.is_dropped() {
            self.over.extend(job.speech);
            return;
        }
        let present = job.speech.and_then(|speech| self.speeches.get(&speech).cloned());
        let Some(name) = present.filter(|name| self.goes_on(name, job.format, now)) else {
            return self.begin(job, now);
        };
        self.ask(name, job, true, now);
    }

    /// Whether a context can take another chunk. One that cannot is left behind.
    fn goes_on(&mut self, name: &str, format: AudioFormat, now: Instant) -> bool {
        let Some(context) = self.open.get(name) else { return false };
        let is_kept = now.duration_since(context.last_audio) < self.keep && !context.is_ended;
        match &context.chunk {
            // Two chunks at once are none of a speech's. Unless nobody hears the first, it is spoken to its end.
            Some(chunk) if !chunk.job.sink.is_dropped() => false,
            None if is_kept && context.format == format => true,
            // The server has forgotten it, or will without being told.
            None if !is_kept => {
                self.forget(name);
                false
            }
            Some(_) | None => {
                self.cancel(name);
                false
            }
        }
    }

    fn begin(&mut self, job: Job, now: Instant) {
        self.begun += 1;
        let name = format!("{}-{}-{}", self.names.prefix, self.names.socket, self.begun);
        if let Some(speech) = job.speech {
            self.speeches.insert(speech, name.clone());
        }
        self.ask(name, job, false, now);
    }

    fn ask(&mut self, name: String, job: Job, is_continued: bool, now: Instant) {
        let format = job.format;
        // Transcripts are joined as they are: the space between two sentences is ours to send.
        let text = format!("{} ", job.text.trim());
        let ends = job.ends;
        let (samples, words) = (Samples::new(format), WordMatch::new(&job.text));
        let context = self.open.entry(name.clone()).or_insert_with(|| Context {
            speech: job.speech,
            format,
            chunk: None,
            spoken_bytes: 0,
            flush_id: 0,
            last_audio: now,
            is_ended: false,
        });
        context.chunk = Some(Chunk { job, samples, words, is_continued });
        context.is_ended = ends;
        self.frame(&name, format, Ask::Speak(&text));
        self.frame(&name, format, Ask::Flush);
        if ends {
            self.frame(&name, format, Ask::End);
        }
    }

    fn frame(&mut self, name: &str, format: AudioFormat, ask: Ask<'_>) {
        self.frames.push(wire::encode(&self.speaker, name, format, ask));
    }

    /// No chunk follows in this speech.
    pub(super) fn end(&mut self, speech: SpeechKey, now: Instant) {
        let Some(name) = self.speeches.get(&speech).cloned() else { return };
        let Some(context) = self.open.get_mut(&name) else { return };
        let is_kept = context.chunk.is_some() || now.duration_since(context.last_audio) < self.keep;
        let format = context.format;
        if is_kept && !std::mem::replace(&mut context.is_ended, true) {
            self.frame(&name, format, Ask::End);
        }
        if self.open.get(&name).is_some_and(|context| context.chunk.is_none()) {
            self.forget(&name);
        }
    }

    /// Nobody listens to this job any more. If it is still being spoken, it is cancelled.
    pub(super) fn dropped(&mut self, job: u64) {
        let speaks = |context: &Context| context.chunk.as_ref().is_some_and(|chunk| chunk.job.id == job);
        let name = self.open.iter().find(|(_, context)| speaks(context)).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.cancel(&name);
        }
    }

    /// Takes back what was asked for in a context, and forgets it: what still comes of it has no place any more.
    fn cancel(&mut self, name: &str) -> Option<Context> {
        self.frames.push(wire::encode_cancel(name));
        self.forget(name)
    }

    fn forget(&mut self, name: &str) -> Option<Context> {
        let context = self.open.remove(name)?;
        if let Some(speech) = context.speech.filter(|speech| self.speeches.get(speech).is_some_and(|of| of == name)) {
            self.speeches.remove(&speech);
            self.over.push(speech);
        }
        Some(context)
    }

    /// Forgets the contexts that the server has forgotten.
    pub(super) fn sweep(&mut self, now: Instant) {
        let keep = self.keep;
        let is_old = |context: &Context| context.chunk.is_none() && now.duration_since(context.last_audio) >= keep;
        let old: Vec<String> =
            self.open.iter().filter(|(_, context)| is_old(context)).map(|(name, _)| name.clone()).collect();
        for name in old {
            self.forget(&name);
        }
    }

    /// The socket is gone: so is every context, and every chunk that is being spoken fails.
    pub(super) fn fail_all(&mut self, failure: ProviderFailure) {
        for (_, context) in self.open.drain() {
            if let Some(chunk) = context.chunk {
                chunk.job.sink.fail(failure);
            }
        }
        self.speeches.clear();
        self.frames.clear();
    }

    /// Takes a message. What belongs to no context is late, and dropped.
    ///
    /// # Errors
    /// When the socket as a whole is of no use any more.
    pub(super) fn handle(&mut self, message: ServerMessage, now: Instant) -> Result<(), ProviderFailure> {
        match message {
            ServerMessage::Ignored => {}
            ServerMessage::Failed(failure) => return Err(failure),
            ServerMessage::Context { context, said } => match said {
                Said::Audio { audio, flush_id, done } => {
                    self.take_audio(&context, audio, flush_id, now);
                    if done {
                        self.take_done(&context, now);
                    }
                }
                Said::Words(words) => self.take_words(&context, &words),
                Said::FlushDone { flush_id } => self.take_flush(&context, flush_id),
                Said::Done => self.take_done(&context, now),
                Said::Failed(failure) => self.take_failure(&context, failure, now),
            },
        }
        Ok(())
    }

    fn take_audio(&mut self, name: &str, audio: Bytes, flush_id: Option<u64>, now: Instant) {
        let Some(context) = self.open.get_mut(name) else { return };
        if is_late(context, flush_id) {
            return;
        }
        context.last_audio = now;
        if is_file(&audio) {
            if let Some(chunk) = self.cancel(name).and_then(|context| context.chunk) {
                chunk.job.sink.fail(ProviderErrorKind::Protocol.into());
            }
            return;
        }
        let Some(chunk) = &mut context.chunk else { return };
        let whole = chunk.samples.push(audio);
        if !whole.is_empty() {
            self.spoke = true;
            let taken = chunk.job.sink.send(TtsEvent::Audio(whole));
            self.give_up(name, taken);
        }
    }

    fn take_words(&mut self, name: &str, named: &[NamedWord]) {
        let Some(context) = self.open.get_mut(name) else { return };
        let before_ms = context.spoken_ms();
        let Some(chunk) = &mut context.chunk else { return };
        let mut more = false;
        // What ended before this chunk began is of the one before, and late.
        for NamedWord { word, end_ms } in named.iter().filter(|word| word.end_ms > before_ms) {
            more |= chunk.words.hear(word, end_ms - before_ms);
        }
        if more {
            let taken = chunk.job.sink.send(TtsEvent::Words(chunk.words.words().to_vec()));
            self.give_up(name, taken);
        }
    }

    /// A stream that takes no more ends here, and so does its context.
    fn give_up(&mut self, name: &str, taken: Result<(), NotTaken>) {
        let Err(why) = taken else { return };
        let Some(chunk) = self.cancel(name).and_then(|context| context.chunk) else { return };
        if why == NotTaken::Full {
            tracing::warn!(provider = super::PROVIDER, "a voice is not listened to, and was cut off");
            // It is not the voice's fault.
            chunk.job.sink.fail(ProviderErrorKind::Unusable.into());
        }
    }

    fn take_flush(&mut self, name: &str, flush_id: Option<u64>) {
        let Some(context) = self.open.get_mut(name) else { return };
        if is_late(context, flush_id) {
            return;
        }
        let is_ended = context.is_ended;
        if let Some(chunk) = context.chunk.take() {
            context.spoken_bytes += chunk.samples.bytes();
            if !finish(chunk) && !is_ended {
                self.cancel(name);
                return;
            }
        }
        if is_ended {
            self.forget(name);
        }
    }

    /// The context is over: with all its audio, or before the chunk that came just too late for it.
    fn take_done(&mut self, name: &str, now: Instant) {
        let Some(context) = self.forget(name) else { return };
        match unheard(context) {
            Ok(job) => self.begin(job, now),
            Err(Some(chunk)) => {
                finish(*chunk);
            }
            Err(None) => {}
        }
    }

    fn take_failure(&mut self, name: &str, failure: ProviderFailure, now: Instant) {
        let Some(context) = self.forget(name) else { return };
        let is_refused = failure.kind == ProviderErrorKind::BadRequest && failure.retry_after_ms.is_none();
        match unheard(context) {
            Ok(job) if is_refused => self.begin(job, now),
            Ok(job) => job.sink.fail(failure),
            Err(Some(chunk)) => chunk.job.sink.fail(failure),
            Err(None) => {
                let kind = failure.kind.as_str();
                tracing::debug!(provider = super::PROVIDER, kind, "a context failed between two chunks");
            }
        }
    }
}

/// Whether something is of a flush before the present one. Servers that do not count are believed.
fn is_late(context: &mut Context, flush_id: Option<u64>) -> bool {
    let Some(flush_id) = flush_id else { return false };
    let is_late = flush_id < context.flush_id;
    context.flush_id = context.flush_id.max(flush_id);
    is_late
}

/// The job of a chunk that continued a context of which nothing came: the context was over before the chunk arrived, and it
/// can be asked for again. Any other chunk stays what it is.
fn unheard(context: Context) -> Result<Job, Option<Box<Chunk>>> {
    let chunk = context.chunk.ok_or(None)?;
    let is_silent = chunk.samples.bytes() == 0 && chunk.samples.is_whole();
    if !chunk.is_continued || !is_silent {
        return Err(Some(Box::new(chunk)));
    }
    Ok(Job { ends: context.is_ended, ..chunk.job })
}

/// Ends the stream of a chunk of which all was said, and says whether that was whole audio.
fn finish(chunk: Chunk) -> bool {
    let is_whole = chunk.samples.bytes() > 0 && chunk.samples.is_whole();
    if is_whole {
        chunk.job.sink.finish(chunk.words.finish(chunk.samples.audio_ms()));
    } else {
        chunk.job.sink.fail(ProviderErrorKind::Protocol.into());
    }
    is_whole
}
