//! A participant as a value: everything that happens goes in, everything to do comes out, and time is an argument.
//!
//! The [`Engine`] holds the signalling state machine, both connections, the codecs and the streams, and does no I/O. The
//! shell around it ([`Room`](crate::Room), or one of your own on another runtime) opens sockets, waits, and carries.
//!
//! After every call of a `handle_…` method, or of one that asks for something, take all that [`Engine::poll_output`] has,
//! in order; then wait until the earliest of a message, a packet and [`Engine::poll_timeout`].

mod data;
mod link;
mod output;
mod picture;
mod publish;
mod roster;
mod subscribe;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use prost::Message;
use str0m::net::Protocol;

use self::data::Data;
use self::link::{Link, Recovery};
pub use self::output::{Event, Output};
use self::picture::Look;
use self::publish::{Publication, Request};
pub use self::publish::{PublishOptions, Sending};
use self::subscribe::{Negotiation, Subscription};
use crate::address::Address;
use crate::audio::SampleRate;
use crate::error::{CloseReason, LinkError};
use crate::ids::{Identity, ParticipantSid};
use crate::participant::Participant;
use crate::peer::Peer;
pub use crate::peer::Role;
use crate::proto::{FromServer, SignalRequest, SignalResponse, ToServer};

/// How packets of media travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// UDP; when it does not get through within one and a half seconds, TCP beside it.
    #[default]
    Auto,
    /// UDP alone.
    Udp,
    /// TCP alone.
    Tcp,
}

/// What an [`Engine`] is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub address: Address,
    /// Of the audio that is heard.
    pub rate: SampleRate,
    /// Hear and see everybody without asking for it.
    pub auto_subscribe: bool,
    /// How packets of media travel.
    pub transport: Transport,
    /// How long a lost connection is tried to get back, before the stay is over.
    pub reconnect_timeout: Duration,
    /// Bytes that an arriving text or byte stream may have.
    pub max_stream_bytes: usize,
    /// Text that nobody else uses, for the ids of streams and tracks: at least eight random characters.
    pub nonce: String,
    /// What the wall clock showed at the `now` of [`Engine::new`], in milliseconds since 1970.
    pub started_unix_ms: i64,
}

impl Config {
    /// Audio at 48 kHz, everybody heard, UDP before TCP, a minute to come back, texts up to a megabyte.
    pub fn new(address: Address, nonce: impl Into<String>, started_unix_ms: i64) -> Self {
        Self {
            address,
            rate: SampleRate::default(),
            auto_subscribe: true,
            transport: Transport::default(),
            reconnect_timeout: Duration::from_secs(60),
            max_stream_bytes: 1 << 20,
            nonce: nonce.into(),
            started_unix_ms,
        }
    }
}

/// What is known of ourselves.
#[derive(Debug, Default)]
struct Local {
    sid: ParticipantSid,
    identity: Identity,
    active: bool,
    /// What we asked to be set, to be asked for again in a new session.
    attributes: BTreeMap<String, String>,
}

/// A participant of a room, without sockets and clock.
pub struct Engine {
    config: Config,
    token: String,
    started: Instant,
    link: Link,
    recovery: Recovery,
    publisher: Option<Peer>,
    subscriber: Option<Peer>,
    local: Local,
    room_name: String,
    roster: BTreeMap<Identity, Participant>,
    publications: Vec<Publication>,
    negotiation: Negotiation,
    subscriptions: Vec<Subscription>,
    looks: Vec<Look>,
    data: Data,
    outputs: VecDeque<Output>,
    requests: Vec<Request>,
    /// Numbers ids and requests.
    counter: u32,
}

impl Engine {
    /// A participant that is about to join with this token.
    pub fn new(now: Instant, config: Config, token: impl Into<String>) -> Self {
        let mut engine = Self {
            data: Data::new(config.max_stream_bytes),
            config,
            token: token.into(),
            started: now,
            link: Link::Waiting { resume: false, at: now },
            recovery: Recovery::default(),
            publisher: None,
            subscriber: None,
            local: Local::default(),
            room_name: String::new(),
            roster: BTreeMap::new(),
            publications: Vec::new(),
            negotiation: Negotiation::default(),
            subscriptions: Vec::new(),
            looks: Vec::new(),
            outputs: VecDeque::new(),
            requests: Vec::new(),
            counter: 0,
        };
        engine.open_link(now, false);
        engine
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        // Packets first: what they are about has happened before what is told of it.
        for role in [Role::Publisher, Role::Subscriber] {
            if let Some(transmit) = self.peer(role).and_then(Peer::poll_transmit) {
                return Some(Output::Transmit { role, transmit });
            }
        }
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let peers = self.peers().filter_map(Peer::poll_timeout);
        let subscriptions = self.subscriptions.iter().filter_map(Subscription::poll_timeout);
        let looks = self.looks.iter().map(Look::poll_timeout);
        let requests = self.requests.iter().map(Request::poll_timeout);
        peers.chain(subscriptions).chain(looks).chain(requests).chain(self.link_timeout()).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for peer in [&mut self.publisher, &mut self.subscriber].into_iter().flatten() {
            peer.handle_timeout(now);
        }
        self.handle_peers(now);
        self.handle_silence(now);
        self.handle_looks(now);
        self.handle_requests(now);
        self.handle_link_timeout(now);
    }

    /// A message has come on the signalling socket.
    pub fn handle_signal(&mut self, now: Instant, message: &[u8]) {
        let Ok(response) = SignalResponse::decode(message) else {
            self.lose_link(now, LinkError::Protocol);
            return;
        };
        // Of a newer server there may be messages that are not known here.
        if let Some(message) = response.message {
            self.handle_message(now, message);
        }
        self.handle_peers(now);
    }

    /// A packet has come: from where, and to which of our addresses.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        role: Role,
        proto: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        packet: &[u8],
    ) {
        if let Some(peer) = self.peer(role) {
            peer.handle_packet(now, proto, source, destination, packet);
            self.handle_peers(now);
        }
    }

    /// A socket that was asked for with [`Output::Bind`] is there; or a TCP connection that was asked for with
    /// [`Output::ConnectTcp`], with its address on our side.
    pub fn handle_local_address(&mut self, now: Instant, role: Role, proto: Protocol, address: SocketAddr) {
        if let Some(peer) = self.peer(role) {
            peer.add_local_address(now, proto, address);
        }
    }

    /// All the sockets that were asked for with [`Output::Bind`] are there.
    pub fn handle_bound(&mut self, now: Instant, role: Role) {
        match role {
            Role::Publisher => self.negotiate(now, false),
            Role::Subscriber => self.accept_waiting_offer(now),
        }
    }

    fn handle_message(&mut self, now: Instant, message: FromServer) {
        match message {
            FromServer::Join(join) => self.handle_join(now, *join),
            FromServer::Reconnect(reconnect) => self.handle_reconnect(now, &reconnect),
            FromServer::Leave(leave) => self.handle_leave(now, &leave),
            FromServer::RefreshToken(token) => self.handle_token(token),
            FromServer::Pong(_) | FromServer::PongResp(_) => self.handle_pong(),
            FromServer::Answer(answer) => self.handle_answer(now, &answer),
            FromServer::Offer(offer) => self.handle_offer(now, offer),
            FromServer::Trickle(trickle) => self.handle_trickle(now, &trickle),
            FromServer::Update(update) => self.handle_participants(now, update.participants),
            FromServer::SpeakersChanged(changed) => self.handle_speakers(changed),
            FromServer::RoomUpdate(update) => self.handle_room(update),
            FromServer::ConnectionQuality(quality) => self.handle_quality(quality),
            FromServer::TrackPublished(published) => self.handle_published(published),
            FromServer::TrackUnpublished(gone) => self.handle_unpublished(&gone.track_sid.into()),
            FromServer::Mute(mute) => self.handle_mute(&mute),
            FromServer::RequestResponse(response) => self.handle_response(response),
            FromServer::SubscriptionResponse(response) => self.handle_subscription(response),
            FromServer::TrackSubscribed(subscribed) => self.handle_heard(&subscribed.track_sid.into()),
            FromServer::RoomMoved(moved) => self.handle_moved(now, *moved),
        }
    }

    /// What the connections have to tell.
    fn handle_peers(&mut self, now: Instant) {
        while let Some(event) = self.publisher.as_mut().and_then(Peer::poll_event) {
            self.handle_publisher_event(now, event);
        }
        while let Some(event) = self.subscriber.as_mut().and_then(Peer::poll_event) {
            self.handle_subscriber_event(now, event);
        }
        self.flush_data(now);
        self.check_media(now);
        self.fall_back(now);
    }

    fn peer(&mut self, role: Role) -> Option<&mut Peer> {
        match role {
            Role::Publisher => self.publisher.as_mut(),
            Role::Subscriber => self.subscriber.as_mut(),
        }
    }

    fn peers(&self) -> impl Iterator<Item = &Peer> {
        [&self.publisher, &self.subscriber].into_iter().flatten()
    }

    fn send(&mut self, message: ToServer) {
        let request = SignalRequest { message: Some(message) };
        self.outputs.push_back(Output::Signal(request.encode_to_vec()));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// A number that no other id or request of this participant has.
    fn next_number(&mut self) -> u32 {
        self.counter = self.counter.wrapping_add(1);
        self.counter
    }

    fn unix_ms(&self, now: Instant) -> i64 {
        let since = i64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(i64::MAX);
        self.config.started_unix_ms.saturating_add(since)
    }

    /// Who we are in the room; empty before joining.
    pub fn identity(&self) -> &Identity {
        &self.local.identity
    }

    /// The others in the room.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.roster.values()
    }

    /// Why the stay ended; nothing while it lasts.
    pub fn closed(&self) -> Option<CloseReason> {
        match self.link {
            Link::Closed(reason) => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
