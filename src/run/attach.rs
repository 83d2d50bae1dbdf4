//! The screen on a live proxy, with everything since its first message.

use super::failure::Failure;
use super::screen;
use crate::link::registry::{self, Entry};
use crate::traffic::gist::neutral;
use crate::ui::{self, app::Kept, attach};
use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

pub fn run(target: Option<&OsStr>) -> Result<u8, Failure> {
    screen::required("attach")?;
    let live = registry::live().context("cannot list the live proxies")?;
    if let Some(socket) = target.and_then(|target| socket(&live, target)) {
        return screen::show(show_behind(socket, &live));
    }
    let target = target.map(OsStr::to_string_lossy);
    let entry = choose(live, target.as_deref())?;
    screen::show(show(&entry, Kept::Here))
}

/// The target as the path of a socket, unless a live proxy is called so.
fn socket<'a>(live: &[Entry], target: &'a OsStr) -> Option<&'a Path> {
    let path = Path::new(target);
    let is_name = live.iter().any(|entry| *entry.name == *target);
    let is_socket = || path.metadata().is_ok_and(|it| it.file_type().is_socket());
    let is_path = || target.as_encoded_bytes().contains(&b'/') || is_socket();
    (!is_name && is_path()).then_some(path)
}

async fn show_behind(socket: &Path, live: &[Entry]) -> anyhow::Result<ui::Left> {
    let same = |entry: &&Entry| {
        let theirs = entry.socket.canonicalize();
        theirs.is_ok_and(|it| socket.canonicalize().is_ok_and(|ours| ours == it))
    };
    let source = match live.iter().find(same) {
        Some(entry) => attach::listed(entry).await?,
        None => attach::far(socket).await?,
    };
    ui::run(source).await
}

/// The one live proxy that is meant.
fn choose(mut live: Vec<Entry>, target: Option<&str>) -> anyhow::Result<Entry> {
    if live.is_empty() {
        bail!(
            "no proxy is live; start one with mcp-sentinel -- COMMAND, or find saved captures with mcp-sentinel ps"
        );
    }
    if let Some(target) = target {
        let by_pid = |entry: &Entry| target.parse() == Ok(entry.pid);
        let all = live.clone();
        if live.iter().any(by_pid) {
            live.retain(by_pid);
        } else {
            live.retain(|entry| entry.name == target);
        }
        if live.is_empty() {
            bail!(
                "no live proxy has the pid or name `{target}`; these are live:\n{}",
                listed(&all)
            );
        }
    }
    if let [_, _, ..] = live[..] {
        let several = match target {
            Some(target) => format!("several live proxies are called `{target}`"),
            None => "several proxies are live".to_owned(),
        };
        bail!(
            "{several}; name one, mcp-sentinel attach {}:\n{}",
            handle(&live, &live[0]),
            listed(&live)
        );
    }
    live.pop().context("no proxy is live")
}

/// What names this one alone: its pid, or where processes of different containers have the same, its socket.
fn handle(live: &[Entry], entry: &Entry) -> String {
    match live.iter().filter(|it| it.pid == entry.pid).count() {
        1 => entry.pid.to_string(),
        // A container may have written it.
        _ => neutral(&entry.socket.display().to_string()).into_owned(),
    }
}

fn listed(live: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let (handle, upstream) = (handle(live, entry), shell_words::join(&entry.upstream));
        neutral(&format!("  {handle}  {}  {upstream}", entry.name)).into_owned()
    };
    live.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Opens the screen on a live proxy, whose capture is kept so where it can be read from here.
pub async fn show(entry: &Entry, kept: Kept) -> anyhow::Result<ui::Left> {
    let mut source = attach::listed(entry).await?;
    if source.kept == Kept::Here {
        source.kept = kept;
    }
    ui::run(source).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Vec<Entry> {
        let entry = |pid, name: &str| Entry {
            pid,
            name: name.to_owned(),
            ..Entry::default()
        };
        vec![
            entry(7, "time"),
            entry(8, "files"),
            entry(9, "files"),
            entry(10, "7"),
        ]
    }

    fn complaint(live: Vec<Entry>, target: Option<&str>) -> String {
        choose(live, target).unwrap_err().to_string()
    }

    #[test]
    fn a_pid_comes_before_a_name() {
        assert_eq!(choose(live(), Some("7")).unwrap().pid, 7);
        assert_eq!(choose(live(), Some("10")).unwrap().pid, 10);
        assert_eq!(choose(live(), Some("time")).unwrap().pid, 7);
    }

    #[test]
    fn an_ambiguous_name_is_answered_with_those_that_bear_it() {
        let text = complaint(live(), Some("files"));
        assert!(
            text.contains("\n  8  files") && text.contains("\n  9  files"),
            "{text}"
        );
        assert!(!text.contains("time"), "{text}");
        assert!(text.starts_with("several live proxies are called `files`"));
    }

    #[test]
    fn those_of_one_pid_are_told_apart_by_their_sockets() {
        let mut all = live();
        (all[0].pid, all[0].socket) = (8, "/run/8.sock".into());
        (all[1].pid, all[1].socket) = (8, "/run/8-2.sock\n\u{1b}[2J".into());
        let text = complaint(all, Some("8"));
        assert!(text.contains("attach /run/8.sock:\n"), "{text}");
        assert!(text.contains("\n  /run/8-2.sock"), "{text}");
        assert!(
            !text.contains('\u{1b}') && text.lines().count() == 3,
            "{text}"
        );
    }

    #[test]
    fn the_only_one_needs_no_name_and_an_unknown_one_lists_the_known() {
        assert_eq!(choose(live()[..1].to_vec(), None).unwrap().pid, 7);
        assert!(complaint(live(), None).contains("several proxies"));
        assert!(complaint(live(), Some("x")).contains("\n  7  time"));
        assert!(complaint(Vec::new(), None).contains("mcp-sentinel -- COMMAND"));
    }

    #[test]
    fn a_path_is_a_socket_and_what_a_proxy_is_called_is_not() {
        let mut live = live();
        live[1].name = "@scope/files".to_owned();
        let socket = |target: &str| socket(&live, OsStr::new(target)).is_some();
        assert!(socket("./far.sock") && socket("/home/me/far.sock"));
        assert!(!socket("@scope/files") && !socket("time") && !socket("7"));
        // Nor is a file that happens to lie where we are.
        assert!(!socket("Cargo.toml"));
    }
}
