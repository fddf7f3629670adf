//! The session's document: the JSON of the contract, letter for letter.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{SessionId, StoreError, UserId};

/// The largest document that is kept, in bytes of JSON: an hour's talk has some 100 KB.
pub const MAX_DOC_BYTES: usize = 4 * 1024 * 1024;

/// A session as the outside sees it (`voice:session:{session_id}`). Exactly these fields: what we need beyond them
/// lives in `context`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDoc {
    /// The session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// How the caller came.
    pub channel: Channel,
    /// What was said, as far as it was heard; oldest first.
    pub conversation_history: Vec<ConversationItem>,
    /// The agent that has the call; starts as `TaskAgent`.
    pub current_agent: String,
    /// When the session began (UTC).
    #[serde(deserialize_with = "utc")]
    pub created_at: Timestamp,
    /// When it was last saved or renewed (UTC).
    #[serde(deserialize_with = "utc")]
    pub last_activity: Timestamp,
    /// Consent, cost, the core's snapshot, …
    pub context: Map<String, Value>,
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationItem {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
    /// An instruction to the model.
    System,
    /// A tool's answer.
    Tool,
}

/// How the caller came: the metrics' `channel` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The web page.
    Browser,
    /// A telephone.
    Phone,
    /// The web page with a shared screen.
    ScreenShare,
}

impl Channel {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Phone => "phone",
            Self::ScreenShare => "screen_share",
        }
    }
}

impl SessionDoc {
    /// The document's JSON; [`StoreError::TooLarge`] beyond [`MAX_DOC_BYTES`].
    pub fn to_json(&self) -> Result<String, StoreError> {
        let json = serde_json::to_string(self).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if json.len() > MAX_DOC_BYTES {
            return Err(StoreError::TooLarge { what: "the session", size: json.len(), limit: MAX_DOC_BYTES });
        }
        Ok(json)
    }

    /// Reads what was kept. An unknown top-level field is refused: it would be lost with the next save.
    pub fn from_json(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("a session's JSON: {error}")))
    }
}

/// A moment with or without its `Z`: the mission's own writer leaves it out and means UTC.
fn utc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<Timestamp>().or_else(|_| format!("{text}Z").parse()).map_err(|error| {
        let why = format!("{text:?} is no time in UTC: {error}");
        serde::de::Error::custom(why)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contract() -> Value {
        json!({
            "session_id": "sess_abc123",
            "user_id": "phone:+15551234567",
            "channel": "phone",
            "conversation_history": [
                {"role": "user", "content": "Add a task to review the proposal"},
                {"role": "assistant", "content": "I've added 'Review the proposal' to your tasks."},
            ],
            "current_agent": "TaskAgent",
            "created_at": "2026-11-25T13:30:00Z",
            "last_activity": "2026-11-25T13:31:00.5Z",
            "context": {"recording_enabled": false, "phone_number": "+15551234567"},
        })
    }

    #[test]
    fn the_document_is_the_contracts() {
        let doc = SessionDoc::from_json(&contract().to_string()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&doc.to_json().unwrap()).unwrap(), contract());
        assert_eq!((doc.channel, doc.channel.as_str()), (Channel::Phone, "phone"));
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let mut json = contract();
        json["created_at"] = json!("2026-11-25T13:30:00.123456");
        let doc = SessionDoc::from_json(&json.to_string()).unwrap();
        assert_eq!(doc.created_at.to_string(), "2026-11-25T13:30:00.123456Z");
    }

    #[test]
    fn what_is_missing_unknown_or_of_the_wrong_kind_is_refused_by_name() {
        for field in contract().as_object().unwrap().keys() {
            let mut json = contract();
            json.as_object_mut().unwrap().remove(field);
            let error = SessionDoc::from_json(&json.to_string()).unwrap_err();
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        let faults = [
            ("surprise", json!(1), "surprise"),
            ("channel", json!("fax"), "fax"),
            ("created_at", json!("yesterday"), "yesterday"),
            ("conversation_history", json!([{"role": "ghost", "content": ""}]), "ghost"),
            ("conversation_history", json!([{"role": "user", "content": "", "at": 1}]), "at"),
            ("context", json!([]), "map"),
        ];
        for (field, value, named) in faults {
            let mut json = contract();
            json[field] = value;
            let error = SessionDoc::from_json(&json.to_string()).unwrap_err();
            assert!(matches!(&error, StoreError::Corrupt(why) if why.contains(named)), "{field}: {error}");
        }
    }
}
