//! The drill of regions: two on this machine, each with a Redis and instances of its own, a real name server in front of both, and callers
//! who find the service by its name. The primary region is killed; the standby is promoted; then everything goes back.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::fleet::{Instance, Launch, Ours};
use super::super::report::percentile;
use super::balancer::Balancer;
use super::dns::{Name, Place};
use super::life::{Life, Loss, Phase, Seat};
use super::redis::Server;
use super::talker::Talker;
use super::{BETWEEN_CALLERS, LAST_ANSWERS, environment, providers};

/// The service's name.
const NAME: &str = "voice.example.com";
/// How long an answer may be kept, in seconds; the least that the server allows.
const TTL_S: u64 = 5;
/// The regions' addresses, and how many instances each has.
const EAST: (Ipv4Addr, &str, usize) = (Ipv4Addr::new(127, 0, 1, 1), "us-east-1", 3);
const WEST: (Ipv4Addr, &str, usize) = (Ipv4Addr::new(127, 0, 2, 1), "us-west-2", 2);
/// Longest wait for the name to mean another address.
const PATIENCE: Duration = Duration::from_secs(60);
/// What may be lost: changes that were acknowledged so shortly before the end.
const OBJECTIVE: Duration = Duration::from_secs(1);

/// One drill.
#[derive(Debug, Clone)]
pub struct Region {
    /// The server's binary.
    pub binary: PathBuf,
    /// gdnsd's.
    pub gdnsd: PathBuf,
    /// How many callers there are, by the browser's protocol.
    pub calls: usize,
    /// How often each of them says something.
    pub pace: Duration,
    /// How long they talk before, between and after.
    pub talk: Duration,
}

/// One region.
struct Side {
    launch: Launch,
    count: usize,
    address: SocketAddr,
    fleet: Vec<Instance>,
    balancer: Option<Balancer>,
    started: usize,
}

impl Side {
    async fn start(&mut self, client: &reqwest::Client) -> Result<()> {
        let balancer = match self.balancer.take() {
            Some(balancer) => balancer,
            None => Balancer::listen(self.address, client.clone()).await?,
        };
        for _ in 0..self.count {
            self.started += 1;
            let name = format!("{}-{}", self.address.ip(), self.started);
            let instance = Instance::start(&self.launch, &name).await?;
            balancer.add(instance.address);
            self.fleet.push(instance);
        }
        self.balancer = Some(balancer);
        Ok(())
    }

    /// `kill -9` of all of it.
    async fn kill(&mut self) -> Result<()> {
        self.balancer = None;
        for instance in &self.fleet {
            instance.kill()?;
        }
        self.gone().await
    }

    /// SIGTERM to all of it: each call moves at its next silence.
    async fn drain(&mut self) -> Result<()> {
        for instance in &self.fleet {
            instance.stop()?;
        }
        self.gone().await
    }

    async fn gone(&mut self) -> Result<()> {
        for instance in &mut self.fleet {
            instance.gone(std::time::Instant::now()).await?;
            if let Some(balancer) = &self.balancer {
                balancer.remove(instance.address);
            }
        }
        self.fleet.clear();
        Ok(())
    }
}

/// The name server.
struct Names {
    _process: Ours,
    name: Name,
    state: PathBuf,
}

impl Names {
    /// Starts it: whoever is ready first of east and west is the service.
    async fn start(gdnsd: &Path, folder: &Path, port: u16) -> Result<Self> {
        let folder = folder.join("gdnsd");
        for inner in ["zones", "run", "state"] {
            std::fs::create_dir_all(folder.join(inner))?;
        }
        let listen = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let (run, state) = (folder.join("run"), folder.join("state"));
        let config = format!(
            "options => {{ listen => {listen}, run_dir => {}, state_dir => {} }}\n\
             service_types => {{ voice => {{ plugin => http_status, port => {port}, url_path => /health/ready, vhost => {NAME},\n\
             \x20 interval => 2, timeout => 1, up_thresh => 2, ok_thresh => 2, down_thresh => 2 }} }}\n\
             plugins => {{ simplefo => {{ service_types => voice, voice => {{ primary => {}, secondary => {} }} }} }}\n",
            run.display(),
            state.display(),
            EAST.0,
            WEST.0
        );
        std::fs::write(folder.join("config"), config)?;
        let zone = format!(
            "@ SOA ns1 hostmaster 1 7200 30M 3D 60\n@ NS ns1\nns1 A 127.0.0.1\nvoice {TTL_S} DYNA simplefo!voice\n"
        );
        std::fs::write(folder.join("zones/example.com"), zone)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let mut command = Command::new(gdnsd);
        command.arg("-c").arg(&folder).arg("start").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Ours(command.spawn().context("gdnsd")?);
        Ok(Self { _process: process, name: Name::new(listen, NAME, port), state: state.join("admin_state") })
    }

    /// Waits until the name means this address: how long that takes.
    async fn until(&self, address: Ipv4Addr) -> Result<Duration> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.name.ask().await.is_ok_and(|(now, _)| now == address) {
                return Ok(began.elapsed());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("{NAME} never came to mean {address}")
    }

    /// Keeps the primary out, whatever its health check says, or lets that decide again.
    fn pin(&self, out: bool) -> Result<()> {
        let text = if out { format!("{}/voice => DOWN\n", EAST.0) } else { String::new() };
        let fresh = self.state.with_extension("new");
        std::fs::write(&fresh, text)?;
        Ok(std::fs::rename(fresh, &self.state)?)
    }
}

/// What was measured.
#[derive(Debug, Default)]
struct Times {
    /// Bytes that the replica was behind a moment before the end.
    behind: i64,
    dns: Duration,
    promoted: Duration,
    promote: Value,
    follow: Value,
    back_dns: Duration,
    drained: Duration,
    refused: Duration,
    failback: Value,
    status: Value,
}

impl Region {
    /// Runs it in `folder`, and gives a Markdown table and what is wrong with it.
    ///
    /// # Errors
    /// When something of the drill itself does not work.
    pub async fn run(&self, folder: &Path) -> Result<(String, Vec<String>)> {
        let providers = providers(self.calls).await?;
        let mut first = Server::start(folder.join("redis-east"), &[]).await?;
        let port = first.port.to_string();
        let second = Server::start(folder.join("redis-west"), &["--replicaof", "127.0.0.1", &port]).await?;
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let service = shared_port()?;
        let side = |(ip, region, count): (Ipv4Addr, &str, usize), redis: &Server| {
            let mut environment = environment(&providers, &redis.url());
            environment.push(("REGION".to_owned(), region.to_owned()));
            let launch = Launch { binary: self.binary.clone(), environment, folder: folder.to_owned() };
            let address = SocketAddr::new(IpAddr::V4(ip), service);
            Side { launch, count, address, fleet: Vec::new(), balancer: None, started: 0 }
        };
        let (mut east, mut west) = (side(EAST, &first), side(WEST, &second));
        east.start(&client).await?;
        west.start(&client).await?;
        let names = Names::start(&self.gdnsd, folder, service).await?;
        names.until(EAST.0).await?;

        let (phase, told) = watch::channel(Phase::Talk);
        let mut callers = self.callers(&names.name, &client, &told).await?;
        sleep(self.talk).await;
        let mut times = Times { behind: first.offset()? - second.offset()?, ..Times::default() };
        let killed = Instant::now();
        first.kill().await?;
        east.kill().await?;
        self.fail_over(&names, (&first, &second), killed, &mut times).await?;
        sleep(self.talk).await;
        first.start_again().await?;
        let left = Instant::now();
        self.fail_back(&names, (&first, &second), (&mut east, &mut west), &client, &mut times).await?;
        sleep(self.talk).await;

        phase.send_replace(Phase::Finish);
        sleep(LAST_ANSWERS).await;
        phase.send_replace(Phase::HangUp);
        let (mut lives, mut lost) = (Vec::new(), Vec::new());
        while let Some(life) = callers.join_next().await {
            match life? {
                Ok(life) => lives.push(life),
                Err(error) => lost.push(format!("a caller was lost: {error:#}")),
            }
        }
        providers.stop();
        let found = Found { lives, killed, left, times };
        let problems = lost.into_iter().chain(found.problems()).collect();
        Ok((found.table()?, problems))
    }

    async fn callers(
        &self,
        name: &Name,
        client: &reqwest::Client,
        told: &watch::Receiver<Phase>,
    ) -> Result<JoinSet<Result<Life>>> {
        let mut callers = JoinSet::new();
        for number in 0..self.calls {
            let place = Place::Named(name.anew());
            let talker = Talker::new(client.clone(), place, number, self.pace, Seat::default()).await;
            callers.spawn(talker.context("a caller")?.live(told.clone()));
            sleep(BETWEEN_CALLERS).await;
        }
        Ok(callers)
    }

    /// The name follows the health check; the operator promotes the standby, and keeps the old primary out.
    async fn fail_over(
        &self,
        names: &Names,
        (first, second): (&Server, &Server),
        killed: Instant,
        times: &mut Times,
    ) -> Result<()> {
        names.until(WEST.0).await?;
        times.dns = killed.elapsed();
        names.pin(true)?;
        times.promote = self.region(&["promote"], second, first)?;
        times.promoted = killed.elapsed();
        ensure!(times.promote["promoted"] == true, "the standby was not promoted: {}", times.promote);
        Ok(())
    }

    /// The old primary follows, its instances start, the name goes back, the standby's calls move, and the roles change.
    async fn fail_back(
        &self,
        names: &Names,
        (first, second): (&Server, &Server),
        (east, west): (&mut Side, &mut Side),
        client: &reqwest::Client,
        times: &mut Times,
    ) -> Result<()> {
        times.follow = self.region(&["follow", "--discard"], first, second)?;
        east.start(client).await?;
        names.pin(false)?;
        times.back_dns = names.until(EAST.0).await?;
        let changed = Instant::now();
        sleep(Duration::from_secs(TTL_S)).await;
        let drain = Instant::now();
        west.drain().await?;
        times.drained = drain.elapsed();
        times.failback = self.region(&["failback"], first, second)?;
        times.refused = changed.elapsed();
        times.status = self.region(&["status"], first, second)?;
        // The standby stands by again.
        west.start(client).await
    }

    /// Runs `voice-agent region`, of this region and the other one.
    fn region(&self, arguments: &[&str], here: &Server, there: &Server) -> Result<Value> {
        let mut command = Command::new(&self.binary);
        command.arg("region").args(arguments).arg("--json");
        command.env("REDIS_URL", here.url()).env("PEER_REDIS_URL", there.url());
        let output = command.output().context("voice-agent region")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "voice-agent region {}: {complaint}", arguments.join(" "));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A port that is free at both regions' addresses.
fn shared_port() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind((EAST.0, 0))?.local_addr()?.port();
        if TcpListener::bind((WEST.0, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free at both addresses")
}

/// What the callers lived through.
struct Found {
    lives: Vec<Life>,
    killed: Instant,
    /// When the failback began.
    left: Instant,
    times: Times,
}

impl Found {
    /// Changes that were acknowledged and are not there, and how long before the end of the region each was.
    fn lost(&self) -> Vec<(&String, Option<Duration>)> {
        let of = |life: &Life, title: &String| {
            let told = life.told.iter().find(|(_, told)| told == title).map(|(at, _)| *at);
            told.and_then(|at| self.killed.checked_duration_since(at))
        };
        self.lives
            .iter()
            .flat_map(|life| life.missing().into_iter().map(move |title| (title, of(life, title))))
            .collect()
    }

    /// The losses of before the failback, or of it.
    fn losses(&self, of_failback: bool) -> impl Iterator<Item = &Loss> {
        let left = self.left;
        self.lives.iter().flat_map(|life| &life.losses).filter(move |loss| (loss.at >= left) == of_failback)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let lost = self.lost();
        for (title, before) in &lost {
            if before.is_none_or(|before| before > OBJECTIVE) {
                problems.push(format!("lost: {title:?}, acknowledged {before:?} before the end"));
            }
        }
        for life in &self.lives {
            let mut told = Vec::new();
            told.extend((!life.doubled().is_empty()).then(|| format!("doubled: {:?}", life.doubled())));
            let missing = life.missing();
            let forgotten: Vec<_> = life.forgotten().into_iter().filter(|title| !missing.contains(title)).collect();
            told.extend((!forgotten.is_empty()).then(|| format!("not in the history: {forgotten:?}")));
            told.extend(life.ended.as_ref().map(|reason| format!("the call ended: {reason}")));
            told.extend(life.added.is_empty().then(|| "no task was ever acknowledged".to_owned()));
            told.extend((life.greetings > 1).then(|| format!("greeted {} times", life.greetings)));
            let never_back = life.losses.iter().any(|loss| loss.back.is_none());
            told.extend(never_back.then(|| "a connection that was lost never came back".to_owned()));
            problems.extend(told.into_iter().map(|problem| format!("{}: {problem}", life.user)));
        }
        problems
    }

    fn table(&self) -> Result<String> {
        let mut table = String::from("| | P50 | P95 | longest | |\n|---|--:|--:|--:|---|\n");
        let since = |of_failback| {
            move |loss: &Loss| {
                let from = if of_failback { loss.at } else { self.killed };
                Some(loss.back?.saturating_duration_since(from))
            }
        };
        let heard = |loss: &Loss| Some(loss.heard?.saturating_duration_since(self.killed));
        row(&mut table, "region killed → connected in the standby, ms", self.losses(false).filter_map(since(false)))?;
        row(&mut table, "region killed → next agent audio, ms", self.losses(false).filter_map(heard))?;
        row(
            &mut table,
            "failback: connection handed over → there again, ms",
            self.losses(true).filter_map(since(true)),
        )?;
        self.sums(&mut table)?;
        Ok(table)
    }

    fn sums(&self, table: &mut String) -> Result<()> {
        let Times { behind, dns, promoted, promote, follow, back_dns, drained, refused, failback, status } =
            &self.times;
        let lost = self.lost();
        let rpo = lost.iter().filter_map(|(_, before)| *before).max().unwrap_or_default();
        let sum = |count: &dyn Fn(&Life) -> usize| self.lives.iter().map(count).sum::<usize>();
        let last_before = self.lives.iter().flat_map(|life| &life.told).filter(|(at, _)| *at <= self.killed);
        let youngest = last_before.map(|(at, _)| self.killed.duration_since(*at)).min().unwrap_or_default();
        writeln!(
            table,
            "\n**Failover.** Killed → the name means the standby {} ms (and up to {TTL_S} s in a resolver's memory); → promoted {} ms, of which the command took {} ms; \
             the replica was {behind} bytes behind a moment before. RTO: the table's first two rows. RPO: {} ms ({} of the acknowledged changes are lost; \
             the youngest acknowledged one was {} ms old).",
            dns.as_millis(),
            promoted.as_millis(),
            promote["took_ms"],
            rpo.as_millis(),
            lost.len(),
            youngest.as_millis(),
        )?;
        writeln!(
            table,
            "\n**Failback.** The old primary has everything after {} ms; the name means it after {} ms; the standby's instances were gone {} ms after SIGTERM; \
             the roles changed in {} ms, changes held back for {} ms; new callers were refused for {} ms. Afterwards {} here, {} there, {} bytes behind.",
            follow["took_ms"],
            back_dns.as_millis(),
            drained.as_millis(),
            failback["took_ms"],
            failback["held_back_ms"],
            refused.as_millis(),
            status["here"]["role"],
            status["there"]["role"],
            status["bytes_behind"],
        )?;
        writeln!(
            table,
            "\n{} callers: {} connections lost with the region, {} in the failback, \"I'm back\" {} times; {} calls ended; {} of {} histories go on with every acknowledged sentence; \
             {} tasks acknowledged, {} promised, {} lost, {} doubled.",
            self.lives.len(),
            self.losses(false).count(),
            self.losses(true).count(),
            sum(&|life| life.backs),
            sum(&|life| usize::from(life.ended.is_some())),
            self.lives.iter().filter(|life| life.forgotten().is_empty()).count(),
            self.lives.len(),
            sum(&|life| life.added.len()),
            sum(&|life| life.promised.len()),
            lost.len(),
            sum(&|life| life.doubled().len()),
        )?;
        Ok(())
    }
}

fn row(table: &mut String, what: &str, times: impl Iterator<Item = Duration>) -> Result<()> {
    let mut sorted: Vec<u64> = times.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    let at = |percent| percentile(&sorted, percent).map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    writeln!(table, "| {what} | {} | {} | {} | of {} |", at(50), at(95), at(100), sorted.len())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_was_acknowledged_long_before_the_end_is_a_problem() {
        let killed = Instant::now() + Duration::from_secs(100);
        let own = |text: &str| text.to_owned();
        let told = |before_ms: u64, title: &str| (killed - Duration::from_millis(before_ms), own(title));
        let life = |before_ms| Life {
            added: vec![own("buy milk")],
            told: vec![told(before_ms, "buy milk")],
            said: vec![own("add a task to buy milk")],
            ..Life::default()
        };
        let found = |lives| Found { lives, killed, left: killed + Duration::from_secs(9), times: Times::default() };
        let shortly = found(vec![life(300)]);
        assert_eq!((shortly.lost().len(), shortly.problems()), (1, Vec::<String>::new()));
        assert!(shortly.table().unwrap().contains("RPO: 300 ms (1 of"), "{}", shortly.table().unwrap());
        assert_eq!(found(vec![life(1_500)]).problems().len(), 1);
    }
}
