//! Asking for tasks: lists, counts, and when something is due.

use std::sync::LazyLock;

use jiff::ToSpan;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, title};
use super::diary;
use super::rule::{Match, Rule, first_match, rules};
use super::{Filter, Intent, Known, Priority};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:did|have|had) (?:i|we) (?:already |ever |just )?(?:tell|told|ask|asked|say|said|mention|mentioned|remind|get) (?:to )?(?:you )?(?:to |about |that i (?:need|have) to |that )?(?P<t>.+)",
            |found| found.known.titles.named(&norms(found.words("t"))).map(|_| query(found.words("t"))),
        ),
        (
            r"(?:did|have|had|has) (?:i|we|you|he|she|they|anyone|anybody|someone|somebody) (?:already |ever |really |just |yet )*(?P<v>[a-z]+) (?P<t>.+?)(?: already| yet| now)?",
            |found| asked_whether(found),
        ),
        (
            r"(?:am|are|is|was|were|has|have|had|did) (?:i|we|you|he|she|they|anyone|anybody|someone|somebody) (?:already |all |just |yet )*(?:{DONE}|through) with (?P<t>.+?)(?: already| yet| now)?",
            |found| Some(query(found.words("t"))),
        ),
        (
            r"(?:has|have|had|is|are|was|were) (?P<t>.+?) (?:already |now |all |ever )*(?:been |got |gotten )?{DONE}(?: already| yet| now)?",
            |found| {
                let first = found.text("t").split(' ').next().unwrap_or_default();
                let person = matches!(first, "i" | "we" | "you" | "there" | "anything" | "something");
                (!person).then(|| query(found.words("t")))
            },
        ),
        (
            r"(?:which|what)(?:'s| is| are| were| was| has been| have been| have (?:i|we|you)| did (?:i|we|you)| ones?| tasks?| things?| of (?:them|those|my tasks))+(?: already| still| now| all)* (?:{DONE}|finish|complete|left|open|remaining|outstanding|overdue|urgent)(?: already| yet| now| today)?",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
        (
            r"(?:am i|are we) (?:all )?(?:done|finished|through)(?: with everything)?(?: for)? (?P<d>today|the day|this week|the week)",
            |found| {
                let due = if found.text("d").ends_with("week") { "this_week" } else { "today" };
                Some(Intent::List(Filter { status: Some("open"), due: Some(due.into()), ..Filter::default() }))
            },
        ),
        // "When do I need to be done with the slides?"
        (
            r"(?:when|by when|what time) (?:do|must|should) i (?:need to |have to )?(?:be (?:done|finished) with|have|hand in|be through with) (?P<t>.+?)(?: done| finished| ready)?(?: by)?",
            |found| found.known.titles.named(&norms(found.words("t"))).map(|title| Intent::When(title.to_owned())),
        ),
        (
            r"(?:am i|are we) (?:running )?(?:late|behind|overdue)(?: with| on| for)?(?: anything| something| any tasks| my tasks)?",
            |_| Some(Intent::List(Filter { status: Some("open"), due: Some("overdue".into()), ..Filter::default() })),
        ),
        (
            r"(?:am i|are we|i'm|we're) (?:free|busy|available)(?: .+)?|(?:(?:what (?:did|have) i|(?:is there )?anything (?:that )?i(?:'ve)?) (?:miss|missed|forget|forgotten|forgot)|(?:did|have) i (?:miss|missed|forget|forgotten) (?:anything|something))",
            |found| {
                // "I'm busy then" tells.
                let tells = found.utterance_text().starts_with("i'm ") || found.utterance_text().starts_with("we're ");
                if tells
                    && found.all_words().iter().any(|word| matches!(word.norm.as_str(), "then" | "that" | "so" | "but"))
                {
                    return None;
                }
                let missed = ["miss", "forg"].iter().any(|word| found.utterance_text().contains(word));
                let due = if missed { Some("overdue".to_owned()) } else { due(found.utterance_text(), found.known) };
                due.map(|due| Intent::List(Filter { status: Some("open"), due: Some(due), ..Filter::default() }))
            },
        ),
        (
            r"(?:do|must|should|did) (?:i|we) (?:still |really |also )*(?:have to |need to |got to )?(?P<t>.+?)(?: still)?",
            |found| found.known.titles.named(&norms(found.words("t"))).map(|_| query(found.words("t"))),
        ),
        // "Do I still have to water the lawn?": it may be done.
        (r"(?:do|must|should) (?:i|we) (?:still )?(?:have to|need to|got to) (?P<t>.+?)(?: still)?", |found| {
            lexicon::starts_action(&norms(found.words("t"))).then(|| query(found.words("t")))
        }),
        (
            r"(?:do you have (?:that|it|this)|have you (?:that|it)|is (?:that|it) noted)(?: down| noted| now| then| on (?:my|the) list)*|(?:did|have) you (?:already |just )?(?:add|added|put|got|get|saved?|noted?|written?)(?: down)? (?:it|that|this|them)(?: down| on| yet| already| to my list| on my list)*",
            |_| Some(Intent::Last),
        ),
        (
            r"(?:what(?:'s| is| was)|which (?:is|was|one is|one was)|tell me|read(?: me)?) (?P<t>(?:the )?[a-z0-9]+ (?:one|task|thing|item))(?: (?:on|in) (?:my|the) list| on there)?(?: again)?",
            |found| {
                let Some(super::Target::Picked(picks)) = super::target(found.words("t")) else { return None };
                // "The last one on my list" is not the last one that was read out.
                if !found.utterance_text().contains(" list") {
                    return Some(Intent::When(found.text("t").to_owned()));
                }
                found
                    .known
                    .titles
                    .last()
                    .filter(|_| picks == [super::Pick::Last])
                    .map(|title| Intent::When(title.to_owned()))
            },
        ),
        (
            r"how (?:urgent|important) (?:is|are) (?:the |my )?(?P<t>.+)|what priority (?:is|does|has) (?:the |my )?(?P<u>.+?)(?: have)?",
            |found| {
                let words = if found.text("t").is_empty() { found.words("u") } else { found.words("t") };
                Some(Intent::When(title(words)))
            },
        ),
        (
            r"(?:when|what time|by when) (?:is|was|does|do|did) (?:he|she|they|it|that)(?: get| come| arrive| start| begin| go| happen| due| at| for| on| again| here| there| be)+",
            |_| Some(Intent::When("it".into())),
        ),
        (r"(?:when's|when are|when's my) (?:the |my )?(?P<t>.+?)(?: due)?(?: again| now| then)?", |found| {
            Some(Intent::When(title(found.words("t"))))
        }),
        (
            r"(?:when|what time|by when) (?:is|are|was|do i have to|must i|should i|do i need to|does|did i say) (?:the |my )?(?P<t>.+?)(?: due| need to be done| be done| to be done| supposed to be done| needs? [a-z]+ing| needs? to be [a-z]+(?: by)?)?(?: now| again| then)?",
            |found| Some(Intent::When(title(found.words("t")))),
        ),
        (
            r"(?:when|what time|what day|what date|which day)(?: did| have) (?:you|i) (?:set|put|note|noted|make|made|book|booked|schedule|scheduled|write|written|add|added|say)(?: it| that| them)?(?: down)?(?: for| at| on| to be)*(?: again)?",
            |_| Some(Intent::When("it".into())),
        ),
        (
            r"(?:what|which) (?:day|date|time) (?:is|are|was|does) (?:the |my )?(?P<t>.+?) (?:due|at|on|for|again|start|begin|happen)(?: at| on| for| again)?",
            |found| {
                let known = found.known.titles.named(&norms(found.words("t")));
                known.map(|title| Intent::When(title.to_owned()))
            },
        ),
        // "What's on the list for the wedding?"
        (
            r"(?:what's|what is|what do i have|what have i got|is there anything)(?: on| in)? (?:my|the) list (?:for|about) (?:the |my )?(?P<t>.+)",
            |found| {
                let words = norms(found.words("t"));
                let dated = dates::parse(&words, found.known.now).is_some();
                (!dated && !found.known.titles.touched(&words).is_empty()).then(|| query(found.words("t")))
            },
        ),
        (
            r"what (?:did|have|was it) you (?:just |now |actually |exactly )*(?:put|add|added|note|noted|write|wrote|written|got|save|saved|jot|jotted|take|taken|enter|entered)(?: down| in| there| on (?:my|the) list| to (?:my|the) list| for me)*(?: just now| now| again)?",
            |_| Some(Intent::Last),
        ),
        (r"(?:what's|what is) (?:its|the) (?:due date|deadline|priority)|how (?:urgent|important) is it", |_| {
            Some(Intent::When("it".into()))
        }),
        (r"(?:what's|what is) the (?:due date|deadline|priority) (?:of|for|on) (?:the |my )?(?P<t>.+)", |found| {
            Some(Intent::When(title(found.words("t"))))
        }),
        (
            r"(?:is|are|was) (?:the |my )?(?P<t>.+?) (?:already |still )*(?:done|finished|completed|open|on (?:my|the) list|on there|there|due)(?: yet)?",
            |found| {
                let what = found.text("t");
                (!what.starts_with("there ")
                    && !matches!(
                        what,
                        "anything" | "something" | "there anything" | "there something" | "what" | "everything"
                    ))
                .then(|| query(found.words("t")))
            },
        ),
        (
            r"(?:do i have|is there|have i got|did i add|did i put|are there|find|search for|look for|look up) (?:a |any |the )?(?:{TASK} |anything |something )?(?:(?:on|in) (?:there|my list|the list|it) )?(?:about|with|called|named|for|to do with|that mentions|containing|involving|on|regarding|related to) (?P<t>.+?)(?: (?:on|in) (?:my|the) list)?",
            |found| {
                let words = found.words("t");
                if dates::parse(&norms(words), found.known.now).is_some()
                    || matches!(found.text("t"), "my list" | "the list" | "my plate")
                {
                    return None;
                }
                Some(query(words))
            },
        ),
        (r"(?:is there|do i have) (?P<t>.+) (?:on|in) {MY} {LIST}", |found| {
            (!matches!(found.text("t").split(' ').next(), Some("anything" | "something" | "any" | "a")))
                .then(|| query(found.words("t")))
        }),
        (r"(?:search|find|look) (?:for |up )?(?P<t>.+)", |found| {
            found.text("t").contains("task").then(|| query(super::target::strip_task(found.words("t"))))
        }),
        (
            r"(?:how many|how much|count|what's the number of|what is the number of|number of|tell me how many|the number of)(?: .*)?",
            |found| {
                let text = found.utterance_text();
                let state = |word: &str| {
                    matches!(
                        word,
                        "done" | "finished" | "completed" | "left" | "remaining" | "remain" | "complete" | "finish"
                    )
                };
                let about_tasks = text.split(' ').any(|word| is_about_tasks(word) || state(word))
                    || text.contains("do i have")
                    || text.contains("have i got")
                    || text.ends_with("to go")
                    || text.ends_with("so far")
                    || ["jobs", "things", "ones"].iter().any(|word| text.split(' ').any(|said| said == *word))
                    || ["are there", "was that", "is that", "would that be", "are those", "are they", "were there"]
                        .iter()
                        .any(|end| text.strip_prefix("how many ").is_some_and(|rest| rest.starts_with(end)))
                    || matches!(text, "how many" | "how many more" | "how many again");
                about_tasks.then(|| Intent::Count(filter(text, found.known)))
            },
        ),
        (
            r"(?:give me |what's |i want |i'd like |can i have )?(?:an? |the |my )?(?:quick |short |brief )?(?:overview|summary|rundown|status)(?: .*)?|status|overview|summary|my day|my tasks|tasks|my list|the list|list|to-?do list|what(?:'s| is)(?: still| left)? on (?:there|it|that)(?: now| so far| already)?|list them|read them|show them|show me|the whole list|everything on my list|all tasks|all my tasks|open tasks|what about my tasks|(?:tell me|give me|read me|read|read out|what are|what're|what were|list|say) (?:just |only )?(?:the|my) first (?:two|three|few|couple)(?: (?:ones|tasks|things|items))?(?: on (?:it|there|my list|the list))?(?: again)?",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
        (
            r"(?:{SHOW} {ME}(?:all )?(?:of )?(?:the |my )?(?:things|stuff|everything|them|what i have|what's left|what's there|the list|completed ones|done ones)|what (?:have i|did i) (?:just |already )?(?:got|done|finish(?:ed)?|complete(?:d)?|accomplish(?:ed)?|get done|do)|what(?:'s| is| else is)? (?:left|next|up next|there|open|outstanding|remaining|pending)|what remains|what(?:'s| is)? (?:comes?|coming|coming up)|what i (?:have|need|should|must|ought)(?: .*)?|what's for (?:today|tomorrow)|what (?:do|should|must|can) i (?:do|start with|need to do|have to do|have|have to get done|work on)(?: .*)?|what(?:'s| is) (?:up|happening|planned|scheduled|going on) (?:for )?(?P<d>.+)|what(?:'s| is) (?:my day|my week)(?: .*)?|what (?:else )?(?:have i|do i have|i have) (?:got|left|to do)(?: .*)?|what have i got(?: .*)?|what else do i have(?: .*)?|how (?:does|is) my (?:day|week|list)(?: .*)?)(?: .*)?",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
        (
            r"(?:what's|what is|what are|what|which|what else|which ones|which of|show|list|lists|read|read out|tell|give|display|repeat|see|hear|do i have|have i|is there|is|are|are there|any|anything|something|got anything|have i got|have we got|let me (?:see|hear|have)|i (?:want|need|would like|'d like) to (?:see|hear|know)|i'd like to (?:see|hear|know)|i want (?:my|the|a list)|lift|least|check|look at|open|view|go over|summarize|summarise|so what|and what|do we have)(?: .*)",
            |found| {
                let text = found.utterance_text();
                let about = text.split(' ').any(is_about_tasks) || due(text, found.known).as_deref() == Some("none");
                let question = text.starts_with("anything")
                    || text.starts_with("any ")
                    || text.starts_with("what's for")
                    || text.starts_with("what about")
                    || text.starts_with("what's on")
                    || text.starts_with("do i have anything")
                    || text.starts_with("is there anything")
                    || text.starts_with("have i got anything")
                    || text.starts_with("what's");
                let dated = (about || question) && due(text, found.known).is_some();
                let command = text.starts_with("check ") || text.starts_with("open ") || text.starts_with("give ");
                let priorities = text.starts_with("give me") && text.contains("priorit");
                if command && !priorities && !text.contains("task") && !text.contains("list") && !text.contains("to-do")
                {
                    return None;
                }
                (about || dated || (question && text.split(' ').count() <= 2 && text.starts_with("any")))
                    .then(|| Intent::List(filter(text, found.known)))
            },
        ),
        (r"(?:and |but )?what about (?P<t>.+)", |found| {
            let known = found.known.titles.named(&norms(found.words("t"))).is_some();
            known.then(|| Intent::When(title(found.words("t"))))
        }),
        (r"(?:and |what about |how about |and what about )(?P<d>.+)", |found| {
            let words = norms(found.words("d"));
            let fits = dates::parse(&words, found.known.now).is_some()
                || matches!(
                    found.text("d"),
                    "urgent ones"
                        | "the urgent ones"
                        | "done ones"
                        | "the done ones"
                        | "overdue ones"
                        | "this week"
                        | "next week"
                        | "the completed ones"
                        | "important ones"
                        | "the important ones"
                        | "the overdue ones"
                );
            fits.then(|| Intent::List(filter(found.text("d"), found.known)))
        }),
        (
            r"(?:and )?(?:then what|after that|what's after that|what comes after(?: that| it)?|what then|what's after(?: it)?|and then what|what's after this|what's the next one|next up)",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        (
            r"(?:what|which)(?: one| task| of them| of those| of these)? (?:should|shall|do|can|must|would you|ought) (?:i |we )?(?:to )?(?:start with|begin with|start on|tackle first|tackle|begin|prioritise|prioritize|focus on|start)(?: first| now| today| next)?",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        (
            r"(?:and )?(?:which|what)(?: ones| tasks)?(?: of (?:them|those|these|my tasks))?(?: are| is|'s)?(?: there)?(?: due| planned| meant)? (?:for|by|on|in) (?P<d>.+)",
            |found| {
                let filter = filter(found.text("d"), found.known);
                filter.due.is_some().then_some(Intent::List(filter))
            },
        ),
        (
            r"(?:only |just |and |show |list |what about )*(?:the |those )?(?:ones|tasks|those) (?:with|without|due|for|about|that|which|from|on) .+",
            |found| {
                let filter = filter(found.utterance_text(), found.known);
                let told = filter.due.is_some() || filter.priority.is_some() || filter.query.is_some();
                told.then_some(Intent::List(filter))
            },
        ),
        (
            r"(?:which|what)(?: ones?| tasks?| things?| of (?:them|those|my tasks))? (?:are|is|have|has|mention|mentions|involve|concern|contain|contains)(?: to do| anything to do)?(?: about| with|)(?: the words?)? (?P<t>.+)",
            |found| {
                let about = [" about ", " with ", " mention", " involve", " concern", " contain"];
                let text = found.utterance_text();
                let dated = dates::parse(&norms(found.words("t")), found.known.now).is_some();
                (about.iter().any(|word| text.contains(word)) && !dated && !text.contains("date")).then(|| {
                    Intent::List(Filter {
                        status: Some("open"),
                        query: Some(title(found.words("t")).to_lowercase()),
                        ..Filter::default()
                    })
                })
            },
        ),
        (
            r"(?:only |just )?(?:the )?(?:urgent|important|overdue|open|done|completed|finished|high priority|low priority)(?: ones| tasks| stuff)",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
    ])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    // "List the sofa on eBay is done" tells of a task.
    if let [named @ .., "is" | "are", "done" | "finished" | "complete"] = norms(&utterance.words).as_slice()
        && known.titles.same(named).is_some()
    {
        return None;
    }
    if let Some(at) = diary::of_an_hour(utterance, known) {
        return Some(at);
    }
    diary::of_a_day(utterance, known).or_else(|| first_match(&RULES, utterance, known))
}

/// "Did I pay the bill?" asks for a task, done or not.
fn asked_whether(found: &Match<'_>) -> Option<Intent> {
    // "Did you save it?" asks of what we did.
    if found.utterance_text().contains(" you ") && matches!(found.text("t"), "it" | "that" | "this" | "them") {
        return None;
    }
    let verb = found.text("v");
    if matches!(verb, "add" | "put" | "got" | "anything" | "have" | "say" | "any" | "a" | "to" | "get") {
        return None;
    }
    if matches!(verb, "do" | "done" | "finish" | "finished" | "complete" | "completed") {
        return Some(query(found.words("t")));
    }
    let base = lexicon::present_of(verb).or_else(|| lexicon::starts_verb(&[verb]).then(|| verb.to_owned()))?;
    Some(Intent::List(Filter {
        status: Some("all"),
        query: Some(format!("{base} {}", title(found.words("t")).to_lowercase())),
        ..Filter::default()
    }))
}

fn query(words: &[Word]) -> Intent {
    if matches!(super::target(words), Some(super::Target::All(_) | super::Target::Them)) {
        return Intent::List(Filter { status: Some("open"), ..Filter::default() });
    }
    if super::target(words) == Some(super::Target::It) {
        return Intent::When("it".into());
    }
    Intent::List(Filter { status: Some("all"), query: Some(title(words)), ..Filter::default() })
}

fn is_about_tasks(word: &str) -> bool {
    matches!(
        word,
        "task"
            | "tasks"
            | "tusks"
            | "list"
            | "lists"
            | "lest"
            | "todo"
            | "todos"
            | "to-do"
            | "to-dos"
            | "due"
            | "overdue"
            | "urgent"
            | "important"
            | "priority"
            | "priorities"
            | "agenda"
            | "plate"
            | "pending"
            | "outstanding"
            | "reminders"
            | "deadlines"
            | "late"
            | "unfinished"
            | "items"
            | "scheduled"
            | "do"
            | "planned"
            | "deadline"
            | "open"
    )
}

/// The filters that occur anywhere in a question.
pub(crate) fn filter(text: &str, known: Known<'_>) -> Filter {
    let has = |word: &str| text.split(' ').any(|entry| entry == word);
    let done = has("done")
        || has("finished")
        || has("completed")
        || has("complete")
        || has("accomplished")
        || has("accomplish")
        || text.contains("did i do")
        || text.contains("did i already do")
        || text.contains("did i finish")
        || text.contains("i just finish");
    let undone = text.contains("not done")
        || text.contains("undone")
        || text.contains("not finished")
        || text.contains("not completed")
        || text.contains("get done")
        || text.contains("be done")
        || text.contains("to be")
        || text.contains("haven't")
        || text.contains("have not")
        || text.contains("not yet");
    let status = if done && !undone {
        Some("done")
    } else if text.contains("done and open") || text.contains("open and done") || text.contains("including done") {
        Some("all")
    } else {
        Some("open")
    };
    let priority = if text.contains("low priority")
        || text.contains("not important")
        || text.contains("unimportant")
        || text.contains("not urgent")
        || text.contains("lowest")
        || text.contains("least important")
        || text.contains("least urgent")
    {
        Some(Priority::Low)
    } else if has("urgent")
        || has("important")
        || text.contains("high priority")
        || text.contains("high ones")
        || text.contains("high tasks")
        || text.contains("top priority")
        || text.contains("highest priority")
        || text.contains("priorities")
    {
        Some(Priority::High)
    } else {
        None
    };
    let open = status != Some("done");
    let due = if open { due(text, known) } else { None };
    Filter { status, due, priority, query: diary::about(text, known) }
}

/// "This week", "the week", and no weekend.
fn spans_week(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    words.windows(2).any(|pair| matches!(pair, ["this" | "my" | "the", "week" | "week's"]))
}

fn due(text: &str, known: Known<'_>) -> Option<String> {
    if text.contains("overdue")
        || text.contains("over due")
        || text.split(' ').any(|word| word == "late")
        || text.contains("past due")
    {
        return Some("overdue".into());
    }
    if spans_week(text) {
        return Some("this_week".into());
    }
    if text.contains("no due date")
        || text.contains("without a due")
        || text.contains("no date")
        || text.contains("without a date")
        || text.contains("no deadline")
        || text.contains("without due")
        || text.contains("t have a date")
        || text.contains("t have a due")
        || text.contains("t have a deadline")
        || text.contains("not have a d")
    {
        return Some("none".into());
    }
    if ["with a date", "with a due", "with due dates", "with dates", "have a date", "have a due", "has a date"]
        .iter()
        .any(|phrase| text.contains(phrase))
    {
        return Some(dates::ANY_DAY.into());
    }
    let day_of = |word: &'_ str| {
        word.strip_suffix("'s").filter(|day| matches!(*day, "today" | "tomorrow") || day.ends_with("day")).map(str::len)
    };
    let words: Vec<&str> = text.split(' ').map(|word| day_of(word).map_or(word, |length| &word[..length])).collect();
    let today = known.now.date();
    if let Some(range) = dates::find_range(&words, known.now) {
        // "By Friday" of this week is this week, with what was due on its days before.
        let sunday = today.checked_add(i64::from(6 - today.weekday().to_monday_zero_offset()).days()).ok()?;
        let by = words.iter().any(|word| matches!(*word, "by" | "until" | "till"));
        let this_week = by && range.from == Some(today) && range.to.is_some_and(|to| to > today && to <= sunday);
        return Some(if this_week { "this_week".into() } else { range.to_argument() });
    }
    let found = (0..words.len()).find_map(|at| {
        let (length, due) = dates::find_leading(&words[at..], known.now)?;
        // A lone "do" or a preposition is no date; find_leading needs a day in it.
        (length > 0 && due.date >= today).then_some(due)
    });
    let Some(found) = found else { return text.contains("my day").then(|| "today".into()) };
    Some(match found.date {
        date if date == today => "today".into(),
        date if today.tomorrow().is_ok_and(|tomorrow| tomorrow == date) => "tomorrow".into(),
        date => date.to_string(),
    })
}
