//! Draws the status bar: can I trust what I see, and what can I do here.

use super::{put, rule};
use crate::ui::app::prompt::Prompt;
use crate::ui::app::{App, Kept, Reading, Tab};
use crate::ui::event::Notice;
use crate::ui::format::{count, plural};
use crate::ui::keymap::{self, Action, Context};
use crate::ui::text::{clean, cut, width, wrap};
use crate::ui::theme::{Role, Theme};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;
use ratatui::widgets::Clear;
use std::path::Path;

/// A piece of the bar; pieces with the highest number go first when there is no room.
type Piece = (u8, Role, String);

pub fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.world.theme;
    if let Some(question) = app.question_in_words() {
        let hints = hints(app, &[Context::Question]);
        return sentence(theme, frame, area, (Role::Warn, &question), &hints);
    }
    if let (Some(sheet), None, None) = (&app.sheet, &app.ask, &app.help)
        && sheet.typing
    {
        return prompt(theme, frame, area, "search /", &sheet.search, "");
    }
    let over = app.overlay_is_open() || app.help.is_some();
    if over && app.notice.is_none() {
        let standing = || [state(app)].into_iter().chain(self::over(app)).collect();
        let pieces = emergency(app).unwrap_or_else(standing);
        return line(theme, frame, area, pieces, &hints(app, &app.contexts()));
    }
    if app.tab == Tab::Traffic && app.list.typing {
        let shown = count(app.list.len() as u64);
        let looking = if app.list.is_scanning(&app.world.traffic) {
            ", looking into messages…"
        } else {
            ""
        };
        let said = format!(
            "{shown} of {}{looking}",
            count(app.world.traffic.len().into())
        );
        return prompt(theme, frame, area, "/", &app.list.filter, &said);
    }
    if app.tab == Tab::Log && app.log.typing {
        let (shown, all) = (app.log.entries.len() as u64, app.log.count() as u64);
        let said = format!("{} of {}", count(shown), count(all));
        return prompt(theme, frame, area, "/", &app.log.filter, &said);
    }
    if app.tab == Tab::Traffic && app.detail.typing {
        return prompt(theme, frame, area, "search /", &app.detail.search, "");
    }
    let hints = hints(app, &app.contexts());
    if let Some(notice) = &app.notice {
        return sentence(theme, frame, area, said(notice), &hints);
    }
    let pieces = emergency(app).unwrap_or_else(|| pieces(app));
    line(theme, frame, area, pieces, &hints);
}

pub fn said(notice: &Notice) -> (Role, &str) {
    let role = if notice.error {
        Role::Error
    } else {
        Role::Text
    };
    (role, &notice.text)
}

/// What leaves no room for anything else.
fn emergency(app: &App) -> Option<Vec<Piece>> {
    app.health.trouble.as_ref()?;
    Some([state(app)].into_iter().chain(alarm(app)).collect())
}

/// What was not captured, or is not being.
fn alarm(app: &App) -> Option<Piece> {
    // A gap is in the capture only once it can be written again.
    let lost = app.world.traffic.counters().lost.max(app.health.lost);
    let uncaptured = || format!("{} not captured", plural(lost, "message"));
    let words = match &app.health.trouble {
        None if lost == 0 => return None,
        None => uncaptured(),
        // Calls that were answered meanwhile still look pending.
        Some(reason) if lost == 0 => {
            let reason = clean(reason);
            format!("cannot write the capture ({reason}), and not show what is new")
        }
        Some(reason) => format!("{} ({})", uncaptured(), clean(reason)),
    };
    Some((0, Role::Error, words))
}

/// That there is no proxy any more, or nothing that leads to it, and whether somebody still used it.
fn over(app: &App) -> Option<Piece> {
    let sessions = app.world.traffic.sessions();
    let words = match app.reading {
        Reading::Ended if app.world.cut_off => "the proxy may be at work still: attach once more",
        Reading::Ended if sessions.iter().any(|session| session.cut_off) => {
            "the proxy is gone: the capture ends here"
        }
        Reading::Ended => "the proxy has ended",
        _ => return None,
    };
    Some((0, Role::Warn, words.to_owned()))
}

/// Why nobody can be served, and what helps.
fn dead(app: &App) -> Option<Piece> {
    let words = cut(app.world.server_gone()?, 60);
    Some((0, Role::Error, with_remedy(app, &words, "restarts it")))
}

/// Why there is no session of the operator's own over HTTP, and what helps.
fn own_gone(app: &App) -> Option<Piece> {
    let own = app.world.own_gone()?;
    let why = own.ended.as_deref()?;
    let (words, helps) = match own.protocol_version {
        Some(_) => (format!("your session is over: {why}"), "begins another"),
        None => (why.to_owned(), "tries again"),
    };
    let sessions = app.world.traffic.sessions();
    let is_alone = sessions.iter().all(|session| session.closed_at.is_some());
    let (rank, role) = match is_alone {
        true => (0, Role::Error),
        // Those who talk to it matter more.
        false => (6, Role::Warn),
    };
    let room = usize::from(app.size.width)
        .saturating_sub(BESIDE_WHY)
        .max(60);
    Some((rank, role, with_remedy(app, &cut(&words, room), helps)))
}

/// Columns for how current the screen is, for what helps, and for the way to help.
const BESIDE_WHY: usize = 50;

fn with_remedy(app: &App, words: &str, helps: &str) -> String {
    // In a filter the key is a letter.
    match app.contexts().into_iter().any(Context::is_text) {
        true => words.to_owned(),
        false => {
            let key = keymap::label(Context::Global, Action::Restart);
            format!("{words}: {key} {helps}")
        }
    }
}

/// In a word or two: how current the screen is.
pub fn state_word(app: &App) -> &'static str {
    match &app.reading {
        _ if app.list.is_paused() => "paused",
        Reading::Opening => "opening",
        Reading::Loading(..) => "reading",
        Reading::Live if app.world.server_gone().is_some() => "ended",
        Reading::Live if app.world.unreachable().is_some() => "unreachable",
        Reading::Live => "live",
        Reading::Ended if app.world.cut_off => "cut off",
        Reading::Ended => "ended",
        Reading::Saved => "saved",
        Reading::Growing => "growing",
        Reading::Failed { .. } => "unreadable",
    }
}

fn state(app: &App) -> Piece {
    let word = state_word(app);
    match &app.reading {
        _ if app.list.is_paused() => {
            let unseen = app.list.unseen(&app.world.traffic);
            let new = if unseen > 0 {
                format!(", {} new", count(unseen.into()))
            } else {
                String::new()
            };
            (0, Role::Warn, format!("‖ {word}{new}"))
        }
        Reading::Loading(read, total) => {
            let percent = (read * 100).checked_div(*total).unwrap_or(100).min(100);
            let full = usize::try_from(percent / 10).unwrap_or(0);
            (
                0,
                Role::Accent,
                format!(
                    "{word} {}{} {percent} %",
                    "▓".repeat(full),
                    "░".repeat(10 - full)
                ),
            )
        }
        Reading::Live if word != "live" => (0, Role::Error, format!("■ {word}")),
        Reading::Live | Reading::Growing => (0, Role::Ok, format!("● {word}")),
        Reading::Ended => (0, Role::Warn, format!("■ {word}")),
        Reading::Failed { from, .. } => {
            let from = from.map(|from| format!(" from byte {} on", count(from)));
            let from = from.unwrap_or_default();
            (0, Role::Error, format!("✗ {word}{from}: the Log says why"))
        }
        Reading::Opening | Reading::Saved => (0, Role::Dim, format!("○ {word}")),
    }
}

fn pieces(app: &App) -> Vec<Piece> {
    let world = &app.world;
    let counters = world.traffic.counters();
    let mut pieces = vec![state(app)];
    let mut say = |rank: u8, role: Role, text: String| pieces.push((rank, role, text));
    if app.list.follow && !app.list.is_paused() && app.tab == Tab::Traffic && app.grows() {
        say(5, Role::Accent, "follow".to_owned());
    }
    let silence = || Some((0, Role::Warn, world.silence()?));
    let unreachable = || Some((0, Role::Error, world.unreachable()?.to_owned()));
    // Where there is nobody else, what helps comes first.
    let (alone, beside) = match own_gone(app) {
        Some(piece) if piece.0 == 0 => (Some(piece), None),
        piece => (None, piece),
    };
    let worst = alarm(app).or_else(|| over(app)).or_else(|| dead(app));
    let worst = worst.or(alone);
    let worst = worst.or_else(unreachable).or(beside);
    if let Some((rank, role, words)) = worst.or_else(silence) {
        say(rank, role, words);
    }
    let damaged = plural(counters.damaged, "damaged line");
    let torn = plural(app.torn, "byte");
    match (counters.damaged, app.torn) {
        (0, 0) => {}
        (_, 0) => say(0, Role::Error, format!("{damaged} in the capture")),
        (0, _) => say(0, Role::Error, format!("the last line is torn ({torn})")),
        _ => say(
            0,
            Role::Error,
            format!("{damaged}, the last line torn ({torn})"),
        ),
    }
    if counters.missing > 0 {
        let missing = plural(counters.missing, "record");
        say(0, Role::Error, format!("{missing} missing in the capture"));
    }
    let is_asked = world.live && !world.traffic.waiting_for_operator().is_empty();
    if is_asked || app.has_unfinished() {
        say(0, Role::Warn, "the server asks you: a answers".to_owned());
    }
    if app.tab == Tab::Traffic {
        if !app.list.filter.is_empty() {
            let filter = cut(app.list.filter.text(), 24).into_owned();
            say(
                1,
                Role::Accent,
                format!("/{filter} {}", count(app.list.len() as u64)),
            );
        }
        let hidden = app.list.hidden();
        let names = [
            (hidden.notifications, "notifications"),
            (hidden.stderr, "stderr"),
            (hidden.garbage, "no-messages"),
        ];
        let names: Vec<_> = names
            .iter()
            .filter(|(hidden, _)| *hidden)
            .map(|(_, name)| *name)
            .collect();
        if !names.is_empty() {
            say(3, Role::Accent, format!("without {}", names.join(", ")));
        }
    }
    if app.tab == Tab::Log && !app.log.filter.is_empty() {
        let filter = cut(app.log.filter.text(), 24).into_owned();
        let shown = count(app.log.entries.len() as u64);
        say(1, Role::Accent, format!("/{filter} {shown}"));
    }
    let sessions = world.traffic.sessions().len() as u64;
    if sessions > 0 {
        say(8, Role::Text, plural(sessions, "session"));
    }
    // A server that spoils its own stdout may never be understood: that must be seen before how much was said.
    let rank = if counters.on_stdout > 0 { ELSEWHERE } else { 4 };
    say(rank, Role::Text, plural(counters.messages, "message"));
    let role = if counters.errors > 0 {
        Role::Error
    } else {
        Role::Dim
    };
    say(2, role, plural(counters.errors, "error"));
    let role = if counters.pending > 0 {
        Role::Warn
    } else {
        Role::Dim
    };
    if counters.pending > 0 || counters.unanswered == 0 {
        say(3, role, format!("{} pending", count(counters.pending)));
    }
    if counters.unanswered > 0 {
        let lost = format!("{} lost", count(counters.unanswered));
        say(3, Role::Error, lost);
    }
    if counters.on_stdout > 0 {
        let lines = count(counters.on_stdout);
        say(3, Role::Warn, format!("{lines} on stdout!"));
    }
    match world.file().map(Path::file_name) {
        None => match &world.kept {
            // The Server pane says it in full.
            Kept::Failed(why) => {
                let most = usize::from(app.size.width / 3).min(70);
                let words = format!("not capturing: {}", clean(why));
                say(0, Role::Error, cut(&words, most).into_owned());
            }
            _ => say(9, Role::Dim, "not captured".to_owned()),
        },
        Some(Some(name)) => {
            let name = clean(&name.to_string_lossy()).into_owned();
            say(9, Role::Dim, cut(&name, 48).into_owned());
        }
        Some(None) => {}
    }
    pieces
}

/// Pieces from this number on are to be found on other panes, too.
const ELSEWHERE: u8 = 7;
/// Hints that such pieces make room for.
const FIRST: usize = 2;

/// A key and what it does here.
type Hint = (String, &'static str);

/// Pieces at the left, hints at the right: the last hint is always how to get help.
fn line(theme: Theme, frame: &mut Frame<'_>, area: Rect, mut pieces: Vec<Piece>, hints: &[Hint]) {
    let room = usize::from(area.width);
    // Facts before hints: only the way to help is kept free, and what is done most before facts that stand elsewhere too.
    let columns = |hints: &[Hint]| -> usize {
        let widths = hints.iter().map(|(key, hint)| hint_width(key, hint));
        widths.sum()
    };
    let (others, help) = hints.split_at(hints.len().saturating_sub(1));
    let least = columns(help) + 1;
    let first = columns(&others[..others.len().min(FIRST)]);
    let taken = |pieces: &[Piece]| {
        pieces
            .iter()
            .map(|(.., text)| width(text) + 2)
            .sum::<usize>()
    };
    while pieces.len() > 1 {
        let worst = (0..pieces.len())
            .max_by_key(|index| pieces[*index].0)
            .unwrap_or(0);
        if pieces[worst].0 == 0 {
            break;
        }
        let wanted = if pieces[worst].0 >= ELSEWHERE {
            least + first
        } else {
            least
        };
        if taken(&pieces) + wanted <= room {
            break;
        }
        pieces.remove(worst);
    }
    // A sentence of its own has the way to help on another line.
    let most = match pieces.len() {
        1 => room,
        _ => room.saturating_sub(least),
    };
    let mut spans = Vec::new();
    let mut used = 0;
    for (_, role, text) in &pieces {
        let text = format!(
            " {} ",
            cut(text.trim_start(), most.saturating_sub(used + 2))
        );
        used += width(&text);
        spans.push(Span::styled(text, theme.style(*role)));
    }
    put(frame, area, spans);
    // As many hints as fit, in order; the last one is kept.
    let mut right = Vec::new();
    let mut free = room.saturating_sub(used + 1);
    if let Some((help, others)) = hints.split_last() {
        let mut take = |hint: &Hint| {
            let needed = hint_width(&hint.0, hint.1);
            let fits = needed <= free;
            if fits {
                free -= needed;
            }
            fits
        };
        let with_help = take(help);
        right.extend(others.iter().take_while(|hint| take(hint)));
        right.extend(with_help.then_some(help));
    }
    let columns: usize = right.iter().map(|(key, hint)| hint_width(key, hint)).sum();
    let x = area
        .right()
        .saturating_sub(u16::try_from(columns).unwrap_or(area.width));
    let mut spans = Vec::new();
    for (key, hint) in right {
        spans.push(Span::styled(key.clone(), theme.style(Role::Accent)));
        spans.push(Span::styled(format!(" {hint}  "), theme.style(Role::Dim)));
    }
    put(
        frame,
        Rect {
            x,
            width: area.right() - x,
            ..area
        },
        spans,
    );
}

fn hint_width(key: &str, hint: &str) -> usize {
    width(key) + width(hint) + 3
}

fn hints(app: &App, contexts: &[Context]) -> Vec<Hint> {
    hints_where(contexts, |binding| app.offers(binding))
}

fn hints_where(
    contexts: &[Context],
    offers: impl Fn(&keymap::Binding) -> &'static str,
) -> Vec<Hint> {
    let mut bindings: Vec<_> = contexts
        .iter()
        .flat_map(|context| keymap::of(*context))
        .filter(|binding| !matches!(binding.action, Action::Help | Action::Quit))
        .collect();
    // What stops a call that hangs is not left out for want of room.
    let reading = [Context::Traffic, Context::Detail];
    bindings.sort_by_key(|it| it.action != Action::Stop || !reading.contains(&it.context));
    let mut hints: Vec<_> = bindings
        .into_iter()
        .map(|binding| {
            let key = keymap::label(binding.context, binding.action);
            (key, offers(binding))
        })
        .filter(|(_, said)| !said.is_empty())
        .collect();
    let writing = [Context::Sheet, Context::Ask];
    if contexts.contains(&Context::Global) {
        hints.push((keymap::label(Context::Global, Action::Help), "help"));
    } else if contexts.iter().any(|context| writing.contains(context)) {
        let key = keymap::label_beside_text(Context::Global, Action::Help);
        hints.push((key, "help"));
    }
    hints
}

/// A line being typed, with the cursor in it.
pub fn prompt(
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    label: &str,
    prompt: &Prompt,
    said: &str,
) {
    // The bar keeps a column at each side, and three lie behind the text.
    let room = usize::from(area.width).saturating_sub(width(label) + 5);
    let (typed, column) = prompt.shown(room);
    let column = 1 + width(label) + column;
    line(
        theme,
        frame,
        area,
        vec![
            (0, Role::Text, format!("{label}{typed}   ")),
            (1, Role::Dim, said.to_owned()),
        ],
        &hints_where(&[Context::Prompt], |binding| binding.hint),
    );
    let x = area.x
        + u16::try_from(column)
            .unwrap_or(area.width)
            .min(area.width.saturating_sub(1));
    frame.set_cursor_position(Position { x, y: area.y });
}

/// The bar of a screen that is no conversation.
pub fn simple(
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    said: (Role, &str),
    contexts: &[Context],
    offers: impl Fn(&keymap::Binding) -> &'static str,
) {
    let hints = hints_where(contexts, offers);
    sentence(theme, frame, area, said, &hints);
}

/// A sentence beside the first and the last hint: yes and no, or how to get help. One that is too long for that grows
/// upwards, and the rule above it moves along: it is read to its end, and gone with the next key.
fn sentence(
    theme: Theme,
    frame: &mut Frame<'_>,
    bar: Rect,
    (role, text): (Role, &str),
    hints: &[Hint],
) {
    let kept = [hints.first(), hints.last()].into_iter().flatten();
    let kept = kept.map(|(key, hint)| hint_width(key, hint)).sum();
    // Never all of the screen: a file's name can be as long as it likes.
    let most = usize::from(frame.area().height / 3).max(1);
    let (lines, last) = wrapped(text, bar.width.into(), kept, most);
    let above = u16::try_from(lines.len()).unwrap_or(0).min(bar.y);
    if above > 0 {
        let grown = Rect {
            y: bar.y.saturating_sub(above + 1),
            height: above + 1,
            ..bar
        };
        frame.render_widget(Clear, grown);
        rule(theme, frame, grown);
        for (text, y) in lines.into_iter().zip(grown.y + 1..bar.y) {
            let span = Span::styled(format!(" {text}"), theme.style(role));
            let place = Rect { y, ..bar };
            put(frame, place, vec![span]);
        }
    }
    line(theme, frame, bar, vec![(0, role, last)], hints);
}

/// The lines of a sentence, and the last of them, which leaves so many columns to others. What `most` lines do not hold
/// makes the last one too long.
fn wrapped(text: &str, columns: usize, kept: usize, most: usize) -> (Vec<String>, String) {
    let room = columns.saturating_sub(2);
    let mut lines = wrap(text, room);
    let more = lines.get(most).cloned();
    lines.truncate(most);
    let mut last = lines.pop().unwrap_or_default();
    if let Some(more) = more {
        last = format!("{last} {more}");
    } else if width(&last) + kept > room && lines.len() + 1 < most {
        lines.push(std::mem::take(&mut last));
    }
    (lines, last)
}
