//! What the tools take and give, as the schemas on offer say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::harbour::{Author, Berth, Due, Note, Place, Unit};

#[derive(Deserialize, JsonSchema)]
pub(super) struct Echo {
    /// Message to echo.
    pub(super) message: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Sum {
    /// First number.
    pub(super) a: f64,
    /// Second number.
    pub(super) b: f64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SumAnswer {
    pub(super) result: f64,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ForecastWish {
    /// Where to look.
    pub(super) place: Place,
    /// How many days ahead.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 7))]
    pub(super) days: u8,
    /// Unit of the temperatures.
    #[serde(default)]
    pub(super) unit: Unit,
}

fn three() -> u8 {
    3
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NoteSearch {
    /// Text to look for in title and body; null or nothing for all notes.
    #[serde(default)]
    pub(super) text: Option<String>,
    /// Only notes that have all of these tags.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// At most so many.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: usize,
}

fn ten() -> usize {
    10
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Notes {
    pub(super) notes: Vec<Note>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NewNote {
    /// One line.
    #[schemars(length(min = 1, max = 80))]
    pub(super) title: String,
    /// As long as it has to be.
    pub(super) body: String,
    /// Words to find it by.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Who writes.
    pub(super) author: Author,
    /// When it has to be done, if ever.
    #[serde(default)]
    pub(super) due: Option<Due>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NoteId {
    /// Number of the note.
    pub(super) id: u32,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Berths {
    pub(super) berths: Vec<Berth>,
    pub(super) free: usize,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Booking {
    /// Name of the boat.
    pub(super) boat: String,
    /// Length over all, in metres.
    #[schemars(range(min = 2, max = 18))]
    pub(super) length: f64,
    /// How many nights.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 30))]
    pub(super) nights: u8,
}

fn one() -> u8 {
    1
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Plain,
    Cheerful,
    Stern,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Bulletin {
    /// Number of the note that the bulletin is about.
    pub(super) note: u32,
    /// How it should sound.
    pub(super) tone: Tone,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct LongWork {
    /// How long it takes altogether, in seconds.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 600))]
    pub(super) duration: f64,
    /// In how many steps.
    #[serde(default = "five_steps")]
    #[schemars(range(min = 1, max = 1000))]
    pub(super) steps: u16,
}

fn five() -> f64 {
    5.0
}

fn five_steps() -> u16 {
    5
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Wait {
    /// How long to wait, in seconds.
    #[schemars(range(min = 0, max = 3600))]
    pub(super) seconds: f64,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Gauge {
    /// Which of the three.
    #[schemars(range(min = 1, max = 3))]
    pub(super) gauge: u8,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Sluice {
    /// Which gate.
    pub(super) gate: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct LogExport {
    /// How many entries; the answer has about 45 bytes for each.
    #[serde(default = "many")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) entries: u32,
}

fn many() -> u32 {
    5000
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shift {
    Day,
    Night,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ShiftChange {
    /// Who takes over.
    pub(super) shift: Shift,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Beacon {
    /// Colour of the light.
    pub(super) colour: String,
    /// Seconds between two flashes.
    #[serde(default)]
    pub(super) period: Option<f64>,
}
