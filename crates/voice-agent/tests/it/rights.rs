//! People's rights, where something is not as usual.

use serde_json::{Value, json};

use crate::privacy::{PRIVACY, with_roles};
use crate::server::TestServer;

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
