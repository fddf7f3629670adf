//! All servers, and the handle that they end with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::fault::Fault;
use super::journal::Journal;
use super::latency::{Latency, Step};
use super::net::{Gate, Wire};
use super::pagerduty::Alert;
use super::script::{Keys, Script};
use super::service::{Provider, Service};
use super::shared::Shared;
use super::twilio::Sms;
use super::{cartesia, control, deepgram, elevenlabs, openai, pagerduty, twilio};

/// Why the servers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The script makes no sense.
    #[error("{0}")]
    Script(String),
    /// A port is taken.
    #[error("cannot listen for {0}")]
    Bind(String, #[source] std::io::Error),
}

/// All provider servers, on 127.0.0.1. They end when this is dropped.
#[derive(Debug)]
pub struct ProviderServers {
    shared: Arc<Shared>,
    addresses: BTreeMap<Provider, SocketAddr>,
    control: Option<SocketAddr>,
    stop: DropGuard,
}

impl ProviderServers {
    /// Starts them.
    ///
    /// # Errors
    /// [`StartError`] for a script that makes no sense, or a port that is taken.
    pub async fn start(script: Script) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::new(script).map_err(StartError::Script)?);
        let stop = shared.stop.clone().drop_guard();
        let mut addresses = BTreeMap::new();
        for provider in Provider::ALL {
            let port = shared.script.ports.get(&provider).copied().unwrap_or_default();
            let gate = Gate::bind(provider, port, Arc::clone(&shared)).await;
            let gate = gate.map_err(|error| StartError::Bind(provider.to_string(), error))?;
            addresses.insert(provider, gate.address());
            serve(gate, router(provider, Arc::clone(&shared)), shared.stop.clone());
        }
        let control = match shared.script.control_port {
            None => None,
            Some(port) => Some(start_control(port, Arc::clone(&shared)).await?),
        };
        Ok(Self { shared, addresses, control, stop })
    }

    /// What a provider's base URL is set to: `http://127.0.0.1:…`, with `/v1` for OpenAI.
    pub fn base_url(&self, provider: Provider) -> String {
        let address = self.addresses.get(&provider).copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let path = if provider == Provider::OpenAi { "/v1" } else { "" };
        format!("http://{address}{path}")
    }

    /// The control API, if there is one: `http://127.0.0.1:…`.
    pub fn control_url(&self) -> Option<String> {
        self.control.map(|address| format!("http://{address}"))
    }

    /// The environment that leads a server here.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let Keys { deepgram, openai, cartesia, elevenlabs, twilio_sid, twilio_token, twilio_number, pagerduty } =
            self.shared.script.keys.clone();
        vec![
            ("DEEPGRAM_BASE_URL", self.base_url(Provider::Deepgram)),
            ("DEEPGRAM_API_KEY", deepgram),
            ("OPENAI_BASE_URL", self.base_url(Provider::OpenAi)),
            ("OPENAI_API_KEY", openai),
            ("CARTESIA_BASE_URL", self.base_url(Provider::Cartesia)),
            ("CARTESIA_API_KEY", cartesia),
            ("ELEVENLABS_BASE_URL", self.base_url(Provider::ElevenLabs)),
            ("ELEVENLABS_API_KEY", elevenlabs),
            ("TWILIO_BASE_URL", self.base_url(Provider::Twilio)),
            ("TWILIO_ACCOUNT_SID", twilio_sid),
            ("TWILIO_AUTH_TOKEN", twilio_token),
            ("TWILIO_FROM_NUMBER", twilio_number),
            ("PAGERDUTY_BASE_URL", self.base_url(Provider::PagerDuty)),
            ("PAGERDUTY_ROUTING_KEY", pagerduty),
        ]
    }

    /// The keys that are right.
    pub fn keys(&self) -> &Keys {
        &self.shared.script.keys
    }

    /// What happened.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Waits until the journal says so.
    ///
    /// # Errors
    /// When it does not within that time.
    pub async fn wait(&self, longest: Duration, until: impl FnMut(&Journal) -> bool) -> Result<(), String> {
        self.shared.journal.wait(longest, until).await
    }

    /// Switches a fault on; the newest one counts first.
    ///
    /// # Errors
    /// When it makes no sense, or too many are on.
    pub fn fault(&self, fault: Fault) -> Result<(), String> {
        self.shared.faults.add(fault)
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.shared.faults.clear(&Service::ALL);
    }

    /// Switches the faults of some services off.
    pub fn clear_faults_of(&self, services: &[Service]) {
        self.shared.faults.clear(services);
    }

    /// Cuts all connections to a provider that are open now: a fault of connecting is met by whoever comes back.
    pub fn cut(&self, provider: Provider) {
        self.shared.wires.cut(provider);
    }

    /// Changes a latency.
    pub fn set_latency(&self, step: Step, latency: Latency) {
        self.shared.latencies.set(step, latency);
    }

    /// The SMS that were sent.
    pub fn sms(&self) -> Vec<Sms> {
        self.shared.telephone.messages()
    }

    /// The alerts, open and resolved.
    pub fn alerts(&self) -> Vec<Alert> {
        self.shared.alerts.all()
    }

    /// A call's status changes at Twilio: `completed` when the caller hangs up, `in-progress` for one that begins.
    pub fn set_call_status(&self, call_sid: &str, status: &str) {
        self.shared.telephone.set_status(call_sid, status);
    }

    /// Ends all servers and connections now.
    pub fn stop(self) {
        drop(self.stop);
    }
}

fn router(provider: Provider, shared: Arc<Shared>) -> Router {
    match provider {
        Provider::Deepgram => deepgram::router(shared),
        Provider::OpenAi => openai::router(shared),
        Provider::Cartesia => cartesia::router(shared),
        Provider::ElevenLabs => elevenlabs::router(shared),
        Provider::Twilio => twilio::router(shared),
        Provider::PagerDuty => pagerduty::router(shared),
    }
}

/// Serves until the stop. The connections end with the same token.
fn serve(gate: Gate, router: Router, stop: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<Wire>();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            _never_ends_by_itself = async { axum::serve(gate, service).await } => {}
        }
    });
}

async fn start_control(port: u16, shared: Arc<Shared>) -> Result<SocketAddr, StartError> {
    let bound = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) = bound.await.map_err(|error| StartError::Bind("the control API".to_owned(), error))?;
    let stop = shared.stop.clone();
    let router = control::router(shared);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            _never_ends_by_itself = async { axum::serve(listener, router).await } => {}
        }
    });
    Ok(address)
}
