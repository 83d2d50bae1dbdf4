//! What a filter leaves of a list: looked for once for each filter and each state of the list, and not for each frame.

use super::Item;

#[derive(Debug, Default)]
pub struct Narrowed {
    /// The filter, and the state of the list.
    of: (String, u64),
    /// Where what is left stands in the list.
    places: Vec<usize>,
}

impl Narrowed {
    /// Looks for what is left, unless it has.
    pub fn find(&mut self, filter: &str, state: u64, all: &[Item<'_>]) {
        if self.known(filter, state).is_none() {
            self.of = (filter.to_owned(), state);
            self.places = places(filter, all);
        }
    }

    fn known(&self, filter: &str, state: u64) -> Option<&[usize]> {
        let is_its = self.of.0 == filter && self.of.1 == state;
        is_its.then_some(&*self.places)
    }

    /// What is left.
    pub fn items<'a>(&self, filter: &str, state: u64, all: &[Item<'a>]) -> Vec<Item<'a>> {
        let found = match self.known(filter, state) {
            Some(places) => places,
            None => &places(filter, all),
        };
        let items = found.iter().filter_map(|at| all.get(*at));
        items.copied().collect()
    }
}

/// What is called so first: who types a name wants it before what only mentions it.
fn places(filter: &str, all: &[Item<'_>]) -> Vec<usize> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let (mut named, others): (Vec<_>, Vec<_>) =
        (0..all.len()).partition(|at| all[*at].is_named(&words));
    named.extend(others.into_iter().filter(|at| all[*at].matches(&words)));
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::inventory::Tool;

    fn tools(names: &[&str]) -> Vec<Tool> {
        let tool = |name: &&str| Tool {
            name: (*name).to_owned(),
            ..Tool::default()
        };
        names.iter().map(tool).collect()
    }

    #[test]
    fn a_filter_is_looked_for_once_until_it_or_the_list_is_another() {
        let (old, new) = (tools(&["add", "sum"]), tools(&["sum", "add"]));
        let (old, new): (Vec<_>, Vec<_>) = (
            old.iter().map(Item::Tool).collect(),
            new.iter().map(Item::Tool).collect(),
        );
        let mut narrowed = Narrowed::default();
        narrowed.find("ad", 1, &old);
        // The same state of the list: nobody looks at it.
        narrowed.find("ad", 1, &new);
        assert_eq!(narrowed.items("ad", 1, &new)[0].key(), "sum");
        // What nobody has looked for yet is right, too.
        assert_eq!(narrowed.items("ad", 2, &new)[0].key(), "add");
        assert_eq!(narrowed.items("um", 1, &old)[0].key(), "sum");
        narrowed.find("ad", 2, &new);
        assert_eq!(narrowed.known("ad", 2), Some(&[1][..]));
        narrowed.find("um", 2, &new);
        assert_eq!(narrowed.known("um", 2), Some(&[0][..]));
    }
}
