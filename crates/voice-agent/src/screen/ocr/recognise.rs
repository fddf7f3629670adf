//! What a line of text says: PP-OCRv4's recogniser, whose steps from left to right are decoded as CTC (Graves et al., 2006).
//!
//! The network knows the space, but often leaves it out between words of Latin script, of which it has seen less than of Chinese. So a
//! stretch without ink between two characters is a space, too, if it is wide for the size of the type.

use image::RgbImage;
use image::imageops::{self, FilterType};
use ort::session::Session;
use ort::value::Tensor;

use super::super::ink::{Ink, LETTERS};
use super::Area;
use super::detect::planes;
use crate::model::runtime::{ModelError, Runtime};

/// The network's place below the models' folder.
const FILE: &str = "ocr/ch_PP-OCRv4_rec_infer.onnx";
/// The height in which the network sees a line, in pixels.
const HEIGHT: u32 = 48;
/// The widest line that it is given, in pixels of that height; a longer one is squeezed.
const WIDEST: u32 = 3_200;
/// The name under which the network's file keeps its characters, one a line.
const CHARACTERS: &str = "character";
/// A gap is a space from this share of the height of the small letters on, in per cent: between words it is some 60, between letters 10
/// to 25.
const SPACE_PERCENT: u32 = 36;
/// And from this many pixels on.
const LEAST_SPACE: u32 = 3;
/// Digits stand in columns of one width, with more air between narrow ones: between two of them it takes so much more, in per cent.
const DIGITS_PERCENT: usize = 170;

/// The network, with its own session, and its characters.
#[derive(Debug)]
pub(super) struct Recogniser {
    session: Session,
    /// The character of each class from 1 on; class 0 is the blank.
    characters: Vec<char>,
}

/// A character, and the step in which it was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    character: char,
    step: usize,
    probability: f32,
}

impl Recogniser {
    pub(super) fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        let session = runtime.open_lean(FILE)?;
        let listed = session.metadata()?.custom(CHARACTERS).unwrap_or_default();
        let mut characters: Vec<char> = listed.lines().filter_map(|line| line.chars().next()).collect();
        if characters.is_empty() {
            let path = runtime.models_dir().join(FILE);
            return Err(ModelError::Broken { path, reason: "it does not say its characters".to_owned() });
        }
        characters.push(' ');
        Ok(Self { session, characters })
    }

    /// The text in this area, and how certain it is (0 to 1).
    pub(super) fn read(&mut self, image: &RgbImage, area: Area) -> Result<(String, f32), ModelError> {
        let line = imageops::crop_imm(image, area.x, area.y, area.width, area.height).to_image();
        let width = (area.width * HEIGHT).div_ceil(area.height).clamp(HEIGHT / 4, WIDEST);
        let line = imageops::resize(&line, width, HEIGHT, FilterType::Triangle);
        let shape = [1, 3, HEIGHT as usize, width as usize];
        let outputs = self.session.run(ort::inputs![Tensor::from_array((shape, planes(&line)))?])?;
        let (_, probabilities) = outputs[0].try_extract_tensor::<f32>()?;
        let seen = decode(probabilities, &self.characters);
        let steps = probabilities.len() / (self.characters.len() + 1);
        Ok((spaced(&seen, steps, &Ink::of(image, area, LETTERS)), confidence(&seen)))
    }
}

/// The likeliest character of each step, of equal ones in a row the first, without blanks.
fn decode(probabilities: &[f32], characters: &[char]) -> Vec<Seen> {
    let (mut seen, mut last) = (Vec::new(), 0);
    for (step, classes) in probabilities.chunks_exact(characters.len() + 1).enumerate() {
        let best = classes.iter().copied().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let Some((class, probability)) = best else { continue };
        if class != last
            && let Some(character) = class.checked_sub(1).and_then(|index| characters.get(index))
        {
            seen.push(Seen { character: *character, step, probability });
        }
        last = class;
    }
    seen
}

fn confidence(seen: &[Seen]) -> f32 {
    let sum: f32 = seen.iter().map(|one| one.probability).sum();
    if seen.is_empty() { 0.0 } else { sum / seen.len() as f32 }
}

/// The characters as words: with a space wherever the network or the picture has one.
fn spaced(seen: &[Seen], steps: usize, ink: &Ink<'_>) -> String {
    let columns = ink.columns();
    let space = (ink.size() * SPACE_PERCENT / 100).max(LEAST_SPACE) as usize;
    let column = |step: usize| (2 * step + 1) * columns.len() / (2 * steps.max(1));
    let mut text = String::with_capacity(seen.len());
    let mut last: Option<(char, usize)> = None;
    for one in seen {
        let at = column(one.step);
        if let Some((before, from)) = last {
            let are_digits = before.is_ascii_digit() && one.character.is_ascii_digit();
            let wide = if are_digits { space * DIGITS_PERCENT / 100 } else { space };
            if columns.get(from..at).is_some_and(|between| widest_gap(between) >= wide) {
                text.push(' ');
            }
        }
        text.push(one.character);
        last = Some((one.character, at));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest run of columns without ink.
fn widest_gap(columns: &[u32]) -> usize {
    let runs = columns.chunk_by(|one, next| (*one == 0) == (*next == 0));
    runs.filter(|run| run.first() == Some(&0)).map(<[u32]>::len).max().unwrap_or(0)
}
