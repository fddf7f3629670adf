//! The caller speaks over the agent: how long until the agent is silent?

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::microphone::Speech;

/// How long the agent is listened to before it is cut short, at least.
const LISTEN: Duration = Duration::from_millis(300);
/// Longest wait for the agent to speak, or to fall silent.
const PATIENCE: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A caller who lets nobody finish.
struct Interrupter<'a> {
    socket: Socket,
    speeches: &'a [Speech],
    /// The speech to begin with.
    first: usize,
    /// Of the agent's current speech.
    hears: Option<(u64, Option<Instant>)>,
    /// Which speech, and its next frame.
    saying: Option<(usize, usize)>,
    began_speaking: Option<Instant>,
    quiet: Option<Quiet>,
    waiting: Instant,
    cuts: Vec<Cut>,
    missed: usize,
}

/// The agent was cut short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// By which speech.
    pub(crate) speech: usize,
    /// From sending its first frame with speech to the arrival of the first `clear`, in milliseconds. The agent may have
    /// spoken on after it.
    pub(crate) hushed_ms: f64,
    /// To the arrival of the `clear` after which the agent did not speak on.
    pub(crate) silent_ms: f64,
}

/// A `clear` that came while a speech is being said.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    first_ms: f64,
    last_ms: f64,
    /// The agent spoke on after the last one.
    resumed: bool,
}

/// Cuts the agent short `count` times in one session, by one speech after the other from `first` on, and says how long
/// each took, and how often the agent talked on to the speech's end.
pub(crate) async fn interrupt(url: &str, speeches: &[Speech], first: usize, count: usize) -> Result<(Vec<Cut>, usize)> {
    let (status, text) = {
        let body = json!({"channel": "browser", "time_zone": "UTC"});
        let response = reqwest::Client::new().post(format!("{url}/api/sessions")).json(&body).send().await?;
        (response.status(), response.text().await?)
    };
    let answer: Value = serde_json::from_str(&text).with_context(|| format!("{status}"))?;
    let field = |name: &str| answer[name].as_str().with_context(|| format!("no {name} in {answer}"));
    let (id, token) = (field("session_id")?, field("token")?);
    let mut request = format!("ws{}/api/sessions/{id}/audio", url.trim_start_matches("http")).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", format!("voice-agent.v1, token.{token}").parse()?);
    let (socket, _) = connect_async(request).await?;
    let caller = Interrupter {
        socket,
        speeches,
        first,
        hears: None,
        saying: None,
        began_speaking: None,
        quiet: None,
        waiting: Instant::now(),
        cuts: Vec::new(),
        missed: 0,
    };
    caller.talk(count).await
}

impl Interrupter<'_> {
    async fn talk(mut self, count: usize) -> Result<(Vec<Cut>, usize)> {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while self.cuts.len() + self.missed < count {
            tokio::select! {
                message = self.socket.next() => {
                    match message.context("the connection was lost")?? {
                        Message::Binary(_) => self.hear(),
                        Message::Text(text) => self.event(&serde_json::from_str(&text)?).await?,
                        Message::Close(frame) => bail!("closed: {frame:?}"),
                        _ => {}
                    }
                }
                _ = ticks.tick() => self.tick().await?,
            }
        }
        self.socket.send(Message::text(json!({"type": "end"}).to_string())).await?;
        Ok((self.cuts, self.missed))
    }

    fn hear(&mut self) {
        if let Some((_, since)) = &mut self.hears {
            since.get_or_insert_with(Instant::now);
        }
    }

    async fn event(&mut self, event: &Value) -> Result<()> {
        let speech = event["speech_id"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap_or("") {
            "speech_resumed" => {
                if let Some(quiet) = &mut self.quiet {
                    quiet.resumed = true;
                }
                if self.saying.is_none() {
                    self.miss();
                }
                self.listen_to(speech);
            }
            "speech_started" => {
                self.cut();
                self.listen_to(speech);
            }
            "clear" => {
                let played_ms = self.played_ms();
                let report = json!({"type": "playout", "speech_id": speech, "played_ms": played_ms});
                self.socket.send(Message::text(report.to_string())).await?;
                self.hears = None;
                if let Some(began) = self.began_speaking {
                    let ms = began.elapsed().as_secs_f64() * 1_000.0;
                    // Told once more while it is silent: it has been so since the one before.
                    self.quiet = Some(match self.quiet {
                        None => Quiet { first_ms: ms, last_ms: ms, resumed: false },
                        Some(quiet) if quiet.resumed => Quiet { last_ms: ms, resumed: false, ..quiet },
                        Some(quiet) => quiet,
                    });
                    self.waiting = Instant::now();
                }
            }
            // The reply is over for good: which of its words were heard is known.
            "heard" => self.cut(),
            "ended" => bail!("the session ended"),
            _ => {}
        }
        Ok(())
    }

    fn listen_to(&mut self, speech: u64) {
        self.hears = Some((speech, None));
        self.waiting = Instant::now();
    }

    fn cut(&mut self) {
        let (Some(_), Some(quiet)) = (self.began_speaking, self.quiet) else { return };
        if quiet.resumed {
            return;
        }
        let speech = self.speech();
        (self.began_speaking, self.quiet) = (None, None);
        self.cuts.push(Cut { speech, hushed_ms: quiet.first_ms, silent_ms: quiet.last_ms });
    }

    /// The agent talked on, to the end of what was said over it or after.
    fn miss(&mut self) {
        if self.began_speaking.take().is_some() {
            self.missed += 1;
            (self.hears, self.quiet) = (None, None);
        }
    }

    fn played_ms(&self) -> u64 {
        let since = self.hears.and_then(|(_, since)| since);
        since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// This interruption's, counted over all sessions of a run.
    fn number(&self) -> usize {
        self.first + self.cuts.len() + self.missed
    }

    fn speech(&self) -> usize {
        self.number() % self.speeches.len()
    }

    async fn tick(&mut self) -> Result<()> {
        let number = self.number();
        // Not always at the same moment of the agent's speech, nor of the VAD's windows.
        let listen = LISTEN + Duration::from_millis(number as u64 * 7 % 40 + number as u64 % 5 * 50);
        let heard_enough = matches!(self.hears, Some((_, Some(since))) if since.elapsed() >= listen);
        if self.saying.is_none() && heard_enough {
            self.saying = Some((self.speech(), self.speeches[self.speech()].loud.0));
            self.began_speaking = Some(Instant::now());
        }
        let mut frame = [0; 320];
        if let Some((speech, at)) = self.saying {
            let frames = &self.speeches[speech].frames;
            frame = frames[at];
            self.saying = (at + 1 < frames.len()).then_some((speech, at + 1));
            let is_over = self.quiet.is_some_and(|quiet| !quiet.resumed);
            if self.saying.is_none() && !is_over {
                self.miss();
            }
        }
        let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.socket.send(Message::Binary(Bytes::from(bytes))).await?;
        if self.saying.is_none() && self.hears.is_none() && self.waiting.elapsed() > PATIENCE {
            bail!("the agent says nothing");
        }
        Ok(())
    }
}
