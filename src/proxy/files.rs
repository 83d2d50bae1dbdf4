//! How many files may be open: where clients come over HTTP, as many as the system lets us have. Children get what we were
//! given, for some look at every number below their limit.

use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::OnceLock;

/// So many are free, or it is chance who gets one: the server, or whoever wants to look.
const FEW: usize = 24;
/// Where so many may be open, that many are free.
const MANY: u64 = 256;
/// More than this is not needed.
const ENOUGH: u64 = 1 << 16;

/// What we were given, when we have taken more.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

/// Whether there can be enough at all. To be asked before anything is started: tokio takes some without asking, and panics
/// where it gets none.
pub fn suffice() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile).current;
    if limit.is_none_or(|limit| limit >= MANY) {
        return Ok(());
    }
    let another = |_| rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 0);
    let some: Result<Vec<OwnedFd>, _> = (0..FEW).map(another).collect();
    Ok(some.map(drop)?)
}

/// Takes as many as there may be.
pub fn take() {
    let given = getrlimit(Resource::Nofile);
    let most = given.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if given.current.is_some_and(|it| it < most) {
        let more = Rlimit {
            current: Some(most),
            maximum: given.maximum,
        };
        if setrlimit(Resource::Nofile, more).is_ok() {
            // The first answer is the one that we were started with.
            let _ = GIVEN.set(given);
        }
    }
}

/// What a child is to have, when it is not what we have.
pub fn given() -> Option<Rlimit> {
    GIVEN.get().copied()
}
