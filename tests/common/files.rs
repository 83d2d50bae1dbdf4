//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as there may be. Of `wanted` things that are each so many files: how many there is room for, besides what
/// other tests have open.
pub fn room_for(wanted: usize, files_each: usize) -> usize {
    const OTHERS: usize = 128;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum.or(Some(1 << 16));
    // Where that many cannot be had, it stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    let most = getrlimit(Resource::Nofile).current;
    let most = most.and_then(|it| usize::try_from(it).ok());
    let room = most.unwrap_or(usize::MAX).saturating_sub(OTHERS) / files_each;
    assert!(room > 10, "ulimit -n is too low for these tests");
    room.min(wanted)
}
