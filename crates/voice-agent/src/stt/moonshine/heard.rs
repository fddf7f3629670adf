//! What the model wrote down, before anything else is read in it: a text that breaks off is known by the one that goes on.

use std::collections::BTreeMap;

use super::bias::Weighed;

/// By so much (in nats) the text with more words is clearly likelier than the one that breaks off before them.
const BROKEN_OFF_NATS: f32 = 2.0;

/// The texts of all sequences.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<Vec<String>, Written>);

/// One text, whatever its punctuation.
#[derive(Debug, Clone, Copy)]
struct Written {
    /// Logarithm of the sum of its sequences' probabilities.
    log_sum: f32,
    /// The most that the bias gives for what it may be, less what that costs, in nats.
    most_nats: f32,
}

impl Heard {
    /// One more sequence with these bare words, and what they may be.
    pub(super) fn add(&mut self, words: Vec<String>, log_prob: f32, readings: &[Weighed]) {
        let nats = readings.iter().map(|read| read.nats - read.price).fold(f32::NEG_INFINITY, f32::max);
        let written = self.0.entry(words).or_insert(Written { log_sum: f32::NEG_INFINITY, most_nats: nats });
        written.log_sum = log_add(written.log_sum, log_prob);
        written.most_nats = written.most_nats.max(nats);
    }

    /// The most that the bias may give for what these words may be, in nats. A text that breaks off where a clearly likelier one goes on
    /// leaves unexplained what was said behind it, and earns no more than that one: "no." is easily understood, and is none of what "no,
    /// Friday" may be.
    pub(super) fn most_nats(&self, words: &[String]) -> f32 {
        let Some(own) = self.0.get(words) else { return f32::INFINITY };
        let goes_on = |(longer, other): &(&Vec<String>, &Written)| {
            longer.len() > words.len() && longer.starts_with(words) && other.log_sum > own.log_sum + BROKEN_OFF_NATS
        };
        let longer = self.0.iter().filter(goes_on).max_by(|a, b| a.1.log_sum.total_cmp(&b.1.log_sum));
        longer.map_or(f32::INFINITY, |(_, other)| other.most_nats)
    }
}

/// The logarithm of the sum of two probabilities that are given by their logarithms.
pub(super) fn log_add(a: f32, b: f32) -> f32 {
    let (more, less) = (a.max(b), a.min(b));
    if less == f32::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::super::text::bare_words;
    use super::*;

    /// The most that each text may earn; log-probabilities and bias in nats.
    fn most(written: &[(&str, f32, f32)]) -> Vec<f32> {
        let mut heard = Heard::default();
        for (text, log_prob, nats) in written {
            let reading = Weighed { text: (*text).to_owned(), nats: *nats, price: 0.0 };
            heard.add(bare_words(text), *log_prob, &[reading]);
        }
        written.iter().map(|(text, ..)| heard.most_nats(&bare_words(text))).collect()
    }

    #[test]
    fn a_text_that_breaks_off_earns_no_more_than_the_likelier_one_that_goes_on() {
        const ANY: f32 = f32::INFINITY;
        let (no, pridey) = (("No.", -5.3, 4.0), ("No pridey.", -1.6, -3.0));
        assert_eq!(most(&[no, pridey]), [-3.0, ANY]);
        assert_eq!(most(&[pridey, no]), [ANY, -3.0]);
        assert_eq!(most(&[no, ("No Friday.", -4.5, -3.0)]), [ANY, ANY], "hardly likelier");
        assert_eq!(most(&[no, ("Oh private.", -1.6, -3.0)]), [ANY, ANY], "other words");
        assert_eq!(most(&[no, no, no, ("No, Friday", -5.0, -3.0)]), [ANY; 4], "heard three times");
    }

    #[test]
    fn probabilities_are_added() {
        assert!((log_add(0.5_f32.ln(), 0.25_f32.ln()) - 0.75_f32.ln()).abs() < 1e-6);
        assert_eq!(log_add(f32::NEG_INFINITY, -1.0), -1.0);
        assert_eq!(log_add(f32::NEG_INFINITY, f32::NEG_INFINITY), f32::NEG_INFINITY);
    }
}
