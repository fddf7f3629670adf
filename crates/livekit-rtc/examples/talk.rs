//! Joins a room, says a WAV file into it, and writes down what it hears and reads:
//!
//! ```text
//! LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret \
//!     cargo run -p livekit-rtc --example talk -- kitchen hello.wav heard.wav
//! ```
//!
//! The file is mono with 16 bits, at 8, 12, 16, 24 or 48 kHz. It stays until Ctrl-C, or until everybody has left.

#![expect(clippy::print_stderr, reason = "a command's output")]

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use livekit_rtc::audio::EncoderOptions;
use livekit_rtc::token::{AccessToken, ApiKey, Grants};
use livekit_rtc::{
    Address, AudioSource, AudioStream, Event, Events, PublishOptions, Room, RoomOptions, SampleRate, TrackKind,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [room, said, heard] = &arguments[..] else {
        bail!("usage: say ROOM SAID.wav HEARD.wav");
    };
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let address = Address::parse(&variable("LIVEKIT_URL")?)?;
    let key = ApiKey::new(variable("LIVEKIT_API_KEY")?, variable("LIVEKIT_API_SECRET")?);
    let token = AccessToken::new(Grants::join(room)).identity("say").sign(&key, SystemTime::now())?;

    let (rate, samples) = read(said)?;
    let options = RoomOptions { rate, ..RoomOptions::default() };
    let (room, events) = Room::connect(address, token, options).await?;
    // A recording is sent as it is, silence and all.
    let encoder = EncoderOptions { dtx: false, ..EncoderOptions::default() };
    let source = room.publish_audio(PublishOptions { rate, encoder, ..PublishOptions::default() }).await?;
    tokio::select! {
        told = tell(&room, events, rate, heard) => told?,
        spoken = speak(&source, &samples) => {
            spoken?;
            eprintln!("said {} ms", source.played_ms());
            tokio::signal::ctrl_c().await?;
        }
    }
    room.close().await;
    Ok(())
}

async fn speak(source: &AudioSource, samples: &[i16]) -> Result<()> {
    let length = source.rate().frame_samples();
    for frame in samples.chunks(length) {
        let mut frame = frame.to_vec();
        frame.resize(length, 0);
        source.push(frame).await?;
    }
    source.wait_played().await;
    Ok(())
}

async fn tell(room: &Room, mut events: Events, rate: SampleRate, heard: &str) -> Result<()> {
    while let Some(event) = events.next().await {
        match event {
            Event::TrackSubscribed { identity, track } if track.kind == TrackKind::Audio => {
                eprintln!("hearing {identity}");
                let stream = room.listen(&track.sid).await?;
                tokio::spawn(write(stream, rate, heard.to_owned()));
            }
            Event::Text(text) => eprintln!("{} [{}]: {}", text.from, text.topic, text.text),
            Event::ParticipantLeft { participant, .. } => {
                eprintln!("{} left", participant.identity);
                if room.participants().await?.is_empty() {
                    return Ok(());
                }
            }
            Event::Closed(reason) => bail!(reason),
            _ => {}
        }
    }
    Ok(())
}

/// Keeps what is heard until the track ends.
async fn write(mut stream: AudioStream, rate: SampleRate, path: String) -> Result<()> {
    let mut file = hound::WavWriter::create(path, format(rate))?;
    while let Some(frame) = stream.next().await {
        for sample in frame.samples {
            file.write_sample(sample)?;
        }
        file.flush()?;
    }
    file.finalize()?;
    Ok(())
}

fn format(rate: SampleRate) -> hound::WavSpec {
    hound::WavSpec { channels: 1, sample_rate: rate.hz(), bits_per_sample: 16, sample_format: hound::SampleFormat::Int }
}

fn read(path: &str) -> Result<(SampleRate, Vec<i16>)> {
    let file = hound::WavReader::open(path).with_context(|| path.to_owned())?;
    let rate = SampleRate::from_hz(file.spec().sample_rate).context("the rate is none of Opus's")?;
    if file.spec() != format(rate) {
        bail!("{path} is not mono with 16 bits");
    }
    Ok((rate, file.into_samples().collect::<Result<_, _>>()?))
}
