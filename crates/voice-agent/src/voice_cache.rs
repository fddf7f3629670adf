//! Speech that was made before: the same words by the same voice are played again at once, and the voice is not asked.
//!
//! It is what makes an answer that is given again ([`crate::answer_cache`]) heard at once, and every greeting but the first.
//! What is in it was said to callers: it is kept in memory only, for a while, and logged nowhere. The key is the text
//! itself, so that nobody can be told anything by it that he did not have said to him.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use voice_core::failover::EMBEDDED;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderFailure;

use crate::audio::format::AudioFormat;
use crate::tts::{Tts, TtsEvent, TtsRequest};

/// A chunk of a speech is a sentence: a longer one than this, in milliseconds, is not kept.
const LONGEST_MS: usize = 20_000;

/// What a voice streams.
pub type Speaking = BoxStream<'static, Result<TtsEvent, ProviderFailure>>;

/// Who says what, and how it is coded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VoiceKey {
    provider: &'static str,
    model: String,
    format: AudioFormat,
    text: String,
}

impl VoiceKey {
    /// The key of a request; none for a voice that is built in, which costs nothing and is as quick.
    pub fn of(tts: &dyn Tts, request: &TtsRequest) -> Option<Self> {
        let (provider, model) = (tts.provider(), tts.model().to_owned());
        (provider != EMBEDDED).then(|| Self { provider, model, format: request.format, text: request.text.clone() })
    }
}

/// A chunk as a voice spoke it.
#[derive(Debug, Clone)]
struct Spoken {
    audio: Bytes,
    words: Vec<WordTiming>,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct Kept {
    spoken: HashMap<VoiceKey, Spoken>,
    bytes: usize,
}

impl Kept {
    fn remove(&mut self, key: &VoiceKey) {
        if let Some(gone) = self.spoken.remove(key) {
            self.bytes -= gone.audio.len();
        }
    }
}

/// The speech that this process keeps.
pub struct VoiceCache {
    kept: Mutex<Kept>,
    most_bytes: usize,
    ttl: SignedDuration,
}

impl std::fmt::Debug for VoiceCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.lock();
        f.debug_struct("VoiceCache")
            .field("chunks", &kept.spoken.len())
            .field("bytes", &kept.bytes)
            .finish_non_exhaustive()
    }
}

impl VoiceCache {
    /// Keeps at most so many bytes of audio, each chunk for so many seconds; with 0 of either, none.
    pub fn new(most_bytes: usize, ttl_s: u64) -> Self {
        let ttl = SignedDuration::from_secs(i64::try_from(ttl_s).unwrap_or(i64::MAX));
        Self { kept: Mutex::default(), most_bytes, ttl }
    }

    /// Speaks from memory, if these words were spoken before.
    pub fn get(&self, key: &VoiceKey, now: Timestamp) -> Option<Speaking> {
        let kept = self.lock();
        let Spoken { audio, words, .. } =
            kept.spoken.get(key).filter(|spoken| now.duration_since(spoken.at) < self.ttl)?.clone();
        // Words first: a voice that says where they end is let out word by word.
        let events = [TtsEvent::Words(words.clone()), TtsEvent::Audio(audio), TtsEvent::Done { words }];
        Some(stream::iter(events.map(Ok)).boxed())
    }

    /// Hands a voice's stream on, and keeps what it said once it has said all of it.
    pub fn keep(self: &Arc<Self>, key: VoiceKey, now: Timestamp, speaking: Speaking) -> Speaking {
        if self.most_bytes == 0 || !self.ttl.is_positive() {
            return speaking;
        }
        let cache = Arc::clone(self);
        let longest = (LONGEST_MS * key.format.bytes_per_ms()).min(self.most_bytes);
        let (mut audio, mut timed, mut key) = (Vec::new(), Vec::new(), Some(key));
        let seen = speaking.inspect_ok(move |event| match event {
            TtsEvent::Audio(more) if audio.len() + more.len() <= longest => audio.extend_from_slice(more),
            TtsEvent::Audio(_) => key = None,
            TtsEvent::Words(words) => timed.clone_from(words),
            TtsEvent::Done { words } => {
                if let Some(key) = key.take() {
                    let words = if words.is_empty() { std::mem::take(&mut timed) } else { words.clone() };
                    cache.put(key, Spoken { audio: std::mem::take(&mut audio).into(), words, at: now });
                }
            }
        });
        seen.boxed()
    }

    fn put(&self, key: VoiceKey, spoken: Spoken) {
        if spoken.audio.is_empty() || key.format.is_silent(&spoken.audio) {
            return;
        }
        let mut kept = self.lock();
        let (now, ttl) = (spoken.at, self.ttl);
        let old: Vec<VoiceKey> = kept
            .spoken
            .iter()
            .filter(|(_, old)| now.duration_since(old.at) >= ttl)
            .map(|(key, _)| key.clone())
            .collect();
        old.iter().chain([&key]).for_each(|key| kept.remove(key));
        while kept.bytes + spoken.audio.len() > self.most_bytes {
            let Some(oldest) = kept.spoken.iter().min_by_key(|(_, old)| old.at).map(|(key, _)| key.clone()) else {
                return;
            };
            kept.remove(&oldest);
        }
        kept.bytes += spoken.audio.len();
        kept.spoken.insert(key, spoken);
    }

    /// Drops everything: for erasure. Whose words they were is not known here.
    pub fn clear(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is whole before a panic could come.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voice_core::provider::ProviderErrorKind;

    fn key(text: &str) -> VoiceKey {
        VoiceKey {
            provider: "cartesia",
            model: "sonic-3".to_owned(),
            format: AudioFormat::Mulaw8k,
            text: text.to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn audio(byte: u8, count: usize) -> Result<TtsEvent, ProviderFailure> {
        Ok(TtsEvent::Audio(vec![byte; count].into()))
    }

    async fn speak(cache: &Arc<VoiceCache>, text: &str, second: i64, events: Vec<Result<TtsEvent, ProviderFailure>>) {
        let seen: Vec<_> = cache.keep(key(text), at(second), stream::iter(events.clone()).boxed()).collect().await;
        assert_eq!(seen, events, "what is kept is handed on as it was");
    }

    async fn again(cache: &VoiceCache, text: &str, second: i64) -> Option<Vec<u8>> {
        let events: Vec<TtsEvent> = cache.get(&key(text), at(second))?.try_collect().await.ok()?;
        assert!(matches!(events.last(), Some(TtsEvent::Done { .. })));
        Some(
            events
                .iter()
                .flat_map(|event| if let TtsEvent::Audio(audio) = event { audio.to_vec() } else { Vec::new() })
                .collect(),
        )
    }

    fn done() -> Result<TtsEvent, ProviderFailure> {
        Ok(TtsEvent::Done { words: Vec::new() })
    }

    #[tokio::test]
    async fn only_what_was_spoken_to_its_end_is_played_again_and_not_for_ever() {
        let cache = Arc::new(VoiceCache::new(1_000_000, 300));
        let word = |end_ms| WordTiming { byte_end: 6, end_ms };
        let timed = Ok(TtsEvent::Words(vec![word(20)]));
        speak(&cache, "Hello.", 0, vec![audio(1, 100), timed, audio(2, 60), done()]).await;
        assert_eq!(again(&cache, "Hello.", 299).await.map(|audio| audio.len()), Some(160));
        let events: Vec<_> = cache.get(&key("Hello."), at(1)).unwrap().collect().await;
        assert_eq!(events.last(), Some(&Ok(TtsEvent::Done { words: vec![word(20)] })));
        assert_eq!((again(&cache, "Hello.", 300).await, again(&cache, "hello.", 1).await), (None, None));
        speak(&cache, "Cut.", 0, vec![audio(1, 100)]).await;
        speak(&cache, "Broken.", 0, vec![audio(1, 100), Err(ProviderErrorKind::Stalled.into())]).await;
        speak(&cache, "Nothing.", 0, vec![done()]).await;
        speak(&cache, "Silence.", 0, vec![audio(0xff, 100), done()]).await;
        speak(&cache, "Long.", 0, vec![audio(1, 8 * LONGEST_MS), audio(1, 1), done()]).await;
        for text in ["Cut.", "Broken.", "Nothing.", "Silence.", "Long."] {
            assert_eq!(again(&cache, text, 1).await, None, "{text}");
        }
        cache.clear();
        assert_eq!(again(&cache, "Hello.", 1).await, None);
    }

    #[tokio::test]
    async fn the_oldest_give_way_and_with_nothing_to_keep_nothing_is_kept() {
        let cache = Arc::new(VoiceCache::new(250, 300));
        for (second, text) in ["one", "two", "three"].into_iter().enumerate() {
            speak(&cache, text, second as i64, vec![audio(1, 100), done()]).await;
        }
        assert!(again(&cache, "one", 5).await.is_none());
        assert!(again(&cache, "two", 5).await.is_some() && again(&cache, "three", 5).await.is_some());
        speak(&cache, "three", 6, vec![audio(1, 200), done()]).await;
        assert_eq!(again(&cache, "three", 7).await.map(|audio| audio.len()), Some(200), "it is spoken anew");
        assert_eq!(cache.lock().bytes, 200);
        let off = Arc::new(VoiceCache::new(250, 0));
        speak(&off, "one", 0, vec![audio(1, 100), done()]).await;
        assert!(again(&off, "one", 0).await.is_none());
    }
}
