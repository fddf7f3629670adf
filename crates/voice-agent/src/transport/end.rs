//! How a connection ends, whatever it carries: why, and saying so to the other side.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt as _;
use futures_util::stream::{SplitSink, SplitStream};
use tokio::time::timeout;

use super::close;
use super::inlet::Inlet;
use crate::driver::api::{SendError, SessionHandle};
use crate::driver::close_code;

/// What a close frame without a code counts as (RFC 6455).
pub(super) const NO_CODE: u16 = 1005;

/// The half of a socket that writes.
pub(super) type Sink = SplitSink<WebSocket, Message>;
/// The half of a socket that reads.
pub(super) type Stream = SplitStream<WebSocket>;

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Its close code.
    pub(crate) code: u16,
    /// For the other side and the log.
    pub(crate) reason: String,
}

impl End {
    /// An end.
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Why the session did not take a command. Floods are the token bucket's business: a full queue is the server's own delay,
/// and its caller may come back at once.
pub(super) fn refused(session: &SessionHandle, error: SendError) -> End {
    match error {
        SendError::Full => End::new(close::TOO_SLOW, "the server is behind: the session's queue is full"),
        SendError::Ended => match session.info().ended {
            Some((outcome, reason)) => {
                let (code, word) = close_code(outcome, reason);
                End::new(code, word)
            }
            None => End::new(close::FAILED, "an error ended the session"),
        },
    }
}

/// The session let go of the connection without a word: it is over, or its queue for this connection was full.
pub(super) fn dropped(session: &SessionHandle) -> End {
    if session.is_gone() || session.info().ended.is_some() {
        return refused(session, SendError::Ended);
    }
    End::new(close::TOO_SLOW, "the reader is too slow: its queue was full")
}

/// Says why, if there is anybody to hear it, and hears the other side out: closing over what it still sends would reset the
/// connection, and the reason would be lost with it. Whoever does not take it within `limit` is gone.
pub(super) async fn say_farewell(sink: &mut Sink, inlet: &mut Inlet, end: &End, limit: Duration) {
    if matches!(end.code, close::LOST | NO_CODE) || end.code < 1000 {
        return;
    }
    let farewell = async {
        let frame = CloseFrame { code: end.code, reason: Utf8Bytes::from(short(&end.reason)) };
        sink.send(Message::Close(Some(frame))).await?;
        while inlet.next(limit, end.code).await.is_ok() {}
        Ok::<_, axum::Error>(())
    };
    // Whoever does not take it within this time is gone, and that was the point.
    let _gone_anyway = timeout(limit, farewell).await;
}

/// A close reason has at most 123 bytes (RFC 6455).
fn short(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// Why nothing more can be read. `protocol` is the code for what is no WebSocket message. The library's error is not of a
/// type that can be asked, only read.
pub(super) fn unreadable(error: &axum::Error, protocol: u16) -> End {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") || text.contains("Space limit") {
        End::new(close::TOO_LARGE, "the message is too large")
    } else if text.contains("without closing handshake") {
        End::new(close::LOST, "the connection ended without a word")
    } else if text.contains("UTF-8") || text.contains("protocol error") {
        End::new(protocol, "not a WebSocket message")
    } else {
        End::new(close::LOST, text)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, watch};
    use voice_core::output::{EndReason, Outcome};

    use super::*;
    use crate::driver::api::SessionInfo;

    fn session(ended: Option<(Outcome, EndReason)>) -> SessionHandle {
        let info = SessionInfo { ended, ..SessionInfo::listening() };
        SessionHandle::new(mpsc::channel(1).0, watch::channel(info).1)
    }

    #[test]
    fn a_session_that_is_over_says_how_it_ended() {
        for (ended, code) in [
            (None, 4006),
            (Some((Outcome::Error, EndReason::Failed)), 4006),
            (Some((Outcome::Completed, EndReason::HungUp)), 1000),
            (Some((Outcome::Completed, EndReason::Idle)), 4005),
            (Some((Outcome::Dropped, EndReason::TakenOver)), 4001),
            (Some((Outcome::Dropped, EndReason::HandedOver)), close::HANDED_OVER),
        ] {
            assert_eq!(refused(&session(ended), SendError::Ended).code, code, "{ended:?}");
            assert_eq!(dropped(&session(ended)).code, code, "{ended:?}");
        }
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(short("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(short(&long).len(), 122);
    }
}
