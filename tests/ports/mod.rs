//! Ports for servers that have to be told which to take.

#![allow(dead_code, reason = "each test needs one of them")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::TcpSocket;

/// Listens where nobody else does, on a port that the system gives to nobody who asks for any: whoever is told to take it
/// afterwards finds it free.
pub fn quiet() -> TcpListener {
    let mut listeners = addresses().filter_map(|address| TcpListener::bind(address).ok());
    listeners.next().unwrap()
}

/// Such a port, where nobody has listened even for a moment: a child that somebody else was just starting would have had
/// that listener for a moment longer, and who waits for the server would have taken it for one.
pub fn free() -> u16 {
    let mut free = addresses().filter(|address| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(*address).is_ok()
    });
    free.next().unwrap().port()
}

fn addresses() -> impl Iterator<Item = SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = 15_000;
    std::iter::repeat_with(move || {
        let next = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(15_000 + next % ports).unwrap();
        (Ipv4Addr::LOCALHOST, port).into()
    })
}
