//! One server under test with its own rehearsal servers, so that several can be called side by side.

use std::time::Duration;

use serde_json::Value;
use voice_core::provider::Stage;
use voice_sim::drill::{Cell, Drill, Outcome, Says};
use voice_sim::provider::{ProviderServers, Script, parse_latencies};

use super::super::process::{Home, Process};

/// A variable of the environment, and what it is set to.
pub(super) type Setting<Value = &'static str> = (&'static str, Value);

/// What every server of these tests is started with. The thresholds are wide: a fault that says so is to be known by what it says,
/// however busy the machine is. Every failure is a reason to rest, and the rests
/// are short: a call later the provider is to be used again.
pub(super) const SETTINGS: [Setting; 16] = [
    // What was said before would be played again, and no voice be asked.
    ("COST_VOICE_CACHE_S", "0"),
    ("GREETING", ""),
    ("STT_CHAIN", "deepgram,whisper"),
    ("LLM_CHAIN", "openai"),
    ("TTS_CHAIN", "cartesia,elevenlabs"),
    ("FAILOVER_STT_HEDGE_MS", "600"),
    ("FAILOVER_LLM_HEDGE_MS", "600"),
    ("FAILOVER_TTS_HEDGE_MS", "600"),
    ("FAILOVER_MAX_HEDGE_MS", "600"),
    ("FAILOVER_LLM_GAP_MS", "400"),
    ("FAILOVER_TTS_GAP_MS", "400"),
    ("FAILOVER_BLIP_MS", "0"),
    ("FAILOVER_COOL_DOWN_MS", "200"),
    ("FAILOVER_MAX_COOL_DOWN_MS", "200"),
    ("FAILOVER_MAX_RETRY_AFTER_MS", "1000"),
    ("FAILOVER_ACCOUNT_REST_MS", "200"),
];

/// For calls in which nobody is to be left for being late: no machine is as busy as that.
pub(super) const PATIENT: [Setting; 10] = [
    ("FAILOVER_STT_HEDGE_MS", "6000"),
    ("FAILOVER_LLM_HEDGE_MS", "6000"),
    ("FAILOVER_TTS_HEDGE_MS", "6000"),
    ("FAILOVER_MIN_HEDGE_MS", "6000"),
    ("FAILOVER_MAX_HEDGE_MS", "6000"),
    ("FAILOVER_LLM_GAP_MS", "6000"),
    ("FAILOVER_MIN_GAP_MS", "6000"),
    ("FAILOVER_MAX_GAP_MS", "6000"),
    ("FAILOVER_TTS_GAP_MS", "6000"),
    ("FAILOVER_STT_LAG_MS", "6000"),
];

/// Longest that a provider may take to be used again.
const RECOVERY: Duration = Duration::from_secs(20);

/// Servers that play the paid providers.
pub(super) async fn rehearsal() -> ProviderServers {
    let latencies = parse_latencies("stt=30,llm=30,tts=30").unwrap();
    let script = Script { control_port: Some(0), latencies, ..Script::default() };
    ProviderServers::start(script).await.unwrap()
}

/// The environment of a server that uses them.
pub(super) fn environment(
    providers: &ProviderServers,
    home: &Home,
    settings: &[Setting],
    change: impl Fn(&str, String) -> String,
) -> Vec<Setting<String>> {
    // Nobody telephones here.
    let env = providers.env().into_iter().filter(|(name, _)| !name.starts_with("TWILIO"));
    let chains = ["STT_CHAIN", "LLM_CHAIN"].map(|chain| (chain, home.setting(chain)));
    let settings = settings.iter().map(|&(name, value)| (name, value.to_owned()));
    env.chain(chains).chain(settings).map(|(name, value)| (name, change(name, value))).collect()
}

/// The two sides of one call after the other.
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) server: Process,
    pub(super) providers: ProviderServers,
    pub(super) drill: Drill,
    calls: u32,
}

impl Lane {
    pub(super) async fn start(home: &Home, name: &str) -> Self {
        Self::start_with(home, name, &[], |_, value| value).await
    }

    /// With settings of its own, and with the environment changed: `change` is told a variable's name and value.
    pub(super) async fn start_with(
        home: &Home,
        name: &str,
        settings: &[Setting],
        change: impl Fn(&str, String) -> String,
    ) -> Self {
        let providers = rehearsal().await;
        let server = home.start_as(name, environment(&providers, home, settings, change)).await;
        let (url, metrics) = (server.url(""), format!("http://{}", server.metrics));
        let drill = Drill::new(&url, &metrics, &providers.control_url().unwrap(), RECOVERY).unwrap();
        Self { name: name.to_owned(), server, providers, drill, calls: 0 }
    }

    /// Calls under a fault, or without one.
    pub(super) async fn call(&mut self, says: Says, cell: Option<&Cell>) -> Outcome {
        self.calls += 1;
        let user = format!("{}-{}", self.name, self.calls);
        self.drill.call(says, cell, &user).await.unwrap()
    }

    /// Calls, whatever is wrong, and leaves it as it is.
    pub(super) async fn hear(&mut self, says: Says) -> Outcome {
        self.calls += 1;
        let user = format!("{}-{}", self.name, self.calls);
        Outcome::of(says, self.drill.talk(says, &user).await.unwrap())
    }

    /// What the log says of the failures of a stage in a session: the values of `error_type` or `reason`.
    pub(super) fn reasons(&self, stage: Stage, session: &str) -> Vec<String> {
        let of = |line: &Value| line["session"] == session && line["stage"] == stage.as_str();
        let reason = |line: Value| line["reason"].as_str().or(line["error_type"].as_str()).map(str::to_owned);
        let lines = [self.server.logged("failed over"), self.server.logged("a provider failed")].concat();
        lines.into_iter().filter(of).filter_map(reason).collect()
    }
}
