//! The caller's voice: the embedded one, or a command's.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::order;
use crate::audio::resample::{read_wav, resample};
use crate::embedded;

/// Samples a second of a caller by browser.
pub(super) const RATE: u32 = 16_000;
/// Silence before a sentence, in samples: whoever picks up a microphone does not begin with the first frame.
const BREATH: usize = 16 * 320;

/// What says the callers' sentences.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    /// A command that writes `$FILE`, a WAV file in which `$TEXT` is said.
    pub(super) command: Option<String>,
    /// Where the embedded voice's models are.
    pub(super) models_dir: PathBuf,
    /// Where files go for a moment.
    pub(super) folder: PathBuf,
}

impl Speaker {
    /// A sentence, at 16 kHz.
    ///
    /// # Errors
    /// When the models are missing, or the command fails.
    pub(super) async fn say(&self, text: &str) -> Result<Vec<i16>> {
        let words = match &self.command {
            Some(command) => self.by_command(command, text).await?,
            None => {
                let (models, text) = (self.models_dir.clone(), text.to_owned());
                // Models take a second to load, and are not for the runtime's threads.
                tokio::task::spawn_blocking(move || embedded::say(&models, &text, RATE))
                    .await?
                    .context("the embedded voice")?
            }
        };
        Ok([vec![0; BREATH], words].concat())
    }

    /// The same for a telephone, at 8 kHz.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub(super) async fn say_by_telephone(&self, text: &str) -> Result<Vec<i16>> {
        Ok(resample(&self.say(text).await?, RATE, voice_caller::phone::RATE)?)
    }

    async fn by_command(&self, command: &str, text: &str) -> Result<Vec<i16>> {
        std::fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let file = self.folder.join("sentence.wav");
        let name = file.display().to_string();
        order::run("--speech-command", command, &[("TEXT", text), ("FILE", &name)]).await?;
        let words = read_wav(&file, RATE).with_context(|| format!("--speech-command wrote {name}"))?;
        std::fs::remove_file(&file).with_context(|| name)?;
        Ok(words)
    }
}
