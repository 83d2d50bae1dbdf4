//! Lines that are too long for memory are recorded like any other.

use super::*;

const MIB: usize = 1 << 20;

/// A stream in chunks of about the size that is read at once.
fn in_chunks(bytes: &[u8]) -> impl Iterator<Item = Event> {
    bytes
        .chunks(60_001)
        .map(|chunk| stream(Party::Server, chunk.to_vec()))
}

#[test]
fn long_lines_of_every_kind_stand_in_the_capture_as_short_ones_do() {
    let fill = "é ".repeat(MIB);
    let json = format!(" {{\"id\":1,\"result\":{{\"text\":\"{fill}\"}}}}\r");
    let lines: Vec<Vec<u8>> = vec![
        b"{}".into(),
        json.clone().into(),
        json[..json.len() - 2].into(),
        fill.clone().into(),
        [fill.as_bytes(), b"\xff"].concat(),
        [json.as_bytes(), &[0xc3]].concat(),
        format!("\u{feff}{json}").into(),
        vec![b' '; 2 * MIB],
        "[".repeat(3 * MIB).into(),
        ("[".repeat(2 * MIB) + &"]".repeat(2 * MIB)).into(),
        b"{}".into(),
        vec![b'1'; 2 * MIB],
    ];
    let mut all = lines.join(&b'\n');
    all.push(b'\n');
    let expected: Vec<_> = lines
        .iter()
        .map(|it| line(Party::Server, it, mcp_sentinel::wire::is_json(it)))
        .collect();
    for name in ["c.jsonl", "c.jsonl.zst"] {
        assert!(Recording::of(name, in_chunks(&all)) == expected);
    }
}

#[test]
fn a_long_line_without_an_end_is_recorded_when_the_stream_ends() {
    let long = format!("[\"{}\"]", "x".repeat(2 * MIB));
    let end = event(Body::End {
        from: Party::Server,
    });
    for end in [Some(end), None] {
        let unterminated = Read::Line {
            from: Party::Server,
            bytes: long.clone().into(),
            terminated: false,
            json: true,
        };
        let records = Recording::of("c.jsonl", in_chunks(long.as_bytes()).chain(end));
        assert!(records == [unterminated]);
    }
}

#[test]
fn failures_in_long_lines_are_counted_like_others() {
    let fill = "x".repeat(2 * MIB);
    let lines = [
        format!("{{\"id\":1,\"error\":{{\"message\":\"{fill}\"}}}}\n"),
        format!("{{\"id\":1,\"result\":{{\"a\":\"{fill}\",\"isError\":true}}}}\n"),
        format!("{{\"id\":1,\"result\":{{\"a\":\"{fill}\",\"b\":{{\"isError\":true}}}}}}\n"),
        format!(
            "[{{\"id\":1,\"error\":{{}}}},{{\"error\":\"{fill}\"}},{{\"id\":2,\"result\":{{\"isError\":true}}}}]\n"
        ),
        // Not JSON.
        format!("{{\"id\":1,\"error\":\"{fill}\"}}}}\n"),
    ];
    let recording = Recording::start("c.jsonl", BUDGET, Overflow::Wait);
    for event in lines.iter().flat_map(|it| in_chunks(it.as_bytes())) {
        recording.tap.push(event);
    }
    let totals = recording.recorder.totals();
    recording.recorder.finish();
    assert_eq!(totals.errors.load(Ordering::Acquire), 3);
    assert_eq!(totals.tool_errors.load(Ordering::Acquire), 2);
    assert_eq!(totals.server_messages.load(Ordering::Acquire), 7);
}

/// A proxy before `cat`, and what goes through it.
#[cfg(target_os = "linux")]
struct Echo {
    proxy: std::process::Child,
    said: std::process::ChildStdin,
    heard: std::process::ChildStdout,
}

#[cfg(target_os = "linux")]
impl Echo {
    /// With this before the command, for a shell.
    fn start(capture: &Path, shell: &str) -> Self {
        use std::process::Stdio;
        let mut proxy = std::process::Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_mcp-sentinel"))
            .arg("--headless")
            .arg("--capture")
            .arg(capture)
            .args(["--", "cat"])
            .env("XDG_RUNTIME_DIR", capture.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            said: proxy.stdin.take().unwrap(),
            heard: proxy.stdout.take().unwrap(),
            proxy,
        }
    }

    /// Says this and hears all of it.
    fn echo(&mut self, bytes: &[u8]) {
        use std::io::{Read as _, Write as _};
        let mut heard = vec![0; bytes.len()];
        std::thread::scope(|scope| {
            scope.spawn(|| self.said.write_all(bytes).unwrap());
            self.heard.read_exact(&mut heard).unwrap();
        });
        assert!(heard == bytes);
    }

    /// A number that the system tells of the proxy.
    fn told(&self, file: &str, name: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.proxy.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|it| it.strip_prefix(name)).unwrap();
        let number = line.trim_start_matches(':').trim().split(' ').next();
        number.unwrap().parse().unwrap()
    }

    fn end(self) {
        let Self {
            mut proxy,
            said,
            heard: _heard,
        } = self;
        drop(said);
        assert!(proxy.wait().unwrap().success());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_line_of_64_megabytes_passes_and_is_recorded_without_being_held() {
    for name in ["c.jsonl", "c.jsonl.zst"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        let mut echo = Echo::start(&path, "");
        echo.echo(b"{}\n");
        // The opening, and the line in both directions.
        until("the recorder is at work", || read(&path).len() == 3);
        let before = echo.told("status", "VmHWM");

        let mut line_of_64 = b"{\"text\":\"".to_vec();
        line_of_64.resize(64 * MIB, b'x');
        line_of_64.extend_from_slice(b"\"}\r\n");
        let written = echo.told("io", "wchar");
        for (number, piece) in line_of_64.chunks(MIB).enumerate() {
            echo.echo(piece);
            // What waits for the recorder is in memory, too: it has its time. Each byte is sent and put aside, twice.
            let put_aside = 4 * number.saturating_sub(2) * MIB;
            until("the recorder keeps up", || {
                echo.told("io", "wchar") - written >= put_aside as u64
            });
        }
        let twice = if name.ends_with("zst") { 4 } else { 6 };
        until("the line is in the capture", || {
            echo.told("io", "wchar") - written >= (twice * line_of_64.len()) as u64
        });
        let grown = echo.told("status", "VmHWM") - before;
        echo.end();
        assert!(grown < 32 << 10, "{name}: {grown} KiB more");
        let (text, _) = line_of_64.split_at(line_of_64.len() - 1);
        let expected = [Party::Client, Party::Server].map(|from| line(from, text, true));
        assert!(read(&path)[3..5] == expected);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_line_that_does_not_fit_on_the_disk_is_a_gap_and_the_next_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.jsonl");
    // Files of at most 2 MiB.
    let mut echo = Echo::start(&path, "ulimit -f 4096;");
    let mut long = vec![b'x'; 5 * MIB];
    long.extend_from_slice(b"\n{}\n");
    echo.echo(&long);
    echo.end();
    let records = read(&path);
    let gaps: Vec<_> = records
        .iter()
        .filter_map(|it| match it {
            Read::Gap(gap) => Some((gap.messages, gap.bytes)),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, [(1, 5 * MIB as u64 + 1); 2]);
    for from in [Party::Client, Party::Server] {
        assert!(records.contains(&line(from, b"{}", true)));
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 2);
}
