//! One caller with a microphone and a loudspeaker, over the browser's protocol (docs/protocol.md).

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::provider::code::say;

/// One frame, in milliseconds.
pub(in crate::drill) const FRAME_MS: u64 = 20;
/// Samples of a caller's frame, at 16 kHz.
pub(in crate::drill) const FRAME: usize = 320;
/// Samples of the agent's in a millisecond, at 24 kHz.
const PER_MS: usize = 24;
/// Frames between two playout reports.
pub(in crate::drill) const REPORT_EVERY: u64 = 5;
/// Frames of silence before the caller says something.
const BREATH: usize = 16;
/// Longest wait for a server's answer to a request, or to a goodbye.
const REQUEST: Duration = Duration::from_secs(10);
/// A sound below this, of full scale, is none: about -40 dB.
const SILENT: u16 = 328;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server's session, as its caller knows it.
pub struct Caller {
    url: String,
    client: reqwest::Client,
    session: String,
    token: String,
    greets: bool,
}

/// What a caller heard and read.
#[derive(Debug, Default)]
pub struct Heard {
    /// The session.
    pub session: String,
    /// The answer's audio, 24 kHz, as a loudspeaker plays it, without pauses between frames.
    pub pcm: Vec<i16>,
    /// The answer's words on the screen.
    pub caption: String,
    /// What was understood.
    pub transcript: String,
    /// The tools that ran.
    pub tools: Vec<String>,
    /// The server's `turn` event.
    pub turn: Option<Value>,
    /// From the last frame with speech in it to the first frame of the answer.
    pub felt_ms: Option<u64>,
    /// The longest silence inside the answer, because its audio came too late.
    pub gap_ms: u64,
    /// When the last frame with speech in it was sent.
    pub said: Option<Instant>,
    /// The titles of the caller's tasks afterwards.
    pub tasks: Vec<String>,
    /// The server asked the caller to type.
    pub fell_back: bool,
    /// Every event's type, in order, for who looks for what went wrong.
    pub events: Vec<String>,
}

impl Caller {
    /// Begins a session of this user.
    ///
    /// # Errors
    /// When the server cannot be reached, or takes no session.
    pub async fn new(client: &reqwest::Client, url: &str, user: &str) -> Result<Self> {
        let body = json!({"channel": "browser", "user_id": user, "time_zone": "UTC"});
        let request = client.post(format!("{url}/api/sessions")).json(&body).timeout(REQUEST);
        let response = request.send().await.context("the server under test")?;
        let status = response.status();
        let answer: Value = response.json().await.with_context(|| format!("the server answered {status}"))?;
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
        let (Some(session), Some(token)) = (text("session_id"), text("token")) else {
            bail!("the server answered {status}: {}", answer["detail"].as_str().unwrap_or("no session"));
        };
        let greets = text("greeting").is_some_and(|greeting| !greeting.is_empty());
        Ok(Self { url: url.to_owned(), client: client.clone(), session, token, greets })
    }

    /// Says something, and listens to the answer. What is missing when `patience` is over is not there.
    ///
    /// # Errors
    /// When the connection fails, or the server says something that is not its protocol.
    pub async fn call(&self, says: &str, patience: Duration) -> Result<Heard> {
        // http → ws, https → wss
        let url = format!("ws{}/api/sessions/{}/audio", self.url.trim_start_matches("http"), self.session);
        let mut request = url.into_client_request()?;
        let protocols = format!("voice-agent.v1, token.{}", self.token).parse()?;
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let (socket, _) = connect_async(request).await.context("the socket")?;
        let mut call = Call::new(socket, says, self.greets);
        let talked = timeout(patience, call.talk()).await;
        call.stop_playing(u64::MAX);
        call.heard.tasks = self.tasks().await?;
        call.heard.session.clone_from(&self.session);
        call.hang_up().await;
        match talked {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Ok(call.heard),
        }
    }

    async fn tasks(&self) -> Result<Vec<String>> {
        let request = self.client.get(format!("{}/api/tasks", self.url)).bearer_auth(&self.token).timeout(REQUEST);
        let tasks: Value = request.send().await?.error_for_status()?.json().await?;
        let titles = tasks.as_array().into_iter().flatten();
        Ok(titles.filter_map(|task| Some(task["title"].as_str()?.to_owned())).collect())
    }
}

/// What is being played.
pub(in crate::drill) struct Playing {
    pub(in crate::drill) speech: u64,
    from_ms: u64,
    samples: Vec<i16>,
    /// When all that came will have been played.
    pub(in crate::drill) dry: Option<Instant>,
    pub(in crate::drill) whole_ms: Option<u64>,
}

impl Playing {
    /// A speech of which nothing has come yet.
    pub(in crate::drill) const fn new(speech: u64, from_ms: u64) -> Self {
        Self { speech, from_ms, samples: Vec::new(), dry: None, whole_ms: None }
    }

    fn played_ms(&self, now: Instant) -> u64 {
        let left = self.dry.map_or(Duration::ZERO, |dry| dry.saturating_duration_since(now));
        let came_ms = self.from_ms + (self.samples.len() / PER_MS) as u64;
        let played_ms = came_ms.saturating_sub(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.whole_ms.map_or(played_ms, |whole_ms| played_ms.min(whole_ms))
    }

    pub(in crate::drill) fn is_over(&self, now: Instant) -> bool {
        self.whole_ms.is_some_and(|whole_ms| self.played_ms(now) >= whole_ms)
    }

    pub(in crate::drill) fn report(&self, now: Instant) -> Value {
        json!({"type": "playout", "speech_id": self.speech, "played_ms": self.played_ms(now)})
    }

    /// What comes later than the speech before it ends is a gap.
    pub(in crate::drill) fn take(&mut self, samples: impl Iterator<Item = i16>, now: Instant) -> u64 {
        let late = self.dry.map_or(Duration::ZERO, |dry| now.saturating_duration_since(dry));
        self.samples.extend(samples);
        self.dry = Some(self.dry.unwrap_or(now).max(now) + Duration::from_millis(FRAME_MS));
        u64::try_from(late.as_millis()).unwrap_or(u64::MAX)
    }
}

struct Call {
    socket: Socket,
    ticks: Interval,
    ticked: u64,
    frames: Vec<Vec<u8>>,
    last_loud: usize,
    /// The next frame; none while the server greets.
    at: Option<usize>,
    playing: Option<Playing>,
    heard: Heard,
}

impl Call {
    fn new(socket: Socket, says: &str, greets: bool) -> Self {
        let speech = [vec![0; BREATH * FRAME], say(says, 16_000)].concat();
        let loud = |frame: &[i16]| frame.iter().any(|sample| sample.unsigned_abs() >= SILENT);
        let last_loud = speech.chunks(FRAME).rposition(loud).unwrap_or_default();
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        // A microphone does not slow down because the network did.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self {
            socket,
            ticks,
            ticked: 0,
            frames: speech.chunks(FRAME).map(encode).collect(),
            last_loud,
            at: (!greets).then_some(0),
            playing: None,
            heard: Heard::default(),
        }
    }

    async fn talk(&mut self) -> Result<()> {
        while !self.is_over() {
            tokio::select! {
                _ = self.ticks.tick() => self.tick().await?,
                message = self.socket.next() => match message {
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("the connection was lost"),
                },
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let answered = self.heard.turn.is_some() && self.heard.felt_ms.is_some();
        self.heard.fell_back || answered && self.playing.is_none()
    }

    async fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut frame = None;
        if let Some(at) = self.at {
            frame = self.frames.get(at).cloned();
            if at == self.last_loud {
                self.heard.said = Some(now);
            }
            self.at = Some(at + 1);
        }
        let frame = frame.unwrap_or_else(|| vec![0; 2 * FRAME]);
        self.socket.send(Message::Binary(frame.into())).await?;
        self.ticked += 1;
        if self.ticked.is_multiple_of(REPORT_EVERY)
            && let Some(report) = self.playing.as_ref().filter(|playing| playing.dry.is_some())
        {
            let (report, over) = (report.report(now), report.is_over(now));
            self.socket.send(Message::text(report.to_string())).await?;
            if over {
                self.stop_playing(u64::MAX);
            }
        }
        Ok(())
    }

    /// What was played of the speech was heard, if it was an answer; after the greeting the caller begins.
    fn stop_playing(&mut self, until_ms: u64) {
        let Some(mut playing) = self.playing.take() else { return };
        if self.at.is_none() {
            self.at = Some(0);
            return;
        }
        let kept_ms = until_ms.min(playing.whole_ms.unwrap_or(u64::MAX)).saturating_sub(playing.from_ms);
        playing.samples.truncate(usize::try_from(kept_ms).map_or(usize::MAX, |ms| ms.saturating_mul(PER_MS)));
        self.heard.pcm.extend(playing.samples);
    }

    async fn take(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Binary(bytes) => self.hear(&bytes),
            Message::Text(text) => {
                let event = serde_json::from_str(&text).context("an event of the server")?;
                self.event(&event).await?;
            }
            Message::Close(frame) => bail!("the server closed the call: {frame:?}"),
            _ => {}
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let Some(playing) = &mut self.playing else { return };
        let (pairs, _) = bytes.as_chunks::<2>();
        let gap_ms = playing.take(pairs.iter().map(|pair| i16::from_le_bytes(*pair)), now);
        self.heard.gap_ms = self.heard.gap_ms.max(gap_ms);
        if let Some(said) = self.heard.said {
            let waited_ms = u64::try_from((now - said).as_millis()).unwrap_or(u64::MAX);
            self.heard.felt_ms.get_or_insert(waited_ms);
        }
    }

    async fn event(&mut self, event: &Value) -> Result<()> {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        self.heard.events.push(text("type"));
        match event["type"].as_str().unwrap_or_default() {
            "speech_started" => self.play(number("speech_id"), 0),
            "speech_resumed" => self.play(number("speech_id"), number("from_ms")),
            "speech_finished" => {
                if let Some(playing) = self.playing.as_mut().filter(|playing| playing.speech == number("speech_id")) {
                    playing.whole_ms = Some(number("duration_ms"));
                }
            }
            "clear" => {
                if let Some(playing) = self.playing.as_ref().filter(|playing| playing.speech == number("speech_id")) {
                    let (report, played_ms) = (playing.report(Instant::now()), playing.played_ms(Instant::now()));
                    self.stop_playing(played_ms);
                    self.socket.send(Message::text(report.to_string())).await?;
                }
            }
            "transcript" if event["final"] == true => self.heard.transcript = text("text"),
            "agent_text" if self.at.is_some() => {
                self.heard.caption.push(' ');
                self.heard.caption.push_str(text("text").trim());
            }
            "tool_call" => self.heard.tools.push(text("name")),
            "turn" => self.heard.turn = Some(event.clone()),
            "fallback_to_text" => self.heard.fell_back = true,
            "ended" => bail!("the session ended: {}", text("reason")),
            _ => {}
        }
        Ok(())
    }

    fn play(&mut self, speech: u64, from_ms: u64) {
        self.stop_playing(u64::MAX);
        self.playing = Some(Playing::new(speech, from_ms));
    }

    /// The session is only a drill's: it should not wait for a caller who does not come back.
    async fn hang_up(&mut self) {
        let end = Message::text(json!({"type": "end"}).to_string());
        if self.socket.send(end).await.is_ok() {
            let over = async { while let Some(Ok(_)) = self.socket.next().await {} };
            let _enough = timeout(REQUEST, over).await;
        }
    }
}

pub(in crate::drill) fn encode(samples: &[i16]) -> Vec<u8> {
    let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    bytes.resize(2 * FRAME, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn audio_that_comes_too_late_leaves_a_gap() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut playing = Playing { speech: 1, from_ms: 0, samples: Vec::new(), dry: None, whole_ms: None };
        let frame = || std::iter::repeat_n(1, 480);
        assert_eq!((playing.take(frame(), at(0)), playing.take(frame(), at(0))), (0, 0));
        assert_eq!((playing.played_ms(at(10)), playing.played_ms(at(90))), (10, 40));
        assert_eq!(playing.take(frame(), at(100)), 60);
        assert_eq!(playing.played_ms(at(110)), 50);
        playing.whole_ms = Some(55);
        assert!(!playing.is_over(at(110)) && playing.is_over(at(116)));
    }
}
