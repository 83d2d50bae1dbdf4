//! Every pane, drawn: text and styles, at two sizes, empty, live, in trouble and flooded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture, flood, screen};
use mcp_sentinel::ui::theme::Ground;
use ratatui::style::Color;

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

/// A pane in every state, at both sizes.
fn pane(name: &str, keys: &str) {
    let directory = tempfile::tempdir().unwrap();
    let flood = flood(directory.path(), 2000);
    for (width, height) in SIZES {
        for state in ["empty", "live", "trouble", "flooded"] {
            let (capture, ended) = match state {
                "flooded" => (flood.clone(), State::Live),
                "trouble" => (fixture(state), State::Ended),
                _ => (fixture(state), State::Live),
            };
            let mut stage = Stage::open(width, height, &capture, ended);
            stage.press(keys);
            insta::assert_snapshot!(format!("{name}-{state}-{width}x{height}"), stage.screen());
        }
    }
}

#[test]
fn traffic() {
    pane("traffic", "");
}

#[test]
fn tools() {
    pane("tools", "2");
}

#[test]
fn resources() {
    pane("resources", "3");
}

#[test]
fn prompts() {
    pane("prompts", "4");
}

#[test]
fn server() {
    pane("server", "5");
}

#[test]
fn log() {
    pane("log", "6");
}

/// What is reached from the panes by a few keys.
#[test]
fn overlays_and_details() {
    let shots = [
        ("message", "kkkkk<enter>"),
        ("timing", "<enter>]"),
        ("raw", "k<enter>]]"),
        ("diff", "k<enter>d"),
        ("nested", "kkkkkkkkk<right>j"),
        ("filter", "/get-sum"),
        ("search", "k<enter>/text"),
        ("help", "?"),
        ("call", "2<enter>"),
        ("replay", "kkkkke"),
    ];
    for (width, height) in SIZES {
        for (name, keys) in shots {
            insta::assert_snapshot!(
                format!("{name}-{width}x{height}"),
                screen(width, height, "live", keys)
            );
        }
        insta::assert_snapshot!(
            format!("asked-{width}x{height}"),
            screen(width, height, "asked", "a")
        );
        let mut loading = Stage::open(width, height, &fixture("live"), State::Loading);
        loading.press("gg");
        insta::assert_snapshot!(format!("loading-{width}x{height}"), loading.screen());
    }
    insta::assert_snapshot!("message-200x60", screen(200, 60, "live", "kkkkk<enter>"));
    insta::assert_snapshot!("small-20x5", screen(20, 5, "live", ""));
}

/// Any size, any state: nothing panics.
#[test]
fn every_size_is_drawn() {
    for name in ["empty", "live", "trouble", "asked"] {
        for (width, height) in [
            (1, 1),
            (20, 5),
            (40, 8),
            (41, 9),
            (80, 24),
            (161, 12),
            (300, 80),
        ] {
            for keys in [
                "",
                "<enter>",
                "<enter>]",
                "<enter>]]",
                "?",
                "2",
                "2<enter>",
                "3",
                "4",
                "5",
                "6",
                "/a",
                "a",
            ] {
                let mut stage = Stage::open(width, height, &fixture(name), State::Live);
                stage.press(keys);
                assert_eq!(stage.buffer().area.width, width);
            }
        }
    }
}

/// What a server sends is hostile: none of it reaches the terminal as anything but characters.
#[test]
fn nothing_that_a_terminal_obeys_is_drawn() {
    for keys in [
        "",
        "kkkk<enter>",
        "kkkk<enter>]",
        "kkkk<enter>]]",
        "kkkkkk<enter>]]",
        "2",
        "6",
    ] {
        let mut stage = Stage::open(120, 40, &fixture("trouble"), State::Ended);
        stage.press(keys);
        let bad = |c: char| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        };
        for cell in stage.buffer().content() {
            assert!(
                !cell.symbol().chars().any(bad),
                "{keys}: {:?}",
                cell.symbol()
            );
        }
    }
}

#[test]
fn without_colour_everything_is_still_said() {
    let mut stage = Stage::open(120, 40, &fixture("live"), State::Live);
    let colourful = stage.text();
    stage.theme(Ground::Plain);
    assert_eq!(stage.text(), colourful);
    assert!(
        stage
            .buffer()
            .content()
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
}

#[test]
fn light_grounds_get_no_bright_text() {
    let mut stage = Stage::open(120, 40, &fixture("live"), State::Live);
    stage.theme(Ground::Light);
    let bright = [
        Color::White,
        Color::LightRed,
        Color::LightYellow,
        Color::LightCyan,
        Color::Cyan,
        Color::DarkGray,
    ];
    for cell in stage.buffer().content() {
        assert!(
            !bright.contains(&cell.fg) && !bright.contains(&cell.bg),
            "{cell:?}"
        );
    }
}

#[test]
fn the_picture_is_this_screen() {
    let mut stage = Stage::open(120, 36, &fixture("live"), State::Live);
    stage.press("kkkkk");
    let drawn = common_ui::svg::draw(&stage.buffer());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/screen.svg");
    if std::env::var_os("UPDATE_ASSETS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "assets/screen.svg is out of date: run UPDATE_ASSETS=1 cargo test --test screens"
    );
}
