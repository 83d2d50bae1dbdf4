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
const PATIENCE: Duration = Duration::from_secs(1);

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
    let place = match way(text.len(), |name| std::env::var(name).ok()) {
        Way::File(reason) => return to_file(reason, what, &text),
        Way::Tmux if to_tmux(&text).await => "tmux and the terminal's clipboard",
        Way::Tmux | Way::Terminal => {
            screen.copy(&text).context("cannot write to the terminal")?;
            "the terminal's clipboard"
        }
    };
    let size = format::plural(text.len() as u64, "byte");
    Ok(format!("copied {what}, {size}, to {place}"))
}

fn way(length: usize, variable: impl Fn(&str) -> Option<String>) -> Way {
    if length > LONGEST {
        return Way::File("too long for the clipboard");
    }
    match variable("TERM").as_deref() {
        Some("linux" | "dumb") => Way::File("this terminal has no clipboard"),
        _ if variable("TMUX").is_some() => Way::Tmux,
        _ => Way::Terminal,
    }
}

/// Whether tmux has taken it, and has handed it on to the terminal that it is in.
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
        assert!(matches!(way(9, &[("TERM", "linux")]), Way::File(_)));
        assert!(matches!(way(LONGEST + 1, &[tmux]), Way::File(_)));
    }
}
