//! All that is known of a tool, a resource or a prompt, in lines for reading.

use crate::mcp::schema::Argument;
use crate::mcp::uri_template;
use crate::traffic::inventory::{Resource, Tool};
use crate::traffic::{Row, party_word};
use crate::ui::app::World;
use crate::ui::app::inventory::{COMPARED, Item, Known};
use crate::ui::format;
use crate::ui::keymap::{self, Action, Context};
use crate::ui::render::list;
use crate::ui::text::{clean, cut, fit, shortened, width, wrap};
use crate::ui::theme::{Role, Theme};
use ratatui::text::{Line, Span};

/// Calls shown below the statistics.
const LAST: usize = 6;
/// From this width on, the arguments are a table; two lines each otherwise.
const TABLE: u16 = 64;
/// A description in fewer columns than this is no text any more.
pub const READABLE: usize = 24;
/// Columns of the headings at the left.
const HEADING: usize = 11;

/// All that is known of an item, for reading.
pub fn detail(world: &World, item: Item<'_>, known: &Known, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page {
        theme: world.theme,
        columns,
        lines: Vec::new(),
    };
    page.title(world, item, known);
    match item {
        Item::Tool(tool) => page.tool(tool, known),
        Item::Resource(resource) => page.resource(world, resource),
        Item::Prompt(_) => page.arguments(&known.arguments),
    }
    page.calls(world, item);
    if item.times_listed(world) > 1 {
        page.second(known);
    }
    page.lines
}

/// Lines of a detail, being written.
struct Page {
    theme: Theme,
    columns: u16,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn room(&self) -> usize {
        usize::from(self.columns.saturating_sub(1))
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    fn text(&mut self, text: &str, role: Role) {
        let style = self.theme.style(role);
        let lines = wrap(&shortened(text), self.room());
        self.lines
            .extend(lines.into_iter().map(|line| Line::styled(line, style)));
    }

    /// `HEADING    text`
    fn fact(&mut self, heading: &str, text: &str) {
        let room = self.room().saturating_sub(HEADING);
        for (index, line) in wrap(&shortened(text), room).into_iter().enumerate() {
            let heading = if index == 0 { heading } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(fit(heading, HEADING), self.theme.style(Role::Dim)),
                Span::raw(line),
            ]));
        }
    }

    fn title(&mut self, world: &World, item: Item<'_>, known: &Known) {
        let hints = hints(item).join("  ");
        let room = self.room().saturating_sub(width(&hints) + 4);
        // A name is worth more than what is said of it.
        let beside = room >= width(item.shown_label()).max(12);
        let role = self.theme.style(hint_role(item));
        if beside {
            let name = fit(item.shown_label(), room);
            self.lines.push(Line::from(vec![
                Span::styled(name, self.theme.style(Role::Accent)),
                Span::raw("  "),
                Span::styled(hints, role),
            ]));
        } else {
            // One column less: where it is read, a mark stands in front.
            let name = wrap(
                &shortened(item.shown_label()),
                self.room().saturating_sub(1),
            );
            let style = self.theme.style(Role::Accent);
            self.lines
                .extend(name.into_iter().map(|line| Line::styled(line, style)));
            let lines = filled(&self::hints(item), self.room());
            let lines = lines.into_iter().map(|line| Line::styled(line, role));
            self.lines.extend(lines);
        }
        if let Some(title) = item.title().filter(|title| *title != item.label()) {
            self.text(title, Role::Strong);
        }
        if item.unlisted() {
            self.text(
                "Clients use it, but the server did not list it.",
                Role::Warn,
            );
        }
        let times = item.times_listed(world);
        if times > 1 {
            let times = format::count(times.into());
            let below = match known.second {
                Some(_) => ", below stands what the second says",
                None => "",
            };
            let text = format!(
                "The server lists it {times} times. This is the first{below}; what it serves may be another."
            );
            self.text(&text, Role::Warn);
        }
        if !item.description().is_empty() {
            self.text(item.description(), Role::Text);
        }
        self.blank();
    }

    fn tool(&mut self, tool: &Tool, known: &Known) {
        for why in &known.unchecked {
            self.text(why, Role::Warn);
        }
        self.arguments(&known.arguments);
        if !known.needed.is_empty() {
            self.fact("NEEDED", &known.needed.join(", or "));
        }
        if let Some(members) = &known.answer {
            self.fact("ANSWER", &format!("structured {{ {members} }}"));
        }
        if !tool.raw.is_empty() {
            let tokens = tool.tokens() as u64;
            self.fact(
                "SIZE",
                &format!("about {} of context", format::plural(tokens, "token")),
            );
        }
    }

    fn resource(&mut self, world: &World, resource: &Resource) {
        self.fact(
            if resource.template { "TEMPLATE" } else { "URI" },
            &resource.uri,
        );
        if let Some(kind) = &resource.mime_type {
            self.fact("TYPE", kind);
        }
        if let Some(size) = resource.size {
            self.fact("SIZE", &format!("{} bytes", format::count(size)));
        }
        if let Some(at) = world.traffic.changed_since_read(&resource.uri) {
            let at = format::clock(at, world.utc_offset_seconds);
            let when = match at.is_empty() {
                true => "not read since".to_owned(),
                false => format!("{at}, and not read since"),
            };
            self.fact("CHANGED", &when);
        }
        let told = [
            (
                world.traffic.own_subscription(&resource.uri).is_some(),
                "your own session is told when it changes",
            ),
            (
                world.traffic.is_client_subscribed(&resource.uri),
                "a client is told when it changes",
            ),
        ];
        let told = told.into_iter().filter(|(is_told, _)| *is_told);
        for ((_, who), heading) in told.zip(["SUBSCRIBED", ""]) {
            self.fact(heading, who);
        }
        if resource.template {
            self.fact(
                "VARIABLES",
                &uri_template::variables(&resource.uri).join(", "),
            );
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        if arguments.is_empty() {
            self.fact("ARGUMENTS", "none");
        } else if self.columns >= TABLE {
            self.table(arguments);
        } else {
            self.pairs(arguments);
        }
        self.blank();
    }

    fn table(&mut self, arguments: &[Argument]) {
        let widest = |of: &dyn Fn(&Argument) -> String, least: usize, most: usize| {
            let columns = arguments
                .iter()
                .map(|argument| width(&clean(&of(argument))))
                .max();
            columns.unwrap_or(0).clamp(least, most)
        };
        let default = |argument: &Argument| argument.default.clone().unwrap_or_default();
        let name = widest(&|argument| argument.name.clone(), 8, 26);
        let given = widest(&default, 7, 12);
        let longest = widest(&description, 0, READABLE);
        // What no description needs is for the types.
        let (most, last) = match longest {
            0 => (self.room().saturating_sub(name + given + 12), ""),
            _ => (24, "  DESCRIPTION"),
        };
        let kind = widest(&|argument| argument.type_name.clone(), 4, most);
        let rest = self.room().saturating_sub(name + kind + given + 14);
        if rest < longest {
            return self.pairs(arguments);
        }
        let head = format!(
            "{}  {}  NEEDED  {}{last}",
            fit("ARGUMENT", name),
            fit("TYPE", kind),
            fit("DEFAULT", given)
        );
        self.lines
            .push(Line::styled(head, self.theme.style(Role::Dim)));
        for argument in arguments {
            let said = description(argument);
            let mut said = wrap(&said, rest).into_iter();
            let needed = if argument.required {
                "yes   "
            } else {
                "      "
            };
            self.lines.push(Line::from(vec![
                Span::styled(fit(&argument.name, name), self.theme.style(Role::JsonKey)),
                Span::raw(format!("  {}  ", fit(&argument.type_name, kind))),
                Span::raw(format!("{needed}  ")),
                Span::styled(
                    fit(&default(argument), given),
                    self.theme.style(Role::JsonString),
                ),
                Span::raw(format!("  {}", said.next().unwrap_or_default())),
            ]));
            let indent = " ".repeat(name + kind + given + 14);
            self.lines
                .extend(said.map(|line| Line::raw(format!("{indent}{line}"))));
        }
    }

    fn pairs(&mut self, arguments: &[Argument]) {
        self.lines
            .push(Line::styled("ARGUMENTS", self.theme.style(Role::Dim)));
        for argument in arguments {
            let mut facts = vec![argument.type_name.clone()];
            facts.extend(argument.required.then(|| "needed".to_owned()));
            facts.extend(
                argument
                    .default
                    .as_ref()
                    .map(|default| format!("default {default}")),
            );
            let room = self.room();
            let name = cut(&argument.name, room / 2).into_owned();
            let rest = room.saturating_sub(width(&name) + 2);
            self.lines.push(Line::from(vec![
                Span::styled(name, self.theme.style(Role::JsonKey)),
                Span::styled(
                    format!("  {}", cut(&facts.join(", "), rest)),
                    self.theme.style(Role::Dim),
                ),
            ]));
            let said = wrap(&description(argument), room.saturating_sub(2));
            self.lines
                .extend(said.into_iter().map(|line| Line::raw(format!("  {line}"))));
        }
    }

    /// What was listed under the same name once more.
    fn second(&mut self, known: &Known) {
        self.blank();
        let said = match &known.second {
            None => "the second definition is not kept: there was no room for it",
            Some(second) => match (second.members.is_empty(), second.cut) {
                (true, false) => "the second definition says the same",
                (true, true) => "the second definition may say otherwise:",
                (false, _) => "the second definition says otherwise:",
            },
        };
        self.fact("SECOND", said);
        let Some(second) = &known.second else {
            return;
        };
        for (member, said) in &second.members {
            let name = cut(member, self.room()).into_owned();
            let style = self.theme.style(Role::JsonKey);
            self.lines.push(Line::styled(name, style));
            let (said, role) = match said {
                Some(said) => (said.as_str(), Role::Text),
                None => ("not there", Role::Dim),
            };
            let style = self.theme.style(role);
            let lines = wrap(&shortened(said), self.room().saturating_sub(2));
            let lines = lines.into_iter().map(|line| format!("  {line}"));
            self.lines
                .extend(lines.map(|line| Line::styled(line, style)));
        }
        if second.more > 0 {
            let more = format::plural(second.more as u64, "more member");
            self.text(&format!("and {more}"), Role::Dim);
        }
        if second.cut {
            let compared = format::count(COMPARED as u64);
            let text = format!("only {compared} members of each were compared");
            self.text(&text, Role::Warn);
        }
    }

    /// How its calls went, and the last of them.
    fn calls(&mut self, world: &World, item: Item<'_>) {
        let stats = world.traffic.stats(item.method(), item.key());
        if stats.calls == 0 && !world.live {
            return self.fact("CALLS", "none");
        }
        if stats.calls == 0 {
            let key = keymap::label(Context::Inventory, Action::Call);
            let verb = match item {
                Item::Tool(_) => "calls",
                Item::Resource(_) => "reads",
                Item::Prompt(_) => "gets",
            };
            self.fact("CALLS", &format!("none yet; {key} {verb} it"));
            return;
        }
        let count = |number: u32, word: &str| {
            (number > 0).then(|| format!("{} {word}", format::count(number.into())))
        };
        let (p50, p95) = match stats.timed {
            // What took one call says nothing of others.
            1 => ("took", None),
            _ => ("p50", stats.p95),
        };
        let facts = [
            Some(format::count(stats.calls.into())),
            count(stats.ok, "ok"),
            (stats.tool_errors > 0).then(|| format::plural(stats.tool_errors.into(), "tool error")),
            (stats.errors > 0).then(|| format::plural(stats.errors.into(), "error")),
            count(stats.unanswered, "unanswered"),
            count(stats.pending, "pending"),
            count(stats.asking, "asked for input"),
            stats
                .p50
                .map(|micros| format!("{p50} {}", format::duration(micros))),
            p95.map(|micros| format!("p95 {}", format::duration(micros))),
        ];
        self.fact(
            "CALLS",
            &facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        );
        self.last_calls(world, item);
    }

    fn last_calls(&mut self, world: &World, item: Item<'_>) {
        let indent = if self.columns >= TABLE { HEADING } else { 2 };
        let rows = world.traffic.calls_of(item.method(), item.key(), LAST);
        let rows: Vec<Row<'_>> = rows
            .into_iter()
            .filter_map(|row| world.traffic.row(row))
            .collect();
        let took = |row: &Row<'_>| list::took(world, row).0.trim().to_owned();
        let widest = |of: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
        let statuses = widest(&|row| width(&list::status(row).0)).min(14);
        let times = widest(&|row| width(&took(row)));
        let dim = self.theme.style(Role::Dim);
        for row in &rows {
            let (status, role) = list::status(row);
            let clock = format::clock(row.at, world.utc_offset_seconds);
            let used = indent + clock.len() + 8 + statuses + times + 5;
            let said = cut(row.summary, self.room().saturating_sub(used)).into_owned();
            self.lines.push(Line::from(vec![
                Span::raw(format!("{}{clock} ", " ".repeat(indent))),
                Span::styled(fit(party_word(row.from), 8), dim),
                Span::styled(
                    format!(" {} ", fit(&status, statuses)),
                    self.theme.style(role),
                ),
                Span::styled(format!("{}  ", fit(&took(row), times)), dim),
                Span::raw(said),
            ]));
        }
    }
}

/// What is said of an argument, what there is to choose from, and what else its value has to be.
pub fn description(argument: &Argument) -> String {
    let mut notes = argument.limits.clone();
    // A single choice is told by the type.
    if !argument.choices.is_empty() && !argument.type_name.starts_with("always ") {
        notes.insert(0, argument.choices.join(" "));
    }
    let notes = notes.join(", ");
    let said = match (argument.description.is_empty(), notes.is_empty()) {
        (_, true) => argument.description.clone(),
        (true, false) => notes,
        (false, false) => format!("{} ({notes})", argument.description),
    };
    shortened(&said).into_owned()
}

/// What the server says that a tool does to the world. Without a word from it, the specification's defaults hold.
fn hints(item: Item<'_>) -> Vec<&'static str> {
    let Item::Tool(tool) = item else {
        return Vec::new();
    };
    let said = [
        (tool.read_only, "read-only", "writes"),
        (tool.destructive, "destructive", "not destructive"),
        (tool.idempotent, "idempotent", "not idempotent"),
        (tool.open_world, "open world", "closed world"),
    ];
    said.into_iter()
        .filter_map(|(hint, yes, no)| hint.map(|hint| if hint { yes } else { no }))
        .collect()
}

/// As many words on a line as fit, none of them broken.
fn filled(words: &[&str], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if width(line) + width(word) + 2 <= room => {
                line.push_str("  ");
                line.push_str(word);
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}

fn hint_role(item: Item<'_>) -> Role {
    match item {
        Item::Tool(Tool {
            destructive: Some(true),
            read_only,
            ..
        }) if *read_only != Some(true) => Role::Warn,
        _ => Role::Dim,
    }
}
