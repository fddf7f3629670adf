//! What was answered and spoken before.

use std::sync::atomic::AtomicBool;

use super::*;

/// A model and a voice that answer until they are told to hang. Then whatever is heard has waited for neither.
#[derive(Default)]
struct Provider {
    lister: Lister,
    spoken: AtomicU32,
    hangs: AtomicBool,
}

impl Provider {
    fn asked(&self) -> (u32, u32) {
        (self.lister.0.load(Ordering::SeqCst), self.spoken.load(Ordering::SeqCst))
    }
}

impl Llm for Provider {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        "gpt-4o-mini"
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        let answer = self.lister.stream(request);
        if self.hangs.load(Ordering::SeqCst) { stream::pending().boxed() } else { answer }
    }
}

impl Tts for Provider {
    fn provider(&self) -> &'static str {
        "cartesia"
    }

    fn model(&self) -> &str {
        "sonic-3"
    }

    fn synthesize(&self, _request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        self.spoken.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            return stream::pending().boxed();
        }
        // 100 ms.
        let audio = TtsEvent::Audio(Bytes::from(vec![7; 4_800]));
        stream::iter([Ok(audio), Ok(TtsEvent::Done { words: Vec::new() })]).boxed()
    }
}

/// The audio of the next speech.
async fn hear(inbox: &mut mpsc::Receiver<Outbound>) -> usize {
    let mut bytes = 0;
    loop {
        match inbox.recv().await.expect("the session goes on") {
            Outbound::Audio(audio) => bytes += audio.len(),
            Outbound::SpeechFinished { .. } => return bytes,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_given_again_waits_for_no_model_and_no_voice() {
    let provider = Arc::new(Provider::default());
    let (llm, tts) = (Arc::clone(&provider) as Arc<dyn Llm>, Arc::clone(&provider) as Arc<dyn Tts>);
    let house = House::with_voice(|_| {}, Some(llm), Some(tts)).await;
    let mut inbox = house.attach();
    let mut heard = Vec::new();
    for hangs in [false, true] {
        provider.hangs.store(hangs, Ordering::SeqCst);
        let (reply, bytes) = tokio::join!(house.text("What are my tasks?"), hear(&mut inbox));
        assert_eq!(reply.unwrap().reply, "You have 0.");
        heard.push((bytes, provider.asked()));
    }
    let [first, again] = heard[..] else { panic!("{heard:?}") };
    assert!(first.0 >= 4_800 && first.1 == (2, 1), "{heard:?}");
    assert_eq!(first, again, "the same was heard, and nobody was asked");
}
