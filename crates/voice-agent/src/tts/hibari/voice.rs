//! The acoustic network: phonemes to spectra, and through the signal processing to a finished waveform.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::value::Tensor;

use super::dsp::{Spectra, Synthesizer};
use super::g2p::Phone;
use super::level::finish;
use crate::model::runtime::{ModelError, Runtime};

/// The network below the models' folder.
const MODEL: &str = "hibari/hibari.onnx";
/// The tensor inside the network with the length of every phoneme, in steps of the encoder.
const DURATIONS: &str = "/Cast_32_output_0";

/// The network's session and the synthesiser.
#[derive(Debug)]
pub(super) struct Voice {
    session: Session,
    synthesizer: Synthesizer,
    timed: bool,
}

/// One breath, spoken.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// The finished waveform.
    pub(super) samples: Vec<f32>,
    /// For each sounding phoneme the text offset after its word, and the sample after its sound.
    pub(super) ends: Vec<(u32, usize)>,
}

impl Voice {
    /// Opens the network, with the phonemes' lengths as one more output where that is possible.
    pub(super) fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        let (session, timed) = match open_timed(runtime) {
            Ok(session) => (session, true),
            Err(error) => {
                tracing::warn!(%error, "the voice cannot tell its words' lengths; they are estimated");
                (runtime.open(MODEL)?, false)
            }
        };
        Ok(Self { session, synthesizer: Synthesizer::new(), timed })
    }

    /// Speaks one breath, with `pause_ms` of silence after it.
    pub(super) fn speak(
        &mut self,
        phones: &[Phone],
        vocabulary: &HashMap<char, i64>,
        speed: f32,
        pause_ms: u64,
    ) -> Result<Spoken, ModelError> {
        let known: Vec<(Phone, i64)> =
            phones.iter().filter_map(|phone| Some((*phone, *vocabulary.get(&phone.symbol)?))).collect();
        if !known.iter().any(|(phone, _)| is_sound(phone)) {
            return Ok(Spoken::default());
        }
        // The network expects the number 0 at both ends.
        let ids: Vec<i64> = [0].into_iter().chain(known.iter().map(|(_, id)| *id)).chain([0]).collect();
        let seed = seed(&ids);
        let ids = Tensor::from_array(([1, ids.len()], ids))?;
        let speed = Tensor::from_array(([1], vec![speed]))?;
        let outputs = self.session.run(ort::inputs!["ids" => ids, "speed" => speed])?;
        let part = |name: &str| outputs[name].try_extract_tensor::<f32>().map(|(_, values)| values);
        let spectra = Spectra {
            harmonic: part("lh")?,
            theta: part("theta")?,
            noise: part("ln")?,
            free: part("lr")?,
            phase: part("phi")?,
            f0: part("f0")?,
        };
        if !spectra.is_whole() {
            return Err(ModelError::Runtime("the voice's network answered parts of different lengths".to_owned()));
        }
        let raw = self
            .synthesizer
            .synthesize(&spectra, Some(seed))
            .map_err(|error| ModelError::Runtime(error.to_string()))?;
        let total = raw.len();
        let lengths: Vec<i64> = match outputs.get(DURATIONS).filter(|_| self.timed) {
            Some(lengths) => lengths.try_extract_tensor::<i64>()?.1.to_vec(),
            None => estimate(&known),
        };
        let finished = finish(raw, pause_ms);
        let pauses = finished.pauses();
        let ends = phone_ends(&lengths, total)
            .zip(&known)
            .filter(|(_, (phone, _))| is_sound(phone))
            .map(|(end, (phone, _))| {
                let end = end.saturating_sub(finished.cut).min(finished.samples.len());
                // The network counts most of a pause to the sound before it.
                let pause = pauses.iter().find(|pause| pause.start <= end && end <= pause.end);
                (phone.end, pause.map_or(end, |pause| pause.start))
            })
            .collect();
        Ok(Spoken { samples: finished.samples, ends })
    }
}

/// Whether a phoneme is heard: marks and spaces are pauses.
fn is_sound(phone: &Phone) -> bool {
    phone.symbol.is_alphabetic() && !matches!(phone.symbol, 'ˈ' | 'ˌ')
}

/// The sample after each phoneme, without the pads at both ends; `total` samples are shared by the lengths.
fn phone_ends(lengths: &[i64], total: usize) -> impl Iterator<Item = usize> + '_ {
    let usable = |length: &i64| usize::try_from(*length).unwrap_or(0);
    let sum: usize = lengths.iter().map(usable).sum::<usize>().max(1);
    let inner = lengths.len().saturating_sub(2);
    let first = lengths.first().map_or(0, usable);
    lengths.iter().skip(1).take(inner).scan(first, move |done, length| {
        *done += usable(length);
        Some(*done * total / sum)
    })
}

/// Rough phoneme lengths where the network does not tell its own, in the same order with both pads.
fn estimate(known: &[(Phone, i64)]) -> Vec<i64> {
    let length = |phone: &Phone| match phone.symbol {
        'ˈ' | 'ˌ' => 0,
        ' ' => 1,
        'A' | 'I' | 'O' | 'W' | 'Y' => 5,
        symbol if symbol.is_alphabetic() => 3,
        _ => 8,
    };
    [10].into_iter().chain(known.iter().map(|(phone, _)| length(phone))).chain([4]).collect()
}

/// A number that only the phonemes decide (FNV-1a).
fn seed(ids: &[i64]) -> u64 {
    ids.iter().fold(0xcbf2_9ce4_8422_2325, |hash, id| (hash ^ id.unsigned_abs()).wrapping_mul(0x0100_0000_01b3))
}

/// Opens the network with [`DURATIONS`] among its outputs.
///
/// A protocol-buffer message may come in pieces: repeated fields of a piece that follows are appended. So one more
/// output is a few bytes after the file. The runtime opens files only, hence the copy, gone as soon as it is read.
fn open_timed(runtime: &Runtime) -> Result<Session, ModelError> {
    let path = runtime.models_dir().join(MODEL);
    let mut model = fs::read(&path).map_err(|_| ModelError::Missing(path.clone()))?;
    model.extend_from_slice(&one_more_output(DURATIONS));
    let copy = Copy::write(&path, &model)?;
    let name = copy.0.to_str().ok_or_else(|| ModelError::Runtime("the folder's name is not UTF-8".to_owned()))?;
    runtime.open(name).map_err(|error| match error {
        // The copy is gone by then: whoever reads of a broken file is to hear which one of theirs it was.
        ModelError::Broken { reason, .. } => {
            let reason = reason.replace(name, &path.to_string_lossy());
            ModelError::Broken { path, reason }
        }
        other => other,
    })
}

/// `ModelProto { graph: GraphProto { output: ValueInfoProto { name } } }`. Lengths fit one byte each for a short name.
fn one_more_output(name: &str) -> Vec<u8> {
    let wrap = |tag: u8, inner: &[u8]| {
        let length = u8::try_from(inner.len()).unwrap_or(0) & 0x7f;
        [&[tag, length], inner].concat()
    };
    const NAME: u8 = 1 << 3 | 2;
    const OUTPUT: u8 = 12 << 3 | 2;
    const GRAPH: u8 = 7 << 3 | 2;
    wrap(GRAPH, &wrap(OUTPUT, &wrap(NAME, name.as_bytes())))
}

/// A file that is deleted with this value.
struct Copy(PathBuf);

impl Copy {
    /// Writes a new file of a name nobody can guess, in the system's folder for such files or beside `original`.
    fn write(original: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let number = getrandom::u64().map_err(|error| ModelError::Runtime(error.to_string()))?;
        let name = format!("voice-agent-{number:016x}.onnx");
        let folders = [Some(std::env::temp_dir()), original.parent().map(Path::to_owned)];
        let mut reason = String::new();
        for folder in folders.into_iter().flatten() {
            let path = folder.join(&name);
            let written = File::create_new(&path).and_then(|mut file| {
                let copy = Self(path);
                file.write_all(bytes).map(|()| copy)
            });
            match written {
                Ok(copy) => return Ok(copy),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(ModelError::Runtime(format!("no folder takes a temporary file: {reason}")))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "a temporary file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phoneme_ends_share_the_samples() {
        let ends: Vec<usize> = phone_ends(&[4, 2, 0, 2, 2], 6000).collect();
        assert_eq!(ends, [3600, 3600, 4800]);
        assert_eq!(phone_ends(&[], 100).count(), 0);
    }

    #[test]
    fn half_a_model_is_blamed_by_its_own_name() {
        let from = crate::model::runtime::default_models_dir();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MODEL);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let whole = fs::read(from.join(MODEL)).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        std::os::unix::fs::symlink(from.join("onnxruntime"), folder.path().join("onnxruntime")).unwrap();

        let error = open_timed(&Runtime::load(folder.path()).unwrap()).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(!error.contains("voice-agent-"), "{error}");
    }

    #[test]
    fn one_more_output_is_three_nested_fields() {
        assert_eq!(one_more_output("ab"), [0x3a, 6, 0x62, 4, 0x0a, 2, b'a', b'b']);
    }
}
