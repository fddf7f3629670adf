//! The little that is read out of session descriptions and candidates here; str0m reads the rest.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde::Deserialize;
use str0m::Candidate;
use str0m::net::{Protocol, TcpType};

use crate::ids::TrackSid;

/// The candidate in a trickle message, which holds a browser's `RTCIceCandidateInit` as JSON. Nothing for the end of
/// candidates, and for what cannot be used (a name instead of an address, say).
pub(crate) fn trickled_candidate(json: &str) -> Option<Candidate> {
    #[derive(Deserialize)]
    struct CandidateInit {
        candidate: String,
    }
    let init: CandidateInit = serde_json::from_str(json).ok()?;
    Candidate::from_sdp_string(init.candidate.trim()).ok()
}

/// Where a candidate can be reached by TCP, if it waits for connections.
pub(crate) fn tcp_address(candidate: &Candidate) -> Option<SocketAddr> {
    let waits = candidate.proto() == Protocol::Tcp && candidate.tcptype() != Some(TcpType::Active);
    waits.then(|| candidate.addr())
}

/// The addresses in a description that wait for TCP connections.
pub(crate) fn tcp_addresses(sdp: &str) -> impl Iterator<Item = SocketAddr> + '_ {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a="))
        .filter(|line| line.starts_with("candidate:"))
        .filter_map(|line| Candidate::from_sdp_string(line).ok())
        .filter_map(|candidate| tcp_address(&candidate))
}

/// Which track each media section carries, by its `mid`: the server writes the track's id behind the stream's in
/// `a=msid:`. Sections that send nothing are left out.
pub(crate) fn tracks_by_mid(sdp: &str) -> HashMap<String, TrackSid> {
    let mut tracks = HashMap::new();
    for section in sdp.split("\nm=").skip(1) {
        let attribute = |name: &str| section.lines().find_map(|line| line.trim_end().strip_prefix(name));
        let silent = section.lines().any(|line| matches!(line.trim_end(), "a=inactive" | "a=recvonly"));
        let (Some(mid), Some(msid)) = (attribute("a=mid:"), attribute("a=msid:")) else {
            continue;
        };
        if let (false, Some(track)) = (silent, msid.split_whitespace().nth(1)) {
            tracks.insert(mid.to_owned(), TrackSid::from(track));
        }
    }
    tracks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=sendonly\r\na=msid:PA_a TR_one\r\n\
        a=candidate:2 1 tcp 1671430143 127.0.0.1 7881 typ host tcptype passive\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=inactive\r\na=msid:PA_b TR_two\r\n";

    #[test]
    fn tracks_are_found_by_their_section() {
        let tracks = tracks_by_mid(OFFER);
        assert_eq!(tracks, HashMap::from([("1".to_owned(), TrackSid::from("TR_one"))]));
    }

    #[test]
    fn tcp_candidates_are_found() {
        assert_eq!(tcp_addresses(OFFER).collect::<Vec<_>>(), ["127.0.0.1:7881".parse().unwrap()]);
    }

    #[test]
    fn candidates_are_read_from_json() {
        let json =
            r#"{"candidate":"candidate:2 1 tcp 1671430143 127.0.0.1 7881 typ host tcptype passive","sdpMid":"0"}"#;
        let candidate = trickled_candidate(json).unwrap();
        assert_eq!(tcp_address(&candidate), Some("127.0.0.1:7881".parse().unwrap()));
        for json in ["", "{}", r#"{"candidate":""}"#, r#"{"candidate":"candidate:1 1 udp 1 abc.local 5 typ host"}"#] {
            assert!(trickled_candidate(json).is_none(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\PC|\r\n|\nm=|a=mid:|a=msid:|a=candidate:){0,60}") {
            let _ = tracks_by_mid(&text).len();
            let _ = tcp_addresses(&text).count();
            let _ = trickled_candidate(&text).is_some();
        }
    }
}
