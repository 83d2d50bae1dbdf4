//! The face without a screen: the startup line, `--print`, the summary. Writes to stderr; stdout is the protocol's.
//! With `--print=json` everything that we write there is JSON Lines.
//!
//! Reads the capture like any other viewer. Must not know the data path, nor hold it up.

mod print;

pub use print::Printer;

use crate::capture::recorder::Totals;
use crate::tap::{Counts, Health, Party};
use crate::traffic::number;
use crate::wire::shown::{neutral, shortened};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long somebody may take to read what is on stderr already.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Bytes of the command in the startup line; the capture's header has all of it.
const UPSTREAM: usize = 500;

/// How `--print` writes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// One readable line a message.
    Text,
    /// The capture's own lines, and in those of answers what they are to.
    Json,
}

/// How we speak on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Voice {
    #[default]
    Sentences,
    /// Among the lines of `--print=json`: as objects of one member, named for what they tell.
    Json,
}

impl From<Option<Print>> for Voice {
    fn from(print: Option<Print>) -> Self {
        match print {
            Some(Print::Json) => Self::Json,
            Some(Print::Text) | None => Self::Sentences,
        }
    }
}

impl Voice {
    /// Says what went wrong.
    pub fn complain(self, text: &str) {
        match self {
            Self::Sentences => say(&text),
            Self::Json => write_json(&json!({ "warning": text })),
        }
    }

    /// Says what we tell of ourselves.
    pub fn tell<T: Telling>(self, what: &T) {
        match self {
            Self::Sentences => say(what),
            Self::Json => write_json(&json!({ T::KIND: what.members() })),
        }
    }
}

/// A sentence that is also data.
pub trait Telling: fmt::Display {
    const KIND: &'static str;
    fn members(&self) -> Value;
}

/// Says on stderr, in our name, what went wrong.
pub fn complain(text: &str) {
    Voice::Sentences.complain(text);
}

/// Says on stderr, in our name; a stderr that is closed, or full and not read, is nobody's loss. Text of several lines
/// stays so.
pub fn say(text: &impl fmt::Display) {
    let text = text.to_string();
    let lines: Vec<_> = text.split('\n').map(neutral).collect();
    write(&format!("mcp-sentinel: {}\n", lines.join("\n")));
}

fn write_json(value: &Value) {
    let line = value.to_string();
    match std::io::stderr().is_terminal() {
        true => write(&format!("{}\n", neutral(&line))),
        false => write(&format!("{line}\n")),
    }
}

fn write(text: &str) {
    if is_read() {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// Whether stderr takes a line now: a client that lets it fill up must not keep us from ending.
fn is_read() -> bool {
    let stderr = rustix::stdio::stderr();
    let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut room, Some(&PATIENCE)).is_ok_and(|ready| ready > 0)
}

/// The one line at the start: who is connected to what, as whom, and where it is recorded.
#[derive(Debug)]
pub struct Startup<'a> {
    /// Where HTTP clients connect; `None` for the client on stdin and stdout.
    pub listening: Option<&'a str>,
    pub upstream: &'a [String],
    /// Whether a stored login lets us in.
    pub login: bool,
    pub capture: Option<&'a Path>,
}

impl fmt::Display for Startup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.listening.unwrap_or("stdio");
        // It is one line, whatever stands in a command.
        let upstream = words(self.upstream);
        let upstream = shortened(&upstream, UPSTREAM);
        write!(f, "{clients} → {}", neutral(&upstream))?;
        if self.login {
            f.write_str(" with the stored login")?;
        }
        match self.capture {
            Some(path) => write!(f, " · capturing to {}", path.display()),
            None => f.write_str(" · not capturing"),
        }
    }
}

impl Telling for Startup<'_> {
    const KIND: &'static str = "started";

    fn members(&self) -> Value {
        json!({
            "listening": self.listening,
            "upstream": beginning(self.upstream, UPSTREAM),
            "login": self.login,
            "capture": self.capture.map(|path| path.display().to_string()),
        })
    }
}

/// The first of `words`, of at most `max` bytes, and a mark where there are more.
fn beginning(words: &[String], max: usize) -> Vec<String> {
    let mut room = max;
    let mut shown = Vec::new();
    for word in words {
        if room == 0 {
            shown.push("…".to_owned());
            break;
        }
        shown.push(shortened(word, room));
        // An empty word takes room as well.
        room = room.saturating_sub(word.len() + 1);
    }
    shown
}

/// A server as it is typed: an address as it is, a command with its words quoted where a shell wants it.
pub fn words(upstream: &[String]) -> String {
    match upstream {
        [address] if address.contains("://") => address.clone(),
        command => shell_words::join(command),
    }
}

/// That the capture cannot be written, or can be again.
pub fn health(voice: Voice, health: &Health) {
    let lost = match health.lost {
        0 => String::new(),
        lost => format!("; {} NOT captured so far", messages(lost)),
    };
    match &health.trouble {
        Some(reason) => voice.complain(&format!(
            "cannot write the capture: {reason}; the traffic goes on{lost}"
        )),
        None => voice.complain(&format!("the capture is being written again{lost}")),
    }
}

/// What is known of the messages.
#[derive(Debug, Clone)]
pub enum Counted {
    Recorded(Arc<Totals>),
    /// What is in them is not known.
    Passed(Arc<Counts>),
    Nothing,
}

/// The one line at the end.
#[derive(Debug)]
pub struct Summary<'a> {
    pub counted: Counted,
    pub took: Duration,
    /// How the proxy ended, in words.
    pub how: &'a str,
    /// The capture, where no startup line named it.
    pub capture: Option<&'a Path>,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.counted {
            Counted::Recorded(totals) => recorded(f, totals)?,
            Counted::Passed(counts) => {
                let [client, operator, server] =
                    [Party::Client, Party::Operator, Party::Server].map(|it| counts.from(it));
                each_way(f, client, operator, server)?;
                f.write_str("errors not counted without a capture, ")?;
            }
            Counted::Nothing => {}
        }
        write!(f, "{} · {}", span(self.took), self.how)?;
        match self.capture {
            Some(path) => write!(f, " · captured in {}", path.display()),
            None => Ok(()),
        }
    }
}

fn recorded(f: &mut fmt::Formatter<'_>, totals: &Totals) -> fmt::Result {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    each_way(
        f,
        count(&totals.client_messages),
        count(&totals.operator_messages),
        count(&totals.server_messages),
    )?;
    let errors = count(&totals.errors) + count(&totals.tool_errors);
    let s = if errors == 1 { "" } else { "s" };
    write!(f, "{errors} error{s}, ")?;
    match lost(totals) {
        Some(lost) => write!(f, "{lost}, "),
        None => Ok(()),
    }
}

/// That messages are missing from the capture, and why.
pub fn lost(totals: &Totals) -> Option<String> {
    let lost = totals.lost_messages.load(Ordering::Acquire);
    let reason = totals.why_lost.get().map_or("", String::as_str);
    (lost > 0).then(|| format!("{} NOT captured ({})", messages(lost), neutral(reason)))
}

fn each_way(f: &mut fmt::Formatter<'_>, client: u64, operator: u64, server: u64) -> fmt::Result {
    write!(f, "{} from the client, ", messages(client))?;
    if operator > 0 {
        write!(f, "{operator} from the operator, ")?;
    }
    write!(f, "{server} from the server, ")
}

impl Telling for Summary<'_> {
    const KIND: &'static str = "ended";

    fn members(&self) -> Value {
        let took = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        let mut members = json!({ "took_us": took, "reason": self.how });
        let counted = match &self.counted {
            Counted::Recorded(totals) => vec![
                ("client_messages", &totals.client_messages),
                ("operator_messages", &totals.operator_messages),
                ("server_messages", &totals.server_messages),
                ("errors", &totals.errors),
                ("tool_errors", &totals.tool_errors),
                ("lost_messages", &totals.lost_messages),
            ],
            // JSON is said beside --print, which always records.
            Counted::Passed(_) | Counted::Nothing => Vec::new(),
        };
        for (name, count) in counted {
            members[name] = count.load(Ordering::Relaxed).into();
        }
        members
    }
}

fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

/// A length of time, as the screen has it.
fn span(time: Duration) -> String {
    number::duration(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_in_words() {
        let totals = Arc::new(Totals::default());
        totals.client_messages.store(1, Ordering::Relaxed);
        totals.server_messages.store(3, Ordering::Relaxed);
        let summary = |counted| {
            let took = Duration::from_millis(12_440);
            let how = "the server exited with status 0";
            let capture = None;
            Summary {
                counted,
                took,
                how,
                capture,
            }
            .to_string()
        };
        assert_eq!(
            summary(Counted::Recorded(Arc::clone(&totals))),
            "1 message from the client, 3 from the server, 0 errors, 12.4 s · the server exited with status 0"
        );
        totals.operator_messages.store(4, Ordering::Relaxed);
        assert!(
            summary(Counted::Recorded(Arc::clone(&totals)))
                .contains("client, 4 from the operator, 3 from")
        );
        totals.lost_messages.store(2, Ordering::Relaxed);
        totals.why_lost.set("no storage space".into()).unwrap();
        totals.tool_errors.store(1, Ordering::Relaxed);
        assert!(summary(Counted::Recorded(Arc::clone(&totals))).contains(
            "3 from the server, 1 error, 2 messages NOT captured (no storage space), 12.4 s"
        ));
        let counts = Arc::new(Counts::default());
        counts.add(Party::Server, 2);
        assert_eq!(
            summary(Counted::Passed(counts)),
            "0 messages from the client, 2 from the server, errors not counted without a capture, 12.4 s · the server exited with status 0"
        );
        assert_eq!(
            summary(Counted::Nothing),
            "12.4 s · the server exited with status 0"
        );
        let as_data = Summary {
            counted: Counted::Recorded(Arc::clone(&totals)),
            took: Duration::from_millis(12),
            how: "it ended",
            capture: Some(Path::new("/a/b.jsonl")),
        };
        assert!(
            as_data
                .to_string()
                .ends_with("it ended · captured in /a/b.jsonl")
        );
        assert_eq!(as_data.members()["server_messages"], 3);
        assert_eq!(as_data.members()["took_us"], 12_000);
    }

    #[test]
    fn the_summary_tells_the_time_as_rows_do() {
        assert_eq!(span(Duration::from_secs(156)), "2m36s");
    }

    #[test]
    fn the_startup_line_is_one_line_whatever_the_command_holds() {
        let upstream = ["sh".to_owned(), "-c".to_owned(), "a\nb\u{1b}[2J".to_owned()];
        let startup = Startup {
            listening: None,
            upstream: &upstream,
            login: false,
            capture: None,
        };
        let line = startup.to_string();
        assert_eq!(line, "stdio → sh -c 'a b\u{fffd}[2J' · not capturing");
        let upstream = ["sh".to_owned(), "x".repeat(1_000_000)];
        let line = Startup {
            upstream: &upstream,
            ..startup
        };
        assert!(line.to_string().len() < 600);
        let told = line.members()["upstream"].to_string();
        assert!(told.starts_with(r#"["sh","xx"#) && told.ends_with("x…\"]"));
        assert!(told.len() < 600);
        let upstream = vec![String::new(); 1_000_000];
        let line = Startup {
            upstream: &upstream,
            ..startup
        };
        let told = line.members()["upstream"].to_string();
        assert!(told.len() < 3000 && told.ends_with(",\"…\"]"), "{told}");
    }
}
