//! Says when spans are lost, and when they arrive again: the exporter itself tells nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

/// What became of the spans that ended.
#[derive(Debug, Default)]
struct Count {
    /// They wait for an export.
    waiting: AtomicUsize,
    /// Nobody got them, since the collector last took some.
    lost: AtomicUsize,
}

impl Count {
    /// These are lost. Says whether they are the first of an outage.
    fn lose(&self, spans: usize) -> bool {
        self.lost.fetch_add(spans, Ordering::Relaxed) == 0
    }
}

/// A processor with a queue behind it that takes no more than it holds: what it would drop unseen is counted here instead.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    inner: P,
    most: usize,
    count: Arc<Count>,
}

/// An exporter whose failures are in the log: the first of an outage, and its end with how many spans were lost.
#[derive(Debug)]
pub(super) struct Watched<E> {
    inner: E,
    count: Arc<Count>,
}

impl<E> Watched<E> {
    /// Watches `inner`.
    pub(super) fn new(inner: E) -> Self {
        Self { inner, count: Arc::default() }
    }

    /// Lets at most `most` spans wait for this exporter in what `processor` makes of it.
    pub(super) fn behind<P>(self, most: usize, processor: impl FnOnce(Self) -> P) -> Bounded<P> {
        let count = Arc::clone(&self.count);
        Bounded { inner: processor(self), most, count }
    }

    fn note(&self, spans: usize, result: &OTelSdkResult) {
        match result {
            Ok(()) => {
                let lost = self.count.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::info!(lost, "traces reach the collector again");
                }
            }
            Err(error) => {
                if self.count.lose(spans) {
                    tracing::warn!(%error, "traces are lost: the collector of otel.exporter_otlp_endpoint takes none");
                }
            }
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.count.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            return self.inner.on_end(span);
        }
        self.count.waiting.fetch_sub(1, Ordering::Relaxed);
        if self.count.lose(1) {
            tracing::warn!(queue = self.most, "traces are lost: more wait for the collector than otel.queue lets");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.count.waiting.fetch_sub(spans, Ordering::Relaxed);
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
    use std::sync::Mutex;

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;

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

    /// A processor that keeps what it is given until it is told to export.
    #[derive(Debug)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    #[derive(Debug)]
    struct Open;

    impl SpanExporter for Open {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_counted_with_the_lost() {
        let queue = Arc::new(Mutex::new(Vec::new()));
        let watched = Watched::new(Open);
        let exporter = Watched { inner: Open, count: Arc::clone(&watched.count) };
        let bounded = watched.behind(2, |_| Kept(Arc::clone(&queue)));
        let provider = SdkTracerProvider::builder().with_span_processor(bounded).build();
        let tracer = provider.tracer("test");
        let log = logged(|| {
            (0..5).for_each(|_| drop(tracer.start("span")));
            let batch = std::mem::take(&mut *queue.lock().unwrap());
            assert_eq!(batch.len(), 2);
            futures_util::FutureExt::now_or_never(exporter.export(batch)).unwrap().unwrap();
            // There is room again.
            drop(tracer.start("span"));
        });
        assert_eq!(queue.lock().unwrap().len(), 1);
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert_eq!((lines[0]["level"].as_str(), lines[0]["queue"].as_u64()), (Some("WARN"), Some(2)));
        assert_eq!((lines[1]["level"].as_str(), lines[1]["lost"].as_u64()), (Some("INFO"), Some(3)));
    }
}
