//! The session's state as the contract's JSON, and back.
//!
//! The contract's own fields say what they say there; what the core needs beyond them is `context.voice_core`.

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use voice_core::consent::ConsentState;
use voice_core::cost::NanoUsd;
use voice_core::log::Header;
use voice_core::snapshot::{Counters, Message, Role, SNAPSHOT_VERSION, Snapshot};
use voice_core::{CoreConfig, Session};

use crate::store::{ConversationItem, Role as StoredRole, SessionDoc};
use crate::transport::livekit::ROOM;

/// The key of `context` below which the core's own state stands.
const CORE: &str = "voice_core";
/// The key of `context` with what metrics were told of a session that seemed lost.
const ACCOUNTED: &str = "accounted";
/// The key of `context` with the names of text messages.
const TEXTS_KEPT: &str = "texts_kept";
/// The keys of `context` that are written anew with every save.
const OURS: [&str; 4] = [CORE, "cost", "recording_announced", "recording_enabled"];

/// Lays a snapshot out in the session's document, and the room that the caller is in.
pub(super) fn write(doc: &mut SessionDoc, snapshot: &Snapshot, room: Option<&str>, now: jiff::Timestamp) {
    doc.conversation_history = snapshot.history.iter().map(stored).collect();
    doc.current_agent.clone_from(&snapshot.current_agent);
    doc.last_activity = now;
    let mut context = snapshot.extra.clone();
    context.insert("recording_announced".to_owned(), snapshot.consent.recording_announced.into());
    context.insert("recording_enabled".to_owned(), snapshot.consent.recording_enabled.into());
    context.insert("cost".to_owned(), snapshot.cost.to_json(snapshot.connected_ms));
    context.insert(
        CORE.to_owned(),
        json!({
            "version": snapshot.version,
            "asides": snapshot.asides,
            "interrupted": snapshot.interrupted,
            "counters": snapshot.counters,
            "cost": snapshot.cost,
            "cost_step": snapshot.cost_step,
            "connected_ms": snapshot.connected_ms,
        }),
    );
    match room {
        Some(room) => context.insert(ROOM.to_owned(), room.into()),
        None => context.remove(ROOM),
    };
    doc.context = context;
}

fn stored(message: &Message) -> ConversationItem {
    let role = match message.role {
        Role::User => StoredRole::User,
        Role::Assistant => StoredRole::Assistant,
    };
    ConversationItem { role, content: message.content.clone() }
}

/// Reads the snapshot out of a document. What another version wrote and this one cannot read is left out and logged: the
/// conversation, consent and the counters matter more than a perfect memory of tool calls.
pub(super) fn read(doc: &SessionDoc) -> Snapshot {
    let core = doc.context.get(CORE).and_then(Value::as_object).cloned().unwrap_or_default();
    let session = doc.session_id.as_str();
    if core.get("version").and_then(Value::as_u64).is_some_and(|version| version > u64::from(SNAPSHOT_VERSION)) {
        tracing::warn!(session, "a newer version saved this session; what it added is not read");
    }
    let history: Vec<Message> = doc.conversation_history.iter().filter_map(message).collect();
    let flag = |key: &str| doc.context.get(key).and_then(Value::as_bool).unwrap_or(false);
    let mut asides: Vec<voice_core::snapshot::Aside> = part(&core, "asides", session);
    asides.retain(|aside| aside.after <= history.len());
    let mut extra = doc.context.clone();
    extra.retain(|key, _| !OURS.contains(&key.as_str()));
    Snapshot {
        version: SNAPSHOT_VERSION,
        history,
        current_agent: doc.current_agent.clone(),
        consent: ConsentState {
            recording_announced: flag("recording_announced"),
            recording_enabled: flag("recording_enabled"),
        },
        asides,
        interrupted: part(&core, "interrupted", session),
        counters: counters(&core, doc),
        cost: part(&core, "cost", session),
        cost_step: part(&core, "cost_step", session),
        connected_ms: part(&core, "connected_ms", session),
        extra,
    }
}

/// What metrics were told of a session already, when it seemed lost: whoever comes back goes on from there, and nothing is
/// counted twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Accounted {
    /// Spent by then.
    pub(super) cost: NanoUsd,
    /// Connected by then, in milliseconds.
    pub(super) connected_ms: u64,
}

/// Notes in the document what metrics were told.
pub(super) fn write_accounted(doc: &mut SessionDoc, accounted: Accounted) {
    doc.context.insert(ACCOUNTED.to_owned(), json!(accounted));
}

/// What metrics were told before this process took the session up.
pub(super) fn accounted(doc: &SessionDoc) -> Accounted {
    part(&doc.context, ACCOUNTED, doc.session_id.as_str())
}

/// Notes in the document to which text messages something of the answer is saved with it, the newest last.
pub(super) fn write_texts(doc: &mut SessionDoc, kept: &[String]) {
    if !kept.is_empty() {
        doc.context.insert(TEXTS_KEPT.to_owned(), json!(kept));
    }
}

/// The text messages to which something of the answer was saved.
pub(super) fn texts(doc: &SessionDoc) -> Vec<String> {
    part(&doc.context, TEXTS_KEPT, doc.session_id.as_str())
}

/// What was saved of the answer to a text message: `None` if nothing was, and `Some(None)` if its end was not, or is not known any more.
pub fn answer_to(doc: &SessionDoc, sid: &str) -> Option<Option<String>> {
    let kept = texts(doc);
    kept.iter().find(|known| *known == sid)?;
    let last = doc.conversation_history.last().filter(|item| item.role == StoredRole::Assistant);
    Some(last.filter(|_| kept.last().is_some_and(|last| last == sid)).map(|item| item.content.clone()))
}

/// The LiveKit room that the session was saved in.
pub(super) fn room(doc: &SessionDoc) -> Option<String> {
    doc.context.get(ROOM).and_then(Value::as_str).map(str::to_owned)
}

/// Whether anything was said in this session yet: what greets it depends on that.
pub fn has_begun(doc: &SessionDoc) -> bool {
    doc.conversation_history.iter().any(|item| message(item).is_some())
}

/// Only what was said aloud is a message of ours; another writer may have put more there.
fn message(item: &ConversationItem) -> Option<Message> {
    let role = match item.role {
        StoredRole::User => Role::User,
        StoredRole::Assistant => Role::Assistant,
        StoredRole::System | StoredRole::Tool => return None,
    };
    Some(Message { role, content: item.content.clone() })
}

/// The id counters. Where they are lost, ids go on from a number that no session ever counted to: an id that was used
/// before would make a new task look like one that was committed already.
fn counters(core: &Map<String, Value>, doc: &SessionDoc) -> Counters {
    let read: Option<Counters> = core.get("counters").and_then(|value| Counters::deserialize(value).ok());
    read.unwrap_or_else(|| {
        if doc.conversation_history.is_empty() {
            return Counters::default();
        }
        let seconds = u64::try_from(doc.last_activity.as_second()).unwrap_or(0);
        let turn = u32::try_from(seconds).unwrap_or(u32::MAX / 2);
        let [reply, request, speech, utterance, call, commit] = [seconds; 6];
        Counters { turn, reply, request, speech, utterance, call, commit }
    })
}

fn part<T: DeserializeOwned + Default>(core: &Map<String, Value>, key: &str, session: &str) -> T {
    let Some(value) = core.get(key) else { return T::default() };
    T::deserialize(value).unwrap_or_else(|_| {
        // The reason may quote what was said.
        tracing::warn!(session, key, "a part of the saved session cannot be read and is left out");
        T::default()
    })
}

/// The session that this log begins with.
pub(super) fn begin(header: Header, doc: &SessionDoc, config: &CoreConfig) -> Session {
    header.begin().unwrap_or_else(|error| {
        // `read` gives only what can be taken up; this is a defect, and the call must go on.
        tracing::error!(session = doc.session_id.as_str(), %error, "the saved session cannot be taken up");
        Session::new(config.clone())
    })
}

#[cfg(test)]
mod tests {
    use voice_core::chat::{ChatItem, ToolCall};
    use voice_core::cost::CostMeter;
    use voice_core::ids::ToolCallId;
    use voice_core::snapshot::Aside;

    use super::*;
    use crate::store::{Channel, SessionId, UserId};

    fn doc() -> SessionDoc {
        SessionDoc {
            session_id: SessionId::new("sess_abc"),
            user_id: UserId::new("user_1"),
            channel: Channel::Browser,
            conversation_history: Vec::new(),
            current_agent: "TaskAgent".to_owned(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            last_activity: jiff::Timestamp::UNIX_EPOCH,
            context: Map::from_iter([("time_zone".to_owned(), json!("Europe/Berlin"))]),
        }
    }

    fn snapshot() -> Snapshot {
        let call = ToolCall { id: ToolCallId(3), name: "add_task".to_owned(), arguments: Map::new() };
        Snapshot {
            version: SNAPSHOT_VERSION,
            history: vec![Message { role: Role::User, content: "Add milk".to_owned() }],
            current_agent: "ReviewAgent".to_owned(),
            consent: ConsentState { recording_announced: true, recording_enabled: false },
            asides: vec![Aside { after: 1, item: ChatItem::ToolCall(call) }],
            interrupted: vec![],
            counters: Counters { turn: 4, ..Counters::default() },
            cost: CostMeter { stt: NanoUsd(77), ..CostMeter::default() },
            cost_step: voice_core::ceiling::CostStep::Cheap,
            connected_ms: 61_000,
            extra: Map::from_iter([("time_zone".to_owned(), json!("Europe/Berlin"))]),
        }
    }

    #[test]
    fn a_document_gives_back_the_snapshot_that_it_was_made_of() {
        let mut doc = doc();
        write(&mut doc, &snapshot(), None, jiff::Timestamp::UNIX_EPOCH);
        let json = doc.to_json().unwrap();
        assert_eq!(read(&SessionDoc::from_json(&json).unwrap()), snapshot());
        assert_eq!(doc.context["cost"]["stt_usd"], 77e-9);
        assert_eq!(doc.context["recording_enabled"], false);
    }

    #[test]
    fn the_room_is_where_the_caller_is_now() {
        let mut doc = doc();
        let saved_in = Snapshot { extra: Map::from_iter([(ROOM.to_owned(), json!("kitchen"))]), ..snapshot() };
        write(&mut doc, &saved_in, Some("cellar"), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(room(&doc).as_deref(), Some("cellar"));
        write(&mut doc, &saved_in, None, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(room(&doc), None);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_is_kept() {
        let mut doc = doc();
        write(&mut doc, &snapshot(), None, jiff::Timestamp::UNIX_EPOCH);
        doc.context[CORE]["asides"] = json!([{"after": 1, "item": {"kind": "hologram"}}]);
        doc.context[CORE]["version"] = json!(99);
        let read = read(&doc);
        assert_eq!((read.asides.len(), read.counters.turn, read.history.len()), (0, 4, 1));
    }
}
