//! The one loop of a session: inputs → core → outputs. One task per session.
//!
//! What the core wishes for is carried out in `wish`; what providers and the store answer comes back as [`Done`] through
//! one bounded queue, and every answer carries the id of what it belongs to.

mod answers;
pub mod api;
mod book;
mod channel;
mod deps;
mod doc;
mod done;
mod ears;
mod farewell;
pub mod feed;
mod heard;
mod journal;
mod leave;
mod leg;
mod lines;
mod mouth;
mod permit;
mod recall;
mod recommit;
mod screen;
mod spend;
mod staging;
mod taping;
mod turns;
mod wish;

pub use deps::{Deps, Handover, Providers, Start, SttRung};
pub use doc::{answer_to, has_begun};
pub use journal::InputLogs;
pub(crate) use leave::close_code;

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use voice_core::ceiling::CostStep;
use voice_core::cost::NanoUsd;
use voice_core::ids::{ConnectionId, LlmRequestId, UtteranceId};
use voice_core::input::ProviderHealth;
use voice_core::log::{Header, LOG_VERSION, RestoredFrom};
use voice_core::output::{AgentState, AttemptResult, ClientEvent, EndReason, Outcome};
use voice_core::session::Session;
use voice_core::{Input, Observation, Output};

use crate::recording::Tape;
use crate::store::{Channel, SessionDoc, UserTasks};
use crate::telemetry::{OpenPause, Pause, SessionEnd, SessionLabels, SessionTrace};

use answers::Answers;
use api::{Command, Outbound, SessionHandle, SessionInfo, TextAnswer, ToolCallReport};
use done::{Asked, Done, FramesDropped, ScoreParts, Transcription};
use ears::Ears;
use feed::Feed;
use journal::Journal;
use lines::Lines;
use mouth::Mouth;
use recall::Noting;
use screen::Screen;
use spend::Spend;
use staging::Staging;

/// Answers of providers and the store that may wait for the loop. When it is full, who answers waits.
const DONE_QUEUE: usize = 64;
/// How often memory that nobody needs is given back.
const TIDY_EVERY_MS: u64 = 1_000;

/// Starts a session's task. It lives until the session ends; a panic in it ends this session only.
pub fn spawn(deps: Arc<Deps>, start: Start) -> SessionHandle {
    let (command_sender, commands) = mpsc::channel(deps.command_queue);
    let (info_sender, info) = watch::channel(SessionInfo {
        state: AgentState::Listening,
        connected: false,
        visited: false,
        agent: start.doc.current_agent.clone(),
        turns: 0,
        last_latency_ms: None,
        cost_usd: 0.0,
        cost_step: CostStep::default(),
        ended: None,
    });
    let tracker = deps.tracker.clone();
    let feed = Arc::new(Feed::default());
    let handle = SessionHandle::new(command_sender, info).with_feed(Arc::clone(&feed));
    tracker.spawn(async move {
        let session = start.doc.session_id.clone();
        let channel = start.doc.channel.as_str();
        let labels = SessionLabels {
            session_id: session.as_str().to_owned(),
            channel,
            chains: Arc::new(deps.core.chains.clone()),
        };
        let mut driver = Driver::new(Arc::clone(&deps), start, labels.clone(), commands, info_sender.clone());
        driver.feed = Arc::clone(&feed);
        let run = Box::pin(AssertUnwindSafe(driver.run()).catch_unwind()).await;
        let end = match run {
            Ok(end) => end,
            Err(_) => {
                tracing::error!(session = session.as_str(), "the session's task panicked; the session is over");
                driver.failed().await
            }
        };
        // A session that goes on elsewhere has its outcome there.
        let goes_on = matches!(end.reason, EndReason::HandedOver | EndReason::TakenOver);
        if !goes_on {
            deps.events.session_ended(&labels, end);
            deps.ledger.call_ended(labels.channel, end.connected_ms);
        }
        feed.ended(end.outcome, end.reason);
        info_sender.send_modify(|info| {
            info.connected = false;
            info.ended = Some((end.outcome, end.reason));
        });
    });
    handle
}

/// The transport leg that the caller is on.
#[derive(Debug)]
struct Leg {
    connection: ConnectionId,
    outbound: mpsc::Sender<Outbound>,
}

/// Sessions of this process so far.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// One session's task.
struct Driver {
    deps: Arc<Deps>,
    /// This session's number in the process.
    number: u64,
    session: Session,
    labels: SessionLabels,
    trace: SessionTrace,
    /// The pause before the last answer, until it is counted.
    open_pause: OpenPause,
    started: Instant,
    journal: Journal,
    tape: Tape,
    doc: SessionDoc,
    /// What metrics were told of this session before.
    accounted: doc::Accounted,
    fence: u64,
    resumed: bool,
    time_zone: TimeZone,
    commands: mpsc::Receiver<Command>,
    done: mpsc::Receiver<Done>,
    done_sender: mpsc::Sender<Done>,
    info: watch::Sender<SessionInfo>,
    feed: Arc<Feed>,
    /// Inputs that outputs caused.
    pending: VecDeque<Input>,
    leg: Option<Leg>,
    /// The LiveKit room that the caller is in, or was last.
    room: Option<String>,
    /// Whether anybody ever came to this session, here.
    visited: bool,
    muted: bool,
    ears: Ears,
    mouth: Mouth,
    staging: Staging,
    /// The caller's screen, while it is shared.
    screen: Screen,
    score: ScoreParts,
    models: BTreeMap<LlmRequestId, Asked>,
    transcriptions: BTreeMap<UtteranceId, Vec<Transcription>>,
    lines: Lines,
    /// What the process knows of its providers, and what this session was told of it.
    health: watch::Receiver<Arc<Vec<ProviderHealth>>>,
    told_health: Arc<Vec<ProviderHealth>>,
    spend: Spend,
    /// What everybody has spent today.
    day_spend: watch::Receiver<NanoUsd>,
    /// The answer in the making that may be kept.
    noting: Option<Noting>,
    /// The request that was answered without a model.
    recalled: Option<LlmRequestId>,
    answers: Answers,
    /// The commit that is being made.
    committing: Option<AbortHandle>,
    turn_tools: Vec<ToolCallReport>,
    frames_dropped: FramesDropped,
    tidied_ms: u64,
    /// The session was told that it is to move.
    is_moving: bool,
    /// What the next process has still to say, once the session has left.
    left: Option<String>,
    /// The process goes down: the session stops when nothing of it waits for anything.
    is_leaving: bool,
    end: Option<(Outcome, EndReason)>,
}

/// The session, new or as it was kept, and the log of its inputs.
fn begin(deps: &Deps, start: &Start) -> (Session, Journal) {
    // A new session's document has consent and the caller's time zone already; without a history it greets as new.
    let restored =
        Some(RestoredFrom { snapshot: doc::read(&start.doc), moved: !start.resumed || start.handover.is_some() });
    let config = channel::core(&deps.core, &deps.consent, &start.doc);
    let header = Header { version: LOG_VERSION, config, restored };
    let (logs, user) = (deps.input_logs.as_ref(), &start.doc.user_id);
    let journal = Journal::begin(logs, user, start.doc.session_id.as_str(), &header, &deps.tracker);
    (doc::begin(header, &start.doc, &deps.core), journal)
}

impl Driver {
    fn new(
        deps: Arc<Deps>,
        start: Start,
        labels: SessionLabels,
        commands: mpsc::Receiver<Command>,
        info: watch::Sender<SessionInfo>,
    ) -> Self {
        let mut start = start;
        if start.doc.channel == Channel::ScreenShare {
            // Nobody shares anything yet: the page says when it does.
            start.doc.channel = Channel::Browser;
        }
        let (session, journal) = begin(&deps, &start);
        let answers = Answers::after(doc::texts(&start.doc));
        let accounted = doc::accounted(&start.doc);
        let room = doc::room(&start.doc);
        let (done_sender, done) = mpsc::channel(DONE_QUEUE);
        let ears = Ears::new(Arc::clone(&deps.providers.vad), deps.vad, channel::caller_format(&start.doc));
        let staging = Staging::new(start.doc.user_id.clone(), UserTasks::default());
        let started = Instant::now();
        let format = channel::audio_format(&start.doc);
        let tape = taping::tape(&deps, &start, format, started);
        Self {
            tape,
            number: SESSIONS.fetch_add(1, Ordering::Relaxed),
            trace: deps.traces.session(&labels, SystemTime::now()),
            session,
            labels,
            open_pause: OpenPause::default(),
            started,
            journal,
            mouth: Mouth::new(format),
            doc: start.doc,
            fence: start.fence,
            accounted,
            resumed: start.resumed,
            time_zone: start.time_zone,
            commands,
            done,
            done_sender,
            info,
            feed: Arc::default(),
            pending: start.handover.map(|handover| Input::TookOver { say: handover.say }).into_iter().collect(),
            leg: None,
            room,
            visited: false,
            muted: false,
            ears,
            staging,
            screen: Screen::default(),
            score: ScoreParts::default(),
            models: BTreeMap::new(),
            transcriptions: BTreeMap::new(),
            lines: Lines::default(),
            health: deps.board.news(),
            told_health: Arc::default(),
            spend: Spend::default(),
            day_spend: deps.ledger.news(),
            noting: None,
            recalled: None,
            answers,
            committing: None,
            turn_tools: Vec::new(),
            frames_dropped: FramesDropped::default(),
            tidied_ms: 0,
            is_moving: false,
            left: None,
            is_leaving: false,
            end: None,
            deps,
        }
    }

    async fn run(&mut self) -> SessionEnd {
        self.load_tasks();
        self.tell_health();
        self.tell_day_spend();
        self.settle_inputs();
        let (going_away, handing_over) = (self.deps.going_away.clone(), self.deps.handing_over.clone());
        while self.end.is_none() {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                Some(done) = self.done.recv() => self.take_done(done),
                Ok(()) = self.health.changed() => self.tell_health(),
                Ok(()) = self.day_spend.changed() => self.tell_day_spend(),
                command = self.commands.recv() => match command {
                    Some(command) => self.take_command(command),
                    // Nobody can reach the session any more: the process is going down.
                    None => self.feed(Input::HangUp { by: voice_core::input::HangUp::Operator }),
                },
                () = tokio::time::sleep_until(wake) => self.take_time(),
                () = handing_over.cancelled(), if !self.is_moving => {
                    self.is_moving = true;
                    self.pending.push_back(Input::HandOver { within_ms: self.deps.hand_over_within_ms });
                }
                () = going_away.cancelled(), if !self.is_leaving => self.is_leaving = true,
            }
            self.settle_inputs();
            if self.may_leave() {
                self.end = self.end.or(Some((Outcome::Dropped, EndReason::TakenOver)));
            }
        }
        self.finish().await
    }

    /// Tasks are only needed from the first turn on; a store that fails now is asked again then.
    pub(super) fn load_tasks(&self) {
        let (store, user) = (Arc::clone(&self.deps.store), self.doc.user_id.clone());
        let _abort = self.spawn(async move { Done::Base { tasks: store.tasks(user).await } });
    }

    /// Tells the session what it does not know yet of its providers.
    fn tell_health(&mut self) {
        let all = Arc::clone(&self.health.borrow_and_update());
        let known = std::mem::replace(&mut self.told_health, Arc::clone(&all));
        for health in all.iter().filter(|health| !known.contains(health)) {
            self.pending.push_back(Input::ProviderHealth(*health));
        }
    }

    /// Only with a ceiling is there anything to tell.
    fn tell_day_spend(&mut self) {
        let spent = *self.day_spend.borrow_and_update();
        if self.deps.ledger.ceilings().day > NanoUsd(0) {
            self.pending.push_back(Input::DaySpend { spent });
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
            self.pending.extend(self.ears.stall());
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
        self.settle_answers();
        self.publish();
    }

    fn feed(&mut self, input: Input) {
        let now_ms = self.now_ms();
        let logged = self.journal.is_on().then(|| input.clone());
        let unasked = self.unasked(&input);
        let message = if let Input::Text { message, .. } = &input { *message } else { None };
        self.tape_input(now_ms, &input);
        let had_permit = self.session.recording_permit().is_some();
        self.session.handle_input(now_ms, input);
        self.tape_outcome(now_ms, had_permit);
        while let Some(output) = self.session.poll_output() {
            self.journal.output(&output);
            if let (Some(message), Output::Client { event: ClientEvent::Error { .. } }) = (&message, &output) {
                // A message that is refused will not be answered: whoever waits is told so now.
                self.answers.refuse(*message);
            }
            if unasked.is_some_and(|stage| recall::tells_of_a_provider(&output, stage)) {
                continue;
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
            visited: self.visited,
            agent: self.session.current_agent().to_owned(),
            turns: self.session.turns(),
            last_latency_ms: self.info.borrow().last_latency_ms,
            cost_usd: self.session.cost().total().as_usd(),
            cost_step: self.session.cost_step(),
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

    /// What can be known of a pause is known.
    fn count_pause(&mut self, pause: Option<Pause>) {
        if let Some(pause) = pause {
            self.deps.events.paused(&pause, &self.labels);
            self.trace.paused(&pause);
        }
    }

    fn observe(&mut self, now_ms: u64, observation: &Observation) {
        let pause = self.open_pause.observe(observation);
        self.count_pause(pause);
        self.deps.events.observe(observation, &self.labels);
        self.trace.observe(observation, now_ms);
        self.feed.operation(observation);
        match observation {
            Observation::Latency { stages, .. } | Observation::FirstHeard { stages, .. } => {
                self.info.send_modify(|info| info.last_latency_ms = Some(stages.total()));
            }
            Observation::Attempt { stage, rung, result } => {
                self.deps.board.report(*stage, *rung, *result);
                if matches!(result, AttemptResult::Answered { .. }) {
                    self.deps.ladder.answered(*stage);
                }
            }
            Observation::SttFinished { utterance, rung, .. } => self.note_heard(*utterance, *rung),
            Observation::FellBackToText { stage } => self.tell_of_lost_voice(*stage),
            Observation::EndOfTurn { .. } => self.turn_tools.clear(),
            Observation::SpeculationDiscarded { reply, .. } => {
                let booked = self.spend.discard(*reply);
                self.count(booked);
            }
            Observation::TurnFinished { .. } => {
                let booked = self.spend.settle();
                self.count(booked);
            }
            Observation::Answered { message: Some(message), reply, agent, cost, .. } => {
                let tool_calls = self.turn_tools.clone();
                let answer =
                    TextAnswer { reply: reply.clone(), agent: agent.clone(), tool_calls, cost_usd: cost.as_usd() };
                self.answers.answer(*message, answer);
            }
            _ => {}
        }
    }

    fn tell_client(&mut self, event: ClientEvent) {
        self.tape_event(&event);
        self.feed.client(&event);
        if let ClientEvent::ToolCall { name, arguments, result } = &event {
            let (name, arguments, result) = (name.clone(), arguments.clone(), result.clone());
            self.turn_tools.push(ToolCallReport { name, arguments, result });
        }
        self.send_event(event);
    }
}

#[cfg(test)]
mod tests;
