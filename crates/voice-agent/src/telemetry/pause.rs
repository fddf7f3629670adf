//! The pause before an answer, from its first audio until it is known how long the caller felt it. It is counted then, once, under its
//! final cause: when the far end says that it began to sound, and at the latest when the turn, or the session, is over.

use voice_core::Observation;
use voice_core::ids::TurnId;
use voice_core::timeline::{PauseCause, Stages};

/// The pause before an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The turn.
    pub turn: TurnId,
    /// Milliseconds from the caller's end of speech to the first audio leaving the server.
    pub latency_ms: u64,
    /// Where they went, and those from there to the caller's ear, as far as they are known.
    pub stages: Stages,
    /// The named cause, if all of it was over 800 ms.
    pub cause: Option<PauseCause>,
}

/// The pause of a session that is not counted yet.
#[derive(Debug, Default)]
pub struct OpenPause(Option<Pause>);

impl OpenPause {
    /// Takes an observation. Answers the pause of which nothing more will be known.
    pub fn observe(&mut self, observation: &Observation) -> Option<Pause> {
        match *observation {
            Observation::Latency { turn, latency_ms, stages, cause } => {
                self.0.replace(Pause { turn, latency_ms, stages, cause })
            }
            Observation::FirstHeard { turn, stages, cause, .. } => {
                self.0.take_if(|pause| pause.turn == turn).map(|pause| Pause { stages, cause, ..pause })
            }
            Observation::TurnFinished { .. } => self.0.take(),
            _ => None,
        }
    }

    /// The session is over.
    pub const fn end(&mut self) -> Option<Pause> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use voice_core::cost::NanoUsd;

    use super::*;

    const OUT: Stages = Stages { endpointing: 300, stt: 0, llm: 400, tool: 0, tts: 0, network: 0, playout: 0 };

    fn latency(turn: TurnId) -> Observation {
        Observation::Latency { turn, latency_ms: 700, stages: OUT, cause: None }
    }

    #[test]
    fn a_pause_is_told_once_with_all_that_is_known_of_it() {
        let (turn, mut open) = (TurnId(1), OpenPause::default());
        let (stages, cause) = (Stages { network: 450, ..OUT }, Some(PauseCause::Network));
        assert_eq!(open.observe(&latency(turn)), None);
        let heard = Observation::FirstHeard { turn, after_ms: 450, stages, cause };
        assert_eq!(open.observe(&heard), Some(Pause { turn, latency_ms: 700, stages, cause }));
        assert_eq!(open.observe(&heard), None);
        assert_eq!(open.observe(&Observation::TurnFinished { turn, cost: NanoUsd(1) }), None);
    }

    #[test]
    fn one_that_nobody_reported_is_told_when_its_turn_or_the_session_is_over() {
        let (turn, mut open) = (TurnId(1), OpenPause::default());
        let pause = Some(Pause { turn, latency_ms: 700, stages: OUT, cause: None });
        open.observe(&latency(turn));
        assert_eq!(open.observe(&Observation::TurnFinished { turn, cost: NanoUsd(1) }), pause);
        assert_eq!(open.end(), None);
        open.observe(&latency(turn));
        assert_eq!((open.end(), open.end()), (pause, None));
    }
}
