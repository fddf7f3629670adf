//! The word tokenizer: special cases ("don't", "10am"), then prefixes and suffixes peeled off each chunk between spaces,
//! then infixes split what is left, and pieces that spell a special case ("Sept" + ".") are joined again.

use std::collections::HashMap;

use fancy_regex::{Regex, escape};

use super::spanned::matches;

/// Quotation marks, and the punctuation that stands alone.
const QUOTES: &str = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉";
const PUNCTUATION: &str = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·";
const ICONS: &str = "[™®©°§¶†‡•]";
const CURRENCY: &str = r"\$|£|€|¥|฿|US\$|C\$|A\$|₽|₹|₩|₪|₺|₴|₦|₫|₱|₲|₵|₸|₼|₾|₿";
const UNITS: &str = "km|km²|km³|m|m²|m³|dm|dm²|dm³|cm|cm²|cm³|mm|mm²|mm³|ha|µm|nm|yd|in|ft|kg|g|mg|µg|t|lb|oz|m/s|km/h\
                     |kmh|mph|hPa|Pa|mbar|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%";
const LOWER: &str = "a-zß-öø-ÿ";
const UPPER: &str = "A-ZÀ-ÖØ-Þ";
const ADDRESS: &str = r"(?i)^(?:(?:https?|ftp)://|www\.)\S+$|^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$|^(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|ly|ai)(?:/\S*)?$";

/// Splits normalised text into tokens.
#[derive(Debug)]
pub(super) struct Tokenizer {
    special: HashMap<String, Vec<String>>,
    prefix: Regex,
    suffix: Regex,
    infix: Regex,
    address: Regex,
}

/// A token and whether white space follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) spaced: bool,
    /// The byte offset just after the token in the text.
    pub(super) end: usize,
}

fn each(characters: &str) -> String {
    characters.chars().map(|c| escape(&c.to_string()).into_owned()).collect::<Vec<_>>().join("|")
}

/// The characters as the inside of a character class.
fn class(characters: &str) -> String {
    characters
        .chars()
        .flat_map(|c| c.is_ascii_punctuation().then_some('\\').filter(|_| !"<>".contains(c)).into_iter().chain([c]))
        .collect()
}

/// The end of a text, where a suffix is looked for: searching it whole for each suffix peeled off takes quadratic time.
fn tail(text: &str) -> &str {
    const LONGEST: usize = 64;
    let start = text.char_indices().rev().nth(LONGEST - 1).map_or(0, |(index, _)| index);
    &text[start..]
}

impl Tokenizer {
    /// Builds the tokenizer from its table of special cases.
    pub(super) fn new(special: HashMap<String, Vec<String>>) -> Result<Self, Box<fancy_regex::Error>> {
        let (quotes, punctuation) = (each(QUOTES), each(PUNCTUATION));
        let prefix = format!(r"^(?:§|%|=|—|–|\+(?![0-9])|…|……|{punctuation}|\.\.+|…|{quotes}|{CURRENCY}|{ICONS})");
        let stop_before = format!("[0-9{LOWER}%²\\-\\+{}{}]", class(PUNCTUATION), class(QUOTES));
        let suffix = format!(
            r"(?:…|……|{punctuation}|\.\.+|…|{quotes}|{ICONS}|'s|'S|’s|’S|—|–|(?<=[0-9])\+|(?<=°[FfCcKk])\.|(?<=[0-9])(?:{CURRENCY})|(?<=[0-9])(?:{UNITS})|(?<={stop_before})\.|(?<=[{UPPER}][{UPPER}])\.)$"
        );
        let class = class(QUOTES);
        let infix = format!(
            r"\.\.+|…|{ICONS}|(?<=[0-9])[+\-\*\^](?=[0-9\-])|(?<=[{LOWER}{class}])\.(?=[{UPPER}{class}])|(?<=[^\W\d_]),(?=[^\W\d_])|(?<=[^\W_])(?:-|–|—|--|---|——|\~)(?=[^\W\d_])|(?<=[^\W_])[:<>=/](?=[^\W\d_])"
        );
        let compile = |pattern: &str| Regex::new(pattern).map_err(Box::new);
        Ok(Self {
            special,
            prefix: compile(&prefix)?,
            suffix: compile(&suffix)?,
            infix: compile(&infix)?,
            address: compile(ADDRESS)?,
        })
    }

    /// The tokens of a text.
    pub(super) fn tokenize(&self, text: &str) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::new();
        let mut offset = 0;
        for chunk in text.split(char::is_whitespace) {
            let mut end = offset;
            for token in if chunk.is_empty() { Vec::new() } else { self.split(chunk) } {
                end += token.len();
                out.push(Piece { text: token, spaced: false, end });
            }
            offset += chunk.len();
            if let Some(last) = out.last_mut()
                && offset < text.len()
            {
                last.spaced = true;
            }
            offset += text[offset..].chars().next().map_or(0, char::len_utf8);
        }
        out
    }

    /// The length of the prefix or suffix the pattern finds.
    fn affix(pattern: &Regex, text: &str) -> usize {
        matches(pattern, text).first().map_or(0, ExactSizeIterator::len)
    }

    /// Splits one chunk between spaces.
    fn split(&self, chunk: &str) -> Vec<String> {
        if let Some(tokens) = self.special.get(chunk) {
            return tokens.clone();
        }
        let mut tokens: Vec<String> = Vec::new();
        let mut suffixes: Vec<String> = Vec::new();
        let mut rest = chunk;
        let mut last = usize::MAX;
        while !rest.is_empty() && rest.len() != last && !self.special.contains_key(rest) {
            last = rest.len();
            let prefix = Self::affix(&self.prefix, rest);
            if prefix > 0 && self.special.contains_key(&rest[prefix..]) {
                tokens.push(rest[..prefix].to_owned());
                rest = &rest[prefix..];
                break;
            }
            let suffix = Self::affix(&self.suffix, tail(&rest[prefix..]));
            let cut = rest.len() - suffix;
            if suffix > 0 && self.special.contains_key(&rest[..cut]) {
                suffixes.push(rest[cut..].to_owned());
                rest = &rest[..cut];
                break;
            }
            if prefix > 0 {
                tokens.push(rest[..prefix].to_owned());
            }
            if suffix > 0 {
                suffixes.push(rest[cut..].to_owned());
            }
            rest = &rest[prefix..cut];
        }
        self.split_middle(rest, &mut tokens);
        tokens.extend(suffixes.into_iter().rev());
        if tokens.len() > 1 { self.rejoin(&tokens) } else { tokens }
    }

    /// What is left between prefixes and suffixes: a special case, an address, or words between infixes.
    fn split_middle(&self, rest: &str, tokens: &mut Vec<String>) {
        if rest.is_empty() {
            return;
        }
        if let Some(special) = self.special.get(rest) {
            tokens.extend(special.iter().cloned());
            return;
        }
        if self.address.is_match(rest).unwrap_or(false) {
            tokens.push(rest.to_owned());
            return;
        }
        let mut start = 0;
        for found in matches(&self.infix, rest) {
            if found.start == 0 || found.is_empty() {
                continue;
            }
            if found.start > start {
                tokens.push(rest[start..found.start].to_owned());
            }
            tokens.push(rest[found.clone()].to_owned());
            start = found.end;
        }
        if start < rest.len() {
            tokens.push(rest[start..].to_owned());
        }
    }

    fn rejoin(&self, tokens: &[String]) -> Vec<String> {
        let mut out = Vec::with_capacity(tokens.len());
        let mut index = 0;
        while index < tokens.len() {
            let joined = [3, 2].into_iter().find_map(|count| {
                let parts = tokens.get(index..index + count)?;
                Some((count, self.special.get(&parts.concat())?))
            });
            if let Some((count, special)) = joined {
                out.extend(special.iter().cloned());
                index += count;
            } else {
                out.push(tokens[index].clone());
                index += 1;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let special = [("don't", vec!["do", "n't"]), ("Sept.", vec!["Sept."]), ("10am", vec!["10", "am"])];
        let special = special.map(|(k, v)| (k.to_owned(), v.into_iter().map(str::to_owned).collect())).into();
        let tokenizer = Tokenizer::new(special).expect("the patterns");
        let pieces = tokenizer.tokenize(text);
        assert!(pieces.last().is_none_or(|piece| !piece.spaced && piece.end == text.len()));
        pieces.into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn punctuation_special_cases_and_hyphens_split() {
        assert_eq!(words("I don't (really) know."), ["I", "do", "n't", "(", "really", ")", "know", "."]);
        assert_eq!(words("Sept. at 10am,"), ["Sept.", "at", "10", "am", ","]);
        assert_eq!(words("well-known and/or 5km"), ["well", "-", "known", "and", "/", "or", "5", "km"]);
        assert_eq!(words("wait... what?!"), ["wait", "...", "what", "?", "!"]);
        assert_eq!(words("see x@y.org"), ["see", "x@y.org"]);
        assert!(words("").is_empty());
    }
}
