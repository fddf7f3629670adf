//! What was decided about recording is written down.

use std::sync::Arc;

use voice_core::consent::{ConsentDecision, ConsentHow};

use super::Driver;
use crate::consent;

impl Driver {
    /// Has it written into the consent ledger, beside the call. The session's document says the same with the next save.
    pub(super) fn write_consent(&self, decision: ConsentDecision, how: ConsentHow) {
        let deps = &self.deps;
        let record = deps.consent.record(&self.doc, (decision, how), self.fence, deps.clock.now());
        tracing::info!(session = self.labels.session_id, decision = decision.as_str(), "decided about recording");
        let (store, events) = (Arc::clone(&deps.store), Arc::clone(&deps.events));
        deps.tracker.spawn(consent::write(store, events, self.doc.user_id.clone(), record));
    }
}
