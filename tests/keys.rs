//! What keys and the mouse do on a screen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common_ui;
#[path = "keys/copying.rs"]
mod copying;
#[path = "keys/leaving.rs"]
mod leaving;

use common_ui::{Stage, State, fixture, flood};
use mcp_sentinel::tap::Health;
use mcp_sentinel::ui::app::{Session, Tab};
use mcp_sentinel::ui::event::{Effect, Event, Fed};
use ratatui::crossterm::event::MouseEventKind;

fn live() -> Stage {
    Stage::open(120, 40, &fixture("live"), State::Live)
}

fn with(session: Session, state: State) -> Stage {
    Stage::with(120, 40, &fixture("live"), state, session)
}

#[test]
fn the_selection_stays_on_its_message_whatever_arrives() {
    let mut stage = Stage::start(120, 40, &fixture("live"), State::Live, Session::default());
    stage.read(13);
    stage.arrive();
    stage.press("kk");
    let (selected, line) = (
        stage.selected(),
        stage.text().lines().position(|line| line.starts_with('▌')),
    );
    assert!(selected.contains("resources/list"), "{selected}");
    stage.read(usize::MAX);
    assert_eq!(stage.selected(), selected);
    assert_eq!(
        stage.text().lines().position(|line| line.starts_with('▌')),
        line
    );
}

#[test]
fn following_goes_to_the_newest_until_one_moves_away_or_opens_it() {
    let mut stage = Stage::start(120, 40, &fixture("live"), State::Live, Session::default());
    stage.read(13);
    stage.arrive();
    assert!(stage.status().contains("follow"));
    assert!(
        stage.selected().contains("prompts/list"),
        "{}",
        stage.selected()
    );
    stage.read(2);
    assert!(stage.selected().contains("get-sum"), "{}", stage.selected());
    stage.press("<enter>");
    stage.read(usize::MAX);
    assert!(stage.selected().contains("get-sum") || stage.text().contains("tools/call get-sum"));
    assert!(!stage.app.list.follow);
    stage.press("<esc>f");
    assert!(stage.selected().contains("long-operation"));
    stage.press("k");
    assert!(!stage.app.list.follow);
}

#[test]
fn a_paused_view_holds_still_and_says_what_came_meanwhile() {
    let mut stage = Stage::start(120, 40, &fixture("live"), State::Live, Session::default());
    stage.read(13);
    stage.arrive();
    stage.press("p");
    let rows = stage.app.list.len();
    stage.read(usize::MAX);
    assert_eq!(stage.app.list.len(), rows);
    assert!(
        stage.status().contains("paused, 14 new"),
        "{}",
        stage.status()
    );
    stage.press("p");
    assert!(stage.app.list.len() > rows);
    assert!(stage.status().contains("live"));
}

#[test]
fn the_filter_narrows_as_it_is_typed_and_escape_loses_nothing() {
    let mut stage = live();
    let all = stage.app.list.len();
    stage.press("/get-s");
    let some = stage.app.list.len();
    assert!(some > 0 && some < all);
    stage.press("um !x");
    assert!(stage.app.list.len() < some);
    stage.press("<esc>");
    assert!(stage.status().contains("/get-sum !x"), "{}", stage.status());
    stage.press("<esc>");
    assert_eq!(stage.app.list.len(), all);
    stage.press("/<up>");
    assert!(stage.status().contains("/get-sum !x"), "{}", stage.status());
}

#[test]
fn the_filter_looks_into_messages_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = Stage::open(80, 24, &flood(directory.path(), 3000), State::Live);
    stage.press("/needle-2999-");
    assert_eq!(stage.app.list.len(), 1);
    assert!(
        stage.selected().contains("call 2999"),
        "{}",
        stage.selected()
    );
    stage.press("<enter><esc>");
    assert!(stage.app.list.len() > 3000);
    assert!(
        stage.selected().contains("call 2999"),
        "{}",
        stage.selected()
    );
}

#[test]
fn the_filter_looks_into_what_comes_to_messages_that_it_looked_into() {
    let line = |seq: u32, rest: &str| {
        format!(r#"{{"seq":{seq},"at":"2026-11-21T12:00:0{seq}Z","session":1,{rest}}}"#) + "\n"
    };
    let answer = |seq, word: &str| {
        let result = format!(r#"{{"content":[{{"type":"text","text":"{word}"}}]}}"#);
        let answer = format!(r#""message":{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        line(seq, &format!(r#""from":"server",{answer}"#))
    };
    let call = r#""from":"client","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
    let filler = "very long ".repeat(40);
    let lines = [
        "{\"capture\":1}\n".to_owned(),
        line(1, call),
        answer(2, "a"),
        answer(3, &format!("{filler} needle")),
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.concat()).unwrap();
    let mut stage = Stage::start(80, 24, file.path(), State::Live, Session::default());
    stage.read(2);
    stage.press("/needle<enter>");
    assert_eq!(stage.app.list.len(), 0);
    stage.read(1);
    assert_eq!(stage.app.list.len(), 1);
    assert!(!stage.app.list.is_scanning(&stage.app.world.traffic));
}

#[test]
fn kinds_of_rows_hide_with_one_key_each() {
    let mut stage = live();
    for (key, word) in [("N", "notifications/"), ("S", "stderr"), ("X", "not JSON")] {
        stage.press("g");
        let listed = |stage: &Stage| {
            stage
                .text()
                .lines()
                .filter(|line| line.contains(word))
                .count()
        };
        assert!(listed(&stage) > 0);
        stage.press(key);
        assert_eq!(
            listed(&stage),
            usize::from(key == "S"),
            "{word}: {}",
            stage.text()
        );
        stage.press(key);
        assert!(listed(&stage) > 0);
    }
}

#[test]
fn nested_rows_unfold_and_fold() {
    let mut stage = live();
    let rows = stage.app.list.len();
    stage.press("/sample<enter>");
    assert!(stage.selected().contains("▸1"), "{}", stage.selected());
    stage.press("l");
    assert!(stage.text().contains("└ sampling/createMessage"));
    stage.press("j");
    assert!(stage.selected().contains("sampling/createMessage"));
    stage.press("h");
    assert!(stage.selected().contains("▸1"), "{}", stage.selected());
    stage.press("<esc>");
    assert_eq!(stage.app.list.len(), rows);
}

#[test]
fn what_is_unfolded_comes_on_the_screen_and_so_does_what_it_is_nested_under() {
    let line = |seq: u32, from: &str, id: u32, method: &str| {
        format!(
            r#"{{"seq":{seq},"at":"2026-11-21T12:04:01.{seq:03}000Z","session":1,"from":"{from}","message":{{"jsonrpc":"2.0","id":{id},{method}}}}}"#
        )
    };
    let calls = (1..20).map(|id| line(id, "client", 100 + id, r#""method":"ping""#));
    let call = r#""method":"tools/call","params":{"name":"parent"}"#;
    let asks = (21..41).flat_map(|id| {
        let ask = line(id, "server", id, r#""method":"sampling/createMessage""#);
        [ask, line(id, "client", id, r#""result":{}"#)]
    });
    let lines: Vec<String> = std::iter::once(r#"{"capture":1,"name":"x"}"#.to_owned())
        .chain(calls)
        .chain([line(20, "client", 1, call)])
        .chain(asks)
        .chain([line(41, "server", 1, r#""result":{}"#)])
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nested.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let mut stage = Stage::open(80, 24, &path, State::Saved);
    stage.press("gG");
    assert!(stage.selected().contains("▸20"), "{}", stage.selected());
    stage.press("l");
    assert!(stage.selected().contains("▾20"), "{}", stage.selected());
    assert!(stage.text().contains("└ sampling"), "{}", stage.text());
    stage.press("l");
    assert!(stage.selected().contains("└ sampling"), "{}", stage.text());
    stage.press("Gh");
    assert!(stage.selected().contains("▸20"), "{}", stage.text());
}

#[test]
fn what_waits_is_shown_under_a_folded_line_and_left_leads_up_from_it() {
    let mut stage = Stage::open(120, 40, &fixture("asked"), State::Live);
    let asked = stage.selected();
    assert!(asked.contains("elicitation/create"), "{asked}");
    stage.press("<left>");
    assert!(stage.selected().contains("▾1"), "{}", stage.selected());
    stage.press("j");
    assert_eq!(stage.selected(), asked);
}

#[test]
fn one_key_goes_from_one_row_that_went_wrong_to_the_next_and_round() {
    let mut stage = Stage::open(120, 40, &fixture("trouble"), State::Saved);
    stage.press("g");
    let mut seen = Vec::new();
    loop {
        stage.press(".");
        if stage.status().contains("past the last") {
            break;
        }
        seen.push(stage.selected());
    }
    assert!(seen.len() > 3, "{seen:#?}");
    assert!(seen[seen.len() - 1].contains("signal 6"), "{seen:#?}");
    assert_eq!(stage.selected(), seen[0]);
    stage.press(",");
    assert!(
        stage.status().contains("past the first"),
        "{}",
        stage.status()
    );
    assert_eq!(stage.selected(), seen[seen.len() - 1]);
    for earlier in seen.iter().rev().skip(1) {
        stage.press(",");
        assert_eq!(stage.selected(), *earlier);
    }
    stage.press("/opened<enter>.");
    assert!(
        stage.status().contains("nothing in the list went wrong"),
        "{}",
        stage.status()
    );
}

#[test]
fn the_mouse_selects_scrolls_and_opens_tabs() {
    let mut stage = live();
    stage.press("g");
    stage.click(30, 6);
    let line = stage.text().lines().nth(6).unwrap().to_owned();
    assert_eq!(stage.selected(), line);
    stage.wheel(30, 6, MouseEventKind::ScrollDown);
    assert_ne!(stage.selected(), line);
    let title = stage.text().lines().next().unwrap().to_owned();
    let column = title.chars().take_while(|c| *c != '6').count();
    stage.click(u16::try_from(column).unwrap() + 3, 0);
    assert_eq!(stage.app.tab, Tab::Log);
}

#[test]
fn the_mouse_reaches_no_sheet_that_is_not_on_the_screen() {
    let mut stage = live();
    stage.press("2<enter>");
    let resize = |width, height| Event::Resize { width, height };
    let before = stage.text();
    stage.send(resize(20, 5));
    for (x, y) in (0..20).flat_map(|x| (0..5).map(move |y| (x, y))) {
        stage.click(x, y);
        stage.wheel(x, y, MouseEventKind::ScrollDown);
    }
    stage.send(resize(120, 40));
    assert_eq!(stage.text(), before);
}

#[test]
fn the_control_keys_work_where_one_types() {
    let mut stage = live();
    stage.press("/abc<c-z>");
    assert_eq!(stage.effects, [Effect::Suspend]);
    stage.press("<c-c>");
    assert_eq!(stage.effects.last(), Some(&Effect::Quit));
}

#[test]
fn a_replay_is_compared_with_its_original() {
    let mut stage = live();
    stage.press("kd");
    let text = stage.text();
    assert!(
        text.contains("2 lines differ") && !text.contains("+   \"id\""),
        "{text}"
    );
    stage.press("gd");
    assert!(
        stage.status().contains("not a replay"),
        "{}",
        stage.status()
    );
}

#[test]
fn a_search_marks_and_counts_in_the_message() {
    let mut stage = live();
    stage.press("/initialize<enter>g<enter>/listChanged");
    assert!(stage.text().contains("match 1 of 3"), "{}", stage.text());
    stage.press("<enter>n");
    assert!(stage.text().contains("match 2 of 3"));
    stage.press("NN");
    assert!(stage.text().contains("match 3 of 3"));
}

#[test]
fn nothing_can_be_sent_when_the_conversation_is_over() {
    let mut stage = Stage::open(120, 40, &fixture("live"), State::Saved);
    stage.press("/get-sum<enter>r");
    assert!(stage.effects.is_empty());
    assert!(
        stage.status().contains("no server to send to"),
        "{}",
        stage.status()
    );
}

#[test]
fn a_capture_that_cannot_be_written_takes_the_status_bar_over_until_it_can_be() {
    let mut stage = live();
    let calm = stage.status();
    let feel = |stage: &mut Stage, trouble: Option<&str>, lost| {
        let trouble = trouble.map(str::to_owned);
        stage.send(Event::Health(Health { trouble, lost }));
        stage.status()
    };
    let full = Some("No space\u{1b}[2J left");
    let said = feel(&mut stage, full, 0);
    assert!(
        said.contains("live  cannot write the capture (No space"),
        "{said}"
    );
    assert!(said.contains("and not show what is new"), "{said}");
    assert!(
        !said.contains("pending") && !said.contains('\u{1b}'),
        "{said}"
    );
    let said = feel(&mut stage, full, 1400);
    assert!(
        said.contains("1 400 messages not captured (No space"),
        "{said}"
    );
    stage.press("?");
    assert!(stage.status().contains("1 400 messages not captured"));
    stage.press("<esc>");
    let said = feel(&mut stage, None, 1400);
    assert!(said.contains("1 400 messages not captured  "), "{said}");
    assert!(said.contains("pending"), "{said}");
    assert_eq!(feel(&mut stage, None, 0), calm);
    stage.press("6");
    let log = stage.text();
    assert!(log.contains("cannot write the capture: No space"), "{log}");
    assert!(log.contains("the capture is being written again"), "{log}");
}

#[test]
fn pasting_into_the_filter_is_typing() {
    let mut stage = live();
    stage.press("/");
    stage.send(Event::Paste("get-\nsum".to_owned()));
    assert!(stage.status().contains("/get- sum"), "{}", stage.status());
}

#[test]
fn where_clients_can_join_stands_under_the_title_while_they_can() {
    let url = "http://127.0.0.1:41233/mcp";
    let at = |width, state| {
        let session = Session {
            listening: Some(url.to_owned()),
            ..Session::default()
        };
        let mut stage = Stage::with(width, 24, &fixture("live"), state, session);
        let screen = stage.screen();
        let rule = screen.lines().nth(1).unwrap().to_owned();
        assert_eq!(rule.chars().count(), usize::from(width), "{rule}");
        stage.press("5");
        (rule, stage.screen())
    };
    for width in [80, 120] {
        let (rule, server) = at(width, State::Live);
        assert!(rule.ends_with(&format!("─ listening on {url} ─")), "{rule}");
        assert!(server.contains(&format!("listening on  {url}")), "{server}");
    }
    let (rule, server) = at(120, State::Ended);
    assert!(!rule.contains(url) && !server.contains(url), "{server}");
}

#[test]
fn a_refused_request_is_in_traffic_and_no_session() {
    let record = |seq: u32, what: &str| {
        let at = "2026-11-21T12:00:00.000000Z";
        format!(
            "{{\"seq\":{seq},\"at\":\"{at}\",\"session\":0,\"http\":{{\"exchange\":1,{what}}}}}\n"
        )
    };
    let capture = tempfile::NamedTempFile::new().unwrap();
    let request =
        r#""request":{"by":"client","method":"POST","target":"/mcp","headers":[["host","evil"]]}"#;
    let response = r#""response":{"by":"sentinel","status":403,"headers":[]}"#;
    let lines = [
        "{\"capture\":1,\"name\":\"guarded\"}\n".to_owned(),
        record(1, request),
        record(2, response),
        record(3, r#""end":{"of":"response","bytes":0}"#),
    ];
    std::fs::write(capture.path(), lines.concat()).unwrap();
    let mut stage = Stage::open(120, 40, capture.path(), State::Live);
    let row = stage.text();
    let row = row.lines().find(|line| line.contains("POST")).unwrap();
    assert!(row.contains("client   ") && row.contains("403"), "{row}");
    assert!(!stage.status().contains("session"), "{}", stage.status());
    stage.press("5");
    assert!(stage.text().contains("none yet"), "{}", stage.text());
}

#[test]
fn what_came_over_http_shows_the_exchange_that_brought_it() {
    let mut stage = Stage::open(120, 40, &fixture("http"), State::Saved);
    stage.press("/list_changed<enter><enter>]");
    let text = stage.text();
    assert!(text.contains("GET /mcp → 200 OK"), "{text}");
}

#[test]
fn the_log_narrows_as_it_is_typed_and_the_selection_stays() {
    let mut stage = live();
    stage.press("6g");
    let first = stage.selected();
    let all = stage.app.log.entries.len();
    stage.press("G/session");
    let some = stage.app.log.entries.len();
    assert!(some > 0 && some < all, "{some} of {all}");
    assert!(
        stage.status().contains(&format!("{some} of {all}")),
        "{}",
        stage.status()
    );
    stage.press("<enter>");
    assert!(stage.status().contains("/session"), "{}", stage.status());
    stage.press("<esc>");
    assert_eq!(stage.app.log.entries.len(), all);
    stage.press("/!session<enter>");
    assert_eq!(stage.app.log.entries.len(), all - some);
    stage.press("<esc>g/zzzz");
    assert!(
        stage.text().contains("Nothing matches the filter"),
        "{}",
        stage.text()
    );
    stage.press("<esc><esc>");
    assert_eq!(stage.selected(), first);
}
