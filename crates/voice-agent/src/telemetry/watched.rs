//! Says when spans are lost, and when they arrive again: the exporter itself tells nobody.

use std::sync::Mutex;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// An exporter whose failures are in the log: the first of an outage, and its end with how many spans were lost.
#[derive(Debug)]
pub(super) struct Watched<E> {
    inner: E,
    lost: Mutex<usize>,
}

impl<E> Watched<E> {
    /// Watches `inner`.
    pub(super) const fn new(inner: E) -> Self {
        Self { inner, lost: Mutex::new(0) }
    }

    fn note(&self, spans: usize, result: &OTelSdkResult) {
        let mut lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match result {
            Ok(()) if *lost > 0 => {
                tracing::info!(lost = *lost, "traces reach the collector again");
                *lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if *lost == 0 {
                    tracing::warn!(%error, "traces are lost: the collector of otel.exporter_otlp_endpoint takes none");
                }
                *lost += spans;
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.note(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;
    use crate::telemetry::logging::tests::logged;

    #[test]
    fn an_outage_is_said_once_and_its_end_with_what_was_lost() {
        let watched = Watched::new(());
        let refused = || Err(OTelSdkError::InternalFailure("connection refused".to_owned()));
        let log = logged(|| {
            watched.note(3, &Ok(()));
            watched.note(2, &refused());
            watched.note(5, &refused());
            watched.note(1, &Ok(()));
            watched.note(1, &Ok(()));
        });
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert_eq!(lines[0]["level"], "WARN");
        assert!(lines[0]["error"].as_str().unwrap().contains("connection refused"), "{log}");
        assert_eq!((lines[1]["level"].as_str(), lines[1]["lost"].as_u64()), (Some("INFO"), Some(7)));
    }
}
