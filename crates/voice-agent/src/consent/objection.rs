//! An objection from outside a call: by the page, by somebody in the person's name.

use voice_core::consent::{ConsentDecision, ConsentHow};

use super::Decisions;
use crate::app::App;
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

/// Why an objection does not hold everywhere. It can be said again.
#[derive(Debug, thiserror::Error)]
pub enum ObjectionError {
    /// The calls here are told, if they can be; it is not written down, and no other call knows of it.
    #[error("the calls here are told, and it is not written down: {0}")]
    NotWritten(#[from] StoreError),
    /// It is written down.
    #[error("it is written down, and a call here is too busy to be told")]
    NotTold,
}

/// The user is not to be recorded any more: told to the calls that are going on here, whatever the store says, and written down. Calls in other
/// processes hear of it from the store, within a moment.
///
/// # Errors
/// [`ObjectionError`].
pub async fn object(app: &App, user: &UserId, by: Objector) -> Result<(), ObjectionError> {
    let all_told = app.sessions.stop_recordings_of(user).await;
    write_down(app, user, by).await?;
    if all_told { Ok(()) } else { Err(ObjectionError::NotTold) }
}

async fn write_down(app: &App, user: &UserId, by: Objector) -> Result<(), StoreError> {
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
    // Whoever says it again and again does not fill the ledger; the calls were told again all the same.
    if !Decisions::of(app.store.as_ref(), user).await?.opted_out() {
        app.store.add_consent(user.clone(), record).await?;
    }
    Ok(())
}
