//! A few hundred calls in every test run; `make test` runs ten thousand through the binary.

use voice_sim::{KillPoint, Killing, Kills, Seen, Sights, run_seed, trace_seed};

const SEEDS: u64 = 2_000;

#[test]
fn the_first_seeds_are_clean_and_the_simulator_is_not_blind() {
    let mut counts = vec![0u32; Seen::ALL.len()];
    for seed in 0..SEEDS {
        let passed = run_seed(seed, Killing::ByChance).unwrap_or_else(|failure| panic!("{failure}"));
        for (count, (seen, _)) in counts.iter_mut().zip(Seen::ALL) {
            *count += u32::from(passed.sights.has(*seen));
        }
    }
    let blind: Vec<&str> =
        Seen::ALL.iter().zip(&counts).filter(|(_, count)| **count == 0).map(|((_, name), _)| *name).collect();
    assert!(blind.is_empty(), "no seed of {SEEDS} saw: {blind:?}");
}

/// A tool takes effect once, whenever its process is killed: the store of the simulator would say so otherwise.
#[test]
fn calls_that_are_killed_at_every_point_of_a_turn_are_clean() {
    let mut kills = Kills::default();
    for seed in 0..SEEDS / 2 {
        let passed = run_seed(seed, Killing::AmidTurns).unwrap_or_else(|failure| panic!("{failure}"));
        kills.add_all(passed.kills);
    }
    for (point, name) in KillPoint::ALL {
        assert!(kills.at(*point) > 0, "nothing was killed {name}");
    }
}

#[test]
fn a_traced_seed_is_the_seed() {
    let trace = trace_seed(7, Killing::ByChance);
    let passed = run_seed(7, Killing::ByChance).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(trace.result.map(|passed| (passed.inputs, passed.virtual_ms)), Ok((passed.inputs, passed.virtual_ms)));
    assert!(trace.lines.iter().any(|line| line.contains("> Client")));
}

#[test]
fn nothing_is_seen_that_was_not() {
    let mut sights = Sights::default();
    sights.add(Seen::SnapshotChecked);
    assert!(sights.has(Seen::SnapshotChecked) && !sights.has(Seen::Restored));
}
