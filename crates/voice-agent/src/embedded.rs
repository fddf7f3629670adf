//! The embedded voice: what serves every stage when no key is set, and behind every other provider as the last rung.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Deadline, Model as Settings, Screen};
use crate::driver::{Providers, SttRung};
use crate::llm::rules::{self, RulesLlm};
use crate::llm::{LlmEvent, LlmRequest};
use crate::model::pool::{ModelPool, PoolConfig};
use crate::model::runtime::{ModelError, Runtime};
use crate::readiness::{StageHealth, Watched};
use crate::screen::ocr::Ocr;
use crate::screen::{self, Reader as ScreenReader};
use crate::stt::Understanding;
use crate::stt::embedded::EmbeddedStt;
use crate::stt::moonshine::Moonshine;
use crate::telemetry::Events;
use crate::tools::{self, ADD_TASK, TASK_AGENT};
use crate::tts::embedded::EmbeddedTts;
use crate::tts::hibari::{Hibari, Reader};
use crate::turn::embedded::EmbeddedScorer;
use crate::turn::smart_turn::SmartTurn;
use crate::vad::Silero;
use serde_json::Value;
use voice_core::chat::{ChatContext, ChatItem};

/// The voice's pace; 1 is its own.
const SPEED: f32 = 1.0;
/// What the embedded language model says when it is at a loss.
const PUZZLED: &[&str] = &["I heard:", "I couldn't find", "still don't get"];
/// What it says when it missed a part.
const MISSED: &[&str] = &["I didn't get the part"];
/// How well a text is understood that is answered with words alone: an offer or a question back is the weaker sign.
const UNDERSTOOD_WITHOUT_A_TOOL: f32 = 0.5;
/// How well a text is understood that names a task which is not on the list.
const UNDERSTOOD_WITHOUT_A_TASK: f32 = 0.3;

/// Loads all embedded models and starts their threads; what readiness is to look after comes beside them. Blocks for about
/// a second: call it off the runtime.
///
/// # Errors
/// [`ModelError`] that names the file and what to do.
pub fn load(
    models_dir: &Path,
    settings: &Settings,
    screens: &Screen,
    deadlines: &Deadline,
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
    let reading = runtime.clone();
    let voice = move || Hibari::load_shared(&runtime, &reader);
    let tts = Arc::new(ModelPool::start(pool("hibari", settings.tts_workers), voice)?);
    let watch = |stage, optional, rung| Watched { stage, optional, rung };
    // Without a scorer the text alone says whether a turn is over.
    let mut rungs = vec![
        watch("stt", false, Arc::clone(&stt) as Arc<dyn StageHealth>),
        watch("turn", true, Arc::clone(&turn) as Arc<dyn StageHealth>),
        watch("tts", false, Arc::clone(&tts) as Arc<dyn StageHealth>),
    ];
    let screen_reader = if screens.enabled {
        let config = PoolConfig { queue_limit: screen::MOST_WAITING, ..pool(screen::MODEL, screens.workers) };
        let pool = ModelPool::start(config, move || Ocr::load(&reading))?;
        let pool = Arc::new(pool);
        rungs.push(watch("screen", true, Arc::clone(&pool) as Arc<dyn StageHealth>));
        let model_waits = Duration::from_millis(deadlines.llm_first_ms);
        Some(Arc::new(ScreenReader::new(pool, Arc::clone(events), model_waits)))
    } else {
        None
    };
    let providers = Providers {
        stt: vec![SttRung::Whole(Arc::new(EmbeddedStt::new(stt, Arc::new(RulesLlm), Arc::clone(events))))],
        scorer: Some(Arc::new(EmbeddedScorer::new(turn, Arc::clone(events)))),
        llm: vec![Arc::new(RulesLlm::prepared())],
        tts: vec![Arc::new(EmbeddedTts::new(tts, Arc::clone(events), SPEED))],
        vad,
        reader: screen_reader,
    };
    Ok((providers, rungs))
}

/// The embedded language model says of each reading whether it would do something.
impl Understanding for RulesLlm {
    fn understands(&self, text: &str, titles: &[String]) -> f32 {
        let said = ChatItem::User { text: text.to_owned() };
        let request = LlmRequest {
            agent: TASK_AGENT.to_owned(),
            instructions: String::new(),
            chat: ChatContext { items: vec![said] },
            tools: tools::specs_for(TASK_AGENT),
            now: jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC),
            titles: titles.to_vec(),
            brief: false,
            seen: None,
        };
        let events = rules::respond(&request);
        let mut calls = events.iter().filter_map(|event| match event {
            LlmEvent::ToolCall { name, arguments } => Some((name.as_str(), arguments)),
            _ => None,
        });
        let says = |event: &LlmEvent, signs: &[&str]| matches!(event, LlmEvent::Text(text) if signs.iter().any(|sign| text.contains(sign)));
        if events.iter().any(|event| says(event, MISSED)) {
            return UNDERSTOOD_WITHOUT_A_TASK;
        }
        if let Some((name, arguments)) = calls.next() {
            let added = arguments.get("title").and_then(Value::as_str).filter(|_| name == ADD_TASK);
            if added.is_some_and(rules::is_torn) {
                return UNDERSTOOD_WITHOUT_A_TASK;
            }
            let task = arguments.get("title").and_then(Value::as_str).filter(|_| name != ADD_TASK);
            let unknown = task.is_some_and(|task| !rules::names_a_task(task, titles));
            return if unknown { UNDERSTOOD_WITHOUT_A_TASK } else { 1.0 };
        }
        if events.iter().any(|event| says(event, PUZZLED)) { 0.0 } else { UNDERSTOOD_WITHOUT_A_TOOL }
    }
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
