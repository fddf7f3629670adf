//! Cartesia's voice against a server that follows the protocol, and against servers that do not.

mod context;
mod failures;
mod pool;
mod server;
mod speech;
mod wire;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use voice_core::input::WordTiming;
use voice_core::provider::ProviderFailure;

use self::server::{Server, within};
use super::{CartesiaConfig, CartesiaTts};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::tts::{SpeechKey, Tts as _, TtsEvent, TtsRequest};

type Stream = BoxStream<'static, Result<TtsEvent, ProviderFailure>>;

/// The server's address, and nothing that waits for long.
fn config(url: &str) -> CartesiaConfig {
    CartesiaConfig {
        base_url: url.to_owned(),
        backoff_ms: 1,
        max_backoff_ms: 4,
        // As long as a test may take, contexts live.
        keep_context_ms: 600_000,
        ..CartesiaConfig::new(Secret::new("sk-test"))
    }
}

fn voice(server: &Server) -> CartesiaTts {
    CartesiaTts::new(config(&server.url)).unwrap()
}

fn request(speech: u64, text: &str) -> TtsRequest {
    TtsRequest { text: text.to_owned(), speech: SpeechKey(speech), format: AudioFormat::Pcm24k }
}

fn ask(voice: &CartesiaTts, speech: u64, text: &str) -> Stream {
    voice.synthesize(request(speech, text))
}

/// Audio of so many milliseconds at 24 kHz whose bytes are all this one.
fn pcm(byte: u8, ms: usize) -> Vec<u8> {
    vec![byte; 48 * ms]
}

/// All that a stream says.
#[derive(Debug, PartialEq)]
struct Heard {
    audio: Vec<u8>,
    /// What was said of words meanwhile.
    words: Vec<Vec<(usize, u64)>>,
    /// Where the words end at last, or how it failed.
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

/// How a stream fails.
async fn failure(stream: Stream) -> ProviderFailure {
    hear(stream).await.end.expect_err("it must fail")
}
