//! A short list of values of which one is taken.

use super::movement::moved;
use crate::ui::keymap::Action;
use ratatui::layout::Rect;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// What they are for.
    pub title: String,
    pub values: Vec<String>,
    pub selected: usize,
}

impl Choices {
    pub fn value(&self) -> Option<&str> {
        self.values.get(self.selected).map(String::as_str)
    }

    /// At the upper end of `area`: a heading, and as many values as there is room for.
    pub fn at_top(&self, area: Rect) -> Rect {
        let lines = u16::try_from(self.values.len() + 1).unwrap_or(u16::MAX);
        Rect {
            height: lines.min(area.height),
            ..area
        }
    }

    /// The same at the lower end.
    pub fn at_bottom(&self, area: Rect) -> Rect {
        let place = self.at_top(area);
        Rect {
            y: area.bottom() - place.height,
            ..place
        }
    }

    /// The first value on so many lines.
    pub fn top(&self, height: usize) -> usize {
        let last = self.values.len().saturating_sub(height);
        self.selected.saturating_sub(height / 2).min(last)
    }

    pub fn movement(&mut self, action: Action, place: Rect) {
        let height = usize::from(place.height.saturating_sub(1));
        let last = self.values.len().saturating_sub(1);
        self.selected = moved(self.selected, action, height, last);
    }

    /// Selects what is drawn on this line of the screen.
    pub fn click(&mut self, place: Rect, y: u16) {
        let height = usize::from(place.height.saturating_sub(1));
        let at = self.top(height) + usize::from(y.saturating_sub(place.y + 1));
        if y > place.y && y < place.bottom() && at < self.values.len() {
            self.selected = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Choices {
        Choices {
            title: String::new(),
            values: (0..count).map(|number| number.to_string()).collect(),
            selected: 0,
        }
    }

    #[test]
    fn a_click_takes_the_value_that_is_drawn_there() {
        let mut choices = numbers(20);
        let place = choices.at_bottom(Rect::new(0, 10, 40, 6));
        assert_eq!((place.y, place.height), (10, 6));
        choices.movement(Action::Bottom, place);
        assert_eq!((choices.value(), choices.top(5)), (Some("19"), 15));
        choices.click(place, 11);
        assert_eq!(choices.value(), Some("15"));
        choices.click(place, 10);
        choices.click(place, 16);
        assert_eq!(choices.value(), Some("15"));
    }

    #[test]
    fn few_values_take_only_the_lines_that_they_need() {
        let place = numbers(3).at_bottom(Rect::new(0, 10, 40, 20));
        assert_eq!((place.y, place.height), (26, 4));
    }
}
