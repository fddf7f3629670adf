//! A call for call sheets: keeps what the session wished for, and answers what a sheet does not care about.

use serde_json::{Map, Value, json};

use crate::chat::{ChatItem, ToolOutput};
use crate::config::CoreConfig;
use crate::ids::{CommitId, ConnectionId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, UtteranceId};
use crate::input::Input;
use crate::output::{ClientEvent, Observation, Output};
use crate::session::Session;
use crate::snapshot::Snapshot;

pub(super) struct Call {
    pub(super) session: Session,
    pub(super) log: Vec<(u64, Output)>,
    /// Commits are answered at once.
    pub(super) store_works: bool,
    now_ms: u64,
}

impl Call {
    /// A call without a greeting, on a leg with voice.
    pub(super) fn new() -> Self {
        Self::with(CoreConfig { greeting: String::new(), ..CoreConfig::default() })
    }

    pub(super) fn with(config: CoreConfig) -> Self {
        let mut call = Self::unconnected(Session::new(config));
        call.at(0, Input::Connected { connection: ConnectionId(1), voice: true });
        call
    }

    pub(super) fn unconnected(session: Session) -> Self {
        Self { session, log: Vec::new(), store_works: true, now_ms: 0 }
    }

    /// Something happens. Deadlines before it pass first.
    pub(super) fn at(&mut self, now_ms: u64, input: Input) {
        self.until(now_ms);
        self.feed(input);
    }

    /// The same at the very moment of a deadline, which has not been told yet.
    pub(super) fn at_once(&mut self, now_ms: u64, input: Input) {
        self.now_ms = now_ms;
        self.feed(input);
    }

    /// Time passes.
    pub(super) fn until(&mut self, now_ms: u64) {
        while let Some(due_ms) = self.session.poll_timeout().filter(|due_ms| *due_ms <= now_ms) {
            assert!(due_ms > self.now_ms || self.log.is_empty(), "a deadline at {due_ms} ms was not cleared");
            self.now_ms = self.now_ms.max(due_ms);
            self.feed(Input::Tick);
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn feed(&mut self, input: Input) {
        self.session.handle_input(self.now_ms, input);
        let mut commits = Vec::new();
        while let Some(output) = self.session.poll_output() {
            if let Output::Commit { commit, .. } = &output {
                commits.push(*commit);
            }
            self.log.push((self.now_ms, output));
        }
        if !self.store_works {
            return;
        }
        for commit in commits {
            self.feed(Input::Committed { commit });
        }
    }

    /// What the session wished for since the last look.
    pub(super) fn take(&mut self) -> Vec<Output> {
        self.log.drain(..).map(|(_, output)| output).collect()
    }

    /// The caller says something, and falls silent at `end_ms`; the transcript comes 100 ms later with this score.
    pub(super) fn speaks(&mut self, start_ms: u64, end_ms: u64, text: &str, score: u16) {
        self.at(start_ms, Input::StartOfSpeech { at_ms: start_ms });
        self.at(end_ms + 100, Input::EndOfSpeech { last_speech_ms: end_ms });
        let (utterance, revision) = self.finishing().expect("an utterance to finish");
        self.at(end_ms + 180, Input::EndOfTurnScore { utterance, revision, permille: score });
        self.at(end_ms + 200, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: text.to_owned() });
    }

    /// The last `FinishUtterance`.
    pub(super) fn finishing(&self) -> Option<(UtteranceId, u32)> {
        self.log.iter().rev().find_map(|(_, output)| match output {
            Output::FinishUtterance { utterance, revision, .. } => Some((*utterance, *revision)),
            _ => None,
        })
    }

    /// The last request to the model, with its conversation.
    pub(super) fn request(&self) -> Option<(LlmRequestId, ReplyId, Vec<ChatItem>)> {
        self.log.iter().rev().find_map(|(_, output)| match output {
            Output::RequestLlm { request, reply, chat, .. } => Some((*request, *reply, chat.items.clone())),
            _ => None,
        })
    }

    pub(super) fn request_id(&self) -> LlmRequestId {
        self.request().expect("a request").0
    }

    /// The model answers this text at once.
    pub(super) fn llm_says(&mut self, now_ms: u64, text: &str) {
        let request = self.request_id();
        self.at(now_ms, Input::LlmText { request, text: text.to_owned() });
        self.at(now_ms, Input::LlmDone { request });
    }

    /// The model calls a tool; answers the call's id.
    pub(super) fn llm_calls(&mut self, now_ms: u64, name: &str, arguments: Value) {
        let request = self.request_id();
        self.llm_calls_and_goes_on(now_ms, name, arguments);
        self.at(now_ms, Input::LlmDone { request });
    }

    /// The model calls a tool, and its stream stays open.
    pub(super) fn llm_calls_and_goes_on(&mut self, now_ms: u64, name: &str, arguments: Value) {
        let request = self.request_id();
        let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
        self.at(now_ms, Input::LlmToolCall { request, name: name.to_owned(), arguments });
    }

    /// The tool that runs.
    pub(super) fn tool(&self) -> Option<ToolCallId> {
        self.log.iter().rev().find_map(|(_, output)| match output {
            Output::RunTool { call } => Some(call.id),
            _ => None,
        })
    }

    pub(super) fn tool_answers(&mut self, now_ms: u64, name: &str, mutates: bool) {
        let id = self.tool().expect("a tool that runs");
        let output = ToolOutput { id, name: name.to_owned(), result: json!({"status": "added"}), is_error: false };
        self.at(now_ms, Input::ToolComputed { output, mutates });
    }

    /// Everything that was asked for and not dropped is synthesised: 60 ms for each character.
    pub(super) fn tts_answers(&mut self, now_ms: u64) {
        let asked: Vec<(SpeechId, u32, u64)> = self
            .log
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Synthesize { speech, chunk, text, .. } => {
                    Some((*speech, *chunk, 60 * text.chars().count() as u64))
                }
                _ => None,
            })
            .collect();
        for (speech, chunk, audio_ms) in asked {
            self.at(now_ms, Input::TtsDone { speech, chunk, rung: RungId(0), audio_ms, words: Vec::new() });
        }
    }

    pub(super) fn speech(&self) -> SpeechId {
        let found = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Play { speech, .. } | Output::Synthesize { speech, .. } => Some(*speech),
            _ => None,
        });
        found.expect("a speech")
    }

    /// The first frame leaves, and so much of it is played later.
    pub(super) fn plays(&mut self, now_ms: u64, played_ms: u64) {
        let speech = self.speech();
        self.at(now_ms, Input::FirstAudioOut { speech });
        self.at(now_ms + played_ms, Input::PlayoutPosition { speech, played_ms, reported: true });
    }

    pub(super) fn events(&self) -> Vec<ClientEvent> {
        self.log
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Client { event } => Some(event.clone()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn observations(&self) -> Vec<Observation> {
        self.log
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Observe { observation } => Some(observation.clone()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn commits(&self) -> Vec<(CommitId, Vec<ToolCallId>, Snapshot)> {
        self.log
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Commit { commit, tools, snapshot, .. } => Some((*commit, tools.clone(), (**snapshot).clone())),
                _ => None,
            })
            .collect()
    }

    /// The conversation as history keeps it: `user: …`, `agent: …`.
    pub(super) fn history(&self) -> Vec<String> {
        self.session
            .snapshot()
            .history
            .into_iter()
            .map(|message| {
                format!(
                    "{}: {}",
                    if message.role == crate::snapshot::Role::User { "user" } else { "agent" },
                    message.content
                )
            })
            .collect()
    }

    pub(super) fn has(&self, test: impl Fn(&Output) -> bool) -> bool {
        self.log.iter().any(|(_, output)| test(output))
    }
}
