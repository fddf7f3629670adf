//! What is printed: Markdown.

use std::io::Write as _;

use anyhow::Result;

use crate::run::{Outcome, Spoken};

/// Prints a line, or several.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// A cell of the table, and what it is made of.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    passed: usize,
    dialogues: usize,
    errors: usize,
    words: usize,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.dialogues += 1;
        self.passed += usize::from(outcome.fault.is_none());
        self.errors += outcome.turns.iter().map(|turn| turn.errors).sum::<usize>();
        self.words += outcome.turns.iter().map(|turn| turn.words).sum::<usize>();
    }
}

/// How the typed dialogues went.
pub(crate) fn typed(outcomes: &[Outcome], others: usize) -> Result<()> {
    let mut sum = Sum::default();
    outcomes.iter().for_each(|outcome| sum.add(outcome));
    line("### Typed\n")?;
    line(&format!(
        "{} of {} dialogues end as they should: {:.1} % (target 97 %). {others} more need a store that fails, or a reply that is cut short, and are in the tests alone.\n",
        sum.passed,
        sum.dialogues,
        percent(sum.passed, sum.dialogues)
    ))?;
    for outcome in outcomes {
        if let Some(fault) = &outcome.fault {
            line(&format!("- {}: {fault}", outcome.name))?;
        }
    }
    line("")
}

/// How the spoken dialogues went.
pub(crate) fn spoken(cells: &[Spoken]) -> Result<()> {
    line("### Spoken\n")?;
    line("| Voice | Condition | Dialogues | Success | Word error rate |\n|---|---|---:|---:|---:|")?;
    let mut conditions: Vec<_> = cells.iter().map(|cell| cell.condition).collect();
    conditions.sort();
    conditions.dedup();
    let row = |voice: &str, condition: &str, sum: Sum| {
        line(&format!(
            "| {voice} | {condition} | {} | {:.1} % | {:.1} % |",
            sum.dialogues,
            percent(sum.passed, sum.dialogues),
            percent(sum.errors, sum.words)
        ))
    };
    for condition in conditions {
        let mut all = Sum::default();
        for cell in cells.iter().filter(|cell| cell.condition == condition) {
            let mut sum = Sum::default();
            for outcome in &cell.outcomes {
                sum.add(outcome);
                all.add(outcome);
            }
            row(&cell.voice, condition.name(), sum)?;
        }
        row("**all**", condition.name(), all)?;
    }
    line("\n### What failed\n")?;
    for cell in cells {
        for outcome in &cell.outcomes {
            let Some(fault) = &outcome.fault else { continue };
            let heard_right = outcome.turns.iter().all(|turn| turn.errors == 0);
            let right = if heard_right { " **(heard right)**" } else { "" };
            line(&format!("- {}, {}: {}{right}", cell.voice, cell.condition.name(), outcome.name))?;
            for turn in outcome.turns.iter().filter(|turn| turn.errors > 0 || heard_right) {
                line(&format!("  - said: {} → heard: {}", turn.said, turn.heard))?;
            }
            line(&format!("  - {fault}"))?;
        }
    }
    line("")
}

/// A voice, what it said, and what was heard at each place: the text, and whether it was right.
pub(crate) type AtPhases = (String, String, Vec<(String, bool)>);

/// What a command was heard as, over the places in a frame where it began.
pub(crate) fn phases(heard: &[AtPhases]) -> Result<()> {
    line("### Where in a frame a command begins\n")?;
    line("| Voice | Said | Heard right | Otherwise heard as |\n|---|---|---:|---|")?;
    let (mut right, mut all) = (0, 0);
    for (voice, said, texts) in heard {
        let good = texts.iter().filter(|(_, good)| *good).count();
        (right, all) = (right + good, all + texts.len());
        let mut wrong: Vec<&str> = texts.iter().filter(|(_, good)| !good).map(|(text, _)| text.as_str()).collect();
        wrong.sort_unstable();
        wrong.dedup();
        line(&format!("| {voice} | {said} | {good} of {} | {} |", texts.len(), wrong.join("; ")))?;
    }
    line(&format!("\nHeard right: {right} of {all}, {:.1} %.\n", percent(right, all)))
}
