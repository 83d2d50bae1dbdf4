//! Killed recorders, files that may not grow, disks that cannot be written; most in a process of their own.

use super::*;

/// Not a test by itself: what the test below starts, and kills.
#[test]
fn records_until_it_is_killed() {
    let Some(path) = std::env::var_os("CAPTURE_TEST_KILL") else {
        return;
    };
    let (tap, drain) = tap::queue(BUDGET, Overflow::Wait);
    let _recorder = Recorder::start(path.into(), header(), drain).unwrap();
    for number in 0.. {
        tap.push(stream(Party::Client, format!("[{number}]\n")));
        tap.wake();
        std::thread::sleep(Duration::from_micros(20));
    }
}

#[test]
fn a_capture_whose_recorder_was_killed_can_be_read() {
    for name in ["c.jsonl", "c.jsonl.zst"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        let mut child = alone("records_until_it_is_killed", "CAPTURE_TEST_KILL", &path)
            .spawn()
            .unwrap();
        until("the child records", || {
            path.metadata().is_ok_and(|it| it.len() > 4000)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let records = read(&path);
        assert!(records.len() > 10);
        for (number, record) in records.iter().enumerate() {
            let text = format!("[{number}]");
            assert_eq!(*record, line(Party::Client, text.as_bytes(), true));
        }
    }
}

/// Not a test by itself: what the test below starts, with a limit on the size of its files.
#[tokio::test]
async fn records_beyond_its_file_size_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(path) = std::env::var_os("CAPTURE_TEST_LIMIT") else {
        return;
    };
    // Without a handler, the signal that comes with the error would end the process.
    let too_large = tokio::signal::unix::SignalKind::from_raw(25);
    let _handler = tokio::signal::unix::signal(too_large).unwrap();
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let (tap, drain) = tap::queue(BUDGET, Overflow::Wait);
    let recorder = Recorder::start(path.into(), header(), drain).unwrap();
    let totals = recorder.totals();
    limit(Some(4000));
    for number in 0..1000 {
        tap.push(stream(Party::Client, format!("[{number}]\n")));
    }
    tap.wake();
    until("writing fails", || totals.health().trouble.is_some());
    limit(getrlimit(Resource::Fsize).maximum);
    until("writing works", || totals.health().trouble.is_none());
    recorder.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_may_not_grow_is_written_on_when_it_may() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.jsonl");
    let mut child = alone(
        "records_beyond_its_file_size_limit",
        "CAPTURE_TEST_LIMIT",
        &path,
    );
    assert!(child.status().unwrap().success());
    let expected: Vec<_> = (0..1000)
        .map(|number| line(Party::Client, format!("[{number}]").as_bytes(), true))
        .collect();
    assert_eq!(read(&path), expected);
}

#[test]
#[cfg(target_os = "linux")]
fn traffic_goes_on_when_the_capture_may_not_grow() {
    let home = tempfile::tempdir().unwrap();
    let sent = home.path().join("sent");
    let lines: String = (0..50_000).map(|number| format!("[{number}]\n")).collect();
    std::fs::write(&sent, &lines).unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 8; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .arg("--capture")
        .arg(home.path().join("c.jsonl"))
        .args(["--", "cat"])
        .stdin(std::fs::File::open(&sent).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == lines.as_bytes());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("NOT captured"), "{told}");
    assert!(read(&home.path().join("c.jsonl")).len() > 10);
}

#[test]
#[cfg(target_os = "linux")]
fn a_capture_that_cannot_be_written_is_told_on_standard_error_and_so_is_the_end_of_it() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    use std::io::{BufRead as _, Write as _};
    use std::process::Stdio;
    let home = tempfile::tempdir().unwrap();
    let mut proxy = std::process::Command::new("sh")
        .args(["-c", "ulimit -S -f 8; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_mcp-sentinel"))
        .arg("--capture")
        .arg(home.path().join("c.jsonl"))
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut client = proxy.stdin.take().unwrap();
    let mut told = std::io::BufReader::new(proxy.stderr.take().unwrap()).lines();
    let mut next = |words| {
        told.by_ref()
            .map(Result::unwrap)
            .find(|it| it.contains(words))
    };
    let lines: String = (0..1000).map(|number| format!("[{number}]\n")).collect();
    client.write_all(lines.as_bytes()).unwrap();
    let trouble = next("cannot write the capture").unwrap();
    assert!(trouble.contains("File too large"), "{trouble}");

    let pid = Pid::from_child(&proxy);
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    prlimit(Some(pid), Resource::Fsize, raised).unwrap();
    next("the capture is being written again").unwrap();
    drop(client);
    let summary = next("1000 messages from the client").unwrap();
    assert!(!summary.contains("NOT captured"), "{summary}");
    assert!(proxy.wait().unwrap().success());
    let lines_of = |from| {
        let records = read(&home.path().join("c.jsonl"));
        let of = |it: &&Read| matches!(it, Read::Line { from: of, .. } if *of == from);
        records.iter().filter(of).count()
    };
    assert_eq!(
        (lines_of(Party::Client), lines_of(Party::Server)),
        (1000, 1000)
    );
}

/// Runs one of the tests below in a process of its own, with a variable that tells it so.
fn alone(test: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let (_crate, module) = module_path!().split_once("::").unwrap();
    command
        .args(["--exact", &format!("{module}::{test}")])
        .env(variable, value)
        .stdout(std::process::Stdio::null());
    command
}

#[test]
#[cfg(target_os = "linux")]
fn steady_traffic_wakes_the_recorder_about_once_a_millisecond() {
    // Alone, because the other tests have recorders, too.
    if std::env::var_os("CAPTURE_TEST_STEADY").is_none() {
        let name = "steady_traffic_wakes_the_recorder_about_once_a_millisecond";
        let status = alone(name, "CAPTURE_TEST_STEADY", "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let sleeps_of_recorder = || {
        let mut tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let sleeps = tasks.find_map(|task| {
            let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let field = |name| {
                let line = status.lines().find_map(|it| it.strip_prefix(name))?;
                Some(line.trim().to_owned())
            };
            (field("Name:")? == "recorder").then_some(())?;
            field("voluntary_ctxt_switches:")?.parse::<u128>().ok()
        });
        sleeps.unwrap()
    };
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < Duration::from_millis(300) {
        recording.tap.push(stream(Party::Client, "{}\n"));
        recording.tap.wake();
        sent += 1;
        let next = start.elapsed() + Duration::from_micros(20);
        while start.elapsed() < next {
            std::hint::spin_loop();
        }
    }
    let (sleeps, took) = (sleeps_of_recorder(), start.elapsed().as_millis());
    recording.recorder.finish();
    assert_eq!(read(&recording.path).len(), sent);
    assert!(sleeps < took * 2, "{sleeps} sleeps in {took} ms");
}
