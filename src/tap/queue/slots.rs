//! What lies in the queue, and what was dropped of it: an event finds room or becomes part of a loss, and of a line none
//! or all is kept.

use super::{Lost, Queued, Source, Spent};
use crate::tap::{Body, Event, Http, SessionId};
use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Slots {
    pub items: VecDeque<Queued>,
    /// To be let go of by who pushed it.
    pub spent: Spent,
    /// Losses that are not in `items` yet; a few at most, and none where nothing is ever dropped.
    pub losses: Vec<Loss>,
    pub closed: bool,
}

/// A loss that may still grow.
#[derive(Debug)]
pub(super) struct Loss {
    pub lost: Lost,
    /// The last dropped byte was not a line end: what comes next is the rest of a torn line.
    torn: bool,
}

impl Slots {
    /// What of the event is to be queued when events may be dropped.
    pub(super) fn admit(&mut self, mut event: Event, full: bool) -> Option<Event> {
        if self.losses.is_empty() && !full {
            return Some(event);
        }
        let source = event.body.source();
        if let Some(source) = source {
            if full {
                self.lose(&event, source);
                event = event.end_of_dropped()?;
            } else {
                self.mend(&mut event, source)?;
            }
        }
        match &event.body {
            Body::End { from } => self.end(event.session, Some(Source::Stream(*from))),
            Body::Closed(_) => self.end(event.session, None),
            _ => {}
        }
        self.settle();
        Some(event)
    }

    /// Counts an event as lost.
    fn lose(&mut self, event: &Event, source: Source) {
        let bytes = event.body.payload().map_or(&b""[..], |it| it);
        let messages = match source {
            Source::Stream(_) => memchr::memchr_iter(b'\n', bytes).count() as u64,
            Source::Stderr => 0,
            Source::Apart => 1,
            Source::Body(..) => blank_lines(bytes),
        };
        // Only who reads a body knows what its last bytes are.
        let in_lines = matches!(source, Source::Stream(_) | Source::Stderr);
        let torn = in_lines && bytes.last().is_some_and(|last| *last != b'\n');
        let loss = match self.loss(event.session, source) {
            Some(index) => &mut self.losses[index],
            None => {
                self.losses.push(Loss {
                    lost: Lost {
                        at: event.at,
                        session: event.session,
                        source,
                        messages: 0,
                        bytes: 0,
                    },
                    torn: false,
                });
                let last = self.losses.len() - 1;
                &mut self.losses[last]
            }
        };
        loss.lost.messages += messages;
        loss.lost.bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            loss.torn = torn;
        }
    }

    /// Cuts the rest of a torn line off the front of an event that there is room for; nothing when no more is left.
    fn mend(&mut self, event: &mut Event, source: Source) -> Option<()> {
        let Some(index) = self
            .loss(event.session, source)
            .filter(|&it| self.losses[it].torn)
        else {
            return Some(());
        };
        let Some(bytes) = event.body.payload_mut() else {
            return Some(());
        };
        let Some(line_end) = memchr::memchr(b'\n', bytes) else {
            self.lose(event, source);
            return None;
        };
        let rest = bytes.split_off(line_end + 1);
        self.lose(event, source);
        if rest.is_empty() {
            return None;
        }
        if let Some(bytes) = event.body.payload_mut() {
            *bytes = rest;
        }
        debug_assert!(!self.losses[index].torn);
        Some(())
    }

    /// The source ended (every source of the session, when none is given): a torn line will get no more.
    pub(super) fn end(&mut self, session: SessionId, source: Option<Source>) {
        let ended = |lost: &Lost| {
            lost.session == session && source.is_none_or(|source| source == lost.source)
        };
        for loss in self.losses.iter_mut().filter(|it| ended(&it.lost)) {
            if std::mem::take(&mut loss.torn) && loss.lost.source != Source::Stderr {
                loss.lost.messages += 1;
            }
        }
    }

    /// Queues the losses that end with a line.
    pub(super) fn settle(&mut self) {
        for loss in self.losses.extract_if(.., |it| !it.torn) {
            self.items.push_back(Queued::Lost(loss.lost));
        }
    }

    fn loss(&self, session: SessionId, source: Source) -> Option<usize> {
        self.losses
            .iter()
            .position(|it| it.lost.session == session && it.lost.source == source)
    }

    pub(super) fn has_news(&self) -> bool {
        !self.items.is_empty() || self.losses.iter().any(|it| !it.torn)
    }
}

impl Event {
    /// A head and its body by themselves: the one is never dropped, and the other may be.
    pub(super) fn in_parts(mut self) -> impl Iterator<Item = Self> {
        let body = match &mut self.body {
            Body::Http { exchange, what } => what.take_body().map(|what| Self {
                at: self.at,
                session: self.session,
                body: Body::Http {
                    exchange: *exchange,
                    what,
                },
            }),
            _ => None,
        };
        [Some(self), body].into_iter().flatten()
    }

    /// What must be told of an event whose bytes were dropped.
    fn end_of_dropped(mut self) -> Option<Self> {
        let Body::Http { what, .. } = &mut self.body else {
            return None;
        };
        let Http::Body {
            of, is_last: true, ..
        } = *what
        else {
            return None;
        };
        *what = Http::End {
            of,
            bytes: None,
            broken: None,
        };
        Some(self)
    }
}

/// Blank lines: where events end, if the bytes are some.
fn blank_lines(bytes: &[u8]) -> u64 {
    let mut ends = memchr::memchr_iter(b'\n', bytes).peekable();
    let mut blank = 0;
    while let Some(end) = ends.next() {
        let next = ends.peek().map(|next| &bytes[end + 1..*next]);
        blank += u64::from(matches!(next, Some(b"" | b"\r")));
    }
    blank
}

impl Body {
    /// The source of an event that may be dropped; none for those that never are.
    fn source(&self) -> Option<Source> {
        match self {
            Self::Stream { from, .. } => Some(Source::Stream(*from)),
            Self::Stderr { .. } => Some(Source::Stderr),
            Self::Line { .. } => Some(Source::Apart),
            Self::Http { exchange, what } => match what {
                Http::Body { of, .. } => Some(Source::Body(*exchange, *of)),
                Http::NoMessage(_) => Some(Source::Apart),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }

    /// What it keeps in memory beside itself.
    pub(super) fn heft(&self) -> usize {
        match self {
            Self::Http { what, .. } => what.heft(),
            _ => self.payload().map_or(0, Bytes::len),
        }
    }

    pub(super) fn payload(&self) -> Option<&Bytes> {
        match self {
            Self::Stream { bytes, .. } | Self::Stderr { bytes } | Self::Line { bytes, .. } => {
                Some(bytes)
            }
            Self::Http { what, .. } => match what {
                Http::Body { bytes, .. } | Http::NoMessage(bytes) => Some(bytes),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }

    /// Bytes on their way are a part of the buffer that they were read into.
    pub(super) fn let_go_of_shared(&mut self) {
        if let Some(bytes) = self.payload_mut() {
            *bytes = Bytes::new();
        }
    }

    pub(super) fn payload_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Stream { bytes, .. } | Self::Stderr { bytes } | Self::Line { bytes, .. } => {
                Some(bytes)
            }
            Self::Http { what, .. } => match what {
                Http::Body { bytes, .. } | Http::NoMessage(bytes) => Some(bytes),
                _ => None,
            },
            Self::End { .. } | Self::Opened(_) | Self::Closed(_) | Self::Note { .. } => None,
        }
    }
}
