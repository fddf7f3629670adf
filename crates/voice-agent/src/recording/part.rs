//! One part of a recording while it is made: from the first frame that the caller allowed to the last.
//!
//! A task takes what the session's driver tapes, and puts it in its place in time; once a second what has settled is encoded, and what was
//! held back long enough is sealed and written, on a thread that may wait for the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use voice_core::ids::ReplyId;
use voice_core::output::ClientEvent;

use super::hold::{Blanks, Hold};
use super::mix::{GAP_MS, Mix, SETTLE_MS, STALL_MS, Side};
use super::name::{Kind, Name};
use super::packet::{Coder, Pages};
use super::spool::{Spool, SpoolError, Writing};
use super::transcript::{Line, Transcript, Who};
use super::{Recorder, card};
use crate::audio::format::AudioFormat;
use crate::audio::frame::{FRAME_MS, RATE_16K, decode_pcm16le};
use crate::audio::mulaw;
use crate::config::Recording;
use crate::redact::{card_in_progress, redact, without_digits};
use crate::store::{SessionId, UserId};
use crate::vault::{UserKey, VaultError};

/// How often what has settled is encoded.
const WORK: Duration = Duration::from_secs(1);
/// Digits that are being told are blanked from so long before the caller was noticed to speak, in milliseconds…
const BEFORE_SPEECH_MS: u64 = 700;
/// …to so long after the last that was understood.
const AFTER_DIGITS_MS: u64 = 4_000;
/// A letter that the agent says takes about so long, in milliseconds.
const MS_PER_CHAR: u64 = 75;
/// A card's digits that are told in several turns: after so long without one, in milliseconds, it is not told any more.
const BETWEEN_DIGITS_MS: u64 = 20_000;
/// What was said in a turn is looked through for a card's digits up to so many bytes.
const MOST_SAID: usize = 2_000;

/// What is taped.
#[derive(Debug)]
pub(super) enum Taped {
    /// 20 ms of the caller, which came now.
    Caller { now_ms: u64, frame: Box<[i16; 320]> },
    /// Audio of the agent that was played up to now. `goes_on`: it follows what was played of the same speech before.
    Agent { now_ms: u64, audio: Vec<u8>, goes_on: bool },
    /// A key was pressed.
    Key { now_ms: u64 },
    /// These words of a reply were heard.
    Words { now_ms: u64, reply: ReplyId, text: String },
    /// Something was said, or is being said.
    Event { now_ms: u64, event: ClientEvent },
}

/// What a part is of.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) user: UserId,
    pub(super) session: String,
    pub(super) fence: u64,
    pub(super) format: AudioFormat,
    /// When the session's milliseconds began to count.
    pub(super) began: Instant,
    /// When this part begins, in milliseconds of the session, and by the clock.
    pub(super) from_ms: u64,
    pub(super) start: Timestamp,
}

/// Why a part broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the codec: {0}")]
    Codec(#[from] opus::Error),
    #[error("the thread that writes is gone")]
    Thread,
}

impl PartError {
    /// The metric's word.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Spool(SpoolError::Disk(_)) => "disk",
            Self::Spool(SpoolError::Vault(_) | SpoolError::Unreadable { .. }) => "key",
            Self::Codec(_) | Self::Thread => "codec",
        }
    }
}

impl From<VaultError> for PartError {
    fn from(error: VaultError) -> Self {
        Self::Spool(error.into())
    }
}

impl From<std::io::Error> for PartError {
    fn from(error: std::io::Error) -> Self {
        Self::Spool(error.into())
    }
}

/// Makes a part out of what comes, until the sender is gone. Bytes that were written.
pub(super) async fn make(
    recorder: Arc<Recorder>,
    spool: Arc<Spool>,
    about: About,
    mut taped: mpsc::Receiver<Taped>,
) -> Result<u64, PartError> {
    let key = recorder.vault.key_for(&about.user, &SessionId::new(about.session.clone())).await?;
    let began = about.began;
    let now_ms = move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut part = Box::new(Part::new(&recorder.settings, spool, about, key)?);
    let mut grown = Grown { recorder: Arc::clone(&recorder), bytes: 0 };
    let mut ticks = interval(WORK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            one = taped.recv() => match one {
                Some(one) => part.take(one),
                None => break,
            },
            _ = ticks.tick() => {
                // None only if the recorder closed it, which it never does.
                let _writer = recorder.writers.acquire().await.ok();
                part = off_thread(part, move |part| part.work(now_ms())).await?;
                grown.to(part.bytes());
                if recorder.is_full() {
                    // The disk is for everybody's calls: the recording ends, and the call goes on.
                    break;
                }
            }
        }
    }
    let lost_ms = part.mix.take_lost_ms();
    let _writer = recorder.writers.acquire().await.ok();
    let bytes = tokio::task::spawn_blocking(move || part.finish()).await.map_err(|_| PartError::Thread)??;
    grown.to(bytes);
    recorder.lost_frames(lost_ms / FRAME_MS);
    Ok(bytes)
}

/// What a part has on the disk: counted while it is made, and as waiting from then on until the next round counts anew.
struct Grown {
    recorder: Arc<Recorder>,
    bytes: u64,
}

impl Grown {
    fn to(&mut self, bytes: u64) {
        self.recorder.live_bytes.fetch_add(bytes.saturating_sub(self.bytes), Ordering::Relaxed);
        self.bytes = self.bytes.max(bytes);
    }
}

impl Drop for Grown {
    fn drop(&mut self) {
        self.recorder.waiting_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        self.recorder.live_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

async fn off_thread(
    mut part: Box<Part>,
    work: impl FnOnce(&mut Part) -> Result<(), PartError> + Send + 'static,
) -> Result<Box<Part>, PartError> {
    let done = tokio::task::spawn_blocking(move || work(&mut part).map(|()| part)).await;
    done.map_err(|_| PartError::Thread)?
}

/// A part's state.
struct Part {
    spool: Arc<Spool>,
    key: UserKey,
    name: Name,
    format: AudioFormat,
    from_ms: u64,
    delay_ms: u64,
    mix: Mix,
    coder: Coder,
    pages: Pages,
    hold: Hold,
    blanks: Blanks,
    transcript: Transcript,
    /// What the caller has said in this turn, for a card's digits, and since when.
    said: String,
    said_from_ms: Option<u64>,
    said_last_ms: u64,
    sound: Option<Writing>,
    words: Option<Writing>,
}

impl Part {
    fn new(settings: &Recording, spool: Arc<Spool>, about: About, key: UserKey) -> Result<Self, PartError> {
        let About { session, fence, format, from_ms, start, .. } = about;
        let rates_hz = [RATE_16K, format.sample_rate_hz()];
        let coder = Coder::new(rates_hz, settings.bitrate)?;
        let pages = Pages::new(&coder, RATE_16K)?;
        let samples_per_ms = rates_hz.map(|rate_hz| (rate_hz / 1_000) as usize);
        Ok(Self {
            spool,
            name: Name::new(key.owner(), &session, start, fence, Kind::Sound),
            key,
            format,
            from_ms,
            delay_ms: settings.delay_ms,
            mix: Mix::new(from_ms, samples_per_ms),
            coder,
            pages,
            hold: Hold::default(),
            blanks: Blanks::new(settings.key_pause_ms),
            transcript: Transcript::default(),
            said: String::new(),
            said_from_ms: None,
            said_last_ms: 0,
            sound: None,
            words: None,
        })
    }

    fn take(&mut self, one: Taped) {
        match one {
            Taped::Caller { now_ms, frame } => {
                self.mix.put(Side::Caller, now_ms, now_ms.saturating_sub(FRAME_MS), &frame[..], GAP_MS);
            }
            Taped::Agent { now_ms, audio, goes_on } => {
                let samples = self.decode(&audio);
                let duration_ms = (audio.len() / self.format.bytes_per_ms()) as u64;
                let gap_ms = if goes_on { STALL_MS } else { GAP_MS };
                self.mix.put(Side::Agent, now_ms, now_ms.saturating_sub(duration_ms), &samples, gap_ms);
            }
            Taped::Key { now_ms } => self.blanks.key(now_ms),
            Taped::Words { now_ms, reply, text } => self.transcript.heard(now_ms, reply, text),
            Taped::Event { now_ms, event } => {
                self.look_for_digits(now_ms, &event);
                self.transcript.take(now_ms, &event);
            }
        }
    }

    fn decode(&self, audio: &[u8]) -> Vec<i16> {
        match self.format {
            AudioFormat::Mulaw8k => audio.iter().map(|code| mulaw::decode(*code)).collect(),
            AudioFormat::Pcm16k | AudioFormat::Pcm24k => decode_pcm16le(audio).unwrap_or_default(),
        }
    }

    /// A card's digits are not kept, whoever says them.
    fn look_for_digits(&mut self, now_ms: u64, event: &ClientEvent) {
        if !self.said.is_empty() && now_ms > self.said_last_ms + BETWEEN_DIGITS_MS {
            self.forget_said();
        }
        match event {
            ClientEvent::UserSpeaking { speaking: true } => {
                self.said_from_ms.get_or_insert(now_ms);
            }
            ClientEvent::Transcript { text, r#final, .. } => {
                let so_far = format!("{} {text}", self.said);
                if card::is_told(&so_far) {
                    let from_ms = self.said_from_ms.unwrap_or(now_ms).saturating_sub(BEFORE_SPEECH_MS);
                    self.blanks.add(from_ms, now_ms + AFTER_DIGITS_MS);
                }
                if *r#final && so_far.len() <= MOST_SAID {
                    (self.said, self.said_last_ms) = (so_far, now_ms);
                }
            }
            ClientEvent::AgentText { text, .. } => {
                // "Go on", says the agent, and the digits go on.
                if !card_in_progress(&self.said) {
                    self.forget_said();
                }
                if card::is_told(text) {
                    let sounds_ms = text.chars().count() as u64 * MS_PER_CHAR + AFTER_DIGITS_MS;
                    self.blanks.add(now_ms, now_ms + sounds_ms);
                }
            }
            _ => {}
        }
    }

    fn forget_said(&mut self) {
        self.said.clear();
        self.said_from_ms = None;
    }

    /// What it has on the disk, in bytes.
    fn bytes(&self) -> u64 {
        [&self.sound, &self.words].into_iter().flatten().map(Writing::bytes).sum()
    }

    /// Encodes what has settled, and writes what was held back long enough.
    fn work(&mut self, now_ms: u64) -> Result<(), PartError> {
        while let Some(frame) = self.mix.take(now_ms) {
            self.hold.push(self.coder.encode(&frame)?);
        }
        let Some(until_ms) = now_ms.checked_sub(SETTLE_MS + self.delay_ms) else { return Ok(()) };
        let packets = self.hold.release(until_ms, &self.blanks, &self.coder);
        self.pages.add(&packets, false)?;
        if !packets.is_empty() {
            self.write_sound()?;
        }
        let lines = self.transcript.release(now_ms.saturating_sub(self.delay_ms));
        self.write_words(&lines)?;
        self.blanks.forget_before(until_ms);
        Ok(())
    }

    /// Writes the rest, and ends the files.
    fn finish(mut self: Box<Self>) -> Result<u64, PartError> {
        while let Some(frame) = self.mix.take_last() {
            self.hold.push(self.coder.encode(&frame)?);
        }
        let packets = self.hold.release(u64::MAX, &self.blanks, &self.coder);
        self.pages.add(&packets, true)?;
        if !packets.is_empty() {
            self.write_sound()?;
        }
        let lines = self.transcript.release(u64::MAX);
        self.write_words(&lines)?;
        let mut bytes = 0;
        for writing in [self.sound.take(), self.words.take()].into_iter().flatten() {
            bytes += writing.finish()?;
        }
        Ok(bytes)
    }

    fn write_sound(&mut self) -> Result<(), PartError> {
        let bytes = self.pages.take();
        let writing = match self.sound.take() {
            Some(writing) => writing,
            None => self.spool.create(&self.name, &self.key)?,
        };
        Ok(self.sound.insert(writing).append(&bytes)?)
    }

    /// The words of a line as they may be kept: where a card is told, in however many utterances, without any digit of the caller's.
    fn clean(&self, line: &Line) -> String {
        let text = redact(&line.text);
        if line.who == Who::Caller && self.blanks.meet(line.at_ms, line.until_ms) {
            return without_digits(&text);
        }
        text.into_owned()
    }

    fn write_words(&mut self, lines: &[Line]) -> Result<(), PartError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            let text = self.clean(line);
            let at_ms = line.at_ms.saturating_sub(self.from_ms);
            serde_json::to_writer(&mut bytes, &Line { at_ms, text, ..line.clone() }).map_err(std::io::Error::from)?;
            bytes.push(b'\n');
        }
        let writing = match self.words.take() {
            Some(writing) => writing,
            None => self.spool.create(&self.name.with_kind(Kind::Words), &self.key)?,
        };
        Ok(self.words.insert(writing).append(&bytes)?)
    }
}

#[cfg(test)]
mod tests;
