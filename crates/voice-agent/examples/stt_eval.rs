//! Word error rate and CPU time of the embedded recogniser over folders of recordings.
//!
//! `cargo run --release -p voice-agent --example stt_eval -- [--list] [--beam=N] FOLDER...`
//!
//! A folder holds `NAME.wav` (16 kHz, mono, 16 bit) with `NAME.txt` (what is said) beside it and, if the caller's task
//! titles are to be known, `titles.list` (one a line). `--list` prints every error with the hypotheses. `--beam` is 4 unless given. Times are CPU time of this process, so
//! that other work on the machine does not count.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use voice_agent::model::runtime::{Runtime, default_models_dir};
use voice_agent::stt::moonshine::{Bias, DecodeOptions, Moonshine, SAMPLE_RATE};

struct Clip {
    pcm: Vec<i16>,
    said: String,
    name: String,
}

#[derive(Default)]
struct Tally {
    errors: usize,
    words: usize,
    cpu_ms: f64,
    wall_ms: f64,
}

fn main() -> Result<()> {
    let (flags, folders): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    if folders.is_empty() {
        bail!("usage: stt_eval [--list] [--beam=N] FOLDER...");
    }
    let list = flags.iter().any(|flag| flag == "--list");
    let beam = flags.iter().find_map(|flag| flag.strip_prefix("--beam=")).map_or(Ok(4), str::parse)?;
    let mut recogniser = Moonshine::load(&Runtime::load(&default_models_dir())?)?;
    let mut report = String::from(
        "folder                         greedy     beam    +bias  +titles | CPU ms a clip (greedy, beam)\n",
    );
    for folder in folders.iter().map(PathBuf::from) {
        let clips = clips(&folder)?;
        let titles = std::fs::read_to_string(folder.join("titles.list")).unwrap_or_default();
        let titles: Vec<String> = titles.lines().map(str::to_owned).collect();
        let (phrases, titles) = (Bias::default(), Bias::new(&titles));
        let off = Bias::off();
        let ways = [
            DecodeOptions::partial(&off),
            DecodeOptions { beam, ..DecodeOptions::final_result(&off) },
            DecodeOptions { beam, ..DecodeOptions::final_result(&phrases) },
            DecodeOptions { beam, ..DecodeOptions::final_result(&titles) },
        ];
        let mut tallies = Vec::new();
        for (index, way) in ways.iter().enumerate() {
            tallies.push(run(&mut recogniser, &clips, way, (list && index == 3).then_some(&mut report))?);
        }
        let rates: Vec<String> = tallies.iter().map(|t| format!("{:7.1}%", 100.0 * ratio(t.errors, t.words))).collect();
        let seconds = ratio(clips.iter().map(|clip| clip.pcm.len()).sum(), SAMPLE_RATE * clips.len());
        report.push_str(&format!(
            "{:28} {} | {:.0} {:.0} (wall {:.0} {:.0}) for {seconds:.1} s of audio\n",
            folder.display(),
            rates.join(" "),
            tallies[0].cpu_ms / clips.len() as f64,
            tallies[3].cpu_ms / clips.len() as f64,
            tallies[0].wall_ms / clips.len() as f64,
            tallies[3].wall_ms / clips.len() as f64,
        ));
    }
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes())?;
    Ok(())
}

fn clips(folder: &Path) -> Result<Vec<Clip>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    paths.sort();
    paths.iter().map(|path| clip(path)).collect()
}

fn clip(path: &Path) -> Result<Clip> {
    let mut reader = hound::WavReader::open(path).with_context(|| path.display().to_string())?;
    if reader.spec().sample_rate as usize != SAMPLE_RATE || reader.spec().channels != 1 {
        bail!("{} is not 16 kHz mono", path.display());
    }
    let pcm = reader.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let said = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
    Ok(Clip { pcm, said, name: path.display().to_string() })
}

fn run(
    recogniser: &mut Moonshine,
    clips: &[Clip],
    options: &DecodeOptions<'_>,
    mut errors: Option<&mut String>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for clip in clips {
        let (cpu, wall) = (cpu_ms()?, std::time::Instant::now());
        let heard = recogniser.transcribe(&clip.pcm, options)?;
        tally.cpu_ms += cpu_ms()? - cpu;
        tally.wall_ms += wall.elapsed().as_secs_f64() * 1_000.0;
        let (said, got) = (words(&clip.said), words(&heard.text));
        let wrong = distance(&said, &got);
        tally.errors += wrong;
        tally.words += said.len();
        if let Some(report) = errors.as_mut().filter(|_| wrong > 0) {
            report.push_str(&format!(
                "{wrong} {} {:.2} | {} | {}\n",
                clip.name,
                heard.confidence,
                clip.said.trim(),
                heard.text
            ));
            for other in &heard.hypotheses {
                report.push_str(&format!("      {:6.2} {:6.2} {}\n", other.log_prob, other.score, other.text));
            }
        }
    }
    Ok(tally)
}

/// CPU time of the main thread so far, on which the networks run, in milliseconds (`schedstat` counts nanoseconds).
fn cpu_ms() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos: f64 = stat.split(' ').next().context("schedstat")?.parse()?;
    Ok(nanos / 1e6)
}

fn words(text: &str) -> Vec<String> {
    let spoken = text.to_lowercase().replace('\u{2019}', "'").replace('-', " ");
    spoken
        .split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>())
        .map(|word| match word.as_str() {
            "3" => "three".to_owned(),
            "5" => "five".to_owned(),
            _ => word,
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// Word edit distance.
fn distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
