//! What kind of call a seed is: its settings, and which faults befall it how often.

use std::collections::BTreeMap;

use voice_core::CoreConfig;
use voice_core::ceiling::{AtCeiling, Ceilings};
use voice_core::consent::ConsentFlow;
use voice_core::cost::{NanoUsd, Price, Prices};
use voice_core::failover::{Chains, Rung};

use crate::dice::Dice;

/// How often each fault happens, in thousandths of the occasions for it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A final transcript after its deadline, or never.
    pub stt_hang: u64,
    /// The STT gives up.
    pub stt_fail: u64,
    /// A final transcript twice, or one of another revision.
    pub stt_stale: u64,
    /// A final transcript without a word of what was said.
    pub stt_deaf: u64,
    /// No end-of-turn score.
    pub score_missing: u64,
    /// The VAD's edges twice, or one that is missing.
    pub vad_glitch: u64,
    /// The model fails at its start or in mid-stream.
    pub llm_fail: u64,
    /// The model never answers, or never goes on.
    pub llm_hang: u64,
    /// The model streams for ever: something useless, or one sentence after the other.
    pub llm_dribble: u64,
    /// The model calls tools for ever.
    pub llm_tools: u64,
    /// The model goes on after it was cancelled, or is done twice.
    pub llm_late: u64,
    /// A tool fails.
    pub tool_fail: u64,
    /// A tool answers after its deadline, or never.
    pub tool_hang: u64,
    /// The store refuses.
    pub store_down: u64,
    /// The caller's tasks changed meanwhile.
    pub store_conflict: u64,
    /// The store takes it, and answers too late or never.
    pub store_lost_ack: u64,
    /// The store neither takes it nor answers.
    pub store_hang: u64,
    /// Another owner takes the session.
    pub store_fenced: u64,
    /// The synthesis fails.
    pub tts_fail: u64,
    /// The synthesis hangs, at its start or in mid-chunk.
    pub tts_hang: u64,
    /// The synthesis says again and again that there is no more than there was.
    pub tts_dribble: u64,
    /// Audio of what was dropped.
    pub tts_late: u64,
    /// The playout's positions are lost.
    pub device_mute: u64,
    /// The leg is lost.
    pub leg_lost: u64,
    /// The process is killed.
    pub kill: u64,
    /// The session is moved on purpose.
    pub moved: u64,
    /// Events of ids that do not exist.
    pub stray: u64,
}

/// One kind of call.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// The session's settings.
    pub config: CoreConfig,
    /// The faults.
    pub faults: Faults,
    /// How many things the caller does.
    pub acts: u64,
    /// How long the caller waits between them at most, in milliseconds.
    pub gap_ms: u64,
    /// How quick the providers are: a factor on their delays, in thousandths.
    pub pace_permille: u64,
    /// Anything at all happens: only the checks that need no understanding apply.
    pub chaos: bool,
}

impl Profile {
    /// Rolls the profile of a seed.
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        let chaos = dice.chance(60);
        let calm = dice.chance(250);
        let faults = if calm { Faults::default() } else { roll_faults(dice) };
        Self {
            config: roll_config(dice),
            faults,
            acts: dice.between(1, 14),
            gap_ms: dice.pick(&[800, 3_000, 8_000]),
            pace_permille: dice.pick(&[200, 1_000, 1_000, 3_000]),
            chaos,
        }
    }
}

impl Profile {
    /// Some calls begin with an announcement or a question; the others have been asked by their page.
    pub(crate) fn ask_for_consent(&mut self, dice: &mut Dice) {
        use ConsentFlow::{Announce, Ask, Elsewhere, Never};
        self.config.consent =
            dice.pick(&[Elsewhere, Elsewhere, Elsewhere, Elsewhere, Elsewhere, Announce, Announce, Ask, Ask, Never]);
        self.config.consent_wait_ms = dice.pick(&[1_000, 6_000]);
    }
}

fn roll_faults(dice: &mut Dice) -> Faults {
    let mut faults = Faults::default();
    let all: [(&mut u64, u64); 27] = [
        (&mut faults.stt_hang, 400),
        (&mut faults.stt_fail, 400),
        (&mut faults.stt_stale, 500),
        (&mut faults.stt_deaf, 300),
        (&mut faults.score_missing, 1_000),
        (&mut faults.vad_glitch, 200),
        (&mut faults.llm_fail, 500),
        (&mut faults.llm_hang, 400),
        (&mut faults.llm_dribble, 300),
        (&mut faults.llm_tools, 300),
        (&mut faults.llm_late, 800),
        (&mut faults.tool_fail, 400),
        (&mut faults.tool_hang, 400),
        (&mut faults.store_down, 500),
        (&mut faults.store_conflict, 500),
        (&mut faults.store_lost_ack, 300),
        (&mut faults.store_hang, 300),
        (&mut faults.store_fenced, 60),
        (&mut faults.tts_fail, 400),
        (&mut faults.tts_hang, 300),
        (&mut faults.tts_dribble, 200),
        (&mut faults.tts_late, 800),
        (&mut faults.device_mute, 600),
        (&mut faults.leg_lost, 30),
        (&mut faults.kill, 25),
        (&mut faults.moved, 15),
        (&mut faults.stray, 60),
    ];
    for (rate, most) in all {
        if dice.chance(250) {
            *rate = dice.between(1, most);
        }
    }
    faults
}

fn roll_config(dice: &mut Dice) -> CoreConfig {
    let mut config = CoreConfig::default();
    if dice.chance(500) {
        config.greeting.clear();
    }
    config.hush_ms = dice.pick(&[160, 160, 160, 160, 60, 400, 0]);
    if dice.chance(300) {
        config.preemptive = false;
    }
    if dice.chance(300) {
        config.preemptive_min_permille = 0;
    }
    if dice.chance(300) {
        config.llm_first_deadline_ms = 1_000;
        config.llm_gap_deadline_ms = 700;
        config.tool_deadline_ms = 600;
        config.tts_deadline_ms = 900;
        config.commit_deadline_ms = 500;
        config.stt_deadline_ms = 800;
    }
    config.answer_deadline_ms = dice.pick(&[15_000, 15_000, 15_000, 5_000, 1_500]);
    if dice.chance(200) {
        config.max_utterance_ms = 1_000;
        config.max_turn_ms = 6_000;
    }
    if dice.chance(150) {
        config.max_llm_requests = 2;
        config.max_tool_calls = 2;
    }
    if dice.chance(150) {
        config.max_reply_chars = 100;
        config.max_text_chars = 60;
    }
    if dice.chance(150) {
        config.max_pending_texts = 1;
    }
    if dice.chance(250) {
        config.max_history = dice.between(2, 7) as usize;
    }
    config.idle_ms = dice.pick(&[5_000, 30_000, 300_000]);
    config.reconnect_ms = dice.pick(&[3_000, 30_000, 120_000]);
    if dice.chance(150) {
        config.max_session_ms = dice.between(5_000, 60_000);
        config.closing_ms = dice.between(1_000, 10_000);
    }
    config.prices = roll_prices(dice);
    roll_chains(dice, &mut config);
    roll_ceilings(dice, &mut config.ceilings);
    // Some have nothing to read on. Not by a roll of its own: a seed keeps its call.
    config.can_type = config.hush_ms != 400;
    config
}

/// Half the calls have one provider for each stage, the others up to three.
fn roll_chains(dice: &mut Dice, config: &mut CoreConfig) {
    if dice.chance(500) {
        return;
    }
    let mut chain = |name: &str| -> Vec<Rung> {
        (0..dice.between(1, 4)).map(|at| Rung::new(&format!("{name}{at}"), "sim")).collect()
    };
    config.chains = Chains { stt: chain("stt"), llm: chain("llm"), tts: chain("tts") };
    // What the rungs are listed for only says in which order a call that saves asks them.
    for rung in config.chains.llm.iter().chain(&config.chains.tts) {
        if dice.chance(300) {
            continue;
        }
        let price = Price { audio_minute: dice.below(9), input_1k_tokens: dice.below(9), ..Price::default() };
        config.prices.0.insert(format!("{}/{}", rung.provider, rung.model), price);
    }
    for rung in &mut config.chains.stt {
        rung.streams = dice.chance(400);
    }
    let failover = &mut config.failover;
    failover.llm_hedge_ms = dice.pick(&[200, 200, 60, 700]);
    failover.tts_hedge_ms = dice.pick(&[200, 200, 60, 700]);
    failover.stt_hedge_ms = dice.pick(&[150, 150, 60, 700]);
    failover.free_hedges = dice.pick(&[4, 4, 0, 100]);
    failover.hedge_percent = dice.pick(&[20, 20, 0, 100]);
}

/// A third of the calls may only cost so much, or so much in a day.
fn roll_ceilings(dice: &mut Dice, ceilings: &mut Ceilings) {
    if !dice.chance(330) {
        return;
    }
    let mut ceiling = || NanoUsd(dice.pick(&[0, 100_000, 1_000_000, 5_000_000, 20_000_000]));
    (ceilings.call, ceilings.day) = (ceiling(), ceiling());
    ceilings.brief_percent = dice.pick(&[60, 60, 0, 10]);
    ceilings.cheap_percent = dice.pick(&[80, 80, 60, 0]);
    ceilings.at_ceiling = dice.pick(&[AtCeiling::Close, AtCeiling::Text]);
    ceilings.text_until_percent = dice.pick(&[120, 100, 1_000]);
}

fn roll_prices(dice: &mut Dice) -> Prices {
    let mut prices = BTreeMap::new();
    for name in ["sim/stt", "sim/llm", "sim/tts"] {
        if !dice.chance(100) {
            let price = Price {
                audio_minute: dice.below(50_000_000),
                input_1k_tokens: dice.below(2_000_000),
                output_1k_tokens: dice.below(9_000_000),
                cached_input_1k_tokens: dice.chance(500).then(|| dice.below(1_000_000)),
            };
            prices.insert(name.to_owned(), price);
        }
    }
    Prices(prices)
}
