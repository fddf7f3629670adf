//! A caller who talks all the while, and comes back whenever the connection is lost, as the page does.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use voice_caller::FRAME_MS;
use voice_caller::browser::{FRAME, REPORT_EVERY, encode};
use voice_caller::playout::Playout;

use super::dns::Place;
use super::life::{Doing, Leg, Life, Phase, Seat};
use super::mouth::Mouth;

type Socket = WebSocketStream<TcpStream>;

/// Longest wait for an answer over HTTP, and for a handshake.
const REQUEST: Duration = Duration::from_secs(5);
/// How long the page waits before it comes back: before the first try, before the second…
const BACKOFF_MS: [u64; 6] = [250, 500, 1_000, 2_000, 4_000, 5_000];
/// A connection that lasted so long was a good one: the backoff begins anew.
const GOOD: Duration = Duration::from_secs(3);
/// The close code of a call that was handed over; how often the page asks for it then, and for how long.
const HANDED_OVER: u16 = 4007;
const ASKS_EVERY: Duration = Duration::from_millis(200);
const ASKS_FOR: Duration = Duration::from_secs(10);
/// Close codes after which the page comes back at once: the server goes away, or the call has moved.
const AT_ONCE: [u16; 2] = [1001, HANDED_OVER];
/// Close codes after which the page does not come back.
const OVER: [u16; 8] = [1000, 1009, 4000, 4001, 4002, 4004, 4005, 4006];

/// One caller.
pub(super) struct Talker {
    client: reqwest::Client,
    /// The balancer, or the service's name.
    place: Place,
    session: String,
    token: String,
    mouth: Mouth,
    life: Life,
    seat: Seat,
    playing: Option<Playout>,
    /// Replies in which the agent greeted.
    greeted_in: Option<Value>,
    /// Tries to come back since the last good connection.
    tries: usize,
    /// When the call was handed over, while it is not there again.
    handed_over: Option<Instant>,
}

impl Talker {
    /// Begins a session.
    pub(super) async fn new(
        client: reqwest::Client,
        place: Place,
        number: usize,
        pace: Duration,
        seat: Seat,
    ) -> Result<Self> {
        let user = format!("survivor-{number}");
        let body = json!({"channel": "browser", "user_id": user, "time_zone": "UTC"});
        let address = place.address().await?;
        let asked = client.post(format!("http://{address}/api/sessions")).json(&body).timeout(REQUEST).send().await?;
        let answer: Value = asked.error_for_status()?.json().await?;
        let text = |field: &str| answer[field].as_str().map(str::to_owned).context("no session");
        let (session, token) = (text("session_id")?, text("token")?);
        let life = Life { leg: Leg::Browser, user, ..Life::default() };
        let mouth = Mouth::new(number, 16_000, pace);
        Ok(Self {
            client,
            place,
            session,
            token,
            mouth,
            life,
            seat,
            playing: None,
            greeted_in: None,
            tries: 0,
            handed_over: None,
        })
    }

    /// Talks until the drill says that it is over.
    pub(super) async fn live(mut self, mut phase: watch::Receiver<Phase>) -> Result<Life> {
        while *phase.borrow() != Phase::HangUp && self.life.ended.is_none() {
            let began = Instant::now();
            let closed = match timeout(REQUEST, self.connect()).await {
                Ok(Ok(socket)) => self.talk(socket, &mut phase).await,
                Ok(Err(_)) | Err(_) => 1006,
            };
            if *phase.borrow() != Phase::HangUp {
                self.wait(closed, began.elapsed()).await;
            }
        }
        self.look().await?;
        Ok(self.life)
    }

    /// Waits as the page does after a connection that was closed with this code.
    async fn wait(&mut self, closed: u16, lasted: Duration) {
        if OVER.contains(&closed) {
            self.life.ended.get_or_insert_with(|| format!("closed with {closed}"));
            return;
        }
        if lasted > GOOD {
            self.tries = 0;
        }
        if closed == HANDED_OVER {
            self.handed_over = Some(Instant::now());
        } else if self.handed_over.is_some_and(|since| since.elapsed() < ASKS_FOR) {
            // Whoever was handed over asks again and again, without backoff.
            sleep(ASKS_EVERY).await;
            return;
        }
        if self.tries > 0 || !AT_ONCE.contains(&closed) {
            sleep(Duration::from_millis(BACKOFF_MS[self.tries.min(BACKOFF_MS.len() - 1)])).await;
        }
        self.tries += 1;
    }

    async fn connect(&self) -> Result<Socket> {
        let address = self.place.address().await?;
        let mut request = format!("ws://{address}/api/sessions/{}/audio", self.session).into_client_request()?;
        let protocols = format!("voice-agent.v1, token.{}", self.token).parse()?;
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(client_async(request, stream).await?.0)
    }

    /// One connection, until it is lost or the drill is over. The code that it was closed with.
    async fn talk(&mut self, mut socket: Socket, phase: &mut watch::Receiver<Phase>) -> u16 {
        let line = socket.get_ref().local_addr().ok();
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut ticked = 0_u64;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    ticked += 1;
                    if *phase.borrow() == Phase::Talk && self.mouth.speak(self.playing.is_none()) {
                        self.life.speak();
                    }
                    self.seat.sit(line, self.doing());
                    let frame = self.mouth.next_frame().map_or_else(|| vec![0; 2 * FRAME], |frame| encode(&frame));
                    let mut out = vec![Message::Binary(frame.into())];
                    if ticked.is_multiple_of(REPORT_EVERY) {
                        out.extend(self.report());
                    }
                    for message in out {
                        if socket.send(message).await.is_err() {
                            return self.lost(1006);
                        }
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => self.hear(&bytes),
                    Some(Ok(Message::Text(text))) => {
                        let event = serde_json::from_str(&text).unwrap_or_default();
                        if let Some(answer) = self.event(&event) && socket.send(answer).await.is_err() {
                            return self.lost(1006);
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return self.lost(frame.map_or(1005, |frame| frame.code.into())),
                    Some(Err(_)) | None => return self.lost(1006),
                    Some(Ok(_)) => {}
                },
                _ = phase.changed() => {
                    if *phase.borrow() == Phase::HangUp {
                        return 1000;
                    }
                }
            }
        }
    }

    fn doing(&self) -> Doing {
        match &self.playing {
            _ if self.mouth.speaks() => Doing::Speaks,
            Some(_) => Doing::Listens,
            None if self.mouth.waits() => Doing::Waits,
            None => Doing::Nothing,
        }
    }

    fn lost(&mut self, code: u16) -> u16 {
        self.life.lose(self.doing());
        self.seat.sit(None, Doing::Nothing);
        self.playing = None;
        self.mouth.stop();
        code
    }

    fn report(&mut self) -> Option<Message> {
        let now = Instant::now();
        let report = self.playing.as_ref().filter(|playing| playing.has_begun())?.report(now);
        self.playing.take_if(|playing| playing.is_over(now));
        Some(Message::text(report.to_string()))
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.life.hear(self.mouth.answered());
        if let Some(playing) = &mut self.playing {
            let (pairs, _) = bytes.as_chunks::<2>();
            playing.take(pairs.iter().map(|pair| i16::from_le_bytes(*pair)), Instant::now());
        }
    }

    fn event(&mut self, event: &Value) -> Option<Message> {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or_default() {
            "ready" => {
                self.handed_over = None;
                self.life.connect();
            }
            "speech_started" => self.playing = Some(Playout::new(number("speech_id"), 0)),
            "speech_resumed" => self.playing = Some(Playout::new(number("speech_id"), number("from_ms"))),
            "speech_finished" => {
                if let Some(playing) = self.playing.as_mut().filter(|playing| playing.speech == number("speech_id")) {
                    playing.whole_ms = Some(number("duration_ms"));
                }
            }
            "clear" => {
                let playing = self.playing.take_if(|playing| playing.speech == number("speech_id"))?;
                return Some(Message::text(playing.report(Instant::now()).to_string()));
            }
            "agent_text" => self.read(event),
            "tool_call" if event["name"] == "add_task" => self.told(event),
            "ended" => self.life.ended = Some(event["reason"].as_str().unwrap_or_default().to_owned()),
            _ => {}
        }
        None
    }

    fn read(&mut self, event: &Value) {
        let text = event["text"].as_str().unwrap_or_default();
        let says = |words: &str| text.contains(words);
        self.life.understand(text, usize::from(says("I'm back")));
        // The same caption is told again to a new connection.
        if says("Hello!") && self.greeted_in.as_ref() != Some(&event["reply_id"]) {
            self.life.greetings += 1;
            self.greeted_in = Some(event["reply_id"].clone());
        }
    }

    /// What came of a task that is to be added.
    fn told(&mut self, event: &Value) {
        let title = event["result"]["task"]["title"].as_str().or(event["arguments"]["title"].as_str());
        let title = title.map(str::to_lowercase);
        match event["result"]["status"].as_str() {
            Some("added") => {
                self.life.told.extend(title.clone().map(|title| (Instant::now(), title)));
                self.life.added.extend(title);
            }
            Some("pending") => self.life.promised.extend(title),
            _ => {}
        }
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
        let url = format!("http://{}{path}", self.place.address().await?);
        let request = self.client.get(url).bearer_auth(&self.token).timeout(4 * REQUEST);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}
