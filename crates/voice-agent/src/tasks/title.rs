//! A task's title as it is kept.

/// The longest title, in characters (Unicode scalar values), after white space was collapsed.
pub const MAX_TITLE_CHARS: usize = 200;

/// What is wrong with a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Nothing that could be seen or said.
    #[error("must have at least one visible character")]
    Invisible,
    /// Longer than [`MAX_TITLE_CHARS`].
    #[error("must have at most {MAX_TITLE_CHARS} characters, and has {0}")]
    TooLong(usize),
}

/// The title as it is kept: on one line, white space collapsed, without control characters, without what changes the
/// direction of the text around it, and with something to see.
///
/// # Errors
/// [`TitleError`].
pub fn clean_title(raw: &str) -> Result<String, TitleError> {
    let kept = raw.chars().filter(|c| !is_stripped(*c));
    let spaced: String = kept.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let title = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() {
        return Err(if raw.chars().any(is_stripped) { TitleError::Invisible } else { TitleError::Empty });
    }
    if !title.chars().any(is_visible) {
        return Err(TitleError::Invisible);
    }
    match title.chars().count() {
        n if n > MAX_TITLE_CHARS => Err(TitleError::TooLong(n)),
        _ => Ok(title),
    }
}

/// Takes out of a tool's arguments what no title keeps, so that the call that is shown names the title that is saved.
pub fn clean_arguments(arguments: &mut serde_json::Map<String, serde_json::Value>) {
    for value in arguments.values_mut() {
        if let serde_json::Value::String(text) = value {
            *text = clean_text(std::mem::take(text));
        }
    }
}

/// A text without what no title keeps.
pub fn clean_text(mut text: String) -> String {
    text.retain(|c| !is_stripped(c));
    text
}

/// What is never kept: the direction's marks, embeddings, overrides and isolates (they would turn round what stands
/// beside the title, too), and what is neither seen nor needed by any script.
const fn is_stripped(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' // interlinear annotations, tags
    )
}

/// Whether there is something to see. Joiners and variation selectors are kept (Persian and emoji need them), but alone
/// they show nothing; and some letters are blank by their nature.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(
            c,
            '\u{200c}' | '\u{200d}' | '\u{34f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
                | '\u{180b}'..='\u{180f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
                | '\u{2800}'
        )
}
