//! People's rights, where something is not as usual.

use serde_json::{Value, json};
use voice_agent::vault::{Key, Kms as _, LocalKms};

use crate::privacy::{PRIVACY, person, recorded, with_roles};
use crate::server::{TestServer, problem};

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
