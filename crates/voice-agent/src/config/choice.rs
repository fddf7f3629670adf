//! Settings that are one of a few words.

use serde::{Deserialize, Serialize};

/// Whether callers say who they are, or prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// A `user_id` in the request is believed.
    None,
    /// A bearer token with `exp`, issuer and audience; the user is its `sub`.
    Jwt,
}

/// A signature algorithm of JSON Web Tokens.
#[expect(missing_docs, reason = "RFC 7518 and RFC 8037 define them by name")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    ES256,
    ES384,
    #[serde(rename = "EdDSA")]
    EdDSA,
}

impl JwtAlgorithm {
    /// Whether it needs the shared secret (as opposed to a public key).
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

/// How a call's callers come to agree to its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentRule {
    /// They are asked first, and only a yes begins a recording.
    Ask,
    /// They are told, and may object.
    Announce,
    /// They are not recorded.
    Never,
}

impl ConsentRule {
    /// The rule of this word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "ask" => Some(Self::Ask),
            "announce" => Some(Self::Announce),
            "never" => Some(Self::Never),
            _ => None,
        }
    }
}

/// How closely a language model looks at a picture: the API's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScreenDetail {
    /// As the provider thinks best.
    Auto,
    /// Scaled down far: cheap, and large print only.
    Low,
    /// Tile by tile.
    High,
}

impl ScreenDetail {
    /// The API's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
