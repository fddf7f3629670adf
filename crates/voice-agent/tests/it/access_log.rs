//! The log of who looked at what: every access is in it, or does not happen.

use serde_json::{Value, json};
use voice_agent::consent::Decisions;
use voice_agent::store::UserId;
use voice_agent::vault::Sealer;

use crate::privacy::{AUDITOR, NUMBER, OPERATOR, PRIVACY, WORDS, fill, holding, person, with_logs, with_roles};
use crate::server::{TestServer, problem};

#[tokio::test]
async fn every_access_is_in_the_log_and_no_token_is() {
    let server = TestServer::with(with_roles).await;
    fill(server.store.as_ref()).await;
    // No name that hexadecimal digits could spell.
    let session = server.session("zoe").await;
    let body = json!({"user_id": person()});
    server.get(&format!("/api/admin/sessions/{}?words=true", session.id), OPERATOR).await;
    server.post("/api/admin/privacy/consents", AUDITOR, &body).await;
    server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await;
    server.post("/api/admin/privacy/export", PRIVACY, &body).await;
    let told: Value = server.get("/api/admin/access-log", PRIVACY).await.json().await.unwrap();
    let lines: Vec<(&str, &str)> = told["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["role"].as_str().unwrap(), line["action"].as_str().unwrap()))
        .collect();
    let all = [
        ("operator", "read_words"),
        ("auditor", "read_consents"),
        ("privacy", "withdraw"),
        ("privacy", "export"),
        ("privacy", "read_access_log"),
    ];
    assert_eq!(lines, all);
    let pseudonyms: std::collections::BTreeSet<&str> =
        told["lines"].as_array().unwrap().iter().map(|line| line["user"].as_str().unwrap()).collect();
    assert_eq!(pseudonyms.len(), 3, "two people, and nobody in particular");
    let folder = server.data().join(voice_agent::access_log::FOLDER);
    assert_eq!(holding(&folder, &[OPERATOR, AUDITOR, PRIVACY, NUMBER, "zoe"]), [] as [String; 0]);
}

#[tokio::test]
async fn an_access_that_cannot_be_written_down_does_not_happen() {
    let server = TestServer::with(with_roles).await;
    fill(server.store.as_ref()).await;
    // A file where the folder should be.
    std::fs::write(server.data().join(voice_agent::access_log::FOLDER), "in the way").unwrap();
    let body = json!({"user_id": person()});
    let answer = server.post("/api/admin/privacy/export", PRIVACY, &body).await;
    problem(answer, 503, "access_log").await;
    problem(server.post("/api/admin/privacy/erase", PRIVACY, &body).await, 503, "access_log").await;
    assert_eq!(server.store.sessions_of(person()).await.unwrap().len(), 1);
    // To take consent back hands nothing out, and waits for no log.
    assert_eq!(server.post("/api/admin/privacy/withdraw", PRIVACY, &body).await.status(), 204);
    assert!(Decisions::of(server.store.as_ref(), &person()).await.unwrap().opted_out());
}

#[tokio::test]
async fn a_known_break_of_the_access_log_is_sealed_by_the_auditor_and_by_nobody_else() {
    let server = TestServer::with(with_roles).await;
    let body = json!({"user_id": person()});
    server.post("/api/admin/privacy/consents", AUDITOR, &body).await;
    let folder = server.data().join(voice_agent::access_log::FOLDER);
    std::fs::write(folder.join("20261129T120000000Z-pod.jsonl"), "half a li").unwrap();
    let audit = async || {
        let told: Value = server.get("/api/admin/access-log", AUDITOR).await.json().await.unwrap();
        (told["audit"]["findings"].as_array().unwrap().len(), told["audit"]["sealed"].as_array().unwrap().len())
    };
    assert_eq!(audit().await, (2, 0));
    let path = "/api/admin/access-log";
    let seal = json!({"log": "20261129T120000000Z-pod", "reason": "the process was killed"});
    for token in [OPERATOR, PRIVACY] {
        problem(server.post(path, token, &seal).await, 403, "other_role").await;
    }
    problem(server.post(path, AUDITOR, &json!({"log": "x", "reason": ""})).await, 422, "invalid_fields").await;
    problem(server.post(path, AUDITOR, &json!({"log": "x", "reason": "y"})).await, 404, "no_such_break").await;
    assert_eq!(server.post(path, AUDITOR, &seal).await.status(), 204);
    assert_eq!(audit().await, (0, 1));
    problem(server.post(path, AUDITOR, &seal).await, 404, "no_such_break").await;
}

#[tokio::test]
async fn who_reads_a_log_of_inputs_is_noted_with_whose_it_is() {
    let logs = tempfile::tempdir().unwrap();
    let server = with_logs(logs.path()).await;
    fill(server.store.as_ref()).await;
    let vault = server.app().vault.clone().unwrap();
    let key = vault.user_key(&person()).await.unwrap();
    let (mut sealer, mut bytes) = Sealer::new(&key, "input-log/x").unwrap();
    sealer.seal(WORDS.as_bytes(), &mut bytes).unwrap();
    sealer.finish(&mut bytes).unwrap();
    std::fs::write(logs.path().join("call_1-20261129T120000000Z.jsonl.sealed"), bytes).unwrap();
    std::fs::write(logs.path().join("call_2-20261129T120000000Z.jsonl"), "{}").unwrap();
    for call in ["call_1", "call_2"] {
        assert_eq!(server.get(&format!("/api/admin/sessions/{call}/log"), OPERATOR).await.status(), 200);
    }
    let told: Value = server.get("/api/admin/access-log", AUDITOR).await.json().await.unwrap();
    let bea = vault.pseudonym(&UserId::new("bea")).await.unwrap().to_string();
    for (line, whose) in told["lines"].as_array().unwrap().iter().zip([key.owner().to_string(), bea]) {
        assert_eq!((&line["action"], &line["user"]), (&json!("read_input_log"), &json!(whose)));
    }
}
