//! Where text is: PP-OCRv4's detector, a segmentation network after "Real-time Scene Text Detection with Differentiable
//! Binarization" (Liao et al., 2020).
//!
//! It is trained to mark the core of a line of text, shrunk on all sides, so that neighbouring lines do not touch. A connected
//! area above the threshold is a line; it is grown again by `area × 1.6 / perimeter`. Text on screens stands upright, so a
//! line is an upright rectangle here, not a polygon.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ort::session::Session;
use ort::value::Tensor;

use super::Area;
use crate::model::runtime::{ModelError, Runtime};

/// The network's place below the models' folder.
const FILE: &str = "ocr/ch_PP-OCRv4_det_infer.onnx";
/// Pictures are scaled down to this width or height at most, in pixels: the time grows with the area.
const LONGEST_SIDE: u32 = 1_600;
/// The network halves the picture five times.
const MULTIPLE: u32 = 32;
/// A pixel is text from this probability on.
const PIXEL: f32 = 0.3;
/// And an area from this mean probability on.
const LINE: f32 = 0.5;
/// How far an area is grown again: its surface times this, by its circumference.
const UNCLIP: f32 = 1.6;
/// Smaller ones, in pixels of the scaled picture, are no text.
const LEAST_SIDE: u32 = 3;

/// The network, with its own session.
#[derive(Debug)]
pub(super) struct Detector {
    session: Session,
}

impl Detector {
    pub(super) fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        Ok(Self { session: runtime.open_lean(FILE)? })
    }

    /// The lines of text, in no order.
    pub(super) fn find(&mut self, image: &RgbImage) -> Result<Vec<Area>, ModelError> {
        let (width, height) = scaled(image.dimensions());
        let small;
        let input = if (width, height) == image.dimensions() {
            image
        } else {
            small = imageops::resize(image, width, height, FilterType::Triangle);
            &small
        };
        let shape = [1, 3, height as usize, width as usize];
        let outputs = self.session.run(ort::inputs![Tensor::from_array((shape, planes(input)))?])?;
        let (_, probabilities) = outputs[0].try_extract_tensor::<f32>()?;
        if probabilities.len() != (width * height) as usize {
            return Err(ModelError::Runtime("the detector of text answered in another size".to_owned()));
        }
        let map = Map { probabilities, width, height };
        let (across, down) = (ratio(image.width(), width), ratio(image.height(), height));
        Ok(map.lines().into_iter().map(|area| stretch(area, (across, down), image.dimensions())).collect())
    }
}

/// The picture as the network wants it: a plane each of blue, green and red, from -1 to 1.
pub(super) fn planes(image: &RgbImage) -> Vec<f32> {
    let plane = |channel: usize| image.pixels().map(move |Rgb(pixel)| f32::from(pixel[channel]) / 127.5 - 1.0);
    plane(2).chain(plane(1)).chain(plane(0)).collect()
}

/// The size in which the network sees a picture.
fn scaled((width, height): (u32, u32)) -> (u32, u32) {
    let longest = width.max(height).max(1);
    let side = |side: u32| {
        let side = if longest > LONGEST_SIDE { side * LONGEST_SIDE / longest } else { side };
        (side + MULTIPLE / 2) / MULTIPLE * MULTIPLE
    };
    (side(width).max(MULTIPLE), side(height).max(MULTIPLE))
}

fn ratio(of: u32, to: u32) -> f32 {
    of as f32 / to as f32
}

/// An area of the scaled picture in the picture itself.
fn stretch(area: Area, (across, down): (f32, f32), (width, height): (u32, u32)) -> Area {
    let (left, top) = ((area.x as f32 * across) as u32, (area.y as f32 * down) as u32);
    let right = ((area.right() as f32 * across).ceil() as u32).clamp(left + 1, width.max(left + 1));
    let bottom = ((area.bottom() as f32 * down).ceil() as u32).clamp(top + 1, height.max(top + 1));
    Area { x: left, y: top, width: right - left, height: bottom - top }
}

/// A probability for each pixel, row by row.
struct Map<'p> {
    probabilities: &'p [f32],
    width: u32,
    height: u32,
}

/// A connected area while it is gathered.
struct Blob {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
    sum: f32,
    pixels: u32,
}

impl Map<'_> {
    fn lines(&self) -> Vec<Area> {
        let mut seen = vec![false; self.probabilities.len()];
        let mut lines = Vec::new();
        for start in 0..self.probabilities.len() {
            if seen[start] || self.probabilities[start] <= PIXEL {
                continue;
            }
            lines.extend(self.line(&self.gather(start, &mut seen)));
        }
        lines
    }

    /// All that is connected with this pixel, also across corners.
    fn gather(&self, start: usize, seen: &mut [bool]) -> Blob {
        let (width, height) = (self.width, self.height);
        let mut blob = Blob { left: u32::MAX, right: 0, top: u32::MAX, bottom: 0, sum: 0.0, pixels: 0 };
        let mut open = vec![start];
        seen[start] = true;
        while let Some(pixel) = open.pop() {
            let (x, y) = (pixel as u32 % width, pixel as u32 / width);
            (blob.left, blob.right) = (blob.left.min(x), blob.right.max(x));
            (blob.top, blob.bottom) = (blob.top.min(y), blob.bottom.max(y));
            blob.sum += self.probabilities[pixel];
            blob.pixels += 1;
            for near_y in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                for near_x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let near = (near_y * width + near_x) as usize;
                    if !seen[near] && self.probabilities[near] > PIXEL {
                        seen[near] = true;
                        open.push(near);
                    }
                }
            }
        }
        blob
    }

    /// The rectangle of a line that was shrunk to this; nothing, if it is none.
    fn line(&self, blob: &Blob) -> Option<Area> {
        let (width, height) = (blob.right - blob.left + 1, blob.bottom - blob.top + 1);
        let is_text = width >= LEAST_SIDE && height >= LEAST_SIDE && blob.sum / blob.pixels as f32 >= LINE;
        is_text.then(|| {
            let grow = (width * height) as f32 * UNCLIP / (2 * (width + height)) as f32;
            let grow = grow.round() as u32;
            let (x, y) = (blob.left.saturating_sub(grow), blob.top.saturating_sub(grow));
            let right = (blob.right + 1 + grow).min(self.width);
            let bottom = (blob.bottom + 1 + grow).min(self.height);
            Area { x, y, width: right - x, height: bottom - y }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_seen_in_multiples_of_32_and_not_larger_than_it_is_useful() {
        assert_eq!(scaled((1280, 720)), (1280, 736));
        assert_eq!(scaled((3840, 2160)), (1600, 896));
        assert_eq!(scaled((40, 33)), (32, 32));
        assert_eq!(scaled((1, 4_000)), (32, 1_600));
    }

    #[test]
    fn what_is_connected_is_one_line_grown_again_and_a_speck_is_none() {
        let (width, height) = (40, 20);
        let mut probabilities = vec![0.0; 800];
        let mut mark = |x: std::ops::Range<usize>, y: std::ops::Range<usize>, value: f32| {
            for row in y {
                for column in x.clone() {
                    probabilities[row * 40 + column] = value;
                }
            }
        };
        mark(4..24, 8..12, 0.9);
        mark(30..32, 2..4, 0.9);
        mark(30..38, 14..18, 0.4);
        let map = Map { probabilities: &probabilities, width, height };
        // 20 × 4 grows by 80 × 1.6 / 48, which is 3.
        assert_eq!(map.lines(), [Area { x: 1, y: 5, width: 26, height: 10 }]);
    }

    #[test]
    fn an_area_is_brought_back_into_the_picture() {
        let area = Area { x: 10, y: 10, width: 6, height: 6 };
        assert_eq!(stretch(area, (2.0, 2.0), (31, 100)), Area { x: 20, y: 20, width: 11, height: 12 });
    }
}
