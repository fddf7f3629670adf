//! A session before its first word: its first document, and what was decided about recording until then, in an earlier call or in a
//! page's dialog.

use std::sync::Arc;

use serde_json::{Map, json};
use voice_core::agents::TASK_AGENT;
use voice_core::consent::{ConsentDecision, ConsentHow};
use voice_core::cost::CostMeter;

use super::{NewSession, SessionError, Sessions};
use crate::consent::{self, Decisions, OPTED_OUT, WORDING, nameless};
use crate::store::{SessionDoc, SessionId, StoreError, UserId};
use crate::vault::VaultError;

impl Sessions {
    pub(super) fn first_doc(&self, session_id: SessionId, new: &NewSession) -> SessionDoc {
        let now = crate::tasks::stamp(self.parts.clock.now());
        let mut context = Map::new();
        context.insert("recording_announced".to_owned(), json!(new.consent.is_some()));
        context.insert("recording_enabled".to_owned(), json!(new.consent.unwrap_or(false)));
        context.insert("cost".to_owned(), CostMeter::default().to_json(0));
        if !new.wording.is_empty() {
            context.insert(WORDING.to_owned(), json!(new.wording));
        }
        if let Some(name) = new.time_zone.iana_name() {
            context.insert(super::TIME_ZONE.to_owned(), json!(name));
        }
        context.extend(new.context.clone());
        SessionDoc {
            session_id,
            user_id: new.user.clone(),
            channel: new.channel,
            conversation_history: Vec::new(),
            current_agent: TASK_AGENT.to_owned(),
            created_at: now,
            last_activity: now,
            context,
        }
    }

    /// Notes in a new session that its caller is not to be recorded. A store that cannot say so begins no session either.
    pub(super) async fn recall_objection(&self, doc: &mut SessionDoc) -> Result<(), SessionError> {
        if !self.parts.consent.keeps() {
            return Ok(());
        }
        let opted_out = self.has_opted_out(&doc.user_id).await;
        if opted_out.inspect_err(|error| self.store_failed(super::CREATE, error))? {
            doc.context.insert(OPTED_OUT.to_owned(), json!(true));
        }
        Ok(())
    }

    /// An objection may have come while nobody here had the session: what was allowed before it is allowed no longer. Nor is it where nobody can
    /// say whether one came, and the call goes on all the same.
    pub(super) async fn heed_objection(&self, doc: &mut SessionDoc) {
        let is_recorded = doc.context.get("recording_enabled").and_then(serde_json::Value::as_bool) == Some(true);
        if !is_recorded {
            return;
        }
        let known = self.recall_objection(doc).await;
        if known.is_err() || doc.context.contains_key(OPTED_OUT) {
            doc.context.insert("recording_enabled".to_owned(), json!(false));
        }
    }

    pub(super) async fn has_opted_out(&self, user: &UserId) -> Result<bool, StoreError> {
        let store = self.parts.store.as_ref();
        let theirs = Decisions::of(store, user).await?;
        let Some(vault) = &self.parts.vault else { return Ok(theirs.opted_out()) };
        // Who was erased is nobody here any more, but for this.
        let pseudonym = vault.pseudonym(user).await.map_err(|error| match error {
            VaultError::Store(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })?;
        let before = Decisions::of(store, &nameless(&pseudonym.to_string())).await?;
        Ok(theirs.and(before).opted_out())
    }

    /// Writes down what the caller answered before the session began; in the background, if the store does not take it at once.
    pub(super) async fn write_first_consent(&self, doc: &SessionDoc, answer: Option<bool>, fence: u64) {
        let Some(agreed) = answer else { return };
        let decision = if agreed { ConsentDecision::Agreed } else { ConsentDecision::Declined };
        let how = (decision, ConsentHow::Page);
        let record = self.parts.consent.record(doc, how, fence, self.parts.clock.now());
        let user = doc.user_id.clone();
        if let Err(error) = self.parts.store.add_consent(user.clone(), record.clone()).await {
            self.store_failed("add_consent", &error);
            let (store, events) = (Arc::clone(&self.parts.store), Arc::clone(&self.parts.events));
            self.watchers.spawn(consent::write(store, events, user, record));
        }
    }
}
