//! Replacing a value inside raw JSON, leaving every other byte as it was.

/// Returns `message` with the value at `path` (object keys from the root) replaced by the raw JSON `value`.
/// A missing last key is inserted as the last member of its parent object; missing parents are created as objects.
/// `None` when `message` is not an object, or a parent on the path exists and is not an object.
pub fn set(_message: &str, _path: &[&str], _value: &str) -> Option<String> {
    todo!()
}
/// Returns `message` without the member at `path`; unchanged when it is not there.
pub fn remove(_message: &str, _path: &[&str]) -> String {
    todo!()
}
