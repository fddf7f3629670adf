//! An objection from outside a call: by the page, by somebody in the person's name.

use voice_core::consent::{ConsentDecision, ConsentHow};

use super::Decisions;
use crate::app::App;
use crate::driver::api::{Command, SendError};
use crate::store::{Channel, ConsentRecord, SessionId, StoreError, UserId};

/// Who says it, and where.
#[derive(Debug, Clone)]
pub enum Objector {
    /// The person, by the page of a session.
    Caller {
        /// That session.
        session: SessionId,
        /// Its channel.
        channel: Channel,
    },
    /// Somebody who answers for people's rights, in the person's name.
    Officer,
}

impl Objector {
    /// The session, the channel and the way that are written down.
    fn record(self, user: &UserId) -> (SessionId, Channel, ConsentHow) {
        match self {
            Self::Caller { session, channel } => (session, channel, ConsentHow::Page),
            // Outside any session: the channel that the person calls by.
            Self::Officer if user.as_str().starts_with("phone:") => {
                (SessionId::new(""), Channel::Phone, ConsentHow::InName)
            }
            Self::Officer => (SessionId::new(""), Channel::Browser, ConsentHow::InName),
        }
    }
}

/// The user is not to be recorded any more: written down, and told to the calls that are going on here. Calls in other processes hear of it
/// from the store, within a moment.
///
/// # Errors
/// As the store's; nothing is told to anybody then. [`StoreError::Unavailable`] too when a call here is too busy to be told: it is written down
/// then, and can be said again.
pub async fn object(app: &App, user: &UserId, by: Objector) -> Result<(), StoreError> {
    let at = app.clock.now();
    let (session_id, channel, how) = by.record(user);
    let record = ConsentRecord {
        id: format!("objection-{}", at.as_microsecond()),
        at,
        session_id,
        channel,
        policy_version: app.config.consent.policy_version.clone(),
        wording: String::new(),
        decision: ConsentDecision::OptedOut,
        how,
    };
    // Whoever says it again and again does not fill the ledger; the calls are told again all the same.
    if !Decisions::of(app.store.as_ref(), user).await?.opted_out() {
        app.store.add_consent(user.clone(), record).await?;
    }
    for live in app.sessions.list().into_iter().filter(|live| live.user == *user) {
        match live.handle.send(Command::Consent { recording: false }) {
            Ok(()) | Err(SendError::Ended) => {}
            Err(SendError::Full) => return Err(StoreError::Unavailable("a call is too busy to be told".to_owned())),
        }
    }
    Ok(())
}
