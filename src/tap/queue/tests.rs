//! What a queue keeps, drops and wakes.

use super::*;

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
            Queued::Event(event, _) => match event.body.payload() {
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                None => "end".into(),
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
            what: Box::new(Http::Body {
                of,
                bytes: Bytes::from_static(text.as_bytes()),
                is_last,
            }),
        },
    }
}

/// The last bytes of a body, or some before, which tell the thread on which they are let go of.
fn telling(
    told: &std::sync::mpsc::Sender<std::thread::ThreadId>,
    length: usize,
    is_last: bool,
) -> Event {
    struct Telling(Vec<u8>, std::sync::mpsc::Sender<std::thread::ThreadId>);
    impl AsRef<[u8]> for Telling {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl std::ops::Drop for Telling {
        fn drop(&mut self) {
            let _ = self.1.send(std::thread::current().id());
        }
    }
    let bytes = Bytes::from_owner(Telling(vec![b'x'; length], told.clone()));
    let mut event = body(Half::Response, "", is_last);
    *event.body.payload_mut().unwrap() = bytes;
    event
}

fn take_and_dismiss(drain: &mut Drain) {
    let mut batch = VecDeque::new();
    drain.take(&mut batch);
    batch.into_iter().for_each(|item| drain.dismiss(item));
}

#[test]
fn what_is_done_with_is_let_go_of_where_it_was_pushed_unless_it_is_large_or_shared() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let (tell, told) = std::sync::mpsc::channel();
    let here = std::thread::current().id();
    let other = tap.on_another_thread();
    tap.push(telling(&tell, 10, true));
    let pushing = std::thread::spawn({
        let (other, tell) = (other.clone(), tell.clone());
        move || other.push(telling(&tell, 20, true))
    });
    pushing.join().unwrap();
    tap.push(telling(&tell, LIGHT, true));
    tap.push(telling(&tell, 10, false));
    let drain = std::thread::spawn(move || {
        take_and_dismiss(&mut drain);
        take_and_dismiss(&mut drain);
        (drain, std::thread::current().id())
    });
    let (mut drain, recorder) = drain.join().unwrap();
    assert_eq!(told.try_recv(), Ok(recorder), "the large one");
    assert_eq!(told.try_recv(), Ok(recorder), "a part of a buffer");
    assert!(told.try_recv().is_err());
    tap.push(stream(Party::Client, "a\n"));
    assert_eq!(told.try_recv(), Ok(here));
    assert!(told.try_recv().is_err(), "the other thread's is not ours");
    let pushing = std::thread::spawn(move || {
        other.push(stream(Party::Client, "a\n"));
        std::thread::current().id()
    });
    assert_eq!(pushing.join().unwrap(), told.recv().unwrap());
    take_and_dismiss(&mut drain);
}

#[test]
fn a_recorder_that_goes_to_sleep_lets_go_of_what_nobody_took_back() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..3 {
        tap.push(telling(&tell, 10, true));
    }
    take_and_dismiss(&mut drain);
    take_and_dismiss(&mut drain);
    assert!(told.try_recv().is_err());
    assert!(!drain.park(Some(Duration::from_millis(1))));
    assert_eq!(told.try_iter().count(), 3);
}
