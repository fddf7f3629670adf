//! Providers that answer at once, or after a fixed time, and note when they did and when they were asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::json;
use voice_agent::audio::format::AudioFormat;
use voice_agent::llm::{Llm, LlmEvent, LlmRequest};
use voice_agent::stt::{Stt, Wanted};
use voice_agent::tts::{Tts, TtsEvent, TtsRequest};
use voice_agent::turn::TurnScorer;
use voice_core::chat::ChatItem;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// What the caller is understood to have said.
const SAID: &str = "Add a task to review the proposal by Friday.";
/// What is answered: two sentences, so that the first is spoken while the model still streams.
const ANSWER: &str = "I have added the task to your list. It is due on Friday.";
/// Milliseconds of audio that a sentence makes.
const SENTENCE_MS: u64 = 400;

/// Something whose time is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The later one of the final transcript and the end-of-turn score.
    Heard,
    /// The model's first text of a request.
    Text,
    /// The model's tool call, for what the model is told of it.
    ToolCall,
    /// The same, for what the caller is told of it.
    Change,
    /// The voice's first audio of a reply.
    Audio,
}

/// From a provider's event to what it caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Final transcript and score → the model is asked.
    HeardToLlm,
    /// First text → the voice is asked.
    TextToTts,
    /// First audio → it leaves the server, in turns without a tool.
    AudioToCaller,
    /// Tool call → the model is asked with its output.
    ToolToLlm,
    /// Tool call → computed, committed to the store, and told to the caller.
    ToolToCommitted,
}

/// One session's notes. The providers of a session are its own, so that nothing is mistaken for another's.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    state: Mutex<State>,
    /// Nothing is noted.
    off: bool,
}

#[derive(Debug, Default)]
struct State {
    marks: BTreeMap<Mark, Instant>,
    ways: Vec<(Way, f64)>,
    replies: u64,
    /// This turn calls a tool: its audio waits for the commit.
    tool_turn: bool,
}

impl Notes {
    /// For sessions that share their providers, and would be mistaken for one another.
    pub(crate) fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It happens now; of several of a kind before [`Self::reached`] the last counts.
    pub(crate) fn mark(&self, mark: Mark) {
        if self.off {
            return;
        }
        self.state().marks.insert(mark, Instant::now());
    }

    /// It happens now, unless it did before.
    fn mark_first(&self, mark: Mark) {
        if self.off {
            return;
        }
        self.state().marks.entry(mark).or_insert_with(Instant::now);
    }

    /// What the mark caused is there; the mark is used up.
    pub(crate) fn reached(&self, from: Mark, way: Way) {
        if self.off {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        if let Some(began) = state.marks.remove(&from) {
            state.ways.push((way, (now - began).as_secs_f64() * 1_000.0));
        }
    }

    /// The answer's first audio is there.
    pub(crate) fn heard(&self) {
        if !self.state().tool_turn {
            self.reached(Mark::Audio, Way::AudioToCaller);
        }
    }

    /// A reply begins: its number, and what the one before left is forgotten.
    fn begin_reply(&self, tools: bool) -> (u64, bool) {
        if self.off {
            return (0, false);
        }
        let mut state = self.state();
        state.replies += 1;
        state.tool_turn = tools && state.replies.is_multiple_of(2);
        state.marks.clear();
        (state.replies, state.tool_turn)
    }

    /// Everything that was measured.
    pub(crate) fn take(&self) -> Vec<(Way, f64)> {
        std::mem::take(&mut self.state().ways)
    }
}

/// How long the providers take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delays {
    pub(crate) stt_ms: u64,
    pub(crate) llm_ms: u64,
    pub(crate) tts_ms: u64,
}

async fn wait(ms: u64) {
    // Even a sleep of nothing waits for the timer's next millisecond.
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// All providers of one session.
#[derive(Debug, Clone)]
pub(crate) struct Instantly {
    pub(crate) notes: Arc<Notes>,
    pub(crate) delays: Delays,
    /// Whether every other turn calls a tool.
    pub(crate) tools: bool,
}

impl Stt for Instantly {
    fn provider(&self) -> &'static str {
        "instant"
    }

    fn model(&self) -> &str {
        "instant"
    }

    fn transcribe(
        &self,
        _pcm: Vec<i16>,
        wanted: Wanted,
        _titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        let this = self.clone();
        async move {
            wait(this.delays.stt_ms).await;
            if wanted == Wanted::Final {
                this.notes.mark(Mark::Heard);
            }
            Ok(SAID.to_owned())
        }
        .boxed()
    }
}

impl TurnScorer for Instantly {
    fn score(&self, _pcm: Vec<i16>) -> BoxFuture<'static, Result<f32, ProviderErrorKind>> {
        let this = self.clone();
        async move {
            this.notes.mark(Mark::Heard);
            Ok(0.95)
        }
        .boxed()
    }
}

impl Llm for Instantly {
    fn provider(&self) -> &'static str {
        "instant"
    }

    fn model(&self) -> &str {
        "instant"
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        let notes = Arc::clone(&self.notes);
        let after_tool = matches!(request.chat.items.last(), Some(ChatItem::ToolOutput(_)));
        let (number, calls_tool) = if after_tool {
            notes.reached(Mark::ToolCall, Way::ToolToLlm);
            (0, false)
        } else {
            notes.reached(Mark::Heard, Way::HeardToLlm);
            notes.begin_reply(self.tools)
        };
        let first = if calls_tool {
            let arguments = json!({"title": format!("Review proposal {number}")});
            let arguments = arguments.as_object().cloned().unwrap_or_default();
            LlmEvent::ToolCall { name: "add_task".to_owned(), arguments }
        } else {
            LlmEvent::Text(ANSWER.to_owned())
        };
        let events = [first, LlmEvent::Done { input_tokens: 100, cached_tokens: 0, output_tokens: 10 }];
        let delay_ms = if after_tool { 0 } else { self.delays.llm_ms };
        stream::once(wait(delay_ms))
            .flat_map(move |()| stream::iter(events.clone()))
            .map(move |event| {
                match event {
                    LlmEvent::Text(_) => notes.mark(Mark::Text),
                    LlmEvent::ToolCall { .. } => {
                        notes.mark(Mark::ToolCall);
                        notes.mark(Mark::Change);
                    }
                    _ => {}
                }
                Ok(event)
            })
            .boxed()
    }
}

impl Tts for Instantly {
    fn provider(&self) -> &'static str {
        "instant"
    }

    fn model(&self) -> &str {
        "instant"
    }

    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        let notes = Arc::clone(&self.notes);
        notes.reached(Mark::Text, Way::TextToTts);
        let bytes = usize::try_from(SENTENCE_MS).unwrap_or(0) * request.format.bytes_per_ms();
        stream::once(wait(self.delays.tts_ms))
            .flat_map(move |()| {
                notes.mark_first(Mark::Audio);
                stream::iter([
                    Ok(TtsEvent::Audio(sound(request.format, bytes).into())),
                    Ok(TtsEvent::Done { words: Vec::new() }),
                ])
            })
            .boxed()
    }
}

/// Something that survives every codec: a tone where samples are linear, and what is loud in µ-law.
fn sound(format: AudioFormat, bytes: usize) -> Vec<u8> {
    match format {
        AudioFormat::Mulaw8k => vec![4; bytes],
        AudioFormat::Pcm16k | AudioFormat::Pcm24k => {
            let wave = |n: usize| if (n / 24).is_multiple_of(2) { 4_000_i16 } else { -4_000 };
            (0..bytes / 2).flat_map(|n| wave(n).to_le_bytes()).collect()
        }
    }
}
