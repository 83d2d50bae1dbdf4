//! A client and a server on stdio.

use super::messages::{self, request};
use super::{BURST, Client, IN_FLIGHT};
use std::io::{BufRead, BufReader, BufWriter, Read, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A conversation with a server, whatever is between.
pub struct Conversation {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Conversation {
    pub fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take().unwrap(),
            stdout: BufReader::with_capacity(1 << 16, process.stdout.take().unwrap()),
            line: Vec::new(),
            process,
        }
    }

    /// Whatever is between, or the server itself.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// One line, which nobody answers.
    pub fn tell(&mut self, line: &[u8]) {
        self.stdin.write_all(line).unwrap();
    }

    pub fn end(mut self) {
        drop(self.stdin);
        self.stdout.read_to_end(&mut Vec::new()).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Client for Conversation {
    fn ask(&mut self, request: &[u8]) {
        self.stdin.write_all(request).unwrap();
        self.line.clear();
        self.stdout.read_until(b'\n', &mut self.line).unwrap();
        assert!(self.line.ends_with(b"\n"), "the answer is whole");
    }

    fn in_flight(&mut self, requests: Vec<Vec<u8>>) -> f64 {
        let start = Instant::now();
        let mut sent = IN_FLIGHT;
        let mut answered = 0;
        self.stdin.write_all(&requests[..sent].concat()).unwrap();
        while answered < requests.len() {
            let chunk = self.stdout.fill_buf().unwrap();
            assert!(!chunk.is_empty(), "the server is still there");
            let (length, lines) = (chunk.len(), memchr::memchr_iter(b'\n', chunk).count());
            self.stdout.consume(length);
            answered += lines;
            let next = (sent + lines).min(requests.len());
            if next > sent {
                let due = requests[sent..next].concat();
                self.stdin.write_all(&due).unwrap();
                sent = next;
            }
        }
        requests.len() as f64 / start.elapsed().as_secs_f64()
    }

    fn burst(&mut self) -> f64 {
        self.notifications("burst")
    }

    fn drizzle(&mut self) -> f64 {
        self.notifications("drizzle")
    }
}

impl Conversation {
    fn notifications(&mut self, method: &str) -> f64 {
        let start = Instant::now();
        self.stdin.write_all(&request(1, method)).unwrap();
        let mut line = Vec::new();
        for number in 0..BURST {
            line.clear();
            self.stdout.read_until(b'\n', &mut line).unwrap();
            assert_eq!(messages::number_in(&line), Some(number));
        }
        let time = start.elapsed().as_secs_f64();
        line.clear();
        self.stdout.read_until(b'\n', &mut line).unwrap();
        BURST as f64 / time
    }
}

/// The server: answers each line, and bursts when asked to.
pub fn serve() {
    let mut input = BufReader::with_capacity(1 << 16, stdin());
    let mut output = BufWriter::with_capacity(1 << 16, stdout());
    let (mut line, mut answer) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        let one_by_one = messages::is_drizzle(&line);
        if one_by_one || messages::is_burst(&line) {
            for number in 0..BURST {
                messages::write_progress(number, &mut output);
                output.write_all(b"\n").unwrap();
                if one_by_one {
                    output.flush().unwrap();
                }
            }
        }
        answer.clear();
        messages::answer(&line, &mut answer);
        if !answer.is_empty() {
            answer.push(b'\n');
            output.write_all(&answer).unwrap();
        }
        if input.buffer().is_empty() {
            output.flush().unwrap();
        }
        line.clear();
    }
}
