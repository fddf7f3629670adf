//! Twilio's side of a call's control: signed webhooks, what it does with their answers, and text messages.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The number's webhook, and its fallback.
pub const VOICE_PATH: &str = "/twilio/voice";
const MEDIA_PATH: &str = "/twilio/media";
const SMS_PATH: &str = "/twilio/sms";
/// Longest wait for a webhook's answer.
const WEBHOOK: Duration = Duration::from_secs(15);

/// A media stream's socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a webhook's answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Connect a stream with this token, and ask there when it is over.
    Stream {
        /// The call token.
        token: String,
        /// The redirect behind it.
        then: String,
    },
    /// Wait so long, and ask there.
    Pause {
        /// How long.
        seconds: u64,
        /// The redirect behind it.
        then: String,
    },
    /// The call is over.
    HangUp,
}

/// One call's account, number and server.
#[derive(Debug, Clone)]
pub struct Twilio {
    /// The HTTP client.
    pub client: reqwest::Client,
    /// The address that the server is told it has, and that is signed, like `https://voice.example.com`.
    pub public_url: String,
    /// What stands there, like `http://127.0.0.1:8080`; the public address itself, or a balancer behind it.
    pub reached_at: String,
    /// `AC…`.
    pub account: String,
    /// The account's auth token; nothing is signed without one.
    pub auth_token: String,
    /// The number that is called.
    pub number: String,
    /// `CA…`.
    pub call: String,
    /// The caller's number.
    pub caller: String,
}

impl Twilio {
    /// The number's webhook.
    pub fn webhook(&self) -> String {
        format!("{}{VOICE_PATH}", self.public_url)
    }

    /// Asks a webhook how the call goes on, and when that fails the number's fallback, which here is the same server. Whether it did.
    ///
    /// # Errors
    /// When neither answers with TwiML that is known.
    pub async fn ask(&self, url: &str) -> Result<(Instruction, bool)> {
        match self.ask_once(url, &[]).await {
            Ok(instruction) => Ok((instruction, false)),
            // Twilio says there what failed, and with which error of its own.
            Err(_) => {
                let failed = [("ErrorCode", "11200"), ("ErrorUrl", url)];
                Ok((self.ask_once(&self.webhook(), &failed).await?, true))
            }
        }
    }

    async fn ask_once(&self, url: &str, failed: &[(&str, &str)]) -> Result<Instruction> {
        let mut form = vec![
            ("AccountSid", self.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.call),
            ("CallStatus", "in-progress"),
            ("Direction", "inbound"),
            ("From", &self.caller),
            ("To", &self.number),
        ];
        form.extend_from_slice(failed);
        instruction(&self.post(url, &form).await?)
    }

    /// Sends a text message of the caller's; `sid` (`SM…`) is a new one. What is sent back, all messages of it.
    ///
    /// # Errors
    /// When the webhook fails, or answers something else than TwiML with messages.
    pub async fn text(&self, sid: &str, body: &str) -> Result<String> {
        let form = [
            ("AccountSid", self.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("Body", body),
            ("From", &self.caller),
            ("MessageSid", sid),
            ("NumMedia", "0"),
            ("To", &self.number),
        ];
        let twiml = self.post(&format!("{}{SMS_PATH}", self.public_url), &form).await?;
        ensure!(twiml.contains("<Response"), "the webhook answers no TwiML");
        Ok(messages(&twiml))
    }

    /// Posts a signed form; the answer's text.
    async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<String> {
        let path = url.strip_prefix(&self.public_url).context("the redirect leads elsewhere")?;
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self.client.post(format!("{}{path}", self.reached_at)).body(body).timeout(WEBHOOK);
        request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        request = request.header("x-twilio-signature", self.signature(url, form));
        // The address is in the configuration already; with its query it is no business of a log's.
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        Ok(answer.map_err(reqwest::Error::without_url)?.text().await.map_err(reqwest::Error::without_url)?)
    }

    /// Opens the stream's socket.
    ///
    /// # Errors
    /// When it is refused, or the address is none.
    pub async fn open(&self) -> Result<Socket> {
        let mut request =
            format!("ws{}{MEDIA_PATH}", self.reached_at.trim_start_matches("http")).into_client_request()?;
        let signed = format!("ws{}{MEDIA_PATH}", self.public_url.trim_start_matches("http"));
        request.headers_mut().insert("x-twilio-signature", self.signature(&signed, &[]).parse()?);
        // Frames of 20 ms are not to wait for one another.
        Ok(connect_async_with_config(request, None, true).await?.0)
    }

    /// The address, and every parameter once and sorted, under the account's token.
    fn signature(&self, url: &str, form: &[(&str, &str)]) -> String {
        let sorted: BTreeMap<&str, &str> = form.iter().copied().collect();
        let text: String =
            [url].into_iter().chain(sorted.into_iter().flat_map(|(name, value)| [name, value])).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.auth_token.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }
}

/// What stands between these two, for the first time, and what follows.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(before)?.1.split_once(after)
}

/// Reads TwiML, as far as a call's webhook writes it.
fn instruction(twiml: &str) -> Result<Instruction> {
    let inside = |before, after| between(twiml, before, after).map(|(text, _)| plain(text));
    let then = || inside("<Redirect method=\"POST\">", "</Redirect>").context("nothing follows");
    if let Some(url) = inside("<Connect><Stream url=\"", "\"") {
        ensure!(url.starts_with("wss://"), "Twilio opens wss only");
        let token = inside("<Parameter name=\"callToken\" value=\"", "\"").context("no call token")?;
        return Ok(Instruction::Stream { token, then: then()? });
    }
    if let Some(length) = inside("<Pause length=\"", "\"") {
        return Ok(Instruction::Pause { seconds: length.parse()?, then: then()? });
    }
    ensure!(twiml.contains("<Hangup/>"), "TwiML without a verb that is known");
    Ok(Instruction::HangUp)
}

/// The texts of a message's answer, one behind the other.
fn messages(twiml: &str) -> String {
    let (mut rest, mut texts) = (twiml, Vec::new());
    while let Some((text, after)) = between(rest, "<Message>", "</Message>") {
        texts.push(plain(text));
        rest = after;
    }
    texts.join(" ")
}

/// XML's five characters as they are meant.
fn plain(text: &str) -> String {
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    marks.iter().fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twilio() -> Twilio {
        let own = str::to_owned;
        Twilio {
            client: reqwest::Client::new(),
            public_url: own("https://mycompany.com"),
            reached_at: own("http://127.0.0.1:1"),
            account: String::new(),
            auth_token: own("12345"),
            number: String::new(),
            call: String::new(),
            caller: String::new(),
        }
    }

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

    #[test]
    fn all_messages_of_an_answer_are_read() {
        let twiml = "<Response><Message>Added &quot;milk &amp; bread&quot;.</Message><Message>It&apos;s &amp;lt;.</Message></Response>";
        assert_eq!(messages(twiml), "Added \"milk & bread\". It's &lt;.");
        assert_eq!(messages("<Response></Response>"), "");
    }

    /// The example of Twilio's own documentation.
    #[test]
    fn a_signature_is_that_of_the_documentation() {
        let form = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ];
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(twilio().signature(url, &form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }

    #[tokio::test]
    async fn a_redirect_to_another_host_is_not_followed() {
        let error = twilio().ask_once("https://elsewhere.example/twilio/voice", &[]).await.expect_err("another host");
        assert_eq!(error.to_string(), "the redirect leads elsewhere");
    }
}
