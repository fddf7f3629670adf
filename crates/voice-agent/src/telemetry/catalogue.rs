//! What there is to watch: name, type, labels and help text of every metric, whether or not it has a series yet.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// A metric, as it is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricInfo {
    /// As it is registered: a counter's `_total` is missing.
    pub(super) registered: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels, in the order in which they are written.
    pub labels: &'static [&'static str],
    /// The lines of its help text.
    pub(super) help: &'static [&'static str],
}

impl MetricInfo {
    /// The name as it is exported.
    pub fn name(&self) -> String {
        let end = if self.kind == "counter" { "_total" } else { "" };
        format!("{}{end}", self.registered)
    }

    /// The help text.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

/// A set of labels that knows their names.
pub(super) trait Labels {
    const NAMES: &'static [&'static str];
}

/// A metric that knows what it is.
pub(super) trait Kind {
    const KIND: &'static str;
    const LABELS: &'static [&'static str] = &[];
}

impl<N, A> Kind for Counter<N, A> {
    const KIND: &'static str = "counter";
}

impl<N, A> Kind for Gauge<N, A> {
    const KIND: &'static str = "gauge";
}

impl Kind for Histogram {
    const KIND: &'static str = "histogram";
}

impl<L: Labels, M: Kind, C> Kind for Family<L, M, C> {
    const KIND: &'static str = M::KIND;
    const LABELS: &'static [&'static str] = L::NAMES;
}
