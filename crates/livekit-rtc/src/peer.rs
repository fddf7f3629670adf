//! One of a participant's two connections: str0m, and what LiveKit's way of negotiating needs around it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::format::Codec;
use str0m::media::{Frequency, KeyframeRequestKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive, TcpType, Transmit};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use crate::sdp;

/// Candidates that are kept until the description they belong to is here.
const MAX_EARLY: usize = 64;
/// Of the server's addresses for TCP.
const MAX_TCP_ADDRESSES: usize = 4;
/// Packets of audio that a gap holds back. str0m's default of 15 holds 300 ms of speech for each lost packet.
const REORDERING_AUDIO: usize = 2;
/// Packets of the largest key frame: 400 are half a megabyte.
const REORDERING_VIDEO: usize = 400;
/// The first try of a connectivity check is repeated after this. str0m's default of 250 ms costs as much at every join.
const FIRST_STUN_RETRY: Duration = Duration::from_millis(50);
/// Checks are repeated at least this often; with nine of them unanswered, a connection is gone after 5.5 s.
const MAX_STUN_RETRY: Duration = Duration::from_millis(800);
/// A connection on which nothing arrives for so long is gone: the server answers our checks, and sends its own every two seconds. By itself
/// str0m knows it 15 s after the server's last check.
const SILENCE: Duration = Duration::from_secs(5);
/// Steps of str0m's clock for one of ours, at most.
const MAX_STEPS: usize = 64;

/// Which of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Carries what we send; we make the offers.
    Publisher,
    /// Carries what we receive; the server makes the offers.
    Subscriber,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// Not negotiated, or on its way.
    Connecting,
    /// Packets flow.
    Connected,
    /// Packets flowed, and do not any more: an ICE restart may help.
    Interrupted,
    /// Closed, or broken: only another one helps.
    Failed,
}

/// A connection. Every change is followed by draining str0m, as it demands.
pub(crate) struct Peer {
    rtc: Rtc,
    state: PeerState,
    /// Keys are agreed on (DTLS); an ICE restart keeps them.
    is_secure: bool,
    /// Packets come through (ICE).
    is_reachable: bool,
    timeout: Instant,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    early: Vec<Candidate>,
    described: bool,
    pending: Option<(u32, SdpPendingOffer)>,
    offers: u32,
    tcp_addresses: Vec<SocketAddr>,
    /// Since when it tries to connect.
    trying_since: Option<Instant>,
    /// TCP was asked for in this try.
    fell_back: bool,
    /// TCP is asked for without waiting for UDP: it was in an earlier try, or UDP went silent.
    knows_tcp: bool,
    /// ICE is restarted, and the description that belongs to it is not here: what is sent meanwhile is under the former credentials.
    awaits_description: bool,
    /// When a packet came last.
    heard_at: Instant,
}

impl Peer {
    pub(crate) fn new(now: Instant) -> Self {
        let mut config = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_reordering_size_audio(REORDERING_AUDIO)
            .set_reordering_size_video(REORDERING_VIDEO);
        config.set_initial_stun_rto(FIRST_STUN_RETRY);
        config.set_max_stun_rto(MAX_STUN_RETRY);
        Self {
            rtc: config.build(now),
            state: PeerState::Connecting,
            is_secure: false,
            is_reachable: false,
            timeout: now,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            early: Vec::new(),
            described: false,
            pending: None,
            offers: 0,
            tcp_addresses: Vec::new(),
            trying_since: None,
            fell_back: false,
            knows_tcp: false,
            awaits_description: false,
            heard_at: now,
        }
    }

    pub(crate) fn state(&self) -> PeerState {
        self.state
    }

    /// Both descriptions are here.
    pub(crate) fn is_described(&self) -> bool {
        self.described
    }

    /// Since when it has been trying to connect; nothing when it is connected, or nothing was negotiated.
    pub(crate) fn trying_since(&self) -> Option<Instant> {
        self.trying_since
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let silent_at = (self.state == PeerState::Connected).then(|| self.heard_at + SILENCE);
        let timeout = silent_at.map_or(self.timeout, |at| at.min(self.timeout));
        (self.state != PeerState::Failed).then_some(timeout)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.timeout <= now {
            self.drain(now);
        }
        if self.state == PeerState::Connected && self.heard_at + SILENCE <= now {
            tracing::debug!("connection is silent");
            self.state = PeerState::Interrupted;
            self.is_reachable = false;
            self.knows_tcp = true;
        }
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        proto: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        packet: &[u8],
    ) {
        // What is no STUN, DTLS or RTP was not meant for us; what str0m cannot use it leaves out itself.
        let Ok(receive) = Receive::new(proto, source, destination, packet) else {
            return;
        };
        self.heard_at = now;
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
            tracing::debug!(%error, "packet left out");
        }
        self.drain(now);
    }

    /// A socket is there for it: a UDP one, or a TCP connection that was made to the server.
    pub(crate) fn add_local_address(&mut self, now: Instant, proto: Protocol, address: SocketAddr) {
        let candidate = match proto {
            Protocol::Tcp => Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build(),
            _ => Candidate::host(address, proto),
        };
        match candidate {
            Ok(candidate) => {
                self.rtc.add_local_candidate(candidate);
                self.advance(now);
            }
            Err(error) => tracing::debug!(%error, "local address left out"),
        }
    }

    pub(crate) fn add_remote_candidate(&mut self, now: Instant, candidate: Candidate) {
        self.note_tcp(sdp::tcp_address(&candidate));
        if self.described {
            self.rtc.add_remote_candidate(candidate);
            self.advance(now);
        } else if self.early.len() < MAX_EARLY {
            self.early.push(candidate);
        }
    }

    fn note_tcp(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            if self.tcp_addresses.len() < MAX_TCP_ADDRESSES && !self.tcp_addresses.contains(&address) {
                self.tcp_addresses.push(address);
            }
        }
    }

    /// An offer of ours is not answered yet.
    pub(crate) fn is_offering(&self) -> bool {
        self.pending.is_some()
    }

    /// Forgets an offer that will not be answered any more.
    pub(crate) fn roll_back(&mut self) {
        self.pending = None;
    }

    /// Makes an offer with these changes: its number and text. Nothing when there is nothing to negotiate.
    pub(crate) fn offer(&mut self, now: Instant, change: impl FnOnce(&mut SdpApi<'_>)) -> Option<(u32, String)> {
        let mut api = self.rtc.sdp_api();
        change(&mut api);
        let (offer, pending) = api.apply()?;
        self.offers += 1;
        self.pending = Some((self.offers, pending));
        if self.state != PeerState::Connected {
            self.trying_since.get_or_insert(now);
        }
        self.drain(now);
        Some((self.offers, offer.to_sdp_string()))
    }

    /// Takes the server's answer to our offer; `false` if it does not fit. An answer to an older offer is left out.
    pub(crate) fn handle_answer(&mut self, now: Instant, id: u32, sdp: &str) -> bool {
        let fits = |offer: &mut (u32, SdpPendingOffer)| id == 0 || offer.0 == id;
        let Some((_, pending)) = self.pending.take_if(fits) else {
            return true;
        };
        let Ok(answer) = SdpAnswer::from_sdp_string(sdp) else {
            return false;
        };
        if let Err(error) = self.rtc.sdp_api().accept_answer(pending, answer) {
            tracing::debug!(%error, "answer refused");
            return false;
        }
        self.handle_description(now, sdp);
        true
    }

    /// The next offer has another track in this section. The numbers of its packets are another sequence, and str0m (0.25) would take
    /// those below the last one's for late ones: it begins the section anew.
    pub(crate) fn forget_section(&mut self, mid: Mid) {
        self.rtc.direct_api().remove_media(mid);
    }

    /// Takes the server's offer, and answers it; nothing if it cannot be used.
    pub(crate) fn handle_offer(&mut self, now: Instant, sdp: &str) -> Option<String> {
        let offer = SdpOffer::from_sdp_string(sdp).ok()?;
        let answer = match self.rtc.sdp_api().accept_offer(offer) {
            Ok(answer) => answer.to_sdp_string(),
            Err(error) => {
                tracing::debug!(%error, "offer refused");
                return None;
            }
        };
        self.handle_description(now, sdp);
        Some(answer)
    }

    fn handle_description(&mut self, now: Instant, sdp: &str) {
        self.note_tcp(sdp::tcp_addresses(sdp));
        self.described = true;
        self.awaits_description = false;
        self.advance(now);
        for candidate in std::mem::take(&mut self.early) {
            self.rtc.add_remote_candidate(candidate);
            self.advance(now);
        }
        if self.state != PeerState::Connected {
            self.trying_since.get_or_insert(now);
        }
    }

    /// ICE is about to be restarted. A connection that is not `lost` goes on meanwhile, unless it goes by TCP: the server hangs up on what was
    /// opened with the former credentials, so another is opened with the new ones, without waiting for UDP.
    pub(crate) fn expect_restart(&mut self, now: Instant, lost: bool) {
        let by_tcp = self.fell_back;
        if self.state == PeerState::Connected {
            if !lost && !by_tcp {
                return;
            }
            self.state = PeerState::Interrupted;
        }
        self.is_reachable = false;
        self.trying_since = Some(now);
        self.fell_back = false;
        self.knows_tcp |= by_tcp;
        self.awaits_description = true;
    }

    /// When TCP should be tried, if connecting takes this long; nothing if it was, or cannot be.
    pub(crate) fn fallback_at(&self, patience: Duration) -> Option<Instant> {
        // The first packet on a TCP connection says to the server whose it is, by the credentials in it.
        let possible = !self.fell_back && !self.awaits_description && !self.tcp_addresses.is_empty();
        let patience = if self.knows_tcp { Duration::ZERO } else { patience };
        self.trying_since.filter(|_| possible).map(|since| since + patience)
    }

    /// TCP is being tried: where to.
    pub(crate) fn fall_back(&mut self) -> Vec<SocketAddr> {
        self.fell_back = true;
        self.tcp_addresses.clone()
    }

    /// As if the other side had closed it.
    #[cfg(test)]
    pub(crate) fn fail(&mut self) {
        self.state = PeerState::Failed;
    }

    /// Sends an Opus packet; `ticks` is its time at 48 kHz. Before the section is negotiated there is nowhere to send it.
    pub(crate) fn write_audio(&mut self, now: Instant, mid: Mid, audio: &OutgoingAudio<'_>) {
        let Some(writer) = self.rtc.writer(mid) else {
            return;
        };
        let opus = writer.payload_params().find(|params| params.spec().codec == Codec::Opus).map(|params| params.pt());
        let Some(pt) = opus else {
            return;
        };
        let time = MediaTime::new(audio.ticks, Frequency::FORTY_EIGHT_KHZ);
        let writer = writer.start_of_talkspurt(audio.starts).audio_level(audio.decibels, audio.decibels > -60);
        if let Err(error) = writer.write(pt, now, time, audio.packet) {
            tracing::debug!(%error, "audio not sent");
        }
        self.drain(now);
    }

    /// Asks the sender of this section for a key frame; `false` if it cannot be asked yet.
    pub(crate) fn request_key_frame(&mut self, now: Instant, mid: Mid) -> bool {
        let asked = self
            .rtc
            .writer(mid)
            .is_some_and(|mut writer| writer.request_keyframe(None, KeyframeRequestKind::Pli).is_ok());
        self.drain(now);
        asked
    }

    /// Sends a message on a data channel; `false` if it has no room now.
    pub(crate) fn write_data(&mut self, now: Instant, channel: ChannelId, message: &[u8]) -> bool {
        let Some(mut channel) = self.rtc.channel(channel) else {
            return false;
        };
        let written = matches!(channel.write(true, message), Ok(true));
        self.drain(now);
        written
    }

    /// Lets str0m see what has changed at once: its connectivity checks begin with the first time that it is told, and a
    /// connection on which the other side cannot begin (TCP) would wait for ever.
    fn advance(&mut self, now: Instant) {
        self.drain(now);
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            tracing::debug!(%error, "connection failed");
            self.state = PeerState::Failed;
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        let mut steps = 0;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => self.transmits.push_back(transmit),
                Ok(Output::Event(event)) => self.note(event),
                Ok(Output::Timeout(at)) if at > now || steps == MAX_STEPS => {
                    self.timeout = at;
                    break;
                }
                Ok(Output::Timeout(_)) => {
                    steps += 1;
                    if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
                        tracing::debug!(%error, "connection failed");
                        self.state = PeerState::Failed;
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "connection failed");
                    self.state = PeerState::Failed;
                    return;
                }
            }
        }
        if !self.rtc.is_alive() {
            self.state = PeerState::Failed;
        }
    }

    fn note(&mut self, event: Event) {
        match &event {
            Event::Connected => self.is_secure = true,
            Event::IceConnectionStateChange(IceConnectionState::Connected | IceConnectionState::Completed) => {
                self.is_reachable = true;
            }
            // Before the first connection there was nothing to lose: more addresses may come.
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.state == PeerState::Connected => {
                self.state = PeerState::Interrupted;
                self.is_reachable = false;
            }
            Event::Closed => self.state = PeerState::Failed,
            _ => {}
        }
        if self.is_secure && self.is_reachable && self.state != PeerState::Failed {
            self.state = PeerState::Connected;
            self.trying_since = None;
        }
        self.events.push_back(event);
    }
}

/// A packet of our audio.
pub(crate) struct OutgoingAudio<'a> {
    pub(crate) packet: &'a [u8],
    /// Its time at 48 kHz.
    pub(crate) ticks: u64,
    /// The first after a silence.
    pub(crate) starts: bool,
    /// How loud, from −127 to 0.
    pub(crate) decibels: i8,
}
