//! Beam search over token log-probabilities. Pure: the networks are behind [`Steps`], so that tests need no model.

use super::decoder::VOCABULARY;
use super::tokenizer::END;
use crate::model::runtime::ModelError;

/// Live beams this much (in nats) less likely than the best one are dropped: they never win, and every beam costs a row
/// of the decoder.
const PRUNE_NATS: f32 = 7.0;
/// The search ends when the best live beam is this much (in nats) less likely than the best finished one.
const SETTLED_NATS: f32 = 3.0;
/// Logits this far below the highest add less than 10⁻⁴ in all to the sum of 32,768 exponentials: not worth their time.
const NEGLIGIBLE_NATS: f32 = 20.0;
/// A group of tokens may stand this often in a row ("no, no, no"), and no oftener.
const MOST_REPEATS: usize = 3;
/// Groups of up to so many tokens are looked at for repetition.
const LONGEST_GROUP: usize = 10;

/// One step of a decoder with beams.
pub(super) trait Steps {
    /// Log-probabilities' best candidates after the begin token.
    ///
    /// # Errors
    /// [`ModelError`] when the decoder fails.
    fn begin(&mut self, keep: usize) -> Result<Vec<Candidate>, ModelError>;
    /// Continues beam `parents[i]` of the step before with `tokens[i]`; answers the best candidates of each beam.
    ///
    /// # Errors
    /// [`ModelError`] when the decoder fails.
    fn step(&mut self, parents: &[usize], tokens: &[i64], keep: usize) -> Result<Vec<Vec<Candidate>>, ModelError>;
    /// How many nats a sequence deserves beyond its log-probability, as far as it goes; `ended` when its end token is there.
    fn promise(&self, tokens: &[i64], ended: bool) -> f32;
}

/// A token that may come next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: i64,
    /// Natural logarithm of its probability given what came before.
    pub(super) log_prob: f32,
}

/// A finished token sequence, without begin and end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sequence {
    pub(super) tokens: Vec<i64>,
    /// Sum over all tokens, the end token among them.
    pub(super) log_prob: f32,
    /// Whether the end token was reached. False where the search ran into its limits.
    pub(super) complete: bool,
}

impl Sequence {
    /// Mean log-probability of a token, the end token counted.
    pub(super) fn mean_log_prob(&self) -> f32 {
        self.log_prob / as_f32(self.tokens.len() + 1)
    }

    /// Log-probability plus `bias` (nats) after length normalisation (Wu et al. 2016, eq. 14, α = 0.6): without it a beam search likes short
    /// answers best.
    pub(super) fn score(&self, bias: f32) -> f32 {
        (self.log_prob + bias) / ((5.0 + as_f32(self.tokens.len() + 1)) / 6.0).powf(0.6)
    }
}

struct Beam {
    tokens: Vec<i64>,
    log_prob: f32,
    /// Log-probability and promise.
    value: f32,
}

/// Searches with `width` beams (1 is greedy) for at most `most_tokens` tokens. Answers at least one sequence, the best
/// [`Sequence::score`] first.
///
/// # Errors
/// [`ModelError`] when the decoder fails.
pub(super) fn search(decoder: &mut impl Steps, width: usize, most_tokens: usize) -> Result<Vec<Sequence>, ModelError> {
    let width = width.max(1);
    // Greedy follows the best token only; a beam needs spare candidates for those that end, repeat themselves or promise
    // more than their probability.
    let keep = if width == 1 { 1 } else { 3 * width };
    let mut finished = Vec::new();
    let mut beams = vec![Beam { tokens: Vec::new(), log_prob: 0.0, value: 0.0 }];
    let mut candidates = vec![decoder.begin(keep)?];
    let mut best_value = f32::NEG_INFINITY;
    loop {
        let (ended, live) = extend(&beams, &candidates);
        for Extension { parent, log_prob, .. } in ended {
            let tokens = beams[parent].tokens.clone();
            best_value = best_value.max(log_prob + decoder.promise(&tokens, true));
            finished.push(Sequence { tokens, log_prob, complete: true });
        }
        let (parents, next) = choose(decoder, &beams, live, width);
        let live_value = next.iter().map(|beam| beam.value).fold(f32::NEG_INFINITY, f32::max);
        let settled = live_value < best_value - SETTLED_NATS;
        // Greedy is over at the first end token.
        let over = settled || width == 1 && !finished.is_empty();
        let full = next.first().is_none_or(|beam| beam.tokens.len() >= most_tokens);
        if over || full {
            let cut = if next.is_empty() { beams } else { next };
            return Ok(ranked(finished, cut, width));
        }
        let tokens: Vec<i64> = next.iter().filter_map(|beam| beam.tokens.last().copied()).collect();
        candidates = decoder.step(&parents, &tokens, keep)?;
        beams = next;
    }
}

/// A beam and a token that may follow it.
#[derive(Debug, Clone, Copy)]
struct Extension {
    parent: usize,
    token: i64,
    log_prob: f32,
}

/// The extensions of all beams that end, and those that go on (most likely first).
fn extend(beams: &[Beam], candidates: &[Vec<Candidate>]) -> (Vec<Extension>, Vec<Extension>) {
    let rows = beams.iter().zip(candidates).enumerate();
    let all = rows.flat_map(|(parent, (beam, row))| {
        row.iter().map(move |c| Extension { parent, token: c.token, log_prob: beam.log_prob + c.log_prob })
    });
    let (ended, mut live): (Vec<_>, Vec<_>) = all.partition(|extension| extension.token == END);
    live.sort_by(|a, b| b.log_prob.total_cmp(&a.log_prob));
    (ended, live)
}

/// The next beams and the places of their parents: half of them the most likely, the others those that promise most. So the
/// bias can find a reading that is not among the model's first few, and cannot crowd out what was really said.
fn choose(decoder: &impl Steps, beams: &[Beam], live: Vec<Extension>, width: usize) -> (Vec<usize>, Vec<Beam>) {
    let floor = live.first().map_or(f32::NEG_INFINITY, |best| best.log_prob) - PRUNE_NATS;
    let mut next: Vec<(usize, Beam)> = live
        .into_iter()
        .take_while(|extension| extension.log_prob >= floor)
        .map(|Extension { parent, token, log_prob }| {
            let tokens = [&beams[parent].tokens[..], &[token]].concat();
            (parent, Beam { tokens, log_prob, value: log_prob })
        })
        .filter(|(_, beam)| !loops(&beam.tokens))
        .collect();
    if width > 1 {
        for (_, beam) in &mut next {
            beam.value += decoder.promise(&beam.tokens, false);
        }
    }
    let likely = width.div_ceil(2).min(next.len());
    next[likely..].sort_by(|a, b| b.1.value.total_cmp(&a.1.value));
    next.truncate(width);
    next.into_iter().unzip()
}

/// The best `width × 2` finished sequences; where none finished, the live ones as they were cut off.
fn ranked(mut finished: Vec<Sequence>, cut: Vec<Beam>, width: usize) -> Vec<Sequence> {
    if finished.is_empty() {
        let unfinished = |beam: Beam| Sequence { tokens: beam.tokens, log_prob: beam.log_prob, complete: false };
        finished = cut.into_iter().map(unfinished).collect();
    }
    finished.sort_by(|a, b| b.score(0.0).total_cmp(&a.score(0.0)));
    finished.truncate(width * 2);
    finished
}

/// Whether the newest tokens say the same thing too often in a row.
fn loops(tokens: &[i64]) -> bool {
    (1..=LONGEST_GROUP).any(|group| {
        let span = group * (MOST_REPEATS + 1);
        tokens.len() >= span && {
            let tail = &tokens[tokens.len() - span..];
            tail.iter().zip(&tail[group..]).all(|(a, b)| a == b)
        }
    })
}

/// The best `keep` tokens of one row of logits with their log-probabilities, best first.
pub(super) fn best_candidates(logits: &[f32], keep: usize) -> Vec<Candidate> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let floor = highest - NEGLIGIBLE_NATS;
    let mut sum = 0.0_f32;
    let mut best: Vec<Candidate> = Vec::with_capacity(keep + 1);
    for (token, &logit) in (0_i64..).zip(logits) {
        if logit <= floor {
            continue;
        }
        sum += (logit - highest).exp();
        if best.len() < keep || best.last().is_some_and(|worst| logit > worst.log_prob) {
            let place = best.partition_point(|other| other.log_prob >= logit);
            best.insert(place, Candidate { token, log_prob: logit });
            best.truncate(keep);
        }
    }
    let total = highest + sum.ln();
    for candidate in &mut best {
        candidate.log_prob -= total;
    }
    best
}

/// [`best_candidates`] of every row.
pub(super) fn best_of_rows(logits: &[f32], keep: usize) -> Vec<Vec<Candidate>> {
    logits.chunks_exact(VOCABULARY).map(|row| best_candidates(row, keep)).collect()
}

/// A small count as a float.
pub(super) fn as_f32(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    type Next = Vec<(i64, f32)>;
    type Row<'r> = (&'r [i64], &'r [(i64, f32)]);

    /// A decoder that reads its probabilities from a table: what has been said → what may come next.
    struct Table {
        rows: Vec<(Vec<i64>, Next)>,
        said: Vec<Vec<i64>>,
        promises: Vec<(Vec<i64>, f32)>,
    }

    impl Table {
        fn new<const N: usize>(rows: [Row<'_>; N]) -> Self {
            Self {
                rows: rows.iter().map(|(said, next)| (said.to_vec(), next.to_vec())).collect(),
                said: Vec::new(),
                promises: Vec::new(),
            }
        }

        fn after(&self, said: &[i64], keep: usize) -> Vec<Candidate> {
            let row = self.rows.iter().find(|(known, _)| known == said).map(|(_, next)| next.clone());
            let next = row.unwrap_or_else(|| vec![(END, 1.0)]);
            next.iter().take(keep).map(|&(token, p)| Candidate { token, log_prob: p.ln() }).collect()
        }
    }

    impl Steps for Table {
        fn begin(&mut self, keep: usize) -> Result<Vec<Candidate>, ModelError> {
            self.said = vec![Vec::new()];
            Ok(self.after(&[], keep))
        }

        fn promise(&self, tokens: &[i64], _ended: bool) -> f32 {
            self.promises.iter().find(|(known, _)| tokens.starts_with(known)).map_or(0.0, |(_, nats)| *nats)
        }

        fn step(&mut self, parents: &[usize], tokens: &[i64], keep: usize) -> Result<Vec<Vec<Candidate>>, ModelError> {
            let said = parents.iter().zip(tokens).map(|(&parent, &token)| [&self.said[parent][..], &[token]].concat());
            self.said = said.collect();
            Ok(self.said.iter().map(|said| self.after(said, keep)).collect())
        }
    }

    /// Greedy takes 10 and ends in a poor sentence; 11 begins less well and is the better one.
    fn garden_path() -> Table {
        Table::new([
            (&[], &[(10, 0.55), (11, 0.45)]),
            (&[10], &[(12, 0.3), (13, 0.3), (14, 0.3)]),
            (&[11], &[(15, 0.95)]),
        ])
    }

    #[test]
    fn greedy_follows_the_best_token() {
        let found = search(&mut garden_path(), 1, 20).expect("found");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tokens, [10, 12]);
    }

    #[test]
    fn a_beam_finds_the_sentence_that_begins_less_well() {
        let found = search(&mut garden_path(), 3, 20).expect("found");
        assert_eq!(found[0].tokens, [11, 15]);
        assert!((found[0].log_prob - (0.45_f32 * 0.95).ln()).abs() < 1e-5);
        assert!(found.iter().any(|sequence| sequence.tokens == [10, 12]), "{found:?}");
        assert!(found.iter().all(|sequence| sequence.complete));
    }

    #[test]
    fn a_promise_keeps_an_unlikely_beginning_alive() {
        let rows: [Row<'_>; 1] = [(&[], &[(10, 0.4), (11, 0.3), (12, 0.2), (13, 0.05)])];
        let mut table = Table::new(rows);
        let found = search(&mut table, 2, 20).expect("found");
        assert!(found.iter().all(|sequence| sequence.tokens != [13]), "{found:?}");
        table.promises = vec![(vec![13], 3.0)];
        let found = search(&mut table, 2, 20).expect("found");
        assert!(found.iter().any(|sequence| sequence.tokens == [13]), "{found:?}");
        assert_eq!(found[0].tokens, [10], "the order is the model's own");
    }

    #[test]
    fn a_decoder_that_repeats_itself_is_stopped() {
        struct Parrot;
        impl Steps for Parrot {
            fn promise(&self, _: &[i64], _: bool) -> f32 {
                0.0
            }
            fn begin(&mut self, _keep: usize) -> Result<Vec<Candidate>, ModelError> {
                Ok(vec![Candidate { token: 7, log_prob: -0.1 }])
            }
            fn step(&mut self, _: &[usize], tokens: &[i64], _: usize) -> Result<Vec<Vec<Candidate>>, ModelError> {
                let next = if tokens[0] == 7 { 8 } else { 7 };
                Ok(vec![vec![Candidate { token: next, log_prob: -0.1 }]])
            }
        }
        let found = search(&mut Parrot, 1, 1_000).expect("found");
        assert_eq!(found[0].tokens, [7, 8, 7, 8, 7, 8, 7]);
        assert!(!found[0].complete);
    }

    #[test]
    fn the_number_of_tokens_is_limited() {
        struct Counter(i64);
        impl Steps for Counter {
            fn promise(&self, _: &[i64], _: bool) -> f32 {
                0.0
            }
            fn begin(&mut self, _keep: usize) -> Result<Vec<Candidate>, ModelError> {
                Ok(vec![Candidate { token: 100, log_prob: -0.1 }])
            }
            fn step(&mut self, _: &[usize], _: &[i64], _: usize) -> Result<Vec<Vec<Candidate>>, ModelError> {
                self.0 += 1;
                Ok(vec![vec![Candidate { token: 100 + self.0, log_prob: -0.1 }]])
            }
        }
        let found = search(&mut Counter(0), 1, 5).expect("found");
        assert_eq!(found[0].tokens, [100, 101, 102, 103, 104]);
    }

    #[test]
    fn candidates_are_log_probabilities_best_first() {
        let mut logits = vec![-50.0_f32; 100];
        (logits[5], logits[9], logits[70]) = (2.0, 3.0, 2.5);
        let best = best_candidates(&logits, 2);
        assert_eq!(best.iter().map(|c| c.token).collect::<Vec<_>>(), [9, 70]);
        let total = 2.0_f32.exp() + 3.0_f32.exp() + 2.5_f32.exp();
        assert!((best[0].log_prob.exp() - 3.0_f32.exp() / total).abs() < 1e-4);
    }
}
