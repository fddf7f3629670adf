//! The task that owns a stay: it waits, tells the engine what happened, and carries out what the engine wants.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use str0m::net::Protocol;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Bytes;

use super::RoomOptions;
use super::audio::{Listener, SourceEnd, SourceQueue, source};
use super::handle::{Answer, Command};
use super::socket::{MAX_PACKET, Sockets, Tcp};
use crate::audio::{AudioFrame, FRAME_MS};
use crate::engine::{Engine, Event, Output, PublishOptions, Role, Transport};
use crate::error::{CloseReason, LinkError, RoomError};
use crate::ids::{TrackCid, TrackSid};
use crate::link::Link;
use crate::video::Picture;

/// Packets from TCP connections that wait.
const TCP_QUEUE: usize = 256;
/// UDP packets that are taken at once, before anything else has its turn.
const MAX_BURST: usize = 32;
/// A clock that is later than this does not catch up: what was not said in time is not said.
const MAX_LATE: Duration = Duration::from_millis(200);
/// When there is nothing to wait for, the task looks again after this.
const IDLE: Duration = Duration::from_secs(60);

/// Everything of a stay.
pub(super) struct Task {
    engine: Engine,
    local_ip: IpAddr,
    use_udp: bool,
    audio_queue: usize,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    close: watch::Sender<Option<CloseReason>>,
    link: Option<Link>,
    publisher: Option<Sockets>,
    subscriber: Option<Sockets>,
    bound: u64,
    tcp: mpsc::Receiver<Tcp>,
    tcp_sender: mpsc::Sender<Tcp>,
    buffer: Box<[u8; MAX_PACKET]>,
    sources: Vec<SourceQueue>,
    /// When the next frame of our tracks is due.
    frame_at: Instant,
    listeners: HashMap<TrackSid, Listener>,
    publishing: HashMap<TrackCid, (SourceEnd, Answer<SourceEnd>)>,
    pictures: HashMap<u32, Answer<Picture>>,
    answers: HashMap<u32, Answer<()>>,
}

/// What the task waited for.
enum Happened {
    Order(Option<Command>),
    Signal(Result<Bytes, LinkError>),
    Packets(Role),
    Tcp(Option<Tcp>),
    Time,
}

impl Task {
    pub(super) fn new(
        engine: Engine,
        local_ip: IpAddr,
        options: &RoomOptions,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        close: watch::Sender<Option<CloseReason>>,
    ) -> Self {
        let (tcp_sender, tcp) = mpsc::channel(TCP_QUEUE);
        let frames = options.audio_queue.as_millis() / u128::from(FRAME_MS);
        Self {
            engine,
            local_ip,
            use_udp: options.transport != Transport::Tcp,
            audio_queue: usize::try_from(frames).unwrap_or(usize::MAX).clamp(1, 3_000),
            commands,
            events,
            close,
            link: None,
            publisher: None,
            subscriber: None,
            bound: 0,
            tcp,
            tcp_sender,
            buffer: Box::new([0; MAX_PACKET]),
            sources: Vec::new(),
            frame_at: Instant::now(),
            listeners: HashMap::new(),
            publishing: HashMap::new(),
            pictures: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    /// Lives through the stay.
    pub(super) async fn run(mut self) {
        loop {
            self.carry_out();
            if let Some(reason) = self.engine.closed() {
                // Whoever waits for an answer gets one: its sender is dropped with the task.
                self.close.send_replace(Some(reason));
                return;
            }
            let happened = self.wait().await;
            self.handle(Instant::now(), happened);
        }
    }

    async fn wait(&mut self) -> Happened {
        let now = Instant::now();
        let at = self.engine.poll_timeout().unwrap_or(now + IDLE);
        let at = if self.sources.is_empty() { at } else { at.min(self.frame_at) };
        tokio::select! {
            order = self.commands.recv() => Happened::Order(order),
            signal = next(self.link.as_mut()) => Happened::Signal(signal),
            () = readable(self.publisher.as_ref()) => Happened::Packets(Role::Publisher),
            () = readable(self.subscriber.as_ref()) => Happened::Packets(Role::Subscriber),
            tcp = self.tcp.recv() => Happened::Tcp(tcp),
            // Even if it has passed: what has arrived is known only once the runtime has looked at its sockets.
            () = tokio::time::sleep_until(at.into()) => {
                // Whoever reads a TCP connection has its turn, too.
                tokio::task::yield_now().await;
                Happened::Time
            }
        }
    }

    fn handle(&mut self, now: Instant, happened: Happened) {
        match happened {
            Happened::Order(Some(command)) => self.handle_command(now, command),
            // The last handle is gone.
            Happened::Order(None) => self.engine.leave(),
            Happened::Signal(Ok(message)) => self.engine.handle_signal(now, &message),
            Happened::Signal(Err(error)) => {
                self.link = None;
                self.engine.handle_link_lost(now, error);
            }
            Happened::Packets(role) => self.take_packets(now, role),
            Happened::Tcp(Some(tcp)) => self.take_tcp(now, tcp),
            Happened::Tcp(None) | Happened::Time => {}
        }
        // Whatever happened: what was due meanwhile is done.
        self.send_frames(now);
        self.take_waiting(now);
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
    }

    /// Takes what has arrived already. On a busy machine this task may be late itself: packets that wait are not, and without them there
    /// would be silence in the midst of a word.
    fn take_waiting(&mut self, now: Instant) {
        self.take_packets(now, Role::Publisher);
        self.take_packets(now, Role::Subscriber);
        for _ in 0..MAX_BURST {
            let Ok(tcp) = self.tcp.try_recv() else { return };
            self.take_tcp(now, tcp);
            self.carry_out();
        }
    }

    fn take_tcp(&mut self, now: Instant, tcp: Tcp) {
        match tcp {
            Tcp::Packet { role, local, remote, packet } => {
                self.engine.handle_packet(now, role, Protocol::Tcp, remote, local, &packet);
            }
            Tcp::Open { role, sockets, local, remote, outgoing } => {
                let ours = self.sockets(role).as_mut().filter(|ours| ours.number == sockets);
                if let Some(ours) = ours {
                    ours.add(local, remote, outgoing);
                    self.engine.handle_local_address(now, role, Protocol::Tcp, local);
                }
            }
        }
    }

    fn take_packets(&mut self, now: Instant, role: Role) {
        for _ in 0..MAX_BURST {
            let sockets = match role {
                Role::Publisher => &self.publisher,
                Role::Subscriber => &self.subscriber,
            };
            let taken = sockets.as_ref().and_then(|sockets| sockets.take(&mut self.buffer[..]));
            let Some((length, source, destination)) = taken else {
                return;
            };
            let packet = self.buffer.get(..length).unwrap_or_default();
            self.engine.handle_packet(now, role, Protocol::Udp, source, destination, packet);
            self.carry_out();
        }
    }

    /// Sends the frames of our tracks that are due.
    fn send_frames(&mut self, now: Instant) {
        if now.saturating_duration_since(self.frame_at) > MAX_LATE {
            self.frame_at = now;
        }
        while self.frame_at <= now {
            self.frame_at += Duration::from_millis(FRAME_MS);
            let engine = &mut self.engine;
            for source in &mut self.sources {
                if let Err(error) = source.next(|cid, samples| engine.send_audio(now, cid, samples)) {
                    tracing::debug!(%error, "audio not sent");
                }
            }
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Publish { options, answer } => self.publish(now, options, answer),
            Command::Unpublish { cid } => {
                self.sources.retain(|source| source.cid != cid);
                self.engine.unpublish(now, &cid);
            }
            Command::Mute { cid, muted } => self.engine.mute(&cid, muted),
            Command::Listen { track, answer } => {
                let listened = self.engine.listen(&track, true).map(|()| {
                    let (stream, listener) = super::AudioStream::new(track.clone());
                    self.listeners.insert(track, listener);
                    stream
                });
                tell(answer, listened);
            }
            Command::Subscribe { track, subscribe } => self.engine.set_subscribed(&track, subscribe),
            Command::Picture { track, timeout, answer } => {
                let request = self.engine.take_picture(now, &track, timeout);
                self.pictures.insert(request, answer);
            }
            Command::Attributes { attributes, answer } => {
                let request = self.engine.set_attributes(now, attributes);
                self.answers.insert(request, answer);
            }
            Command::Data { packet, answer } => tell(answer, self.engine.send_data(now, packet)),
            Command::Text { options, text, answer } => tell(answer, self.engine.send_text(now, &options, &text)),
            Command::OpenText { options, answer } => tell(answer, self.engine.open_text(now, &options)),
            Command::WriteText { stream, text, answer } => tell(answer, self.engine.write_text(now, &stream, &text)),
            Command::CloseText { stream, attributes } => {
                if let Err(error) = self.engine.close_text(now, &stream, attributes) {
                    tracing::debug!(%error, "text not closed");
                }
            }
            Command::Participants { answer } => tell(answer, Ok(self.engine.participants().cloned().collect())),
            Command::Leave => self.engine.leave(),
        }
    }

    fn publish(&mut self, now: Instant, options: PublishOptions, answer: Answer<SourceEnd>) {
        let rate = options.rate;
        match self.engine.publish_audio(now, options) {
            Ok(cid) => {
                let (end, queue) = source(cid.clone(), rate, self.audio_queue);
                self.sources.push(queue);
                self.publishing.insert(cid, (end, answer));
            }
            Err(error) => tell(answer, Err(error.into())),
        }
    }

    /// Does all that the engine wants.
    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { role, transmit } => {
                    if let Some(sockets) = self.sockets(role) {
                        sockets.send(&transmit);
                    }
                }
                Output::Audio { track, frame } => self.hear(&track, frame),
                Output::Event(event) => self.tell_event(event),
                Output::Connect { url, token } => self.link = Some(Link::open(url, token.0)),
                Output::Disconnect => self.link = None,
                Output::Signal(message) => {
                    if self.link.as_ref().is_some_and(|link| !link.send(message)) {
                        self.engine.handle_link_lost(Instant::now(), LinkError::Timeout);
                    }
                }
                Output::Bind(role) => self.bind(role),
                Output::ConnectTcp { role, remote } => {
                    let told = self.tcp_sender.clone();
                    if let Some(sockets) = self.sockets(role) {
                        sockets.connect(role, remote, told);
                    }
                }
                Output::Picture { request, picture } => {
                    if let Some(answer) = self.pictures.remove(&request) {
                        tell(answer, picture);
                    }
                }
                Output::Answered { request, result } => {
                    if let Some(answer) = self.answers.remove(&request) {
                        tell(answer, result);
                    }
                }
            }
        }
    }

    fn bind(&mut self, role: Role) {
        self.bound += 1;
        let now = Instant::now();
        match Sockets::bind(self.bound, self.use_udp.then_some(self.local_ip)) {
            Ok(sockets) => {
                let address = sockets.local_address();
                *self.sockets(role) = Some(sockets);
                if let Some(address) = address {
                    self.engine.handle_local_address(now, role, Protocol::Udp, address);
                }
                self.engine.handle_bound(now, role);
            }
            Err(error) => {
                tracing::warn!(%error, "no socket for media");
                self.engine.close(CloseReason::NoSocket);
            }
        }
    }

    fn hear(&mut self, track: &TrackSid, frame: AudioFrame) {
        let heard = self.listeners.get(track).is_some_and(|listener| listener.hear(frame));
        if !heard {
            self.listeners.remove(track);
            // It reaches us no more, or it did: nothing to decode in either case.
            let _ = self.engine.listen(track, false);
        }
    }

    fn tell_event(&mut self, event: Event) {
        match &event {
            Event::LocalTrackPublished { cid, sid } => self.hand_over(cid, sid),
            Event::LocalTrackRefused { cid, reason } => {
                self.sources.retain(|source| source.cid != *cid);
                if let Some((_, answer)) = self.publishing.remove(cid) {
                    tell(answer, Err(RoomError::Refused(*reason)));
                }
            }
            Event::TrackUnsubscribed { track } => {
                self.listeners.remove(track);
            }
            // Told by the channel's end, for which there is always room.
            Event::Closed(_) => return,
            _ => {}
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.engine.close(CloseReason::EventsNotRead);
        }
    }

    /// Our track is known: its source goes to whoever asked for it. If nobody waits any more, it is taken back.
    fn hand_over(&mut self, cid: &TrackCid, sid: &TrackSid) {
        if let Some((mut end, answer)) = self.publishing.remove(cid) {
            end.sid = sid.clone();
            if answer.send(Ok(end)).is_err() {
                self.sources.retain(|source| source.cid != *cid);
                self.engine.unpublish(Instant::now(), cid);
            }
        }
    }

    fn sockets(&mut self, role: Role) -> &mut Option<Sockets> {
        match role {
            Role::Publisher => &mut self.publisher,
            Role::Subscriber => &mut self.subscriber,
        }
    }
}

/// Answers, if somebody still waits.
fn tell<T>(answer: Answer<T>, result: Result<T, RoomError>) {
    let _ = answer.send(result);
}

async fn next(link: Option<&mut Link>) -> Result<Bytes, LinkError> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn readable(sockets: Option<&Sockets>) {
    match sockets {
        Some(sockets) => sockets.readable().await,
        None => std::future::pending().await,
    }
}
