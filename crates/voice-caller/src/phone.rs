//! A caller by telephone: Twilio's side of a call, over the streams that its webhooks tell it to open.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::media::MediaStream;
use crate::twilio::{Instruction, Socket, Twilio};
use crate::{FRAME_MS, is_loud, last_loud, loud_ms, millis, mulaw};

/// Samples a second.
pub const RATE: u32 = 8_000;
/// Samples of a frame.
pub const FRAME: usize = 160;
/// Samples, and bytes of µ-law, of a millisecond.
const PER_MS: u64 = 8;
/// Longest wait for a handshake; Twilio's own.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Webhooks that are asked for one stream.
const MOST_WEBHOOKS: usize = 8;

/// One stream of a call, without its socket.
#[derive(Debug)]
pub struct Line {
    sid: String,
    /// What the caller hears.
    pub far: MediaStream,
    began: Instant,
    sent: u64,
    chunks: u64,
}

impl Line {
    /// A stream (`MZ…`) that begins now.
    pub fn new(sid: String) -> Self {
        let far = MediaStream::new(&sid);
        Self { sid, far, began: Instant::now(), sent: 0, chunks: 0 }
    }

    /// Its age.
    pub fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }

    fn message(&mut self, kind: &str, body: &Value) -> Message {
        self.sent += 1;
        let sequence = self.sent.to_string();
        let mut message = json!({"event": kind, "sequenceNumber": sequence, "streamSid": self.sid});
        message[kind] = body.clone();
        Message::text(message.to_string())
    }

    /// What a stream begins with.
    pub fn start(&mut self, twilio: &Twilio, token: &str) -> [Message; 2] {
        let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1});
        let start = json!({
            "accountSid": twilio.account, "streamSid": self.sid, "callSid": twilio.call,
            "tracks": ["inbound"], "mediaFormat": format, "customParameters": {"callToken": token},
        });
        [Message::text(connected.to_string()), self.message("start", &start)]
    }

    /// The caller's next frame; a short one is filled with silence.
    pub fn media(&mut self, samples: &[i16]) -> Message {
        let mut coded: Vec<u8> = samples.iter().map(|sample| mulaw::encode(*sample)).collect();
        coded.resize(FRAME, mulaw::encode(0));
        self.chunks += 1;
        let (chunk, timestamp, payload) = (self.chunks.to_string(), self.now_ms().to_string(), STANDARD.encode(coded));
        let media = json!({"track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": payload});
        self.message("media", &media)
    }

    /// The caller presses a key.
    pub fn key(&mut self, digit: char) -> Message {
        self.message("dtmf", &json!({"track": "inbound_track", "digit": digit.to_string()}))
    }

    /// The caller hangs up.
    pub fn stop(&mut self, twilio: &Twilio) -> Message {
        self.message("stop", &json!({"accountSid": twilio.account, "callSid": twilio.call}))
    }

    /// Marks that were passed by now, as messages to the server.
    pub fn marks(&mut self) -> Vec<Message> {
        let now_ms = self.now_ms();
        texts(self.far.play_until(now_ms))
    }

    /// Takes a text message of the server: what goes back to it.
    ///
    /// # Errors
    /// Why Twilio would close the stream.
    pub fn take(&mut self, text: &str) -> Result<Vec<Message>, crate::media::MediaError> {
        let now_ms = self.now_ms();
        Ok(texts(self.far.handle_text(text, now_ms)?))
    }
}

fn texts(messages: Vec<Value>) -> Vec<Message> {
    messages.into_iter().map(|message| Message::text(message.to_string())).collect()
}

/// What came of one thing that was said.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// What the caller heard, at 8 kHz, silence included.
    pub pcm: Vec<i16>,
    /// Milliseconds from the last frame with speech in it to the first of the agent's audio.
    pub felt_ms: Option<u64>,
}

/// What came of speaking over the agent.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Milliseconds from the first frame with speech in it to the `clear` that silences the agent.
    pub after_ms: u64,
    /// Milliseconds of the agent's audio that came between the `clear` and the caller's last frame with speech in it.
    pub more_ms: u64,
}

/// A call in which the caller says one thing after the other.
pub struct Call {
    twilio: Twilio,
    socket: Socket,
    line: Line,
    ticks: Interval,
    to_say: VecDeque<Vec<i16>>,
    loud_for: Option<usize>,
    said: Option<Instant>,
    answer: Answer,
    /// When audio of the agent's came last.
    came: Option<Instant>,
}

impl Call {
    /// Dials: asks the number's webhook, and opens the stream that it names.
    ///
    /// # Errors
    /// When the webhook refuses, hangs up, or the stream cannot be opened.
    pub async fn dial(twilio: Twilio) -> Result<Self> {
        let mut next = twilio.webhook();
        for _ in 0..MOST_WEBHOOKS {
            match twilio.ask(&next).await.context("the voice webhook")?.0 {
                Instruction::Stream { token, .. } => return Self::stream(twilio, &token).await,
                Instruction::Pause { seconds, then } => {
                    sleep(Duration::from_secs(seconds)).await;
                    next = then;
                }
                Instruction::HangUp => bail!("the webhook hung up"),
            }
        }
        bail!("the webhook opens no stream")
    }

    async fn stream(twilio: Twilio, token: &str) -> Result<Self> {
        let mut socket = timeout(HANDSHAKE, twilio.open()).await.context("the media stream's handshake")??;
        let mut line = Line::new(format!("MZ{}", twilio.call.trim_start_matches("CA")));
        for message in line.start(&twilio, token) {
            socket.send(message).await.context("the media stream")?;
        }
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (to_say, loud_for, said, came) = (VecDeque::new(), None, None, None);
        Ok(Self { twilio, socket, line, ticks, to_say, loud_for, said, answer: Answer::default(), came })
    }

    /// Listens until the agent has spoken and then been silent for `pause`. What was heard; none if it did not within `patience`.
    ///
    /// # Errors
    /// When the stream is closed, or Twilio would close it.
    pub async fn hear_out(&mut self, pause: Duration, patience: Duration) -> Result<Option<Answer>> {
        let from = self.line.far.heard().len();
        self.came = None;
        if !self.until(patience, |call| call.is_over(pause)).await? {
            return Ok(None);
        }
        let pcm = self.line.far.heard().get(from..).unwrap_or_default().to_vec();
        Ok(Some(Answer { pcm, ..std::mem::take(&mut self.answer) }))
    }

    /// Listens until so much of the agent's speech was heard. Whether it was within `patience`.
    ///
    /// # Errors
    /// As [`Self::hear_out`].
    pub async fn hear(&mut self, speech: Duration, patience: Duration) -> Result<bool> {
        let from = self.line.far.heard().len();
        self.until(patience, |call| {
            let new = call.line.far.heard().get(from..).unwrap_or_default();
            Duration::from_millis(loud_ms(new, RATE)) >= speech
        })
        .await
    }

    /// Says this (PCM16 at 8 kHz), and hears the answer, as [`Self::hear_out`] does.
    ///
    /// # Errors
    /// When there is nothing but silence to say, and as [`Self::hear_out`].
    pub async fn say(&mut self, pcm: &[i16], pause: Duration, patience: Duration) -> Result<Option<Answer>> {
        let speaks = self.begin(pcm)?;
        self.hear_out(pause, patience.saturating_add(speaks)).await
    }

    /// Says this (PCM16 at 8 kHz) while the agent speaks, to its last sound. None if the agent was not silenced within `patience` behind it.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub async fn speak_over(&mut self, pcm: &[i16], patience: Duration) -> Result<Option<Cut>> {
        let speaks = self.begin(pcm)?;
        let first = pcm.chunks(FRAME).position(is_loud).unwrap_or_default();
        let (clears, sent) = (self.line.far.clears, self.line.chunks + first as u64);
        if !self.until(patience.saturating_add(speaks), |call| call.line.chunks > sent).await? {
            return Ok(None);
        }
        let began = Instant::now();
        if !self.until(patience.saturating_add(speaks), |call| call.line.far.clears > clears).await? {
            return Ok(None);
        }
        let (after_ms, before) = (millis(began.elapsed()), self.line.far.media_bytes);
        if !self.until(patience.saturating_add(speaks), |call| call.said.is_some()).await? {
            return Ok(None);
        }
        Ok(Some(Cut { after_ms, more_ms: (self.line.far.media_bytes - before) / PER_MS }))
    }

    /// Presses a key: `0` to `9`, `*` or `#`.
    ///
    /// # Errors
    /// When the stream is lost.
    pub async fn press(&mut self, key: char) -> Result<()> {
        let pressed = self.line.key(key);
        self.send(vec![pressed]).await
    }

    /// Begins to say this (PCM16 at 8 kHz), while something else is listened to. How long it takes.
    ///
    /// # Errors
    /// When there is nothing but silence to say.
    pub fn begin(&mut self, pcm: &[i16]) -> Result<Duration> {
        self.loud_for = Some(last_loud(pcm.chunks(FRAME)).context("there is only silence to say")?);
        self.to_say = pcm.chunks(FRAME).map(<[i16]>::to_vec).collect();
        (self.said, self.answer) = (None, Answer::default());
        Ok(Duration::from_millis(FRAME_MS).saturating_mul(u32::try_from(self.to_say.len()).unwrap_or(u32::MAX)))
    }

    /// Goes on with the call until something is so. Whether it is within `patience`.
    async fn until(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> Result<bool> {
        // What the caller was doing meanwhile, nobody heard.
        self.ticks.reset();
        let end = Instant::now() + patience;
        while !is_so(self) {
            tokio::select! {
                _ = self.ticks.tick() => self.tick().await?,
                message = self.socket.next() => self.take(message).await?,
                () = tokio::time::sleep_until(end) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn is_over(&self, pause: Duration) -> bool {
        let spoken = self.to_say.is_empty() && self.line.far.buffered_ms() == 0;
        let quiet =
            self.line.far.heard().iter().rev().take_while(|sample| sample.unsigned_abs() < crate::SILENT).count();
        let quiet = Duration::from_millis(quiet as u64 / PER_MS);
        spoken && quiet >= pause && self.came.is_some_and(|came| came.elapsed() >= pause)
    }

    async fn tick(&mut self) -> Result<()> {
        let mut out = self.line.marks();
        let frame = self.to_say.pop_front();
        match (&frame, &mut self.loud_for) {
            (Some(_), Some(0)) => (self.said, self.loud_for) = (Some(Instant::now()), None),
            (Some(_), Some(left)) => *left -= 1,
            _ => {}
        }
        out.push(self.line.media(&frame.unwrap_or_default()));
        self.send(out).await
    }

    async fn send(&mut self, messages: Vec<Message>) -> Result<()> {
        for message in messages {
            self.socket.send(message).await.context("the media stream")?;
        }
        Ok(())
    }

    async fn take(&mut self, message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Result<()> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let before = self.line.far.media_bytes;
                let back = self.line.take(&text)?;
                // Audio from before the caller's last word answers nothing.
                if self.line.far.media_bytes > before && (self.said.is_some() || self.to_say.is_empty()) {
                    self.came = Some(Instant::now());
                    if let Some(said) = self.said {
                        self.answer.felt_ms.get_or_insert(millis(said.elapsed()));
                    }
                }
                self.send(back).await
            }
            Some(Ok(Message::Binary(_))) => Err(self.line.far.handle_binary().into()),
            Some(Ok(Message::Close(frame))) => match frame {
                Some(frame) => bail!("the media stream was closed with {}", u16::from(frame.code)),
                None => bail!("the media stream was closed"),
            },
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => bail!("the media stream was lost"),
        }
    }

    /// Hangs up.
    pub async fn hang_up(mut self) {
        let stop = self.line.stop(&self.twilio);
        // Who is gone need not be told.
        let _gone = self.socket.send(stop).await;
    }
}
