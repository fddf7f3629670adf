//! The two networks: audio to hidden states, and one step of the decoder for several beams at once.
//!
//! The decoder broadcasts: the audio's hidden states, its mask and the encoder's half of the key-value cache stay at
//! batch 1 whatever the number of beams, so a beam costs only its own half of the cache (about 23 kB a layer and key at
//! 20 tokens) and one row of logits. One run for four beams takes about 1.4 times as long as one for a single beam.

use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue, SessionOutputs};
use ort::value::{DynValue, Tensor, TensorRef};

use super::tokenizer::BEGIN;
use crate::model::runtime::{ModelError, Runtime};

/// Tokens in the vocabulary: the length of one row of logits.
pub(super) const VOCABULARY: usize = 32_768;
const LAYERS: usize = 6;
const HEADS: usize = 8;
const HEAD: usize = 36;

/// Names of the decoder's inputs and outputs that hold one cache.
struct CacheNames {
    past: String,
    present: String,
}

/// The half of the key-value cache that grows by one position for each token.
pub(super) struct Past {
    /// `[beams, 8, positions, 36]` for every layer's key and value.
    tensors: Vec<DynValue>,
    beams: usize,
    positions: usize,
}

/// Audio the decoder can attend to.
pub(super) struct Audio {
    /// `[1, frames, 288]`.
    hidden: DynValue,
    /// The encoder's half of the key-value cache, `[1, 8, frames, 36]` for every layer's key and value; made by the
    /// first step.
    cache: Vec<DynValue>,
    samples: usize,
}

/// The encoder and the decoder.
pub(super) struct Networks {
    encoder: Session,
    decoder: Session,
    own: Vec<CacheNames>,
    cross: Vec<CacheNames>,
    /// For steps after the first: the encoder's half of the cache does not change, so it is not asked for again.
    step_options: RunOptions<HasSelectedOutputs>,
    /// Ones, as long as the longest segment seen: the attention mask of every call.
    ones: Vec<i64>,
    /// Gathered caches when beams change places; kept to save allocations.
    gathered: Vec<Vec<f32>>,
}

impl Networks {
    /// Opens both networks.
    ///
    /// # Errors
    /// [`ModelError`] when a file is missing or is no model.
    pub(super) fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        let own = cache_names("decoder");
        let cross = cache_names("encoder");
        let outputs =
            own.iter().fold(OutputSelector::no_default().with("logits"), |all, name| all.with(name.present.as_str()));
        Ok(Self {
            encoder: runtime.open("moonshine-tiny-en/encoder_model.ort")?,
            decoder: runtime.open("moonshine-tiny-en/decoder_model_merged.ort")?,
            gathered: own.iter().map(|_| Vec::new()).collect(),
            own,
            cross,
            step_options: RunOptions::new()?.with_outputs(outputs),
            ones: Vec::new(),
        })
    }

    /// Runs the encoder over samples in −1..1 at 16 kHz.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when the network fails (fewer than about 1,000 samples make no frame).
    pub(super) fn encode(&mut self, samples: &[f32]) -> Result<Audio, ModelError> {
        let shape = [1, samples.len()];
        if self.ones.len() < samples.len() {
            self.ones.resize(samples.len(), 1);
        }
        let mut outputs = self.encoder.run(ort::inputs! {
            "input_values" => TensorRef::from_array_view((shape, samples))?,
            "attention_mask" => TensorRef::from_array_view((shape, &self.ones[..samples.len()]))?,
        })?;
        let hidden = take(&mut outputs, "last_hidden_state")?;
        Ok(Audio { hidden, cache: Vec::new(), samples: samples.len() })
    }

    /// The first step: feeds the begin token, fills the audio's half of the cache, and hands the logits of the first
    /// token to `read`.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when the network fails.
    pub(super) fn begin<R>(
        &mut self,
        audio: &mut Audio,
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<(Past, R), ModelError> {
        let nothing = [0.0_f32; HEADS * HEAD];
        let mut inputs = step_inputs(audio, &self.ones, &[BEGIN], false)?;
        for name in self.own.iter().chain(&self.cross) {
            let dummy = TensorRef::from_array_view(([1, HEADS, 1, HEAD], &nothing[..]))?;
            inputs.push((name.past.as_str(), dummy.into()));
        }
        let mut outputs = self.decoder.run(inputs)?;
        let past = take_all(&mut outputs, &self.own)?;
        let cache = take_all(&mut outputs, &self.cross)?;
        let seen = read(logits(&outputs)?);
        drop(outputs);
        audio.cache = cache;
        Ok((Past { tensors: past, beams: 1, positions: 1 }, seen))
    }

    /// One more step: beam `i` continues the former beam `parents[i]` with `tokens[i]`. Hands the logits to `read`, one row
    /// of [`VOCABULARY`] for each beam.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when the network fails.
    pub(super) fn step<R>(
        &mut self,
        audio: &Audio,
        past: &mut Past,
        parents: &[usize],
        tokens: &[i64],
        read: impl FnOnce(&[f32]) -> R,
    ) -> Result<R, ModelError> {
        let in_place = parents.len() == past.beams && parents.iter().enumerate().all(|(i, &parent)| i == parent);
        let mut inputs = step_inputs(audio, &self.ones, tokens, true)?;
        if in_place {
            for (name, tensor) in self.own.iter().zip(&past.tensors) {
                inputs.push((name.past.as_str(), tensor.into()));
            }
        } else {
            let shape = [parents.len(), HEADS, past.positions, HEAD];
            for ((name, tensor), room) in self.own.iter().zip(&past.tensors).zip(&mut self.gathered) {
                gather(tensor, parents, room)?;
                inputs.push((name.past.as_str(), TensorRef::from_array_view((shape, &room[..]))?.into()));
            }
        }
        for (name, tensor) in self.cross.iter().zip(&audio.cache) {
            inputs.push((name.past.as_str(), tensor.into()));
        }
        let mut outputs = self.decoder.run_with_options(inputs, &self.step_options)?;
        let tensors = take_all(&mut outputs, &self.own)?;
        let seen = read(logits(&outputs)?);
        drop(outputs);
        *past = Past { tensors, beams: tokens.len(), positions: past.positions + 1 };
        Ok(seen)
    }
}

/// The decoder's inputs except the caches. The mask has the raw length in samples: the graph thins it out itself.
fn step_inputs<'v>(
    audio: &'v Audio,
    ones: &'v [i64],
    tokens: &[i64],
    use_cache: bool,
) -> Result<Vec<(&'v str, SessionInputValue<'v>)>, ModelError> {
    Ok(vec![
        ("input_ids", Tensor::from_array(([tokens.len(), 1], tokens.to_vec()))?.into()),
        ("encoder_hidden_states", (&audio.hidden).into()),
        ("encoder_attention_mask", TensorRef::from_array_view(([1, audio.samples], &ones[..audio.samples]))?.into()),
        ("use_cache_branch", Tensor::from_array(([1_usize], vec![use_cache]))?.into()),
    ])
}

fn cache_names(half: &str) -> Vec<CacheNames> {
    (0..LAYERS)
        .flat_map(|layer| ["key", "value"].map(|part| format!("{layer}.{half}.{part}")))
        .map(|tail| CacheNames { past: format!("past_key_values.{tail}"), present: format!("present.{tail}") })
        .collect()
}

/// Copies the rows of `parents` out of a cache into `room`.
fn gather(cache: &DynValue, parents: &[usize], room: &mut Vec<f32>) -> Result<(), ModelError> {
    let (shape, data) = cache.try_extract_tensor::<f32>()?;
    let beams = shape.first().and_then(|&beams| usize::try_from(beams).ok()).filter(|&beams| beams > 0);
    let row = data.len() / beams.unwrap_or(1);
    room.clear();
    for &parent in parents {
        room.extend_from_slice(&data[parent * row..(parent + 1) * row]);
    }
    Ok(())
}

fn take_all(outputs: &mut SessionOutputs<'_>, names: &[CacheNames]) -> Result<Vec<DynValue>, ModelError> {
    names.iter().map(|name| take(outputs, &name.present)).collect()
}

fn take(outputs: &mut SessionOutputs<'_>, name: &str) -> Result<DynValue, ModelError> {
    outputs.remove(name).ok_or_else(|| ModelError::Runtime(format!("the speech model has no output {name}")))
}

fn logits<'o>(outputs: &'o SessionOutputs<'_>) -> Result<&'o [f32], ModelError> {
    let tensor = outputs.get("logits").ok_or_else(|| ModelError::Runtime("the decoder has no logits".to_owned()))?;
    Ok(tensor.try_extract_tensor::<f32>()?.1)
}
