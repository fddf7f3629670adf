//! Access tokens: what a participant or a worker shows to the server. They are JSON Web Tokens, signed with the API key's
//! secret (HS256).

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::error::TokenError;

/// How long a token is good unless said otherwise.
const DEFAULT_TTL: Duration = Duration::from_secs(6 * 3600);
/// Before now, in seconds: the server's clock may be behind.
const CLOCK_LEEWAY: u64 = 10;

/// An API key of a LiveKit server, and its secret, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    key: String,
    secret: String,
}

impl ApiKey {
    /// The key, and its secret.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key: key.into(), secret: secret.into() }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What a token allows. Nothing, unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Join [`room`](Self::room).
    #[serde(skip_serializing_if = "is_false")]
    pub room_join: bool,
    /// The room that is meant by `room_join` and `room_admin`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// Create rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_create: bool,
    /// List rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_list: bool,
    /// Moderate the room, and dispatch agents to it.
    #[serde(skip_serializing_if = "is_false")]
    pub room_admin: bool,
    /// Publish tracks; allowed when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// Receive tracks; allowed when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// Send data; as `can_publish` when not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// Change its own name, metadata and attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Not shown to the other participants.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Register as an agent worker.
    #[serde(skip_serializing_if = "is_false")]
    pub agent: bool,
}

impl Grants {
    /// May join this room, publish, subscribe and change its own attributes.
    pub fn join(room: impl Into<String>) -> Self {
        Self { room_join: true, room: room.into(), can_update_own_metadata: Some(true), ..Self::default() }
    }

    /// May register as an agent worker.
    pub fn worker() -> Self {
        Self { agent: true, ..Self::default() }
    }

    /// May moderate this room, and dispatch agents to it.
    pub fn admin(room: impl Into<String>) -> Self {
        Self { room_admin: true, room: room.into(), ..Self::default() }
    }
}

/// An agent that is to be dispatched to the room when the token's holder creates it by joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAgent {
    /// The name under which its workers register.
    pub agent_name: String,
    /// Given to the agent with its job.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

/// A token that is being written.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use livekit_rtc::token::{AccessToken, ApiKey, Grants};
///
/// let key = ApiKey::new("devkey", "a secret of at least 32 characters");
/// let token = AccessToken::new(Grants::join("kitchen"))
///     .identity("ada")
///     .attribute("language", "en")
///     .ttl(Duration::from_secs(600))
///     .sign(&key, SystemTime::now())?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), livekit_rtc::error::TokenError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AccessToken {
    grants: Grants,
    identity: String,
    name: String,
    kind: &'static str,
    metadata: String,
    attributes: BTreeMap<String, String>,
    agents: Vec<TokenAgent>,
    ttl: Duration,
}

impl AccessToken {
    /// A token that allows this, for six hours.
    pub fn new(grants: Grants) -> Self {
        Self {
            grants,
            identity: String::new(),
            name: String::new(),
            kind: "",
            metadata: String::new(),
            attributes: BTreeMap::new(),
            agents: Vec::new(),
            ttl: DEFAULT_TTL,
        }
    }

    /// Who joins with it; required for joining a room.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// A name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The participant counts as an agent.
    #[must_use]
    pub fn kind_agent(mut self) -> Self {
        self.kind = "agent";
        self
    }

    /// The participant counts as a caller by telephone: for tests of what meets LiveKit's SIP service.
    #[must_use]
    pub fn kind_sip(mut self) -> Self {
        self.kind = "sip";
        self
    }

    /// The participant's metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// One of the participant's attributes.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Dispatch this agent when joining with the token creates the room.
    #[must_use]
    pub fn agent(mut self, agent: TokenAgent) -> Self {
        self.agents.push(agent);
        self
    }

    /// How long the token is good.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The token, as it is shown to the server.
    ///
    /// # Errors
    /// The clock stands before 1970, or the key cannot sign.
    pub fn sign(&self, key: &ApiKey, now: SystemTime) -> Result<String, TokenError> {
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| TokenError)?.as_secs();
        let claims = Claims {
            iss: &key.key,
            sub: &self.identity,
            nbf: now.saturating_sub(CLOCK_LEEWAY),
            exp: now.saturating_add(self.ttl.as_secs()),
            name: &self.name,
            video: &self.grants,
            kind: self.kind,
            metadata: &self.metadata,
            attributes: &self.attributes,
            room_config: (!self.agents.is_empty()).then_some(RoomConfig { agents: &self.agents }),
        };
        let signer = EncodingKey::from_secret(key.secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &signer).map_err(|_| TokenError)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub: &'a str,
    nbf: u64,
    exp: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    video: &'a Grants,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_config: Option<RoomConfig<'a>>,
}

#[derive(Serialize)]
struct RoomConfig<'a> {
    agents: &'a [TokenAgent],
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    #[test]
    fn a_token_says_what_it_was_told() {
        let key = ApiKey::new("APIkey", "a secret that is long enough for it");
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let token = AccessToken::new(Grants::join("kitchen"))
            .identity("ada")
            .kind_sip()
            .attribute("sip.phoneNumber", "+15550100")
            .agent(TokenAgent { agent_name: "chef".into(), metadata: String::new() })
            .ttl(Duration::from_secs(60))
            .sign(&key, now)
            .unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims = HashSet::new();
        let decoder = DecodingKey::from_secret(key.secret.as_bytes());
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &decoder, &validation).unwrap().claims;
        let expected = serde_json::json!({
            "iss": "APIkey", "sub": "ada", "nbf": 990, "exp": 1060, "kind": "sip",
            "video": {"roomJoin": true, "room": "kitchen", "canUpdateOwnMetadata": true},
            "attributes": {"sip.phoneNumber": "+15550100"},
            "roomConfig": {"agents": [{"agentName": "chef"}]},
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", ApiKey::new("APIkey", "secret")), "ApiKey(…)");
    }
}
