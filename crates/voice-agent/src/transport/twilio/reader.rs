//! What is read from a stream's socket: how much, how often, and how much nonsense.

use std::time::Duration;

use axum::extract::ws::Message;
use tokio::time::Instant;

use super::frames::FRAME_BYTES;
use super::wire::{Incoming, Malformed, StreamEvent, StreamSid, StreamStart, decode};
use crate::config::Limits;
use crate::transport::end::{End, NO_CODE};
use crate::transport::inlet::Inlet;
use crate::transport::{TokenBucket, close};

/// The half of a stream's socket that reads.
pub(super) struct Reader {
    inlet: Inlet,
    bucket: TokenBucket,
    began: Instant,
    max_message_bytes: usize,
    silence: Duration,
    malformed_left: u32,
    /// Set by the start message; what is of another stream is not taken then.
    sid: Option<StreamSid>,
}

impl Reader {
    pub(super) fn new(inlet: Inlet, limits: &Limits, max_malformed: u32) -> Self {
        Self {
            inlet,
            bucket: TokenBucket::new(limits.messages_per_second, limits.message_burst),
            began: Instant::now(),
            max_message_bytes: limits.max_message_bytes,
            silence: Duration::from_millis(limits.connection_silence_ms),
            malformed_left: max_malformed,
            sid: None,
        }
    }

    pub(super) const fn inlet_mut(&mut self) -> &mut Inlet {
        &mut self.inlet
    }

    /// The start message; whatever comes before it says nothing.
    pub(super) async fn start(&mut self) -> Result<StreamStart, End> {
        loop {
            match self.next().await? {
                StreamEvent::Start(start) => {
                    self.sid = Some(start.stream.clone());
                    return Ok(*start);
                }
                StreamEvent::Stop => return Err(End::new(close::ENDED, "the call was over before it began")),
                _ => {}
            }
        }
    }

    /// The next event, if the socket keeps to the rules.
    pub(super) async fn next(&mut self) -> Result<StreamEvent, End> {
        loop {
            let message = self.inlet.next(self.silence, close::REFUSED).await?;
            self.charge(1)?;
            match message {
                Message::Text(text) => {
                    if let Some(event) = self.take(&text)? {
                        return Ok(event);
                    }
                }
                Message::Binary(_) => self.tolerate("a binary message")?,
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(frame) => {
                    let code = frame.as_ref().map_or(NO_CODE, |frame| frame.code);
                    return Err(End::new(code, "the other side closed it"));
                }
            }
        }
    }

    fn take(&mut self, text: &str) -> Result<Option<StreamEvent>, End> {
        let Incoming { stream, event } = match decode(text, self.max_message_bytes) {
            Ok(incoming) => incoming,
            Err(error @ Malformed::TooLarge { .. }) => return Err(End::new(close::TOO_LARGE, error.to_string())),
            // Nothing that follows could be understood.
            Err(error @ Malformed::Format) => return Err(End::new(close::REFUSED, error.to_string())),
            Err(error) => return self.tolerate(&error.to_string()).map(|()| None),
        };
        let is_foreign = self.sid.as_ref().is_some_and(|sid| stream.is_some_and(|stream| stream != sid.as_str()));
        if is_foreign {
            return self.tolerate("a message of another stream").map(|()| None);
        }
        if let StreamEvent::Media(mulaw) = &event {
            // A message with more than a frame in it is as good as several.
            self.charge(mulaw.len().saturating_sub(1) / FRAME_BYTES)?;
        }
        Ok(Some(event))
    }

    /// A little nonsense is passed over; more of it closes the socket.
    pub(super) fn tolerate(&mut self, what: &str) -> Result<(), End> {
        match self.malformed_left.checked_sub(1) {
            Some(left) => {
                self.malformed_left = left;
                tracing::debug!(what, left, "a stream's message was passed over");
                Ok(())
            }
            None => Err(End::new(close::REFUSED, format!("too much that is no media stream: {what}"))),
        }
    }

    fn charge(&mut self, messages: usize) -> Result<(), End> {
        let now = self.began.elapsed();
        if (0..messages).all(|_| self.bucket.take(now)) {
            Ok(())
        } else {
            Err(End::new(close::FLOOD, "too many messages"))
        }
    }
}
