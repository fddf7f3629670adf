//! What ends in the midst of the calls.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use super::super::fleet::{Instance, Launch};
use super::balancer::Balancer;
use super::life::{Doing, Leg, Seat};
use super::redis::Redis;
use super::{Survive, What};
use crate::dice::Dice;

/// Longest wait for somebody who is in the midst of a sentence.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at the callers.
const LOOK: Duration = Duration::from_millis(7);

/// Everything that can end.
pub(super) struct Stage {
    pub(super) launch: Launch,
    pub(super) balancer: Balancer,
    pub(super) fleet: Vec<Instance>,
    pub(super) redis: Redis,
    /// The callers.
    pub(super) seats: Vec<(Leg, Seat)>,
    /// How many instances were started.
    started: usize,
    dice: Dice,
}

/// An end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Instant,
    /// How long the process took to be gone, where one ended.
    pub(super) gone: Option<Duration>,
    /// In whose sentence an instance was killed.
    pub(super) amid: Option<(Leg, Doing)>,
}

impl Stage {
    pub(super) fn new(launch: Launch, balancer: Balancer, redis: Redis) -> Self {
        Self { launch, balancer, fleet: Vec::new(), redis, seats: Vec::new(), started: 0, dice: Dice::new(1) }
    }

    /// One more instance, to which callers are sent once it is ready.
    pub(super) async fn start(&mut self) -> Result<()> {
        self.started += 1;
        let instance = Instance::start(&self.launch, &format!("instance-{}", self.started)).await?;
        self.balancer.add(instance.address);
        self.fleet.push(instance);
        Ok(())
    }

    /// Ends what is to end.
    pub(super) async fn end(&mut self, drill: &Survive) -> Result<Vec<Ended>> {
        let mut ended = Vec::new();
        match drill.what {
            What::Kill => {
                for number in 0..drill.kills {
                    sleep(drill.between * u32::try_from(self.dice.between(80, 120))? / 100).await;
                    // Fewer kills than were asked for are a failure of the drill: its verdict says so.
                    let Some(victim) = self.amid_sentence(number).await else { break };
                    ended.push(self.kill(victim).await?);
                    self.start().await?;
                }
            }
            What::Deploy => {
                for _ in 0..self.fleet.len() {
                    self.start().await?;
                    ended.push(self.replace().await?);
                    sleep(drill.talk).await;
                }
            }
            What::Redis => {
                ended.push(Ended { at: Instant::now(), gone: None, amid: None });
                self.redis.hold(true)?;
                sleep(drill.stands).await;
                self.redis.hold(false)?;
                sleep(drill.talk).await;
                ended.push(Ended { at: Instant::now(), gone: None, amid: None });
                self.redis.restart().await?;
            }
            What::Sentinel => {
                let at = Instant::now();
                self.redis.fail_over().await?;
                ended.push(Ended { at, gone: Some(at.elapsed()), amid: None });
            }
        }
        Ok(ended)
    }

    /// The instance of somebody who is in the midst of a sentence: the caller's, the agent's, and so on in turn. None when nobody is for long:
    /// the calls have ended, which is told of them.
    async fn amid_sentence(&mut self, number: usize) -> Option<(usize, Leg, Doing)> {
        let doing = if number.is_multiple_of(2) { Doing::Speaks } else { Doing::Listens };
        let has = |leg| self.seats.iter().any(|(other, _)| *other == leg);
        let leg = match number / 2 % 2 {
            0 if has(Leg::Phone) => Leg::Phone,
            _ if has(Leg::Browser) => Leg::Browser,
            _ => Leg::Phone,
        };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(index) = self.find(leg, doing) {
                return Some((index, leg, doing));
            }
            sleep(LOOK).await;
        }
        None
    }

    async fn kill(&mut self, (index, leg, doing): (usize, Leg, Doing)) -> Result<Ended> {
        let mut victim = self.fleet.remove(index);
        let at = Instant::now();
        victim.kill()?;
        let gone = Some(victim.gone(at.into_std()).await?);
        self.balancer.remove(victim.address);
        Ok(Ended { at, gone, amid: Some((leg, doing)) })
    }

    /// The instance of such a caller, wherever the search begins.
    fn find(&mut self, leg: Leg, doing: Doing) -> Option<usize> {
        let first = usize::try_from(self.dice.below(self.seats.len() as u64)).ok()?;
        let mut seats = (0..self.seats.len()).map(|at| &self.seats[(first + at) % self.seats.len()]);
        seats.find_map(|(other, seat)| {
            let place = seat.place();
            let line = place.line.filter(|_| *other == leg && place.doing == doing)?;
            let address = self.balancer.instance_of(line)?;
            self.fleet.iter().position(|instance| instance.address == address)
        })
    }

    /// Stops the oldest instance, and waits until it is gone.
    async fn replace(&mut self) -> Result<Ended> {
        let mut old = self.fleet.remove(0);
        let at = Instant::now();
        old.stop()?;
        let gone = Some(old.gone(at.into_std()).await.context("an instance that was told to stop")?);
        self.balancer.remove(old.address);
        Ok(Ended { at, gone, amid: None })
    }
}
