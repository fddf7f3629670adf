//! Every cell of the matrix: the caller hears all of the answer, once, and the metrics and the log say why somebody else gave it.

use futures_util::future::join_all;
use voice_core::provider::Stage;
use voice_sim::drill::{Cell, Says, matrix};

use super::super::process::Home;
use super::lane::{Lane, PATIENT, SETTINGS, Setting};

/// Servers that are called side by side, for faults that are known by their silence, and for those that say so or do no harm: speech
/// takes its time, and a small machine has enough for these.
const LANES: [usize; 2] = [2, 4];

/// Calls every cell of a lane, and tells what was not as it should be.
async fn drill(home: &Home, name: String, settings: &[Setting], cells: Vec<Cell>) -> Vec<String> {
    let mut lane = Lane::start_with(home, &name, settings, |_, value| value).await;
    let task = lane.call(Says::Task, None).await;
    let talk = lane.call(Says::Talk, None).await;
    assert_eq!((task.heard.as_str(), task.tasks.len()), ("added buy milk", 1), "{task:?}");
    assert_eq!(talk.heard, "i heard i would like to talk about coffee and cake", "{talk:?}");
    let mut problems = Vec::new();
    for cell in &cells {
        let healthy = if cell.says == Says::Task { &task } else { &talk };
        let outcome = lane.call(cell.says, Some(cell)).await;
        let mut found = outcome.problems(cell, healthy);
        let reasons = lane.reasons(cell.stage, &outcome.session);
        let named = reasons.iter().any(|reason| cell.reasons.contains(&reason.as_str()));
        if !cell.is_harmless() && !named {
            found.push(format!("the log says {reasons:?}"));
        }
        problems.extend(
            found.into_iter().map(|problem| format!("{} ({:?}): {problem}\n  {outcome:?}", cell.fault, cell.says)),
        );
    }
    problems.extend(lane.providers.journal().warnings());
    problems
}

/// Whether it may be known by the time that passes alone.
fn is_silent(cell: &Cell) -> bool {
    cell.reasons.contains(&"timeout")
}

/// A busy machine makes a provider as late as a fault does: only where lateness is what is looked for does it bring the next one soon.
async fn drill_stage(stage: Stage) {
    let home = Home::with(SETTINGS).await;
    let (silent, rest): (Vec<Cell>, Vec<Cell>) = matrix(stage).unwrap().into_iter().partition(is_silent);
    let sides: [(&str, &[Setting], Vec<Cell>); 2] = [("silent", &[], silent), ("other", &PATIENT, rest)];
    let lanes = sides.into_iter().zip(LANES).flat_map(|((name, settings, cells), lanes)| {
        let dealt = (0..lanes).map(|lane| cells.iter().skip(lane).step_by(lanes).cloned().collect());
        let dealt: Vec<Vec<Cell>> = dealt.collect();
        let home = &home;
        dealt
            .into_iter()
            .enumerate()
            .map(move |(lane, cells)| drill(home, format!("{}-{name}-{lane}", stage.as_str()), settings, cells))
    });
    let problems = join_all(lanes).await.concat();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_recogniser_costs_a_word() {
    drill_stage(Stage::Stt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_language_model_costs_a_word_or_doubles_a_task() {
    drill_stage(Stage::Llm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_voice_costs_a_word() {
    drill_stage(Stage::Tts).await;
}
