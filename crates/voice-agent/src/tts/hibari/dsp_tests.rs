use super::*;

/// The same formula made the expected values with the original code.
fn spectra(frames: usize) -> [Vec<f32>; 6] {
    let wave = |scale: f64, step: f64, offset: f64| -> Vec<f32> {
        (0..BINS * frames).map(|index| ((index as f64 * step).sin() * scale + offset) as f32).collect()
    };
    let f0 = (0..frames).map(|frame| if frame == 2 { 10.0 } else { 100.0 + 13.0 * frame as f32 }).collect();
    [wave(1.0, 0.37, -1.0), wave(0.8, 0.11, 0.0), wave(1.0, 0.7, -2.0), wave(0.5, 0.23, -3.0), wave(3.0, 0.05, 0.0), f0]
}

fn whole(parts: &[Vec<f32>; 6]) -> Spectra<'_> {
    let [harmonic, theta, noise, free, phase, f0] = parts;
    Spectra { harmonic, theta, noise, free, phase, f0 }
}

#[test]
fn the_noiseless_waveform_is_that_of_the_original() {
    let file = include_str!("../../../tests/fixtures/hibari/waveform.json");
    let expected: Vec<f32> = serde_json::from_str(file).expect("the fixture");
    let parts = spectra(7);
    let wave = Synthesizer::new().synthesize(&whole(&parts), None).expect("a waveform");
    assert_eq!(wave.len(), 7 * HOP);
    let every_seventh: Vec<f32> = wave.iter().copied().step_by(7).collect();
    assert_eq!(every_seventh.len(), expected.len());
    for (index, (ours, theirs)) in every_seventh.iter().zip(&expected).enumerate() {
        assert!((ours - theirs).abs() < 2e-4, "sample {}: {ours} is not {theirs}", index * 7);
    }
}

#[test]
fn a_seed_fixes_the_noise_and_the_noise_is_gaussian() {
    let parts = spectra(3);
    let synthesizer = Synthesizer::new();
    let wave = |seed| synthesizer.synthesize(&whole(&parts), seed).expect("a waveform");
    assert_eq!(wave(Some(1)), wave(Some(1)));
    assert_ne!(wave(Some(1)), wave(Some(2)));
    assert!(wave(Some(1)).iter().all(|sample| sample.is_finite()));

    let mut noise = Noise::new(7);
    let values: Vec<f32> = (0..20_000)
        .flat_map(|_| {
            let z = noise.next_complex();
            [z.re, z.im]
        })
        .collect();
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
    let fourth = values.iter().map(|value| (value - mean).powi(4)).sum::<f32>() / count;
    assert!(
        mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03 && (fourth - 3.0).abs() < 0.2,
        "{mean} {variance} {fourth}"
    );
}

#[test]
fn nothing_gives_nothing() {
    let parts = spectra(0);
    assert!(whole(&parts).is_whole());
    assert!(Synthesizer::new().synthesize(&whole(&parts), Some(1)).expect("a waveform").is_empty());
}
