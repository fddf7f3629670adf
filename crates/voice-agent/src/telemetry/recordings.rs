//! What happens to recordings.

use tracing::{debug, warn};

use super::Events;
use super::metrics::{ByKind, ByReason};

/// What is kept for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionOf {
    /// Recordings.
    Recordings,
    /// Logs of inputs.
    InputLogs,
}

impl RetentionOf {
    /// All of it.
    pub const ALL: [Self; 2] = [Self::Recordings, Self::InputLogs];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recordings => "recordings",
            Self::InputLogs => "input_logs",
        }
    }
}

impl Events {
    /// A recording broke off or did not begin; the call goes on.
    pub fn recording_failed(&self, reason: &'static str, session: &str, error: &dyn std::fmt::Display) {
        self.metrics().recordings_failed.get_or_create(&ByReason { reason: reason.to_owned() }).inc();
        warn!(session, reason, %error, "the call is not recorded from here on");
    }

    /// A file could not be brought to its storage, and waits. Readiness says why.
    pub fn recording_upload_failed(&self) {
        self.metrics().recordings_failed.get_or_create(&ByReason { reason: "storage".to_owned() }).inc();
    }

    /// A file reached its storage.
    pub fn recording_stored(&self, bytes: u64) {
        self.metrics().recordings_stored.inc();
        self.metrics().recordings_stored_bytes.inc_by(bytes);
        debug!(bytes, "a recording was stored");
    }

    /// So much waits for the storage now.
    pub fn recordings_waiting(&self, files: u64, bytes: u64) {
        self.metrics().recordings_waiting.set(i64::try_from(files).unwrap_or(i64::MAX));
        self.metrics().recordings_waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Files were deleted.
    pub fn recordings_deleted(&self, files: u64) {
        self.metrics().recordings_deleted.inc_by(files);
    }

    /// So many files should be gone, and could not be deleted.
    pub fn retention_overdue(&self, of: RetentionOf, files: u64) {
        let labels = ByKind { kind: of.as_str().to_owned() };
        self.metrics().retention_overdue.get_or_create(&labels).set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// Frames of recorded calls were not taped.
    pub fn recording_frames_lost(&self, count: u64) {
        self.metrics().recording_frames_lost.inc_by(count);
    }
}
