//! Asking the server to send a participant away: a request for any HTTP client.
//!
//! A caller by telephone stays in the room, and hears nothing, when the agent leaves it: who ends such a call sends the
//! caller away, and LiveKit's SIP service hangs up.

use std::time::SystemTime;

use serde::Serialize;

use crate::address::Address;
use crate::error::TokenError;
use crate::ids::Identity;
pub use crate::request::Request;
use crate::request::request;
use crate::token::ApiKey;

/// Send this participant out of this room. The answer is empty; its status is 404 if they are not there.
///
/// ```
/// use std::time::SystemTime;
/// use livekit_rtc::{Address, Identity, moderation, token::ApiKey};
///
/// let server = Address::parse("wss://rooms.example")?;
/// let key = ApiKey::new("APIkey", "a secret of at least 32 characters");
/// let request = moderation::remove(&server, &key, "kitchen", &Identity::from("sip_1"), SystemTime::now())?;
/// assert_eq!(request.url, "https://rooms.example/twirp/livekit.RoomService/RemoveParticipant");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The token cannot be signed.
pub fn remove(
    server: &Address,
    key: &ApiKey,
    room: &str,
    participant: &Identity,
    now: SystemTime,
) -> Result<Request, TokenError> {
    #[derive(Serialize)]
    struct Body<'a> {
        room: &'a str,
        identity: &'a str,
    }
    let body = Body { room, identity: participant.as_str() };
    request(server, key, "RoomService", "RemoveParticipant", room, &body, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_named_with_their_room() {
        let server = Address::parse("ws://127.0.0.1:7880").unwrap();
        let key = ApiKey::new("APIkey", "a secret that is long enough for it");
        let request = remove(&server, &key, "kitchen", &Identity::from("sip_\"1"), SystemTime::now()).unwrap();
        assert_eq!(request.url, "http://127.0.0.1:7880/twirp/livekit.RoomService/RemoveParticipant");
        assert_eq!(request.body, r#"{"room":"kitchen","identity":"sip_\"1"}"#);
    }
}
