//! Who may do what: a table of calls and roles, and the note of every access.

use axum::http::{HeaderMap, StatusCode};

use super::super::caller::bearer;
use super::super::problem::Problem;
use super::super::token::same_secret;
use crate::access_log::{Access, AccessLogError, Role};
use crate::app::{App, Shared};
use crate::config::Secret;
use crate::store::UserId;

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = [$($role:ident),*],)*) => {
        /// A call of `/api/admin`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum AdminCall {
            $($(#[$doc])* $name,)*
        }

        impl AdminCall {
            /// Every call.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Who may make it.
            pub(super) const fn roles(self) -> &'static [Role] {
                match self {
                    $(Self::$name => &[$(Role::$role),*],)*
                }
            }
        }
    };
}

calls! {
    /// Who one is.
    WhoAmI = [Operator, Auditor, Privacy],
    /// The live sessions, and one of them without its words.
    Sessions = [Operator],
    /// The words of a live session.
    Words = [Operator],
    /// A session's log of inputs.
    InputLog = [Operator],
    /// Ends a session.
    End = [Operator],
    /// Takes no new sessions.
    Drain = [Operator],
    /// What was spent.
    Spend = [Operator, Auditor],
    /// Which recordings there are.
    Recordings = [Operator, Auditor, Privacy],
    /// A recording itself, or its transcript.
    Recording = [Operator, Privacy],
    /// What somebody decided about recordings.
    Consents = [Auditor, Privacy],
    /// The access log, and whether it is whole.
    AccessLog = [Auditor, Privacy],
    /// A note on why an access log is broken.
    SealLog = [Auditor],
    /// Everything about somebody.
    Export = [Privacy],
    /// The erasure of somebody.
    Erase = [Privacy],
    /// An objection in somebody's name.
    Withdraw = [Privacy],
}

/// The role of this request, if it may make this call: 404 where there are no roles, 401 for nobody's token, 403 for one of a role
/// that may not.
pub(super) fn admit(app: &App, headers: &HeaderMap, call: AdminCall) -> Result<Role, Problem> {
    let secrets = &app.config.secrets;
    let tokens = [
        (Role::Operator, &secrets.admin_token),
        (Role::Auditor, &secrets.auditor_token),
        (Role::Privacy, &secrets.privacy_token),
    ];
    if tokens.iter().all(|(_, token)| token.is_none()) {
        return Err(Problem::not_found("admin_off", "Operators' calls are off. ADMIN_TOKEN switches them on."));
    }
    let given = bearer(headers).ok_or_else(|| Problem::unauthorized("The operator's bearer token is needed."))?;
    // Every token is compared, so that the time says nothing about which was nearly it.
    let is_theirs = |token: &Option<Secret>| token.as_ref().is_some_and(|token| same_secret(given, token));
    let found: Vec<Role> = tokens.iter().filter(|(_, token)| is_theirs(token)).map(|(role, _)| *role).collect();
    if found.is_empty() {
        return Err(Problem::unauthorized("The bearer token is nobody's who may make this call."));
    }
    let allowed = found.into_iter().find(|role| call.roles().contains(role));
    allowed.ok_or_else(|| {
        let names: Vec<&str> = call.roles().iter().map(|role| role.as_str()).collect();
        Problem::forbidden("other_role", format!("This call is for these roles: {}.", names.join(", ")))
    })
}

/// Whose data is looked at.
pub(super) enum Whose<'a> {
    /// This person's.
    User(&'a UserId),
    /// The person's with this pseudonym.
    Pseudonym(&'a str),
    /// Nobody's in particular.
    Nobody,
}

/// Writes an access down, before anything is handed out; nothing is, if it cannot be written down.
pub(super) async fn note(
    app: &Shared,
    role: Role,
    action: &'static str,
    whose: Whose<'_>,
    of: &str,
) -> Result<(), Problem> {
    app.events.operator(action, of);
    let Some(log) = &app.access_log else {
        return if app.config.recording.access_logging { Err(unkeyed(app)) } else { Ok(()) };
    };
    let access = Access { role, action, user: String::new(), of: of.to_owned() };
    let noted = match whose {
        Whose::User(user) => log.note_of(access, user).await,
        Whose::Pseudonym(user) => log.note(&Access { user: user.to_owned(), ..access }).await,
        Whose::Nobody => log.note(&access).await,
    };
    noted.map_err(|error| unnoted(app, &error))
}

/// The log is wanted, and there is no key to write it with: silence would look like a log without accesses.
fn unkeyed(app: &App) -> Problem {
    let sentence = "The access log is on, and there is no key for it, so nothing is handed out: instances that share a Redis need \
                    RECORDING_MASTER_KEY. RECORDING_ACCESS_LOGGING=false does without the log.";
    Problem::unavailable("access_log", sentence, app.config.limits.retry_after_s)
}

fn unnoted(app: &App, error: &AccessLogError) -> Problem {
    tracing::error!(%error, "an access cannot be written into the access log, and is refused");
    let sentence = "The access cannot be written into the access log, so nothing is handed out.";
    Problem::unavailable("access_log", sentence, app.config.limits.retry_after_s)
}

/// A file that is handed out.
pub(super) fn disposition(name: &str) -> String {
    let safe: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    format!("attachment; filename=\"{safe}\"")
}

/// Something could not be read: the log says what.
pub(super) fn unreadable(what: &'static str, error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, what, "cannot be read");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "It cannot be read; the server's log says why.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_gives_each_role_what_it_is_for_and_no_more() {
        let may = |role: Role| {
            let calls = AdminCall::ALL.iter().filter(|call| call.roles().contains(&role));
            calls.map(|call| format!("{call:?}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(may(Role::Operator), "WhoAmI Sessions Words InputLog End Drain Spend Recordings Recording");
        assert_eq!(may(Role::Auditor), "WhoAmI Spend Recordings Consents AccessLog SealLog");
        assert_eq!(may(Role::Privacy), "WhoAmI Recordings Recording Consents AccessLog Export Erase Withdraw");
        assert_eq!((may(Role::Command), may(Role::Server)), (String::new(), String::new()));
    }

    #[test]
    fn a_files_name_cannot_leave_its_place() {
        assert_eq!(disposition("a/b\"; x=\"c.ogg"), "attachment; filename=\"abxc.ogg\"");
    }
}
