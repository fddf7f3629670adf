//! Twilio's side of a call's control: signed webhooks, and what it does with their answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::provider::Keys;

/// The address that the server is told it has, and that is signed; the balancer is what stands there.
pub(super) const PUBLIC_URL: &str = "https://voice.example.com";
/// The number's webhook, and its fallback.
pub(super) const VOICE_PATH: &str = "/twilio/voice";
/// Longest wait for a webhook's answer.
const WEBHOOK: Duration = Duration::from_secs(15);

/// What a webhook's answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Connect a stream with this token, and ask there when it is over.
    Stream { token: String, then: String },
    /// Wait so long, and ask there.
    Pause { seconds: u64, then: String },
    /// The call is over.
    HangUp,
}

/// One call's account and number.
#[derive(Debug, Clone)]
pub(super) struct Twilio {
    pub(super) keys: Keys,
    pub(super) client: reqwest::Client,
    /// What stands at the public address.
    pub(super) address: SocketAddr,
    pub(super) call: String,
    pub(super) number: String,
}

impl Twilio {
    /// Asks a webhook how the call goes on, and when that fails the number's fallback, which here is the same server. Whether it did.
    pub(super) async fn ask(&self, url: &str) -> Result<(Instruction, bool)> {
        match self.post(url).await {
            Ok(instruction) => Ok((instruction, false)),
            Err(_) => Ok((self.post(&format!("{PUBLIC_URL}{VOICE_PATH}")).await?, true)),
        }
    }

    async fn post(&self, url: &str) -> Result<Instruction> {
        let form = [
            ("AccountSid", self.keys.twilio_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.call),
            ("CallStatus", "in-progress"),
            ("Direction", "inbound"),
            ("From", &self.number),
            ("To", &self.keys.twilio_number),
        ];
        let path = url.strip_prefix(PUBLIC_URL).context("the redirect leads elsewhere")?;
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", value.replace('+', "%2B"))).collect();
        let request = self.client.post(format!("http://{}{path}", self.address)).body(body.join("&")).timeout(WEBHOOK);
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        let request = request.header("x-twilio-signature", self.signature(url, &form));
        let answer = request.send().await?.error_for_status()?;
        instruction(&answer.text().await?)
    }

    /// Opens the stream's socket.
    pub(super) async fn open(&self) -> Result<WebSocketStream<TcpStream>> {
        let mut request = format!("ws://{}/twilio/media", self.address).into_client_request()?;
        let signed = format!("{}/twilio/media", PUBLIC_URL.replace("https", "wss"));
        request.headers_mut().insert("x-twilio-signature", self.signature(&signed, &[]).parse()?);
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(client_async(request, stream).await?.0)
    }

    /// The address, and every parameter once and sorted, under the account's token.
    fn signature(&self, url: &str, form: &[(&str, &str)]) -> String {
        let sorted: BTreeMap<&str, &str> = form.iter().copied().collect();
        let text: String =
            [url].into_iter().chain(sorted.into_iter().flat_map(|(name, value)| [name, value])).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.keys.twilio_token.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }
}

/// Reads TwiML, as far as a call's webhook writes it.
fn instruction(twiml: &str) -> Result<Instruction> {
    let between = |before: &str, after: &str| {
        let (_, rest) = twiml.split_once(before)?;
        Some(rest.split_once(after)?.0.replace("&amp;", "&"))
    };
    let then = || between("<Redirect method=\"POST\">", "</Redirect>").context("nothing follows");
    if let Some(url) = between("<Connect><Stream url=\"", "\"") {
        ensure!(url.starts_with("wss://"), "Twilio opens wss only");
        let token = between("<Parameter name=\"callToken\" value=\"", "\"").context("no call token")?;
        return Ok(Instruction::Stream { token, then: then()? });
    }
    if let Some(length) = between("<Pause length=\"", "\"") {
        return Ok(Instruction::Pause { seconds: length.parse()?, then: then()? });
    }
    ensure!(twiml.contains("<Hangup/>"), "TwiML without a verb that is known");
    Ok(Instruction::HangUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twiml_says_how_a_call_goes_on() {
        let stream = r#"<Response><Connect><Stream url="wss://voice.example.com/twilio/media"><Parameter name="callToken" value="t"/></Stream></Connect><Redirect method="POST">https://voice.example.com/twilio/voice?at=1&amp;short=0</Redirect></Response>"#;
        let then = "https://voice.example.com/twilio/voice?at=1&short=0".to_owned();
        assert_eq!(instruction(stream).expect("a stream"), Instruction::Stream { token: "t".to_owned(), then });
        let pause = r#"<Response><Pause length="1"/><Redirect method="POST">https://voice.example.com/twilio/voice</Redirect></Response>"#;
        let then = "https://voice.example.com/twilio/voice".to_owned();
        assert_eq!(instruction(pause).expect("a pause"), Instruction::Pause { seconds: 1, then });
        assert_eq!(instruction("<Response><Say>No.</Say><Hangup/></Response>").expect("the end"), Instruction::HangUp);
        for bad in ["", "<Response/>", &stream.replace("wss", "ws"), &stream.replace("Redirect", "Say")] {
            assert!(instruction(bad).is_err(), "{bad}");
        }
    }

    /// The example of Twilio's own documentation.
    #[test]
    fn a_signature_is_that_of_the_documentation() {
        let keys = Keys { twilio_token: "12345".to_owned(), ..Keys::default() };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let twilio =
            Twilio { keys, client: reqwest::Client::new(), address, call: String::new(), number: String::new() };
        let form = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ];
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(twilio.signature(url, &form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }
}
