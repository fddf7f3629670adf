//! The caller's loudspeaker, which reports what it played.

use voice_agent::driver::api::{Command, FRAME_MS, Outbound};
use voice_core::ids::{ConnectionId, SpeechId};

/// Bytes of a frame of agent audio.
const FRAME_BYTES: usize = 960;

/// What is being played.
#[derive(Debug, Default)]
pub(crate) struct Player {
    current: Option<Playing>,
}

#[derive(Debug)]
struct Playing {
    speech: SpeechId,
    received_ms: u64,
    played_ms: u64,
    length_ms: Option<u64>,
}

impl Player {
    /// Takes what came; a report when something was dropped.
    pub(crate) fn take(&mut self, outbound: &Outbound, connection: ConnectionId) -> Option<Command> {
        match outbound {
            Outbound::SpeechStarted { speech, .. } => self.begin(*speech, 0),
            Outbound::SpeechResumed { speech, from_ms } => self.begin(*speech, *from_ms),
            Outbound::SpeechFinished { speech, duration_ms } => {
                if let Some(playing) = self.current.as_mut().filter(|playing| playing.speech == *speech) {
                    playing.length_ms = Some(*duration_ms);
                }
            }
            Outbound::Audio(frames) => {
                if let Some(playing) = &mut self.current {
                    playing.received_ms += FRAME_MS * (frames.len() / FRAME_BYTES) as u64;
                }
            }
            Outbound::Clear { speech } => {
                let dropped = self.current.take_if(|playing| playing.speech == *speech)?;
                return Some(dropped.report(connection));
            }
            _ => {}
        }
        None
    }

    fn begin(&mut self, speech: SpeechId, from_ms: u64) {
        self.current = Some(Playing { speech, received_ms: from_ms, played_ms: from_ms, length_ms: None });
    }

    /// Another frame's time has passed.
    pub(crate) fn play(&mut self, connection: ConnectionId) -> Option<Command> {
        let playing = self.current.as_mut()?;
        playing.played_ms = (playing.played_ms + FRAME_MS).min(playing.received_ms);
        let report = playing.report(connection);
        if playing.length_ms.is_some_and(|length_ms| playing.played_ms >= length_ms) {
            self.current = None;
        }
        Some(report)
    }

    /// Whether nothing is being played.
    pub(crate) const fn is_silent(&self) -> bool {
        self.current.is_none()
    }
}

impl Playing {
    const fn report(&self, connection: ConnectionId) -> Command {
        Command::Playout { connection, speech: self.speech, played_ms: self.played_ms, reported: true }
    }
}
