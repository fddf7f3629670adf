//! The embedded models by themselves, one at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use futures_util::StreamExt as _;
use voice_agent::audio::format::AudioFormat;
use voice_agent::config::{Deadline, Model, Screen};
use voice_agent::driver::{Providers, SttRung};
use voice_agent::stt::Wanted;
use voice_agent::telemetry::{Events, Metrics};
use voice_agent::tts::{SpeechKey, TtsEvent, TtsRequest};
use voice_agent::vad::{Detector, VadConfig};
use voice_core::provider::ProviderFailure;

use crate::embedded::{COMMANDS, Said};

/// What each model took, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) transcript: Vec<f64>,
    pub(crate) interim: Vec<f64>,
    pub(crate) score: Vec<f64>,
    pub(crate) first_audio: Vec<f64>,
    pub(crate) whole_audio: Vec<f64>,
    /// For a minute of audio.
    pub(crate) vad_speech: Vec<f64>,
    pub(crate) vad_silence: Vec<f64>,
}

/// Loads the models as the server does.
pub(crate) fn load(models_dir: &Path) -> Result<Providers> {
    let events = Arc::new(Events::new(Metrics::new("bench", &[])));
    Ok(voice_agent::embedded::load(models_dir, &Model::default(), &Screen::default(), &Deadline::default(), &events)?.0)
}

/// Each command once through each model.
pub(crate) async fn measure(providers: &Providers, said: &[Said]) -> Result<Times> {
    let mut times = Times::default();
    let titles = Arc::new(vec!["Review the proposal".to_owned(), "Buy milk".to_owned(), "Call the dentist".to_owned()]);
    let [SttRung::Whole(stt), ..] = &providers.stt[..] else { return Err(anyhow!("no recogniser is embedded")) };
    let failed = |failure: ProviderFailure| anyhow!("a model failed: {failure:?}");
    for (said, text) in said.iter().zip(COMMANDS) {
        for (wanted, took) in [(Wanted::Final, &mut times.transcript), (Wanted::Interim, &mut times.interim)] {
            let began = Instant::now();
            stt.transcribe(said.pcm.clone(), wanted, Arc::clone(&titles)).await.map_err(failed)?;
            took.push(ms_since(began));
        }
        if let Some(scorer) = &providers.scorer {
            let began = Instant::now();
            scorer.score(said.pcm.clone()).await.map_err(|kind| failed(kind.into()))?;
            times.score.push(ms_since(began));
        }
        let began = Instant::now();
        let mut stream = providers.tts[0].synthesize(TtsRequest {
            text: text.to_owned(),
            speech: SpeechKey(0),
            format: AudioFormat::Pcm24k,
        });
        let mut first = None;
        while let Some(event) = stream.next().await {
            if matches!(event.map_err(failed)?, TtsEvent::Audio(_)) {
                first.get_or_insert(ms_since(began));
            }
        }
        times.first_audio.extend(first);
        times.whole_audio.push(ms_since(began));
        times.vad_speech.push(vad_minute(providers, &said.pcm));
        times.vad_silence.push(vad_minute(providers, &vec![0; 16_000 * 5]));
    }
    Ok(times)
}

/// Milliseconds for a minute of this audio.
fn vad_minute(providers: &Providers, pcm: &[i16]) -> f64 {
    let mut detector = Detector::new(Arc::clone(&providers.vad), VadConfig::default());
    let began = Instant::now();
    for frame in pcm.chunks(320) {
        detector.handle_audio(frame);
        while detector.poll_event().is_some() {}
    }
    ms_since(began) * 60.0 * 16_000.0 / pcm.len() as f64
}

fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}
