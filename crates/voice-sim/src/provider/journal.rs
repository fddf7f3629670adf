//! What happened: every connection and every request, so that a test can judge the call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::code::HeardWord;
use super::lock;
use super::service::{Provider, Service};

/// Entries that are kept; the oldest go first.
const MOST_ENTRIES: usize = 20_000;
/// Bytes of audio that are kept of an entry: half a minute at 16 kHz, two minutes of µ-law.
const MOST_AUDIO: usize = 1 << 20;
/// Notes and warnings of an entry, and words that were heard in it.
const MOST_NOTES: usize = 2_000;
/// Requests are kept whole up to this size.
const LARGEST_KEPT: usize = 256 * 1_024;

/// What a request was let in with. The key itself is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The one that the script has.
    Right,
    /// Another one, or in the wrong place.
    Wrong,
    /// None.
    Missing,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All was said.
    Done,
    /// The client closed the WebSocket properly.
    ClientClosed,
    /// The client is gone, without a goodbye: a cancelled request, a cut connection.
    ClientGone,
    /// The server closed the WebSocket with this code.
    ServerClosed(u16),
    /// The request was answered with this error.
    Refused(u16),
    /// A fault ended it.
    Fault(String),
    /// The servers were stopped.
    Stopped,
}

/// Messages (or, over HTTP, pieces), useful ones among them, and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All messages.
    pub messages: u64,
    /// Those with a token, a transcript or audio in them.
    pub useful: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Something that happened in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When, in ms since the servers started.
    pub at_ms: u64,
    /// What, in one word: `cancel`, `finalize`, `keep_alive`, `flush`…
    pub what: String,
    /// More about it: a context's id, a count.
    pub about: String,
}

/// One request, or one WebSocket from its handshake to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub id: u64,
    /// What was asked.
    pub service: Service,
    /// The HTTP method; `WS` for a WebSocket.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The TCP connection that it came on.
    pub connection: u64,
    /// The model that was asked.
    pub model: Option<String>,
    /// The right key?
    pub key: Key,
    /// When it came, in ms since the servers started.
    pub at_ms: u64,
    /// When the first useful piece of an answer went out.
    pub first_useful_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended; none while it lasts.
    pub end: Option<End>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What came from the client.
    pub received: Counts,
    /// What went to it.
    pub sent: Counts,
    /// What happened in it.
    pub notes: Vec<Note>,
    /// What the real provider would let pass, but nobody should send.
    pub warnings: Vec<String>,
    /// The request: its JSON body, its form or its query.
    #[serde(serialize_with = "shared_value")]
    pub request: Arc<Value>,
    /// What an STT heard.
    pub heard: Vec<HeardWord>,
    /// The audio that came to a streaming STT, as it came; of a long one the beginning.
    #[serde(skip)]
    pub audio: Vec<u8>,
    /// A digest of the request; of a chat request's messages alone, whichever model is asked.
    pub fingerprint: u64,
}

impl Entry {
    /// How often something happened in it.
    pub fn count(&self, what: &str) -> usize {
        self.notes.iter().filter(|note| note.what == what).count()
    }
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    connections: BTreeMap<Provider, u64>,
    opened: u64,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

/// The journal of all servers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

impl Journal {
    pub(crate) fn new() -> Self {
        let (state, changed) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { began: Instant::now(), state, changed }))
    }

    /// Milliseconds since the servers started: the clock of all entries.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Everything, in the order in which it came.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.0.state).entries.iter().cloned().collect()
    }

    /// What was asked of one service.
    pub fn of(&self, service: Service) -> Vec<Entry> {
        lock(&self.0.state).entries.iter().filter(|entry| entry.service == service).cloned().collect()
    }

    /// The requests for chat completions.
    pub fn chat_requests(&self) -> Vec<Entry> {
        self.of(Service::Chat)
    }

    /// Chat requests whose messages were sent more than once (a hedge, a retry, another model): for each digest, how often.
    pub fn doubled_chat_requests(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.chat_requests() {
            *counts.entry(entry.fingerprint).or_insert(0) += 1;
        }
        counts.retain(|_, count| *count > 1);
        counts
    }

    /// TCP connections that a provider has taken so far. A turn that grows it paid for a handshake.
    pub fn connections(&self, provider: Provider) -> u64 {
        lock(&self.0.state).connections.get(&provider).copied().unwrap_or_default()
    }

    /// WebSockets that were asked of a service so far.
    pub fn handshakes(&self, service: Service) -> usize {
        lock(&self.0.state).entries.iter().filter(|entry| entry.service == service && entry.method == "WS").count()
    }

    /// How often something happened in the requests to a service: `cancel`, `tool_call`, `finalize`…
    pub fn count(&self, service: Service, what: &str) -> usize {
        lock(&self.0.state).entries.iter().filter(|entry| entry.service == service).map(|entry| entry.count(what)).sum()
    }

    /// All warnings, with their service.
    pub fn warnings(&self) -> Vec<String> {
        let state = lock(&self.0.state);
        let told = state.entries.iter().flat_map(|entry| entry.warnings.iter().map(move |w| (entry.service, w)));
        told.map(|(service, warning)| format!("{}: {warning}", service.name())).collect()
    }

    /// Waits until the journal says so.
    ///
    /// # Errors
    /// When it does not within that time.
    pub async fn wait(&self, longest: Duration, mut until: impl FnMut(&Self) -> bool) -> Result<(), String> {
        let mut changes = self.0.changed.subscribe();
        let look = async {
            while !until(self) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(longest, look).await.map_err(|_| format!("the journal did not say so within {longest:?}"))
    }

    pub(crate) fn connected(&self, provider: Provider) -> u64 {
        let number = {
            let mut state = lock(&self.0.state);
            let count = state.connections.entry(provider).or_insert(0);
            *count += 1;
            *count
        };
        self.tell();
        number
    }

    /// Opens an entry.
    pub(crate) fn open(&self, opening: Opening) -> Record {
        let mut state = lock(&self.0.state);
        state.opened += 1;
        let id = state.opened;
        let Opening { service, method, path, connection, key } = opening;
        if state.entries.len() >= MOST_ENTRIES {
            state.entries.pop_front();
        }
        state.entries.push_back(Entry {
            id,
            service,
            method,
            path,
            connection,
            model: None,
            key,
            at_ms: self.now_ms(),
            first_useful_ms: None,
            ended_ms: None,
            end: None,
            status: None,
            received: Counts::default(),
            sent: Counts::default(),
            notes: Vec::new(),
            warnings: Vec::new(),
            request: Arc::new(Value::Null),
            heard: Vec::new(),
            audio: Vec::new(),
            fingerprint: 0,
        });
        drop(state);
        self.tell();
        Record { journal: self.clone(), id }
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Entry)) {
        {
            let mut state = lock(&self.0.state);
            let Some(first) = state.entries.front().map(|entry| entry.id) else { return };
            let place = id.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let Some(entry) = place.and_then(|place| state.entries.get_mut(place)) else { return };
            change(entry);
        }
        self.tell();
    }

    fn tell(&self) {
        self.0.changed.send_modify(|changes| *changes += 1);
    }
}

/// What is known of a request when it comes.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) service: Service,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) connection: u64,
    pub(crate) key: Key,
}

/// The open entry of a request. When it is dropped before an end was told, the client is gone: its task was cancelled.
#[derive(Debug)]
pub(crate) struct Record {
    journal: Journal,
    id: u64,
}

impl Record {
    pub(crate) fn now_ms(&self) -> u64 {
        self.journal.now_ms()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn model(&self, model: &str) {
        let model = clip(model);
        self.journal.change(self.id, |entry| entry.model = Some(model));
    }

    /// Keeps the request, unless it is very large.
    pub(crate) fn request(&self, request: &Value) {
        let text = request.to_string();
        let kept = Arc::new(if text.len() <= LARGEST_KEPT { request.clone() } else { Value::Null });
        // The same messages to another model are the same question.
        let text = request.get("messages").map_or(text, Value::to_string);
        let fingerprint = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.journal.change(self.id, |entry| (entry.request, entry.fingerprint) = (kept, fingerprint));
    }

    pub(crate) fn note(&self, what: &str, about: impl Into<String>) {
        let note = Note { at_ms: self.now_ms(), what: what.to_owned(), about: clip(&about.into()) };
        self.journal.change(self.id, |entry| {
            if entry.notes.len() < MOST_NOTES {
                entry.notes.push(note);
            }
        });
    }

    pub(crate) fn warn(&self, warning: impl Into<String>) {
        let warning = clip(&warning.into());
        self.journal.change(self.id, |entry| {
            if entry.warnings.len() < MOST_NOTES && !entry.warnings.contains(&warning) {
                entry.warnings.push(warning);
            }
        });
    }

    pub(crate) fn heard(&self, words: &[HeardWord]) {
        if !words.is_empty() {
            self.journal.change(self.id, |entry| {
                let room = MOST_NOTES.saturating_sub(entry.heard.len());
                entry.heard.extend(words.iter().take(room).cloned());
            });
        }
    }

    pub(crate) fn audio(&self, bytes: &[u8]) {
        self.journal.change(self.id, |entry| {
            let room = MOST_AUDIO.saturating_sub(entry.audio.len()).min(bytes.len());
            entry.audio.extend_from_slice(&bytes[..room]);
        });
    }

    pub(crate) fn received(&self, bytes: usize, useful: bool) {
        self.journal.change(self.id, |entry| count(&mut entry.received, bytes, useful));
    }

    pub(crate) fn sent(&self, bytes: usize, useful: bool) {
        let now_ms = self.now_ms();
        self.journal.change(self.id, |entry| {
            count(&mut entry.sent, bytes, useful);
            if useful {
                entry.first_useful_ms.get_or_insert(now_ms);
            }
        });
    }

    pub(crate) fn status(&self, status: u16) {
        self.journal.change(self.id, |entry| entry.status = Some(status));
    }

    /// The first end that is told counts.
    pub(crate) fn end(&self, end: End) {
        let now_ms = self.now_ms();
        self.journal.change(self.id, |entry| {
            if entry.end.is_none() {
                (entry.end, entry.ended_ms) = (Some(end), Some(now_ms));
            }
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(End::ClientGone);
    }
}

fn count(counts: &mut Counts, bytes: usize, useful: bool) {
    counts.messages += 1;
    counts.useful += u64::from(useful);
    counts.bytes += bytes as u64;
}

fn shared_value<S: serde::Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(serializer)
}

/// Nothing in the journal is long.
fn clip(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
impl Record {
    /// An entry of a journal of its own.
    pub(crate) fn of(service: Service) -> (Journal, Self) {
        let journal = Journal::new();
        let (method, path) = ("WS".to_owned(), "/".to_owned());
        let record = journal.open(Opening { service, method, path, connection: 1, key: Key::Right });
        (journal, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        let (method, path) = ("POST".to_owned(), "/v1/chat/completions".to_owned());
        Opening { service: Service::Chat, method, path, connection: 1, key: Key::Right }
    }

    #[tokio::test]
    async fn whoever_is_dropped_without_an_end_has_lost_its_client() {
        let journal = Journal::new();
        let (done, dropped) = (journal.open(opening()), journal.open(opening()));
        done.end(End::Done);
        done.end(End::Stopped);
        drop((done, dropped));
        let ends: Vec<Option<End>> = journal.chat_requests().into_iter().map(|entry| entry.end).collect();
        assert_eq!(ends, [Some(End::Done), Some(End::ClientGone)]);
    }

    #[tokio::test]
    async fn equal_requests_are_doubled_ones() {
        let journal = Journal::new();
        for request in ["a", "b", "a"] {
            journal.open(opening()).request(&Value::from(request));
        }
        assert_eq!(journal.doubled_chat_requests().into_values().collect::<Vec<_>>(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_change_or_with_its_time() {
        let journal = Journal::new();
        let waiting = journal.clone();
        let waits = tokio::spawn(async move {
            waiting.wait(Duration::from_secs(9), |journal| journal.count(Service::Chat, "cancel") == 1).await
        });
        tokio::task::yield_now().await;
        journal.open(opening()).note("cancel", "c1");
        assert_eq!(waits.await.expect("no panic"), Ok(()));
        assert!(journal.wait(Duration::from_secs(1), |_| false).await.is_err());
    }

    #[tokio::test]
    async fn the_oldest_entries_go_first() {
        let journal = Journal::new();
        let first = journal.open(opening());
        for _ in 0..MOST_ENTRIES {
            drop(journal.open(opening()));
        }
        first.note("late", "it is gone");
        assert_eq!(journal.entries().len(), MOST_ENTRIES);
        assert_eq!(journal.count(Service::Chat, "late"), 0);
    }
}
