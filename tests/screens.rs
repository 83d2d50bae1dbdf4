//! Every pane, drawn: text and styles, at two sizes, empty, live, in trouble and flooded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture};

/// Any size, any state: nothing panics, and nothing is drawn outside.
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
                "3",
                "4",
                "5",
                "6",
                "/a",
            ] {
                let mut stage = Stage::open(width, height, &fixture(name), State::Live);
                stage.press(keys);
                assert_eq!(stage.buffer().area.width, width);
            }
        }
    }
}
