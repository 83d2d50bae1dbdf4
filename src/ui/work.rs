//! Carries out effects: everything slow that a screen asks for, off the loop that draws. What comes of it goes back as
//! an event.

use super::app::hub::Listing;
use super::event::{Body, Effect, Event, Notice};
use super::format;
use super::json::Document;
use super::keep::Keeping;
use super::tally;
use crate::capture::reader::Bodies;
use crate::capture::record::Location;
use crate::capture::store::{self, Saved};
use crate::link::registry::{self, Entry};
use crate::tap::{Command, Order, Orders, Refused, Reply};
use crate::traffic::RowId;
use crate::traffic::view::Filter;
use anyhow::Context as _;
use rustix::process::Pid;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long an editor may take to end when we have to.
const PARTING: Duration = Duration::from_secs(1);

/// What effects need, and where their answers go.
#[derive(Debug, Clone)]
pub struct Worker {
    pub answers: mpsc::Sender<Event>,
    pub bodies: Arc<OnceLock<Bodies>>,
    pub orders: Option<Orders>,
    pub keeping: Keeping,
}

impl Worker {
    /// Starts the work. Effects that need the terminal are the loop's own and come back.
    pub fn start(&self, effect: Effect) -> Option<Effect> {
        let worker = self.clone();
        match effect {
            Effect::Load(location) => self.blocking(move || Event::Body {
                location,
                body: worker.load(location),
            }),
            Effect::Scan {
                generation,
                filter,
                rows,
            } => self.blocking(move || Event::Scanned {
                generation,
                matches: worker.scan(&filter, &rows),
            }),
            Effect::Save { stem, what, places } => {
                self.blocking(move || Event::Notice(told(worker.save(&stem, what, &places))));
            }
            Effect::List => self.blocking(|| Event::Listed(list())),
            Effect::Count(saved) => self.blocking(move || {
                let contents = tally::look(&saved.path, || !worker.answers.is_closed());
                Event::Counted(saved, contents)
            }),
            Effect::Delete(saved) => self.blocking(move || {
                let removed = store::remove(&saved.path).context("cannot delete this capture");
                match removed {
                    Ok(()) => Event::Listed(list()),
                    Err(error) => Event::Notice(Notice::error(format!("{error:#}"))),
                }
            }),
            Effect::Keep(news) => {
                if let Some(keeper) = worker.keeping.keeper().cloned() {
                    keeper.hand_over(*news);
                    tokio::task::spawn_blocking(move || {
                        if let Err(error) = keeper.save() {
                            let notice = format!("the drafts cannot be kept: {error}");
                            let notice = Event::Notice(Notice::error(notice));
                            let _ = worker.answers.blocking_send(notice);
                        }
                    });
                }
            }
            Effect::Command { token, command } => {
                tokio::spawn(async move {
                    let outcome = order(worker.orders, command).await;
                    let _ = worker.answers.send(Event::Outcome { token, outcome }).await;
                });
            }
            other => return Some(other),
        }
        None
    }

    fn blocking(&self, work: impl FnOnce() -> Event + Send + 'static) {
        let answers = self.answers.clone();
        tokio::task::spawn_blocking(move || {
            // A screen that is gone needs no answer.
            let _ = answers.blocking_send(work());
        });
    }

    fn fetch(&self, location: Location) -> anyhow::Result<Vec<u8>> {
        let bodies = self.bodies.get().context("the capture is not open yet")?;
        Ok(bodies.fetch(location)?)
    }

    fn load(&self, location: Location) -> Body {
        match self.fetch(location) {
            Ok(bytes) => Body::Loaded(Arc::new(Document::new(bytes))),
            Err(error) => Body::Failed(format!("{error:#}").into()),
        }
    }

    fn scan(&self, filter: &Filter, rows: &[(RowId, Vec<Location>)]) -> Vec<RowId> {
        rows.iter()
            .filter(|(_, messages)| {
                messages
                    .iter()
                    .any(|at| self.fetch(*at).is_ok_and(|body| filter.keeps_body(&body)))
            })
            .map(|(row, _)| *row)
            .collect()
    }

    fn save(&self, stem: &str, what: &str, places: &[Location]) -> anyhow::Result<String> {
        let (path, mut file) = create(Path::new("."), stem, "jsonl")?;
        let mut write = || -> anyhow::Result<()> {
            for location in places {
                file.write_all(&self.fetch(*location)?)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        let saved = format::plural(places.len() as u64, what);
        Ok(format!("saved {saved} to {}", path.display()))
    }
}

async fn order(orders: Option<Orders>, command: Command) -> Result<Reply, Refused> {
    let gone = || Refused("no proxy is connected that could take it".to_owned());
    let (outcome, answer) = oneshot::channel();
    orders
        .ok_or_else(gone)?
        .send(Order { command, outcome })
        .await
        .map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn list() -> Listing {
    listing(
        registry::live(),
        store::directory().and_then(|directory| store::list(&directory)),
    )
}

/// What there is of one is worth showing, whatever became of the other.
fn listing(live: io::Result<Vec<Entry>>, saved: io::Result<Vec<Saved>>) -> Listing {
    let mut failure = None;
    let mut failed = |what: &str, error: &io::Error| {
        failure.get_or_insert(format!("cannot list {what}: {error}"));
    };
    let live = live
        .inspect_err(|error| failed("proxies", error))
        .unwrap_or_default();
    let mut saved = saved
        .inspect_err(|error| failed("captures", error))
        .unwrap_or_default();
    let watched = |path: &Path| {
        live.iter()
            .any(|entry| entry.capture.as_deref() == Some(path))
    };
    saved.retain(|saved| !watched(&saved.path));
    Listing {
        live,
        saved,
        failure,
    }
}

/// A new file, never one that is there, readable by its owner only.
pub fn create(
    directory: &Path,
    stem: &str,
    extension: &str,
) -> anyhow::Result<(PathBuf, std::fs::File)> {
    let mut safe = String::new();
    for c in stem.chars().take(80) {
        match c {
            _ if c.is_ascii_alphanumeric() || c == '.' => safe.push(c),
            _ if safe.ends_with('-') => {}
            _ => safe.push('-'),
        }
    }
    let stem = match safe.trim_matches(['-', '.']) {
        "" => "message",
        stem => stem,
    };
    for number in 1..1000 {
        let name = if number == 1 {
            format!("{stem}.{extension}")
        } else {
            format!("{stem}-{number}.{extension}")
        };
        let path = directory.join(name);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    anyhow::bail!("there are too many files called {stem} already")
}

/// The operator's editor at work on a draft.
#[derive(Debug)]
pub struct Editing {
    editor: tokio::process::Child,
    program: String,
    draft: PathBuf,
}

impl Editing {
    /// Runs `$VISUAL` or `$EDITOR` on `text`. The terminal must have been given back.
    pub fn start(text: &str) -> anyhow::Result<Self> {
        let editor = ["VISUAL", "EDITOR"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let editor = editor.context("no editor: set EDITOR")?;
        let mut words = shell_words::split(&editor)
            .with_context(|| format!("cannot read EDITOR={editor}"))?
            .into_iter();
        let program = words.next().context("no editor: set EDITOR")?;
        let (draft, mut file) = create(&std::env::temp_dir(), "mcp-sentinel-draft", "json")?;
        let started = file.write_all(text.as_bytes()).and_then(|()| {
            tokio::process::Command::new(&program)
                .args(words)
                .arg(&draft)
                .spawn()
        });
        match started {
            Ok(editor) => Ok(Self {
                editor,
                program,
                draft,
            }),
            Err(error) => {
                let _ = std::fs::remove_file(&draft);
                Err(error).with_context(|| format!("cannot start {program}"))
            }
        }
    }

    /// The text as it is when the editor has ended.
    pub async fn end(&mut self) -> anyhow::Result<String> {
        let status = self.editor.wait().await?;
        anyhow::ensure!(
            status.success(),
            "{} ended with {status}; the draft is as it was",
            self.program
        );
        Ok(std::fs::read_to_string(&self.draft)?)
    }

    /// Ends the editor, which may put the terminal in order first.
    pub async fn stop(&mut self) {
        let pid = self.editor.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = tokio::time::timeout(PARTING, self.editor.wait()).await;
        }
        let _ = self.editor.start_kill();
    }
}

impl Drop for Editing {
    /// Whether or not it could be read: it must not stay behind.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.draft);
    }
}

/// A result as a sentence.
pub fn told(result: anyhow::Result<String>) -> Notice {
    match result {
        Ok(text) => Notice::info(text),
        Err(error) => Notice::error(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for _ in 0..3 {
            let (path, mut file) =
                create(directory.path(), "tools/call-/../x y-7", "jsonl").unwrap();
            file.write_all(b"x").unwrap();
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        assert_eq!(
            names,
            [
                "tools-call-..-x-y-7.jsonl",
                "tools-call-..-x-y-7-2.jsonl",
                "tools-call-..-x-y-7-3.jsonl"
            ]
        );
    }

    #[test]
    fn a_name_of_nothing_but_dots_and_strokes_becomes_a_name() {
        let directory = tempfile::tempdir().unwrap();
        for stem in ["../..", "", "日本語", &"x".repeat(10_000)] {
            let (path, _) = create(directory.path(), stem, "jsonl").unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                path.parent() == Some(directory.path())
                    && !name.starts_with('.')
                    && name.len() < 100,
                "{name}"
            );
        }
    }

    #[test]
    fn live_proxies_are_listed_although_captures_cannot_be() {
        let live = Entry {
            pid: 7,
            ..Entry::default()
        };
        let listed = listing(Ok(vec![live]), Err(io::Error::other("/c: no")));
        assert_eq!(listed.live[0].pid, 7);
        assert_eq!(
            listed.failure.as_deref(),
            Some("cannot list captures: /c: no")
        );
    }

    #[tokio::test]
    async fn without_a_proxy_a_command_is_refused_in_words() {
        let refused = order(None, Command::Refresh).await.unwrap_err();
        assert!(refused.to_string().contains("no proxy is connected"));
        let (orders, received) = mpsc::channel(1);
        drop(received);
        assert!(order(Some(orders), Command::Refresh).await.is_err());
    }
}
