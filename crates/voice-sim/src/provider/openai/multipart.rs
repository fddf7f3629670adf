//! `multipart/form-data`, as strictly as RFC 7578 has it.

/// Parts at most.
const MOST_PARTS: usize = 32;

/// One part of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) filename: Option<&'a str>,
    pub(super) content_type: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl<'a> Part<'a> {
    /// Its body as text; empty when it is none.
    pub(super) fn text(&self) -> &'a str {
        std::str::from_utf8(self.body).unwrap_or_default()
    }
}

/// The parts of a body with this `Content-Type`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, String> {
    let parameters =
        content_type.strip_prefix("multipart/form-data").ok_or("the content type is not multipart/form-data")?;
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="));
    let boundary = boundary.ok_or("the content type has no boundary")?.trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return Err("a boundary has 1 to 70 characters".to_owned());
    }
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(opening.as_bytes()).ok_or("the body does not begin with the boundary")?;
    let mut parts = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return if end.is_empty() || end == b"\r\n" {
                Ok(parts)
            } else {
                Err("something follows the last boundary".to_owned())
            };
        }
        if parts.len() >= MOST_PARTS {
            return Err(format!("more than {MOST_PARTS} parts"));
        }
        let part = rest.strip_prefix(b"\r\n").ok_or("a boundary's line goes on")?;
        let end = find(part, delimiter.as_bytes()).ok_or("a part has no end")?;
        parts.push(read(&part[..end])?);
        rest = &part[end + delimiter.len()..];
    }
}

fn read(part: &[u8]) -> Result<Part<'_>, String> {
    let end = find(part, b"\r\n\r\n").ok_or("a part has no headers")?;
    let headers = std::str::from_utf8(&part[..end]).map_err(|_| "a part's headers are not UTF-8")?;
    let value = |wanted: &str| {
        headers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let disposition = value("content-disposition").ok_or("a part has no Content-Disposition")?;
    if disposition.split(';').next().map(str::trim) != Some("form-data") {
        return Err("a part is no form-data".to_owned());
    }
    let parameter = |wanted: &str| {
        disposition.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            (name == wanted).then(|| value.trim_matches('"'))
        })
    };
    Ok(Part {
        name: parameter("name").ok_or("a part has no name")?,
        filename: parameter("filename"),
        content_type: value("content-type"),
        body: &part[end + 4..],
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=b0";

    #[test]
    fn parts_are_found() {
        let body = b"--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b0\r\ncontent-disposition: form-data; \
            name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\x00\r\n--b\r\n--b0--\r\n";
        let parts = parse(KIND, body).expect("a form");
        assert_eq!((parts[0].name, parts[0].text()), ("model", "whisper-1"));
        assert_eq!((parts[1].filename, parts[1].content_type), (Some("a.wav"), Some("audio/wav")));
        assert_eq!(parts[1].body, b"\x00\r\n--b");
        assert_eq!(parse(KIND, b"--b0--"), Ok(Vec::new()));
    }

    #[test]
    fn broken_forms_are_refused() {
        for body in [
            "",
            "--b1--",
            "--b0",
            "--b0\r\nx\r\n--b0--",
            "--b0\r\n\r\n\r\n\r\n--b0--",
            "--b0--x",
            "--b0\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b0--",
        ] {
            assert!(parse(KIND, body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(parse("application/json", b"--b0--").is_err());
        assert!(parse("multipart/form-data", b"--b0--").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), kind in ".{0,60}") {
            let _any_answer = (parse(&kind, &body), parse(KIND, &body));
            let body = [b"--b0\r\n", &body[..], b"\r\n--b0--"].concat();
            let _any_answer = parse(KIND, &body);
        }
    }
}
