//! `make eval`: whether callers get what they ask for, typed and spoken, with voices that are not ours.
//!
//! Every dialogue runs through the real session: VAD, speech recognition, end of turn, language model, tools and store; in
//! virtual time, so that a minute of conversation takes as long as its models compute. Only the agent's voice is left out.
//! Prints Markdown. docs/evaluation.md says what each figure means and keeps the last table.

mod call;
mod check;
mod dialogue;
mod dice;
mod line;
mod models;
mod player;
mod report;
mod run;
mod speech;
mod store;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use voice_agent::model::runtime::default_models_dir;

use crate::dialogue::Dialogue;
use crate::line::{Condition, FRAME};
use crate::report::line;
use crate::run::{Caller, Spoken, on_threads};
use crate::speech::{Clips, Voice, speak_all};

/// Places in a frame at which commands begin in the phases part.
const PHASES: usize = 10;
/// As far as a window of the VAD reaches beyond a frame's grid, they are spread over both.
const PHASE_SPAN: usize = 2 * FRAME + 192;

/// What is evaluated.
#[derive(Debug, Parser)]
struct Args {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_name = "typed,spoken,phases", default_value = "typed,spoken")]
    only: Vec<String>,
    /// Only these voices.
    #[arg(long, value_delimiter = ',', default_value = "espeak-ng:en-us,flite:slt,flite:rms")]
    voices: Vec<String>,
    /// Only these conditions.
    #[arg(long, value_enum, value_delimiter = ',')]
    conditions: Vec<Condition>,
    /// Only dialogues whose name has this in it.
    #[arg(long)]
    named: Option<String>,
    /// Which are spoken: those that this list among the dialogues names.
    #[arg(long, default_value = "spoken")]
    list: String,
    /// Threads; each has its own models.
    #[arg(long)]
    threads: Option<usize>,
    /// Where what was spoken is kept.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/eval"))]
    speech_dir: PathBuf,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    fn wants(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }

    fn chosen(&self, dialogues: Vec<Dialogue>) -> Vec<Dialogue> {
        let named = self.named.as_deref().unwrap_or_default();
        dialogues.into_iter().filter(|dialogue| dialogue.name.contains(named)).collect()
    }

    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// A voice's clips as they come out of a line.
struct Line {
    voice: String,
    condition: Condition,
    clips: Clips,
    background: Arc<Vec<i16>>,
}

impl Line {
    fn caller(&self) -> Caller<'_> {
        let background = Arc::clone(&self.background);
        Caller { voice: &self.voice, condition: self.condition, clips: &self.clips, background }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let models_dir = std::env::var_os("MODELS_DIR").map_or_else(default_models_dir, PathBuf::from);
    line(&format!("## Evaluation of voice-agent {}\n", env!("CARGO_PKG_VERSION")))?;
    let began = std::time::Instant::now();
    let (all, others) = dialogue::all()?;
    let spoken = args.chosen(dialogue::spoken(&all, &args.list)?);
    if args.wants("typed") {
        let typed = args.chosen(all);
        let outcomes =
            on_threads(args.threads(), &models_dir, &typed, async |house, dialogue| run::typed(house, dialogue).await)?;
        report::typed(&outcomes, others)?;
    }
    if args.wants("spoken") || args.wants("phases") {
        let lines = lines(&args, &spoken)?;
        if args.wants("spoken") {
            speak(&args, &models_dir, &lines, &spoken)?;
        }
        if args.wants("phases") {
            phases(&args, &models_dir, &lines, &spoken)?;
        }
    }
    line(&format!("It took {} s.", began.elapsed().as_secs()))
}

/// Every voice that is there, on every line.
fn lines(args: &Args, dialogues: &[Dialogue]) -> Result<Vec<Line>> {
    let texts: BTreeSet<String> =
        dialogues.iter().flat_map(|dialogue| &dialogue.turns).map(|turn| turn.say.clone()).collect();
    let texts: Vec<String> = texts.into_iter().collect();
    let conditions = if args.conditions.is_empty() { Condition::ALL.to_vec() } else { args.conditions.clone() };
    let mut lines = Vec::new();
    for name in &args.voices {
        let voice = Voice::parse(name)?;
        if !voice.is_installed() {
            line(&format!("**{name} is not installed and was left out.**\n"))?;
            continue;
        }
        let clips = speak_all(&voice, &texts, &args.speech_dir)?;
        for &condition in &conditions {
            let background = condition.background(&clips);
            let carried = clips.iter().map(|(text, pcm)| Ok((text.clone(), Arc::new(condition.carry(pcm)?))));
            let clips = carried.collect::<Result<Clips>>()?;
            lines.push(Line { voice: voice.name.clone(), condition, clips, background });
        }
    }
    Ok(lines)
}

fn speak(args: &Args, models_dir: &Path, lines: &[Line], dialogues: &[Dialogue]) -> Result<()> {
    let jobs: Vec<(usize, &Dialogue)> =
        lines.iter().enumerate().flat_map(|(line, _)| dialogues.iter().map(move |dialogue| (line, dialogue))).collect();
    let outcomes = on_threads(args.threads(), models_dir, &jobs, async |house, (line, dialogue)| {
        let line = lines.get(*line).context("a line")?;
        run::spoken(house, &line.caller(), dialogue).await
    })?;
    let mut by_line: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for ((line, _), outcome) in jobs.iter().zip(outcomes) {
        by_line.entry(*line).or_default().push(outcome);
    }
    let cells: Vec<Spoken> = lines
        .iter()
        .zip(by_line.into_values())
        .map(|(line, outcomes)| Spoken { voice: line.voice.clone(), condition: line.condition, outcomes })
        .collect();
    report::spoken(&cells)
}

/// The first sentences of some dialogues, each at many places in a frame.
fn phases(args: &Args, models_dir: &Path, lines: &[Line], dialogues: &[Dialogue]) -> Result<()> {
    let places: Vec<usize> = (0..PHASES).map(|phase| phase * PHASE_SPAN / PHASES).collect();
    let some = dialogues.iter().step_by((dialogues.len() / 12).max(1));
    let jobs: Vec<(usize, &Dialogue)> =
        some.flat_map(|dialogue| (0..lines.len()).map(move |line| (line, dialogue))).collect();
    let heard = on_threads(args.threads(), models_dir, &jobs, async |house, (line, dialogue)| {
        let line = lines.get(*line).context("a line")?;
        run::at_phases(house, &line.caller(), dialogue, &places).await
    })?;
    let name = |line: usize| lines.get(line).map(|line| format!("{}, {}", line.voice, line.condition.name()));
    let rows: Vec<_> = jobs
        .iter()
        .zip(heard)
        .map(|((line, dialogue), texts)| {
            let said = dialogue.turns.first().map(|turn| turn.say.clone()).unwrap_or_default();
            (name(*line).unwrap_or_default(), said, texts)
        })
        .collect();
    report::phases(&rows)
}
