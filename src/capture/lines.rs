//! The lines of a file that may still grow, found with one pass over its bytes.

use super::inflate::Inflater;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much is read at once; a longer line makes the window grow for as long as it is in there.
const WINDOW: usize = 256 << 10;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    Plain(Arc<File>),
    Packed(Inflater),
}

impl Source {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.content().read_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) if self.inflate()? => {}
                result => return result,
            }
        }
    }

    /// Makes more content where it is compressed; whether there was any.
    fn inflate(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(false),
            Self::Packed(inflater) => inflater.more(),
        }
    }

    /// The file that offsets point into.
    pub fn content(&self) -> &Arc<File> {
        match self {
            Self::Plain(file) => file,
            Self::Packed(inflater) => inflater.content(),
        }
    }

    /// Size of the file as it is stored.
    fn stored(&self) -> io::Result<u64> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(inflater) => inflater.packed(),
        };
        Ok(file.metadata()?.len())
    }
}

/// A cursor over lines.
#[derive(Debug)]
pub(super) struct Lines {
    source: Source,
    window: Vec<u8>,
    /// What of the window was read from the file and belongs to no line that was handed out.
    unread: Range<usize>,
    /// There is no line feed in the window before this.
    scanned: usize,
    /// Where in the file the unread part begins.
    offset: u64,
    /// How many lines have been handed out.
    number: u64,
    /// Lines from this length on are not held in memory, only their place is told.
    pub longest: usize,
    /// Where the line begins whose beginning was passed over for its length.
    passing: Option<u64>,
    /// The next line feed ends a line that began before the place where reading begins.
    joining: bool,
    /// How large the file was when all of it had been read.
    exhausted: Option<u64>,
    /// How large it was when what stood behind the last line feed was no whole line.
    unfinished: u64,
}

/// A line, without its line feed.
#[derive(Debug)]
pub(super) struct Line {
    pub offset: u64,
    /// Counted from 1.
    pub number: u64,
    pub length: u64,
    /// Where it stands in the window; nowhere when it is too long.
    text: Option<Range<usize>>,
}

impl Lines {
    pub fn new(source: Source, longest: usize) -> Self {
        Self {
            source,
            window: vec![0; WINDOW],
            unread: 0..0,
            scanned: 0,
            offset: 0,
            number: 0,
            longest,
            passing: None,
            joining: false,
            exhausted: None,
            unfinished: 0,
        }
    }

    /// Goes on with the first line that begins at `offset` or after it, and not before the cursor. A place behind the
    /// end of a plain file is its end.
    pub fn skip_to(&mut self, mut offset: u64) -> io::Result<()> {
        if let Source::Plain(_) = self.source {
            offset = offset.min(self.source.stored()?);
        }
        if offset > self.offset {
            // Should the byte before be a line feed, a line begins right there.
            self.offset = offset - 1;
            self.unread = 0..0;
            self.scanned = 0;
            self.joining = true;
        }
        Ok(())
    }

    /// The next complete line; none when there is none yet.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let news = &self.window[self.scanned..self.unread.end];
            if let Some(found) = memchr::memchr(b'\n', news) {
                let text = self.unread.start..self.scanned + found;
                if std::mem::take(&mut self.joining) {
                    self.passing = None;
                    self.pass(text.len() + 1);
                    continue;
                }
                let too_long = self.passing.take();
                let offset = too_long.unwrap_or(self.offset);
                let line = Line {
                    offset,
                    number: self.number + 1,
                    length: self.offset + text.len() as u64 - offset,
                    text: (too_long.is_none() && text.len() < self.longest).then_some(text.clone()),
                };
                self.number += 1;
                self.pass(text.len() + 1);
                return Ok(Some(line));
            }
            self.scanned = self.unread.end;
            if self.passing.is_some() || self.unread.len() >= self.longest {
                self.passing.get_or_insert(self.offset);
                self.pass(self.unread.len());
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// What stands behind the last line feed, as a line of its own where it `is_whole`; asked for when all before it has
    /// been handed out.
    pub fn rest(&mut self, is_whole: impl FnOnce(&[u8]) -> bool) -> io::Result<Option<Line>> {
        let length = self.torn()?;
        let end = self.offset + length;
        let room = usize::try_from(length).unwrap_or(usize::MAX);
        let known = length == 0 || end == self.unfinished;
        if known || self.passing.is_some() || room >= self.longest {
            return Ok(None);
        }
        self.make_room();
        self.window.resize(room.max(WINDOW), 0);
        let read = self.source.read_at(&mut self.window[..room], self.offset)?;
        let text = &self.window[..read];
        if read < room || memchr::memchr(b'\n', text).is_some() || !is_whole(text) {
            self.unfinished = end;
            return Ok(None);
        }
        self.unread = 0..read;
        let line = Line {
            offset: self.offset,
            number: self.number + 1,
            length,
            text: Some(0..read),
        };
        self.number += 1;
        self.pass(read);
        Ok(Some(line))
    }

    /// The text of the line handed out last; none when it is too long.
    pub fn text(&self, line: &Line) -> Option<&[u8]> {
        line.text.clone().map(|range| &self.window[range])
    }

    /// What has been read behind the line handed out last: the beginning of the next, usually.
    pub fn ahead(&self) -> &[u8] {
        &self.window[self.unread.clone()]
    }

    /// Bytes of the stored file that were read, and how many there are.
    pub fn progress(&self) -> (u64, u64) {
        let read = match &self.source {
            Source::Plain(_) => self.offset,
            Source::Packed(inflater) => inflater.position(),
        };
        (read, self.source.stored().unwrap_or(read).max(read))
    }

    pub fn content(&self) -> &Arc<File> {
        self.source.content()
    }

    /// Bytes behind the last complete line, once all of them have been handed out.
    pub fn torn(&self) -> io::Result<u64> {
        let end = self.content().metadata()?.len();
        Ok(end.saturating_sub(self.passing.unwrap_or(self.offset)))
    }

    fn pass(&mut self, bytes: usize) {
        self.unread.start += bytes;
        self.scanned = self.unread.start;
        self.offset += bytes as u64;
    }

    /// Reads on; whether there was anything.
    fn fill(&mut self) -> io::Result<bool> {
        // Asked before reading: what is appended in between is seen the next time.
        let stored = self.source.stored()?;
        if self.unread.is_empty() && self.exhausted == Some(stored) {
            return Ok(false);
        }
        self.make_room();
        let from = self.offset + self.unread.len() as u64;
        let room = &mut self.window[self.unread.end..];
        let read = self.source.read_at(room, from)?;
        self.unread.end += read;
        if read > 0 {
            return Ok(true);
        }
        // The beginning of a line is read again when there is more: it may have been taken back by then.
        self.unread.end = self.unread.start;
        self.scanned = self.unread.start;
        if let Source::Plain(_) = self.source
            && stored < self.offset
        {
            // What was passed over may be another line by now.
            let again = self.passing.take();
            self.offset = again.unwrap_or(stored).min(stored);
            if again.is_some() {
                return Ok(true);
            }
        }
        self.exhausted = Some(stored);
        Ok(false)
    }

    /// Moves the unread part to the front of the window, and makes it larger or smaller as needed.
    fn make_room(&mut self) {
        let unread = self.unread.len();
        if self.unread.start > 0 {
            self.window.copy_within(self.unread.clone(), 0);
            self.scanned -= self.unread.start;
            self.unread = 0..unread;
        }
        if unread == self.window.len() {
            self.window.resize(unread * 2, 0);
        } else if self.window.len() > WINDOW && unread < WINDOW {
            self.window.truncate(WINDOW);
            self.window.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_comes_of_a_line_that_is_passed_over_is_not_held() {
        let mut file = tempfile::tempfile().unwrap();
        let source = Source::Plain(Arc::new(file.try_clone().unwrap()));
        let mut lines = Lines::new(source, 4 * WINDOW);
        for _ in 0..9 {
            file.write_all(&[b'x'; 3 * WINDOW]).unwrap();
            assert!(lines.next().unwrap().is_none());
        }
        assert_eq!(lines.window.len(), WINDOW);
        file.write_all(b"\nshort\n").unwrap();
        let long = lines.next().unwrap().unwrap();
        assert!(lines.text(&long).is_none());
        let short = lines.next().unwrap().unwrap();
        assert_eq!(lines.text(&short), Some(&b"short"[..]));
    }
}
