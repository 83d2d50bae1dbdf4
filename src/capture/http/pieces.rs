//! Bytes that are held until their end has come, as they came.

use bytes::Bytes;

/// Shorter chunks are copied together: each would keep a buffer and its own bookkeeping alive.
const SHORT: usize = 4 << 10;

/// Chunks in order.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Nothing else has come yet.
    only: Option<Bytes>,
    whole: Vec<Bytes>,
    tail: Vec<u8>,
    length: usize,
}

impl Pieces {
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let is_first = self.length == 0;
        self.length += bytes.len();
        match self.only.take() {
            None if is_first => self.only = Some(bytes),
            first => {
                first.into_iter().for_each(|it| self.add(it));
                self.add(bytes);
            }
        }
    }

    fn add(&mut self, bytes: Bytes) {
        if bytes.len() < SHORT {
            return self.tail.extend_from_slice(&bytes);
        }
        if !self.tail.is_empty() {
            self.whole.push(std::mem::take(&mut self.tail).into());
        }
        self.whole.push(bytes);
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// All of it as one; not copied when it is one.
    pub fn join(self) -> Bytes {
        if let Some(only) = self.only {
            return only;
        }
        if self.whole.is_empty() {
            return self.tail.into();
        }
        let mut joined = Vec::with_capacity(self.length);
        // Each piece goes as soon as it is copied.
        for piece in self.whole {
            joined.extend_from_slice(&piece);
        }
        joined.extend_from_slice(&self.tail);
        joined.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_pieces_come_out_in_their_order() {
        let mut pieces = Pieces::default();
        let mut expected = Vec::new();
        for length in [1, 2, SHORT, 3, SHORT + 1, SHORT, 0, 1] {
            let piece = vec![length as u8; length];
            expected.extend_from_slice(&piece);
            pieces.push(piece.into());
        }
        assert_eq!(pieces.len(), expected.len());
        assert_eq!(pieces.join(), expected);
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        for length in [1, SHORT] {
            let piece = Bytes::from(vec![7; length]);
            let mut pieces = Pieces::default();
            pieces.push(Bytes::new());
            pieces.push(piece.clone());
            assert_eq!(pieces.join().as_ptr(), piece.as_ptr());
        }
    }
}
