//! One caller of a drill: one call by the browser's protocol, in code.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use voice_caller::browser::{Call, CallError, FRAME, Session};
use voice_caller::heard::Heard as Said;

use crate::provider::code::say;

/// Frames of silence before the caller says something.
const BREATH: usize = 16;
/// Where a caller pauses, and for how many milliseconds: longer than from one word to the next, and too short to be taken for the end.
const PAUSE: &str = "…";
const PAUSE_MS: usize = 160;
/// How long a caller whom the server asked to type waits for the rest of the answer.
const IN_WRITING: Duration = Duration::from_secs(3);

/// A server's session, as its caller knows it.
pub struct Caller {
    session: Session,
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
        Ok(Self { session: Session::begin(client, url, None, &body).await.context("the server under test")? })
    }

    /// Says something, and listens to the answer. What is missing when `patience` is over is not there.
    ///
    /// # Errors
    /// When the connection fails, or the server says something that is not its protocol.
    pub async fn call(&self, says: &str, patience: Duration) -> Result<Heard> {
        let mut call = Call::connect(self.session.clone()).await?;
        let talked = timeout(patience, talk(&mut call, says, patience)).await;
        let tasks = self.session.titles().await?;
        let heard = std::mem::take(&mut call.heard);
        call.hang_up().await;
        match talked {
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(())) | Err(_) => Ok(Heard::of(heard, self.session.id.clone(), tasks)),
        }
    }
}

/// Hears the greeting, if there is one, and says it.
async fn talk(call: &mut Call, says: &str, patience: Duration) -> Result<(), CallError> {
    if !call.session.greeting.is_empty() {
        call.hear_out(patience).await?;
    }
    let pieces: Vec<Vec<i16>> = says.split(PAUSE).map(|piece| say(piece, 16_000)).collect();
    let speech = [vec![0; BREATH * FRAME], pieces.join(&[0; PAUSE_MS * 16][..])].concat();
    call.say(&speech, patience).await?;
    if call.heard.fell_back.is_some() {
        // What was begun by voice is finished in writing.
        call.until(IN_WRITING, |call| call.heard.turn.is_some()).await?;
    }
    Ok(())
}

impl Heard {
    fn of(heard: Said, session: String, tasks: Vec<String>) -> Self {
        Self {
            session,
            caption: heard.caption(),
            transcript: heard.transcript().to_owned(),
            tools: heard.tool_names(),
            fell_back: heard.fell_back.is_some(),
            pcm: heard.pcm,
            turn: heard.turn,
            felt_ms: heard.felt_ms,
            gap_ms: heard.gap_ms,
            said: heard.said,
            tasks,
            events: heard.events,
        }
    }
}
