//! One call of a scripted caller with the real session, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::Map;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_agent::answer_cache::AnswerCache;
use voice_agent::driver::api::{Command, FRAME_MS, Outbound, SessionHandle, ToolCallReport};
use voice_agent::driver::{self, Deps, Providers, Start};
use voice_agent::failover::Board;
use voice_agent::ledger::Ledger;
use voice_agent::store::{
    ChangeOutcome, Channel, Clock, InstanceId, SessionDoc, SessionId, SqliteOptions, SqliteStore, Store, UserId,
};
use voice_agent::tasks::{Task, TaskChange, UndoEffect};
use voice_agent::telemetry::{Events, Metrics, Traces};
use voice_agent::tools::{TASK_AGENT, specs_for};
use voice_agent::vad::VadConfig;
use voice_agent::voice_cache::VoiceCache;
use voice_core::ids::{ConnectionId, UtteranceId};
use voice_core::input::HangUp;
use voice_core::output::AgentState;
use voice_core::{ClientEvent, CoreConfig};

use crate::check::Done;
use crate::dialogue::{Dialogue, line};
use crate::line::Wire;
use crate::player::Player;
use crate::store::AtOnce;

const LEG: ConnectionId = ConnectionId(1);
/// What a leg may have waiting: more than a frame's time ever brings.
const OUTBOUND_QUEUE: usize = 4_096;
/// After so long without an answer a turn is given up, in milliseconds.
const PATIENCE_MS: u64 = 8_000;
/// The caller listens on for so long after an answer, in milliseconds.
const AFTER_ANSWER_MS: u64 = 200;

/// The dialogue's clock: it stands still but for a microsecond whenever it is asked, so that tasks have an order.
struct Still {
    start: Timestamp,
    asked: AtomicI64,
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.start.saturating_add(SignedDuration::from_micros(asked)).unwrap_or(self.start)
    }
}

/// Where calls are taken: the models, a store in a folder of its own. For one thread.
pub(crate) struct House {
    providers: Providers,
    store: Arc<dyn Store>,
    events: Arc<Events>,
    sessions: AtomicU64,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn open(providers: Providers) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = SqliteStore::open(folder.path(), SqliteOptions::default())?;
        let names: Vec<&str> = specs_for(TASK_AGENT).iter().map(|spec| spec.name).collect();
        Ok(Self {
            providers,
            store: Arc::new(AtOnce(store)),
            events: Arc::new(Events::new(Metrics::new("rules", &names))),
            sessions: AtomicU64::new(0),
            _folder: folder,
        })
    }

    /// Begins the call of a dialogue.
    pub(crate) async fn call(&self, dialogue: &Dialogue) -> Result<Call> {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let user = UserId::new(format!("user_{number}"));
        let changes: Vec<TaskChange> = dialogue.tasks()?.into_iter().map(TaskChange::Created).collect();
        if !changes.is_empty() {
            let changed = self.store.change_tasks(user.clone(), None, changes, UndoEffect::None).await?;
            if changed == ChangeOutcome::Conflict {
                bail!("the list could not be made");
            }
        }
        let zoned = dialogue.now()?;
        let now = Timestamp::now();
        let doc = SessionDoc {
            session_id: SessionId::new(format!("sess_{number:032x}")),
            user_id: user.clone(),
            channel: Channel::Browser,
            conversation_history: Vec::new(),
            current_agent: TASK_AGENT.to_owned(),
            created_at: now,
            last_activity: now,
            context: Map::new(),
        };
        let fence = self.store.create_session(doc.clone(), [0; 32], InstanceId::new("eval")).await?;
        let (core, board) = Board::for_providers(&self.providers, CoreConfig::default(), &self.events);
        let clock = Arc::new(voice_agent::store::SystemClock);
        let ledger = Ledger::new(Arc::clone(&self.store), clock, core.ceilings.clone(), "bench".to_owned());
        let deps = Deps {
            store: Arc::clone(&self.store),
            providers: self.providers.clone(),
            board,
            core,
            ledger: Arc::new(ledger),
            ladder: voice_agent::ladder::Ladder::idle(),
            consent: Arc::default(),
            answer_cache: Arc::new(AnswerCache::new(0, 0)),
            voice_cache: Arc::new(VoiceCache::new(0, 0)),
            vad: VadConfig::default(),
            events: Arc::clone(&self.events),
            traces: Traces::default(),
            tracker: TaskTracker::new(),
            going_away: CancellationToken::new(),
            handing_over: CancellationToken::new(),
            hand_over_within_ms: 8_000,
            look_within: None,
            command_queue: 256,
            clock: Arc::new(Still { start: zoned.timestamp(), asked: AtomicI64::new(0) }),
            input_logs: None,
            recorder: None,
        };
        let start = Start { doc, fence, resumed: false, time_zone: zoned.time_zone().clone(), handover: None };
        let mut call = Call {
            handle: driver::spawn(Arc::new(deps), start),
            store: Arc::clone(&self.store),
            user,
            inbox: None,
            player: Player::default(),
            seen: Seen::default(),
            titles: BTreeMap::new(),
        };
        call.list().await?;
        Ok(call)
    }
}

/// What the caller's side saw since the turn began.
#[derive(Debug, Default)]
struct Seen {
    state: Option<AgentState>,
    speaking: bool,
    turns_over: usize,
    reply: String,
    heard: BTreeMap<UtteranceId, String>,
    calls: Vec<ToolCallReport>,
    agent: Option<String>,
    over: bool,
}

/// A call that is on.
pub(crate) struct Call {
    handle: SessionHandle,
    store: Arc<dyn Store>,
    user: UserId,
    inbox: Option<mpsc::Receiver<Outbound>>,
    player: Player,
    seen: Seen,
    /// The title of every task that was ever seen, by its id.
    pub(crate) titles: BTreeMap<String, String>,
}

impl Call {
    /// Types something.
    pub(crate) async fn type_in(&mut self, text: &str) -> Result<Done> {
        let (answer, asked) = oneshot::channel();
        self.handle.send(Command::Text { text: text.to_owned(), answer: Some(answer), sid: None })?;
        let answer = asked.await.context("no answer")??;
        let list = self.list().await?;
        Ok(Done { reply: answer.reply, calls: answer.tool_calls, agent: answer.agent, list })
    }

    /// Picks up, and hears the greeting.
    pub(crate) async fn pick_up(&mut self, wire: &mut Wire) -> Result<()> {
        let (outbound, inbox) = mpsc::channel(OUTBOUND_QUEUE);
        self.handle.send(Command::Attach { connection: LEG, voice: true, outbound, room: None })?;
        self.inbox = Some(inbox);
        let mut waited_ms = 0;
        let mut greeted = false;
        while waited_ms < PATIENCE_MS && !(greeted && self.is_at_rest()) {
            self.tick(wire).await?;
            greeted |= !self.seen.reply.is_empty() && self.player.is_silent();
            waited_ms += FRAME_MS;
        }
        self.listen(wire, AFTER_ANSWER_MS).await
    }

    /// Says something, `lead` samples from now, and hears the answer. Answers what was understood, too.
    pub(crate) async fn say(&mut self, wire: &mut Wire, lead: usize, pcm: &[i16]) -> Result<(String, Done)> {
        let agent = self.seen.agent.take();
        self.seen = Seen { agent, state: self.seen.state, over: self.seen.over, ..Seen::default() };
        wire.say(lead, pcm);
        while !wire.is_silent() && !self.seen.over {
            self.tick(wire).await?;
        }
        let (before, mut waited_ms) = (self.seen.turns_over, 0);
        while waited_ms < PATIENCE_MS && !self.seen.over && !(self.seen.turns_over > before && self.is_at_rest()) {
            self.tick(wire).await?;
            waited_ms += FRAME_MS;
        }
        self.listen(wire, AFTER_ANSWER_MS).await?;
        let list = self.list().await?;
        let heard = self.seen.heard.values().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        let done = Done {
            reply: std::mem::take(&mut self.seen.reply),
            calls: std::mem::take(&mut self.seen.calls),
            agent: self.seen.agent.clone().unwrap_or_else(|| TASK_AGENT.to_owned()),
            list,
        };
        Ok((heard, done))
    }

    /// Hangs up.
    pub(crate) async fn hang_up(self) {
        // A session that is over already hears nothing.
        let _over = self.handle.send(Command::HangUp { by: HangUp::Caller });
        self.handle.ended().await;
    }

    fn is_at_rest(&self) -> bool {
        self.seen.state == Some(AgentState::Listening) && !self.seen.speaking && self.player.is_silent()
    }

    async fn listen(&mut self, wire: &mut Wire, ms: u64) -> Result<()> {
        for _ in 0..ms / FRAME_MS {
            self.tick(wire).await?;
        }
        Ok(())
    }

    /// Sends a frame, and takes what came within its time.
    async fn tick(&mut self, wire: &mut Wire) -> Result<()> {
        if self.seen.over {
            return Ok(());
        }
        if self.handle.send(Command::Audio { connection: LEG, frame: wire.frame(), mulaw: None }).is_err() {
            self.seen.over = true;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(FRAME_MS)).await;
        let mut reports = Vec::new();
        while let Some(outbound) = self.inbox.as_mut().and_then(|inbox| inbox.try_recv().ok()) {
            reports.extend(self.player.take(&outbound, LEG));
            self.seen.take(outbound);
        }
        reports.extend(self.player.play(LEG));
        for report in reports {
            if self.handle.send(report).is_err() {
                self.seen.over = true;
            }
        }
        Ok(())
    }

    /// The list as the store has it.
    pub(crate) async fn list(&mut self) -> Result<Vec<String>> {
        let tasks = self.store.tasks(self.user.clone()).await?.list.tasks;
        let title = |task: &Task| (task.id.to_string(), task.title.clone());
        self.titles.extend(tasks.iter().map(title));
        Ok(tasks.iter().map(line).collect())
    }
}

impl Seen {
    fn take(&mut self, outbound: Outbound) {
        match outbound {
            Outbound::Close { .. } => self.over = true,
            Outbound::Event(event) => self.take_event(event),
            _ => {}
        }
    }

    fn take_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::State { state } => self.state = Some(state),
            ClientEvent::UserSpeaking { speaking } => self.speaking = speaking,
            ClientEvent::Transcript { utterance_id, text, r#final: true } => {
                self.heard.insert(utterance_id, text);
            }
            ClientEvent::AgentText { text, .. } => {
                if !self.reply.is_empty() && !self.reply.ends_with(' ') && !text.starts_with(' ') {
                    self.reply.push(' ');
                }
                self.reply.push_str(&text);
            }
            ClientEvent::ToolCall { name, arguments, result } => {
                self.calls.push(ToolCallReport { name, arguments, result });
            }
            ClientEvent::Agent { agent } => self.agent = Some(agent),
            ClientEvent::Turn { .. } => self.turns_over += 1,
            ClientEvent::Ended { .. } => self.over = true,
            _ => {}
        }
    }
}
