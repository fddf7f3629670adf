//! Which session somebody in a room is of, vouched for by us: a page's invitation says it, and so does whoever sends another agent.
//!
//! What is signed names the room, so that it is of no use in another one.

use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_rtc::error::TokenError;
use livekit_rtc::token::{AccessToken, Grants, TokenAgent};

use super::Settings;
use crate::http::random_hex;
use crate::store::SessionId;

/// The attribute of a page's participant that says which session it is of.
pub(super) const PAGE_SESSION: &str = "voice-agent.session";
/// An invitation is used at once; the server renews the token of whoever is in the room.
const INVITED_FOR: Duration = Duration::from_secs(600);

/// What a page needs to join a room of its own.
#[derive(Debug, serde::Serialize)]
pub struct Invitation {
    url: String,
    token: String,
    room: String,
}

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
    /// The token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Settings {
    /// Invites the page of a session: to a new room each time, so that an agent is sent there.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub fn invite(&self, session: &SessionId, now: SystemTime) -> Result<Invitation, InvitationError> {
        let room = format!("page-{}", random_hex::<16>()?);
        // Who they are is the session's business: in its room a page changes nothing of itself.
        let grants = Grants { can_update_own_metadata: Some(false), ..Grants::join(&room) };
        let mut token = AccessToken::new(grants)
            .identity("page")
            .attribute(PAGE_SESSION, self.vouch(&room, session))
            .ttl(INVITED_FOR);
        if !self.agent_name.is_empty() {
            token = token.agent(TokenAgent { agent_name: self.agent_name.clone(), metadata: String::new() });
        }
        Ok(Invitation { url: self.public_url.clone(), token: token.sign(&self.key, now)?, room })
    }

    /// A word to whoever comes to this room that this is the session there.
    pub(super) fn vouch(&self, room: &str, session: &SessionId) -> String {
        format!("{session}.{}", URL_SAFE_NO_PAD.encode(self.signed(room, session.as_str())))
    }

    /// The session that such a word is of, if it is ours, and of this room.
    pub(super) fn vouched(&self, room: &str, word: &str) -> Option<SessionId> {
        let (session, signature) = word.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.sessions, &message(room, session), &signature).ok()?;
        Some(SessionId::new(session.to_owned()))
    }

    fn signed(&self, room: &str, session: &str) -> hmac::Tag {
        hmac::sign(&self.sessions, &message(room, session))
    }
}

fn message(room: &str, session: &str) -> Vec<u8> {
    [b"session in room\0".as_slice(), room.as_bytes(), b"\0", session.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::{Config, Secret};

    fn settings(agent_name: &str) -> Settings {
        let mut config = Config::default();
        config.livekit.url = "ws://rooms.internal:7880".to_owned();
        config.livekit.public_url = "wss://rooms.example.com".to_owned();
        config.livekit.agent_name = agent_name.to_owned();
        config.secrets.livekit_key = Some(Secret::new("key".to_owned()));
        config.secrets.livekit_secret = Some(Secret::new("a secret of at least thirty-two characters".to_owned()));
        Settings::of(&config).unwrap()
    }

    #[test]
    fn a_session_is_vouched_for_in_one_room_and_no_other() {
        let settings = settings("");
        let session = SessionId::new("0123456789abcdef0123456789abcdef".to_owned());
        let word = settings.vouch("kitchen", &session);
        assert_eq!(settings.vouched("kitchen", &word), Some(session));
        assert_eq!(settings.vouched("cellar", &word), None);
        let other = word.replacen('0', "1", 1);
        for forged in ["", ".", "s", "s.", "s.00", &other, &word[..word.len() - 1], &format!("{word}00"), "s.é"] {
            assert_eq!(settings.vouched("kitchen", forged), None, "{forged}");
        }
    }

    #[test]
    fn a_page_is_invited_to_a_room_of_its_own_to_which_an_agent_is_sent() {
        let settings = settings("tasks");
        let session = SessionId::new("s1".to_owned());
        let one = settings.invite(&session, SystemTime::now()).unwrap();
        let other = settings.invite(&session, SystemTime::now()).unwrap();
        assert_ne!(one.room, other.room);
        assert_eq!(one.url, "wss://rooms.example.com");
        let claims = URL_SAFE_NO_PAD.decode(one.token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["video"]["room"], one.room.as_str());
        assert_eq!(claims["video"]["canUpdateOwnMetadata"], false);
        assert_eq!(claims["roomConfig"]["agents"][0]["agentName"], "tasks", "{claims}");
        let word = claims["attributes"][PAGE_SESSION].as_str().unwrap();
        assert_eq!(settings.vouched(&one.room, word), Some(session));
    }
}
