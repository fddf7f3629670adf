//! What would be a new task, but only points at tasks that were spoken of: "the second one for tomorrow", "both of them on Sunday".

use super::act::Scene;
use super::dialogue;
use super::normalise::{Utterance, norms, tokenise};
use super::parse::{self, Intent, NewTask, Pick, Target};
use super::titles;

/// The command that such words stand for; all others stay as they are.
pub(crate) fn pointed_at(scene: &Scene<'_>, utterance: &Utterance, intent: Intent) -> Intent {
    let intent = match &intent {
        Intent::Add(tasks) | Intent::Offer(tasks) => dated_pointer(tasks).unwrap_or(intent),
        _ => intent,
    };
    match intent {
        Intent::SetDue(Target::Them, due) if both(scene, utterance) => {
            Intent::SetDue(Target::Picked(vec![Pick::Both]), due)
        }
        Intent::SetDue(target, due) => Intent::SetDue(the_other(scene, &target).unwrap_or(target), due),
        Intent::SetPriority(target, priority) => {
            Intent::SetPriority(the_other(scene, &target).unwrap_or(target), priority)
        }
        other => other,
    }
}

fn dated_pointer(tasks: &[NewTask]) -> Option<Intent> {
    let [NewTask { title, due: due @ Some(_), .. }] = tasks else { return None };
    let words = tokenise(title);
    let target = parse::target(&words)?;
    let picks = match target {
        Target::Picked(_) => parse::counts_tasks(&norms(&words)),
        Target::It | Target::Them => true,
        _ => false,
    };
    picks.then_some(Intent::SetDue(target, *due))
}

/// Whether "both" are two that were told or added one behind the other, and not what the last turn spoke of.
fn both(scene: &Scene<'_>, utterance: &Utterance) -> bool {
    let said = utterance.words.iter().any(|word| word.norm == "both");
    let two = dialogue::counted(scene.history()).len() == 2 || dialogue::added(scene.history()).len() == 2;
    said && dialogue::focus(scene.history()).len() < 2 && two
}

/// "The other call": of the tasks with that word, the one that was not spoken of last.
fn the_other(scene: &Scene<'_>, target: &Target) -> Option<Target> {
    let Target::Title(title) = target else { return None };
    let lower = title.to_lowercase();
    let named = lower.strip_prefix("the other ").or_else(|| lower.strip_prefix("other "))?;
    let words: Vec<&str> = named.split(' ').collect();
    // "Call the other school" is called so.
    if scene.titles.any(|title| title.split(' ').any(|word| word == "other")) {
        return None;
    }
    let focus = dialogue::focus(scene.history());
    let is_other =
        |title: &&String| titles::has_words(&words, title) && focus.iter().all(|task| task.title != title.as_str());
    let mut others = scene.request.titles.iter().filter(is_other);
    others.next().filter(|_| others.next().is_none()).map(|title| Target::Title(title.clone()))
}
