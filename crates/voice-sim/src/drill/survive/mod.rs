//! The drills of survival: instances behind a balancer, a real Redis, and callers who talk all the while, when something ends.

mod balancer;
mod dns;
mod ending;
mod life;
mod mouth;
mod phone;
mod redis;
mod region;
mod table;
mod talker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use voice_caller::twilio::Twilio;

pub use self::balancer::Balanced;
use self::balancer::Balancer;
use self::dns::Place;
use self::ending::Stage;
use self::life::{Leg, Life, Phase, Seat};
use self::phone::Phone;
use self::redis::Redis;
pub use self::region::Region;
use self::table::Found;
use self::talker::Talker;
use super::fleet::Launch;
use crate::provider::{Limits, ProviderServers, Script, parse_latencies};

/// The address that the servers are told they have, and that is signed; the balancer is what stands there.
const PUBLIC_URL: &str = "https://voice.example.com";
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
    /// The master of a Redis with a replica and a Sentinel, by `kill -9`.
    Sentinel,
}

/// One drill.
#[derive(Debug, Clone)]
pub struct Survive {
    /// The server's binary.
    pub binary: PathBuf,
    /// What ends.
    pub what: What,
    /// How many callers there are by the browser's protocol.
    pub calls: usize,
    /// How many there are by telephone.
    pub phones: usize,
    /// How many instances there are.
    pub instances: usize,
    /// How many of them are killed, one after the other.
    pub kills: usize,
    /// Between a kill's replacement and the next kill, about.
    pub between: Duration,
    /// How often each of them says something.
    pub pace: Duration,
    /// How long they talk before it, and after it.
    pub talk: Duration,
    /// How long Redis stands still.
    pub stands: Duration,
}

impl Survive {
    /// Runs it in `folder`, and gives a Markdown table and what is wrong with it.
    ///
    /// # Errors
    /// When something of the drill itself does not work.
    pub async fn run(&self, folder: &Path) -> Result<(String, Vec<String>)> {
        let providers = providers(self.calls + self.phones).await?;
        let redis = match self.what {
            What::Sentinel => Redis::start_watched(folder).await?,
            What::Kill | What::Deploy | What::Redis => Redis::start(folder).await?,
        };
        let launch = self.launch(&providers, &redis, folder);
        // Nobody's connection waits for another's.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let balancer = Balancer::start(client.clone()).await?;
        let mut stage = Stage::new(launch, balancer, redis);
        for _ in 0..self.instances {
            stage.start().await?;
        }
        let (phase, told) = watch::channel(Phase::Talk);
        let mut callers = self.callers(&mut stage, &providers, &client, &told).await?;
        sleep(self.talk).await;
        let ended = stage.end(self).await?;
        sleep(self.talk).await;
        phase.send_replace(Phase::Finish);
        sleep(LAST_ANSWERS).await;
        let calls = stage.redis.calls()?;
        phase.send_replace(Phase::HangUp);
        let mut found = Found { what: self.what, kills: self.kills, lives: Vec::new(), ended, lost: Vec::new() };
        while let Some(life) = callers.join_next().await {
            match life? {
                Ok(life) => found.lives.push(life),
                Err(error) => found.lost.push(format!("{error:#}")),
            }
        }
        stage.redis.look(&mut found.lives, &calls)?;
        providers.stop();
        Ok((found.table()?, found.problems()))
    }

    fn launch(&self, providers: &ProviderServers, redis: &Redis, folder: &Path) -> Launch {
        let environment = environment(providers, &redis.url());
        Launch { binary: self.binary.clone(), environment, folder: folder.to_owned() }
    }

    /// Begins all calls, those by telephone among the others.
    async fn callers(
        &self,
        stage: &mut Stage,
        providers: &ProviderServers,
        client: &reqwest::Client,
        told: &watch::Receiver<Phase>,
    ) -> Result<JoinSet<Result<Life>>> {
        let (mut callers, address) = (JoinSet::new(), stage.balancer.address());
        for number in 0..self.calls.max(self.phones) {
            if number < self.calls {
                let seat = Seat::default();
                stage.seats.push((Leg::Browser, seat.clone()));
                let place = Place::At(address);
                let talker = Talker::new(client.clone(), place, number, self.pace, seat).await.context("a caller")?;
                callers.spawn(talker.live(told.clone()));
                sleep(BETWEEN_CALLERS).await;
            }
            if number < self.phones {
                let seat = Seat::default();
                stage.seats.push((Leg::Phone, seat.clone()));
                let (call, from) = (format!("CA{:032x}", number + 1), format!("+1555{:07}", number + 1));
                let keys = providers.keys().clone();
                let twilio = Twilio {
                    client: client.clone(),
                    public_url: PUBLIC_URL.to_owned(),
                    reached_at: format!("http://{address}"),
                    account: keys.twilio_sid,
                    auth_token: keys.twilio_token,
                    number: keys.twilio_number,
                    call,
                    caller: from,
                };
                callers.spawn(Phone::new(twilio, number, self.pace, seat).live(told.clone()));
                sleep(BETWEEN_CALLERS).await;
            }
        }
        Ok(callers)
    }
}

/// Rehearsal servers, with an account that is large enough for so many callers.
async fn providers(callers: usize) -> Result<ProviderServers> {
    let latencies = parse_latencies("stt=100,llm=150,tts=80").map_err(anyhow::Error::msg)?;
    let limits = Limits { cartesia_contexts: 4 * callers, ..Limits::default() };
    Ok(ProviderServers::start(Script { latencies, limits, ..Script::default() }).await?)
}

/// An instance's environment.
fn environment(providers: &ProviderServers, redis_url: &str) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = providers.env().into_iter().map(own).collect();
    for setting in [
        ("STT_CHAIN", "deepgram"),
        ("LLM_CHAIN", "embedded"),
        ("TTS_CHAIN", "cartesia"),
        ("LIMITS_MAX_SESSIONS", "1000"),
        ("PUBLIC_URL", PUBLIC_URL),
        ("REDIS_URL", redis_url),
    ] {
        environment.push(own((setting.0, setting.1.to_owned())));
    }
    environment
}

fn own((name, value): (&str, String)) -> (String, String) {
    (name.to_owned(), value)
}
