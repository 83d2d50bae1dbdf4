//! Where copied text goes: to the terminal's clipboard, inside tmux through tmux, which takes it from no program by itself
//! unless it was told to, and to a file where there is no clipboard or the text is too long for it.

use super::terminal::Screen;
use super::{format, text, work};
use anyhow::Context as _;
use std::io::Write as _;
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

/// What is then said of it. Controls are not copied.
pub async fn copy(screen: &mut Screen, what: &str, copied: &str) -> anyhow::Result<String> {
    let text = text::pasteable(copied);
    let way = way(text.len(), |name| std::env::var(name).ok());
    if let Way::File(reason) = way {
        return to_file(reason, what, &text);
    }
    // Also from within tmux: a terminal that was started there has its variable, and is another.
    screen.copy(&text).context("cannot write to the terminal")?;
    let place = match way {
        Way::Tmux if to_tmux(&text).await => "tmux and the terminal's clipboard",
        _ => "the terminal's clipboard",
    };
    Ok(copied_to(place, what, &text))
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

/// To a file of its own, readable by its owner only.
fn to_file(reason: &str, what: &str, text: &str) -> anyhow::Result<String> {
    let (path, mut file) = work::create(&std::env::temp_dir(), "mcp-sentinel-copy", "txt")?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(format!("{reason}: wrote {what} to {}", path.display()))
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
        let said = to_file("too long for the clipboard", "the answer", &text).unwrap();
        let (before, path) = said.split_once("wrote the answer to ").unwrap();
        assert_eq!(before, "too long for the clipboard: ");
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
        std::fs::remove_file(path).unwrap();
    }
}
