//! Where copied text goes: to the terminal's clipboard, inside tmux through tmux, which takes it from no program by itself
//! unless it was told to, and to a file where there is no clipboard or the text is too long for it.

use super::terminal::Screen;
use super::{format, text, work};
use anyhow::Context as _;
use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The longest text that terminals commonly take.
const LONGEST: usize = 70_000;
/// For tmux to take it.
const PATIENCE: Duration = Duration::from_millis(300);

#[derive(Debug, PartialEq, Eq)]
enum Way {
    Terminal,
    Tmux,
    /// Why nothing else will do.
    File(&'static str),
}

/// What has been copied leaves at most one file, readable by its owner only.
#[derive(Debug)]
pub struct Clipboard {
    directory: PathBuf,
    file: Option<(PathBuf, File)>,
}

impl Clipboard {
    /// With its file in this directory, once there is one.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            file: None,
        }
    }

    /// What is then said of it. Controls are not copied.
    pub async fn copy(
        &mut self,
        screen: &mut Screen,
        what: &str,
        copied: &str,
    ) -> anyhow::Result<String> {
        let text = text::pasteable(copied);
        let way = way(text.len(), |name| std::env::var(name).ok());
        if let Way::File(reason) = way {
            return self.write(reason, what, &text);
        }
        // Also from within tmux: a terminal that was started there has its variable, and is another.
        screen.copy(&text).context("cannot write to the terminal")?;
        let place = match way {
            Way::Tmux if to_tmux(&text).await => "tmux and the terminal's clipboard",
            _ => "the terminal's clipboard",
        };
        Ok(copied_to(place, what, &text))
    }

    /// To the file that took the last one, in its place.
    fn write(&mut self, reason: &str, what: &str, text: &str) -> anyhow::Result<String> {
        let known = self.file.take().filter(|(path, file)| is_at(path, file));
        let (path, file) = self.file.insert(match known {
            Some(known) => known,
            None => work::create(&self.directory, "mcp-sentinel-copy", "txt")?,
        });
        (file.set_len(0).and_then(|()| file.rewind()))
            .and_then(|()| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(format!("{reason}: wrote {what} to {}", path.display()))
    }
}

/// Whether this is what lies there: it may have been removed, or moved away.
fn is_at(path: &Path, file: &File) -> bool {
    let place = |it: fs::Metadata| (it.dev(), it.ino());
    let there = fs::symlink_metadata(path).map(place).ok();
    there.is_some() && there == file.metadata().map(place).ok()
}

fn copied_to(place: &str, what: &str, text: &str) -> String {
    let size = format::plural(text.len() as u64, "byte");
    format!("copied {what}, {size}, to {place}")
}

fn way(length: usize, variable: impl Fn(&str) -> Option<String>) -> Way {
    if length > LONGEST {
        return Way::File("too long for the clipboard");
    }
    match variable("TERM").as_deref() {
        Some("linux" | "dumb") => Way::File("this terminal has no clipboard"),
        _ if variable("TMUX").is_some_and(|it| !it.is_empty()) => Way::Tmux,
        _ => Way::Terminal,
    }
}

/// Whether tmux has taken it; it hands it on to the terminals that show it, those of them that have a clipboard.
async fn to_tmux(text: &str) -> bool {
    let mut command = Command::new("tmux");
    command.args(["load-buffer", "-w", "-"]).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let Ok(mut tmux) = command.stderr(Stdio::null()).spawn() else {
        return false;
    };
    let taking = async {
        let mut stdin = tmux.stdin.take()?;
        stdin.write_all(text.as_bytes()).await.ok()?;
        drop(stdin);
        tmux.wait().await.ok()
    };
    let taken = tokio::time::timeout(PATIENCE, taking).await;
    taken.ok().flatten().is_some_and(|it| it.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_where_it_arrives() {
        let way = |length, set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(other, _)| *other == name);
            way(length, |name| find(name).map(|(_, value)| (*value).into()))
        };
        let tmux = ("TMUX", "/tmp/tmux-0/default,1,0");
        assert_eq!(way(9, &[("TERM", "xterm-256color")]), Way::Terminal);
        assert_eq!(way(9, &[("TERM", "tmux-256color"), tmux]), Way::Tmux);
        assert_eq!(way(9, &[("TERM", "screen"), ("TMUX", "")]), Way::Terminal);
        for term in ["linux", "dumb"] {
            assert!(matches!(way(9, &[("TERM", term), tmux]), Way::File(_)));
        }
        assert!(matches!(way(LONGEST + 1, &[tmux]), Way::File(_)));
    }

    #[test]
    fn what_was_copied_is_said_with_its_size_or_its_file() {
        let text = "x".repeat(1234);
        let said = copied_to("the terminal's clipboard", "the answer", &text);
        let whole = "copied the answer, 1 234 bytes, to the terminal's clipboard";
        assert_eq!(said, whole);
        let directory = tempfile::tempdir().unwrap();
        let mut clipboard = Clipboard::new(directory.path().into());
        let said = clipboard.write("too long for the clipboard", "the answer", &text);
        let said = said.unwrap();
        let (before, path) = said.split_once("wrote the answer to ").unwrap();
        assert_eq!(before, "too long for the clipboard: ");
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }

    #[test]
    fn what_is_copied_next_takes_the_place_of_what_was() {
        let directory = tempfile::tempdir().unwrap();
        let mut clipboard = Clipboard::new(directory.path().into());
        let mut copied = |text: &str| {
            let said = clipboard.write("no clipboard", "it", text).unwrap();
            let (_, path) = said.split_once("wrote it to ").unwrap();
            (PathBuf::from(path), fs::read_to_string(path).unwrap())
        };
        let (first, _) = copied("a long text");
        assert_eq!(copied("short"), (first.clone(), "short".to_owned()));
        assert_eq!(fs::metadata(&first).unwrap().mode() & 0o777, 0o600);
        // What somebody else has put there is left alone.
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::remove_file(&first).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &first).unwrap();
        let (other, text) = copied("again");
        assert!(other != first && text == "again");
        assert_eq!(fs::read_to_string(elsewhere.path()).unwrap(), "");
    }
}
