use super::*;
use crate::capture::reader::Reader;
use crate::capture::record::Payload;
use crate::tap::{
    Body, Closed, Event, ExchangeId, Half, Http, Overflow, Party, SessionId, Tap, Timestamp, queue,
};
use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

/// A disk with so much room.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

impl Disk {
    fn set_room(&self, room: usize) {
        self.0.lock().unwrap().0 = room;
    }

    /// The lines in the file: messages as text, gaps as `gap(messages, bytes)`.
    fn read(&self) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.0.lock().unwrap().1).unwrap();
        let mut reader = Reader::open(file.path()).unwrap();
        let mut read = Vec::new();
        let count = reader.read(usize::MAX, |record| {
            read.push(match record.payload {
                Payload::Line { bytes, .. } => String::from_utf8(bytes.into_owned()).unwrap(),
                Payload::Gap(gap) => {
                    let why = ["no storage space", "it was too long for memory"];
                    assert!(why.iter().any(|it| gap.reason.starts_with(it)), "{gap:?}");
                    format!("gap({}, {})", gap.messages, gap.bytes)
                }
                other => format!("{other:?}"),
            });
            assert_eq!(record.seq, read.len() as u64);
        });
        count.unwrap();
        read
    }
}

const FULL: io::ErrorKind = io::ErrorKind::StorageFull;

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (room, file) = &mut *self.0.lock().unwrap();
        let some = bytes.len().min(*room);
        if some == 0 {
            return Err(FULL.into());
        }
        *room -= some;
        file.extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(disk: &Disk, budget: usize) -> (Tap, Recorder) {
    start_beside(std::env::temp_dir(), disk, budget)
}

fn start_beside(directory: PathBuf, disk: &Disk, budget: usize) -> (Tap, Recorder) {
    start_packed(false, directory, disk, budget)
}

fn start_packed(
    is_packed: bool,
    directory: PathBuf,
    disk: &Disk,
    budget: usize,
) -> (Tap, Recorder) {
    let (tap, drain) = queue(budget, Overflow::Wait);
    let output = Output::new(disk.clone(), is_packed).unwrap();
    let header = Header {
        capture: 1,
        ..Header::default()
    };
    let options = Options::default();
    let recorder = Recorder::record(output, None, directory, &header, drain, options).unwrap();
    (tap, recorder)
}

fn push(tap: &Tap, body: Body) {
    tap.push(Event {
        at: Timestamp::now(),
        session: SessionId(1),
        body,
    });
    tap.wake();
}

fn send(tap: &Tap, text: &str) {
    let bytes = format!("{text}\n").into();
    let from = Party::Client;
    push(tap, Body::Stream { from, bytes });
}

fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(300));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_full_disk_that_is_cleared_in_time_loses_nothing() {
    let disk = Disk::default();
    // From before the header to within the second line.
    for room in [0, 10, 150, 250] {
        disk.0.lock().unwrap().1.clear();
        disk.set_room(room);
        let (tap, recorder) = start(&disk, 1 << 20);
        send(&tap, "[1]");
        send(&tap, "[2]");
        until(|| recorder.totals().health().trouble.is_some());
        send(&tap, "[3]");
        disk.set_room(usize::MAX);
        until(|| recorder.totals().health().trouble.is_none());
        send(&tap, "[4]");
        let totals = recorder.totals();
        recorder.finish();
        assert_eq!(disk.read(), ["[1]", "[2]", "[3]", "[4]"]);
        assert_eq!(totals.lost_messages.load(Ordering::Acquire), 0);
    }
}

#[tokio::test]
async fn a_full_disk_does_not_stop_the_traffic_and_the_gap_is_recorded_in_its_place() {
    let disk = Disk::default();
    disk.set_room(300);
    let (tap, recorder) = start(&disk, 1000);
    let totals = recorder.totals();
    for number in 0..200 {
        send(&tap, &format!("[{number}]"));
        tap.ready().await;
    }
    push(&tap, Body::Closed(Closed::default()));
    until(|| totals.lost_messages.load(Ordering::Acquire) > 100);
    disk.set_room(usize::MAX);
    until(|| totals.health().trouble.is_none());
    send(&tap, "[200]");
    recorder.finish();

    let read = disk.read();
    let gap = read.iter().position(|it| it.starts_with("gap")).unwrap();
    let kept = |it: &&String| it.starts_with('[');
    assert!(read[..gap].iter().all(|it| kept(&it)));
    let lost = 201 - read.iter().filter(kept).count();
    let last_lost = gap + lost;
    let bytes: usize = (gap..last_lost).map(|it| format!("[{it}]\n").len()).sum();
    assert_eq!(read[gap], format!("gap({lost}, {bytes})"));
    assert_eq!(read[gap + 1..].iter().filter(kept).count(), 201 - last_lost);
    assert_eq!(read.last().unwrap(), "[200]");
    assert!(read.contains(&format!("{:?}", Payload::Closed(Closed::default()))));
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), lost as u64);
}

#[test]
fn what_a_full_disk_never_took_is_counted_at_the_end() {
    let disk = Disk::default();
    let (tap, recorder) = start(&disk, 1 << 20);
    for _ in 0..10 {
        send(&tap, "[1]");
    }
    let totals = recorder.totals();
    recorder.finish();
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), 10);
    assert_eq!(totals.why_lost.get().unwrap(), &FULL.to_string());
    assert_eq!(totals.client_messages.load(Ordering::Acquire), 0);
    send(&tap, "nobody listens any more");
    assert!(!tap.is_full());
}

#[test]
fn of_what_was_to_be_compressed_nobody_knows_how_much_a_full_disk_took() {
    let disk = Disk::default();
    disk.set_room(100);
    let (tap, recorder) = start_packed(true, std::env::temp_dir(), &disk, 1 << 20);
    (0..10).for_each(|it| send(&tap, &format!("[{it}]")));
    let totals = recorder.totals();
    recorder.finish();
    let lost = totals.lost_messages.load(Ordering::Acquire);
    assert_eq!(lost + totals.client_messages.load(Ordering::Acquire), 10);
    let why = format!("{FULL}; the compressed file may hold the first of them");
    assert_eq!(totals.why_lost.get(), Some(&why));
}

#[test]
fn of_what_was_to_be_written_at_once_only_what_a_full_disk_did_not_take_is_counted_as_lost() {
    let long = format!("[\"{}\"]", "x".repeat(100_000));
    let said = ["[1]", "{}", &long, "no JSON", "[3]"];
    let mut seen = BTreeSet::new();
    let after = long.len()..long.len() + 1000;
    for room in (0..1000).chain(after).step_by(23) {
        let disk = Disk::default();
        disk.set_room(room);
        let (tap, recorder) = start(&disk, 1 << 20);
        send(&tap, &said.join("\n"));
        let totals = recorder.totals();
        recorder.finish();
        let has_header = disk.0.lock().unwrap().1.contains(&b'\n');
        let mut read = match has_header {
            true => disk.read(),
            false => Vec::new(),
        };
        if let Some(last) = read.last_mut() {
            *last = last.trim_end().to_owned();
        }
        let kept = read.len();
        assert!(read == said[..kept], "{room}: {read:?}");
        let of = |total: &AtomicU64| total.load(Ordering::Acquire) as usize;
        assert_eq!(of(&totals.client_messages), kept, "{room}");
        assert_eq!(of(&totals.latest_seq), kept, "{room}");
        assert_eq!(of(&totals.lost_messages), said.len() - kept, "{room}");
        assert_eq!(totals.why_lost.get().is_some(), kept < said.len());
        seen.insert(kept);
    }
    assert_eq!(seen, (0..=said.len()).collect());
}

#[test]
fn a_full_disk_in_the_middle_of_a_long_line_that_is_cleared_in_time_loses_nothing() {
    let disk = Disk::default();
    disk.set_room(2 << 20);
    let (tap, recorder) = start(&disk, 64 << 20);
    let long = format!("[\"{}\"]", "x".repeat(4 << 20));
    for piece in [&long[..1_500_000], &long[1_500_000..], "\n"] {
        let bytes = piece.to_owned().into();
        let from = Party::Client;
        push(&tap, Body::Stream { from, bytes });
    }
    until(|| recorder.totals().health().trouble.is_some());
    send(&tap, "[2]");
    disk.set_room(usize::MAX);
    until(|| recorder.totals().health().trouble.is_none());
    let totals = recorder.totals();
    recorder.finish();
    assert!(disk.read() == [long.as_str(), "[2]"]);
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), 0);
}

#[test]
fn a_long_line_that_nothing_can_hold_is_lost_and_counted_and_what_follows_is_not() {
    let disk = Disk::default();
    disk.set_room(usize::MAX);
    let nowhere = tempfile::tempdir().unwrap().path().join("gone");
    let (tap, recorder) = start_beside(nowhere, &disk, 64 << 20);
    let long = "x".repeat(3 << 20);
    for piece in ["[1]\n", &long, &long, "\n[2]", "\n"] {
        let bytes = piece.to_owned().into();
        let from = Party::Client;
        push(&tap, Body::Stream { from, bytes });
    }
    let totals = recorder.totals();
    recorder.finish();
    let gap = format!("gap(1, {})", 2 * long.len() + 1);
    assert_eq!(disk.read(), ["[1]", &gap, "[2]"]);
    assert_eq!(totals.lost_messages.load(Ordering::Acquire), 1);
    assert_eq!(totals.client_messages.load(Ordering::Acquire), 2);
}

#[test]
fn the_denser_a_stream_the_longer_it_is_left_to_pass_before_it_is_recorded() {
    let nap_after = |time: Duration, bodies: Vec<Body>| {
        let mut streamed = Streamed::default();
        for body in bodies {
            let event = Event {
                at: Timestamp::now(),
                session: SessionId(1),
                body,
            };
            streamed.count(&Queued::Event(event, 0));
        }
        streamed.nap_after(time)
    };
    let chunk = |length| Body::Stream {
        from: Party::Server,
        bytes: vec![b' '; length].into(),
    };
    let part = || Body::Http {
        exchange: ExchangeId(1),
        what: Http::Body {
            of: Half::Response,
            bytes: vec![b' '; 100_000].into(),
            is_last: false,
        },
    };
    let many = |count, length| (0..count).map(|_| chunk(length)).collect();

    assert_eq!(
        nap_after(NAP, many(2, 100)),
        NAP,
        "a question and its answer"
    );
    assert_eq!(
        nap_after(NAP, many(50, 100)),
        LONG_NAP,
        "many little chunks"
    );
    assert_eq!(nap_after(NAP, many(1, 65_536)), LONG_NAP, "a large one");
    let flood = many(1000, 2000);
    assert_eq!(nap_after(NAP, flood), LONGEST_NAP, "a flood");
    let dense = many(1000, 1000);
    assert_eq!(nap_after(LONG_NAP, dense), LONG_NAP, "none any more");
    let rest = many(20, 3000);
    assert_eq!(nap_after(Duration::ZERO, rest), LONG_NAP, "none yet");
    let parts = (0..50).map(|_| part()).collect();
    assert_eq!(nap_after(NAP, parts), NAP, "HTTP");
}

#[test]
fn a_file_system_that_counts_no_names_tells_of_no_removal() {
    let unnamed = tempfile::tempfile().unwrap();
    assert!(Name::of(&unnamed).unwrap().is_none());
    let named = tempfile::NamedTempFile::new().unwrap();
    assert!(Name::of(named.as_file()).unwrap().is_some());
}

#[test]
fn a_capture_that_was_removed_while_it_was_written_is_counted_as_lost() {
    let home = tempfile::tempdir().unwrap();
    for kept in [true, false] {
        let path = home.path().join("capture.jsonl");
        let (tap, drain) = queue(1 << 20, Overflow::Wait);
        let options = Options::default();
        let header = Header {
            capture: 1,
            ..Header::default()
        };
        let recorder = match kept {
            true => Recorder::start_with(path.clone(), header, drain, options).unwrap(),
            false => {
                let file = File::create(&path).unwrap();
                Recorder::start_in(file, header, drain, options).unwrap()
            }
        };
        let totals = recorder.totals();
        std::fs::remove_file(&path).unwrap();
        let bytes = "{}\n{}\n".into();
        push(
            &tap,
            Body::Stream {
                from: Party::Client,
                bytes,
            },
        );
        recorder.finish();
        let lost = if kept { 2 } else { 0 };
        assert_eq!(totals.lost_messages.load(Ordering::Relaxed), lost);
        assert_eq!(totals.health().trouble.is_some(), kept);
    }
}
