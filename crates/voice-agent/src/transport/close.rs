//! The codes that sockets are closed with: docs/protocol.md and docs/phone.md say what each means to the other side.

/// The session ended.
pub const ENDED: u16 = 1000;
/// The server is going away.
pub const GOING_AWAY: u16 = 1001;
/// Never sent: the connection was lost.
pub const LOST: u16 = 1006;
/// A telephone's stream that is not Twilio's, or that nobody vouches for.
pub const REFUSED: u16 = 1008;
/// A message over the limit.
pub const TOO_LARGE: u16 = 1009;
/// A telephone's stream that cannot be carried because of a fault of ours.
pub const INTERNAL: u16 = 1011;
/// A telephone's stream that cannot be carried now.
pub const TRY_LATER: u16 = 1013;
/// A message that is not this protocol.
pub const PROTOCOL: u16 = 4000;
/// A newer connection took over.
pub const REPLACED: u16 = 4001;
/// The session does not exist any more.
pub const NO_SESSION: u16 = 4002;
/// The reader is too slow.
pub const TOO_SLOW: u16 = 4003;
/// Too many messages.
pub const FLOOD: u16 = 4004;
/// Idle for too long, or at the longest duration.
pub const TIMED_OUT: u16 = 4005;
/// An error ended the session.
pub const FAILED: u16 = 4006;
/// The session goes on in another process.
pub const HANDED_OVER: u16 = 4007;
