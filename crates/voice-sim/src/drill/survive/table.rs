//! What the callers noticed, as Markdown, and what should not be.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::super::report::percentile;
use super::What;
use super::ending::Ended;
use super::life::{Doing, Leg, Life, Loss};

/// Longest time from a kill to the next agent audio, at the 95th percentile.
const BROWSER_P95: Duration = Duration::from_secs(2);
const PHONE_P95: Duration = Duration::from_secs(3);
/// Longest gap of a connection in a planned stop, at the 95th percentile, and how soon the process is gone.
const MOVED_P95: Duration = Duration::from_secs(1);
const GONE: Duration = Duration::from_secs(15);
/// After a loss the agent says within this that it is back, unless the next loss comes first.
const TO_SAY_SO: Duration = Duration::from_secs(6);

/// What came of a drill.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) what: What,
    /// How many instances were to be killed.
    pub(super) kills: usize,
    pub(super) lives: Vec<Life>,
    pub(super) ended: Vec<Ended>,
    /// Callers of whom nothing could be learned at the end, and why.
    pub(super) lost: Vec<String>,
}

impl Found {
    pub(super) fn table(&self) -> Result<String> {
        let mut table = String::from("| | P50 | P95 | longest | |\n|---|--:|--:|--:|---|\n");
        for (leg, name) in [(Leg::Browser, "browser"), (Leg::Phone, "telephone")] {
            if self.of(leg).next().is_some() {
                self.rows(&mut table, leg, name)?;
            }
        }
        let gone: Vec<Duration> = self.ended.iter().filter_map(|ended| ended.gone).collect();
        match self.what {
            What::Sentinel => row(&mut table, "master killed → the replica is the master, ms", gone)?,
            What::Kill | What::Deploy => row(&mut table, "signal → old process gone, ms", gone)?,
            What::Redis => {}
        }
        self.sums(&mut table)?;
        Ok(table)
    }

    fn of(&self, leg: Leg) -> impl Iterator<Item = &Life> {
        self.lives.iter().filter(move |life| life.leg == leg)
    }

    fn rows(&self, table: &mut String, leg: Leg, name: &str) -> Result<()> {
        row(table, &format!("{name}: connection lost → there again, ms"), self.back_after(leg))?;
        if self.what == What::Kill {
            row(table, &format!("{name}: kill → next agent audio, ms"), self.heard_after(leg))?;
        }
        let first = self.ended.first().map(|ended| ended.at);
        for (after, when) in [(false, "before"), (true, "from then on")] {
            let answers = self.of(leg).flat_map(|life| life.answers.iter().filter(|answer| self.answers(life, answer)));
            let then = answers.filter(|(said, _)| first.is_some_and(|first| *said >= first) == after);
            row(table, &format!("{name}: answers {when}, ms"), then.map(|(_, took)| *took).collect())?;
        }
        Ok(())
    }

    /// How long each connection was away.
    fn back_after(&self, leg: Leg) -> Vec<Duration> {
        let losses = self.of(leg).flat_map(|life| &life.losses);
        losses.filter_map(|loss| Some(loss.back?.duration_since(loss.at))).collect()
    }

    /// From each kill to the next agent audio, where there was any.
    fn heard_after(&self, leg: Leg) -> Vec<Duration> {
        let losses = self.of(leg).flat_map(Life::heard_after);
        losses.filter_map(|(loss, heard)| Some(heard?.duration_since(self.end_before(loss.at)?))).collect()
    }

    /// Whether this answers what was said. After a kill "I'm back" does not.
    fn answers(&self, life: &Life, (said, took): &(Instant, Duration)) -> bool {
        let amid = |loss: &Loss| loss.at >= *said && loss.at <= *said + *took;
        self.what != What::Kill || !life.losses.iter().any(amid)
    }

    /// The end before this moment.
    fn end_before(&self, at: Instant) -> Option<Instant> {
        self.ended.iter().rev().map(|ended| ended.at).find(|ended| *ended <= at)
    }

    fn sums(&self, table: &mut String) -> Result<()> {
        let sum = |count: &dyn Fn(&Life) -> usize| self.lives.iter().map(count).sum::<usize>();
        let amid = |leg, doing| self.ended.iter().filter(|ended| ended.amid == Some((leg, doing))).count();
        if self.what == What::Kill {
            writeln!(
                table,
                "\n{} kills: {} in a browser caller's sentence, {} in the agent's to one, {} in a telephone caller's, {} in the agent's to one.",
                self.ended.len(),
                amid(Leg::Browser, Doing::Speaks),
                amid(Leg::Browser, Doing::Listens),
                amid(Leg::Phone, Doing::Speaks),
                amid(Leg::Phone, Doing::Listens),
            )?;
            let lost = |doing| {
                self.lives.iter().flat_map(|life| &life.losses).filter(|loss: &&Loss| loss.doing == doing).count()
            };
            writeln!(
                table,
                "\nConnections lost: {} while the caller spoke, {} while the agent spoke, {} while an answer was waited for, {} in silence. \
                 After {} the caller spoke before the agent was heard.",
                lost(Doing::Speaks),
                lost(Doing::Listens),
                lost(Doing::Waits),
                lost(Doing::Nothing),
                self.lives.iter().flat_map(|life| &life.losses).filter(|loss| loss.spoke_first).count(),
            )?;
        }
        let losses = |leg| self.of(leg).map(|life| life.losses.len()).sum::<usize>();
        writeln!(
            table,
            "\n{} callers by browser, {} by telephone: {} and {} connections lost, \"I'm back\" {} times; {} calls ended; {} of {} histories \
             go on with every acknowledged sentence; {} tasks acknowledged, {} promised, {} lost, {} doubled; {} webhooks failed and were asked again at the fallback.",
            self.of(Leg::Browser).count(),
            self.of(Leg::Phone).count(),
            losses(Leg::Browser),
            losses(Leg::Phone),
            sum(&|life| life.backs),
            sum(&|life| usize::from(life.ended.is_some())) + self.lost.len(),
            self.lives.iter().filter(|life| life.forgotten().is_empty()).count(),
            self.lives.len() + self.lost.len(),
            sum(&|life| life.added.len()),
            sum(&|life| life.promised.len()),
            sum(&|life| life.missing().len()),
            sum(&|life| life.doubled().len()),
            sum(&|life| life.fallbacks),
        )?;
        Ok(())
    }

    /// What should not be.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.lost.iter().map(|why| format!("a caller was lost: {why}")).collect();
        for life in &self.lives {
            let who = life.call.as_ref().unwrap_or(&life.user);
            let mut told = Vec::new();
            for (what, which) in
                [("lost", life.missing()), ("doubled", life.doubled()), ("not in the history", life.forgotten())]
            {
                told.extend((!which.is_empty()).then(|| format!("{what}: {which:?}")));
            }
            told.extend(life.ended.as_ref().map(|reason| format!("the call ended: {reason}")));
            told.extend(life.answers.is_empty().then(|| "no answer was ever heard".to_owned()));
            told.extend((life.added.is_empty()).then(|| "no task was ever acknowledged".to_owned()));
            told.extend((life.greetings > 1).then(|| format!("greeted {} times", life.greetings)));
            let moved = self.what != What::Kill && life.backs > 0;
            told.extend(moved.then(|| format!("\"I'm back\" {} times", life.backs)));
            let stands = matches!(self.what, What::Redis | What::Sentinel) && !life.losses.is_empty();
            told.extend(stands.then(|| format!("{} connections lost", life.losses.len())));
            if self.what == What::Kill {
                let silent = life.heard_after().filter(|(_, heard)| heard.is_none()).count();
                told.extend((silent > 0).then(|| format!("nothing was heard after {silent} losses")));
                let unsaid = life.unsaid(TO_SAY_SO);
                if !unsaid.is_empty() {
                    let (few, all) = (unsaid.len(), life.losses.len());
                    let which: Vec<String> = unsaid.iter().map(|loss| self.lost_when(loss)).collect();
                    told.push(format!("no \"I'm back\" after {few} of {all} losses: {}", which.join("; ")));
                }
            }
            problems.extend(told.into_iter().map(|problem| format!("{who}: {problem}")));
        }
        problems.extend(self.misses());
        problems
    }

    /// A loss, as one looks for it in the logs.
    fn lost_when(&self, loss: &Loss) -> String {
        let since = self.ended.first().map_or(Duration::ZERO, |first| loss.at.saturating_duration_since(first.at));
        let after = |when: Option<Instant>| {
            when.map_or_else(|| "never".to_owned(), |at| format!("{} ms later", in_ms(at - loss.at)))
        };
        format!(
            "{} ms after the first kill, while {:?}; there again {}, heard {}: {:?}",
            in_ms(since),
            loss.doing,
            after(loss.back),
            after(loss.heard),
            loss.understood
        )
    }

    /// Targets that were missed.
    fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let mut limit = |what: String, times: Vec<Duration>, limit: Duration| {
            let mut sorted: Vec<u64> = times.iter().map(|time| in_ms(*time)).collect();
            sorted.sort_unstable();
            let p95 = percentile(&sorted, 95).filter(|p95| *p95 >= in_ms(limit));
            misses.extend(p95.map(|p95| format!("{what}: P95 is {p95} ms, and must be below {} ms", in_ms(limit))));
        };
        for (leg, name, heard) in [(Leg::Browser, "browser", BROWSER_P95), (Leg::Phone, "telephone", PHONE_P95)] {
            match self.what {
                What::Kill => limit(format!("{name}: kill → next agent audio"), self.heard_after(leg), heard),
                What::Deploy => {
                    limit(format!("{name}: connection lost → there again"), self.back_after(leg), MOVED_P95)
                }
                What::Redis | What::Sentinel => {}
            }
        }
        let slow = self.ended.iter().filter_map(|ended| ended.gone).filter(|gone| *gone >= GONE);
        if self.what == What::Deploy {
            misses.extend(slow.map(|gone| format!("a process was gone after {} ms only", in_ms(gone))));
        }
        if self.what == What::Kill && self.ended.len() != self.kills {
            misses.push(format!(
                "{} of {} kills: nobody was in the midst of a sentence any more",
                self.ended.len(),
                self.kills
            ));
        }
        misses
    }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn row(table: &mut String, what: &str, times: Vec<Duration>) -> Result<()> {
    let mut sorted: Vec<u64> = times.iter().map(|time| in_ms(*time)).collect();
    sorted.sort_unstable();
    let at = |percent| percentile(&sorted, percent).map_or_else(|| "–".to_owned(), |ms| ms.to_string());
    writeln!(table, "| {what} | {} | {} | {} | of {} |", at(50), at(95), at(100), sorted.len())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(titles: &[&str]) -> Vec<String> {
        titles.iter().map(|title| (*title).to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_should_not_be_is_a_problem_and_what_should_be_is_none() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let well = Life {
            added: own(&["buy milk"]),
            titles: own(&["buy milk"]),
            said: own(&["add a task to buy milk"]),
            answers: vec![(now, second)],
            greetings: 1,
            backs: 1,
            ..Life::default()
        };
        let ill = Life { ended: Some("hung up".to_owned()), ..Life::default() };
        let mut found =
            Found { what: What::Kill, kills: 0, lives: vec![well, ill], ended: Vec::new(), lost: Vec::new() };
        assert_eq!(found.problems().len(), 3, "{:?}", found.problems());
        // Who was moved is told nothing.
        found.what = What::Deploy;
        assert_eq!(found.problems().len(), 4, "{:?}", found.problems());
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_begins_with_the_kill_and_what_answers_nothing_is_no_answer() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let loss = Loss {
            at: now + 2 * second,
            doing: Doing::Waits,
            back: Some(now + 3 * second),
            heard: Some(now + 4 * second),
            said_so: true,
            spoke_first: false,
            understood: String::new(),
        };
        let life = Life {
            losses: vec![loss],
            answers: vec![(now, second / 2), (now + second, 3 * second)],
            ..Life::default()
        };
        let ended = Ended { at: now + second, gone: Some(second), amid: Some((Leg::Browser, Doing::Speaks)) };
        let found = Found { what: What::Kill, kills: 1, lives: vec![life], ended: vec![ended], lost: Vec::new() };
        let table = found.table().expect("a table");
        assert!(table.contains("browser: kill → next agent audio, ms | 3000 | 3000 | 3000 | of 1 |"), "{table}");
        assert!(table.contains("browser: answers before, ms | 500 | 500 | 500 | of 1 |"), "{table}");
        assert!(table.contains("browser: answers from then on, ms | – | – | – | of 0 |"), "{table}");
        assert!(table.contains("1 kills: 1 in a browser caller's sentence"), "{table}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_is_missed_is_a_problem() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let lost = |at: Duration, after: Option<Duration>, said_so| {
            let at = now + at;
            Loss {
                at,
                doing: Doing::Waits,
                back: after.map(|after| at + after),
                heard: after.map(|after| at + after),
                said_so,
                spoke_first: false,
                understood: String::new(),
            }
        };
        let life = |losses| Life {
            leg: Leg::Browser,
            losses,
            answers: vec![(now, second)],
            added: vec!["buy milk".to_owned()],
            titles: vec!["buy milk".to_owned()],
            said: vec!["add a task to buy milk".to_owned()],
            ..Life::default()
        };
        let ended = |gone: Duration| Ended { at: now, gone: Some(gone), amid: None };
        let found = |what, losses, gone| Found {
            what,
            kills: 1,
            lives: vec![life(losses)],
            ended: vec![ended(gone)],
            lost: vec![],
        };
        let problems = |found: Found| found.problems().join("; ");

        assert_eq!(problems(found(What::Kill, vec![lost(second, Some(second / 2), true)], second)), "");
        let slow = found(What::Kill, vec![lost(second, Some(second), true)], second);
        assert_eq!(problems(slow), "browser: kill → next agent audio: P95 is 2000 ms, and must be below 2000 ms");
        // Another kill came before anything was heard: both count from their own kill on.
        let twice = vec![lost(Duration::ZERO, None, false), lost(second, Some(second / 2), true)];
        assert_eq!(problems(found(What::Kill, twice, second)), "");
        let silent = found(What::Kill, vec![lost(second, None, true)], second);
        assert!(problems(silent).contains("nothing was heard after 1 losses"));
        let unsaid = vec![lost(Duration::ZERO, Some(second), false), lost(7 * second, Some(second / 4), true)];
        assert!(problems(found(What::Kill, unsaid, second)).contains("no \"I'm back\" after 1 of 2 losses"));
        let fewer = Found { kills: 3, ..found(What::Kill, vec![], second) };
        assert!(problems(fewer).starts_with("1 of 3 kills"));

        assert_eq!(problems(found(What::Deploy, vec![lost(second, Some(second / 2), false)], second)), "");
        let missed = problems(found(What::Deploy, vec![lost(second, Some(second), false)], 15 * second));
        assert!(missed.contains("P95 is 1000 ms") && missed.contains("gone after 15000 ms"), "{missed}");
        for what in [What::Redis, What::Sentinel] {
            assert!(
                problems(found(what, vec![lost(second, Some(second), false)], second)).contains("1 connections lost")
            );
        }
    }
}
