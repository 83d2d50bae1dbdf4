//! Roles to styles. Colour carries meaning by role and never alone: whatever is coloured also has a word or a mark.
//! Sixteen colours on dark and light grounds; without colour (`NO_COLOR`) roles differ by weight only. Of the sixteen
//! there is no amber and hardly a green that can be read on white: on light grounds both come from the 256 colours where
//! the terminal has them.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Text,
    Dim,
    /// The one accent: the open tab, the selection's mark, keys in hints.
    Accent,
    /// Headings: strong, without colour.
    Strong,
    Ok,
    Warn,
    Error,
    Request,
    Answer,
    Notification,
    Operator,
    /// Laid over a selected row.
    Selected,
    /// Laid over text that a search found.
    Found,
    JsonKey,
    JsonString,
    JsonNumber,
    JsonLiteral,
}

/// The ground that the terminal draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ground {
    #[default]
    Dark,
    Light,
    /// No colours at all.
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Theme {
    pub ground: Ground,
    /// The terminal has 256 colours.
    pub many_colours: bool,
}

/// Dark enough for white: amber, and green.
const DARK_AMBER: Color = Color::Indexed(130);
const DARK_GREEN: Color = Color::Indexed(28);

impl Theme {
    /// What the environment asks for: `NO_COLOR`, and `COLORFGBG` where the terminal says what it looks like. How many
    /// colours there are is told by `TERM` or `COLORTERM`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let plain = variable("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variable("TERM").is_some_and(|term| term == "dumb");
        let light = || {
            let ground = variable("COLORFGBG")?
                .rsplit(';')
                .next()?
                .parse::<u8>()
                .ok()?;
            Some(ground == 7 || (9..=15).contains(&ground))
        };
        let ground = match (plain, light()) {
            (true, _) => Ground::Plain,
            (false, Some(true)) => Ground::Light,
            (false, _) => Ground::Dark,
        };
        let many = |name: &str, words: &[&str]| {
            variable(name).is_some_and(|value| words.iter().any(|word| value.contains(word)))
        };
        Self {
            ground,
            many_colours: many("TERM", &["256color", "direct"])
                || many("COLORTERM", &["truecolor", "24bit"]),
        }
    }

    pub fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let style = match role {
            Role::Text => return plain,
            Role::Dim => return plain.add_modifier(Modifier::DIM),
            Role::Strong => return plain.add_modifier(Modifier::BOLD),
            Role::Accent => plain
                .fg(self.pick(Color::Cyan, Color::Blue))
                .add_modifier(Modifier::BOLD),
            Role::Ok | Role::Answer | Role::JsonString => {
                plain.fg(self.pick(Color::Green, self.rich(DARK_GREEN, Color::Green)))
            }
            // Errors are bold.
            Role::Warn => plain.fg(self.pick(Color::Yellow, self.rich(DARK_AMBER, Color::Red))),
            Role::Error => plain
                .fg(self.pick(Color::LightRed, Color::Red))
                .add_modifier(Modifier::BOLD),
            Role::Request => plain.fg(self.pick(Color::Cyan, Color::Blue)),
            Role::Notification => plain.add_modifier(Modifier::DIM),
            Role::Operator => plain.fg(Color::Magenta),
            Role::Selected => plain
                .bg(self.pick(Color::DarkGray, Color::Gray))
                .add_modifier(Modifier::BOLD)
                // Dim text would be lost on the bar.
                .remove_modifier(Modifier::DIM),
            Role::Found => plain.fg(Color::Black).bg(Color::Yellow),
            Role::JsonKey => plain.fg(self.pick(Color::Cyan, Color::Blue)),
            Role::JsonNumber => plain.fg(self.pick(Color::Yellow, Color::Magenta)),
            Role::JsonLiteral => plain.fg(Color::Magenta),
        };
        if self.ground != Ground::Plain {
            return style;
        }
        match role {
            Role::Selected => Style::new()
                .add_modifier(Modifier::REVERSED)
                .remove_modifier(Modifier::DIM),
            Role::Found => Style::new().add_modifier(Modifier::REVERSED),
            _ => Style {
                fg: None,
                bg: None,
                ..style
            },
        }
    }

    fn rich(self, many: Color, sixteen: Color) -> Color {
        if self.many_colours { many } else { sixteen }
    }

    fn pick(self, dark: Color, light: Color) -> Color {
        if self.ground == Ground::Light {
            light
        } else {
            dark
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Theme {
        Theme::detect(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_chooses_the_ground() {
        assert_eq!(with(&[]).ground, Ground::Dark);
        assert_eq!(with(&[("COLORFGBG", "15;0")]).ground, Ground::Dark);
        assert_eq!(with(&[("COLORFGBG", "0;default;15")]).ground, Ground::Light);
        assert_eq!(
            with(&[("NO_COLOR", "1"), ("COLORFGBG", "0;15")]).ground,
            Ground::Plain
        );
        assert_eq!(with(&[("NO_COLOR", "")]).ground, Ground::Dark);
    }

    #[test]
    fn a_warning_on_a_light_ground_is_never_yellow_and_no_error() {
        let few = with(&[("COLORFGBG", "0;15"), ("TERM", "xterm")]);
        let many = with(&[("COLORFGBG", "0;15"), ("TERM", "xterm-256color")]);
        let true_colour = with(&[("COLORFGBG", "0;15"), ("COLORTERM", "truecolor")]);
        assert_eq!(few.style(Role::Warn).fg, Some(Color::Red));
        assert_ne!(few.style(Role::Warn), few.style(Role::Error));
        for theme in [many, true_colour] {
            assert_eq!(theme.style(Role::Warn).fg, Some(DARK_AMBER));
        }
        let dark = with(&[("TERM", "xterm-256color")]);
        assert_eq!(dark.style(Role::Warn).fg, Some(Color::Yellow));
    }

    #[test]
    fn no_color_leaves_no_colour_but_shows_the_selection() {
        let theme = with(&[
            ("NO_COLOR", "1"),
            ("COLORFGBG", "0;15"),
            ("TERM", "xterm-256color"),
        ]);
        for role in [
            Role::Error,
            Role::Accent,
            Role::JsonKey,
            Role::Found,
            Role::Selected,
            Role::Warn,
        ] {
            assert_eq!(
                (theme.style(role).fg, theme.style(role).bg),
                (None, None),
                "{role:?}"
            );
        }
        assert!(
            theme
                .style(Role::Selected)
                .add_modifier
                .contains(Modifier::REVERSED)
        );
    }
}
