//! The embedded store under virtual time: every answer is there at once.
//!
//! The store works on threads of its own. Under a paused clock a runtime with nothing else to do jumps to its next
//! deadline, and would take the disk's millisecond for seconds; so this waits for the disk where it is asked.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::civil::Date;
use serde_json::Value;
use voice_agent::store::{
    Begun, ChangeOutcome, Commit, CommitOutcome, ConsentRecord, Erased, InstanceId, KeyPage, LiveSession, LogHead,
    Scrubbed, SessionDoc, SessionId, Spend, SqliteStore, Store, StoreFuture, StoreHealth, StoredSession, TaskEvents,
    UserId, UserTasks,
};
use voice_agent::tasks::{TaskChange, UndoEffect};

/// A store that answers at once.
pub(crate) struct AtOnce(pub(crate) SqliteStore);

struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn at_once<'a, T: Send + 'a>(future: impl Future<Output = T>) -> BoxFuture<'a, T> {
    ready(wait(future)).boxed()
}

impl Store for AtOnce {
    fn create_session(&self, doc: SessionDoc, token_hash: [u8; 32], instance: InstanceId) -> StoreFuture<'_, u64> {
        at_once(self.0.create_session(doc, token_hash, instance))
    }

    fn load_session(&self, id: SessionId) -> StoreFuture<'_, Option<StoredSession>> {
        at_once(self.0.load_session(id))
    }

    fn claim_session(&self, id: SessionId, instance: InstanceId) -> StoreFuture<'_, StoredSession> {
        at_once(self.0.claim_session(id, instance))
    }

    fn commit(&self, commit: Commit) -> StoreFuture<'_, CommitOutcome> {
        at_once(self.0.commit(commit))
    }

    fn extend_session(&self, id: SessionId, fence: u64) -> StoreFuture<'_, ()> {
        at_once(self.0.extend_session(id, fence))
    }

    fn reassert_session(
        &self,
        doc: SessionDoc,
        token_hash: [u8; 32],
        fence: u64,
        instance: InstanceId,
    ) -> StoreFuture<'_, ()> {
        at_once(self.0.reassert_session(doc, token_hash, fence, instance))
    }

    fn end_session(&self, id: SessionId, fence: Option<u64>) -> StoreFuture<'_, ()> {
        at_once(self.0.end_session(id, fence))
    }

    fn delete_session(&self, id: SessionId) -> StoreFuture<'_, bool> {
        at_once(self.0.delete_session(id))
    }

    fn live_sessions(&self) -> StoreFuture<'_, Vec<LiveSession>> {
        at_once(self.0.live_sessions())
    }

    fn sweep(&self) -> StoreFuture<'_, Vec<SessionId>> {
        at_once(self.0.sweep())
    }

    fn put_handover(&self, id: SessionId, fence: u64, context: Value) -> StoreFuture<'_, ()> {
        at_once(self.0.put_handover(id, fence, context))
    }

    fn take_handover(&self, id: SessionId) -> StoreFuture<'_, Option<Value>> {
        at_once(self.0.take_handover(id))
    }

    fn tasks(&self, user: UserId) -> StoreFuture<'_, UserTasks> {
        at_once(self.0.tasks(user))
    }

    fn change_tasks(
        &self,
        user: UserId,
        expected_rev: Option<u64>,
        changes: Vec<TaskChange>,
        undo: UndoEffect,
    ) -> StoreFuture<'_, ChangeOutcome> {
        at_once(self.0.change_tasks(user, expected_rev, changes, undo))
    }

    fn add_spend(&self, batch: String, amounts: Spend) -> StoreFuture<'_, ()> {
        at_once(self.0.add_spend(batch, amounts))
    }

    fn spend(&self, from: Date, to: Date) -> StoreFuture<'_, Spend> {
        at_once(self.0.spend(from, to))
    }

    fn set_opted_out(&self, user: UserId, opted_out: bool) -> StoreFuture<'_, ()> {
        at_once(self.0.set_opted_out(user, opted_out))
    }

    fn is_opted_out(&self, user: UserId) -> StoreFuture<'_, bool> {
        at_once(self.0.is_opted_out(user))
    }

    fn note_once(&self, id: String, ttl: Duration) -> StoreFuture<'_, bool> {
        at_once(self.0.note_once(id, ttl))
    }

    fn begin_message(&self, id: String, by: InstanceId) -> StoreFuture<'_, Begun> {
        at_once(self.0.begin_message(id, by))
    }

    fn end_message(&self, id: String) -> StoreFuture<'_, ()> {
        at_once(self.0.end_message(id))
    }

    fn forget_note(&self, id: String) -> StoreFuture<'_, ()> {
        at_once(self.0.forget_note(id))
    }

    fn key(&self, name: String) -> StoreFuture<'_, Option<String>> {
        at_once(self.0.key(name))
    }

    fn put_key(&self, name: String, wrapped: String) -> StoreFuture<'_, bool> {
        at_once(self.0.put_key(name, wrapped))
    }

    fn replace_key(&self, name: String, old: String, new: String) -> StoreFuture<'_, bool> {
        at_once(self.0.replace_key(name, old, new))
    }

    fn delete_key(&self, name: String) -> StoreFuture<'_, bool> {
        at_once(self.0.delete_key(name))
    }

    fn was_destroyed(&self, name: String) -> StoreFuture<'_, bool> {
        at_once(self.0.was_destroyed(name))
    }

    fn keys(&self, after: Option<String>) -> StoreFuture<'_, KeyPage> {
        at_once(self.0.keys(after))
    }

    fn add_consent(&self, user: UserId, record: ConsentRecord) -> StoreFuture<'_, ()> {
        at_once(self.0.add_consent(user, record))
    }

    fn consents(&self, user: UserId) -> StoreFuture<'_, Vec<ConsentRecord>> {
        at_once(self.0.consents(user))
    }

    fn sessions_of(&self, user: UserId) -> StoreFuture<'_, Vec<StoredSession>> {
        at_once(self.0.sessions_of(user))
    }

    fn erase_user(&self, user: UserId) -> StoreFuture<'_, Erased> {
        at_once(self.0.erase_user(user))
    }

    fn scrub(&self) -> StoreFuture<'_, Scrubbed> {
        at_once(self.0.scrub())
    }

    fn put_log_head(&self, name: String, head: LogHead) -> StoreFuture<'_, ()> {
        at_once(self.0.put_log_head(name, head))
    }

    fn log_heads(&self) -> StoreFuture<'_, Vec<(String, LogHead)>> {
        at_once(self.0.log_heads())
    }

    fn heartbeat(&self, instance: InstanceId, ttl: Duration) -> StoreFuture<'_, ()> {
        at_once(self.0.heartbeat(instance, ttl))
    }

    fn instance_alive(&self, instance: InstanceId) -> StoreFuture<'_, bool> {
        at_once(self.0.instance_alive(instance))
    }

    fn task_events(&self) -> TaskEvents {
        self.0.task_events()
    }

    fn health(&self) -> BoxFuture<'_, StoreHealth> {
        at_once(self.0.health())
    }
}
