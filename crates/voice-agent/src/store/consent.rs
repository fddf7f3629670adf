//! What people decided about recordings, as it is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use voice_core::consent::{ConsentDecision, ConsentHow};

use super::{Channel, SessionId, StoreError};

/// One decision. It is never changed; a later one says what is so from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRecord {
    /// What tells it from the others of the same person: the same one again is not added again.
    pub id: String,
    /// When it was decided.
    pub at: Timestamp,
    /// In which session.
    pub session_id: SessionId,
    /// On which channel.
    pub channel: Channel,
    /// The version of the privacy notice at that time.
    pub policy_version: String,
    /// What the caller had been told or shown, letter for letter; empty where nobody had asked.
    pub wording: String,
    /// What was decided.
    pub decision: ConsentDecision,
    /// How.
    pub how: ConsentHow,
}

impl ConsentRecord {
    /// Its JSON.
    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Reads what was kept.
    pub(super) fn from_json(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("a consent's JSON: {error}")))
    }
}
