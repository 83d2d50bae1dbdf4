//! Whoever runs the tests may have some signals ignored (`nohup`, a job in the background); what the tests start must
//! not inherit that, because the proxy does as it is told and ignores them too.

use mcp_sentinel::proxy::signals::is_ignored;
use rustix::process::Signal;
use std::sync::Once;
use tokio::signal::unix::{SignalKind, signal};

/// From here on, what this process starts begins with the default of every signal that a test may send: a signal that
/// is caught is no longer ignored, and no handler survives an exec.
pub fn by_default() {
    static ONCE: Once = Once::new();
    // Not in the runtime that a test may be in.
    ONCE.call_once(|| std::thread::spawn(catch_ignored).join().unwrap());
}

fn catch_ignored() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let sent = [Signal::INT, Signal::QUIT, Signal::HUP, Signal::TERM];
    for ignored in sent.into_iter().filter(|&it| is_ignored(it)) {
        drop(signal(SignalKind::from_raw(ignored.as_raw())).unwrap());
    }
}
