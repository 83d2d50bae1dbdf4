use super::*;
use crate::ui::json::MOST_MATCHES;
use ratatui::style::{Modifier, Style};

fn view(text: &str) -> View {
    View::new(Arc::new(Document::new(text.as_bytes().to_vec())))
}

fn screen(view: &View) -> Vec<String> {
    view.lines(&|_| Style::new(), Style::new(), None)
        .iter()
        .map(|line| line.to_string().trim_end().to_owned())
        .collect()
}

#[test]
fn short_containers_stand_on_one_row_and_the_rest_is_open() {
    let view = view(r#"{"a":{"type":"text","n":1},"b":[[1,2],[]],"c":{}}"#);
    assert_eq!(
        screen(&view),
        [
            "▾ {",
            r#"    "a": { "type": "text", "n": 1 },"#,
            r#"  ▾ "b": ["#,
            "      [ 1, 2 ],",
            "      []",
            "    ],",
            r#"    "c": {}"#,
            "  }",
        ]
    );
}

#[test]
fn a_folded_container_names_what_is_inside() {
    let mut view =
        view(r#"{"params":{"name":"x","arguments":{"a":{}},"_meta":{}},"list":[{"a":{}},[[]]]}"#);
    view.fold_all();
    assert_eq!(
        screen(&view),
        [
            "▾ {",
            r#"  ▸ "params": { name, arguments, _meta },"#,
            r#"  ▸ "list": [ 2 ]"#,
            "  }",
        ]
    );
    view.go(Move::Down);
    view.toggle();
    assert_eq!(screen(&view).len(), 8);
    view.fold();
    assert_eq!(screen(&view).len(), 4);
    view.fold();
    assert_eq!(
        view.position(),
        0,
        "folding what is folded goes to what holds it"
    );
}

#[test]
fn what_fits_the_screen_once_it_is_folded_is_not_above_its_edge() {
    let items = vec!["[[1],[2],{}]"; 20].join(",");
    let mut view = view(&format!(r#"{{"a":1,"b":2,"c":[{items}],"d":[{items}]}}"#));
    view.resize(80, 10);
    view.go(Move::Bottom);
    view.fold_all();
    assert_eq!(screen(&view).len(), 6);
    assert_eq!(screen(&view)[0], "▾ {");
}

#[test]
fn the_value_under_the_cursor_is_the_raw_text() {
    let mut view = view(r#"{ "a": 1.50, "b": { "x":  [ "\u00e9" ] } }"#);
    view.go(Move::Down);
    assert_eq!((view.value(), view.pointer().as_str()), ("1.50", "/a"));
    view.go(Move::Down);
    assert_eq!(view.value(), r#"{ "x":  [ "\u00e9" ] }"#);
    view.go(Move::Down);
    assert_eq!(
        (view.value(), view.pointer().as_str()),
        (r#"[ "\u00e9" ]"#, "/b/x")
    );
    view.toggle();
    view.go(Move::Down);
    assert_eq!(
        (view.value(), view.pointer().as_str()),
        (r#""\u00e9""#, "/b/x/0")
    );
    view.go(Move::Bottom);
    assert!(
        view.value().starts_with("{ \"a\""),
        "a closing row stands for the whole"
    );
}

#[test]
fn searching_unfolds_to_the_match_and_goes_round() {
    let mut view = view(r#"{"a":{"b":{"c":"Needle","d":{}}},"needle":2,"e":"n\u0065edle"}"#);
    view.fold_all();
    view.search("needle");
    assert_eq!(
        (view.pointer().as_str(), view.matches()),
        ("/a/b/c", Some((1, 3)))
    );
    view.next_match();
    view.next_match();
    assert_eq!(view.pointer(), "/e", "escapes are read");
    view.next_match();
    assert_eq!(view.pointer(), "/a/b/c");
    view.previous_match();
    assert_eq!(
        (view.pointer().as_str(), view.matches()),
        ("/e", Some((3, 3)))
    );
    view.search("");
    assert_eq!(view.matches(), None);
}

#[test]
fn long_strings_are_cut_and_open_into_their_lines() {
    let text = format!(r#"{{"t":"{}\nlast"}}"#, "x".repeat(3000));
    let mut view = view(&text);
    view.resize(80, 60);
    assert!(
        screen(&view)[6].ends_with("… 2.6k more"),
        "{:?}",
        screen(&view)
    );
    view.go(Move::Down);
    assert!(view.unfold());
    assert!(!view.unfold());
    let lines = screen(&view);
    assert_eq!(lines[1], r#"  ▾ "t": 2 lines"#);
    assert!(lines.iter().any(|line| line == "    │ last"), "{lines:?}");
    view.search("last");
    assert_eq!(view.value().len(), 3008);
}

#[test]
fn a_text_without_line_breaks_says_its_length_and_looks_like_one_line() {
    let mut view = view(&format!(r#"{{"data":"{}"}}"#, "x".repeat(3000)));
    view.resize(80, 60);
    view.go(Move::Down);
    assert!(view.unfold());
    let lines = screen(&view);
    assert_eq!(lines[1], r#"  ▾ "data": 3 000 characters"#);
    let marked = lines.iter().filter(|line| line.contains('│'));
    assert_eq!(marked.count(), 1, "{lines:?}");
}

#[test]
fn a_match_past_the_cut_opens_the_string() {
    let mut view = view(&format!(r#"["{} needle"]"#, "x".repeat(1200)));
    view.search("needle");
    assert!(screen(&view).iter().any(|line| line.contains("needle")));
    assert_eq!(view.position(), 3, "the second line of the text");
}

#[test]
fn the_text_under_the_cursor_has_no_quotes_and_escapes() {
    let mut view = view(r#"{"a":"x\n\"y\"","b":["1"]}"#);
    assert_eq!(view.text(), view.value());
    view.go(Move::Down);
    assert_eq!(view.text(), "x\n\"y\"");
    view.go(Move::Down);
    assert_eq!(view.text(), r#"["1"]"#);
}

#[test]
fn base64_beside_its_type_says_what_it_is() {
    let data = "iVBORw0KGgo".repeat(100);
    let mut view = view(&format!(
        r#"{{"content":[{{"type":"image","data":"{data}==","mimeType":"image/png"}}]}}"#
    ));
    view.unfold_texts();
    let what = r#"      ▸ "data": image/png, 825 bytes,"#;
    assert!(
        screen(&view).contains(&what.to_owned()),
        "{:?}",
        screen(&view)
    );
    for _ in 0..4 {
        view.go(Move::Down);
    }
    assert!(view.unfold(), "{}", view.pointer());
    let text = self::view(&format!(
        r#"{{"text":"{} ","mimeType":"text/plain"}}"#,
        "a b".repeat(200)
    ));
    assert!(screen(&text)[1].contains("a b"));
}

#[test]
fn the_blob_of_a_resource_without_a_type_says_how_large_it_is() {
    let data = "iVBORw0KGgo".repeat(100);
    let mut view = view(&format!(r#"{{"uri":"a:b","blob":"{data}=="}}"#));
    view.unfold_texts();
    assert_eq!(screen(&view)[2], r#"  ▸ "blob": 825 bytes"#);
}

#[test]
fn every_occurrence_in_a_long_text_is_a_match_of_its_own() {
    let lines: Vec<String> = (0..500).map(|line| format!("line {line} needle")).collect();
    let mut view = view(&format!(r#"{{"text":"{}","z":1}}"#, lines.join("\\n")));
    view.search("needle");
    assert_eq!(view.matches(), Some((1, 500)));
    view.next_match();
    assert_eq!((view.matches(), view.position()), (Some((2, 500)), 3));
    view.previous_match();
    view.previous_match();
    assert_eq!((view.matches(), view.position()), (Some((500, 500)), 501));
    assert!(screen(&view).iter().any(|line| line.contains("line 499 ")));
    view.go(Move::Top);
    assert_eq!(view.matches(), Some((0, 500)));
    view.next_match();
    assert_eq!(view.matches(), Some((1, 500)));
}

#[test]
fn matches_on_one_line_are_gone_through_and_shown() {
    let mut view = view(&format!("[\"{}\"]", "word needle ".repeat(70)));
    view.resize(20, 5);
    view.search("needle");
    for nth in 1..=70 {
        assert_eq!(view.matches(), Some((nth, 70)));
        assert!(screen(&view).iter().any(|line| line.contains("needle")));
        view.next_match();
    }
    assert_eq!(view.matches(), Some((1, 70)));
    let mut view = self::view(&format!("[\"{} needle\"]", "x".repeat(600)));
    view.resize(20, 5);
    view.search("needle");
    assert!(screen(&view).iter().any(|line| line.contains("needle")));
    view.toggle_wrap();
    view.next_match();
    assert!(screen(&view).iter().any(|line| line.contains("needle")));
}

#[test]
fn a_match_after_wide_letters_is_scrolled_to() {
    let line = |before: &str| format!("[\"{} needle {}\"]", before.repeat(60), "y".repeat(60));
    for before in ["д", "日", "x"] {
        let mut view = view(&line(before));
        view.resize(20, 5);
        view.toggle_wrap();
        view.search("needle");
        let shown = screen(&view);
        assert!(
            shown.iter().any(|line| line.contains("needle")),
            "{shown:?}"
        );
    }
}

#[test]
fn the_letters_of_base64_are_found_only_where_they_are_shown() {
    let data = "iVBORw0KGgo".repeat(100);
    let mut view = view(&format!(r#"{{"data":"{data}","mimeType":"image/png"}}"#));
    view.search("kgg");
    assert_eq!(view.matches(), Some((0, 0)));
    view.search("PNG");
    assert_eq!(
        view.matches(),
        Some((1, 2)),
        "its type is shown in its place"
    );
    view.go(Move::Top);
    view.go(Move::Down);
    view.unfold();
    view.search("kgg");
    assert_eq!(view.matches(), Some((1, 100)));
}

#[test]
fn matches_are_counted_up_to_a_bound() {
    let mut view = view(&format!("[\"{}\",1]", "a ".repeat(MOST_MATCHES)));
    view.search("a");
    assert_eq!(view.matches(), Some((1, MOST_MATCHES)));
    view.previous_match();
    assert_eq!(view.matches(), Some((MOST_MATCHES, MOST_MATCHES)));
}

#[test]
fn a_match_inside_json_in_a_string_is_gone_to() {
    let mut view = view(r#"["{\"a\":{\"b\":[]},\"needle\":\"needle\"}"]"#);
    view.search("needle");
    assert_eq!(view.matches(), Some((1, 2)));
    let here = screen(&view)[view.position()].clone();
    assert!(here.contains(r#""needle": "needle""#), "{here}");
}

#[test]
fn json_inside_a_string_opens_as_json() {
    let mut view = view(r#"["{\"a\":{\"b\":[]}}"]"#);
    view.go(Move::Top);
    view.unfold_all();
    view.toggle();
    view.go(Move::Down);
    assert!(view.unfold());
    let lines = screen(&view);
    assert!(
        lines[2].ends_with("│ {") && lines[3].ends_with(r#""a": {"#),
        "{lines:?}"
    );
}

#[test]
fn nothing_a_terminal_obeys_is_drawn() {
    for text in [
        "\u{1b}[31m not json",
        "[\"\u{9b}31m\u{202e}\"]",
        "{\"\u{7f}\":1}",
    ] {
        let lines = screen(&view(text)).join("");
        assert!(
            !lines.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{lines:?}"
        );
    }
}

#[test]
fn every_line_fits_and_the_cursor_is_always_drawn() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!(r#"{{"日本語":"{}"}}"#, "日本".repeat(150));
    for text in [
        deep.as_str(),
        wide.as_str(),
        "",
        "\n\n",
        "{\"a\":",
        "nul",
        "[1,]",
    ] {
        for (width, height) in [(20, 5), (7, 1), (120, 40), (1, 1)] {
            let mut view = view(text);
            view.resize(width, height);
            for step in [
                Move::Down,
                Move::PageDown,
                Move::Bottom,
                Move::Up,
                Move::PageUp,
            ] {
                for wrap in [true, false] {
                    view.go(step);
                    view.toggle_wrap();
                    assert_eq!(view.wrap, !wrap);
                    let cursor = Style::new().add_modifier(Modifier::REVERSED);
                    let lines = view.lines(&|_| Style::new(), Style::new(), Some(cursor));
                    assert!(lines.len() <= usize::from(height));
                    assert!(
                        lines
                            .iter()
                            .all(|line| line.width() <= usize::from(width).max(4))
                    );
                    assert!(view.is_empty() || lines.iter().any(|line| line.style == cursor));
                }
            }
        }
    }
}

#[test]
fn a_line_higher_than_the_screen_is_scrolled_through() {
    let mut view = view(&format!(r#""{}Z""#, "x".repeat(390)));
    view.resize(20, 5);
    for _ in 0..40 {
        view.go(Move::Down);
    }
    assert!(screen(&view).join("").contains('Z'));
    view.go(Move::PageUp);
    assert!(!screen(&view).join("").contains('Z'));
}

#[test]
fn a_click_lands_on_what_is_drawn() {
    let mut view = view(&format!(r#"["{}",2]"#, "x".repeat(100)));
    view.unfold_all();
    view.resize(40, 10);
    assert!(view.click(1));
    assert_eq!(view.pointer(), "/0");
    assert!(view.click(3));
    assert_eq!(view.pointer(), "/0", "a wrapped line belongs to its row");
    assert!(view.click(4));
    assert_eq!(view.pointer(), "/1");
    assert!(!view.click(9));
}

#[test]
fn a_short_object_stands_on_one_line_only_where_it_fits() {
    let mut view = view(r#"{"_meta":{"progressToken":"mcpx-1-6cd6e67e2fd1e081"},"n":1}"#);
    let one =
        |view: &View| screen(view)[1].contains(r#"{ "progressToken": "mcpx-1-6cd6e67e2fd1e081" }"#);
    assert!(one(&view), "{:?}", screen(&view));
    view.resize(52, 24);
    assert_eq!(screen(&view).len(), 6, "{:?}", screen(&view));
    view.resize(80, 24);
    assert!(one(&view), "{:?}", screen(&view));
    // What somebody opened stays open.
    view.go(Move::Down);
    view.toggle();
    view.resize(100, 24);
    assert_eq!(screen(&view).len(), 6, "{:?}", screen(&view));
}

#[test]
fn a_folded_object_that_does_not_fit_says_what_is_in_it() {
    let mut view = view(r#"{"_meta":{"progressToken":"mcpx-1-6cd6e67e2fd1e081"},"n":1}"#);
    view.resize(52, 24);
    view.fold_all();
    let lines = screen(&view);
    assert_eq!(
        lines[1].trim_end(),
        r#"  ▸ "_meta": { progressToken },"#,
        "{lines:?}"
    );
}

#[test]
fn a_text_in_a_short_object_is_opened_with_the_others() {
    let mut view = view(r#"{"content":[{"type":"text","text":"a\nb"}]}"#);
    view.unfold_texts();
    view.resize(60, 24);
    assert!(
        screen(&view).iter().any(|line| line.trim() == "│ b"),
        "{:?}",
        screen(&view)
    );
}
