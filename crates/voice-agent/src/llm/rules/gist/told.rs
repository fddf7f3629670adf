//! What words tell of a task: what became of it, a day, or how much it matters.

use super::super::act::Scene;
use super::super::dates::{self, Due};
use super::super::dialogue;
use super::super::lexicon;
use super::super::parse::{Priority, Target};
use super::{mentioned, tells_only};

/// What is told of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    Done,
    Open,
    Gone,
    Due(Due),
    Priority(Priority),
}

/// What says that a task is open again.
const OPEN: &str = "open again|reopen|not done|isn't done|aren't done|wasn't done|not finished|isn't finished|wasn't finished|untick|\
    uncheck|unmark|still to do|still open|not yet done|active again|back on my list|back on the list|haven't done|haven't finished|\
    didn't do|didn't finish|not actually done|never did|not complete|isn't complete|back open";
/// What says that it is not wanted any more.
const UNWANTED: &str = "won't bother|shan't bother|not bother|not bothering|don't bother|no longer need|don't need|isn't necessary|aren't necessary|not necessary|no longer necessary|unnecessary|isn't needed|aren't needed|don't have to|needn't|not needed|no need|\
    not doing|isn't happening|not happening|called off|cancelled|canceled|get rid of|forget about|no point|gave up on|giving up on|\
    not going ahead|lose the|don't want|changed my mind about|off the table|fell through|not gonna do|not going to do";
/// What says that it is done.
const DONE: &str = "tick|done|finished|completed|sorted|seen to|taken care of|dealt with|handled|out of the way|in the bag|all set|\
    wrapped up|off my plate|accomplished|ticked off|crossed off|squared away|over and done with|a done deal";
/// What says that something is only to come, or not wholly done.
const AHEAD: &str = "will|i'll|we'll|he'll|she'll|they'll|need|needs|should|must|want|wants|gonna|going|can|could|would|when|before|after|\
    until|almost|nearly|half|soon|let|let's|get|be|try|trying";
/// What says that nothing is told, but thought of.
const THOUGHT: &str = "if|unless|wish|hope|hoping|wonder|wondering|might|maybe|perhaps|whether";
/// What says that another day is named beside the one that will not do.
const ANOTHER: &str =
    "until|till|before|instead|so|let's|lets|can we|could we|say|rather|but|how about|what about|better";
/// What says that something cannot be done then.
const UNABLE: &str = "can't|cannot|won't|couldn't|unable|not able|don't have time|no time|won't have time";
const LOW: &str = "can wait|could wait|no rush|no hurry|not urgent|isn't urgent|not important|isn't important|not that important|\
    not so important|not a priority|least important|low priority|not in a hurry|isn't a priority|no longer urgent|no longer important";
const HIGH: &str = "most important|top priority|high priority|comes first|super important|really important|very important|important one|\
    urgent|asap|pressing|critical|crucial|matters most|priority one|number one|can't wait|highest priority|the priority|my priority";

/// Whether one of the phrases is among the words.
fn says(words: &[&str], phrases: &str) -> bool {
    let text = format!(" {} ", words.join(" "));
    phrases.split('|').any(|phrase| text.contains(&format!(" {phrase} ")))
}

/// The words but for the first of the phrases that is among them; None if none is.
fn without<'w>(words: &[&'w str], phrases: &str) -> Option<Vec<&'w str>> {
    phrases.split('|').find_map(|phrase| {
        let parts: Vec<&str> = phrase.split(' ').collect();
        let at = words.windows(parts.len()).position(|window| window == parts)?;
        Some([&words[..at], &words[at + parts.len()..]].concat())
    })
}

/// What the words tell.
pub(super) fn told(scene: &Scene<'_>, words: &[&str]) -> Vec<Told> {
    if says(words, THOUGHT) {
        return Vec::new();
    }
    if let Some(told) = became(scene, words) {
        return vec![told];
    }
    // "I can't make the contract on Friday": on any day but that.
    let user = scene.current().map_or("", |turn| turn.user).to_lowercase();
    let said: Vec<&str> = user.split(|letter: char| !letter.is_alphanumeric() && letter != '\'').collect();
    let unable = says(words, UNABLE) && !says(&said, ANOTHER);
    let day = day(scene, words).filter(|_| !unable).map(Told::Due);
    day.into_iter().chain(priority(words).map(Told::Priority)).collect()
}

/// What became of the task: done, open again, or not wanted any more.
fn became(scene: &Scene<'_>, words: &[&str]) -> Option<Told> {
    if says(words, OPEN) {
        return Some(Told::Open);
    }
    if says(words, UNWANTED) || deletes(words) || takes_off(words) {
        return Some(Told::Gone);
    }
    let denied =
        |word: &&str| word.ends_with("n't") || matches!(*word, "not" | "never" | "yet" | "no" | "without" | "nobody");
    if words.iter().any(denied) {
        return None;
    }
    // "Sue is done with him" is about neither.
    let with_him = words.windows(3).any(|three| matches!(three, ["done" | "finished", "with", "him" | "her" | "you"]));
    if with_him || of_others(scene, words) || is_to_come(scene, words) {
        return None;
    }
    let ahead = says(words, AHEAD);
    (crosses_off(words)
        || !ahead && (without(words, DONE).is_some_and(|rest| tells_only(scene, &rest)) || did(scene, words)))
    .then_some(Told::Done)
}

/// "Cross … off", "mark … done".
fn crosses_off(words: &[&str]) -> bool {
    let verb = words.iter().position(|word| matches!(*word, "cross" | "tick" | "check" | "strike" | "mark"));
    let ends = |word: &&str| matches!(*word, "off" | "out" | "done" | "complete" | "completed" | "finished");
    verb.is_some_and(|at| words[at + 1..].iter().any(ends))
}

/// "Can you just bin the scarf": a verb that deletes, behind words that only lead to it, and no "don't".
fn deletes(words: &[&str]) -> bool {
    const LEADS: &str = "please just can could you we let's i i'd like to want then do go ahead and also now yes ok okay think should \
        better rather as well i'll will oh right best";
    let verb = |word: &&str| {
        matches!(
            *word,
            "delete" | "remove" | "erase" | "bin" | "scrap" | "ditch" | "drop" | "axe" | "trash" | "scratch"
        )
    };
    let leads = |word: &&str| LEADS.split_ascii_whitespace().any(|lead| lead == *word);
    words.iter().position(verb).is_some_and(|at| at <= 5 && words[..at].iter().all(leads))
}

/// "So take that off".
fn takes_off(words: &[&str]) -> bool {
    words.windows(3).any(|three| matches!(three, ["take", "that" | "it" | "this" | "them" | "those", "off"]))
}

/// Whether what is told is told of somebody else's thing: "her report is done", "Tom's fence is finished".
fn of_others(scene: &Scene<'_>, words: &[&str]) -> bool {
    let titled = |word: &str| !scene.titles.touched(&[word]).is_empty();
    words.windows(2).any(|pair| {
        let owner = pair[0].strip_suffix("'s").filter(|owner| !owner.is_empty() && !titled(owner));
        let theirs = matches!(pair[0], "her" | "his" | "their" | "your") && !titled(pair[0]);
        (theirs || owner.is_some()) && titled(pair[1]) && lexicon::present_of(pair[1]).is_none()
    })
}

/// Whether what is told as done is done by somebody else as a rule, or on a day that is to come: "the rent is paid by my flatmate on
/// the first", "the bins are collected on Friday".
fn is_to_come(scene: &Scene<'_>, words: &[&str]) -> bool {
    let now = scene.known().now;
    let is = |word: &str| matches!(word, "is" | "are" | "gets" | "get" | "being") || word.ends_with("'s");
    let has_been = |word: &&str| {
        matches!(
            *word,
            "was"
                | "were"
                | "been"
                | "has"
                | "have"
                | "had"
                | "did"
                | "i"
                | "we"
                | "i've"
                | "we've"
                | "now"
                | "already"
        )
    };
    let regular = words.iter().any(|word| is(word)) && !words.iter().any(has_been);
    let by_others = words.windows(2).any(|pair| {
        pair[0] == "by"
            && !matches!(pair[1], "me" | "us" | "myself" | "now")
            && dates::find_leading(pair, now).is_none()
    });
    let days = (0..words.len()).filter_map(|at| dates::find_leading(&words[at..], now));
    let later = days.map(|(_, due)| due).any(|due| due.day_said && due.date > now.date());
    regular && (by_others || later)
}

/// Whether somebody did what a task on the list asks for: "I rang mum by the way", "the lab's been rung".
fn did(scene: &Scene<'_>, words: &[&str]) -> bool {
    const CALLED: &[&str] = &["call", "phone", "ring", "speak", "talk", "contact"];
    const BOUGHT: &[&str] = &["buy", "get", "pick", "order", "collect", "fetch", "purchase"];
    const SENT: &[&str] = &["send", "email", "mail", "post", "write", "message", "text"];
    const FIXED: &[&str] = &["fix", "mend", "repair", "replace"];
    const CLEANED: &[&str] = &["clean", "wash", "tidy", "hoover", "vacuum", "scrub", "mop", "sweep", "wipe"];
    const RETURNED: &[&str] = &["return", "take", "bring", "drop", "give"];
    const WRITTEN: &[&str] = &["write", "draft", "finish", "complete", "prepare", "type"];
    const WHO: &str =
        "i i've we we've he she they he's she's they've already just finally also been is are was were got";
    let found = mentioned(scene, words);
    let [Target::Title(title)] = found.as_slice() else { return false };
    let lower = title.to_lowercase();
    let verb = lower.split(' ').next().unwrap_or_default();
    let alike = |told: &str| {
        let both = |kind: &[&str]| kind.contains(&told) && kind.contains(&verb);
        told == verb
            || told == "do"
            || told == "finish"
            || [CALLED, BOUGHT, SENT, FIXED, CLEANED, RETURNED, WRITTEN].into_iter().any(both)
    };
    // "Bikes fixed", "Mike did the dishwasher".
    let bare = |at: usize| at > 0 && at + 1 == words.len() && tells_only(scene, &words[..at]);
    let somebody = |at: usize| at == 1 && matches!(words[1], "did" | "finished") && tells_only(scene, &words[2..]);
    // "My sister is done with the report": what does not say what was done has to be of nothing else.
    let vague = |told: &str| matches!(told, "do" | "finish");
    let only = |at: usize| tells_only(scene, &[&words[..at], &words[at + 1..]].concat());
    // "Sue called" is not "I called Sue".
    let calls = |told: &str| CALLED.contains(&told) || SENT.contains(&told) || matches!(told, "visit" | "meet");
    (0..words.len()).any(|at| {
        let Some(told) = lexicon::present_of(words[at]) else { return false };
        let who = at == 0 || WHO.split_ascii_whitespace().any(|who| who == words[at - 1]);
        let said = who && (!vague(&told) || only(at)) || bare(at) && !calls(&told) || somebody(at);
        said && alike(&told)
    })
}

/// The day that is told, without one that is denied: "it isn't Thursday, it's Wednesday".
fn day(scene: &Scene<'_>, words: &[&str]) -> Option<Due> {
    let now = scene.known().now;
    // What happened on a day says nothing of when it is due.
    let better = words.windows(2).any(|pair| pair == ["had", "better"]);
    let past = words.iter().any(|word| {
        matches!(*word, "was" | "were" | "did" | "yesterday" | "since" | "ago")
            || *word == "had" && !better
            || word.ends_with("ed") && *word != "need"
    });
    if past && !words.iter().any(|word| matches!(*word, "moved" | "pushed" | "postponed" | "rescheduled" | "supposed"))
    {
        return None;
    }
    if let Some(later) = weekday_after(scene, words) {
        return Some(later);
    }
    let mut found = None;
    let mut at = 0;
    while at < words.len() {
        match dates::find_leading(&words[at..], now).filter(|(length, _)| *length > 0) {
            Some((length, due)) => {
                let denied = at > 0 && (words[at - 1].ends_with("n't") || matches!(words[at - 1], "not" | "from"))
                    || at > 1 && matches!(words[at - 2..at], ["instead", "of"] | ["rather", "than"])
                    || at > 1 && matches!(words[at - 1], "on" | "for") && matches!(words[at - 2], "not" | "isn't");
                if !denied {
                    found = Some(due);
                }
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// "The Monday after": after the day that the task has, which was spoken of last.
fn weekday_after(scene: &Scene<'_>, words: &[&str]) -> Option<Due> {
    let now = scene.known().now;
    let at = words.windows(2).position(|pair| pair[1] == "after" && pair[0].ends_with("day"))?;
    if words.get(at + 2).is_some_and(|word| *word != "instead" && *word != "then" && *word != "that") {
        return None;
    }
    let mut due = dates::parse(&["on", words[at]], now)?;
    let focus = dialogue::focus(scene.history());
    let before = focus
        .last()
        .and_then(|task| task.due)
        .and_then(|due| dates::due_date(due, now))
        .map_or(now.date(), |due| due.date);
    while due.date <= before {
        due.date = due.date.checked_add(jiff::Span::new().days(7)).ok()?;
    }
    Some(due)
}

fn priority(words: &[&str]) -> Option<Priority> {
    if says(words, LOW) {
        return Some(Priority::Low);
    }
    let denied = words.iter().any(|word| matches!(*word, "not" | "isn't" | "no" | "aren't"));
    if says(words, HIGH) && !denied {
        return Some(Priority::High);
    }
    says(words, "normal priority|back to normal|medium priority").then_some(Priority::Normal)
}
