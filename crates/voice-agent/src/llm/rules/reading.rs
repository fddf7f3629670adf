//! From what was said to what is done: the plain reading first, then simpler ways to say the same, then the gist of it.

use super::Answer;
use super::act::{Scene, carry_out_all, targets_of};
use super::anchor::{self, Anchor};
use super::answer::resolve;
use super::context;
use super::dates;
use super::dialogue;
use super::doing;
use super::gist;
use super::normalise::{Utterance, Word, norms};
use super::offer::on_an_offer;
use super::parse::{self, Intent, Missing, Talk, Target};
use super::sequel;
use super::simpler;

/// The answer to what the caller has just said.
pub(crate) fn first_round(scene: &Scene<'_>, user: &str) -> Answer {
    let heard = scene.heard(user);
    let (utterance, intents) = match anchor::resolve(scene, &heard) {
        Anchor::Answered(answer) => return answer,
        Anchor::Dated(dated) => scene.read(dated),
        Anchor::None => scene.read(heard),
    };
    let intents = in_its_half(scene, &utterance, resolve(scene, &utterance, intents));
    let meanwhile = doing::done_meanwhile(scene, &utterance)
        .or_else(|| doing::done_at_last(scene, &utterance))
        .or_else(|| doing::did_the_one(scene, &intents));
    if let Some(done) = meanwhile.or_else(|| done_with_the_one(scene, &utterance, &intents)) {
        return carry_out_all(scene, &utterance, &[done]);
    }
    // What would be half understood may be told as a whole: "Ms Park called me, so that one's done too".
    if intents.iter().any(|intent| matches!(intent, Intent::Missed(_))) && !gist::asks(&utterance.words) {
        let commands = intents.iter().filter(|intent| intent.is_command()).count();
        if let Some(told) = gist::read(scene, &utterance).filter(|told| told.len() >= commands) {
            return carry_out_all(scene, &utterance, &on_an_offer(scene, &utterance, told));
        }
    }
    if is_lost(&intents) {
        let ways = simpler::ways(&utterance, scene.titles).into_iter();
        let resolved = |way: &Utterance| resolve(scene, way, parse::parse(way, scene.known()));
        let understood = ways.map(|way| (resolved(&way), way)).find(|(intents, _)| is_clear(intents));
        if let Some((intents, way)) = understood {
            return carry_out_all(scene, &way, &on_an_offer(scene, &way, intents));
        }
        if let Some(intents) = context::dropped(scene, &utterance) {
            return carry_out_all(scene, &utterance, &intents);
        }
        // Nothing is taken off a question: "who won last night" is none about the list.
        let ways = if gist::asks(&utterance.words) { Vec::new() } else { simpler::ways(&utterance, scene.titles) };
        let read = || ways.iter().find_map(|way| gist::read(scene, way));
        if let Some(intents) = gist::read(scene, &utterance).or_else(read) {
            let intents = on_an_offer(scene, &utterance, sequel::corrected(scene, intents));
            return carry_out_all(scene, &utterance, &intents);
        }
    }
    // "They called, the physio is now on Friday": what is told first is none of its name.
    if names_nothing(scene, &intents)
        && let Some(pause) = utterance.words.iter().take(4).position(Word::pauses)
    {
        let rest = utterance.starting_at(pause + 1);
        let behind = resolve(scene, &rest, parse::parse(&rest, scene.known()));
        let names = |intent: &Intent| targets_of(intent).iter().any(|target| matches!(target, Target::Title(_)));
        if is_clear(&behind)
            && behind.iter().all(names)
            && behind.iter().all(Intent::is_command)
            && !names_nothing(scene, &behind)
        {
            return carry_out_all(scene, &rest, &behind);
        }
    }
    if names_nothing(scene, &intents) {
        // "lol ok what's due this week": rather a question than a task of that name.
        let surer = |intents: &[Intent]| {
            is_clear(intents)
                && !names_nothing(scene, intents)
                && !matches!(intents, [Intent::Add(_) | Intent::Offer(_), ..])
        };
        let ways = simpler::ways(&utterance, scene.titles).into_iter();
        let resolved = |way: &Utterance| resolve(scene, way, parse::parse(way, scene.known()));
        if let Some((intents, way)) = ways.map(|way| (resolved(&way), way)).find(|(intents, _)| surer(intents)) {
            return carry_out_all(scene, &way, &intents);
        }
        if let Some(surer) = gist::read(scene, &utterance).filter(|_| gist::explains(scene, &utterance)) {
            return carry_out_all(scene, &utterance, &surer);
        }
    }
    carry_out_all(scene, &utterance, &on_an_offer(scene, &utterance, intents))
}

/// "Actually 6:45" of what is at seven in the morning is in the morning, too.
fn in_its_half(scene: &Scene<'_>, utterance: &Utterance, mut intents: Vec<Intent>) -> Vec<Intent> {
    let said = |word: &str| {
        matches!(word, "pm" | "afternoon" | "evening" | "tonight" | "night")
            || word.ends_with("pm")
            || word.starts_with(['1', '2'])
    };
    let focus = dialogue::focus(scene.history());
    let [Intent::SetDue(Target::It, Some(due))] = intents.as_mut_slice() else { return intents };
    let (Some(time), [task]) = (due.time, focus.as_slice()) else { return intents };
    let before = task.due.and_then(|due| dates::due_date(due, &scene.request.now));
    // "At nine", of what is to be done on a day to come: in the morning, as where the day is said with it.
    let lower = task.title.to_lowercase();
    let is_late = || dates::is_late(&lower.split(' ').collect::<Vec<_>>());
    if before.is_some_and(|before| before.time.is_none() && before.date > scene.request.now.date())
        && due.either_half
        && !due.day_said
        && time.hour() >= 19
        && !is_late()
    {
        due.time = Some(time.wrapping_sub(jiff::Span::new().hours(12)));
        return intents;
    }
    let before = before.and_then(|due| due.time);
    let Some(before) = before.filter(|_| !due.day_said && (13..=18).contains(&time.hour())) else { return intents };
    let apart = (time.hour() - 12 - before.hour()).abs();
    if before.hour() < 12 && apart <= 2 && !norms(&utterance.words).into_iter().any(said) {
        due.time = Some(time.wrapping_sub(jiff::Span::new().hours(12)));
    }
    intents
}

/// "Done", where exactly one open task was spoken of just now.
fn done_with_the_one(scene: &Scene<'_>, utterance: &Utterance, intents: &[Intent]) -> Option<Intent> {
    let [Intent::Incomplete(Missing::Title, inner)] = intents else { return None };
    let last = scene.history().last()?;
    let apart = last.calls.is_empty() && last.reply.starts_with(dialogue::THAT_IS);
    let focus = dialogue::focus(if apart { scene.history() } else { std::slice::from_ref(last) });
    let open = matches!(focus.as_slice(), [task] if !task.done);
    let asked = last.calls.iter().all(|called| called.call.name == "list_tasks");
    // "Done" behind a new task may say that there is no more to add; "done already" does not.
    let already = norms(&utterance.words).contains(&"already");
    (matches!(**inner, Intent::Complete(_)) && utterance.words.len() <= 3 && open && (asked || already))
        .then(|| Intent::Complete(vec![Target::It]))
}

/// Whether the one command is about a task that no title is like, though nothing tells us that it was to be new.
fn names_nothing(scene: &Scene<'_>, intents: &[Intent]) -> bool {
    let [intent] = intents else { return false };
    let unknown = |target: &Target| match target {
        Target::Title(title) => {
            let lower = title.to_lowercase();
            scene.titles.named(&lower.split(' ').collect::<Vec<_>>()).is_none()
        }
        _ => false,
    };
    !matches!(intent, Intent::Rename(..) | Intent::Reopen(_)) && targets_of(intent).iter().any(unknown)
}

/// Whether nothing was understood.
pub(crate) fn is_lost(intents: &[Intent]) -> bool {
    let lost = |intent: &Intent| matches!(intent, Intent::Unknown | Intent::Talk(Talk::OffTopic) | Intent::Missed(_));
    intents.iter().all(lost)
}

/// Whether the words of a simpler sentence are clear enough to act on them.
pub(crate) fn is_clear(intents: &[Intent]) -> bool {
    !is_lost(intents) && !matches!(intents, [Intent::Hesitation | Intent::Incomplete(..) | Intent::Goodbye])
}
