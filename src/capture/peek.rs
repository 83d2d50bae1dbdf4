//! The header of a capture alone, for lists that are made again and again: no more is read than it takes, and a compressed
//! one is not kept.

use super::reader;
use super::record::Header;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// How much is read at once.
const BLOCK: usize = 4 << 10;
/// A header that is longer is not looked for.
const LONGEST: u64 = 64 << 10;

/// None where there is none, whatever the reason.
pub(super) fn peek(path: &Path) -> Option<Header> {
    let file = File::open(path).ok()?;
    let is_packed = reader::is_packed(&file).ok()?;
    let file = BufReader::with_capacity(BLOCK, file);
    let line = if is_packed {
        let inflated = zstd::Decoder::with_buffer(file).ok()?;
        first_line(BufReader::with_capacity(BLOCK, inflated))
    } else {
        first_line(file)
    };
    reader::header(line.ok()?.strip_suffix(b"\n")).ok()
}

fn first_line(text: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    text.take(LONGEST).read_until(b'\n', &mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"capture":1,"name":"n"}"#;

    #[test]
    fn a_header_is_found_without_the_rest_which_may_be_damaged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            peek(file.path()).map(|header| header.name)
        };
        let text = format!("{HEADER}\n{}", "x".repeat(1 << 20));
        let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
        for capture in [text.as_bytes(), &packed, &packed[..packed.len() - 1]] {
            assert_eq!(found(capture).as_deref(), Some("n"));
        }
        let endless = format!("{{\"capture\":1,\"name\":\"{}", "x".repeat(1 << 20));
        for none in ["", HEADER, "hello\n", &endless] {
            assert_eq!(found(none.as_bytes()), None);
        }
    }
}
