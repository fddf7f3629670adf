//! What we receive: the server's offers, and the tracks in them.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use str0m::Event as PeerEvent;
use str0m::media::{Frequency, MediaData, Mid};

use super::{Engine, Event, Output};
use crate::audio::Receiver;
use crate::error::{LinkError, RoomError};
use crate::ids::TrackSid;
use crate::participant::TrackKind;
use crate::proto::{self, ToServer};
use crate::sdp;

/// A track that reaches us.
pub(super) struct Subscription {
    pub(super) track: TrackSid,
    pub(super) mid: Mid,
    /// The application knows.
    told: bool,
    is_video: bool,
    /// Somebody listens.
    receiver: Option<Receiver>,
    /// Video flows; it does only while somebody looks.
    pub(super) shown: bool,
    /// When video is stopped again.
    pub(super) hide_at: Option<Instant>,
}

impl Subscription {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.receiver.as_ref().and_then(Receiver::poll_timeout).into_iter().chain(self.hide_at).min()
    }
}

/// Where the subscriber connection's negotiation stands.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    bound: bool,
    /// Came before there was a socket.
    waiting: Option<proto::SessionDescription>,
    offer: Option<proto::SessionDescription>,
    answer: Option<proto::SessionDescription>,
    /// The last track of each media section, by its `mid`.
    sections: HashMap<String, TrackSid>,
    /// Tracks that are wanted, or not, against [`Config::auto_subscribe`](super::Config::auto_subscribe).
    exceptions: BTreeSet<TrackSid>,
}

impl Engine {
    /// Begins to decode a track that reaches us, or stops: [`Output::Audio`] follows, every 20 ms.
    ///
    /// # Errors
    /// It does not reach us, or the codec cannot be made.
    pub fn listen(&mut self, track: &TrackSid, listen: bool) -> Result<(), RoomError> {
        let rate = self.config.rate;
        let subscription = self.subscriptions.iter_mut().find(|subscription| subscription.track == *track);
        let subscription = subscription.filter(|subscription| !subscription.is_video).ok_or(RoomError::UnknownTrack)?;
        match (&subscription.receiver, listen) {
            (None, true) => subscription.receiver = Some(Receiver::new(rate)?),
            (Some(_), false) => subscription.receiver = None,
            _ => {}
        }
        Ok(())
    }

    /// Asks the server to send a track, or not to.
    pub fn set_subscribed(&mut self, track: &TrackSid, subscribe: bool) {
        let exceptions = &mut self.negotiation.exceptions;
        if subscribe == self.config.auto_subscribe {
            exceptions.remove(track);
        } else {
            exceptions.insert(track.clone());
        }
        let track_sids = vec![track.to_string()];
        if self.is_open() {
            self.send(ToServer::Subscription(proto::UpdateSubscription { track_sids, subscribe }));
        }
    }

    pub(super) fn handle_offer(&mut self, now: Instant, offer: proto::SessionDescription) {
        self.negotiation.waiting = Some(offer);
        if self.negotiation.bound {
            self.accept_waiting_offer(now);
        }
    }

    /// The sockets are there.
    pub(super) fn accept_waiting_offer(&mut self, now: Instant) {
        self.negotiation.bound = true;
        let (Some(offer), Some(peer)) = (self.negotiation.waiting.take(), self.subscriber.as_mut()) else {
            return;
        };
        for (mid, track) in sdp::tracks_by_mid(&offer.sdp) {
            let before = self.negotiation.sections.insert(mid.clone(), track.clone());
            if before.is_some_and(|before| before != track) {
                peer.forget_section(Mid::from(mid.as_str()));
            }
        }
        let Some(sdp) = peer.handle_offer(now, &offer.sdp) else {
            self.rejoin(now, LinkError::Protocol);
            return;
        };
        let answer = proto::SessionDescription { r#type: "answer".into(), sdp, id: offer.id };
        self.send(ToServer::Answer(answer.clone()));
        self.compare_subscriptions(&offer.sdp);
        self.negotiation.answer = Some(answer);
        self.negotiation.offer = Some(offer);
    }

    fn compare_subscriptions(&mut self, sdp: &str) {
        let tracks = sdp::tracks_by_mid(sdp);
        let (kept, gone) = std::mem::take(&mut self.subscriptions)
            .into_iter()
            .partition(|subscription| tracks.get(&*subscription.mid) == Some(&subscription.track));
        self.subscriptions = kept;
        self.tell_unsubscribed(gone);
        for (mid, track) in tracks {
            let known = self.subscriptions.iter().any(|subscription| subscription.track == track);
            if !known {
                self.subscriptions.push(Subscription {
                    track,
                    mid: Mid::from(mid.as_str()),
                    told: false,
                    is_video: false,
                    receiver: None,
                    shown: false,
                    hide_at: None,
                });
            }
        }
        self.announce_tracks();
    }

    fn tell_unsubscribed(&mut self, subscriptions: Vec<Subscription>) {
        for subscription in subscriptions.into_iter().filter(|subscription| subscription.told) {
            self.tell(Event::TrackUnsubscribed { track: subscription.track });
        }
    }

    /// In a new session nothing reaches us yet.
    pub(super) fn forget_subscriptions(&mut self) {
        let exceptions = std::mem::take(&mut self.negotiation.exceptions);
        self.negotiation = Negotiation { exceptions, ..Negotiation::default() };
        let gone = std::mem::take(&mut self.subscriptions);
        self.tell_unsubscribed(gone);
    }

    /// Tells of tracks that reach us, once it is known whose they are.
    pub(super) fn announce_tracks(&mut self) {
        for at in 0..self.subscriptions.len() {
            let Some(subscription) = self.subscriptions.get(at).filter(|subscription| !subscription.told) else {
                continue;
            };
            let Some((identity, track)) = self.find_track(&subscription.track) else {
                continue;
            };
            let (identity, track) = (identity.clone(), track.clone());
            let is_video = track.kind == TrackKind::Video;
            if let Some(subscription) = self.subscriptions.get_mut(at) {
                subscription.told = true;
                subscription.is_video = is_video;
            }
            if is_video {
                self.show(&track.sid, false);
            }
            self.tell(Event::TrackSubscribed { identity, track });
        }
    }

    pub(super) fn handle_subscriber_event(&mut self, now: Instant, event: PeerEvent) {
        match event {
            PeerEvent::MediaData(media) => self.handle_media(now, &media),
            PeerEvent::ChannelData(data) => self.handle_data(now, &data.data),
            _ => {}
        }
    }

    fn handle_media(&mut self, now: Instant, media: &MediaData) {
        let Some(at) = self.subscriptions.iter().position(|subscription| subscription.mid == media.mid) else {
            return;
        };
        let Some(subscription) = self.subscriptions.get_mut(at) else {
            return;
        };
        if let Some(receiver) = &mut subscription.receiver {
            let ticks = media.time.rebase(Frequency::FORTY_EIGHT_KHZ).numer();
            receiver.handle_packet(now, **media.seq_range.start(), ticks, &media.data);
            let track = &subscription.track;
            let frames = std::iter::from_fn(|| receiver.poll_frame());
            self.outputs.extend(frames.map(|frame| Output::Audio { track: track.clone(), frame }));
        } else if subscription.is_video {
            let track = subscription.track.clone();
            self.handle_frame(now, &track, &media.data);
        }
    }

    /// Silence where nothing comes, and video off where nobody looks.
    pub(super) fn handle_silence(&mut self, now: Instant) {
        let mut hidden = Vec::new();
        for subscription in &mut self.subscriptions {
            if let Some(receiver) = &mut subscription.receiver {
                receiver.handle_timeout(now);
                let frames = std::iter::from_fn(|| receiver.poll_frame());
                let track = &subscription.track;
                self.outputs.extend(frames.map(|frame| Output::Audio { track: track.clone(), frame }));
            }
            if subscription.hide_at.take_if(|at| *at <= now).is_some() {
                hidden.push(subscription.track.clone());
            }
        }
        for track in hidden {
            self.show(&track, false);
        }
    }

    pub(super) fn handle_subscription(&mut self, response: proto::SubscriptionResponse) {
        if response.err != 0 {
            self.tell(Event::SubscriptionFailed { track: response.track_sid.into() });
        }
    }

    /// The last offer and answer of the subscriber connection.
    pub(super) fn descriptions(&self) -> (Option<proto::SessionDescription>, Option<proto::SessionDescription>) {
        (self.negotiation.offer.clone(), self.negotiation.answer.clone())
    }

    pub(super) fn subscription_state(&self) -> proto::UpdateSubscription {
        let track_sids = self.negotiation.exceptions.iter().map(TrackSid::to_string).collect();
        proto::UpdateSubscription { track_sids, subscribe: !self.config.auto_subscribe }
    }

    pub(super) fn disabled_tracks(&self) -> Vec<String> {
        let hidden = self.subscriptions.iter().filter(|subscription| subscription.is_video && !subscription.shown);
        hidden.map(|subscription| subscription.track.to_string()).collect()
    }
}
