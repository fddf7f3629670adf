//! The words of the task language: verbs, their sounds, and what they can mean.

use std::sync::LazyLock;

use rphonetic::DoubleMetaphone;

use super::normalise::{Word, norms};

/// Verbs that begin a thing to do.
const ACTIONS: &str = "accept adjust analyse analyze announce answer apply approve arrange ask assemble attend back \
    bake bring build buy calculate call cancel catch change charge check choose clean clear close collect comb compare \
    complete confirm contact cook copy create cut debug decide decline decorate defrost delete deliver deploy describe \
    dig discuss do donate download draft draw drive drop dust edit email empty enroll enter evaluate exercise explain \
    extend feed fetch figure file fill find finish fix fold follow forward freeze fry gather get give go grab greet \
    grill grow hand hang hide hire hoover improve inspect install interview investigate invite invoice iron join \
    journal jog keep kill learn leave lend let listen load lock look lose mail make measure meet mend merge message \
    migrate mop move mow negotiate notify oil open order organise organize pack paint park pay peel phone pick plan \
    plant play polish post practice practise pray prepare present print process pump purchase push put rake read \
    rebook recharge recycle refactor refill refund register rehearse release remove renew renovate rent repair replace \
    reply report request rescan research reserve reset respond restart restock restore return review rewrite ring run \
    save say scan schedule scrub sell send set sew share shave shine ship shop shovel sow sign skype sort speak start stop \
    store study submit subscribe sweep swim take talk tape teach tell test text thank throw tidy train transfer \
    translate treat trim try turn unpack unsubscribe update upgrade upload vacuum verify visit volunteer wake walk \
    wash watch water wax weed weigh wipe wrap write zip \
    babysit borrow burn chill whisk sprinkle apologise apologize renegotiate adjust archive assign attend auction bathe bind bleed block boil braid breathe brew bump catalogue chase claim climb \
    coach congratulate cycle deal deep-clean demolish descale dilute dismantle disinfect dispatch dispose \
    donate drain dry empty engrave evict fasten fertilise fertilize forge fund glaze grate \
    grease grind groom grout handle harvest heat hem host inflate inform insulate insure invest knead knit \
    lift loan lubricate marinate mulch nominate obtain operate oversee patch \
    pave photograph plait plaster play pluck pour preserve prime prune quote raise rearrange \
    recruit redirect reheat reinstall reload relocate remortgage replant repot rescue restring revise ride rinse \
    roll rotate sack sell serve service settle sharpen shorten shred sketch slice smoke soak solve \
    spray stack sterilise store strain strengthen stretch strip supervise sweeten switch \
    tally taste telephone thaw tighten tow trace track transcribe transplant treat tune unblock unclog \
    untangle upholster varnish ventilate view vote wean weld wind worm \
    accompany adapt adopt aerate allocate amend appoint appraise assess assist assure authorise authorize beat befriend begin \
    bless brainstorm bury calibrate carry carve celebrate certify chop circulate clarify compile compose compress conduct \
    consult convert coordinate darn declutter dedicate deflate deice delegate demonstrate detach detangle develop devise \
    diagnose digitise digitize dismiss distribute embroider enclose encourage enquire entertain erect establish estimate \
    execute expand explore ferment flatten forage fortify fulfil furnish garnish hoist identify implement initiate \
    inject inquire inscribe integrate invent laminate liaise loosen maintain memorise memorize narrate neaten obey observe \
    persuade predict produce promote proofread propose protect provide pursue realign reassure reclaim recommend reconcile \
    reconnect recover reduce refit refuel regrout rehair rehang rehome rehouse reimburse remodel reorganise reorganize \
    reprint reroute reseal resign resit resize resolve resubmit resurface retest retie retile retrieve rewire rewind rub sand \
    scour scrape secure separate shake sift simplify sing sink sling solder soothe spread squeeze steam stick stir stitch \
    straighten suggest swat tie toss toughen tuck unfold uninstall unlock unroll unscrew unwrap unzip upcycle vaccinate warn \
    waterproof weave weatherproof widen winterise winterize air bag bottle box brush button clip code count cover cross \
    design display drill dye fax fence frame fuel gift grade hammer hose ice juggle label launch lay level light link log map \
    mash mix model monitor mount nail name package paste pickle pin place plug press proof pull rate record refresh root \
    route sample scale score screen screw seal seed shape shift shut sieve skip slot snap sponge stain stake stamp staple \
    tag tailor tap thread tile tip toast touch trade twist type unload vet warm whip wire";

/// Those that are as likely a thing: they begin a task only in front of an article or the like.
const NOUN_LIKE: &str = "back book change charge check comb copy cut dig draft draw drive drop dust edit exercise \
    file fry go grill hand hire iron journal kill lock look mail message mop oil pack paint park peel phone plan \
    plant play polish post practice present print process pump purchase push rake release rent repair reply report \
    request research return review ring run save scan sew share shop sign sort start stop store study swim tape test \
    text train transfer treat trim turn update upgrade \
    block boil bump chase claim climb coach cycle deal drain dry fund glaze \
    grease heat host lift loan patch prime prune quote \
    raise ride roll sack serve service settle slice smoke soak spray stack \
    strain stretch strip switch taste tow trace track tune varnish view vote wind worm telephone \
    archive harvest sketch visit walk wash watch water wax weed wrap zip milk top \
    air bag bottle box brush button clip code count cover cross design display drill dye fax fence frame fuel gift grade \
    hammer hose ice juggle label launch lay level light link log map mash mix model monitor mount nail name package paste \
    pickle pin place plug press proof pull rate record refresh root route sample scale score screen screw seal seed shape \
    shift shut sieve skip slot snap sponge stain stake stamp staple tag tailor tap thread tile tip toast touch trade \
    twist type unload vet warm whip wire";

const PAST: &[(&str, &str)] = &[
    ("ate", "eat"),
    ("baked", "bake"),
    ("bought", "buy"),
    ("brought", "bring"),
    ("built", "build"),
    ("called", "call"),
    ("cancelled", "cancel"),
    ("canceled", "cancel"),
    ("caught", "catch"),
    ("chose", "choose"),
    ("cut", "cut"),
    ("did", "do"),
    ("done", "do"),
    ("drew", "draw"),
    ("dropped", "drop"),
    ("drove", "drive"),
    ("fed", "feed"),
    ("found", "find"),
    ("fixed", "fix"),
    ("gave", "give"),
    ("got", "get"),
    ("gotten", "get"),
    ("hung", "hang"),
    ("hoovered", "hoover"),
    ("kept", "keep"),
    ("left", "leave"),
    ("lent", "lend"),
    ("made", "make"),
    ("met", "meet"),
    ("mowed", "mow"),
    ("ordered", "order"),
    ("paid", "pay"),
    ("planned", "plan"),
    ("put", "put"),
    ("ran", "run"),
    ("read", "read"),
    ("replied", "reply"),
    ("rang", "ring"),
    ("rung", "ring"),
    ("dug", "dig"),
    ("eaten", "eat"),
    ("given", "give"),
    ("grew", "grow"),
    ("sown", "sow"),
    ("said", "say"),
    ("sent", "send"),
    ("sold", "sell"),
    ("set", "set"),
    ("shipped", "ship"),
    ("shopped", "shop"),
    ("spoke", "speak"),
    ("stopped", "stop"),
    ("studied", "study"),
    ("submitted", "submit"),
    ("swam", "swim"),
    ("swept", "sweep"),
    ("taught", "teach"),
    ("threw", "throw"),
    ("tidied", "tidy"),
    ("taken", "take"),
    ("told", "tell"),
    ("took", "take"),
    ("tried", "try"),
    ("walked", "walk"),
    ("went", "go"),
    ("woke", "wake"),
    ("wrapped", "wrap"),
    ("written", "write"),
    ("wrote", "write"),
];

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
