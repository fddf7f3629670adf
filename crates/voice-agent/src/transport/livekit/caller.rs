//! Who the caller in a room is, and which session is theirs.

use std::time::Duration;

use jiff::tz::TimeZone;
use livekit_rtc::{Event, Events as RoomEvents, Identity, Participant, ParticipantKind, Track};
use serde_json::{Map, json};
use tokio::time::timeout;

use super::vouch::PAGE_SESSION;
use super::{INSTANCE, Settings};
use crate::app::Shared;
use crate::sessions::{Live, NewSession, SessionError};
use crate::store::{Channel, InstanceId, SessionDoc, SessionId, UserId};
use crate::transport::close;
use crate::transport::end::End;
use crate::transport::twilio::PhoneNumber;

/// The key of `context` that says that a session is in a room, and in which.
pub(crate) const ROOM: &str = "livekit_room";
/// What a telephone's number is called among the attributes of a SIP participant.
const SIP_NUMBER: &str = "sip.phoneNumber";

/// Whether a session is in a room, where sound is not what a telephone or a page sends, whatever its channel is.
pub(crate) fn is_in_room(doc: &SessionDoc) -> bool {
    doc.context.contains_key(ROOM)
}

/// The caller, and what reached us of them already.
pub(super) struct Arrival {
    pub(super) caller: Participant,
    pub(super) tracks: Vec<Track>,
}

/// Waits for somebody to talk to, unless another of us is talking to them.
pub(super) async fn find_caller(app: &Shared, events: &mut RoomEvents, patience: Duration) -> Result<Arrival, End> {
    let mut tracks: Vec<(Identity, Track)> = Vec::new();
    let found = timeout(patience, async {
        while let Some(event) = events.next().await {
            let caller = match event {
                Event::Joined { participants, .. } => {
                    leave_it_to_another(app, &participants).await?;
                    participants.into_iter().find(is_person)
                }
                Event::ParticipantJoined(participant) => Some(participant).filter(is_person),
                Event::TrackSubscribed { identity, track } => {
                    tracks.push((identity, track));
                    None
                }
                Event::Closed(reason) => return Err(End::new(close::LOST, reason.to_string())),
                _ => None,
            };
            if let Some(caller) = caller {
                return Ok(caller);
            }
        }
        Err(End::new(close::LOST, "the room is gone"))
    });
    let caller = found.await.unwrap_or_else(|_| Err(End::new(close::ENDED, "nobody came")))?;
    let theirs = tracks.into_iter().filter(|(identity, _)| *identity == caller.identity).map(|(_, track)| track);
    Ok(Arrival { tracks: theirs.collect(), caller })
}

/// A LiveKit server that was started again sends agents to rooms that have one. An agent whose process is dead is seen in its room
/// for a while, too, so that its heartbeat is asked for.
async fn leave_it_to_another(app: &Shared, participants: &[Participant]) -> Result<(), End> {
    for instance in participants.iter().filter(|participant| !is_person(participant)).filter_map(instance_of) {
        // A store that is away says nothing; two agents are better than none.
        if instance != *app.instance() && app.store.instance_alive(instance).await.unwrap_or(false) {
            return Err(End::new(close::ENDED, "the room has its agent"));
        }
    }
    Ok(())
}

fn instance_of(participant: &Participant) -> Option<InstanceId> {
    participant.attributes.get(INSTANCE).map(|instance| InstanceId::new(instance.clone()))
}

fn is_person(participant: &Participant) -> bool {
    matches!(participant.kind, ParticipantKind::Standard | ParticipantKind::Sip)
}

/// The caller's session, brought to life here.
///
/// A page says which it is, in our own words. Else whoever sent this agent may have said which one was in the room; it is the caller's
/// only if its user is. Else it is found by the caller's stay, or begun.
pub(super) async fn open_session(
    app: &Shared,
    settings: &Settings,
    room: &str,
    sent_for: &str,
    caller: &Participant,
) -> Result<Live, End> {
    if let Some(word) = caller.attributes.get(PAGE_SESSION) {
        let session = settings.vouched(room, word);
        let session = session.ok_or_else(|| End::new(close::REFUSED, "nobody vouches for the page"))?;
        return app.sessions.open_vouched(&session).await.map_err(|error| no_session(&error));
    }
    let new = new_session(caller, room);
    if let Some(session) = settings.vouched(room, sent_for)
        && let Some(live) = take_up(app, &session, &new.user).await.map_err(|error| no_session(&error))?
    {
        return Ok(live);
    }
    let token = settings.session(room, caller.sid.as_str());
    app.sessions.open_or_begin(&token, new).await.map_err(|error| no_session(&error))
}

/// The session that was in the room, if it goes on, and is this user's.
async fn take_up(app: &Shared, session: &SessionId, user: &UserId) -> Result<Option<Live>, SessionError> {
    let is_theirs = app.sessions.user_of(session).await?.is_some_and(|owner| owner == *user);
    if !is_theirs {
        return Ok(None);
    }
    match app.sessions.open_vouched(session).await {
        Ok(live) => Ok(Some(live)),
        Err(SessionError::Unknown | SessionError::Ended) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who they are is what their token says, for which the holder of the LiveKit keys vouches.
fn new_session(caller: &Participant, room: &str) -> NewSession {
    let mut context = Map::new();
    context.insert(ROOM.to_owned(), json!(room));
    let (user, channel) = if caller.kind == ParticipantKind::Sip {
        // A trunk passes on what it was given: "anonymous" is no number, and not one person's.
        match caller.attributes.get(SIP_NUMBER).and_then(|number| PhoneNumber::parse(number)) {
            Some(number) => {
                context.insert("phone_number".to_owned(), json!(number.reveal()));
                (format!("phone:{}", number.reveal()), Channel::Phone)
            }
            None => (format!("anon-{}", caller.sid), Channel::Phone),
        }
    } else {
        // Nobody in a room is the owner of a telephone's tasks because of a name.
        (format!("livekit:{}", caller.identity), Channel::Browser)
    };
    NewSession {
        user: UserId::new(user),
        channel,
        consent: None,
        wording: String::new(),
        time_zone: time_zone(caller),
        context,
    }
}

/// Where the caller's "today" is: what the application noted, if it did.
fn time_zone(caller: &Participant) -> TimeZone {
    let noted = caller.attributes.get("time_zone").and_then(|name| TimeZone::get(name).ok());
    noted.unwrap_or(TimeZone::UTC)
}

fn no_session(error: &SessionError) -> End {
    match error {
        SessionError::Ended => End::new(close::ENDED, "the session has ended"),
        SessionError::Unknown => End::new(close::NO_SESSION, "there is no such session"),
        SessionError::Spent | SessionError::Full | SessionError::Held(_) => {
            End::new(close::TRY_LATER, error.to_string())
        }
        SessionError::Store(_) | SessionError::Random(_) => {
            tracing::error!(%error, "a room has no session");
            End::new(close::INTERNAL, "a fault of the server")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_telephone(sid: &str, number: &str) -> Participant {
        let mut caller = Participant::new("sip_1", sid, ParticipantKind::Sip);
        caller.attributes.insert(SIP_NUMBER.to_owned(), number.to_owned());
        caller
    }

    #[test]
    fn a_number_in_a_room_is_read_as_twilios_is() {
        let new = new_session(&by_telephone("PA_1", " +15551234567 "), "kitchen");
        assert_eq!((new.user.as_str(), new.channel), ("phone:+15551234567", Channel::Phone));
        assert_eq!(new.context["phone_number"], "+15551234567");
        assert_eq!(new.context[ROOM], "kitchen");
    }

    #[test]
    fn callers_who_withhold_their_number_share_nothing() {
        for number in ["anonymous", "Restricted", "unknown", "", "+266696687", "15551234567", "sip:ada@example.com"] {
            let [one, other] = ["PA_1", "PA_2"].map(|sid| new_session(&by_telephone(sid, number), "kitchen"));
            assert_eq!((one.user.as_str(), one.channel), ("anon-PA_1", Channel::Phone), "{number}");
            assert_eq!(other.user.as_str(), "anon-PA_2", "{number}");
            assert!(!one.context.contains_key("phone_number"), "{number}");
        }
    }

    #[test]
    fn a_number_in_the_attributes_of_an_app_is_no_telephone() {
        let mut caller = by_telephone("PA_1", "+15551234567");
        caller.kind = ParticipantKind::Standard;
        let new = new_session(&caller, "kitchen");
        assert_eq!((new.user.as_str(), new.channel), ("livekit:sip_1", Channel::Browser));
        assert!(!new.context.contains_key("phone_number"));
    }
}
