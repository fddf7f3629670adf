//! OpenTelemetry traces: session → turn → stt | llm | tool | tts, made from the core's observations.
//!
//! Export runs on a thread of its own, over a bounded queue: a collector that is slow or gone costs spans, never a
//! call's time.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanBuilder, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use voice_core::Observation;
use voice_core::ids::TurnId;
use voice_core::output::{EndReason, Outcome};
use voice_core::timeline::PauseCause;

use super::watched::Watched;
use super::{Pause, SessionLabels};
use crate::config::Otel;

/// How long the last spans may take at the end of the process.
const FLUSH: Duration = Duration::from_secs(5);

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
#[error("otel.exporter_otlp_endpoint: {0}")]
pub struct TraceError(String);

/// The process's traces; without an endpoint, none.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<(SdkTracerProvider, SdkTracer)>);

impl Traces {
    /// Begins to export, when an endpoint is set.
    ///
    /// # Errors
    /// [`TraceError`] if there can be no exporter for the endpoint. That nobody listens there is no error.
    pub fn start(settings: &Otel, region: &str, instance: &str) -> Result<Self, TraceError> {
        let base = settings.exporter_otlp_endpoint.trim_end_matches('/');
        if base.is_empty() {
            return Ok(Self::default());
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{base}/v1/traces"))
            .build()
            .map_err(|error| TraceError(error.to_string()))?;
        // A batch in the making has left the processor's queue, and waits all the same: the room for it is there.
        let config = BatchConfigBuilder::default().with_max_queue_size(settings.queue).build();
        let processor = Watched::new(exporter)
            .behind(settings.queue, |exporter| BatchSpanProcessor::builder(exporter).with_batch_config(config).build());
        Ok(Self::with(SdkTracerProvider::builder().with_span_processor(processor), settings, region, instance))
    }

    fn with(
        builder: opentelemetry_sdk::trace::TracerProviderBuilder,
        settings: &Otel,
        region: &str,
        instance: &str,
    ) -> Self {
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", instance.to_owned()),
                KeyValue::new("cloud.region", region.to_owned()),
            ])
            .build();
        let provider = builder.with_resource(resource).build();
        let tracer = provider.tracer("voice-agent");
        Self(Some((provider, tracer)))
    }

    /// Begins a session's trace.
    pub fn session(&self, labels: &SessionLabels, started: SystemTime) -> SessionTrace {
        SessionTrace(self.0.as_ref().map(|(_, tracer)| {
            let attributes = [
                KeyValue::new("session.id", labels.session_id.clone()),
                KeyValue::new("voice.channel", labels.channel),
                KeyValue::new("voice.llm.model", labels.chains.llm.first().map_or("", |rung| &rung.model).to_owned()),
            ];
            let builder = SpanBuilder::from_name("session").with_start_time(started).with_attributes(attributes);
            let span = tracer.build_with_context(builder, &Context::new());
            let session = Context::new().with_span(span);
            Open { tracer: tracer.clone(), started, session, turn: None, waiting: Vec::new() }
        }))
    }

    /// Sends what is left. Blocks for at most five seconds: call it where blocking is allowed.
    pub fn flush(&self) {
        if let Some((provider, _)) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// One session's spans. Without an endpoint it does nothing.
#[derive(Debug)]
pub struct SessionTrace(Option<Open>);

#[derive(Debug)]
struct Open {
    tracer: SdkTracer,
    started: SystemTime,
    session: Context,
    turn: Option<(TurnId, Context)>,
    /// What was observed before its turn was declared over: the transcript, and a preemptive reply.
    waiting: Vec<Stretch>,
}

#[derive(Debug)]
struct Stretch {
    name: &'static str,
    from_ms: u64,
    until_ms: u64,
    attributes: Vec<KeyValue>,
    failed: bool,
}

impl SessionTrace {
    /// Takes an observation that the core made at `now_ms`, milliseconds since the session's start.
    pub fn observe(&mut self, observation: &Observation, now_ms: u64) {
        if let Some(open) = &mut self.0 {
            open.observe(observation, now_ms);
        }
    }

    /// What can be known of the pause before the open turn's answer is known. Once a turn, before it is finished: an attribute that is
    /// set again stands there twice.
    pub fn paused(&mut self, pause: &Pause) {
        let Some(open) = &self.0 else { return };
        let span = open.innermost().span();
        span.set_attribute(millis("voice.latency_ms", pause.latency_ms));
        for stage in PauseCause::ALL {
            span.set_attribute(millis(stage_key(stage), pause.stages.get(stage)));
        }
        if let Some(cause) = pause.cause {
            span.set_attribute(KeyValue::new("voice.pause_cause", cause.as_str()));
        }
    }

    /// The session is over.
    pub fn end(&mut self, outcome: Outcome, reason: EndReason, now_ms: u64) {
        let Some(mut open) = self.0.take() else { return };
        open.end_turn(now_ms);
        let span = open.session.span();
        span.set_attribute(KeyValue::new("voice.outcome", outcome.as_str()));
        span.set_attribute(KeyValue::new("voice.end_reason", reason.as_str()));
        if outcome == Outcome::Error {
            span.set_status(Status::error("the session failed"));
        }
        span.end_with_timestamp(open.at(now_ms));
    }
}

impl Open {
    fn at(&self, ms: u64) -> SystemTime {
        self.started + Duration::from_millis(ms)
    }

    fn observe(&mut self, observation: &Observation, now_ms: u64) {
        match observation {
            Observation::EndOfTurn { turn, reopened: true, .. } if self.has_turn(*turn) => self.go_on_with_turn(),
            Observation::EndOfTurn { turn, endpointing_ms, .. } => {
                self.begin_turn(*turn, now_ms.saturating_sub(endpointing_ms.unwrap_or(0)), now_ms);
            }
            Observation::SttFinished { duration_ms, .. } => {
                // It belongs to the turn that has not been declared over yet.
                self.wait(stretch("stt", *duration_ms, now_ms, Vec::new()));
            }
            Observation::LlmStarted { request, ttft_ms, .. } => {
                let request = i64::try_from(request.0).unwrap_or(i64::MAX);
                self.stage(stretch("llm", *ttft_ms, now_ms, vec![KeyValue::new("voice.llm.request", request)]));
            }
            Observation::TtsStarted { ttfb_ms, .. } => self.stage(stretch("tts", *ttfb_ms, now_ms, Vec::new())),
            Observation::ToolFinished { name, duration_ms, failed } => {
                let attributes = vec![KeyValue::new("voice.tool", name.clone())];
                self.stage(Stretch { failed: *failed, ..stretch("tool", *duration_ms, now_ms, attributes) });
            }
            Observation::Answered { agent, .. } => {
                self.innermost().span().set_attribute(KeyValue::new("voice.agent", agent.clone()));
            }
            Observation::TurnFinished { cost, .. } => {
                let span = self.innermost().span();
                span.set_attribute(KeyValue::new("voice.cost_usd", cost.as_usd()));
                self.end_turn(now_ms);
            }
            _ => self.event(observation, now_ms),
        }
    }

    /// What happened at a moment, on the turn that is open, or else on the session.
    fn event(&self, observation: &Observation, now_ms: u64) {
        let (name, attributes) = match observation {
            Observation::Interrupted { heard_ms, .. } => ("interrupted", vec![millis("voice.heard_ms", *heard_ms)]),
            Observation::FalseInterruption { held_ms, .. } => {
                ("false_interruption", vec![millis("voice.held_ms", *held_ms)])
            }
            Observation::Hushed { held_ms, end, .. } => {
                ("hushed", vec![millis("voice.held_ms", *held_ms), KeyValue::new("voice.hush_end", end.as_str())])
            }
            Observation::SpeculationDiscarded { .. } => ("speculation_discarded", Vec::new()),
            Observation::FailedOver { stage, reason, .. } => {
                let reason = KeyValue::new("error.type", reason.as_str());
                ("failed_over", vec![KeyValue::new("voice.stage", stage.as_str()), reason])
            }
            Observation::ProviderFailed { stage, kind, .. } => {
                let kind = KeyValue::new("error.type", kind.as_str());
                ("provider_failed", vec![KeyValue::new("voice.stage", stage.as_str()), kind])
            }
            Observation::DeadlineMissed { state } => ("deadline_missed", vec![KeyValue::new("voice.state", *state)]),
            Observation::Handoff { to, .. } => ("handoff", vec![KeyValue::new("voice.agent", to.clone())]),
            Observation::CommitFailed { .. } => ("commit_failed", Vec::new()),
            Observation::CommitConflicted { .. } => ("commit_conflicted", Vec::new()),
            Observation::FellBackToText { stage } => {
                ("fell_back_to_text", vec![KeyValue::new("voice.stage", stage.as_str())])
            }
            // The others are spans or attributes.
            _ => return,
        };
        self.innermost().span().add_event_with_timestamp(name, self.at(now_ms), attributes);
    }

    fn innermost(&self) -> &Context {
        self.turn.as_ref().map_or(&self.session, |(_, turn)| turn)
    }

    fn begin_turn(&mut self, turn: TurnId, from_ms: u64, now_ms: u64) {
        self.end_turn(now_ms);
        // A stage that began earlier (a preemptive reply, say) stretches its turn; a cough's transcript does not.
        self.waiting.retain(|stretch| stretch.until_ms + AHEAD_MS >= from_ms);
        let from_ms = self.waiting.iter().map(|stretch| stretch.from_ms).fold(from_ms, u64::min);
        let builder = SpanBuilder::from_name("turn")
            .with_start_time(self.at(from_ms))
            .with_attributes([KeyValue::new("voice.turn", i64::from(turn.0))]);
        let span = self.tracer.build_with_context(builder, &self.session);
        self.turn = Some((turn, self.session.with_span(span)));
        self.go_on_with_turn();
    }

    fn has_turn(&self, turn: TurnId) -> bool {
        self.turn.as_ref().is_some_and(|(open, _)| *open == turn)
    }

    /// What was observed since the turn seemed to be over belongs to it.
    fn go_on_with_turn(&mut self) {
        for stretch in std::mem::take(&mut self.waiting) {
            self.child(stretch);
        }
    }

    fn end_turn(&mut self, now_ms: u64) {
        if let Some((_, turn)) = self.turn.take() {
            turn.span().end_with_timestamp(self.at(now_ms));
        }
    }

    /// A stage of the open turn; with a transcript waiting, it works ahead for the next one.
    fn stage(&mut self, stretch: Stretch) {
        let ahead = self.waiting.last().is_some_and(|last| last.until_ms + AHEAD_MS >= stretch.from_ms);
        if self.turn.is_some() && !ahead {
            self.child(stretch);
        } else {
            self.wait(stretch);
        }
    }

    /// Keeps a stage for the turn that is to come. Of coughs that no turn came of, the oldest make room.
    fn wait(&mut self, stretch: Stretch) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(stretch);
    }

    fn child(&self, stretch: Stretch) {
        let builder = SpanBuilder::from_name(stretch.name)
            .with_start_time(self.at(stretch.from_ms))
            .with_attributes(stretch.attributes);
        let mut span = self.tracer.build_with_context(builder, self.innermost());
        if stretch.failed {
            span.set_status(Status::error("the tool failed"));
        }
        span.end_with_timestamp(self.at(stretch.until_ms));
    }
}

/// Most stages that wait for their turn: the greeting's synthesis has none, and a cough's transcript neither.
const MAX_WAITING: usize = 32;
/// A transcript that is older than this is not the coming turn's.
const AHEAD_MS: u64 = 2_000;

fn stretch(name: &'static str, duration_ms: u64, now_ms: u64, attributes: Vec<KeyValue>) -> Stretch {
    Stretch { name, from_ms: now_ms.saturating_sub(duration_ms), until_ms: now_ms, attributes, failed: false }
}

fn millis(key: &'static str, ms: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(ms).unwrap_or(i64::MAX))
}

const fn stage_key(stage: PauseCause) -> &'static str {
    match stage {
        PauseCause::Endpointing => "voice.endpointing_ms",
        PauseCause::Stt => "voice.stt_ms",
        PauseCause::Llm => "voice.llm_ms",
        PauseCause::Tool => "voice.tool_ms",
        PauseCause::Tts => "voice.tts_ms",
        PauseCause::Network => "voice.network_ms",
        PauseCause::Playout => "voice.playout_ms",
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SimpleSpanProcessor, SpanData, SpanExporter};
    use std::sync::{Arc, Mutex};
    use voice_core::cost::NanoUsd;
    use voice_core::ids::RungId;
    use voice_core::ids::{LlmRequestId, SpeechId, UtteranceId};
    use voice_core::timeline::Stages;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[test]
    fn a_session_a_turn_and_its_stages_with_their_times() {
        let kept = Kept::default();
        let processor = SimpleSpanProcessor::new(kept.clone());
        let builder = SdkTracerProvider::builder().with_span_processor(processor);
        let traces = Traces::with(builder, &Otel::default(), "here", "i");
        let labels = SessionLabels::embedded("s", "browser", "rules");
        let mut trace = traces.session(&labels, SystemTime::UNIX_EPOCH);
        let turn = TurnId(1);
        for (now_ms, observation) in [
            (1_200, Observation::SttFinished { utterance: UtteranceId(1), rung: RungId(0), duration_ms: 200 }),
            (1_250, Observation::LlmStarted { request: LlmRequestId(1), rung: RungId(0), ttft_ms: 40 }),
            (1_300, Observation::EndOfTurn { turn, endpointing_ms: Some(300), reopened: false }),
            (1_350, Observation::EndOfTurn { turn, endpointing_ms: Some(50), reopened: true }),
            (1_400, Observation::TtsStarted { speech: SpeechId(1), rung: RungId(0), ttfb_ms: 90 }),
            (1_500, Observation::Interrupted { speech: SpeechId(1), heard_ms: 80 }),
            (1_600, Observation::TurnFinished { turn, cost: NanoUsd(1) }),
        ] {
            if matches!(observation, Observation::Interrupted { .. }) {
                let stages = Stages { endpointing: 350, tts: 100, network: 300, playout: 90, ..Stages::default() };
                trace.paused(&Pause { turn, latency_ms: 450, stages, cause: Some(PauseCause::Endpointing) });
            }
            trace.observe(&observation, now_ms);
        }
        trace.end(Outcome::Completed, EndReason::Goodbye, 2_000);
        traces.flush();

        let spans = kept.0.lock().unwrap();
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let times = |name: &str| {
            let ms = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            (ms(find(name).start_time), ms(find(name).end_time))
        };
        assert_eq!(times("session"), (0, 2_000));
        assert_eq!(
            spans.iter().filter(|span| span.name == "turn").count(),
            1,
            "a turn that is gone on with is one turn"
        );
        assert_eq!(times("turn"), (1_000, 1_600));
        assert_eq!(times("stt"), (1_000, 1_200));
        assert_eq!(times("llm"), (1_210, 1_250));
        assert_eq!(times("tts"), (1_310, 1_400));
        assert_eq!(find("turn").parent_span_id, find("session").span_context.span_id());
        for stage in ["stt", "llm", "tts"] {
            assert_eq!(find(stage).parent_span_id, find("turn").span_context.span_id(), "{stage}");
        }
        let of_turn = |key: &str| {
            let found = find("turn").attributes.iter().filter(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((of_turn("voice.network_ms"), of_turn("voice.playout_ms")), (vec!["300".into()], vec!["90".into()]));
        assert_eq!(of_turn("voice.pause_cause"), ["endpointing"]);
        assert_eq!(find("turn").events.iter().next().unwrap().name, "interrupted");
        assert!(!format!("{spans:?}").contains("said"), "what was said is in no span");
    }

    #[test]
    fn spans_go_to_the_collector_and_a_dead_one_disturbs_nobody() {
        use std::io::{BufRead as _, BufReader, Write as _};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let collector = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            request
        });
        let labels = SessionLabels::embedded("s", "browser", "rules");
        let once = |endpoint: String| {
            let settings = Otel { exporter_otlp_endpoint: endpoint, ..Otel::default() };
            let traces = Traces::start(&settings, "here", "i").unwrap();
            let mut trace = traces.session(&labels, SystemTime::UNIX_EPOCH);
            trace.end(Outcome::Completed, EndReason::Goodbye, 1);
            traces.flush();
        };
        once(endpoint);
        assert_eq!(collector.join().unwrap(), "POST /v1/traces HTTP/1.1\r\n");
        // Nobody listens there any more.
        once("http://127.0.0.1:9".to_owned());
    }
}
