//! What a session's channel decides: how the agent's audio is coded, and what is said first.

use voice_core::CoreConfig;

use crate::audio::format::AudioFormat;
use crate::consent::Policy;
use crate::ledger::ceilings_on;
use crate::sessions::TEXTS;
use crate::store::{Channel, SessionDoc};
use crate::transport::livekit::is_in_room;

/// The format of the agent's audio in this session.
pub(super) fn audio_format(doc: &SessionDoc) -> AudioFormat {
    if is_by_stream(doc) { AudioFormat::Mulaw8k } else { AudioFormat::Pcm24k }
}

/// The format in which recognisers that stream are given the caller's audio in this session: as it comes.
pub(super) fn caller_format(doc: &SessionDoc) -> AudioFormat {
    if is_by_stream(doc) { AudioFormat::Mulaw8k } else { AudioFormat::Pcm16k }
}

/// Whether the call comes over a telephone's own stream; one that comes through a LiveKit room has the room's sound.
fn is_by_stream(doc: &SessionDoc) -> bool {
    doc.channel == Channel::Phone && !is_in_room(doc)
}

/// Whether a session is a conversation by text messages, and no call.
pub(super) fn is_texts(doc: &SessionDoc) -> bool {
    doc.context.contains_key(TEXTS)
}

/// The core's settings of this session. A page asks for consent before the call; by telephone and in a room the call itself
/// does, before anything else. Of text messages nothing is recorded, and nothing is said first.
pub(super) fn core(config: &CoreConfig, consent: &Policy, doc: &SessionDoc) -> CoreConfig {
    let mut config = config.clone();
    if let Some(idle_ms) = doc.context.get(TEXTS).map(serde_json::Value::as_u64) {
        config.greeting.clear();
        config.idle_ms = idle_ms.unwrap_or(config.idle_ms);
    } else if doc.channel == Channel::Phone {
        config.can_type = false;
    }
    config.consent = consent.flow(doc);
    config.consent_wait_ms = consent.wait_ms();
    config.ceilings = ceilings_on(&config.ceilings, doc.channel);
    config
}

#[cfg(test)]
mod tests {
    use voice_core::consent::ConsentFlow;

    use super::*;

    #[test]
    fn who_calls_by_telephone_cannot_type() {
        for channel in [Channel::Browser, Channel::Phone] {
            let core = core(&CoreConfig::default(), &Policy::default(), &doc(channel, &serde_json::Map::new()));
            assert_eq!(core.can_type, channel != Channel::Phone);
            // Nothing is kept: nobody is told of it.
            assert_eq!(core.consent, ConsentFlow::Elsewhere);
        }
    }

    #[test]
    fn a_conversation_by_text_messages_has_no_first_words_and_is_put_away_soon() {
        let context = serde_json::Map::from_iter([(TEXTS.to_owned(), 60_000.into())]);
        let core = core(&CoreConfig::default(), &Policy::default(), &doc(Channel::Phone, &context));
        assert_eq!((core.greeting.as_str(), core.idle_ms), ("", 60_000));
    }

    fn doc(channel: Channel, context: &serde_json::Map<String, serde_json::Value>) -> SessionDoc {
        let now = jiff::Timestamp::UNIX_EPOCH;
        SessionDoc {
            session_id: crate::store::SessionId::new("s"),
            user_id: crate::store::UserId::new("u"),
            channel,
            conversation_history: Vec::new(),
            current_agent: "TaskAgent".to_owned(),
            created_at: now,
            last_activity: now,
            context: context.clone(),
        }
    }
}
