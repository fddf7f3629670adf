//! An objection from outside a call: by the page, by somebody in the person's name.

use voice_core::consent::{ConsentDecision, ConsentHow};

use super::Decisions;
use crate::app::App;
use crate::driver::api::{Command, SendError};
use crate::store::{Channel, ConsentRecord, SessionId, StoreError, UserId};

/// The user is not to be recorded any more: written down, and told to the calls that are going on here. Calls in other processes hear of it
/// from the store, within a moment.
///
/// # Errors
/// As the store's; nothing is told to anybody then. [`StoreError::Unavailable`] too when a call here is too busy to be told: it is written down
/// then, and can be said again.
pub async fn object(app: &App, user: &UserId) -> Result<(), StoreError> {
    let at = app.clock.now();
    let record = ConsentRecord {
        id: format!("objection-{}", at.as_microsecond()),
        at,
        session_id: SessionId::new(""),
        channel: Channel::Browser,
        policy_version: app.config.consent.policy_version.clone(),
        wording: String::new(),
        decision: ConsentDecision::OptedOut,
        how: ConsentHow::Page,
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
