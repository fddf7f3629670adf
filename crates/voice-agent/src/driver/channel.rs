//! What a session's channel decides: how the agent's audio is coded, and what is said first.

use voice_core::CoreConfig;
use voice_core::phrases::PHONE_CONSENT;

use crate::audio::format::AudioFormat;
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

/// The core's settings of this session. A page asks for consent before the call; by telephone the call itself says that
/// it may be recorded, before anything else. Of text messages nothing is recorded, and nothing is said first.
pub(super) fn core(config: &CoreConfig, doc: &SessionDoc) -> CoreConfig {
    let mut config = config.clone();
    if let Some(idle_ms) = doc.context.get(TEXTS).map(serde_json::Value::as_u64) {
        config.greeting.clear();
        config.idle_ms = idle_ms.unwrap_or(config.idle_ms);
    } else if doc.channel == Channel::Phone {
        config.greeting = format!("{PHONE_CONSENT} {}", config.greeting).trim_end().to_owned();
        config.announces_recording = true;
        config.can_type = false;
    }
    config.ceilings = ceilings_on(&config.ceilings, doc.channel);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_by_telephone_hears_of_the_recording_before_anything_else() {
        let config = CoreConfig::default();
        let first = |channel, greeting: &str| {
            let doc = doc(channel, &serde_json::Map::new());
            let core = core(&CoreConfig { greeting: greeting.to_owned(), ..config.clone() }, &doc);
            assert_eq!(
                (core.announces_recording, core.can_type),
                (channel == Channel::Phone, channel != Channel::Phone)
            );
            core.greeting
        };
        assert_eq!(first(Channel::Browser, "Hello!"), "Hello!");
        assert_eq!(first(Channel::Phone, "Hello!"), format!("{PHONE_CONSENT} Hello!"));
        assert_eq!(first(Channel::Phone, ""), PHONE_CONSENT, "a caller who speaks first is told, too");
    }

    #[test]
    fn a_conversation_by_text_messages_has_no_first_words_and_is_put_away_soon() {
        let context = serde_json::Map::from_iter([(TEXTS.to_owned(), 60_000.into())]);
        let core = core(&CoreConfig::default(), &doc(Channel::Phone, &context));
        assert_eq!((core.greeting.as_str(), core.idle_ms, core.announces_recording), ("", 60_000, false));
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
