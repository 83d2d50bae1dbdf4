//! One entry of the Log in full: made of its message once, as that may have hundreds of megabytes, and not for each frame.

use super::{Entry, Log, what};
use crate::traffic::RowKind;
use crate::ui::app::World;
use crate::ui::event::Body;
use crate::ui::json::Document;
use crate::ui::text::wrap;
use crate::wire::framing::character_end;
use crate::wire::object;
use crate::wire::shown::unstyled;
use std::borrow::Cow;

/// Bytes of an entry that are laid out to be drawn.
const SHOWN: usize = 64 << 10;
/// The longest escape of one character in JSON text: a pair of surrogates.
const LONGEST_ESCAPE: usize = 12;

/// What a log message says, in full; the start of it as it came where its data has more bytes than `most`.
fn logged(message: &str, most: usize) -> String {
    let param = |name| object::at(message, &["params", name]);
    let data = param("data").unwrap_or_default();
    let start = start_of(data, most);
    let said = match object::unescape(&start) {
        Some(text) => text.into_owned(),
        None if start.len() < data.len() => start.into_owned(),
        None => Document::new(data.as_bytes().to_vec()).pretty(),
    };
    match param("logger").and_then(object::unescape) {
        Some(logger) => format!("{logger}: {said}"),
        None => said,
    }
}

/// As much of a JSON value; of a text that is cut, what is a text again.
fn start_of(data: &str, most: usize) -> Cow<'_, str> {
    if data.len() <= most {
        return data.into();
    }
    let is_text = data.starts_with('"');
    let ends = (most.saturating_sub(LONGEST_ESCAPE)..=most).rev();
    let closed = |end| {
        let text = format!("{}\"", data.get(..end)?);
        object::unescape(&text).is_some().then_some(text)
    };
    let text = ends.filter(|_| is_text).find_map(closed);
    let cut = || data.get(..character_end(data.as_bytes(), most));
    text.map_or_else(|| cut().unwrap_or_default().into(), Cow::from)
}

/// The lines of the entry that is selected.
#[derive(Debug, Default)]
pub struct Whole {
    /// What they were made of, and for how many columns; `None` while its message is still to come.
    made_of: Option<(Entry, usize)>,
    lines: Vec<String>,
}

impl Whole {
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    pub fn show(&mut self, log: &Log, world: &World, entry: Option<Entry>, columns: usize) {
        let wanted = entry.map(|entry| (entry, columns));
        if wanted.is_some() && self.made_of == wanted {
            return;
        }
        let text = entry.and_then(|entry| text(log, world, entry, SHOWN));
        let mut shown = text.unwrap_or_default();
        shown.truncate(character_end(shown.as_bytes(), SHOWN));
        self.lines = wrap(&shown, columns);
        self.made_of = wanted.filter(|(entry, _)| is_there(world, *entry));
    }
}

/// Whether its message has come, where it has one. A mark is short, and may be said in another way later.
fn is_there(world: &World, entry: Entry) -> bool {
    let Entry::Row(id) = entry else { return true };
    let row = world.traffic.row(id);
    row.is_some_and(|row| {
        row.kind != RowKind::Mark && matches!(world.body(row.request), Body::Loaded(_))
    })
}

/// What an entry says, from about as many bytes of its message; `None` while that is still to come.
pub fn text(log: &Log, world: &World, entry: Entry, most: usize) -> Option<String> {
    let id = match entry {
        Entry::Note(number) => return Some(log.noted(number)?.notice.text.clone()),
        Entry::Row(id) => id,
    };
    let row = world.traffic.row(id)?;
    match world.body(row.request) {
        _ if row.kind == RowKind::Mark => Some(format!("{} {}", what(&row, world), row.summary)),
        Body::Loaded(document) => {
            let bytes = document.bytes();
            let start = || {
                let end = character_end(bytes, most);
                String::from_utf8_lossy(&bytes[..end])
            };
            Some(match row.kind {
                RowKind::Stderr => unstyled(&start()).into_owned(),
                RowKind::Notification => logged(&String::from_utf8_lossy(bytes), most),
                _ => start().into_owned(),
            })
        }
        Body::Failed(reason) => Some(reason.to_string()),
        Body::Loading => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str, most: usize) -> String {
        logged(
            &format!(r#"{{"params":{{"logger":"db","data":{data}}}}}"#),
            most,
        )
    }

    #[test]
    fn long_data_is_not_taken_apart_to_be_drawn() {
        assert_eq!(said(r#"{"a":[1,2]}"#, 6), r#"db: {"a":["#);
        assert_eq!(said(r#"["ä"]"#, 3), r#"db: [""#);
        let whole = said(r#"{"a":[1,2]}"#, 11);
        assert!(whole.contains("\n") && whole.ends_with('}'), "{whole}");
    }

    #[test]
    fn a_long_text_is_cut_between_its_characters() {
        let text = r#""one\ntwo \ud83d\ude00 ä""#;
        for (most, said_so) in [
            (text.len(), "one\ntwo \u{1f600} ä"),
            (23, "one\ntwo \u{1f600} "),
            (22, "one\ntwo \u{1f600}"),
            (10, "one\ntwo "),
            (5, "one"),
        ] {
            assert_eq!(said(text, most), format!("db: {said_so}"), "{most}");
        }
    }
}
