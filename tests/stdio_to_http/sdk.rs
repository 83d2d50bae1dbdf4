//! rmcp on both sides, in both lifecycles.

use crate::common::http::Sentinel;
use crate::common::http::sdk::{self, ERAS, Server, Serving};
use serde_json::json;

#[tokio::test]
async fn what_a_client_gets_is_what_it_gets_without_us() {
    for serving in [Serving::Sessions, Serving::Stateless] {
        for era in ERAS {
            let server = Server::start(serving).await;
            let direct = sdk::connect(&server.url(), era).await;
            let mut proxy = Sentinel::on_pipes(&[&server.url()]);
            let bridged = sdk::connect_over(proxy.pipes(), era).await;
            let (seen, want) = (sdk::visit(&bridged).await, sdk::visit(&direct).await);
            assert_eq!(seen, want, "{serving:?} {era:?}");
            bridged.cancel().await.unwrap();
            assert_eq!(proxy.ended().await.code(), Some(0));
        }
    }
}

#[tokio::test]
async fn a_server_asks_the_client_back_in_both_eras() {
    for era in ERAS {
        let server = Server::start(Serving::Sessions).await;
        let mut proxy = Sentinel::on_pipes(&[&server.url()]);
        let client = sdk::connect_over(proxy.pipes(), era).await;
        let answer = sdk::call(&client, "ask", json!({})).await;
        assert!(answer.to_string().contains("Ada"), "{era:?}: {answer}");
    }
}
