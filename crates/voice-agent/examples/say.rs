//! Speaks a text into a WAV file: `cargo run --release --example say -- "Hello there." hello.wav [speed]`.

use std::time::Instant;

use anyhow::Context as _;
use voice_agent::model::runtime::{Runtime, default_models_dir};
use voice_agent::tts::hibari::{Hibari, SAMPLE_RATE_HZ};

#[expect(clippy::print_stdout, reason = "a command's output")]
fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: say TEXT FILE.wav [SPEED]";
    let text = arguments.next().context(usage)?;
    let file = arguments.next().context(usage)?;
    let speed = arguments.next().map_or(Ok(1.0), |speed| speed.parse()).context("the speed is a number")?;

    let started = Instant::now();
    let runtime = Runtime::load(&default_models_dir())?;
    let mut voice = Hibari::load(&runtime)?;
    let loaded = started.elapsed();
    let speech = voice.synthesize(&text, speed)?;
    let spoken = started.elapsed() - loaded;

    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&file, spec)?;
    for sample in &speech.pcm {
        writer.write_sample(*sample)?;
    }
    writer.finalize()?;
    println!("{}", voice.phonemes(&text)?.join(" | "));
    let mut start = 0;
    for word in &speech.words {
        println!("{:>6} ms  {}", word.end_ms, text[start..word.byte_end].trim());
        start = word.byte_end;
    }
    println!("{} ms of speech in {spoken:.0?}, loaded in {loaded:.0?}", speech.duration_ms());
    Ok(())
}
