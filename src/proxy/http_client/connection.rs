//! One connection to the upstream, which moves only while somebody waits for what comes over it: no task of its own, and
//! so no turn of the scheduler for each piece that passes.

use super::SendError;
use super::body::{Arrival, OutgoingBody, UpstreamBody};
use super::pool::Pool;
use super::way::{Stream, Way};
use crate::proxy::compact::Compact;
use http::{Request, Response, Version};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::runtime::Handle;

#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<OutgoingBody>,
    driver: Driver,
}

/// Reads and writes for as long as it is polled.
#[derive(Debug)]
pub struct Driver(Box<http1::Connection<Compact<TokioIo<Stream>>, OutgoingBody>>);

/// A request that got no response; itself, when nothing of it was sent.
#[derive(Debug)]
pub struct Unsent {
    pub error: hyper::Error,
    pub request: Option<Box<Request<OutgoingBody>>>,
}

impl Driver {
    /// Whether the connection is over. Why, whoever waits for a response or its body is told.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        Pin::new(&mut *self.0).poll(context).is_ready()
    }

    pub async fn run(self) {
        // Who waits for the body is told what happens to it.
        let _ = self.0.await;
    }
}

impl Connection {
    pub async fn open(way: &Way) -> Result<Self, SendError> {
        let stream = Compact(TokioIo::new(way.connect().await?));
        let (sender, driver) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(stream)
            .await?;
        Ok(Self {
            sender,
            driver: Driver(Box::new(driver)),
        })
    }

    pub fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.driver.is_over(context)
    }

    /// The response has come whole: keeps the connection for the next request, once this one has been sent whole too.
    pub fn finish(self, pool: &Pool) {
        if self.sender.is_ready() {
            pool.keep(self);
        } else if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.driver.run());
        }
    }

    /// Whether the next request can be sent, as far as the server has told.
    pub async fn is_ready(&mut self) -> bool {
        poll_fn(|context| {
            let is_over = self.driver.is_over(context);
            Poll::Ready(!is_over && self.sender.is_ready())
        })
        .await
    }

    /// Sends a request; returns when the head of the response is there. The connection goes with its body, and is kept
    /// when that has come whole.
    pub async fn ask(
        mut self,
        request: Request<OutgoingBody>,
        pool: &Pool,
    ) -> Result<Response<UpstreamBody>, Unsent> {
        let upload = request.body().progress();
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut driver = Some(self.driver);
        let answer = poll_fn(|context| {
            // With it goes a request that it has not begun to send, which is an answer too.
            driver.take_if(|it| it.is_over(context));
            answer.as_mut().poll(context)
        })
        .await;
        let response = answer.map_err(|mut error| Unsent {
            request: error.take_message().map(Box::new),
            error: error.into_error(),
        })?;
        let arrival = match driver {
            None => Arrival::Over,
            // To a server that has answered in HTTP/1.0, hyper would send the next request in that, too.
            Some(driver) if upload.is_done() && response.version() == Version::HTTP_11 => {
                let sender = self.sender;
                Arrival::Driven(Self { sender, driver }, pool.clone())
            }
            // What is still to be sent must not wait for who reads the response.
            Some(driver) => Arrival::apart(driver),
        };
        Ok(response.map(|body| UpstreamBody::new(body, arrival)))
    }
}
