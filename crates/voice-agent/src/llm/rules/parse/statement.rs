//! What is told about tasks, rather than commanded: "I've done …", "… is urgent".

use std::sync::LazyLock;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, capitalised, end_in_question, norms, tokenise};
use super::change::complete;
use super::did::{did, did_each, did_things};
use super::plan::planned;
use super::priority::find_priority;
use super::rule::{Rule, first_match, rules};
use super::shift::it_is_due;
use super::{Filter, Intent, Known, Missing, NewTask, Priority, Target, deadline, target};

/// Statements about tasks, tried after all commands.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:(?:{I}(?: just| already| now| also| finally| only)*|just|already) )?(?:taken care of|took care of|dealt with|been done with) (?P<t>.+?)(?: already| now| today| just now| yesterday| this morning| earlier)?",
            |found| complete(found),
        ),
        (
            r"(?:{I}(?: just| already| now| also| finally| only)*|just|already) (?:done|finished|completed|did|been done|taken care of|took care of|dealt with|handled|through|sorted|crossed off)(?: with| doing| off)? (?P<t>.+?)(?: already| now| today| just now| yesterday| this morning| last night| earlier)?",
            |found| complete(found),
        ),
        (r"(?:finished|completed|done|did|taken care of|dun)(?: with| doing)? (?P<t>.+?)(?: already| now)?", |found| {
            let first = found.words("t").first().map_or("", |word| word.norm.as_str());
            (!matches!(first, "and" | "or" | "but")).then(|| complete(found)).flatten()
        }),
        (
            r"(?P<t>.+?) (?:has|have|gets|get|should have|should get|is of|deserves)(?: a| the)? (?P<d>(?:high|low|normal|medium|top|highest|lowest) (?:priority|importance))(?: now| again)?",
            |found| Some(Intent::SetPriority(target(found.words("t"))?, find_priority(&norms(found.words("d")))?)),
        ),
        (
            r"(?P<t>.+?) (?:is|are|has been|have been|was|were|got) (?:all |both |already |now )*(?P<v>[a-z]+)(?: up| out| off| down| over)?(?: now| already| too| as well)*",
            |found| {
                // "The gutters are clean" tells of "clean the gutters", as "cleaned" does.
                let base = found.known.present_of(found.text("v")).unwrap_or_else(|| found.text("v").to_owned());
                let mut norm = vec![base.as_str()];
                norm.extend(norms(found.words("t")));
                // "All three are packed."
                if target(found.words("t")) == Some(Target::Them)
                    && found.known.titles.named(&[base.as_str()]).is_some()
                {
                    return Some(Intent::Complete(vec![Target::Them]));
                }
                match found.known.titles.meant(&norm) {
                    Some(named) => Some(Intent::Complete(vec![Target::Title(named)])),
                    // "Anna and Clara have been called."
                    None => did_each(std::slice::from_ref(&base), found.words("t"), found.known)
                        .or_else(|| did_things(&[base], found.words("t"), found.known)),
                }
            },
        ),
        (
            r"(?P<t>(?:it's|that's|this is|it is|that is|that one's|this one's|that one is|this one is|they're|those are))(?: now| already| all| both)* (?:{DONE}|taken care of|sorted)(?: now| already| too)?",
            |found| {
                let them = matches!(found.text("t"), "they're" | "those are");
                Some(Intent::Complete(vec![if them { Target::Them } else { Target::It }]))
            },
        ),
        // "I'd rather have it done by Thursday noon."
        (
            r"(?:i'd rather|i'd prefer to|i would rather|i'd like to|i want to|i'd like|i want|i need to|i need|we need|we need to|i have to|i must)(?: have| get| see)? (?P<t>it|that|this|that one|both|them|both of them|all of them)(?: done| finished| ready| sorted| over with)? (?P<d>(?:by|on|for|before|until|at|today|tomorrow|tonight|next|this|sooner).*)",
            |found| match it_is_due(found)? {
                Intent::SetDue(_, due) => Some(Intent::SetDue(target(found.words("t"))?, due)),
                _ => None,
            },
        ),
        // "I'm seeing grandpa on Sunday": a day for the task that says the same in other words.
        (
            r"(?:i'm|i am|we're|we are) (?:now |actually |only |just )*(?P<v>seeing|meeting|visiting|having|doing|going to|taking|getting|calling|picking up|leaving for) (?P<t>.+)",
            |found| {
                let norm = norms(found.words("t"));
                let (start, due) = dates::find_trailing(&norm, found.known.now)
                    .filter(|(start, due)| *start > 0 && (due.day_said || norm[0] == "the"))?;
                let Some(title) = found.known.titles.meant(&norm[..start]) else {
                    // "I'm going to the gym at six."
                    let place = found.text("v") == "going to" && matches!(norm[0], "the" | "my" | "a");
                    let words: Vec<Word> = tokenise("go to").iter().chain(found.words("t")).cloned().collect();
                    return place.then(|| Intent::Offer(super::new_tasks(&words, false, found.known)));
                };
                Some(Intent::SetDue(Target::Title(title), Some(due)))
            },
        ),
        (r"(?P<t>.+?) (?:is|are|was) (?:{DONE}) and so (?:is|are|was) (?P<u>.+)", |found| {
            Some(Intent::Complete(vec![target(found.words("t"))?, target(found.words("u"))?]))
        }),
        (
            r"(?P<t>.+?)(?: is| are| was| has been| have been| got| has)(?: now| already| all| both| finally)* (?:{DONE}|taken care of|sorted|crossed off|over|off my list)(?: now| already| too)?",
            |found| complete(found),
        ),
        // "I'll finish the report tomorrow" is no report of it, but a date.
        (
            r"(?:i'll|i will|i'm going to|i am going to|i'm gonna|we'll|we will|i can|i could|i'd rather|i would rather|i'm doing|let me) (?:just |probably |rather |only |have to )*(?P<t>.+)",
            |found| planned(found),
        ),
        (
            r"(?P<t>.+?) (?:can|could|may|will have to) (?:easily |just )?wait(?: a bit| a while| for now| for later)?",
            |found| {
                let known = found.known.titles.named(&norms(found.words("t"))).is_some();
                let pointed = !matches!(target(found.words("t"))?, Target::Title(_));
                (known || pointed)
                    .then(|| target(found.words("t")).map(|target| Intent::SetPriority(target, Priority::Low)))
                    .flatten()
            },
        ),
        (
            r"(?P<t>.+?) (?:can|could|may|will have to|has to|should) wait(?: till| until| to| for)? (?P<d>.+)|(?P<u>.+?) (?:isn't|is not|aren't|are not) (?:due |needed )?(?:until|till|before) (?P<e>.+)",
            |found| {
                let by = |named: &str, date: &str| {
                    // "The dog food can wait another week."
                    let longer = found.text(date).strip_prefix("another ").map(|more| format!("one {more}"));
                    if let Some(by) = longer.and_then(|longer| super::amount(&longer)) {
                        return Some(Intent::Shift(target(found.words(named))?, by));
                    }
                    let due = dates::parse(&norms(found.words(date)), found.known.now)?;
                    Some(Intent::SetDue(target(found.words(named))?, Some(due)))
                };
                by("t", "d").or_else(|| by("u", "e"))
            },
        ),
        // "Can it wait till Saturday?"
        (
            r"(?:can|could|might|may) (?P<t>.+?) (?:wait|be left|be moved|move|be pushed|be put off|go|be done|happen|be)(?: till| until| to| on| for| over to| back to)* (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                let target = target(found.words("t"))?;
                let known = found.known.titles.named(&norms(found.words("t"))).is_some();
                (known || !matches!(target, Target::Title(_))).then_some(Intent::SetDue(target, Some(due)))
            },
        ),
        // "The school can go down to normal".
        (
            r"(?P<t>.+?) (?:can|could|should|may|must) (?:go|be|drop|come|move)(?: down| up| back)*(?: to| at)? (?P<d>(?:a )?(?:high|low|normal|medium|top)(?: priority)?)(?: again| now)?",
            |found| {
                let named = found.known.titles.named(&norms(found.words("t"))).is_some();
                let target = target(found.words("t"))?;
                let clear = named || !matches!(target, Target::Title(_));
                let priority = find_priority(&norms(found.words("d"))).filter(|_| clear)?;
                Some(Intent::SetPriority(target, priority))
            },
        ),
        // "It's urgent that I call the plumber today."
        (
            r"(?:it's|it is) (?:really |very |quite )?(?:urgent|important) (?:that (?:i|we)|for me to|for us to|to) (?P<t>.+)",
            |found| {
                let known = found.known.titles.named(&norms(found.words("t"))).is_some();
                let tasks = super::new_tasks(found.words("t"), false, found.known).into_iter();
                let urgent = tasks.map(|task| NewTask { priority: Some(Priority::High), ..task }).collect();
                (!known && lexicon::starts_verb(&norms(found.words("t")))).then_some(Intent::Add(urgent))
            },
        ),
        // "All three done!"
        (
            r"(?P<t>all (?:two|three|four|five|of them|of those)|both|both of them)(?: are| is)?(?: now| already)? {DONE}(?: now| already)?",
            |found| target(found.words("t")).map(|target| Intent::Complete(vec![target])),
        ),
        // "Hire a van is the urgent one."
        (
            r"(?P<t>.+?) (?:is|are|'s) the (?:most |really |only )*(?P<d>urgent|important|low)(?: priority)? ones?",
            |found| {
                let named = found.known.titles.named(&norms(found.words("t"))).is_some();
                let priority = find_priority(&[found.text("d")]).filter(|_| named)?;
                target(found.words("t")).map(|target| Intent::SetPriority(target, priority))
            },
        ),
        // "Leak high".
        (r"(?P<t>.+) (?P<d>high|low|urgent|normal)(?: priority)?", |found| {
            let named = found.known.titles.named(&norms(found.words("t"))).is_some();
            let whole = found.known.titles.named(&norms(found.all_words())).is_some();
            let few = found.words("t").len() <= 4 && !lexicon::starts_verb(&norms(found.words("t")));
            let priority = find_priority(&[found.text("d")]).filter(|_| named && !whole && few)?;
            target(found.words("t")).map(|target| Intent::SetPriority(target, priority))
        }),
        (
            r"(?:{I}(?: just| already| now| also| finally| only)* |just |already )?(?:spoke|spoken|talked|got off the phone|been on the phone|was on the phone|had a call|phoned|rang) (?:to |with )?(?P<t>.+?)(?: already| just now)?",
            |found| {
                let mut norm = vec!["call"];
                norm.extend(norms(found.words("t")));
                Some(Intent::Complete(vec![Target::Title(found.known.titles.meant(&norm)?)]))
            },
        ),
        (
            r"(?P<t>.+?)'s (?:now |already |all |finally )*(?:{DONE}|taken care of|sorted)(?: now| already| too)?",
            |found| {
                let mut words = found.words("t").to_vec();
                let last = words.last_mut()?;
                let cut = |text: &str| text.trim_end_matches("'s").trim_end_matches("’s").to_owned();
                (last.raw, last.norm) = (cut(&last.raw), cut(&last.norm));
                let picked = matches!(target(&words), Some(Target::Picked(_)));
                let known = picked || found.known.titles.named(&norms(&words)).is_some();
                known.then(|| target(&words).map(|target| Intent::Complete(vec![target]))).flatten()
            },
        ),
        // "The toner came today" ends what ordered it; "email Sam can be ticked off".
        (
            r"(?P<t>.+?) (?:came|arrived|has arrived|have arrived|has come|is here|are here|got here|was delivered|were delivered|has been delivered)(?: already| now| today| yesterday| this morning| just now)?",
            |found| {
                let ordered = |verb: &str| {
                    let norm: Vec<&str> = std::iter::once(verb).chain(norms(found.words("t"))).collect();
                    found.known.titles.named(&norm).map(str::to_owned)
                };
                let title = ordered("order").filter(|title| title.to_lowercase().starts_with("order "))?;
                Some(Intent::Complete(vec![Target::Title(title)]))
            },
        ),
        (
            r"(?P<t>.+?) (?:can|could|should|may) (?:now )?be (?:ticked|crossed|checked|marked|struck)(?: off| out| as)?(?: {DONE})?(?: the list| my list)?(?: now)?",
            |found| complete(found),
        ),
        // "We finally got the crib assembled last night."
        (
            r"{I}(?: just| already| now| also| finally| only)* (?:got|had|have|get) (?P<t>.+?) (?:all )?(?P<v>[a-z]+)(?: already| now| just now| yesterday| this morning| last night| earlier| today| this afternoon| at last)?",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                let mut norm = vec![base.as_str()];
                norm.extend(norms(found.words("t")));
                Some(Intent::Complete(vec![Target::Title(found.known.titles.meant(&norm)?)]))
            },
        ),
        // "Phone bill paid already."
        (r"(?P<t>.+?) (?P<v>[a-z]+)(?: already| just now| this morning| last night| yesterday| earlier)+", |found| {
            let base = found.known.present_of(found.text("v"))?;
            let norm: Vec<&str> = std::iter::once(base.as_str()).chain(norms(found.words("t"))).collect();
            let title = found.known.titles.same(&norm)?;
            Some(Intent::Complete(vec![Target::Title(title.to_owned())]))
        }),
        (r"(?P<t>.+) (?:done|finished|completed)", |found| {
            found.known.titles.named(&norms(found.words("t"))).is_some().then(|| complete(found)).flatten()
        }),
        (
            r"(?:{I}(?: just| already| now| also| finally| only)* )?(?P<v>[a-z]+) (?P<t>.+?)(?: already| now| just now| yesterday| this morning| last night| earlier| today| this afternoon| renewed| fixed| done| sorted)?",
            |found| did(found),
        ),
        // "Ben has already taken out the recycling": whoever did it.
        (
            r"(?:(?:my|the|our) )?[a-z]+ (?:has |have )?(?:just |already |now |finally )*(?P<v>[a-z]+) (?P<t>.+?)(?: already| now| just now| yesterday| this morning| last night| earlier| today)?",
            |found| did(found),
        ),
        // "I've sent it."
        (
            r"{I}(?: just| already| now| also| finally| only)* (?P<v>[a-z]+) (?:it|that)(?: already| now| just now| yesterday| today)?",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                let done = !matches!(
                    base.as_str(),
                    "get"
                        | "leave"
                        | "change"
                        | "say"
                        | "keep"
                        | "put"
                        | "stop"
                        | "add"
                        | "delete"
                        | "move"
                        | "make"
                        | "hear"
                );
                done.then(|| Intent::Complete(vec![Target::It]))
            },
        ),
        // "I have now", "just did it".
        (
            r"(?:yes |yeah |yep |oh |well )*(?:(?:now )?(?:i|we) have|now (?:i|we) did|(?:i|we) (?:have|did|do)(?: it| that| so)?(?: now| already| just now)+|(?:i |we |i've |we've )?just (?:did|done)(?: it| that| so)?(?: now)?|(?:did|done) (?:it|that)(?: now| already| just now)*)",
            |_| Some(Intent::Complete(vec![Target::It])),
        ),
        // "He didn't get it, I need to do it again."
        (
            r"(?:i |we |i'll |we'll |so )*(?:need|have|got|must|should|ought|gotta|had better|can)(?: to)? (?:do|redo|repeat) (?:it|that|this)(?: all)?(?: over)? again(?: (?P<d>.+))?",
            |found| match found.text("d") {
                "" => Some(Intent::Reopen(Target::It)),
                _ => dates::parse(&norms(found.words("d")), found.known.now)
                    .map(|due| Intent::SetDue(Target::It, Some(due))),
            },
        ),
        // "I made the call": one of the calls.
        (
            r"{I}(?: just| already| now| also| finally| only)* (?:made|placed) (?:the|that|my|all the|those|both) (?P<n>(?:phone )?calls?|payments?|bookings?|reservations?|orders?)(?: already| now| just now| yesterday| today| this morning)?",
            |found| {
                let verb = match found.text("n").trim_end_matches('s') {
                    "payment" => "pay",
                    "booking" | "reservation" => "book",
                    "order" => "order",
                    _ => "call",
                };
                let known = found.known.titles.named(&[verb]).is_some();
                known.then(|| Intent::Complete(vec![Target::Title(verb.to_owned())]))
            },
        ),
        // "Done": what?
        (r"(?:all )?(?:done|finished|completed)(?: already| now)?", |_| {
            Some(Intent::Incomplete(Missing::Title, Box::new(Intent::Complete(Vec::new()))))
        }),
        // "I called": whom?
        (r"{I}(?: just| already| now| also| finally| only)* (?P<v>[a-z]+)(?: (?:them|already|him|her))?", |found| {
            let base = found.known.present_of(found.text("v"))?;
            let telling = !matches!(
                base.as_str(),
                "say" | "do" | "go" | "get" | "leave" | "change" | "stop" | "set" | "put" | "find"
            );
            telling.then(|| Intent::Incomplete(Missing::Title, Box::new(Intent::Complete(Vec::new()))))
        }),
        // "Called her."
        (
            r"(?:just |already |finally |now )*(?P<v>[a-z]+) (?:them|him|her|it)(?: already| now| just now| yesterday| today| earlier)*",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                let telling = base != found.text("v")
                    && !matches!(base.as_str(), "do" | "get" | "change" | "leave" | "keep" | "go");
                telling.then(|| Intent::Incomplete(Missing::Title, Box::new(Intent::Complete(Vec::new()))))
            },
        ),
        // "The trash is out" is "take out the trash" done.
        (
            r"(?P<t>.+?) (?:is|are|has|have) (?:all |already |now )*(?P<v>out|in|up|off|down|away|back|gone out|went out)(?: now| already)?",
            |found| {
                let mut norm = norms(found.words("t"));
                norm.push(found.text("v"));
                // "The invites are out" tells of "send the invites".
                let sent = || {
                    let sent: Vec<&str> = std::iter::once("send").chain(norms(found.words("t"))).collect();
                    found.known.titles.meant(&sent).filter(|_| found.text("v").ends_with("out"))
                };
                Some(Intent::Complete(vec![Target::Title(found.known.titles.meant(&norm).or_else(sent)?)]))
            },
        ),
        // "It's sent."
        (
            r"(?:it's|that's|that one's|that one is|it is|that is|it has been|it's been|that's been) (?:all |already |now |been |just |finally )*(?P<v>[a-z]+)(?: now| already)?",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                let done = !matches!(
                    base.as_str(),
                    "call"
                        | "change"
                        | "move"
                        | "plan"
                        | "schedule"
                        | "set"
                        | "leave"
                        | "cancel"
                        | "open"
                        | "need"
                        | "delete"
                );
                done.then(|| Intent::Complete(vec![Target::It]))
            },
        ),
        (
            r"(?:it's|that's|this is|it is|that is|it isn't|it's really|that one is|that one's|it's|they're)(?: actually| really| very| quite| super)? (?P<d>.+)",
            |found| {
                if let Some(priority) = find_priority(&norms(found.words("d"))) {
                    // "It isn't important" says the opposite.
                    let denied = found.utterance_text().starts_with("it isn't");
                    let priority = if denied && priority == Priority::High { Priority::Low } else { priority };
                    return Some(Intent::SetPriority(Target::It, priority));
                }
                dates::parse(&norms(found.words("d")), found.known.now).map(|due| Intent::SetDue(Target::It, Some(due)))
            },
        ),
        (
            r"(?P<t>.+?)(?: is| are| isn't|'s| needs to be| has to be| must be| ought to be| have to be| need to be| has to be done| needs to be done| need to be done| have to be done| needs doing| need doing| must be done| should be)(?: actually| really| very| now| quite| only| so| super| both| all| each| again| also| still| just)* (?P<d>.+)",
            |found| {
                let text = found.utterance_text();
                // "Call the lawyer, it's urgent": what is told is told of a task that is yet to be added.
                let trails = found
                    .words("t")
                    .last()
                    .is_some_and(|last| matches!(last.norm.as_str(), "it" | "it's" | "that's" | "which"));
                if trails && found.words("t").len() > 1 {
                    return None;
                }
                if let Some(mut priority) = find_priority(&norms(found.words("d"))) {
                    if text.contains("isn't") && priority == Priority::High {
                        // What is urgent no more is as any other.
                        let no_more = [" any more", " anymore", " any longer"].iter().any(|end| text.ends_with(end));
                        priority = if no_more { Priority::Normal } else { Priority::Low };
                    }
                    return Some(Intent::SetPriority(target(found.words("t"))?, priority));
                }
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                let named = target(found.words("t"))?;
                // "Training is on Tuesday at six": no such task is on the list.
                let is_new = text.contains(" is ")
                    && !text.contains("be done")
                    && found.known.titles.touched(&norms(found.words("t"))).is_empty();
                match named {
                    Target::Title(title) if is_new && (1..=5).contains(&found.words("t").len()) => {
                        let title = title.strip_prefix("The ").map_or(title.clone(), capitalised);
                        Some(Intent::Offer(vec![NewTask { title, due: Some(due), priority: None }]))
                    }
                    named => Some(Intent::SetDue(named, Some(due))),
                }
            },
        ),
    ])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    if let Some(told) = deadline::parse(utterance, known).filter(|_| !asks(utterance)) {
        return Some(told);
    }
    let intent = first_match(&RULES, utterance, known)?;
    // "The report is done?", "who finished the report": what is asked changes nothing.
    match &intent {
        Intent::Complete(targets) if asks(utterance) => match targets.as_slice() {
            [Target::Title(title)] if !opens_question(utterance) => {
                Some(Intent::List(Filter { status: Some("all"), query: Some(title.clone()), ..Filter::default() }))
            }
            _ => None,
        },
        // "Where do I have to be tomorrow?" moves nothing, and "book a table at Luigi's for Friday" is something to do.
        Intent::SetDue(Target::Title(title), _) | Intent::SetPriority(Target::Title(title), _) => {
            let lower = title.to_lowercase();
            let words: Vec<&str> = lower.split(' ').collect();
            let asked = opens_question(utterance) || asks(utterance);
            let unknown = known.titles.touched(&words).is_empty();
            (!(unknown && (asked || lexicon::starts_action(&words)))).then_some(intent)
        }
        _ => Some(intent),
    }
}

/// Whether the words begin as a question does.
pub(super) fn opens_question(utterance: &Utterance) -> bool {
    let first = utterance.words.first().map_or("", |word| word.norm.as_str());
    matches!(
        first,
        "how"
            | "which"
            | "what"
            | "what's"
            | "who"
            | "who's"
            | "why"
            | "when"
            | "where"
            | "whose"
            | "does"
            | "did"
            | "is"
            | "are"
            | "was"
            | "were"
            | "has"
            | "have"
            | "had"
            | "am"
            | "should"
            | "will"
    ) && utterance.words.len() > 1
        // "Did the laundry" tells; "did you …" asks.
        && (first != "did" || is_person(&utterance.words[1].norm) || asks_of_somebody(utterance))
}

/// "Did Sue call": somebody, and a verb in its plain form. "Did laundry" has none.
fn asks_of_somebody(utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    let article = matches!(words[1], "the" | "my" | "a" | "all" | "both" | "it" | "that" | "this" | "some" | "our");
    // "Did the plants get water": a thing, and what only asks.
    let asks =
        |verb: &&str| matches!(*verb, "get" | "go" | "come" | "call" | "ring" | "arrive" | "work" | "need" | "have");
    !article && words.get(2).is_some_and(|verb| lexicon::starts_verb(&[*verb, "it"]))
        || article && words.get(3).is_some_and(asks)
}

fn is_person(word: &str) -> bool {
    matches!(word, "i" | "we" | "you" | "he" | "she" | "they" | "anyone" | "anybody" | "someone" | "somebody")
}

fn asks(utterance: &Utterance) -> bool {
    opens_question(utterance) || end_in_question(&utterance.words)
}
