//! The ink of a line of text: which pixels of its rectangle are of another colour than its ground.

use image::{Rgb, RgbImage};

use super::ocr::Area;

/// Pixels that differ from the ground by so much in any colour are letters: what lossy compression blurs between them does not.
pub(super) const LETTERS: u8 = 28;
/// And by so much, lines that were drawn: borders are often faint.
pub(super) const DRAWN: u8 = 14;
/// The ground's colour is looked for in every so-manieth pixel: most of a line is ground.
const SAMPLED: usize = 7;
/// Rows with more than so many of a hundred of the fullest row's ink are the band from the base line to the top of an "x".
const BAND_PERCENT: u32 = 40;

/// A rectangle of a picture, seen as ink on a ground.
pub(super) struct Ink<'i> {
    image: &'i RgbImage,
    area: Area,
    ground: Rgb<u8>,
    different: u8,
}

impl<'i> Ink<'i> {
    /// The part of `area` that is in the picture. Ink is what differs from the ground by `different` or more.
    pub(super) fn of(image: &'i RgbImage, area: Area, different: u8) -> Self {
        let right = area.right().min(image.width());
        let bottom = area.bottom().min(image.height());
        let (x, y) = (area.x.min(right), area.y.min(bottom));
        let area = Area { x, y, width: right - x, height: bottom - y };
        Self { image, area, ground: ground(image, area), different }
    }

    /// The rectangle.
    pub(super) const fn area(&self) -> Area {
        self.area
    }

    pub(super) fn is_ink(&self, x: u32, y: u32) -> bool {
        let pixel = self.image.get_pixel(x, y);
        pixel.0.iter().zip(self.ground.0).any(|(one, other)| one.abs_diff(other) >= self.different)
    }

    /// The ink in each column, in pixels, from left to right.
    pub(super) fn columns(&self) -> Vec<u32> {
        let Area { x, y, .. } = self.area;
        let count = |column| (y..self.area.bottom()).filter(|row| self.is_ink(column, *row)).count() as u32;
        (x..self.area.right()).map(count).collect()
    }

    fn rows(&self) -> Vec<u32> {
        let Area { x, y, .. } = self.area;
        let count = |row| (x..self.area.right()).filter(|column| self.is_ink(*column, row)).count() as u32;
        (y..self.area.bottom()).map(count).collect()
    }

    /// The size of the type: the height of its small letters in pixels. Unlike the rectangle's, it does not depend on which
    /// letters have strokes that go up or down.
    pub(super) fn size(&self) -> u32 {
        let rows = self.rows();
        let fullest = rows.iter().copied().max().unwrap_or(0);
        let is_band = |ink: &u32| ink * 100 > fullest * BAND_PERCENT;
        let (first, last) = (rows.iter().position(is_band), rows.iter().rposition(is_band));
        first.zip(last).map_or(0, |(first, last)| (last - first) as u32 + 1)
    }
}

/// The colour in the middle of all, channel by channel.
fn ground(image: &RgbImage, area: Area) -> Rgb<u8> {
    let of_channel = |channel: usize| {
        let pixels = (area.y..area.bottom()).flat_map(|y| (area.x..area.right()).map(move |x| (x, y)));
        let mut values: Vec<u8> = pixels.step_by(SAMPLED).map(|(x, y)| image.get_pixel(x, y).0[channel]).collect();
        let middle = values.len() / 2;
        if values.is_empty() { 0 } else { *values.select_nth_unstable(middle).1 }
    };
    Rgb([of_channel(0), of_channel(1), of_channel(2)])
}
