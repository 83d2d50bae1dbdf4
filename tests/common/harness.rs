//! A small stand-in for libtest, because a peer that prints `running 1 test` on stdout speaks no protocol.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub type Test = (&'static str, fn());

/// Names tests after their functions.
#[macro_export]
macro_rules! tests {
    ($($test:ident),* $(,)?) => { &[$((stringify!($test), $test as fn())),*] };
}

/// Runs the tests whose names contain the first argument that is not an option, two at a time or as many as
/// `--test-threads` says, and reports as libtest does.
pub fn run(tests: &[Test]) -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = arguments.iter().position(|it| it == "--test-threads");
    let threads = threads.map_or(2, |at| {
        let [_, number] = [arguments.remove(at), arguments.remove(at)];
        number.parse().unwrap()
    });
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen: Vec<&Test> = tests
        .iter()
        // None of these tests is ignored.
        .filter(|_| !given("--ignored"))
        .filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())))
        .collect();
    if given("--list") {
        for (name, _) in chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let start = Instant::now();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, test)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = catch_unwind(AssertUnwindSafe(test));
                    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
                    println!("test {name} ... {verdict}");
                    if outcome.is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len(),
        tests.len() - chosen.len(),
        start.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}
