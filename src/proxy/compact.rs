//! A stream on which what is little is written in one piece.
//!
//! hyper hands over a head and what follows it as two pieces of memory, and the system takes one for less than two.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

/// So much is put together; more is written from where it is.
const LITTLE: usize = 2048;

#[derive(Debug)]
pub struct Compact<S>(pub S);

impl<S: Read + Unpin> Read for Compact<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl<S: Write + Unpin> Write for Compact<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.0);
        if slices.iter().map(|it| it.len()).sum::<usize>() > LITTLE {
            return stream.poll_write_vectored(context, slices);
        }
        let mut room = [0; LITTLE];
        let mut end = 0;
        for slice in slices {
            room[end..end + slice.len()].copy_from_slice(slice);
            end += slice.len();
        }
        stream.poll_write(context, &room[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Keeps what each write was.
    #[derive(Default)]
    struct Sheet(Vec<Vec<usize>>, Vec<u8>);

    impl Write for Sheet {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(vec![bytes.len()]);
            self.1.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.push(slices.iter().map(|it| it.len()).collect());
            slices.iter().for_each(|it| self.1.extend_from_slice(it));
            Poll::Ready(Ok(slices.iter().map(|it| it.len()).sum()))
        }
    }

    #[test]
    fn little_pieces_are_written_as_one_and_large_ones_from_where_they_are() {
        let (head, rest) = ([b'h'; 100], [b'r'; LITTLE - 100]);
        let mut stream = Compact(Sheet::default());
        let mut context = Context::from_waker(Waker::noop());
        for more in [&b""[..], b"+"] {
            let slices = [&head, &rest[..], more].map(IoSlice::new);
            let written = Pin::new(&mut stream).poll_write_vectored(&mut context, &slices);
            assert!(matches!(written, Poll::Ready(Ok(it)) if it == LITTLE + more.len()));
        }
        let Sheet(writes, bytes) = stream.0;
        assert_eq!(writes, [vec![LITTLE], vec![100, LITTLE - 100, 1]]);
        let once = [&head, &rest[..]].concat();
        assert_eq!(bytes, [&once[..], &once, b"+"].concat());
    }
}
