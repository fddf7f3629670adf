//! People's rights, where something is not as usual: a withdrawal in another's name, a key that no master key opens, an access log without a key; and
//! the commands of who has the machine.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::{Config, Secret};
use voice_agent::consent::Decisions;
use voice_agent::http::ROUTES;
use voice_agent::store::UserId;
use voice_agent::vault::{Key, Kms as _, LocalKms};

use crate::privacy::{AUDITOR, OPERATOR, PRIVACY, person, recorded, with_roles};
use crate::redis_server::RedisServer;
use crate::server::{TestServer, problem, soon};

#[tokio::test]
async fn an_objection_in_somebodys_name_says_that_it_is_one_and_on_which_channel() {
    let server = TestServer::with(with_roles).await;
    for (user, channel) in [("phone:+15551234567", "phone"), ("ada", "browser")] {
        let body = json!({"user_id": user});
        assert_eq!(server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await.status(), 204);
        let told = server.post("/api/admin/privacy/consents", PRIVACY, &body).await;
        let record = told.json::<Value>().await.unwrap()["consents"][0].clone();
        let (how, on, decision) = (&record["how"], &record["channel"], &record["decision"]);
        assert_eq!((how, on, decision), (&json!("in_name"), &json!(channel), &json!("opted_out")));
    }
}

#[tokio::test]
async fn an_objection_stops_the_calls_here_also_while_the_store_is_away_and_says_what_it_is_not() {
    let mut redis = RedisServer::start();
    let server = TestServer::with(|config| {
        with_roles(config);
        config.secrets.redis_url = Some(Secret::new(redis.url()));
        config.secrets.recording_master_key = Some(Secret::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="));
    })
    .await;
    let (hers, others) = (server.session("ada").await, server.session("bea").await);
    let (mut socket, mut other) = (server.voice(&hers).await, server.voice(&others).await);
    redis.kill();
    let (body, own) = (json!({"user_id": "ada"}), json!({"opt_out": true}));
    let told = problem(server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await, 503, "store").await;
    assert!(told["detail"].as_str().unwrap().contains("not written down"), "{told}");
    assert_eq!(socket.event("recording").await["enabled"], false);
    problem(server.post("/api/consents", &others.token, &own).await, 503, "store").await;
    assert_eq!(other.event("recording").await["enabled"], false);
    redis.restart();
    soon("it is taken", async || server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await.status() == 204)
        .await;
    let told = server.post("/api/admin/privacy/consents", PRIVACY, &body).await.json::<Value>().await.unwrap();
    assert_eq!(told["opted_out"], true);
}

#[tokio::test]
async fn a_recording_whose_key_no_master_key_opens_is_told_as_that_and_nobody_is_asked_to_come_again() {
    let server = TestServer::with(with_roles).await;
    let (name, _) = recorded(&server, &person()).await;
    let owner = name.owner.to_string();
    let wrapped = server.store.key(owner.clone()).await.unwrap().unwrap();
    let other = LocalKms::new(Key::from_bytes(&[9; 32]), Vec::new());
    let anew = other.wrap(&owner, &Key::random().unwrap()).await.unwrap();
    assert!(server.store.replace_key(owner, wrapped, anew).await.unwrap());
    let answer = server.get(&format!("/api/admin/recordings/{name}"), PRIVACY).await;
    assert!(!answer.headers().contains_key("retry-after"));
    let told = problem(answer, 500, "recording_key").await;
    assert!(told["detail"].as_str().unwrap().contains("RECORDING_MASTER_KEYS_OLD"), "{told}");
}

#[tokio::test]
async fn without_a_key_for_the_access_log_nothing_is_handed_out_unless_it_is_off() {
    let redis = RedisServer::start();
    let shared = |config: &mut Config| {
        with_roles(config);
        config.secrets.redis_url = Some(Secret::new(redis.url()));
    };
    let server = TestServer::with(shared).await;
    let session = server.session("ada").await;
    let words = format!("/api/admin/sessions/{}?words=true", session.id);
    problem(server.get(&words, OPERATOR).await, 503, "access_log").await;
    let body = json!({"user_id": "ada"});
    problem(server.post("/api/admin/privacy/consents", AUDITOR, &body).await, 503, "access_log").await;
    // What names nobody, and what takes consent back, goes on: by callers themselves, and in their name.
    assert_eq!(server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await.status(), 204);
    let ada = UserId::new("ada");
    assert!(Decisions::of(server.store.as_ref(), &ada).await.unwrap().opted_out());
    problem(server.post("/api/admin/privacy/consents", PRIVACY, &body).await, 503, "access_log").await;
    assert_eq!(server.get("/api/admin/sessions", OPERATOR).await.status(), 200);
    assert_eq!(server.post("/api/consents", &session.token, &json!({"opt_out": true})).await.status(), 204);
    let unlogged = TestServer::with(|config: &mut Config| {
        shared(config);
        config.recording.access_logging = false;
    })
    .await;
    assert_eq!(unlogged.post("/api/admin/privacy/consents", AUDITOR, &body).await.status(), 200);
}

#[tokio::test]
async fn no_call_of_an_operator_answers_without_a_roles_token() {
    let server = TestServer::with(with_roles).await;
    let session = server.session("ada").await;
    let calls: Vec<(&str, &str)> = ROUTES
        .iter()
        .filter(|(path, _)| path.starts_with("/api/admin"))
        .flat_map(|(path, methods)| methods.iter().map(move |method| (*path, *method)))
        .collect();
    assert!(calls.len() >= 16, "{calls:?}");
    for (path, method) in calls {
        let path = path.replace(['{', '}'], "");
        for token in [None, Some("wrong"), Some(session.token.as_str())] {
            let mut request = server.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &path);
            if method == "post" {
                request = request.json(&json!({"user_id": "ada"}));
            }
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            assert_eq!(request.send().await.unwrap().status(), 401, "{method} {path}");
        }
    }
}

/// A command beside this data, where no server runs: how it ends, and what it says.
fn command(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let models = data.with_file_name("models");
    let mut command = Command::new(env!("CARGO_BIN_EXE_voice-agent"));
    let output = command.env_clear().env("DATA_DIR", data).env("MODELS_DIR", models).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn an_erasure_its_certificate_and_a_broken_access_log_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let file = folder.path().join("certificate.json");
    let to = file.to_str().unwrap();
    let (code, said) = command(&data, &["privacy", "erase", "--user", "phone:+15551234567", "--to", to]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = command(&data, &["privacy", "verify", to]);
    assert!(code == Some(0) && said.contains("genuine") && !said.contains("5551234567"), "{said}");
    let certificate = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, certificate.replacen("\"subject\": \"", "\"subject\": \"0", 1)).unwrap();
    assert_eq!(command(&data, &["privacy", "verify", to]).0, Some(1), "{certificate}");
    let (code, said) = command(&data, &["recordings", "audit"]);
    assert!(code == Some(0) && said.contains("The access log is whole."), "{said}");
    let log = std::fs::read_dir(data.join(voice_agent::access_log::FOLDER)).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&log, "").unwrap();
    let (code, said) = command(&data, &["recordings", "audit"]);
    assert!(code == Some(1) && said.contains("cut off"), "{said}");
    let name = log.file_stem().unwrap().to_str().unwrap();
    let (code, said) = command(&data, &["recordings", "seal", name, "--reason", "the disk was full"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = command(&data, &["recordings", "audit"]);
    assert!(code == Some(0) && said.contains("sealed") && said.contains("the disk was full"), "{said}");
}
