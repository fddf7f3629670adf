//! The words for outside services and their failures.

use serde::{Deserialize, Serialize};

/// The stages of the corridor that a provider serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Speech to text.
    Stt,
    /// The language model.
    Llm,
    /// Text to speech.
    Tts,
}

impl Stage {
    /// The stage as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
        }
    }
}

/// How an outside service failed. Closed: it drives failover, and is the `error_type` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderErrorKind {
    /// Nothing useful came within the stage's budget.
    Timeout,
    /// It began, and then made no progress.
    Stalled,
    /// It refused, or said that it is down (5xx, a full local queue).
    Unavailable,
    /// Too many requests.
    RateLimited,
    /// The account has no money or quota left.
    Quota,
    /// The key is wrong.
    Auth,
    /// Our request was wrong.
    BadRequest,
    /// It does not serve the model that was asked for: no longer, or not to this account.
    NotServed,
    /// The connection broke.
    Disconnected,
    /// It answered something that is not the protocol.
    Protocol,
    /// What it answered to this request is of no use, or we could not take it: of the provider that says nothing.
    Unusable,
}

impl ProviderErrorKind {
    /// Every kind, for registering metrics at start.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Stalled,
        Self::Unavailable,
        Self::RateLimited,
        Self::Quota,
        Self::Auth,
        Self::BadRequest,
        Self::NotServed,
        Self::Disconnected,
        Self::Protocol,
        Self::Unusable,
    ];

    /// The kind as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::BadRequest => "bad_request",
            Self::NotServed => "not_served",
            Self::Disconnected => "disconnected",
            Self::Protocol => "protocol",
            Self::Unusable => "unusable",
        }
    }
}

/// How an outside service failed, and what it said of when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFailure {
    /// How.
    pub kind: ProviderErrorKind,
    /// Not to be asked again before this many milliseconds have passed, in the provider's own words (`Retry-After`), or
    /// because what is wrong does not mend itself (a model that is no longer served).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl From<ProviderErrorKind> for ProviderFailure {
    fn from(kind: ProviderErrorKind) -> Self {
        Self { kind, retry_after_ms: None }
    }
}
