//! How many files may be open: where clients come over HTTP, as many as the system lets us have. Children get what we were
//! given, for some look at every number below their limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::OnceLock;

/// More than this is not needed.
const ENOUGH: u64 = 1 << 16;

/// What we were given, when we have taken more.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

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
