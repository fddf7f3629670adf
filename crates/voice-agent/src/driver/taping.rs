//! What of the call is taped: each frame with the permit that there is at that moment.

use std::sync::Arc;

use tokio::time::Instant;
use voice_core::Input;
use voice_core::output::ClientEvent;

use super::{Deps, Driver, Start};
use crate::audio::format::AudioFormat;
use crate::recording::{Call, Tape};

/// A tape for a session that begins now.
pub(super) fn tape(deps: &Deps, start: &Start, format: AudioFormat, began: Instant) -> Tape {
    let call = Call {
        user: start.doc.user_id.clone(),
        session: start.doc.session_id.as_str().to_owned(),
        fence: start.fence,
        format,
        began,
    };
    Tape::new(deps.recorder.as_ref().map(Arc::clone), call)
}

impl Driver {
    /// 20 ms of the caller.
    pub(super) fn tape_caller(&mut self, now_ms: u64, frame: &[i16]) {
        self.tape.caller(self.session.recording_permit(), now_ms, frame);
    }

    /// What an input says of the call's sound, before the session hears of it: it may drop a speech that is said to have been played.
    pub(super) fn tape_input(&mut self, now_ms: u64, input: &Input) {
        match input {
            Input::PlayoutPosition { speech, played_ms, .. } => {
                let (mouth, played_ms) = (&self.mouth, (*played_ms).min(self.mouth.sent_ms(*speech)));
                let audio = |from_ms, to_ms| mouth.sent_between(*speech, from_ms, to_ms);
                self.tape.agent(self.session.recording_permit(), now_ms, *speech, played_ms, audio);
            }
            Input::Key { .. } => self.tape.key(now_ms),
            _ => {}
        }
    }

    /// What is said, for the transcript.
    pub(super) fn tape_event(&mut self, event: &ClientEvent) {
        let now_ms = self.now_ms();
        self.tape.event(self.session.recording_permit(), now_ms, event);
    }

    /// What the last input did to the tape: without a permit it ends, and with one that was there before as well, what was heard of the agent is
    /// written down.
    pub(super) fn tape_outcome(&mut self, now_ms: u64, had_permit: bool) {
        if !self.tape.is_there() {
            return;
        }
        let permit = self.session.recording_permit();
        self.tape.heed(permit, self.session.last_utterance());
        for (reply, heard) in self.session.heard() {
            self.tape.words(permit.filter(|_| had_permit), now_ms, reply, &heard);
        }
    }
}
