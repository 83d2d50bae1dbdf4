//! Times on the command line, in seconds.

use std::time::Duration;

/// A hundred years: what is asked for beyond is as good as that, and clocks do not reach much further.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map(|time| time.min(LONGEST))
        .map_err(|_| "not a possible number of seconds".to_owned())
}

/// Nothing at all would be over before anything could happen.
pub(super) fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("not a time above 0; a large one stands for no limit".to_owned()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, proxy};
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_wait_is_longer_than_nothing_and_no_longer_than_clocks_reach() {
        for line in [
            &["--listen", "1", "--idle", "0", "--", "x"][..],
            &["list", "--timeout", "0", "--", "x"],
            &["call", "t", "--timeout", "1e-12", "--", "x"],
            &["auth", "login", "--timeout", "0", "http://host/mcp"],
        ] {
            let complaint = complaint(line);
            assert!(complaint.contains("not a time above 0"), "{complaint}");
        }
        let grace = |time| proxy(&["--grace", time, "--", "x"]).recorded.grace;
        assert_eq!(grace("0"), Duration::ZERO);
        assert_eq!(grace("1.5"), Duration::from_millis(1500));
        assert!(Instant::now().checked_add(grace("1.8e19")).is_some());
    }
}
