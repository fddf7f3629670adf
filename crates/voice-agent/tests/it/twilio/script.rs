//! A real session with a script: the real driver, detector and store, and providers that say what the test wants.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_agent::answer_cache::AnswerCache;
use voice_agent::audio::format::AudioFormat;
use voice_agent::consent::Policy;
use voice_agent::driver::{self, Deps, Providers};
use voice_agent::failover::Board;
use voice_agent::ledger::Ledger;
use voice_agent::llm::{Llm, LlmEvent, LlmRequest};
use voice_agent::model::runtime::default_models_dir;
use voice_agent::sessions::SpawnSession;
use voice_agent::store::SystemClock;
use voice_agent::stt::{Stt, Wanted};
use voice_agent::telemetry::Traces;
use voice_agent::tts::{Tts, TtsEvent, TtsRequest};
use voice_agent::vad::Silero;
use voice_agent::voice_cache::VoiceCache;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderFailure;

use crate::server::Ground;

/// The sound that the agent's voice is made of.
pub(crate) const SOUND: u8 = 0x21;

/// What the providers say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// What the caller is understood to say.
    pub(crate) said: &'static str,
    /// What is answered.
    pub(crate) answer: &'static str,
    /// How long a word takes to be spoken.
    pub(crate) ms_per_word: u64,
}

impl Script {
    /// Starts sessions that follow the script.
    pub(crate) fn spawner(self, ground: &Ground) -> SpawnSession {
        let actor = Arc::new(self);
        let vad = Silero::load(&default_models_dir()).expect("the model; `make models` fetches it");
        let (stt, llm) = (Arc::clone(&actor) as Arc<dyn Stt>, Arc::clone(&actor) as Arc<dyn Llm>);
        let providers = Providers::single(stt, None, llm, actor, vad);
        let (core, board) = Board::for_providers(&providers, ground.config.core(), &ground.events);
        let (store, name) = (Arc::clone(&ground.store), "script".to_owned());
        let ledger = Arc::new(Ledger::new(store, Arc::new(SystemClock), core.ceilings.clone(), name));
        let deps = Arc::new(Deps {
            store: Arc::clone(&ground.store),
            providers,
            board,
            ledger,
            ladder: voice_agent::ladder::Ladder::idle(),
            consent: Arc::new(Policy::new(&ground.config)),
            answer_cache: Arc::new(AnswerCache::new(10, 300)),
            voice_cache: Arc::new(VoiceCache::new(0, 0)),
            core,
            vad: ground.config.vad(),
            events: Arc::clone(&ground.events),
            traces: Traces::default(),
            tracker: TaskTracker::new(),
            going_away: CancellationToken::new(),
            handing_over: CancellationToken::new(),
            hand_over_within_ms: 8_000,
            look_within: None,
            command_queue: ground.config.limits.command_queue,
            clock: Arc::new(SystemClock),
            input_logs: None,
            recorder: None,
        });
        Arc::new(move |start| driver::spawn(Arc::clone(&deps), start))
    }

    /// Milliseconds of a text's audio.
    pub(crate) fn length_ms(self, text: &str) -> u64 {
        text.split_whitespace().count() as u64 * self.ms_per_word
    }
}

impl Stt for Script {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "script"
    }

    fn transcribe(
        &self,
        pcm: Vec<i16>,
        _wanted: Wanted,
        _titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        assert!(pcm.iter().any(|sample| sample.unsigned_abs() > 1_000), "there is speech in it");
        let said = self.said.to_owned();
        async move { Ok(said) }.boxed()
    }
}

impl Llm for Script {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "rules"
    }

    fn stream(&self, _request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        let done = LlmEvent::Done { input_tokens: 10, cached_tokens: 0, output_tokens: 10 };
        stream::iter([Ok(LlmEvent::Text(self.answer.to_owned())), Ok(done)]).boxed()
    }
}

impl Tts for Script {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "script"
    }

    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        assert_eq!(request.format, AudioFormat::Mulaw8k, "a telephone's audio is µ-law from the start");
        let (mut words, mut end_ms, mut byte_end) = (Vec::new(), 0, 0);
        for word in request.text.split_whitespace() {
            byte_end += request.text[byte_end..].find(word).unwrap() + word.len();
            end_ms += self.ms_per_word;
            words.push(WordTiming { byte_end, end_ms });
        }
        let audio = vec![SOUND; 8 * usize::try_from(end_ms).unwrap()];
        stream::iter([Ok(TtsEvent::Audio(audio.into())), Ok(TtsEvent::Done { words })]).boxed()
    }
}
