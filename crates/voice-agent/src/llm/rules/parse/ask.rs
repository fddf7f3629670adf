//! Questions in few words: what comes next, one of those that were read, and what one was supposed to do.

use std::sync::LazyLock;

use super::super::dates;
use super::super::normalise::{Utterance, end_in_question, norms};
use super::rule::{Rule, first_match, rules};
use super::{Filter, Intent, Known, Priority, filter};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        // "Run me through what's still outstanding", "remind me what we've got so far".
        (
            r"(?:(?:so|and|ok|okay|right|then|just) )*(?:remind me(?: of)?|tell me|show me|read me|read out|read|run me through|run through|talk me through|take me through|walk me through|go through|give me|let me hear|let's hear) (?:what(?:'s| is)(?: still| all)? (?:on (?:there|it|my list|the list|my plate)|outstanding|open|left|there|to do|to be done|undone|pending)|what (?:i|we|i've|we've)(?: got| have got| have| still have| need)?(?: to do)?(?: left)?|the (?:whole )?lot|(?:my|the|the whole|my whole) (?:list|tasks|to-do list))(?: so far| now| again| then| for .+)*",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
        // "What has to happen today?"
        (
            r"(?:(?:so|and|ok|okay|right) )*what(?:'s)? (?:has to|needs to|must|should|is supposed to|got to|has got to|is to) (?:happen|get done|be done|be finished|be sorted|be ready)(?: .*)?",
            |found| Some(Intent::List(filter(found.utterance_text(), found.known))),
        ),
        (r"(?:have|did) (?:i|we) let (?:anything|something) (?:slip|slide|go|lapse)(?: again| lately)?", |_| {
            Some(Intent::List(Filter { status: Some("open"), due: Some("overdue".into()), ..Filter::default() }))
        }),
        // "Is Wednesday the twenty-fifth?"
        (r"(?:wait |so |and )*(?:is|isn't) (?P<d>[a-z]+day|tomorrow|today) (?P<e>(?:the |on the )?.+)", |found| {
            let day = |group: &str| dates::parse(&found.text(group).split(' ').collect::<Vec<_>>(), found.known.now);
            day("e").filter(|due| due.day_said && due.time.is_none())?;
            day("d").map(Intent::DateOf)
        }),
        // "Tell me when my physio appointment is."
        (
            r"(?:tell me|remind me|do you know|can you tell me) when (?P<t>.+?) (?:is|are|was|starts|begins|is due|is on)(?: again| now)?",
            |found| Some(Intent::When(super::super::normalise::title(found.words("t")))),
        ),
        // "Have I still got the concert dress on my list?"
        (
            r"(?:have|do) (?:i|we)(?: still| already)? (?:got|have) (?P<t>.+?)(?: still)? (?:on|in) {MY} {LIST}",
            |found| {
                let words = norms(found.words("t"));
                let named = found.known.titles.meant(&words)?;
                Some(Intent::List(Filter { status: Some("all"), query: Some(named), ..Filter::default() }))
            },
        ),
        // "What does it say now?"
        (r"(?:so |and )*what does (?:it|that|that one) (?:say|read)(?: now| again)?", |_| Some(Intent::Last)),
        (
            r"(?:so |and )*(?:is (?:it|the list|my list|that) (?:all )?empty|what else was (?:there|on (?:it|there|my list|the list))|(?:read|tell|show) me (?:both|both of them|all of them|them all|the two|all three)|(?:tell|show) me what you(?:'ve| have) (?:got|have|noted|written)(?: down)?)(?: now| again| then)*",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        // "Is it back?"
        (
            r"(?:so |and )*(?:is|are) (?:it|that|they) (?:back|there|on|on there|in|in there|down|still there|still on)(?: now| again| on the list| on my list)*",
            |_| Some(Intent::When("it".into())),
        ),
        // "So when am I seeing her?"
        (
            r"(?:so |and )*when (?:am|are|is|do|will|did) (?:i|we|he|she|they) (?:[a-z]+ing|see|meet|call|visit|do|have) (?:him|her|them|it|that)(?: again| then| now)?",
            |_| Some(Intent::When("it".into())),
        ),
        // "What was I supposed to bring?", "who do I have to call again?"
        (
            r"(?:(?:remind me|tell me|remember) )?(?:what|who|whom|where) (?:was|were|am|are|do|did|is it) (?:i|we)(?: still| also| even)? (?:supposed|meant|going|have|had|need|needed|want|wanted|got)(?: to)? (?P<v>[a-z]+)(?: again| still)?",
            |found| {
                let verb = found.text("v");
                let all = Filter { status: Some("open"), ..Filter::default() };
                let known = verb != "do" && found.known.titles.named(&[verb]).is_some();
                known.then(|| Intent::List(Filter { query: Some(verb.to_owned()), ..all }))
            },
        ),
        // "Which calls do I have to make?"
        (
            r"(?:and )?(?:which|what) (?P<v>calls|emails|payments|bookings|orders|messages)(?: are| do| should| must| have| did)(?: .*)?",
            |found| {
                let verb = match found.text("v") {
                    "payments" => "pay",
                    many => many.trim_end_matches('s'),
                };
                let all = Filter { status: Some("open"), ..Filter::default() };
                let known = found.known.titles.named(&[verb]).is_some();
                known.then(|| Intent::List(Filter { query: Some(verb.to_owned()), ..all }))
            },
        ),
        (r"(?:and |so )*(?:what|where) does (?:that|this|it) leave(?: me| us)?(?: with)?(?: to do| now)?", |_| {
            Some(Intent::List(Filter { status: Some("open"), ..Filter::default() }))
        }),
        (
            r"(?:and )?(?:which|what)(?: ones)?(?: of (?:them|these|those|my tasks))? (?:have|did) (?:i|we) (?:already )?(?:done|do|finished|finish|completed|complete)(?: already| so far| today)?",
            |_| Some(Intent::List(Filter { status: Some("done"), ..Filter::default() })),
        ),
        // "Do I need to do anything about the cake?"
        (
            r"(?:do|did|must|should) (?:i|we) (?:still )?(?:need to do|have to do|do) (?:anything|something)(?: else)?(?: about| for| with| on| to do with) (?:the |my )?(?P<t>.+)",
            |found| {
                let named = found.known.titles.meant(&norms(found.words("t")))?;
                Some(Intent::List(Filter { status: Some("all"), query: Some(named), ..Filter::default() }))
            },
        ),
        // "And which one is still for tomorrow?"
        (r"(?:and |so )*(?:which|what)(?: one| ones)? (?:is|are)(?: still| left)* (?:for|on|due) (?P<d>.+)", |found| {
            let filter = filter(found.text("d"), found.known);
            filter.due.is_some().then_some(Intent::List(Filter { status: Some("open"), ..filter }))
        }),
        (
            r"(?:(?:so|and|ok|okay|right|then|right then) )*what(?:'s| does) that leave(?: me| us)?(?: with)?(?: now)?|(?:(?:so|and|ok|okay|right|then) )*what (?:have|do) we (?:got|have)(?: on| left| now)*|(?:(?:so|and) )*(?:what|which) (?:chores|jobs|errands|tasks|things) (?:have|do) (?:i|we) (?:got|have)(?: left| still| now| to do)*",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        // "Which one has a date?"
        (
            r"(?:and |so )*which (?:one|ones|of (?:them|those|my tasks)|tasks?|things?) (?:has|have|is|are|got) (?:a |got a |an? )?(?:date|dates|due date|due dates|deadline|deadlines|dated)(?: on (?:it|them))?",
            |_| {
                let due = Some(dates::ANY_DAY.to_owned());
                Some(Intent::List(Filter { status: Some("open"), due, ..Filter::default() }))
            },
        ),
        // "Can you run me through this week?"
        (r"(?:run|talk|take|walk) (?:me|us) through (?P<d>.+)", |found| {
            let filter = filter(found.text("d"), found.known);
            filter.due.is_some().then_some(Intent::List(Filter { status: Some("open"), ..filter }))
        }),
        // "Next due?", "what comes first?"
        (
            r"(?:(?:so|and|ok|okay|right) )*(?:what's |what is |whats |which (?:one |task )?is |which's |when's )?(?:the |my )?next(?: one| task| thing)?(?: that's| to be)? due(?: date)?|(?:what's|what is) (?:the |my )?(?:first (?:thing|task|one) coming up|next (?:thing|task|one|job|appointment)(?: coming up| up| on my list| to do| i have to do| i've got)*)|(?:what|which)(?: one| task)?(?:'s| is)? due (?:first|next|soonest)|(?:and )?(?:what|which)(?: one| task)?(?: of (?:those|them|these|the two|my tasks) comes| of (?:those|them|these|the two) is|'s the| is the| one comes)(?: due| up)? (?:first|soonest|earliest)(?: one)?",
            |_| {
                let due = Some(dates::ANY_DAY.to_owned());
                Some(Intent::List(Filter { status: Some("open"), due, ..Filter::default() }))
            },
        ),
        (
            r"(?:(?:so|and|ok|okay|right) )*(?:what's|what is|what comes|what do i do)(?: up| on)? first(?: up| then| now)?",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        // "What's the first thing tomorrow?"
        (
            r"(?:(?:so|and|ok|okay|right) )*(?:what's|what is|what have i got|what do i have)(?: up| on)? (?:the )?first(?: thing)? (?P<d>(?:on |this |next )?[a-z]+(?: morning| afternoon| evening)?)",
            |found| {
                let words: Vec<&str> = found.text("d").split(' ').collect();
                dates::parse(&words, found.known.now).filter(|due| due.day_said)?;
                Some(Intent::List(Filter { status: Some("open"), ..filter(found.text("d"), found.known) }))
            },
        ),
        // "Show high", "any overdue".
        (
            r"(?:show|list|see|view|display|any|just|only)(?: me)?(?: all| the| my| only| just)* (?P<f>high|low|urgent|important|overdue|done|completed|finished|open|undated|today|tomorrow|this week|next week)(?: ones| tasks| stuff| priority| things| items)*",
            |found| {
                let priority = match found.text("f") {
                    "high" => Some(Priority::High),
                    "low" => Some(Priority::Low),
                    _ => None,
                };
                let found = filter(found.utterance_text(), found.known);
                Some(Intent::List(Filter { priority: priority.or(found.priority), ..found }))
            },
        ),
        // "Sorry, what was the second?"
        (
            r"(?:(?:sorry|and|so|ok|okay|wait|hang on) )*(?:what|which)(?:'s| is| was) (?P<t>(?:the )?(?:first|second|third|fourth|fifth|last)(?: one)?)(?: again| one again)?",
            |found| Some(Intent::When(found.text("t").to_owned())),
        ),
        // "When did I say that was for?"
        (
            r"(?:when|what day|which day|what date|what time)(?: did (?:i|you|we) say| was| is|'s)? (?:that|it|this)(?: one)?(?: was| is)?(?: due| for| again| at| on)*|(?:and |so |but )+(?:at |on )?(?:what|which) (?:time|day)(?: exactly)?|(?:at|on) (?:what|which) (?:time|day)(?: exactly)?|(?:when|what day|which day|what date|what time) did (?:i|you|we) (?:say|want|pick|choose)(?: again)?",
            |_| Some(Intent::When("it".into())),
        ),
        // "When did you put that?", "so what time does it start?", "what day of the week is that?"
        (
            r"(?:so |and )*(?:(?:when|what day|what time) (?:did|have) you (?:put|add|set|note|noted|schedule|scheduled) (?:that|it|this)(?: down| for| in| on)?|(?:what time|when|what day) (?:does|is|will) (?:it|that|this) (?:start|begin|on|due|happen|be)(?: now)?|(?:what|which) (?:day(?: of the week)?|weekday) (?:is|was) (?:that|it|this)(?: on)?|(?:did|have) you (?:put|set|note|noted|add|added|schedule|scheduled) (?:that|it|this)(?: down)? (?:on|for|at) [a-z0-9 ]+)",
            |_| Some(Intent::When("it".into())),
        ),
        // "Is that open now?"
        (
            r"(?:is|was|are|were|do you have|have you got|have you) (?:that|it|this|that one|this one)(?: down| marked| listed| noted)?(?: as)?(?: now| still| already)?(?: as)? (?:open|done|finished|completed|complete|ticked off|crossed off)(?: again| now| yet)*",
            |_| Some(Intent::When("it".into())),
        ),
        // "What have you put for that?"
        (
            r"what (?:have you|did you|you) (?:put|got|get|write|written|note|noted|set)(?: down)? (?:for|about) (?:that|it|this)(?: one)?",
            |_| Some(Intent::When("it".into())),
        ),
        // "How long have I got?"
        (
            r"(?:how (?:long|much time) (?:have i got|do i have|have i|is there|is left|do i get)(?: left)?|when (?:do i|must i|should i) (?:do|finish|hand) (?:it|that)(?: in)?(?: by)?)(?: for (?:it|that|this))?(?: left)?",
            |_| Some(Intent::When("it".into())),
        ),
        // "Read me the ones with pack in them."
        (
            r"(?:read|show|tell|list|give)(?: me| out)? (?:the |all |all the )?(?:ones|tasks|things|those) (?:with|about|that have|that mention|containing) (?P<t>[a-z' ]+?)(?: in (?:them|it|the name|the title|their names?))?",
            |found| {
                let words: Vec<&str> = found.text("t").split(' ').collect();
                let query = Some(found.text("t").to_owned()).filter(|_| found.known.titles.named(&words).is_some())?;
                Some(Intent::List(Filter { status: Some("open"), query: Some(query), ..Filter::default() }))
            },
        ),
        // "Read that back to me."
        (
            r"(?:read|say|play) (?:it|that|them|those|both|both of them|them both|these|the list|my list|the tasks|my tasks|everything|all of (?:it|that|them)|it all|them all)(?: all)? (?:back|out|to me|back to me|out loud|out to me)(?: again| now)?",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        // "What's the date next Tuesday?", "what day is the first of December?"
        (
            r"(?:(?:so|and|ok|okay) )*(?:what|which)(?:'s| is| was)? (?:the )?(?:date|day)(?: of the week)?(?: is it| will it be| is| will be| of| on| for| falls on)* (?P<d>.+)",
            |found| {
                let words: Vec<&str> = found.text("d").split(' ').collect();
                let due = dates::parse(&words, found.known.now).filter(|due| due.day_said && due.time.is_none())?;
                Some(Intent::DateOf(due))
            },
        ),
        // "How many days until the thesis is due?"
        (
            r"how (?:many days|long)(?: is it| do i have| have i got| is left| are left)? (?:until|till|to|before|for) (?:the |my )?(?P<t>[a-z' ]+?)(?: is due| is| has to be done)?",
            |found| {
                let words: Vec<&str> = found.text("t").split(' ').collect();
                found.known.titles.meant(&words).map(Intent::When)
            },
        ),
        // "Did I already add call the vet?"
        (
            r"(?:did|have) (?:i|we)(?: already| ever| also| just)* (?:add|added|put down|put|noted?(?: down)?|write down|written down|created?|mention|mentioned) (?:a task |a reminder |something |anything )?(?:to |for |about |called )?(?:the |my )?(?P<t>.+?)(?: (?:on|in|to) (?:my|the) list)?(?: yet| already)?",
            |found| {
                let pointed =
                    matches!(found.text("t"), "it" | "that" | "this" | "them" | "last" | "just now" | "today");
                let query = Some(found.text("t").to_owned()).filter(|_| !pointed)?;
                Some(Intent::List(Filter { status: Some("all"), query: Some(query), ..Filter::default() }))
            },
        ),
        // "Tell me about the order."
        (
            r"(?:tell me (?:more |something )?about|what do you (?:know|have) (?:about|on|for)|(?:show|give) me (?:the )?details (?:of|on|for|about)|details (?:of|on|for|about)) (?:the |my )?(?P<t>.+)",
            |found| {
                let words: Vec<&str> = found.text("t").split(' ').collect();
                found.known.titles.meant(&words).map(Intent::When)
            },
        ),
        // "What did I ask you to remind me of?"
        (
            r"what (?:did|have|was it) (?:i|that i) (?:ask|asked|tell|told|want|wanted) you to (?:remind me (?:of|about|to do)|remember|add|note|keep|write down)(?: again| for me)*",
            |_| Some(Intent::List(Filter { status: Some("open"), ..Filter::default() })),
        ),
        // "Do I have to pay anybody this week?"
        (
            r"(?:do|must|should) (?:i|we)(?: still| also)? (?:have to|need to|got to)? ?[a-z]+ (?:anybody|anyone|anything|something|somebody|someone)(?: else)? (?P<d>.+)",
            |found| {
                let due = filter(found.text("d"), found.known).due;
                due.map(|due| Intent::List(Filter { status: Some("open"), due: Some(due), ..Filter::default() }))
            },
        ),
        // "Is that in the morning?"
        (
            r"(?:is|was) (?:that|it|this)(?: one)? (?:really |still |now )?(?:in the (?:morning|afternoon|evening)|at (?:noon|night)|(?:due |on |at |for )?(?P<d>[a-z0-9:]+))",
            |found| {
                let words: Vec<&str> = found.text("d").split(' ').filter(|word| !word.is_empty()).collect();
                let dated = words.is_empty()
                    || dates::parse(&words, found.known.now).is_some()
                    || dates::parse(&[&["at"], words.as_slice()].concat(), found.known.now).is_some();
                dated.then(|| Intent::When("it".into()))
            },
        ),
        // "No more tasks, right?"
        (
            r"(?:so |and |ok |okay )*(?:there are |there's |i have )?(?:no more|no other|no) (?:tasks|things|to-dos|items)(?: left| for today| today| then| now| right| is that right)*",
            |found| {
                let asks = end_in_question(found.all_words());
                asks.then(|| Intent::List(Filter { status: Some("open"), ..Filter::default() }))
            },
        ),
        // "Are we done?"
        (
            r"(?:so |and |ok |okay )*(?:are we|am i|is that|was that|is this) (?:all |now )?(?:done|finished|through|all|everything|it)(?: then| now| for now| with everything)*",
            |found| {
                let asks = end_in_question(found.all_words());
                asks.then(|| Intent::List(Filter { status: Some("open"), ..Filter::default() }))
            },
        ),
        // "Anything with Nadia?"
        (
            r"(?:anything|something|any(?: tasks?| things?)?|what's|what have i got|what do i have) (?:with|about|for|involving|regarding|to do with) (?P<t>[a-z' ]+)",
            |found| {
                let words: Vec<&str> = found.text("t").split(' ').collect();
                let dated = dates::parse(&words, found.known.now).is_some();
                let named = !dated && found.known.titles.named(&words).is_some();
                named.then(|| {
                    let query = Some(found.text("t").to_owned());
                    Intent::List(Filter { status: Some("open"), query, ..Filter::default() })
                })
            },
        ),
    ])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&RULES, utterance, known)
}

#[cfg(test)]
mod tests {
    use jiff::ZonedDateTime;

    use super::*;
    use crate::llm::rules::normalise::tokenise;
    use crate::llm::rules::titles::Titles;

    fn asked(said: &str) -> Option<Intent> {
        let now: ZonedDateTime = "2026-11-23T10:00[America/New_York]".parse().unwrap();
        let titles = Titles::new(&["Bring trainers".to_owned(), "Lunch with Nadia".to_owned()]);
        parse(&Utterance::new(tokenise(said)), Known { now: &now, titles: &titles })
    }

    #[test]
    fn few_words_ask() {
        let open = Filter { status: Some("open"), ..Filter::default() };
        let about = |query: &str| Some(Intent::List(Filter { query: Some(query.into()), ..open.clone() }));
        assert_eq!(asked("what was i supposed to bring again"), about("bring"));
        assert_eq!(asked("anything with nadia"), about("nadia"));
        assert_eq!(asked("what's first"), Some(Intent::List(open.clone())));
        let high = Filter { priority: Some(Priority::High), ..open };
        assert_eq!(asked("show high"), Some(Intent::List(high)));
        assert_eq!(asked("sorry what was the second"), Some(Intent::When("the second".into())));
        assert_eq!(asked("when did i say that was for"), Some(Intent::When("it".into())));
    }

    #[test]
    fn what_asks_for_no_task_is_left_to_others() {
        for said in ["what was i supposed to sing", "anything with bob", "what's first base", "show the door"] {
            assert_eq!(asked(said), None, "{said}");
        }
    }
}
