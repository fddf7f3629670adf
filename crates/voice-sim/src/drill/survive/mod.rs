//! The drills of survival: instances behind a balancer, a real Redis, and callers who talk all the while, when something ends.

mod balancer;
mod fleet;
mod talker;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::balancer::Balancer;
use self::fleet::{Instance, Launch, Redis};
use self::talker::{Life, Phase, Talker};
use super::report::percentile;
use crate::provider::{ProviderServers, Script, parse_latencies};

/// Between two callers' beginnings.
const BETWEEN_CALLERS: Duration = Duration::from_millis(100);
/// For what the last sentences and their answers take.
const LAST_ANSWERS: Duration = Duration::from_secs(8);

/// What ends in the midst of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An instance, by `kill -9`.
    Kill,
    /// One instance after the other, by SIGTERM, each replaced by a new one.
    Deploy,
    /// Redis: it stands still for a while, then it is killed and starts again on its append-only file.
    Redis,
}

/// One drill.
#[derive(Debug, Clone)]
pub struct Survive {
    /// The server's binary.
    pub binary: PathBuf,
    /// What ends.
    pub what: What,
    /// How many callers there are.
    pub calls: usize,
    /// How often each of them says something.
    pub pace: Duration,
    /// How long they talk before it, and after it.
    pub talk: Duration,
    /// How long Redis stands still.
    pub stands: Duration,
}

/// What came of it.
#[derive(Debug)]
struct Found {
    lives: Vec<Life>,
    /// When what ends was ended.
    ended: Vec<Instant>,
    /// How long the processes that were ended took to be gone.
    gone: Vec<Duration>,
    /// Callers of whom nothing could be learned at the end, and why.
    lost: Vec<String>,
}

impl Survive {
    /// Runs it in `folder`, and gives a Markdown table and what is wrong with it.
    ///
    /// # Errors
    /// When something of the drill itself does not work.
    pub async fn run(&self, folder: &Path) -> Result<(String, Vec<String>)> {
        let latencies = parse_latencies("stt=100,llm=150,tts=80").map_err(anyhow::Error::msg)?;
        let providers = ProviderServers::start(Script { latencies, ..Script::default() }).await?;
        let mut redis = Redis::start(folder).await?;
        let mut environment: Vec<(String, String)> =
            providers.env().into_iter().filter(|(name, _)| !name.starts_with("TWILIO")).map(own).collect();
        for setting in [
            ("STT_CHAIN", "deepgram"),
            ("LLM_CHAIN", "embedded"),
            ("TTS_CHAIN", "cartesia"),
            ("LIMITS_MAX_SESSIONS", "1000"),
        ] {
            environment.push(own((setting.0, setting.1.to_owned())));
        }
        environment.push(own(("REDIS_URL", redis.url())));
        let launch = Launch { binary: self.binary.clone(), environment, folder: folder.to_owned() };
        let client = reqwest::Client::builder().no_proxy().build()?;
        let balancer = Balancer::start(client.clone()).await?;
        let mut fleet = Vec::new();
        for name in ["first", "second"] {
            let instance = Instance::start(&launch, name).await?;
            balancer.add(instance.address);
            fleet.push(instance);
        }
        let (phase, told) = watch::channel(Phase::Talk);
        let mut callers = JoinSet::new();
        for number in 0..self.calls {
            let talker = Talker::new(client.clone(), balancer.url(), number, self.pace).await.context("a caller")?;
            callers.spawn(talker.live(told.clone()));
            sleep(BETWEEN_CALLERS).await;
        }
        sleep(self.talk).await;
        let mut found = Found { lives: Vec::new(), ended: Vec::new(), gone: Vec::new(), lost: Vec::new() };
        self.end(&mut fleet, &mut redis, &balancer, &launch, &mut found).await?;
        sleep(self.talk).await;
        phase.send_replace(Phase::Finish);
        sleep(LAST_ANSWERS).await;
        phase.send_replace(Phase::HangUp);
        while let Some(life) = callers.join_next().await {
            match life? {
                Ok(life) => found.lives.push(life),
                Err(error) => found.lost.push(format!("{error:#}")),
            }
        }
        providers.stop();
        Ok((self.table(&found)?, found.problems()))
    }

    async fn end(
        &self,
        fleet: &mut Vec<Instance>,
        redis: &mut Redis,
        balancer: &Balancer,
        launch: &Launch,
        found: &mut Found,
    ) -> Result<()> {
        match self.what {
            What::Kill => {
                let mut first = fleet.remove(0);
                found.ended.push(Instant::now());
                first.kill()?;
                found.gone.push(first.gone(std::time::Instant::now()).await?);
            }
            What::Deploy => {
                for name in ["third", "fourth"] {
                    let next = Instance::start(launch, name).await?;
                    balancer.add(next.address);
                    let mut old = fleet.remove(0);
                    found.ended.push(Instant::now());
                    old.stop()?;
                    found.gone.push(old.gone(std::time::Instant::now()).await?);
                    balancer.remove(old.address);
                    fleet.push(next);
                    sleep(self.talk).await;
                }
            }
            What::Redis => {
                found.ended.push(Instant::now());
                redis.hold(true)?;
                sleep(self.stands).await;
                redis.hold(false)?;
                sleep(self.talk).await;
                found.ended.push(Instant::now());
                redis.restart().await?;
            }
        }
        Ok(())
    }

    fn table(&self, found: &Found) -> Result<String> {
        let mut table = String::from("| | P50 | P95 | longest | |\n|---|--:|--:|--:|---|\n");
        let since = |at: Instant| found.ended.iter().rev().find(|ended| **ended <= at).copied().unwrap_or(at);
        let losses = || found.lives.iter().flat_map(|life| &life.losses);
        let until_back = losses().filter_map(|(lost, back, _)| Some(back.as_ref()?.duration_since(*lost)));
        line(&mut table, "connection lost → there again, ms", until_back.collect())?;
        if self.what == What::Kill {
            let heard = losses().filter_map(|(lost, _, heard)| Some(heard.as_ref()?.duration_since(since(*lost))));
            line(&mut table, "kill → next agent audio, ms", heard.collect())?;
        }
        let answers = |during: bool| {
            let all = found.lives.iter().flat_map(|life| &life.answers);
            all.filter(move |(said, _)| found.ended.first().is_some_and(|ended| said >= ended) == during)
        };
        line(&mut table, "answers before, ms", answers(false).map(|(_, took)| *took).collect())?;
        line(&mut table, "answers from then on, ms", answers(true).map(|(_, took)| *took).collect())?;
        if !found.gone.is_empty() {
            line(&mut table, "signal → old process gone, ms", found.gone.clone())?;
        }
        let sum = |count: &dyn Fn(&Life) -> usize| found.lives.iter().map(count).sum::<usize>();
        writeln!(
            table,
            "\n{} callers, {} connections lost, \"I'm back\" {} times; {} calls ended; {} of {} histories go on with every acknowledged \
             sentence; {} tasks acknowledged, {} lost, {} doubled.",
            self.calls,
            losses().count(),
            sum(&|life| life.backs),
            sum(&|life| usize::from(life.ended.is_some())) + found.lost.len(),
            found.lives.iter().filter(|life| life.forgotten().is_empty()).count(),
            self.calls,
            sum(&|life| life.added.len()),
            sum(&|life| life.missing().len()),
            sum(&|life| life.doubled().len()),
        )?;
        Ok(table)
    }
}

fn own((name, value): (&str, String)) -> (String, String) {
    (name.to_owned(), value)
}

fn line(table: &mut String, what: &str, times: Vec<Duration>) -> Result<()> {
    let mut sorted: Vec<u64> = times.iter().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    let at = |percent| percentile(&sorted, percent).map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    writeln!(table, "| {what} | {} | {} | {} | of {} |", at(50), at(95), at(100), sorted.len())?;
    Ok(())
}

impl Life {
    /// Tasks that were acknowledged and are not there.
    fn missing(&self) -> Vec<&String> {
        self.added.iter().filter(|title| !self.titles.contains(title)).collect()
    }

    /// Tasks that are there more than once.
    fn doubled(&self) -> Vec<&String> {
        let count = |title: &String| self.titles.iter().filter(|other| *other == title).count();
        self.titles.iter().filter(|title| count(title) > 1).collect()
    }

    /// Tasks that were acknowledged and whose sentence is not in the history.
    fn forgotten(&self) -> Vec<&String> {
        self.added.iter().filter(|title| !self.said.iter().any(|said| said.contains(title.as_str()))).collect()
    }
}

impl Found {
    /// What should not be.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.lost.iter().map(|why| format!("a caller was lost: {why}")).collect();
        for life in &self.lives {
            for (what, which) in
                [("lost", life.missing()), ("doubled", life.doubled()), ("not in the history", life.forgotten())]
            {
                problems.extend((!which.is_empty()).then(|| format!("{what}: {which:?}")));
            }
            problems.extend(life.ended.as_ref().map(|reason| format!("a call ended: {reason}")));
            if life.answers.is_empty() {
                problems.push("a caller never heard an answer".to_owned());
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_forgotten_is_a_problem() {
        let own = |titles: &[&str]| titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>();
        let life = Life {
            added: own(&["buy milk", "find paper", "read book"]),
            titles: own(&["buy milk", "buy milk", "read book"]),
            said: own(&["add a task to buy milk", "add a task to find paper"]),
            ..Life::default()
        };
        assert_eq!(life.missing(), ["find paper"]);
        assert_eq!(life.doubled(), ["buy milk", "buy milk"]);
        assert_eq!(life.forgotten(), ["read book"]);
        let found = Found { lives: vec![life], ended: Vec::new(), gone: Vec::new(), lost: Vec::new() };
        assert_eq!(found.problems().len(), 4);
    }
}
