//! Whether a request is Twilio's: its signature over the address and the form, with a key that only the two of us have.
//!
//! The address that Twilio signs is the one that it was given, not the one that this process sees behind its proxies; and
//! Twilio is not consistent about a port in it. So every form that it may have is tried.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Secret;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";
/// The header that names the algorithm, when the key is a shared key and not the account's token.
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none, or not one only.
    #[error("there is no signature")]
    Missing,
    /// It is made in a way that is not known here. Nothing else is tried.
    #[error("the signature's algorithm is not known")]
    Algorithm,
    /// It is another's, or of something else.
    #[error("the signature is wrong")]
    Wrong,
}

/// Checks the signature of a request to one of `urls` with these form parameters. `settings` is the header of that name,
/// if it came.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    key: &Secret,
    urls: &[String],
    params: &[(String, String)],
    signature: &str,
    settings: Option<&str>,
) -> Result<(), SignatureError> {
    let algorithm = algorithm(settings.unwrap_or_default())?;
    // An empty key would vouch for everybody's forgeries.
    if key.reveal().is_empty() {
        return Err(SignatureError::Wrong);
    }
    let key = hmac::Key::new(algorithm, key.reveal().as_bytes());
    let tag = STANDARD.decode(signature.trim()).map_err(|_| SignatureError::Wrong)?;
    let form = signed_form(params);
    // Compared in constant time; which form of the address it is may show.
    let fits = |url: &String| hmac::verify(&key, [url.as_bytes(), form.as_bytes()].concat().as_slice(), &tag).is_ok();
    if urls.iter().any(fits) { Ok(()) } else { Err(SignatureError::Wrong) }
}

/// The algorithm that the settings name; without them, the old one.
fn algorithm(settings: &str) -> Result<hmac::Algorithm, SignatureError> {
    let fields = settings.split(',').filter_map(|field| field.split_once('='));
    let mut named = fields.filter(|(name, _)| name.trim() == "algorithm").map(|(_, value)| value.trim());
    match named.next().map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "HMAC_SHA1") => Ok(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        Some("HMAC_SHA256") => Ok(hmac::HMAC_SHA256),
        Some(_) => Err(SignatureError::Algorithm),
    }
}

/// Every parameter once, sorted, names and values without anything between them.
fn signed_form(params: &[(String, String)]) -> String {
    let sorted: BTreeSet<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sorted.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

/// The addresses that a webhook's request may be signed for: `public_url` with the path and query of the request.
pub fn webhook_urls(public_url: &str, path_and_query: &str) -> Vec<String> {
    forms(&format!("{}{path_and_query}", public_url.trim_end_matches('/')))
}

/// The addresses that a stream's handshake may be signed for: a WebSocket's, and without a query.
pub fn stream_urls(stream_url: &str) -> Vec<String> {
    let bare = stream_url.trim_end_matches('/');
    [bare.to_owned(), format!("{bare}/")].iter().flat_map(|url| forms(url)).collect()
}

/// The address of the stream's socket at this public URL.
pub fn stream_url(public_url: &str, path: &str) -> String {
    let rest = public_url.trim_end_matches('/');
    // http becomes ws, https becomes wss.
    let rest = rest.strip_prefix("http").unwrap_or(rest);
    format!("ws{rest}{path}")
}

/// The address without its port, and with it.
fn forms(url: &str) -> Vec<String> {
    let Ok(uri) = url.parse::<Uri>() else { return vec![url.to_owned()] };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return vec![url.to_owned()] };
    let usual = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(usual);
    // As it was written: `Uri` would put a slash where there is none.
    let path = url.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..])).unwrap_or_default();
    vec![format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Every signature here was computed by another program, from the published description.
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const VOICE: &str = "https://voice.example.com/twilio/voice";

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn form() -> Vec<(String, String)> {
        pairs(&[
            ("To", "+15550001111"),
            ("From", "+15551234567"),
            ("CallSid", "CA0123456789abcdef0123456789abcdef"),
            ("CallerName", "Zoë & Søn"),
            ("Empty", ""),
            ("Tag", "b"),
            ("Tag", "a"),
            ("Tag", "b"),
        ])
    }

    fn webhook(public_url: &str, path: &str, signature: &str, settings: Option<&str>) -> Result<(), SignatureError> {
        verify(&Secret::new(KEY), &webhook_urls(public_url, path), &form(), signature, settings)
    }

    #[test]
    fn twilios_own_example() {
        let params = pairs(&[
            ("Digits", "1234"),
            ("To", "+18005551212"),
            ("From", "+14158675309"),
            ("Caller", "+14158675309"),
            ("CallSid", "CA1234567890ABCDE"),
        ]);
        let urls = webhook_urls("https://mycompany.com", "/myapp.php?foo=1&bar=2");
        let given = |signature| verify(&Secret::new("12345"), &urls, &params, signature, None);
        assert_eq!(given("RSOYDt4T1cUTdK1PDd93/VVr8B8="), Ok(()));
        assert_eq!(given("RSOYDt4T1cUTdK1PDd93/VVr8B9="), Err(SignatureError::Wrong));
    }

    #[test]
    fn parameters_are_sorted_and_counted_once_and_the_port_may_be_there_or_not() {
        let public_urls = ["https://voice.example.com", "https://voice.example.com:443", "https://voice.example.com/"];
        for public_url in public_urls {
            for signature in ["ba2DPKJy4XV+DvItzpk/1PCRhok=", "JIlyU9mUyr72qqobE9RW3DndlRw="] {
                assert_eq!(webhook(public_url, "/twilio/voice", signature, None), Ok(()), "{public_url} {signature}");
            }
        }
        let other_port = "Q+/f8cOs8EhS1r/v2YmBnm+Isq4=";
        assert_eq!(webhook("https://voice.example.com:8443", "/twilio/voice", other_port, None), Ok(()));
        assert_eq!(webhook("https://voice.example.com", "/twilio/voice", other_port, None), Err(SignatureError::Wrong));
        let behind_a_path = "royat6qjs/kjzxqQNVmqrzfVtaA=";
        assert_eq!(webhook("https://voice.example.com/base", "/twilio/voice?x=1", behind_a_path, None), Ok(()));
    }

    #[test]
    fn a_shared_key_signs_with_sha256_and_nothing_else_is_tried() {
        let settings = Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256");
        let (sha1, sha256) = ("ba2DPKJy4XV+DvItzpk/1PCRhok=", "8WnbUAaN6iPzOBvjxXZ+Vp607Qmap6tiBrS0WjXKzAg=");
        let given = |signature, settings| webhook("https://voice.example.com", "/twilio/voice", signature, settings);
        assert_eq!(given(sha256, settings), Ok(()));
        assert_eq!(given("mpl2Dq2dOQpvk39mCy6jYPWU1E55ZrrLWhB7vB8ki5o=", settings), Ok(()), "with the port");
        assert_eq!(given(sha1, settings), Err(SignatureError::Wrong));
        assert_eq!(given(sha256, None), Err(SignatureError::Wrong));
        assert_eq!(given(sha1, Some("key=1, algorithm=hmac_sha1")), Ok(()));
        for unknown in ["algorithm=HMAC_MD5", "key=1,algorithm=none"] {
            assert_eq!(given(sha1, Some(unknown)), Err(SignatureError::Algorithm), "{unknown}");
        }
    }

    #[test]
    fn a_stream_is_signed_as_a_web_socket() {
        let url = stream_url("https://voice.example.com/", "/twilio/media");
        assert_eq!(url, "wss://voice.example.com/twilio/media");
        assert_eq!(stream_url("http://127.0.0.1:8080", "/twilio/media"), "ws://127.0.0.1:8080/twilio/media");
        for signature in
            ["3Wv0T80qzAY3OCARW9y1gnUJZtE=", "njB9LrB2K0cXMSmpQuCSQVNwT7E=", "emydRDSHhLvuug6wCkjTHD/G0T0="]
        {
            let verified = verify(&Secret::new(KEY), &stream_urls(&url), &[], signature, None);
            assert_eq!(verified, Ok(()), "{signature}");
        }
        let of_the_webhook = verify(&Secret::new(KEY), &stream_urls(&url), &[], "ba2DPKJy4XV+DvItzpk/1PCRhok=", None);
        assert_eq!(of_the_webhook, Err(SignatureError::Wrong));
    }

    #[test]
    fn an_empty_key_vouches_for_nobody() {
        // base64(HMAC-SHA1("", VOICE)) would be right for it.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"");
        let forged = STANDARD.encode(hmac::sign(&key, VOICE.as_bytes()));
        let verified = verify(&Secret::new(""), &[VOICE.to_owned()], &[], &forged, None);
        assert_eq!(verified, Err(SignatureError::Wrong));
        assert_eq!(verify(&Secret::new(KEY), &[VOICE.to_owned()], &[], "", None), Err(SignatureError::Wrong));
    }

    proptest! {
        #[test]
        fn only_the_signature_fits(signature in ".{0,60}", name in ".{0,10}", value in ".{0,10}", settings in ".{0,40}") {
            let params = [(name, value)];
            let verified = verify(&Secret::new(KEY), &[VOICE.to_owned()], &params, &signature, Some(&settings));
            prop_assert!(verified.is_err());
        }
    }
}
