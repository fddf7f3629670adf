//! Titles as words: folded, without fillers, numbers as digits, and what each word sounds like.

use std::cell::OnceCell;

use rphonetic::DoubleMetaphone;

use crate::numerals;

/// Words that never tell one task from another.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "at", "by", "for", "from", "i", "in", "it", "its", "ive", "me", "my", "of", "off", "on", "our",
    "please", "some", "that", "the", "their", "this", "to", "up", "with", "your", "about", "called", "named", "which",
    "says", "is", "was",
];

/// Words by which a caller points at a task; they count only where some title has them.
const POINTING_WORDS: &[&str] = &["1", "entry", "item", "reminder", "task", "tasks", "thing", "todo", "stuff"];

/// Verbs that many tasks share: they tell less than what is done to whom.
const COMMON_VERBS: &[&str] = &[
    "add", "arrang", "ask", "book", "bring", "buy", "call", "check", "clean", "do", "email", "finish", "fix", "get",
    "mak", "meet", "order", "pay", "pick", "plan", "prepar", "read", "review", "schedul", "send", "set", "submit",
    "tak", "tell", "text", "updat", "visit", "wash", "writ",
];

/// Forms that no rule makes, and words that mean the same in a task; each group by its first word.
const SAME: &[&[&str]] = &[
    &["buy", "bought", "purchase", "get", "got", "grab"],
    &["call", "phone", "ring", "rang", "telephone"],
    &["send", "sent"],
    &["pay", "paid"],
    &["write", "wrote", "written"],
    &["make", "made"],
    &["do", "did", "done"],
    &["take", "took", "taken"],
    &["meet", "met"],
    &["tell", "told"],
    &["bring", "brought"],
    &["fix", "repair"],
    &["mom", "mum", "mother", "mommy", "mummy"],
    &["dad", "father", "daddy"],
    &["doctor", "dr"],
    &["photo", "picture", "pic"],
    &["child", "children", "kid"],
];

/// The primary and the alternate code of a sound; empty for digits and other scripts.
type Codes = [String; 2];

/// One word of a title or of a query.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// Lower case, accents and apostrophes gone.
    pub(super) text: String,
    /// The form that plurals, tenses and synonyms share.
    stem: String,
    /// What it sounds like, once somebody asked: coding is the dearest part of a comparison.
    codes: OnceCell<Codes>,
}

impl Word {
    fn new(text: String) -> Self {
        let stem = stem(&text);
        Self { text, stem, codes: OnceCell::new() }
    }

    fn codes(&self) -> &Codes {
        self.codes.get_or_init(|| sound_of(&self.text))
    }

    /// How much the word tells.
    pub(super) fn weight(&self) -> f64 {
        if COMMON_VERBS.contains(&self.stem.as_str()) { 0.6 } else { 1.0 }
    }

    fn has_digit(&self) -> bool {
        self.text.bytes().any(|byte| byte.is_ascii_digit())
    }

    /// How alike two words are, 0 to 1.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        if self.text == other.text {
            return 1.0;
        }
        // "Chapter 2" is not "chapter 3", however close they are written.
        if self.has_digit() || other.has_digit() {
            return 0.0;
        }
        if self.stem == other.stem {
            return 0.97;
        }
        self.sound_likeness(other).max(self.spelling_likeness(other))
    }

    fn sound_likeness(&self, other: &Self) -> f64 {
        // Spelling is looked at first because it is cheap, and without some likeness there the sound never counts.
        let spelling = strsim::jaro_winkler(&self.text, &other.text);
        if spelling < 0.5 {
            return 0.0;
        }
        let (ours, theirs) = (self.codes(), other.codes());
        if ours.iter().any(|code| !code.is_empty() && theirs.contains(code)) {
            // A one-consonant code ("buy", "pay", "be") says little: the spelling must be close as well.
            if ours[0].len() < 2 && spelling < 0.75 {
                return 0.0;
            }
            let heard = 0.75 + 0.2 * spelling;
            return if differ_in_voice(&self.text, &other.text) { heard * 0.75 } else { heard };
        }
        let long = ours[0].len().min(theirs[0].len()) >= 4;
        let near = long
            && strsim::normalized_levenshtein(&ours[0], &theirs[0]) >= 0.75
            && strsim::normalized_levenshtein(&self.text, &other.text) >= 0.6;
        if near { 0.8 } else { 0.0 }
    }

    fn spelling_likeness(&self, other: &Self) -> f64 {
        let shorter = self.text.chars().count().min(other.text.chars().count());
        if shorter < 5 {
            return 0.0;
        }
        let spelling = strsim::normalized_damerau_levenshtein(&self.text, &other.text);
        if spelling >= 0.8 { spelling * 0.9 } else { 0.0 }
    }
}

/// The code takes "bill" for "pill"; a recogniser rarely does.
fn differ_in_voice(a: &str, b: &str) -> bool {
    let class = |text: &str| match text.as_bytes().first() {
        Some(b'b') => 1,
        Some(b'p') => -1,
        Some(b'd') => 2,
        Some(b't') => -2,
        Some(b'g') => 3,
        Some(b'k' | b'c' | b'q') => -3,
        _ => 0,
    };
    class(a) != 0 && class(a) == -class(b)
}

/// A title or a query, ready to be compared.
#[derive(Debug, Clone)]
pub(super) struct Phrase {
    /// All words in order, numbers as digits: what makes two titles the same.
    pub(super) key: String,
    /// The words that tell something.
    pub(super) words: Vec<Word>,
    /// What the whole sounds like, words run together, once somebody asked.
    sound: OnceCell<Codes>,
    /// All letters, run together.
    letters: String,
}

impl Phrase {
    pub(super) fn new(raw: &str) -> Self {
        let spoken = split(raw);
        let letters = spoken.concat();
        let numbered = numbers_as_digits(spoken);
        let key = numbered.join(" ");
        let telling: Vec<String> =
            numbered.iter().filter(|word| !STOP_WORDS.contains(&word.as_str())).cloned().collect();
        let kept = if telling.is_empty() { numbered } else { telling };
        Self { key, words: kept.into_iter().map(Word::new).collect(), sound: OnceCell::new(), letters }
    }

    /// Leaves out "the … one", "the … task" unless a title has that word, or nothing would be left.
    pub(super) fn without_pointing<'a>(mut self, titles: impl Iterator<Item = &'a Phrase> + Clone) -> Self {
        let points = |word: &Word| {
            POINTING_WORDS.contains(&word.text.as_str())
                && !titles.clone().any(|title| title.words.iter().any(|other| other.stem == word.stem))
        };
        let kept: Vec<Word> = self.words.iter().filter(|word| !points(word)).cloned().collect();
        if !kept.is_empty() {
            self.words = kept;
        }
        self
    }

    /// Whether both sound the same from end to end, wherever the recogniser put the spaces.
    pub(super) fn sounds_like(&self, other: &Self) -> bool {
        let (longer, shorter) =
            (self.letters.len().max(other.letters.len()), self.letters.len().min(other.letters.len()));
        // The lengths alone rule most titles out.
        if shorter * 10 < longer * 7 || strsim::normalized_levenshtein(&self.letters, &other.letters) < 0.7 {
            return false;
        }
        self.sound()[0].len() >= 3 && self.sound()[0] == other.sound()[0]
    }

    fn sound(&self) -> &Codes {
        self.sound.get_or_init(|| sound_of(&self.letters))
    }
}

/// What makes two titles the same: all words in order, without case, accents and punctuation, numbers as digits. A title
/// of signs alone has no words, and is itself.
pub(super) fn title_key(raw: &str) -> String {
    let key = numbers_as_digits(split(raw)).join(" ");
    if key.is_empty() { raw.trim().to_owned() } else { key }
}

/// Lower-case words without accents, apostrophes and punctuation.
fn split(raw: &str) -> Vec<String> {
    let folded: String =
        raw.chars().filter(|c| !matches!(c, '\'' | '’' | 'ʼ')).flat_map(char::to_lowercase).map(fold).collect();
    let mut words: Vec<String> =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    // "e-mail" and what a recogniser makes of it.
    while let Some(at) = words.windows(2).position(|pair| pair[0] == "e" && pair[1].starts_with("mail")) {
        words.remove(at);
        words[at].insert(0, 'e');
    }
    words
}

/// The plain letter under the accents of western European names.
fn fold(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ī' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' => 'o',
        'š' | 'ś' => 's',
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' => 'u',
        'ý' | 'ÿ' => 'y',
        'ž' | 'ź' | 'ż' => 'z',
        'ł' => 'l',
        other => other,
    }
}

/// Double metaphone of a word of ASCII letters; the coder cuts strings at bytes and must see nothing else.
fn sound_of(text: &str) -> Codes {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return [String::new(), String::new()];
    }
    let sound = DoubleMetaphone::new(None).double_metaphone(text);
    [sound.primary(), sound.alternate()]
}

/// A crude stem: one form for plurals, tenses and the synonyms above.
fn stem(word: &str) -> String {
    let same = |word: &str| SAME.iter().find(|group| group.contains(&word)).map(|group| group[0]);
    if let Some(first) = same(word) {
        return cut(first);
    }
    let stem = cut(word);
    // "phones", "grabbed": the cut form may be one of a group, too.
    same(&stem).or_else(|| same(&format!("{stem}e"))).map_or(stem, cut)
}

fn cut(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    if let Some(head) = word.strip_suffix("ies").or_else(|| word.strip_suffix("ied")).filter(|head| head.len() >= 2) {
        return format!("{head}y");
    }
    let verb = ["ing", "ed"].iter().find_map(|end| word.strip_suffix(end)).filter(|head| has_vowel(head));
    if let Some(head) = verb.filter(|head| head.len() >= 3) {
        return undouble(head);
    }
    let sibilant = word.strip_suffix("es").filter(|head| head.ends_with(['s', 'x', 'z', 'h', 'o']));
    let plural = word.strip_suffix('s').filter(|head| !head.ends_with(['s', 'u', 'i']));
    let singular = sibilant.or(plural).unwrap_or(word);
    singular.strip_suffix('e').filter(|head| head.len() >= 3).unwrap_or(singular).to_owned()
}

fn has_vowel(text: &str) -> bool {
    text.contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

/// "plann" → "plan", but "call" stays.
fn undouble(head: &str) -> String {
    let bytes = head.as_bytes();
    let doubled = bytes.len() >= 4 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    if doubled && !head.ends_with(['l', 's', 'z']) { head[..head.len() - 1].to_owned() } else { head.to_owned() }
}

/// Spoken numbers as digits: "twenty three" → "23", "two hundred" → "200", "third" → "3rd".
fn numbers_as_digits(words: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut open: Option<Spoken> = None;
    for word in words {
        let next = Spoken::start(&word);
        if open.as_mut().is_some_and(|number| number.goes_on(&word, next.as_ref())) {
            continue;
        }
        out.extend(open.take().map(|number| number.digits()));
        open = next;
        if open.is_none() {
            out.push(ordinal(&word).map_or(word, str::to_owned));
        }
    }
    out.extend(open.map(|number| number.digits()));
    out
}

/// A spoken number that may go on: "two" (hundred), "twenty" (three).
struct Spoken {
    /// The thousands that are complete.
    thousands: u64,
    /// What is below them.
    rest: u64,
    /// What may still be added is smaller than this.
    room: u64,
}

impl Spoken {
    fn start(word: &str) -> Option<Self> {
        if let Some(rest) = numerals::small(word) {
            return Some(Self { thousands: 0, rest: rest.into(), room: 0 });
        }
        numerals::tens(word).map(|rest| Self { thousands: 0, rest: rest.into(), room: 10 })
    }

    /// Whether the word belongs to the same number, which it is added to then.
    fn goes_on(&mut self, word: &str, next: Option<&Self>) -> bool {
        match next {
            Some(next) if next.rest > 0 && next.rest < self.room => {
                self.rest += next.rest;
                self.room = next.room.min(self.room);
                true
            }
            Some(_) => false,
            None => self.scale(word),
        }
    }

    /// "two" + "hundred"; whether the word was one.
    fn scale(&mut self, word: &str) -> bool {
        match word {
            "hundred" if (1..100).contains(&self.rest) => {
                self.rest *= 100;
                self.room = 100;
            }
            "thousand" if self.thousands == 0 && self.rest > 0 => {
                self.thousands = self.rest * 1000;
                self.rest = 0;
                self.room = 1000;
            }
            _ => return false,
        }
        true
    }

    fn digits(&self) -> String {
        (self.thousands + self.rest).to_string()
    }
}

fn ordinal(word: &str) -> Option<&'static str> {
    const ORDINALS: [(&str, &str); 12] = [
        ("first", "1st"),
        ("second", "2nd"),
        ("third", "3rd"),
        ("fourth", "4th"),
        ("fifth", "5th"),
        ("sixth", "6th"),
        ("seventh", "7th"),
        ("eighth", "8th"),
        ("ninth", "9th"),
        ("tenth", "10th"),
        ("eleventh", "11th"),
        ("twelfth", "12th"),
    ];
    ORDINALS.iter().find(|(name, _)| *name == word).map(|(_, digits)| *digits)
}
