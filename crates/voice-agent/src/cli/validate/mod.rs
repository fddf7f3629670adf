//! `voice-agent validate`: the ten criteria of spec.md, executed against a deployment.

mod alert;
mod archive;
mod compliance;
mod criterion;
mod deployment;
mod metrics;
mod order;
mod panel;
mod prometheus;
mod report;
mod speaker;
mod spec;
mod talk;
mod telephone;
mod web;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::archive::archive;
use self::criterion::{Criterion, Evidence, Finding, Halt, Status};
use self::deployment::Deployment;
use self::report::Report;
use self::spec::SignOff;
use self::web::{Web, url};
use super::{Failure, out};
use crate::config::Config;

/// What the stakeholders are told.
const READY: &str = "Voice-enabled Task Manager is production-ready";

/// What stands in the specification where they are not.
const NOBODY_TOLD: &str = "not told: no webhook was given";

/// Where the deployment is, and how it is made to fail.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Of the configuration only what Twilio signs with is used: TWILIO_AUTH_TOKEN, TWILIO_ACCOUNT_SID, PUBLIC_URL. \
                        Exit codes: 0 all ten criteria passed, 1 not, 64 bad usage. docs/validation.md has the whole of it."
)]
pub struct ValidateArgs {
    /// Where callers reach the deployment.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = url)]
    url: String,
    /// Prometheus.
    #[arg(long, value_name = "URL", value_parser = url)]
    prometheus: Option<String>,
    /// Alertmanager.
    #[arg(long, value_name = "URL", value_parser = url)]
    alertmanager: Option<String>,
    /// How far back the metrics are looked at: 24h, 90m, 600s. Less than 24 hours is a rehearsal.
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = window)]
    window: Duration,
    /// Say that this is a rehearsal: nothing is ticked, annotated or told.
    #[arg(long)]
    rehearsal: bool,
    /// The control API of rehearsal servers that play the providers; a rehearsal.
    #[arg(long, value_name = "URL", value_parser = url)]
    rehearsal_control: Option<String>,
    /// Only these criteria; a rehearsal.
    #[arg(long, value_name = "CRITERION", value_delimiter = ',')]
    only: Vec<Criterion>,
    /// A caller's bearer token, where `AUTH=jwt`.
    #[arg(long, env = "VALIDATE_BEARER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    bearer_token: Option<String>,
    /// Who calls by telephone; otherwise one of the numbers that are nobody's.
    #[arg(long, value_name = "NUMBER")]
    phone_caller: Option<String>,
    /// Kills the instance of the session $VOICE_SESSION_ID (by `sh -c`).
    #[arg(long, value_name = "COMMAND")]
    kill_command: Option<String>,
    /// Makes Deepgram fail (by `sh -c`); it ends when it does.
    #[arg(long, value_name = "COMMAND", requires = "heal_command")]
    fail_command: Option<String>,
    /// Makes it well again.
    #[arg(long, value_name = "COMMAND")]
    heal_command: Option<String>,
    /// Prints the deployment's settings, as `voice-agent check-config --json` does where it runs.
    #[arg(long, value_name = "COMMAND")]
    config_command: Option<String>,
    /// Says $TEXT in the WAV file $FILE; otherwise the embedded voice does.
    #[arg(long, value_name = "COMMAND")]
    speech_command: Option<String>,
    /// The dashboards whose panels are looked at.
    #[arg(long, default_value = "deploy/grafana/dashboards", value_name = "FOLDER")]
    dashboards: PathBuf,
    /// How severe the test alert is: `critical` pages somebody, `warning` does not.
    #[arg(long, default_value = "critical", value_parser = ["critical", "warning"])]
    alert_severity: String,
    /// An address to listen at to which Alertmanager sends its notifications; otherwise its own count of them is evidence enough.
    #[arg(long, value_name = "ADDRESS")]
    alert_webhook: Option<String>,
    /// What documents and settings must say.
    #[arg(long, default_value = "deploy/compliance.toml", value_name = "FILE")]
    compliance: PathBuf,
    /// The record of the legal review: who, when, for which jurisdictions.
    #[arg(long, value_name = "FILE")]
    legal_review: Option<PathBuf>,
    /// Where evidence, baseline and configuration go; otherwise docs/validation/DATE, and target/validation/DATE of a rehearsal.
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// The specification whose boxes are ticked when a full run passes.
    #[arg(long, default_value = "spec.md", value_name = "FILE")]
    spec: PathBuf,
    /// A webhook by which the stakeholders are told then.
    #[arg(long, env = "VALIDATE_NOTIFY_URL", hide_env_values = true, value_name = "URL", value_parser = url)]
    notify_url: Option<String>,
    /// Longest wait for an answer, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ValidateArgs {
    /// Longest wait for an answer.
    const fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// A time like 24h, 90m or 600s.
fn window(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a time like 24h, 90m or 600s".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number.checked_mul(seconds) {
        Some(seconds @ 60..=2_592_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("is less than a minute or more than 30 days".to_owned()),
    }
}

/// Looks at all criteria, prints the checklist, and archives what was found.
pub(super) fn run(config: Config, args: ValidateArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(validate(config, args))
}

async fn validate(config: Config, args: ValidateArgs) -> Result<(), Failure> {
    let began = jiff::Timestamp::now();
    let folder = args.archive.clone();
    let scratch = std::env::temp_dir().join(format!("voice-agent-validate-{}", std::process::id()));
    let of = Deployment::new(args, config, scratch.clone()).await?;
    let rehearsal = of.rehearsal();
    if rehearsal.is_empty() {
        // What a run of a day is for is looked at before it.
        spec::check(&of.args.spec).map_err(|error| Failure::Usage(format!("{error:#}")))?;
    }
    let looked = tokio::select! {
        criteria = look_at_all(&of) => Ok(criteria),
        interrupted = interruption() => Err(interrupted),
    };
    // It is there only if sentences were said by a command.
    let _not_there = std::fs::remove_dir_all(&scratch);
    let criteria = match looked {
        Ok(criteria) => criteria,
        Err(interrupted) => {
            talk::heal(&of).await.context("a provider that was made to fail could not be made well again")?;
            return Err(interrupted.into());
        }
    };
    let all_passed = criteria.iter().all(|finding| finding.status == Status::Passed);
    let validated = all_passed && rehearsal.is_empty();
    let window_s = of.args.window.as_secs();
    let report = Report { validated, rehearsal, began: began.to_string(), window_s, criteria };
    let folder = folder.unwrap_or_else(|| default_folder(&report, began));
    // What a day has shown is said before anything else can go wrong.
    if of.args.json {
        out::line(&json!({"archive": folder, "sum": report.sum(), "report": report}).to_string())?;
    } else {
        report.print()?;
    }
    archive(&of, &report, &folder).await.context("the archive")?;
    if !of.args.json {
        out::line(&format!("Evidence, baseline and configuration: {}", folder.display()))?;
    }
    if report.validated {
        sign_off(&of, began, &folder).await?;
    }
    if all_passed { Ok(()) } else { Err(anyhow::anyhow!("{}", report.sum()).into()) }
}

/// The findings, in the order of the checklist.
async fn look_at_all(of: &Deployment) -> Vec<Finding> {
    let mut criteria = Vec::new();
    for criterion in Criterion::ORDER {
        let finding = look(of, criterion).await;
        out::error(&format!("{}: {}", finding.criterion, finding.status));
        criteria.push(finding);
    }
    criteria.sort_by_key(|finding| Criterion::ALL.iter().position(|criterion| criterion.title() == finding.criterion));
    criteria
}

/// Somebody has had enough, or the machine has.
async fn interruption() -> anyhow::Error {
    // A signal that cannot be heard here ends the process, as ever.
    let heard = async |kind: SignalKind| match signal(kind) {
        Ok(mut signal) => signal.recv().await,
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        _ = heard(SignalKind::interrupt()) => anyhow::anyhow!("interrupted; nothing was validated"),
        _ = heard(SignalKind::terminate()) => anyhow::anyhow!("terminated; nothing was validated"),
    }
}

fn default_folder(report: &Report, began: jiff::Timestamp) -> PathBuf {
    let root = if report.rehearsal.is_empty() { "docs/validation" } else { "target/validation" };
    PathBuf::from(root).join(began.strftime("%Y-%m-%dT%H%MZ").to_string())
}

/// One criterion, with the time that it took.
async fn look(of: &Deployment, criterion: Criterion) -> Finding {
    let (began, mut evidence) = (Instant::now(), Evidence::default());
    let asked = of.args.only.is_empty() || of.args.only.contains(&criterion);
    let ended = if asked {
        // Each is large, and none is awaited beside another.
        Box::pin(look_at(of, criterion, &mut evidence)).await
    } else {
        Err(Halt::NotRun("--only leaves it out".to_owned()))
    };
    evidence.finding(criterion, ended, began.elapsed().as_secs_f64())
}

async fn look_at(of: &Deployment, criterion: Criterion, evidence: &mut Evidence) -> Result<(), Halt> {
    match criterion {
        Criterion::Latency => metrics::latency(of, evidence).await,
        Criterion::Cost => metrics::cost(of, evidence).await,
        Criterion::Browser => talk::browser(of, evidence).await,
        Criterion::Phone => telephone::phone(of, evidence).await,
        Criterion::Screen => talk::screen(of, evidence).await,
        Criterion::Persistence => talk::persistence(of, evidence).await,
        Criterion::Monitoring => panel::monitoring(of, evidence).await,
        Criterion::Alerting => alert::alerting(of, evidence).await,
        Criterion::Failover => talk::failover(of, evidence).await,
        Criterion::Compliance => compliance::compliance(of, evidence).await,
    }
}

/// Ticks the boxes, annotates the specification, and tells the stakeholders.
async fn sign_off(of: &Deployment, began: jiff::Timestamp, folder: &std::path::Path) -> anyhow::Result<()> {
    let date = began.strftime("%Y-%m-%d").to_string();
    let version = of.versions().await?;
    let archive = folder.display().to_string();
    let sign = |told: &str| {
        spec::sign_off(&of.args.spec, &SignOff { date: &date, version: &version, archive: &archive, told })
    };
    // Nobody is told of what does not stand written.
    sign(NOBODY_TOLD)?;
    let told = match &of.args.notify_url {
        None => NOBODY_TOLD.to_owned(),
        Some(notify) => {
            let body = json!({"text": READY, "validated": date, "evidence": folder, "version": version});
            match Web::new(&of.client, notify).post("", &body).await {
                Ok(_) => format!("told {date}: \"{READY}\""),
                // The validation stands; who was not told can be told by hand.
                Err(error) => format!("**not told**: {error:#}"),
            }
        }
    };
    sign(&told)?;
    out::error(&format!("{}: Validated: {date}; stakeholders {told}", of.args.spec.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use axum::Json;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use clap::Parser;
    use serde_json::Value;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ValidateArgs,
    }

    /// A Prometheus that knows the version, and a webhook that takes what it is told, or does not.
    async fn watchers(taken: StatusCode) -> (String, Arc<Mutex<Vec<Value>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let one = json!({"metric": {"version": "1.2.3"}, "value": [1, "3"]});
        let vector = json!({"status": "success", "data": {"resultType": "vector", "result": [one]}});
        let hook = async move |Json(body): Json<Value>| {
            heard.lock().unwrap().push(body);
            taken
        };
        let router = axum::Router::new()
            .route("/api/v1/query", get(async move || Json(vector.clone())))
            .route("/hook", post(hook));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, told)
    }

    /// What the specification says after a full success, and what the stakeholders were told.
    async fn signed_off(notify: bool, taken: StatusCode) -> (String, Vec<Value>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spec.md");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec.md"), &file).unwrap();
        let (url, told) = watchers(taken).await;
        let mut words = vec!["validate".to_owned(), "--prometheus".to_owned(), url.clone()];
        words.extend(["--spec".to_owned(), file.display().to_string()]);
        if notify {
            words.extend(["--notify-url".to_owned(), format!("{url}/hook")]);
        }
        let args = Line::try_parse_from(words).unwrap().args;
        let of = Deployment::new(args, Config::default(), folder.path().to_owned()).await.unwrap();
        assert_eq!(of.rehearsal(), Vec::<String>::new());
        sign_off(&of, "2026-11-29T10:00:00Z".parse().unwrap(), Path::new("docs/validation/x")).await.unwrap();
        let told = told.lock().unwrap().clone();
        (std::fs::read_to_string(&file).unwrap(), told)
    }

    #[tokio::test]
    async fn a_full_success_is_signed_off_and_the_stakeholders_are_told() {
        let (spec, told) = signed_off(true, StatusCode::NO_CONTENT).await;
        assert_eq!((spec.matches("| [x] |").count(), spec.matches("| [ ] |").count()), (10, 0));
        assert!(spec.contains("Validated: 2026-11-29 ([evidence](docs/validation/x/checklist.md))"), "{spec}");
        assert!(spec.contains("| Version | 1.2.3 |"), "{spec}");
        assert!(spec.contains(&format!("| Stakeholders | told 2026-11-29: \"{READY}\" |")), "{spec}");
        let wanted =
            json!({"text": READY, "validated": "2026-11-29", "evidence": "docs/validation/x", "version": "1.2.3"});
        assert_eq!(told, [wanted]);
    }

    #[tokio::test]
    async fn a_validation_stands_when_nobody_could_be_told_and_says_so() {
        let (spec, told) = signed_off(true, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!((spec.matches("| [x] |").count(), told.len()), (10, 1));
        assert!(spec.contains("| Stakeholders | **not told**: the answer is 503"), "{spec}");
        let (spec, told) = signed_off(false, StatusCode::NO_CONTENT).await;
        assert!(spec.contains(&format!("| Stakeholders | {NOBODY_TOLD} |")) && told.is_empty(), "{spec}");
    }

    #[test]
    fn a_window_is_a_time() {
        assert_eq!(window("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!((window("90m"), window("600s")), (Ok(Duration::from_secs(5_400)), Ok(Duration::from_secs(600))));
        for bad in ["", "h", "24", "-1h", "1é", "59s", "31d", "99999999999999999999h", "18446744073709551615h"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
