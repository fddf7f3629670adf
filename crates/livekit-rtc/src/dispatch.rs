//! Asking the server to dispatch an agent to a room, and who has been: requests for any HTTP client, and their answers.
//!
//! The open-source server dispatches a job once: with no worker there, a late answer or a dead worker, the job is lost.
//! Who wants it done asks again, with these.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::error::TokenError;
pub use crate::request::Request;
use crate::request::request;
use crate::token::ApiKey;

const SERVICE: &str = "AgentDispatchService";

/// A dispatch, as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Dispatch {
    /// `AD_…`
    pub id: String,
    /// Which agent.
    #[serde(default, alias = "agentName")]
    pub agent_name: String,
    /// To which room.
    #[serde(default)]
    pub room: String,
    /// Given to the agent with its job.
    #[serde(default)]
    pub metadata: String,
}

/// Dispatch this agent to this room, which is created when it is not there. The answer is a [`Dispatch`].
///
/// # Errors
/// The token cannot be signed.
pub fn create(
    server: &Address,
    key: &ApiKey,
    agent_name: &str,
    room: &str,
    metadata: &str,
    now: SystemTime,
) -> Result<Request, TokenError> {
    #[derive(Serialize)]
    struct Body<'a> {
        agent_name: &'a str,
        room: &'a str,
        metadata: &'a str,
    }
    request(server, key, SERVICE, "CreateDispatch", room, &Body { agent_name, room, metadata }, now)
}

/// Which dispatches has this room? The answer is read with [`listed`].
///
/// # Errors
/// The token cannot be signed.
pub fn list(server: &Address, key: &ApiKey, room: &str, now: SystemTime) -> Result<Request, TokenError> {
    #[derive(Serialize)]
    struct Body<'a> {
        room: &'a str,
    }
    request(server, key, SERVICE, "ListDispatch", room, &Body { room }, now)
}

/// Take a dispatch back; its agent is asked to leave.
///
/// # Errors
/// The token cannot be signed.
pub fn delete(
    server: &Address,
    key: &ApiKey,
    room: &str,
    dispatch: &str,
    now: SystemTime,
) -> Result<Request, TokenError> {
    #[derive(Serialize)]
    struct Body<'a> {
        dispatch_id: &'a str,
        room: &'a str,
    }
    request(server, key, SERVICE, "DeleteDispatch", room, &Body { dispatch_id: dispatch, room }, now)
}

/// Reads the answer to [`list`].
///
/// # Errors
/// It is not what the server answers.
pub fn listed(body: &[u8]) -> Result<Vec<Dispatch>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default, alias = "agentDispatches")]
        agent_dispatches: Vec<Dispatch>,
    }
    serde_json::from_slice::<Body>(body).map(|body| body.agent_dispatches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_server_reads() {
        let server = Address::parse("wss://rooms.example").unwrap();
        let key = ApiKey::new("APIkey", "a secret that is long enough for it");
        let request = create(&server, &key, "chef", "kitchen", "{\"a\":1}", SystemTime::now()).unwrap();
        assert_eq!(request.url, "https://rooms.example/twirp/livekit.AgentDispatchService/CreateDispatch");
        assert_eq!(request.body, r#"{"agent_name":"chef","room":"kitchen","metadata":"{\"a\":1}"}"#);
        assert!(request.authorization.starts_with("Bearer ey"));
        assert!(!format!("{request:?}").contains("Bearer"));
    }

    #[test]
    fn lists_are_read_in_both_spellings() {
        let body = br#"{"agent_dispatches":[{"id":"AD_1","agent_name":"chef","room":"kitchen","state":{}}]}"#;
        let dispatches = listed(body).unwrap();
        assert_eq!((dispatches[0].id.as_str(), dispatches[0].agent_name.as_str()), ("AD_1", "chef"));
        assert_eq!(listed(br#"{"agentDispatches":[{"id":"AD_1","agentName":"chef"}]}"#).unwrap()[0].agent_name, "chef");
        assert_eq!(listed(b"{}").unwrap(), []);
        assert!(listed(b"[1]").is_err());
    }
}
