//! Reading a picture: PP-OCRv4, where text is and what it says.
//!
//! Two networks: the one gives each pixel the probability that text is there, from which [`detect`] makes boxes; the other reads a box
//! ([`recognise`]). A screen of 1280×720 takes about a second of one core, so it belongs on a model pool.

mod detect;
mod recognise;

use std::cmp::Reverse;
use std::time::Instant;

use image::RgbImage;

use self::detect::Detector;
use self::recognise::Recogniser;
use super::ink::{Ink, LETTERS};
use crate::model::runtime::{ModelError, Runtime};

/// At most so many lines are read: a screen full of small print has some 150.
const MOST_LINES: usize = 200;
/// What is read with less certainty (0 to 1) is an icon or a pattern.
const LEAST_CONFIDENCE: f32 = 0.6;

/// A rectangle in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Its left edge.
    pub x: u32,
    /// Its upper edge.
    pub y: u32,
    /// Its width, at least 1.
    pub width: u32,
    /// Its height, at least 1.
    pub height: u32,
}

impl Area {
    /// The first column to its right.
    pub const fn right(&self) -> u32 {
        self.x + self.width
    }

    /// The first row below it.
    pub const fn bottom(&self) -> u32 {
        self.y + self.height
    }
}

/// The size of the type in an area, in pixels.
fn size(image: &RgbImage, area: Area) -> u32 {
    Ink::of(image, area, LETTERS).size()
}

/// A piece of text in a line of its own, or with a wide gap on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Where it stands.
    pub area: Area,
    /// What it says.
    pub text: String,
    /// How certain the network is, 0 to 1.
    pub confidence: f32,
}

/// Both networks, with sessions of their own: one thread's use at a time.
#[derive(Debug)]
pub struct Ocr {
    detector: Detector,
    recogniser: Recogniser,
}

impl Ocr {
    /// Opens the networks.
    ///
    /// # Errors
    /// [`ModelError`] when a file is missing or is not what it should be.
    pub fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        Ok(Self { detector: Detector::load(runtime)?, recogniser: Recogniser::load(runtime)? })
    }

    /// What is written in the picture, from top to bottom, and from left to right in a line. What is not read in time is left out:
    /// the largest print is read first, and of print of one size what stands higher.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when an inference fails.
    pub fn read(&mut self, image: &RgbImage, until: Instant) -> Result<Vec<Piece>, ModelError> {
        let mut areas: Vec<(u32, Area)> =
            self.detector.find(image)?.into_iter().map(|area| (size(image, area), area)).collect();
        areas.sort_by_key(|(size, area)| (Reverse(*size), area.y, area.x));
        areas.truncate(MOST_LINES);
        let mut pieces = Vec::with_capacity(areas.len());
        for (_, area) in areas {
            if Instant::now() >= until {
                break;
            }
            let (text, confidence) = self.recogniser.read(image, area)?;
            if confidence >= LEAST_CONFIDENCE && !text.is_empty() {
                pieces.push(Piece { area, text, confidence });
            }
        }
        pieces.sort_by_key(|piece| (piece.area.y, piece.area.x));
        Ok(pieces)
    }
}
