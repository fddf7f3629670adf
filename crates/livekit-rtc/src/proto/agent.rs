//! `livekit_agent.proto`: what a worker and the server say to each other (`/agent`).

use std::collections::HashMap;

use prost::{Message, Oneof};

use super::model::{ParticipantInfo, ParticipantPermission, Room, ServerInfo};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WorkerMessage {
    #[prost(oneof = "FromWorker", tags = "1, 2, 3, 4, 5, 7")]
    pub(crate) message: Option<FromWorker>,
}

/// `WorkerMessage.message`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum FromWorker {
    #[prost(message, tag = "1")]
    Register(RegisterWorkerRequest),
    #[prost(message, tag = "2")]
    Availability(AvailabilityResponse),
    #[prost(message, tag = "3")]
    UpdateWorker(UpdateWorkerStatus),
    #[prost(message, tag = "4")]
    UpdateJob(UpdateJobStatus),
    #[prost(message, tag = "5")]
    Ping(WorkerPing),
    #[prost(message, tag = "7")]
    MigrateJob(MigrateJobRequest),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServerMessage {
    #[prost(oneof = "ToWorker", tags = "1, 2, 3, 4, 5")]
    pub(crate) message: Option<ToWorker>,
}

/// `ServerMessage.message`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum ToWorker {
    #[prost(message, tag = "1")]
    Register(RegisterWorkerResponse),
    #[prost(message, tag = "2")]
    Availability(Box<AvailabilityRequest>),
    #[prost(message, tag = "3")]
    Assignment(Box<JobAssignment>),
    #[prost(message, tag = "4")]
    Pong(WorkerPong),
    #[prost(message, tag = "5")]
    Termination(JobTermination),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Job {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "9")]
    pub(crate) dispatch_id: String,
    /// 0 room, 1 publisher, 2 participant.
    #[prost(int32, tag = "2")]
    pub(crate) r#type: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) room: Option<Room>,
    #[prost(message, optional, tag = "4")]
    pub(crate) participant: Option<ParticipantInfo>,
    #[prost(string, tag = "6")]
    pub(crate) metadata: String,
    #[prost(string, tag = "7")]
    pub(crate) agent_name: String,
    #[prost(map = "string, string", tag = "12")]
    pub(crate) attributes: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WorkerPing {
    #[prost(int64, tag = "1")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WorkerPong {
    #[prost(int64, tag = "1")]
    pub(crate) last_timestamp: i64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RegisterWorkerRequest {
    #[prost(int32, tag = "1")]
    pub(crate) r#type: i32,
    #[prost(string, tag = "8")]
    pub(crate) agent_name: String,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
    /// Seconds.
    #[prost(uint32, tag = "5")]
    pub(crate) ping_interval: u32,
    #[prost(message, optional, tag = "7")]
    pub(crate) allowed_permissions: Option<ParticipantPermission>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RegisterWorkerResponse {
    #[prost(string, tag = "1")]
    pub(crate) worker_id: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) server_info: Option<ServerInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MigrateJobRequest {
    #[prost(string, repeated, tag = "2")]
    pub(crate) job_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AvailabilityRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) job: Option<Job>,
    #[prost(bool, tag = "2")]
    pub(crate) resuming: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AvailabilityResponse {
    #[prost(string, tag = "1")]
    pub(crate) job_id: String,
    #[prost(bool, tag = "2")]
    pub(crate) available: bool,
    #[prost(bool, tag = "3")]
    pub(crate) supports_resume: bool,
    #[prost(string, tag = "4")]
    pub(crate) participant_name: String,
    #[prost(string, tag = "5")]
    pub(crate) participant_identity: String,
    #[prost(string, tag = "6")]
    pub(crate) participant_metadata: String,
    #[prost(map = "string, string", tag = "7")]
    pub(crate) participant_attributes: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateJobStatus {
    #[prost(string, tag = "1")]
    pub(crate) job_id: String,
    /// 0 pending, 1 running, 2 success, 3 failed.
    #[prost(int32, tag = "2")]
    pub(crate) status: i32,
    #[prost(string, tag = "3")]
    pub(crate) error: String,
}

impl UpdateJobStatus {
    pub(crate) const RUNNING: i32 = 1;
    pub(crate) const SUCCESS: i32 = 2;
    pub(crate) const FAILED: i32 = 3;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateWorkerStatus {
    /// 0 available, 1 full.
    #[prost(int32, optional, tag = "1")]
    pub(crate) status: Option<i32>,
    #[prost(float, tag = "3")]
    pub(crate) load: f32,
    #[prost(uint32, tag = "4")]
    pub(crate) job_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct JobAssignment {
    #[prost(message, optional, tag = "1")]
    pub(crate) job: Option<Job>,
    #[prost(string, optional, tag = "2")]
    pub(crate) url: Option<String>,
    #[prost(string, tag = "3")]
    pub(crate) token: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct JobTermination {
    #[prost(string, tag = "1")]
    pub(crate) job_id: String,
}
