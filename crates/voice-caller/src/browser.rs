//! A caller with a microphone and a loudspeaker, over the browser's protocol (docs/protocol.md).

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::heard::Heard;
use crate::playout::Playout;
use crate::{FRAME_MS, last_loud, millis};

/// Samples of a caller's frame, at 16 kHz.
pub const FRAME: usize = 320;
/// Frames between two playout reports.
pub const REPORT_EVERY: u64 = 5;
/// Longest wait for an answer over HTTP, and for a handshake.
const REQUEST: Duration = Duration::from_secs(10);
/// Longest wait for the server to close after a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes of a picture in one message: in base64, and with what is around it, below 8 KiB.
const PIECE: usize = 5_400;

/// A call's socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a call did not go on.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The connection is gone, with a close code or without.
    #[error("the connection was lost ({})", .0.map_or_else(|| "without a word".to_owned(), |code| format!("closed with {code}")))]
    Lost(Option<u16>),
    /// The session is over, for this reason.
    #[error("the session ended: {0}")]
    Ended(String),
    /// The server refused something of the caller's.
    #[error("the server refused something: {0}")]
    Refused(String),
    /// The server does not speak the protocol, or something did not work here.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// A caller's frame as a message has it; a short one is filled with silence.
pub fn encode(samples: &[i16]) -> Vec<u8> {
    let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    bytes.resize(2 * FRAME, 0);
    bytes
}

/// A server's session, as its caller knows it.
#[derive(Debug, Clone)]
pub struct Session {
    client: reqwest::Client,
    url: String,
    token: String,
    /// Its id.
    pub id: String,
    /// What it says first; empty: the caller speaks first.
    pub greeting: String,
}

impl Session {
    /// Begins a session with the body of `POST /api/sessions`, as whoever the bearer token names.
    ///
    /// # Errors
    /// When the server cannot be reached, or takes no session.
    pub async fn begin(client: &reqwest::Client, url: &str, bearer: Option<&str>, body: &Value) -> Result<Self> {
        let mut request = client.post(format!("{url}/api/sessions")).json(body).timeout(REQUEST);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let response =
            request.send().await.with_context(|| format!("no server answers at {url}: is it running there?"))?;
        let status = response.status();
        let answer: Value = response.json().await.with_context(|| format!("the server answered {status}"))?;
        if !status.is_success() {
            bail!("the server answered {status}: {}", answer["detail"].as_str().unwrap_or("no reason"));
        }
        let text = |field: &str| {
            let text = answer[field].as_str().map(str::to_owned);
            text.with_context(|| format!("the server's answer has no {field}"))
        };
        let (id, token, greeting) = (text("session_id")?, text("token")?, text("greeting")?);
        Ok(Self { client: client.clone(), url: url.to_owned(), token, id, greeting })
    }

    /// What a path of the server says to this session's caller.
    ///
    /// # Errors
    /// When it is not there, or no JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).timeout(REQUEST);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// The session as it is kept: `conversation_history`, `context` and the rest.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn document(&self) -> Result<Value> {
        self.get(&format!("/api/sessions/{}", self.id)).await
    }

    /// The titles of the caller's tasks.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn titles(&self) -> Result<Vec<String>> {
        Ok(self.tasks().await?.into_iter().map(|(_, title)| title).collect())
    }

    /// The ids and titles of the caller's tasks.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn tasks(&self) -> Result<Vec<(String, String)>> {
        let tasks = self.get("/api/tasks").await?;
        let text = |task: &Value, field: &str| task[field].as_str().map(str::to_owned);
        let each = |task: &Value| Some((text(task, "id")?, text(task, "title")?));
        Ok(tasks.as_array().into_iter().flatten().filter_map(each).collect())
    }

    /// Takes a task of the caller's away.
    ///
    /// # Errors
    /// When the server cannot be reached, or there is no such task.
    pub async fn delete_task(&self, id: &str) -> Result<()> {
        let request = self.client.delete(format!("{}/api/tasks/{id}", self.url));
        request.bearer_auth(&self.token).timeout(REQUEST).send().await?.error_for_status()?;
        Ok(())
    }

    /// Opens the session's socket.
    ///
    /// # Errors
    /// When the handshake is refused.
    pub async fn connect(&self) -> Result<Socket> {
        // http → ws, https → wss
        let url = format!("ws{}/api/sessions/{}/audio", self.url.trim_start_matches("http"), self.id);
        let mut request = url.into_client_request()?;
        let protocols = format!("voice-agent.v1, token.{}", self.token).parse()?;
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let connecting = connect_async_with_config(request, None, true);
        Ok(timeout(REQUEST, connecting).await.context("no answer to the handshake")?.context("the socket")?.0)
    }
}

/// A connection in which a caller says one thing after the other.
pub struct Call {
    /// The session.
    pub session: Session,
    socket: Socket,
    ticks: Interval,
    ticked: u64,
    to_say: VecDeque<Vec<u8>>,
    /// Frames until the last one with speech in it was sent.
    loud_for: Option<usize>,
    playing: Option<Playout>,
    /// Speeches that were played to their end, or cut, since they were last asked for.
    played: usize,
    picture: Option<Vec<u8>>,
    /// The session ended after its answer: what follows is the close.
    over: bool,
    /// The last `ready` event of this connection.
    pub ready: Option<Value>,
    /// What came of what was said last.
    pub heard: Heard,
}

impl Call {
    /// Connects.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn connect(session: Session) -> Result<Self> {
        let socket = session.connect().await?;
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        // A microphone does not slow down because the network did.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Ok(Self {
            session,
            socket,
            ticks,
            ticked: 0,
            to_say: VecDeque::new(),
            loud_for: None,
            playing: None,
            played: 0,
            picture: None,
            over: false,
            ready: None,
            heard: Heard::default(),
        })
    }

    /// Connects again, as the page does after a loss. What was being said, or played, is lost with the old connection.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn reconnect(&mut self) -> Result<()> {
        self.socket = self.session.connect().await?;
        (self.playing, self.ready, self.over) = (None, None, false);
        self.to_say.clear();
        Ok(())
    }

    /// Hears what the agent says by itself, such as its greeting, to its end. Whether it did within `patience`.
    ///
    /// # Errors
    /// When the connection is lost, or the session ends.
    pub async fn hear_out(&mut self, patience: Duration) -> Result<bool, CallError> {
        self.played = 0;
        let over = |call: &Self| call.heard.fell_back.is_some() || call.played > 0 && call.playing.is_none();
        Ok(self.until(patience, over).await? && self.heard.fell_back.is_none())
    }

    /// Says this (PCM16 at 16 kHz), and hears the answer: [`Self::heard`]. Whether it was answered, to the end, within `patience` after the words.
    ///
    /// # Errors
    /// When there is nothing but silence to say, the connection is lost, or the session ends; what was heard until then is there.
    pub async fn say(&mut self, pcm: &[i16], patience: Duration) -> Result<bool, CallError> {
        let loud = last_loud(pcm.chunks(FRAME)).context("there is only silence to say")?;
        self.heard = Heard::default();
        self.to_say = pcm.chunks(FRAME).map(encode).collect();
        self.loud_for = Some(loud);
        let speaks =
            Duration::from_millis(FRAME_MS).saturating_mul(u32::try_from(self.to_say.len()).unwrap_or(u32::MAX));
        self.until(patience.saturating_add(speaks), |call| {
            let answered = call.heard.turn.is_some() && call.heard.felt_ms.is_some();
            call.heard.fell_back.is_some() || answered && call.playing.is_none()
        })
        .await
    }

    /// Stays on the line until something of the caller's own is so, the time is over, or the session has ended after its answer. Whether it is.
    ///
    /// # Errors
    /// When the connection is lost, or the session ends.
    pub async fn until(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> Result<bool, CallError> {
        // What the caller was doing meanwhile, nobody heard.
        self.ticks.reset();
        let end = Instant::now() + patience;
        while !is_so(self) {
            tokio::select! {
                _ = self.ticks.tick() => self.tick().await?,
                message = self.socket.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None if self.over => {
                        let now = Instant::now();
                        let heard_ms = self.playing.as_ref().map_or(0, |playing| playing.played_ms(now));
                        self.stop_playing(heard_ms);
                        return Ok(is_so(self));
                    }
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(_)) | None => return Err(CallError::Lost(None)),
                },
                () = tokio::time::sleep_until(end) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Shares a screen that shows this picture (a WebP file), whenever the agent looks.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn share(&mut self, picture: Vec<u8>) -> Result<(), CallError> {
        self.picture = Some(picture);
        self.send(&json!({"type": "screen", "sharing": true})).await
    }

    /// Agrees to the recording, or withdraws that.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn consent(&mut self, recording: bool) -> Result<(), CallError> {
        self.send(&json!({"type": "consent", "recording": recording})).await
    }

    /// Hangs up, so that the session does not wait for a caller who does not come back.
    pub async fn hang_up(mut self) {
        if self.send(&json!({"type": "end"})).await.is_ok() {
            let over = async { while let Some(Ok(_)) = self.socket.next().await {} };
            // Whoever does not close in time is left.
            let _enough = timeout(GOODBYE, over).await;
        }
    }

    async fn send(&mut self, event: &Value) -> Result<(), CallError> {
        self.pass(Message::text(event.to_string())).await
    }

    async fn pass(&mut self, message: Message) -> Result<(), CallError> {
        self.socket.send(message).await.map_err(|_| CallError::Lost(None))
    }

    async fn tick(&mut self) -> Result<(), CallError> {
        let now = Instant::now();
        let frame = self.to_say.pop_front();
        match (&frame, &mut self.loud_for) {
            (Some(_), Some(0)) => {
                self.heard.said = Some(now);
                self.loud_for = None;
            }
            (Some(_), Some(left)) => *left -= 1,
            _ => {}
        }
        self.pass(Message::Binary(frame.unwrap_or_else(|| vec![0; 2 * FRAME]).into())).await?;
        self.ticked += 1;
        if self.ticked.is_multiple_of(REPORT_EVERY)
            && let Some(playing) = self.playing.as_ref().filter(|playing| playing.has_begun())
        {
            let (report, is_over) = (playing.report(now), playing.is_over(now));
            self.send(&report).await?;
            if is_over {
                self.stop_playing(u64::MAX);
            }
        }
        Ok(())
    }

    /// What was played of the speech was heard; it answers, if the caller has said something.
    fn stop_playing(&mut self, until_ms: u64) {
        let Some(playing) = self.playing.take() else { return };
        self.played += 1;
        if self.heard.said.is_some() {
            self.heard.pcm.extend(playing.heard(until_ms));
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), CallError> {
        match message {
            Message::Binary(bytes) => self.hear(&bytes),
            Message::Text(text) => {
                let event = serde_json::from_str(&text).context("an event of the server")?;
                return self.event(&event).await;
            }
            Message::Close(frame) => return Err(CallError::Lost(frame.map(|frame| frame.code.into()))),
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
            self.heard.felt_ms.get_or_insert(millis(now - said));
        }
    }

    async fn event(&mut self, event: &Value) -> Result<(), CallError> {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "ready" => self.ready = Some(event.clone()),
            "speech_started" => self.play(number("speech_id"), 0),
            "speech_resumed" => self.play(number("speech_id"), number("from_ms")),
            "speech_finished" => {
                if let Some(playing) = self.playing.as_mut().filter(|playing| playing.speech == number("speech_id")) {
                    playing.whole_ms = Some(number("duration_ms"));
                }
            }
            "clear" => {
                if let Some(playing) = self.playing.as_ref().filter(|playing| playing.speech == number("speech_id")) {
                    let now = Instant::now();
                    let (report, played_ms) = (playing.report(now), playing.played_ms(now));
                    self.stop_playing(played_ms);
                    self.send(&report).await?;
                }
            }
            "look" => self.show(&event["look_id"]).await?,
            "error" => return Err(CallError::Refused(event["message"].as_str().unwrap_or_default().to_owned())),
            "ended" if self.heard.turn.is_none() => {
                return Err(CallError::Ended(event["reason"].as_str().unwrap_or_default().to_owned()));
            }
            "ended" => self.over = true,
            _ => {}
        }
        self.heard.event(event);
        Ok(())
    }

    fn play(&mut self, speech: u64, from_ms: u64) {
        self.stop_playing(u64::MAX);
        self.playing = Some(Playout::new(speech, from_ms));
    }

    /// Answers a look, in pieces; without a picture there is none.
    async fn show(&mut self, look: &Value) -> Result<(), CallError> {
        let picture = self.picture.clone().unwrap_or_default();
        let pieces = picture.chunks(PIECE).count().max(1);
        for number in 0..pieces {
            let piece = picture.chunks(PIECE).nth(number).unwrap_or_default();
            let (data, last) = (STANDARD.encode(piece), number + 1 == pieces);
            self.send(&json!({"type": "picture", "look_id": look, "data": data, "last": last})).await?;
        }
        Ok(())
    }
}
