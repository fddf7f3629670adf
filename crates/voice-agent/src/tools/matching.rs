//! Which task the caller means: titles matched by sound and by spelling.
//!
//! A recogniser hears "by milk" for "Buy milk", and a caller says "the proposal" for "Review the proposal". So each
//! word of the query looks for its like in the title, by spelling, stem or double metaphone; common verbs count
//! less, and what decides is how much of the *query* a title covers. A title that covers it only half is no match but
//! a suggestion: "call mom" is not "Call John".

use crate::tasks::Task;

use super::words::{Phrase, Word, title_key};

/// A title covers the query from here on.
const MATCH: f64 = 0.74;
/// Titles whose coverage is this close to the best are as good as it.
const MARGIN: f64 = 0.08;
/// A title is worth a suggestion from here on.
const SUGGEST: f64 = 0.3;
/// The most suggestions.
pub const MAX_SUGGESTIONS: usize = 3;
/// The most candidates of an ambiguous name.
pub const MAX_CANDIDATES: usize = 5;

/// Which task a name means.
#[derive(Debug, Clone, PartialEq)]
pub enum TitleMatch<'a> {
    /// The title itself, up to case, punctuation and the way numbers are written.
    Exact(&'a Task),
    /// One task, and no other nearly as well.
    One(&'a Task),
    /// Several equally well; at most [`MAX_CANDIDATES`], best first.
    Ambiguous(Vec<&'a Task>),
    /// None.
    None {
        /// What comes nearest; at most [`MAX_SUGGESTIONS`], best first.
        suggestions: Vec<&'a Task>,
    },
}

/// Finds the task that `query` names.
pub fn find<'a>(query: &str, tasks: impl IntoIterator<Item = &'a Task>) -> TitleMatch<'a> {
    let Ranking { exact, ranked } = rank(query, tasks);
    match exact.as_slice() {
        [task] => return TitleMatch::Exact(task),
        [_, _, ..] => return TitleMatch::Ambiguous(exact.into_iter().take(MAX_CANDIDATES).collect()),
        [] => {}
    }
    let Some(best) = ranked.first().filter(|best| best.score >= MATCH) else {
        let near = ranked.iter().filter(|found| found.score >= SUGGEST).take(MAX_SUGGESTIONS);
        return TitleMatch::None { suggestions: near.map(|found| found.task).collect() };
    };
    let rivals: Vec<&Found<'_>> = ranked.iter().filter(|found| found.score >= MATCH && found.rivals(best)).collect();
    if rivals.len() == 1 {
        return TitleMatch::One(best.task);
    }
    // "Tim" is Tim, though Tom sounds like him.
    if let [only] = rivals.iter().filter(|found| found.is_literal).collect::<Vec<_>>().as_slice() {
        return TitleMatch::One(only.task);
    }
    TitleMatch::Ambiguous(rivals.into_iter().take(MAX_CANDIDATES).map(|found| found.task).collect())
}

/// All tasks whose titles have the words of `query`, best first.
pub fn search<'a>(query: &str, tasks: impl IntoIterator<Item = &'a Task>) -> Vec<&'a Task> {
    let found = rank(query, tasks).ranked;
    found.into_iter().filter(|found| found.score >= MATCH).map(|found| found.task).collect()
}

/// The first task with this very title, up to case, punctuation and the way numbers are written.
pub fn same_title<'a>(title: &str, tasks: impl IntoIterator<Item = &'a Task>) -> Option<&'a Task> {
    let key = title_key(title);
    tasks.into_iter().find(|task| title_key(&task.title) == key)
}

struct Ranking<'a> {
    exact: Vec<&'a Task>,
    ranked: Vec<Found<'a>>,
}

#[derive(Debug)]
struct Found<'a> {
    task: &'a Task,
    /// How well the query is covered, a little for how much of the title that is.
    score: f64,
    /// How much of the query the title has.
    of_query: f64,
    /// How much of the title the query has.
    of_title: f64,
    /// Every word of the query is a word of the title, letter for letter.
    is_literal: bool,
}

impl Found<'_> {
    /// Whether it could be meant as well as `best` (itself included). A title that is named wholly beats the longer
    /// ones that contain it.
    fn rivals(&self, best: &Self) -> bool {
        let whole = best.of_title >= 0.9 && self.of_title <= 0.75;
        self.of_query >= best.of_query - MARGIN && !whole
    }
}

fn rank<'a>(query: &str, tasks: impl IntoIterator<Item = &'a Task>) -> Ranking<'a> {
    let titles: Vec<(&Task, Phrase)> = tasks.into_iter().map(|task| (task, Phrase::new(&task.title))).collect();
    let query = Phrase::new(query).without_pointing(titles.iter().map(|(_, title)| title));
    if query.words.is_empty() {
        return Ranking { exact: Vec::new(), ranked: Vec::new() };
    }
    let exact = titles.iter().filter(|(_, title)| title.key == query.key).map(|(task, _)| *task).collect();
    let mut ranked: Vec<Found<'_>> = titles.iter().map(|(task, title)| compare(&query, title, task)).collect();
    // A stable sort: equals stay in the order of the list.
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ranking { exact, ranked }
}

fn compare<'a>(query: &Phrase, title: &Phrase, task: &'a Task) -> Found<'a> {
    let likeness: Vec<Vec<f64>> =
        query.words.iter().map(|word| title.words.iter().map(|other| word.likeness(other)).collect()).collect();
    let of_query = coverage(&query.words, title.words.len(), |word, other| likeness[word][other]);
    let of_title = coverage(&title.words, query.words.len(), |word, other| likeness[other][word]);
    let (of_query, of_title) =
        if query.sounds_like(title) { (of_query.max(0.95), of_title.max(0.95)) } else { (of_query, of_title) };
    let is_literal = query.words.iter().all(|word| title.words.iter().any(|other| other.text == word.text));
    Found { task, score: 0.8 * of_query + 0.2 * of_title, of_query, of_title, is_literal }
}

/// How much of `words` is found among as many `others`, 0 to 1, by weight; each of the others serves once.
fn coverage(words: &[Word], others: usize, likeness: impl Fn(usize, usize) -> f64) -> f64 {
    let mut free: Vec<usize> = (0..others).collect();
    let (mut found, mut total) = (0.0, 0.0);
    for (at, word) in words.iter().enumerate() {
        total += word.weight();
        let best = free.iter().enumerate().map(|(place, other)| (place, likeness(at, *other)));
        if let Some((place, value)) = best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, value)| *value > 0.0) {
            found += word.weight() * value;
            free.swap_remove(place);
        }
    }
    if total > 0.0 { found / total } else { 0.0 }
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
