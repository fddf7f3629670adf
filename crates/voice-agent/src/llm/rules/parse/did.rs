//! What one has done, told with its verb: "I bought the milk".

use super::super::lexicon;
use super::super::normalise::{Word, norms};
use super::rule::Match;
use super::{Intent, Known, Target, joined_titles, target};

impl Known<'_> {
    /// The verb of which a word is the past: one that we know, or with which a title on the list begins.
    pub(super) fn present_of(self, word: &str) -> Option<String> {
        lexicon::present_of(word).or_else(|| self.titles.verb_in_past(word).map(str::to_owned))
    }
}

/// "I bought the milk": done, if there is such a task.
pub(super) fn did(found: &Match<'_>) -> Option<Intent> {
    let base = found.known.present_of(found.text("v"))?;
    if let Some(picked) = did_those(found, &base) {
        return Some(picked);
    }
    // "… but they had no oil" is told of something else.
    let told = found.words("t");
    let turn = told.iter().position(|word| word.norm == "but" && !word.quoted).filter(|at| *at > 0);
    let mut words: Vec<Word> = told[..turn.unwrap_or(told.len())].to_vec();
    // What one got, one bought.
    let bases = if base == "get" { vec![base, "buy".to_owned()] } else { vec![base] };
    let named = |base: &&String| {
        let mut norm: Vec<&str> = vec![base.as_str()];
        norm.extend(norms(&words));
        found.known.titles.named(&norm).is_some()
    };
    // "I got the milk" is rather "Buy milk" than "Get milk for the cat": the one that says no more.
    let length = |base: &&String| {
        let mut norm: Vec<&str> = vec![base.as_str()];
        norm.extend(norms(&words));
        found.known.titles.named(&norm).map_or(usize::MAX, |title| title.split(' ').count())
    };
    let Some(base) = bases.iter().filter(named).min_by_key(length) else {
        return did_each(&bases, &words, found.known).or_else(|| did_things(&bases, &words, found.known));
    };
    let verb = Word { raw: base.clone(), lead: String::new(), trail: String::new(), norm: base.clone(), quoted: false };
    words.insert(0, verb);
    Some(Intent::Complete(vec![target(&words)?]))
}

/// "I've called the other one", "I bought both of them": what the verb is of must be on the list.
fn did_those(found: &Match<'_>, base: &str) -> Option<Intent> {
    let said = norms(found.words("t"));
    let counts = said.iter().any(|word| matches!(*word, "one" | "ones" | "both"));
    let begins = |title: &str| title.split(' ').next() == Some(base) || base == "get" && title.starts_with("buy ");
    if found.text("v") == base || !counts || !found.known.titles.any(begins) {
        return None;
    }
    let picked = target(found.words("t"))?;
    matches!(picked, Target::Picked(_) | Target::Them).then(|| Intent::Complete(vec![picked]))
}

/// "I bought the tofu and the noodles": each of them, if each is on the list.
pub(super) fn did_each(bases: &[String], words: &[Word], known: Known<'_>) -> Option<Intent> {
    let parts = joined_titles(words, true, known);
    let named = |part: &&[Word]| {
        let mut titles = bases.iter().filter_map(|base| {
            let mut norm: Vec<&str> = vec![base.as_str()];
            norm.extend(norms(part));
            known.titles.named(&norm)
        });
        titles.next().map(|title| Target::Title(title.to_owned()))
    };
    let targets: Option<Vec<Target>> = parts.iter().map(named).collect();
    targets.filter(|targets| targets.len() > 1).map(Intent::Complete)
}

/// "I've paid the rent", where the task is called "Rent": each of the things, if none of them has a verb of its own, and what was
/// done to them leaves nothing to do.
pub(super) fn did_things(bases: &[String], words: &[Word], known: Known<'_>) -> Option<Intent> {
    const ENDING: &str = "bake bring build buy clean collect cook deliver do email fetch file fill finish fix get mail make mend         order paint pay post print renew repair return sell send sign submit take throw wash water write";
    if !bases.iter().any(|base| ENDING.split_ascii_whitespace().any(|verb| verb == base)) {
        return None;
    }
    let thing = |part: &&[Word]| {
        let title = known.titles.named(&norms(part))?;
        let lower = title.to_lowercase();
        let has_verb = lexicon::starts_verb(&lower.split(' ').collect::<Vec<_>>()) && lower.contains(' ');
        (!has_verb && known.titles.is_said(title, &norms(part))).then(|| Target::Title(title.to_owned()))
    };
    if let Some(only) = thing(&words) {
        return Some(Intent::Complete(vec![only]));
    }
    let parts = joined_titles(words, true, known);
    let targets: Option<Vec<Target>> = parts.iter().map(thing).collect();
    targets.filter(|targets| targets.len() > 1).map(Intent::Complete)
}
