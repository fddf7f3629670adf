//! What vouches for a stream, and which session a call has.
//!
//! A signature alone does not stop a replay: the stream's handshake has nothing in it that changes. So the signed webhook
//! puts a token into its answer, good for one stream of this call within a minute, and the stream brings it back.
//!
//! A call's session is found by the call alone: its id and its token are made from the call's id and a key. Whoever has the
//! key (every instance with the same auth token) finds the same session in the store, after a restart too.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::number::PhoneNumber;
use super::wire::CallSid;
use crate::config::Secret;
use crate::http::Token;

/// How long a call token is good, in seconds: Twilio opens the stream as soon as it has the answer.
const GOOD_FOR_S: i64 = 60;
/// For how long a token that was used is remembered: longer than it is good, by any instance's clock.
pub const USED_TTL: Duration = Duration::from_secs(600);
const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
/// The expiry and the nonce; the number follows, and then the tag.
const FIXED_BYTES: usize = 8 + NONCE_BYTES;

/// Why a stream's token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// There is none.
    #[error("the stream has no call token")]
    Missing,
    /// It is not ours, or of another call.
    #[error("the call token is not of this call")]
    Wrong,
    /// Its time is over.
    #[error("the call token has expired")]
    Expired,
}

/// What the call tokens and the sessions of calls are made with.
pub struct Tickets {
    key: hmac::Key,
}

/// What a call token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The caller's number, if it is known.
    pub number: Option<PhoneNumber>,
    /// What no other token has: the token is good once.
    pub nonce: String,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// Made with this secret; without one, with a key that lives as long as the process.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new(secret: Option<&Secret>) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        let secret = match secret {
            Some(secret) => secret.reveal().as_bytes(),
            None => {
                getrandom::fill(&mut random)?;
                random.as_slice()
            }
        };
        // A key of its own: what is signed here is never what Twilio signs.
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&root, b"voice-agent calls, version 1");
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) })
    }

    /// The token of a call's session, and with it the session's id.
    pub fn session(&self, call: &CallSid) -> Token {
        self.token([b"session id\0", b"session token\0"], call.as_str())
    }

    /// The token of the session in which this number's text messages are answered.
    pub fn texts(&self, number: &PhoneNumber) -> Token {
        self.token([b"texts id\0", b"texts token\0"], number.reveal())
    }

    fn token(&self, names: [&[u8]; 2], of: &str) -> Token {
        let [id, secret] = names.map(|name| hmac::sign(&self.key, &[name, of.as_bytes()].concat()));
        let mut bytes = [0; Token::BYTES];
        // 16 bytes of the id, and 32 of the secret.
        let made = id.as_ref().iter().take(Token::ID_BYTES).chain(secret.as_ref());
        bytes.iter_mut().zip(made).for_each(|(to, from)| *to = *from);
        Token::from_bytes(&bytes)
    }

    /// A call token for the next stream of this call, whose caller has this number.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn issue(
        &self,
        call: &CallSid,
        number: Option<&PhoneNumber>,
        now: Timestamp,
    ) -> Result<Secret, getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let mut token = Vec::with_capacity(FIXED_BYTES + TAG_BYTES + 16);
        token.extend((now.as_second() + GOOD_FOR_S).to_be_bytes());
        token.extend(nonce);
        token.extend(number.map_or("", PhoneNumber::reveal).as_bytes());
        let tag = hmac::sign(&self.key, &signed(call, &token));
        token.extend(tag.as_ref());
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(token)))
    }

    /// Reads a stream's call token. That it is used once is its taker's matter.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn redeem(&self, token: Option<&str>, call: &CallSid, now: Timestamp) -> Result<Ticket, TicketError> {
        let bytes = URL_SAFE_NO_PAD.decode(token.ok_or(TicketError::Missing)?).map_err(|_| TicketError::Wrong)?;
        let (claims, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(TicketError::Wrong)?;
        hmac::verify(&self.key, &signed(call, claims), tag).map_err(|_| TicketError::Wrong)?;
        let (expiry, rest) = claims.split_first_chunk::<8>().ok_or(TicketError::Wrong)?;
        let (nonce, number) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(TicketError::Wrong)?;
        let (expires, now) = (i64::from_be_bytes(*expiry), now.as_second());
        if now >= expires {
            return Err(TicketError::Expired);
        }
        let number = std::str::from_utf8(number).ok().and_then(PhoneNumber::parse);
        Ok(Ticket { number, nonce: URL_SAFE_NO_PAD.encode(nonce) })
    }
}

fn signed(call: &CallSid, claims: &[u8]) -> Vec<u8> {
    [b"call token\0", call.as_str().as_bytes(), b"\0", claims].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> CallSid {
        CallSid::parse(text).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tickets(secret: &str) -> Tickets {
        Tickets::new(Some(&Secret::new(secret))).unwrap()
    }

    #[test]
    fn a_call_token_is_good_for_its_call_and_its_minute_and_no_other_is_like_it() {
        let tickets = tickets("token");
        let number = PhoneNumber::parse("+15551234567");
        let token = tickets.issue(&call("CA1"), number.as_ref(), at(1_000)).unwrap();
        let redeem = |call: &CallSid, second| tickets.redeem(Some(token.reveal()), call, at(second));
        assert_eq!(redeem(&call("CA2"), 1_001), Err(TicketError::Wrong));
        assert_eq!(redeem(&call("CA1"), 1_060), Err(TicketError::Expired));
        let ticket = redeem(&call("CA1"), 1_059).unwrap();
        assert_eq!((&ticket.number, redeem(&call("CA1"), 1_001).as_ref()), (&number, Ok(&ticket)));
        let other = tickets.issue(&call("CA1"), number.as_ref(), at(1_000)).unwrap();
        let other = tickets.redeem(Some(other.reveal()), &call("CA1"), at(1_001)).unwrap();
        assert_ne!(other.nonce, ticket.nonce);
        assert_eq!(redeem(&call("CA1"), 1_061), Err(TicketError::Expired));
    }

    #[test]
    fn a_withheld_number_is_none_and_another_key_makes_other_tokens() {
        let token = tickets("token").issue(&call("CA1"), None, at(1_000)).unwrap();
        let ticket = tickets("token").redeem(Some(token.reveal()), &call("CA1"), at(1_001)).unwrap();
        assert_eq!(ticket.number, None);
        assert_eq!(tickets("other").redeem(Some(token.reveal()), &call("CA1"), at(1_001)), Err(TicketError::Wrong));
        assert_eq!(tickets("token").redeem(None, &call("CA1"), at(1_001)), Err(TicketError::Missing));
        assert!(token.reveal().len() < 200, "a parameter has room for 500 characters");
    }

    #[test]
    fn a_calls_session_is_the_same_wherever_the_secret_is_the_same() {
        let (here, there, elsewhere) = (tickets("token"), tickets("token"), tickets("other"));
        assert_eq!(here.session(&call("CA1")), there.session(&call("CA1")));
        assert_ne!(here.session(&call("CA1")).session(), here.session(&call("CA2")).session());
        assert_ne!(here.session(&call("CA1")).session(), elsewhere.session(&call("CA1")).session());
        let token = here.session(&call("CA1"));
        assert_eq!(Token::parse(token.reveal()), Some(token.clone()));
        let alone = Tickets::new(None).unwrap();
        assert_ne!(alone.session(&call("CA1")), Tickets::new(None).unwrap().session(&call("CA1")));
    }

    #[test]
    fn a_number_has_one_conversation_and_it_is_no_call() {
        let tickets = tickets("token");
        let (number, other) =
            (PhoneNumber::parse("+15551234567").unwrap(), PhoneNumber::parse("+15557654321").unwrap());
        assert_eq!(tickets.texts(&number), tickets.texts(&number));
        assert_ne!(tickets.texts(&number).session(), tickets.texts(&other).session());
        assert_ne!(tickets.texts(&number).session(), tickets.session(&call("15551234567")).session());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_tokens_are_refused(text in ".{0,120}", bytes: Vec<u8>) {
            let tickets = tickets("token");
            let redeem = |token: &str| tickets.redeem(Some(token), &call("CA1"), at(0));
            proptest::prop_assert_eq!(redeem(&text), Err(TicketError::Wrong));
            proptest::prop_assert_eq!(redeem(&URL_SAFE_NO_PAD.encode(bytes)), Err(TicketError::Wrong));
        }
    }
}
