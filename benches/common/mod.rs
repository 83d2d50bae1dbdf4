//! What the benches of the data path share: figures and their table, what they say to each other, and pipes to say it
//! through.
#![allow(dead_code, reason = "each bench uses its own part of it")]

pub mod http;
pub mod messages;
pub mod pipes;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const IN_FLIGHT: usize = 64;
pub const BURST: usize = 100_000;
/// One burst takes some 15 ms, and which threads happen to share a core for that long decides over its rate.
const BURSTS: usize = 5;
/// Between two bursts: what was put off in one is not paid in the next.
const PAUSE: Duration = Duration::from_millis(200);
/// After so long a process has started, and has nothing more to do.
pub const AT_REST: Duration = Duration::from_millis(1500);

pub fn rounds(words: &[&str]) -> usize {
    words
        .iter()
        .position(|word| *word == "--rounds")
        .map_or(3, |at| words[at + 1].parse().unwrap())
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The built program, which finds no settings and leaves its files in `home`.
pub fn sentinel(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-sentinel"));
    for name in [
        "HOME",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
    ] {
        command.env(name, home);
    }
    command
}

/// A client with a server, whatever is between.
pub trait Client {
    /// A message as it goes out.
    fn wrap(&self, message: Vec<u8>) -> Vec<u8> {
        message
    }

    /// One round trip.
    fn ask(&mut self, request: &[u8]);

    /// Answers a second with a window of requests always on the way.
    fn in_flight(&mut self, requests: Vec<Vec<u8>>) -> f64;

    /// Notifications a second when a server sends many at once; each is looked at, in order.
    fn burst(&mut self) -> f64;

    /// The same when the server writes each by itself.
    fn drizzle(&mut self) -> f64 {
        f64::NAN
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Figures {
    p50: f64,
    p99: f64,
    flow: f64,
    burst: f64,
    drizzle: f64,
    cpu_single: f64,
    cpu_flow: f64,
    idle_mb: f64,
    peak_mb: f64,
    /// What only one bench measures.
    pub own: f64,
}

/// Measures a client, and the processes between it and its server, which may be none.
pub fn measure(
    client: &mut impl Client,
    processes: &[u32],
    round_trips: usize,
    flowing: usize,
) -> Figures {
    let requests = |client: &dyn Client, count| -> Vec<_> {
        let requests = (0..count).map(|id| messages::request(id, "tools/call"));
        requests.map(|request| client.wrap(request)).collect()
    };
    let sum = |figure: &dyn Fn(u32) -> f64| match processes {
        [] => f64::NAN,
        processes => processes.iter().map(|process| figure(*process)).sum(),
    };
    let single = requests(client, round_trips);
    for request in &single[..round_trips / 10] {
        client.ask(request);
    }
    std::thread::sleep(AT_REST);
    let idle_mb = sum(&|it| memory(it, "VmRSS"));
    let before = sum(&cpu);
    let mut times: Vec<f64> = single
        .iter()
        .map(|request| {
            let start = Instant::now();
            client.ask(request);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    let cpu_single = (sum(&cpu) - before) / (2 * round_trips) as f64;
    times.sort_by(f64::total_cmp);
    let many = requests(client, flowing);
    let before = sum(&cpu);
    let flow = client.in_flight(many);
    let cpu_flow = (sum(&cpu) - before) / (2 * flowing) as f64;
    let several = |burst: &mut dyn FnMut() -> f64| {
        let rates = (0..BURSTS).map(|_| {
            std::thread::sleep(PAUSE);
            burst()
        });
        median(rates.collect())
    };
    let burst = several(&mut || client.burst());
    let drizzle = several(&mut || client.drizzle());
    Figures {
        p50: times[round_trips / 2],
        p99: times[round_trips / 100 * 99],
        flow,
        burst,
        drizzle,
        cpu_single,
        cpu_flow,
        idle_mb,
        peak_mb: sum(&|it| memory(it, "VmHWM")),
        own: f64::NAN,
    }
}

/// Each figure: its heading, how to get it, and whether it is compared.
type Column<'a> = (&'a str, fn(&Figures) -> f64, bool);

/// One row a setup, from the same rounds; those of the baseline are what the others are compared with. What is not a
/// number was not measured.
pub fn report(names: &[&str], results: &[Vec<Figures>], baseline: usize, own: &str) {
    let columns: [Column<'_>; 10] = [
        ("p50 us", |it| it.p50, true),
        ("p99 us", |it| it.p99, true),
        ("k/s 64 in flight", |it| it.flow / 1e3, true),
        ("k/s burst", |it| it.burst / 1e3, true),
        ("k/s one by one", |it| it.drizzle / 1e3, true),
        ("cpu us, c=1", |it| it.cpu_single, true),
        ("cpu us, c=64", |it| it.cpu_flow, true),
        ("idle MB", |it| it.idle_mb, false),
        ("peak MB", |it| it.peak_mb, false),
        (own, |it| it.own, false),
    ];
    print!("{:<20}", "");
    for (heading, _, compared) in columns {
        print!("{heading:>width$}", width = if compared { 18 } else { 11 });
    }
    println!();
    for (name, rounds) in names.iter().zip(results) {
        print!("{name:<20}");
        for (_, figure, compared) in columns {
            let value = median(rounds.iter().map(figure).collect());
            let ratios = rounds.iter().zip(&results[baseline]);
            let ratio = median(ratios.map(|(us, them)| figure(us) / figure(them)).collect());
            match (value.is_nan(), compared) {
                (true, true) => print!("{:>18}", "-"),
                (true, false) => print!("{:>11}", "-"),
                (false, true) if ratio.is_nan() => print!("{value:>10.1}        "),
                (false, true) => print!("{value:>10.1} (x{ratio:>4.2})"),
                (false, false) => print!("{value:>11.1}"),
            }
        }
        println!();
    }
}

/// Time on a processor of all threads of a process, in microseconds.
pub fn cpu(process: u32) -> f64 {
    let nanoseconds: f64 = std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum();
    nanoseconds / 1e3
}

/// `VmRSS` or `VmHWM` of a process, in MB.
pub fn memory(process: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<f64>().unwrap() / 1024.0
}

/// That a capture holds so many bursts, nothing lost and nothing out of order.
pub fn check_bursts(capture: &Path, bursts: usize) {
    let capture = BufReader::new(std::fs::File::open(capture).unwrap());
    let mut expected = 0;
    for line in capture.split(b'\n') {
        if let Some(number) = messages::number_in(&line.unwrap()) {
            assert_eq!(number, expected % BURST, "in order");
            expected += 1;
        }
    }
    assert_eq!(expected, bursts * BURST, "nothing lost");
    println!("capture of {bursts} bursts of {BURST}: nothing lost, nothing out of order");
}
