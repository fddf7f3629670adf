//! Answers that are given again: the same question of the same caller, with the same tasks, on the same day, is answered at
//! once, and no model is asked.
//!
//! Only questions that stand for themselves are kept (docs/cost.md): every word of theirs is in a small vocabulary of asking
//! after tasks, so that nothing in them points back into the conversation. Only answers that changed nothing are. The key
//! holds the revision of the caller's tasks as the store has it at the time of asking, so that a change by anybody, in any
//! process, makes another key.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use voice_core::agents::TASK_AGENT;
use voice_core::phrases::normalise;

use crate::llm::{LlmRequest, prompt};
use crate::store::UserId;

/// What a question may begin with, behind a courtesy.
const BEGINNINGS: [&str; 12] =
    ["what", "what's", "whats", "which", "how", "list", "read", "show", "tell", "do", "are", "is"];
/// One of these says that it asks after tasks.
const SUBJECTS: [&str; 9] = ["task", "tasks", "todo", "todos", "list", "due", "overdue", "do", "left"];
/// Every other word that may stand in it. None of them points to anything that was said before, names a task or wants a
/// change.
const WORDS: [&str; 52] = [
    "please",
    "ok",
    "okay",
    "hey",
    "hi",
    "hello",
    "so",
    "well",
    "now",
    "can",
    "could",
    "you",
    "i",
    "me",
    "my",
    "mine",
    "the",
    "a",
    "any",
    "all",
    "of",
    "on",
    "in",
    "for",
    "to",
    "have",
    "got",
    "there",
    "many",
    "out",
    "open",
    "still",
    "today",
    "tomorrow",
    "tonight",
    "week",
    "weekend",
    "month",
    "this",
    "right",
    "currently",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "high",
    "low",
    "normal",
    "priority",
];
/// What may stand before the question.
const COURTESIES: [&str; 12] =
    ["please", "ok", "okay", "hey", "hi", "hello", "so", "well", "now", "can", "could", "you"];

/// Whether these words ask after tasks, and mean the same whatever was said before.
pub fn stands_for_itself(text: &str) -> bool {
    let words = normalise(text);
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let known = |word: &&str| BEGINNINGS.contains(word) || SUBJECTS.contains(word) || WORDS.contains(word);
    let begins = words.iter().find(|word| !COURTESIES.contains(*word)).is_some_and(|word| BEGINNINGS.contains(word));
    begins && words.len() >= 2 && words.iter().all(known) && words.iter().any(|word| SUBJECTS.contains(word))
}

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnswerKey {
    user: UserId,
    words: String,
    /// Of the instructions, the tools and the model.
    version: u64,
    /// Of the user's tasks.
    pub tasks_rev: u64,
    /// Where the caller is.
    day: Date,
    time_zone: Option<String>,
    brief: bool,
}

impl AnswerKey {
    /// The key of a request, but for the tasks' revision; none when its answer is not to be kept: the question is not one that
    /// stands for itself, or does not come first.
    pub fn of(user: &UserId, (provider, model): (&str, &str), request: &LlmRequest) -> Option<Self> {
        let asked = match request.chat.items.last() {
            Some(voice_core::chat::ChatItem::User { text }) => text,
            _ => return None,
        };
        if request.agent != TASK_AGENT || !stands_for_itself(asked) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (provider, model, prompt::system(&request.agent, &request.instructions)).hash(&mut hasher);
        for tool in &request.tools {
            (tool.name, tool.description, tool.parameters.to_string()).hash(&mut hasher);
        }
        Some(Self {
            user: user.clone(),
            words: normalise(asked),
            version: hasher.finish(),
            tasks_rev: 0,
            day: request.now.date(),
            time_zone: request.now.time_zone().iana_name().map(str::to_owned),
            brief: request.brief,
        })
    }

    /// The same with the revision of the tasks that the store has.
    #[must_use]
    pub fn at(self, tasks_rev: u64) -> Self {
        Self { tasks_rev, ..self }
    }
}

/// An answer in the pieces in which the model streamed it. Where they end decides where it is cut into what is spoken at once:
/// given again in one piece it would be other speech than what the voice has already said.
pub type Pieces = Vec<String>;

#[derive(Debug)]
struct Kept {
    answer: Pieces,
    at: Timestamp,
}

/// The answers that this process keeps, in memory only. What is in it is what callers asked and were told: it is logged
/// nowhere, and [`AnswerCache::forget`] drops a user's.
pub struct AnswerCache {
    kept: Mutex<HashMap<AnswerKey, Kept>>,
    most: usize,
    ttl: SignedDuration,
}

impl std::fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerCache").field("answers", &self.lock().len()).finish_non_exhaustive()
    }
}

impl AnswerCache {
    /// Keeps at most so many answers, each for so many seconds; with 0 of either, none.
    pub fn new(most: usize, ttl_s: u64) -> Self {
        let ttl = SignedDuration::from_secs(i64::try_from(ttl_s).unwrap_or(i64::MAX));
        Self { kept: Mutex::default(), most, ttl }
    }

    /// Whether any answer is kept at all.
    pub fn is_on(&self) -> bool {
        self.most > 0 && self.ttl.is_positive()
    }

    /// The answer that was given to this before.
    pub fn get(&self, key: &AnswerKey, now: Timestamp) -> Option<Pieces> {
        let kept = self.lock();
        let found = kept.get(key).filter(|kept| now.duration_since(kept.at) < self.ttl)?;
        Some(found.answer.clone())
    }

    /// Keeps an answer. Those of the same user that belong to older tasks go, and when there are too many the oldest.
    pub fn put(&self, key: AnswerKey, answer: Pieces, now: Timestamp) {
        if !self.is_on() || answer.iter().all(|piece| piece.trim().is_empty()) {
            return;
        }
        let mut kept = self.lock();
        let ttl = self.ttl;
        kept.retain(|other, kept| {
            let is_old = other.user == key.user && other.tasks_rev < key.tasks_rev;
            !is_old && now.duration_since(kept.at) < ttl
        });
        if kept.len() >= self.most
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.at).map(|(key, _)| key.clone())
        {
            kept.remove(&oldest);
        }
        kept.insert(key, Kept { answer, at: now });
    }

    /// Drops everything of this user: for erasure.
    pub fn forget(&self, user: &UserId) {
        self.lock().retain(|key, _| key.user != *user);
    }

    /// Drops everything: somebody was erased elsewhere, and it is not told who.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AnswerKey, Kept>> {
        // Every change is whole before a panic could come.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use voice_core::chat::{ChatContext, ChatItem};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn request(asked: &str, now: &str) -> LlmRequest {
        LlmRequest {
            agent: TASK_AGENT.to_owned(),
            instructions: "Be short.".to_owned(),
            chat: ChatContext { items: vec![ChatItem::User { text: asked.to_owned() }] },
            tools: Vec::new(),
            now: now.parse().unwrap(),
            titles: Vec::new(),
            brief: false,
            seen: None,
        }
    }

    fn pieces(pieces: &[&str]) -> Pieces {
        pieces.iter().map(|piece| (*piece).to_owned()).collect()
    }

    const MORNING: &str = "2026-11-23T10:00:00+01:00[Europe/Berlin]";

    fn key(user: &str, asked: &str, now: &str) -> AnswerKey {
        AnswerKey::of(&UserId::new(user), ("openai", "gpt-4o-mini"), &request(asked, now)).unwrap()
    }

    #[test]
    fn only_questions_that_point_to_nothing_are_kept() {
        for text in [
            "What are my tasks?",
            "what's on my list today",
            "Could you please read me my open tasks?",
            "How many tasks do I have?",
            "Which tasks are due tomorrow?",
            "List all my tasks.",
            "What do I have to do this week?",
            "Okay, show me the high priority tasks",
            "Is there any task left?",
        ] {
            assert!(stands_for_itself(text), "{text}");
        }
        for text in [
            "",
            "tasks",
            "yes",
            "and tomorrow?",
            "what about Friday",
            "which of them are due",
            "what was the first task",
            "read it again",
            "show me the other tasks",
            "is the milk on my list",
            "delete all my tasks",
            "mark all tasks as done",
            "how do I add a task",
            "what is the next task on my list",
        ] {
            assert!(!stands_for_itself(text), "{text}");
        }
    }

    #[test]
    fn an_answer_belongs_to_its_user_words_tasks_day_and_instructions() {
        let cache = AnswerCache::new(10, 300);
        let asked = key("ana", "What are my tasks?", MORNING).at(3);
        let answer = pieces(&["You", " have one."]);
        cache.put(asked.clone(), answer.clone(), at(0));
        assert_eq!(cache.get(&key("ana", "what ARE my tasks", MORNING).at(3), at(1)), Some(answer));
        let mut other_rules = request("What are my tasks?", MORNING);
        other_rules.instructions.push_str(" And kind.");
        let mut short = request("What are my tasks?", MORNING);
        short.brief = true;
        let user = UserId::new("ana");
        for other in [
            key("bob", "What are my tasks?", MORNING).at(3),
            key("ana", "How many tasks do I have?", MORNING).at(3),
            asked.clone().at(4),
            key("ana", "What are my tasks?", "2026-11-24T10:00:00+01:00[Europe/Berlin]").at(3),
            key("ana", "What are my tasks?", "2026-11-23T10:00:00+00:00[UTC]").at(3),
            AnswerKey::of(&user, ("openai", "gpt-4o-mini"), &other_rules).unwrap().at(3),
            AnswerKey::of(&user, ("openai", "gpt-5.4-mini"), &request("What are my tasks?", MORNING)).unwrap().at(3),
            AnswerKey::of(&user, ("openai", "gpt-4o-mini"), &short).unwrap().at(3),
        ] {
            assert_eq!(cache.get(&other, at(1)), None, "{other:?}");
        }
        let mut reviewing = request("What are my tasks?", MORNING);
        reviewing.agent = voice_core::agents::REVIEW_AGENT.to_owned();
        assert_eq!(AnswerKey::of(&user, ("openai", "gpt-4o-mini"), &reviewing), None);
    }

    #[test]
    fn an_answer_without_a_word_is_not_kept() {
        let cache = AnswerCache::new(2, 300);
        let asked = key("ana", "What are my tasks?", MORNING).at(1);
        cache.put(asked.clone(), pieces(&[" ", "\n"]), at(0));
        cache.put(asked.clone(), Pieces::new(), at(0));
        assert_eq!(cache.get(&asked, at(1)), None);
    }

    #[test]
    fn answers_run_out_give_way_and_are_forgotten() {
        let cache = AnswerCache::new(2, 300);
        let of = |user: &str| key(user, "What are my tasks?", MORNING).at(1);
        cache.put(of("ana"), pieces(&["a"]), at(0));
        assert!(cache.get(&of("ana"), at(299)).is_some() && cache.get(&of("ana"), at(300)).is_none());
        cache.put(of("bob"), pieces(&["b"]), at(1));
        cache.put(of("cid"), pieces(&["c"]), at(2));
        assert!(cache.get(&of("ana"), at(3)).is_none(), "the oldest gave way");
        cache.forget(&UserId::new("bob"));
        assert!(cache.get(&of("bob"), at(3)).is_none() && cache.get(&of("cid"), at(3)).is_some());
        cache.put(of("cid").at(2), pieces(&["d"]), at(4));
        assert!(cache.get(&of("cid"), at(4)).is_none(), "the tasks have changed");
        let off = AnswerCache::new(10, 0);
        off.put(of("ana"), pieces(&["a"]), at(0));
        assert!(!off.is_on() && off.get(&of("ana"), at(0)).is_none());
    }
}
