//! An objection from outside a call: by the page, by somebody in the person's name.

use voice_core::consent::{ConsentDecision, ConsentHow};

use crate::app::App;
use crate::driver::api::Command;
use crate::store::{Channel, ConsentRecord, SessionId, StoreError, UserId};

/// The user is not to be recorded any more: written down, and told to the calls that are going on here.
///
/// # Errors
/// As the store's; nothing is told to anybody then.
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
    app.store.add_consent(user.clone(), record).await?;
    for live in app.sessions.list().into_iter().filter(|live| live.user == *user) {
        // One that is over, or too busy to be told, is not recorded for long either: it looks at nobody's wish any more.
        if let Err(error) = live.handle.send(Command::Consent { recording: false }) {
            tracing::warn!(session = %live.id, %error, "a session could not be told of an objection to its recording");
        }
    }
    Ok(())
}
