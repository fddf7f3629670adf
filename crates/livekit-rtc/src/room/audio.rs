//! Audio to and from a room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc};

use super::handle::{Command, Room};
use crate::audio::{AudioFrame, FRAME_MS, SampleRate};
use crate::engine::Sending;
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
    /// Frames whose time came while nobody could hear them.
    lost: AtomicU64,
    cleared: AtomicU64,
    /// The last 20 ms found the track connected.
    is_connected: AtomicBool,
    moved: Notify,
}

impl Position {
    /// Frames of which nothing is to be expected any more.
    fn done(&self) -> u64 {
        [&self.played, &self.lost, &self.cleared].map(|count| count.load(Ordering::Acquire)).iter().sum()
    }
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

    /// How much was sent, in milliseconds; silence between frames, what was cleared and what was lost do not count.
    pub fn played_ms(&self) -> u64 {
        self.end.position.played.load(Ordering::Acquire) * FRAME_MS
    }

    /// How much was not sent when its time came, in milliseconds: the track was not connected, or muted.
    pub fn lost_ms(&self) -> u64 {
        self.end.position.lost.load(Ordering::Acquire) * FRAME_MS
    }

    /// Whether what is pushed now goes out: the media is connected, and has the track in it. Of a connection that broke without
    /// a word that is known after some seconds. Nobody may be listening: see [`Event::LocalTrackHeard`](crate::Event::LocalTrackHeard).
    pub fn is_connected(&self) -> bool {
        self.end.position.is_connected.load(Ordering::Acquire)
    }

    /// Waits until everything that was pushed is sent, lost or cleared; or the stay is over.
    pub async fn wait_played(&self) {
        loop {
            let moved = self.end.position.moved.notified();
            let done = self.end.position.done();
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
    pub(super) fn next(
        &mut self,
        send: impl FnOnce(&TrackCid, &[i16]) -> Result<Sending, AudioError>,
    ) -> Result<(), AudioError> {
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
        let sent = send(&self.cid, frame.as_deref().unwrap_or(&self.silence));
        self.position.is_connected.store(!matches!(sent, Ok(Sending::NotConnected)), Ordering::Release);
        if frame.is_some() {
            let count = if matches!(sent, Ok(Sending::Sent)) { &self.position.played } else { &self.position.lost };
            count.fetch_add(1, Ordering::AcqRel);
        }
        self.position.moved.notify_waiters();
        sent.map(|_| ())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_hear_was_not_played() {
        let (end, mut queue) = source(TrackCid::from("TR_1"), SampleRate::Hz16000, 8);
        let counts = || {
            let of = |count: &AtomicU64| count.load(Ordering::Acquire);
            (of(&end.position.played), of(&end.position.lost), end.position.is_connected.load(Ordering::Acquire))
        };
        assert_eq!(counts(), (0, 0, false));
        for (sent, expected) in [
            (Ok(Sending::NotConnected), (0, 1, false)),
            (Ok(Sending::Sent), (1, 1, true)),
            (Ok(Sending::Muted), (1, 2, true)),
            (Err(AudioError::FrameSize { got: 1, expected: 320 }), (1, 3, true)),
        ] {
            end.frames.try_send((0, vec![1; 320])).unwrap();
            let _said = queue.next(|_, samples| {
                assert_eq!(samples[0], 1);
                sent
            });
            assert_eq!(counts(), expected);
        }
        // Silence between frames is neither, but it finds out how things stand.
        queue.next(|_, samples| Ok(if samples[0] == 0 { Sending::NotConnected } else { Sending::Sent })).unwrap();
        assert_eq!(counts(), (1, 3, false));
        assert_eq!(end.position.done(), 4);
    }
}
