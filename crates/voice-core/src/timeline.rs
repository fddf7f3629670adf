//! Where a turn's milliseconds went, and the named cause of a pause that was too long.

use serde::{Deserialize, Serialize};

/// Above this a pause gets a named cause, in milliseconds: the mission's budget.
pub const LATENCY_BUDGET_MS: u64 = 800;

/// What a caller waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// For the silence that ends a turn.
    Endpointing,
    /// For the final transcript.
    Stt,
    /// For the model's words.
    Llm,
    /// For a tool, and its commit.
    Tool,
    /// For the first audio.
    Tts,
    /// For the network.
    Network,
    /// For the playout to begin.
    Playout,
}

impl PauseCause {
    /// Every cause, in the order of the corridor.
    pub const ALL: [Self; 7] =
        [Self::Endpointing, Self::Stt, Self::Llm, Self::Tool, Self::Tts, Self::Network, Self::Playout];

    /// The cause as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Endpointing => "endpointing",
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tool => "tool",
            Self::Tts => "tts",
            Self::Network => "network",
            Self::Playout => "playout",
        }
    }
}

/// Milliseconds by what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stages {
    /// Waiting for the silence that ends a turn.
    pub endpointing: u64,
    /// Waiting for the final transcript.
    pub stt: u64,
    /// Waiting for the model's words.
    pub llm: u64,
    /// Waiting for tools and their commit.
    pub tool: u64,
    /// Waiting for the first audio.
    pub tts: u64,
    /// Waiting for the network.
    pub network: u64,
    /// Waiting for the playout to begin.
    pub playout: u64,
}

impl Stages {
    /// The milliseconds of one cause.
    pub const fn get(&self, cause: PauseCause) -> u64 {
        match cause {
            PauseCause::Endpointing => self.endpointing,
            PauseCause::Stt => self.stt,
            PauseCause::Llm => self.llm,
            PauseCause::Tool => self.tool,
            PauseCause::Tts => self.tts,
            PauseCause::Network => self.network,
            PauseCause::Playout => self.playout,
        }
    }

    const fn slot(&mut self, cause: PauseCause) -> &mut u64 {
        match cause {
            PauseCause::Endpointing => &mut self.endpointing,
            PauseCause::Stt => &mut self.stt,
            PauseCause::Llm => &mut self.llm,
            PauseCause::Tool => &mut self.tool,
            PauseCause::Tts => &mut self.tts,
            PauseCause::Network => &mut self.network,
            PauseCause::Playout => &mut self.playout,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        PauseCause::ALL.iter().map(|&cause| self.get(cause)).sum()
    }

    /// The largest share; of equals, the one that comes first in the corridor.
    pub fn largest(&self) -> PauseCause {
        PauseCause::ALL.into_iter().rev().max_by_key(|&cause| self.get(cause)).unwrap_or(PauseCause::Endpointing)
    }
}

/// Walks from the caller's end of speech to the first audio, and books every millisecond to what was then waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    start_ms: u64,
    cursor_ms: u64,
    stages: Stages,
    closed: bool,
}

impl Timeline {
    /// Begins at the caller's end of speech.
    pub const fn new(end_of_speech_ms: u64) -> Self {
        Self { start_ms: end_of_speech_ms, cursor_ms: end_of_speech_ms, stages: ZERO, closed: false }
    }

    /// Books the time since the last call to this cause. Nothing is booked once the first audio is out.
    pub fn advance(&mut self, now_ms: u64, cause: PauseCause) {
        if !self.closed && now_ms > self.cursor_ms {
            *self.stages.slot(cause) += now_ms - self.cursor_ms;
            self.cursor_ms = now_ms;
        }
    }

    /// The first audio is out: the latency in milliseconds, where it went, and the cause if it was over the budget.
    /// Only the first call answers.
    pub fn close(&mut self, now_ms: u64) -> Option<(u64, Stages, Option<PauseCause>)> {
        if self.closed {
            return None;
        }
        self.advance(now_ms, PauseCause::Playout);
        self.closed = true;
        let latency_ms = now_ms.saturating_sub(self.start_ms);
        let cause = (latency_ms > LATENCY_BUDGET_MS).then(|| self.stages.largest());
        Some((latency_ms, self.stages, cause))
    }

    /// What is booked so far.
    pub const fn stages(&self) -> Stages {
        self.stages
    }
}

const ZERO: Stages = Stages { endpointing: 0, stt: 0, llm: 0, tool: 0, tts: 0, network: 0, playout: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_millisecond_is_booked_once_and_the_largest_share_names_the_cause() {
        let mut timeline = Timeline::new(1_000);
        timeline.advance(1_300, PauseCause::Endpointing);
        timeline.advance(1_200, PauseCause::Stt);
        timeline.advance(1_900, PauseCause::Llm);
        timeline.advance(2_000, PauseCause::Tts);
        let (latency_ms, stages, cause) = timeline.close(2_010).unwrap();
        assert_eq!((latency_ms, stages.total(), cause), (1_010, 1_010, Some(PauseCause::Llm)));
        assert_eq!((stages.endpointing, stages.stt, stages.llm, stages.tts, stages.playout), (300, 0, 600, 100, 10));
        assert_eq!(timeline.close(5_000), None);
    }

    #[test]
    fn a_quick_answer_has_no_cause() {
        let mut timeline = Timeline::new(0);
        timeline.advance(800, PauseCause::Endpointing);
        assert_eq!(timeline.close(800).unwrap().2, None);
    }
}
