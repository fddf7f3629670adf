//! What is typed: apostrophes that are left out, quotation marks of the other kind, and short forms.

use jiff::ZonedDateTime;

use super::super::dates;
use super::super::lexicon;
use super::{Word, norms};

/// What is typed in a hurry, and what it stands for.
pub(super) const SHORT: [(&str, &str); 79] = [
    ("whats", "what's"),
    ("whens", "when's"),
    ("wheres", "where's"),
    ("whos", "who's"),
    ("hows", "how's"),
    ("thats", "that's"),
    ("theres", "there's"),
    ("lets", "let's"),
    ("isnt", "isn't"),
    ("arent", "aren't"),
    ("wasnt", "wasn't"),
    ("werent", "weren't"),
    ("dont", "don't"),
    ("doesnt", "doesn't"),
    ("didnt", "didn't"),
    ("havent", "haven't"),
    ("hasnt", "hasn't"),
    ("hadnt", "hadn't"),
    ("cant", "can't"),
    ("couldnt", "couldn't"),
    ("wont", "won't"),
    ("wouldnt", "wouldn't"),
    ("shouldnt", "shouldn't"),
    ("im", "i'm"),
    ("ive", "i've"),
    ("youre", "you're"),
    ("youve", "you've"),
    ("theyre", "they're"),
    ("weve", "we've"),
    ("shes", "she's"),
    ("hes", "he's"),
    ("theyve", "they've"),
    ("theyll", "they'll"),
    ("theyd", "they'd"),
    ("itll", "it'll"),
    ("thatll", "that'll"),
    ("youll", "you'll"),
    ("agn", "again"),
    ("em", "them"),
    ("obvs", "obviously"),
    ("smth", "something"),
    ("sry", "sorry"),
    ("ye", "yes"),
    ("yh", "yes"),
    ("til", "till"),
    ("yeh", "yes"),
    ("pls", "please"),
    ("b4", "before"),
    ("bout", "about"),
    ("soz", "sorry"),
    ("plz", "please"),
    ("plse", "please"),
    ("thx", "thanks"),
    ("thanx", "thanks"),
    ("ty", "thanks"),
    ("u", "you"),
    ("ur", "your"),
    ("prio", "priority"),
    ("tmr", "tomorrow"),
    ("tmrw", "tomorrow"),
    ("tmw", "tomorrow"),
    ("tomo", "tomorrow"),
    ("tomoz", "tomorrow"),
    ("2moro", "tomorrow"),
    ("2morrow", "tomorrow"),
    ("tomorow", "tomorrow"),
    ("tommorow", "tomorrow"),
    ("tommorrow", "tomorrow"),
    ("tomorro", "tomorrow"),
    ("tomorrw", "tomorrow"),
    ("tonite", "tonight"),
    ("2nite", "tonight"),
    ("2day", "today"),
    ("wensday", "wednesday"),
    ("wednsday", "wednesday"),
    ("wednesdsy", "wednesday"),
    ("thurday", "thursday"),
    ("firday", "friday"),
    ("saterday", "saturday"),
];

/// What stands between single quotation marks, between double ones: "change 'Write tests' to …".
pub(super) fn double_quotes(text: &str) -> String {
    let opens = |before: Option<char>| before.is_none_or(char::is_whitespace);
    let closes = |after: Option<char>| {
        after.is_none_or(|next| next.is_whitespace() || matches!(next, '.' | ',' | '!' | '?' | ';' | ':'))
    };
    let letters: Vec<char> = text.chars().collect();
    let mut quoted = letters.clone();
    let at = |index: usize| letters.get(index).copied();
    let mut open = None;
    for index in 0..letters.len() {
        if !matches!(letters[index], '\'' | '‘' | '’') {
            continue;
        }
        match open {
            None if opens(index.checked_sub(1).and_then(at)) && at(index + 1).is_some_and(char::is_alphanumeric) => {
                open = Some(index)
            }
            // "'tis the neighbours' tree" has no pair that is meant as one.
            Some(first)
                if closes(at(index + 1))
                    && at(index - 1).is_some_and(char::is_alphanumeric)
                    && letters[index - 1] != 's' =>
            {
                (quoted[first], quoted[index]) = ('"', '"');
                open = None;
            }
            Some(first) if closes(at(index + 1)) && letters[first] == letters[index] => {
                (quoted[first], quoted[index]) = ('"', '"');
                open = None;
            }
            _ => {}
        }
    }
    quoted.into_iter().collect()
}

/// "Its Wednesday", "its not done" is "it's"; "its due date" is not.
pub(super) fn apostrophes(words: &mut [Word], now: &ZonedDateTime) {
    for at in 0..words.len().saturating_sub(1) {
        if words[at].norm != "its" || words[at].quoted {
            continue;
        }
        let next = norms(&words[at + 1..]);
        let tells = matches!(
            next[0],
            "done"
                | "finished"
                | "not"
                | "a"
                | "at"
                | "on"
                | "for"
                | "in"
                | "by"
                | "urgent"
                | "important"
                | "now"
                | "really"
                | "very"
                | "already"
                | "too"
                | "been"
                | "the"
                | "called"
                | "all"
                | "so"
                | "no"
                | "open"
                | "sorted"
                | "cancelled"
        ) || next != ["due", "date"] && dates::find_leading(&next, now).is_some();
        if tells {
            words[at].norm = "it's".into();
        }
    }
    // "Ill do it at six".
    for at in 0..words.len().saturating_sub(1) {
        let does =
            matches!(words[at + 1].norm.as_str(), "do" | "be" | "get" | "call" | "finish" | "take" | "make" | "have");
        if words[at].norm == "ill" && does && !words[at].quoted {
            words[at].norm = "i'll".into();
        }
    }
    // "Need 2 call".
    for at in 1..words.len().saturating_sub(1) {
        let wants =
            matches!(words[at - 1].norm.as_str(), "need" | "have" | "want" | "got" | "remember" | "me" | "forget");
        if words[at].norm == "2" && wants && lexicon::starts_verb(&[&words[at + 1].norm]) && !words[at].quoted {
            (words[at].norm, words[at].raw) = ("to".into(), "to".into());
        }
    }
    // "Mince n pasta".
    for at in 1..words.len().saturating_sub(1) {
        if words[at].norm == "n" && !words[at].quoted {
            words[at].norm = "and".into();
        }
    }
    // "Two days before" is a number, and no "to" misheard.
    for at in 0..words.len().saturating_sub(1) {
        if words[at].norm == "two"
            && matches!(words[at + 1].norm.as_str(), "days" | "weeks" | "hours" | "months" | "minutes")
        {
            words[at].norm = "2".into();
        }
    }
}

/// "Remind me wed to …", "by sat": the short names that are words, too, where only a day can stand.
pub(super) fn short_days(words: &mut [Word]) {
    for at in 1..words.len() {
        let day = match words[at].norm.as_str() {
            "wed" => "wednesday",
            "sat" => "saturday",
            "sun" => "sunday",
            _ => continue,
        };
        let reminds = at > 1 && words[at - 1].norm == "me" && words[at - 2].norm == "remind";
        let linked = matches!(words[at - 1].norm.as_str(), "by" | "on" | "until" | "till" | "next" | "do");
        if !words[at].quoted && (reminds || linked) {
            words[at].norm = day.into();
        }
    }
}

/// "Email the bank, yes email them": said again to be sure.
pub(super) fn without_assurance(words: &mut Vec<Word>) {
    let yes = |at: &usize| words[*at].norm == "yes" && words[at - 1].pauses() && !words[*at].quoted;
    let Some(at) = (1..words.len()).rev().find(yes) else { return };
    let small =
        |word: &str| matches!(word, "it" | "them" | "that" | "the" | "a" | "him" | "her" | "please" | "my" | "exactly");
    let said_before = |word: &Word| small(&word.norm) || words[..at].iter().any(|said| said.norm == word.norm);
    if at + 1 < words.len() && at > 1 && words[at + 1..].iter().all(said_before) {
        words.truncate(at);
    }
}

/// Other ways to say what the rules know in one: "nudge me on Friday to call Bob", "I've to go".
pub(super) fn plainer(words: &mut Vec<Word>) {
    told_of_one(words);
    both_named(words);
    const WAYS: [(&[&str], &str); 16] = [
        (&["nudge", "me"], "remind me"),
        (&["ping", "me"], "remind me"),
        (&["prod", "me"], "remind me"),
        (&["poke", "me"], "remind me"),
        (&["give", "me", "a", "nudge"], "remind me"),
        (&["give", "me", "a", "shout"], "remind me"),
        (&["give", "me", "a", "prod"], "remind me"),
        (&["i've", "to"], "i have to"),
        (&["we've", "to"], "we have to"),
        (&["market", "as"], "mark it as"),
        (&["i've", "a"], "i have a"),
        (&["i've", "an"], "i have an"),
        (&["we've", "a"], "we have a"),
        (&["i'd", "better", "not", "forget"], "i must not forget"),
        (&["i'd", "best", "not", "forget"], "i must not forget"),
        (&["i", "better", "not", "forget"], "i must not forget"),
    ];
    // Only where a sentence begins: "ping me" may be a part of a title.
    let starts = (0..words.len()).filter(|at| *at == 0 || words[at - 1].ends_sentence());
    let found = starts.take(4).find_map(|start| {
        let at = start + words[start..].iter().take_while(|word| only_leads(word)).count();
        let says = |way: &&(&[&str], &str)| {
            words.len() > at + way.0.len()
                && way.0.iter().zip(&words[at..]).all(|(said, word)| word.norm == *said && !word.quoted)
        };
        WAYS.iter().find(says).map(|(way, plain)| (at, way.len(), *plain))
    });
    if let Some((at, length, plain)) = found {
        words.splice(at..at + length, super::tokenise(plain));
    }
}

fn only_leads(word: &Word) -> bool {
    const LEADS: &str = "please can could would will you and so oh okay ok well then now hi hello hey yes";
    !word.quoted && LEADS.split(' ').any(|lead| lead == word.norm)
}

/// "It's the laptop that's backed up", "the boat, that's what's done": the same as "the laptop is backed up".
fn told_of_one(words: &mut Vec<Word>) {
    let is = super::tokenise("is");
    if let [rest @ .., thats, whats, _] = words.as_slice()
        && thats.norm == "that's"
        && whats.norm == "what's"
        && !rest.is_empty()
    {
        let at = rest.len();
        words[at - 1].trail.clear();
        words.splice(at..at + 2, is);
        return;
    }
    let that = words.iter().position(|word| word.norm == "that's").filter(|at| (2..=7).contains(at));
    if let Some(at) = that
        && words[0].norm == "it's"
        && (1..=3).contains(&(words.len() - at - 1))
        && !words[at - 1].pauses()
    {
        words.splice(at..=at, is);
        words.remove(0);
    }
}

/// "Add by milk" is to buy milk; "add it by Friday" has a day.
pub(super) fn bought(words: &mut [Word], now: &ZonedDateTime) {
    let heard = |at: &usize| {
        let before = words[at - 1].norm.as_str();
        let behind = norms(&words[at + 1..]);
        let dated = dates::parse(&norms(&words[*at..]), now).is_some() || dates::find_leading(&behind, now).is_some();
        let thing = matches!(before, "add" | "to") && words[*at].norm == "by" && !words[*at].quoted;
        let point = behind
            .first()
            .is_some_and(|word| matches!(*word, "the" | "then" | "him" | "her" | "them" | "myself" | "now"));
        thing && !dated && !point
    };
    let last = words.len().saturating_sub(1).min(6);
    if let Some(at) = (1..last).find(heard) {
        "buy".clone_into(&mut words[at].norm);
        "buy".clone_into(&mut words[at].raw);
    }
}

/// "Move both A and B to Sunday" names two; "mark both as done and …" points at two.
fn both_named(words: &mut Vec<Word>) {
    const COMMANDS: &str = "move push mark tick delete remove postpone set make";
    const POINTS: &str = "of and to as for on off please tasks ones items things reminders them those due done now";
    let listed = |list: &str, word: &Word| !word.quoted && list.split(' ').any(|known| known == word.norm);
    let named = |at: &usize| {
        words[*at].norm == "both"
            && listed(COMMANDS, &words[at - 1])
            && words.get(at + 1).is_some_and(|word| !listed(POINTS, word))
    };
    let Some(at) = (1..words.len().min(8)).find(named) else { return };
    let and = words[at + 1..].iter().position(|word| word.norm == "and");
    let link = words[at + 1..].iter().position(|word| matches!(word.norm.as_str(), "to" | "as" | "for"));
    if and.is_some_and(|and| link.is_none_or(|link| and < link)) {
        words.remove(at);
    }
}
