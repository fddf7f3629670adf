//! What we send: our tracks, and the offers that negotiate them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, MediaKind, Mid};

use super::{Engine, Event, Output};
use crate::audio::{self, Encoded, Encoder, EncoderOptions, FRAME_TICKS, SampleRate};
use crate::error::{AudioError, LinkError, RoomError};
use crate::ids::{TrackCid, TrackSid};
use crate::participant::TrackSource;
use crate::peer::{OutgoingAudio, PeerState, Role};
use crate::proto::{self, AnsweredRequest, ToServer};

/// How long the server may take to answer a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How a track is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// For people.
    pub name: String,
    /// What it stands for; agents publish their voice as a microphone.
    pub source: TrackSource,
    /// Of the frames that are sent.
    pub rate: SampleRate,
    /// How it is encoded.
    pub encoder: EncoderOptions,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            name: "microphone".into(),
            source: TrackSource::Microphone,
            rate: SampleRate::default(),
            encoder: EncoderOptions::default(),
        }
    }
}

/// What became of 20 ms of a track of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It is on its way; or it was silence, which need not be sent.
    Sent,
    /// Nobody hears it: the track is muted.
    Muted,
    /// Nobody hears it: the track is not connected, or there is no such track.
    NotConnected,
}

/// A track of ours.
pub(super) struct Publication {
    cid: TrackCid,
    options: PublishOptions,
    encoder: Encoder,
    /// The server was told in this session.
    added: bool,
    /// Its section in our offers, ...
    mid: Option<Mid>,
    /// ... and whether one with it was answered.
    negotiated: bool,
    /// As the server knows it.
    info: Option<proto::TrackInfo>,
    muted: bool,
    /// The time of the next frame.
    ticks: u64,
    /// The last frame was sent: there was no silence.
    talks: bool,
    /// To be taken back with the next offer.
    retired: bool,
}

/// A request that the server has not answered.
#[derive(Debug)]
pub(super) struct Request {
    number: u32,
    deadline: Instant,
}

impl Request {
    pub(super) fn poll_timeout(&self) -> Instant {
        self.deadline
    }
}

impl Engine {
    /// Publishes audio. [`Event::LocalTrackPublished`] follows, or [`Event::LocalTrackRefused`]; a loss of the connection
    /// does not end it.
    ///
    /// # Errors
    /// The encoder refuses the options.
    pub fn publish_audio(&mut self, now: Instant, options: PublishOptions) -> Result<TrackCid, AudioError> {
        let encoder = Encoder::new(options.rate, options.encoder)?;
        let number = self.next_number();
        let cid = TrackCid::from(format!("TR_{}-{number}", self.config.nonce));
        self.publications.push(Publication {
            cid: cid.clone(),
            options,
            encoder,
            added: false,
            mid: None,
            negotiated: false,
            info: None,
            muted: false,
            ticks: 0,
            talks: false,
            retired: false,
        });
        self.negotiate(now, false);
        Ok(cid)
    }

    /// Takes a track back.
    pub fn unpublish(&mut self, now: Instant, cid: &TrackCid) {
        if let Some(publication) = self.publication(cid) {
            publication.retired = true;
            self.negotiate(now, false);
        }
    }

    /// Mutes a track, or unmutes it: the others see it.
    pub fn mute(&mut self, cid: &TrackCid, muted: bool) {
        let Some(publication) = self.publication(cid) else {
            return;
        };
        publication.muted = muted;
        if let Some(sid) = publication.info.as_ref().map(|info| info.sid.clone()) {
            self.send(ToServer::Mute(proto::MuteTrackRequest { sid, muted }));
        }
    }

    /// The next 20 ms of a track of ours. To be called every 20 ms, with silence when there is nothing to say: listeners
    /// keep time by it. What is said while the track is not connected is lost, and so is what is said while it is muted.
    ///
    /// # Errors
    /// The frame has a wrong length, or the codec fails.
    pub fn send_audio(&mut self, now: Instant, cid: &TrackCid, samples: &[i16]) -> Result<Sending, AudioError> {
        let Some(publication) = self.publications.iter_mut().find(|publication| publication.cid == *cid) else {
            return Ok(Sending::NotConnected);
        };
        let ticks = publication.ticks;
        publication.ticks += FRAME_TICKS;
        let flows = self.publisher.as_mut().filter(|peer| peer.state() == PeerState::Connected);
        let (Some(mid), Some(peer), true) = (publication.mid, flows, publication.negotiated) else {
            publication.talks = false;
            return Ok(Sending::NotConnected);
        };
        if publication.muted {
            publication.talks = false;
            return Ok(Sending::Muted);
        }
        match publication.encoder.encode(samples)? {
            Encoded::Packet(packet) => {
                let starts = !std::mem::replace(&mut publication.talks, true);
                let decibels = audio::decibels(samples);
                peer.write_audio(now, mid, &OutgoingAudio { packet, ticks, starts, decibels });
            }
            Encoded::Silence => publication.talks = false,
        }
        Ok(Sending::Sent)
    }

    /// Sets attributes of ours; an empty value removes one. [`Output::Answered`] follows, with the number that this
    /// returns. They are set again when the room is rejoined.
    pub fn set_attributes(&mut self, now: Instant, attributes: BTreeMap<String, String>) -> u32 {
        let number = self.next_number();
        self.requests.push(Request { number, deadline: now + REQUEST_TIMEOUT });
        self.local.attributes.extend(attributes.clone());
        if self.is_open() {
            self.send_attributes(attributes, number);
        }
        number
    }

    fn send_attributes(&mut self, attributes: BTreeMap<String, String>, request_id: u32) {
        let attributes = attributes.into_iter().collect();
        let update = proto::UpdateParticipantMetadata { attributes, request_id, ..Default::default() };
        self.send(ToServer::UpdateMetadata(update));
    }

    /// What was set before, to a server that may not know.
    pub(super) fn repeat_attributes(&mut self) {
        if !self.local.attributes.is_empty() {
            let number = self.requests.last().map_or(0, |request| request.number);
            self.send_attributes(self.local.attributes.clone(), number);
        }
    }

    pub(super) fn handle_requests(&mut self, now: Instant) {
        for late in self.requests.extract_if(.., |request| request.deadline <= now) {
            self.outputs.push_back(Output::Answered { request: late.number, result: Err(RoomError::Timeout) });
        }
    }

    pub(super) fn handle_response(&mut self, response: proto::RequestResponse) {
        let result = if response.reason == 0 { Ok(()) } else { Err(RoomError::Refused(response.reason)) };
        if let Some(at) = self.requests.iter().position(|request| request.number == response.request_id) {
            let request = self.requests.swap_remove(at).number;
            self.outputs.push_back(Output::Answered { request, result });
        } else if let (Some(AnsweredRequest::AddTrack(track)), Err(_)) = (response.request, result) {
            let cid = TrackCid::from(track.cid);
            self.publications.retain(|publication| publication.cid != cid);
            self.tell(Event::LocalTrackRefused { cid, reason: response.reason });
        }
    }

    /// Offers what is not negotiated yet: the data channels at first, new tracks, tracks that are taken back; with
    /// `restart` also new ways for the packets.
    pub(super) fn negotiate(&mut self, now: Instant, restart: bool) {
        if !self.is_open() || self.publisher.as_ref().is_none_or(|peer| peer.is_offering()) {
            return; // An answer, or a bound socket, brings us here again.
        }
        self.add_tracks();
        let Some(peer) = self.publisher.as_mut() else {
            return;
        };
        let (publications, data) = (&mut self.publications, &mut self.data);
        let offer = peer.offer(now, |api| {
            for publication in publications.iter_mut() {
                match publication.mid {
                    None if publication.retired => {}
                    None => {
                        let (stream, track) = (publication.cid.to_string(), publication.cid.to_string());
                        let mid = api.add_media(MediaKind::Audio, Direction::SendOnly, Some(stream), Some(track), None);
                        publication.mid = Some(mid);
                    }
                    Some(mid) if publication.retired => api.set_direction(mid, Direction::Inactive),
                    Some(_) => {}
                }
            }
            data.add_channels(|label, reliable| api.add_channel_with_config(channel(label, reliable)));
            if restart {
                api.ice_restart(true);
            }
        });
        self.publications.retain(|publication| !publication.retired);
        if let Some((id, sdp)) = offer {
            self.send(ToServer::Offer(proto::SessionDescription { r#type: "offer".into(), sdp, id }));
        }
    }

    /// The server wants to know a track before it is offered.
    fn add_tracks(&mut self) {
        let new = self.publications.iter_mut().filter(|publication| !publication.added && !publication.retired);
        let requests: Vec<_> = new
            .map(|publication| {
                publication.added = true;
                proto::AddTrackRequest {
                    cid: publication.cid.to_string(),
                    name: publication.options.name.clone(),
                    r#type: proto::TrackInfo::AUDIO,
                    muted: publication.muted,
                    source: publication.options.source.number(),
                    disable_red: true,
                    stream: publication.cid.to_string(),
                }
            })
            .collect();
        for request in requests {
            self.send(ToServer::AddTrack(request));
        }
    }

    /// In a new session the server knows none of our tracks.
    pub(super) fn forget_publications(&mut self) {
        self.publications.retain(|publication| !publication.retired);
        for publication in &mut self.publications {
            publication.added = false;
            publication.mid = None;
            publication.negotiated = false;
            publication.info = None;
        }
    }

    /// Of an offer that was not answered nothing is left.
    pub(super) fn forget_offer(&mut self) {
        for publication in self.publications.iter_mut().filter(|publication| !publication.negotiated) {
            publication.mid = None;
        }
    }

    pub(super) fn handle_answer(&mut self, now: Instant, answer: &proto::SessionDescription) {
        let Some(peer) = &mut self.publisher else {
            return;
        };
        if !peer.handle_answer(now, answer.id, &answer.sdp) {
            self.rejoin(now, LinkError::Protocol);
            return;
        }
        if !peer.is_offering() {
            for publication in &mut self.publications {
                publication.negotiated = publication.mid.is_some();
            }
            self.negotiate(now, false);
        }
    }

    pub(super) fn handle_trickle(&mut self, now: Instant, trickle: &proto::TrickleRequest) {
        let role = match trickle.target {
            proto::TARGET_PUBLISHER => Role::Publisher,
            proto::TARGET_SUBSCRIBER => Role::Subscriber,
            _ => return,
        };
        let candidate = crate::sdp::trickled_candidate(&trickle.candidate_init);
        if let (Some(candidate), Some(peer)) = (candidate, self.peer(role)) {
            peer.add_remote_candidate(now, candidate);
        }
    }

    pub(super) fn handle_published(&mut self, published: proto::TrackPublishedResponse) {
        let (cid, Some(info)) = (TrackCid::from(published.cid), published.track) else {
            return;
        };
        if let Some(publication) = self.publication(&cid) {
            let sid = TrackSid::from(info.sid.as_str());
            publication.info = Some(info);
            self.tell(Event::LocalTrackPublished { cid, sid });
        }
    }

    pub(super) fn handle_unpublished(&mut self, sid: &TrackSid) {
        if let Some(publication) = self.publication_by_sid(sid) {
            publication.info = None;
        }
    }

    pub(super) fn handle_mute(&mut self, mute: &proto::MuteTrackRequest) {
        if let Some(publication) = self.publication_by_sid(&TrackSid::from(mute.sid.as_str())) {
            publication.muted = mute.muted;
            let (cid, muted) = (publication.cid.clone(), mute.muted);
            self.tell(Event::LocalTrackMuted { cid, muted });
        }
    }

    pub(super) fn handle_heard(&mut self, sid: &TrackSid) {
        if let Some(publication) = self.publication_by_sid(sid) {
            let cid = publication.cid.clone();
            self.tell(Event::LocalTrackHeard { cid });
        }
    }

    pub(super) fn published_tracks(&self) -> Vec<proto::TrackPublishedResponse> {
        let known = self.publications.iter().filter(|publication| publication.info.is_some());
        known
            .map(|publication| proto::TrackPublishedResponse {
                cid: publication.cid.to_string(),
                track: publication.info.clone(),
            })
            .collect()
    }

    fn publication(&mut self, cid: &TrackCid) -> Option<&mut Publication> {
        self.publications.iter_mut().find(|publication| publication.cid == *cid)
    }

    fn publication_by_sid(&mut self, sid: &TrackSid) -> Option<&mut Publication> {
        let is_it = |info: &proto::TrackInfo| info.sid == sid.as_str();
        self.publications.iter_mut().find(|publication| publication.info.as_ref().is_some_and(is_it))
    }
}

fn channel(label: &str, reliable: bool) -> ChannelConfig {
    let reliability = if reliable { Reliability::Reliable } else { Reliability::MaxRetransmits { retransmits: 0 } };
    ChannelConfig { label: label.to_owned(), ordered: reliable, reliability, ..ChannelConfig::default() }
}
