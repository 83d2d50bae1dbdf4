//! Where everything is. `update` and `render` both ask here, so a click lands on what was drawn.

use super::app::inventory::{self, Count, What};
use super::app::{App, Tab};
use super::text;
use ratatui::layout::Rect;

/// From this width on, a message stands right of the list; below it otherwise.
pub const WIDE: u16 = 160;
/// From this width on, request and answer stand side by side.
const BESIDE: u16 = 100;
/// From this height on, request and answer stand below each other; otherwise one of them is shown.
const STACKED: u16 = 18;
/// Below this nothing useful can be shown.
pub const LEAST: (u16, u16) = (40, 8);

/// Nothing but a few words fits.
pub fn is_too_small(area: Rect) -> bool {
    area.width < LEAST.0 || area.height < LEAST.1
}

/// The places on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Panes {
    pub title: Rect,
    /// The rules above and below the open pane.
    pub rules: [Rect; 2],
    /// The open pane.
    pub body: Rect,
    /// What of it a sheet leaves to the pane; all of it where the pane makes room by itself.
    pub left: Rect,
    pub status: Rect,
    /// The sheet: beside the list where it is wide, else over all of the body.
    pub sheet: Rect,
    /// The headings of the traffic list.
    pub heading: Rect,
    /// The lines of the traffic list.
    pub rows: Rect,
    /// The rule between list and message, standing or lying.
    pub divider: Rect,
    /// The message.
    pub detail: Rect,
}

pub fn panes(area: Rect, app: &App) -> Panes {
    let below = |y: u16, height: u16| Rect {
        y: area.y + y.min(area.height),
        height: height.min(area.height.saturating_sub(y)),
        ..area
    };
    let body = below(2, area.height.saturating_sub(4));
    let sheet = sheet(body, app.tab);
    let mut panes = Panes {
        title: below(0, 1),
        rules: [below(1, 1), below(area.height.saturating_sub(2), 1)],
        body,
        status: below(area.height.saturating_sub(1), 1),
        sheet,
        left: match app.overlay_is_open() {
            true => left_by(sheet, body, app.tab),
            false => body,
        },
        ..Panes::default()
    };
    traffic(&mut panes, app.detail.focused);
    panes
}

fn sheet(body: Rect, tab: Tab) -> Rect {
    match tab {
        _ if body.width < BESIDE => body,
        // The list stays, and what it says of the selected one makes room.
        Tab::Tools | Tab::Resources | Tab::Prompts => Rect {
            height: body.height,
            ..inventory::places(body).detail
        },
        // Where a message stands right of the list the sheet covers it, and the list stays as it is.
        _ if body.width >= WIDE => right_of(body, list_width(body) + 2),
        _ => right_of(body, body.width / 2),
    }
}

fn left_by(sheet: Rect, body: Rect, tab: Tab) -> Rect {
    let covers = sheet.x <= body.x + 2;
    let width = match tab {
        Tab::Tools | Tab::Resources | Tab::Prompts => body.width,
        Tab::Traffic if body.width >= WIDE => body.width,
        _ if covers => body.width,
        _ => sheet.x - 2 - body.x,
    };
    Rect { width, ..body }
}

/// Columns of the list where a message stands right of it.
fn list_width(body: Rect) -> u16 {
    body.width * 55 / 100
}

fn right_of(area: Rect, columns: u16) -> Rect {
    Rect {
        x: area.x + columns,
        width: area.width.saturating_sub(columns),
        ..area
    }
}

fn lines_of(area: Rect, from: u16, height: u16) -> Rect {
    Rect {
        y: area.y + from.min(area.height),
        height: height.min(area.height.saturating_sub(from)),
        ..area
    }
}

/// List and message. The message gets more room while it is being read.
fn traffic(panes: &mut Panes, reading: bool) {
    let body = panes.left;
    let list = if body.width >= WIDE {
        let width = list_width(body);
        panes.divider = Rect {
            x: body.x + width,
            width: 1,
            ..body
        };
        panes.detail = right_of(body, width + 2);
        Rect { width, ..body }
    } else if body.height >= 10 {
        let height = match (reading, body.height) {
            (true, ..30) => body.height / 3,
            (true, _) => body.height * 2 / 5,
            (false, _) => body.height * 11 / 20,
        };
        panes.divider = lines_of(body, height, 1);
        panes.detail = lines_of(body, height + 1, body.height);
        lines_of(body, 0, height)
    } else if reading {
        panes.detail = body;
        Rect { height: 0, ..body }
    } else {
        body
    };
    panes.heading = lines_of(list, 0, 1);
    panes.rows = lines_of(list, 1, list.height);
}

/// The places of a message: its views' tabs, and one or two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    pub tabs: Rect,
    /// Heading and text of the request, or of the only message there is. Without height when it is not shown.
    pub request: Rect,
    pub answer: Rect,
    /// The standing rule between them.
    pub divider: Rect,
}

/// `two`: request and answer; `second`: the answer is the one that is looked at; `wanted`: lines that each could use.
pub fn sides(detail: Rect, two: bool, second: bool, wanted: [u16; 2]) -> Sides {
    let tabs = lines_of(detail, 0, 1);
    let text = lines_of(detail, 1, detail.height);
    let nothing = Rect { height: 0, ..text };
    let sides = Sides {
        tabs,
        request: text,
        answer: nothing,
        divider: Rect::default(),
    };
    if !two {
        return sides;
    }
    if text.width >= BESIDE {
        let half = text.width / 2;
        return Sides {
            request: Rect {
                width: half.saturating_sub(1),
                ..text
            },
            divider: Rect {
                x: text.x + half,
                width: 1,
                ..text
            },
            answer: right_of(text, half + 2),
            ..sides
        };
    }
    if text.height >= STACKED {
        let upper = upper(text.height, wanted);
        return Sides {
            request: lines_of(text, 0, upper),
            answer: lines_of(text, upper, text.height),
            ..sides
        };
    }
    if second {
        Sides {
            request: nothing,
            answer: text,
            ..sides
        }
    } else {
        sides
    }
}

/// A side without its heading.
pub fn below_heading(side: Rect) -> Rect {
    lines_of(side, 1, side.height)
}

/// Lines of the upper of two: two fifths, but no more than it wants, and what the lower one leaves.
fn upper(height: u16, [wanted, below]: [u16; 2]) -> u16 {
    let fair = height * 2 / 5;
    wanted.min(fair.max(height.saturating_sub(below)))
}

/// The JSON of a side: below its heading, a column in.
pub fn json(side: Rect) -> Rect {
    let text = below_heading(side);
    Rect {
        x: text.x + 1,
        width: text.width.saturating_sub(1),
        ..text
    }
}

/// The tabs at the right end of the title, as drawn: what they say and where.
pub fn tabs(title: Rect, app: &App) -> Vec<(Tab, String, Rect)> {
    let listed = |what| Count::of(what, &app.world).listed();
    let counts = |tab: Tab| match tab {
        Tab::Tools => listed(What::Tools),
        Tab::Resources => listed(What::Resources),
        Tab::Prompts => listed(What::Prompts),
        Tab::Traffic | Tab::Server | Tab::Log => 0,
    };
    let label = |tab: Tab, number: usize, named: bool| match (named, counts(tab)) {
        (false, _) => format!("{number}"),
        (true, 0) => format!("{number} {}", tab.title()),
        // A gap between its digits would look like one between two tabs.
        (true, count) => format!("{number} {} {count}", tab.title()),
    };
    let all = |named: &dyn Fn(Tab) -> bool| -> Vec<(Tab, String)> {
        (1..)
            .zip(Tab::ALL)
            .map(|(number, tab)| (tab, label(tab, number, named(tab))))
            .collect()
    };
    let width = |labels: &[(Tab, String)], gap: usize| -> usize {
        labels
            .iter()
            .map(|(_, label)| text::width(label) + gap)
            .sum()
    };
    let mut labels = all(&|_| true);
    let mut gap = 2;
    if width(&labels, gap) + 16 > usize::from(title.width) {
        gap = 1;
    }
    if width(&labels, gap) + 8 > usize::from(title.width) {
        labels = all(&|tab| tab == app.tab);
    }
    let mut x = title
        .right()
        .saturating_sub(u16::try_from(width(&labels, gap)).unwrap_or(title.width));
    let mut placed = Vec::with_capacity(labels.len());
    for (tab, label) in labels {
        let columns = u16::try_from(text::width(&label)).unwrap_or(0);
        let place = Rect {
            x,
            y: title.y,
            width: columns,
            height: title.height,
        };
        x += columns + u16::try_from(gap).unwrap_or(1);
        placed.push((tab, label, place.intersection(title)));
    }
    placed
}

/// Whether a place on the screen lies in `area`.
pub fn within(area: Rect, x: u16, y: u16) -> bool {
    area.contains(ratatui::layout::Position { x, y })
}
