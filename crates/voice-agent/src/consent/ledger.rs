//! The consent ledger: what people decided about recordings, in the store.

use std::sync::Arc;
use std::time::Duration;

use voice_core::consent::ConsentDecision;

use crate::store::{ConsentRecord, Store, StoreError, UserId};
use crate::telemetry::Events;

/// First pause before a decision that could not be written is written again; it doubles, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(20);
/// So often it is tried: some minutes.
const TRIES: u32 = 16;

/// Everything that one person decided, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decisions(pub Vec<ConsentRecord>);

/// Under whom the objection of somebody is kept who was erased: no user's id has a control character.
pub fn nameless(pseudonym: &str) -> UserId {
    UserId::new(format!("\u{1}erased:{pseudonym}"))
}

impl Decisions {
    /// Reads them.
    ///
    /// # Errors
    /// As the store's.
    pub async fn of(store: &dyn Store, user: &UserId) -> Result<Self, StoreError> {
        store.consents(user.clone()).await.map(Self)
    }

    /// Adds what another ledger has.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.0.sort_by_key(|record| record.at);
        self
    }

    /// Whether the person is not to be recorded. An explicit yes takes an objection back, an announcement does not.
    pub fn opted_out(&self) -> bool {
        let says =
            |record: &&ConsentRecord| matches!(record.decision, ConsentDecision::OptedOut | ConsentDecision::Agreed);
        self.0.iter().rfind(says).is_some_and(|record| record.decision == ConsentDecision::OptedOut)
    }
}

/// Writes a decision down, again and again while the store is away: without it, nobody could show later that there was one.
pub async fn write(store: Arc<dyn Store>, events: Arc<Events>, user: UserId, record: ConsentRecord) {
    let mut pause = FIRST;
    for _ in 0..TRIES {
        match store.add_consent(user.clone(), record.clone()).await {
            Ok(()) => return,
            // The person was erased meanwhile, and so is what they decided.
            Err(StoreError::Ended(_)) => return,
            Err(error) => events.store_failed("add_consent", &error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
    let decision = record.decision.as_str();
    tracing::error!(session = %record.session_id, decision, "what was decided about recording could not be written down");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use voice_core::consent::ConsentHow;

    use super::*;
    use crate::store::{Channel, SessionId};

    fn decisions(all: &[ConsentDecision]) -> Decisions {
        let records = all.iter().zip(0..).map(|(decision, second)| ConsentRecord {
            id: second.to_string(),
            at: Timestamp::from_second(second).unwrap(),
            session_id: SessionId::new("s"),
            channel: Channel::Phone,
            policy_version: "1".to_owned(),
            wording: String::new(),
            decision: *decision,
            how: ConsentHow::Voice,
        });
        Decisions(records.collect())
    }

    #[test]
    fn an_objection_lasts_until_an_explicit_yes() {
        use ConsentDecision::{Agreed, Announced, Declined, OptedOut, Stopped, Unanswered};
        for (all, out) in [
            (&[][..], false),
            (&[Announced, Stopped, Declined, Unanswered], false),
            (&[Announced, OptedOut], true),
            (&[OptedOut, Announced, Stopped], true),
            (&[OptedOut, Agreed], false),
            (&[Agreed, OptedOut, Declined], true),
        ] {
            assert_eq!(decisions(all).opted_out(), out, "{all:?}");
        }
        let merged = decisions(&[Announced, Agreed]).and(decisions(&[OptedOut]));
        assert!(!merged.opted_out(), "in the order of time");
    }
}
