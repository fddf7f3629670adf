//! Who serves the stages of a call: the chains of the configuration, put together.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_core::cost::Quantity;
use voice_core::ids::RungId;
use voice_core::output::AttemptResult;
use voice_core::provider::{ProviderErrorKind, ProviderFailure, Stage};

use crate::config::{Config, ConfigError, LlmKind, SttKind, TtsKind};
use crate::driver::{Providers, SttRung};
use crate::failover::{Board, Books, Probed};
use crate::llm::Llm;
use crate::llm::openai::{MaxTokensField, OpenAiConfig, OpenAiLlm};
use crate::openai::{Account, AccountConfig};
use crate::served::Served;
use crate::stt::deepgram::{DeepgramConfig, DeepgramStt};
use crate::stt::whisper::{WhisperConfig, WhisperStt};
use crate::tts::Tts;
use crate::tts::cartesia::{CartesiaConfig, CartesiaTts};
use crate::tts::elevenlabs::{ElevenLabsConfig, ElevenLabsTts};

/// A model that is not served is not asked again for so long, in milliseconds.
const NOT_SERVED_MS: u64 = 3_600_000;
/// How long a provider may take to say whether it serves a model.
const ASK: Duration = Duration::from_secs(5);
/// Providers that could not be asked are asked again after so long, twice as long each time, up to the longest.
const ASK_AGAIN: Duration = Duration::from_secs(15);
const ASK_AGAIN_LONGEST: Duration = Duration::from_secs(600);

/// The configured chains over the embedded providers, which stand where the chains name them. Clients begin to connect at
/// once.
///
/// # Errors
/// [`ConfigError`] when an address or a key cannot be used.
pub fn assemble(config: &Config, embedded: Providers, tasks: &TaskTracker) -> Result<Providers, ConfigError> {
    let Rungs { stt, llm, tts } = Rungs::assemble(config, Some(&embedded), tasks)?;
    Ok(Providers { stt, llm, tts, ..embedded })
}

/// The rungs of every stage.
#[derive(Default)]
pub struct Rungs {
    stt: Vec<SttRung>,
    llm: Vec<Arc<dyn Llm>>,
    tts: Vec<Arc<dyn Tts>>,
}

impl Rungs {
    /// Those that are reached over a network, without the embedded ones.
    ///
    /// # Errors
    /// As [`assemble`].
    pub fn outside(config: &Config, tasks: &TaskTracker) -> Result<Self, ConfigError> {
        Self::assemble(config, None, tasks)
    }

    fn assemble(config: &Config, embedded: Option<&Providers>, tasks: &TaskTracker) -> Result<Self, ConfigError> {
        let account = account(config, tasks)?;
        let mut providers = Self::default();
        for kind in config.stt_chain()? {
            match kind {
                SttKind::Deepgram => providers.stt.push(deepgram(config)?),
                SttKind::Whisper => {
                    providers.stt.push(SttRung::Whole(Arc::new(WhisperStt::new(Arc::clone(&account), whisper(config)))))
                }
                SttKind::Embedded => providers.stt.extend(embedded.iter().flat_map(|all| all.stt.iter().cloned())),
            }
        }
        for kind in config.llm_chain()? {
            match kind {
                LlmKind::OpenAi => providers.llm.extend(openai(config, &account)),
                LlmKind::Embedded => providers.llm.extend(embedded.iter().flat_map(|all| all.llm.iter().cloned())),
            }
        }
        for kind in config.tts_chain()? {
            match kind {
                TtsKind::Cartesia => providers.tts.push(cartesia(config)?),
                TtsKind::ElevenLabs => providers.tts.push(elevenlabs(config)?),
                TtsKind::Embedded => providers.tts.extend(embedded.iter().flat_map(|all| all.tts.iter().cloned())),
            }
        }
        Ok(providers)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.stt.is_empty() && self.llm.is_empty() && self.tts.is_empty()
    }
}

fn account(config: &Config, tasks: &TaskTracker) -> Result<Arc<Account>, ConfigError> {
    let openai = &config.openai;
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let settings = AccountConfig {
        base_url: openai.base_url.clone(),
        api_key: config.secrets.openai_key.clone(),
        organization: filled(&openai.organization),
        project: filled(&openai.project),
        connect_timeout_ms: openai.connect_timeout_ms,
        warm_connections: openai.warm_connections,
        ..AccountConfig::default()
    };
    let account = Account::new(&settings).map_err(|error| ConfigError::new("openai", error.to_string()))?;
    let used = config.llm_chain()?.contains(&LlmKind::OpenAi) || config.stt_chain()?.contains(&SttKind::Whisper);
    if used {
        tasks.spawn(account.keep_warm());
    }
    Ok(account)
}

fn deepgram(config: &Config) -> Result<SttRung, ConfigError> {
    let deepgram = &config.deepgram;
    let Some(key) = config.secrets.deepgram_key.clone() else { return Err(no_key("DEEPGRAM_API_KEY")) };
    let settings = DeepgramConfig {
        base_url: deepgram.base_url.clone(),
        model: deepgram.model.clone(),
        language: deepgram.language.clone(),
        smart_format: deepgram.smart_format,
        numerals: deepgram.numerals,
        mip_opt_out: deepgram.mip_opt_out,
        endpointing_ms: deepgram.endpointing_ms,
        connect_timeout_ms: deepgram.connect_timeout_ms,
        finalize_wait_ms: deepgram.finalize_wait_ms,
        ..DeepgramConfig::new(key)
    };
    let stt = DeepgramStt::new(settings).map_err(|error| ConfigError::new("deepgram.base_url", error.to_string()))?;
    Ok(SttRung::Streaming(Arc::new(stt)))
}

fn whisper(config: &Config) -> WhisperConfig {
    let openai = &config.openai;
    WhisperConfig {
        model: openai.whisper_model.clone(),
        language: Some(openai.whisper_language.clone()).filter(|language| !language.is_empty()),
        ..WhisperConfig::default()
    }
}

fn openai(config: &Config, account: &Arc<Account>) -> Vec<Arc<dyn Llm>> {
    let openai = &config.openai;
    let settings = |model: &String| OpenAiConfig {
        model: model.clone(),
        max_tokens: openai.max_tokens,
        brief_max_tokens: openai.brief_max_tokens,
        max_tokens_field: if openai.old_max_tokens { MaxTokensField::MaxTokens } else { MaxTokensField::default() },
        temperature: (openai.temperature_percent >= 0).then(|| f64::from(openai.temperature_percent) / 100.0),
        include_usage: openai.include_usage,
        max_context_chars: openai.max_context_chars,
        say_with_call: openai.say_with_call,
        parallel_tool_calls: openai.parallel_tool_calls,
        system_first_only: openai.system_first_only,
        looks: (!config.screen.blind_models.contains(model)).then_some(config.screen.detail),
    };
    let model = |model: &String| Arc::new(OpenAiLlm::new(Arc::clone(account), settings(model))) as Arc<dyn Llm>;
    openai.models.iter().map(model).collect()
}

fn cartesia(config: &Config) -> Result<Arc<dyn Tts>, ConfigError> {
    let cartesia = &config.cartesia;
    let Some(key) = config.secrets.cartesia_key.clone() else { return Err(no_key("CARTESIA_API_KEY")) };
    let settings = CartesiaConfig {
        base_url: cartesia.base_url.clone(),
        version: cartesia.version.clone(),
        model: cartesia.model.clone(),
        voice_id: cartesia.voice_id.clone(),
        language: cartesia.language.clone(),
        connect_timeout_ms: cartesia.connect_timeout_ms,
        ..CartesiaConfig::new(key)
    };
    let tts = CartesiaTts::new(settings).map_err(|error| ConfigError::new("cartesia", error.to_string()))?;
    Ok(Arc::new(tts))
}

fn elevenlabs(config: &Config) -> Result<Arc<dyn Tts>, ConfigError> {
    let elevenlabs = &config.elevenlabs;
    let Some(key) = config.secrets.elevenlabs_key.clone() else { return Err(no_key("ELEVENLABS_API_KEY")) };
    let settings = ElevenLabsConfig {
        base_url: elevenlabs.base_url.clone(),
        model: elevenlabs.model.clone(),
        voice_id: elevenlabs.voice_id.clone(),
        language: Some(elevenlabs.language.clone()).filter(|language| !language.is_empty()),
        connect_timeout_ms: elevenlabs.connect_timeout_ms,
        ..ElevenLabsConfig::new(key)
    };
    let tts = ElevenLabsTts::new(settings).map_err(|error| ConfigError::new("elevenlabs", error.to_string()))?;
    Ok(Arc::new(tts))
}

fn no_key(variable: &str) -> ConfigError {
    ConfigError::new(variable, "is not set")
}

/// What a provider says of the model that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The stage.
    pub stage: Stage,
    /// The provider's place in the chain.
    pub rung: RungId,
    /// The provider and its model, for people.
    pub name: String,
    /// What it says; or how it failed to say it.
    pub served: Result<Served, ProviderErrorKind>,
    /// What the asking used, where it costs.
    pub used: Option<Quantity>,
}

/// Asks every provider whether it serves the model that is configured, all at once. Those that have no way to be asked are
/// tried out with the least request there is, which costs as much as a probe.
pub async fn ask_served(providers: &Rungs) -> Vec<Answer> {
    ask_those(providers, |_, _| true).await
}

/// Asks those that are wanted.
async fn ask_those(providers: &Rungs, wanted: impl Fn(Stage, RungId) -> bool) -> Vec<Answer> {
    // Nothing is asked before it is waited for: who is not wanted is not.
    let Rungs { stt, llm, tts } = providers;
    let stt = stt.iter().enumerate().map(|(at, one)| {
        let found = async move { found(one.served(), || one.probe()).await }.boxed();
        (Stage::Stt, at, name(one.provider(), one.model()), found)
    });
    let llm = llm.iter().enumerate().map(|(at, one)| {
        let found = async move { found(one.served(), || one.probe()).await }.boxed();
        (Stage::Llm, at, name(one.provider(), one.model()), found)
    });
    let tts = tts.iter().enumerate().map(|(at, one)| {
        let found = async move { found(one.served(), || one.probe()).await }.boxed();
        (Stage::Tts, at, name(one.provider(), one.model()), found)
    });
    let rung = |at: usize| RungId(u8::try_from(at).unwrap_or(u8::MAX));
    let all = stt.chain(llm).chain(tts).map(|(stage, at, name, found)| (stage, rung(at), name, found));
    let asked = all.filter(|(stage, rung, ..)| wanted(*stage, *rung)).map(|(stage, rung, name, found)| async move {
        let late = Err(ProviderFailure::from(ProviderErrorKind::Timeout));
        match tokio::time::timeout(ASK, found).await.unwrap_or(late) {
            Ok((served, used)) => Answer { stage, rung, name, served: Ok(served), used },
            Err(failure) => Answer { stage, rung, name, served: Err(failure.kind), used: None },
        }
    });
    futures_util::future::join_all(asked).await
}

/// What a provider says; of one that says nothing, what a probe shows and uses.
async fn found(
    served: BoxFuture<'static, Result<Served, ProviderFailure>>,
    probe: impl FnOnce() -> BoxFuture<'static, Probed>,
) -> Result<(Served, Option<Quantity>), ProviderFailure> {
    match served.await? {
        Served::Unknown => match probe().await {
            Ok(used) => Ok((Served::Yes, used)),
            Err(failure) if failure.kind == ProviderErrorKind::NotServed => Ok((Served::No, None)),
            Err(failure) => Err(failure),
        },
        known => Ok((known, None)),
    }
}

fn name(provider: &str, model: &str) -> String {
    format!("{provider}/{model}")
}

/// Finds out, before a caller does, which models are not served: the chains skip those. A provider that cannot be asked now is
/// asked again later; until then its first caller may find out, whom a rival serves. What the asking uses is booked on no call.
pub async fn find_retired(providers: Providers, board: Arc<Board>, books: Books, stop: CancellationToken) {
    let Providers { stt, llm, tts, .. } = providers;
    let rungs = Rungs { stt, llm, tts };
    let mut known = HashSet::new();
    let mut wait = ASK_AGAIN;
    loop {
        let answers = tokio::select! {
            answers = ask_those(&rungs, |stage, rung| !known.contains(&(stage, rung))) => answers,
            () = stop.cancelled() => return,
        };
        let mut all_known = true;
        for answer in answers {
            let key = (answer.stage, answer.rung);
            if take_answer(answer, &board, &books) {
                known.insert(key);
            } else {
                all_known = false;
            }
        }
        if all_known {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        wait = (wait * 2).min(ASK_AGAIN_LONGEST);
    }
}

/// Tells the board, and whether the provider has said what was asked.
fn take_answer(answer: Answer, board: &Board, books: &Books) -> bool {
    let Answer { stage, rung, name, served, used } = answer;
    if let Some(used) = used {
        board.book(books, stage, rung, used);
    }
    match served {
        Ok(Served::No) => {
            tracing::error!(stage = stage.as_str(), model = name, "the provider does not serve this model");
            let (kind, retry_after_ms) = (ProviderErrorKind::NotServed, Some(NOT_SERVED_MS));
            board.report(stage, rung, AttemptResult::Failed { failure: ProviderFailure { kind, retry_after_ms } });
            true
        }
        Ok(Served::Yes | Served::Unknown) => true,
        Err(kind) => {
            tracing::warn!(stage = stage.as_str(), model = name, error_type = kind.as_str(), "cannot be asked");
            let is_account = matches!(kind, ProviderErrorKind::Auth | ProviderErrorKind::Quota);
            if is_account {
                board.report(stage, rung, AttemptResult::Failed { failure: kind.into() });
            }
            // What refuses the account rests, and is probed after that; what calls the question wrong will do so again.
            is_account || kind == ProviderErrorKind::BadRequest
        }
    }
}
