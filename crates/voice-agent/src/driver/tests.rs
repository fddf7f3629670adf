mod memory;
mod screen;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_core::CoreConfig;
use voice_core::chat::ChatItem;
use voice_core::cost::Quantity;
use voice_core::ids::{RungId, SpeechId};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::*;
use crate::answer_cache::AnswerCache;
use crate::audio::format::AudioFormat;
use crate::failover::Board;
use crate::ledger::Ledger;
use crate::llm::{Llm, LlmEvent, LlmRequest};
use crate::model::runtime::default_models_dir;
use crate::store::{Channel, InstanceId, SessionId, SqliteOptions, SqliteStore, Store, SystemClock, UserId};
use crate::stt::{Stt, Wanted};
use crate::tasks::{Task, TaskChange, UndoEffect};
use crate::telemetry::{Events, Metrics, Traces};
use crate::tts::{Tts, TtsEvent, TtsRequest};
use crate::vad::{Silero, VadConfig};
use crate::voice_cache::VoiceCache;
use voice_core::ids::ReplyId;

/// Hears and says nothing, and answers once; asked again, it has a defect.
#[derive(Default)]
struct Once(AtomicU32);

impl Llm for Once {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn stream(&self, _request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "a defect");
        let done = LlmEvent::Done { input_tokens: 1_000, cached_tokens: 0, output_tokens: 1_000 };
        stream::iter([Ok(LlmEvent::Text("Hello.".to_owned())), Ok(done)]).boxed()
    }
}

impl Stt for Once {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "none"
    }

    fn transcribe(
        &self,
        _pcm: Vec<i16>,
        _wanted: Wanted,
        _titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        async { Ok(String::new()) }.boxed()
    }
}

impl Tts for Once {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        "none"
    }

    fn synthesize(&self, _request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        stream::iter([Ok(TtsEvent::Done { words: Vec::new() })]).boxed()
    }
}

/// Reads the list, and says how many tasks are on it.
#[derive(Default)]
struct Lister(AtomicU32);

impl Llm for Lister {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let answer = match request.chat.items.last() {
            Some(ChatItem::ToolOutput(output)) => LlmEvent::Text(format!("You have {}.", output.result["total"])),
            _ => LlmEvent::ToolCall { name: "list_tasks".to_owned(), arguments: serde_json::Map::new() },
        };
        let done = LlmEvent::Done { input_tokens: 1_000, cached_tokens: 0, output_tokens: 1_000 };
        stream::iter([Ok(answer), Ok(done)]).boxed()
    }
}

#[tokio::test]
async fn the_same_question_is_answered_once_until_the_tasks_change() {
    let lister = Arc::new(Lister::default());
    let house = House::asking(|_| {}, Some(Arc::clone(&lister) as Arc<dyn Llm>)).await;
    let asked = || lister.0.load(Ordering::SeqCst);
    let first = house.text("What are my tasks?").await.unwrap();
    assert_eq!((first.reply.as_str(), first.cost_usd, asked()), ("You have 0.", 0.0015, 2));
    let again = house.text("what are my tasks").await.unwrap();
    assert_eq!((again.reply.as_str(), again.cost_usd, asked()), ("You have 0.", 0.0, 2));
    // Another process adds one: nobody tells this session.
    house.add_milk().await;
    assert_eq!(house.text("What are my tasks?").await.unwrap().reply, "You have 1.");
    assert_eq!(asked(), 4);
    // What points into the conversation is asked every time.
    assert_eq!(house.text("Which of them?").await.unwrap().reply, "You have 1.");
    assert_eq!(asked(), 6);
    let count = |result: &str| house.metric(&format!("voice_answer_cache_total{{result=\"{result}\"}}"));
    assert_eq!((count("hit").as_deref(), count("miss").as_deref()), (Some("1"), Some("2")));
    assert_eq!(house.metric("voice_llm_duration_seconds_count{model=\"gpt-4o-mini\"}").as_deref(), Some("6"));
}

#[tokio::test]
async fn a_list_that_is_not_read_yet_is_not_told_as_empty() {
    let house = House::open().await;
    house.add_milk().await;
    let handle = House::begin(&house.deps, "later").await;
    // The command waits already when the session begins to read.
    let mut inbox = House::attach_to(&handle);
    let tasks = loop {
        if let Outbound::Tasks(tasks) = inbox.recv().await.unwrap() {
            break tasks;
        }
    };
    assert_eq!(tasks.iter().map(|task| task.title.as_str()).collect::<Vec<_>>(), ["Buy milk"]);
}

/// One running session, and what is around it.
struct House {
    handle: SessionHandle,
    deps: Arc<Deps>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut CoreConfig)) -> Self {
        Self::asking(change, None).await
    }

    async fn asking(change: impl FnOnce(&mut CoreConfig), llm: Option<Arc<dyn Llm>>) -> Self {
        Self::with_voice(change, llm, None).await
    }

    /// A voice's audio is kept where it is not the usual one's.
    async fn with_voice(
        change: impl FnOnce(&mut CoreConfig),
        llm: Option<Arc<dyn Llm>>,
        tts: Option<Arc<dyn Tts>>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
        let once = Arc::new(Once::default());
        let price = |text: &str| toml::from_str(text).unwrap();
        let prices = price("[\"openai/gpt-4o-mini\"]\ninput_1k_tokens = 150000\noutput_1k_tokens = 600000\n");
        let mut core = CoreConfig { greeting: String::new(), prices, ..CoreConfig::default() };
        change(&mut core);
        let vad = Silero::load(&default_models_dir()).expect("the model; `make models` fetches it");
        let stt = Arc::clone(&once) as Arc<dyn Stt>;
        let llm = llm.unwrap_or_else(|| Arc::clone(&once) as Arc<dyn Llm>);
        let kept_bytes = if tts.is_some() { 1 << 20 } else { 0 };
        let tts = tts.unwrap_or_else(|| Arc::clone(&once) as Arc<dyn Tts>);
        let providers = Providers::single(stt, None, llm, tts, vad);
        let events = Arc::new(Events::new(Metrics::new("gpt-4o-mini", &[])));
        let (core, board) = Board::for_providers(&providers, core, &events);
        let (clock, name) = (Arc::new(SystemClock), "here".to_owned());
        let ledger = Arc::new(Ledger::new(Arc::clone(&store), clock, core.ceilings.clone(), name));
        let deps = Arc::new(Deps {
            store: Arc::clone(&store),
            providers,
            board,
            ledger,
            ladder: crate::ladder::Ladder::idle(),
            consent: Arc::default(),
            answer_cache: Arc::new(AnswerCache::new(10, 300)),
            voice_cache: Arc::new(VoiceCache::new(kept_bytes, 300)),
            core,
            vad: VadConfig::default(),
            events,
            traces: Traces::default(),
            tracker: TaskTracker::new(),
            going_away: CancellationToken::new(),
            handing_over: CancellationToken::new(),
            hand_over_within_ms: 8_000,
            look_within: Some(screen::LOOK_WITHIN),
            command_queue: 32,
            clock: Arc::new(SystemClock),
            input_logs: None,
            recorder: None,
        });
        Self { handle: Self::begin(&deps, "s").await, deps, _folder: folder }
    }

    /// Adds a task as another process would.
    async fn add_milk(&self) {
        let task = Task {
            id: crate::tasks::TaskId::random().unwrap(),
            title: "Buy milk".to_owned(),
            status: crate::tasks::TaskStatus::Open,
            due: None,
            priority: crate::tasks::Priority::Normal,
            created_at: jiff::Timestamp::now(),
            completed_at: None,
        };
        let (user, changes) = (UserId::new("ada"), vec![TaskChange::Created(task)]);
        self.deps.store.change_tasks(user, None, changes, UndoEffect::None).await.unwrap();
    }

    /// Begins a session of the same user's.
    async fn begin(deps: &Arc<Deps>, id: &str) -> SessionHandle {
        let now = jiff::Timestamp::now();
        let doc = SessionDoc {
            session_id: SessionId::new(id),
            user_id: UserId::new("ada"),
            channel: Channel::Browser,
            conversation_history: Vec::new(),
            current_agent: "TaskAgent".to_owned(),
            created_at: now,
            last_activity: now,
            context: serde_json::Map::new(),
        };
        let fence = deps.store.create_session(doc.clone(), [0; 32], InstanceId::new("here")).await.unwrap();
        spawn(Arc::clone(deps), Start { doc, fence, resumed: false, time_zone: TimeZone::UTC, handover: None })
    }

    fn text(&self, text: &str) -> impl Future<Output = Result<TextAnswer, oneshot::error::RecvError>> + use<> {
        let (answer, asked) = oneshot::channel();
        self.handle.send(Command::Text { text: text.to_owned(), answer: Some(answer), sid: None }).unwrap();
        asked.map_ok(|reply| reply.expect("the message is taken"))
    }

    fn attach(&self) -> mpsc::Receiver<Outbound> {
        Self::attach_to(&self.handle)
    }

    fn attach_to(handle: &SessionHandle) -> mpsc::Receiver<Outbound> {
        let (outbound, inbox) = mpsc::channel(64);
        handle.send(Command::Attach { connection: ConnectionId(1), voice: true, outbound, room: None }).unwrap();
        inbox
    }

    fn metric(&self, series: &str) -> Option<String> {
        let text = self.deps.events.metrics().exposition().unwrap();
        text.lines().find_map(|line| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned()))
    }
}

#[test]
fn a_telephones_audio_leaves_in_large_pieces_whoever_wakes_the_loop() {
    let (speech, mut mouth) = (SpeechId(1), Mouth::new(AudioFormat::Mulaw8k));
    let add = |mouth: &mut Mouth, chunk: u32, ms: usize| {
        let rung = RungId(0);
        mouth.add_text(speech, ReplyId(1), chunk, rung, "words".to_owned());
        mouth.next_text().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        mouth.begin_synthesis(chunk, rung, false, runtime.spawn(std::future::pending::<()>()).abort_handle());
        mouth.add_audio(speech, chunk, rung, &vec![0x21; 8 * ms]).unwrap();
        mouth.end_audio(speech, chunk, rung).unwrap();
    };
    add(&mut mouth, 0, 500);
    mouth.play(0, speech, 1, false);
    let (mut pieces, mut late) = (Vec::new(), 0);
    // A caller's frame comes every 20 ms, and the loop looks then.
    for now_ms in (0..1_200).step_by(20) {
        if now_ms == 260 {
            add(&mut mouth, 1, 500);
            mouth.play(now_ms, speech, 1, true);
        }
        let mut out = Vec::new();
        late += mouth.pump(now_ms, &mut out).late;
        pieces.extend(out.iter().filter_map(|one| match one {
            Outbound::Audio(mulaw) => Some((now_ms, mulaw.len() / 8)),
            _ => None,
        }));
    }
    assert_eq!(pieces, [(0, 400), (200, 100), (300, 200), (500, 200), (700, 100)]);
    assert_eq!(late, 0);
}

#[tokio::test]
async fn after_a_defect_what_was_metered_last_is_what_was_spent() {
    let house = House::open().await;
    assert_eq!(house.text("hello").await.unwrap().reply, "Hello.");
    let mut inbox = house.attach();
    let asked = house.text("and again");
    house.handle.ended().await;
    assert_eq!(house.handle.info().ended, Some((Outcome::Error, EndReason::Failed)));
    assert!(asked.await.is_err());
    // One thousand tokens in, and one thousand out.
    assert_eq!(house.metric("voice_cost_per_call_usd_sum{channel=\"browser\"}").as_deref(), Some("0.00075"));
    let mut last = None;
    while let Some(outbound) = inbox.recv().await {
        last = Some(outbound);
    }
    assert!(matches!(last, Some(Outbound::Close { code: 4006, .. })), "{last:?}");
    // What was saved stays, and nobody takes it up again.
    let stored = house.deps.store.load_session(SessionId::new("s")).await.unwrap().unwrap();
    assert!(stored.ended);
    assert_eq!(stored.doc.conversation_history.last().unwrap().content, "Hello.");
}

#[tokio::test]
async fn what_is_saved_of_an_answer_names_the_text_message() {
    let house = House::open().await;
    let (answer, asked) = oneshot::channel();
    let (text, sid) = ("hello".to_owned(), Some("SM1".to_owned()));
    house.handle.send(Command::Text { text, answer: Some(answer), sid }).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().reply, "Hello.");
    let doc = house.deps.store.load_session(SessionId::new("s")).await.unwrap().unwrap().doc;
    assert_eq!(answer_to(&doc, "SM1"), Some(Some("Hello.".to_owned())));
    assert_eq!(answer_to(&doc, "SM2"), None);
}

#[tokio::test]
async fn at_the_ceiling_no_model_is_asked_any_more_and_the_books_of_the_day_have_it() {
    // What the first answer costs is what the call may cost. A second one would be a defect.
    let house = House::with(|core| core.ceilings.call = NanoUsd(750_000)).await;
    assert_eq!(house.text("hello").await.unwrap().reply, "Hello.");
    assert_eq!(house.text("and again").await.unwrap().reply, voice_core::phrases::CEILING);
    house.handle.ended().await;
    assert_eq!(house.handle.info().ended, Some((Outcome::Completed, EndReason::Ceiling)));
    assert_eq!(house.handle.info().cost_step, CostStep::Close);
    let steps = house.metric("voice_cost_steps_total{step=\"close\",ceiling=\"call\"}");
    assert_eq!(steps.as_deref(), Some("1"));
    house.deps.ledger.flush().await.unwrap();
    let today = jiff::Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let spend = house.deps.store.spend(today.yesterday().unwrap(), today).await.unwrap();
    let told: Vec<_> = spend.iter().map(|(key, sum)| (key.stage.as_str(), sum.used.0, sum.quantity)).collect();
    assert!(told.contains(&("llm", 750_000, 2_000)), "{told:?}");
    assert!(told.iter().any(|(stage, ..)| *stage == "call"), "{told:?}");
}

#[tokio::test]
async fn a_process_that_goes_down_leaves_the_session_to_the_next_when_it_is_saved() {
    let house = House::open().await;
    let inbox = house.attach();
    let asked = house.text("hello");
    house.deps.going_away.cancel();
    // The caller is still there: the turn goes on to its end.
    assert_eq!(asked.await.unwrap().reply, "Hello.");
    assert_eq!(house.handle.info().ended, None);
    house.handle.send(Command::Detach { connection: ConnectionId(1) }).unwrap();
    drop(inbox);
    house.deps.tracker.close();
    house.deps.tracker.wait().await;
    assert_eq!(house.handle.info().ended, Some((Outcome::Dropped, EndReason::TakenOver)));
    let stored = house.deps.store.load_session(SessionId::new("s")).await.unwrap().unwrap();
    assert!(!stored.ended);
    assert_eq!(stored.doc.conversation_history[0].content, "hello");
    // Its outcome is counted where it ends.
    assert_eq!(house.metric("voice_cost_per_call_usd_count{channel=\"browser\"}").unwrap_or_default(), "0");
}

#[tokio::test]
async fn what_was_counted_when_a_session_seemed_lost_is_not_counted_again() {
    let mut house = House::with(|core| core.reconnect_ms = 1).await;
    let inbox = house.attach();
    assert_eq!(house.text("hello").await.unwrap().reply, "Hello.");
    house.handle.send(Command::Detach { connection: ConnectionId(1) }).unwrap();
    drop(inbox);
    house.handle.ended().await;
    assert_eq!(house.handle.info().ended, Some((Outcome::Dropped, EndReason::Lost)));
    let sum = "voice_cost_per_call_usd_sum{channel=\"browser\"}";
    assert_eq!(house.metric(sum).as_deref(), Some("0.00075"));
    let connected = house.metric("voice_connected_milliseconds_total{channel=\"browser\"}");

    // The caller comes back, says nothing, and hangs up.
    let stored = house.deps.store.claim_session(SessionId::new("s"), InstanceId::new("here")).await.unwrap();
    assert_eq!(stored.doc.conversation_history.last().unwrap().content, "Hello.");
    let (doc, fence) = (stored.doc, stored.fence);
    let start = Start { doc, fence, resumed: true, time_zone: TimeZone::UTC, handover: None };
    house.handle = spawn(Arc::clone(&house.deps), start);
    house.handle.send(Command::HangUp { by: voice_core::input::HangUp::Operator }).unwrap();
    house.handle.ended().await;
    assert_eq!(house.metric(sum).as_deref(), Some("0.00075"));
    assert_eq!(house.metric("voice_cost_per_call_usd_count{channel=\"browser\"}").as_deref(), Some("2"));
    assert_eq!(house.metric("voice_connected_milliseconds_total{channel=\"browser\"}"), connected);
    // The session itself knows all that it cost.
    let stored = house.deps.store.load_session(SessionId::new("s")).await.unwrap().unwrap();
    assert_eq!(stored.doc.context["cost"]["total_usd"], 0.00075);
}

/// Says always the same.
struct Always(Vec<Result<LlmEvent, ProviderFailure>>);

impl Llm for Always {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn stream(&self, _: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        stream::iter(self.0.clone()).boxed()
    }
}

/// What a turn costs in nano-dollars, for nothing, with a model that says this before it breaks off.
async fn wasted(said: &[LlmEvent]) -> f64 {
    let broken = Err(ProviderErrorKind::Disconnected.into());
    let events = said.iter().cloned().map(Ok).chain([broken]).collect();
    let house = House::asking(|_| {}, Some(Arc::new(Always(events)))).await;
    let _said = house.text("Add milk").await.unwrap();
    let series = |wasted: bool| {
        let labels = format!("{{stage=\"llm\",provider=\"openai\",wasted=\"{wasted}\"}}");
        house.metric(&format!("voice_spend_nanousd_total{labels}"))
    };
    assert_eq!(series(false), None);
    series(true).map_or(0.0, |spent| spent.parse().unwrap())
}

#[tokio::test]
async fn a_request_that_breaks_off_is_paid_for_with_the_prompt_and_the_tools_once_it_was_taken() {
    // At 150,000 and 600,000 nano-dollars for a thousand tokens: the tools alone are more than a thousand to read, each time.
    let words = LlmEvent::WordsAhead("Added milk.".to_owned());
    assert!(wasted(&[LlmEvent::Calling, words]).await > 300_000.0);
    let begun = wasted(&[LlmEvent::Begun]).await;
    assert!(begun > 300_000.0, "{begun}");
    assert_eq!(wasted(&[]).await, 0.0, "refused");
}

#[tokio::test]
async fn what_a_provider_says_of_a_failed_answer_is_booked_and_nothing_is_estimated() {
    let used = LlmEvent::Used(Quantity::Tokens { input: 2_000, cached: 0, output: 1_000 });
    let once = wasted(&[LlmEvent::Begun, used]).await;
    assert!(once > 0.0 && once % 900_000.0 == 0.0, "{once}");
}
