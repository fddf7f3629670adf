//! Adding tasks, in the many ways in which people say it.

use std::sync::LazyLock;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, capitalised, norms, tokenise};
use super::dated::{put_down, put_in, put_on};
use super::needed::{lacking, needed, reminded, until};
use super::priority::leading_priority;
use super::rule::{Match, Rule, first_match, rules};
use super::wanted::{offered, wanted};
use super::{Intent, Known, Missing, NewTask, Target, new_tasks, target};

/// With a word that says clearly that a task is to be added; whatever follows is its title.
static MARKED: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        // "at attack to …", "and a task to …": how "add a task to …" is misheard.
        (
            r"(?:i want to |i'd like to |i would like to |i need to |let's |let me )?{ADD} {ME}(?P<n>a|an|another|one|the|this|that|my|some|two|to|three|four|several|these|the following|a couple of|a few|new|uh)? ?(?:new |other |more |quick )?(?P<p>urgent |important |high priority |low priority |high-priority |low-priority |top priority |very important )?(?:new )?{TASK}(?: on my list| to my list| to the list| in my list| on there| in there| on the list| on it)?(?: for me)?(?P<link> (?:to|two|too|called|named|titled|that says|saying|which says|for|of|about|which is|that i need to|that i have to|is|reading))?(?: (?P<t>.+))?",
            |found| marked(found),
        ),
        (
            r"(?:a |another |one more )?(?:new|another|next|one more) (?P<p>urgent |important |high priority |low priority )?{TASK}(?: (?:to|called|named|is|for|about))?(?: (?P<t>.+))?",
            |found| marked(found),
        ),
        (
            r"(?:please )?(?:remind|reminds|re mind|remained|rewind|remember) (?:me|us)(?: again)?(?: (?:to|too|two|about|of|that i (?:need|have|should|must) to|that i (?:need|have)|that i've got to|i've got to|i have to|i need to|that))? (?P<t>.+)",
            |found| {
                // "Remind me what's on tomorrow" asks.
                let first = found.words("t").first().map_or("", |word| word.norm.as_str());
                if matches!(first, "what" | "what's" | "when" | "when's" | "which" | "who" | "how") {
                    let asked = super::parse_exact(&Utterance::new(found.words("t").to_vec()), found.known);
                    return matches!(asked, Intent::List(_) | Intent::When(_) | Intent::Count(_) | Intent::At(_))
                        .then_some(asked);
                }
                reminded(found).or_else(|| marked(found))
            },
        ),
        (r"(?:remind|reminds) (?:me|us)(?: to)?", |_| Some(missing_title())),
        (
            r"(?:and )?(?:(?:another|a second|a third|one more)(?: one)?|one)(?: that's| that is)? (?:called|named|titled|saying) (?P<t>.+)",
            |found| marked(found),
        ),
        // "And one more, order firewood."
        (
            r"(?:and |oh |also |then )*(?:one more|another one|one more thing|one more task|another thing|another task|one other thing|another|one last thing|one last)(?: to add| to do| please| for you)? (?P<t>.+)",
            |found| lexicon::starts_errand(&norms(found.words("t"))).then(|| marked(found)).flatten(),
        ),
        (r"(?:add|at|ad|put|append) (?:to|on|onto) {MY} {LIST}(?: that i (?:need|have) to| to)? (?P<t>.+)", |found| {
            marked(found)
        }),
        (
            r"(?P<t>.+?) (?:on|onto|for) (?:my|the|our) (?:shopping|grocery|to-?do|task) list(?: too| as well)?",
            |found| {
                let words = norms(found.words("t"));
                // "Pop sharpen the knives on my to-do list."
                let placed =
                    matches!(words[0], "put" | "pop" | "stick" | "chuck" | "bung" | "throw" | "add" | "get" | "place");
                let telling = placed
                    || words.iter().any(|word| {
                        matches!(
                            *word,
                            "is" | "are"
                                | "what"
                                | "what's"
                                | "show"
                                | "read"
                                | "any"
                                | "anything"
                                | "everything"
                                | "have"
                                | "do"
                                | "i"
                                | "it"
                                | "that"
                                | "them"
                                | "there"
                                | "how"
                                | "which"
                                | "not"
                                | "all"
                                | "was"
                                | "look"
                                | "see"
                                | "tell"
                                | "already"
                                | "put"
                                | "list"
                                | "those"
                                | "cross"
                                | "mark"
                        )
                    });
                (!telling && words.len() <= 8).then(|| marked(found)).flatten()
            },
        ),
        (r"(?:to do|to-do|two do) (?P<t>.+)", |found| {
            lexicon::starts_verb(&norms(found.words("t"))).then(|| marked(found)).flatten()
        }),
        (
            r"(?:help me |i want to |i'd like to |i need to |i have to |i should |i must )+(?:to )?remember (?:to )?(?P<t>.+)",
            |found| marked(found),
        ),
        // "Set a reminder for six thirty tomorrow morning to catch the early bus."
        (
            r"(?:set|make|create|add|give me|i'd like|i want|i need) (?:a |an |me a )?(?:reminder|alarm) (?P<d>(?:for|on|at|by) .+?) to (?P<t>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                let mut tasks = new_tasks(found.words("t"), false, found.known);
                for task in &mut tasks {
                    task.due = Some(due);
                }
                (!tasks.is_empty()).then_some(Intent::Add(tasks))
            },
        ),
        (
            r"(?:set|make|create|add|give me|can i have|could i have|can i get|could i get|i'd like|i want|i need|what i need is|what i want is|what i'd like is) (?:a |an )?(?P<p>urgent |important )?(?:reminder|remainder|alarm)(?: for me)?(?: (?:to|about|for))? (?P<t>.+)",
            |found| marked(found),
        ),
        (r"(?:reminder|to-?do|todo|task|a task|note to self|note|memo)(?: (?:to|is))? (?P<t>.+)", |found| {
            let first = found.words("t").first().map_or("", |word| word.norm.as_str());
            let noun = matches!(
                first,
                "that" | "down" | "list" | "is" | "number" | "one" | "two" | "three" | "due" | "done" | "was"
            );
            if noun { None } else { marked(found) }
        }),
        (r"(?:don't|do not|never) let me forget (?:to |about |that i (?:need|have) to )?(?P<t>.+)", |found| {
            marked(found)
        }),
        (
            r"(?:add|at|ad|and|put|place|write|get|stick|throw|pop|note|include|chuck|have|enter|set)(?: down)? (?P<t>.+?) (?:(?:on|onto|to|in|into|at|down on|two) (?:the (?:end|bottom|back) of )?{MY} {LIST}|(?:on|in) there)(?: for (?:me|us))?(?: please| thanks| thank you| ta| cheers| (?:will|would|could|can) you(?: please)?)?(?P<rest> .+)?",
            |found| {
                let named = found.text("t");
                let tells =
                    named.starts_with("tell me") || named.starts_with("show me") || named.contains("tell me what");
                let asks = tells || matches!(named.split(' ').next(), Some("i" | "we" | "you" | "what" | "what's"));
                if asks || matches!(named, "it" | "that" | "this" | "them" | "those" | "these") {
                    return None;
                }
                let words: Vec<Word> = found.words("t").iter().chain(found.words("rest")).cloned().collect();
                // "Put fix the bike back on the list": it was done.
                if let [of_it @ .., last] = found.words("t")
                    && last.norm == "back"
                    && !of_it.is_empty()
                {
                    return target(of_it).map(Intent::Reopen);
                }
                if matches!(named, "something" | "an item" | "something else" | "something new") {
                    return Some(missing_title());
                }
                // "Put eggs, vanilla sugar and a bag of flour on the list."
                let enumerates = words.iter().rev().skip(1).any(|word| word.pauses() && !word.quoted)
                    && !lexicon::starts_verb(&norms(&words));
                Some(build(&words, enumerates, None, found.known))
            },
        ),
    ])
});

/// Without the word "task": these come after the commands that they could be mistaken for.
static SOFT: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:add|put|at|write|jot|note|pop|stick|get|chuck|bung) (?:it|that|this|them|those)(?: down| in| on there| on| one| task| again| back| too| to my list| to the list| on my list| on the list| back on| anyway| anyhow| regardless| all the same)*",
            |_| Some(Intent::AddThat(None)),
        ),
        // "Then add it for Wednesday."
        (
            r"(?:add|write|note|jot|include) (?:it|that|this|them|those)(?: down| in| to my list| to the list| on my list| on the list)* (?P<d>.+)",
            |found| dates::parse(&norms(found.words("d")), found.known.now).map(|due| Intent::AddThat(Some(due))),
        ),
        (
            r"(?:add|put|create|make|set up|write|note)(?: in| down)? (?:another one|one more|another)(?: to| for| called| about)? (?P<t>.+)",
            |found| marked(found),
        ),
        // "Add it to review the proposal": how "add a task to …" is misheard.
        (r"(?:add|at|ad) (?:it|that|at|this|one) to (?P<t>.+)", |found| {
            let words = norms(found.words("t"));
            let listed = matches!(words.last(), Some(&"list" | &"tasks" | &"task" | &"it"));
            (lexicon::starts_verb(&words) && words.len() > 1 && !listed).then(|| marked(found)).flatten()
        }),
        // "Add two things, a birthday card for Max and wrapping paper."
        (
            r"(?:add|put|note|write)(?: down)? (?P<n>two|three|four|several|a few) (?:more )?(?:things|items|jobs|errands)(?: to my list| on my list| for me)? (?P<t>.+)",
            |found| marked(found),
        ),
        (r"(?:add|added|ad)(?: in| also)? (?P<t>.+)", |found| marked(found)),
        // "I have until Friday to submit the form."
        (r"(?:i|we)(?:'ve| only|'ve only)? (?:have|got|have got) (?:until|till) (?P<d>.+?) to (?P<t>.+)", |found| {
            until(found)
        }),
        // "Put me down for a blood test on Wednesday."
        (r"(?:put|pencil|sign|book|mark) me (?:down|in|up) for (?:a |an |the |my )?(?P<t>.+)", |found| marked(found)),
        (
            r"(?:put|write|note|jot|mark|take|pencil|set) (?:me )?down (?:for me )?(?:that i (?:need|have) to |to )?(?P<t>.+?)(?: for (?:me|us))?",
            |found| marked(found),
        ),
        (r"set (?:me )?(?:a|an|another) (?:new )?(?:task|to-do|todo) (?:to|for|called) (?P<t>.+)", |found| {
            marked(found)
        }),
        // "Put in physio on the second at four"; "put in the new window" is something to do.
        (r"(?:put|pencil|pop|stick) in (?P<t>.+)", |found| put_in(found)),
        // "Put call the vet down for Thursday", "schedule a haircut on Friday": with a day, it is for the list.
        (r"(?:put|pop|pencil|note|jot|get) (?P<t>.+?) (?:down|in) (?P<rest>(?:for|on|at|by) .+)", |found| {
            put_down(found)
        }),
        // "Put lunch with Maria on Wednesday at noon": a thing with a day; "put the bins out on Friday" is something to do.
        (r"(?:put|pop|stick) (?P<t>.+)", |found| put_on(found)),
        (r"(?:schedule|plan|pencil in) (?P<t>.+)", |found| {
            let words = found.words("t");
            // "Plan B on Friday" and "plan ahead" are none of it.
            let article = matches!(words.first()?.norm.as_str(), "a" | "an" | "my" | "the" | "our");
            if !article && found.utterance_text().starts_with("plan ") {
                return None;
            }
            let (start, _) = dates::find_trailing(&norms(words), found.known.now)?;
            let known = found.known.titles.named(&norms(&words[..start])).is_some();
            (!known).then(|| marked(found)).flatten()
        }),
        (
            r"there(?:'s| are| is|'re) (?:a |an |some |a few |a couple of |(?P<n>two|three|four|several) )?(?:more |other )?(?:things?|tasks?|jobs?|items?)(?: to do| i need to do| i have to do| to add| for my list)? (?P<t>.+)",
            |found| {
                // "There are two tasks. Delete the first one."
                let words = norms(found.words("t"));
                let points =
                    words.iter().any(|word| matches!(*word, "one" | "ones" | "it" | "them" | "first" | "last"));
                (!points && lexicon::starts_verb(&words)).then(|| marked(found)).flatten()
            },
        ),
        (r"(?:add|create|make|put|ad)", |_| Some(missing_title())),
        (r"(?:at|had|and|edit) (?P<t>.+)", |found| {
            lexicon::starts_action(&norms(found.words("t"))).then(|| marked(found)).flatten()
        }),
        (
            r"(?:i|we) (?:also |still |really |just |should probably |probably )*(?:need|have|got|gotta|ought|must|should|had better|need|'ve got|am supposed|want you to remind me|still have)(?: to| two| too)? (?:also |still |really |probably |maybe |remember to |not forget to |make sure (?:to|i) )*(?P<t>.+)",
            |found| needed(found),
        ),
        // "Need to chase accounts", "need mince and pasta".
        (r"(?:also |still |really |just )*need(?: to)? (?P<t>.+)", |found| needed(found)),
        (r"(?:gotta|got to|must) (?P<t>.+)", |found| {
            lexicon::starts_verb(&norms(found.words("t"))).then(|| needed(found)).flatten()
        }),
        (r"(?:i've|we've) (?:also |still )?got to (?:remember to |not forget to )?(?P<t>.+)", |found| needed(found)),
        (r"i(?:'m| am) (?:supposed|going|planning) to (?P<t>.+)", |found| {
            lexicon::starts_verb(&norms(found.words("t"))).then(|| needed(found)).flatten()
        }),
        (r"(?:i've got|i have got|i have|there's|there is|we've got|we have|got) (?P<t>.+)", |found| {
            let words = norms(found.words("t"));
            let plain = ["i've", "i ", "we", "got"].iter().any(|lead| found.utterance_text().starts_with(lead))
                || matches!(words[0], "a" | "an" | "my" | "the" | "our");
            let story =
                words.iter().any(|word| matches!(*word, "so" | "but" | "because" | "if" | "when")) || words.len() > 16;
            if !plain || story {
                return None;
            }
            let told = lexicon::present_of(words[0]).is_some()
                || matches!(
                    words[0],
                    "to" | "been"
                        | "no"
                        | "nothing"
                        | "not"
                        | "never"
                        | "some"
                        | "something"
                        | "anything"
                        | "it"
                        | "them"
                        | "that"
                        | "this"
                        | "everything"
                        | "all"
                        | "already"
                        | "just"
                        | "until"
                        | "till"
                );
            dates::find_trailing(&words, found.known.now)
                .filter(|(start, _)| *start > 0 && !told)
                .and_then(|_| marked(found))
        }),
        (
            r"(?:(?:we're|we are|i'm|i am|i've|we've|we have|i have|we|i)(?: just| almost| nearly)* )?(?:out of|running out of|running low on|low on|run out of|ran out of|used up all the|used up the) (?P<t>.+)",
            |found| lacking(found),
        ),
        (
            r"(?:(?:my|our|the) )?[a-z]+ (?:says|said|reckons|thinks)(?: that)? (?:we|i) (?:need|want|are out of|have run out of|ran out of) (?P<t>.+)",
            |found| {
                let needs = found.text("t").strip_prefix("to ").is_none();
                needs.then(|| lacking(found)).flatten()
            },
        ),
        (
            r"(?:(?:my|our|the) )?(?:[a-z]+ )?[a-z]+ (?:wants|needs|wanted|asks|asked|told|tells|reminded|expects|begged|would like) (?:me|us) to (?P<t>.+)|(?:i was|i've been|i have been|we were) (?:asked|told|reminded) to (?P<u>.+)",
            |found| {
                let words = if found.words("t").is_empty() { found.words("u") } else { found.words("t") };
                lexicon::starts_verb(&norms(words))
                    .then(|| offered(&Utterance::new(words.to_vec()), found.known))
                    .flatten()
            },
        ),
        (
            r"(?:i|we|i've|we've|i have)(?: just| also)? (?:promised|agreed|offered|volunteered|decided|meant|intended|swore|told|said)(?: (?:[a-z]+ ){0,3}(?:i'd|i would|we'd)| to) (?P<t>.+)",
            |found| {
                lexicon::starts_verb(&norms(found.words("t")))
                    .then(|| offered(&Utterance::new(found.words("t").to_vec()), found.known))
                    .flatten()
            },
        ),
        // "I keep forgetting to water the basil", "it's time to clean the oven".
        (
            r"(?:(?:i|we) (?:keep|kept) (?:forgetting|meaning)|(?:i|we) (?:always|almost|nearly|totally) (?:forget|forgot)|(?:i|we) forgot|(?:i've|we've|i have) (?:been meaning|forgotten)|(?:i|we) (?:was|were) (?:supposed|meant|going)|it's (?:about |high )?time|(?:i|we) (?:better|could do with remembering)|it would be (?:good|nice|great)|(?:someone|somebody) (?:needs|has|ought)) to (?P<t>.+)",
            |found| {
                let words = found.words("t");
                (lexicon::starts_verb(&norms(words))
                    && words.len() > 1
                    && found.known.titles.named(&norms(words)).is_none())
                .then(|| offered(&Utterance::new(words.to_vec()), found.known))
                .flatten()
            },
        ),
        (
            r"(?:i'd like|i want|i would like|i wanna|i plan|i'm planning|let's|let me|we want|we'd like) (?:to )?(?P<t>.+)",
            |found| wanted(found),
        ),
        (
            r"(?:i )?(?:mustn't|must not|can't|shouldn't|cannot|don't want to) forget (?:to |about |that i (?:need|have) to )?(?P<t>.+)",
            |found| marked(found),
        ),
        (r"(?:don't|do not) forget (?:to|about|that i (?:need|have) to) (?P<t>.+)", |found| marked(found)),
        (r"(?P<t>(?:don't|do not) forget .+)", |found| marked(found)),
        (r"remember (?:for me )?(?:to|that i (?:need to|have to|must|should)|about)? ?(?P<t>.+)", |found| {
            marked(found)
        }),
        (
            r"(?:please )?make sure (?:to|i|that i|we|that we)(?: remember to| don't forget to| do)? (?P<t>.+)",
            |found| marked(found),
        ),
        (
            r"(?:write down|put down|note down|jot down|take a note|make a note|note|write|take down)(?: that i (?:need|have) to| of| to| that)? (?P<t>.+?)(?: for (?:me|us))?",
            |found| {
                // "Write to Ada", "write the letter" are something to do; "write buy milk" is to be written down.
                let text = found.utterance_text();
                let writes = text.starts_with("write ") && !text.starts_with("write down");
                if text.starts_with("write to ") || writes && !lexicon::starts_verb(&norms(found.words("t"))) {
                    return None;
                }
                // "Note that it's urgent" is about a task, and none.
                let first = found.words("t").first().map_or("", |word| word.norm.as_str());
                if matches!(first, "it's" | "it" | "that's" | "this" | "that") {
                    let told = super::parse_exact(&Utterance::new(found.words("t").to_vec()), found.known);
                    return (told.is_command() && !matches!(told, Intent::Add(_))).then_some(told);
                }
                marked(found)
            },
        ),
    ])
});

pub(super) fn parse_marked(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&MARKED, utterance, known).map(about_that)
}

/// "Remind me about that at five": what was spoken of gets a date, and "that" is no title.
fn about_that(intent: Intent) -> Intent {
    let Intent::Add(tasks) = &intent else { return intent };
    let [NewTask { title, due: Some(due), .. }] = tasks.as_slice() else { return intent };
    match title.to_lowercase().as_str() {
        "that" | "it" | "this" | "that one" | "this one" | "do that" | "do it" | "do this" => {
            Intent::SetDue(Target::It, Some(*due))
        }
        "them" | "those" | "these" | "both" => Intent::SetDue(Target::Them, Some(*due)),
        _ => intent,
    }
}

pub(super) fn parse_soft(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&SOFT, utterance, known).map(about_that)
}

/// "Buy milk tomorrow": only something to do, so we ask.
pub(super) fn parse_bare(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = norms(&utterance.words);
    // "Hang on, I'm in the lift", "go on, what's first" ask for patience, or for more.
    if matches!(words.as_slice(), ["hang", "on", ..] | ["come", "on", ..])
        || matches!(words.as_slice(), ["hold", "on", next, ..] if *next != "to")
        || matches!(words.as_slice(), ["go", "on", "what" | "what's" | "then" | "and" | "tell" | "read" | "so", ..])
    {
        return None;
    }
    let lead = leading_priority(&words).map_or(0, |(length, _)| length);
    // "Call the lawyer, it's urgent" ends in what is said of it.
    if words.len() > 16 || !(lexicon::starts_errand(&words[lead..]) || lead > 0 && lexicon::starts_verb(&words[lead..]))
    {
        return None;
    }
    // "Make it half past", "put it in the diary" are said to us.
    let pointing = matches!(
        words.as_slice(),
        [
            "make" | "put" | "set" | "move" | "change" | "mark" | "push" | "shift" | "keep",
            "it" | "that" | "this" | "them" | "those",
            ..
        ]
    );
    match build(&utterance.words, false, None, known) {
        Intent::Add(tasks) if !pointing => Some(Intent::Offer(tasks)),
        _ => None,
    }
}

fn missing_title() -> Intent {
    Intent::Incomplete(Missing::Title, Box::new(Intent::Add(Vec::new())))
}

pub(super) fn marked(found: &Match<'_>) -> Option<Intent> {
    let number = found.text("n");
    let whole = found.words("t");
    let separate = super::tasks::separately(whole);
    let several = separate.is_some()
        || matches!(
            number,
            "two" | "three" | "four" | "several" | "these" | "the following" | "a couple of" | "a few" | "some"
        );
    let words = separate.unwrap_or(whole);
    // "Add one for the flat in Park Road."
    let mut words = match norms(words).as_slice() {
        ["one" | "another", "for" | "to" | "about", _, ..] => &words[2..],
        _ => words,
    };
    // "Add … let me think."
    if matches!(norms(words).as_slice(), ["let", "me", "think" | "see", ..] | ["hang" | "hold", "on", ..]) {
        return Some(missing_title());
    }
    // "add a task" may end in a dangling "to".
    if matches!(
        norms(words).as_slice(),
        ["something"]
            | ["something", "new" | "else"]
            | ["something", "for", "me" | "us"]
            | ["an", "item"]
            | ["one", "more"]
            | ["another", "one"]
            | ["another"]
    ) {
        return Some(missing_title());
    }
    if words.is_empty() || (words.len() == 1 && matches!(words[0].norm.as_str(), "to" | "called" | "for" | "that")) {
        return Some(missing_title());
    }
    // "Remind me not to eat before the scan."
    if let ["not", "to", _, ..] = norms(words).as_slice() {
        let told: Vec<Word> = tokenise("don't").into_iter().chain(words[2..].iter().cloned()).collect();
        return Some(build(&told, false, None, found.known));
    }
    let mut lead = found.text("p").trim().to_owned();
    // "Add a task, high priority, call the plumber."
    if let Some((length, priority)) = leading_priority(&norms(words)).filter(|(length, _)| words[length - 1].pauses())
        && words.len() > length
    {
        (lead, words) = (priority.as_str().to_owned(), &words[length..]);
    }
    Some(build(words, several, Some(lead.as_str()).filter(|lead| !lead.is_empty()), found.known))
}

/// "A dentist appointment" is on the list as "Dentist appointment". "A levels" keeps its letter, and so does what is quoted.
fn without_article(title: String, words: &[Word]) -> String {
    let written = |article: &str| {
        let quoted = words.iter().any(|word| word.quoted);
        let lettered = words.iter().any(|word| word.norm == "a" && (word.raw == "A" || word.pauses()));
        title.strip_prefix(article).filter(|_| !(quoted || lettered && article == "A ")).map(str::to_owned)
    };
    let Some(rest) = written("A ").or_else(|| written("An ")) else { return title };
    let amount =
        matches!(rest.split(' ').next(), Some("few" | "couple" | "lot" | "bit" | "little" | "pair" | "dozen" | "day"));
    if amount { title } else { capitalised(&rest) }
}

pub(super) fn build(words: &[Word], several: bool, lead: Option<&str>, known: Known<'_>) -> Intent {
    if let Some(rest) = super::tasks::without_past(words).filter(|_| !words.iter().any(|word| word.quoted)) {
        let tasks = new_tasks(rest, several, known);
        return Intent::Incomplete(Missing::Date, Box::new(Intent::Add(tasks)));
    }
    let tasks = new_tasks(words, several, known);
    if tasks.is_empty() {
        return missing_title();
    }
    let priority = lead.map(|lead| if lead.contains("low") { super::Priority::Low } else { super::Priority::High });
    let with_lead = |task: NewTask| NewTask {
        priority: task.priority.or(priority),
        title: without_article(task.title, words),
        ..task
    };
    Intent::Add(tasks.into_iter().map(with_lead).collect())
}
