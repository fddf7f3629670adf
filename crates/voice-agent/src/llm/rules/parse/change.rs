//! Changing tasks: done, open again, due, important, renamed, deleted.

use std::sync::LazyLock;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, title, tokenise};
use super::moved::changed;
use super::priority::find_priority;
use super::renaming::{rename, rename_whole};
use super::rule::{Match, Rule, first_match, rules};
use super::{Intent, Known, Missing, Priority, Target, joined_titles, target};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        // Everything at once.
        (
            r"(?:mark|complete|finish|check off|tick off|cross off|set|check|tick) (?:off )?(?:everything|all|all of them|all of it|(?:all|all of|every one of|each of) (?:my |the |these |those )?(?:open )?(?:tasks?|to-?dos|items|list)|every task|the (?:whole|entire) list)(?: off| (?:as )?{DONE})?",
            |found| all_or_them(found),
        ),
        (
            r"(?:i've |i have |i )?(?:done|finished|completed|did) (?:everything|all of (?:it|my tasks)|all my tasks|all the tasks|every task|the whole list)(?: today| already| now| for today)*|everything(?:'s| is) {DONE}|all (?:tasks )?(?:are )?{DONE}",
            |_| Some(complete_all()),
        ),
        (
            r"(?:i've |i have |i |we've |we have |we )?(?:got|gotten|bought|picked up) (?:everything|all of it|all of them|it all)(?: (?:on|from) (?:my|the) list)?(?: today| already| now)*",
            |found| found.known.titles.all(lexicon::is_shopping).then(complete_all),
        ),
        // Deleting.
        (
            r"(?:delete|remove|erase|clear|get rid of|throw out|clean up|purge|clear out|wipe|dump|bin|chuck|trash|chuck out|tidy away|clear away) (?:all |all of |every |everything )?(?:the |my |of my |of the |that's |that is |that are )?(?:ones? )?(?:done|completed|finished|complete|old done|already done|ticked off|crossed off|checked off|(?:that )?(?:i've|i have|i|we've|we have)(?: already)? (?:ticked off|crossed off|checked off|done|finished|completed))(?: ones?| tasks?| items| to-?dos| stuff)?(?: (?:from|off) (?:my|the) list)?",
            |_| Some(Intent::DeleteScope("done", Vec::new())),
        ),
        (
            r"(?:delete|remove|erase|clear|get rid of|empty|wipe|reset|clean|purge|dump) (?:out )?(?:everything|all|the lot|the whole lot|(?:all|all of|every one of|every) (?:my |the |of my )?(?:tasks?|items|to-?dos|list)|(?:my |the )?(?:whole |entire |complete |task |to-?do )*(?:list|tasks))(?: (?:from|on|off) (?:my|the) list)?",
            |_| Some(Intent::DeleteScope("all", Vec::new())),
        ),
        (
            r"(?:remove|delete|clear|drop|take off|get rid of|cancel) (?:all|every|everything's)(?: of)?(?: the| my)? (?:due dates?|dates?|deadlines?)(?: (?:from|of|on|for|off) .+)?",
            |_| Some(Intent::SetDue(Target::All(Vec::new()), None)),
        ),
        (
            r"(?:remove|delete|clear|drop|take off|take|strip|get rid of|forget|cancel) (?:the |its |that |their )?(?:due dates?|dates?|deadlines?|due)(?: (?:away from|from|of|for|on|off) (?P<t>.+))?",
            |found| Some(no_due(found)),
        ),
        (
            r"(?:remove|delete|clear|drop|take off|take|strip|get rid of|forget|leave out|leave) (?:the |its |that )?(?:time|hour|exact time)(?: (?:away from|from|of|for|on|off|open|out|away)(?: (?P<t>.+))?)?|(?:at )?(?:no|any|without a) (?:particular |fixed |specific |set )?(?:time|hour)(?: (?:for|on) (?P<u>.+)| (?:that day|will do|is fine))?",
            |found| {
                let words = if found.words("t").is_empty() { found.words("u") } else { found.words("t") };
                Some(Intent::Untimed(target(words).unwrap_or(Target::It)))
            },
        ),
        (
            r"(?P<t>.+?) (?:has no|doesn't have a|does not have a|doesn't need a|needs no|has no more) (?:due date|deadline|date)(?: any ?more| any longer)?",
            |found| Some(no_due(found)),
        ),
        (
            r"(?:remove|delete|clear|drop|take off|take|get rid of|unset) (?:the |its |that |any )?(?:high |low |top )?(?:priority|urgency|importance)(?: (?:from|of|for|on|off) ?(?P<t>.*))?",
            |found| Some(Intent::SetPriority(target(found.words("t")).unwrap_or(Target::It), Priority::Normal)),
        ),
        (
            r"(?:never ?mind|nevermind|forget about|skip) (?:the|its|that|a) (?:due date|date|deadline|day)(?: (?:of|for|on) (?P<t>.+))?(?: just)?(?: leave it open)?",
            |found| Some(no_due(found)),
        ),
        (
            r"(?:take|get|leave|keep) (?:the |its |that )?(?:due date|date|deadline|due) (?:off|away|out|open)(?: (?P<t>.+))?",
            |found| Some(no_due(found)),
        ),
        (r"(?:no|without a|with no) (?:due date|date|deadline)(?: for (?P<t>.+))?", |found| Some(no_due(found))),
        (
            r"(?:delete|remove|erase|scrap|delight|the lead|relief|trash|bin|strike|discard|kill|elite) (?P<t>.+?)(?: (?:from|off|of|on|from off) {MY} {LIST})?",
            |found| {
                // "Trash is out" tells.
                let verb = found.words("t").first().map_or("", |word| word.norm.as_str());
                // "Strike that off" is done.
                let last = found.words("t").last().map_or("", |word| word.norm.as_str());
                let off = found.utterance_text().starts_with("strike ") && matches!(last, "off" | "out");
                // "Trash bags", "bin liners".
                let thing = ["trash ", "bin "].iter().any(|noun| found.utterance_text().starts_with(noun))
                    && matches!(target(found.words("t")), Some(Target::Title(_)))
                    && each_known(found.words("t"), found.known).is_none()
                    && found.known.titles.named(&norms(found.words("t"))).is_none();
                (!off && !thing && !matches!(verb, "is" | "are" | "was" | "has")).then(|| delete(found)).flatten()
            },
        ),
        (
            r"(?:get rid of|take off|throw away|drop|take|throw out|cancel|forget about|ditch|kick) (?P<t>.+?) (?:from|off|of|off of) {MY} {LIST}",
            |found| delete(found),
        ),
        (
            r"(?:get rid of|drop|take off|throw away|throw out|chuck out|chuck|toss out|toss|forget about|cancel|scratch) (?P<t>.+)",
            |found| deletes_known(found),
        ),
        // "Put the toner at the top of my list."
        (
            r"(?:put|move|bring|bump|push|set) (?P<t>.+?) (?:at|to|on) (?:the )?(?:very )?top(?: of (?:my|the) (?:list|pile))?",
            |found| Some(Intent::SetPriority(target(found.words("t"))?, Priority::High)),
        ),
        (r"(?:take|knock) (?P<t>.+?) off(?: (?:of )?(?:it|there|that))?(?: again)?", |found| deletes_known(found)),
        (
            r"(?:swap|switch|exchange|trade|flip)(?: round| around| over)? (?P<t>.+?)(?: round| around| over| with each other)?",
            |found| super::swap::swapped(found),
        ),
        (
            r"(?:i'm|we're|i am|we are) not (?:going to|gonna|planning to) (?P<t>.+?)(?: any ?more| after all| now)?",
            |found| deletes_known(found),
        ),
        (
            r"(?:(?:i|we) (?:don't|do not|no longer|won't|will not|needn't|shan't) (?:need|have|want|be needing|bother with)(?: to)?|(?:don't|do not|stop) remind(?:ing)? me (?:to|about|of)) (?P<t>.+?)(?: any ?more| any longer)?",
            |found| deletes_known(found),
        ),
        (
            r"(?:delete|remove|erase|get rid of)(?: a task| something| an item| one| one of my tasks| some tasks| one of them)?",
            |_| Some(incomplete(Missing::Title, Intent::Delete(Vec::new()))),
        ),
        // Open again.
        (
            r"(?:re-?open|un-?mark|un-?check|un-?tick|un-?complete|restore|reactivate|re open|un cross|uncross|bring back|reactive) (?P<t>.+?)(?: again)?",
            |found| reopen(found),
        ),
        (
            r"(?:mark|set|make|put) (?P<t>.+?) (?:as |to |back to |back on )?(?:not done|undone|open|open again|incomplete|unfinished|not finished|to-?do again|my list|the list|not complete|not completed)",
            // "Put those on my list" adds.
            |found| {
                let listed = found.utterance_text().ends_with(" list");
                let back = found.all_words().iter().any(|word| word.norm == "back");
                (!listed || back).then(|| reopen(found)).flatten()
            },
        ),
        (
            r"(?P<t>.+?) (?:is|are|was)(?: actually)?(?: not|n't)(?: actually| really)? {DONE}(?: yet| after all)?|(?P<u>.+?) (?:isn't|wasn't|aren't)(?: actually| really)? {DONE}(?: yet| after all)?|i (?:haven't|didn't|have not|did not)(?: actually| really)? (?:done|do|finished|finish|completed|complete) (?P<v>.+?)(?: yet| after all)?",
            |found| {
                let words =
                    ["t", "u", "v"].into_iter().map(|group| found.words(group)).find(|words| !words.is_empty())?;
                target(words).map(Intent::Reopen)
            },
        ),
        (
            r"i (?:haven't|have not|didn't|did not|never)(?: actually| really)? (?P<v>[a-z]+) (?P<t>.+?)(?: yet| after all)?",
            |found| {
                let base = found.known.present_of(found.text("v")).unwrap_or_else(|| found.text("v").to_owned());
                // "I didn't catch it" asks to hear it again.
                if matches!(target(found.words("t")), Some(Target::It | Target::Them)) {
                    return None;
                }
                let named = format!("{base} {}", title(found.words("t")));
                lexicon::starts_verb(&[base.as_str()]).then_some(Intent::Reopen(Target::Title(named)))
            },
        ),
        // "I thought I'd sent the invoice, but I haven't."
        (
            r"(?:i|we) (?:thought|believed|said|was sure|could have sworn)(?: that)? (?:i|we|i'd|we'd|i've|we've)(?: had| have)? (?P<v>[a-z]+) (?P<t>.+?) but (?:actually )?(?:i|we) (?:haven't|hadn't|didn't|never did)(?: actually| yet)?",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                Some(Intent::Reopen(Target::Title(format!("{base} {}", title(found.words("t")).to_lowercase()))))
            },
        ),
        // "The rent isn't paid after all", "the cat hasn't been fed yet".
        (
            r"(?P<t>.+?) (?:isn't|is not|wasn't|aren't|are not|hasn't been|has not been|haven't been|not been)(?: actually)? (?P<v>[a-z]+)(?: yet| after all| actually| though)+",
            |found| {
                let base = found.known.present_of(found.text("v"))?;
                target(found.words("t")).filter(|target| matches!(target, Target::Title(_)))?;
                Some(Intent::Reopen(Target::Title(format!("{base} {}", title(found.words("t")).to_lowercase()))))
            },
        ),
        (r"re-?open", |_| Some(incomplete(Missing::Title, Intent::Reopen(Target::It)))),
        // Done.
        (
            r"(?:mark|mar|set|make|check|tick|put|market|marked|count|call|declare) (?:off )?(?P<t>.+?) (?:off )?(?:as |is |has |to be |us |is as |to |ass )?(?:being )?(?:been )?{DONE}(?: (?:please|now|off|for me))*",
            |found| complete(found),
        ),
        (r"(?:mark|set|check|tick) (?:as )?{DONE} (?P<t>.+)", |found| complete(found)),
        // "Mark the phone bill as paid".
        (r"(?:mark|set|count) (?P<t>.+?) as (?:already )?(?P<v>[a-z]+)", |found| {
            let verb = found.known.present_of(found.text("v"))?;
            let known = found.known.titles.named(&norms(found.words("t"))).is_some();
            let pointed = !matches!(target(found.words("t")), Some(Target::Title(_)) | None);
            let ends =
                !matches!(verb.as_str(), "plan" | "start" | "schedule" | "move" | "stop" | "set" | "open" | "cancel");
            (ends && (known || pointed)).then(|| complete(found)).flatten()
        }),
        (
            r"(?:cross|check|tick|strike|scratch|take|mark|crossed|checked|ticked|cause|crossing) (?:off|out|of|it off|off of) (?P<t>.+?)(?: (?:from|off|on|of) {MY} {LIST})?",
            |found| complete(found),
        ),
        (
            r"(?:cross|check|tick|strike|scratch|crossed|checked|cause) (?P<t>.+?) (?:off|of|out)(?: (?:of |from |on )?{MY} {LIST})?",
            |found| complete(found),
        ),
        (r"(?:complete|completed|compleat|close|resolve|finalize) (?P<t>.+)", |found| complete(found)),
        // "Let's go back to Wednesday", "stick with Friday".
        (
            r"(?:let's |let us |i'll |we'll |rather |ok |better )*(?:go back to|stick with|stick to|go with|go for|keep it on|keep it at|leave it on|leave it at|keep it for|leave it for|settle on|switch back to|switch to|switch it to|swap to) (?P<d>.+)",
            |found| {
                let words = norms(found.words("d"));
                let at = || dates::parse(&[&["at"], words.as_slice()].concat(), found.known.now);
                let due = dates::parse(&words, found.known.now).or_else(at)?;
                Some(Intent::SetDue(Target::It, Some(due)))
            },
        ),
        // "Let's do it on Saturday".
        (
            r"(?:let's |let us |i'll |we'll |i will |better |rather )*do (?:it|that|that one|this one) (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                Some(Intent::SetDue(Target::It, Some(due)))
            },
        ),
        // "Can we do eleven instead?": an hour.
        (r"do (?P<d>[a-z0-9:]+(?: (?:thirty|fifteen|forty-five|o'clock|am|pm|instead))*)", |found| {
            let hour = norms(found.words("d"));
            let hour = hour.strip_suffix(&["instead"]).unwrap_or(&hour);
            let due = dates::parse(&[&["at"], hour].concat(), found.known.now)?;
            Some(Intent::SetDue(Target::It, Some(due)))
        }),
        (r"(?:finish|do) (?P<t>.+)", |found| {
            // "Do the first one first" is a plan.
            if matches!(found.text("t").rsplit(' ').next(), Some("first" | "next" | "later"))
                && found.text("t").contains(' ')
                && found.text("t") != "the first"
            {
                return None;
            }
            let known = found.known.titles.named(&norms(found.words("t"))).is_some();
            let whole = found.known.titles.named(&norms(found.all_words())).is_some();
            let pointed = !matches!(target(found.words("t")), Some(Target::Title(_)) | None);
            (known || whole || pointed).then(|| complete(found)).flatten()
        }),
        (r"(?:complete|finish|mark|check off|cross off)(?: a| the| my)?(?: task)?", |_| {
            Some(incomplete(Missing::Title, Intent::Complete(Vec::new())))
        }),
        // Renaming.
        (r"(?:rename|re name|retitle|relabel|re-name) (?P<t>.+?) (?:to|two|too|into|as) (?P<n>.+)", |found| {
            rename_whole(found).or_else(|| rename(found))
        }),
        (r"(?:rename|retitle|re name) (?P<t>.+)", |found| {
            Some(incomplete(Missing::NewTitle, Intent::Rename(target(found.words("t"))?, String::new())))
        }),
        (
            r"(?:call|name|title) (?P<t>it|that|that one|this|this one|the last one|that task|the task) (?P<n>.+?)(?: instead)?",
            |found| (!matches!(found.text("n"), "a day" | "off")).then(|| rename(found)).flatten(),
        ),
        // "Call the party for Jan surprise party for Jan": the whole title, and a new one that has a word of it.
        (r"(?:call|name|title) (?P<x>.+)", |found| {
            let words = found.words("x");
            let norm = norms(words);
            let titles = found.known.titles;
            let said = |end: usize| titles.named(&norm[..end]).filter(|title| titles.is_said(title, &norm[..end]));
            let end = (1..words.len()).find(|end| said(*end).is_some())?;
            let old = said(end)?;
            let lower = old.to_lowercase();
            let reuses =
                norm[end..].iter().any(|word| !lexicon::is_small(word) && lower.split(' ').any(|of| of == *word));
            reuses.then(|| Intent::Rename(Target::Title(old.to_owned()), title(&words[end..])))
        }),
        (
            r"(?P<t>.+?) (?:should|must|ought to|is supposed to) (?:say|read|be called|be named|be titled) (?P<n>.+)",
            |found| rename(found),
        ),
        (
            r"(?:it should be called|it's called|that should be called|the title should be|the name should be|change the (?:title|name) to|change its (?:title|name) to|change the wording to) (?P<n>.+)",
            |found| Some(Intent::Rename(Target::It, title(found.words("n")))),
        ),
        (
            r"(?:change|edit|update|set) the (?:title|name|text|wording) (?:of|for) (?P<t>.+?) (?:to|into) (?P<n>.+)",
            |found| rename(found),
        ),
        (
            r"(?:change|edit|update|correct) (?:the |its )?(?:title|name|text|wording)(?: (?:of|for) (?P<t>.+))?",
            |found| {
                let named = target(found.words("t")).unwrap_or(Target::It);
                Some(incomplete(Missing::NewTitle, Intent::Rename(named, String::new())))
            },
        ),
        // Due dates and priorities, by what stands at the end.
        (
            r"(?:set|change|update|make|move|put|edit) (?:the |its )?(?:due date|due time|deadline|date|due|time)(?: (?:of|for|on) (?P<t>.+?))? (?:to|as|for|on|until|be) (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                Some(Intent::SetDue(target(found.words("t")).unwrap_or(Target::It), Some(due)))
            },
        ),
        (
            r"(?:give|set) (?P<t>.+?) (?:a|the) (?:due date|deadline)(?: of)?(?: (?:of|for|to|on|by))? (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                Some(Intent::SetDue(target(found.words("t"))?, Some(due)))
            },
        ),
        (
            r"(?:set|change|move|update|make|edit) (?P<t>.+?)'s? (?:due date|deadline|date)(?: to| as| on| for)? (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                match target(found.words("t"))? {
                    Target::Title(title) => Some(Intent::SetDue(
                        Target::Title(title.trim_end_matches("'s").trim_end_matches("’s").to_owned()),
                        Some(due),
                    )),
                    other => Some(Intent::SetDue(other, Some(due))),
                }
            },
        ),
        (
            r"(?:set|add|give|change|put|assign|update|edit)(?: it| that)? (?:a |the |its )?(?:due date|deadline|date)(?: (?:for|of|on|to) (?P<t>.+))?",
            |found| {
                Some(incomplete(Missing::Date, Intent::SetDue(target(found.words("t")).unwrap_or(Target::It), None)))
            },
        ),
        (
            r"(?:set|change|update|raise|lower|make|put|increase|reduce|decrease|bump|drop|knock|turn|take|bring) (?:up |down |back )*(?:the |its )?(?:priority|importance|urgency)(?: (?:of|for|on) (?P<t>.+?))?(?: from (?:low|normal|medium|high))?(?: (?:to|as|at) (?P<d>.+))?",
            |found| priority_of(found),
        ),
        // "Lower it to normal."
        (
            r"(?:raise|lower|reduce|increase|bump|drop|bring|turn|take|put|set|move) (?P<t>.+?)(?: up| down| back)? to (?P<d>(?:a )?(?:high|highest|top|low|lowest|normal|medium)(?: priority| importance)?)",
            |found| priority_of(found),
        ),
        (
            r"(?:give|assign) (?P<t>.+?) (?:a )?(?P<d>(?:high|highest|top|low|lowest|normal|medium|higher|lower)) priority",
            |found| priority_of(found),
        ),
        (
            r"(?:prioriti[sz]e|flag|star|highlight|mark)(?: up)? (?P<t>.+?) as (?:an? |being )?(?P<d>(?:very |really )?(?:urgent|important|critical|(?:high|low|top|normal)(?: priority)?))(?: task| one)?",
            |found| priority_of(found),
        ),
        (r"(?:prioriti[sz]e|flag|star|highlight)(?: up)? (?P<t>.+)", |found| {
            Some(Intent::SetPriority(target(found.words("t"))?, Priority::High))
        }),
        (r"(?:deprioriti[sz]e|unflag|unstar) (?P<t>.+)", |found| {
            Some(Intent::SetPriority(target(found.words("t"))?, Priority::Low))
        }),
        (
            r"(?:move|mov|switch|change|shift|push|postpone|reschedule|delay|put off|bring forward|put|set|make|schedule|defer|do|pull|bring|bump|extend|snooze|update|mark|moved|remove)(?: back| forward| up| out| off)? (?P<x>.+)",
            |found| changed(found),
        ),
        (r"(?:move|postpone|reschedule|delay|push|snooze)", |_| {
            Some(incomplete(Missing::Title, Intent::SetDue(Target::It, None)))
        }),
        (r"(?:change|turn|correct|edit|update|fix) (?P<t>.+) (?:to|into) (?P<n>.+)", |found| {
            let named = found.known.titles.named(&norms(found.words("t"))).is_some();
            let pointed = !matches!(target(found.words("t")), Some(Target::Title(_)) | None);
            let whole = rename_whole(found);
            whole.or_else(|| {
                (named || pointed || found.utterance_text().starts_with("change")).then(|| rename(found)).flatten()
            })
        }),
    ])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&RULES, utterance, known)
}

pub(super) fn incomplete(missing: Missing, intent: Intent) -> Intent {
    Intent::Incomplete(missing, Box::new(intent))
}

fn all_or_them(found: &Match<'_>) -> Option<Intent> {
    let them = found.utterance_text().contains("all of them");
    Some(if them { Intent::Complete(vec![Target::Them]) } else { complete_all() })
}

fn complete_all() -> Intent {
    Intent::Complete(vec![Target::All(Vec::new())])
}

fn no_due(found: &Match<'_>) -> Intent {
    Intent::SetDue(target(found.words("t")).unwrap_or(Target::It), None)
}

/// A change of a task that is really several, because each of the parts of its name is one: "move A and B to Monday".
pub(super) fn each_of(intent: Intent, known: Known<'_>) -> Vec<Intent> {
    let parts = |target: &Target| {
        let Target::Title(title) = target else { return None };
        let words = tokenise(title);
        if known.titles.named(&norms(&words)).is_some() {
            return None;
        }
        Some(each_known(&words, known)?.into_iter().filter_map(super::target).collect::<Vec<Target>>())
    };
    let each = |target: &Target, build: &dyn Fn(Target) -> Intent| {
        parts(target).map(|parts| parts.into_iter().map(build).collect::<Vec<Intent>>())
    };
    let spread = match &intent {
        Intent::SetDue(target, due) => each(target, &|target| Intent::SetDue(target, *due)),
        Intent::SetPriority(target, priority) => each(target, &|target| Intent::SetPriority(target, *priority)),
        Intent::Shift(target, shift) => each(target, &|target| Intent::Shift(target, *shift)),
        // What is done is not known by name here. One task with an "and" in its name is found by each of its parts.
        Intent::Reopen(Target::Title(title)) => {
            let words = tokenise(title);
            let parts = joined_titles(&words, true, known);
            let tells = |part: &&[Word]| {
                matches!(
                    part.first().map(|word| word.norm.as_str()),
                    Some("i" | "it" | "it's" | "he" | "she" | "they" | "we" | "because" | "so" | "that" | "that's")
                )
            };
            if parts.len() > 1 && parts[1..].iter().any(tells) {
                return target(parts[0]).map_or_else(|| vec![intent.clone()], |first| vec![Intent::Reopen(first)]);
            }
            let several = parts.len() > 1 && known.titles.named(&norms(&words)).is_none();
            several.then(|| parts.into_iter().filter_map(target).map(Intent::Reopen).collect())
        }
        _ => None,
    };
    spread.unwrap_or_else(|| vec![intent])
}

fn delete(found: &Match<'_>) -> Option<Intent> {
    let words = found.words("t");
    let parts = each_known(words, found.known).filter(|_| found.known.titles.named(&norms(words)).is_none());
    let targets: Vec<Target> = parts.unwrap_or_else(|| vec![words]).into_iter().filter_map(target).collect();
    (!targets.is_empty()).then_some(Intent::Delete(targets))
}

/// "Cancel the dentist": a command only if there is such a task.
fn deletes_known(found: &Match<'_>) -> Option<Intent> {
    if let Some(those) = target::of_that_day(found.words("t"), found.known) {
        return Some(Intent::Delete(vec![those]));
    }
    let target = target(found.words("t"))?;
    let known = !matches!(target, Target::Title(_)) || found.known.titles.named(&norms(found.words("t"))).is_some();
    // "cancel the gym membership" may itself be the title of a task.
    let whole = found.known.titles.named(&norms(found.all_words())).is_some();
    let several = each_known(found.words("t"), found.known).is_some();
    if several {
        return delete(found);
    }
    (known && !whole).then_some(Intent::Delete(vec![target]))
}

pub(super) fn complete(found: &Match<'_>) -> Option<Intent> {
    let mut words = found.words("t");
    let known = found.known;
    // "Everything that was due today": the day belongs to it.
    if words.last().is_some_and(|last| last.norm == "due")
        && let Some(Target::Those(_)) =
            found.all_words().get(found.all_words().len() - words.len() - 1..).and_then(target)
    {
        words = &found.all_words()[found.all_words().len() - words.len() - 1..];
    }
    if known.titles.named(&norms(words)).is_none() && words.len() > 2 {
        let parts = each_known(words, known).unwrap_or_else(|| joined_titles(words, false, known));
        if parts.len() > 1 {
            return Some(Intent::Complete(parts.into_iter().filter_map(target).collect()));
        }
    }
    Some(Intent::Complete(vec![target(words)?]))
}

/// The words split at "and" and commas, if every part names an open task.
pub(super) fn each_known<'a>(words: &'a [Word], known: Known<'_>) -> Option<Vec<&'a [Word]>> {
    let parts = joined_titles(words, true, known);
    let all = parts.len() > 1 && parts.iter().all(|part| known.titles.named(&norms(part)).is_some());
    all.then_some(parts)
}

fn reopen(found: &Match<'_>) -> Option<Intent> {
    target(found.words("t")).map(Intent::Reopen)
}

fn priority_of(found: &Match<'_>) -> Option<Intent> {
    let text = found.utterance_text();
    let words = norms(found.words("d"));
    let said = find_priority(&words);
    let verb = match text.split(' ').next() {
        Some("raise" | "increase" | "bump") => Some(Priority::High),
        Some("lower" | "reduce" | "decrease") => Some(Priority::Low),
        _ => None,
    };
    let target = target(found.words("t")).unwrap_or(Target::It);
    Some(match said.or(verb) {
        Some(priority) => Intent::SetPriority(target, priority),
        None => incomplete(Missing::Priority, Intent::SetPriority(target, Priority::Normal)),
    })
}
