//! The caller's shared screen: pictures of it, and what is written there.
//!
//! A picture is a whole WebP file, taken when somebody wants to look. A language model that sees takes it as it is; the embedded one
//! is told what [`ocr`] reads in it, and [`reading`] makes of that.

mod ink;
mod mark;
pub mod ocr;
pub mod picture;
pub mod reading;
mod seen;
#[cfg(test)]
mod tests;

pub use mark::Mark;
pub use seen::{MODEL, MOST_WAITING, Reader, Seen};
