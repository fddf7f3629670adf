//! The signalling socket: joining, pings, and coming back after a loss.
//!
//! A lost socket is **resumed** (the session, both connections and their media go on) as long as that may work; after
//! that the room is **rejoined** in a new session. Between tries there is more and more time.

use std::time::{Duration, Instant};

use super::{Config, Engine, Event, Output, Transport};
use crate::error::{CloseReason, DisconnectReason, LinkError};
use crate::peer::{Peer, PeerState, Role};
use crate::proto::{self, ToServer};

/// From the wish for a socket to the server's first message.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// From the offer to packets that flow.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever is sent away sees media end before the reason is here: from that on the reason is waited for.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);
/// How long UDP is tried before TCP is tried beside it.
const UDP_PATIENCE: Duration = Duration::from_millis(1_500);
/// Resumes that may fail, while no media flows, before the room is joined anew.
const MAX_RESUMES: u32 = 3;
/// Between tries: this, times the square of their number, ...
const RETRY_STEP: Duration = Duration::from_millis(300);
/// ... up to this.
const RETRY_MAX: Duration = Duration::from_secs(7);

/// Where signalling stands.
#[derive(Debug)]
pub(super) enum Link {
    /// Tried at that time.
    Waiting { resume: bool, at: Instant },
    /// A socket was asked for; the server has not greeted.
    Opening { deadline: Instant },
    /// In the room.
    Open { ping_at: Instant, pong_by: Option<Instant> },
    /// Over.
    Closed(CloseReason),
}

/// What is kept over losses of the link.
#[derive(Debug)]
pub(super) struct Recovery {
    joined: bool,
    /// Since when something is wrong.
    lost_at: Option<Instant>,
    tries: u32,
    /// The session is of no use any more.
    must_rejoin: bool,
    /// Since when a connection is closed or broken.
    failed_at: Option<Instant>,
    /// What is told once media flows again.
    announce: Option<Event>,
    ping_interval: Duration,
    ping_timeout: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            joined: false,
            lost_at: None,
            tries: 0,
            must_rejoin: false,
            failed_at: None,
            announce: None,
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(15),
        }
    }
}

impl Engine {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.link, Link::Open { .. })
    }

    /// Something was lost and is not back yet.
    pub(super) fn is_recovering(&self) -> bool {
        self.recovery.lost_at.is_some()
    }

    pub(super) fn open_link(&mut self, now: Instant, resume: bool) {
        self.link = Link::Opening { deadline: now + OPEN_TIMEOUT };
        let Config { address, auto_subscribe, .. } = &self.config;
        let url = address.signal(*auto_subscribe, resume.then_some(&self.local.sid));
        let token = super::output::Token(self.token.clone());
        self.outputs.push_back(Output::Connect { url, token });
    }

    /// The signalling socket could not be opened, or is lost.
    pub fn handle_link_lost(&mut self, now: Instant, error: LinkError) {
        self.lose_link(now, error);
    }

    /// Leaves the room. The farewell goes out first.
    pub fn leave(&mut self) {
        if self.is_open() {
            let reason = 1; // The client's own wish.
            self.send(ToServer::Leave(proto::LeaveRequest { reason, ..proto::LeaveRequest::default() }));
        }
        self.close(CloseReason::Left);
    }

    /// Ends the stay from our side, for a reason that the shell has.
    pub fn close(&mut self, reason: CloseReason) {
        if self.closed().is_some() {
            return;
        }
        self.link = Link::Closed(reason);
        self.publisher = None;
        self.subscriber = None;
        self.looks.clear();
        self.requests.clear();
        self.subscriptions.clear();
        self.outputs.push_back(Output::Disconnect);
        self.tell(Event::Closed(reason));
    }

    pub(super) fn lose_link(&mut self, now: Instant, error: LinkError) {
        if self.closed().is_some() || matches!(self.link, Link::Waiting { .. }) {
            return;
        }
        let since = *self.recovery.lost_at.get_or_insert(now);
        let hopeless = matches!(error, LinkError::Refused(401 | 403));
        let late = now.saturating_duration_since(since) >= self.config.reconnect_timeout;
        if !self.recovery.joined || hopeless || late {
            self.close(CloseReason::Lost(error));
            return;
        }
        self.outputs.push_back(Output::Disconnect);
        if since == now && self.recovery.tries == 0 {
            self.tell(Event::Reconnecting);
        }
        let refused = matches!(error, LinkError::Refused(_)) && !matches!(self.link, Link::Open { .. });
        let media_flows = self.peers().all(|peer| peer.state() == PeerState::Connected);
        let resume = !self.recovery.must_rejoin && !refused && (self.recovery.tries < MAX_RESUMES || media_flows);
        self.recovery.must_rejoin = !resume;
        let pause = RETRY_STEP.saturating_mul(self.recovery.tries.saturating_mul(self.recovery.tries)).min(RETRY_MAX);
        self.recovery.tries += 1;
        if pause.is_zero() {
            self.open_link(now, resume);
        } else {
            self.link = Link::Waiting { resume, at: now + pause };
        }
    }

    /// The session is of no use any more: another one is needed.
    pub(super) fn rejoin(&mut self, now: Instant, error: LinkError) {
        self.recovery.must_rejoin = true;
        self.lose_link(now, error);
    }

    pub(super) fn handle_join(&mut self, now: Instant, join: proto::JoinResponse) {
        let Some(participant) = join.participant else {
            self.lose_link(now, LinkError::Protocol);
            return;
        };
        let seconds =
            |seconds: i32, or: u64| Duration::from_secs(u64::try_from(seconds).ok().filter(|s| *s > 0).unwrap_or(or));
        self.recovery.ping_interval = seconds(join.ping_interval, 5);
        self.recovery.ping_timeout = seconds(join.ping_timeout, 15);
        self.link = Link::Open { ping_at: now + self.recovery.ping_interval, pong_by: None };
        let again = std::mem::replace(&mut self.recovery.joined, true);
        self.recovery.must_rejoin = false;
        self.recovery.failed_at = None;
        self.recovery.announce = again.then_some(Event::Rejoined);

        self.local.sid = participant.sid.into();
        self.local.identity = participant.identity.into();
        self.local.active = false;
        self.room_name = join.room.map(|room| room.name).unwrap_or_default();
        self.publisher = Some(Peer::new(now));
        self.subscriber = Some(Peer::new(now));
        self.forget_subscriptions();
        self.forget_publications();
        self.data.forget_channels();
        self.outputs.extend([Output::Bind(Role::Publisher), Output::Bind(Role::Subscriber)]);
        if again {
            self.replace_participants(now, join.other_participants);
            self.repeat_attributes();
        } else {
            self.enter(now, join.other_participants);
        }
        self.announce_tracks();
    }

    /// The session goes on over a new socket. The order counts: first what we think the state is, then the ICE restart.
    pub(super) fn handle_reconnect(&mut self, now: Instant, reconnect: &proto::ReconnectResponse) {
        self.link = Link::Open { ping_at: now + self.recovery.ping_interval, pong_by: None };
        if self.publisher.as_ref().is_none_or(|peer| !peer.is_described()) {
            // Lost before the first answer: there is nothing to resume.
            self.rejoin(now, LinkError::Closed);
            return;
        }
        self.recovery.announce = Some(Event::Resumed);
        let state = self.sync_state();
        self.send(ToServer::SyncState(state));
        // Where one of them lost its way, the other's loss is only not known yet: both go the same one.
        let lost = self.peers().any(|peer| peer.state() == PeerState::Interrupted);
        for role in [Role::Publisher, Role::Subscriber] {
            if let Some(peer) = self.peer(role) {
                peer.roll_back();
                peer.expect_restart(now, lost);
            }
        }
        self.forget_offer();
        self.negotiate(now, true);
        self.repeat_attributes();
        self.repeat_data(reconnect.last_message_seq);
    }

    fn sync_state(&self) -> proto::SyncState {
        let (offer, answer) = self.descriptions();
        proto::SyncState {
            answer,
            offer,
            subscription: Some(self.subscription_state()),
            publish_tracks: self.published_tracks(),
            track_sids_disabled: self.disabled_tracks(),
            datachannel_receive_states: self.data.receive_states(),
            ..proto::SyncState::default()
        }
    }

    pub(super) fn handle_leave(&mut self, now: Instant, leave: &proto::LeaveRequest) {
        match leave.action {
            proto::LeaveRequest::RESUME => self.lose_link(now, LinkError::Closed),
            // Servers before protocol 13 say it with `can_reconnect`.
            action if action == proto::LeaveRequest::RECONNECT || leave.can_reconnect => {
                self.rejoin(now, LinkError::Closed);
            }
            _ => self.close(CloseReason::Server(DisconnectReason::from_number(leave.reason))),
        }
    }

    pub(super) fn handle_token(&mut self, token: String) {
        self.token = token;
        self.tell(Event::TokenRefreshed);
    }

    /// The server has put us into another room, in the same session.
    pub(super) fn handle_moved(&mut self, now: Instant, moved: proto::RoomMovedResponse) {
        self.token = moved.token;
        self.room_name = moved.room.map(|room| room.name).unwrap_or_default();
        if let Some(participant) = moved.participant {
            self.local.sid = participant.sid.into();
            self.local.identity = participant.identity.into();
        }
        self.replace_participants(now, moved.other_participants);
    }

    pub(super) fn handle_pong(&mut self) {
        if let Link::Open { pong_by, .. } = &mut self.link {
            *pong_by = None;
        }
    }

    pub(super) fn link_timeout(&self) -> Option<Instant> {
        match self.link {
            Link::Waiting { at, .. } => Some(at),
            Link::Opening { deadline } => Some(deadline),
            Link::Open { ping_at, pong_by } => {
                let media = self.peers().filter_map(|peer| Some(peer.trying_since()? + MEDIA_TIMEOUT));
                let fallback = self.peers().filter_map(|peer| peer.fallback_at(self.udp_patience()?));
                let farewell = self.recovery.failed_at.map(|at| at + FAREWELL_TIMEOUT);
                media.chain(fallback).chain([ping_at]).chain(pong_by).chain(farewell).min()
            }
            Link::Closed(_) => None,
        }
    }

    pub(super) fn handle_link_timeout(&mut self, now: Instant) {
        match self.link {
            Link::Waiting { resume, at } if at <= now => self.open_link(now, resume),
            Link::Opening { deadline } if deadline <= now => self.lose_link(now, LinkError::Timeout),
            Link::Open { pong_by: Some(by), .. } if by <= now => self.lose_link(now, LinkError::Timeout),
            Link::Open { ping_at, pong_by } if ping_at <= now => {
                let timestamp = self.unix_ms(now);
                self.send(ToServer::PingReq(proto::Ping { timestamp, rtt: 0 }));
                let Recovery { ping_interval, ping_timeout, .. } = self.recovery;
                let pong_by = pong_by.or(Some(now + ping_timeout));
                self.link = Link::Open { ping_at: now + ping_interval, pong_by };
            }
            _ => {}
        }
        self.check_media(now);
        self.fall_back(now);
    }

    /// Sees whether the connections need mending, or are mended.
    pub(super) fn check_media(&mut self, now: Instant) {
        if !self.is_open() {
            return;
        }
        if self.peers().any(|peer| peer.state() == PeerState::Failed) {
            self.recovery.failed_at.get_or_insert(now);
        }
        let late = |peer: &Peer| peer.trying_since().is_some_and(|since| since + MEDIA_TIMEOUT <= now);
        let broken = self.recovery.failed_at.is_some_and(|at| at + FAREWELL_TIMEOUT <= now);
        let failed = broken || self.peers().any(late);
        let interrupted =
            self.peers().any(|peer| peer.state() == PeerState::Interrupted && peer.trying_since().is_none());
        if failed || interrupted {
            // What did not connect, even anew, will not by being tried again; what is interrupted may.
            self.recovery.must_rejoin = failed;
            self.lose_link(now, LinkError::Media);
            return;
        }
        let flows = |peer: &Peer| peer.state() == PeerState::Connected;
        let nothing_to_hear = self.subscriber.as_ref().is_none_or(|peer| !peer.is_described());
        let all_flow = self.publisher.as_ref().is_some_and(flows)
            && (nothing_to_hear || self.subscriber.as_ref().is_some_and(flows));
        if all_flow && let Some(event) = self.recovery.announce.take() {
            self.recovery.lost_at = None;
            self.recovery.tries = 0;
            self.tell(event);
        }
    }

    fn udp_patience(&self) -> Option<Duration> {
        match self.config.transport {
            Transport::Auto => Some(UDP_PATIENCE),
            Transport::Udp => None,
            Transport::Tcp => Some(Duration::ZERO),
        }
    }

    /// Asks for TCP where UDP does not get through.
    pub(super) fn fall_back(&mut self, now: Instant) {
        let Some(patience) = self.udp_patience() else {
            return;
        };
        for role in [Role::Publisher, Role::Subscriber] {
            let Some(peer) = self.peer(role).filter(|peer| peer.fallback_at(patience).is_some_and(|at| at <= now))
            else {
                continue;
            };
            let addresses = peer.fall_back();
            self.outputs.extend(addresses.into_iter().map(|remote| Output::ConnectTcp { role, remote }));
        }
    }
}
