//! Looking into raw JSON one level at a time, without building a tree: no depth limit, nothing re-spelled.

use std::borrow::Cow;

/// The members of the JSON object `raw` in order: unescaped key, raw value. Empty when `raw` is not an object.
pub fn members(_raw: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    std::iter::empty()
}
/// The elements of the JSON array `raw`, as raw values. Empty when `raw` is not an array.
pub fn elements(_raw: &str) -> impl Iterator<Item = &str> {
    std::iter::empty()
}
/// The raw value at `path` (object keys), the last member winning where a key stands twice.
pub fn at<'a>(_raw: &'a str, _path: &[&str]) -> Option<&'a str> {
    todo!()
}
/// The string at `path`, unescaped; lone surrogates become U+FFFD. `None` when it is not a string.
pub fn string_at<'a>(_raw: &'a str, _path: &[&str]) -> Option<Cow<'a, str>> {
    todo!()
}
/// Unescapes the raw token of a JSON string; `None` when `raw` is not one.
pub fn unescape(_raw: &str) -> Option<Cow<'_, str>> {
    todo!()
}
