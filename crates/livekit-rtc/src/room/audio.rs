//! Audio to and from a room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc};

use super::handle::{Command, Room};
use crate::audio::{AudioFrame, FRAME_MS, SampleRate};
use crate::error::{AudioError, RoomError};
use crate::ids::{TrackCid, TrackSid};

/// Frames of a track that may wait to be read: two seconds. Of more, the newest are lost, and counted.
const MAX_HEARD: usize = 100;

/// A track of ours. Frames are sent one every 20 ms, and silence between them.
///
/// Dropped, the track stays published and is silent; [`AudioSource::unpublish`] takes it back.
#[derive(Debug)]
pub struct AudioSource {
    end: SourceEnd,
    room: Room,
}

/// The application's end of a source.
#[derive(Debug)]
pub(super) struct SourceEnd {
    pub(super) cid: TrackCid,
    pub(super) sid: TrackSid,
    rate: SampleRate,
    frames: mpsc::Sender<(u64, Vec<i16>)>,
    position: Arc<Position>,
}

/// How far a source has come, in frames.
#[derive(Debug, Default)]
struct Position {
    /// Frames of former epochs are not sent: there was a [`AudioSource::clear`] since.
    epoch: AtomicU64,
    pushed: AtomicU64,
    played: AtomicU64,
    cleared: AtomicU64,
    moved: Notify,
}

impl AudioSource {
    pub(super) fn new(end: SourceEnd, room: Room) -> Self {
        Self { end, room }
    }

    /// The server's id of the track when it was published; another after [`Event::Rejoined`](crate::Event::Rejoined).
    pub fn sid(&self) -> &TrackSid {
        &self.end.sid
    }

    /// Our id of the track.
    pub fn cid(&self) -> &TrackCid {
        &self.end.cid
    }

    /// Of the frames that it takes.
    pub fn rate(&self) -> SampleRate {
        self.end.rate
    }

    /// Sends 20 ms after those that wait; while the queue is full, waits.
    ///
    /// # Errors
    /// The frame has another length, or the stay is over.
    pub async fn push(&self, samples: Vec<i16>) -> Result<(), RoomError> {
        let expected = self.end.rate.frame_samples();
        if samples.len() != expected {
            return Err(AudioError::FrameSize { got: samples.len(), expected }.into());
        }
        let place = self.end.frames.reserve().await.map_err(|_| RoomError::Closed)?;
        self.end.position.pushed.fetch_add(1, Ordering::AcqRel);
        place.send((self.end.position.epoch.load(Ordering::Acquire), samples));
        Ok(())
    }

    /// Drops what waits: the next frame that is sent is one that is pushed after this.
    pub fn clear(&self) {
        self.end.position.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How much was sent, in milliseconds; silence between frames, and what was cleared, does not count.
    pub fn played_ms(&self) -> u64 {
        self.end.position.played.load(Ordering::Acquire) * FRAME_MS
    }

    /// Waits until everything that was pushed is sent or cleared; or the stay is over.
    pub async fn wait_played(&self) {
        loop {
            let moved = self.end.position.moved.notified();
            let done =
                self.end.position.played.load(Ordering::Acquire) + self.end.position.cleared.load(Ordering::Acquire);
            if done >= self.end.position.pushed.load(Ordering::Acquire) || self.end.frames.is_closed() {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = self.end.frames.closed() => {}
            }
        }
    }

    /// Mutes the track, or unmutes it: the others see it.
    ///
    /// # Errors
    /// The stay is over.
    pub async fn mute(&self, muted: bool) -> Result<(), RoomError> {
        self.room.order(Command::Mute { cid: self.end.cid.clone(), muted }).await
    }

    /// Takes the track back.
    ///
    /// # Errors
    /// The stay is over.
    pub async fn unpublish(self) -> Result<(), RoomError> {
        self.room.order(Command::Unpublish { cid: self.end.cid.clone() }).await
    }
}

/// Both ends of a source whose queue holds this many frames.
pub(super) fn source(cid: TrackCid, rate: SampleRate, capacity: usize) -> (SourceEnd, SourceQueue) {
    let (sender, frames) = mpsc::channel(capacity.max(1));
    let position = Arc::<Position>::default();
    let queue = SourceQueue {
        cid: cid.clone(),
        frames,
        position: Arc::clone(&position),
        silence: vec![0; rate.frame_samples()],
    };
    (SourceEnd { cid, sid: TrackSid::default(), rate, frames: sender, position }, queue)
}

/// The room's end of a source.
pub(super) struct SourceQueue {
    pub(super) cid: TrackCid,
    frames: mpsc::Receiver<(u64, Vec<i16>)>,
    position: Arc<Position>,
    silence: Vec<i16>,
}

impl SourceQueue {
    /// Hands over the next 20 ms: a frame that waits, or silence.
    pub(super) fn next<T>(&mut self, send: impl FnOnce(&TrackCid, &[i16]) -> T) -> T {
        let epoch = self.position.epoch.load(Ordering::Acquire);
        let frame = loop {
            match self.frames.try_recv() {
                Ok((of, frame)) if of == epoch => break Some(frame),
                Ok(_) => {
                    self.position.cleared.fetch_add(1, Ordering::AcqRel);
                }
                Err(_) => break None,
            }
        };
        let done = send(&self.cid, frame.as_deref().unwrap_or(&self.silence));
        if frame.is_some() {
            self.position.played.fetch_add(1, Ordering::AcqRel);
        }
        self.position.moved.notify_waiters();
        done
    }
}

/// A track that is listened to: a frame every 20 ms, without a hole.
#[derive(Debug)]
pub struct AudioStream {
    track: TrackSid,
    frames: mpsc::Receiver<AudioFrame>,
    missed: Arc<AtomicU64>,
}

impl AudioStream {
    pub(super) fn new(track: TrackSid) -> (Self, Listener) {
        let (sender, frames) = mpsc::channel(MAX_HEARD);
        let missed = Arc::<AtomicU64>::default();
        (Self { track, frames, missed: Arc::clone(&missed) }, Listener { frames: sender, missed })
    }

    /// Which track.
    pub fn track(&self) -> &TrackSid {
        &self.track
    }

    /// The next 20 ms; nothing when the track does not reach us any more. May be dropped and called again without losing
    /// a frame.
    pub async fn next(&mut self) -> Option<AudioFrame> {
        self.frames.recv().await
    }

    /// Frames that were lost because more than two seconds of them were not read.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The room's end of an [`AudioStream`].
pub(super) struct Listener {
    frames: mpsc::Sender<AudioFrame>,
    missed: Arc<AtomicU64>,
}

impl Listener {
    /// Hands a frame on; `false` if nobody listens any more.
    pub(super) fn hear(&self, frame: AudioFrame) -> bool {
        match self.frames.try_send(frame) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
