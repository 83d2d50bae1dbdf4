//! Undoing content codings, a chunk at a time, for the view only: the peers get what they sent each other.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, write::MultiGzDecoder};
use std::io::Write as _;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// How much is decompressed at once.
const ROOM: usize = 16 << 10;
/// What every body may become, and how many times larger than it was it may be beyond that.
const ENOUGH: u64 = 64 << 20;
const TIMES: u64 = 16;
/// The window that RFC 8878 asks decoders to bear, and none larger.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Nobody packs a body more often than this.
const LAYERS: usize = 4;

/// What a body is packed with.
pub(super) struct Unpacker {
    /// In the order in which they are undone: what was put on last comes first.
    layers: Vec<Layer>,
    /// So many bytes were sent.
    packed: u64,
}

/// One coding of a body.
struct Layer {
    name: &'static str,
    coding: Coding,
    unpacked: u64,
    begun: bool,
    /// What came last was an end; for the codings that know theirs.
    ended: bool,
    /// The last step filled its room, so there may be more.
    full: bool,
}

enum Coding {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// In zlib's wrapping as the standard has it, or bare as some send it: the first byte tells.
    Deflate(Option<Box<Decompress>>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Box<Decoder<'static>>),
}

/// What one step took and gave.
struct Step {
    taken: usize,
    given: usize,
    ended: bool,
}

impl Unpacker {
    /// For the values of a body's `Content-Encoding` headers, in their order; none for a body that is not packed.
    pub fn of<'a>(encodings: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, String> {
        let names = encodings.into_iter().flat_map(|value| value.split(','));
        let mut layers = Vec::new();
        for name in names {
            layers.extend(Layer::of(name)?);
            if layers.len() > LAYERS {
                return Err(format!(
                    "cannot decode more than {LAYERS} content encodings"
                ));
            }
        }
        layers.reverse();
        Ok((!layers.is_empty()).then_some(Self { layers, packed: 0 }))
    }

    /// Hands on all that the next bytes hold. After an error, which is in words, nothing more can be had.
    pub fn push(&mut self, bytes: Bytes, mut each: impl FnMut(Bytes)) -> Result<(), String> {
        self.packed += bytes.len() as u64;
        unpack(&mut self.layers, bytes, self.packed, &mut each)
    }

    /// What is wrong when no more bytes come.
    pub fn finish(&mut self) -> Result<(), String> {
        match self
            .layers
            .iter_mut()
            .find_map(|it| (!it.is_whole()).then_some(it.name))
        {
            Some(name) => Err(format!("the {name} body ends before its end")),
            None => Ok(()),
        }
    }
}

/// Undoes the first of the layers, and hands what comes out to the others piece by piece.
fn unpack(
    layers: &mut [Layer],
    bytes: Bytes,
    packed: u64,
    each: &mut dyn FnMut(Bytes),
) -> Result<(), String> {
    let Some((layer, inner)) = layers.split_first_mut() else {
        each(bytes);
        return Ok(());
    };
    layer.begun |= !bytes.is_empty();
    let mut rest = &*bytes;
    loop {
        let piece = layer.next(&mut rest).and_then(|it| layer.count(it, packed));
        match piece {
            Ok(Some(piece)) => unpack(inner, piece, packed, each)?,
            Ok(None) => return Ok(()),
            Err(reason) => {
                return Err(format!("cannot decode the {} body: {reason}", layer.name));
            }
        }
    }
}

impl Layer {
    /// None where nothing was done to the body.
    fn of(name: &str) -> Result<Option<Self>, String> {
        let (name, coding) = match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => (
                "gzip",
                Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            ),
            "deflate" => ("deflate", Coding::Deflate(None)),
            "br" => {
                let alloc = StandardAlloc::default;
                (
                    "br",
                    Coding::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
                )
            }
            "zstd" => {
                let decoder = Decoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                    Ok(decoder)
                });
                let decoder = decoder.map_err(|error| format!("cannot decode zstd: {error}"))?;
                ("zstd", Coding::Zstd(Box::new(decoder)))
            }
            other => return Err(format!("cannot decode the content encoding {other:?}")),
        };
        Ok(Some(Self {
            name,
            coding,
            unpacked: 0,
            begun: false,
            ended: false,
            full: false,
        }))
    }

    /// The next piece that the bytes hold, which are used up by and by.
    fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Bytes>, String> {
        match &mut self.coding {
            Coding::Gzip(decoder) => gunzip(decoder, bytes),
            _ => self.steps(bytes),
        }
    }

    fn steps(&mut self, bytes: &mut &[u8]) -> Result<Option<Bytes>, String> {
        let mut room = [0; ROOM];
        while self.full || !bytes.is_empty() {
            if self.ended {
                self.begin_again()?;
            }
            let step = self.step(bytes, &mut room)?;
            *bytes = &bytes[step.taken..];
            self.ended = step.ended;
            self.full = !step.ended && step.given == ROOM;
            if step.given > 0 {
                return Ok(Some(Bytes::copy_from_slice(&room[..step.given])));
            }
            if step.taken == 0 && !bytes.is_empty() {
                return Err("it makes no sense".into());
            }
        }
        Ok(None)
    }

    /// Whether it came to its end, if anything came.
    fn is_whole(&mut self) -> bool {
        !self.begun
            || match &mut self.coding {
                Coding::Gzip(decoder) => decoder.try_finish().is_ok(),
                _ => self.ended,
            }
    }

    fn step(&mut self, bytes: &[u8], room: &mut [u8]) -> Result<Step, String> {
        match &mut self.coding {
            Coding::Gzip(_) => Err("gzip has no steps".into()),
            Coding::Deflate(state) => inflate(state, bytes, room),
            Coding::Brotli(state) => {
                let (mut left, mut taken) = (bytes.len(), 0);
                let (mut free, mut given, mut total) = (room.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, bytes, &mut free, &mut given, room, &mut total, state,
                );
                match result {
                    BrotliResult::ResultFailure => Err("it is damaged".into()),
                    result => Ok(Step {
                        taken,
                        given,
                        ended: matches!(result, BrotliResult::ResultSuccess),
                    }),
                }
            }
            Coding::Zstd(decoder) => {
                let mut input = InBuffer::around(bytes);
                let mut output = OutBuffer::around(room);
                let hint = decoder.run(&mut input, &mut output);
                Ok(Step {
                    ended: hint.map_err(|error| error.to_string())? == 0,
                    taken: input.pos(),
                    given: output.pos(),
                })
            }
        }
    }

    /// Only zstd has more frames behind its end.
    fn begin_again(&mut self) -> Result<(), String> {
        match &mut self.coding {
            Coding::Zstd(decoder) => decoder.reinit().map_err(|error| error.to_string()),
            _ => Err("there is more behind its end".into()),
        }
    }

    /// A few bytes can become more than any memory holds, the sooner the more often they are packed.
    fn count(&mut self, given: Option<Bytes>, packed: u64) -> Result<Option<Bytes>, String> {
        self.unpacked += given.as_ref().map_or(0, |it| it.len() as u64);
        if self.unpacked > ENOUGH + TIMES * packed {
            return Err(format!(
                "{packed} bytes have become {} already",
                self.unpacked
            ));
        }
        Ok(given)
    }
}

fn gunzip(
    decoder: &mut MultiGzDecoder<Vec<u8>>,
    bytes: &mut &[u8],
) -> Result<Option<Bytes>, String> {
    loop {
        // A write takes what fits into a small buffer; a flush brings out the rest.
        let last = bytes.is_empty();
        let step = match last {
            true => decoder.flush().map(|()| 0),
            false => decoder.write(bytes),
        };
        let given = std::mem::take(decoder.get_mut());
        let taken = step.map_err(|error| error.to_string())?;
        if taken == 0 && !last {
            return Err("there is more behind its end".into());
        }
        *bytes = &bytes[taken..];
        if !given.is_empty() {
            return Ok(Some(given.into()));
        }
        if last {
            return Ok(None);
        }
    }
}

fn inflate(
    state: &mut Option<Box<Decompress>>,
    bytes: &[u8],
    room: &mut [u8],
) -> Result<Step, String> {
    let in_zlib = bytes.first().is_some_and(|first| first & 0x8f == 8);
    let state = state.get_or_insert_with(|| Box::new(Decompress::new(in_zlib)));
    let (before_in, before_out) = (state.total_in(), state.total_out());
    let status = state.decompress(bytes, room, FlushDecompress::None);
    Ok(Step {
        ended: status.map_err(|error| error.to_string())? == Status::StreamEnd,
        taken: usize::try_from(state.total_in() - before_in).unwrap_or(bytes.len()),
        given: usize::try_from(state.total_out() - before_out).unwrap_or(room.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_explodes_is_given_up_before_it_fills_the_memory() {
        let megabyte = vec![b' '; 1 << 20];
        let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..200 {
            bomb.write_all(&megabyte).unwrap();
        }
        let bomb = bomb.finish().unwrap();
        let mut unpacker = Unpacker::of(["zstd"]).unwrap().unwrap();
        let (mut length, mut largest) = (0, 0);
        let given_up = unpacker.push(bomb.into(), |bytes| {
            length += bytes.len();
            largest = largest.max(bytes.len());
        });
        assert!(given_up.unwrap_err().contains("have become"));
        assert!(length < 80 << 20 && largest <= ROOM, "{length} {largest}");
    }

    #[test]
    fn a_bomb_within_a_bomb_is_measured_by_what_was_sent() {
        let megabyte = vec![b' '; 1 << 20];
        let mut inner = zstd::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..200 {
            inner.write_all(&megabyte).unwrap();
        }
        // Packed again it is smaller still: what is sent is next to nothing.
        let bomb = zstd::encode_all(&*inner.finish().unwrap(), 1).unwrap();
        let mut unpacker = Unpacker::of(["zstd, zstd"]).unwrap().unwrap();
        let (allowed, mut length) = (ENOUGH + TIMES * bomb.len() as u64, 0);
        let given_up = unpacker.push(bomb.into(), |bytes| length += bytes.len() as u64);
        assert!(given_up.unwrap_err().contains("have become"));
        assert!(length <= allowed, "{length}");
    }

    fn packed(coding: &str, bytes: &[u8]) -> Vec<u8> {
        use flate2::{Compression, write};
        match coding {
            "gzip" | "x-gzip" => {
                let mut out = write::GzEncoder::new(Vec::new(), Compression::fast());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            "deflate" => {
                let mut out = write::ZlibEncoder::new(Vec::new(), Compression::fast());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            "br" => {
                // Not compressed (RFC 7932, 9.2): a window of 64 KiB, one meta-block with its length, an empty last one.
                let length = u32::try_from(bytes.len()).unwrap() - 1;
                let begin = (length << 4 | 1 << 20).to_le_bytes();
                [&begin[..3], bytes, &[3]].concat()
            }
            "zstd" => zstd::encode_all(bytes, 1).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    /// What comes out of a body that comes in pieces of a size, and what is wrong with it.
    fn unpacked(encodings: &[&str], body: &[u8], size: usize) -> (Vec<u8>, Result<(), String>) {
        let mut unpacker = Unpacker::of(encodings.iter().copied()).unwrap().unwrap();
        let mut out = Vec::new();
        for piece in body.chunks(size) {
            let piece = Bytes::copy_from_slice(piece);
            if let Err(reason) = unpacker.push(piece, |bytes| out.extend_from_slice(&bytes)) {
                return (out, Err(reason));
            }
        }
        (out, unpacker.finish())
    }

    const SEVERAL: [&[&str]; 6] = [
        &["gzip, br"],
        &["gzip", "br"],
        &["br,identity ,X-GZIP"],
        &["deflate,", "", "zstd"],
        &["zstd, gzip", "deflate, br"],
        &["gzip, gzip"],
    ];

    /// Packs in the order in which the headers name the codings.
    fn packed_as(encodings: &[&str], text: &[u8]) -> Vec<u8> {
        let codings = encodings.iter().flat_map(|it| it.split(','));
        codings.fold(text.to_vec(), |body, coding| {
            packed(&coding.trim().to_ascii_lowercase(), &body)
        })
    }

    #[test]
    fn what_was_packed_several_times_is_unpacked_in_reverse_order() {
        let text =
            br#"{"jsonrpc":"2.0","id":1,"result":{"text":"squeezed and squeezed"}}"#.repeat(99);
        for encodings in SEVERAL {
            let body = packed_as(encodings, &text);
            for size in [1, 7, body.len()] {
                let (out, end) = unpacked(encodings, &body, size);
                assert_eq!(
                    (out == text, end),
                    (true, Ok(())),
                    "{encodings:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn what_was_packed_several_times_and_cut_short_gives_what_there_is_and_says_so() {
        let text = b"all of it".repeat(9);
        for encodings in SEVERAL {
            let body = packed_as(encodings, &text);
            for end in 1..body.len() {
                let (out, trouble) = unpacked(encodings, &body[..end], 5);
                let reason = trouble.unwrap_err();
                assert!(
                    reason.ends_with("ends before its end"),
                    "{encodings:?}: {reason}"
                );
                assert!(text.starts_with(&out), "{encodings:?} up to {end}");
            }
        }
    }

    #[test]
    fn what_is_wrong_in_a_layer_is_said_of_that_layer() {
        let body = packed("gzip", b"this is no brotli");
        let (_, trouble) = unpacked(&["br, gzip"], &body, 100);
        assert_eq!(
            trouble.unwrap_err(),
            "cannot decode the br body: it is damaged"
        );
    }

    #[test]
    fn layers_that_nobody_knows_or_that_are_too_many_are_refused() {
        let refused = |encoding| Unpacker::of([encoding]).err();
        assert!(refused("compress, gzip").unwrap().contains("\"compress\""));
        assert!(
            refused("gzip, gzip, gzip, gzip, gzip")
                .unwrap()
                .contains("more than 4")
        );
        assert!(Unpacker::of(["identity", " , "]).unwrap().is_none());
        assert!(Unpacker::of([]).unwrap().is_none());
    }

    #[test]
    fn several_frames_of_zstd_are_one_body() {
        let frame = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        let both = [frame("one "), frame("two")].concat();
        let mut unpacker = Unpacker::of([" ZSTD "]).unwrap().unwrap();
        let mut text = Vec::new();
        for byte in both {
            unpacker
                .push(Bytes::copy_from_slice(&[byte]), |bytes| {
                    text.extend_from_slice(&bytes)
                })
                .unwrap();
        }
        unpacker.finish().unwrap();
        assert_eq!(text, b"one two");
    }
}
