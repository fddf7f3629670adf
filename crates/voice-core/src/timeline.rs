//! Where a turn's milliseconds went, and the named cause of a pause that was too long.

use serde::{Deserialize, Serialize};

/// Above this a pause gets a named cause, in milliseconds: the mission's budget.
pub const LATENCY_BUDGET_MS: u64 = 800;
/// Later than this, in milliseconds, no reply counts as begun to sound after its first audio left: what the far end reports is believed
/// so far, and no further.
pub const MAX_AFTER_MS: u64 = 10_000;

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
    /// For the network: the way of the first audio to the caller, and that of the report back.
    Network,
    /// For the playout to begin: on this side, and on the caller's device.
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
    /// Waiting for the network, there and back. 0 where the round trip is not measured (telephone, rooms), or no report says when the
    /// reply began to sound.
    pub network: u64,
    /// Waiting for the playout to begin: on this side, and, where a report says so, on the caller's; with the network where the round
    /// trip is not measured.
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

/// Walks from the caller's end of speech to the first audio, and on to where the caller hears it, and books every millisecond to
/// what was then waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    start_ms: u64,
    cursor_ms: u64,
    stages: Stages,
    /// When the first audio left.
    out_ms: Option<u64>,
    /// When the caller began to hear it is booked, or will not be known.
    settled: bool,
}

impl Timeline {
    /// Begins at the caller's end of speech.
    pub const fn new(end_of_speech_ms: u64) -> Self {
        Self { start_ms: end_of_speech_ms, cursor_ms: end_of_speech_ms, stages: ZERO, out_ms: None, settled: false }
    }

    /// Books the time since the last call to this cause. Nothing is booked once the first audio is out.
    pub fn advance(&mut self, now_ms: u64, cause: PauseCause) {
        if self.out_ms.is_none() && now_ms > self.cursor_ms {
            *self.stages.slot(cause) += now_ms - self.cursor_ms;
            self.cursor_ms = now_ms;
        }
    }

    /// The first audio is out: the latency in milliseconds, where it went, and the cause if it was over the budget.
    /// Only the first call answers.
    pub fn close(&mut self, now_ms: u64) -> Option<(u64, Stages, Option<PauseCause>)> {
        if self.out_ms.is_some() {
            return None;
        }
        self.advance(now_ms, PauseCause::Playout);
        self.out_ms = Some(now_ms);
        Some((now_ms.saturating_sub(self.start_ms), self.stages, self.cause()))
    }

    /// The far end reports that `played_ms` of the reply were played: it began to sound that much ago, as seen from here. What lies
    /// between the first audio and that is network as far as the round trip goes, and playout beyond it; all of it is playout where no
    /// round trip is known. Answers these milliseconds, where everything went, and the cause if everything is over the budget.
    /// Only the first report of something played answers, after `close`.
    pub fn hear(
        &mut self,
        now_ms: u64,
        played_ms: u64,
        round_trip_ms: Option<u64>,
    ) -> Option<(u64, Stages, Option<PauseCause>)> {
        let out_ms = self.out_ms.filter(|_| !self.settled && played_ms > 0)?;
        self.settled = true;
        let after_ms = now_ms.saturating_sub(played_ms).saturating_sub(out_ms).min(MAX_AFTER_MS);
        let network_ms = after_ms.min(round_trip_ms.unwrap_or(0));
        self.stages.network += network_ms;
        self.stages.playout += after_ms - network_ms;
        Some((after_ms, self.stages, self.cause()))
    }

    /// The playout was paused, and goes on: from what is reported now it cannot be told when it began.
    pub const fn interrupt(&mut self) {
        self.settled |= self.out_ms.is_some();
    }

    fn cause(&self) -> Option<PauseCause> {
        (self.stages.total() > LATENCY_BUDGET_MS).then(|| self.stages.largest())
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

    /// 700 ms to the first audio, which is out at 1,700 ms.
    fn out() -> Timeline {
        let mut timeline = Timeline::new(1_000);
        timeline.advance(1_400, PauseCause::Llm);
        timeline.advance(1_690, PauseCause::Tts);
        assert_eq!(timeline.close(1_700).unwrap().2, None);
        timeline
    }

    #[test]
    fn what_lies_between_the_first_audio_and_the_ear_is_network_and_playout() {
        // Played since 1,850 ms, as seen from here.
        let (after_ms, stages, cause) = out().hear(1_950, 100, Some(60)).unwrap();
        assert_eq!((after_ms, stages.network, stages.playout, stages.total()), (150, 60, 10 + 90, 850));
        assert_eq!(cause, Some(PauseCause::Llm), "all of it is over the budget");
        let (_, stages, _) = out().hear(1_950, 100, Some(600)).unwrap();
        assert_eq!((stages.network, stages.playout), (150, 10), "no more than there was");
        let (_, stages, cause) = out().hear(1_790, 80, None).unwrap();
        assert_eq!((stages.network, stages.playout, cause), (0, 10 + 10, None), "the round trip is not known");
        let (_, stages, cause) = out().hear(3_000, 100, Some(900)).unwrap();
        assert_eq!((stages.network, cause), (900, Some(PauseCause::Network)));
    }

    #[test]
    fn reports_are_believed_once_and_within_bounds() {
        let mut timeline = out();
        assert_eq!(timeline.hear(1_900, 0, Some(60)), None, "nothing is played yet");
        assert_eq!(timeline.hear(1_800, u64::MAX, Some(60)).unwrap().0, 0, "more than there was time for");
        assert_eq!(timeline.hear(1_950, 100, Some(60)), None, "once");
        assert_eq!(out().hear(u64::MAX, 1, Some(u64::MAX)).unwrap().1.network, MAX_AFTER_MS);
        assert_eq!(Timeline::new(0).hear(900, 100, None), None, "nothing is out yet");
        let mut paused = out();
        paused.interrupt();
        assert_eq!(paused.hear(2_900, 100, None), None);
    }
}
