//! The log, on standard error: one JSON object a line, or text on a terminal.
//!
//! It is written on a thread of its own behind a queue. Whoever should read it may have a full disk, be slow or be gone: that
//! costs lines, which are counted, and never a call.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::redact::redact_log;

/// Libraries that write down what goes over the wire, if they are let: keys in headers, titles in URLs, what callers say. No
/// level lets them; above it they say nothing of use.
const TOO_TALKATIVE: [&str; 2] = ["tungstenite=info", "tungstenite::handshake::client=info"];

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("log.level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is one already.
    #[error(transparent)]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// Lines that wait to be written, at some 300 bytes each.
const QUEUE_LINES: usize = 10_000;

/// How many lines nobody could be given.
#[derive(Debug, Clone)]
pub struct LostLines {
    unqueued: ErrorCounter,
    unwritten: Arc<AtomicU64>,
}

impl LostLines {
    /// Since the start of the log.
    pub fn count(&self) -> u64 {
        let unqueued = u64::try_from(self.unqueued.dropped_lines()).unwrap_or(u64::MAX);
        unqueued.saturating_add(self.unwritten.load(Ordering::Relaxed))
    }
}

/// The process's log. What is still in the queue is written when it is dropped, for at most a second.
#[must_use]
#[derive(Debug)]
pub struct Logging {
    lost: LostLines,
    _writes_until_dropped: WorkerGuard,
}

impl Logging {
    /// The lines that were lost.
    pub fn lost(&self) -> LostLines {
        self.lost.clone()
    }
}

/// The line without numbers of telephones and cards, and without mail addresses; JSON stays JSON, also where a bare number was one.
fn clean(line: &str) -> Cow<'_, str> {
    let clean = redact_log(line);
    if !line.starts_with('{') || !clean.contains("\":[") {
        return clean;
    }
    let mut quoted = String::with_capacity(clean.len() + 8);
    let mut rest = clean.as_ref();
    while let Some(at) = rest.find("\":[") {
        let (before, from) = rest.split_at(at + 2);
        quoted.push_str(before);
        let value = ["[phone]", "[card]"].into_iter().find(|word| from.starts_with(word));
        // Behind an escaped quote it is part of a text.
        match value.filter(|_| !before.ends_with("\\\":")) {
            Some(word) => {
                quoted.push_str(&format!("\"{word}\""));
                rest = &from[word.len()..];
            }
            None => rest = from,
        }
    }
    quoted.push_str(rest);
    Cow::Owned(quoted)
}

/// A writer that counts what it could not write, a line at a time, and goes on. Nothing here writes personal data down by design; a library's words, or a
/// provider's in an error, may: telephone and card numbers and mail addresses are taken out of every line.
struct Counting<W> {
    inner: W,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = std::str::from_utf8(line).map(clean);
        let clean = clean.as_ref().map_or(line, |clean| clean.as_bytes());
        if self.inner.write_all(clean).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Standard error keeps nothing back; what it did not take is counted.
        self.inner.flush().or(Ok(()))
    }
}

fn queue_to(writer: impl Write + Send + 'static) -> (NonBlocking, Logging) {
    let unwritten = Arc::new(AtomicU64::new(0));
    let writer = Counting { inner: writer, unwritten: Arc::clone(&unwritten) };
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LINES).thread_name("log");
    let (queue, guard) = builder.finish(writer);
    let lost = LostLines { unqueued: queue.error_counter(), unwritten };
    (queue, Logging { lost, _writes_until_dropped: guard })
}

/// Starts the process's log. Timestamps are RFC 3339 in UTC.
///
/// # Errors
/// [`LogError`] if the level is no filter, or a log was started before.
pub fn start(settings: &Log) -> Result<Logging, LogError> {
    let filter = filter(&settings.level)?;
    let text = match settings.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let (queue, logging) = queue_to(stderr());
    // The subscriber would tell of a failure on standard error, which is what failed, and end the process by that.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(queue).log_internal_errors(false);
    if text {
        builder.with_ansi(stderr().is_terminal()).finish().try_init()?;
    } else {
        builder.json().flatten_event(true).with_current_span(false).finish().try_init()?;
    }
    Ok(logging)
}

fn filter(level: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let mut filter = EnvFilter::try_new(level)?;
    for directive in TOO_TALKATIVE {
        filter = filter.add_directive(directive.parse()?);
    }
    Ok(filter)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The JSON lines that `body` logs, at the levels from INFO on.
    pub(in crate::telemetry) fn logged(body: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let builder = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
        let log = builder.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, body);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    /// Somebody who reads nothing until he is told to.
    struct Slow(Receiver<()>, Page);

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::StorageFull)?;
            self.1.write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_does_not_read_or_cannot_keep_it_costs_counted_lines_and_nobody_waits() {
        let (reads, permits) = channel();
        let page = Page::default();
        let (mut queue, logging) = queue_to(Slow(permits, page.clone()));
        let lines = QUEUE_LINES + 50;
        for _ in 0..lines {
            queue.write_all(b"line\n").unwrap();
        }
        let unqueued = logging.lost().count();
        // The one in the writer's hands has left the queue.
        assert!((49..=50).contains(&unqueued), "{unqueued}");
        reads.send(()).unwrap();
        reads.send(()).unwrap();
        drop(reads);
        let lost = logging.lost();
        drop(logging);
        assert_eq!(page.0.lock().unwrap().len(), 2 * b"line\n".len());
        assert_eq!(lost.count(), u64::try_from(lines - 2).unwrap(), "the others were refused: the disk was full");
    }

    #[test]
    fn a_number_or_an_address_in_a_line_does_not_come_out_and_the_rest_does() {
        let page = Page::default();
        let (queue, logging) = queue_to(page.clone());
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(queue).finish();
        tracing::subscriber::with_default(log, || {
            tracing::error!(
                error = "400: To +15551234567 (ada@example.com) is no number",
                took_s = 0.123_456_789,
                number = 4_111_111_111_111_111_u64,
                body = r#"{"to":[phone]}"#,
                addr = "127.0.0.1:41234",
                session = "sess_01234567890abcdef",
                "card 4111 1111 1111 1111 is refused"
            );
        });
        drop(logging);
        let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        for secret in ["5551234567", "ada@", "4111"] {
            assert!(!page.contains(secret), "{page}");
        }
        for kept in ["is no number", "0.123456789", "127.0.0.1:41234", "sess_01234567890abcdef", "is refused", "ERROR"]
        {
            assert!(page.contains(kept), "{kept}: {page}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&page).is_ok(), "{page}");
    }

    #[test]
    fn no_level_lets_a_library_write_keys_down() {
        for level in ["trace", "tungstenite=trace", "info,tungstenite::handshake::client=trace"] {
            let page = Page::default();
            let writer = page.clone();
            let builder = tracing_subscriber::fmt().with_env_filter(filter(level).unwrap());
            let log = builder.with_writer(move || writer.clone()).finish();
            tracing::subscriber::with_default(log, || {
                tracing::trace!(target: "tungstenite::handshake::client", "Request: Authorization: Token secret");
                tracing::trace!(target: "tungstenite::protocol", "Received message secret");
                tracing::error!(target: "voice_agent", "said");
            });
            let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            assert!(!page.contains("secret"), "{level}: {page}");
            assert_eq!(page.contains("said"), !level.starts_with("tungstenite"), "{level}: {page}");
        }
    }
}
