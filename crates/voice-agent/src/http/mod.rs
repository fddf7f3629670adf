//! The callers' port (page, API, voice, health) and the operators' port (metrics).

mod admin;
mod body;
mod caller;
mod consent;
mod guard;
mod health;
mod jwks;
mod jwt;
mod livekit;
mod page;
mod path;
mod problem;
mod router;
mod serve;
mod session;
mod sms;
mod task;
mod token;
mod twilio;
mod voice;

pub use caller::Origins;
pub(crate) use caller::{check_name, check_user_id};
pub(crate) use guard::content_policy;
pub use jwt::{JwtError, Verifier};
pub use problem::Problem;
pub use router::{ROUTES, metrics_router, router};
pub use serve::{Door, serve};
pub use token::{Token, random_hex};

/// The API's description, as `GET /api/openapi.json` answers it.
pub const OPENAPI: &str = include_str!("../../openapi.json");
