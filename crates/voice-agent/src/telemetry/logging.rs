//! The log, on standard error: one JSON object a line, or text on a terminal.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

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

/// Starts the process's log. Timestamps are RFC 3339 in UTC.
///
/// # Errors
/// [`LogError`] if the level is no filter, or a log was started before.
pub fn start(settings: &Log) -> Result<(), LogError> {
    let filter = filter(&settings.level)?;
    let text = match settings.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if text {
        builder.with_ansi(stderr().is_terminal()).finish().try_init()?;
    } else {
        builder.json().flatten_event(true).with_current_span(false).finish().try_init()?;
    }
    Ok(())
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
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> std::io::Result<()> {
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
