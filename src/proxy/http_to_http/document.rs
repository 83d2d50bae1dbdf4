//! Bodies of responses that are at hand whole before they are handed on.

use super::body::broken_off;
use crate::proxy::http_client::UpstreamBody;
use crate::tap::LITTLE;
use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A document that is longer is something else.
const LENGTH: usize = 256 * 1024;

/// A response's body, if it was read.
pub enum Document {
    /// Not to its end, at least.
    Unread(Option<Bytes>, UpstreamBody),
    Read {
        bytes: Bytes,
        /// What the client gets instead.
        replaced: Option<Bytes>,
    },
    /// It broke off after this.
    Broken(Bytes, String),
}

impl Document {
    /// A little body that has come with its head is read; any other is not.
    pub async fn at_hand(mut body: UpstreamBody) -> Self {
        let bytes = match body.size_hint().exact() {
            Some(0) => Bytes::new(),
            Some(length) if length <= LITTLE as u64 => {
                let frame = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context)));
                let bytes = match frame.await {
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
                    Poll::Ready(Some(Err(error))) => {
                        let nothing = Bytes::new();
                        return Self::Broken(nothing, broken_off("the server", &error));
                    }
                    Poll::Ready(None) | Poll::Pending => None,
                };
                match bytes {
                    Some(bytes) if body.is_end_stream() => bytes,
                    first => return Self::Unread(first, body),
                }
            }
            _ => return Self::Unread(None, body),
        };
        let replaced = None;
        Self::Read { bytes, replaced }
    }

    /// All of it, when it is not too long.
    pub async fn read(mut body: UpstreamBody) -> Self {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(bytes)) => read.extend_from_slice(&bytes),
                Ok(Err(_)) => {}
                Err(error) => {
                    return Self::Broken(read.freeze(), broken_off("the server", &error));
                }
            }
            if read.len() > LENGTH {
                return Self::Unread(Some(read.freeze()), body);
            }
        }
        Self::Read {
            bytes: read.freeze(),
            replaced: None,
        }
    }
}
