//! The words of the command line, as clap reads them: subcommands, arguments, and the help for them. What options they
//! share is said where it is made plain.

use super::auth::AuthArguments;
use super::later::Later;
use super::listen::ListenArguments;
use super::oneshot::{self, OneshotArguments};
use super::recorded::RecordedArguments;
use super::upstream::RemoteArguments;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// A terminal inspector-proxy for the Model Context Protocol.
///
/// Put it in front of a server's command or address. In a terminal it opens a screen and talks to the server itself;
/// in a client's configuration it passes every byte through, and `mcp-sentinel attach` shows the conversation. With
/// --listen, HTTP clients connect to it.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-sentinel",
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "mcp-sentinel [OPTIONS] -- COMMAND [ARGS]...\n       mcp-sentinel [OPTIONS] URL\n       mcp-sentinel <SUBCOMMAND>\n       mcp-sentinel",
    after_help = AFTER_HELP
)]
pub(super) struct Arguments {
    /// The server's http:// or https:// address
    #[arg(value_name = "URL")]
    pub(super) url: Option<String>,
    /// A mistake, of which more can be said than that it is one.
    #[arg(hide = true, num_args = 0..)]
    pub(super) more: Vec<String>,
    /// The server's command; everything after -- is passed on as it stands
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
    #[command(flatten)]
    pub(super) recorded: RecordedArguments,
    #[command(flatten)]
    pub(super) listen: ListenArguments,
    #[command(flatten)]
    pub(super) remote: RemoteArguments,
    /// When the server has forgotten the session of a client on stdio (404), begin it anew as the client did, unseen by
    /// it, instead of ending; not over the old HTTP+SSE
    #[arg(long, help_heading = "Server at a URL")]
    pub(super) auto_reinit: bool,
    #[command(subcommand)]
    pub(super) mode: Option<ModeArguments>,
}

const AFTER_HELP: &str = "\
Examples:
  mcp-sentinel demo                              see it work, with nothing else installed
  mcp-sentinel -- npx -y @modelcontextprotocol/server-everything
  mcp-sentinel https://host/mcp                  a server over HTTP
  mcp-sentinel --listen 7777 https://host/mcp    HTTP clients connect to http://127.0.0.1:7777/mcp
  mcp-sentinel --listen 7777 -- node server.js   the same in front of a server on stdio
  mcp-sentinel                                   live proxies and saved captures
  mcp-sentinel call get-sum --args '{\"a\":2,\"b\":3}' -- npx -y @modelcontextprotocol/server-everything

In a client's configuration:
  \"command\": \"mcp-sentinel\", \"args\": [\"--\", \"node\", \"server.js\"]
  \"command\": \"mcp-sentinel\", \"args\": [\"https://host/mcp\"]

Environment:
  UPSTREAM_CMD        the server's command in one string, when there is no --
  UPSTREAM_URL        the server's address, when none is given
  UPSTREAM_TRANSPORT  stdio or http: which of the two is meant, when both are set;
                      alone, it must fit what the command line names

Exit codes:
  a proxy exits as its server did (128+n for a signal; 127 not found, 126 not executable),
  in front of a URL with 1 when the server was never reached, or has ended the session,
  one that listens with 0 when it is told to end;
  call and list: 0 ok, 1 tool error, 2 usage, 3 anything else that went wrong,
  128+n ended by a signal";

const ATTACH_HELP: &str = "\
A socket is enough to see everything and to call tools, also when the proxy runs elsewhere and its files are out of reach:
  ssh host mcp-sentinel ps --json            tells the socket there (live[].socket)
  ssh -fN -L ~/far.sock:SOCKET host          brings it here
  mcp-sentinel attach ~/far.sock";

#[derive(Debug, Subcommand)]
pub(super) enum ModeArguments {
    /// Show a live proxy's conversation since its first message
    #[command(after_help = ATTACH_HELP)]
    Attach {
        /// The proxy's pid or name (see ps), or the path of its socket (see ps --json); needed when several are live
        #[arg(value_name = "PID|NAME|SOCKET")]
        target: Option<OsString>,
    },
    /// List live proxies and recent captures
    Ps {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a saved capture, read-only
    Open {
        /// A capture file, also .zst; or bare messages, one a line
        file: PathBuf,
    },
    /// Call one tool of a server and print the answer
    #[command(after_help = oneshot::CALL_HELP)]
    Call {
        /// The tool's name
        #[arg(allow_hyphen_values = true)]
        tool: String,
        /// The arguments, a JSON object: as text, @FILE, or - for stdin
        #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}")]
        args: OsString,
        #[command(flatten)]
        oneshot: Later<OneshotArguments>,
    },
    /// List a server's tools, resources and prompts
    #[command(after_help = oneshot::LIST_HELP)]
    List {
        #[command(flatten)]
        oneshot: Later<OneshotArguments>,
    },
    /// Log in to servers that ask for OAuth
    Auth {
        #[command(subcommand)]
        what: Later<AuthArguments>,
    },
    /// Watch a built-in client and server talk through the proxy
    Demo {
        /// Only the server, on stdin and stdout
        #[arg(long, conflicts_with = "RecordedArguments")]
        server: bool,
        #[command(flatten)]
        recorded: Later<RecordedArguments>,
    },
}
