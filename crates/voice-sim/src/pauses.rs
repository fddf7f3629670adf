//! The pause before an answer: every millisecond of it is booked once, to its end in the caller's ear, and no more than there were.

use voice_core::Input;
use voice_core::ids::{ConnectionId, TurnId};
use voice_core::output::Observation;
use voice_core::timeline::{LATENCY_BUDGET_MS, MAX_AFTER_MS, PauseCause, Stages};

use crate::seen::Seen;
use crate::world::{Checked, World, violated};

/// The longest that a report is behind, in milliseconds: its way takes 630 at most, and one that was held back by a silence of the leg
/// comes 100 later.
const MOST_BEHIND_MS: u64 = 630 + 100 + 1;

/// What is known of the pause before the last answer.
#[derive(Debug, Clone, Copy)]
struct Pause {
    turn: TurnId,
    latency_ms: u64,
    stages: Stages,
    cause: Option<PauseCause>,
    /// When its first audio left, in world time.
    out_ms: u64,
    heard: bool,
}

/// What the checks remember of pauses.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    last: Option<Pause>,
    /// The leg that the caller is on, and the way on it, as far as the session was told.
    leg: Option<ConnectionId>,
    round_trip_ms: u64,
}

impl Pauses {
    /// The session is told something.
    pub(crate) fn told(&mut self, input: &Input) {
        match input {
            // Another leg has another way, which nobody has measured.
            Input::Connected { connection, .. } => (self.leg, self.round_trip_ms) = (Some(*connection), 0),
            Input::RoundTrip { connection, round_trip_ms } if self.leg == Some(*connection) => {
                self.round_trip_ms = *round_trip_ms;
            }
            _ => {}
        }
    }
}

/// The stages that lie before the first audio, the server's own playout apart.
const fn before(stages: &Stages) -> [u64; 5] {
    [stages.endpointing, stages.stt, stages.llm, stages.tool, stages.tts]
}

fn check_cause(stages: &Stages, cause: Option<PauseCause>) -> Checked {
    let named = (stages.total() > LATENCY_BUDGET_MS).then(|| stages.largest());
    if named == cause { Ok(()) } else { violated("a pause has its cause", format!("{cause:?} of {stages:?}")) }
}

impl World {
    pub(crate) fn check_pause(&mut self, observation: &Observation) -> Checked {
        match *observation {
            Observation::Latency { turn, latency_ms, stages, cause } => {
                self.check_latency(turn, latency_ms)?;
                self.check_first_out(turn, latency_ms, stages, cause)
            }
            Observation::FirstHeard { turn, after_ms, stages, cause } => {
                self.check_first_heard(turn, after_ms, stages, cause)
            }
            _ => Ok(()),
        }
    }

    fn check_first_out(&mut self, turn: TurnId, latency_ms: u64, stages: Stages, cause: Option<PauseCause>) -> Checked {
        if stages.total() != latency_ms || stages.network > 0 {
            return violated("each millisecond of a pause is booked once", format!("{latency_ms} ms: {stages:?}"));
        }
        let out_ms = self.now_ms;
        self.check.pauses.last = Some(Pause { turn, latency_ms, stages, cause, out_ms, heard: false });
        check_cause(&stages, cause)
    }

    fn check_first_heard(&mut self, turn: TurnId, after_ms: u64, stages: Stages, cause: Option<PauseCause>) -> Checked {
        self.saw(Seen::FirstHeard);
        let (now_ms, round_trip_ms) = (self.now_ms, self.check.pauses.round_trip_ms);
        let Some(pause) = self.check.pauses.last.as_mut().filter(|pause| pause.turn == turn && !pause.heard) else {
            return violated("an answer begins to be heard once", format!("turn {turn}"));
        };
        let (was, out_ms) = (pause.stages, pause.out_ms);
        (pause.stages, pause.cause, pause.heard) = (stages, cause, true);
        let all_ms = pause.latency_ms + after_ms;
        if stages.total() != all_ms || before(&stages) != before(&was) || stages.playout < was.playout {
            return violated("each millisecond of a pause is booked once", format!("{all_ms} ms: {was:?}, {stages:?}"));
        }
        check_cause(&stages, cause)?;
        if after_ms > MAX_AFTER_MS {
            return violated("reports are believed within bounds", format!("{after_ms} ms"));
        }
        let network_ms = if self.profile.chaos { stages.network } else { after_ms.min(round_trip_ms) };
        if stages.network != network_ms {
            return violated("the network is the round trip", format!("{network_ms} ms of {after_ms}: {stages:?}"));
        }
        let ran_dry = self.device.link.ran_dry_since(out_ms);
        if after_ms > now_ms - out_ms || (after_ms > MOST_BEHIND_MS && !ran_dry) {
            return self
                .strange("a pause ends where the caller hears it", format!("{after_ms} ms after the first audio"));
        }
        Ok(())
    }

    /// A turn is told at its end: with all that is known.
    pub(crate) fn check_told_pause(
        &self,
        turn: TurnId,
        latency_ms: Option<u64>,
        stages: Stages,
        cause: Option<PauseCause>,
    ) -> Checked {
        let last = self.check.pauses.last.filter(|pause| pause.turn == turn);
        let known = last.map_or_else(Default::default, |pause| (Some(pause.latency_ms), pause.stages, pause.cause));
        if known != (latency_ms, stages, cause) {
            let text = format!("turn {turn}: {latency_ms:?} {stages:?} {cause:?}, known was {known:?}");
            return violated("a turn tells its whole pause", text);
        }
        Ok(())
    }
}
