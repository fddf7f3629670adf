//! The one loop of a session: inputs → core → outputs. One task per session.
//!
//! What the core wishes for is carried out in `wish`; what providers and the store answer comes back as [`Done`] through
//! one bounded queue, and every answer carries the id of what it belongs to.

pub mod api;
mod doc;
mod ears;
mod journal;
mod mouth;
mod staging;
mod wish;

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use voice_core::chat::ToolCall;
use voice_core::ids::{CommitId, ConnectionId, LlmRequestId, SpeechId, ToolCallId, UtteranceId};
use voice_core::input::WordTiming;
use voice_core::log::{Header, LOG_VERSION, RestoredFrom};
use voice_core::output::{AgentState, ClientEvent, EndReason, Outcome};
use voice_core::provider::ProviderErrorKind;
use voice_core::session::{Restored, Session};
use voice_core::{CoreConfig, Input, Observation, Output};

use crate::llm::Llm;
use crate::store::{CommitOutcome, SessionDoc, Store, StoreError, UserTasks};
use crate::stt::Stt;
use crate::telemetry::{Events, SessionEnd, SessionLabels, SessionTrace, Traces};
use crate::tts::Tts;
use crate::turn::TurnScorer;
use crate::vad::{Silero, VadConfig};

use api::{Command, Outbound, Ready, SessionHandle, SessionInfo, TextAnswer, ToolCallReport};
use ears::Ears;
use journal::Journal;
use mouth::Mouth;
use staging::Staging;

/// Answers of providers and the store that may wait for the loop. When it is full, who answers waits.
const DONE_QUEUE: usize = 64;
/// How often memory that nobody needs is given back.
const TIDY_EVERY_MS: u64 = 1_000;

/// Who serves the stages of a call.
#[derive(Clone)]
pub struct Providers {
    /// Hears.
    pub stt: Arc<dyn Stt>,
    /// Says whether the caller has finished; without, the silence alone decides.
    pub scorer: Option<Arc<dyn TurnScorer>>,
    /// Thinks.
    pub llm: Arc<dyn Llm>,
    /// Speaks.
    pub tts: Arc<dyn Tts>,
    /// Notices speech.
    pub vad: Arc<Silero>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [stt, llm, tts] = [self.stt.provider(), self.llm.provider(), self.tts.provider()];
        f.debug_struct("Providers").field("stt", &stt).field("llm", &llm).field("tts", &tts).finish_non_exhaustive()
    }
}

/// What every session of the process shares.
pub struct Deps {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// Who serves the stages.
    pub providers: Providers,
    /// The core's settings.
    pub core: CoreConfig,
    /// When the VAD speaks of speech.
    pub vad: VadConfig,
    /// Logs and metrics.
    pub events: Arc<Events>,
    /// Traces.
    pub traces: Traces,
    /// Where sessions' tasks are waited for at the end.
    pub tracker: TaskTracker,
    /// Commands that may wait for a session.
    pub command_queue: usize,
    /// Where inputs are logged; nowhere if unset.
    pub input_log_dir: Option<PathBuf>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// What a session's task needs to begin.
#[derive(Debug)]
pub struct Start {
    /// The session as the store has it.
    pub doc: SessionDoc,
    /// The number of this owner; commits carry it.
    pub fence: u64,
    /// Whether the session was taken up from the store, after its process was lost.
    pub resumed: bool,
    /// Where the caller's "today" is.
    pub time_zone: TimeZone,
}

/// Starts a session's task. It lives until the session ends; a panic in it ends this session only.
pub fn spawn(deps: Arc<Deps>, start: Start) -> SessionHandle {
    let (command_sender, commands) = mpsc::channel(deps.command_queue);
    let (info_sender, info) = watch::channel(SessionInfo {
        state: AgentState::Listening,
        connected: false,
        agent: start.doc.current_agent.clone(),
        turns: 0,
        last_latency_ms: None,
        cost_usd: 0.0,
        ended: None,
    });
    let tracker = deps.tracker.clone();
    tracker.spawn(async move {
        let session = start.doc.session_id.clone();
        let channel = start.doc.channel.as_str();
        let llm_model = deps.providers.llm.model().to_owned();
        let labels = SessionLabels {
            session_id: session.as_str().to_owned(),
            channel,
            stt_provider: deps.providers.stt.provider().to_owned(),
            llm_provider: deps.providers.llm.provider().to_owned(),
            llm_model,
            tts_provider: deps.providers.tts.provider().to_owned(),
        };
        let started = Instant::now();
        let driver = Driver::new(Arc::clone(&deps), start, labels.clone(), commands, info_sender.clone());
        let run = AssertUnwindSafe(driver.run()).catch_unwind().await;
        let end = run.unwrap_or_else(|_| {
            tracing::error!(session = session.as_str(), "the session's task panicked; the session is over");
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (outcome, reason) = (Outcome::Error, EndReason::Failed);
            SessionEnd { outcome, reason, duration_ms, connected_ms: duration_ms, cost: Default::default() }
        });
        deps.events.session_ended(&labels, end);
        info_sender.send_modify(|info| {
            info.connected = false;
            info.ended = Some((end.outcome, end.reason));
        });
    });
    SessionHandle::new(command_sender, info)
}

/// What a provider or the store answered.
#[derive(Debug)]
enum Done {
    Core(Input),
    Interim { utterance: UtteranceId, text: Result<String, ProviderErrorKind>, took_ms: u64 },
    Final { utterance: UtteranceId, revision: u32, audio_ms: u64, text: Result<String, ProviderErrorKind> },
    Score { utterance: UtteranceId, revision: u32, acoustic: Result<f32, ProviderErrorKind> },
    LlmUsed { request: LlmRequestId, input_tokens: u64, output_tokens: u64 },
    Audio { speech: SpeechId, chunk: u32, pcm: Vec<i16> },
    AudioDone { speech: SpeechId, chunk: u32, words: Vec<WordTiming> },
    AudioFailed { speech: SpeechId, chunk: u32, kind: ProviderErrorKind },
    Tasks { call: ToolCall, tasks: Result<UserTasks, StoreError> },
    Commit { commit: CommitId, calls: Vec<ToolCallId>, outcome: Result<CommitOutcome, StoreError>, took: Duration },
}

/// The transport leg that the caller is on.
#[derive(Debug)]
struct Leg {
    connection: ConnectionId,
    outbound: mpsc::Sender<Outbound>,
}

/// What the end-of-turn score is made of: it needs both halves.
#[derive(Debug, Default)]
struct ScoreParts {
    utterance: UtteranceId,
    revision: u32,
    acoustic: Option<f32>,
    text: Option<String>,
}

/// One session's task.
struct Driver {
    deps: Arc<Deps>,
    session: Session,
    labels: SessionLabels,
    trace: SessionTrace,
    started: Instant,
    journal: Journal,
    doc: SessionDoc,
    fence: u64,
    resumed: bool,
    time_zone: TimeZone,
    commands: mpsc::Receiver<Command>,
    done: mpsc::Receiver<Done>,
    done_sender: mpsc::Sender<Done>,
    info: watch::Sender<SessionInfo>,
    /// Inputs that outputs caused.
    pending: VecDeque<Input>,
    leg: Option<Leg>,
    muted: bool,
    ears: Ears,
    mouth: Mouth,
    staging: Staging,
    score: ScoreParts,
    models: BTreeMap<LlmRequestId, (AbortHandle, voice_core::ids::ReplyId)>,
    transcriptions: BTreeMap<UtteranceId, Vec<AbortHandle>>,
    answers: BTreeMap<u64, oneshot::Sender<TextAnswer>>,
    next_message: u64,
    turn_tools: Vec<ToolCallReport>,
    frames_dropped: u64,
    tidied_ms: u64,
    end: Option<(Outcome, EndReason)>,
}

impl Driver {
    fn new(
        deps: Arc<Deps>,
        start: Start,
        labels: SessionLabels,
        commands: mpsc::Receiver<Command>,
        info: watch::Sender<SessionInfo>,
    ) -> Self {
        // A new session begins with what its document says too: the consent that was asked for, the caller's time zone.
        let restored = RestoredFrom { snapshot: doc::read(&start.doc), moved: !start.resumed };
        let header = Header { version: LOG_VERSION, config: deps.core.clone(), restored: Some(restored) };
        let session_id = start.doc.session_id.clone();
        let journal = Journal::begin(deps.input_log_dir.as_deref(), session_id.as_str(), &header);
        let session = begin(header, &start, &deps.core);
        let (done_sender, done) = mpsc::channel(DONE_QUEUE);
        let ears = Ears::new(Arc::clone(&deps.providers.vad), deps.vad);
        let staging = Staging::new(start.doc.user_id.clone(), UserTasks::default());
        Self {
            trace: deps.traces.session(&labels, SystemTime::now()),
            session,
            labels,
            started: Instant::now(),
            journal,
            doc: start.doc,
            fence: start.fence,
            resumed: start.resumed,
            time_zone: start.time_zone,
            commands,
            done,
            done_sender,
            info,
            pending: VecDeque::new(),
            leg: None,
            muted: false,
            ears,
            mouth: Mouth::default(),
            staging,
            score: ScoreParts::default(),
            models: BTreeMap::new(),
            transcriptions: BTreeMap::new(),
            answers: BTreeMap::new(),
            next_message: 0,
            turn_tools: Vec::new(),
            frames_dropped: 0,
            tidied_ms: 0,
            end: None,
            deps,
        }
    }

    async fn run(mut self) -> SessionEnd {
        self.load_tasks().await;
        while self.end.is_none() {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                Some(done) = self.done.recv() => self.take_done(done),
                command = self.commands.recv() => match command {
                    Some(command) => self.take_command(command),
                    // Nobody can reach the session any more: the process is going down.
                    None => self.feed(Input::HangUp { by: voice_core::input::HangUp::Operator }),
                },
                () = tokio::time::sleep_until(wake) => self.take_time(),
            }
            self.settle_inputs();
        }
        self.finish().await
    }

    /// Tasks are only needed from the first turn on; a store that fails now is asked again then.
    async fn load_tasks(&mut self) {
        match self.deps.store.tasks(self.doc.user_id.clone()).await {
            Ok(tasks) => self.staging.set_base(tasks),
            Err(error) => self.deps.events.store_failed("tasks", &error),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_wake(&self) -> Instant {
        let due = [self.session.poll_timeout(), self.mouth.next_pump_ms(), self.ears.stall_due_ms()];
        let far = self.now_ms() + 3_600_000;
        self.started + Duration::from_millis(due.into_iter().flatten().min().unwrap_or(far))
    }

    fn take_time(&mut self) {
        let now_ms = self.now_ms();
        if self.ears.stall_due_ms().is_some_and(|due_ms| now_ms >= due_ms) {
            self.pending.extend(self.ears.fall_silent());
        }
        if self.session.poll_timeout().is_some_and(|due_ms| now_ms >= due_ms) {
            self.pending.push_back(Input::Tick);
        }
    }

    /// Feeds what waits, and what that causes; lets audio leave; tells whoever watches.
    fn settle_inputs(&mut self) {
        loop {
            while let Some(input) = self.pending.pop_front() {
                self.feed(input);
            }
            self.speak_next();
            self.pump();
            if self.pending.is_empty() {
                break;
            }
        }
        self.listen_on();
        self.publish();
    }

    fn feed(&mut self, input: Input) {
        let now_ms = self.now_ms();
        let logged = self.journal.is_on().then(|| input.clone());
        let message = if let Input::Text { message, .. } = &input { *message } else { None };
        self.session.handle_input(now_ms, input);
        while let Some(output) = self.session.poll_output() {
            self.journal.output(&output);
            if let (Some(message), Output::Client { event: ClientEvent::Error { .. } }) = (&message, &output) {
                // A message that is refused will not be answered: whoever waits is told so now.
                self.answers.remove(message);
            }
            self.carry_out(now_ms, output);
        }
        if let Some(input) = logged {
            self.journal.input(now_ms, input);
        }
    }

    fn pump(&mut self) {
        let mut out = Vec::new();
        let pumped = self.mouth.pump(self.now_ms(), &mut out);
        self.send_all(out);
        if let Some(speech) = pumped.first {
            self.pending.push_back(Input::FirstAudioOut { speech });
        }
        if pumped.late > 0 {
            self.deps.events.frames_late(pumped.late);
        }
    }

    fn publish(&mut self) {
        let info = SessionInfo {
            state: self.session.state(),
            connected: self.leg.is_some(),
            agent: self.session.current_agent().to_owned(),
            turns: self.session.turns(),
            last_latency_ms: self.info.borrow().last_latency_ms,
            cost_usd: self.session.cost().total().as_usd(),
            ended: None,
        };
        self.info.send_if_modified(|before| {
            let changed = *before != info;
            if changed {
                *before = info;
            }
            changed
        });
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Attach { connection, voice, outbound } => self.attach(connection, voice, outbound),
            Command::Detach { connection } => self.detach(connection),
            Command::Audio { connection, frame } => self.take_frame(connection, &frame[..]),
            Command::Playout { connection, speech, played_ms } => {
                if self.is_current(connection) {
                    self.pending.push_back(Input::PlayoutPosition { speech, played_ms });
                }
            }
            Command::Mute { connection, muted } => {
                if self.is_current(connection) {
                    self.muted = muted;
                    if muted {
                        self.pending.extend(self.ears.fall_silent());
                    }
                }
            }
            Command::Text { text, answer } => {
                let message = answer.map(|answer| {
                    self.next_message += 1;
                    self.answers.insert(self.next_message, answer);
                    self.next_message
                });
                self.pending.push_back(Input::Text { text, message });
            }
            Command::Consent { recording } => self.pending.push_back(Input::Consent { recording }),
            Command::TasksChanged { .. } if self.staging.is_staged() => {}
            Command::TasksChanged { tasks } => self.send(Outbound::Tasks(tasks)),
            Command::HangUp { by } => self.pending.push_back(Input::HangUp { by }),
            Command::Describe { answer } => {
                let mut doc = self.doc.clone();
                doc::write(&mut doc, &self.session.snapshot(), self.doc.last_activity);
                // Whoever asked may have gone.
                let _gone = answer.send(Box::new(doc));
            }
        }
    }

    fn attach(&mut self, connection: ConnectionId, voice: bool, outbound: mpsc::Sender<Outbound>) {
        self.close_leg(4001, "replaced");
        self.leg = Some(Leg { connection, outbound });
        self.muted = false;
        self.ears = Ears::new(Arc::clone(&self.deps.providers.vad), self.deps.vad);
        let resumed = self.resumed || self.session.turns() > 0;
        self.send(Outbound::Ready(Ready {
            session_id: self.doc.session_id.as_str().to_owned(),
            resumed,
            channel: self.labels.channel.to_owned(),
            agent: self.session.current_agent().to_owned(),
            recording: self.session.recording_permit().is_some(),
            muted: self.muted,
        }));
        self.send(Outbound::Tasks(self.staging.tasks()));
        self.pending.push_back(Input::Connected { connection, voice });
    }

    fn detach(&mut self, connection: ConnectionId) {
        if self.is_current(connection) {
            self.leg = None;
            self.pending.push_back(Input::Disconnected { connection });
        }
    }

    fn is_current(&self, connection: ConnectionId) -> bool {
        self.leg.as_ref().is_some_and(|leg| leg.connection == connection)
    }

    fn take_frame(&mut self, connection: ConnectionId, frame: &[i16]) {
        if !self.is_current(connection) || self.muted {
            self.frames_dropped += 1;
            return;
        }
        let now_ms = self.now_ms();
        self.pending.extend(self.ears.hear(now_ms, frame));
        if now_ms >= self.tidied_ms + TIDY_EVERY_MS {
            self.tidied_ms = now_ms;
            self.ears.tidy();
        }
    }

    fn send_all(&mut self, out: Vec<Outbound>) {
        for one in out {
            self.send(one);
        }
    }

    /// What a leg cannot take at once makes it a leg that is too slow: it is dropped, and may come back.
    fn send(&mut self, outbound: Outbound) {
        let Some(leg) = &self.leg else { return };
        if leg.outbound.try_send(outbound).is_err() {
            let connection = leg.connection;
            tracing::info!(session = self.labels.session_id, %connection, "the reader is too slow, or gone");
            self.detach(connection);
        }
    }

    fn close_leg(&mut self, code: u16, reason: &'static str) {
        if let Some(leg) = self.leg.take() {
            // A leg that is gone or full needs no farewell: its channel closes with this sender.
            let _gone = leg.outbound.try_send(Outbound::Close { code, reason });
        }
    }

    /// The session is over: nothing of it goes on.
    async fn finish(mut self) -> SessionEnd {
        let (outcome, reason) = self.end.unwrap_or((Outcome::Error, EndReason::Failed));
        for (abort, _) in self.models.values() {
            abort.abort();
        }
        self.transcriptions.values().flatten().for_each(AbortHandle::abort);
        self.mouth.drop_speech_now();
        self.answers.clear();
        if self.frames_dropped > 0 {
            self.deps.events.frames_dropped("muted", self.frames_dropped);
        }
        let now_ms = self.now_ms();
        if reason != EndReason::TakenOver && reason != EndReason::Lost {
            let ended = self.deps.store.end_session(self.doc.session_id.clone(), Some(self.fence)).await;
            if let Err(error) = ended {
                self.deps.events.store_failed("end_session", &error);
            }
        }
        let (code, word) = close_code(outcome, reason);
        self.close_leg(code, word);
        let end = SessionEnd {
            outcome,
            reason,
            duration_ms: now_ms,
            connected_ms: self.session.connected_ms(),
            cost: self.session.cost().total(),
        };
        self.trace.end(outcome, reason, now_ms);
        end
    }

    fn observe(&mut self, now_ms: u64, observation: &Observation) {
        self.deps.events.observe(observation, &self.labels);
        self.trace.observe(observation, now_ms);
        match observation {
            Observation::Latency { latency_ms, .. } => {
                self.info.send_modify(|info| info.last_latency_ms = Some(*latency_ms));
            }
            Observation::EndOfTurn { .. } => self.turn_tools.clear(),
            Observation::Answered { message: Some(message), reply, agent, cost, .. } => {
                let tool_calls = self.turn_tools.clone();
                let answer =
                    TextAnswer { reply: reply.clone(), agent: agent.clone(), tool_calls, cost_usd: cost.as_usd() };
                if let Some(sender) = self.answers.remove(message) {
                    // Whoever asked may have gone.
                    let _gone = sender.send(answer);
                }
            }
            _ => {}
        }
    }

    fn tell_client(&mut self, event: ClientEvent) {
        if let ClientEvent::ToolCall { name, arguments, result } = &event {
            let (name, arguments, result) = (name.clone(), arguments.clone(), result.clone());
            self.turn_tools.push(ToolCallReport { name, arguments, result });
        }
        self.send(Outbound::Event(event));
    }
}

fn begin(header: Header, start: &Start, config: &CoreConfig) -> Session {
    header.begin().unwrap_or_else(|error| {
        // `doc::read` gives only what can be taken up; this is a defect, and the call must go on.
        tracing::error!(session = start.doc.session_id.as_str(), %error, "the saved session cannot be taken up");
        let mut snapshot = doc::read(&start.doc);
        snapshot.asides.clear();
        let how = if start.resumed { Restored::Lost } else { Restored::Moved };
        Session::restore(config.clone(), snapshot, how).unwrap_or_else(|_| Session::new(config.clone()))
    })
}

/// docs/protocol.md, close codes.
const fn close_code(outcome: Outcome, reason: EndReason) -> (u16, &'static str) {
    match (outcome, reason) {
        (Outcome::Error, _) => (4006, "failed"),
        (_, EndReason::TakenOver) => (4001, "taken over"),
        (_, EndReason::Idle) => (4005, "idle"),
        (_, EndReason::TooLong) => (4005, "too long"),
        _ => (1000, "ended"),
    }
}
