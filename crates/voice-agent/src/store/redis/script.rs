//! The scripts: each method of the store is one, so that it happens wholly or not at all.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $($file:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file), "\n"),+)));
    )+};
}

scripts! {
    /// Makes a session.
    CREATE = "create.lua";
    /// Reads a session.
    LOAD = "load.lua";
    /// Becomes a session's owner.
    CLAIM = "claim.lua";
    /// Saves a turn.
    COMMIT = "lease.lua" "tasks.lua" "commit.lua";
    /// Renews a session.
    EXTEND = "lease.lua" "extend.lua";
    /// Says whose a session is, after an outage.
    REASSERT = "reassert.lua";
    /// Ends a session.
    END = "end.lua";
    /// Forgets a session.
    DELETE = "delete.lua";
    /// Lists the sessions.
    LIVE = "live.lua";
    /// Forgets what expired.
    SWEEP = "sweep.lua";
    /// Puts down a hand-over.
    PUT_HANDOVER = "lease.lua" "put_handover.lua";
    /// Takes a hand-over.
    TAKE_HANDOVER = "take_handover.lua";
    /// Reads a user's tasks.
    READ_TASKS = "read_tasks.lua";
    /// Changes a user's tasks.
    CHANGE = "tasks.lua" "change.lua";
    /// Adds to what was spent.
    ADD_SPEND = "add_spend.lua";
    /// The days for which there is a spend.
    SPEND_DAYS = "spend_days.lua";
    /// What was spent on some days.
    SPEND = "spend.lua";
    /// Notes whether a user wants no text messages.
    OPT_OUT = "opt_out.lua";
    /// Reads a wrapped key.
    KEY = "key.lua";
    /// Keeps a wrapped key.
    PUT_KEY = "put_key.lua";
    /// Puts a wrapped key in the place of another.
    REPLACE_KEY = "replace_key.lua";
    /// Forgets a wrapped key.
    DELETE_KEY = "delete_key.lua";
    /// Whether a set has a member.
    IS_IN = "is_in.lua";
    /// Lists the wrapped keys, in pieces.
    KEYS = "keys.lua";
    /// Reads many wrapped keys.
    WRAPPED = "wrapped.lua";
    /// Adds a decision about recordings.
    ADD_CONSENT = "add_consent.lua";
    /// Reads a person's decisions about recordings.
    CONSENTS = "consents.lua";
    /// Lists the sessions, those that ended included.
    ALL_SESSIONS = "all_sessions.lua";
    /// Forgets a session, and that it may be put back.
    ERASE_SESSION = "erase_session.lua";
    /// Forgets what is kept of a person.
    ERASE = "erase.lua";
    /// Asks something of instances.
    ORDER = "order.lua";
    /// Reads what they are asked.
    ORDERS = "orders.lua";
    /// Says that an instance has forgotten somebody.
    OBEY = "obey.lua";
    /// Reads who has.
    ANSWERS = "answers.lua";
    /// Puts down a piece of what an instance has of somebody.
    GIVE = "give.lua";
    /// Takes such a piece.
    TAKE = "take.lua";
    /// Lists instances that live.
    INSTANCES = "instances.lua";
    /// Notes how far an access log is.
    PUT_LOG_HEAD = "put_log_head.lua";
    /// Reads how far the access logs are.
    LOG_HEADS = "log_heads.lua";
    /// Begins to answer a text message.
    BEGIN_MESSAGE = "begin_message.lua";
    /// Sets a key for a time, unless it is there.
    NOTE = "note.lua";
    /// Forgets a key.
    FORGET = "forget.lua";
    /// Sets a key for a time.
    SET = "set.lua";
    /// Whether a key is there.
    EXISTS = "exists.lua";
}
