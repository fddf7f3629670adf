//! Watching it: metrics, log lines and traces, from one place.
//!
//! Nothing else touches a metric: [`Events`] has a function for everything that happens, which writes the log line
//! and moves the metric together.

mod catalogue;
mod events;
mod exposition;
mod logging;
mod metrics;
mod notices;
mod pause;
mod pii;
mod queues;
mod recordings;
mod series;
mod traces;
mod watched;

pub use catalogue::MetricInfo;
pub use events::{Events, SessionEnd, SessionLabels};
pub use logging::{LogError, Logging, LostLines, start as start_logging};
pub use metrics::Metrics;
pub use pause::{OpenPause, Pause};
pub use pii::Pii;
pub use recordings::RetentionOf;
pub use traces::{SessionTrace, TraceError, Traces};
