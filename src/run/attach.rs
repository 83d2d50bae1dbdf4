//! The screen on a live proxy, with everything since its first message.

use super::failure::Failure;
use super::screen;
use crate::link::client;
use crate::link::registry::{self, Entry};
use crate::traffic::gist::neutral;
use crate::ui;
use anyhow::{Context as _, bail};
use std::path::Path;

pub fn run(target: Option<&str>) -> Result<u8, Failure> {
    screen::required("attach")?;
    let live = registry::list(&registry::directory()?).context("cannot list the live proxies")?;
    let entry = choose(live, target)?;
    screen::show(show(&entry))
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
        bail!(
            "several proxies are live; name one by its pid, mcp-sentinel attach {}:\n{}",
            live[0].pid,
            listed(&live)
        );
    }
    live.pop().context("no proxy is live")
}

fn listed(live: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let upstream = shell_words::join(&entry.upstream);
        neutral(&format!("  {}  {}  {upstream}", entry.pid, entry.name)).into_owned()
    };
    live.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Opens the screen on a live proxy.
pub async fn show(entry: &Entry) -> anyhow::Result<ui::Left> {
    let capture = capture(entry)?.to_owned();
    let link = client::connect(&entry.socket)
        .await
        .with_context(|| format!("cannot reach the proxy {} ({})", entry.pid, entry.name))?;
    ui::run(ui::Source {
        capture,
        orders: Some(link.orders),
        pulse: link.pulse,
        ended: link.gone,
        temporary: false,
        listening: entry.listening.clone(),
        quit_ends_session: false,
    })
    .await
}

fn capture(entry: &Entry) -> anyhow::Result<&Path> {
    entry.capture.as_deref().with_context(|| {
        format!(
            "the proxy {} ({}) records nothing, so there is nothing to show: it was started with --no-capture, or its capture could not be created",
            entry.pid, entry.name
        )
    })
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
    }

    #[test]
    fn the_only_one_needs_no_name_and_an_unknown_one_lists_the_known() {
        assert_eq!(choose(live()[..1].to_vec(), None).unwrap().pid, 7);
        assert!(complaint(live(), None).contains("several proxies"));
        assert!(complaint(live(), Some("x")).contains("\n  7  time"));
        assert!(complaint(Vec::new(), None).contains("mcp-sentinel -- COMMAND"));
    }

    #[test]
    fn a_proxy_without_a_capture_says_why_there_is_nothing_to_see() {
        assert!(
            capture(&live()[0])
                .unwrap_err()
                .to_string()
                .contains("--no-capture")
        );
    }
}
