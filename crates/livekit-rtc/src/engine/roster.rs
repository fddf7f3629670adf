//! Who is in the room, and what they publish.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Engine, Event};
use crate::error::DisconnectReason;
use crate::ids::{Identity, ParticipantSid, TrackSid};
use crate::participant::{ConnectionQuality, Participant, Speaker};
use crate::proto;

/// Participants that are kept; of more, the later ones are not seen.
const MAX_PARTICIPANTS: usize = 10_000;

impl Engine {
    /// The first sight of the room.
    pub(super) fn enter(&mut self, now: Instant, others: Vec<proto::ParticipantInfo>) {
        let others = others.into_iter().take(MAX_PARTICIPANTS).map(Participant::from_proto);
        self.roster = others.map(|participant| (participant.identity.clone(), participant)).collect();
        let event = Event::Joined {
            room: self.room_name.clone(),
            identity: self.local.identity.clone(),
            participants: self.roster.values().cloned().collect(),
        };
        self.tell(event);
        self.flush_data(now);
    }

    /// All who are here now, after a time of not knowing.
    pub(super) fn replace_participants(&mut self, now: Instant, others: Vec<proto::ParticipantInfo>) {
        let here = |identity: &Identity| others.iter().any(|info| info.identity == identity.as_str());
        let gone: Vec<Identity> = self.roster.keys().filter(|identity| !here(identity)).cloned().collect();
        for identity in gone {
            self.remove_participant(&identity, DisconnectReason::Unknown);
        }
        self.handle_participants(now, others);
    }

    pub(super) fn handle_participants(&mut self, now: Instant, participants: Vec<proto::ParticipantInfo>) {
        for info in participants {
            if info.sid == self.local.sid.as_str() {
                self.handle_self(now, info);
            } else if info.identity == self.local.identity.as_str() {
                // A former stay of ours.
            } else if info.state == proto::ParticipantInfo::DISCONNECTED {
                let identity = Identity::from(info.identity);
                let same_stay = self.roster.get(&identity).is_some_and(|known| known.sid.as_str() == info.sid);
                if same_stay {
                    self.remove_participant(&identity, DisconnectReason::from_number(info.disconnect_reason));
                }
            } else {
                self.handle_participant(Participant::from_proto(info));
            }
        }
        self.announce_tracks();
    }

    fn handle_self(&mut self, now: Instant, info: proto::ParticipantInfo) {
        let active = info.state == proto::ParticipantInfo::ACTIVE;
        if active && !std::mem::replace(&mut self.local.active, true) {
            if !self.is_recovering() {
                self.tell(Event::Active);
            }
            self.flush_data(now);
        }
    }

    fn handle_participant(&mut self, participant: Participant) {
        let identity = participant.identity.clone();
        let known = match self.roster.get(&identity) {
            Some(known) if known.sid == participant.sid => known.clone(),
            Some(_) => {
                self.remove_participant(&identity, DisconnectReason::DuplicateIdentity);
                self.add_participant(participant);
                return;
            }
            None => {
                self.add_participant(participant);
                return;
            }
        };
        if participant.version < known.version {
            return; // Updates may overtake each other.
        }
        if (&participant.name, &participant.metadata) != (&known.name, &known.metadata) {
            let (name, metadata) = (participant.name.clone(), participant.metadata.clone());
            self.tell(Event::MetadataChanged { identity: identity.clone(), name, metadata });
        }
        let changed = changed_attributes(&known.attributes, &participant.attributes);
        if !changed.is_empty() {
            self.tell(Event::AttributesChanged { identity: identity.clone(), changed });
        }
        self.compare_tracks(&known, &participant);
        if participant.active && !known.active {
            self.tell(Event::ParticipantActive(identity.clone()));
        }
        self.roster.insert(identity, participant);
    }

    fn add_participant(&mut self, participant: Participant) {
        if self.roster.len() < MAX_PARTICIPANTS {
            self.roster.insert(participant.identity.clone(), participant.clone());
            self.tell(Event::ParticipantJoined(participant));
        }
    }

    fn compare_tracks(&mut self, known: &Participant, participant: &Participant) {
        let identity = &participant.identity;
        for track in &known.tracks {
            if participant.track(&track.sid).is_none() {
                self.tell(Event::TrackUnpublished { identity: identity.clone(), track: track.sid.clone() });
            }
        }
        for track in &participant.tracks {
            let event = match known.track(&track.sid) {
                None => Event::TrackPublished { identity: identity.clone(), track: track.clone() },
                Some(before) if before.muted != track.muted => {
                    Event::TrackMuted { identity: identity.clone(), track: track.sid.clone(), muted: track.muted }
                }
                Some(_) => continue,
            };
            self.tell(event);
        }
    }

    fn remove_participant(&mut self, identity: &Identity, reason: DisconnectReason) {
        if let Some(participant) = self.roster.remove(identity) {
            self.data.forget(identity, &participant.sid);
            self.tell(Event::ParticipantLeft { participant, reason });
        }
    }

    /// Whose track this is, and what is known of it.
    pub(super) fn find_track(&self, sid: &TrackSid) -> Option<(&Identity, &crate::participant::Track)> {
        self.roster.values().find_map(|participant| Some((&participant.identity, participant.track(sid)?)))
    }

    pub(super) fn handle_speakers(&mut self, changed: proto::SpeakersChanged) {
        let speakers = changed.speakers.into_iter();
        let speakers =
            speakers.map(|speaker| Speaker { sid: speaker.sid.into(), level: speaker.level, active: speaker.active });
        let speakers = speakers.collect();
        self.tell(Event::Speakers(speakers));
    }

    pub(super) fn handle_quality(&mut self, update: proto::ConnectionQualityUpdate) {
        for info in update.updates {
            let sid = ParticipantSid::from(info.participant_sid);
            let known = self.roster.values().find(|participant| participant.sid == sid);
            let identity = match known {
                Some(participant) => participant.identity.clone(),
                None if sid == self.local.sid => self.local.identity.clone(),
                None => continue,
            };
            if let Some(quality) = ConnectionQuality::from_number(info.quality) {
                self.tell(Event::Quality { identity, quality });
            }
        }
    }

    pub(super) fn handle_room(&mut self, update: proto::RoomUpdate) {
        if let Some(room) = update.room {
            self.room_name = room.name;
            self.tell(Event::RoomMetadata(room.metadata));
        }
    }
}

fn changed_attributes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let set = set.map(|(name, value)| (name.clone(), value.clone()));
    let removed = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), String::new()));
    removed.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_attributes_become_empty() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let before = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after = map(&[("a", "1"), ("b", "5"), ("d", "4")]);
        assert_eq!(changed_attributes(&before, &after), map(&[("b", "5"), ("c", ""), ("d", "4")]));
    }
}
