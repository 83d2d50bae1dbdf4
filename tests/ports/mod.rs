//! Ports for servers that have to be told which to take.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Listens where nobody else does, on a port that the system gives to nobody who asks for any: whoever is told to take it
/// afterwards finds it free.
pub fn quiet() -> TcpListener {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = 15_000;
    loop {
        let next = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(15_000 + next % ports).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
}
