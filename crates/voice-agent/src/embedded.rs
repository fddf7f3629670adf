//! The embedded voice: what serves every stage when no key is set, and behind every other provider as the last rung.

use std::path::Path;
use std::sync::Arc;

use crate::config::Model as Settings;
use crate::driver::Providers;
use crate::llm::rules::RulesLlm;
use crate::model::pool::{ModelPool, PoolConfig};
use crate::model::runtime::{ModelError, Runtime};
use crate::readiness::{StageHealth, Watched};
use crate::stt::embedded::EmbeddedStt;
use crate::stt::moonshine::Moonshine;
use crate::telemetry::Events;
use crate::tts::embedded::EmbeddedTts;
use crate::tts::hibari::{Hibari, Reader};
use crate::turn::embedded::EmbeddedScorer;
use crate::turn::smart_turn::SmartTurn;
use crate::vad::Silero;

/// The voice's pace; 1 is its own.
const SPEED: f32 = 1.0;

/// Loads all embedded models and starts their threads; what readiness is to look after comes beside them. Blocks for about
/// a second: call it off the runtime.
///
/// # Errors
/// [`ModelError`] that names the file and what to do.
pub fn load(
    models_dir: &Path,
    settings: &Settings,
    events: &Arc<Events>,
) -> Result<(Providers, Vec<Watched>), ModelError> {
    let runtime = Runtime::load(models_dir)?;
    let vad = Silero::load(models_dir)?;
    let pool = |name, workers| PoolConfig { name, workers, queue_limit: settings.queue };
    let ears = runtime.clone();
    let stt = Arc::new(ModelPool::start(pool("moonshine", settings.stt_workers), move || Moonshine::load(&ears))?);
    let judge = runtime.clone();
    let turn = Arc::new(ModelPool::start(pool("smart_turn", settings.turn_workers), move || SmartTurn::load(&judge))?);
    let reader = Arc::new(Reader::load(models_dir)?);
    let voice = move || Hibari::load_shared(&runtime, &reader);
    let tts = Arc::new(ModelPool::start(pool("hibari", settings.tts_workers), voice)?);
    let watch = |stage, optional, rung| Watched { stage, optional, rung };
    // Without a scorer the text alone says whether a turn is over.
    let rungs = vec![
        watch("stt", false, Arc::clone(&stt) as Arc<dyn StageHealth>),
        watch("turn", true, Arc::clone(&turn) as Arc<dyn StageHealth>),
        watch("tts", false, Arc::clone(&tts) as Arc<dyn StageHealth>),
    ];
    let providers = Providers {
        stt: Arc::new(EmbeddedStt::new(stt, Arc::clone(events))),
        scorer: Some(Arc::new(EmbeddedScorer::new(turn, Arc::clone(events)))),
        llm: Arc::new(RulesLlm::prepared()),
        tts: Arc::new(EmbeddedTts::new(tts, Arc::clone(events), SPEED)),
        vad,
    };
    Ok((providers, rungs))
}

/// Speaks a text with the embedded voice: PCM16 mono at `rate` Hz.
///
/// # Errors
/// When the models are missing or broken, or the rate is none.
pub fn say(models_dir: &Path, text: &str, rate: u32) -> anyhow::Result<Vec<i16>> {
    let runtime = Runtime::load(models_dir)?;
    let speech = Hibari::load(&runtime)?.synthesize(text, SPEED)?;
    Ok(crate::audio::resample::resample(&speech.pcm, crate::tts::SAMPLE_RATE_HZ, rate)?)
}
