//! A line of the list of tools, resources or prompts.

use crate::traffic::inventory::Resource;
use crate::ui::app::World;
use crate::ui::app::inventory::Item;
use crate::ui::format;
use crate::ui::render::{list, put};
use crate::ui::text::{clean, fit, width};
use crate::ui::theme::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// What matters more of a resource than how often it was read: that it changed, and that the server tells of it. In
/// words, in few, and how it looks.
fn news(world: &World, resource: &Resource) -> Option<(&'static str, &'static str, Role)> {
    let subscribed = world.traffic.own_subscription(&resource.uri).is_some();
    let changed = world.traffic.changed_since_read(&resource.uri).is_some();
    match (subscribed, changed) {
        (true, true) => Some(("● changed", "● changed", Role::Warn)),
        (false, true) => Some(("changed", "changed", Role::Warn)),
        (true, false) => Some(("● subscribed", "●", Role::Operator)),
        (false, false) => None,
    }
}

/// Name with a mark where nobody listed it, or more than once; number of calls, and how long half of them took; of a
/// resource rather what is new of it.
pub fn render(item: Item<'_>, selected: bool, world: &World, frame: &mut Frame<'_>, area: Rect) {
    let theme = world.theme;
    let stats = world.traffic.stats(item.method(), item.key());
    let template = matches!(item, Item::Resource(Resource { template: true, .. }));
    let took = stats.p50.map(format::duration).unwrap_or_default();
    // A name that would be cut is worth more than words.
    let columns = usize::from(area.width);
    let named = width(&clean(item.shown_label()));
    let words = columns >= 34 && named + 18 <= columns;
    let news = match item {
        Item::Resource(resource) if !template => news(world, resource),
        Item::Resource(_) | Item::Tool(_) | Item::Prompt(_) => None,
    };
    let right = match (news, stats.calls, words) {
        (Some((_, short, _)), _, false) => short.to_owned(),
        (Some((long, ..)), ..) => long.to_owned(),
        (None, 0, _) if template && named + 12 <= columns => "template".to_owned(),
        (None, 0, _) if template => "{}".to_owned(),
        (None, 0, true) => "never called".to_owned(),
        (None, 0, false) => String::new(),
        (None, calls, true) => format!("{}  {took:>7}", format::plural(calls.into(), "call")),
        (None, calls, false) => format!("{} {took:>7}", format::count(calls.into())),
    };
    // Where nothing stands at the right, the name has its room.
    let right = match right.is_empty() {
        true => right,
        false => format!(" {right}"),
    };
    let room = columns.saturating_sub(width(&right) + 3);
    // A mark that is not cut away: what it means stands beside it, once the item is selected.
    let times = item.times_listed(world);
    let (long, short) = match (item.unlisted(), times) {
        (true, _) => (" (not listed)".to_owned(), " ?".to_owned()),
        (false, 1) => (String::new(), String::new()),
        (false, _) => {
            let times = format::count(times.into());
            (format!(" (listed {times} times)"), format!(" ×{times}"))
        }
    };
    let note = match named + width(&long) <= room {
        true => long,
        false => short,
    };
    let name = list::cut_name(item.shown_label(), room.saturating_sub(width(&note)));
    let name = fit(&format!("{name}{note}"), room);
    let role = match (selected, item.unlisted() || times > 1) {
        (true, _) => Role::Strong,
        (false, _) if item.is_nameless() => Role::Dim,
        (false, true) => Role::Warn,
        (false, false) => Role::Text,
    };
    let spans = vec![
        Span::styled(
            if selected { "▌ " } else { "  " },
            theme.style(Role::Accent),
        ),
        Span::styled(name, theme.style(role)),
        Span::styled(
            format!("{right} "),
            theme.style(news.map_or(Role::Dim, |(.., role)| role)),
        ),
    ];
    put(frame, area, spans);
    if selected {
        frame
            .buffer_mut()
            .set_style(area, theme.style(Role::Selected));
    }
}
