//! What is said of a command line that clap refuses, where we know better what was meant.

use super::upstream::{self, Invocation};
use super::{Arguments, Kind, Stop};
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _};
use std::ffi::OsString;

/// A command that does not stand after `--` fails at its first option; then that is the mistake to talk of.
pub(super) fn explained(error: clap::Error, words: &[OsString]) -> Stop {
    let lenient = Arguments::command().ignore_errors(true);
    let named = lenient.try_get_matches_from(words).ok().and_then(|found| {
        let (mode, within) = found.subcommand().unwrap_or(("", &found));
        let text = |name| within.try_get_one::<String>(name).ok().flatten();
        let invocation: Vec<&str> = [mode]
            .into_iter()
            .chain(text("tool").map(String::as_str))
            .filter(|it| !it.is_empty())
            .collect();
        Some((Invocation::new(&invocation), text("url")?.clone()))
    });
    let command = named
        .filter(|(_, first)| error.use_stderr() && !upstream::is_url(first))
        .and_then(|(invocation, first)| {
            let before = &words[..failing(&error, words)];
            // The tool of a call, or an option's value, may be the same word.
            let at = before.iter().rposition(|word| *word == *first)?;
            let words = words[at..].iter();
            let words: Vec<_> = words
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            Some(invocation.undashed(&words))
        });
    match command {
        Some(mistake) => Stop::mistake(mistake),
        None => Stop(Kind::Clap(error)),
    }
}

/// Where the option stands that clap does not know; the end when it is something else.
fn failing(error: &clap::Error, words: &[OsString]) -> usize {
    let at = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => words
            .iter()
            .position(|word| word.to_string_lossy().starts_with(option.as_str())),
        _ => None,
    };
    at.unwrap_or(words.len())
}

/// The subcommand that a word was meant to be.
pub(super) fn mode_like(word: &str) -> Option<String> {
    let arguments = Arguments::command();
    let modes = arguments.get_subcommands().cloned();
    // With subcommands alone clap knows which one is near.
    let error = Command::new("mcp-sentinel")
        .subcommands(modes)
        .try_get_matches_from(["mcp-sentinel", word])
        .err()?;
    match error.get(ContextKind::SuggestedSubcommand)? {
        ContextValue::Strings(near) => near.last().cloned(), // The nearest comes last.
        ContextValue::String(near) => Some(near.clone()),
        _ => None,
    }
}
