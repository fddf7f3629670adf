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
/// How long a better picture is waited for, after one that is smaller than the track, or coarse: simulcast begins with the small, and a
/// sender that does not know yet what the network carries begins with the coarse.
const BETTER_WITHIN: Duration = Duration::from_millis(1_500);
/// A picture with so many bits for each hundred pixels can be read. Those of a plain page have fewer, however sharp they are: they
/// are known by the next one's being no larger.
const SHARP_BITS: u64 = 30;
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
    /// The best one so far, and until when it is held back.
    best: Option<(Picture, Instant)>,
}

impl Look {
    pub(super) fn poll_timeout(&self) -> Instant {
        let better_by = self.best.as_ref().map_or(self.deadline, |(_, by)| *by);
        self.deadline.min(self.ask_at).min(better_by)
    }

    /// Keeps a picture that is better than the one before, and says for how long yet.
    fn weigh(&mut self, now: Instant, picture: &Picture) {
        let is_large = u64::from(picture.width) * 10 >= u64::from(self.width) * 9;
        let (bits, pixels) = (picture.webp.len() as u64 * 8, u64::from(picture.width) * u64::from(picture.height));
        let is_sharp = bits * 100 >= pixels * SHARP_BITS;
        let Some((best, by)) = &mut self.best else {
            let by = if is_large && is_sharp { now } else { now + BETTER_WITHIN };
            self.best = Some((picture.clone(), by));
            return;
        };
        let gains_nothing = picture.width == best.width && picture.webp.len() * 10 <= best.webp.len() * 11;
        if is_large && (is_sharp || gains_nothing) {
            *by = now;
        }
        if (picture.width, picture.webp.len()) >= (best.width, best.webp.len()) {
            *best = picture.clone();
        }
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
                best: None,
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
        self.looks.iter_mut().filter(|look| look.track == *track).for_each(|look| look.weigh(now, &picture));
        self.handle_looks(now);
    }

    /// Ends the looks that are done or late, and asks for the others' key frames.
    pub(super) fn handle_looks(&mut self, now: Instant) {
        for look in std::mem::take(&mut self.looks) {
            let done = look.best.as_ref().is_some_and(|(_, by)| *by <= now);
            if done || look.deadline <= now {
                let picture = look.best.map(|(picture, _)| picture).ok_or(RoomError::NoPicture);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// When a look at a track of 1280 pixels is done, after pictures of these widths and sizes, each 500 ms after the other; and the
    /// size of the one that is given.
    fn look(pictures: &[(u32, usize)]) -> (Duration, usize) {
        let began = Instant::now();
        let track = TrackSid::from("TR_screen");
        let deadline = began + Duration::from_secs(3);
        let mut look = Look { request: 1, track, deadline, ask_at: began, width: 1_280, best: None };
        for (at, (width, bytes)) in (0..).zip(pictures) {
            let now = began + Duration::from_millis(500 * at);
            look.weigh(now, &Picture { width: *width, height: width * 9 / 16, webp: vec![0; *bytes] });
            if look.best.as_ref().is_some_and(|(_, by)| *by <= now) {
                break;
            }
        }
        let (picture, by) = look.best.unwrap();
        (by - began, picture.webp.len())
    }

    #[test]
    fn a_sharp_picture_is_given_at_once_and_a_coarse_one_when_no_better_comes() {
        let ms = Duration::from_millis;
        assert_eq!(look(&[(1_280, 60_000)]), (ms(0), 60_000));
        assert_eq!(look(&[(1_280, 10_000)]), (BETTER_WITHIN, 10_000));
        assert_eq!(look(&[(1_280, 10_000), (1_280, 50_000)]), (ms(500), 50_000));
        // A plain page: the second is no larger.
        assert_eq!(look(&[(1_280, 12_000), (1_280, 12_500)]), (ms(500), 12_500));
        assert_eq!(look(&[(1_280, 12_000), (1_280, 20_000), (1_280, 19_000)]), (ms(1_000), 20_000));
    }

    #[test]
    fn a_small_layer_is_given_only_when_nothing_larger_comes() {
        assert_eq!(look(&[(320, 9_000), (320, 9_000)]), (BETTER_WITHIN, 9_000));
        assert_eq!(look(&[(320, 90_000), (1_280, 40_000)]), (Duration::from_millis(500), 40_000));
    }
}
