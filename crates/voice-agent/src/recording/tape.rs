//! What a session's driver tapes. Everything goes through here with the permit that the caller's consent is: without one nothing is taken, and
//! no file begins.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use voice_core::consent::RecordingPermit;
use voice_core::ids::{ReplyId, SpeechId, UtteranceId};
use voice_core::output::ClientEvent;

use super::Recorder;
use super::part::{About, Taped};
use crate::audio::format::AudioFormat;
use crate::store::UserId;

/// Replies of which it is known how much was heard: the session tells of two.
const MOST_REPLIES: usize = 4;
/// What may wait for the part's task: five seconds of a call.
pub(super) const QUEUE: usize = 256;
/// After a part that broke off the next one is tried so much later, in milliseconds.
const AGAIN_MS: u64 = 30_000;

/// Whose call it is.
#[derive(Debug, Clone)]
pub struct Call {
    /// The user.
    pub user: UserId,
    /// The session's id.
    pub session: String,
    /// The number of this owner.
    pub fence: u64,
    /// How the agent's audio is coded.
    pub format: AudioFormat,
    /// When the session's milliseconds began to count.
    pub began: Instant,
}

/// A session's tape.
#[derive(Debug)]
pub struct Tape {
    recorder: Option<Arc<Recorder>>,
    call: Call,
    part: Option<mpsc::Sender<Taped>>,
    /// Until then no part begins, in milliseconds of the session.
    rests_until_ms: u64,
    /// As far as the agent's speech was played, whether or not that was taped.
    played: Option<(SpeechId, u64)>,
    /// Utterances up to this one were under way, or over, when there was no permit: what is understood of them holds words that were said
    /// without one.
    barred: UtteranceId,
    /// So many words were heard of the last replies, whether or not they were taped.
    heard: VecDeque<(ReplyId, usize)>,
    frames_lost: u64,
    /// A key that the part was too far behind to be told of.
    key_owed_ms: Option<u64>,
    /// Where tests look at what is taped.
    #[cfg(test)]
    sink: Option<mpsc::Sender<Taped>>,
}

impl Tape {
    /// A tape on which nothing is yet; without a recorder nothing ever will be.
    pub fn new(recorder: Option<Arc<Recorder>>, call: Call) -> Self {
        Self {
            recorder,
            call,
            part: None,
            rests_until_ms: 0,
            played: None,
            barred: UtteranceId(0),
            heard: VecDeque::new(),
            frames_lost: 0,
            key_owed_ms: None,
            #[cfg(test)]
            sink: None,
        }
    }

    /// Whether anything may come to be on it.
    pub fn is_there(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| recorder.records())
    }

    /// Whether a part is being recorded.
    pub const fn is_on(&self) -> bool {
        self.part.is_some()
    }

    /// 20 ms of the caller came.
    pub fn caller(&mut self, permit: Option<&RecordingPermit>, now_ms: u64, frame: &[i16]) {
        if let (Some(permit), Ok(frame)) = (permit, <&[i16; 320]>::try_from(frame)) {
            self.tape(permit, now_ms, || Taped::Caller { now_ms, frame: Box::new(*frame) });
        }
    }

    /// The agent's speech was played to this position. `audio` gives its bytes from one position to another, as far as they have left.
    pub fn agent(
        &mut self,
        permit: Option<&RecordingPermit>,
        now_ms: u64,
        speech: SpeechId,
        played_ms: u64,
        audio: impl FnOnce(u64, u64) -> Vec<u8>,
    ) {
        let before_ms = self.played.filter(|(of, _)| *of == speech).map_or(0, |(_, played_ms)| played_ms);
        if played_ms <= before_ms {
            return;
        }
        // What was played without a permit is behind us when there is one.
        self.played = Some((speech, played_ms));
        if let Some(permit) = permit {
            self.tape(permit, now_ms, || Taped::Agent {
                now_ms,
                audio: audio(before_ms, played_ms),
                goes_on: before_ms > 0,
            });
        }
    }

    /// A key was pressed: what is keyed in a row is not kept.
    pub fn key(&mut self, now_ms: u64) {
        // Full: it is told before anything else is. What was said meanwhile is lost, and no digit is kept.
        if let Some(part) = &self.part
            && part.try_send(Taped::Key { now_ms }).is_err()
        {
            self.key_owed_ms = Some(now_ms);
        }
    }

    /// Something was said, or is being said.
    pub fn event(&mut self, permit: Option<&RecordingPermit>, now_ms: u64, event: &ClientEvent) {
        let begins = match event {
            ClientEvent::Transcript { utterance_id, .. } if *utterance_id <= self.barred => return,
            ClientEvent::Transcript { r#final, .. } => *r#final,
            ClientEvent::UserText { .. } => true,
            ClientEvent::AgentText { .. } | ClientEvent::UserSpeaking { .. } => false,
            _ => return,
        };
        if let Some(permit) = permit.filter(|_| begins || self.is_on()) {
            self.tape(permit, now_ms, || Taped::Event { now_ms, event: event.clone() });
        }
    }

    /// So much of a reply was heard until now. `permit` is one that there was all the time since what was heard before.
    pub fn words(&mut self, permit: Option<&RecordingPermit>, now_ms: u64, reply: ReplyId, heard: &str) {
        let count = heard.split_whitespace().count();
        let before = self.heard.iter().find(|(of, _)| *of == reply).map_or(0, |(_, count)| *count);
        if count <= before {
            return;
        }
        self.heard.retain(|(of, _)| *of != reply);
        self.heard.push_back((reply, count));
        if self.heard.len() > MOST_REPLIES {
            self.heard.pop_front();
        }
        if let Some(permit) = permit {
            let text = || heard.split_whitespace().skip(before).collect::<Vec<_>>().join(" ");
            self.tape(permit, now_ms, || Taped::Words { now_ms, reply, text: text() });
        }
    }

    /// Something happened in the session. Without a permit the part ends now, not with the next frame, and what is being said is not kept
    /// when it is understood later.
    pub fn heed(&mut self, permit: Option<&RecordingPermit>, last_utterance: UtteranceId) {
        if permit.is_none() {
            self.barred = last_utterance;
            if self.is_on() {
                self.stop();
            }
        }
    }

    /// Nothing more is taped: the permit is gone, or the call is over. What was taped until now is finished in the background.
    pub fn stop(&mut self) {
        self.part = None;
        if let Some(recorder) = &self.recorder {
            recorder.lost_frames(std::mem::take(&mut self.frames_lost));
        }
    }

    /// What waits for the part's task.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.part.as_ref().map_or(0, |part| QUEUE - part.capacity())
    }

    fn tape(&mut self, _permit: &RecordingPermit, now_ms: u64, what: impl FnOnce() -> Taped) {
        let Some(part) = self.part.clone().or_else(|| self.begin(now_ms)) else { return };
        let owed = self.key_owed_ms.map_or(Ok(()), |now_ms| part.try_send(Taped::Key { now_ms }));
        let sent = owed.and_then(|()| {
            self.key_owed_ms = None;
            part.try_send(what())
        });
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.frames_lost += 1,
            Err(TrySendError::Closed(_)) => {
                // It broke off, and has said why.
                self.part = None;
                self.rests_until_ms = now_ms + AGAIN_MS;
            }
        }
    }

    /// Begins a part now, if that can be.
    fn begin(&mut self, now_ms: u64) -> Option<mpsc::Sender<Taped>> {
        #[cfg(test)]
        if let Some(sink) = &self.sink {
            self.part = Some(sink.clone());
            return self.part.clone();
        }
        let recorder = self.recorder.as_ref()?;
        if now_ms < self.rests_until_ms {
            return None;
        }
        let Call { user, session, fence, format, began } = self.call.clone();
        let start = recorder.start();
        let part = recorder.begin(About { user, session, fence, format, began, from_ms: now_ms, start });
        match part {
            Some(part) => self.part = Some(part),
            None => self.rests_until_ms = now_ms + AGAIN_MS,
        }
        self.part.clone()
    }
}

#[cfg(test)]
mod tests;
