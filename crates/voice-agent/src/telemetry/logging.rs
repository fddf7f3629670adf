//! The log, on standard error: one JSON object a line, or text on a terminal.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

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
    let filter = EnvFilter::try_new(&settings.level)?;
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
