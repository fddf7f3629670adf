//! A caller who talks all the while, and comes back whenever the connection is lost, as the page does.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::super::caller::{FRAME, FRAME_MS, Playing, REPORT_EVERY, encode};
use crate::provider::code::say;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longest wait for an answer over HTTP, and for a handshake.
const REQUEST: Duration = Duration::from_secs(5);
/// Between two tries to come back.
const RETRY: Duration = Duration::from_millis(200);
/// What is done, of whom: each task has a name of its own. All are words that every recogniser of the rehearsal knows.
const VERBS: [&str; 8] = ["buy", "check", "clean", "find", "order", "prepare", "read", "send"];
const NOUNS: [&str; 16] = [
    "bread",
    "milk",
    "coffee",
    "cake",
    "flowers",
    "food",
    "paper",
    "parcel",
    "invoice",
    "report",
    "letter",
    "book",
    "plants",
    "dinner",
    "tickets",
    "groceries",
];

/// What happens to the call, as its drill says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Callers talk.
    Talk,
    /// No new sentence is begun.
    Finish,
    /// Callers hang up.
    HangUp,
}

/// What one caller lived through.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Times at which the connection was lost, at which it was there again, and of the next agent audio after it.
    pub(super) losses: Vec<(Instant, Option<Instant>, Option<Instant>)>,
    /// From each sentence's end to the first audio of its answer, and when it was said.
    pub(super) answers: Vec<(Instant, Duration)>,
    /// Titles that the server said it has added.
    pub(super) added: Vec<String>,
    /// How often the agent said that it is back.
    pub(super) backs: usize,
    /// The session ended before the caller wanted it to.
    pub(super) ended: Option<String>,
    /// The caller's tasks, and what stands in the history, at the end.
    pub(super) titles: Vec<String>,
    /// The history's lines of the caller.
    pub(super) said: Vec<String>,
}

/// One caller.
pub(super) struct Talker {
    client: reqwest::Client,
    url: String,
    session: String,
    token: String,
    number: usize,
    sentences: usize,
    life: Life,
    to_say: VecDeque<Vec<u8>>,
    playing: Option<Playing>,
    /// When the last sentence was said, until its answer is heard.
    waiting: Option<Instant>,
    next_at: Instant,
    pace: Duration,
}

impl Talker {
    /// Begins a session.
    pub(super) async fn new(client: reqwest::Client, url: String, number: usize, pace: Duration) -> Result<Self> {
        let body = json!({"channel": "browser", "user_id": format!("survivor-{number}"), "time_zone": "UTC"});
        let asked = client.post(format!("{url}/api/sessions")).json(&body).timeout(REQUEST).send().await?;
        let answer: Value = asked.error_for_status()?.json().await?;
        let text = |field: &str| answer[field].as_str().map(str::to_owned).context("no session");
        let (session, token) = (text("session_id")?, text("token")?);
        // Callers do not speak in chorus.
        let next_at = Instant::now() + pace.mul_f64((number % 16) as f64 / 16.0);
        let (life, to_say, playing, waiting, sentences) = (Life::default(), VecDeque::new(), None, None, 0);
        Ok(Self { client, url, session, token, number, sentences, life, to_say, playing, waiting, next_at, pace })
    }

    /// Talks until the drill says that it is over.
    pub(super) async fn live(mut self, mut phase: watch::Receiver<Phase>) -> Result<Life> {
        while *phase.borrow() != Phase::HangUp && self.life.ended.is_none() {
            match timeout(REQUEST, self.connect()).await {
                Ok(Ok(socket)) => self.talk(socket, &mut phase).await,
                Ok(Err(_)) | Err(_) => sleep(RETRY).await,
            }
        }
        self.look().await?;
        Ok(self.life)
    }

    async fn connect(&self) -> Result<Socket> {
        // http → ws
        let url = format!("ws{}/api/sessions/{}/audio", self.url.trim_start_matches("http"), self.session);
        let mut request = url.into_client_request()?;
        let protocols = format!("voice-agent.v1, token.{}", self.token).parse()?;
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        Ok(connect_async(request).await?.0)
    }

    /// One connection, until it is lost or the drill is over.
    async fn talk(&mut self, mut socket: Socket, phase: &mut watch::Receiver<Phase>) {
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut ticked = 0_u64;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    ticked += 1;
                    if *phase.borrow() == Phase::Talk {
                        self.speak();
                    }
                    let mut out = vec![Message::Binary(self.next_frame().into())];
                    if ticked.is_multiple_of(REPORT_EVERY) {
                        out.extend(self.report());
                    }
                    for message in out {
                        if socket.send(message).await.is_err() {
                            return self.lost();
                        }
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => self.hear(&bytes),
                    Some(Ok(Message::Text(text))) => {
                        let event = serde_json::from_str(&text).unwrap_or_default();
                        if let Some(answer) = self.event(&event) && socket.send(answer).await.is_err() {
                            return self.lost();
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return self.lost(),
                    Some(Ok(_)) => {}
                },
                _ = phase.changed() => {
                    if *phase.borrow() == Phase::HangUp {
                        return;
                    }
                }
            }
        }
    }

    fn lost(&mut self) {
        self.playing = None;
        // What was being said is said again.
        self.to_say.clear();
        self.life.losses.push((Instant::now(), None, None));
    }

    /// The next sentence, when it is time and nobody speaks.
    fn speak(&mut self) {
        let now = Instant::now();
        let is_quiet = self.playing.is_none() && self.to_say.is_empty();
        let waits = self.waiting.is_some_and(|said| now - said < 2 * self.pace);
        if now < self.next_at || !is_quiet || waits {
            return;
        }
        let (verb, noun) = (self.sentences / NOUNS.len() % VERBS.len(), self.sentences % NOUNS.len());
        let title =
            format!("{} {}", VERBS[(verb + self.number) % VERBS.len()], NOUNS[(noun + self.number) % NOUNS.len()]);
        self.sentences += 1;
        self.to_say = say(&format!("add a task to {title}"), 16_000).chunks(FRAME).map(encode).collect();
        self.next_at = now + self.pace;
    }

    fn next_frame(&mut self) -> Vec<u8> {
        let Some(frame) = self.to_say.pop_front() else { return vec![0; 2 * FRAME] };
        if self.to_say.is_empty() {
            self.waiting = Some(Instant::now());
        }
        frame
    }

    fn report(&mut self) -> Option<Message> {
        let now = Instant::now();
        let report = self.playing.as_ref().filter(|playing| playing.dry.is_some())?.report(now);
        self.playing.take_if(|playing| playing.is_over(now));
        Some(Message::text(report.to_string()))
    }

    fn hear(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        if let Some(said) = self.waiting.take() {
            self.life.answers.push((said, now - said));
        }
        if let Some((_, Some(_), heard @ None)) = self.life.losses.last_mut() {
            *heard = Some(now);
        }
        if let Some(playing) = &mut self.playing {
            let (pairs, _) = bytes.as_chunks::<2>();
            playing.take(pairs.iter().map(|pair| i16::from_le_bytes(*pair)), now);
        }
    }

    fn event(&mut self, event: &Value) -> Option<Message> {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "ready" => {
                if let Some((_, back @ None, _)) = self.life.losses.last_mut() {
                    *back = Some(Instant::now());
                }
            }
            "speech_started" => self.playing = Some(Playing::new(number("speech_id"), 0)),
            "speech_resumed" => self.playing = Some(Playing::new(number("speech_id"), number("from_ms"))),
            "speech_finished" => {
                if let Some(playing) = self.playing.as_mut().filter(|playing| playing.speech == number("speech_id")) {
                    playing.whole_ms = Some(number("duration_ms"));
                }
            }
            "clear" => {
                let playing = self.playing.take_if(|playing| playing.speech == number("speech_id"))?;
                return Some(Message::text(playing.report(Instant::now()).to_string()));
            }
            "agent_text" if event["text"].as_str().is_some_and(|text| text.contains("I'm back")) => {
                self.life.backs += 1
            }
            "tool_call" if event["name"] == "add_task" && event["result"]["status"] == "added" => {
                let title = event["result"]["task"]["title"].as_str().or(event["arguments"]["title"].as_str());
                self.life.added.extend(title.map(str::to_lowercase));
            }
            "ended" => self.life.ended = Some(event["reason"].as_str().unwrap_or_default().to_owned()),
            _ => {}
        }
        None
    }

    /// What is kept of it all.
    async fn look(&mut self) -> Result<()> {
        let tasks = self.get("/api/tasks".to_owned()).await?;
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_lowercase();
        self.life.titles = tasks.as_array().into_iter().flatten().map(|task| text(task, "title")).collect();
        let doc = self.get(format!("/api/sessions/{}", self.session)).await?;
        let history = doc["conversation_history"].as_array().into_iter().flatten();
        self.life.said = history.filter(|item| item["role"] == "user").map(|item| text(item, "content")).collect();
        Ok(())
    }

    async fn get(&self, path: String) -> Result<Value> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).timeout(4 * REQUEST);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}
