//! A caller on the driver's own door: frames in real time, and a loudspeaker that reports what it played.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at};
use voice_agent::audio::resample::read_wav;
use voice_agent::driver::api::{Command, Outbound, SessionHandle};
use voice_core::ClientEvent;
use voice_core::ids::{ConnectionId, SpeechId};
use voice_core::input::HangUp;

use voice_agent::audio::frame::FRAME_MS;

use crate::instant::{Mark, Notes, Way};

/// A frame whose loudest sample is below this is silence: 1 % of full scale.
pub(crate) const SILENT: u16 = 328;
/// Playout is reported every so many frames.
const REPORT_EVERY: u64 = 5;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What waits for a caller, as in the server.
const OUTBOUND: usize = 256;
const LEG: ConnectionId = ConnectionId(1);

/// What is said: 16 kHz frames.
#[derive(Debug)]
pub(crate) struct Speech {
    pub(crate) frames: Vec<[i16; 320]>,
    /// The first frame with speech in it, and the last.
    pub(crate) loud: (usize, usize),
}

impl Speech {
    /// Speech of these samples (16 kHz).
    pub(crate) fn new(pcm: &[i16]) -> Result<Self> {
        let mut frames: Vec<[i16; 320]> = pcm.as_chunks().0.to_vec();
        let is_loud = |frame: &[i16; 320]| frame.iter().any(|sample| sample.unsigned_abs() >= SILENT);
        let first = frames.iter().position(is_loud).context("there is only silence to say")?;
        let last = frames.iter().rposition(is_loud).context("there is only silence to say")?;
        frames.truncate(last + 1);
        Ok(Self { frames, loud: (first, last) })
    }

    /// Speech of a WAV file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::new(&read_wav(path, 16_000).with_context(|| path.display().to_string())?)
    }
}

/// What a caller tells afterwards.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) ways: Vec<(Way, f64)>,
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) talked: Duration,
    pub(crate) unanswered: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Frames of silence left.
    Pausing(u64),
    Saying(usize),
    Listening(Instant),
}

/// The speech that is heard.
#[derive(Debug)]
struct Heard {
    speech: SpeechId,
    since: Option<Instant>,
    frames: u64,
    length_ms: Option<u64>,
}

impl Heard {
    fn played_ms(&self) -> u64 {
        let passed = self.since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        passed.min(self.frames * FRAME_MS).min(self.length_ms.unwrap_or(u64::MAX))
    }
}

/// One caller.
pub(crate) struct Caller {
    handle: SessionHandle,
    notes: Arc<Notes>,
    speech: Arc<Speech>,
    number: u64,
    phase: Phase,
    said: Option<Instant>,
    heard: Option<Heard>,
    turns: u64,
    told: Told,
}

impl Caller {
    pub(crate) fn new(handle: SessionHandle, notes: Arc<Notes>, speech: Arc<Speech>, number: u64) -> Self {
        // Callers do not all begin to speak at once.
        let phase = Phase::Pausing(25 + number * 37 % 150);
        Self { handle, notes, speech, number, phase, said: None, heard: None, turns: 0, told: Told::default() }
    }

    /// Talks until then, finishes the turn, and hangs up.
    pub(crate) async fn talk(mut self, until: Instant) -> Result<Told> {
        let began = Instant::now();
        let (outbound, mut inbox) = mpsc::channel(OUTBOUND);
        self.handle.send(Command::Attach { connection: LEG, voice: true, outbound, room: None })?;
        // Nor do their frames come at the same moment.
        let offset = Duration::from_micros(self.number * 7_919 % 20_000);
        let mut ticks = interval_at((began + offset).into(), Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut count = 0;
        loop {
            tokio::select! {
                biased;
                message = inbox.recv() => self.take(message.context("the session ended")?)?,
                _ = ticks.tick() => {
                    count += 1;
                    if Instant::now() >= until && !matches!(self.phase, Phase::Listening(_)) {
                        break;
                    }
                    self.tick(count)?;
                }
            }
        }
        self.told.talked = began.elapsed();
        self.handle.send(Command::HangUp { by: HangUp::Caller })?;
        self.handle.ended().await;
        self.told.ways = self.notes.take();
        Ok(self.told)
    }

    fn tick(&mut self, count: u64) -> Result<()> {
        let mut frame = Box::new([0; 320]);
        match self.phase {
            Phase::Pausing(0) => self.phase = Phase::Saying(0),
            Phase::Pausing(left) => self.phase = Phase::Pausing(left - 1),
            Phase::Saying(at) => {
                *frame = self.speech.frames[at];
                self.phase = Phase::Saying(at + 1);
                if at == self.speech.loud.1 {
                    self.said = Some(Instant::now());
                    self.phase = Phase::Listening(Instant::now());
                }
            }
            Phase::Listening(since) if since.elapsed() > PATIENCE => {
                self.told.unanswered += 1;
                self.pause();
            }
            Phase::Listening(_) => {}
        }
        self.handle.send(Command::Audio { connection: LEG, frame, mulaw: None })?;
        if count.is_multiple_of(REPORT_EVERY) {
            self.report()?;
        }
        Ok(())
    }

    fn report(&mut self) -> Result<()> {
        let Some(heard) = &self.heard else { return Ok(()) };
        let (speech, played_ms) = (heard.speech, heard.played_ms());
        self.handle.send(Command::Playout { connection: LEG, speech, played_ms, reported: true })?;
        if heard.length_ms.is_some_and(|length| played_ms >= length) {
            self.heard = None;
            self.pause();
        }
        Ok(())
    }

    fn pause(&mut self) {
        self.turns += 1;
        self.phase = Phase::Pausing(15 + (self.number * 31 + self.turns * 17) % 30);
    }

    fn take(&mut self, outbound: Outbound) -> Result<()> {
        match outbound {
            Outbound::SpeechStarted { speech, .. } => {
                self.heard = Some(Heard { speech, since: None, frames: 0, length_ms: None });
            }
            Outbound::SpeechFinished { duration_ms, .. } => {
                if let Some(heard) = &mut self.heard {
                    heard.length_ms = Some(duration_ms);
                }
            }
            Outbound::Audio(bytes) => self.hear(bytes.len()),
            Outbound::Event(ClientEvent::ToolCall { .. }) => {
                self.notes.reached(Mark::Change, Way::ToolToCommitted);
            }
            Outbound::Clear { .. } => self.heard = None,
            Outbound::Close { code, reason } => bail!("closed with {code}: {reason}"),
            Outbound::Event(ClientEvent::FallbackToText { message }) => bail!("voice failed: {message}"),
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, bytes: usize) {
        if let Some(said) = self.said.take() {
            self.told.latencies_ms.push(said.elapsed().as_secs_f64() * 1_000.0);
            self.notes.heard();
        }
        if let Some(heard) = &mut self.heard {
            heard.since.get_or_insert_with(Instant::now);
            heard.frames += bytes as u64 / 960;
        }
    }
}
