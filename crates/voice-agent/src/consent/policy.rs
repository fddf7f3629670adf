//! Which way of consent a session has, and the words that belong to it.

use jiff::Timestamp;
use serde_json::Value;
use voice_core::consent::{ConsentDecision, ConsentFlow, ConsentHow};
use voice_core::phrases;

use crate::config::{Config, Consent, ConsentRule};
use crate::sessions::TEXTS;
use crate::store::{Channel, ConsentRecord, SessionDoc};
use crate::transport::livekit::is_in_room;

/// The key of `context` that says that the caller is not to be recorded, by what was decided in an earlier call.
pub const OPTED_OUT: &str = "recording_opted_out";
/// The key of `context` with the words that the caller's page showed.
pub const WORDING: &str = "consent_wording";

/// The ways of consent of this server.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether recordings are kept at all: otherwise nobody is told of any, or asked.
    keeps: bool,
    settings: Consent,
}

impl Policy {
    /// The settings' own.
    pub fn new(config: &Config) -> Self {
        Self { keeps: config.keeps_recordings(), settings: config.consent.clone() }
    }

    /// Whether recordings are kept at all.
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// The way of this session.
    pub fn flow(&self, doc: &SessionDoc) -> ConsentFlow {
        if !self.keeps {
            return ConsentFlow::Elsewhere;
        }
        let rule = match self.rule(doc) {
            None => return ConsentFlow::Elsewhere,
            // Who has objected once is not asked in every call. A page's dialog is asked by the caller's own hand.
            Some(_) if doc.context.contains_key(OPTED_OUT) => ConsentRule::Never,
            Some(rule) => rule,
        };
        match rule {
            ConsentRule::Ask => ConsentFlow::Ask,
            ConsentRule::Announce => ConsentFlow::Announce,
            ConsentRule::Never => ConsentFlow::Never,
        }
    }

    /// The rule for this session; none where the caller's side asks.
    fn rule(&self, doc: &SessionDoc) -> Option<ConsentRule> {
        if doc.context.contains_key(TEXTS) {
            return Some(ConsentRule::Never);
        }
        if doc.channel == Channel::Phone {
            let number = doc.context.get("phone_number").and_then(Value::as_str);
            return Some(self.settings.of_number(number));
        }
        is_in_room(doc).then_some(self.settings.rooms)
    }

    /// How long a question waits for its answer, in milliseconds.
    pub const fn wait_ms(&self) -> u64 {
        self.settings.wait_ms
    }

    /// What is written down of a decision, by the session's owner with this fence.
    pub fn record(
        &self,
        doc: &SessionDoc,
        (decision, how): (ConsentDecision, ConsentHow),
        fence: u64,
        at: Timestamp,
    ) -> ConsentRecord {
        ConsentRecord {
            id: format!("{}-{fence}-{}-{}", doc.session_id, at.as_microsecond(), decision.as_str()),
            at,
            session_id: doc.session_id.clone(),
            channel: doc.channel,
            policy_version: self.settings.policy_version.clone(),
            wording: wording(self.flow(doc), doc, decision, how),
            decision,
            how,
        }
    }
}

/// What the caller had been told or shown when it was decided; nothing where the caller spoke without being asked.
fn wording(flow: ConsentFlow, doc: &SessionDoc, decision: ConsentDecision, how: ConsentHow) -> String {
    match (decision, how) {
        (ConsentDecision::Announced, _) => phrases::PHONE_CONSENT.to_owned(),
        (ConsentDecision::Stopped | ConsentDecision::OptedOut, _) => String::new(),
        (_, ConsentHow::Page) => {
            doc.context.get(WORDING).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
        }
        // Over an announcement nobody had asked.
        _ if flow != ConsentFlow::Ask => String::new(),
        _ if doc.channel == Channel::Phone => format!("{} {}", phrases::CONSENT_QUESTION, phrases::CONSENT_BY_PHONE),
        _ => format!("{} {}", phrases::CONSENT_QUESTION, phrases::CONSENT_BY_VOICE),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::store::{SessionId, UserId};

    fn doc(channel: Channel, context: &Value) -> SessionDoc {
        SessionDoc {
            session_id: SessionId::new("s"),
            user_id: UserId::new("ada"),
            channel,
            conversation_history: Vec::new(),
            current_agent: "TaskAgent".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            last_activity: Timestamp::UNIX_EPOCH,
            context: context.as_object().cloned().unwrap_or_else(Map::new),
        }
    }

    fn keeping() -> Policy {
        Policy { keeps: true, settings: Consent::default() }
    }

    #[test]
    fn the_way_depends_on_channel_number_and_what_was_decided_before() {
        use Channel::{Browser, Phone};
        use ConsentFlow::{Announce, Ask, Elsewhere, Never};
        for (channel, context, flow) in [
            (Browser, json!({}), Elsewhere),
            (Browser, json!({OPTED_OUT: true}), Elsewhere),
            (Phone, json!({"phone_number": "+15551234567"}), Announce),
            (Phone, json!({"phone_number": "+15551234567", OPTED_OUT: true}), Never),
            (Phone, json!({"phone_number": "+4930123456"}), Ask),
            (Phone, json!({}), Ask),
            (Phone, json!({"phone_number": "+15551234567", TEXTS: 60_000}), Never),
            (Browser, json!({"livekit_room": "r"}), Ask),
            (Browser, json!({"livekit_room": "r", OPTED_OUT: true}), Never),
        ] {
            assert_eq!(keeping().flow(&doc(channel, &context)), flow, "{channel:?} {context}");
            assert_eq!(Policy::default().flow(&doc(channel, &context)), Elsewhere, "where nothing is kept");
        }
    }

    #[test]
    fn what_is_written_down_holds_the_words_that_were_said_or_shown() {
        let record =
            |doc: &SessionDoc, decision, how| keeping().record(doc, (decision, how), 3, Timestamp::UNIX_EPOCH).wording;
        let phone = doc(Channel::Phone, &json!({}));
        assert_eq!(record(&phone, ConsentDecision::Announced, ConsentHow::Announcement), phrases::PHONE_CONSENT);
        assert!(record(&phone, ConsentDecision::Agreed, ConsentHow::Key).starts_with(phrases::CONSENT_QUESTION));
        assert_eq!(record(&phone, ConsentDecision::OptedOut, ConsentHow::Voice), "");
        assert!(record(&phone, ConsentDecision::Declined, ConsentHow::Voice).starts_with(phrases::CONSENT_QUESTION));
        let announced = doc(Channel::Phone, &json!({"phone_number": "+15551234567"}));
        assert_eq!(record(&announced, ConsentDecision::Declined, ConsentHow::Voice), "", "nobody had asked");
        assert_eq!(record(&announced, ConsentDecision::Declined, ConsentHow::NotHeard), "");
        let page = doc(Channel::Browser, &json!({WORDING: "Talk, and record the call."}));
        assert_eq!(record(&page, ConsentDecision::Agreed, ConsentHow::Page), "Talk, and record the call.");
    }
}
