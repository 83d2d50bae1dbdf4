use super::*;
use crate::proxy::exchange::Exchange;
use crate::proxy::http_to_stdio::outlet::{Intake, Item, outlet};
use crate::proxy::live::Roster;
use crate::tap::{ExchangeId, Overflow, Queued, Tap, queue};
use crate::wire::sse;
use std::collections::VecDeque;
use std::io::Write as _;

/// Who waited for so many clients that do not read, two seconds for each, would do so for longer than this.
const MANY: usize = 40;
const NO_WAIT: Duration = Duration::from_secs(60);

/// Each line goes to another client, none of which reads.
struct Stuck {
    tap: Tap,
    intakes: Mutex<Vec<Intake>>,
}

impl Ears for Stuck {
    fn hear(&self, _: Bytes) -> Routed {
        let exchange = Exchange {
            tap: self.tap.clone(),
            session: crate::tap::SessionId(1),
            id: ExchangeId(1),
        };
        let (outlet, intake) = outlet(exchange, || ());
        outlet.push(Item::Event(sse::Event {
            data: Some(vec![b'x'; 2 << 20].into()),
            ..sse::Event::default()
        }));
        self.intakes.lock().unwrap().push(intake);
        Routed {
            full: outlet.full(),
            ..Routed::default()
        }
    }

    fn over(&self, _: &Closed) {}
}

/// A child that has said this and is still there, before clients that do not read.
fn said(text: &str, tap: &Tap) -> (Reader<Stuck>, io::PipeWriter) {
    let (stdout, mut child) = io::pipe().unwrap();
    child.write_all(text.as_bytes()).unwrap();
    let (live, _) = Roster::default().open(Owner::Client);
    let reader = Reader {
        server: Source::pipe(stdout.into()).unwrap(),
        lane: Lane {
            tap: tap.clone(),
            session: live.id,
            from: Party::Server,
        },
        live,
        ears: Arc::new(Stuck {
            tap: tap.clone(),
            intakes: Mutex::default(),
        }),
        lines: mpsc::channel(1).0.downgrade(),
        exited: CancellationToken::new(),
    };
    (reader, child)
}

#[tokio::test]
async fn what_a_child_said_before_its_end_waits_for_no_client() {
    let (reader, child) = said(&"1\n".repeat(MANY), &Tap::disabled());
    let ears = reader.ears.clone();
    reader.exited.cancel();
    drop(child);
    tokio::time::timeout(NO_WAIT, reader.run()).await.unwrap();
    assert_eq!(ears.intakes.lock().unwrap().len(), MANY);
}

#[tokio::test]
async fn what_breaks_off_of_an_answer_to_the_operator_is_recorded_as_that() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let (reader, mut child) = said("", &tap);
    let id = reader.live.gate.fresh_id();
    let torn = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"res");
    child.write_all(torn.as_bytes()).unwrap();
    drop(child);
    let ears = reader.ears.clone();
    reader.run().await;
    assert!(
        ears.intakes.lock().unwrap().is_empty(),
        "no client hears it"
    );
    let mut batch = VecDeque::new();
    drain.take(&mut batch);
    let Some(Queued::Event(event, _)) = batch.pop_front() else {
        panic!("it is not recorded");
    };
    assert!(
        matches!(&event.body, Body::Line { to: Party::Operator, bytes, .. } if *bytes == torn),
        "{event:?}"
    );
}

#[tokio::test]
async fn what_waits_for_a_client_is_recorded_meanwhile() {
    let (tap, mut drain) = queue(1 << 20, Overflow::Wait);
    let recorder = std::thread::spawn(move || drain.park(None));
    while !tap.is_asleep() {
        tokio::task::yield_now().await;
    }
    let (reader, _child) = said(&"1\n".repeat(MANY), &tap);
    let reading = tokio::spawn(reader.run());
    let woken = async {
        while tap.is_asleep() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(NO_WAIT, woken).await.unwrap();
    assert!(recorder.join().unwrap(), "there is news");
    reading.abort();
}
