//! How far apart two words or phrases sound: spelling turned into rough phones, and an edit distance between them.
//!
//! No dictionary: the rules are those that hold for most English words, and what they get wrong is mostly wrong on both sides.

/// A rough phone. Vowels are lower case, consonants upper case.
pub(super) type Phone = u8;

/// What leaving out or putting in a vowel, a weak consonant and another consonant costs.
const VOWEL_GAP: f32 = 0.5;
const WEAK_GAP: f32 = 0.5;
const GAP: f32 = 0.9;
/// What one vowel for another costs, one consonant for a similar one, and for any other.
const OTHER_VOWEL: f32 = 0.4;
const SIMILAR: f32 = 0.5;
const OTHER: f32 = 1.0;
/// Consonants that are taken for each other: made at the same place, or in the same manner.
const FAMILIES: [&[u8]; 9] = [b"PBM", b"TDN", b"KG", b"FVHX", b"SZX", b"JCSZ", b"MN", b"LRW", b"FSX"];
/// Consonants that are hardly heard at the end: they are stopped, and not let go.
const STOPS: &[u8] = b"PTKBDG";
/// Consonants that are hardly heard at a word's end or before another.
const WEAK: &[u8] = b"TDHRL";

/// Letters that together are one phone, longest first.
const TOGETHER: &[(&str, &[u8])] = &[
    ("tion", b"Cun"),
    ("ough", b"o"),
    ("augh", b"o"),
    ("eigh", b"e"),
    ("igh", b"y"),
    ("tch", b"C"),
    ("dge", b"J"),
    ("sch", b"SK"),
    ("th", b"X"),
    ("sh", b"C"),
    ("ch", b"C"),
    ("ph", b"F"),
    ("gh", b"G"),
    ("ck", b"K"),
    ("qu", b"KW"),
    ("wh", b"W"),
    ("wr", b"R"),
    ("kn", b"N"),
    ("mb", b"M"),
    ("ee", b"i"),
    ("ea", b"i"),
    ("ie", b"i"),
    ("ey", b"i"),
    ("ai", b"e"),
    ("ay", b"e"),
    ("oa", b"o"),
    ("ow", b"o"),
    ("ou", b"o"),
    ("au", b"o"),
    ("aw", b"o"),
    ("all", b"oL"),
    ("oo", b"u"),
    ("ue", b"u"),
    ("ew", b"u"),
    ("uy", b"y"),
    ("ce", b"Se"),
    ("ci", b"Si"),
    ("cy", b"Si"),
];

/// The phones of a word in lower case. Letters of other scripts and figures stand for themselves, as far as a byte goes.
pub(super) fn phones(word: &str) -> Vec<Phone> {
    let mut out: Vec<Phone> = Vec::with_capacity(word.len());
    let mut rest = silent_e(word);
    while let Some(letter) = rest.chars().next() {
        if let Some((letters, together)) = TOGETHER.iter().find(|(letters, _)| rest.starts_with(letters)) {
            out.extend_from_slice(together);
            rest = &rest[letters.len()..];
        } else {
            out.extend(phone(letter, out.is_empty(), rest.len() == 1, word.len() <= 3));
            rest = &rest[letter.len_utf8()..];
        }
    }
    out.dedup();
    out
}

/// The phones of several words.
pub(super) fn phones_of<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<Phone> {
    let mut out: Vec<Phone> = words.into_iter().flat_map(phones).collect();
    out.dedup();
    out
}

fn silent_e(word: &str) -> &str {
    match word.strip_suffix('e') {
        Some(stem) if stem.len() > 2 && !stem.ends_with(['e', 'i', 'o', 'u', 'c', 'g']) => stem,
        _ => word,
    }
}

fn phone(letter: char, first: bool, last: bool, short: bool) -> Option<Phone> {
    Some(match letter {
        'a' => b'a',
        // "me" and "he".
        'e' if last && short => b'i',
        'e' => b'e',
        'i' => b'i',
        'o' => b'o',
        'u' => b'u',
        'y' if first => b'J',
        // "family", but "my" and "by".
        'y' if last && !short => b'i',
        'y' => b'y',
        'c' | 'k' | 'q' => b'K',
        'j' => b'J',
        'x' => b'S',
        '\'' => return None,
        _ if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase() as u8,
        _ => letter as u32 as u8,
    })
}

fn is_vowel(phone: Phone) -> bool {
    phone.is_ascii_lowercase()
}

fn gap(phone: Phone) -> f32 {
    match phone {
        _ if is_vowel(phone) => VOWEL_GAP,
        _ if WEAK.contains(&phone) => WEAK_GAP,
        _ => GAP,
    }
}

/// What leaving out the phone at this place costs.
fn gap_at(phones: &[Phone], at: usize) -> f32 {
    let stopped = at > 0 && at + 1 == phones.len() && STOPS.contains(&phones[at]);
    if stopped { WEAK_GAP } else { gap(phones[at]) }
}

fn between(a: Phone, b: Phone) -> f32 {
    if a == b {
        0.0
    } else if is_vowel(a) && is_vowel(b) {
        OTHER_VOWEL
    } else if FAMILIES.iter().any(|family| family.contains(&a) && family.contains(&b)) {
        SIMILAR
    } else if is_vowel(a) == is_vowel(b) {
        OTHER
    } else {
        gap(a) + gap(b)
    }
}

/// How far apart two sounds are: 0 for the same, about 1 for each phone that differs.
pub(super) fn distance(a: &[Phone], b: &[Phone]) -> f32 {
    let mut row: Vec<f32> = std::iter::once(0.0)
        .chain((0..b.len()).scan(0.0, |sum, at| {
            *sum += gap_at(b, at);
            Some(*sum)
        }))
        .collect();
    for (place, &from) in a.iter().enumerate() {
        let left_out = gap_at(a, place);
        let mut diagonal = row[0];
        row[0] += left_out;
        for (at, &to) in b.iter().enumerate() {
            let changed = diagonal + between(from, to);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + gap_at(b, at)).min(row[at + 1] + left_out);
        }
    }
    row.last().copied().unwrap_or(0.0)
}

/// What it costs at most to leave out all of a sound.
pub(super) fn weight(phones: &[Phone]) -> f32 {
    phones.iter().map(|phone| gap(*phone)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(a: &str, b: &str) -> f32 {
        distance(&phones_of(a.split(' ')), &phones_of(b.split(' ')))
    }

    #[test]
    fn what_sounds_the_same_is_not_apart() {
        for (a, b) in [("cake", "kake"), ("phone", "fone"), ("bill", "bil"), ("night", "nyt"), ("knit", "nit")] {
            assert!(apart(a, b) < 0.01, "{a} {b}: {}", apart(a, b));
        }
    }

    #[test]
    fn slips_are_nearer_than_other_words() {
        for (said, slip, other) in [
            ("landlord", "lend lord", "lantern"),
            ("call susan", "cold susan", "tell susan"),
            ("butter", "budder", "bottle"),
            ("feed the fish", "feet the fish", "fix the fridge"),
            // A telephone has no high frequencies, by which these differ.
            ("savings", "favings", "shavings bank"),
            ("thin", "fin", "pin"),
            ("milk", "mil", "mist"),
        ] {
            assert!(apart(said, slip) < apart(said, other), "{said}: {} {}", apart(said, slip), apart(said, other));
        }
    }

    #[test]
    fn any_text_has_a_sound() {
        for text in ["", "\u{e4}\u{f6}", "12/24", "'", "e", "x"] {
            assert!(distance(&phones(text), &phones("word")).is_finite());
        }
    }
}
