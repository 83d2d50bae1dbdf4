//! `--print`: what a record says, in words.

use super::answers::{Answered, Answers, Found, Unanswered, Way};
use super::exchanges::Exchanges;
use super::line;
use super::stderr::Stderr;
use crate::capture::record::{Payload, Record};
use crate::traffic::digest::{Content, Detail, Message, MessageKind, Messages, digest};
use crate::traffic::gist::gist;
use crate::traffic::party_word;
use crate::traffic::{ANSWERED_AGAIN, missing};

/// Unanswered requests that the end of a session names.
const NAMED: usize = 20;

/// One readable line a message: `12:04:01.120 client → tools/call get-sum a=2 b=3`.
#[derive(Debug, Default)]
pub(super) struct Text {
    answers: Answers,
    exchanges: Exchanges,
    stderr: Stderr,
}

impl Text {
    /// What is to be said of a record.
    pub(super) fn lines(&mut self, record: &Record<'_>) -> Vec<Vec<u8>> {
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
                    super::super::messages(gap.messages),
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

    /// Of stderr, what has waited long enough for its line end.
    pub(super) fn waited(&mut self) -> Vec<Vec<u8>> {
        self.stderr.waited()
    }

    /// Of stderr, what never got one.
    pub(super) fn end(&mut self) -> Vec<Vec<u8>> {
        self.stderr.end_all()
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
                let took = took.map_or_else(|| "?".to_owned(), super::super::span);
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
