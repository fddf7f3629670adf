//! Silero VAD v6 for 16 kHz audio: the network's inference written out by hand.
//!
//! The whole network is about 360,000 multiplications for each 32 ms of audio; a general runtime spends more time on
//! bookkeeping than on them, and wants a session object and a queue. Here a window is one function call on the session's own task:
//!
//! ```text
//! 64 samples of context + 512 new + 64 reflected ─ STFT (periodic Hann 256, hop 128) ─ |·| [129 × 4]
//!   ─ conv 129→128 k3 ─ relu [128 × 4] ─ conv 128→64 k3 s2 ─ relu [64 × 2] ─ conv 64→64 k3 s2 ─ relu [64 × 1]
//!   ─ conv 64→128 k3 ─ relu [128 × 1] ─ LSTM 128 ─ relu ─ 1×1 conv ─ sigmoid
//! ```
//!
//! Weights are stored in tiles of [`LANES`] output channels (`[tile][input][lane]`), so that the inner loop multiplies whole
//! vectors by one broadcast input and keeps its sums in registers. Taps that only ever meet the padding are dropped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, f32x16};
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use super::onnx::{Tensor, float_tensors};
use crate::model::runtime::ModelError;

/// The samples that one step of the network takes: 32 ms at 16 kHz.
pub const WINDOW_SAMPLES: usize = 512;
/// The samples of the previous window that the network sees again.
const CONTEXT_SAMPLES: usize = 64;
/// The model's place below the models' folder.
const FILE: &str = "silero/silero_vad_16k_op15.onnx";

const FFT: usize = 256;
const HOP: usize = 128;
const BINS: usize = FFT / 2 + 1;
const FRAMES: usize = 4;
const HIDDEN: usize = 128;
/// Output channels computed together.
const LANES: usize = 16;

/// A vector of neighbouring output channels.
type Lanes = [f32; LANES];

/// The network's weights; one copy serves every session.
pub struct Silero {
    level: Level,
    fft: Arc<dyn RealToComplex<f32>>,
    hann: [f32; FFT],
    conv1: Layer<1>,
    conv2: Layer<2>,
    conv3: Layer<4>,
    conv4: Layer<4>,
    /// Input (the encoder's output) and recurrent (the hidden state) weights behind each other; gates i, f, g, o.
    lstm: Layer<4>,
    decoder: [f32; HIDDEN],
    decoder_bias: f32,
}

/// What the network remembers of one audio stream (1.3 kB).
#[derive(Debug, Clone)]
pub struct SileroState {
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
    context: [f32; CONTEXT_SAMPLES],
}

impl Default for SileroState {
    fn default() -> Self {
        Self { hidden: [0.0; HIDDEN], cell: [0.0; HIDDEN], context: [0.0; CONTEXT_SAMPLES] }
    }
}

impl SileroState {
    /// Notes a window without running the network, so that the next window has its true context.
    pub(super) fn pass(&mut self, window: &[f32; WINDOW_SAMPLES]) {
        self.context.copy_from_slice(&window[WINDOW_SAMPLES - CONTEXT_SAMPLES..]);
    }

    /// The LSTM's output, to see whether the network ran.
    #[cfg(test)]
    pub(super) fn hidden_for_test(&self) -> [f32; HIDDEN] {
        self.hidden
    }
}

impl std::fmt::Debug for Silero {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Silero").finish_non_exhaustive()
    }
}

/// A matrix of weights in tiles of `G` × [`LANES`] outputs, with its bias.
struct Layer<const G: usize> {
    inputs: usize,
    /// `[tile][input][group][lane]`.
    weights: Vec<[Lanes; G]>,
    /// `[tile][group][lane]`.
    bias: Vec<[Lanes; G]>,
}

impl<const G: usize> Layer<G> {
    /// Lays out a matrix of `outputs` rows that `weight(output, input)` yields.
    fn new(outputs: usize, inputs: usize, bias: &[f32], weight: impl Fn(usize, usize) -> f32) -> Self {
        let output = |tile: usize, group: usize, lane: usize| (tile * G + group) * LANES + lane;
        let tile_of = |tile: usize, value: &dyn Fn(usize) -> f32| {
            std::array::from_fn(|group| std::array::from_fn(|lane| value(output(tile, group, lane))))
        };
        let tiles = outputs / (G * LANES);
        let weights = (0..tiles)
            .flat_map(|tile| (0..inputs).map(move |input| (tile, input)))
            .map(|(tile, input)| tile_of(tile, &|output| weight(output, input)))
            .collect();
        Self { inputs, weights, bias: (0..tiles).map(|tile| tile_of(tile, &|output| bias[output])).collect() }
    }

    /// A convolution of kernel 3, of which only `taps` are kept; its inputs are ordered `[channel][tap]`.
    fn conv(weight: &Tensor, bias: &Tensor, taps: std::ops::Range<usize>) -> Self {
        let (outputs, channels) = (weight.dims[0], weight.dims[1]);
        Self::new(outputs, channels * taps.len(), &bias.values, |output, input| {
            let (channel, tap) = (input / taps.len(), taps.start + input % taps.len());
            weight.values[(output * channels + channel) * 3 + tap]
        })
    }

    /// Multiplies `T` input columns, handing each finished tile to `sink`: the number of its first output, and the lanes
    /// of every column. `G` × `T` sums of [`LANES`] must fit the registers.
    #[inline(always)]
    fn apply<S: Simd, const T: usize>(&self, simd: S, inputs: &[[f32; T]], mut sink: impl FnMut(usize, [Lanes; T])) {
        for (tile, (weights, bias)) in self.weights.chunks_exact(self.inputs).zip(&self.bias).enumerate() {
            let mut sums = bias.map(|bias| [f32x16::from_slice(simd, &bias); T]);
            for (weights, input) in weights.iter().zip(inputs) {
                let input = input.map(|input| f32x16::splat(simd, input));
                for (sums, weight) in sums.iter_mut().zip(weights) {
                    let weight = f32x16::from_slice(simd, weight);
                    for (sum, input) in sums.iter_mut().zip(input) {
                        *sum = weight.mul_add(input, *sum);
                    }
                }
            }
            for (group, sums) in sums.into_iter().enumerate() {
                sink((tile * G + group) * LANES, sums.map(Into::into));
            }
        }
    }
}

impl Silero {
    /// Reads the weights from the models' folder.
    ///
    /// # Errors
    /// [`ModelError`] when the file is missing, or does not hold the network that this code computes.
    pub fn load(models_dir: &Path) -> Result<Arc<Self>, ModelError> {
        let path = models_dir.join(FILE);
        if !path.is_file() {
            return Err(ModelError::Missing(path));
        }
        let parsed = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| float_tensors(&bytes).map_err(str::to_owned))
            .and_then(|tensors| Self::from_tensors(&tensors));
        parsed.map(Arc::new).map_err(|reason| ModelError::Broken { path, reason })
    }

    fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Self, String> {
        let get = |name: &str, dims: &[usize]| match tensors.get(name) {
            Some(tensor) if tensor.dims == dims => Ok(tensor),
            Some(tensor) => Err(format!("{name} has the shape {:?}, not {dims:?}", tensor.dims)),
            None => Err(format!("{name} is not in it")),
        };
        let conv = |layer: usize, outputs: usize, channels: usize| {
            let name = format!("model.encoder.{layer}.reparam_conv");
            let weight = get(&format!("{name}.weight"), &[outputs, channels, 3])?;
            Ok::<_, String>((weight, get(&format!("{name}.bias"), &[outputs])?))
        };
        let (conv1, conv2, conv3, conv4) =
            (conv(0, 128, BINS)?, conv(1, 64, 128)?, conv(2, 64, 64)?, conv(3, 128, 64)?);
        let hann = std::array::from_fn(|n| {
            let phase = std::f64::consts::TAU * n as f64 / FFT as f64;
            (0.5 - 0.5 * phase.cos()) as f32
        });
        // The file holds the transform as a matrix. It must be the windowed Fourier transform that is computed here: its
        // row for bin 1 tells a different window, length or scale.
        let basis = get("model.stft.forward_basis_buffer", &[2 * BINS, 1, FFT])?;
        let agrees = (0..FFT).all(|n| {
            let expected = (std::f32::consts::TAU * n as f32 / FFT as f32).cos() * hann[n];
            (basis.values[FFT + n] - expected).abs() < 1e-5
        });
        if !agrees {
            return Err("its STFT is not a periodic Hann window of 256".to_owned());
        }
        let gates = 4 * HIDDEN;
        let (input, recurrent) = (
            get("model.decoder.rnn.weight_ih", &[gates, HIDDEN])?,
            get("model.decoder.rnn.weight_hh", &[gates, HIDDEN])?,
        );
        let (bias_ih, bias_hh) =
            (get("model.decoder.rnn.bias_ih", &[gates])?, get("model.decoder.rnn.bias_hh", &[gates])?);
        let bias: Vec<f32> = bias_ih.values.iter().zip(&bias_hh.values).map(|(ih, hh)| ih + hh).collect();
        let lstm = Layer::new(gates, 2 * HIDDEN, &bias, |output, column| match column.checked_sub(HIDDEN) {
            None => input.values[output * HIDDEN + column],
            Some(column) => recurrent.values[output * HIDDEN + column],
        });
        let decoder = get("model.decoder.decoder.2.weight", &[1, HIDDEN, 1])?;
        Ok(Self {
            level: Level::new(),
            fft: RealFftPlanner::new().plan_fft_forward(FFT),
            hann,
            conv1: Layer::conv(conv1.0, conv1.1, 0..3),
            conv2: Layer::conv(conv2.0, conv2.1, 0..3),
            // One output frame, whose first tap is padding.
            conv3: Layer::conv(conv3.0, conv3.1, 1..3),
            // One input frame, under the middle tap.
            conv4: Layer::conv(conv4.0, conv4.1, 1..2),
            lstm,
            decoder: std::array::from_fn(|n| decoder.values[n]),
            decoder_bias: get("model.decoder.decoder.2.bias", &[1])?.values[0],
        })
    }

    /// The probability (0 to 1) that the next window (samples from -1 to 1) of a stream has speech in it.
    pub fn step(&self, state: &mut SileroState, window: &[f32; WINDOW_SAMPLES]) -> f32 {
        let spectrum = self.spectrum(&state.context, window);
        state.pass(window);
        dispatch!(self.level, simd => {
            let encoded = self.encode(simd, &spectrum);
            self.decode(simd, state, &encoded)
        })
    }

    /// Magnitudes `[bin][1 + frame]`, with a zero frame of padding at both ends.
    fn spectrum(&self, context: &[f32; CONTEXT_SAMPLES], window: &[f32; WINDOW_SAMPLES]) -> [[f32; FRAMES + 2]; BINS] {
        const PADDED: usize = CONTEXT_SAMPLES + WINDOW_SAMPLES + CONTEXT_SAMPLES;
        let mut audio = [0.0; PADDED];
        let (head, tail) = audio.split_at_mut(CONTEXT_SAMPLES + WINDOW_SAMPLES);
        head[..CONTEXT_SAMPLES].copy_from_slice(context);
        head[CONTEXT_SAMPLES..].copy_from_slice(window);
        // Reflection does not repeat the last sample.
        for (to, from) in tail.iter_mut().zip(window.iter().rev().skip(1)) {
            *to = *from;
        }
        let mut magnitudes = [[0.0; FRAMES + 2]; BINS];
        let (mut frame, mut bins) = ([0.0; FFT], [Complex32::ZERO; BINS]);
        let mut scratch = [Complex32::ZERO; 2 * FFT];
        for number in 0..FRAMES {
            let samples = &audio[number * HOP..number * HOP + FFT];
            for ((to, sample), weight) in frame.iter_mut().zip(samples).zip(&self.hann) {
                *to = sample * weight;
            }
            let done = self.fft.process_with_scratch(&mut frame, &mut bins, &mut scratch);
            debug_assert!(done.is_ok(), "buffers of the planned lengths");
            for (row, bin) in magnitudes.iter_mut().zip(&bins) {
                row[number + 1] = (bin.re * bin.re + bin.im * bin.im).sqrt();
            }
        }
        magnitudes
    }

    /// The four convolutions.
    #[inline(always)]
    fn encode<S: Simd>(&self, simd: S, spectrum: &[[f32; FRAMES + 2]; BINS]) -> [f32; HIDDEN] {
        let mut columns = [[0.0; FRAMES]; BINS * 3];
        for (taps, row) in columns.as_chunks_mut::<3>().0.iter_mut().zip(spectrum) {
            for (tap, column) in taps.iter_mut().enumerate() {
                *column = std::array::from_fn(|frame| row[frame + tap]);
            }
        }
        // Column t of the second convolution holds frames 2t-1, 2t and 2t+1 of the first one's output.
        let mut first = [[0.0; 2]; 128 * 3];
        self.conv1.apply(simd, &columns, |output, sums| {
            for (lane, taps) in first[output * 3..].as_chunks_mut::<3>().0.iter_mut().take(LANES).enumerate() {
                let [a, b, c, d] = std::array::from_fn(|frame| sums[frame][lane].max(0.0));
                *taps = [[0.0, b], [a, c], [b, d]];
            }
        });
        let mut second = [[0.0]; 64 * 2];
        self.conv2.apply(simd, &first, |output, sums| {
            for (lane, taps) in second[output * 2..].as_chunks_mut::<2>().0.iter_mut().take(LANES).enumerate() {
                *taps = [[sums[0][lane].max(0.0)], [sums[1][lane].max(0.0)]];
            }
        });
        let mut third = [[0.0]; 64];
        self.conv3.apply(simd, &second, |output, [sums]| relu_into(&mut third[output..], &sums));
        let mut fourth = [[0.0]; HIDDEN];
        self.conv4.apply(simd, &third, |output, [sums]| relu_into(&mut fourth[output..], &sums));
        fourth.map(|[value]| value)
    }

    /// The LSTM step and the output neuron.
    #[inline(always)]
    fn decode<S: Simd>(&self, simd: S, state: &mut SileroState, encoded: &[f32; HIDDEN]) -> f32 {
        let mut inputs = [[0.0]; 2 * HIDDEN];
        for (to, from) in inputs.iter_mut().zip(encoded.iter().chain(&state.hidden)) {
            *to = [*from];
        }
        let mut gates = [[0.0; HIDDEN]; 4];
        self.lstm.apply(simd, &inputs, |output, [sums]| {
            gates[output / HIDDEN][output % HIDDEN..][..LANES].copy_from_slice(&sums);
        });
        let [input, forget, candidate, output] = &gates;
        for n in 0..HIDDEN {
            state.cell[n] = sigmoid(forget[n]) * state.cell[n] + sigmoid(input[n]) * tanh(candidate[n]);
            state.hidden[n] = sigmoid(output[n]) * tanh(state.cell[n]);
        }
        let sum: f32 = state.hidden.iter().zip(&self.decoder).map(|(hidden, weight)| hidden.max(0.0) * weight).sum();
        sigmoid(sum + self.decoder_bias)
    }
}

#[inline(always)]
fn relu_into(to: &mut [[f32; 1]], sums: &Lanes) {
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = [sum.max(0.0)];
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

/// e^x to a relative error of 2e-7, without a call or a branch, so that loops over it become vector code. (The classic
/// Cephes reduction: x = n·ln 2 + r, a polynomial for e^r, and n added to the exponent's bits.)
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// Adding it rounds to a whole number, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let fraction = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()) << 23;
    f32::from_bits(fraction.to_bits().wrapping_add(exponent))
}
