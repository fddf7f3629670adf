//! Who the caller in a room is, and which session is theirs.

use jiff::tz::TimeZone;
use livekit_rtc::{Event, Events as RoomEvents, Identity, Participant, ParticipantKind, Track};
use serde_json::{Map, json};
use tokio::time::timeout;

use super::vouch::PAGE_SESSION;
use super::{INSTANCE, Settings, sip};
use crate::app::Shared;
use crate::http::check_name;
use crate::sessions::{Live, NewSession, SessionError};
use crate::store::{Channel, InstanceId, SessionDoc, SessionId, UserId};
use crate::transport::close;
use crate::transport::end::End;
use crate::transport::twilio::PhoneNumber;

/// The key of `context` that says that a session is in a room, and in which.
pub(crate) const ROOM: &str = "livekit_room";

/// Whether a session is in a room, where sound is not what a telephone or a page sends, whatever its channel is.
pub(crate) fn is_in_room(doc: &SessionDoc) -> bool {
    doc.context.contains_key(ROOM)
}

/// The caller, and what reached us of them already.
pub(super) struct Arrival {
    pub(super) caller: Participant,
    pub(super) tracks: Vec<Track>,
}

/// The session that an agent was sent for, and whose it is.
pub(super) struct SentFor {
    session: SessionId,
    user: UserId,
}

impl SentFor {
    /// What the word says that came with the job, if it is ours and the session goes on.
    pub(super) async fn of(app: &Shared, settings: &Settings, room: &str, word: &str) -> Result<Option<Self>, End> {
        let Some(session) = settings.vouched(room, word) else { return Ok(None) };
        let user = app.sessions.user_of(&session).await.map_err(|error| no_session(&error))?;
        Ok(user.map(|user| Self { session, user }))
    }

    fn is_of(&self, settings: &Settings, room: &str, person: &Participant) -> bool {
        match person.attributes.get(PAGE_SESSION) {
            Some(word) => settings.vouched(room, word).is_some_and(|session| session == self.session),
            None => user_of(person) == self.user,
        }
    }
}

/// Whom to talk to: whose session we were sent for; else who came first.
fn choose(
    settings: &Settings,
    room: &str,
    sent_for: Option<&SentFor>,
    participants: Vec<Participant>,
) -> Option<Participant> {
    let is_awaited = |person: &Participant| sent_for.is_some_and(|sent_for| sent_for.is_of(settings, room, person));
    // The server's clock decides; of two who came in the same millisecond, always the same one.
    let rank = |person: &Participant| (!is_awaited(person), person.joined_at_ms, person.identity.clone());
    participants.into_iter().filter(may_call).min_by_key(rank)
}

/// Waits for somebody to talk to, unless another of us is talking to them.
pub(super) async fn find_caller(
    app: &Shared,
    settings: &Settings,
    room: &str,
    sent_for: Option<&SentFor>,
    events: &mut RoomEvents,
) -> Result<Arrival, End> {
    let mut tracks: Vec<(Identity, Track)> = Vec::new();
    let found = timeout(settings.caller_timeout, async {
        while let Some(event) = events.next().await {
            let caller = match event {
                Event::Joined { participants, .. } => {
                    leave_it_to_another(app, &participants).await?;
                    choose(settings, room, sent_for, participants)
                }
                Event::ParticipantJoined(participant) => Some(participant).filter(may_call),
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

/// Whether this is somebody to talk to: who has hung up is about to leave.
fn may_call(participant: &Participant) -> bool {
    is_person(participant) && !sip::has_hung_up(participant, &participant.attributes)
}

/// The caller's session, brought to life here.
///
/// A page says which it is, in our own words. Else whoever sent this agent may have said which one was in the room; it is the caller's
/// only if its user is. Else it is found by the caller's stay, or begun.
pub(super) async fn open_session(
    app: &Shared,
    settings: &Settings,
    room: &str,
    sent_for: Option<&SentFor>,
    caller: &Participant,
) -> Result<Live, End> {
    if let Some(word) = caller.attributes.get(PAGE_SESSION) {
        let session = settings.vouched(room, word);
        let session = session.ok_or_else(|| End::new(close::REFUSED, "nobody vouches for the page"))?;
        return app.sessions.open_vouched(&session).await.map_err(|error| no_session(&error));
    }
    check_identity(caller)?;
    let new = new_session(caller, room);
    if let Some(sent_for) = sent_for
        && sent_for.user == new.user
        && let Some(live) = take_up(app, &sent_for.session).await.map_err(|error| no_session(&error))?
    {
        return Ok(live);
    }
    let token = settings.session(room, caller.sid.as_str());
    app.sessions.open_or_begin(&token, new).await.map_err(|error| no_session(&error))
}

/// Of whoever is called after their identity.
fn check_identity(caller: &Participant) -> Result<(), End> {
    if caller.kind == ParticipantKind::Sip {
        return Ok(());
    }
    check_name(caller.identity.as_str()).map_err(|fault| {
        tracing::warn!(fault, "somebody in a room has an identity that cannot be a user");
        End::new(close::REFUSED, format!("the caller's identity {fault}"))
    })
}

/// The session that was in the room, if it goes on.
async fn take_up(app: &Shared, session: &SessionId) -> Result<Option<Live>, SessionError> {
    match app.sessions.open_vouched(session).await {
        Ok(live) => Ok(Some(live)),
        Err(SessionError::Unknown | SessionError::Ended) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The telephone's number of a caller by SIP, unless it is withheld. A trunk passes on what it was given: "anonymous" is no number,
/// and not one person's.
fn number_of(caller: &Participant) -> Option<PhoneNumber> {
    let number = caller.attributes.get(sip::NUMBER).filter(|_| caller.kind == ParticipantKind::Sip);
    number.and_then(|number| PhoneNumber::parse(number))
}

/// Who they are is what their token says, for which the holder of the LiveKit keys vouches.
fn user_of(caller: &Participant) -> UserId {
    UserId::new(match number_of(caller) {
        Some(number) => format!("phone:{}", number.reveal()),
        None if caller.kind == ParticipantKind::Sip => format!("anon-{}", caller.sid),
        // Nobody in a room is the owner of a telephone's tasks because of a name.
        None => format!("livekit:{}", caller.identity),
    })
}

fn new_session(caller: &Participant, room: &str) -> NewSession {
    let mut context = Map::new();
    context.insert(ROOM.to_owned(), json!(room));
    if let Some(number) = number_of(caller) {
        context.insert("phone_number".to_owned(), json!(number.reveal()));
    }
    NewSession {
        user: user_of(caller),
        channel: if caller.kind == ParticipantKind::Sip { Channel::Phone } else { Channel::Browser },
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
    use crate::config::{Config, Secret};

    fn by_telephone(sid: &str, number: &str) -> Participant {
        let mut caller = Participant::new("sip_1", sid, ParticipantKind::Sip);
        caller.attributes.insert(sip::NUMBER.to_owned(), number.to_owned());
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

    fn settings() -> Settings {
        let mut config = Config::default();
        config.livekit.url = "ws://rooms.internal:7880".to_owned();
        config.secrets.livekit_key = Some(Secret::new("key".to_owned()));
        config.secrets.livekit_secret = Some(Secret::new("a secret of at least thirty-two characters".to_owned()));
        Settings::of(&config).unwrap()
    }

    fn person(identity: &str, joined_at_ms: i64) -> Participant {
        let mut person = Participant::new(identity, format!("PA_{identity}"), ParticipantKind::Standard);
        person.joined_at_ms = joined_at_ms;
        person
    }

    fn chosen(settings: &Settings, sent_for: Option<&str>, participants: Vec<Participant>) -> Option<String> {
        let session = SessionId::new("0123456789abcdef0123456789abcdef".to_owned());
        let sent_for = sent_for.map(|user| SentFor { session, user: UserId::new(user.to_owned()) });
        let caller = choose(settings, "kitchen", sent_for.as_ref(), participants);
        caller.map(|caller| caller.identity.as_str().to_owned())
    }

    #[test]
    fn the_caller_is_who_came_first_whatever_their_name() {
        let settings = settings();
        let mut agent = person("aaron", 1);
        agent.kind = ParticipantKind::Agent;
        let people = || vec![agent.clone(), person("ada", 3_000), person("zoe", 2_000)];
        assert_eq!(chosen(&settings, None, people()).as_deref(), Some("zoe"));
        assert_eq!(chosen(&settings, None, vec![agent.clone()]), None);
        // She whose session it is may have come last: her connection was lost, or she reloaded her application.
        assert_eq!(chosen(&settings, Some("livekit:ada"), people()).as_deref(), Some("ada"));
        assert_eq!(chosen(&settings, Some("livekit:eve"), people()).as_deref(), Some("zoe"), "she is gone");
        assert_eq!(chosen(&settings, Some("livekit:aaron"), people()).as_deref(), Some("zoe"), "an agent is nobody");
    }

    #[test]
    fn who_has_hung_up_is_no_caller() {
        let settings = settings();
        let mut gone = by_telephone("PA_1", "+15551234567");
        gone.attributes.insert("sip.callStatus".to_owned(), "hangup".to_owned());
        assert_eq!(chosen(&settings, None, vec![gone.clone()]), None);
        assert_eq!(chosen(&settings, None, vec![gone, person("ada", 5)]).as_deref(), Some("ada"));
    }

    #[test]
    fn a_page_is_awaited_by_the_session_that_it_is_vouched_to_be_of() {
        let settings = settings();
        let mut page = person("page", 2_000);
        let people = |page: &Participant| vec![person("ada", 1_000), page.clone()];
        for (session, expected) in
            [("0123456789abcdef0123456789abcdef", "page"), ("fedcba9876543210fedcba9876543210", "ada")]
        {
            let word = settings.vouch("kitchen", &SessionId::new(session.to_owned()));
            page.attributes.insert(PAGE_SESSION.to_owned(), word);
            // A page's user is the session's, and not what it is called in the room.
            assert_eq!(chosen(&settings, Some("livekit:page"), people(&page)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_identity_has_the_limits_of_a_users_name() {
        let long = "a".repeat(129);
        for (identity, is_fit) in [("ada", true), (&long[1..], true), (&long, false), ("a\nb", false), (" ada", false)]
        {
            assert_eq!(check_identity(&person(identity, 1)).is_ok(), is_fit, "{identity:?}");
        }
        let mut by_telephone = person(&long, 1);
        by_telephone.kind = ParticipantKind::Sip;
        assert!(check_identity(&by_telephone).is_ok(), "a telephone's caller is not called after it");
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
