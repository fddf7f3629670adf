//! The words of the task language: verbs, their sounds, and what they can mean.

mod words;

use std::sync::LazyLock;

use rphonetic::DoubleMetaphone;

use super::normalise::{Word, norms};
use words::{ACTIONS, NOUN_LIKE, PAST};

/// Words that begin a command to us, by which a mangled first word is mended.
const COMMANDS: [&str; 21] = [
    "add",
    "complete",
    "create",
    "delete",
    "finish",
    "list",
    "mark",
    "move",
    "remind",
    "remove",
    "rename",
    "reopen",
    "reschedule",
    "review",
    "set",
    "show",
    "undo",
    "postpone",
    "cross",
    "repeat",
    "change",
];

/// Whether a verb says nothing without what it is done to: "buy", but not "exercise".
pub(crate) fn needs_object(word: &str) -> bool {
    const VERBS: &str = "ask book bring buy call email fetch find fix get give make message order pay phone pick put send take \
        tell text write";
    listed(VERBS, word)
}

/// Whether a title in lower case is of something to be bought: "buy milk", "milk".
pub(crate) fn is_shopping(title: &str) -> bool {
    let words: Vec<&str> = title.split(' ').collect();
    matches!(words[0], "buy" | "get" | "pick" | "order") || !starts_verb(&words)
}

/// The command that a word in "-ing" is of: "marking" is "mark", "putting" is "put".
pub(crate) fn command_of(word: &str) -> Option<&'static str> {
    const OTHERS: [&str; 6] = ["put", "read", "tell", "tick", "make", "take"];
    let head = word.strip_suffix("ing").filter(|head| head.len() >= 3)?;
    let is_it = |command: &&&str| {
        head == **command
            || command.strip_suffix('e') == Some(head)
            || head.len() == command.len() + 1 && head.starts_with(**command)
    };
    // "Listing" and "setting" may begin a title, and mean no command there.
    COMMANDS.iter().chain(&OTHERS).find(is_it).copied()
}

/// Whether the word alone is something that one buys.
pub(crate) fn is_grocery(word: &str) -> bool {
    const GOODS: &str = "apples avocados bacon bananas beans beer biscuits bleach bread broccoli butter cabbage cake carrots celery \
        cereal cheese cherries chicken chips chocolate coffee coke cookies courgettes crackers cream crisps cucumber detergent eggs \
        fish flour fruit garlic grapes ham honey jam juice ketchup lemons lentils lettuce limes mayonnaise meat milk mince mints \
        mushrooms mustard napkins noodles nuts oats oil onions oranges parsley pasta peaches peanuts pears peas peppers potatoes \
        rice salad salmon salt sausages shampoo soap soup spaghetti spinach steak strawberries sugar tea tissues toast tofu \
        tomatoes toothpaste tuna turkey vinegar water wine yeast yoghurt yogurt";
    listed(GOODS, word)
}

/// The verb that a word in "-ing" is of: "planting" is "plant", "moving" is "move", "chopping" is "chop".
pub(crate) fn verb_of_ing(word: &str) -> Option<String> {
    let head = word.strip_suffix("ing").filter(|head| head.len() >= 2)?;
    let undoubled = || {
        let mut letters = head.chars().rev();
        (letters.next() == letters.next()).then(|| head[..head.len() - 1].to_owned())
    };
    let known = |verb: &String| starts_verb(&[verb.as_str()]);
    [Some(head.to_owned()), Some(format!("{head}e")), undoubled()].into_iter().flatten().find(known)
}

/// Whether the word is in a list of words.
fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

/// Whether the words begin with something one does: "buy milk", "book a table", not "book club".
pub(crate) fn starts_action(words: &[&str]) -> bool {
    let Some(first) = words.first() else { return false };
    let noun_like = listed(NOUN_LIKE, first);
    if !noun_like {
        return listed(ACTIONS, first) && words.len() >= 2;
    }
    let object = |word: &&str| {
        matches!(
            *word,
            "a" | "an"
                | "the"
                | "my"
                | "your"
                | "our"
                | "his"
                | "her"
                | "their"
                | "some"
                | "this"
                | "that"
                | "for"
                | "to"
                | "up"
                | "out"
                | "with"
                | "off"
                | "in"
                | "on"
                | "two"
                | "three"
                | "all"
                | "new"
                | "more"
                | "me"
                | "us"
                | "him"
                | "them"
        )
    };
    words.get(1).is_some_and(object)
}

/// The same of words as they were said: "ring Tom" is something one does, too, where the name is written as one.
pub(crate) fn opens_action(words: &[Word]) -> bool {
    let capital = |word: &Word| word.raw.chars().next().is_some_and(char::is_uppercase);
    let named = || match words {
        [verb, name, ..] => {
            listed(NOUN_LIKE, &verb.norm) && !capital(verb) && capital(name) && !verb.pauses() && name.norm != "i"
        }
        _ => false,
    };
    starts_action(&norms(words)) || named()
}

/// Whether the words begin with something that one does oneself: "call the plumber", and neither "play some music", which may be asked
/// of us unless it `has_due`, nor "send it to her", which is about something else.
pub(crate) fn starts_work(words: &[&str], has_due: bool) -> bool {
    const EDITS: &str = "change continue delete extend follow give hang hold keep let listen look lose move release remove repeat restore \
        say search show store switch tell thank update wait wake";
    const OURS: &str = "analyse analyze answer back calculate check choose compare complete confirm decide \
        describe do evaluate explain figure find finish forward go grab help load make message open play put read replace reply report reset \
        respond restart review save send set sort speak start stop talk test text translate try turn view";
    // "Make the pickup half past five" may be of what is on the list under another name.
    let edits =
        matches!(words, ["make" | "set" | "put" | "mark" | "push" | "bring" | "shift", "the" | "my" | "that", ..]);
    if matches!(words, ["set", "up", _, ..]) {
        return true;
    }
    if matches!(words, ["get", "rid", "of", ..]) {
        return false;
    }
    let points =
        |word: &&str| matches!(*word, "me" | "us" | "it" | "that" | "this" | "them" | "those" | "these" | "you");
    starts_errand(words)
        && !listed(EDITS, words[0])
        && (has_due || !listed(OURS, words[0]))
        && !edits
        && !words.get(1).is_some_and(points)
}

/// Whether the words, said alone, begin with something to do although they have no article: "order printer paper".
pub(crate) fn starts_errand(words: &[&str]) -> bool {
    const ERRANDS: &str = "check clean copy cut drop dust edit file fry hire iron mail mop order pack paint peel phone polish practice prepare \
        print rake repair return scan sew sort study trim vacuum wash water weed wrap";
    let thing = |word: &&str| {
        !matches!(
            *word,
            "is" | "are"
                | "was"
                | "has"
                | "and"
                | "or"
                | "on"
                | "at"
                | "in"
                | "by"
                | "of"
                | "today"
                | "tomorrow"
                | "tonight"
                | "next"
                | "this"
                | "done"
        )
    };
    starts_action(words) || words.len() >= 2 && listed(ERRANDS, words[0]) && words.get(1).is_some_and(thing)
}

/// Whether the words begin with a verb at all, however likely it is a noun.
pub(crate) fn starts_verb(words: &[&str]) -> bool {
    words.first().is_some_and(|word| listed(ACTIONS, word) || listed(NOUN_LIKE, word))
}

/// Whether the words begin with one of the verbs that only make sense as a command to us.
pub(crate) fn starts_command(words: &[&str]) -> bool {
    let verbs =
        ["add", "delete", "remove", "remind", "mark", "rename", "undo", "list", "show", "reopen", "complete", "what's"];
    if words.first().is_some_and(|first| verbs.contains(first)) {
        return true;
    }
    matches!(
        words,
        ["move" | "make" | "set" | "put" | "change" | "call", "it" | "that" | "this", ..]
            | ["cross", "off", ..]
            | ["what", "is" | "are" | "do", ..]
            | ["how", "many", ..]
    )
}

/// The plain form of a verb in the past: "bought" is "buy". None if it is none.
pub(crate) fn present_of(word: &str) -> Option<String> {
    if let Some((_, base)) = PAST.iter().find(|(past, _)| *past == word) {
        return Some((*base).to_owned());
    }
    // "Bougth", mistyped.
    let mistyped = |past: &&(&str, &str)| {
        word.len() >= 5
            && word.len() == past.0.len()
            && word.is_ascii()
            && word[..1] == past.0[..1]
            && is_swapped(word, past.0)
    };
    if let Some((_, base)) = PAST.iter().find(mistyped) {
        return Some((*base).to_owned());
    }
    let stem = word.strip_suffix("ed")?;
    let with_e = word.strip_suffix('d')?;
    // "Emptied" is of "empty".
    if let Some(head) = word.strip_suffix("ied") {
        let base = format!("{head}y");
        if listed(ACTIONS, &base) || listed(NOUN_LIKE, &base) {
            return Some(base);
        }
    }
    // "Mopped" is of "mop".
    let mut letters = stem.chars().rev();
    let doubled = letters.next() == letters.next() && stem.len() > 3 && stem.is_ascii();
    let undoubled = if doubled { &stem[..stem.len() - 1] } else { stem };
    [stem, with_e, undoubled]
        .into_iter()
        .find(|base| listed(ACTIONS, base) || listed(NOUN_LIKE, base))
        .map(str::to_owned)
}

/// Whether the words differ in two neighbouring letters that have changed places.
fn is_swapped(a: &str, b: &str) -> bool {
    strsim::damerau_levenshtein(a, b) == 1 && strsim::levenshtein(a, b) == 2
}

static METAPHONE: LazyLock<DoubleMetaphone> = LazyLock::new(DoubleMetaphone::default);

/// How a word sounds. Words with letters beyond ASCII sound like themselves.
pub(crate) fn sound(word: &str) -> String {
    let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.is_empty() || plain.len() < word.len() / 2 || plain.chars().all(|letter| letter.is_ascii_digit()) {
        return word.to_owned();
    }
    METAPHONE.double_metaphone(&plain).primary()
}

/// The command verb that a word sounds like, if it is none itself: "ad" is "add", "compleat" is "complete".
pub(crate) fn command_by_sound(word: &str) -> Option<&'static str> {
    if COMMANDS.contains(&word) || word.len() < 2 {
        return None;
    }
    let code = sound(word);
    COMMANDS
        .iter()
        .filter(|command| {
            let near = strsim::normalized_damerau_levenshtein(command, word);
            near >= 0.72 || (near >= 0.5 && sound(command) == code)
        })
        .max_by(|a, b| {
            let score = |command: &str| strsim::normalized_damerau_levenshtein(command, word);
            score(a).total_cmp(&score(b))
        })
        .copied()
}

/// Words that say nothing about which task is meant.
pub(crate) fn is_small(word: &str) -> bool {
    matches!(
        word,
        "a" | "an"
            | "the"
            | "my"
            | "to"
            | "of"
            | "for"
            | "and"
            | "on"
            | "in"
            | "at"
            | "task"
            | "it"
            | "that"
            | "one"
            | "with"
            | "thing"
            | "stuff"
    )
}

/// A crude stem: one form for plurals and tenses, so that "watering" is "water".
pub(crate) fn stem(word: &str) -> String {
    // "Tom's" is Tom.
    let word = word.strip_suffix("'s").filter(|head| head.len() >= 2).unwrap_or(word);
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    let verb = ["ing", "ed"].into_iter().find_map(|end| word.strip_suffix(end)).filter(|head| head.len() >= 3);
    // "Inspection" is of "inspect".
    let verb = verb.or_else(|| word.strip_suffix("ion").filter(|head| head.len() >= 6));
    let plural = word.strip_suffix('s').filter(|head| !head.ends_with(['s', 'u', 'i']));
    let base = verb.or(plural).unwrap_or(word);
    let bytes = base.as_bytes();
    // "planning" is "plan", but "calling" is "call".
    let doubled = verb.is_some() && bytes.len() >= 4 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    let base = if doubled && !base.ends_with(['l', 's', 'z']) { &base[..base.len() - 1] } else { base };
    base.strip_suffix('e').filter(|head| head.len() >= 3).unwrap_or(base).to_owned()
}
