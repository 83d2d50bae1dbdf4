//! Why a mode gave up, and the exit code that says so.

use crate::proxy::ProxyError;
use std::fmt;

/// What `call` and `list` exit with when the server, or the way to it, is at fault.
pub const PROTOCOL: u8 = 3;
const USAGE: u8 = 2;
const OTHER: u8 = 1;

/// A failure in words, with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// The command line asks for what cannot be done.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self {
            code: USAGE,
            error: anyhow::anyhow!("{text}"),
        }
    }

    /// The server, or the way to it, is at fault.
    pub fn protocol(text: impl fmt::Display) -> Self {
        Self {
            code: PROTOCOL,
            error: anyhow::anyhow!("{text}"),
        }
    }

    /// A signal came before the end: the code is what a shell makes of that.
    pub fn interrupted(signal: i32) -> Self {
        Self {
            code: exit_code(128 + signal),
            error: anyhow::anyhow!("interrupted before the server answered"),
        }
    }

    /// The same where 1 is what a tool's own no exits with.
    pub fn told_from_a_no(self) -> Self {
        match self.code {
            OTHER => Self {
                code: PROTOCOL,
                ..self
            },
            _ => self,
        }
    }

    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some errors say their cause themselves.
        let mut said = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if said.is_empty() {
                said = cause;
            } else if !said.ends_with(&cause) {
                said = format!("{said}: {cause}");
            }
        }
        f.write_str(&said)?;
        match self.error.chain().any(is_out_of_files) {
            true => f.write_str("; ulimit -n sets how many there may be"),
            false => Ok(()),
        }
    }
}

fn is_out_of_files(cause: &(dyn std::error::Error + 'static)) -> bool {
    let error = cause.downcast_ref::<std::io::Error>();
    error.and_then(std::io::Error::raw_os_error) == Some(rustix::io::Errno::MFILE.raw_os_error())
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: OTHER, error }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Self {
        let code = match &error {
            ProxyError::Start { code, .. } => exit_code(*code),
            ProxyError::Http { .. } | ProxyError::Io { .. } => OTHER,
        };
        Self {
            code,
            error: error.into(),
        }
    }
}

/// An exit code as the system can hand it on.
pub fn exit_code(code: i32) -> u8 {
    (code & 0xff) as u8
}
