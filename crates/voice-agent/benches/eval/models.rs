//! The real models under virtual time: they work where they are asked, and take as long as they usually do.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use voice_agent::driver::Providers;
use voice_agent::llm::rules::RulesLlm;
use voice_agent::model::runtime::Runtime;
use voice_agent::stt::moonshine::Moonshine;
use voice_agent::stt::{Stt, Wanted, embedded};
use voice_agent::tts::{Tts, TtsEvent, TtsRequest};
use voice_agent::turn::TurnScorer;
use voice_agent::turn::smart_turn::SmartTurn;
use voice_agent::vad::Silero;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// What a transcription takes of virtual time: as on two cores.
const STT: Duration = Duration::from_millis(120);
/// What an end-of-turn score takes.
const SCORE: Duration = Duration::from_millis(70);
/// What a sentence of the agent lasts: it is only waited for.
const SENTENCE_MS: u32 = 300;

/// A model that works on the thread that asks.
struct Here<M>(Mutex<M>);

/// Speaks silence.
struct Hum;

/// The embedded providers, but for the voice.
pub(crate) fn load(models_dir: &Path) -> Result<Providers> {
    let runtime = Runtime::load(models_dir)?;
    Ok(Providers::single(
        Arc::new(Here(Mutex::new(Moonshine::load(&runtime)?))),
        Some(Arc::new(Here(Mutex::new(SmartTurn::load(&runtime)?)))),
        Arc::new(RulesLlm::prepared()),
        Arc::new(Hum),
        Silero::load(models_dir)?,
    ))
}

impl Stt for Here<Moonshine> {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        embedded::MODEL
    }

    fn transcribe(
        &self,
        pcm: Vec<i16>,
        wanted: Wanted,
        titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        let mut model = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = embedded::hear(&mut model, &pcm, wanted, &titles, &RulesLlm).map_err(|error| {
            tracing::error!(%error, "the model failed");
            ProviderErrorKind::Protocol.into()
        });
        async move {
            tokio::time::sleep(STT).await;
            heard
        }
        .boxed()
    }
}

impl TurnScorer for Here<SmartTurn> {
    fn score(&self, pcm: Vec<i16>) -> BoxFuture<'static, Result<f32, ProviderErrorKind>> {
        let score = self.0.lock().unwrap_or_else(PoisonError::into_inner).score(&pcm);
        let score = score.map_err(|error| {
            tracing::error!(%error, "the model failed");
            ProviderErrorKind::Protocol
        });
        async move {
            tokio::time::sleep(SCORE).await;
            score
        }
        .boxed()
    }
}

impl Tts for Hum {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "hum"
    }

    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        let bytes = SENTENCE_MS as usize * request.format.bytes_per_ms();
        stream::iter([Ok(TtsEvent::Audio(vec![4; bytes].into())), Ok(TtsEvent::Done { words: Vec::new() })]).boxed()
    }
}
