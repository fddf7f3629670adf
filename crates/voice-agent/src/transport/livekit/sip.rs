//! A caller by telephone, through LiveKit's SIP service: when they have hung up, and how they are let go.
//!
//! Nobody comes back to a call that is over, as a page does; and an agent that leaves the room leaves the telephone off the hook, with
//! nobody to talk to. So a hang-up ends the session at once, and the end of the session hangs up.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use livekit_rtc::error::DisconnectReason;
use livekit_rtc::{Participant, ParticipantKind, moderation};

use super::Settings;
use crate::transport::close;
use crate::transport::end::End;

/// What a telephone's number is called among the attributes of a SIP participant.
pub(super) const NUMBER: &str = "sip.phoneNumber";
/// How far the call is.
const STATUS: &str = "sip.callStatus";
/// The value of that for a call that is over.
const HUNG_UP: &str = "hangup";
/// The agent's last words are on their way to the telephone for less than this.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long the server may take to send a caller away.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn is_caller(person: &Participant) -> bool {
    person.kind == ParticipantKind::Sip
}

/// Whether the call of this person is over, by these of their attributes.
pub(super) fn has_hung_up(person: &Participant, attributes: &BTreeMap<String, String>) -> bool {
    is_caller(person) && attributes.get(STATUS).is_some_and(|status| status == HUNG_UP)
}

/// Whether somebody who is gone from the room has left for good; else they may come back.
///
/// `is_certain`: we were in the room all along. After a restart of the server who joins it before the others finds them gone.
pub(super) fn has_left(person: &Participant, reason: DisconnectReason, is_certain: bool) -> bool {
    match reason {
        DisconnectReason::ClientInitiated | DisconnectReason::ParticipantRemoved => true,
        // They are in the room once more, or on their way.
        DisconnectReason::DuplicateIdentity
        | DisconnectReason::StateMismatch
        | DisconnectReason::Migration
        | DisconnectReason::ServerShutdown => false,
        DisconnectReason::Unknown => is_caller(person) && is_certain,
        _ => is_caller(person),
    }
}

/// Whether this end of a stay is the end of the caller's call, too. Where another agent has the session, or may take it up, it is not, nor
/// where the room is gone.
const fn ends_call(code: u16) -> bool {
    !matches!(code, close::HANDED_OVER | close::REPLACED | close::GOING_AWAY | close::LOST)
}

impl Settings {
    /// Hangs up, for whoever is still on the line when a stay is over.
    pub(super) async fn let_go(&self, room: &str, caller: &Participant, end: &End) {
        if !is_caller(caller) || !ends_call(end.code) {
            return;
        }
        tokio::time::sleep(LAST_WORDS).await;
        let request = match moderation::remove(&self.address, &self.key, room, &caller.identity, SystemTime::now()) {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(%error, "a caller by telephone was not let go");
                return;
            }
        };
        match self.post(request, TIMEOUT).await {
            Ok(()) => tracing::info!(room, "a caller by telephone was let go"),
            // They may have hung up just now.
            Err(error) => tracing::warn!(room, status = ?error.status(), "a caller by telephone was not let go"),
        }
    }

    /// Asks the server's API for something, and takes no interest in its answer.
    pub(super) async fn post(&self, request: moderation::Request, timeout: Duration) -> Result<(), reqwest::Error> {
        let post = self.http.post(request.url).header("Authorization", request.authorization);
        let post = post.header("Content-Type", "application/json").body(request.body).timeout(timeout);
        post.send().await.and_then(reqwest::Response::error_for_status).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(kind: ParticipantKind) -> Participant {
        Participant::new("ada", "PA_1", kind)
    }

    #[test]
    fn a_telephone_does_not_come_back_and_a_browser_may() {
        let by_telephone = person(ParticipantKind::Sip);
        let by_browser = person(ParticipantKind::Standard);
        for (reason, is_certain, telephone_left, browser_left) in [
            (DisconnectReason::ClientInitiated, true, true, true),
            (DisconnectReason::ParticipantRemoved, true, true, true),
            (DisconnectReason::SignalClose, true, true, false),
            (DisconnectReason::ConnectionTimeout, true, true, false),
            (DisconnectReason::Unknown, true, true, false),
            // The SIP service joined again.
            (DisconnectReason::DuplicateIdentity, true, false, false),
            // The server was started again, and they are not there yet.
            (DisconnectReason::Unknown, false, false, false),
        ] {
            assert_eq!(has_left(&by_telephone, reason, is_certain), telephone_left, "{reason:?} {is_certain}");
            assert_eq!(has_left(&by_browser, reason, is_certain), browser_left, "{reason:?} {is_certain}");
        }
    }

    #[test]
    fn the_status_of_a_call_is_believed_of_telephones_alone() {
        let status = |status: &str| BTreeMap::from([(STATUS.to_owned(), status.to_owned())]);
        let by_telephone = person(ParticipantKind::Sip);
        for (value, expected) in [("ringing", false), ("active", false), ("automation", false), ("hangup", true)] {
            assert_eq!(has_hung_up(&by_telephone, &status(value)), expected, "{value}");
        }
        assert!(!has_hung_up(&by_telephone, &BTreeMap::new()));
        assert!(!has_hung_up(&person(ParticipantKind::Standard), &status("hangup")));
    }

    #[test]
    fn a_call_that_goes_on_elsewhere_is_not_hung_up() {
        for code in [close::HANDED_OVER, close::REPLACED, close::GOING_AWAY, close::LOST] {
            assert!(!ends_call(code), "{code}");
        }
        for code in [close::ENDED, close::TIMED_OUT, close::FAILED, close::INTERNAL, close::TRY_LATER] {
            assert!(ends_call(code), "{code}");
        }
    }
}
