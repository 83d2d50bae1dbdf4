//! What a queue keeps, drops and wakes.

use super::*;
use crate::tap::{Http, Request};
use bytes::Bytes;
use http::{HeaderMap, Method};

fn stream(from: Party, bytes: &str) -> Event {
    Event {
        at: Timestamp(1),
        session: SessionId(1),
        body: Body::Stream {
            from,
            bytes: Bytes::copy_from_slice(bytes.as_bytes()),
        },
    }
}

fn end(from: Party) -> Event {
    Event {
        at: Timestamp(1),
        session: SessionId(1),
        body: Body::End { from },
    }
}

/// Takes and releases everything; streams as their text, losses as `lost(messages, bytes)`.
fn drained(drain: &mut Drain) -> Vec<String> {
    let mut batch = VecDeque::new();
    drain.take(&mut batch);
    drain.release(batch.iter().map(Queued::weight).sum());
    batch
        .into_iter()
        .map(|item| match item {
            Queued::Lost(lost) => format!("lost({}, {})", lost.messages, lost.bytes),
            Queued::Event(event, _) => match (event.body.payload(), &event.body) {
                (Some(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
                (
                    None,
                    Body::Http {
                        what: Http::Request(_),
                        ..
                    },
                ) => "head".into(),
                (None, _) => "end".into(),
            },
        })
        .collect()
}

#[test]
fn what_was_pushed_is_taken_in_order() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    for text in ["a\n", "b", "c\n"] {
        tap.push(stream(Party::Client, text));
    }
    assert_eq!(drained(&mut drain), ["a\n", "b", "c\n"]);
    assert!(drained(&mut drain).is_empty());
}

#[test]
fn a_disabled_tap_is_never_full_and_says_so() {
    let tap = Tap::disabled();
    tap.push(stream(Party::Client, "a\n"));
    tap.wake();
    assert!(!tap.is_enabled() && !tap.is_full());
}

#[test]
fn waiting_overdraws_the_budget_by_one_event_and_drops_none() {
    let (tap, mut drain) = queue(1, Overflow::Wait);
    assert!(!tap.is_full());
    tap.push(stream(Party::Client, "a\n"));
    assert!(tap.is_full());
    tap.push(stream(Party::Client, "b\n"));
    assert_eq!(drained(&mut drain), ["a\n", "b\n"]);
    assert!(!tap.is_full());
}

#[tokio::test]
async fn who_waits_for_room_is_woken_by_the_release() {
    let (tap, mut drain) = queue(1, Overflow::Wait);
    tap.push(stream(Party::Client, "a\n"));
    let waiting = tokio::spawn({
        let tap = tap.clone();
        async move { tap.ready().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drained(&mut drain);
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_recorder_that_is_gone_stops_nobody() {
    let (tap, drain) = queue(1, Overflow::Wait);
    tap.push(stream(Party::Client, "a\n"));
    let waiting = tokio::spawn({
        let tap = tap.clone();
        async move { tap.ready().await }
    });
    tokio::task::yield_now().await;
    drop(drain);
    waiting.await.unwrap();
    tap.push(stream(Party::Client, "a\n"));
    assert!(!tap.is_full());
}

#[test]
fn a_loss_is_counted_and_stands_where_it_happened() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(stream(Party::Client, "a\n"));
    tap.push(stream(Party::Client, "b\nc\n"));
    tap.push(stream(Party::Client, "d\n"));
    assert_eq!(drained(&mut drain), ["a\n", "lost(3, 6)"]);
    tap.push(stream(Party::Client, "e\n"));
    assert_eq!(drained(&mut drain), ["e\n"]);
}

#[test]
fn a_loss_that_ends_within_a_line_takes_the_rest_of_that_line() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(stream(Party::Client, "a\n"));
    tap.push(stream(Party::Client, "b\nc"));
    assert_eq!(drained(&mut drain), ["a\n"], "the loss is still growing");
    tap.push(stream(Party::Client, "cc"));
    tap.push(stream(Party::Client, "c\nd\ne"));
    assert_eq!(drained(&mut drain), ["lost(2, 7)", "d\ne"]);
}

#[test]
fn a_torn_line_that_never_ends_is_one_lost_message() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(stream(Party::Client, "a\n"));
    tap.push(stream(Party::Client, "bb"));
    tap.push(end(Party::Client));
    assert_eq!(drained(&mut drain), ["a\n", "lost(1, 2)", "end"]);
    tap.push(stream(Party::Server, "a\n"));
    tap.push(stream(Party::Server, "b"));
    drain.end_losses();
    assert_eq!(drained(&mut drain), ["a\n", "lost(1, 1)"]);
}

#[test]
fn the_loss_of_one_stream_leaves_the_other_whole() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(stream(Party::Client, "a\n"));
    tap.push(stream(Party::Client, "b"));
    drained(&mut drain);
    tap.push(stream(Party::Server, "x"));
    drained(&mut drain);
    tap.push(stream(Party::Server, "y\n"));
    assert_eq!(drained(&mut drain), ["y\n"]);
}

#[test]
fn a_parked_recorder_is_woken_and_an_awake_one_is_left_alone() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let recorder = std::thread::spawn(move || {
        while drained(&mut drain).is_empty() {
            drain.park(None);
        }
    });
    while !tap.queue.as_ref().unwrap().parked.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    tap.push(stream(Party::Client, "a\n"));
    tap.wake();
    recorder.join().unwrap();
    assert!(!tap.queue.as_ref().unwrap().parked.load(Ordering::Acquire));
}

#[test]
fn what_is_dropped_of_a_body_is_counted_by_its_half_and_its_blank_lines() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(body(Half::Response, "a", false));
    let events = "data: 1\n\ndata: 2\r\n\r\nda";
    tap.push(body(Half::Response, events, false));
    tap.push(body(Half::Request, "{}", false));
    assert_eq!(drained(&mut drain), ["a", "lost(2, 22)", "lost(0, 2)"]);
}

#[test]
fn the_end_of_a_body_is_told_though_its_last_bytes_are_dropped() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(body(Half::Response, "a", false));
    tap.push(body(Half::Response, "bc", true));
    assert_eq!(drained(&mut drain), ["a", "lost(0, 2)", "end"]);
}

fn body(of: Half, text: &'static str, is_last: bool) -> Event {
    Event {
        at: Timestamp(1),
        session: SessionId(1),
        body: Body::Http {
            exchange: ExchangeId(1),
            what: Http::Body {
                of,
                bytes: Bytes::from_static(text.as_bytes()),
                is_last,
            },
        },
    }
}

/// A head that keeps at least this much in memory.
fn head(length: usize) -> Event {
    let target = "x".repeat(length);
    let head = Request::new(Party::Client, Method::GET, &target, &HeaderMap::new());
    let mut event = body(Half::Request, "", false);
    event.body = Body::Http {
        exchange: ExchangeId(1),
        what: Http::Request(head),
    };
    event
}

/// What waits to be let go of by each of two threads.
fn spent(tap: &Tap) -> [usize; 2] {
    let slots = tap.queue.as_ref().unwrap().slots();
    [slots.spent[0].len(), slots.spent[1].len()]
}

fn take_and_dismiss(drain: &mut Drain) {
    let mut batch = VecDeque::new();
    drain.take(&mut batch);
    batch.into_iter().for_each(|item| drain.dismiss(item));
}

#[test]
fn what_is_done_with_is_let_go_of_where_it_was_pushed_unless_it_is_large() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let other = tap.on_another_thread();
    for length in [1, 2, LIGHT + 1] {
        tap.push(head(length));
    }
    other.push(head(1));
    take_and_dismiss(&mut drain);
    assert_eq!(spent(&tap), [0, 0], "they go back with the next look");
    take_and_dismiss(&mut drain);
    assert_eq!(spent(&tap), [2, 1]);
    tap.push(stream(Party::Client, "a\n"));
    assert_eq!(spent(&tap), [0, 1], "the other thread's is not ours");
    other.push(stream(Party::Client, "a\n"));
    assert_eq!(spent(&tap), [0, 0]);
}

#[test]
fn a_part_of_a_buffer_is_let_go_of_at_once() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let buffer = Bytes::from(b"a body".to_vec());
    for is_last in [false, true] {
        let mut event = body(Half::Response, "", is_last);
        *event.body.payload_mut().unwrap() = buffer.clone();
        tap.push(event);
    }
    assert!(!buffer.is_unique());
    take_and_dismiss(&mut drain);
    assert!(buffer.is_unique());
}

#[test]
fn a_recorder_that_goes_to_sleep_lets_go_of_what_nobody_took_back() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    for _ in 0..3 {
        tap.push(head(1));
    }
    take_and_dismiss(&mut drain);
    take_and_dismiss(&mut drain);
    assert_eq!(spent(&tap), [3, 0]);
    assert!(!drain.park(Some(Duration::from_millis(1))));
    assert_eq!(spent(&tap), [0, 0]);
}

/// A head that brings its body.
fn whole(text: &[u8]) -> Event {
    let mut event = head(1);
    if let Body::Http { what, .. } = &mut event.body
        && let Http::Request(head) = what
    {
        *head = head.clone().whole(text);
    }
    event
}

#[test]
fn of_a_head_that_brings_its_body_only_the_body_is_dropped() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(whole(b"{}"));
    tap.push(whole(b"{}"));
    assert_eq!(drained(&mut drain), ["head", "head", "lost(0, 2)", "end"]);
}

#[test]
fn with_a_body_that_has_nothing_in_it_nothing_is_lost() {
    let (tap, mut drain) = queue(1, Overflow::Drop);
    tap.push(whole(b""));
    tap.push(whole(b""));
    assert_eq!(drained(&mut drain), ["head", "head", "end"]);
}

#[test]
fn plenty_ends_a_nap() {
    let (tap, mut drain) = queue(2 * PLENTY, Overflow::Wait);
    let (woken, wakes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drain.park(Some(Duration::ZERO));
        woken.send(())?;
        drain.nap(Duration::from_secs(3600));
        woken.send(())
    });
    wakes.recv().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let mebibyte = " ".repeat(1 << 20);
    for _ in 0..PLENTY >> 20 {
        tap.push(stream(Party::Server, &mebibyte));
    }
    assert!(wakes.recv_timeout(Duration::from_secs(300)).is_ok());
}
