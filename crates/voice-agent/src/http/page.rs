//! The web page, embedded in the binary.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::Problem;
use crate::app::Shared;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Page;

/// What the page is built with, and what it is told in its place, with what its tag gains by that: whether it may look for a LiveKit
/// room, and whether recordings are kept (it asks for consent before it has a connection).
const ROOMS: [&str; 3] = ["data-rooms=\"false\"", "data-rooms=\"true\"", "rooms-"];
const RECORDS: [&str; 3] = ["data-records=\"false\"", "data-records=\"true\"", "records-"];

/// What `GET /` answers in a build without the page.
const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>voice-agent</title>\
    <p>This build has no page. Run <code>make web</code>, and build again. The API is there: \
    <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p></html>\n";

/// Every path that no route has: the page's files, or 404.
pub(super) async fn serve(State(app): State<Shared>, request: Request) -> Response {
    let path = request.uri().path();
    let is_front = matches!(path, "/" | "/index.html");
    let told = [(app.rooms.is_some(), ROOMS), (app.consent.keeps(), RECORDS)];
    let told = told.into_iter().filter(|(holds, _)| is_front && *holds).map(|(_, words)| words);
    let known = find(path).map(|file| told.fold(Served::from(file), Served::tell));
    match (known, request.method()) {
        (Some(file), &Method::GET | &Method::HEAD) => answer(path, file, request.headers()),
        (None, &Method::GET | &Method::HEAD) if matches!(path, "/" | "/admin") => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], MISSING)
                .into_response()
        }
        (Some(_), _) => method_not_allowed().await,
        (None, _) => {
            Problem::not_found("no_such_path", "There is nothing here. /api/openapi.json lists what there is.")
                .into_response()
        }
    }
}

/// A path that exists, but not with this method.
pub(super) async fn method_not_allowed() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method.")
        .into_response()
}

fn find(path: &str) -> Option<EmbeddedFile> {
    let name = path.strip_prefix('/')?;
    // In a debug build the files are read from the disk; a name that climbs must not leave the folder.
    if name.split('/').any(|part| part == ".." || part.contains('\\')) {
        return None;
    }
    Page::get(match name {
        "" => "index.html",
        "admin" => "admin.html",
        name => name,
    })
}

/// A file, as it is answered.
struct Served {
    data: Cow<'static, [u8]>,
    etag: String,
    mime: String,
}

impl From<EmbeddedFile> for Served {
    fn from(file: EmbeddedFile) -> Self {
        Self { etag: etag(&file), mime: file.metadata.mimetype().to_owned(), data: file.data }
    }
}

impl Served {
    /// The page, told this.
    fn tell(self, [built, told, tag]: [&str; 3]) -> Self {
        let data = String::from_utf8_lossy(&self.data).replacen(built, told, 1).into_bytes();
        Self { data: data.into(), etag: self.etag.replacen('"', &format!("\"{tag}"), 1), ..self }
    }
}

fn answer(path: &str, file: Served, asked: &HeaderMap) -> Response {
    let etag = file.etag;
    // The build names these files after their content, so they never change.
    let cache = if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, value);
    }
    let same = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| {
        // Compression on the way makes the tag a weak one.
        tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
    });
    if same {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if let Ok(value) = HeaderValue::from_str(&content_type(&file.mime)) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    (headers, file.data).into_response()
}

fn content_type(mime: &str) -> String {
    let text = mime.starts_with("text/") || mime.ends_with("javascript") || mime.ends_with("json");
    if text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}
