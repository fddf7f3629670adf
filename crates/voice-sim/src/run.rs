//! One seed: run, and for some of them run again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use voice_core::log::{Digest, Entry, Header};

use crate::kills::{Killing, Kills};
use crate::seen::{Seen, Sights};
use crate::world::{Checked, Life, Violation, World, violated};

/// Every so manieth seed is run twice, and once more from its log.
const REPLAY_EVERY: u64 = 16;

/// A seed that broke an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Virtual milliseconds into the call.
    pub at_ms: u64,
    /// The name of the invariant.
    pub check: String,
    /// What was expected, and what was.
    pub text: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} at {} ms: {}: {}", self.seed, self.at_ms, self.check, self.text)
    }
}

impl std::error::Error for Failure {}

/// A seed that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// What it saw.
    pub sights: Sights,
    /// How often its process was killed, and when.
    pub kills: Kills,
    /// How many inputs its session took.
    pub inputs: u64,
    /// How long its call was, in virtual milliseconds.
    pub virtual_ms: u64,
}

/// A seed, told event by event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What happened, a line for each input and each wish.
    pub lines: Vec<String>,
    /// How it went.
    pub result: Result<Passed, Failure>,
}

/// Runs one seed.
///
/// # Errors
/// [`Failure`] with the invariant that it broke.
pub fn run_seed(seed: u64, killing: Killing) -> Result<Passed, Failure> {
    let logged = seed.is_multiple_of(REPLAY_EVERY);
    let (result, mut world) = run_world(seed, killing, logged, false);
    let mut passed = result?;
    if let Some(lives) = world.as_mut().and_then(|world| world.log.take()) {
        let (_, again) = run_world(seed, killing, true, false);
        let at_ms = passed.virtual_ms;
        let twice = again.and_then(|world| world.log).unwrap_or_default();
        if twice != lives {
            let text = "the same seed did something else the second time".to_owned();
            return Err(Failure { seed, at_ms, check: "replay is bit-identical".to_owned(), text });
        }
        replay(&lives).map_err(|violation| failure(seed, at_ms, violation))?;
        passed.sights.add(Seen::Replayed);
    }
    Ok(passed)
}

/// Runs one seed and tells everything that happened.
pub fn trace_seed(seed: u64, killing: Killing) -> Trace {
    let (result, world) = run_world(seed, killing, false, true);
    Trace { lines: world.map(|world| world.lines).unwrap_or_default(), result }
}

/// What one seed's call was told: each of its processes' header and inputs, in their order.
///
/// # Errors
/// [`Failure`] with the invariant that it broke.
pub fn log_seed(seed: u64, killing: Killing) -> Result<Vec<(Header, Vec<Entry>)>, Failure> {
    let (result, world) = run_world(seed, killing, true, false);
    let lives = world.and_then(|world| world.log).unwrap_or_default();
    result.map(|_| lives.into_iter().map(|life| (life.header, life.entries)).collect())
}

/// Runs a seed's world. After a panic there is none left.
fn run_world(seed: u64, killing: Killing, logged: bool, trace: bool) -> (Result<Passed, Failure>, Option<World>) {
    let mut world = World::new(seed, killing, logged, trace);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let at_ms = world.now_ms;
    let result = match result {
        Ok(Ok(())) => {
            // In chaos the clock is anywhere.
            let virtual_ms = if world.profile.chaos { 0 } else { at_ms };
            Ok(Passed { sights: world.sights, kills: world.kills, inputs: world.inputs, virtual_ms })
        }
        Ok(Err(violation)) => Err(failure(seed, at_ms, violation)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "no message".to_owned());
            Err(Failure { seed, at_ms, check: "no panic".to_owned(), text })
        }
    };
    (result, Some(world))
}

fn failure(seed: u64, at_ms: u64, violation: Violation) -> Failure {
    Failure { seed, at_ms, check: violation.check.to_owned(), text: violation.text }
}

/// Runs a call again from its log, after a trip through JSON.
fn replay(lives: &[Life]) -> Checked {
    const CHECK: &str = "a log replays bit for bit";
    for life in lives {
        let header: Header = through_json(&life.header)?;
        let Ok(mut session) = header.begin() else { return violated(CHECK, "the log's header does not begin") };
        let mut digest = Digest::default();
        for entry in &life.entries {
            let Entry { at_ms, input, digest: logged } = through_json(entry)?;
            session.handle_input(at_ms, input);
            while let Some(output) = session.poll_output() {
                if let Err(error) = digest.add(&output) {
                    return violated(CHECK, error.to_string());
                }
            }
            if digest.value() != logged {
                return violated(CHECK, format!("at {at_ms} ms, after {:?}", entry.input));
            }
        }
    }
    Ok(())
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<T, Violation> {
    let json = serde_json::to_string(value).map_err(|error| error.to_string());
    let read = json.and_then(|json| serde_json::from_str(&json).map_err(|error| error.to_string()));
    read.map_err(|text| Violation { check: "a log survives JSON", text })
}
