//! What is said of a command line that clap refuses, where we know better what was meant.

use super::upstream::{self, Invocation};
use super::{Arguments, Kind, Stop};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory as _};
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
    match command.or_else(|| listening(&error, words)) {
        Some(mistake) => Stop::mistake(mistake),
        None => Stop(Kind::Clap(without_dashes(error))),
    }
}

/// What to say of an option that needs a listener: clap names the listener only, and not what asks for it.
fn listening(error: &clap::Error, words: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let arguments = Arguments::command();
    let lenient = arguments.clone().ignore_errors(true);
    let found = lenient.try_get_matches_from(words).ok()?;
    let is_given =
        |it: &&Arg| found.value_source(it.get_id().as_str()) == Some(ValueSource::CommandLine);
    let option = arguments
        .get_arguments()
        .filter(|it| it.get_help_heading() == Some("HTTP clients"))
        .find(is_given)?
        .get_long()?;
    Some(format!(
        "--{option} is for clients on HTTP; --listen ADDRESS says where they connect"
    ))
}

/// clap offers to put what it does not know behind `--`, where it would be a server's command.
fn without_dashes(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::Suggested);
    }
    error
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

/// Whether a word is a subcommand's name.
pub(super) fn is_mode(word: &str) -> bool {
    Arguments::command().find_subcommand(word).is_some()
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

#[cfg(test)]
mod tests {
    use super::super::tests::complaint;

    #[test]
    fn a_subcommand_that_options_stand_before_is_told_to_go_first() {
        for line in [
            &["--headless", "list", "--", "x"][..],
            &["--era", "legacy", "call", "t", "--", "x"],
            &["--era", "legacy", "call", "t", "--args", "{}", "--", "x"],
            &["--print", "ps"],
            &["--print", "ps", "--json"],
        ] {
            let complaint = complaint(line);
            assert!(complaint.contains("goes first"), "{complaint}");
        }
        let of_tool = complaint(&["call", "ps", "list", "--", "x"]);
        assert!(of_tool.contains("`list` stands before the --"), "{of_tool}");
    }

    #[test]
    fn an_address_without_its_beginning_is_no_command() {
        for (address, line) in [
            ("localhost:3000", &[][..]),
            ("[::1]:80/mcp", &[]),
            ("127.0.0.1:3000/mcp", &["list"]),
        ] {
            let complaint = complaint(&[line, &[address]].concat());
            assert!(
                complaint.ends_with(&format!(" http://{address}")),
                "{complaint}"
            );
        }
        for command in ["./a:b", "a:b", "node", ":80", "C:x/1:2"] {
            assert!(complaint(&[command]).ends_with(&format!(" -- {command}")));
        }
    }

    #[test]
    fn an_option_that_needs_a_listener_says_so() {
        for option in [&["--allow-host", "h"][..], &["--sse"]] {
            let why = "is for clients on HTTP; --listen ADDRESS says where they connect";
            let line = [option, &["--", "x"]].concat();
            assert_eq!(complaint(&line), format!("{} {why}", option[0]));
        }
        assert!(complaint(&["call"]).contains("<TOOL>"));
    }

    #[test]
    fn an_option_that_is_not_there_is_not_offered_as_a_servers_command() {
        for line in [&["--lsiten", "1", "--", "x"][..], &["list", "--jsno"]] {
            let complaint = complaint(line);
            assert!(
                complaint.contains("a similar argument exists"),
                "{complaint}"
            );
            assert!(!complaint.contains("'-- --"), "{complaint}");
        }
    }
}
