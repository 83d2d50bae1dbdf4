//! `--print`: the traffic on stderr, read from the capture like any viewer does.

mod answers;
mod exchanges;
mod stderr;

use super::{Print, Voice};
use crate::capture::reader::{ANY_LENGTH, ReadError, Reader};
use crate::capture::record::{Location, Payload, Record};
use crate::tap::{SessionId, Timestamp};
use crate::traffic::digest::{Content, Detail, Message, MessageKind, Messages, digest};
use crate::traffic::gist::{gist, neutral};
use crate::traffic::party_word;
use crate::traffic::{ANSWERED_AGAIN, missing};
use answers::{Answered, Answers, Found, Unanswered, Way};
use chrono::{Local, TimeZone as _};
use exchanges::Exchanges;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stderr::Stderr;
use tokio_util::sync::CancellationToken;

/// How often a capture that grows no more is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the end waits for a stderr that nobody reads.
const STUCK: Duration = Duration::from_secs(2);
/// What stands before a message in its record.
const MESSAGE: &[u8] = b"\"message\":";
const BATCH: usize = 500;
/// Unanswered requests that the end of a session names.
const NAMED: usize = 20;

/// A thread that prints what a capture holds, and what it comes to hold.
#[derive(Debug)]
pub struct Printer {
    thread: JoinHandle<()>,
    printed: Arc<AtomicU64>,
}

impl Printer {
    /// Prints what there is once `begun` (the startup line comes first) or `ended`, until the capture is read to its end
    /// after `ended`.
    pub fn start(
        capture: &Path,
        print: Print,
        begun: CancellationToken,
        ended: CancellationToken,
    ) -> io::Result<Self> {
        // Before anybody takes its name away.
        let reader = Reader::open(capture);
        let path = capture.to_owned();
        let printed = Arc::new(AtomicU64::new(0));
        let progress = printed.clone();
        let work = move || {
            let mut out = Counting {
                out: io::stderr(),
                written: progress,
            };
            let tame = io::stderr().is_terminal();
            while !begun.is_cancelled() && !ended.is_cancelled() {
                std::thread::sleep(PAUSE);
            }
            let followed = once_begun(reader, &path, &ended)
                .and_then(|reader| follow(reader, print, tame, &ended, &mut out));
            if let Err(error) = followed {
                let voice = Voice::from(Some(print));
                voice.complain(&format!("cannot print the traffic: {error}"));
            }
        };
        let thread = std::thread::Builder::new().name("print".to_owned());
        Ok(Self {
            thread: thread.spawn(work)?,
            printed,
        })
    }

    /// Waits for the end, as long as stderr is being read.
    pub fn finish(self) {
        let mut seen = (self.printed.load(Ordering::Relaxed), Instant::now());
        while !self.thread.is_finished() && seen.1.elapsed() < STUCK {
            std::thread::sleep(Duration::from_millis(1));
            let printed = self.printed.load(Ordering::Relaxed);
            if printed != seen.0 {
                seen = (printed, Instant::now());
            }
        }
    }
}

/// Waits for the header: on a full disk there is none until there is room.
fn once_begun(
    mut reader: Result<Reader, ReadError>,
    capture: &Path,
    ended: &CancellationToken,
) -> Result<Reader, ReadError> {
    let mut over = false;
    while reader.as_ref().is_err_and(ReadError::is_unbegun) && !over {
        std::thread::sleep(PAUSE);
        // What was written before the end is there to be read after it.
        over = ended.is_cancelled();
        reader = Reader::open(capture);
    }
    reader
}

/// `tame` leaves nothing in the capture's own lines that a terminal would obey.
fn follow(
    reader: Reader,
    print: Print,
    tame: bool,
    ended: &CancellationToken,
    out: &mut impl Write,
) -> Result<(), ReadError> {
    let mut reader = reader.pass_over(ANY_LENGTH);
    let bodies = reader.bodies()?;
    let (mut text, mut json) = (Text::default(), Json::default());
    let mut lines = Vec::new();
    if print == Print::Json {
        lines.push(bodies.line(Location::default())?);
    }
    loop {
        let over = ended.is_cancelled();
        let read = reader.read(BATCH, |record| match print {
            Print::Text => lines.extend(text.lines(&record)),
            // It has no line of its own.
            Print::Json if matches!(record.payload, Payload::Missing { .. }) => {}
            // A line that can be read once can be read twice.
            Print::Json => lines.extend(
                bodies
                    .line(record.location)
                    .map(|line| json.line(line, &record)),
            ),
        })?;
        for mut line in lines.drain(..) {
            if tame {
                line = tamed(&line);
            }
            // Who closed stderr wants to read no more.
            if out.write_all(&line).is_err() {
                return Ok(());
            }
        }
        if read == 0 && !over {
            lines.extend(text.stderr.waited());
            std::thread::sleep(PAUSE);
        } else if read == 0 {
            lines.extend(text.stderr.end_all());
            if lines.is_empty() {
                return Ok(());
            }
        }
    }
}

/// JSON may hold C1 controls and marks that turn the writing direction as they are.
fn tamed(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    format!("{}\n", neutral(text)).into_bytes()
}

/// Counts what has gone out, so that somebody else can see whether anything does.
struct Counting<W> {
    out: W,
    written: Arc<AtomicU64>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.write(bytes)?;
        self.written.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The capture's own lines; one that brings answers says, before its message, what they answer.
#[derive(Debug, Default)]
struct Json {
    answers: Answers,
}

impl Json {
    fn line(&mut self, mut line: Vec<u8>, record: &Record<'_>) -> Vec<u8> {
        let said = match digest(record).content {
            Content::Line {
                from,
                to,
                via,
                messages,
                ..
            } => {
                let way = Way::of(record, from, to, via);
                let mut answered = |message| self.answers.take_in(way, message)?.request();
                match messages {
                    Messages::One(message) => {
                        let answered: Option<Answered> = answered(&message);
                        answered.and_then(|it| serde_json::to_string(&it).ok())
                    }
                    // In the order of its messages.
                    Messages::Batch(batch) => {
                        let all: Vec<_> = batch.iter().map(|(_, it)| answered(it)).collect();
                        let any = all.iter().any(Option::is_some);
                        serde_json::to_string(&all).ok().filter(|_| any)
                    }
                }
            }
            Content::Closed(_) => {
                self.answers.close(record.session);
                None
            }
            _ => None,
        };
        let before = (record.location.start as usize).checked_sub(MESSAGE.len());
        if let (Some(said), Some(before)) = (said, before)
            && line.get(before..).is_some_and(|it| it.starts_with(MESSAGE))
        {
            let said = format!("\"answers\":{said},").into_bytes();
            line.splice(before..before, said);
        }
        line
    }
}

/// One readable line a message: `12:04:01.120 client → tools/call get-sum a=2 b=3`.
#[derive(Debug, Default)]
struct Text {
    answers: Answers,
    exchanges: Exchanges,
    stderr: Stderr,
}

impl Text {
    fn lines(&mut self, record: &Record<'_>) -> Vec<Vec<u8>> {
        if let Payload::Stderr(bytes) = &record.payload {
            return self.stderr.take_in(record.at, record.session, bytes);
        }
        let digest = digest(record);
        let (at, session) = (digest.at, digest.session);
        let said = match digest.content {
            Content::Line {
                from,
                to,
                messages,
                via,
                ..
            } => {
                let way = Way::of(record, from, to, via);
                if let Some(via) = via {
                    self.exchanges.carried(via.exchange);
                }
                let messages = match messages {
                    Messages::One(message) => vec![message],
                    Messages::Batch(batch) => {
                        batch.into_iter().map(|(_, message)| message).collect()
                    }
                };
                let to = to
                    .map(|to| format!("{}: ", party_word(to)))
                    .unwrap_or_default();
                let said = messages.into_iter().map(|message| {
                    let words = self.words(way, &message);
                    line(at, session, &format!("{} → {to}{words}", party_word(from)))
                });
                return said.collect();
            }
            Content::Opened(opened) => {
                format!(
                    "session opened by the {} over {}",
                    opened.by, opened.transport
                )
            }
            Content::Closed(closed) => {
                let mut said = self.stderr.end(session);
                let unanswered = self.answers.close(session);
                said.extend(
                    never_answered(&unanswered)
                        .into_iter()
                        .map(|it| line(at, session, &it)),
                );
                let closed = format!("session closed: {}", closed.reason);
                said.push(line(at, session, &closed));
                return said;
            }
            Content::Gap(gap) => {
                format!(
                    "{} NOT captured: {}",
                    super::messages(gap.messages),
                    gap.reason
                )
            }
            Content::Note(text) => format!("sentinel: {text}"),
            Content::Damaged {
                line_number,
                reason,
            } => {
                format!("line {line_number} of the capture is damaged: {reason}")
            }
            Content::Missing { count, last } => missing(record.seq, count, last),
            Content::Http(exchange, step) => match self.exchanges.step(exchange, &step) {
                Some(said) => said,
                None => return Vec::new(),
            },
            // Its whole lines have been told.
            Content::Stderr(_) | Content::Unknown => return Vec::new(),
        };
        vec![line(at, session, &said)]
    }

    fn words(&mut self, way: Way, message: &Message) -> String {
        let asks = joined(&[&message.method, &message.name]);
        let answered = self.answers.take_in(way, message);
        let outcome = match message.kind {
            MessageKind::Request | MessageKind::Notification | MessageKind::Garbage => {
                let again = if is_next_round(message) {
                    "(next round)"
                } else {
                    ""
                };
                return joined(&[&asks, &message.gist, again]);
            }
            MessageKind::Result => "ok",
            MessageKind::ToolError => "tool error",
            MessageKind::InputRequired => "input required",
            MessageKind::Error => "error",
        };
        let id = gist(message.id.as_deref().unwrap_or("none"));
        let stray = |what: &str| joined(&[outcome, &format!("({what}: id {id})"), &message.gist]);
        match answered {
            Some(Found::Request(Answered {
                method,
                name,
                took,
                late,
            })) => {
                let late = if late { "(late)" } else { "" };
                let took = took.map_or_else(|| "?".to_owned(), super::span);
                joined(&[outcome, late, &method, &name, &took, &message.gist])
            }
            Some(Found::Again) => stray(ANSWERED_AGAIN),
            Some(Found::Unasked) | None => stray("unasked"),
        }
    }
}

/// Whether it is a request once more, with the input that it was answered to need.
fn is_next_round(message: &Message) -> bool {
    match &message.detail {
        Detail::Request(detail) => detail.round.is_some_and(|round| round.retry),
        _ => false,
    }
}

/// One sentence each, up to a bound.
fn never_answered(requests: &[Unanswered]) -> Vec<String> {
    let sentence = |it: &Unanswered| {
        let id = format!("(id {})", it.id);
        joined(&["never answered:", &it.method, &it.name, &id])
    };
    let mut said: Vec<String> = requests.iter().take(NAMED).map(sentence).collect();
    if requests.len() > NAMED {
        said.push(format!("never answered: {} more", requests.len() - NAMED));
    }
    said
}

fn joined(words: &[&str]) -> String {
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// One line, whatever a peer wrote into it.
fn line(at: Timestamp, session: SessionId, said: &str) -> Vec<u8> {
    let time = Local.timestamp_micros(at.0).single();
    let time = time
        .map(|it| it.format("%H:%M:%S%.3f").to_string())
        .unwrap_or_default();
    let session = match session {
        SessionId::NONE | SessionId(1) => String::new(),
        SessionId(other) => format!("#{other} "),
    };
    format!("{time} {session}{}\n", neutral(said)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURE: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"opened":{"by":"client","transport":"stdio"}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-sum","arguments":{"a":2,"b":3}}}}
{"seq":3,"at":"2026-11-21T02:45:01.003000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"method":"roots/list"}}
{"seq":4,"at":"2026-11-21T02:45:01.004000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"5\u001b[2J"}]}}}
{"seq":5,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}}
{"seq":6,"at":"2026-11-21T02:45:01.006000Z","session":2,"from":"server","text":"ready\u001b]0;x\u0007\n"}
{"seq":7,"at":"2026-11-21T02:45:01.007000Z","session":1,"closed":{"exit":0,"reason":"the server exited with status 0"}}
"#;

    fn printed(print: Print) -> String {
        print_of(CAPTURE, print, false)
    }

    fn print_of(capture: &str, print: Print, tame: bool) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), capture).unwrap();
        let ended = CancellationToken::new();
        ended.cancel();
        let mut out = Vec::new();
        let reader = Reader::open(file.path()).unwrap();
        follow(reader, print, tame, &ended, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_capture_that_is_begun_later_is_printed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = Reader::open(file.path());
        assert!(first.is_err());
        let (path, ended) = (file.path().to_owned(), CancellationToken::new());
        let end = ended.clone();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(PAUSE * 3);
            std::fs::write(path, CAPTURE).unwrap();
            end.cancel();
        });
        assert!(once_begun(first, file.path(), &ended).is_ok());
        writer.join().unwrap();
        std::fs::write(file.path(), "").unwrap();
        assert!(once_begun(Reader::open(file.path()), file.path(), &ended).is_err());
    }

    #[test]
    fn json_is_the_capture_with_what_each_answer_is_to() {
        let printed = printed(Print::Json);
        let sum = r#","answers":{"method":"tools/call","name":"get-sum","took_us":3000}"#;
        let roots = r#","answers":{"method":"roots/list","took_us":2000}"#;
        let lines: Vec<&str> = printed.lines().collect();
        assert!(lines[4].contains(&format!(r#""from":"server"{sum},"message":{{"#)));
        assert!(lines[5].contains(&format!(r#""from":"client"{roots},"message":{{"#)));
        assert_eq!(printed.replace(sum, "").replace(roots, ""), CAPTURE);
    }

    #[test]
    fn json_with_what_each_answer_is_to_can_be_read_as_a_capture() {
        let read = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let mut payloads = Vec::new();
            let mut reader = Reader::open(file.path()).unwrap();
            let each = |record: Record<'_>| payloads.push(format!("{:?}", record.payload));
            reader.read(usize::MAX, each).unwrap();
            payloads
        };
        assert_eq!(read(&printed(Print::Json)), read(CAPTURE));
    }

    #[test]
    fn a_batch_of_answers_says_what_each_of_them_is_to() {
        let line = |seq: u32, from: &str, message: &str| {
            format!(
                "{{\"seq\":{seq},\"at\":\"2026-11-21T02:45:01.00000{seq}Z\",\"session\":1,\"from\":\"{from}\",\"message\":{message}}}\n"
            )
        };
        let capture = [
            "{\"capture\":1,\"name\":\"n\"}\n",
            &line(1, "client", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
            &line(
                3,
                "server",
                r#"[{"jsonrpc":"2.0","id":9,"result":{}},{"jsonrpc":"2.0","id":1,"result":{}}]"#,
            ),
        ]
        .concat();
        let printed = print_of(&capture, Print::Json, false);
        let answers = r#""answers":[null,{"method":"ping","took_us":2}],"message":["#;
        assert!(printed.contains(answers), "{printed}");
    }

    #[test]
    fn json_on_a_terminal_holds_nothing_that_the_terminal_obeys() {
        let hostile = CAPTURE.replace("\"no\"", "\"\u{9b}2J\u{202e}no\"");
        let hostile_error = "\"\u{9b}2J\u{202e}no\"";
        let tame_error = "\"\u{fffd}2J\u{fffd}no\"";
        assert!(print_of(&hostile, Print::Json, true).contains(tame_error));
        assert!(print_of(&hostile, Print::Json, false).contains(hostile_error));
    }

    #[test]
    fn text_is_one_line_a_message_with_answers_named_after_their_request() {
        let text = printed(Print::Text);
        let lines: Vec<&str> = text
            .lines()
            .map(|line| &line["12:04:01.120 ".len()..])
            .collect();
        assert_eq!(lines[0], "session opened by the client over stdio");
        assert_eq!(lines[1], "client → tools/call get-sum a=2 b=3");
        assert_eq!(lines[2], "server → roots/list");
        assert!(
            lines[3].starts_with("server → ok tools/call get-sum 3.0 ms"),
            "{}",
            lines[3]
        );
        assert!(
            lines[4].starts_with("client → error roots/list 2.0 ms"),
            "{}",
            lines[4]
        );
        assert!(
            lines[5].starts_with("#2 server → not JSON ready"),
            "{}",
            lines[5]
        );
        assert_eq!(lines[6], "session closed: the server exited with status 0");
        assert_eq!(lines.len(), 7);
    }

    fn without_times(text: &str) -> Vec<&str> {
        let lines = text.lines();
        lines.map(|line| &line["12:04:01.120 ".len()..]).collect()
    }

    const ODD: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"who?"}}}
{"seq":3,"at":"2026-11-21T02:45:01.003000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"name":"Ana"}}}}
{"seq":4,"at":"2026-11-21T02:45:01.004000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}}
{"seq":5,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{}}}
{"seq":6,"at":"2026-11-21T02:45:01.005000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":1,"result":{}}}
{"seq":7,"at":"2026-11-21T02:45:01.006000Z","session":1,"from":"server","message":{"jsonrpc":"2.0","id":"x","result":{}}}
{"seq":8,"at":"2026-11-21T02:45:01.007000Z","session":1,"from":"client","message":{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b","requestState":"s"}}}
{"seq":9,"at":"2026-11-21T02:45:01.008000Z","session":1,"stderr":"  half"}
{"seq":10,"at":"2026-11-21T02:45:01.009000Z","session":1,"closed":{"exit":0,"reason":"it left"}}
"#;

    #[test]
    fn what_is_odd_about_an_answer_is_said() {
        let text = print_of(ODD, Print::Text, false);
        assert_eq!(
            without_times(&text),
            [
                "client → tools/call a",
                "server → elicitation/create who?",
                "client → ok elicitation/create 2.0 ms accept name=\"Ana\"",
                "client → notifications/cancelled request 1",
                "server → ok (late) tools/call a 5.0 ms",
                "server → ok (answered again: id 1)",
                "server → ok (unasked: id \"x\")",
                "client → tools/call b (next round)",
                "server stderr:   half",
                "never answered: tools/call b (id 2)",
                "session closed: it left",
            ]
        );
    }

    const OVER_HTTP: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n"}
{"seq":1,"at":"2026-11-21T02:45:01.000000Z","session":1,"http":{"exchange":1,"request":{"by":"client","method":"GET","target":"/mcp","headers":[]}}}
{"seq":2,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"end":{"of":"request","bytes":0}}}
{"seq":3,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"response":{"by":"server","status":405,"headers":[]}}}
{"seq":4,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":1,"end":{"of":"response","bytes":0}}}
{"seq":5,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"request":{"by":"client","method":"POST","target":"/mcp","headers":[]}}}
{"seq":6,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"client","exchange":2,"message":{"jsonrpc":"2.0","method":"notifications/initialized"}}
{"seq":7,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"response":{"by":"server","status":202,"headers":[]}}}
{"seq":8,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":2,"end":{"of":"response","bytes":0}}}
{"seq":9,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"request":{"by":"client","method":"GET","target":"/mcp","headers":[]}}}
{"seq":10,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"response":{"by":"server","status":200,"headers":[["content-type","text/event-stream"]]}}}
{"seq":11,"at":"2026-11-21T02:45:01.001000Z","session":1,"from":"server","exchange":3,"event":"1","message":{"jsonrpc":"2.0","method":"notifications/message"}}
{"seq":12,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":3,"end":{"of":"response","bytes":0,"broken":"the server went away"}}}
{"seq":13,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"request":{"by":"client","method":"DELETE","target":"/mcp","headers":[]}}}
{"seq":14,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"response":{"by":"server","status":200,"headers":[]}}}
{"seq":15,"at":"2026-11-21T02:45:01.001000Z","session":1,"http":{"exchange":4,"end":{"of":"response","bytes":0}}}
"#;

    #[test]
    fn exchanges_that_their_messages_do_not_tell_of_are_one_line_each() {
        let text = print_of(OVER_HTTP, Print::Text, false);
        assert_eq!(
            without_times(&text),
            [
                "client → GET /mcp → 405 Method Not Allowed",
                "client → notifications/initialized",
                "client → GET /mcp → 200 OK",
                "server → notifications/message",
                "client → GET /mcp → 200 OK → broken off: the server went away",
                "client → DELETE /mcp → 200 OK",
            ]
        );
        assert_eq!(print_of(OVER_HTTP, Print::Json, false), OVER_HTTP);
    }

    #[test]
    fn nothing_that_a_peer_wrote_reaches_the_terminal_as_a_command() {
        let text = printed(Print::Text);
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
}
