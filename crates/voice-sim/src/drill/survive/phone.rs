//! A caller by telephone: Twilio's side of a call, over as many streams as it takes.

use std::time::Duration;

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use voice_caller::FRAME_MS;
use voice_caller::phone::{FRAME, HANDSHAKE, Line as Stream, RATE};
use voice_caller::twilio::{Instruction, Socket, Twilio};

use super::life::{Doing, Leg, Life, Phase, Seat};
use super::mouth::Mouth;
use crate::provider::code::{Voice, decode_words, spoken};

/// Samples of a millisecond.
const PER_MS: usize = 8;
/// After so much silence of the agent, in ms, its words are over.
const PAUSE_MS: u64 = 500;

/// One caller by telephone.
pub(super) struct Phone {
    twilio: Twilio,
    mouth: Mouth,
    life: Life,
    seat: Seat,
    streams: usize,
}

/// One stream of the call, and what is understood of it.
struct Line {
    stream: Stream,
    /// The sample from which on nothing was understood yet.
    understood: usize,
    /// When audio came last, and nothing of it was understood yet.
    came_ms: Option<u64>,
}

impl Line {
    /// Whether the agent's voice sounds, or did a moment ago.
    fn sounds(&self) -> bool {
        self.came_ms.is_some()
    }

    /// How long the agent's last sound is ago in what was heard, in ms.
    fn silent_ms(&self) -> u64 {
        let quiet = self.stream.far.heard().iter().rev().take_while(|sample| **sample == 0).count();
        (quiet / PER_MS) as u64
    }

    /// What was heard since this was asked last.
    fn understand(&mut self) -> String {
        self.came_ms = None;
        let heard = self.stream.far.heard();
        let new = &heard[self.understood.min(heard.len())..];
        self.understood = heard.len();
        let is_loud = |sample: &i16| *sample != 0;
        let Some(first) = new.iter().position(is_loud) else { return String::new() };
        let last = new.iter().rposition(is_loud).unwrap_or(first);
        spoken(&decode_words(&new[first..=last], RATE), Voice::Cartesia)
    }
}

impl Phone {
    /// A caller who has not dialled yet.
    pub(super) fn new(twilio: Twilio, number: usize, pace: Duration, seat: Seat) -> Self {
        let (user, call) = (format!("phone:{}", twilio.caller), Some(twilio.call.clone()));
        let life = Life { leg: Leg::Phone, user, call, ..Life::default() };
        Self { twilio, mouth: Mouth::new(number, RATE, pace), life, seat, streams: 0 }
    }

    /// Calls, and talks until the drill says that it is over.
    ///
    /// # Errors
    /// Never: what ends a call is told in its life.
    pub(super) async fn live(mut self, mut phase: watch::Receiver<Phase>) -> Result<Life> {
        let mut next = self.twilio.webhook();
        while *phase.borrow() != Phase::HangUp && self.life.ended.is_none() {
            let asked = self.twilio.ask(&next).await;
            self.life.fallbacks += usize::from(asked.as_ref().is_ok_and(|(_, fell_back)| *fell_back));
            match asked.map(|(instruction, _)| instruction) {
                Ok(Instruction::Stream { token, then }) => {
                    next = then;
                    // A stream that cannot be opened is over: Twilio goes on with what follows it.
                    if let Ok(Ok(socket)) = timeout(HANDSHAKE, self.twilio.open()).await {
                        self.talk(socket, &token, &mut phase).await;
                    }
                }
                Ok(Instruction::Pause { seconds, then }) => {
                    next = then;
                    sleep(Duration::from_secs(seconds)).await;
                }
                Ok(Instruction::HangUp) => self.life.ended = Some("hung up".to_owned()),
                Err(error) => self.life.ended = Some(format!("the webhook: {error:#}")),
            }
        }
        Ok(self.life)
    }

    /// One stream, until it is lost or the drill is over.
    async fn talk(&mut self, mut socket: Socket, token: &str, phase: &mut watch::Receiver<Phase>) {
        let address = match socket.get_ref() {
            MaybeTlsStream::Plain(stream) => stream.local_addr().ok(),
            _ => None,
        };
        let mut line = self.line();
        let mut out = line.stream.start(&self.twilio, token).to_vec();
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        self.life.connect();
        loop {
            for message in out.drain(..) {
                if socket.send(message).await.is_err() {
                    return self.lost(&mut line);
                }
            }
            tokio::select! {
                _ = ticks.tick() => {
                    if *phase.borrow() == Phase::Talk && self.mouth.speak(!line.sounds()) {
                        self.life.speak();
                    }
                    self.seat.sit(address, self.doing(&line));
                    out = self.tick(&mut line);
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => match self.take(&mut line, &text) {
                        Ok(back) => out = back,
                        Err(reason) => {
                            self.life.ended = Some(reason);
                            return;
                        }
                    },
                    Some(Ok(Message::Binary(_))) => {
                        self.life.ended = Some(line.stream.far.handle_binary().to_string());
                        return;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return self.lost(&mut line),
                    Some(Ok(_)) => {}
                },
                _ = phase.changed() => {
                    if *phase.borrow() == Phase::HangUp {
                        self.understand(&mut line);
                        // Who is gone need not be told.
                        let _gone = socket.send(line.stream.stop(&self.twilio)).await;
                        return;
                    }
                }
            }
        }
    }

    fn line(&mut self) -> Line {
        self.streams += 1;
        let sid = format!("MZ{}{:04}", &self.twilio.call[2..30], self.streams % 10_000);
        Line { stream: Stream::new(sid), understood: 0, came_ms: None }
    }

    /// The next frame of the caller's, and the marks that were passed.
    fn tick(&mut self, line: &mut Line) -> Vec<Message> {
        let mut out = line.stream.marks();
        let now_ms = line.stream.now_ms();
        let is_over = line.came_ms.is_some_and(|came_ms| now_ms > came_ms + PAUSE_MS);
        if is_over && line.stream.far.buffered_ms() == 0 && line.silent_ms() >= PAUSE_MS {
            self.understand(line);
        }
        let mut frame = self.mouth.next_frame().unwrap_or_default();
        frame.resize(FRAME, 0);
        out.push(line.stream.media(&frame));
        out
    }

    /// Takes a message of the server. What goes back, or why Twilio would close the stream.
    fn take(&mut self, line: &mut Line, text: &str) -> Result<Vec<Message>, String> {
        let before = line.stream.far.media_bytes;
        let back = line.stream.take(text).map_err(|error| error.to_string())?;
        if line.stream.far.media_bytes > before {
            line.came_ms = Some(line.stream.now_ms());
            self.life.hear(self.mouth.answered());
        }
        Ok(back)
    }

    fn doing(&self, line: &Line) -> Doing {
        match line.sounds() {
            _ if self.mouth.speaks() => Doing::Speaks,
            true => Doing::Listens,
            false if self.mouth.waits() => Doing::Waits,
            false => Doing::Nothing,
        }
    }

    fn lost(&mut self, line: &mut Line) {
        self.life.lose(self.doing(line));
        self.seat.sit(None, Doing::Nothing);
        self.mouth.stop();
        self.understand(line);
    }

    /// What the agent's words mean for the caller's list.
    fn understand(&mut self, line: &mut Line) {
        let heard = line.understand();
        self.life.understand(&heard, usize::from(heard.contains("i'm back")));
        self.life.greetings += usize::from(heard.contains("how can i help with your tasks"));
        let words = format!(" {heard} ");
        let added = self.mouth.titles().find(|title| words.contains(&format!(" added {title} ")));
        self.life.added.extend(added.filter(|title| !self.life.added.contains(title)));
        if words.contains("i'll save that as soon as") {
            self.life.promised.extend(self.mouth.titles().next());
        }
    }
}
