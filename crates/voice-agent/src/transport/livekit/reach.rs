//! Whether anybody in the room can hear the agent: sound is handed over only then, and only what was surely heard counts.

use std::time::Duration;

use livekit_rtc::{AudioSource, Event, Events as RoomEvents, Identity, Participant, TrackCid};
use tokio::time::{Instant, timeout};

use crate::transport::close;
use crate::transport::end::End;

/// Who does not listen to a track that is connected for so long is not waited for: they may read.
const LISTEN_WITHIN: Duration = Duration::from_secs(1);

/// How often it is looked, before the session begins.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a caller may do before they can hear anything.
const MAX_KEPT: usize = 1_000;

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as it was.
    Nothing,
    /// Nobody hears the agent from now on.
    Cut,
    /// The agent is heard, from now on or again.
    Heard,
}

/// The way from the agent to its listeners. Pure: it is told what happens in the room, and the time.
#[derive(Debug)]
pub(super) struct Reach {
    /// Our track.
    voice: TrackCid,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The signalling is lost. The sound goes on, or the server is gone: which of them it is turns out later.
    Doubtful,
    Cut {
        /// Since when the track is connected.
        since: Option<Instant>,
        /// Somebody listens to it.
        is_heard: bool,
    },
}

impl Reach {
    /// Of a track that was just published.
    pub(super) const fn new(voice: TrackCid) -> Self {
        Self { voice, state: State::Cut { since: None, is_heard: false } }
    }

    /// Takes note of what happened in the room.
    pub(super) fn note(&mut self, event: &Event) -> Found {
        match (event, &mut self.state) {
            (Event::Reconnecting, State::Open) => self.state = State::Doubtful,
            (Event::Resumed, State::Doubtful) => self.state = State::Open,
            // Who listened before listens still.
            (Event::Resumed, State::Cut { is_heard, .. }) => *is_heard = true,
            (Event::LocalTrackHeard { cid }, State::Cut { is_heard, .. }) if *cid == self.voice => *is_heard = true,
            (Event::Rejoined, State::Open | State::Doubtful) => return self.cut(),
            _ => {}
        }
        Found::Nothing
    }

    /// Looks whether the track is connected.
    pub(super) fn look(&mut self, now: Instant, is_connected: bool) -> Found {
        match &mut self.state {
            State::Open | State::Doubtful if !is_connected => self.cut(),
            State::Cut { since, .. } if !is_connected => {
                *since = None;
                Found::Nothing
            }
            State::Cut { since, is_heard } => {
                let since = *since.get_or_insert(now);
                if !*is_heard && now < since + LISTEN_WITHIN {
                    return Found::Nothing;
                }
                self.state = State::Open;
                Found::Heard
            }
            State::Open | State::Doubtful => Found::Nothing,
        }
    }

    /// The caller says that they hear the agent; whether that is news.
    pub(super) fn is_told_so(&mut self) -> bool {
        match &mut self.state {
            State::Cut { is_heard, .. } => {
                *is_heard = true;
                true
            }
            State::Open | State::Doubtful => false,
        }
    }

    /// Whether what is sent is surely heard.
    pub(super) fn is_sure(&self) -> bool {
        self.state == State::Open
    }

    fn cut(&mut self) -> Found {
        self.state = State::Cut { since: None, is_heard: false };
        Found::Cut
    }
}

/// Waits until somebody hears the voice: what is said before that is lost. Answers what the caller did meanwhile, and the room with them.
pub(super) async fn wait_until_heard(
    voice: &AudioSource,
    reach: &mut Reach,
    events: &mut RoomEvents,
    caller: &Participant,
    patience: Duration,
) -> Result<Vec<Event>, End> {
    let mut kept = Vec::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let waiting = async {
        while kept.len() < MAX_KEPT {
            let event = tokio::select! {
                event = events.next() => event.ok_or_else(|| End::new(close::LOST, "the room is gone"))?,
                _ = looks.tick() => match reach.look(Instant::now(), voice.is_connected()) {
                    Found::Heard => return Ok(()),
                    Found::Nothing | Found::Cut => continue,
                },
            };
            reach.note(&event);
            match event {
                Event::Closed(reason) => return Err(End::new(close::LOST, reason.to_string())),
                Event::ParticipantLeft { ref participant, .. } if participant.identity == caller.identity => {
                    kept.push(event);
                    return Ok(());
                }
                event if is_of(&event, &caller.identity) => kept.push(event),
                _ => {}
            }
        }
        Err(End::new(close::FLOOD, "the caller did too much before anybody could hear"))
    };
    let waited = timeout(patience, waiting).await;
    waited.unwrap_or_else(|_| Err(End::new(close::LOST, "the room's media was not connected")))?;
    Ok(kept)
}

/// Whether an event is one that a stay heeds, and comes of this participant.
fn is_of(event: &Event, caller: &Identity) -> bool {
    match event {
        Event::TrackSubscribed { identity, .. }
        | Event::TrackUnpublished { identity, .. }
        | Event::AttributesChanged { identity, .. } => identity == caller,
        Event::Text(text) => text.from == *caller,
        Event::Dtmf { from, .. } => from == caller,
        Event::ParticipantJoined(participant) => participant.identity == *caller,
        // Ours, too: a server that was started again gives it another id, which the captions name.
        Event::TrackUnsubscribed { .. } | Event::LocalTrackPublished { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    fn voice() -> TrackCid {
        TrackCid::from("TR_1")
    }

    fn heard(cid: &str) -> Event {
        Event::LocalTrackHeard { cid: TrackCid::from(cid) }
    }

    fn open(now: Instant) -> Reach {
        let mut reach = Reach::new(voice());
        assert_eq!(reach.note(&heard("TR_1")), Found::Nothing);
        assert_eq!(reach.look(now, true), Found::Heard);
        reach
    }

    #[test]
    fn a_track_is_heard_once_somebody_listens_or_after_a_second() {
        let now = Instant::now();
        let mut reach = Reach::new(voice());
        assert_eq!(reach.look(now, false), Found::Nothing);
        assert_eq!(reach.look(now + 9 * TICK, true), Found::Nothing);
        reach.note(&heard("TR_other"));
        assert_eq!(reach.look(now + 18 * TICK, true), Found::Nothing);
        assert_eq!(reach.look(now + 19 * TICK, true), Found::Heard, "a second after it was connected");
        assert!(reach.is_sure());
        assert_eq!(reach.look(now + 20 * TICK, true), Found::Nothing);

        let mut reach = Reach::new(voice());
        reach.note(&heard("TR_1"));
        assert_eq!(reach.look(now, false), Found::Nothing, "what nobody sends nobody hears");
        assert_eq!(reach.look(now + TICK, true), Found::Heard);
    }

    #[test]
    fn lost_signalling_leaves_it_open_whether_the_sound_arrives() {
        let now = Instant::now();
        let mut reach = open(now);
        assert_eq!(reach.note(&Event::Reconnecting), Found::Nothing);
        assert!(!reach.is_sure());
        assert_eq!(reach.look(now + TICK, true), Found::Nothing);
        assert_eq!(reach.note(&Event::Resumed), Found::Nothing, "it did");
        assert!(reach.is_sure());
        reach.note(&Event::Reconnecting);
        assert_eq!(reach.note(&Event::Rejoined), Found::Cut, "it did not");
        assert_eq!(reach.look(now + 2 * TICK, true), Found::Nothing);
        reach.note(&heard("TR_1"));
        assert_eq!(reach.look(now + 3 * TICK, true), Found::Heard);
    }

    #[test]
    fn a_cut_connection_waits_for_listeners_unless_they_are_those_of_before() {
        let now = Instant::now();
        for (event, expected) in [(Event::Resumed, Found::Heard), (Event::Rejoined, Found::Nothing)] {
            let mut reach = open(now);
            assert_eq!(reach.look(now + TICK, false), Found::Cut);
            assert_eq!(reach.look(now + 2 * TICK, false), Found::Nothing);
            assert_eq!(reach.note(&event), Found::Nothing);
            assert_eq!(reach.look(now + 3 * TICK, true), expected, "{event:?}");
        }
    }

    #[test]
    fn what_matters_to_the_stay_is_kept_until_it_begins() {
        let [ada, eve] = ["ada", "eve"].map(Identity::from);
        let hung_up = |identity: &Identity| Event::AttributesChanged {
            identity: identity.clone(),
            changed: [("sip.callStatus".to_owned(), "hangup".to_owned())].into(),
        };
        assert!(is_of(&hung_up(&ada), &ada));
        assert!(!is_of(&hung_up(&eve), &ada));
        assert!(is_of(&Event::LocalTrackPublished { cid: voice(), sid: "TR_anew".into() }, &ada));
        assert!(!is_of(&Event::Resumed, &ada));
    }

    #[test]
    fn a_page_that_hears_says_so() {
        let now = Instant::now();
        let mut reach = open(now);
        assert!(!reach.is_told_so());
        reach.look(now, false);
        assert!(reach.is_told_so());
        assert_eq!(reach.look(now, true), Found::Heard);
    }
}
