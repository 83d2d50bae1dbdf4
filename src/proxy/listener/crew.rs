//! The threads that serve connections: the one that accepts them, and others when there is a crowd.

use super::Handler;
use std::num::NonZero;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// So many connections a thread has before there is another one: a few clients are served where they are accepted.
const CROWD: usize = 8;
/// Threads at most: clients and servers want processors, too.
const THREADS: usize = 4;

#[derive(Debug)]
pub(super) struct Crew<H> {
    members: Vec<Member<H>>,
    /// Threads that there may be.
    limit: usize,
    over: CancellationToken,
    /// They end also when nobody waits for it.
    _ended: DropGuard,
}

#[derive(Debug)]
struct Member<H> {
    handler: Arc<H>,
    runtime: Handle,
    connections: TaskTracker,
    /// None for the one that accepts.
    thread: Option<JoinHandle<()>>,
}

impl<H: Handler> Crew<H> {
    /// Only the thread that this is called on.
    pub fn new(handler: Arc<H>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let first = Member {
            handler,
            runtime: Handle::current(),
            connections: TaskTracker::new(),
            thread: None,
        };
        let over = CancellationToken::new();
        Self {
            members: vec![first],
            limit: processors.min(THREADS),
            _ended: over.clone().drop_guard(),
            over,
        }
    }

    /// Gives a connection to whoever has the fewest. One that cannot be moved to its thread is closed.
    pub fn serve<F>(
        &mut self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, Arc<H>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let is_crowded = |it: &Member<H>| it.connections.len() >= CROWD;
        if self.members.len() < self.limit && self.members.iter().all(is_crowded) {
            match self.another() {
                Some(Some(member)) => self.members.push(member),
                Some(None) => self.limit = self.members.len(),
                // The system may have a thread to give later.
                None => {}
            }
        }
        let free = self.members.iter().min_by_key(|it| it.connections.len());
        let Some(member) = free else { return };
        let (handler, connections) = (member.handler.clone(), &member.connections);
        if member.thread.is_none() {
            connections.spawn(serve(stream, handler));
        } else if let Ok(stream) = stream.into_std() {
            let moved = async move {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    serve(stream, handler).await;
                }
            };
            connections.spawn_on(moved, &member.runtime);
        }
    }

    /// One more thread, if the system has one to give, and a handler can be had for it.
    fn another(&self) -> Option<Option<Member<H>>> {
        let first = self.members.first()?.handler.clone();
        let over = self.over.clone();
        let (tell, told) = mpsc::sync_channel(1);
        let serving = move || {
            let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
                return;
            };
            let handler = {
                let _on_it = runtime.enter();
                first.another()
            };
            let is_wanted = handler.is_some();
            let member = handler.map(|it| (it, runtime.handle().clone()));
            if tell.send(member).is_ok() && is_wanted {
                runtime.block_on(over.cancelled());
            }
            // A name may be looked up for ever.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("connections".into());
        let thread = thread.spawn(serving).ok()?;
        let told = told.recv().ok()?;
        Some(told.map(|(handler, runtime)| Member {
            handler,
            runtime,
            connections: TaskTracker::new(),
            thread: Some(thread),
        }))
    }

    /// Returns when every connection has ended, and with them the other threads.
    pub async fn finish(self) {
        for member in &self.members {
            member.connections.close();
            member.connections.wait().await;
        }
        self.over.cancel();
        for thread in self.members.into_iter().filter_map(|it| it.thread) {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}
