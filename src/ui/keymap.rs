//! The one table of keys: what a key does where. Lookup, the hints in the status bar, the help overlay and the README's
//! table are all made from it.

use super::app::Tab;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the operator can ask for. What it means is up to the part of the screen that has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Suspend,
    Help,
    NextPane,
    PreviousPane,
    Pane(Tab),
    MouseToggle,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Filter,
    Search,
    NextMatch,
    PreviousMatch,
    Follow,
    Pause,
    NextFault,
    PreviousFault,
    HideNotifications,
    HideStderr,
    HideGarbage,
    Replay,
    Edit,
    Copy,
    CopyValue,
    Save,
    Diff,
    Delete,
    NextView,
    PreviousView,
    Fold,
    FoldAll,
    UnfoldAll,
    Wrap,
    HowToWrap,
    Call,
    Level,
    Subscribe,
    Schema,
    Refresh,
    ShowCalls,
    Send,
    SendInvalid,
    Earlier,
    Editor,
    Route,
    Complete,
    Answer,
    Stop,
    Restart,
    Accept,
    Decline,
    Cancel,
    Choose,
    Clear,
    Yes,
    No,
}

/// Where a key has its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Everywhere but where one types.
    Global,
    /// In everything that has lines.
    Move,
    /// The list of the Traffic pane.
    Traffic,
    /// The detail of the Traffic pane.
    Detail,
    /// Typing a filter or a search.
    Prompt,
    /// Tools, Resources and Prompts.
    Inventory,
    Server,
    Log,
    /// A list of values of which one is taken.
    Choice,
    Help,
    Hub,
    /// A call being written.
    Sheet,
    /// A call that has been sent: its answer is shown.
    Sent,
    /// A request of the server's that waits for the operator.
    Ask,
    /// One that can be answered with no.
    Decline,
    /// The fields of such a request, one below the other.
    Fields,
    /// A field that has choices instead of text.
    Options,
    /// An answer to such a request that is written as JSON.
    Json,
    /// An address in such a request: there is nothing to type.
    Page,
    /// A question with yes or no.
    Question,
}

impl Context {
    /// Whether a key that is not bound here is text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Prompt | Self::Sheet | Self::Ask)
    }

    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Move => "Moving",
            Self::Traffic => "Traffic",
            Self::Detail => "A message",
            Self::Prompt => "Typing a filter or a search",
            Self::Inventory => "Tools, Resources, Prompts",
            Self::Server => "Server",
            Self::Log => "Log",
            Self::Choice => "Choosing a value",
            Self::Help => "Help",
            Self::Hub => "Hub",
            Self::Sheet => "Writing a call",
            Self::Sent => "A call that was sent",
            Self::Ask => "Answering the server",
            Self::Decline => "What can be declined",
            Self::Fields => "Filling in what the server asks",
            Self::Options => "A field with choices",
            Self::Json => "An answer in JSON",
            Self::Page => "A page to visit",
            Self::Question => "A question",
        }
    }
}

/// A key with its modifiers. Shift is part of the character for letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub modifiers: KeyModifiers,
}

const fn ch(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        modifiers: KeyModifiers::NONE,
    }
}
const fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        modifiers: KeyModifiers::CONTROL,
    }
}
const fn key(code: KeyCode) -> Key {
    Key {
        code,
        modifiers: KeyModifiers::NONE,
    }
}
const fn ctrl_key(code: KeyCode) -> Key {
    Key {
        code,
        modifiers: KeyModifiers::CONTROL,
    }
}

impl Key {
    pub fn of(event: &KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match event.code {
            // Some terminals say Shift-Tab one way, some the other.
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            code => code,
        };
        if code == KeyCode::BackTab {
            modifiers = KeyModifiers::NONE;
        }
        Self { code, modifiers }
    }

    fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }

    /// As people write it: `Ctrl-R`, `PgDn`, `G`.
    pub fn label(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                c.to_ascii_uppercase().to_string()
            }
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        let ctrl = if self.modifiers.contains(KeyModifiers::CONTROL) {
            "Ctrl-"
        } else {
            ""
        };
        let alt = if self.modifiers.contains(KeyModifiers::ALT) {
            "Alt-"
        } else {
            ""
        };
        format!("{ctrl}{alt}{name}")
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    pub context: Context,
    pub keys: &'static [Key],
    pub action: Action,
    /// One or two words for the status bar; empty keeps it out of there.
    pub hint: &'static str,
    /// A few words for the help.
    pub help: &'static str,
}

const fn bind(
    context: Context,
    keys: &'static [Key],
    action: Action,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        context,
        keys,
        action,
        hint,
        help,
    }
}

use Action as A;
use Context as C;
use KeyCode as K;

/// Every key, in the order in which hints and help show them.
pub const TABLE: &[&[Binding]] = &[
    GLOBAL, MOVE, TRAFFIC, DETAIL, PROMPT, INVENTORY, SERVER, LOG, CHOICE, HELP, HUB, SHEET, ASK,
    QUESTION,
];

#[rustfmt::skip]
const GLOBAL: &[Binding] = &[
    bind(C::Global, &[ch('1')], A::Pane(Tab::Traffic), "", "Traffic"),
    bind(C::Global, &[ch('2')], A::Pane(Tab::Tools), "", "Tools"),
    bind(C::Global, &[ch('3')], A::Pane(Tab::Resources), "", "Resources"),
    bind(C::Global, &[ch('4')], A::Pane(Tab::Prompts), "", "Prompts"),
    bind(C::Global, &[ch('5')], A::Pane(Tab::Server), "", "Server"),
    bind(C::Global, &[ch('6')], A::Pane(Tab::Log), "", "Log"),
    bind(C::Global, &[key(K::Tab)], A::NextPane, "", "next pane"),
    bind(C::Global, &[key(K::BackTab)], A::PreviousPane, "", "previous pane"),
    bind(C::Global, &[ch('a')], A::Answer, "", "answer what the server asks of you"),
    bind(C::Global, &[ch('R')], A::Restart, "", "start again: the server or session"),
    bind(C::Global, &[ch('?'), key(K::F(1))], A::Help, "help", "this help"),
    bind(C::Global, &[ch('m')], A::MouseToggle, "", "mouse: ours, or the terminal's own"),
    bind(C::Global, &[ch('q'), ctrl('c')], A::Quit, "quit", "quit, or back to the hub"),
    bind(C::Global, &[ctrl('z')], A::Suspend, "", "suspend; fg brings it back"),
];

#[rustfmt::skip]
const MOVE: &[Binding] = &[
    bind(C::Move, &[key(K::Up), ch('k')], A::Up, "", "up"),
    bind(C::Move, &[key(K::Down), ch('j')], A::Down, "", "down"),
    bind(C::Move, &[key(K::Left), ch('h')], A::Left, "", "left: fold, or the other side"),
    bind(C::Move, &[key(K::Right), ch('l')], A::Right, "", "right: unfold, or the other side"),
    bind(C::Move, &[key(K::PageUp), ctrl('u'), ctrl('b')], A::PageUp, "", "a page up"),
    bind(C::Move, &[key(K::PageDown), ctrl('d'), ctrl('f')], A::PageDown, "", "a page down"),
    bind(C::Move, &[ch('g'), key(K::Home)], A::Top, "", "first"),
    bind(C::Move, &[ch('G'), key(K::End)], A::Bottom, "", "last"),
];

#[rustfmt::skip]
const TRAFFIC: &[Binding] = &[
    bind(C::Traffic, &[ch('/')], A::Filter, "filter", "narrow the list (!word leaves out)"),
    bind(C::Traffic, &[key(K::Enter)], A::Open, "open", "go to the message"),
    bind(C::Traffic, &[key(K::Esc)], A::Back, "", "clear the filter"),
    bind(C::Traffic, &[ch('r')], A::Replay, "replay", "send again as it was"),
    bind(C::Traffic, &[ch('e')], A::Edit, "edit", "edit and send"),
    bind(C::Traffic, &[ch('x')], A::Stop, "cancel it", "cancel a call of yours"),
    bind(C::Traffic, &[ch('f')], A::Follow, "follow", "follow the newest"),
    bind(C::Traffic, &[ch('p')], A::Pause, "pause", "pause the view, never the traffic"),
    bind(C::Traffic, &[ch('.')], A::NextFault, "next fault", "next that went wrong"),
    bind(C::Traffic, &[ch(',')], A::PreviousFault, "", "the one before that went wrong"),
    bind(C::Traffic, &[ch('y')], A::Copy, "copy", "copy the message"),
    bind(C::Traffic, &[ch('w')], A::Save, "", "save the exchange to a file"),
    bind(C::Traffic, &[ch('d')], A::Diff, "", "compare a replay with its original"),
    bind(C::Traffic, &[ch(']')], A::NextView, "", "next view of the message"),
    bind(C::Traffic, &[ch('[')], A::PreviousView, "", "previous view of the message"),
    bind(C::Traffic, &[ch('N')], A::HideNotifications, "", "hide or show notifications"),
    bind(C::Traffic, &[ch('S')], A::HideStderr, "", "hide or show stderr"),
    bind(C::Traffic, &[ch('X')], A::HideGarbage, "", "hide or show what is no message"),
];

#[rustfmt::skip]
const DETAIL: &[Binding] = &[
    bind(C::Detail, &[key(K::Esc)], A::Back, "back", "back to the list"),
    bind(C::Detail, &[key(K::Enter), ch(' ')], A::Fold, "fold", "fold or unfold"),
    bind(C::Detail, &[ch('/')], A::Search, "search", "search in the message"),
    bind(C::Detail, &[ch('n')], A::NextMatch, "next match", "next match"),
    bind(C::Detail, &[ch('N')], A::PreviousMatch, "previous", "previous match"),
    bind(C::Detail, &[ch(']')], A::NextView, "view", "next view: HTTP, Timing, Raw"),
    bind(C::Detail, &[ch('[')], A::PreviousView, "", "previous view"),
    bind(C::Detail, &[ch('z')], A::FoldAll, "", "fold everything"),
    bind(C::Detail, &[ch('Z')], A::UnfoldAll, "", "unfold everything"),
    bind(C::Detail, &[ch('t')], A::Wrap, "", "wrap long lines or cut them"),
    bind(C::Detail, &[ch('r')], A::Replay, "replay", "send again as it was"),
    bind(C::Detail, &[ch('e')], A::Edit, "edit", "edit and send"),
    bind(C::Detail, &[ch('x')], A::Stop, "cancel it", "cancel a call of yours"),
    bind(C::Detail, &[ch('y')], A::Copy, "copy", "copy the message"),
    bind(C::Detail, &[ch('Y')], A::CopyValue, "", "copy the value under the cursor"),
    bind(C::Detail, &[ch('w')], A::Save, "", "save the exchange to a file"),
    bind(C::Detail, &[ch('d')], A::Diff, "", "compare a replay with its original"),
];

#[rustfmt::skip]
const PROMPT: &[Binding] = &[
    bind(C::Prompt, &[key(K::Enter)], A::Open, "done", "keep it and go on"),
    bind(C::Prompt, &[key(K::Esc)], A::Back, "leave", "leave it; Esc again clears it"),
    bind(C::Prompt, &[key(K::Up)], A::Earlier, "earlier", "bring back the one before"),
];

#[rustfmt::skip]
const INVENTORY: &[Binding] = &[
    bind(C::Inventory, &[key(K::Enter), ch('c')], A::Call, "call", "call, read or get it"),
    bind(C::Inventory, &[ch('e')], A::Edit, "last arguments", "call with the last arguments"),
    bind(C::Inventory, &[ch('/')], A::Filter, "find", "narrow the list"),
    bind(C::Inventory, &[key(K::Esc)], A::Back, "", "clear the filter"),
    bind(C::Inventory, &[ch('s')], A::Schema, "schema", "schema as JSON"),
    bind(C::Inventory, &[ch('t')], A::ShowCalls, "in Traffic", "its last call in Traffic"),
    bind(C::Inventory, &[ch('u')], A::Subscribe, "subscribe", "be told of a resource's changes"),
    bind(C::Inventory, &[ch('y')], A::Copy, "copy", "copy the definition"),
    bind(C::Inventory, &[ch('r')], A::Refresh, "refresh", "list again"),
];

#[rustfmt::skip]
const SERVER: &[Binding] = &[
    bind(C::Server, &[ch('y')], A::Copy, "copy", "copy the capture file's path"),
    bind(C::Server, &[ch('r')], A::Refresh, "refresh", "list again"),
];

#[rustfmt::skip]
const LOG: &[Binding] = &[
    bind(C::Log, &[ch('/')], A::Filter, "filter", "narrow the list (!word leaves out)"),
    bind(C::Log, &[key(K::Esc)], A::Back, "", "clear the filter"),
    bind(C::Log, &[key(K::Enter)], A::Open, "open", "show it in Traffic"),
    bind(C::Log, &[ch('f')], A::Follow, "follow", "follow the newest"),
    bind(C::Log, &[ch('L')], A::Level, "level", "from which level on the server logs"),
    bind(C::Log, &[ch('y')], A::Copy, "copy", "copy the line"),
];

#[rustfmt::skip]
const CHOICE: &[Binding] = &[
    bind(C::Choice, &[key(K::Enter)], A::Open, "take", "take it"),
    bind(C::Choice, &[key(K::Esc)], A::Back, "leave", "leave it as it was"),
];

#[rustfmt::skip]
const HELP: &[Binding] = &[
    bind(C::Help, &[key(K::Esc), ch('?'), ch('q'), key(K::F(1))], A::Back, "close", "close the help"),
];
const HUB: &[Binding] = &[
    bind(C::Hub, &[key(K::Enter)], A::Open, "open", "open it"),
    bind(C::Hub, &[ch('/')], A::Filter, "find", "narrow the list"),
    bind(C::Hub, &[key(K::Esc)], A::Back, "", "clear the filter"),
    bind(C::Hub, &[ch('r')], A::Refresh, "refresh", "look again"),
    bind(
        C::Hub,
        &[ch('d'), key(K::Delete)],
        A::Delete,
        "delete",
        "delete the saved capture",
    ),
    bind(
        C::Hub,
        &[ch('w')],
        A::HowToWrap,
        "how to wrap",
        "how to put it in front of a server",
    ),
];

#[rustfmt::skip]
const SHEET: &[Binding] = &[
    bind(C::Sheet, &[key(K::F(5)), ctrl_key(K::Enter)], A::Send, "send", "send"),
    bind(C::Sheet, &[key(K::F(2))], A::SendInvalid, "although invalid", "send although invalid"),
    bind(C::Sheet, &[key(K::Esc)], A::Back, "close", "close; the draft stays"),
    bind(C::Sheet, &[ctrl('r')], A::Earlier, "earlier", "earlier arguments, or a fresh start"),
    bind(C::Sheet, &[key(K::Tab)], A::Route, "session", "through your session, or theirs"),
    bind(C::Sheet, &[key(K::F(4)), ctrl(' ')], A::Complete, "values", "values that the server offers"),
    bind(C::Sheet, &[ctrl('o')], A::Editor, "$EDITOR", "in $EDITOR"),
    bind(C::Sent, &[key(K::Esc)], A::Back, "close", "close"),
    bind(C::Sent, &[key(K::Enter)], A::Open, "in Traffic", "show it in Traffic"),
    bind(C::Sent, &[ch('e')], A::Edit, "edit", "back to the arguments"),
    bind(C::Sent, &[ch('r')], A::Replay, "again", "send again"),
    bind(C::Sent, &[ch('x')], A::Stop, "cancel it", "cancel the call"),
    bind(C::Sent, &[ch('d')], A::Diff, "diff", "compare with the original"),
    bind(C::Sent, &[ch('y')], A::Copy, "copy", "copy the answer"),
    bind(C::Sent, &[ch(' ')], A::Fold, "", "fold or unfold"),
    bind(C::Sent, &[ch('z')], A::FoldAll, "", "fold everything"),
    bind(C::Sent, &[ch('Z')], A::UnfoldAll, "", "unfold everything"),
    bind(C::Sent, &[ch('t')], A::Wrap, "", "wrap long lines or cut them"),
    bind(C::Sent, &[ch('/')], A::Search, "search", "search in the answer"),
    bind(C::Sent, &[ch('n')], A::NextMatch, "", "next match or difference"),
    bind(C::Sent, &[ch('N')], A::PreviousMatch, "", "previous match or difference"),
];

#[rustfmt::skip]
const ASK: &[Binding] = &[
    bind(C::Ask, &[key(K::F(5)), ctrl_key(K::Enter)], A::Accept, "accept", "send this answer"),
    bind(C::Ask, &[key(K::Esc)], A::Back, "later", "answer later"),
    bind(C::Ask, &[key(K::PageUp)], A::PageUp, "", "a page up"),
    bind(C::Ask, &[key(K::PageDown)], A::PageDown, "", "a page down"),
    bind(C::Decline, &[key(K::F(8))], A::Decline, "decline", "decline"),
    bind(C::Fields, &[key(K::Tab), key(K::Down), key(K::Enter)], A::Down, "next field", "next field"),
    bind(C::Fields, &[key(K::BackTab), key(K::Up)], A::Up, "", "the field before"),
    bind(C::Fields, &[key(K::F(9))], A::Cancel, "cancel", "cancel: neither yes nor no"),
    bind(C::Options, &[key(K::Left)], A::Left, "", "the choice before"),
    bind(C::Options, &[key(K::Right)], A::Right, "", "next choice"),
    bind(C::Options, &[ch(' ')], A::Choose, "", "next; where several go, take or not"),
    bind(C::Options, &[key(K::Backspace), key(K::Delete)], A::Clear, "", "none of them"),
    bind(C::Json, &[ctrl('o')], A::Editor, "$EDITOR", "in $EDITOR"),
    bind(C::Page, &[ch('y')], A::Copy, "copy", "copy the address"),
    bind(C::Page, &[key(K::F(9))], A::Cancel, "cancel", "cancel: neither yes nor no"),
];

#[rustfmt::skip]
const QUESTION: &[Binding] = &[
    bind(C::Question, &[ch('y')], A::Yes, "yes", "yes"),
    bind(C::Question, &[ch('n'), key(K::Esc), ch('q')], A::No, "no", "no"),
];

fn rows() -> impl Iterator<Item = &'static Binding> {
    TABLE.iter().copied().flatten()
}

/// What `event` means in the first of `contexts` that binds it.
pub fn lookup(contexts: &[Context], event: &KeyEvent) -> Option<Action> {
    let wanted = Key::of(event);
    contexts.iter().find_map(|context| {
        rows()
            .find(|row| row.context == *context && row.keys.contains(&wanted))
            .map(|row| row.action)
    })
}

/// The rows of one context.
pub fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    rows().filter(move |row| row.context == context)
}

/// The first key bound to an action, as people write it.
pub fn label(context: Context, action: Action) -> String {
    label_where(context, action, |_| true)
}

/// The first that is no text, for where one types.
pub fn label_beside_text(context: Context, action: Action) -> String {
    label_where(context, action, |key| !key.is_text())
}

fn label_where(context: Context, action: Action, fits: impl Fn(&&Key) -> bool) -> String {
    of(context)
        .find(|row| row.action == action)
        .and_then(|row| row.keys.iter().find(fits))
        .map(|key| key.label())
        .unwrap_or_default()
}

/// `↑ k`, `Ctrl-U`: the keys of a row.
pub fn labels(binding: &Binding) -> String {
    binding
        .keys
        .iter()
        .map(|key| key.label())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_means_two_things_in_one_context() {
        let mut seen = HashSet::new();
        for row in rows() {
            for key in row.keys {
                assert!(
                    seen.insert((row.context, *key)),
                    "{:?} {}",
                    row.context,
                    key.label()
                );
            }
        }
    }

    #[test]
    fn every_row_has_a_key_and_says_what_it_does() {
        for row in rows() {
            assert!(!row.keys.is_empty() && !row.help.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn the_help_fits_its_column() {
        for row in rows() {
            let columns = 24 + row.help.chars().count();
            assert!(
                columns < usize::from(crate::ui::app::help::COLUMN),
                "{}",
                row.help
            );
            assert!(labels(row).chars().count() <= 19, "{}", labels(row));
        }
    }

    #[test]
    fn every_action_is_bound_to_a_key() {
        let source = include_str!("keymap.rs");
        let (_, rest) = source.split_once("pub enum Action {").unwrap();
        let (variants, _) = rest.split_once("\n}").unwrap();
        let bound: Vec<String> = rows().map(|row| format!("{:?}", row.action)).collect();
        for variant in variants
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
        {
            let name = variant.trim_end_matches(',').split('(').next().unwrap();
            assert!(
                bound
                    .iter()
                    .any(|action| action.split('(').next() == Some(name)),
                "{name}"
            );
        }
    }

    #[test]
    fn escape_never_quits_and_never_suspends() {
        let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        for row in rows() {
            let action = lookup(&[row.context], &escape);
            assert!(
                !matches!(action, Some(Action::Quit | Action::Suspend)),
                "{:?}",
                row.context
            );
        }
    }

    #[test]
    fn text_is_never_taken_for_a_key_where_one_types() {
        for row in rows().filter(|row| row.context.is_text()) {
            for key in row.keys {
                assert!(!key.is_text(), "{:?} {}", row.context, key.label());
            }
        }
    }
}
