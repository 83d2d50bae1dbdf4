//! HTTP exchanges in words: those that carried no message, those that failed, and those that broke off. What the
//! others did is what their messages say.

use crate::tap::{Half, Party};
use crate::traffic::digest::HttpStep;
use crate::traffic::http::status_words;
use crate::traffic::party_word;
use std::collections::HashMap;

/// Exchanges that are followed at once.
const FOLLOWED: usize = 10_000;

/// The exchanges that are going on; those beyond a bound are not told of.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    going: HashMap<u64, Going>,
}

#[derive(Debug)]
struct Going {
    by: Party,
    /// Method and path.
    what: String,
    status: Option<u16>,
    /// What it did has been told, by itself or by a message.
    told: bool,
}

impl Going {
    /// `client → GET /mcp → 405 Method Not Allowed`
    fn words(&self, broken: Option<&str>) -> String {
        let mut words = format!("{} → {}", party_word(self.by), self.what);
        if let Some(status) = self.status {
            words += &format!(" → {}", status_words(status));
        }
        if let Some(reason) = broken {
            words += &format!(" → broken off: {reason}");
        }
        words
    }
}

impl Exchanges {
    /// It carried a message.
    pub fn carried(&mut self, exchange: u64) {
        if let Some(going) = self.going.get_mut(&exchange) {
            going.told = true;
        }
    }

    /// What is to be said now.
    pub fn step(&mut self, exchange: u64, step: &HttpStep) -> Option<String> {
        if let HttpStep::Request {
            by, method, path, ..
        } = step
        {
            let going = Going {
                by: *by,
                what: format!("{method} {path}"),
                status: None,
                told: false,
            };
            if self.going.len() < FOLLOWED {
                self.going.insert(exchange, going);
            }
            return None;
        }
        let going = self.going.get_mut(&exchange)?;
        match step {
            HttpStep::Response { status, stream, .. } => {
                going.status = Some(*status);
                // A stream may stay open for hours without a word.
                let worth_telling = *status >= 400 || (*stream && !going.told);
                going.told |= worth_telling;
                worth_telling.then(|| going.words(None))
            }
            HttpStep::End {
                of: Half::Response,
                broken,
                ..
            } => {
                let going = self.going.remove(&exchange)?;
                (!going.told || broken.is_some()).then(|| going.words(broken.as_deref()))
            }
            _ => None,
        }
    }
}
