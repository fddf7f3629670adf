//! Simpler ways to say the same: without what leads to a command and closes it ("ugh, fine, …", "…, love", "… by the way"), and
//! with command words as they were meant to be typed. Tried in turn where the sentence as it stands is not understood.

use super::lexicon;
use super::normalise::{Utterance, Word};
use super::titles::Titles;

/// Most words that are taken off at one end.
const MOST: usize = 6;

/// What leads to a command.
const LEADING: &str = "i was like thinking|i was thinking|i'm thinking|maybe you could|you could|you can|could you|can you|go on then|go on|\
    come on|now that i think of it|come to think of it|it would be lovely if you could|if you would be so kind as to|\
    would you be a dear and|be a dear and|be a love and|do me a favour and|do me a favor and|could i trouble you to|\
    i should like you to|i should like to|i was going to say|on second thoughts|on second thought|for your information|\
    sorry someone's calling|just so you know|i almost forgot|i nearly forgot|before i forget|while i remember|\
    while i think of it|one last thing|another thing|last thing|quick question|quick one|good news|tell you what|\
    i tell you what|you know what|guess what|the thing is|as i said|like i said|let's see|let's say|say|let me see|\
    right then|ok then|okay then|now then|ah well|oh well|oh dear|oh god|oh gosh|oh my god|oh no|oh yes|oh yeah|silly me|\
    my bad|no worries|not to worry|by the way|i forgot|forgot to say|i forgot to say|i meant to say|hang on|hold on|\
    swap it|change of plan|change of plans|slight change|correction|in that case|in fact|of course|to be honest|\
    if you don't mind|if you please|would you kindly|may i ask you to|i'd be grateful if you could|\
    i'd be grateful if you would|could you possibly|can you quickly|could you quickly|can you just|could you just|\
    can i just|i just|well then|never mind|nvm|nevermind|nm|thank you|thanks|cheers|ta|ugh|argh|lol|lmao|haha|hah|ha|omg|\
    bruh|bro|dude|mate|man|yo|aye|whatever|fine|right|lovely|good|great|perfect|nice|brilliant|cool|sure|jk|gosh|blimey|\
    crikey|goodness|what was it|what was it again|now what was it|ah yes|ah right|oh right|ah|ooh|aha|yay|phew|anyway|anyways|anyhow|listen|look|see|actually|also|sorry|oops|honestly|seriously|\
    basically|literally|tbh|btw|fyi|still|meanwhile|quick|quickly|firstly|first|next|then|second|secondly|third|thirdly|\
    lastly|finally|again|and|but|so|ok|okay|well|now|oh|no|nope|nah|yes|yeah|yep|wait|hmm|hm|love|dear|hey|hi|hello|please|jeez|urgh|right so|\
    just|maybe|perhaps|because|cause|alright|hold up|k|kk|yup|ye|done|cool beans|wow|damn|crap|sugar|bugger|heavens|\
    i think|i guess|i suppose|i reckon|i believe|all right";

/// What closes it.
const TRAILING: &str = "bless him|bless her|bless them|idc|idk|fr|ngl|rn|tbh|i don't care|whatever|exactly|if you would be so kind|if you don't mind|if i may|if that's okay|\
    if that's ok|if that's all right|if it's not too much trouble|if you please|if you can|if you could|if possible|\
    when you can|when you get a chance|by the way|btw|for me|for me please|will you|would you|could you|can you|won't you|\
    and that's that|you see|you know|i mean|i think|i guess|i suppose|i reckon|or something|or whatever|as usual|after all|\
    i'd say|obviously|ffs|pls|thank you|thanks|ta|cheers|love|dear|darling|mate|bro|man|dude|lol|haha|lmao|though|tho|anyway|innit|ok|okay|\
    right|yeah|yes|now|again|then|already|too|also|as well|please|instead|really|honestly|huh|eh|thanks a lot|\
    thank you very much|quickly|real quick|quick|asap please|at all|finally|at last|thank god|thank goodness|xx|x";

/// The words without one more of these in front, or behind; none if that leaves nothing.
fn shorter(words: &[Word], leads: bool) -> Option<&[Word]> {
    let phrases = if leads { LEADING } else { TRAILING };
    let fits = |phrase: &&str| {
        let length = phrase.split(' ').count();
        let part = if leads { words.get(..length) } else { words.len().checked_sub(length).map(|at| &words[at..]) };
        length < words.len()
            && part.is_some_and(|part| {
                part.iter().zip(phrase.split(' ')).all(|(word, said)| !word.quoted && word.norm == said)
            })
    };
    let phrase = phrases.split('|').filter(fits).max_by_key(|phrase| phrase.split(' ').count())?;
    let length = phrase.split(' ').count();
    Some(if leads { &words[length..] } else { &words[..words.len() - length] })
}

/// The simpler ways, those nearest to what was said first.
pub(crate) fn ways(utterance: &Utterance, titles: &Titles) -> Vec<Utterance> {
    // A yes with a "but" is weighed elsewhere, and not made plain here.
    let agrees =
        |word: &Word| matches!(word.norm.as_str(), "yes" | "yeah" | "yep" | "sure" | "ok" | "okay" | "fine" | "right");
    if utterance.words.first().is_some_and(agrees)
        && utterance.words.iter().any(|word| matches!(word.norm.as_str(), "but" | "first" | "unless" | "except"))
    {
        return Vec::new();
    }
    let mut ways: Vec<Vec<Word>> = Vec::new();
    let mut front: Vec<&[Word]> = vec![&utterance.words];
    while let Some(words) = front.last().and_then(|words| shorter(words, true)).filter(|_| front.len() <= MOST) {
        front.push(words);
    }
    let plain: Vec<&[Word]> = front.clone();
    ways.extend(plain.iter().skip(1).map(|words| words.to_vec()));
    // "Gosh what a day, anyway …".
    let turn = utterance.words.iter().rposition(|word| matches!(word.norm.as_str(), "anyway" | "anyways" | "anyhow"));
    ways.extend(turn.filter(|at| *at > 0).map(|at| utterance.words[at + 1..].to_vec()).filter(|rest| !rest.is_empty()));
    ways.extend(from_a_wish(&utterance.words));
    ways.extend(from_a_conclusion(&utterance.words));
    ways.extend(uncontracted(&utterance.words));
    for words in plain.iter().rev() {
        let mut words = *words;
        for _ in 0..MOST {
            let Some(less) = shorter(words, false) else { break };
            ways.push(less.to_vec());
            words = less;
        }
    }
    let mended: Vec<Vec<Word>> = std::iter::once(utterance.words.as_slice())
        .chain(front.last().copied())
        .filter_map(|words| mended(words, titles))
        .collect();
    ways.extend(mended);
    ways.dedup();
    ways.into_iter().map(Utterance::new).collect()
}

/// "My sister rang and she's coming on Thursday, so I need to make up the beds": from where something is asked for.
fn from_a_wish(words: &[Word]) -> Option<Vec<Word>> {
    const WISHES: [&[&str]; 12] = [
        &["i", "need", "to"],
        &["i", "have", "to"],
        &["i've", "got", "to"],
        &["i", "must"],
        &["we", "need", "to"],
        &["we", "have", "to"],
        &["remind", "me"],
        &["can", "you", "add"],
        &["could", "you", "add"],
        &["please", "add"],
        &["can", "you", "remind"],
        &["could", "you", "remind"],
    ];
    let starts = |at: &usize| {
        WISHES.iter().any(|wish| {
            words.len() > at + wish.len()
                && wish.iter().zip(&words[*at..]).all(|(said, word)| word.norm == *said && !word.quoted)
        })
    };
    let at = (1..words.len()).rev().find(starts)?;
    // "What do I have to do", "if I need to go" ask and think.
    let thinks = words[..at].iter().any(|word| {
        matches!(
            word.norm.as_str(),
            "what" | "when" | "which" | "who" | "if" | "how" | "don't" | "didn't" | "do" | "why" | "not"
        )
    });
    (!thinks && words.len() - at > 3).then(|| words[at..].to_vec())
}

/// "The bathroom's clean" is "the bathroom is clean".
fn uncontracted(words: &[Word]) -> Option<Vec<Word>> {
    let at = words.iter().take(6).position(|word| word.norm.len() > 3 && word.norm.ends_with("'s"))?;
    let owned = words[at].norm.trim_end_matches("'s");
    let asks =
        words.first().is_some_and(|word| matches!(word.norm.as_str(), "what" | "which" | "when" | "who" | "how"));
    let pronoun = asks
        || matches!(
            owned,
            "it" | "that" | "what" | "let" | "he" | "she" | "there" | "who" | "how" | "where" | "when" | "here"
        );
    if pronoun || at + 1 >= words.len() {
        return None;
    }
    let cut = |text: &str| text.trim_end_matches("'s").trim_end_matches("’s").to_owned();
    let thing = Word { raw: cut(&words[at].raw), norm: owned.to_owned(), ..words[at].clone() };
    // "The boiler's been serviced."
    let has = words.get(at + 1).is_some_and(|word| matches!(word.norm.as_str(), "been" | "got" | "had"));
    let is = super::normalise::tokenise(if has { "has" } else { "is" });
    Some([&words[..at], &[thing], &is, &words[at + 1..]].concat())
}

/// "The bike is broken again, so put it back on the list": what follows from what is told.
fn from_a_conclusion(words: &[Word]) -> Option<Vec<Word>> {
    let at = words.iter().rposition(|word| word.norm == "so" && !word.quoted).filter(|at| *at > 1)?;
    let asks =
        words[..at].iter().any(|word| matches!(word.norm.as_str(), "what" | "when" | "how" | "if" | "or" | "why"));
    let rest = &words[at + 1..];
    let commands = lexicon::starts_command(&super::normalise::norms(rest))
        || rest.first().is_some_and(|word| {
            matches!(
                word.norm.as_str(),
                "put" | "move" | "make" | "set" | "cross" | "tick" | "take" | "please" | "let's"
            )
        });
    (!asks && words[at - 1].pauses() && commands && rest.len() > 1).then(|| rest.to_vec())
}

/// Words that commands are made of.
const KNOWN: &str = "delete remove rename reopen complete completed finish finished remind reminder list tasks task everything \
    change move mark done cross tick undo priority urgent important tomorrow today tonight monday tuesday wednesday thursday \
    friday saturday sunday morning afternoon evening overdue repeat review what's show read cancel postpone reschedule";

/// With words that are a letter or two off a word of the task language; none if there are none.
fn mended(words: &[Word], titles: &Titles) -> Option<Vec<Word>> {
    let mut changed = false;
    let mend = |word: &Word| {
        let length = word.norm.chars().count();
        let known = KNOWN.split_ascii_whitespace().any(|known| known == word.norm);
        if length < 3
            || known
            || word.quoted
            || lexicon::starts_verb(&[&word.norm])
            || titles.named(&[&word.norm]).is_some()
        {
            return word.clone();
        }
        let most = if length >= 7 { 2 } else { 1 };
        let near = KNOWN
            .split_ascii_whitespace()
            .map(|known| (strsim::damerau_levenshtein(known, &word.norm), known))
            .filter(|(off, known)| {
                *off <= most && (length > 3 || known.len() > 3) && known.chars().next() == word.norm.chars().next()
            })
            .min_by_key(|(off, _)| *off);
        match near {
            Some((_, known)) => {
                changed = true;
                Word { norm: known.to_owned(), ..word.clone() }
            }
            None => word.clone(),
        }
    };
    let mended: Vec<Word> = words.iter().map(mend).collect();
    changed.then_some(mended)
}
