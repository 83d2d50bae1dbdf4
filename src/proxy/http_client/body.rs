//! Bodies to the upstream and from it.

use super::connection::{Connection, Driver};
use super::pool::Pool;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio_util::task::AbortOnDropHandle;

/// What may still be on its way when the response begins, without anybody having to care.
const SMALL: u64 = 128 << 10;

/// The body of a request.
#[derive(Debug)]
pub struct OutgoingBody {
    form: Form,
    progress: Progress,
}

#[derive(Debug)]
enum Form {
    Whole(Option<Bytes>),
    Flowing(BoxBody<Bytes, io::Error>),
}

/// How far a request's body has got.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Small,
    Taken(Arc<AtomicBool>),
}

impl Progress {
    fn of(length: Option<u64>) -> Self {
        match length {
            Some(..=SMALL) => Self::Small,
            _ => Self::Taken(Arc::default()),
        }
    }

    fn done(&self) {
        if let Self::Taken(is_done) = self {
            is_done.store(true, Ordering::Relaxed);
        }
    }

    /// There is nothing more of it than what buffers hold.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Small => true,
            Self::Taken(is_done) => is_done.load(Ordering::Relaxed),
        }
    }
}

impl OutgoingBody {
    /// One that comes by and by.
    pub fn flowing(
        body: impl Body<Data = Bytes, Error = io::Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            progress: Progress::of(body.size_hint().exact()),
            form: Form::Flowing(body.boxed()),
        }
    }

    /// One that is at hand, but knows when it is asked for.
    pub fn ready(
        body: impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
    ) -> Self {
        Self::flowing(body.map_err(|never| match never {}))
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Default for OutgoingBody {
    /// None.
    fn default() -> Self {
        Self {
            form: Form::Whole(None),
            progress: Progress::Small,
        }
    }
}

impl From<Bytes> for OutgoingBody {
    fn from(bytes: Bytes) -> Self {
        Self {
            progress: Progress::of(Some(bytes.len() as u64)),
            form: Form::Whole(Some(bytes).filter(|it| !it.is_empty())),
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let body = match &mut this.form {
            Form::Whole(bytes) => {
                this.progress.done();
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Form::Flowing(body) => body,
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        if frame.is_none() || body.is_end_stream() {
            this.progress.done();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.form {
            Form::Whole(bytes) => bytes.is_none(),
            Form::Flowing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.form {
            Form::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Form::Flowing(body) => body.size_hint(),
        }
    }
}

/// The body of a response; dropped before its end, it ends the connection.
#[derive(Debug)]
pub struct UpstreamBody {
    body: Incoming,
    arrival: Arrival,
}

/// What moves a response's body.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Whoever reads it; afterwards the connection is kept.
    Driven(Connection, Pool),
    /// A task, which also sends what is left of the request.
    Apart(AbortOnDropHandle<()>),
    /// Nothing more comes than what is there.
    Over,
}

impl Arrival {
    pub fn apart(driver: Driver) -> Self {
        Self::Apart(AbortOnDropHandle::new(tokio::spawn(driver.run())))
    }
}

impl UpstreamBody {
    pub(super) fn new(body: Incoming, arrival: Arrival) -> Self {
        Self { body, arrival }
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn finish(&mut self, is_whole: bool) {
        match std::mem::replace(&mut self.arrival, Arrival::Over) {
            Arrival::Driven(connection, pool) if is_whole => connection.finish(&pool),
            // A server may answer before it has heard all.
            Arrival::Apart(task) if is_whole => drop(task.detach()),
            _ => {}
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut next = Pin::new(&mut this.body).poll_frame(context);
        if next.is_pending()
            && let Arrival::Driven(connection, _) = &mut this.arrival
        {
            if connection.is_over(context) {
                this.arrival = Arrival::Over;
            }
            next = Pin::new(&mut this.body).poll_frame(context);
        }
        match &next {
            Poll::Ready(None) => this.finish(true),
            Poll::Ready(Some(Err(_))) => this.finish(false),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UpstreamBody {
    /// Who knows the length of a body does not ask for its end.
    fn drop(&mut self) {
        let is_whole = self.body.is_end_stream();
        self.finish(is_whole);
    }
}
