//! Who goes first where processors are short: the traffic and the server, then whoever observes.

/// Lets others go before the calling thread on a busy machine: on Linux, where a thread is one of its own to the
/// scheduler. Elsewhere this would hold the whole process back.
pub fn give_way(niceness: u8) {
    #[cfg(target_os = "linux")]
    if let Ok(nice) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, nice + i32::from(niceness));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}
