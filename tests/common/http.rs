//! Both sides of HTTP as tests need them: raw peers for everything that a typed one hides, rmcp's own for everything
//! else, and the built proxy to put between. All of it on loopback, on free ports, and gone when it is dropped.
//!
//! - `Upstream`: a server that answers each request as a closure says, byte for byte, and keeps what it was sent.
//! - `Client`: a connection that sends exact bytes and reads heads, pieces of bodies and server-sent events.
//! - `sdk`: rmcp's streamable HTTP server and client, in both lifecycles.
//! - `Inside`: the data path within the test's process, where the test is the operator.
//! - `Sentinel`: the built program behind arguments, its stderr and its capture.
//!
//! What must stop in the middle waits for a `CancellationToken` of the test. Nothing here sleeps to be on time.

#![allow(unused_imports, reason = "each test uses its own part of it")]

mod client;
mod inside;
pub mod sdk;
mod sentinel;
mod sse;
mod upstream;
mod wire;

pub use client::{Answer, Client};
pub use inside::Inside;
pub use sentinel::Sentinel;
pub use sse::{Event, Events};
pub use upstream::{Call, Seen, Upstream, unheard};
pub use wire::{Head, Reader, Writer, chunk, head};

use std::time::Duration;

/// Longer than anything here takes on a busy machine.
pub const TOO_LONG: Duration = Duration::from_secs(300);

/// What comes of it, which must come; what is waited for is named when it never does.
#[track_caller]
pub fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(TOO_LONG, future).await {
            Ok(output) => output,
            Err(_) => panic!("never: {what}, at {caller}"),
        }
    }
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(what, async move {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}
