//! What holds of any audio and any results.

use proptest::prelude::*;

use super::*;

/// A server that hears a word in every 300 ms, segment by segment, with `Finalize` in its place.
struct Server {
    /// Where each utterance begins, and how many words it has; words begin 100 ms after their slot.
    words: Vec<Word>,
    marks: VecDeque<u64>,
    segment_ms: u64,
    heard_ms: u64,
}

impl Server {
    /// Hears on up to `to_ms`, but not beyond a `Finalize`, which it answers.
    fn hear(&mut self, to_ms: u64, is_final: bool) -> Results {
        let to_ms = self.marks.front().map_or(to_ms, |&at_ms| to_ms.min(at_ms)).max(self.heard_ms);
        let from_finalize = self.marks.front() == Some(&to_ms);
        self.heard_ms = to_ms;
        let words = self.words.iter().filter(|word| (self.segment_ms..to_ms).contains(&word.start_ms));
        let words: Vec<Word> = words.cloned().collect();
        let transcript = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let is_final = is_final || from_finalize;
        let results = Results { start_ms: self.segment_ms, end_ms: to_ms, is_final, from_finalize, transcript, words };
        if is_final {
            self.segment_ms = to_ms;
        }
        if from_finalize {
            self.marks.pop_front();
        }
        results
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// The caller speaks: so many words.
    Speak(u64),
    Finish,
    Forget,
    /// The server hears so many milliseconds more.
    Hear(u64, bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1_u64..6).prop_map(Op::Speak),
        2 => Just(Op::Finish),
        1 => Just(Op::Forget),
        5 => (0_u64..1_500, any::<bool>()).prop_map(|(ms, is_final)| Op::Hear(ms, is_final)),
    ]
}

proptest! {
    /// However the text is cut into segments, and however often each is guessed at: it is the same text.
    #[test]
    fn any_split_gives_the_same_text(
        words in prop::collection::vec("[a-z]{1,6}", 1..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        guesses in 0_usize..4,
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(words.len())).chain([words.len()]).collect();
        ends.sort_unstable();
        let mut hearing = hearing();
        hearing.given(words.len() as u64 * 300 + 500);
        let mut start = 0;
        for (n, &end) in ends.iter().enumerate() {
            for guessed in 0..guesses.min(end - start) {
                hearing.results(&guess(start as u64 * 300, (start + guessed) as u64 * 300, &words[start..=start + guessed].join(" ")), 0);
            }
            let text = words[start..end].join(" ");
            let mut results = segment(start as u64 * 300, end as u64 * 300, &text);
            if n + 1 == ends.len() {
                finish(&mut hearing, 1, 0);
                results = Results { from_finalize: true, end_ms: hearing.given_ms, ..results };
            }
            let event = hearing.results(&results, 0);
            let expected = words[..end].join(" ");
            let wanted = if n + 1 == ends.len() { last(1, 1, &expected) } else { interim(1, &expected) };
            prop_assert_eq!(event, wanted);
            start = end;
        }
    }

    /// Whatever the caller does and however late the server is: a final text has every word of its utterance once, and
    /// no other's.
    #[test]
    fn no_word_is_lost_or_doubled_or_strays(ops in prop::collection::vec(op(), 1..80)) {
        let mut server = Server { words: Vec::new(), marks: VecDeque::new(), segment_ms: 0, heard_ms: 0 };
        let mut hearing = Hearing::new(WAIT_MS);
        let (mut number, mut revision, mut given_ms) = (0, 0, 0);
        let mut said: Vec<String> = Vec::new();
        // What was said when each revision was asked for.
        let mut wanted: Option<(u64, u32, String)> = None;
        for op in ops {
            let event = match op {
                Op::Speak(count) => {
                    if hearing.current().is_none() {
                        number += 1;
                        revision = 0;
                        said.clear();
                        hearing.begin(id(number));
                    }
                    for n in 0..count {
                        let text = format!("{number}-{}", said.len());
                        server.words.push(Word { text: text.clone(), start_ms: given_ms + n * 300 + 100 });
                        said.push(text);
                    }
                    given_ms += count * 300;
                    hearing.given(given_ms);
                    None
                }
                Op::Finish if hearing.current().is_some() => {
                    revision += 1;
                    wanted = Some((number, revision, said.join(" ")));
                    match hearing.finish(revision, 0, 0) {
                        Finished::Final(event) => Some(event),
                        Finished::Ask => {
                            server.marks.push_back(given_ms);
                            hearing.finalize_left(given_ms, 0);
                            None
                        }
                        Finished::Wait => None,
                    }
                }
                Op::Forget if hearing.current().is_some() => {
                    if hearing.forget(given_ms) {
                        server.marks.push_back(given_ms);
                    }
                    wanted = None;
                    None
                }
                Op::Hear(ms, is_final) => {
                    let results = server.hear((server.heard_ms + ms).min(given_ms), is_final);
                    hearing.results(&results, 0)
                }
                _ => None,
            };
            match event {
                Some(LineEvent::Final { utterance, revision, text, .. }) => {
                    prop_assert_eq!(Some((utterance.0, revision, text)), wanted.take());
                }
                Some(LineEvent::Interim { utterance, text }) => {
                    prop_assert_eq!(utterance.0, number);
                    prop_assert!(said.join(" ").starts_with(&text), "{} of {:?}", text, said);
                }
                _ => {}
            }
        }
        // In the end everything is answered.
        while let Some((number, revision, text)) = wanted.take() {
            let event = hearing.results(&server.hear(given_ms, false), 0);
            match event {
                Some(LineEvent::Final { utterance, revision: r, text: t, .. }) => {
                    prop_assert_eq!((utterance.0, r, t), (number, revision, text));
                }
                _ => {
                    prop_assert!(!server.marks.is_empty());
                    wanted = Some((number, revision, text));
                }
            }
        }
    }

    /// Nothing that a server says of its times breaks anything.
    #[test]
    fn any_results_do_no_harm(
        all in prop::collection::vec((any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>(), ".{0,20}", 0_u8..6), 0..60)
    ) {
        let mut hearing = Hearing::new(WAIT_MS);
        let mut now_ms = 0;
        for (number, (start_ms, end_ms, is_final, from_finalize, transcript, what)) in all.into_iter().enumerate() {
            now_ms += 100;
            let given_ms = now_ms * 2;
            match what {
                0 => { hearing.forget(given_ms); hearing.begin(id(number as u64)); }
                1 => { let _asked = hearing.finish(number as u32, 0, now_ms); hearing.finalize_left(given_ms, now_ms); }
                2 => { let _lost = hearing.lost(); }
                _ => hearing.given(given_ms),
            }
            let words = transcript.split(' ').map(|text| Word { text: text.into(), start_ms: end_ms }).collect();
            let results = Results { start_ms, end_ms, is_final, from_finalize, transcript, words };
            let _told = hearing.results(&results, now_ms);
            if let Some(due_ms) = hearing.due_ms() {
                prop_assert!(due_ms > now_ms);
            }
        }
    }
}
