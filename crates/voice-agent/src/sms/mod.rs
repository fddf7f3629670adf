//! Text messages to callers: written by the agent, sent by Twilio, and never to who wants none. What comes from callers is
//! [`crate::http`]'s.

mod opt_out;
mod rest;
mod split;
mod turns;
mod wire;
mod word;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use opt_out::OptOuts;
pub use rest::RestError;
pub(crate) use rest::{body_of, client};
pub use split::{Room, plain, segments, split};
pub use turns::Turns;
pub use word::{Word, word};

use rest::Rest;

use crate::config::Config;
use crate::store::{Clock, StoreError, UserId};
use crate::telemetry::Events;
use crate::transport::twilio::PhoneNumber;

/// What is said by a text message when voice fails in a call, as the contract has it.
pub const VOICE_FAILED: &str = "We're experiencing technical difficulties with voice. Please text this number or try \
                                again in a few minutes.";

/// Why a text was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// There is no account, token or number to send from.
    #[error("no account or number to send from")]
    NotConfigured,
    /// The receiver wants none.
    #[error("the receiver has opted out")]
    OptedOut,
    /// Whether the receiver wants any cannot be found out.
    #[error("the store does not say whether the receiver wants any: {0}")]
    Store(#[from] StoreError),
    /// Twilio did not take it.
    #[error("Twilio: {0}")]
    Twilio(RestError),
}

impl Unsent {
    /// The reason as a metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::OptedOut => "opted_out",
            Self::Store(_) => "store",
            Self::Twilio(RestError::OptedOut) => "opted_out",
            Self::Twilio(RestError::Refused(_)) => "refused",
            Self::Twilio(RestError::Failed) => "failed",
            Self::Twilio(RestError::Unsure) => "unsure",
        }
    }
}

/// Sends text messages.
pub struct Texter {
    rest: Option<Rest>,
    room: Room,
    opt_outs: OptOuts,
    clock: Arc<dyn Clock>,
    events: Arc<Events>,
}

impl std::fmt::Debug for Texter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texter").field("can_send", &self.can_send()).finish_non_exhaustive()
    }
}

impl Texter {
    /// With the account of these settings, if they have one.
    pub fn new(config: &Config, opt_outs: OptOuts, clock: Arc<dyn Clock>, events: Arc<Events>) -> Self {
        let twilio = &config.twilio;
        let room = Room { segments: twilio.sms_max_segments, messages: twilio.sms_max_messages };
        Self { rest: Rest::new(config), room, opt_outs, clock, events }
    }

    /// Whether there is an account and a number to send from.
    pub const fn can_send(&self) -> bool {
        self.rest.is_some()
    }

    /// Who wants none.
    pub const fn opt_outs(&self) -> &OptOuts {
        &self.opt_outs
    }

    /// The text as the messages that it is sent in.
    pub fn messages(&self, text: &str) -> Vec<String> {
        split(&plain(text), self.room)
    }

    /// Sends a text, in as many messages as it takes, unless the receiver wants none. What it costs is not known: its segments
    /// are counted.
    ///
    /// # Errors
    /// [`Unsent`], for the first message that was not taken.
    pub async fn send(&self, to: &PhoneNumber, text: &str) -> Result<(), Unsent> {
        for message in self.messages(text) {
            let sent = self.send_one(to, &message).await;
            self.events.sms_sent(sent.as_ref().err().map_or("sent", Unsent::as_str));
            let segments = sent.inspect_err(|error| tracing::warn!(%error, "a text message was not sent"))?;
            self.events.sms_segments(segments.unwrap_or(segments_of(&message)));
        }
        Ok(())
    }

    /// Whether this number is to be told that voice has failed: once in `gap`, by whichever instance comes first.
    ///
    /// # Errors
    /// As the store's.
    pub async fn may_tell(&self, to: &PhoneNumber, gap: Duration) -> Result<bool, StoreError> {
        if gap.is_zero() {
            return Ok(true);
        }
        self.opt_outs.store().note_once(told(to), gap).await
    }

    /// The number was not told after all.
    pub async fn not_told(&self, to: &PhoneNumber) {
        if let Err(error) = self.opt_outs.store().forget_note(told(to)).await {
            self.events.store_failed("forget_note", &error);
        }
    }

    async fn send_one(&self, to: &PhoneNumber, message: &str) -> Result<Option<u64>, Unsent> {
        let rest = self.rest.as_ref().ok_or(Unsent::NotConfigured)?;
        let user = user_of(to);
        if self.opt_outs.has(&user).await? {
            return Err(Unsent::OptedOut);
        }
        match rest.send(self.clock.as_ref(), to, message).await {
            Ok(taken) => Ok(taken.segments),
            Err(error) => {
                if error == RestError::OptedOut {
                    // Twilio heard a STOP that we did not.
                    self.opt_outs.stop(&user).await;
                }
                Err(Unsent::Twilio(error))
            }
        }
    }
}

/// Under what it is noted that a number was told: not under its name, which no erasure would find there.
fn told(number: &PhoneNumber) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, user_of(number).as_str().as_bytes());
    format!("told:{}", URL_SAFE_NO_PAD.encode(hash))
}

fn segments_of(message: &str) -> u64 {
    u64::try_from(segments(message)).unwrap_or(u64::MAX)
}

/// The user who calls, or texts, from a number.
pub fn user_of(number: &PhoneNumber) -> UserId {
    UserId::new(format!("phone:{}", number.reveal()))
}

#[cfg(test)]
mod tests;
