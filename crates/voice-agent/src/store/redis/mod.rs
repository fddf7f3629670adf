//! The store in Redis: what several instances share, and what survives each of them.
//!
//! **Atomicity.** Each method is one Lua script, which Redis runs alone. A script that ends early leaves what it wrote, so each
//! checks everything before it writes anything.
//!
//! **Durability.** An answer says that Redis has it. Whether it survives Redis is decided there: with `appendonly yes` and `appendfsync
//! always` it does; with `everysec` a crash of the machine (not of the process) loses the last second.
//!
//! **Time.** What expires, expires by Redis' own clock (`PEXPIRE`); no instance's clock decides anything.
//!
//! **One server.** A script touches the keys of a session and of its user at once, which a Redis Cluster does not allow. Sentinels and
//! replicas are fine. A replica that becomes the master may lack the last commits: Redis replicates behind its answers.

mod erasure;
mod export;
mod key;
mod link;
mod message;
mod news;
mod person;
mod reply;
mod script;
mod scrub;
mod spend;
mod task;
mod url;
mod wrapped;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use voice_core::consent::ConsentDecision;

pub use self::erasure::{ErasureAnswers, ErasureOrder, ErasureOrders};
pub use self::export::{ExportOrder, ExportOrders};
use self::link::Link;
use self::reply::Reply;
use super::watch::TaskNews;
use super::{
    Begun, ChangeOutcome, Commit, CommitOutcome, ConsentRecord, Erased, HANDOVER_TTL, InstanceId, KeyPage, LiveSession,
    LogHead, SESSION_TTL, SPEND_BATCH_TTL, SPEND_TTL, Scrubbed, SessionDoc, SessionId, Spend, Store, StoreError,
    StoreFuture, StoreHealth, StoredSession, TaskEvents, UserId, UserTasks,
};
use crate::http::random_hex;
use crate::tasks::{MAX_TASKS, MAX_UNDO, TaskChange, UndoEffect};

/// A day's spend is kept for this long after the last amount of that day.
const DAY_TTL: Duration = SPEND_TTL.saturating_add(Duration::from_secs(24 * 3600));
/// What a health check writes is there for so long.
const PROBE_TTL: Duration = Duration::from_secs(60);

/// How the store is reached.
#[derive(Debug, Clone, Copy)]
pub struct RedisOptions {
    /// How many requests may wait before further ones are refused.
    pub queue_limit: usize,
    /// How long a caller waits for an answer, a new connection included; a fifth of it once Redis let somebody wait for all of it,
    /// until it answers again.
    pub deadline: Duration,
    /// How often the connection on which other instances' changes are told is asked whether anybody is there.
    pub probe: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { queue_limit: 1_024, deadline: Duration::from_millis(1_500), probe: news::PROBE }
    }
}

/// The store in Redis. Needs a tokio runtime.
pub struct RedisStore {
    link: Arc<Link>,
    news: TaskNews,
    /// Who tells changes: this store.
    teller: String,
    /// The listener for others' changes ends with the store.
    _listener: DropGuard,
}

impl RedisStore {
    /// A store at `url` (`REDIS_URL`). Connects when it is first needed: a Redis that is away is no reason not to start.
    ///
    /// # Errors
    /// [`StoreError::Incompatible`] for a URL that cannot be used, and says which can.
    pub fn new(url: &str, options: RedisOptions) -> Result<Self, StoreError> {
        let source = url::parse(url).map_err(|why| StoreError::Incompatible(format!("REDIS_URL {why}")))?;
        let link = Arc::new(Link::new(source, options.deadline, options.queue_limit));
        let teller = random_hex::<16>().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let (news, cancelled) = (TaskNews::new(), CancellationToken::new());
        let told = (news.clone(), teller.clone());
        tokio::spawn(news::listen(Arc::clone(&link), told, options.probe, cancelled.clone()));
        Ok(Self { link, news, teller, _listener: cancelled.drop_guard() })
    }

    /// Whether a URL can be used; why not, without its password.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn check_url(url: &str) -> Result<(), String> {
        url::parse(url).map(|_| ())
    }

    async fn save(&self, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        let id = &commit.doc.session_id;
        let tools = task::Tools::of(commit)?;
        let mut script = script::COMMIT.key(key::session(id));
        script.key(key::lease(id)).key(key::intents(id)).key(tools.keys);
        script.arg(commit.fence).arg(commit.doc.to_json()?).arg(ms(SESSION_TTL)).arg(tools.json);
        script.arg(MAX_TASKS).arg(MAX_UNDO).arg(key::NEWS).arg(&self.teller);
        let outcome = task::outcome(commit, self.link.run(script).await?)?;
        if let (CommitOutcome::Committed { tasks_rev: Some(rev) }, Some(tool)) = (&outcome, commit.tools.first())
            && *rev != tool.tasks_rev
        {
            self.news.tell(&tool.user_id, *rev);
        }
        Ok(outcome)
    }

    async fn change(
        &self,
        user: &UserId,
        expected_rev: Option<u64>,
        changes: &[TaskChange],
        undo: &UndoEffect,
    ) -> Result<ChangeOutcome, StoreError> {
        let mut script = script::CHANGE.key(key::tasks(user));
        script.key(key::undo(user)).arg(expected_rev.map_or_else(String::new, |rev| rev.to_string()));
        script.arg(task::changes_of(changes)?.to_string()).arg(task::undo_of(undo)?.to_string());
        script.arg(MAX_TASKS).arg(MAX_UNDO).arg(key::NEWS).arg(&self.teller).arg(user.as_str());
        let mut reply = self.link.run(script).await?;
        match reply.word.as_str() {
            "ok" => {
                let tasks_rev = reply.number()?;
                if !changes.is_empty() {
                    self.news.tell(user, tasks_rev);
                }
                Ok(ChangeOutcome::Changed { tasks_rev })
            }
            "conflict" => Ok(ChangeOutcome::Conflict),
            _ => Err(task::refusal(reply, "")),
        }
    }

    async fn read_spend(&self, from: Date, to: Date) -> Result<Spend, StoreError> {
        let days = self.link.run(script::SPEND_DAYS.key(key::SPEND_DAYS)).await?.texts()?;
        let mut days = days.iter().filter_map(|day| day.parse::<Date>().ok()).collect::<Vec<_>>();
        days.retain(|day| (from..=to).contains(day));
        days.sort_unstable();
        if days.is_empty() {
            return Ok(Spend::new());
        }
        let keys: Vec<String> = days.iter().map(|day| key::day(*day)).collect();
        let mut reply = self.link.run(script::SPEND.key(keys)).await?;
        let mut all = Spend::new();
        for day in days {
            all.extend(spend::read(day, &reply.list()?)?);
        }
        Ok(all)
    }
}

impl Store for RedisStore {
    fn create_session(&self, doc: SessionDoc, token_hash: [u8; 32], instance: InstanceId) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let id = &doc.session_id;
            let mut script = script::CREATE.key(key::session(id));
            script.key(key::lease(id)).key(key::intents(id)).key(key::handover(id)).key(key::FENCE).key(key::SESSIONS);
            script
                .arg(doc.to_json()?)
                .arg(STANDARD.encode(token_hash))
                .arg(instance.as_str())
                .arg(ms(SESSION_TTL))
                .arg(id.as_str());
            accepted(self.link.run(script).await?, id)?.number()
        })
    }

    fn load_session(&self, id: SessionId) -> StoreFuture<'_, Option<StoredSession>> {
        Box::pin(async move {
            let reply = self.link.run(key_pair(&script::LOAD, &id)).await?;
            if reply.word == "not_found" { Ok(None) } else { stored(accepted(reply, &id)?).map(Some) }
        })
    }

    fn claim_session(&self, id: SessionId, instance: InstanceId) -> StoreFuture<'_, StoredSession> {
        Box::pin(async move {
            let mut script = key_pair(&script::CLAIM, &id);
            script.key(key::intents(&id)).key(key::FENCE).arg(instance.as_str()).arg(ms(SESSION_TTL));
            stored(accepted(self.link.run(script).await?, &id)?)
        })
    }

    fn commit(&self, commit: Commit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(async move { self.save(&commit).await })
    }

    fn extend_session(&self, id: SessionId, fence: u64) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = key_pair(&script::EXTEND, &id);
            script.key(key::intents(&id)).arg(fence).arg(ms(SESSION_TTL));
            accepted(self.link.run(script).await?, &id).map(|_| ())
        })
    }

    fn reassert_session(
        &self,
        doc: SessionDoc,
        token_hash: [u8; 32],
        fence: u64,
        instance: InstanceId,
    ) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let id = &doc.session_id;
            let mut script = key_pair(&script::REASSERT, id);
            script.key(key::intents(id)).key(key::FENCE).key(key::SESSIONS);
            script
                .arg(doc.to_json()?)
                .arg(STANDARD.encode(token_hash))
                .arg(instance.as_str())
                .arg(fence)
                .arg(ms(SESSION_TTL))
                .arg(id.as_str());
            accepted(self.link.run(script).await?, id).map(|_| ())
        })
    }

    fn end_session(&self, id: SessionId, fence: Option<u64>) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = key_pair(&script::END, &id);
            script.arg(fence.map_or_else(String::new, |fence| fence.to_string()));
            accepted(self.link.run(script).await?, &id).map(|_| ())
        })
    }

    fn delete_session(&self, id: SessionId) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let mut script = key_pair(&script::DELETE, &id);
            script.key(key::intents(&id)).key(key::handover(&id)).key(key::SESSIONS).arg(id.as_str());
            Ok(self.link.run(script).await?.word == "ok")
        })
    }

    fn live_sessions(&self) -> StoreFuture<'_, Vec<LiveSession>> {
        Box::pin(async move {
            let mut script = script::LIVE.key(key::SESSIONS);
            script.arg(key::LEASE);
            let texts = self.link.run(script).await?.texts()?;
            let one = |[id, owner, fence]: &[String; 3]| {
                let (id, owner) = (SessionId::new(id.clone()), InstanceId::new(owner.clone()));
                Ok(LiveSession { id, owner, fence: reply::number(fence)? })
            };
            let mut live = texts.as_chunks::<3>().0.iter().map(one).collect::<Result<Vec<_>, StoreError>>()?;
            live.sort_unstable_by_key(|session| session.fence);
            Ok(live)
        })
    }

    fn sweep(&self) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            let mut script = script::SWEEP.key(key::SESSIONS);
            script.key(key::SPEND_DAYS).arg(key::LEASE).arg(key::SPEND);
            Ok(self.link.run(script).await?.texts()?.into_iter().map(SessionId::new).collect())
        })
    }

    fn put_handover(&self, id: SessionId, fence: u64, context: Value) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = key_pair(&script::PUT_HANDOVER, &id);
            script.key(key::handover(&id)).arg(fence).arg(context.to_string()).arg(ms(HANDOVER_TTL));
            accepted(self.link.run(script).await?, &id).map(|_| ())
        })
    }

    fn take_handover(&self, id: SessionId) -> StoreFuture<'_, Option<Value>> {
        Box::pin(async move {
            let mut reply = self.link.run(script::TAKE_HANDOVER.key(key::handover(&id))).await?;
            if reply.word == "ok" { task::parse(&reply.text()?).map(Some) } else { Ok(None) }
        })
    }

    fn tasks(&self, user: UserId) -> StoreFuture<'_, UserTasks> {
        Box::pin(async move {
            let mut script = script::READ_TASKS.key(key::tasks(&user));
            script.key(key::undo(&user));
            task::user_tasks(self.link.run(script).await?)
        })
    }

    fn change_tasks(
        &self,
        user: UserId,
        expected_rev: Option<u64>,
        changes: Vec<TaskChange>,
        undo: UndoEffect,
    ) -> StoreFuture<'_, ChangeOutcome> {
        Box::pin(async move { self.change(&user, expected_rev, &changes, &undo).await })
    }

    fn add_spend(&self, batch: String, amounts: Spend) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = script::ADD_SPEND.key(key::batch(&batch));
            script.key(key::SPEND_DAYS).arg(ms(SPEND_BATCH_TTL)).arg(ms(DAY_TTL));
            for (amount, sum) in &amounts {
                script.key(key::day(amount.day)).arg(amount.day.to_string()).arg(spend::field(amount));
                for part in spend::sums(sum) {
                    script.arg(part);
                }
            }
            self.link.run(script).await.map(|_| ())
        })
    }

    fn spend(&self, from: Date, to: Date) -> StoreFuture<'_, Spend> {
        Box::pin(self.read_spend(from, to))
    }

    fn set_opted_out(&self, user: UserId, opted_out: bool) -> StoreFuture<'_, ()> {
        Box::pin(async move { message::set_opted_out(&self.link, &user, opted_out).await })
    }

    fn is_opted_out(&self, user: UserId) -> StoreFuture<'_, bool> {
        Box::pin(async move { Ok(self.link.run(script::EXISTS.key(key::opt_out(&user))).await?.word == "ok") })
    }

    fn note_once(&self, id: String, ttl: Duration) -> StoreFuture<'_, bool> {
        Box::pin(async move { message::note(&self.link, &id, ttl).await })
    }

    fn begin_message(&self, id: String, by: InstanceId) -> StoreFuture<'_, Begun> {
        Box::pin(async move { message::begin(&self.link, &id, &by).await })
    }

    fn end_message(&self, id: String) -> StoreFuture<'_, ()> {
        Box::pin(async move { message::end(&self.link, &id).await })
    }

    fn forget_note(&self, id: String) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.link.run(script::FORGET.key(key::message(&id))).await.map(|_| ()) })
    }

    fn key(&self, name: String) -> StoreFuture<'_, Option<String>> {
        Box::pin(async move {
            let mut reply = self.link.run(script::KEY.key(key::wrapped(&name))).await?;
            if reply.word == "ok" { reply.text().map(Some) } else { Ok(None) }
        })
    }

    fn put_key(&self, name: String, wrapped: String) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let mut script = script::PUT_KEY.key(key::wrapped(&name));
            script.key(key::KEYS).arg(wrapped).arg(name);
            Ok(self.link.run(script).await?.word == "ok")
        })
    }

    fn replace_key(&self, name: String, old: String, new: String) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let mut script = script::REPLACE_KEY.key(key::wrapped(&name));
            script.arg(old).arg(new);
            Ok(self.link.run(script).await?.word == "ok")
        })
    }

    fn delete_key(&self, name: String) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let mut script = script::DELETE_KEY.key(key::wrapped(&name));
            script.key(key::KEYS).key(key::DESTROYED).arg(name);
            Ok(self.link.run(script).await?.word == "ok")
        })
    }

    fn was_destroyed(&self, name: String) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            let mut script = script::IS_IN.key(key::DESTROYED);
            script.arg(name);
            Ok(self.link.run(script).await?.word == "ok")
        })
    }

    fn keys(&self, after: Option<String>) -> StoreFuture<'_, KeyPage> {
        Box::pin(self.key_page(after))
    }

    fn add_consent(&self, user: UserId, record: ConsentRecord) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let objects = record.decision == ConsentDecision::OptedOut;
            let mut script = script::ADD_CONSENT.key(key::consents(&user));
            script.key(key::lease(&record.session_id)).arg(&record.id).arg(record.to_json()?);
            script.arg(if objects { key::NEWS } else { "" }).arg(news::objection(&self.teller, &user));
            accepted(self.link.run(script).await?, &record.session_id)?;
            if objects {
                self.news.tell_objection(&user);
            }
            Ok(())
        })
    }

    fn consents(&self, user: UserId) -> StoreFuture<'_, Vec<ConsentRecord>> {
        Box::pin(async move {
            let texts = self.link.run(script::CONSENTS.key(key::consents(&user))).await?.texts()?;
            let read = texts.iter().map(|json| ConsentRecord::from_json(json));
            let mut records = read.collect::<Result<Vec<_>, StoreError>>()?;
            records.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
            Ok(records)
        })
    }

    fn sessions_of(&self, user: UserId) -> StoreFuture<'_, Vec<StoredSession>> {
        Box::pin(async move { person::sessions(&self.link, &user).await })
    }

    fn erase_user(&self, user: UserId) -> StoreFuture<'_, Erased> {
        Box::pin(async move { person::erase(&self.link, &user).await })
    }

    fn scrub(&self) -> StoreFuture<'_, Scrubbed> {
        Box::pin(scrub::scrub(&self.link))
    }

    fn erasure_orders(&self) -> Option<ErasureOrders> {
        Some(ErasureOrders::new(Arc::clone(&self.link)))
    }

    fn export_orders(&self) -> Option<ExportOrders> {
        Some(ExportOrders::new(Arc::clone(&self.link)))
    }

    fn put_log_head(&self, name: String, head: LogHead) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = script::PUT_LOG_HEAD.key(key::ACCESS_LOGS);
            script.arg(name).arg(head.lines).arg(head.hash).arg(head.place);
            self.link.run(script).await.map(|_| ())
        })
    }

    fn log_heads(&self) -> StoreFuture<'_, Vec<(String, LogHead)>> {
        Box::pin(async move { person::log_heads(&self.link).await })
    }

    fn heartbeat(&self, instance: InstanceId, ttl: Duration) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut script = script::SET.key(key::instance(&instance));
            script.arg(ms(ttl));
            self.link.run_patiently(script).await.map(|_| ())
        })
    }

    fn instance_alive(&self, instance: InstanceId) -> StoreFuture<'_, bool> {
        Box::pin(async move { Ok(self.link.run(script::EXISTS.key(key::instance(&instance))).await?.word == "ok") })
    }

    fn task_events(&self) -> TaskEvents {
        self.news.listen()
    }

    fn health(&self) -> BoxFuture<'_, StoreHealth> {
        Box::pin(async {
            let mut script = script::SET.key(key::PROBE);
            script.arg(ms(PROBE_TTL));
            let queued = self.link.waiting();
            let trouble = self.link.run(script).await.err().map(|error| error.to_string());
            StoreHealth { kind: "redis", trouble, queued }
        })
    }
}

/// A script on a session and its lease.
fn key_pair<'s>(script: &'s redis::Script, id: &SessionId) -> redis::ScriptInvocation<'s> {
    let mut script = script.key(key::session(id));
    script.key(key::lease(id));
    script
}

/// The answer, if it is none that refuses.
fn accepted(reply: Reply, id: &SessionId) -> Result<Reply, StoreError> {
    if reply.word == "ok" { Ok(reply) } else { Err(reply.refusal(id.as_str())) }
}

fn stored(mut reply: Reply) -> Result<StoredSession, StoreError> {
    let doc = SessionDoc::from_json(&reply.text()?)?;
    let token_hash = STANDARD.decode(reply.text()?).ok().and_then(|bytes| bytes.try_into().ok());
    let token_hash = token_hash.ok_or_else(|| StoreError::Corrupt("a token's hash".to_owned()))?;
    let fence = reply.number()?;
    let owner = InstanceId::new(reply.text()?);
    Ok(StoredSession { doc, token_hash, fence, owner, ended: reply.text()? == "1" })
}

fn ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
