//! `--print=json`: the capture as it stands in the file, with what each answer is to.

use super::answers::{Answered, Answers, Way};
use crate::capture::record::Record;
use crate::traffic::digest::{Content, Messages, digest};

/// What stands before a message in its record.
const MESSAGE: &[u8] = b"\"message\":";

/// The capture's own lines; one that brings answers says, before its message, what they answer.
#[derive(Debug, Default)]
pub(super) struct Json {
    answers: Answers,
}

impl Json {
    /// The line of a record, with what it says of answers.
    pub(super) fn line(&mut self, mut line: Vec<u8>, record: &Record<'_>) -> Vec<u8> {
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
