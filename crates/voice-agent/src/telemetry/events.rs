//! Everything that happens, as one function each: the log line and the metric together.
//!
//! Labels are bounded words, never an id; what a caller said is in neither.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{debug, error, info, warn};
use voice_core::Observation;
use voice_core::cost::{NanoUsd, Usage};
use voice_core::failover::{Chains, Rung};
use voice_core::ids::RungId;
use voice_core::input::ProviderHealth;
use voice_core::output::{EndReason, Outcome};
use voice_core::provider::{ProviderErrorKind, Stage};
use voice_core::timeline::{PauseCause, Stages};

use super::logging::LostLines;
use super::metrics::{
    ByCause, ByChannel, ByCode, ByEnd, ByError, ByFailover, ByKind, ByModel, ByOutcome, ByPlace, ByProvider, ByReason,
    ByResult, ByRoute, BySpend, ByStage, ByStageError, ByStageProvider, ByState, ByStep, ByTool, ByToolOutcome,
    CLOSE_CODES, REJECTIONS,
};
use super::queues::Queues;
use super::{Metrics, Pause};

/// What a session's metrics and log lines are labelled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLabels {
    /// The session; in log lines only.
    pub session_id: String,
    /// `browser`, `phone` or `screen_share`.
    pub channel: &'static str,
    /// The providers that may serve it.
    pub chains: Arc<Chains>,
}

impl SessionLabels {
    /// The labels of a session that the embedded models serve.
    pub fn embedded(session_id: impl Into<String>, channel: &'static str, llm_model: &str) -> Self {
        let chains = Chains { llm: vec![Rung::new("embedded", llm_model)], ..Chains::default() };
        Self { session_id: session_id.into(), channel, chains: Arc::new(chains) }
    }

    fn rung(&self, stage: Stage, rung: RungId) -> Option<&Rung> {
        self.chains.of(stage).get(usize::from(rung.0))
    }

    fn provider(&self, stage: Stage, rung: RungId) -> String {
        self.rung(stage, rung).map_or("unknown", |rung| &rung.provider).to_owned()
    }

    fn model(&self, rung: RungId) -> String {
        self.rung(Stage::Llm, rung).map_or("unknown", |rung| &rung.model).to_owned()
    }

    fn by_channel(&self) -> ByChannel {
        ByChannel { channel: self.channel.to_owned() }
    }
}

/// How a session ended, for its log line and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: EndReason,
    /// Milliseconds from its start in this process.
    pub duration_ms: u64,
    /// Milliseconds for which a caller was connected, over its whole life.
    pub connected_ms: u64,
    /// What it cost, over its whole life.
    pub cost: NanoUsd,
}

/// The one way to tell operations something.
#[derive(Debug)]
pub struct Events {
    metrics: Metrics,
    queues: Queues,
    lost: Option<LostLines>,
}

/// Milliseconds as the seconds that a histogram takes.
fn seconds(ms: u64) -> f64 {
    // Exact for any duration that a process could live.
    ms as f64 / 1_000.0
}

impl Events {
    /// Events that move these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, queues: Queues::default(), lost: None }
    }

    /// Counts the lines of the log that were lost, too.
    #[must_use]
    pub fn counting_lost_lines(self, lost: LostLines) -> Self {
        Self { lost: Some(lost), ..self }
    }

    /// The metrics, for whoever serves them.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A session began, or was restored from the store.
    pub fn session_started(&self, session: &str, channel: &'static str, restored: bool) {
        let kind = if restored { "restored" } else { "new" };
        self.metrics.sessions_started.get_or_create(&ByKind { kind: kind.to_owned() }).inc();
        info!(session, channel, restored, "session started");
    }

    /// How many sessions live here now.
    pub fn sessions_live(&self, count: usize) {
        self.metrics.active_sessions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A session is over. Once per session and process.
    pub fn session_ended(&self, labels: &SessionLabels, end: SessionEnd) {
        let by_outcome = ByOutcome { channel: labels.channel.to_owned(), outcome: end.outcome.as_str().to_owned() };
        self.metrics.session_duration.get_or_create(&by_outcome).observe(seconds(end.duration_ms));
        self.metrics.cost_per_call.get_or_create(&labels.by_channel()).observe(end.cost.as_usd());
        self.metrics.connected.get_or_create(&labels.by_channel()).inc_by(end.connected_ms);
        let SessionEnd { outcome, reason, duration_ms, cost, .. } = end;
        let (outcome, reason, cost_usd) = (outcome.as_str(), reason.as_str(), cost.as_usd());
        info!(
            session = labels.session_id,
            channel = labels.channel,
            outcome,
            reason,
            duration_ms,
            cost_usd,
            "session ended"
        );
    }

    /// A session was not taken: `full`, `draining`, `starting`, `store` or `spent`.
    pub fn session_rejected(&self, reason: &'static str) {
        self.metrics.sessions_rejected.get_or_create(&ByReason { reason: reason.to_owned() }).inc();
        warn!(reason, "session rejected");
    }

    /// How many sessions were not taken, by reason.
    pub fn sessions_rejected(&self) -> [(&'static str, u64); 5] {
        REJECTIONS.map(|reason| {
            (reason, self.metrics.sessions_rejected.get_or_create(&ByReason { reason: reason.to_owned() }).get())
        })
    }

    /// An operator did, or read, something that is to be accounted for.
    pub fn operator(&self, action: &'static str, session: &str) {
        info!(target: "voice_agent::audit", action, session, "an operator acted");
    }

    /// What the core wants operations to know.
    pub fn observe(&self, observation: &Observation, labels: &SessionLabels) {
        let session = labels.session_id.as_str();
        match observation {
            Observation::EndOfTurn { turn, endpointing_ms, reopened } => {
                // One that the caller went on with is one turn.
                self.metrics.turns.get_or_create(&labels.by_channel()).inc_by(u64::from(!reopened));
                debug!(session, turn = turn.0, endpointing_ms, reopened, "end of turn");
            }
            Observation::SttFinished { rung, duration_ms, .. } => {
                let by_provider = ByProvider { provider: labels.provider(Stage::Stt, *rung) };
                self.metrics.stt_duration.get_or_create(&by_provider).observe(seconds(*duration_ms));
                debug!(session, duration_ms, "transcribed");
            }
            Observation::LlmStarted { request, rung, ttft_ms } => {
                let by_model = ByModel { model: labels.model(*rung) };
                self.metrics.llm_duration.get_or_create(&by_model).observe(seconds(*ttft_ms));
                debug!(session, request = request.0, ttft_ms, "the model began");
            }
            Observation::TtsStarted { speech, rung, ttfb_ms } => {
                let by_provider = ByProvider { provider: labels.provider(Stage::Tts, *rung) };
                self.metrics.tts_duration.get_or_create(&by_provider).observe(seconds(*ttfb_ms));
                debug!(session, speech = speech.0, ttfb_ms, "synthesis began");
            }
            Observation::ToolFinished { name, duration_ms, failed } => {
                self.tool_finished(session, name, *duration_ms, *failed);
            }
            // Where they went is told by [`Events::paused`], when all of it is known.
            Observation::Latency { latency_ms, .. } => {
                self.metrics.latency.get_or_create(&labels.by_channel()).observe(seconds(*latency_ms));
            }
            Observation::Answered { turn, agent, .. } => {
                info!(session, turn = turn.0, agent, "reply is complete");
            }
            Observation::TurnFinished { turn, cost } => {
                info!(session, turn = turn.0, cost_usd = cost.as_usd(), "turn finished");
            }
            Observation::Handoff { from, to } => {
                self.metrics.handoffs.inc();
                info!(session, from, to, "handed off");
            }
            _ => self.observe_trouble(observation, labels),
        }
    }

    /// The observations that are not a turn's ordinary course.
    fn observe_trouble(&self, observation: &Observation, labels: &SessionLabels) {
        let session = labels.session_id.as_str();
        match observation {
            Observation::Interrupted { speech, heard_ms } => {
                self.metrics.interruptions.get_or_create(&ByKind { kind: "real".to_owned() }).inc();
                info!(session, speech = speech.0, heard_ms, "interrupted");
            }
            Observation::FalseInterruption { speech, held_ms } => {
                self.metrics.interruptions.get_or_create(&ByKind { kind: "false".to_owned() }).inc();
                info!(session, speech = speech.0, held_ms, "false interruption");
            }
            Observation::Hushed { speech, held_ms, end } => {
                let end = end.as_str();
                self.metrics.hush.get_or_create(&ByEnd { end: end.to_owned() }).observe(seconds(*held_ms));
                debug!(session, speech = speech.0, held_ms, end, "hushed at what might have become speech");
            }
            Observation::SpeculationDiscarded { reply, wasted } => {
                self.metrics.speculation_discarded.inc();
                self.metrics.speculation_wasted.inc_by(wasted.0);
                debug!(session, %reply, wasted_usd = %wasted, "a preemptive reply was thrown away");
            }
            Observation::ProviderFailed { stage, rung, kind } => {
                self.provider_failed(session, *stage, &labels.provider(*stage, *rung), *kind);
            }
            Observation::Hedged { stage, from, to } => {
                self.metrics.hedges.get_or_create(&ByStage { stage: stage.as_str().to_owned() }).inc();
                let (from, to) = (labels.chains.label(*stage, *from), labels.chains.label(*stage, *to));
                info!(session, stage = stage.as_str(), from, to, "another provider was asked too");
            }
            Observation::FailedOver { stage, from, to, reason } => {
                let (from, to) = (labels.chains.label(*stage, *from), labels.chains.label(*stage, *to));
                self.failed_over(session, *stage, from, to, *reason);
            }
            Observation::DeadlineMissed { state } => {
                self.metrics.deadlines_missed.get_or_create(&ByState { state: (*state).to_owned() }).inc();
                warn!(session, state, "a deadline ended a state that would have hung");
            }
            Observation::CommitFailed { commit } => {
                self.metrics.store_errors.inc();
                error!(session, commit = commit.0, "the session could not be saved; it goes on from memory");
            }
            Observation::CommitConflicted { commit } => {
                self.metrics.store_conflicts.inc();
                debug!(session, commit = commit.0, "the tasks were changed meanwhile; the turn is computed again");
            }
            Observation::CostStepTaken { from, to, ceiling, call, day } => {
                let (from, step, ceiling) = (from.as_str(), to.as_str(), ceiling.as_str());
                let labels = ByStep { step: step.to_owned(), ceiling: ceiling.to_owned() };
                self.metrics.cost_steps.get_or_create(&labels).inc();
                warn!(
                    session,
                    from,
                    step,
                    ceiling,
                    call_usd = call.as_usd(),
                    day_usd = day.as_usd(),
                    "the call saves money"
                );
            }
            Observation::FellBackToText { stage } => {
                self.metrics.text_fallbacks.get_or_create(&labels.by_channel()).inc();
                error!(session, channel = labels.channel, stage = stage.as_str(), "voice failed; text takes its place");
            }
            // Every other one is a turn's ordinary course.
            _ => {}
        }
    }

    /// The pause before an answer is over, and what can be known of it is known. Once a turn. Each stage stands in a field of its own, so
    /// that a log tool can count.
    pub fn paused(&self, pause: &Pause, labels: &SessionLabels) {
        let Pause { turn, latency_ms, stages, cause } = pause;
        for stage in PauseCause::ALL {
            let by_stage = ByStage { stage: stage.as_str().to_owned() };
            self.metrics.turn_stage.get_or_create(&by_stage).observe(seconds(stages.get(stage)));
        }
        if let Some(cause) = cause {
            self.metrics.pauses.get_or_create(&ByCause { cause: cause.as_str().to_owned() }).inc();
        }
        let Stages { endpointing, stt, llm, tool, tts, network, playout } = stages;
        info!(
            session = labels.session_id,
            turn = turn.0,
            latency_ms,
            cause = cause.map(PauseCause::as_str),
            endpointing_ms = endpointing,
            stt_ms = stt,
            llm_ms = llm,
            tool_ms = tool,
            tts_ms = tts,
            network_ms = network,
            playout_ms = playout,
            "answered"
        );
    }

    /// A tool ran.
    pub fn tool_finished(&self, session: &str, name: &str, duration_ms: u64, failed: bool) {
        // A model may call a tool that there is not; its invention must not become a label.
        let by_tool = ByTool { tool: name.to_owned() };
        let known = self.metrics.tool_duration.get(&by_tool).is_some();
        let tool = if known { name.to_owned() } else { "unknown".to_owned() };
        self.metrics.tool_duration.get_or_create(&ByTool { tool: tool.clone() }).observe(seconds(duration_ms));
        let outcome = if failed { "failed" } else { "ok" };
        let labels = ByToolOutcome { tool: tool.clone(), outcome: outcome.to_owned() };
        self.metrics.tool_calls.get_or_create(&labels).inc();
        info!(session, tool, duration_ms, outcome, "tool finished");
    }

    fn provider_failed(&self, session: &str, stage: Stage, provider: &str, kind: ProviderErrorKind) {
        let (provider, error_type) = (provider.to_owned(), kind.as_str().to_owned());
        warn!(session, stage = stage.as_str(), provider, error_type, "a provider failed");
        if stage == Stage::Stt {
            let labels = ByError { provider: provider.clone(), error_type: error_type.clone() };
            self.metrics.transcription_errors.get_or_create(&labels).inc();
        }
        let labels = ByStageError { stage: stage.as_str().to_owned(), provider, error_type };
        self.metrics.provider_errors.get_or_create(&labels).inc();
    }

    /// A stage moved on to the next provider (for the language model: the next model).
    fn failed_over(&self, session: &str, stage: Stage, from: &str, to: &str, reason: ProviderErrorKind) {
        let labels = ByFailover { from: from.to_owned(), to: to.to_owned(), reason: reason.as_str().to_owned() };
        self.metrics.failovers(stage).get_or_create(&labels).inc();
        warn!(session, stage = stage.as_str(), from, to, reason = reason.as_str(), "failed over");
    }

    /// What sessions are told of a provider has changed.
    pub fn provider_health(&self, provider: &str, health: ProviderHealth) {
        let ProviderHealth { stage, usable, hedge_ms, gap_ms, .. } = health;
        info!(stage = stage.as_str(), provider, usable, hedge_ms, gap_ms, "a provider's health changed");
    }

    /// Which providers there are.
    pub fn chains(&self, chains: &Chains) {
        self.metrics.make_chain_series(chains);
    }

    /// How all providers are; `resting` says why one rests.
    pub fn providers(
        &self,
        chains: &Chains,
        all: &[ProviderHealth],
        resting: impl Fn(Stage, RungId) -> Option<ProviderErrorKind>,
    ) {
        for health in all {
            let provider = chains.label(health.stage, health.rung).to_owned();
            let stage = health.stage.as_str().to_owned();
            let labels = ByStageProvider { stage: stage.clone(), provider: provider.clone() };
            self.metrics.provider_up.get_or_create(&labels).set(i64::from(health.usable));
            let not_served = resting(health.stage, health.rung) == Some(ProviderErrorKind::NotServed);
            let place = if health.rung.0 == 0 { "first" } else { "later" };
            let labels = ByPlace { stage, provider, place: place.to_owned() };
            self.metrics.model_not_served.get_or_create(&labels).set(i64::from(not_served));
        }
    }

    /// A resting provider was asked whether it is well again.
    pub fn provider_probed(&self, stage: Stage, provider: &str, failed: Option<ProviderErrorKind>) {
        let outcome = failed.map_or("ok", ProviderErrorKind::as_str);
        info!(stage = stage.as_str(), provider, outcome, "a resting provider was probed");
    }

    /// Something was used that costs. `wasted`: it was for a reply that was thrown away unheard.
    pub fn spent(&self, usage: &Usage, cost: NanoUsd, wasted: bool) {
        let labels = BySpend {
            stage: usage.stage.as_str().to_owned(),
            provider: usage.provider.clone(),
            wasted: wasted.to_string(),
        };
        self.metrics.spend.get_or_create(&labels).inc_by(cost.0);
    }

    /// A question that may have been answered before: whether it had been.
    pub fn answer_recalled(&self, session: &str, hit: bool) {
        let result = if hit { "hit" } else { "miss" };
        self.metrics.answer_cache.get_or_create(&ByResult { result: result.to_owned() }).inc();
        debug!(session, result, "answer cache");
    }

    /// A probe used something that costs.
    pub fn probe_spent(&self, usage: &Usage, cost: NanoUsd) {
        let labels = ByStageProvider { stage: usage.stage.as_str().to_owned(), provider: usage.provider.clone() };
        self.metrics.probe_spend.get_or_create(&labels).inc_by(cost.0);
    }

    /// The store took a commit.
    pub fn store_committed(&self, duration: std::time::Duration) {
        self.metrics.store_commit.observe(duration.as_secs_f64());
    }

    /// The store refused, or did not answer. Commits are counted by [`Events::observe`].
    pub fn store_failed(&self, operation: &'static str, reason: &dyn std::fmt::Display) {
        self.metrics.store_errors.inc();
        error!(operation, %reason, "the store failed");
    }

    /// A connection carries a session.
    pub fn connection_opened(&self, session: &str, connection: u64) {
        self.metrics.connections.inc();
        info!(session, connection, "connected");
    }

    /// A connection is closed, with this close code (1006: it was lost).
    pub fn connection_closed(&self, session: &str, connection: u64, code: u16, reason: &str) {
        self.metrics.connections.dec();
        self.count_close(code);
        info!(session, connection, code, reason, "disconnected");
    }

    /// A telephone's stream was closed before it carried a session.
    pub fn stream_refused(&self, code: u16, reason: &str) {
        self.count_close(code);
        warn!(code, reason, "a stream was refused");
    }

    fn count_close(&self, code: u16) {
        let label = if CLOSE_CODES.contains(&code) { code.to_string() } else { "other".to_owned() };
        self.metrics.connections_closed.get_or_create(&ByCode { code: label }).inc();
    }

    /// Frames of caller audio were not taken: `queue_full`, `muted` or `old_connection`.
    pub fn frames_dropped(&self, reason: &'static str, count: u64) {
        self.metrics.frames_dropped.get_or_create(&ByReason { reason: reason.to_owned() }).inc_by(count);
    }

    /// Frames of agent audio left later than they were due.
    pub fn frames_late(&self, count: u64) {
        self.metrics.frames_late.inc_by(count);
    }

    /// From now on `depth` tells how many requests wait for a model.
    pub fn watch_queue(&self, model: &'static str, depth: impl Fn() -> usize + Send + Sync + 'static) {
        self.queues.watch(model, Box::new(depth));
    }

    /// Every metric as it is now, as text.
    ///
    /// # Errors
    /// [`std::fmt::Error`], which no metric of ours raises.
    pub fn exposition(&self) -> Result<String, std::fmt::Error> {
        self.queues.measure(&self.metrics);
        if let Some(lost) = &self.lost {
            self.metrics.log_lines_lost.inner().store(lost.count(), Ordering::Relaxed);
        }
        self.metrics.exposition()
    }

    /// A request's turn has come at a model.
    pub fn model_waited(&self, model: &'static str, waited: std::time::Duration) {
        self.metrics.model_wait.get_or_create(&ByModel { model: model.to_owned() }).observe(waited.as_secs_f64());
    }

    /// The HTTP port answered. `route` is the route's pattern.
    pub fn http_answered(&self, method: &str, route: &str, status: u16, duration: std::time::Duration) {
        let class = format!("{}xx", status / 100);
        self.metrics.http_responses.get_or_create(&ByRoute { route: route.to_owned(), status: class }).inc();
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        debug!(method, route, status, duration_us, "answered");
    }

    /// Whether the instance takes sessions, and how many of its parts are in trouble.
    pub fn readiness(&self, ready: bool, troubles: usize) {
        self.metrics.ready.set(i64::from(ready));
        self.metrics.degraded.set(i64::try_from(troubles).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
