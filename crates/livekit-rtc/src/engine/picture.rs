//! Looking at a video track: it flows only while somebody looks, and one key frame is a picture.

use std::time::{Duration, Instant};

use super::{Engine, Output};
use crate::error::RoomError;
use crate::ids::TrackSid;
use crate::proto::{self, ToServer};
use crate::video::{self, Picture};

/// Looks at once.
const MAX_LOOKS: usize = 8;
/// How often a key frame is asked for. Servers pass on no more.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long a larger picture is waited for, after one that is smaller than the track: simulcast begins with the small.
const BETTER_WITHIN: Duration = Duration::from_millis(700);
/// How long video goes on to flow after a look: another one often follows.
const SHOWN_FOR: Duration = Duration::from_secs(2);
/// Up to this size a picture stands for a muted track.
const PLACEHOLDER: u32 = 16;

/// Somebody waits for a picture.
#[derive(Debug)]
pub(super) struct Look {
    request: u32,
    track: TrackSid,
    deadline: Instant,
    ask_at: Instant,
    /// The track's width in pixels, or 0.
    width: u32,
    /// A smaller one than wanted, and until when it is held back.
    smaller: Option<(Picture, Instant)>,
}

impl Look {
    pub(super) fn poll_timeout(&self) -> Instant {
        let better_by = self.smaller.as_ref().map_or(self.deadline, |(_, by)| *by);
        self.deadline.min(self.ask_at).min(better_by)
    }
}

impl Engine {
    /// Takes a picture of a video track that reaches us. [`Output::Picture`] follows, with the number that this returns,
    /// before the time-out or when it is over.
    pub fn take_picture(&mut self, now: Instant, track: &TrackSid, timeout: Duration) -> u32 {
        let request = self.next_number();
        match self.begin_look(track) {
            Ok(width) => self.looks.push(Look {
                request,
                track: track.clone(),
                deadline: now + timeout,
                ask_at: now,
                width,
                smaller: None,
            }),
            Err(error) => self.outputs.push_back(Output::Picture { request, picture: Err(error) }),
        }
        self.handle_looks(now);
        request
    }

    /// Makes the video flow; the track's width.
    fn begin_look(&mut self, track: &TrackSid) -> Result<u32, RoomError> {
        let known = self.find_track(track).map(|(_, track)| (track.width, track.muted));
        let subscription = self.subscriptions.iter_mut().find(|subscription| subscription.track == *track);
        let (Some((width, muted)), Some(subscription)) = (known, subscription) else {
            return Err(RoomError::UnknownTrack);
        };
        if muted {
            return Err(RoomError::NoPicture);
        }
        if self.looks.len() >= MAX_LOOKS {
            return Err(RoomError::QueueFull);
        }
        subscription.hide_at = None;
        if !subscription.shown {
            self.show(track, true);
        }
        Ok(width)
    }

    /// Lets a track's video flow, or stops it.
    pub(super) fn show(&mut self, track: &TrackSid, shown: bool) {
        let size = self.find_track(track).map(|(_, track)| (track.width, track.height));
        let (width, height) = size.unwrap_or_default();
        if let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.track == *track) {
            subscription.shown = shown;
        }
        self.send(ToServer::TrackSetting(proto::UpdateTrackSettings {
            track_sids: vec![track.to_string()],
            disabled: !shown,
            quality: proto::UpdateTrackSettings::HIGH,
            width,
            height,
        }));
    }

    /// A whole frame of video has come.
    pub(super) fn handle_frame(&mut self, now: Instant, track: &TrackSid, frame: &[u8]) {
        if !self.looks.iter().any(|look| look.track == *track) {
            return;
        }
        let Some(picture) = video::picture(frame).filter(|picture| picture.width.max(picture.height) > PLACEHOLDER)
        else {
            return;
        };
        for look in self.looks.iter_mut().filter(|look| look.track == *track) {
            let large_enough = u64::from(picture.width) * 10 >= u64::from(look.width) * 9;
            let by = if large_enough { now } else { look.smaller.as_ref().map_or(now + BETTER_WITHIN, |(_, by)| *by) };
            let larger = look.smaller.as_ref().is_none_or(|(held, _)| held.width <= picture.width);
            if larger {
                look.smaller = Some((picture.clone(), by));
            }
        }
        self.handle_looks(now);
    }

    /// Ends the looks that are done or late, and asks for the others' key frames.
    pub(super) fn handle_looks(&mut self, now: Instant) {
        for look in std::mem::take(&mut self.looks) {
            let done = look.smaller.as_ref().is_some_and(|(_, by)| *by <= now);
            if done || look.deadline <= now {
                let picture = look.smaller.map(|(picture, _)| picture).ok_or(RoomError::NoPicture);
                self.outputs.push_back(Output::Picture { request: look.request, picture });
                self.end_look(now, &look.track);
            } else {
                self.looks.push(look);
            }
        }
        for at in 0..self.looks.len() {
            let Some(look) = self.looks.get_mut(at).filter(|look| look.ask_at <= now) else {
                continue;
            };
            look.ask_at = now + ASK_EVERY;
            let subscription = self.subscriptions.iter().find(|subscription| subscription.track == look.track);
            if let (Some(subscription), Some(peer)) = (subscription, self.subscriber.as_mut()) {
                peer.request_key_frame(now, subscription.mid);
            }
        }
    }

    fn end_look(&mut self, now: Instant, track: &TrackSid) {
        let looked_at = self.looks.iter().any(|look| look.track == *track);
        let subscription = self.subscriptions.iter_mut().find(|subscription| subscription.track == *track);
        if let Some(subscription) = subscription.filter(|_| !looked_at) {
            subscription.hide_at = Some(now + SHOWN_FOR);
        }
    }
}
