//! Captures, finished and growing, whole and damaged.

use super::*;
use crate::capture::record::Payload;
use crate::tap::{Party, SessionId, Timestamp};
use std::io::{Seek, Write};

const HEADER: &str = r#"{"capture":1,"program":"mcp-sentinel 0","name":"n","future":[1]}"#;

#[test]
fn a_line_is_given_back_as_it_stands_in_the_file() {
    let lines = [
        message(1, &format!("{{\"x\":\"{}\"}}", "y".repeat(5000))),
        r#"{"seq":2,"later":"kind"}"#.to_owned(),
    ];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{HEADER}").unwrap();
    for line in &lines {
        writeln!(file, "{line}").unwrap();
    }
    let mut reader = Reader::open(file.path()).unwrap();
    let bodies = reader.bodies().unwrap();
    let mut found = vec![bodies.line(Location::default()).unwrap()];
    reader
        .read(9, |record| {
            found.push(bodies.line(record.location).unwrap())
        })
        .unwrap();
    assert_eq!(found[0], format!("{HEADER}\n").as_bytes());
    assert_eq!(found[1], format!("{}\n", lines[0]).as_bytes());
    assert_eq!(found[2], format!("{}\n", lines[1]).as_bytes());
}

fn message(seq: u64, message: &str) -> String {
    format!(
        r#"{{"seq":{seq},"at":"2026-11-21T02:45:01.123456Z","session":1,"from":"client","message":{message}}}"#
    )
}

/// A growing capture and a reader of it.
struct Growing {
    file: tempfile::NamedTempFile,
    reader: Reader,
}

impl Growing {
    fn new(text: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{HEADER}").unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let reader = Reader::open(file.path()).unwrap();
        Self { file, reader }
    }

    fn grow(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Takes back what stands behind `length`; what grows next stands there.
    fn cut(&mut self, length: u64) {
        self.file.as_file().set_len(length).unwrap();
        self.file.seek(std::io::SeekFrom::Start(length)).unwrap();
    }

    /// What is there to read now: seq and payload in short.
    fn read(&mut self) -> Vec<String> {
        let mut read = Vec::new();
        let count = self.reader.read(1000, |record| read.push(short(&record)));
        assert_eq!(count.unwrap(), read.len());
        read
    }
}

fn short(record: &Record<'_>) -> String {
    let payload = match &record.payload {
        Payload::Line { bytes, .. } | Payload::Stderr(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Payload::Damaged { .. } => format!("damaged line {}", record.line_number),
        other => format!("{other:?}"),
    };
    format!("{} {payload}", record.seq)
}

#[test]
fn a_torn_last_line_is_left_unread_until_it_is_complete() {
    let first = message(1, "{}");
    let second = message(2, r#"{"a":1}"#);
    let (beginning, rest) = second.split_at(70);
    let mut growing = Growing::new(&format!("{first}\n{beginning}"));
    assert_eq!(growing.read(), ["1 {}"]);
    assert!(growing.read().is_empty());
    assert_eq!(growing.reader.torn().unwrap(), 70);
    growing.grow(rest);
    assert!(growing.read().is_empty());
    growing.grow("\n");
    assert_eq!(growing.read(), [r#"2 {"a":1}"#]);
    assert_eq!(growing.reader.torn().unwrap(), 0);
}

#[test]
fn a_torn_last_line_may_be_taken_back_and_replaced() {
    let first = message(1, "{}");
    let mut growing = Growing::new(&format!("{first}\n{}", &message(2, "{}")[..70]));
    assert_eq!(growing.read(), ["1 {}"]);
    let whole = HEADER.len() + 1 + first.len() + 1;
    growing.cut(whole as u64);
    growing.grow(&(message(2, "[]") + "\n"));
    assert_eq!(growing.read(), ["2 []"]);
}

#[test]
fn a_file_cut_below_the_cursor_is_read_on_from_its_new_end() {
    let lines = format!("{}\n{}\n", message(1, "{}"), message(2, "{}"));
    let mut growing = Growing::new(&lines);
    assert_eq!(growing.read().len(), 2);
    let whole = HEADER.len() + 1 + message(1, "{}").len() + 1;
    growing.cut(whole as u64);
    assert!(growing.read().is_empty());
    growing.grow(&(message(2, "[]") + "\n"));
    assert_eq!(growing.read(), ["2 []"]);
}

#[test]
fn from_any_offset_the_first_record_is_the_one_that_begins_there_or_next() {
    let lines: Vec<_> = (1..=4)
        .map(|seq| message(seq, &format!("\"{}\"", "é".repeat(50))) + "\n")
        .collect();
    let text = format!("{HEADER}\n{}", lines.concat());
    let plain = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(plain.path(), &text).unwrap();
    let packed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(packed.path(), zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    let mut starts = vec![HEADER.len() + 1];
    for line in &lines {
        starts.push(starts[starts.len() - 1] + line.len());
    }
    for offset in 0..=text.len() {
        let first = starts.iter().filter(|it| **it < offset).count() as u64 + 1;
        let expected: Vec<_> = (first..=4).collect();
        for file in [&plain, &packed] {
            let mut reader = Reader::open_at(file.path(), offset as u64).unwrap();
            assert_eq!(reader.header().name, "n");
            let mut seen = Vec::new();
            reader.read(9, |record| seen.push(record.seq)).unwrap();
            assert_eq!(seen, expected, "{offset}");
        }
    }
}

#[test]
fn from_within_a_torn_line_or_behind_the_end_the_next_line_is_read_once_it_comes() {
    let torn = &message(1, "{}")[..70];
    let at = (HEADER.len() + 1) as u64;
    for (text, offset) in [(torn, at + 9), (torn, at + 70), ("", at), ("", at + 999)] {
        let mut growing = Growing::new(text);
        growing.reader = Reader::open_at(growing.file.path(), offset).unwrap();
        assert!(growing.read().is_empty());
        if text == torn {
            growing.grow(&format!("{}\n", &message(1, "{}")[70..]));
            assert!(growing.read().is_empty());
        }
        growing.grow(&format!("{}\n", message(2, "{}")));
        assert_eq!(growing.read(), ["2 {}"]);
    }
}

#[test]
fn a_damaged_line_is_reported_with_its_number_and_the_rest_is_read() {
    let mut growing = Growing::new(&format!(
        "{}\n\n  \r\nnot a record\n{}\n{}\n{}\n",
        message(1, "{}"),
        &message(2, r#"{"a":1}"#)[..80],
        r#"{"seq":3,"at":"yesterday"}"#,
        message(4, "{}"),
    ));
    assert_eq!(
        growing.read(),
        [
            "1 {}",
            "0 damaged line 5",
            "0 damaged line 6",
            "0 damaged line 7",
            "4 {}"
        ]
    );
}

#[test]
fn members_in_another_order_and_unknown_ones_are_read_all_the_same() {
    let mut growing = Growing::new(concat!(
        r#"{"x":{"y":[1]},"message": {"b":1.0, "a":null} ,"from":"server","to":"operator","session":7,"at":"2026-11-21T03:45:01+01:00","seq":5,"replay_of":3}"#,
        "\n",
        r#"{"seq":6,"at":"2026-11-21T02:45:01.5Z","session":7,"http":{"status":200}}"#,
        "\n",
        r#"{"seq":7,"at":"2026-11-21T02:45:01.5Z","session":7,"from":"martian","message":1}"#,
        "\n",
        r#"{"seq":8,"at":"2026-11-21T02:45:01.5Z","session":7,"from":"client","message":null,"more":1}"#,
        "\n",
        r#"{"seq":9,"at":"2026-11-21T02:45:01.5Z","session":7,"from":"client","message":{"a":1},"more":1}"#,
        "\n",
    ));
    let bodies = growing.reader.bodies().unwrap();
    let mut records = 0;
    growing
        .reader
        .read(10, |record| {
            records += 1;
            if let Payload::Line { bytes, .. } = &record.payload {
                assert_eq!(bodies.fetch(record.location).unwrap(), **bytes);
            }
            match record.seq {
                5 => {
                    assert_eq!(record.session, SessionId(7));
                    assert_eq!(record.at, Timestamp(1_795_229_101_000_000));
                    assert_eq!(
                        record.payload,
                        Payload::Line {
                            from: Party::Server,
                            to: Some(Party::Operator),
                            replay_of: Some(3),
                            via: None,
                            terminated: true,
                            json: true,
                            bytes: Cow::Borrowed(br#"{"b":1.0, "a":null}"#),
                        }
                    );
                }
                8 => assert_eq!(short(&record), "8 null"),
                9 => assert_eq!(short(&record), r#"9 {"a":1}"#),
                _ => assert_eq!(record.payload, Payload::Unknown),
            }
        })
        .unwrap();
    assert_eq!(records, 5);
}

#[test]
fn lines_longer_than_the_window_are_read_and_fetched_whole() {
    let long = format!("\"{}\"", "x".repeat(3 << 20));
    let long = format!("[{long}]");
    let mut growing = Growing::new(&format!("{}\n{}\n", message(1, &long), message(2, "{}")));
    let bodies = growing.reader.bodies().unwrap();
    let mut locations = Vec::new();
    growing
        .reader
        .read(1, |record| locations.push(record.location))
        .unwrap();
    assert_eq!(bodies.fetch(locations[0]).unwrap(), long.as_bytes());
    assert_eq!(growing.read(), ["2 {}"]);
}

#[test]
fn a_line_too_long_to_be_told_of_is_damaged_and_the_next_one_is_read() {
    let mut growing = Growing::new(&message(1, "{}"));
    growing.reader.lines.longest = 100;
    growing.grow(&format!("\n{}", message(2, &"[1]".repeat(200_000))));
    assert_eq!(growing.read(), ["1 {}"]);
    growing.grow(&format!("\n{}\n", message(3, "{}")));
    assert_eq!(growing.read(), ["0 damaged line 3", "3 {}"]);
    growing.grow(&format!("{}\n", message(4, &"[1]".repeat(20))));
    assert_eq!(growing.read(), ["0 damaged line 5"]);
}

#[test]
fn what_is_longer_than_any_message_is_told_of_with_its_size_and_the_next_record_is_read() {
    let mut growing = Growing::new("");
    let length = 300 << 20;
    let end = (HEADER.len() + 1) as u64 + length;
    // A hole: it takes no room on the disk.
    growing.cut(end);
    growing.grow(&format!("\n{}\n", message(1, "{}")));
    let mut reasons = Vec::new();
    let count = growing.reader.read(1, |record| {
        if let Payload::Damaged { reason, .. } = &record.payload {
            reasons.push(reason.to_string());
        }
    });
    assert_eq!((count.unwrap(), reasons.len()), (1, 1));
    assert!(reasons[0].contains("314572800 bytes"), "{reasons:?}");
    assert_eq!(growing.read(), ["1 {}"]);
}

#[test]
fn a_line_that_is_passed_over_may_be_taken_back_and_replaced() {
    let first = message(1, "{}");
    let mut growing = Growing::new(&format!("{first}\n"));
    growing.reader.lines.longest = 100;
    let whole = (HEADER.len() + 1 + first.len() + 1) as u64;
    growing.grow(&message(2, &"[1]".repeat(1000)));
    assert_eq!(growing.read(), ["1 {}"]);
    growing.cut(whole);
    growing.grow(&(message(2, "[]") + "\n"));
    assert_eq!(growing.read(), ["2 []"]);
}

#[test]
fn what_is_no_capture_is_refused_with_the_reason() {
    let refused = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Reader::open(file.path()).unwrap_err().to_string()
    };
    assert!(refused("").contains("no complete first line"));
    assert!(refused(HEADER).contains("no complete first line"));
    assert!(refused("hello\n").contains("not a header"));
    assert!(refused("{\"seq\":1}\n").contains("not a header"));
    assert!(refused("{\"capture\":2}\n").contains("newer version"));
    let missing = Reader::open(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/at/all"));
    let device = Reader::open(Path::new("/dev/zero")).unwrap_err();
    assert!(device.to_string().contains("regular file"));
}

#[test]
fn no_more_than_the_limit_is_handed_out() {
    let mut growing = Growing::new(&format!("{0}\n{0}\n{0}\n", message(1, "{}")));
    assert_eq!(growing.reader.read(2, |_| ()).unwrap(), 2);
    assert_eq!(growing.reader.read(2, |_| ()).unwrap(), 1);
    assert_eq!(growing.reader.read(2, |_| ()).unwrap(), 0);
    let (read, there) = growing.reader.progress();
    assert_eq!(read, there);
}

#[test]
fn a_compressed_capture_of_several_frames_is_read_as_it_grows() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    file.write_all(&pack(&format!("{HEADER}\n{}", &message(1, "{}")[..50])))
        .unwrap();
    let mut reader = Reader::open(file.path()).unwrap();
    assert_eq!(reader.read(10, |_| ()).unwrap(), 0);
    let rest = pack(&format!(
        "{}\n{}\n",
        &message(1, "{}")[50..],
        message(2, "[]")
    ));
    let bodies = reader.bodies().unwrap();
    for (index, byte) in rest.iter().enumerate() {
        file.write_all(&[*byte]).unwrap();
        if index % 7 == 0 {
            reader
                .read(10, |record| {
                    bodies.fetch(record.location).unwrap();
                })
                .unwrap();
        }
    }
    reader.read(10, |_| ()).unwrap();
    let mut seen = Vec::new();
    file.write_all(&pack(&format!("{}\n", message(3, "{}"))))
        .unwrap();
    reader.read(10, |record| seen.push(short(&record))).unwrap();
    assert_eq!(seen, ["3 {}"]);
    let (read, there) = reader.progress();
    assert_eq!(read, there);
}

#[test]
fn bare_messages_are_read_for_whoever_looks_also_one_that_nobody_ended() {
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{ask}\r\nlistening\n{}", &answer[..20]).unwrap();
    assert!(Reader::open(file.path()).is_err());
    let mut growing = Growing {
        reader: Reader::open_to_show(file.path()).unwrap(),
        file,
    };
    assert!(growing.reader.header().bare);
    assert_eq!(
        growing.read(),
        [format!("1 {ask}"), "0 damaged line 2".into()]
    );
    assert_eq!(growing.reader.torn().unwrap(), 20);
    growing.grow(&answer[20..30]);
    assert!(growing.read().is_empty());
    growing.grow(&answer[30..]);
    assert_eq!(growing.read(), [format!("3 {answer}")]);
    assert_eq!(growing.reader.torn().unwrap(), 0);
    growing.grow(&format!("\n{ask}\n"));
    assert_eq!(growing.read(), [format!("5 {ask}")]);

    let one = tempfile::NamedTempFile::new().unwrap();
    for (text, opens) in [(ask, true), ("{}", false), ("", false), (HEADER, false)] {
        std::fs::write(one.path(), text).unwrap();
        let opened = Reader::open_to_show(one.path());
        assert_eq!(opened.is_ok(), opens, "{text}");
    }
}

#[test]
fn bare_messages_may_begin_behind_blank_lines_or_a_byte_order_mark() {
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    for beginning in ["\n", " \r\n\n", "\u{feff}", "\u{feff}\r\n"] {
        std::fs::write(file.path(), format!("{beginning}{ask}\n{answer}")).unwrap();
        let mut reader = Reader::open_to_show(file.path()).unwrap();
        let bodies = reader.bodies().unwrap();
        let mut read = Vec::new();
        let each = |record: Record<'_>| read.push(bodies.fetch(record.location).unwrap());
        assert_eq!(reader.read(9, each).unwrap(), 2, "{beginning:?}");
        assert_eq!(read, [ask.as_bytes(), answer.as_bytes()], "{beginning:?}");
    }
    std::fs::write(file.path(), "\n\n").unwrap();
    assert!(Reader::open_to_show(file.path()).is_err());
}

#[test]
fn what_is_missing_between_two_records_is_told_before_the_second() {
    let missing = |seqs: &[u64], damaged_before: u64| {
        let lines = seqs.iter().map(|seq| match *seq == damaged_before {
            true => format!("{{\"se\0\n{}\n", message(*seq, "{}")),
            false => message(*seq, "{}") + "\n",
        });
        let mut growing = Growing::new("");
        let mut told = Vec::new();
        for line in lines {
            growing.grow(&line);
            let read = growing.reader.read(9, |record| {
                if let Payload::Missing { count, last } = record.payload {
                    told.push((record.seq, count, last));
                }
            });
            read.unwrap();
        }
        told
    };
    assert_eq!(
        missing(&[1, 2, 5, 6, 8], 0),
        [(3, 2, Some(4)), (7, 1, Some(7))]
    );
    assert_eq!(missing(&[1, 2, 3], 0), []);
    // Where reading begins, and where another recording does.
    assert_eq!(missing(&[40, 41, 1, 2], 0), []);
    assert_eq!(missing(&[1, u64::MAX, 2, 3], 0).len(), 1);
    // A line that is damaged was a record.
    assert_eq!(missing(&[1, 3], 3), []);
    assert_eq!(missing(&[1, 5], 5), [(2, 2, None)]);
}

#[test]
fn a_lone_number_that_does_not_fit_tells_of_nothing_that_is_missing() {
    let missing = |seqs: &[u64]| {
        let lines: String = seqs.iter().map(|seq| message(*seq, "{}") + "\n").collect();
        let mut growing = Growing::new(&lines);
        let mut told = Vec::new();
        let read = growing.reader.read(99, |record| {
            if let Payload::Missing { count, .. } = record.payload {
                told.push((record.seq, count));
            }
        });
        read.unwrap();
        told
    };
    assert_eq!(missing(&[48, 9000, 50, 51]), []);
    assert_eq!(missing(&[48, 3, 50, 51]), []);
    assert_eq!(missing(&[48, 48, 50]), []);
    assert_eq!(missing(&[48, 49, 49, 50]), []);
    // It is one of those that should stand here, whatever its number.
    assert_eq!(missing(&[48, 9000, 53]), [(49, 3)]);
    // Where the numbers go on from it, and where another recording begins.
    assert_eq!(missing(&[48, 60, 61]), [(49, 11)]);
    assert_eq!(missing(&[2, 5, 8]), [(3, 2), (6, 2)]);
    assert_eq!(missing(&[48, 1, 2, 4]), [(3, 1)]);
}

#[test]
fn nothing_is_missing_where_reading_goes_on_in_the_middle() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<String> = (1..=5).map(|seq| message(seq, "{}") + "\n").collect();
    write!(file, "{HEADER}\n{}", lines.concat()).unwrap();
    let third = HEADER.len() + 1 + lines[..2].concat().len();
    let mut reader = Reader::open_at(file.path(), third as u64).unwrap();
    let mut read = Vec::new();
    reader.read(9, |record| read.push(short(&record))).unwrap();
    assert_eq!(read, ["3 {}", "4 {}", "5 {}"]);
}

#[test]
fn a_part_of_a_capture_is_read_for_whoever_looks() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let records = format!("{}\n{}\n", message(7, "{}"), message(9, "[]"));
    let open = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        Reader::open_to_show(file.path())
    };
    for beginning in ["", "\u{feff}", "{\"captu\0\0\n", "\n"] {
        let mut reader = open(&format!("{beginning}{records}")).unwrap();
        assert!(reader.header().part, "{beginning:?}");
        let bodies = reader.bodies().unwrap();
        let mut read = Vec::new();
        let each = |record: Record<'_>| {
            if !matches!(record.payload, Payload::Damaged { .. }) {
                read.push((short(&record), bodies.fetch(record.location).unwrap()));
            }
        };
        reader.read(9, each).unwrap();
        let expected = [
            ("7 {}".to_owned(), b"{}".to_vec()),
            ("9 []".to_owned(), b"[]".to_vec()),
        ];
        assert_eq!(read, expected, "{beginning:?}");
    }
    let whole = open(&format!("\u{feff}{HEADER}\n{records}")).unwrap();
    assert_eq!((whole.header().part, &*whole.header().name), (false, "n"));
    for refused in [format!("{{\"capture\":2}}\n{records}"), "a\nb\n".to_owned()] {
        assert!(open(&refused).is_err(), "{refused}");
    }
}

#[test]
fn what_is_broken_in_a_line_is_said_in_plain_words() {
    let reason = |line: &[u8]| match super::line(line).payload {
        Payload::Damaged { reason } => reason,
        other => panic!("{other:?}"),
    };
    let whole = message(1, "{}");
    assert_eq!(reason(&whole.as_bytes()[..40]), "it breaks off");
    assert_eq!(reason(b"[]"), "it is no record of a capture");
    assert_eq!(reason(b"{\"x\":1}"), "it is no record of a capture");
    assert_eq!(reason(b"{x"), "it is not JSON from byte 2 on");
    assert_eq!(reason(b"\xff"), "it is not UTF-8");
}

#[test]
fn a_capture_that_breaks_off_says_from_where_on() {
    let mut noise = 1_u64;
    let text = (1..=20_000).map(|seq| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        message(seq, &format!("[{noise}]")) + "\n"
    });
    let text = format!("{HEADER}\n{}", text.collect::<String>());
    let mut packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    assert!(packed.len() > 128 << 10, "more than is unpacked at once");
    packed.extend([0xff; 64]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &packed).unwrap();
    let mut reader = Reader::open(file.path()).unwrap();
    let failed = loop {
        match reader.read(1000, |_| ()) {
            Ok(0) => panic!("it was read to its end"),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    let of = format!("of {} on: ", packed.len());
    assert!(
        failed.contains("unreadable from byte ") && failed.contains(&of),
        "{failed}"
    );
}
