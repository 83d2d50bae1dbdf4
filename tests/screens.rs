//! Every pane, drawn: text and styles, at two sizes, empty, live, in trouble and flooded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;

use common_ui::{Stage, State, fixture, flood, screen};
use mcp_sentinel::capture::store::Saved;
use mcp_sentinel::link::registry::{Counts, Entry};
use mcp_sentinel::tap::Timestamp;
use mcp_sentinel::ui::app::hub::{Hub, Item, Listing};
use mcp_sentinel::ui::event::{Effect, Event, Notice};
use mcp_sentinel::ui::render;
use mcp_sentinel::ui::tally::Contents;
use mcp_sentinel::ui::theme::Ground;
use ratatui::crossterm::event::{KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::style::Color;
use std::path::PathBuf;

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];
const WIDEST: (u16, u16) = (200, 60);

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

/// What a server logs in messages, at every level and from hostile hands.
#[test]
fn levels() {
    for (width, height) in SIZES {
        let screen = screen(width, height, "logs", "6/!chatty<enter>kk");
        insta::assert_snapshot!(format!("log-levels-{width}x{height}"), screen);
        insta::assert_snapshot!(
            format!("log-choosing-{width}x{height}"),
            self::screen(width, height, "logs", "6L")
        );
    }
}

const NOTICE: &str = "cannot create /home/ana/projects/a-rather-long-name/captures/tools-call-get-sum-7.jsonl: \
                      Permission denied (os error 13)";

/// What is reached from the panes by a few keys.
#[test]
fn overlays_and_details() {
    let shots = [
        ("message", "kkkkk<enter>"),
        ("timing", "<enter>]"),
        ("moment", "<enter>]j<enter>"),
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
        let mut told = Stage::open(width, height, &fixture("live"), State::Live);
        told.send(Event::Notice(Notice::error(NOTICE)));
        insta::assert_snapshot!(format!("notice-{width}x{height}"), told.screen());
        let mut loading = Stage::open(width, height, &fixture("live"), State::Loading);
        loading.press("gg");
        insta::assert_snapshot!(format!("loading-{width}x{height}"), loading.screen());
    }
    insta::assert_snapshot!("message-200x60", screen(200, 60, "live", "kkkkk<enter>"));
    insta::assert_snapshot!("small-20x5", screen(20, 5, "live", ""));
}

#[test]
fn what_was_selected_in_a_filtered_list_is_in_sight_when_the_filter_is_gone() {
    for keys in ["2/no-such<enter><esc>", "2/no-such<esc><esc>"] {
        let screen = screen(100, 9, "live", keys);
        assert!(screen.contains("▌ no-such-tool"), "{screen}");
    }
}

#[test]
fn a_filter_says_how_many_are_left_and_that_the_list_may_be_outdated() {
    for keys in ["2/search", "2/search<enter>"] {
        let screen = screen(120, 40, "http", keys);
        assert!(screen.contains("/ search "), "{screen}");
        assert!(screen.contains("1 of 3  stale"), "{screen}");
    }
}

/// Over HTTP: the list, a chain from a refusal to a token, and the exchanges of a few rows.
#[test]
fn http() {
    let shots = [
        ("list", "g"),
        ("discovery", "gjl"),
        ("refused", "gj<enter>]"),
        ("metadata", "gjljj"),
        ("json", "/tools/list<enter>g<enter>]"),
        ("events", "/größe<enter>g<enter>]G"),
        ("failed", "/502<enter>g<enter>]/nginx"),
        ("failed-messages", "/502<enter>g<enter>"),
        ("stream", "/streaming<enter>g<enter>"),
        ("sessions", "5"),
    ];
    for (width, height) in SIZES {
        for (name, keys) in shots {
            let screen = screen(width, height, "http", keys);
            insta::assert_snapshot!(format!("http-{name}-{width}x{height}"), screen);
        }
    }
    insta::assert_snapshot!(
        "http-events-200x60",
        screen(200, 60, "http", "/größe<enter>g<enter>]")
    );
}

fn listing() -> Listing {
    let live = |pid: u32, name: &str, started: &str, client: Option<&str>, upstream: &str| Entry {
        pid,
        name: name.to_owned(),
        upstream: upstream.split(' ').map(str::to_owned).collect(),
        started: started.to_owned(),
        capture: Some(PathBuf::from("/captures").join(name)),
        socket: PathBuf::from(format!("/run/{pid}.sock")),
        client: client.map(str::to_owned),
        listening: None,
        counts: client.map(|_| Counts {
            messages: 18_022,
            errors: 2,
        }),
    };
    let saved = |name: &str, hours_ago: i64, bytes: u64| Saved {
        path: PathBuf::from(format!("/captures/20261121-{name}.jsonl")),
        name: name.to_owned(),
        started: Timestamp(NOW.0 - hours_ago * 3_600_000_000),
        bytes,
    };
    Listing {
        live: vec![
            live(
                4121,
                "everything",
                "2026-11-21T02:22:00Z",
                Some("Inspector 2.12"),
                "npx -y @modelcontextprotocol/server-everything",
            ),
            live(
                4177,
                "\u{1b}[31mfilesystem",
                "2026-11-18T02:22:00Z",
                None,
                "npx -y @modelcontextprotocol/server-filesystem /home/ana",
            ),
        ],
        saved: vec![
            saved("everything", 3, 1_234_567),
            saved("time", 21, 890),
            saved("日本語サーバー", 200, 98_000_000),
        ],
        failure: None,
    }
}

/// As the file tells; the largest one is too large to look.
fn contents_of(saved: &Saved) -> Contents {
    let errors = saved.bytes % 10;
    let messages = saved.bytes / 890;
    let small = saved.bytes < 10_000_000;
    Contents {
        upstream: Vec::from_iter(small.then(|| format!("/usr/bin/{}-server", saved.name))),
        client: small.then(|| "claude-code 2.1".to_owned()),
        counts: small.then_some(Counts { messages, errors }),
    }
}

const NOW: Timestamp = Timestamp(1_795_228_441_000_000);

fn hub(
    width: u16,
    height: u16,
    listing: Option<Listing>,
    keys: &str,
) -> (Hub, Vec<Effect>, String) {
    let mut hub = Hub::default();
    hub.update(Event::Resize { width, height });
    hub.update(Event::Tick {
        now: NOW,
        utc_offset_seconds: 0,
    });
    if let Some(listing) = listing {
        let mut effects = hub.update(Event::Listed(listing));
        while let Some(Effect::Count(saved)) = effects.pop() {
            effects = hub.update(Event::Counted(saved.clone(), contents_of(&saved)));
        }
    }
    let effects = common_ui::parse(keys)
        .into_iter()
        .flat_map(|key| hub.update(Event::Key(key)))
        .collect();
    let shot = common_ui::draw(width, height, |frame| render::hub::render(&hub, frame));
    (hub, effects, shot)
}

#[test]
fn the_hub() {
    for (width, height) in SIZES {
        for (state, listing, keys) in [
            ("looking", None, ""),
            ("empty", Some(Listing::default()), ""),
            ("full", Some(listing()), "j"),
            ("filtered", Some(listing()), "/every"),
            ("delete", Some(listing()), "/everything<enter>jd"),
            ("nothing", Some(listing()), "/nobody"),
            ("help", Some(listing()), "?"),
            ("wrap", Some(listing()), "w"),
        ] {
            let (.., shot) = hub(width, height, listing, keys);
            insta::assert_snapshot!(format!("hub-{state}-{width}x{height}"), shot);
        }
    }
    for (keys, name) in [("", "full"), ("w", "wrap")] {
        let (.., shot) = hub(40, 10, Some(listing()), keys);
        insta::assert_snapshot!(format!("hub-{name}-40x10"), shot);
    }
    let (.., shot) = hub(20, 5, Some(listing()), "");
    insta::assert_snapshot!("hub-full-20x5", shot);
    let (width, height) = WIDEST;
    let (.., shot) = hub(width, height, Some(listing()), "j");
    insta::assert_snapshot!("hub-full-200x60", shot);
}

#[test]
fn names_in_the_hub_are_whole_where_there_is_room() {
    let names = ["mcp-server-postgres-staging", "mcp-server-postgres-backup"];
    let mut listing = listing();
    listing.live[0].name = names[0].into();
    listing.saved[0].name = names[1].into();
    for width in [120, 160, 200] {
        let (.., shot) = hub(width, 24, Some(listing.clone()), "");
        for shown in [
            names[0],
            names[1],
            "Inspector 2.12",
            "claude-code 2.1",
            "npx -y",
        ] {
            assert!(shot.contains(shown), "{width}: {shot}");
        }
        // The same while it is narrowed.
        let (.., narrowed) = hub(width, 24, Some(listing.clone()), "/filesystem<enter>");
        let row = |shot: &str| {
            let mut rows = shot.lines().filter(|row| row.contains("[31mfilesystem"));
            rows.next().map(|row| row.replace('▌', " "))
        };
        assert_eq!(row(&narrowed), row(&shot));
    }
    // Names without end leave room for the rest.
    listing.live[0].name = "x".repeat(10_000);
    let (.., shot) = hub(120, 24, Some(listing), "");
    assert!(shot.contains("npx -y @modelcontext"), "{shot}");
}

#[test]
fn the_hub_says_how_to_wrap_a_server_in_the_same_place_where_nothing_is_listed() {
    let text = |keys: &str| hub(80, 24, Some(Listing::default()), keys).2;
    assert!(!text("").contains("w how"), "{}", text(""));
    assert_eq!(text("w"), text(""));
}

#[test]
fn the_hub_counts_what_is_seen_one_capture_at_a_time_and_again_when_it_has_grown() {
    let open = |listing: Listing, height| {
        let mut hub = Hub::default();
        hub.update(Event::Resize { width: 80, height });
        let effects = hub.update(Event::Listed(listing));
        (hub, effects)
    };
    let mut listing = listing();
    let (mut hub, effects) = open(listing.clone(), 24);
    assert_eq!(effects, [Effect::Count(listing.saved[0].clone())]);
    assert_eq!(hub.update(Event::Listed(listing.clone())), []);
    for (counted, next) in [(0, Some(1)), (1, Some(2)), (2, None)] {
        let saved = listing.saved[counted].clone();
        let effects = hub.update(Event::Counted(saved, Contents::default()));
        let next = next.map(|next: usize| Effect::Count(listing.saved[next].clone()));
        assert_eq!(effects, Vec::from_iter(next));
    }
    assert_eq!(hub.update(Event::Listed(listing.clone())), []);
    listing.saved[1].bytes += 1;
    let effects = hub.update(Event::Listed(listing.clone()));
    assert_eq!(effects, [Effect::Count(listing.saved[1].clone())]);
    // Below the end of the screen nobody sees it.
    let (_, effects) = open(listing, 9);
    assert_eq!(effects, []);
}

#[test]
fn what_was_being_counted_when_the_hub_was_left_is_counted_when_it_is_back() {
    let mut hub = Hub::default();
    hub.update(Event::Resize {
        width: 80,
        height: 24,
    });
    let counting = hub.update(Event::Listed(listing()));
    let enter = common_ui::parse("<enter>").remove(0);
    let effects = hub.update(Event::Key(enter));
    assert_eq!(effects, [Effect::Attach(listing().live[0].clone())]);
    assert_eq!(hub.update(Event::Listed(listing())), counting);
}

#[test]
fn the_hub_opens_what_is_selected() {
    let (_, effects, _) = hub(80, 24, Some(listing()), "j<enter>");
    assert_eq!(effects, [Effect::Attach(listing().live[1].clone())]);
    let (_, effects, _) = hub(80, 24, Some(listing()), "/time<enter><enter>");
    assert_eq!(effects, [Effect::Open(listing().saved[1].path.clone())]);
    let (_, effects, _) = hub(80, 24, Some(listing()), "<esc><esc>q");
    assert_eq!(effects, [Effect::Quit]);
}

#[test]
fn the_hub_deletes_a_saved_capture_when_it_is_told_twice() {
    for keys in ["d", "dy", "jjdn", "jjd<esc>"] {
        let (hub, effects, _) = hub(80, 24, Some(listing()), keys);
        assert_eq!(effects, [], "{keys}");
        assert_eq!(hub.deleting, None);
    }
    let (hub, effects, _) = hub(80, 24, Some(listing()), "jjdy");
    assert_eq!(effects, [Effect::Delete(listing().saved[0].clone())]);
    assert!(matches!(hub.items()[hub.selected()], Item::Saved(saved) if saved.name == "time"));
}

#[test]
fn the_hub_deletes_nothing_that_is_covered_and_takes_no_wheel_for_an_answer() {
    let (covered, ..) = hub(80, 24, Some(listing()), "jjwd");
    assert!(covered.how_to_wrap && covered.deleting.is_none());
    let (mut asks, ..) = hub(80, 24, Some(listing()), "jjd");
    asks.update(Event::Mouse(MouseEvent {
        kind: MouseEventKind::ScrollDown,
        column: 9,
        row: 9,
        modifiers: KeyModifiers::NONE,
    }));
    assert!(asks.deleting.is_some());
}

#[test]
fn the_hub_keeps_its_selection_when_the_lists_change() {
    let (mut hub, ..) = hub(80, 24, Some(listing()), "jj");
    let mut less = listing();
    less.live.remove(0);
    hub.update(Event::Listed(less));
    assert_eq!(hub.selected(), 1);
    assert!(matches!(hub.items()[1], Item::Saved(saved) if saved.name == "everything"));
}

/// Any size, any state: nothing panics.
#[test]
fn every_size_is_drawn() {
    for name in ["empty", "live", "trouble", "asked", "http"] {
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
    // Nor anything of a header.
    let text = screen(120, 40, "http", "/tools/list<enter>g<enter>]");
    let header = text.lines().find(|line| line.contains("x-hint")).unwrap();
    assert!(header.contains("wide 日本語 and"), "{header}");
    assert!(!header.contains(['\u{1b}', '\u{202e}']), "{header:?}");
}

/// Names of 10 000 characters, wide ones, marks that turn the direction round: the columns stand where they stand.
#[test]
fn hostile_names_never_move_a_column() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut stage = Stage::open(width, height, &fixture("trouble"), State::Ended);
        stage.press("g");
        let buffer = stage.buffer();
        let row = |y: u16| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<Vec<_>>()
        };
        let heading = row(2).concat();
        // The heading is plain, so a byte is a column.
        let column = heading.find("STATUS").unwrap();
        // What nobody answers has that column for its words.
        let is_answered = |y: &u16| {
            let line = row(*y).concat();
            let unanswered = ["stderr ", "session ", "gap "];
            !unanswered.iter().any(|kind| line.contains(kind))
        };
        let words: Vec<String> = (3..height / 2)
            .filter(is_answered)
            .map(|y| row(y)[column - 1..column + 4].concat())
            .collect();
        let known = |word: &String| {
            word.starts_with(' ') && (word.trim().is_empty() || !word[1..].starts_with(' '))
        };
        assert!(words.iter().all(known), "{width}: {words:?}");
        assert!(
            words.iter().any(|word| word.contains("ok")),
            "{width}: {words:?}"
        );
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
    assert_ne!(stage.status().find("1 pending"), None);
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
            !bright.contains(&cell.fg) && !bright.contains(&cell.bg) && cell.fg != Color::Yellow,
            "{cell:?}"
        );
    }
}

#[test]
fn the_picture_is_this_screen() {
    let mut stage = Stage::open(120, 36, &fixture("live"), State::Live);
    stage.press("kkkkkkk");
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

#[test]
fn damage_is_told_in_a_small_bar_too_and_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.jsonl");
    std::fs::write(&path, "{\"capture\":1}\n{broken\n{\"seq\":3,\"at\"").unwrap();
    let mut stage = Stage::open(80, 24, &path, State::Saved);
    let told = "1 damaged line, the last line torn (13 bytes)";
    assert!(stage.status().contains(told), "{}", stage.status());
    stage.press(".");
    let told = "damaged line 2: it is not JSON from byte 2 on";
    assert!(stage.selected().contains(told), "{}", stage.selected());
}

#[test]
fn what_the_capture_writes_down_otherwise_has_the_size_that_it_had() {
    let mut stage = Stage::open(120, 40, &fixture("trouble"), State::Saved);
    stage.press("/traceback<enter>");
    let written = "\u{1b}[31mTraceback (most recent call last):\u{1b}[0m\r\n";
    let size = format!("  {} bytes", written.len());
    assert!(stage.text().contains(&size), "{}", stage.text());
}

#[test]
fn captures_that_began_in_one_minute_are_told_apart_by_the_second() {
    let mut several = listing();
    several.saved[1].started = Timestamp(several.saved[0].started.0 - 1_000_000);
    for (width, height) in [(80, 24), (120, 40)] {
        let (.., shot) = hub(width, height, Some(several.clone()), "");
        let saved: Vec<&str> = shot.lines().filter(|line| line.contains("○ ")).collect();
        let started = |line: &str| line.chars().skip(4).take(18).collect::<String>();
        assert_eq!(saved.len(), 3, "{shot}");
        assert_ne!(started(saved[0]), started(saved[1]), "{shot}");
    }
}
