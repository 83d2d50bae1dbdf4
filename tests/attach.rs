//! Viewers of a live proxy: what they see, what they can do, and what they cannot do to the traffic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod house;

use house::{DEMO, House, Proxy, until};
use mcp_sentinel::capture::reader::Reader;
use mcp_sentinel::capture::record::Payload;
use mcp_sentinel::link::client::{self, Link};
use mcp_sentinel::link::registry::Entry;
use mcp_sentinel::tap::{Command, Order, Party, Refused, Reply, Route, SessionId};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::sync::oneshot;

fn a_conversation(house: &House) -> (Proxy, Entry) {
    let mut proxy = house.start(&[], &DEMO);
    proxy.shake_hands();
    // Its answer says that the handshake is over for the proxy, too.
    proxy.echo(0);
    until("it is listed", || !house.live().is_empty());
    let entry = house.live().remove(0);
    (proxy, entry)
}

async fn order(link: &Link, command: Command) -> Result<Reply, Refused> {
    let (outcome, answer) = oneshot::channel();
    link.orders.send(Order { command, outcome }).await.unwrap();
    tokio::time::timeout(Duration::from_secs(300), answer)
        .await
        .expect("an answer in time")
        .unwrap()
}

fn echo(text: &str) -> Command {
    Command::Send {
        route: Route::Session(SessionId(1)),
        message: format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"{text}"}}}}}}"#
        ),
        replay_of: None,
    }
}

/// Every line of a capture, with who wrote it to whom.
fn lines(entry: &Entry) -> Vec<(Party, Option<Party>, String)> {
    let mut lines = Vec::new();
    let mut reader = Reader::open(entry.capture.as_ref().unwrap()).unwrap();
    let read = reader.read(usize::MAX, |record| {
        if let Payload::Line {
            from, to, bytes, ..
        } = record.payload
        {
            lines.push((from, to, String::from_utf8(bytes.into_owned()).unwrap()));
        }
    });
    read.unwrap();
    lines
}

#[test]
fn who_comes_late_sees_everything_since_the_first_message() {
    let house = House::new();
    let (mut proxy, entry) = a_conversation(&house);
    for id in 1..=20 {
        proxy.echo(id);
    }
    until("the last answer is in the capture", || {
        lines(&entry)
            .iter()
            .any(|(.., text)| text.contains("Echo: no 20"))
    });
    let seen = lines(&entry);
    assert!(
        seen[0].2.contains(r#""method":"initialize""#),
        "{}",
        seen[0].2
    );
    let of = |party| seen.iter().filter(|(from, ..)| *from == party).count();
    assert_eq!((of(Party::Client), of(Party::Server)), (23, 22));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewers_call_is_answered_in_the_capture_and_never_to_the_client() {
    let house = House::new();
    let (mut proxy, entry) = a_conversation(&house);
    let link = client::connect(&entry.socket).await.unwrap();
    let Ok(Reply::Sent {
        session,
        id: Some(id),
    }) = order(&link, echo("from a viewer")).await
    else {
        panic!("not sent");
    };
    assert_eq!(session, SessionId(1));
    until("its answer is in the capture", || {
        lines(&entry).iter().any(|(from, to, text)| {
            *from == Party::Server
                && *to == Some(Party::Operator)
                && text.contains("Echo: from a viewer")
        })
    });
    let asked = lines(&entry)
        .into_iter()
        .find(|(from, ..)| *from == Party::Operator)
        .unwrap();
    assert!(asked.2.contains(&format!(r#""id":{id}"#)), "{}", asked.2);
    // What the client reads next is its own.
    proxy.echo(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_viewers_each_get_their_own_outcome() {
    let house = House::new();
    let (mut proxy, entry) = a_conversation(&house);
    let mut ids = Vec::new();
    let mut links = Vec::new();
    for viewer in 0..5 {
        let link = client::connect(&entry.socket).await.unwrap();
        match order(&link, echo(&format!("viewer {viewer}"))).await {
            Ok(Reply::Sent { id: Some(id), .. }) => ids.push(id),
            other => panic!("{other:?}"),
        }
        links.push(link);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let refused = order(&links[0], Command::CloseOperator).await.unwrap_err();
    assert!(refused.0.contains("no session"), "{refused}");
    proxy.echo(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_dies_stalls_or_babbles_changes_nothing() {
    let house = House::new();
    let (mut proxy, entry) = a_conversation(&house);
    // One that orders and never reads an outcome, until its socket takes no more.
    let mut stalled = UnixStream::connect(&entry.socket).unwrap();
    stalled
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let order_line = r#"{"id":1,"command":"close_operator"}"#;
    let flood = format!("{order_line}\n").repeat(1000);
    while stalled.write_all(flood.as_bytes()).is_ok() {}
    // One that speaks something else, without end, and one that dies in the middle of a word.
    let mut babbling = UnixStream::connect(&entry.socket).unwrap();
    let _ = babbling.write_all(&[b'x'; 1 << 20]);
    let mut dying = UnixStream::connect(&entry.socket).unwrap();
    dying.write_all(&order_line.as_bytes()[..20]).unwrap();
    drop(dying);

    for id in 1..=50 {
        proxy.echo(id);
    }
    let link = client::connect(&entry.socket).await.unwrap();
    assert!(matches!(
        order(&link, echo("still here")).await,
        Ok(Reply::Sent { .. })
    ));
    assert_eq!(proxy.leave().0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_proxy_ends_its_viewers_are_told() {
    let house = House::new();
    let (proxy, entry) = a_conversation(&house);
    let link = client::connect(&entry.socket).await.unwrap();
    assert!(!link.gone.is_cancelled());
    assert_eq!(proxy.leave().0, Some(0));

    let gone = tokio::time::timeout(Duration::from_secs(300), link.gone.cancelled());
    gone.await.expect("the viewer is told");
    let refused = order(&link, echo("too late")).await.unwrap_err();
    assert_eq!(refused.0, "the connection to the proxy has ended");
    // The capture is complete, and the entry is gone.
    assert!(house.live().is_empty());
    assert_eq!(lines(&entry).len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_killed_looks_the_same_to_a_viewer() {
    let house = House::new();
    let (mut proxy, entry) = a_conversation(&house);
    let link = client::connect(&entry.socket).await.unwrap();
    proxy.process.kill().unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(300), link.gone.cancelled());
    gone.await.expect("the viewer is told");
    // The kernel closes one socket after the other.
    until("its entry is stale", || house.live().is_empty());
    assert!(client::connect(&entry.socket).await.is_err());
}
