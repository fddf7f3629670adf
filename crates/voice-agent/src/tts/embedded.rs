//! The embedded voice: hibari on its pool.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use voice_core::input::WordTiming;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::hibari::{self, Hibari, Speech};
use super::{SAMPLE_RATE_HZ, Tts, TtsEvent, TtsRequest};
use crate::audio::format::AudioFormat;
use crate::audio::{frame, mulaw, resample};
use crate::model::pool::{Lane, ModelPool};
use crate::model::runtime::ModelError;
use crate::model::{RunOutcome, outcome};
use crate::telemetry::Events;

/// The model's name, as metrics and usage have it.
pub const MODEL: &str = "hibari";

/// hibari, shared by all sessions.
pub struct EmbeddedTts {
    pool: Arc<ModelPool<Hibari>>,
    events: Arc<Events>,
    speed: f32,
}

impl EmbeddedTts {
    /// A voice on this pool; `speed` 1 is its own.
    pub fn new(pool: Arc<ModelPool<Hibari>>, events: Arc<Events>, speed: f32) -> Self {
        let waiting = Arc::clone(&pool);
        events.watch_queue("hibari", move || waiting.stats().queued());
        Self { pool, events, speed }
    }
}

impl Tts for EmbeddedTts {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        MODEL
    }

    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        let speed = self.speed;
        let TtsRequest { text, format, .. } = request;
        let answer = self.pool.submit(Lane::Urgent, move |model| {
            let Speech { pcm, words } = model.synthesize(&text, speed)?;
            Ok((code(&pcm, format)?, words))
        });
        let events = Arc::clone(&self.events);
        let spoken = async move {
            let answer = answer.map_err(ProviderErrorKind::from)?;
            let RunOutcome { value, waited } = outcome(answer.await, "hibari")?;
            events.model_waited("hibari", waited);
            Ok(value)
        };
        spoken.map(|result| stream::iter(events_of(result))).flatten_stream().boxed()
    }
}

/// The voice's own 24 kHz in the format that is wanted.
fn code(pcm: &[i16], format: AudioFormat) -> Result<Bytes, ModelError> {
    let rate = format.sample_rate_hz();
    let resampled = if rate == SAMPLE_RATE_HZ {
        None
    } else {
        let refused = |error: resample::WavError| ModelError::Runtime(error.to_string());
        Some(resample::resample(pcm, SAMPLE_RATE_HZ, rate).map_err(refused)?)
    };
    let pcm = resampled.as_deref().unwrap_or(pcm);
    Ok(match format {
        AudioFormat::Pcm16k | AudioFormat::Pcm24k => frame::encode_pcm16le(pcm).into(),
        AudioFormat::Mulaw8k => pcm.iter().map(|sample| mulaw::encode(*sample)).collect(),
    })
}

type Spoken = (Bytes, Vec<hibari::WordTiming>);

fn events_of(result: Result<Spoken, ProviderErrorKind>) -> Vec<Result<TtsEvent, ProviderFailure>> {
    match result {
        Ok((audio, words)) => {
            let words =
                words.into_iter().map(|word| WordTiming { byte_end: word.byte_end, end_ms: word.end_ms }).collect();
            vec![Ok(TtsEvent::Audio(audio)), Ok(TtsEvent::Done { words })]
        }
        Err(kind) => vec![Err(kind.into())],
    }
}
