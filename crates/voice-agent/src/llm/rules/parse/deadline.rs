//! When what is on the list has to be done, told without a command: "the deadline is the fifteenth", "leave it on Thursday".

use std::sync::LazyLock;

use super::super::dates::{self, Due};
use super::super::normalise::{Utterance, Word, norms};
use super::dated::on_the_list;
use super::rule::{Match, Rule, first_match, rules};
use super::{Intent, Known, Target, target};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        // "No, leave it on Thursday after all."
        (
            r"(?:no |oh |actually )*(?:leave|keep) (?:it|that|that one) (?P<d>(?:on|at|for) .+?)(?: after all| then)?",
            |found| {
                let due = day(found).filter(|due| due.day_said)?;
                // What follows in a sentence of its own may say more: "Before four would be best. Say, half past three."
                let (_, rest) = found.all_words().split_last()?;
                if rest.iter().any(Word::ends_sentence) || found.text("d").starts_with("before") {
                    return None;
                }
                Some(Intent::SetDue(Target::It, Some(due)))
            },
        ),
        // "They've moved the budget meeting to Wednesday at 11."
        (
            r"(?:they|he|she|we|somebody|someone|(?:my|the|our) [a-z]+)(?:'ve|'s| have| has| had)?(?: just| now)? (?:moved|pushed|changed|shifted|rescheduled|postponed|brought|switched) (?P<t>it|that|that one|this one|(?:the|my|our) .+?)(?: back| forward| up)? (?:to|until|till) (?P<d>.+)",
            |found| Some(Intent::SetDue(on_the_list(found.words("t"), found.known)?, Some(day(found)?))),
        ),
        // "Could I have that at half past nine?"
        (r"(?:can|could|may) (?:i|we) have (?:it|that|that one|this one) (?P<d>(?:at|on|for|by) .+)", |found| {
            Some(Intent::SetDue(Target::It, Some(day(found)?)))
        }),
        // "For Thursday, that one."
        (r"(?P<d>(?:on|for|by) .+?) (?:that one|this one)", |found| {
            Some(Intent::SetDue(Target::It, Some(day(found)?)))
        }),
        // "Give me until next Tuesday for the drawings."
        (r"(?:give|allow) me (?:until|till) (?P<d>.+?) (?:for|with|on) (?P<t>(?:the|my|our) .+)", |found| {
            Some(Intent::SetDue(on_the_list(found.words("t"), found.known)?, Some(day(found)?)))
        }),
        // "I'd like the envelopes for tomorrow."
        (
            r"(?:i'd like|i want|i'd prefer|i'd rather have|let's have|let's do) (?P<t>(?:the|my|our) .+?|that one|this one|both of them) (?P<d>(?:for|on|by|due) .+)",
            |found| Some(Intent::SetDue(on_the_list(found.words("t"), found.known)?, Some(day(found)?))),
        ),
        // "Thursday suits me better for that."
        (
            r"(?:and |but |mm |hmm |no |actually )*(?P<d>.+?) (?:suits me|works|would suit me|would be|is) (?:better|best|easier)(?: for (?:that|it|me|that one))*",
            |found| Some(Intent::SetDue(Target::It, Some(day(found)?))),
        ),
        // "The dog bed I need by Wednesday."
        (
            r"(?:and |but )*(?P<t>.+?) (?:i|we) (?:need|want|have to have) (?:it |that |done |it done )?(?P<d>(?:by|for|on|before) .+)",
            |found| Some(Intent::SetDue(on_the_list(found.words("t"), found.known)?, Some(day(found)?))),
        ),
        // "And the other one I'll do on Wednesday."
        (
            r"(?:and |but )*(?P<t>.+?) (?:i'll|i will|i can|we'll|i'm going to|i want to) (?:do|finish|get done)(?: it| that)? (?P<d>.+)",
            |found| {
                let due = day(found)?;
                let named = target(found.words("t"))?;
                let known = match &named {
                    Target::Title(_) => found.known.titles.named(&norms(found.words("t"))).is_some(),
                    _ => true,
                };
                known.then_some(Intent::SetDue(named, Some(due)))
            },
        ),
        // "The deadline is the fifteenth."
        (
            r"(?:(?:the|my|our|its) )?(?:deadline|due date|due day)(?:'s| is| has to be| should be)(?: on| at| now)* (?P<d>.+)",
            |found| Some(Intent::SetDue(Target::It, Some(day(found)?))),
        ),
        // "The deadline for the proposal is December 3rd."
        (
            r"(?:(?:the|my|our) )?(?:deadline|due date|due day|date|time|day) (?:for|of|on) (?P<t>.+?) (?:is|has to be|should be|will be|must be|is now|(?:(?:was|got|is|has been|'s been|has|have been) )?(?:now )?(?:moved|extended|pushed|pushed back|changed|postponed|brought forward|set)(?: back| out| forward)? (?:to|until|till|for))(?: on| at| now)* (?P<d>.+)",
            |found| {
                let words = norms(found.words("d"));
                let due = dates::parse(&words, found.known.now)
                    .or_else(|| dates::parse(&[&["at"], words.as_slice()].concat(), found.known.now))?;
                Some(Intent::SetDue(target(found.words("t"))?, Some(due)))
            },
        ),
    ])
});

/// The day that the words of the group "d" tell.
fn day(found: &Match<'_>) -> Option<Due> {
    dates::parse(&norms(found.words("d")), found.known.now)
}

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&RULES, utterance, known)
}
