//! Whether a check box stands before a line, and whether it is ticked.

use image::RgbImage;

use super::ink::{DRAWN, Ink};
use super::ocr::Area;

/// A box before a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// There is nothing in it.
    Open,
    /// A tick, a cross, or a filled box.
    Ticked,
}

/// A box is looked for so far to the left of a line's rectangle, and within it, in heights of the line: the rectangle often has it in
/// it.
const REACH: u32 = 2;
/// A box has at least this many pixels on a side.
const LEAST_SIDE: u32 = 8;
/// So many of a hundred pixels of each edge are drawn; corners may be round. No letter has four such edges.
const EDGE_PERCENT: u32 = 60;
/// Where so many of a hundred pixels inside a box are of another colour than the ground, it is ticked.
const TICKED_PERCENT: u32 = 12;

/// The box before the text in `area`.
pub(super) fn before(image: &RgbImage, area: Area) -> Option<Mark> {
    let left = area.x.saturating_sub(area.height * REACH);
    let right = area.x + (area.height * REACH).min(area.width);
    let ink = Ink::of(image, Area { x: left, y: area.y, width: right - left, height: area.height }, DRAWN);
    let mut from = ink.area().x;
    let columns = ink.columns();
    let mut runs = columns.chunk_by(|one, next| (*one > 0) == (*next > 0)).peekable();
    while let Some(run) = runs.next() {
        let width = u32::try_from(run.len()).ok()?;
        let strip = Area { x: from, width, ..ink.area() };
        from += width;
        // A letter has the next close beside it.
        let stands_alone = runs.peek().is_some_and(|gap| gap.len() * 4 >= run.len());
        if stands_alone
            && run.first().is_some_and(|count| *count > 0)
            && let Some(found) = drawn(&ink, strip).filter(|found| is_box(&ink, *found, area.height))
        {
            return Some(if is_filled(&ink, found) { Mark::Ticked } else { Mark::Open });
        }
    }
    None
}

/// The strip without the rows above and below its ink.
fn drawn(ink: &Ink<'_>, strip: Area) -> Option<Area> {
    let has_ink = |y: &u32| (strip.x..strip.right()).any(|x| ink.is_ink(x, *y));
    let top = (strip.y..strip.bottom()).find(has_ink)?;
    let bottom = (strip.y..strip.bottom()).rev().find(has_ink)?;
    Some(Area { y: top, height: bottom - top + 1, ..strip })
}

/// About as wide as it is high, about as high as the text beside it, and drawn on all four sides.
fn is_box(ink: &Ink<'_>, found: Area, line_height: u32) -> bool {
    let (short, long) = (found.width.min(found.height), found.width.max(found.height));
    let fits = short >= LEAST_SIDE && long * 10 <= short * 13 && long <= line_height && long * 5 >= line_height * 2;
    let column = |x| (found.y..found.bottom()).filter(|y| ink.is_ink(x, *y)).count() as u32;
    let row = |y| (found.x..found.right()).filter(|x| ink.is_ink(*x, y)).count() as u32;
    let upright = [column(found.x), column(found.right() - 1)];
    let level = [row(found.y), row(found.bottom() - 1)];
    fits && upright.iter().all(|drawn| drawn * 100 >= found.height * EDGE_PERCENT)
        && level.iter().all(|drawn| drawn * 100 >= found.width * EDGE_PERCENT)
}

/// Whether something is inside a box: a quarter of it on each side is taken for its border.
fn is_filled(ink: &Ink<'_>, found: Area) -> bool {
    let (across, down) = (found.width / 4, found.height / 4);
    let inside = |y: u32| (found.x + across..found.right() - across).filter(|x| ink.is_ink(*x, y)).count() as u32;
    let filled: u32 = (found.y + down..found.bottom() - down).map(inside).sum();
    filled * 100 >= (found.width - 2 * across) * (found.height - 2 * down) * TICKED_PERCENT
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
    const GREY: Rgb<u8> = Rgb([120, 120, 120]);
    /// The text beside the box.
    const TEXT: Area = Area { x: 60, y: 10, width: 100, height: 24 };

    fn picture(draw: impl Fn(u32, u32) -> bool) -> RgbImage {
        RgbImage::from_fn(200, 60, |x, y| if draw(x, y) { GREY } else { WHITE })
    }

    fn frame(x: u32, y: u32) -> bool {
        let (across, down) = ((30..44).contains(&x), (15..29).contains(&y));
        across && down && (x == 30 || x == 43 || y == 15 || y == 28)
    }

    #[test]
    fn an_empty_frame_is_open_and_one_with_something_in_it_is_ticked() {
        let (tick, full) = (|x, y| x + 1 == y + 15 + 1, |x, y| (30..44).contains(&x) && (15..29).contains(&y));
        assert_eq!(before(&picture(frame), TEXT), Some(Mark::Open));
        assert_eq!(before(&picture(|x, y| frame(x, y) || full(x, y) && tick(x, y)), TEXT), Some(Mark::Ticked));
        assert_eq!(before(&picture(full), TEXT), Some(Mark::Ticked));
        assert_eq!(before(&picture(frame), Area { x: 28, ..TEXT }), Some(Mark::Open), "in the rectangle itself");
    }

    #[test]
    fn a_bullet_a_letter_a_line_and_nothing_are_no_box() {
        assert_eq!(before(&picture(|_, _| false), TEXT), None);
        assert_eq!(before(&picture(|x, y| (34..39).contains(&x) && (20..25).contains(&y)), TEXT), None);
        assert_eq!(before(&picture(|x, _| x == 30), TEXT), None);
        assert_eq!(before(&picture(|x, y| (20..50).contains(&x) && y == 20), TEXT), None);
        let letter = |x: u32, y: u32| {
            let far = (i64::from(x) - 37).pow(2) + (i64::from(y) - 22).pow(2);
            (36..=49).contains(&far)
        };
        assert_eq!(before(&picture(letter), TEXT), None, "an O");
    }
}
