//! The drill: a running server is called under every fault of the matrix, one after the other, and what its callers heard is told.
//!
//! The server is reached as any caller reaches it, over the browser's protocol; its metrics and the rehearsal servers' control
//! API say the rest. The callers speak in code ([`crate::provider::code`]), so that what was understood and what was heard can
//! be compared word by word.

mod caller;
mod fleet;
mod matrix;
mod report;
mod savings;
mod scrape;
mod survive;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use voice_core::provider::Stage;

pub use caller::{Caller, Heard};
pub use matrix::{Cell, Says, matrix};
pub use report::{markdown, summary, too_slow};
pub use savings::Savings;
pub use scrape::{Count, Scrape, Times};
pub use survive::{Balanced, Region, Survive, What};

use crate::provider::code::{HeardWord, Voice, decode_words, overlaps, split_words};

/// Longest that a call is waited for.
const CALL: Duration = Duration::from_secs(20);
/// Longest wait for an answer of one of the servers.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two looks at the metrics.
const LOOK: Duration = Duration::from_millis(50);
/// Entries of the journal that are looked at.
const ENTRIES: u32 = 300;

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Drill {
    /// The server under test.
    pub url: String,
    /// Its metrics.
    pub metrics: String,
    /// The rehearsal servers' control API.
    pub control: String,
    /// Longest that a provider may take to be used again, once it is well.
    pub recovery: Duration,
    client: reqwest::Client,
}

/// One call, and what came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The session.
    pub session: String,
    /// What the caller said.
    pub says: Says,
    /// What the server understood.
    pub transcript: String,
    /// The words that the caller heard, of whichever voice, in order; a word that broke off has a dash behind it.
    pub heard: String,
    /// The words that stood on the screen.
    pub caption: String,
    /// The voices, in the order in which they were heard.
    pub voices: Vec<Voice>,
    /// Two voices were heard at once.
    pub at_once: bool,
    /// The tools that ran.
    pub tools: Vec<String>,
    /// The titles of the caller's tasks afterwards.
    pub tasks: Vec<String>,
    /// From the end of speech to the first audio, as the server has it.
    pub latency_ms: Option<u64>,
    /// The same as the caller felt it.
    pub felt_ms: Option<u64>,
    /// Of the latency, what model, tools and voice took.
    pub answered_ms: Option<u64>,
    /// The longest silence inside the answer.
    pub gap_ms: u64,
    /// Who gave way to whom at any stage: `from`, `to`, `reason`, and the stage.
    pub failovers: Vec<(Stage, Count)>,
    /// Failures of providers.
    pub errors: Vec<Count>,
    /// Rivals that were asked.
    pub hedges: Vec<Count>,
    /// Nano-dollars of the call.
    pub spent_nanousd: u64,
    /// Nano-dollars of it that were for nothing.
    pub wasted_nanousd: u64,
    /// From the fault, or the end of speech if that was later, to when the next provider was asked.
    pub detected_ms: Option<u64>,
    /// From the end of the fault to when the provider was used again.
    pub recovered_ms: Option<u64>,
    /// The server asked the caller to type.
    pub fell_back: bool,
    /// Every event's type, in order.
    pub events: Vec<String>,
}

impl Outcome {
    /// The failovers of a stage.
    pub fn failovers_of(&self, stage: Stage) -> impl Iterator<Item = &Count> {
        self.failovers.iter().filter(move |(of, _)| *of == stage).map(|(_, count)| count)
    }

    /// Failures for which nobody gives way: they are known before anybody is asked (a line that cannot be opened is left alone), or come
    /// when a rival has already taken over because nothing had come for too long, as on a busy machine.
    fn failures(&self, cell: &Cell) -> Vec<(&Count, &'static str)> {
        let known_before = cell.cuts().is_some() && cell.stage != Stage::Llm;
        let overtaken = |count: &Count| count.labels["from"] == cell.first() && count.labels["reason"] == "timeout";
        let known = known_before || self.failovers_of(cell.stage).any(overtaken);
        let failed = |count: &&Count| {
            known && count.labels["stage"] == cell.stage.as_str() && count.labels["provider"] == cell.first()
        };
        self.errors.iter().filter(failed).map(|count| (count, "error_type")).collect()
    }

    /// What is not as in a healthy call, or as its cell says; nothing, if all is well.
    pub fn problems(&self, cell: &Cell, healthy: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, problem: String| {
            if !ok {
                problems.push(problem)
            }
        };
        check(self.heard == healthy.heard, format!("heard {:?} instead of {:?}", self.heard, healthy.heard));
        check(self.caption == healthy.caption, format!("read {:?} instead of {:?}", self.caption, healthy.caption));
        check(!self.at_once, "two voices were heard at once".to_owned());
        check(self.tasks == self.says.tasks(), format!("the tasks are {:?}", self.tasks));
        check(self.tools == healthy.tools, format!("the tools {:?} ran", self.tools));
        let found: Vec<&Count> =
            self.failovers_of(cell.stage).filter(|count| count.labels["from"] == cell.first()).collect();
        if cell.is_harmless() {
            check(found.is_empty(), format!("a harmless fault moved {found:?}"));
        } else {
            let moved = found.iter().map(|count| (*count, "reason"));
            let counts: Vec<(&Count, &str)> = moved.chain(self.failures(cell)).collect();
            let right = counts.iter().any(|(count, label)| cell.reasons.contains(&count.labels[*label].as_str()));
            check(right, format!("neither failed nor gave way for {:?}: {found:?}, {:?}", cell.reasons, self.errors));
        }
        if self.recovered_ms.is_none() {
            check(false, "it did not come back".to_owned());
        }
        problems
    }
}

impl Drill {
    /// A drill of these servers.
    ///
    /// # Errors
    /// When an address is none, or there is no HTTP client.
    pub fn new(url: &str, metrics: &str, control: &str, recovery: Duration) -> Result<Self> {
        let clean = |name: &str, url: &str| {
            let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            match parsed {
                Some(_) => Ok(url.trim_end_matches('/').to_owned()),
                None => bail!("--{name} {url:?} is not a URL like http://127.0.0.1:8080"),
            }
        };
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST).build()?;
        Ok(Self {
            url: clean("url", url)?,
            metrics: clean("metrics", metrics)?,
            control: clean("control", control)?,
            recovery,
            client,
        })
    }

    /// Whether all three servers are there, and are what they should be.
    ///
    /// # Errors
    /// Which one is not.
    pub async fn check(&self) -> Result<()> {
        let scrape = self.scrape().await?;
        for (cell, variable) in [Stage::Stt, Stage::Llm, Stage::Tts].map(matrix).into_iter().zip(["STT", "LLM", "TTS"])
        {
            let first = cell.map_err(anyhow::Error::msg)?.first().map(Cell::first).unwrap_or_default();
            let stage = variable.to_lowercase();
            if scrape.value(&format!("voice_provider_up{{stage=\"{stage}\",provider=\"{first}\"}}")) != 1.0 {
                bail!(
                    "{first} is not up at {stage}: start the server with the rehearsal servers' environment ({variable}_CHAIN)"
                );
            }
        }
        self.journal("").await?;
        Ok(())
    }

    /// The metrics as they are now.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn scrape(&self) -> Result<Scrape> {
        let address = format!("{}/metrics", self.metrics);
        let text = async { self.client.get(&address).send().await?.error_for_status()?.text().await };
        Ok(Scrape::parse(&text.await.with_context(|| format!("the metrics at {address}"))?))
    }

    /// The journal's last entries; `of` asks for some of them only, such as `&provider=tts`.
    async fn journal(&self, of: &str) -> Result<Value> {
        let address = format!("{}/control/journal?last={ENTRIES}{of}", self.control);
        let journal = async { self.client.get(&address).send().await?.error_for_status()?.json::<Value>().await };
        let journal =
            journal.await.with_context(|| format!("the rehearsal servers' control API at {}", self.control))?;
        if journal["now_ms"].is_u64() { Ok(journal) } else { bail!("{address} is no control API of rehearsal servers") }
    }

    async fn control(&self, path: &str, body: &Value) -> Result<()> {
        let address = format!("{}{path}", self.control);
        let response = self.client.post(&address).json(body).send().await.context("the control API")?;
        if !response.status().is_success() {
            bail!("the control API refused {body}: {}", response.text().await.unwrap_or_default());
        }
        Ok(())
    }

    /// Switches the cell's fault on.
    ///
    /// # Errors
    /// When the control API does not.
    pub async fn begin(&self, cell: &Cell) -> Result<()> {
        let fault = &cell.fault;
        let mut body = json!({"fault": fault.kind.to_string(), "at": fault.place.to_string()});
        body["provider"] = json!(fault.services.first().map(|service| service.name()));
        body["model"] = json!(fault.model);
        self.control("/control/fault", &body).await?;
        match cell.cuts() {
            Some(provider) => self.control("/control/cut", &json!({"provider": provider.name()})).await,
            None => Ok(()),
        }
    }

    /// Switches all faults off, and waits until nobody rests any more: how long that took, if it came to it.
    ///
    /// # Errors
    /// When one of the servers does not answer.
    pub async fn recover(&self) -> Result<Option<u64>> {
        let cleared = self.client.delete(format!("{}/control/fault", self.control)).send().await;
        cleared.and_then(reqwest::Response::error_for_status).context("the control API")?;
        let began = Instant::now();
        while began.elapsed() < self.recovery {
            let resting = self.scrape().await?.resting();
            // What is not served is not back by itself.
            let usable = resting.iter().all(|labels| labels.contains(matrix::RETIRED));
            if usable && self.has_voice_socket().await? {
                return Ok(Some(millis(began.elapsed())));
            }
            sleep(LOOK).await;
        }
        Ok(None)
    }

    /// Whether the first voice's socket is open again: all callers share it, and the next one is to meet the next fault.
    async fn has_voice_socket(&self) -> Result<bool> {
        let journal = self.journal("&provider=cartesia").await?;
        let entries = journal["entries"].as_array().into_iter().flatten();
        let mut sockets = entries.filter(|entry| entry["service"] == "cartesia" && entry["method"] == "WS");
        Ok(sockets.any(|entry| entry["end"].is_null() && entry["status"] == 101))
    }

    /// A call and nothing else: faults stay as they are.
    ///
    /// # Errors
    /// When the server does not take it, or ends it.
    pub async fn talk(&self, says: Says, user: &str) -> Result<Heard> {
        Caller::new(&self.client, &self.url, user).await?.call(says.text(), CALL).await
    }

    /// A call under the cell's fault; without a cell, a healthy one.
    ///
    /// # Errors
    /// When a server does not answer; what goes wrong in the call itself is in the outcome.
    pub async fn call(&self, says: Says, cell: Option<&Cell>, user: &str) -> Result<Outcome> {
        let before = self.scrape().await?;
        if let Some(cell) = cell {
            self.begin(cell).await?;
        }
        let (asked, journal) = (Instant::now(), self.journal("").await?);
        let clock_ms = journal["now_ms"].as_u64().unwrap_or_default();
        let heard = self.talk(says, user).await?;
        let journal = self.journal("").await?;
        let recovered_ms = self.recover().await?;
        let after = self.scrape().await?;
        // A voice that cannot be reached is known before anybody has something for it to say.
        let timed = cell.filter(|cell| cell.stage != Stage::Tts || cell.cuts().is_none());
        let times = timed.map(|cell| Times::of(&journal, cell, clock_ms)).unwrap_or_default();
        let said_ms = heard.said.map(|said| clock_ms + millis(said.saturating_duration_since(asked)));
        let outcome = Outcome { recovered_ms, detected_ms: detected(times, said_ms), ..Outcome::of(says, heard) };
        Ok(outcome.with_counts(&before, &after))
    }
}

impl Outcome {
    /// What a call alone says; nothing is known of metrics, or of the journal.
    pub fn of(says: Says, heard: Heard) -> Self {
        let words = decode_words(&heard.pcm, 24_000);
        let mut voices: Vec<Voice> = words.iter().map(|word| word.voice).collect();
        voices.dedup();
        Self {
            session: heard.session,
            says,
            transcript: heard.transcript,
            heard: words.iter().map(written).collect::<Vec<_>>().join(" "),
            caption: split_words(&heard.caption).join(" "),
            voices,
            at_once: !overlaps(&heard.pcm, 24_000).is_empty(),
            tools: heard.tools,
            tasks: heard.tasks,
            latency_ms: heard.turn.as_ref().and_then(|turn| turn["latency_ms"].as_u64()),
            felt_ms: heard.felt_ms,
            answered_ms: heard
                .turn
                .as_ref()
                .map(|turn| ["llm", "tool", "tts"].iter().filter_map(|stage| turn["stages"][stage].as_u64()).sum()),
            gap_ms: heard.gap_ms,
            failovers: Vec::new(),
            errors: Vec::new(),
            hedges: Vec::new(),
            spent_nanousd: 0,
            wasted_nanousd: 0,
            detected_ms: None,
            recovered_ms: None,
            fell_back: heard.fell_back,
            events: heard.events,
        }
    }

    fn with_counts(mut self, before: &Scrape, after: &Scrape) -> Self {
        for (stage, metric) in [
            (Stage::Stt, "voice_stt_failovers_total"),
            (Stage::Llm, "voice_llm_failovers_total"),
            (Stage::Tts, "voice_tts_failovers_total"),
        ] {
            self.failovers.extend(after.grown(before, metric).into_iter().map(|count| (stage, count)));
        }
        self.errors = after.grown(before, "voice_provider_errors_total");
        self.hedges = after.grown(before, "voice_hedges_total");
        for count in after.grown(before, "voice_spend_nanousd_total") {
            let spent = count.grown as u64;
            self.spent_nanousd += spent;
            if count.labels["wasted"] == "true" {
                self.wasted_nanousd += spent;
            }
        }
        self
    }
}

/// From the fault, or from when the caller had finished if that was later, to when somebody else was asked.
fn detected(times: Times, said_ms: Option<u64>) -> Option<u64> {
    let Times { fault_ms: Some(fault_ms), backup_ms: Some(backup_ms) } = times else { return None };
    Some(backup_ms.saturating_sub(fault_ms.max(said_ms.unwrap_or_default())))
}

fn written(word: &HeardWord) -> String {
    let text = word.word.clone().unwrap_or_else(|| format!("#{}", word.code.number()));
    if word.cut { format!("{text}-") } else { text }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_named() {
        let good = "http://127.0.0.1:8080";
        let drill = |url, metrics, control| Drill::new(url, metrics, control, CALL).map(|drill| drill.url);
        assert!(drill(good, good, good).is_ok_and(|url| url == good));
        for (name, result) in [
            ("--url", drill("127.0.0.1:8080", good, good)),
            ("--metrics", drill(good, "metrics", good)),
            ("--control", drill(good, good, "ftp://127.0.0.1")),
        ] {
            let message = result.expect_err("no address").to_string();
            assert!(message.starts_with(name) && message.contains("is not a URL like"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let nobody = "http://127.0.0.1:9";
        let drill = Drill::new(nobody, nobody, nobody, CALL).expect("addresses");
        let message = format!("{:#}", drill.check().await.expect_err("nobody is there"));
        assert!(message.contains("the metrics at http://127.0.0.1:9/metrics"), "{message}");
    }

    #[test]
    fn what_was_known_before_the_caller_had_finished_counts_from_then() {
        let times = Times { fault_ms: Some(100), backup_ms: Some(450) };
        assert_eq!((detected(times, None), detected(times, Some(300))), (Some(350), Some(150)));
        assert_eq!(detected(times, Some(500)), Some(0));
        assert_eq!(detected(Times { backup_ms: None, ..times }, None), None);
    }
}
