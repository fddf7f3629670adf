//! One call: the greeting, the speech in real time, silence, and the answer.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::playout::Playout;
use super::report::CallReport;
use crate::http::check_user_id;

/// Samples of a caller's frame.
const FRAME: usize = 320;
/// A frame whose loudest sample is below this is silence: 1 % of full scale.
const SILENT: u16 = 328;
/// Milliseconds between two playout reports, in frames.
const REPORT_EVERY: u64 = 5;

/// What is said, to whom.
#[derive(Debug)]
pub(super) struct Plan {
    url: String,
    frames: Vec<Bytes>,
    /// The last frame with speech in it.
    last_loud: usize,
    user: Option<String>,
    time_zone: String,
    patience: Duration,
}

impl Plan {
    /// A plan to say this (PCM16 mono at 16 kHz).
    pub(super) fn new(
        url: String,
        speech: &[i16],
        user: Option<String>,
        time_zone: String,
        patience: Duration,
    ) -> Result<Self, String> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("--url {url:?} is not a URL like http://127.0.0.1:8080"));
        }
        if let Some(Err(fault)) = user.as_deref().map(check_user_id) {
            return Err(format!("--user {fault}"));
        }
        if jiff::tz::TimeZone::get(&time_zone).is_err() {
            return Err(format!("--time-zone {time_zone:?} is not the name of an IANA time zone, like Europe/Berlin"));
        }
        let loud = |frame: &[i16]| frame.iter().any(|sample| sample.unsigned_abs() >= SILENT);
        let last_loud = speech.chunks(FRAME).rposition(loud).ok_or("there is only silence to say")?;
        let frames = speech.chunks(FRAME).map(encode).collect();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, frames, last_loud, user, time_zone, patience })
    }
}

fn encode(samples: &[i16]) -> Bytes {
    let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    bytes.resize(2 * FRAME, 0);
    Bytes::from(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server speaks first.
    Greeting,
    /// The frame to say next.
    Saying(usize),
    /// The answer is awaited.
    Listening,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Call<'a> {
    plan: &'a Plan,
    socket: Socket,
    phase: Phase,
    /// When the phase began.
    since: Instant,
    started: Instant,
    ticks: u64,
    playout: Playout,
    /// When the last frame with speech in it was sent.
    said: Option<Instant>,
    report: CallReport,
    turn_over: bool,
}

/// Calls once.
pub(super) async fn call(plan: &Plan) -> CallReport {
    match begin(plan).await {
        Ok(call) => call.run().await,
        Err(error) => CallReport::failed(format!("{error:#}")),
    }
}

async fn begin(plan: &Plan) -> anyhow::Result<Call<'_>> {
    let mut body = json!({"channel": "browser", "time_zone": plan.time_zone});
    if let Some(user) = &plan.user {
        body["user_id"] = json!(user);
    }
    let client = reqwest::Client::builder().timeout(plan.patience).build()?;
    let response = client.post(format!("{}/api/sessions", plan.url)).json(&body).send().await?;
    let status = response.status();
    let answer: Value = response.json().await.with_context(|| format!("the server answered {status}"))?;
    if !status.is_success() {
        bail!("the server answered {status}: {}", answer["detail"].as_str().unwrap_or("no reason"));
    }
    let text = |field: &str| answer[field].as_str().with_context(|| format!("the server's answer has no {field}"));
    let (id, token) = (text("session_id")?, text("token")?);
    // http → ws, https → wss
    let url = format!("ws{}/api/sessions/{id}/audio", plan.url.trim_start_matches("http"));
    let mut request = url.into_client_request()?;
    let protocols = format!("voice-agent.v1, token.{token}").parse()?;
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    let (socket, _) = connect_async(request).await.context("the socket")?;
    let phase = if text("greeting")?.is_empty() { Phase::Saying(0) } else { Phase::Greeting };
    let now = Instant::now();
    Ok(Call {
        plan,
        socket,
        phase,
        since: now,
        started: now,
        ticks: 0,
        playout: Playout::default(),
        said: None,
        report: CallReport::new(id.to_owned()),
        turn_over: false,
    })
}

impl Call<'_> {
    async fn run(mut self) -> CallReport {
        if let Err(error) = self.talk().await {
            self.report.error = Some(format!("{error:#}"));
        }
        // The session is only a test's: it should not wait for a caller who does not come back.
        let end = Message::text(json!({"type": "end"}).to_string());
        if self.socket.send(end).await.is_ok() {
            let over = async { while let Some(Ok(_)) = self.socket.next().await {} };
            let _enough = tokio::time::timeout(Duration::from_secs(2), over).await;
        }
        self.report
    }

    async fn talk(&mut self) -> anyhow::Result<()> {
        let mut ticks = interval(Duration::from_millis(20));
        // A microphone does not slow down because the network did.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.tick().await?;
                    if self.is_done() {
                        return Ok(());
                    }
                    self.check_patience()?;
                }
                message = self.socket.next() => match message {
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("the connection was lost"),
                },
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        let frame = match self.phase {
            Phase::Saying(at) => {
                if at == self.plan.last_loud {
                    self.said = Some(Instant::now());
                }
                match self.plan.frames.get(at) {
                    Some(frame) => {
                        self.phase = Phase::Saying(at + 1);
                        frame.clone()
                    }
                    None => {
                        self.enter(Phase::Listening);
                        silence()
                    }
                }
            }
            Phase::Greeting | Phase::Listening => silence(),
        };
        self.socket.send(Message::Binary(frame)).await?;
        self.ticks += 1;
        if self.ticks.is_multiple_of(REPORT_EVERY) {
            let now = self.started.elapsed();
            if let Some(report) = self.playout.report(now) {
                self.socket.send(Message::text(report.to_string())).await?;
                if self.phase == Phase::Greeting && self.playout.is_silent() {
                    self.enter(Phase::Saying(0));
                }
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.phase == Phase::Listening && self.turn_over && self.report.heard_ms > 0 && self.playout.is_silent()
    }

    fn check_patience(&self) -> anyhow::Result<()> {
        let waiting = !matches!(self.phase, Phase::Saying(_));
        if waiting && self.since.elapsed() > self.plan.patience {
            let what = if self.phase == Phase::Greeting { "the greeting" } else { "the answer" };
            bail!("waited {} s for the end of {what}", self.plan.patience.as_secs());
        }
        Ok(())
    }

    async fn take(&mut self, message: Message) -> anyhow::Result<()> {
        match message {
            Message::Binary(_) => {
                self.playout.frame(self.started.elapsed());
                if let Some(said) = self.said {
                    self.report.heard_ms += 20;
                    let waited = u64::try_from(said.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.report.latency_ms.get_or_insert(waited);
                }
                Ok(())
            }
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).context("an event of the server")?;
                self.event(&event).await
            }
            Message::Close(frame) => bail!(
                "the server closed the call: {}",
                frame.map_or_else(|| "no reason".to_owned(), |frame| frame.to_string())
            ),
            _ => Ok(()),
        }
    }

    async fn event(&mut self, event: &Value) -> anyhow::Result<()> {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or("") {
            "speech_started" => self.playout.start(number("speech_id"), 0),
            "speech_resumed" => self.playout.start(number("speech_id"), number("from_ms")),
            "speech_finished" => self.playout.finished(number("speech_id"), number("duration_ms")),
            "clear" => {
                if let Some(report) = self.playout.clear(number("speech_id"), self.started.elapsed()) {
                    self.socket.send(Message::text(report.to_string())).await?;
                }
            }
            "transcript" => self.report.transcript(event),
            "agent_text" if self.phase != Phase::Greeting => self.report.said(event),
            "tool_call" => self.report.tools.push(event["name"].as_str().unwrap_or("").to_owned()),
            "turn" if self.said.is_some() => {
                self.turn_over = true;
                self.report.turn = Some(event.clone());
            }
            "fallback_to_text" => bail!("voice failed: {}", event["message"].as_str().unwrap_or("")),
            "error" => bail!("the server refused something: {}", event["message"].as_str().unwrap_or("")),
            "ended" if !self.turn_over => bail!("the session ended: {}", event["reason"]),
            _ => {}
        }
        Ok(())
    }
}

fn silence() -> Bytes {
    Bytes::from_static(&[0; 2 * FRAME])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speech_ends_with_its_last_loud_frame() {
        let mut speech = vec![0_i16; FRAME * 3];
        speech.extend([5_000; FRAME]);
        speech.extend([10; FRAME + 7]);
        let plan =
            |speech: &[i16]| Plan::new("http://x/".to_owned(), speech, None, "UTC".to_owned(), Duration::from_secs(1));
        let planned = plan(&speech).unwrap();
        assert_eq!((planned.last_loud, planned.frames.len()), (3, 6));
        assert!(planned.frames.iter().all(|frame| frame.len() == 640));
        assert!(plan(&[0; 1_000]).unwrap_err().contains("silence"));
    }
}
