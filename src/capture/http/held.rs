//! A body that is held until its end has come: in memory, and when it is long outside of it.

use super::Content;
use super::pieces::Pieces;
use crate::capture::spool::{Spool, WINDOW};
use bytes::Bytes;
use std::io;
use std::path::Path;

pub(super) enum Held {
    Short(Pieces),
    Long(Box<Spool>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Short(Pieces::default())
    }
}

impl Held {
    /// Takes more. What is long is kept in this directory.
    pub fn push(&mut self, bytes: Bytes, directory: &Path) {
        match self {
            Self::Long(spool) => spool.push(&bytes),
            Self::Short(pieces) => {
                pieces.push(bytes);
                if pieces.len() > WINDOW {
                    let beginning = std::mem::take(pieces).join();
                    *self = Self::Long(Box::new(Spool::begin(directory, &beginning)));
                }
            }
        }
    }

    pub fn len(&self) -> u64 {
        match self {
            Self::Short(pieces) => pieces.len() as u64,
            Self::Long(spool) => spool.len(),
        }
    }

    /// All of it, where it is.
    pub fn finish(self) -> io::Result<Content> {
        Ok(match self {
            Self::Short(pieces) => Content::Here(pieces.join()),
            Self::Long(spool) => Content::Spooled(spool.finish()?),
        })
    }

    /// All of it, in memory.
    pub fn join(self) -> io::Result<Bytes> {
        match self.finish()? {
            Content::Here(bytes) => Ok(bytes),
            Content::Spooled(spooled) => spooled.read_back(),
        }
    }
}
