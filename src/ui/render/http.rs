//! Draws [`crate::ui::app::detail::http`].

use super::{lines_below, put};
use crate::ui::app::detail::Detail;
use crate::ui::app::detail::http::Line;
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use regex::Regex;

pub fn render(detail: &Detail, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let page = &detail.http;
    let mark = if detail.focused { "▌" } else { " " };
    let mut spans = vec![Span::styled(mark, theme.style(Role::Accent))];
    if let Some((at, of)) = page.matches() {
        let found = match of {
            0 => "not found  ".to_owned(),
            of => format!("match {at} of {of}  "),
        };
        spans.push(Span::styled(found, theme.style(Role::Warn)));
    }
    spans.extend(drawn(&page.summary, theme, None));
    put(frame, area, spans);
    let room = usize::from(area.height.saturating_sub(1));
    let below = page.lines.len().saturating_sub(page.top + room);
    lines_below(theme, frame, area, below);
    let lines = page.lines.iter().skip(page.top);
    for (line, y) in lines.zip((area.top() + 1)..area.bottom()) {
        let place = Rect {
            x: area.x + 1,
            y,
            width: area.width.saturating_sub(1),
            height: 1,
        };
        put(frame, place, drawn(line, theme, page.pattern.as_ref()));
    }
}

fn drawn<'l>(line: &'l Line, theme: Theme, pattern: Option<&Regex>) -> Vec<Span<'l>> {
    let mut spans = Vec::new();
    for (role, text) in &line.pieces {
        let mut at = 0;
        for found in pattern.iter().flat_map(|pattern| pattern.find_iter(text)) {
            spans.push(Span::styled(&text[at..found.start()], theme.style(*role)));
            spans.push(Span::styled(found.as_str(), theme.style(Role::Found)));
            at = found.end();
        }
        spans.push(Span::styled(&text[at..], theme.style(*role)));
    }
    spans
}
