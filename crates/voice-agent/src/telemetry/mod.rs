//! Metrics, events, logs and traces.
