//! Voices that are not ours: what a dialogue says, spoken by other programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use voice_agent::audio::resample::read_wav;

use crate::dice::fnv;
use crate::line::{RATE_HZ, level};

/// Every caller speaks as loud as this on average, pauses left out, in dBFS.
pub(crate) const SPEECH_DBFS: f32 = -26.0;

/// A voice of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voice {
    /// As in the tables: the program and its voice.
    pub(crate) name: String,
    program: &'static str,
    voice: String,
}

impl Voice {
    /// Reads `espeak-ng:en-us` or `flite:slt`.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let (program, voice) = match name.split_once(':') {
            Some(("espeak-ng", voice)) => ("espeak-ng", voice),
            Some(("flite", voice)) => ("flite", voice),
            _ => bail!("{name}: a voice is espeak-ng:NAME or flite:NAME"),
        };
        Ok(Self { name: name.to_owned(), program, voice: voice.to_owned() })
    }

    /// Whether its program is there.
    pub(crate) fn is_installed(&self) -> bool {
        let asked = Command::new(self.program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok()
    }

    fn speak(&self, text: &str, wav: &Path) -> Result<()> {
        let mut command = Command::new(self.program);
        match self.program {
            "flite" => command.args(["-voice", &self.voice, "-t", text, "-o"]).arg(wav),
            _ => command.args(["-v", &self.voice, "-w"]).arg(wav).arg("--").arg(text),
        };
        let status = command.stdout(Stdio::null()).status().context(self.program)?;
        if !status.success() {
            bail!("{}: {status}", self.name);
        }
        Ok(())
    }
}

/// What one voice says: text → 16 kHz PCM.
pub(crate) type Clips = BTreeMap<String, Arc<Vec<i16>>>;

/// Speaks all texts; what was spoken before is read from `folder`.
pub(crate) fn speak_all(voice: &Voice, texts: &[String], folder: &Path) -> Result<Clips> {
    let folder = folder.join(voice.name.replace(':', "-"));
    std::fs::create_dir_all(&folder)?;
    let speak = |text: &String| -> Result<(String, Arc<Vec<i16>>)> {
        let wav: PathBuf = folder.join(format!("{:016x}.wav", fnv(text)));
        if !wav.exists() {
            let unfinished = wav.with_extension("part.wav");
            voice.speak(text, &unfinished)?;
            std::fs::rename(&unfinished, &wav)?;
        }
        let pcm = read_wav(&wav, RATE_HZ).with_context(|| format!("{} says {text:?}", voice.name))?;
        Ok((text.clone(), Arc::new(level(&pcm, SPEECH_DBFS))))
    };
    texts.iter().map(speak).collect()
}
