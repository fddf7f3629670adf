//! Events of text messages, pages and speech that is played again: like those of [`super::events`], the log line and the metric together.

use std::time::Duration;

use tracing::{debug, error, info, warn};
use voice_core::provider::Stage;

use super::Events;
use super::metrics::{ByHow, ByPage, ByResult, ByStatus, SMS_STATUS};

impl Events {
    /// Words that a paid voice is to speak: whether they had been spoken before.
    pub fn voice_recalled(&self, hit: bool) {
        let result = if hit { "hit" } else { "miss" };
        self.metrics().speech_cache.get_or_create(&ByResult { result: result.to_owned() }).inc();
    }

    /// An agent left a LiveKit room, with the code that a socket would have been closed with.
    pub fn room_left(&self, job: &str, code: u16, reason: &str) {
        info!(job, code, reason, "left a room");
    }

    /// A picture of a caller's screen came. It is kept nowhere.
    pub fn screen_seen(&self, session: &str, width: u32, height: u32, bytes: usize) {
        self.metrics().screen_looks.get_or_create(&ByResult { result: "seen".to_owned() }).inc();
        info!(session, width, height, bytes, "looked at the caller's screen");
    }

    /// A picture of a screen was read: so many lines, in so long.
    pub fn screen_read(&self, lines: usize, took: Duration) {
        info!(lines, took_ms = took.as_millis() as u64, "read a screen");
    }

    /// The agent wanted to look at a caller's screen and saw nothing.
    pub fn screen_not_seen(&self, session: &str, reason: &str) {
        self.metrics().screen_looks.get_or_create(&ByResult { result: "failed".to_owned() }).inc();
        warn!(session, reason, "the caller's screen was not seen");
    }

    /// A text message came, and this was done with it.
    pub fn sms_received(&self, outcome: &'static str) {
        self.metrics().sms_received.get_or_create(&ByHow { outcome: outcome.to_owned() }).inc();
        info!(outcome, "a text message came");
    }

    /// A text message was sent, or was not.
    pub fn sms_sent(&self, outcome: &'static str) {
        self.metrics().sms_sent.get_or_create(&ByHow { outcome: outcome.to_owned() }).inc();
        info!(outcome, "a text message to a caller");
    }

    /// Twilio took a message of so many segments. What that costs is not known.
    pub fn sms_segments(&self, segments: u64) {
        self.metrics().sms_segments.inc_by(segments);
    }

    /// Twilio reports on a message, with its code if it could not be delivered.
    pub fn sms_status(&self, status: &str, code: &str) {
        let label = if SMS_STATUS.contains(&status) { status } else { "other" };
        self.metrics().sms_status.get_or_create(&ByStatus { status: label.to_owned() }).inc();
        debug!(status = label, code, "a report on a text message");
    }

    /// Whoever is on call was told something, or was not; `why` says what is wrong, or why nobody could be told.
    pub fn paged(&self, action: &'static str, stage: Stage, outcome: &'static str, why: &str) {
        let labels = ByPage { action: action.to_owned(), outcome: outcome.to_owned() };
        self.metrics().pages.get_or_create(&labels).inc();
        let stage = stage.as_str();
        match outcome {
            "sent" | "merged" => info!(action, stage, outcome, why, "paged"),
            _ => error!(action, stage, outcome, why, "nobody was paged"),
        }
    }
}
