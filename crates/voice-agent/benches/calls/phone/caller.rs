//! One caller by telephone: Twilio's side of a stream, in real time, with a loudspeaker that sends marks back when it has
//! played what stands before them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Milliseconds of a frame, and bytes of µ-law in a millisecond.
const FRAME_MS: u64 = 20;
const BYTES_PER_MS: u64 = 8;
/// Every so many turns the caller does not let the agent finish.
const INTERRUPTS_EVERY: u64 = 4;
/// How much of a reply is heard before that.
const LISTENS_FOR: Duration = Duration::from_millis(120);
/// After so much silence of the agent its reply is over.
const REPLY_IS_OVER: Duration = Duration::from_millis(400);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said: base64 of frames of µ-law.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) frames: Vec<String>,
    pub(crate) silence: String,
    /// The first frame with speech in it, and the last.
    pub(crate) loud: (usize, usize),
}

/// What callers tell afterwards. Times are milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// From the last frame with speech sent to the first audio of the reply.
    pub(crate) turns: Vec<f64>,
    /// From the first frame with speech sent, over the agent's, to `clear`.
    pub(crate) cuts: Vec<f64>,
    /// Interruptions that the agent talked through.
    pub(crate) talked_through: u64,
    /// Turns without an answer.
    pub(crate) unanswered: u64,
    /// Turns that were answered before the caller had finished; they count for nothing else.
    pub(crate) too_early: u64,
    /// Frames of replies that came after they were due.
    pub(crate) late_frames: u64,
    /// How long the streams were open, together.
    pub(crate) connected_ms: f64,
    /// How late the caller's own frames left, by whole milliseconds; the last count is for all beyond.
    pub(crate) lateness: Vec<u64>,
    /// Calls that broke off, and why.
    pub(crate) failed: Vec<String>,
}

impl Told {
    /// Adds what another told.
    pub(crate) fn add(&mut self, other: Self) {
        self.turns.extend(other.turns);
        self.cuts.extend(other.cuts);
        self.talked_through += other.talked_through;
        self.unanswered += other.unanswered;
        self.too_early += other.too_early;
        self.late_frames += other.late_frames;
        self.connected_ms += other.connected_ms;
        self.lateness.resize(LATENESS_MS + 1, 0);
        self.lateness.iter_mut().zip(other.lateness).for_each(|(sum, count)| *sum += count);
        self.failed.extend(other.failed);
    }

    /// So late, in milliseconds, was this share of the frames at most.
    pub(crate) fn lateness_ms(&self, percent: u64) -> usize {
        let rank = (self.lateness.iter().sum::<u64>() * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.lateness.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.unwrap_or(0)
    }
}

const LATENESS_MS: usize = 200;

/// A call that was never made before.
fn call_sid(number: u64) -> String {
    format!("CA{}-{number}", std::process::id())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Frames of silence left.
    Pausing(u64),
    Saying(usize),
    Listening(Instant),
}

/// The loudspeaker.
#[derive(Debug, Default)]
struct Speaker {
    /// When what has come of the reply will have been played.
    until: Option<Instant>,
    began: Option<Instant>,
    marks: VecDeque<(Instant, String)>,
}

/// One caller on an open stream.
pub(crate) struct Caller<'a> {
    socket: WebSocketStream<TcpStream>,
    words: &'a Words,
    number: u64,
    sequence: u64,
    phase: Phase,
    speaker: Speaker,
    turns: u64,
    said: Option<Instant>,
    /// The caller speaks over the agent since then, and hears it still.
    cutting: Option<Instant>,
    interrupts: bool,
    told: Told,
}

impl<'a> Caller<'a> {
    /// Calls. The number is one of this process.
    pub(crate) async fn call(address: &str, words: &'a Words, number: u64) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = client_async(format!("ws://{address}/twilio/media"), stream).await?;
        // Callers do not all begin to speak at once, nor before the first words are over.
        let phase = Phase::Pausing(125 + number * 37 % 150);
        let mut caller = Self {
            socket,
            words,
            number,
            sequence: 0,
            phase,
            speaker: Speaker::default(),
            turns: 0,
            said: None,
            cutting: None,
            interrupts: false,
            told: Told { lateness: vec![0; LATENESS_MS + 1], ..Told::default() },
        };
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        let start = json!({
            "accountSid": "ACbench", "streamSid": caller.stream(), "callSid": call_sid(number),
            "tracks": ["inbound"], "mediaFormat": format, "customParameters": {},
        });
        caller.send(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()).await?;
        let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": caller.stream(), "start": start});
        caller.send(start.to_string()).await?;
        Ok(caller)
    }

    fn stream(&self) -> String {
        format!("MZbench{}", self.number)
    }

    async fn send(&mut self, text: String) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Talks until then, finishes the turn, and hangs up.
    pub(crate) async fn talk(mut self, until: Instant) -> Result<Told> {
        let began = Instant::now();
        // Frames do not all come at the same moment.
        let offset = Duration::from_micros(self.number * 7_919 % 20_000);
        let mut ticks = interval_at((began + offset).into(), Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                message = self.socket.next() => {
                    self.take(message.context("the stream ended")??)?;
                }
                due = ticks.tick() => {
                    let late = Instant::now().saturating_duration_since(due.into_std());
                    let late_ms = usize::try_from(late.as_millis()).unwrap_or(LATENESS_MS).min(LATENESS_MS);
                    self.told.lateness[late_ms] += 1;
                    if Instant::now() >= until && matches!(self.phase, Phase::Pausing(_)) {
                        break;
                    }
                    self.tick().await?;
                }
            }
        }
        self.told.connected_ms = began.elapsed().as_secs_f64() * 1_000.0;
        let stop = json!({"accountSid": "ACbench", "callSid": call_sid(self.number)});
        self.send(json!({"event": "stop", "streamSid": self.stream(), "stop": stop}).to_string()).await?;
        // The server closes it; whatever comes before is of no interest.
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(self.told)
    }

    async fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        while self.speaker.marks.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, name)) = self.speaker.marks.pop_front() {
                self.mark(&name).await?;
            }
        }
        let words = self.words;
        let payload = match self.phase {
            Phase::Saying(at) => {
                if at == words.loud.0 {
                    self.cutting = Some(now).filter(|_| self.interrupts);
                }
                &words.frames[at]
            }
            _ => &words.silence,
        };
        self.media(payload).await?;
        self.phase = self.next_phase(now);
        Ok(())
    }

    fn next_phase(&mut self, now: Instant) -> Phase {
        match self.phase {
            Phase::Pausing(0) => Phase::Saying(0),
            Phase::Pausing(left) => Phase::Pausing(left - 1),
            Phase::Saying(at) if at == self.words.loud.1 => {
                let speaks = self.speaker.until.is_some_and(|until| until > now);
                self.told.too_early += u64::from(speaks && self.cutting.is_none());
                self.said = Some(now).filter(|_| !speaks);
                self.told.talked_through += u64::from(self.cutting.take().is_some());
                self.interrupts = false;
                self.speaker.began = None;
                Phase::Listening(now)
            }
            Phase::Saying(at) => Phase::Saying(at + 1),
            Phase::Listening(since) if self.said.is_some() && now.duration_since(since) > PATIENCE => {
                self.told.unanswered += 1;
                self.said = None;
                self.pause()
            }
            Phase::Listening(since) => match (self.speaker.began, self.speaker.until) {
                (Some(began), Some(until))
                    if self.wants_to_interrupt() && until > now && now.duration_since(began) >= LISTENS_FOR =>
                {
                    self.interrupts = true;
                    self.turns += 1;
                    Phase::Saying(0)
                }
                (_, Some(until)) if now.saturating_duration_since(until) >= REPLY_IS_OVER => self.pause(),
                _ => Phase::Listening(since),
            },
        }
    }

    const fn wants_to_interrupt(&self) -> bool {
        self.turns % INTERRUPTS_EVERY == INTERRUPTS_EVERY - 1
    }

    fn pause(&mut self) -> Phase {
        self.turns += 1;
        Phase::Pausing(15 + (self.number * 31 + self.turns * 17) % 30)
    }

    async fn media(&mut self, payload: &str) -> Result<()> {
        self.sequence += 1;
        let (number, at, ms) = (self.number, self.sequence, self.sequence * FRAME_MS);
        let text = format!(
            r#"{{"event":"media","sequenceNumber":"{at}","streamSid":"MZbench{number}","media":{{"track":"inbound","chunk":"{at}","timestamp":"{ms}","payload":"{payload}"}}}}"#
        );
        self.send(text).await
    }

    async fn mark(&mut self, name: &str) -> Result<()> {
        let mark = json!({"event": "mark", "sequenceNumber": "1", "streamSid": self.stream(), "mark": {"name": name}});
        self.send(mark.to_string()).await
    }

    fn take(&mut self, message: Message) -> Result<()> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => bail!("closed: {frame:?}"),
            _ => return Ok(()),
        };
        let event: Value = serde_json::from_str(&text)?;
        let now = Instant::now();
        match event["event"].as_str() {
            Some("media") => {
                let payload = event["media"]["payload"].as_str().context("no payload")?;
                let padding = payload.bytes().rev().take_while(|byte| *byte == b'=').count();
                self.hear(now, payload.len() / 4 * 3 - padding);
            }
            Some("mark") => {
                let name = event["mark"]["name"].as_str().context("no name")?.to_owned();
                self.speaker.marks.push_back((self.speaker.until.unwrap_or(now), name));
            }
            Some("clear") => {
                if let Some(since) = self.cutting.take() {
                    self.told.cuts.push((now - since).as_secs_f64() * 1_000.0);
                }
                self.speaker.until = None;
                // All at once, as Twilio does.
                self.speaker.marks.iter_mut().for_each(|(due, _)| *due = now);
            }
            other => bail!("a message of no kind: {other:?}"),
        }
        Ok(())
    }

    fn hear(&mut self, now: Instant, bytes: usize) {
        let length = Duration::from_millis(bytes as u64 / BYTES_PER_MS);
        if let Some(said) = self.said.take() {
            self.told.turns.push((now - said).as_secs_f64() * 1_000.0);
            self.speaker.began = Some(now);
        } else if let Some(until) = self.speaker.until.filter(|_| self.speaker.began.is_some())
            && now > until
        {
            // The reply went on, and there was nothing left to play.
            self.told.late_frames += (now - until).as_millis().div_ceil(u128::from(FRAME_MS)) as u64;
        }
        let from = self.speaker.until.map_or(now, |until| until.max(now));
        self.speaker.until = Some(from + length);
    }
}
