//! Drives a screen without a terminal, a clock or a thread: folds a capture, presses keys, carries out the effects
//! that read, and draws what is left on a grid of characters.

#![allow(dead_code)]

pub mod svg;

use mcp_sentinel::capture::reader::{Bodies, Reader};
use mcp_sentinel::tap::Timestamp;
use mcp_sentinel::traffic::digest::digest;
use mcp_sentinel::ui::app::{App, Session};
use mcp_sentinel::ui::event::{Body, Effect, Event, Fed};
use mcp_sentinel::ui::json::Document;
use mcp_sentinel::ui::render;
use mcp_sentinel::ui::theme::{Ground, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::style::Color;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the conversation stands when the keys are pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Live,
    Ended,
    Saved,
    /// Half of it is read.
    Loading,
}

/// A screen being driven.
pub struct Stage {
    pub app: App,
    reader: Reader,
    bodies: Bodies,
    state: State,
    /// What the screen asked for and nobody here does: commands, copies, files, the end.
    pub effects: Vec<Effect>,
}

/// A capture in `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
        .with_extension("jsonl")
}

/// A capture with these lines after its header.
pub fn capture(directory: &Path, lines: &[&str]) -> PathBuf {
    let path = directory.join("made.jsonl");
    let header = r#"{"capture":1,"program":"mcp-sentinel","started":"2026-11-21T12:04:00.900Z","name":"x","transport":"stdio","upstream":["x"],"pid":1,"cwd":"/"}"#;
    let lines: Vec<String> = (1..)
        .zip(lines)
        .map(|(seq, line)| {
            format!(r#"{{"seq":{seq},"at":"2026-11-21T12:05:0{seq}.000000Z","session":1,{line}}}"#)
        })
        .collect();
    std::fs::write(&path, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    path
}

/// The screen after pressing `keys` on a fixture: its text, then one line per run of styled cells.
pub fn screen(width: u16, height: u16, name: &str, keys: &str) -> String {
    let mut stage = Stage::open(width, height, &fixture(name), State::Live);
    stage.press(keys);
    stage.screen()
}

impl Stage {
    pub fn open(width: u16, height: u16, capture: &Path, state: State) -> Self {
        Self::with(width, height, capture, state, Session::default())
    }

    pub fn with(width: u16, height: u16, capture: &Path, state: State, session: Session) -> Self {
        let mut stage = Self::start(width, height, capture, state, session);
        stage.read(usize::MAX);
        stage.arrive();
        stage
    }

    /// Nothing is read yet.
    pub fn start(width: u16, height: u16, capture: &Path, state: State, session: Session) -> Self {
        let reader = Reader::open_to_show(capture).unwrap();
        let bodies = reader.bodies().unwrap();
        let live = matches!(state, State::Live | State::Ended);
        let header = Box::new(reader.header().clone());
        let mut stage = Self {
            app: App::new(Session {
                // The same on every machine.
                capture: Path::new("/captures").join(capture.file_name().unwrap()),
                live,
                ..session
            }),
            reader,
            bodies,
            state,
            effects: Vec::new(),
        };
        stage.send(Event::Resize { width, height });
        stage.send(Event::Fed(Fed::Opened(header)));
        stage
    }

    /// Reads at most so many records of the capture.
    pub fn read(&mut self, records: usize) {
        let mut left = records;
        while left > 0 {
            let mut digests = Vec::new();
            let read = self
                .reader
                .read(left.min(4096), |record| digests.push(digest(&record)))
                .unwrap();
            if read == 0 {
                break;
            }
            left -= read;
            let (done, total) = self.reader.progress();
            let done = if self.state == State::Loading {
                total * 43 / 100
            } else {
                done
            };
            self.send(Event::Fed(Fed::Batch {
                digests,
                progress: (done, total),
            }));
        }
        // Half a second after the last message: that is when somebody looks.
        let now = Timestamp(self.app.world.traffic.latest().0 + 500_000);
        self.send(Event::Tick {
            now,
            utc_offset_seconds: 0,
        });
    }

    /// All there is has been read.
    pub fn arrive(&mut self) {
        if self.state != State::Loading {
            self.send(Event::Fed(Fed::CaughtUp));
        }
        if matches!(self.state, State::Ended | State::Saved) {
            let torn = self.reader.torn().unwrap();
            self.send(Event::Fed(Fed::Ended { torn }));
        }
    }

    /// Hands over an event, and the answers to what the screen then reads.
    pub fn send(&mut self, event: Event) {
        let effects = self.app.update(event);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Load(location) => {
                    let body = Body::Loaded(Arc::new(Document::new(
                        self.bodies.fetch(location).unwrap(),
                    )));
                    effects.extend(self.app.update(Event::Body { location, body }));
                }
                Effect::Scan {
                    generation,
                    filter,
                    rows,
                } => {
                    let matches = rows
                        .iter()
                        .filter(|(_, at)| {
                            at.iter()
                                .any(|at| filter.keeps_body(&self.bodies.fetch(*at).unwrap()))
                        })
                        .map(|(row, _)| *row)
                        .collect();
                    effects.extend(self.app.update(Event::Scanned {
                        generation,
                        matches,
                    }));
                }
                other => self.effects.push(other),
            }
        }
    }

    /// Presses keys written as `jj<enter>/echo<esc>`.
    pub fn press(&mut self, keys: &str) {
        for key in parse(keys) {
            self.send(Event::Key(key));
        }
    }

    /// Presses keys sooner than anything that they ask for is read.
    pub fn press_ahead(&mut self, keys: &str) {
        let keys = parse(keys).into_iter();
        let effects = keys.flat_map(|key| self.app.update(Event::Key(key)));
        let effects = effects.collect();
        self.carry_out(effects);
    }

    pub fn click(&mut self, column: u16, row: u16) {
        let kind = MouseEventKind::Down(MouseButton::Left);
        self.send(Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
    }

    pub fn wheel(&mut self, column: u16, row: u16, kind: MouseEventKind) {
        self.send(Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
    }

    /// The line of the list that is marked as selected.
    pub fn selected(&self) -> String {
        let text = self.text();
        let line = text
            .lines()
            .find(|line| line.starts_with('▌'))
            .unwrap_or_default();
        line.to_owned()
    }

    pub fn status(&self) -> String {
        self.text().lines().last().unwrap_or_default().to_owned()
    }

    pub fn theme(&mut self, ground: Ground) {
        self.app.world.theme = Theme {
            ground,
            ..Theme::default()
        };
    }

    pub fn buffer(&self) -> Buffer {
        let size = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
        terminal
            .draw(|frame| render::render(&self.app, frame))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    pub fn text(&self) -> String {
        text_of(&self.buffer())
    }

    pub fn screen(&self) -> String {
        let buffer = self.buffer();
        format!("{}{}", text_of(&buffer), styles_of(&buffer))
    }
}

/// What `render` draws: text, then styles.
pub fn draw(width: u16, height: u16, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(render).unwrap();
    let buffer = terminal.backend().buffer();
    format!("{}{}", text_of(buffer), styles_of(buffer))
}

/// The characters, line by line; a wide one takes the place of two.
pub fn text_of(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = mcp_sentinel::ui::text::width(symbol).max(1);
            }
            skip -= 1;
        }
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    out
}

/// One line per run of cells with a style: so a change of colour is a change of text.
pub fn styles_of(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let (start, style) = (x, buffer[(x, y)].style());
            while x < buffer.area.width && buffer[(x, y)].style() == style {
                x += 1;
            }
            let mut words = Vec::new();
            words.extend(
                style
                    .fg
                    .filter(|color| *color != Color::Reset)
                    .map(|color| format!("{color}")),
            );
            words.extend(
                style
                    .bg
                    .filter(|color| *color != Color::Reset)
                    .map(|color| format!("on {color}")),
            );
            if !style.add_modifier.is_empty() {
                words.push(format!("{:?}", style.add_modifier));
            }
            if !words.is_empty() {
                writeln!(out, "{y}:{start}..{x} {}", words.join(" ")).unwrap();
            }
        }
    }
    out
}

/// `jj<enter>/echo<esc>` as keys. `<lt>` is the character itself.
pub fn parse(keys: &str) -> Vec<KeyEvent> {
    let mut out = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'));
        let (event, tail) = match name {
            Some((name, tail)) => (named(name), tail),
            None => (
                KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE),
                &rest[c.len_utf8()..],
            ),
        };
        out.push(event);
        rest = tail;
    }
    out
}

fn named(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("c", name)) => (KeyModifiers::CONTROL, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "space" => KeyCode::Char(' '),
        "bs" => KeyCode::Backspace,
        "lt" => KeyCode::Char('<'),
        name if name.chars().count() == 1 => KeyCode::Char(name.chars().next().unwrap()),
        name => KeyCode::F(
            name.strip_prefix('f')
                .and_then(|number| number.parse().ok())
                .expect("a known key"),
        ),
    };
    KeyEvent::new(code, modifiers)
}

/// A capture with so many calls, and all that comes with them, in `directory`.
pub fn flood(directory: &Path, calls: u32) -> PathBuf {
    let mut text = std::fs::read_to_string(fixture("live")).unwrap();
    let mut seq = text.lines().count();
    let mut line = |at: u32, rest: std::fmt::Arguments<'_>| {
        let (seconds, micros) = (at / 1000, at % 1000 * 1000);
        let (minutes, seconds) = (10 + seconds / 60, seconds % 60);
        writeln!(text, "{{\"seq\":{seq},\"at\":\"2026-11-21T12:{minutes}:{seconds:02}.{micros:06}Z\",\"session\":1,{rest}}}").unwrap();
        seq += 1;
    };
    for call in 0..calls {
        let id = 1000 + call;
        line(
            call * 2,
            format_args!(
                r#""from":"client","message":{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"call {call}"}}}}}}"#
            ),
        );
        line(
            call * 2 + 1,
            format_args!(
                r#""from":"server","message":{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"needle-{call}-"}}]}}}}"#
            ),
        );
        if call % 10 == 0 {
            line(
                call * 2 + 1,
                format_args!(r#""stderr":"line {call} of the log\n""#),
            );
        }
    }
    let path = directory.join("flood.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}
