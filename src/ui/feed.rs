//! Reads the capture for the screen, on a thread of its own: everything from the start, then whatever is appended.
//!
//! The channel holds a few batches. A screen that is slow to take them only makes this thread wait: the file is the
//! log, and what was not read yet is still there.

use super::event::Fed;
use crate::capture::reader::{Bodies, ReadError, Reader};
use crate::capture::store;
use crate::traffic::digest::digest;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Records a batch: small enough that a key never waits long behind one.
const BATCH: usize = 4096;
/// The first one: a screenful or two, so that there is something to see at once.
const FIRST: usize = 256;
/// Batches under way.
const QUEUE: usize = 4;
/// How often a growing file is looked at.
const POLL: Duration = Duration::from_millis(30);
/// How long after the end of the proxy somebody else may still be bringing what it wrote.
const TAIL: Duration = Duration::from_millis(300);
/// How often a capture is looked at whose proxy is gone, or was never there.
const REST: Duration = Duration::from_secs(1);

/// What the feed gives.
#[derive(Debug)]
pub struct Feed {
    pub batches: mpsc::Receiver<Fed>,
    /// Reads messages back; empty until the capture is open.
    pub bodies: Arc<OnceLock<Bodies>>,
}

/// Starts reading. The thread ends when the receiver is dropped. Of a capture that is still being brought here so many
/// bytes are `coming`: it is not caught up with before.
pub fn start(capture: PathBuf, coming: u64, ended: CancellationToken) -> std::io::Result<Feed> {
    let (sender, batches) = mpsc::channel(QUEUE);
    let bodies = Arc::new(OnceLock::new());
    let opened = bodies.clone();
    std::thread::Builder::new()
        .name("feed".to_owned())
        .spawn(move || {
            if let Err(failure) = follow(&capture, coming, &ended, &sender, &opened) {
                let why = failure.to_string();
                let from = match failure {
                    ReadError::Broken { at, .. } => Some(at),
                    _ => None,
                };
                // Nobody listens any more: nothing to say.
                let _ = sender.blocking_send(Fed::Failed { why, from });
            }
        })?;
    Ok(Feed { batches, bodies })
}

fn follow(
    capture: &std::path::Path,
    coming: u64,
    ended: &CancellationToken,
    sender: &mpsc::Sender<Fed>,
    opened: &OnceLock<Bodies>,
) -> Result<(), ReadError> {
    // Whoever we know of may be gone while a recorder that we do not know of is at work.
    let over = || ended.is_cancelled() && !store::is_written(capture);
    let mut reader = loop {
        let last = over();
        match Reader::open_to_show(capture) {
            // On a full disk there is not even a header until there is room.
            Err(error) if error.is_unbegun() && !last && !sender.is_closed() => {
                std::thread::sleep(POLL);
            }
            opened => break opened?,
        }
    };
    let _ = opened.set(reader.bodies()?);
    let mut listening = sender
        .blocking_send(Fed::Opened(Box::new(reader.header().clone())))
        .is_ok();
    let mut limit = FIRST;
    let (mut caught_up, mut told) = (false, false);
    let mut tail = over();
    while listening {
        // Looked at before reading: what was written before the end is read before the end is told.
        let last = over();
        let mut digests = Vec::new();
        if reader.read(limit, |record| digests.push(digest(&record)))? > 0 {
            limit = BATCH;
            told = false;
            let (read, there) = reader.progress();
            let progress = (read, there.max(coming));
            listening = sender
                .blocking_send(Fed::Batch { digests, progress })
                .is_ok();
            continue;
        }
        if !caught_up && (last || reader.progress().1 >= coming) {
            caught_up = true;
            listening = sender.blocking_send(Fed::CaughtUp).is_ok();
        }
        if last && tail && !told {
            told = true;
            let torn = reader.torn()?;
            listening = sender.blocking_send(Fed::Ended { torn }).is_ok();
        }
        tail = last;
        // Somebody whom we do not know may be writing on.
        std::thread::sleep(match (last, told) {
            (false, _) => POLL,
            (true, false) => TAIL,
            (true, true) => REST,
        });
        listening &= !sender.is_closed();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn line(seq: u32) -> String {
        format!(
            r#"{{"seq":{seq},"at":"2026-11-21T12:00:00.000000Z","session":1,"from":"client","message":{{"jsonrpc":"2.0","method":"n{seq}"}}}}"#
        ) + "\n"
    }

    /// The messages of batches up to the first event that is none.
    fn messages(feed: &mut Feed) -> (usize, Option<Fed>) {
        let mut count = 0;
        while let Some(fed) = feed.batches.blocking_recv() {
            match fed {
                Fed::Batch { digests, .. } => count += digests.len(),
                other => return (count, Some(other)),
            }
        }
        (count, None)
    }

    #[test]
    fn a_growing_capture_is_followed_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("growing.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"{\"capture\":1,\"name\":\"x\"}\n").unwrap();
        (1..=1000).for_each(|seq| file.write_all(line(seq).as_bytes()).unwrap());
        let ended = CancellationToken::new();
        let mut feed = start(path, 0, ended.clone()).unwrap();
        assert!(
            matches!(messages(&mut feed), (0, Some(Fed::Opened(header))) if header.name == "x")
        );
        assert!(matches!(messages(&mut feed), (1000, Some(Fed::CaughtUp))));
        (1001..=1007).for_each(|seq| file.write_all(line(seq).as_bytes()).unwrap());
        // Told to end while the recorder is still writing: the tail is read all the same.
        ended.cancel();
        std::thread::sleep(TAIL / 3);
        file.write_all(line(1008).as_bytes()).unwrap();
        assert!(matches!(
            messages(&mut feed),
            (8, Some(Fed::Ended { torn: 0 }))
        ));
        // A capture that somebody writes on all the same.
        (1009..=1010).for_each(|seq| file.write_all(line(seq).as_bytes()).unwrap());
        let batch = feed.batches.blocking_recv();
        assert!(matches!(batch, Some(Fed::Batch { digests, .. }) if !digests.is_empty()));
    }

    #[test]
    fn a_copy_is_caught_up_with_when_what_there_was_has_come() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut text = "{\"capture\":1,\"name\":\"x\"}\n".to_owned();
        (1..=10).for_each(|seq| text += &line(seq));
        let (come, coming) = text.split_at(200);
        file.write_all(come.as_bytes()).unwrap();
        let size = text.len() as u64;
        let mut feed = start(path, size, CancellationToken::new()).unwrap();
        assert!(matches!(messages(&mut feed), (0, Some(Fed::Opened(_)))));
        let first = feed.batches.blocking_recv();
        assert!(
            matches!(&first, Some(Fed::Batch { digests, progress }) if digests.len() == 1 && progress.1 == size),
            "{first:?}"
        );
        file.write_all(coming.as_bytes()).unwrap();
        assert!(matches!(messages(&mut feed), (9, Some(Fed::CaughtUp))));
    }

    #[test]
    fn a_capture_is_over_when_nobody_writes_it_any_more() {
        use rustix::fs::{FlockOperation, flock};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("somebody's.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"{\"capture\":1,\"name\":\"x\"}\n").unwrap();
        // As a recorder does.
        flock(&file, FlockOperation::LockExclusive).unwrap();
        let ended = CancellationToken::new();
        ended.cancel();
        let mut feed = start(path, 0, ended).unwrap();
        assert!(matches!(messages(&mut feed), (0, Some(Fed::Opened(_)))));
        assert!(matches!(messages(&mut feed), (0, Some(Fed::CaughtUp))));
        std::thread::sleep(TAIL * 2);
        assert!(feed.batches.try_recv().is_err());
        file.write_all(line(1).as_bytes()).unwrap();
        drop(file);
        assert!(matches!(
            messages(&mut feed),
            (1, Some(Fed::Ended { torn: 0 }))
        ));
    }

    #[test]
    fn a_last_line_that_nobody_finished_is_told_when_nobody_writes_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("torn.jsonl");
        let torn = format!("{{\"capture\":1}}\n{}{}", line(1), &line(2)[..70]);
        std::fs::write(&path, torn).unwrap();
        let ended = CancellationToken::new();
        let mut feed = start(path, 0, ended.clone()).unwrap();
        assert!(matches!(messages(&mut feed), (0, Some(Fed::Opened(_)))));
        assert!(matches!(messages(&mut feed), (1, Some(Fed::CaughtUp))));
        ended.cancel();
        assert!(matches!(
            messages(&mut feed),
            (0, Some(Fed::Ended { torn: 70 }))
        ));
    }

    #[test]
    fn a_capture_that_cannot_be_begun_yet_is_read_once_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full.jsonl");
        std::fs::write(&path, "").unwrap();
        let ended = CancellationToken::new();
        let mut feed = start(path.clone(), 0, ended.clone()).unwrap();
        std::thread::sleep(POLL * 3);
        assert!(feed.batches.try_recv().is_err());
        std::fs::write(&path, "{\"capture\":1}\n".to_owned() + &line(1)).unwrap();
        assert!(matches!(messages(&mut feed), (0, Some(Fed::Opened(_)))));
        assert!(matches!(messages(&mut feed), (1, Some(Fed::CaughtUp))));

        let path = directory.path().join("full to the end.jsonl");
        std::fs::write(&path, "").unwrap();
        let mut feed = start(path, 0, ended.clone()).unwrap();
        std::thread::sleep(POLL * 3);
        assert!(feed.batches.try_recv().is_err());
        ended.cancel();
        assert!(matches!(messages(&mut feed), (0, Some(Fed::Failed { .. }))));
    }

    #[test]
    fn a_capture_that_cannot_be_read_is_told() {
        let mut feed = start("/nowhere/at/all.jsonl".into(), 0, CancellationToken::new()).unwrap();
        assert!(matches!(
            messages(&mut feed),
            (0, Some(Fed::Failed { from: None, .. }))
        ));
        assert!(matches!(messages(&mut feed), (0, None)));
    }
}
