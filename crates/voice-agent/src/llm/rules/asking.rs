//! Questions back to the caller, for what a command lacks.

use super::act::Scene;
use super::locate::locate;
use super::normalise::Utterance;
use super::parse::{self, Intent, Missing, Target};
use super::{Answer, dates, reply};

pub(crate) fn bare_date(scene: &Scene<'_>, due: dates::Due) -> Answer {
    let spoken = dates::speak_due(due, &scene.request.now);
    Answer::say(format!(
        "What about {}? You can say, what's due {spoken}, or add a task for that day.",
        spoken.trim_start_matches("on ")
    ))
}

/// Asked when a task without a name is to be added.
pub(crate) const ASK_TITLE: &str = "What should the task be called?";

/// The question for what a command lacks.
pub(crate) fn ask_for(scene: &Scene<'_>, missing: Missing, inner: &Intent) -> String {
    match (missing, inner) {
        (Missing::Title, Intent::Add(_)) => ASK_TITLE.into(),
        (Missing::Title, Intent::Delete(_)) => "Which task shall I delete?".into(),
        (Missing::Title, Intent::Complete(_)) => "Which task have you done?".into(),
        (Missing::Title, Intent::Reopen(_)) => "Which task shall I open again?".into(),
        (Missing::Title, _) => "Which task do you mean?".into(),
        (Missing::Date, Intent::SetDue(target, _)) => {
            if let Err(question) = locate(scene, target) {
                return question;
            }
            let words = |title: &String| title.to_lowercase();
            let named = match target {
                Target::Title(title) => scene.titles.named(&words(title).split(' ').collect::<Vec<_>>()),
                _ => None,
            };
            named.map_or_else(|| "To when?".into(), |title| format!("To when shall I move {}?", reply::spoken(title)))
        }
        (Missing::Date, Intent::Add(tasks)) => {
            let titles: Vec<String> = tasks.iter().map(|task| reply::spoken(&task.title)).collect();
            format!("That is in the past, so I haven't added {} yet. For when shall I?", reply::join(&titles, "and"))
        }
        (Missing::Date, _) => "For when?".into(),
        (Missing::NewTitle, _) => "What should it be called instead?".into(),
        (Missing::Priority, _) => "High, normal or low?".into(),
    }
}

/// "Which one: A or B?", asked in words because "it" could have been several.
pub(crate) fn answer_which(
    scene: &Scene<'_>,
    asked: &Intent,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    let named = match intent {
        Intent::Pick(picks) => Target::Picked(picks.clone()),
        Intent::Cancel | Intent::No => return Some(vec![Intent::Enough]),
        intent if intent.is_command() => return None,
        Intent::Unknown | Intent::Offer(_) | Intent::Correct(_) => parse::target(&utterance.words)?,
        _ => return None,
    };
    let unclear = |target: &Target| !matches!(target, Target::Title(_));
    Some(vec![match asked {
        Intent::Complete(targets) if targets.iter().all(unclear) => Intent::Complete(vec![named]),
        Intent::Reopen(target) if unclear(target) => Intent::Reopen(named),
        Intent::SetDue(target, due) if unclear(target) => Intent::SetDue(named, *due),
        Intent::SetPriority(target, priority) if unclear(target) => Intent::SetPriority(named, *priority),
        Intent::Rename(target, new) if unclear(target) => Intent::Rename(named, new.clone()),
        Intent::Delete(targets) if targets.iter().all(unclear) => Intent::Delete(vec![named]),
        _ => return None,
    }])
    .filter(|_| scene.current().is_some())
}
