//! The names that LiveKit gives to things, each a type of its own so that they cannot be mistaken for one another;
//! cheap to clone.

use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }
    };
}

id! {
    /// Who a participant is, for as long as its token says so: unique in a room, and kept when it joins again.
    Identity
}
id! {
    /// One stay of a participant in a room (`PA_…`): it changes when the participant joins again.
    ParticipantSid
}
id! {
    /// One publication of a track (`TR_…`): it changes when the track is published again.
    TrackSid
}
id! {
    /// A job that the server gave to a worker (`AJ_…`).
    JobId
}
id! {
    /// The client's own name of a track that it publishes: the track id in its SDP. It is kept over every reconnect.
    TrackCid
}
id! {
    /// A text or byte stream.
    StreamId
}
