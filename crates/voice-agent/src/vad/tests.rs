use std::path::Path;

use ort::value::Tensor;

use super::*;
use crate::audio::resample::{Upsampler, read_wav, resample};
use crate::model::runtime::{Runtime, default_models_dir};

fn silero() -> Arc<Silero> {
    Silero::load(&default_models_dir()).expect("the model; `make models` fetches it")
}

fn fixture(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name);
    read_wav(&path, 16_000).expect(name)
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 16]
}

/// White noise of a uniform distribution, the same in every run.
fn noise(ms: usize, peak: i32) -> Vec<i16> {
    let mut seed = 0x2545_f491u32;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    (0..ms * 16).map(|_| ((next() >> 8) as i32 % (2 * peak + 1) - peak) as i16).collect()
}

/// Plays audio in frames of 20 ms, and collects each edge with the stream time at which it was told.
fn hear(detector: &mut Detector, pcm: &[i16]) -> Vec<(u64, VadEvent)> {
    let mut heard = hear_all(detector, pcm);
    heard.retain(|(_, event)| !is_hint(event));
    heard
}

/// What is told before it is sure.
fn is_hint(event: &VadEvent) -> bool {
    matches!(event, VadEvent::PossibleSpeech | VadEvent::PossibleEnd)
}

fn hear_all(detector: &mut Detector, pcm: &[i16]) -> Vec<(u64, VadEvent)> {
    let mut heard = Vec::new();
    for frame in pcm.chunks(320) {
        detector.handle_audio(frame);
        while let Some(event) = detector.poll_event() {
            heard.push((detector.stream_ms(), event));
        }
    }
    heard
}

fn detector() -> Detector {
    Detector::new(silero(), VadConfig::default())
}

/// What ONNX Runtime makes of the same windows.
fn reference(pcm: &[f32]) -> Vec<f32> {
    let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
    let mut session = runtime.open("silero/silero_vad_16k_op15.onnx").expect("the model");
    let (mut state, mut context) = (vec![0.0f32; 256], vec![0.0f32; 64]);
    let windows = pcm.as_chunks::<WINDOW_SAMPLES>().0;
    windows
        .iter()
        .map(|window| {
            let audio = [&context[..], window].concat();
            context.copy_from_slice(&window[WINDOW_SAMPLES - 64..]);
            let outputs = session
                .run(ort::inputs![
                    "input" => Tensor::from_array(([1, 576], audio)).expect("a tensor"),
                    "state" => Tensor::from_array(([2, 1, 128], state.clone())).expect("a tensor"),
                    "sr" => Tensor::from_array(((), vec![16_000i64])).expect("a tensor"),
                ])
                .expect("an inference");
            let (_, next) = outputs["stateN"].try_extract_tensor::<f32>().expect("floats");
            state.copy_from_slice(next);
            outputs["output"].try_extract_tensor::<f32>().expect("floats").1[0]
        })
        .collect()
}

fn to_f32(pcm: &[i16]) -> Vec<f32> {
    pcm.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}

#[test]
fn the_inference_agrees_with_onnx_runtime() {
    let speech = fixture("add_a_task_by_friday.wav");
    let noisy: Vec<i16> = speech.iter().zip(noise(4_000, 1_500)).map(|(a, b)| a.saturating_add(b)).collect();
    let audio = to_f32(&[speech, noise(500, 3_000), fixture("cough.wav"), silence(500), noisy].concat());
    let silero = silero();
    let mut state = SileroState::default();
    let windows = audio.as_chunks::<WINDOW_SAMPLES>().0;
    let ours: Vec<f32> = windows.iter().map(|window| silero.step(&mut state, window)).collect();
    let theirs = reference(&audio);
    let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "they differ by {worst}");
    // The comparison means something only where both speech and its absence were seen.
    assert!(theirs.iter().any(|p| *p > 0.95) && theirs.iter().any(|p| *p < 0.02));
}

#[test]
fn a_sentence_has_a_beginning_and_an_end() {
    // The speech is from 200 to 2630 ms of the fixture.
    let mut detector = detector();
    let edges = hear(&mut detector, &[silence(1_000), fixture("add_a_task_by_friday.wav"), silence(1_000)].concat());
    let [(told_start, VadEvent::StartOfSpeech { at_ms }), (told_end, VadEvent::EndOfSpeech { last_speech_ms })] =
        edges[..]
    else {
        panic!("{edges:?}");
    };
    assert!(at_ms.abs_diff(1_200) <= 32, "begins at {at_ms}");
    assert!(told_start - 1_200 <= 120, "told at {told_start}");
    assert!(last_speech_ms.abs_diff(3_630) <= 40, "ends at {last_speech_ms}");
    assert!(told_end - 3_630 <= 200, "told at {told_end}");
    assert!(!detector.is_speech());
    assert!(detector.probability() < 0.1);
}

#[test]
fn how_speech_falls_into_the_windows_makes_no_difference_to_its_end() {
    let speech = [fixture("add_a_task_by_friday.wav"), silence(1_000)].concat();
    let ends: Vec<(u64, u64)> = (0..8)
        .map(|phase| {
            let mut detector = detector();
            let before_ms = 1_000 + 4 * phase;
            detector.handle_audio(&silence(before_ms));
            let before_ms = before_ms as u64;
            let edges = hear(&mut detector, &speech);
            let Some((told_ms, VadEvent::EndOfSpeech { last_speech_ms })) = edges.last() else { panic!("{edges:?}") };
            (last_speech_ms - before_ms, told_ms - before_ms)
        })
        .collect();
    let spread = |of: fn(&(u64, u64)) -> u64| ends.iter().map(of).max().unwrap() - ends.iter().map(of).min().unwrap();
    assert!(spread(|end| end.0) <= 8 && spread(|end| end.1) == 0, "{ends:?}");
}

#[test]
fn speech_is_found_on_a_noisy_line_and_on_the_telephone() {
    let speech = fixture("add_a_task_by_friday.wav");
    let clean = [silence(1_000), speech, silence(1_000)].concat();
    let noisy: Vec<i16> = clean.iter().zip(noise(6_000, 300)).map(|(a, b)| a.saturating_add(b)).collect();
    let mut upsampled = Vec::new();
    Upsampler::new().process(&resample(&noisy, 16_000, 8_000).expect("sound rates"), &mut upsampled);
    for audio in [noisy, upsampled] {
        let edges = hear(&mut detector(), &audio);
        let (Some((told, VadEvent::StartOfSpeech { .. })), Some((_, VadEvent::EndOfSpeech { last_speech_ms }))) =
            (edges.first(), edges.last())
        else {
            panic!("{edges:?}");
        };
        assert!(told.abs_diff(1_200) <= 150, "{edges:?}");
        assert!(last_speech_ms.abs_diff(3_630) <= 150, "{edges:?}");
    }
}

#[test]
fn clicks_coughs_hum_and_noise_are_no_speech() {
    let mut click = silence(500);
    click[4_000..4_160].fill(28_000);
    let hum: Vec<i16> = (0..16_000).map(|n| ((n as f32 * 0.0196).sin() * 3_000.0) as i16).collect();
    for audio in [click, fixture("cough.wav"), hum, noise(1_000, 2_000)] {
        let edges = hear_all(&mut detector(), &[silence(200), audio, silence(200)].concat());
        assert_eq!(edges, []);
    }
}

#[test]
fn what_may_be_the_end_is_told_at_the_first_moment_of_silence_once_a_pause() {
    for shift in (0..32).step_by(4) {
        let audio = [silence(2_000 + shift), fixture("add_a_task.wav"), silence(500)].concat();
        let heard = hear_all(&mut detector(), &audio);
        let Some((told_ms, VadEvent::EndOfSpeech { last_speech_ms })) = heard.last() else { panic!("{heard:?}") };
        let maybe: Vec<u64> =
            heard.iter().filter(|(_, event)| *event == VadEvent::PossibleEnd).map(|(at_ms, _)| *at_ms).collect();
        let last_ms = *maybe.last().expect("one for the end");
        // A frame is 20 ms, and blocks are 4 ms.
        assert!((32..=56).contains(&(last_ms - last_speech_ms)) && last_ms < *told_ms, "{heard:?}");
        assert!(maybe.windows(2).all(|pair| pair[1] - pair[0] >= 32), "{heard:?}");
    }
}

#[test]
fn what_may_be_speech_is_told_before_it_is_sure_and_once() {
    for shift in (0..32).step_by(4) {
        let audio = [silence(2_000 + shift), fixture("add_a_task.wav"), silence(500)].concat();
        let first = audio.iter().position(|sample| sample.unsigned_abs() > 327).unwrap() as u64 / 16;
        let heard = hear_all(&mut detector(), &audio);
        let [(possible_ms, VadEvent::PossibleSpeech), (sure_ms, VadEvent::StartOfSpeech { .. }), ..] = heard[..] else {
            panic!("{heard:?}");
        };
        assert!(possible_ms <= sure_ms && possible_ms - first <= 130, "{first}: {heard:?}");
        let doubts = heard.iter().filter(|(_, event)| *event == VadEvent::PossibleSpeech).count();
        assert_eq!(doubts, 1, "{heard:?}");
    }
}

/// How often what may be speech is told in `windows` windows of this probability and level.
fn doubts(detector: &mut Detector, windows: u64, probability: f32, window_dbfs: f32) -> usize {
    detector.probability = probability;
    for window in 0..windows {
        detector.handle_probability(window * WINDOW_MS, window_dbfs);
    }
    std::iter::from_fn(|| detector.poll_event()).filter(|event| *event == VadEvent::PossibleSpeech).count()
}

#[test]
fn steady_noise_that_the_network_doubts_is_known_as_noise_in_the_end() {
    let mut detector = detector();
    doubts(&mut detector, 100, 0.02, -65.0);
    // A fan is switched on: for some seconds it may be speech, after that it is the noise of this line.
    let at_first = doubts(&mut detector, 150, 0.3, -35.0);
    assert!((1..=4).contains(&at_first), "{at_first}");
    assert_eq!(doubts(&mut detector, 1_000, 0.3, -35.0), 0);
    // What stands out of the fan is heard at once.
    assert_eq!(doubts(&mut detector, 1, 0.3, -14.0), 1);
}

#[test]
fn the_beginning_of_speech_hardly_moves_the_noise() {
    let mut detector = detector();
    doubts(&mut detector, 100, 0.02, -65.0);
    let before_dbfs = detector.noise_level_dbfs;
    doubts(&mut detector, 4, 0.3, -25.0);
    assert!(detector.noise_level_dbfs - before_dbfs < 2.0, "{before_dbfs}, then {}", detector.noise_level_dbfs);
}

#[test]
fn the_size_of_the_pieces_does_not_matter() {
    let audio = [silence(300), fixture("add_a_task.wav"), silence(500)].concat();
    let whole = {
        let mut detector = detector();
        detector.handle_audio(&audio);
        std::iter::from_fn(|| detector.poll_event()).collect::<Vec<_>>()
    };
    for size in [1, 320, 777] {
        let mut detector = detector();
        let pieces: Vec<VadEvent> = audio
            .chunks(size)
            .flat_map(|piece| {
                detector.handle_audio(piece);
                std::iter::from_fn(|| detector.poll_event()).collect::<Vec<_>>()
            })
            .collect();
        // That it may be the end is seen where a piece ends.
        let pieces: Vec<VadEvent> = pieces.into_iter().filter(|event| *event != VadEvent::PossibleEnd).collect();
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
    assert_eq!(whole.len(), 3);
}

#[test]
fn the_gate_rests_in_silence_and_moves_no_edge_by_more_than_a_window() {
    let audio =
        [noise(2_500, 3), fixture("add_a_task.wav"), silence(2_500), fixture("add_a_task.wav"), silence(500)].concat();
    let silero = silero();
    let mut gated = Detector::new(Arc::clone(&silero), VadConfig::default());
    let mut open = Detector::new(silero, VadConfig { gate_dbfs: f32::NEG_INFINITY, ..VadConfig::default() });
    let (mut rested, mut differences, mut edges) = (0, Vec::new(), [Vec::new(), Vec::new()]);
    for frame in audio.chunks(320) {
        let before = gated.state.hidden_for_test();
        gated.handle_audio(frame);
        open.handle_audio(frame);
        rested += usize::from(gated.filled < 320 && gated.state.hidden_for_test() == before);
        for (detector, edges) in [&mut gated, &mut open].into_iter().zip(&mut edges) {
            let heard = std::iter::from_fn(|| detector.poll_event());
            edges.extend(heard.filter(|event| !is_hint(event)));
        }
        differences.push((gated.probability() - open.probability()).abs());
    }
    let [gated_edges, open_edges] = edges;
    assert_eq!((gated_edges.len(), open_edges.len()), (4, 4), "{gated_edges:?} {open_edges:?}");
    for pair in gated_edges.into_iter().zip(open_edges) {
        let ((VadEvent::StartOfSpeech { at_ms: a }, VadEvent::StartOfSpeech { at_ms: b })
        | (VadEvent::EndOfSpeech { last_speech_ms: a }, VadEvent::EndOfSpeech { last_speech_ms: b })) = pair
        else {
            panic!("{pair:?}");
        };
        assert!(a.abs_diff(b) <= WINDOW_MS, "{pair:?}");
    }
    // Two silences of about 80 windows each, less the 48 in which the network comes to rest.
    assert!((50..80).contains(&rested), "{rested}");
    // The first windows of speech may differ (0.2 was seen); nothing else does.
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(mean < 0.01, "{mean}");
    let far_off = differences.iter().filter(|difference| **difference > 0.05).count();
    assert!(far_off <= 8, "{far_off} frames");
}

#[test]
fn a_short_gap_is_silence_and_a_long_one_ends_the_speech() {
    let speech = fixture("add_a_task_by_friday.wav");
    let (first, second) = speech.split_at(1_000 * 16);
    let mut detector = detector();
    let mut edges = hear(&mut detector, first);
    assert!(matches!(edges[..], [(_, VadEvent::StartOfSpeech { .. })]), "{edges:?}");
    detector.skip(60);
    assert_eq!(detector.stream_ms(), 1_060);
    assert_eq!(detector.poll_event(), Some(VadEvent::PossibleEnd), "a lost packet may be the end");
    assert_eq!(detector.poll_event(), None);
    assert!(detector.is_speech());
    detector.skip(3_000);
    assert_eq!(detector.stream_ms(), 4_060);
    let Some(VadEvent::EndOfSpeech { last_speech_ms }) = detector.poll_event() else { panic!("speech goes on") };
    assert!((900..=1_060).contains(&last_speech_ms), "{last_speech_ms}");
    edges = hear(&mut detector, second);
    let Some((_, VadEvent::StartOfSpeech { at_ms })) = edges.first() else { panic!("{edges:?}") };
    assert!((4_060..4_200).contains(at_ms), "{edges:?}");
}

#[test]
fn the_level_follows_the_audio() {
    let mut detector = detector();
    assert_eq!(detector.level_dbfs(), f32::NEG_INFINITY);
    let tone: Vec<i16> =
        (0..16_000).map(|n| ((n as f32 * 0.17).sin() * 3_276.8 * std::f32::consts::SQRT_2) as i16).collect();
    detector.handle_audio(&tone);
    assert!((detector.level_dbfs() - -20.0).abs() < 0.5, "{}", detector.level_dbfs());
    detector.handle_audio(&noise(64, 10));
    assert!((-60.0..-25.0).contains(&detector.level_dbfs()), "{}", detector.level_dbfs());
    detector.handle_audio(&silence(64));
    assert_eq!(detector.level_dbfs(), f32::NEG_INFINITY);
}

#[test]
fn a_session_costs_a_few_kilobytes() {
    let heap = size_of::<[f32; WINDOW_SAMPLES]>();
    assert!(size_of::<Detector>() + heap < 8 * 1024, "{}", size_of::<Detector>() + heap);
}

#[test]
fn a_folder_without_the_model_says_what_to_do() {
    let error = Silero::load(Path::new("/nowhere")).expect_err("there is no such folder");
    assert!(error.to_string().contains("make models"), "{error}");
}

#[test]
fn a_model_of_another_shape_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("silero/silero_vad_16k_op15.onnx");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("created");
    for content in [&b""[..], b"\x3a\x00", b"not a model"] {
        std::fs::write(&file, content).expect("written");
        let error = Silero::load(folder.path()).expect_err("no weights");
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
