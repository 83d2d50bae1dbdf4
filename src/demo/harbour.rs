//! What the harbour office knows: its notes, berths, gauges and weather. Plain data, no protocol.
//!
//! Everything is made up but nothing is random: the same question has the same answer, so a replayed call can be
//! compared with its original.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) const WEBCAM: &[u8] = include_bytes!("webcam.png");

pub(super) const GUIDE: &str = "\
# Harbour office

- Berths **A1** to **A4** are for boats up to 9 m, **B1** and **B2** for boats up to 18 m.
- Ask for the forecast before you plan a day out. Gauge 3 has been silent since the storm.
- Notes are kept until somebody deletes them; deleting cannot be undone.
- At night the beacon can be lit (`set-shift` with `night`, then `light-beacon`).
";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    Pier,
    Lagoon,
    OuterBank,
}

impl Place {
    pub(super) const NAMES: [&'static str; 3] = ["pier", "lagoon", "outer-bank"];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Forecast {
    pub(super) place: Place,
    pub(super) unit: Unit,
    pub(super) days: Vec<Day>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Day {
    /// 0 is today.
    pub(super) day: u8,
    pub(super) sky: String,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Knots, at noon.
    pub(super) wind: u8,
}

pub(super) fn forecast(place: Place, days: u8, unit: Unit) -> Forecast {
    let skies = ["clear", "light clouds", "rain", "fog until ten", "showers"];
    let offset = place as u8;
    let degrees = |celsius: f64| match unit {
        Unit::Celsius => celsius,
        Unit::Fahrenheit => celsius.mul_add(1.8, 32.0),
    };
    let days = (0..days)
        .map(|day| {
            let step = day.wrapping_mul(3).wrapping_add(offset) % 5;
            Day {
                day,
                sky: skies[usize::from(step)].to_owned(),
                low: degrees(4.5 + f64::from(step)),
                high: degrees(9.0 + f64::from(step) * 1.5),
                wind: 6 + step * 4 + offset * 5,
            }
        })
        .collect();
    Forecast { place, unit, days }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Author {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
}

/// When something is due: on a date, or in a number of days.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Due {
    /// On a calendar day.
    On { date: String },
    /// Counted from today.
    In {
        #[schemars(range(min = 0, max = 365))]
        days: u16,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Note {
    pub(super) id: u32,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) tags: Vec<String>,
    pub(super) author: Author,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<Due>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Berth {
    pub(super) name: &'static str,
    /// Metres.
    pub(super) longest_boat: u8,
    pub(super) taken_by: Option<String>,
}

/// The office's books, which the tools write in.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) notes: Vec<Note>,
    pub(super) berths: Vec<Berth>,
    next_note: u32,
}

impl Books {
    pub(super) fn new() -> Self {
        let berth = |name, longest_boat, taken_by: Option<&str>| Berth {
            name,
            longest_boat,
            taken_by: taken_by.map(str::to_owned),
        };
        let mut books = Self {
            notes: Vec::new(),
            berths: vec![
                berth("A1", 9, Some("Alma")),
                berth("A2", 9, None),
                berth("A3", 9, Some("Tern")),
                berth("A4", 9, None),
                berth("B1", 18, Some("Northern Light")),
                berth("B2", 18, None),
            ],
            next_note: 1,
        };
        let desk = Author {
            name: "Day desk".to_owned(),
            email: Some("desk@harbour.example".to_owned()),
        };
        for (title, body, tag) in [
            (
                "Rope on the slipway",
                "Somebody left 20 m of new rope. It is in the shed.",
                "found",
            ),
            (
                "Fuel pump",
                "Pump 2 counts too much. The fitter comes on Thursday. ⛽",
                "repair",
            ),
            (
                "Æbelø ferry",
                "Late arrivals moor outside; the café keeps the keys.",
                "traffic",
            ),
        ] {
            books.save(title, body, vec![tag.to_owned()], desk.clone(), None);
        }
        books
    }

    pub(super) fn save(
        &mut self,
        title: &str,
        body: &str,
        tags: Vec<String>,
        author: Author,
        due: Option<Due>,
    ) -> Note {
        let note = Note {
            id: self.next_note,
            title: title.to_owned(),
            body: body.to_owned(),
            tags,
            author,
            due,
        };
        self.next_note += 1;
        self.notes.push(note.clone());
        note
    }

    pub(super) fn delete(&mut self, id: u32) -> Option<Note> {
        let at = self.notes.iter().position(|note| note.id == id)?;
        Some(self.notes.remove(at))
    }

    pub(super) fn note(&self, id: u32) -> Option<&Note> {
        self.notes.iter().find(|note| note.id == id)
    }

    pub(super) fn find(&self, text: Option<&str>, tags: &[String], limit: usize) -> Vec<Note> {
        let text = text.unwrap_or_default().to_lowercase();
        self.notes
            .iter()
            .filter(|note| {
                format!("{}\n{}", note.title, note.body)
                    .to_lowercase()
                    .contains(&text)
            })
            .filter(|note| tags.iter().all(|tag| note.tags.contains(tag)))
            .take(limit)
            .cloned()
            .collect()
    }
}

/// The tide tables of one day, as text.
pub(super) fn tides(station: &str, date: &str) -> String {
    let shift = date.bytes().map(u32::from).sum::<u32>() % 60;
    format!(
        "Tides at {station}, {date}\n  05:{shift:02}  low   0.3 m\n  11:{shift:02}  high  2.1 m\n  17:{shift:02}  low   0.4 m\n  23:{shift:02}  high  2.0 m\n"
    )
}

/// The office's log book: one line a movement, `entries` of them, newest last.
pub(super) fn log_book(entries: u32) -> String {
    let boats = ["Alma", "Tern", "Northern Light", "Æbelø ferry", "pilot 4"];
    let acts = ["in", "out", "moored", "fuelled", "reported by radio"];
    (0..entries)
        .map(|entry| {
            let minute = entry * 7;
            let boat = boats[(entry % 5) as usize];
            let act = acts[(entry / 2 % 5) as usize];
            format!(
                "day {:04}  {:02}:{:02}  {boat:<15} {act}\n",
                minute / 1440 + 1,
                minute / 60 % 24,
                minute % 60
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_answer() {
        let ask = || serde_json::to_string(&forecast(Place::Lagoon, 7, Unit::Fahrenheit)).unwrap();
        assert_eq!(ask(), ask());
        assert_ne!(tides("pier", "2026-11-21"), tides("pier", "2026-11-22"));
    }

    #[test]
    fn notes_are_found_by_text_and_tag_and_gone_once_deleted() {
        let mut books = Books::new();
        assert_eq!(books.find(Some("ROPE"), &[], 10).len(), 1);
        assert_eq!(books.find(None, &["repair".to_owned()], 10).len(), 1);
        assert_eq!(books.find(None, &[], 2).len(), 2);
        assert!(books.delete(1).is_some());
        assert!(books.delete(1).is_none());
        assert!(books.find(Some("rope"), &[], 10).is_empty());
    }

    #[test]
    fn a_new_note_never_takes_the_number_of_a_deleted_one() {
        let mut books = Books::new();
        books.delete(3);
        let author = Author {
            name: "Night desk".to_owned(),
            email: None,
        };
        assert_eq!(books.save("t", "b", Vec::new(), author, None).id, 4);
    }
}
