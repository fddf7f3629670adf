//! `voice-agent region` with two real Redis.

use std::process::{Command, Output};

use serde_json::Value;

use super::process::has;
use crate::redis_server::RedisServer;

/// Runs it where `here` is.
fn region(arguments: &[&str], here: &str, there: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voice-agent"));
    command.env_clear().arg("region").args(arguments).arg("--json").env("REDIS_URL", here);
    command.envs(there.map(|there| ("PEER_REDIS_URL", there)));
    command.output().unwrap()
}

fn said(output: &Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, because: &str) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && complaint.contains(because), "{complaint}");
}

#[test]
fn a_standby_is_promoted_and_everything_goes_back() {
    if !has("redis-server", "apt-get install redis-server") {
        return;
    }
    let (mut east, west) = (RedisServer::start(), RedisServer::start());
    let (here, there) = (east.url(), west.url());
    east.tell("SET voice:tasks:ada 1");
    let followed = said(&region(&["follow"], &there, Some(&here)));
    assert_eq!((&followed["follows"], &followed["here"]["task_lists"]), (&Value::Bool(true), &Value::from(1)));
    // While the primary answers, or is heard, there would be two of them.
    refused(&region(&["promote"], &there, Some(&here)), "fence it off");
    refused(&region(&["promote"], &there, None), "still hears its primary");

    east.kill();
    let promoted = said(&region(&["promote"], &there, Some(&here)));
    assert_eq!((&promoted["promoted"], &promoted["here"]["role"]), (&Value::Bool(true), &Value::from("master")));
    assert_eq!(promoted["because"], "the old primary does not answer");
    west.tell("SET voice:tasks:grace 1");
    let again = said(&region(&["promote"], &there, Some(&here)));
    assert_eq!(again["promoted"], false);

    east.restart();
    east.tell("SET voice:tasks:lost 1");
    refused(&region(&["failback"], &here, Some(&there)), "is the primary already");
    refused(&region(&["follow"], &here, Some(&there)), "--discard");
    let followed = said(&region(&["follow", "--discard"], &here, Some(&there)));
    assert_eq!((&followed["had_keys"], &followed["here"]["task_lists"]), (&Value::from(2), &Value::from(2)));
    let back = said(&region(&["failback"], &here, Some(&there)));
    assert_eq!((&back["here"]["role"], &back["there"]["role"]), (&Value::from("master"), &Value::from("slave")));
    let status = said(&region(&["status"], &here, Some(&there)));
    assert_eq!((&status["here"]["task_lists"], &status["there"]["task_lists"]), (&Value::from(2), &Value::from(2)));
    assert!(status["bytes_behind"].is_i64(), "{status}");
}

#[test]
fn of_two_replicas_at_one_port_the_name_says_which_is_meant() {
    if !has("redis-server", "apt-get install redis-server") {
        return;
    }
    // The primary has its region's own copy beside it; the other region's announces a name, as the manifests have it.
    let announced = |name: &'static str| move |_| ["--replica-announce-ip", name].map(str::to_owned).to_vec();
    let (west, east) = (RedisServer::start(), RedisServer::start_with(announced("localhost")));
    let copy = RedisServer::start_with(announced("127.0.0.1"));
    copy.tell(&format!("CONFIG SET replica-announce-port {}", east.port));
    west.tell("SET voice:tasks:ada 1");
    let (here, there) = (east.url(), west.url());
    for follower in [&copy, &east] {
        said(&region(&["follow"], &follower.url(), Some(&there)));
    }
    refused(&region(&["failback"], &here, Some(&there)), "--known-as says so");
    let name = format!("localhost:{}", east.port);
    let back = said(&region(&["failback", "--known-as", &name], &here, Some(&there)));
    assert_eq!((&back["here"]["role"], &back["there"]["role"]), (&Value::from("master"), &Value::from("slave")));
    assert_eq!(back["there"]["task_lists"], 1);
}

#[test]
fn what_is_missing_is_said_without_a_password() {
    let nowhere = "redis://agent:hunter2@127.0.0.1:9";
    let output = region(&["status"], nowhere, None);
    refused(&output, "REDIS_URL does not answer");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_voice-agent"));
    let unset = command.env_clear().args(["region", "status"]).output().unwrap();
    assert_eq!(unset.status.code(), Some(64));
    assert_eq!(region(&["failback"], nowhere, None).status.code(), Some(64));
}
