//! A stay in a room: the [`Engine`] with sockets, in one task that owns everything.
//!
//! The task also runs the codec: about 0.1 ms for each frame that is sent and 0.05 ms for each that is listened to, every
//! 20 ms. That is what there is to know for an executor: no call of it is long, and fifty rooms are a core or two.

mod audio;
mod handle;
mod socket;
mod task;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};

pub use self::audio::{AudioSource, AudioStream};
pub use self::handle::{Room, TextWriter};
use crate::address::Address;
use crate::audio::SampleRate;
use crate::engine::{Config, Engine, Event, Transport};
use crate::error::{CloseReason, LinkError};

/// Events that may wait to be read. When they are more, the stay ends with
/// [`EventsNotRead`](CloseReason::EventsNotRead): an application that does not know what happens is worse than none.
const MAX_EVENTS: usize = 1_024;
/// Commands that may wait; more wait at their callers.
const MAX_COMMANDS: usize = 64;

/// How to stay in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOptions {
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
    /// How much audio may wait to be sent, rounded to 20 ms.
    pub audio_queue: Duration,
    /// The address for packets of media; the one that faces the server, if not said.
    pub local_ip: Option<IpAddr>,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            rate: SampleRate::default(),
            auto_subscribe: true,
            transport: Transport::default(),
            reconnect_timeout: Duration::from_secs(60),
            max_stream_bytes: 1 << 20,
            audio_queue: Duration::from_millis(400),
            local_ip: None,
        }
    }
}

impl Room {
    /// Joins a room, and waits until that is done. The events begin with [`Event::Joined`]; read them, or the stay ends.
    ///
    /// Must be called on a tokio runtime with I/O and time. The stay ends with [`Room::close`], or when every handle
    /// (this, its clones, audio sources and text writers) was dropped.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or there is no socket to be had.
    pub async fn connect(
        address: Address,
        token: impl Into<String>,
        options: RoomOptions,
    ) -> Result<(Self, Events), CloseReason> {
        let config = config(address, &options)?;
        let local_ip = match options.local_ip {
            Some(ip) => ip,
            None => socket::facing(&config.address).await?,
        };
        let engine = Engine::new(Instant::now(), config, token);
        let (commands, orders) = mpsc::channel(MAX_COMMANDS);
        let (sender, queue) = mpsc::channel(MAX_EVENTS);
        let (close, closed) = watch::channel(None);
        tokio::spawn(task::Task::new(engine, local_ip, &options, orders, sender, close).run());
        let mut events = Events { queue, closed: closed.clone(), first: None, is_over: false };
        match events.next().await {
            Some(Event::Closed(reason)) => Err(reason),
            Some(first) => {
                events.first = Some(first);
                Ok((Self::new(commands, closed), events))
            }
            None => Err(CloseReason::Lost(LinkError::Closed)),
        }
    }
}

fn config(address: Address, options: &RoomOptions) -> Result<Config, CloseReason> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| CloseReason::NoSocket)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Ok(Config {
        rate: options.rate,
        auto_subscribe: options.auto_subscribe,
        transport: options.transport,
        reconnect_timeout: options.reconnect_timeout,
        max_stream_bytes: options.max_stream_bytes,
        ..Config::new(address, format!("{:016x}", u64::from_ne_bytes(random)), now_ms)
    })
}

/// What happens in the room, in order.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
    closed: watch::Receiver<Option<CloseReason>>,
    first: Option<Event>,
    is_over: bool,
}

impl Events {
    /// The next event; nothing after [`Event::Closed`]. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if let Some(event) = self.queue.recv().await {
            return Some(event);
        }
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        // The task says why before it ends; without a reason it was torn down with its runtime.
        let reason = *self.closed.borrow();
        Some(Event::Closed(reason.unwrap_or(CloseReason::Left)))
    }
}
