//! The dialogues, one after another on each of some threads.

use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::call::House;
use crate::check;
use crate::dialogue::Dialogue;
use crate::dice::Dice;
use crate::line::{Condition, Wire};
use crate::models;
use crate::speech::Clips;
use crate::words::{errors, words};

/// A caller takes at least so long before he speaks, in samples.
const LEAST_LEAD: usize = 6_400;
/// And up to so much longer: over two windows of the VAD, so that every place in them occurs.
const MORE_LEAD: usize = 1_280;

/// A caller who types takes at least so long for the first words.
const FIRST_WORDS: Duration = Duration::from_millis(500);

/// What became of a dialogue.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// The first thing that was not as it should be.
    pub(crate) fault: Option<String>,
    pub(crate) turns: Vec<Heard>,
}

/// What a turn was heard as.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) said: String,
    pub(crate) heard: String,
    pub(crate) errors: usize,
    pub(crate) words: usize,
}

/// One voice on one line.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) voice: String,
    pub(crate) condition: Condition,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Does all jobs on `threads` threads, each with models and a virtual time of its own; the answers are in the jobs' order.
pub(crate) fn on_threads<J, R>(
    threads: usize,
    models_dir: &Path,
    jobs: &[J],
    work: impl AsyncFn(&House, &J) -> Result<R> + Sync,
) -> Result<Vec<R>>
where
    J: Sync,
    R: Send,
{
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let thread = || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let house = House::open(models::load(models_dir)?)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return Ok(()) };
            let result = runtime.block_on(work(&house, job))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.min(jobs.len())).map(|_| scope.spawn(thread)).collect();
        running.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Types a dialogue.
pub(crate) async fn typed(house: &House, dialogue: &Dialogue) -> Result<Outcome> {
    let mut call = house.call(dialogue).await?;
    let mut fault = None;
    let mut list = call.list().await?;
    // Nobody types at once: the session knows the list by then.
    tokio::time::sleep(FIRST_WORDS).await;
    for said in &dialogue.turns {
        let done = call.type_in(&said.say).await.with_context(|| dialogue.name.clone())?;
        let wrong = check::turn(said, &done, &call.titles, false)?;
        fault = fault.or_else(|| wrong.map(|wrong| format!("{:?} → {:?}: {wrong}", said.say, done.reply)));
        list = done.list;
    }
    call.hang_up().await;
    let wrong = dialogue.after.as_ref().and_then(|after| check::list(after, &list, false));
    Ok(Outcome { name: dialogue.name.clone(), fault: fault.or(wrong), turns: Vec::new() })
}

/// A voice on a line, and what is said.
pub(crate) struct Caller<'c> {
    pub(crate) voice: &'c str,
    pub(crate) condition: Condition,
    /// What comes out of the line.
    pub(crate) clips: &'c Clips,
    pub(crate) background: std::sync::Arc<Vec<i16>>,
}

/// Speaks a dialogue.
pub(crate) async fn spoken(house: &House, caller: &Caller<'_>, dialogue: &Dialogue) -> Result<Outcome> {
    let mut dice = Dice::new(&format!("{} {} {}", caller.voice, caller.condition.name(), dialogue.name));
    let mut wire = Wire::new(caller.background.clone(), &mut dice);
    let mut call = house.call(dialogue).await?;
    call.pick_up(&mut wire).await?;
    let (mut fault, mut turns) = (None, Vec::new());
    let mut list = call.list().await?;
    for said in &dialogue.turns {
        let pcm = caller.clips.get(&said.say).context("a clip")?;
        let (heard, done) = call.say(&mut wire, LEAST_LEAD + dice.below(MORE_LEAD), pcm).await?;
        let wrong = check::turn(said, &done, &call.titles, true)?;
        fault = fault.or_else(|| wrong.map(|wrong| format!("{:?} → {:?}: {wrong}", said.say, done.reply)));
        list = done.list;
        turns.push(compare(&said.say, heard));
    }
    call.hang_up().await;
    let wrong = dialogue.after.as_ref().and_then(|after| check::list(after, &list, true));
    Ok(Outcome { name: dialogue.name.clone(), fault: fault.or(wrong), turns })
}

/// Says one thing at each of these places in a frame, each in a call of its own; what was heard.
pub(crate) async fn at_phases(
    house: &House,
    caller: &Caller<'_>,
    dialogue: &Dialogue,
    phases: &[usize],
) -> Result<Vec<(String, bool)>> {
    let mut texts = Vec::new();
    for phase in phases {
        let mut wire = Wire::new(caller.background.clone(), &mut Dice::new("phases"));
        let mut call = house.call(dialogue).await?;
        call.pick_up(&mut wire).await?;
        let said = &dialogue.turns.first().context("a turn")?.say;
        let pcm = caller.clips.get(said).context("a clip")?;
        let (heard, _) = call.say(&mut wire, LEAST_LEAD + phase, pcm).await?;
        call.hang_up().await;
        let good = compare(said, heard.clone()).errors == 0;
        texts.push((heard, good));
    }
    Ok(texts)
}

fn compare(said: &str, heard: String) -> Heard {
    let (right, got) = (words(said), words(&heard));
    Heard { said: said.to_owned(), heard, errors: errors(&right, &got), words: right.len() }
}
