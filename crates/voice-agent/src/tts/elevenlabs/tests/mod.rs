//! ElevenLabs' voice against a server that follows the protocol, and against servers that do not.

mod failures;
mod reader;
mod server;
mod speech;
mod wire;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderFailure;

use self::server::within;
use super::{ElevenLabsConfig, ElevenLabsTts};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::tts::{SpeechKey, Tts as _, TtsEvent, TtsRequest};

type Stream = BoxStream<'static, Result<TtsEvent, ProviderFailure>>;

fn config(url: &str) -> ElevenLabsConfig {
    ElevenLabsConfig { base_url: url.to_owned(), ..ElevenLabsConfig::new(Secret::new("sk-test")) }
}

fn voice(url: &str) -> ElevenLabsTts {
    ElevenLabsTts::new(config(url)).unwrap()
}

fn request(speech: u64, text: &str) -> TtsRequest {
    TtsRequest { text: text.to_owned(), speech: SpeechKey(speech), format: AudioFormat::Pcm24k }
}

fn ask(voice: &ElevenLabsTts, speech: u64, text: &str) -> Stream {
    voice.synthesize(request(speech, text))
}

/// All that a stream says.
#[derive(Debug, PartialEq)]
struct Heard {
    audio: Vec<u8>,
    words: Vec<Vec<(usize, u64)>>,
    end: Result<Vec<(usize, u64)>, ProviderFailure>,
}

fn ends(words: &[WordTiming]) -> Vec<(usize, u64)> {
    words.iter().map(|word| (word.byte_end, word.end_ms)).collect()
}

async fn hear(mut stream: Stream) -> Heard {
    let (mut audio, mut words) = (Vec::new(), Vec::new());
    let end = within(async {
        loop {
            match stream.next().await.expect("a stream has an end that says how") {
                Ok(TtsEvent::Audio(piece)) => audio.extend_from_slice(&piece),
                Ok(TtsEvent::Words(so_far)) => words.push(ends(&so_far)),
                Ok(TtsEvent::Done { words }) => break Ok(ends(&words)),
                Err(failure) => break Err(failure),
            }
        }
    })
    .await;
    assert!(within(stream.next()).await.is_none(), "nothing follows the end");
    Heard { audio, words, end }
}
