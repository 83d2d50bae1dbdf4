//! Counts and latencies of each method and name.

use super::RowId;
use super::storage::{NONE, Symbol};
use std::collections::HashMap;

/// How the calls of one tool, prompt, resource or method went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    pub calls: u32,
    pub ok: u32,
    pub tool_errors: u32,
    /// Protocol errors.
    pub errors: u32,
    /// Cancelled or lost.
    pub unanswered: u32,
    pub pending: u32,
    /// Asked for input, and nobody went on.
    pub asking: u32,
    /// How many calls the latencies are of: those that the server has answered.
    pub timed: u32,
    /// Microseconds from request to answer; `None` before the first answer.
    pub p50: Option<i64>,
    pub p95: Option<i64>,
}

/// Latencies in microseconds: exact while there are few, afterwards in buckets no wider than a sixteenth.
#[derive(Debug, Clone)]
enum Latencies {
    /// Ascending.
    Few(Vec<i64>),
    Many {
        buckets: Box<[u32; BUCKETS]>,
        total: u32,
        least: i64,
        most: i64,
    },
}

const FEW: usize = 64;
/// Buckets for each doubling.
const FINENESS: u32 = 16;
const BUCKETS: usize = 60 * FINENESS as usize + FINENESS as usize;

impl Latencies {
    fn add(&mut self, took: i64) {
        let took = took.max(0);
        match self {
            Self::Few(values) if values.len() < FEW => {
                values.insert(values.partition_point(|&value| value <= took), took);
            }
            Self::Few(values) => {
                let mut many = Self::Many {
                    buckets: Box::new([0; BUCKETS]),
                    total: 0,
                    least: took,
                    most: took,
                };
                values.iter().for_each(|&value| many.add(value));
                many.add(took);
                *self = many;
            }
            Self::Many {
                buckets,
                total,
                least,
                most,
            } => {
                (*least, *most) = (took.min(*least), took.max(*most));
                if let Some(count) = buckets.get_mut(bucket(took as u64)) {
                    *count = count.saturating_add(1);
                    *total = total.saturating_add(1);
                }
            }
        }
    }
    /// The smallest value that `percentile` of a hundred values do not exceed.
    fn percentile(&self, percentile: u8) -> Option<i64> {
        let rank = |total: usize| {
            (total * usize::from(percentile.min(100)))
                .div_ceil(100)
                .max(1)
        };
        match self {
            Self::Few(values) => values.get(rank(values.len()) - 1).copied(),
            Self::Many {
                buckets,
                total,
                least,
                most,
            } => {
                let mut left = rank(*total as usize);
                let found = buckets.iter().position(|&count| {
                    let here = (count as usize) >= left;
                    left = left.saturating_sub(count as usize);
                    here
                })?;
                Some(middle(found).clamp(*least, *most))
            }
        }
    }
}

/// Values below 16 have a bucket each; above, each doubling has 16.
fn bucket(value: u64) -> usize {
    if value < u64::from(FINENESS) {
        return value as usize;
    }
    let doubling = value.ilog2() - FINENESS.ilog2();
    ((doubling * FINENESS) as u64 + (value >> doubling)) as usize
}

fn middle(bucket: usize) -> i64 {
    let (doubling, step) = (
        bucket as u32 / FINENESS,
        bucket as u64 % u64::from(FINENESS),
    );
    match doubling.checked_sub(1) {
        None => step as i64,
        Some(doubling) => {
            (((u64::from(FINENESS) + step) << doubling) + ((1 << doubling) >> 1)) as i64
        }
    }
}

/// How an exchange ended, as far as its statistics care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Ok,
    ToolError,
    Error,
    Unanswered,
    /// Only the end of a round: the server asks for input.
    Asking,
}

#[derive(Debug)]
struct Entry {
    stats: Stats,
    latencies: Latencies,
    newest: RowId,
}

/// The statistics of every method and name.
#[derive(Debug, Default)]
pub struct AllStats {
    entries: HashMap<(Symbol, Symbol), Entry>,
}

impl AllStats {
    /// A call that had ended without an answer, with an `error` or otherwise, has not.
    pub fn reopen(&mut self, key: (Symbol, Symbol), error: bool) {
        if let Some(Entry { stats, .. }) = self.entries.get_mut(&key) {
            stats.pending += 1;
            let ended = if error {
                &mut stats.errors
            } else {
                &mut stats.unanswered
            };
            *ended = ended.saturating_sub(1);
        }
    }
    /// Counts a call; the call of the same method and name before it, or [`NONE`].
    pub fn begin(&mut self, key: (Symbol, Symbol), row: RowId) -> RowId {
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            stats: Stats::default(),
            latencies: Latencies::Few(Vec::new()),
            newest: NONE,
        });
        entry.stats.calls += 1;
        entry.stats.pending += 1;
        std::mem::replace(&mut entry.newest, row)
    }
    /// A call that was asked for input goes on.
    pub fn go_on(&mut self, key: (Symbol, Symbol)) {
        if let Some(Entry { stats, .. }) = self.entries.get_mut(&key) {
            stats.pending += 1;
            stats.asking = stats.asking.saturating_sub(1);
        }
    }
    /// Counts the end of a pending call. `took` only for one that was answered.
    pub fn end(&mut self, key: (Symbol, Symbol), end: End, took: Option<i64>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let stats = &mut entry.stats;
        stats.pending = stats.pending.saturating_sub(1);
        *match end {
            End::Ok => &mut stats.ok,
            End::ToolError => &mut stats.tool_errors,
            End::Error => &mut stats.errors,
            End::Unanswered => &mut stats.unanswered,
            End::Asking => &mut stats.asking,
        } += 1;
        if let Some(took) = took.filter(|_| end != End::Asking) {
            entry.latencies.add(took);
            entry.stats.timed = entry.stats.timed.saturating_add(1);
        }
    }
    pub fn get(&self, key: (Symbol, Symbol)) -> Stats {
        self.entries
            .get(&key)
            .map_or_else(Stats::default, |entry| Stats {
                p50: entry.latencies.percentile(50),
                p95: entry.latencies.percentile(95),
                ..entry.stats
            })
    }
    pub fn percentile(&self, key: (Symbol, Symbol), percentile: u8) -> Option<i64> {
        self.entries.get(&key)?.latencies.percentile(percentile)
    }
    /// The newest call, or [`NONE`].
    pub fn newest(&self, key: (Symbol, Symbol)) -> RowId {
        self.entries.get(&key).map_or(NONE, |entry| entry.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latencies(values: impl IntoIterator<Item = i64>) -> Latencies {
        let mut latencies = Latencies::Few(Vec::new());
        values.into_iter().for_each(|value| latencies.add(value));
        latencies
    }

    #[test]
    fn few_latencies_are_exact() {
        let few = latencies([30, 10, 20, 40]);
        assert_eq!(few.percentile(0), Some(10));
        assert_eq!(few.percentile(50), Some(20));
        assert_eq!(few.percentile(95), Some(40));
        assert_eq!(latencies([]).percentile(50), None);
    }

    #[test]
    fn many_latencies_are_right_within_a_sixteenth() {
        let many = latencies(1..=10_000);
        for percentile in [1u8, 50, 95, 100] {
            let exact = i64::from(percentile) * 100;
            let found = many.percentile(percentile).unwrap();
            assert!((found - exact).abs() <= exact / 16, "{percentile}: {found}");
        }
    }

    #[test]
    fn no_percentile_is_beyond_what_was_measured() {
        let same = latencies([300; 1000]);
        assert_eq!(same.percentile(50), Some(300));
        assert_eq!(same.percentile(95), Some(300));
    }

    proptest! {
        #[test]
        fn the_middle_of_a_bucket_lies_in_it(value in 0..i64::MAX) {
            let found = bucket(value as u64);
            prop_assert!(found < BUCKETS);
            prop_assert_eq!(bucket(middle(found) as u64), found);
        }
    }
}
