//! Times, durations, sizes and counts as people read them, in few columns.

use crate::tap::Timestamp;
pub use crate::traffic::number::{count, duration, plural};

const SECOND: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// `12:04:01.120`, local; nothing for a time that is not known.
pub fn time_of_day(at: Timestamp, utc_offset_seconds: i32) -> String {
    if !at.is_known() {
        return String::new();
    }
    let millis = at.0.rem_euclid(SECOND) / 1000;
    format!("{}.{millis:03}", clock(at, utc_offset_seconds))
}

/// `12:04:01`, local; nothing for a time that is not known.
pub fn clock(at: Timestamp, utc_offset_seconds: i32) -> String {
    if !at.is_known() {
        return String::new();
    }
    let local = at.0.div_euclid(SECOND) + i64::from(utc_offset_seconds);
    let second = local.rem_euclid(DAY_SECONDS);
    format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// `12:04`, local; nothing for a time that is not known.
pub fn minute(at: Timestamp, utc_offset_seconds: i32) -> String {
    clock(at, utc_offset_seconds).chars().take(5).collect()
}

/// `today 17:02:31`, `yesterday 17:02:31`, `2026-11-19 17:02:31`, local.
pub fn day_and_time(at: Timestamp, now: Timestamp, utc_offset_seconds: i32) -> String {
    let time = clock(at, utc_offset_seconds);
    let day = |time| day(time, utc_offset_seconds);
    match day(now) - day(at) {
        0 => format!("today {time}"),
        1 => format!("yesterday {time}"),
        _ => format!("{} {time}", date(day(at))),
    }
}

/// A time as headers say it.
pub fn parsed(rfc3339: &str) -> Option<Timestamp> {
    let time = chrono::DateTime::parse_from_rfc3339(rfc3339).ok()?;
    Some(Timestamp(time.timestamp_micros()))
}

/// The local day, counted from 1970-01-01.
pub fn day(at: Timestamp, utc_offset_seconds: i32) -> i64 {
    (at.0.div_euclid(SECOND) + i64::from(utc_offset_seconds)).div_euclid(DAY_SECONDS)
}

/// `2026-11-19`, local.
pub fn date_of(at: Timestamp, utc_offset_seconds: i32) -> String {
    date(day(at, utc_offset_seconds))
}

/// `+09:00`
pub fn offset(utc_offset_seconds: i32) -> String {
    let minutes = utc_offset_seconds / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The civil date of a day counted from 1970-01-01 (proleptic Gregorian, years of 400-year eras starting in March).
fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `00:12:04`, or with days in front.
pub fn uptime(micros: i64) -> String {
    let seconds = micros.max(0) / SECOND;
    let (days, seconds) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let time = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if days > 0 {
        format!("{days}d {time}")
    } else {
        time
    }
}

/// `54`, `1.2k`, `340k`, `3.4M`.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let value = bytes as f64;
    match bytes {
        0..1000 => bytes.to_string(),
        1000..9950 => format!("{:.1}k", value / 1e3),
        9950..999_500 => format!("{:.0}k", value / 1e3),
        999_500..9_950_000 => format!("{:.1}M", value / 1e6),
        9_950_000..999_500_000 => format!("{:.0}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_never_negative() {
        let at = Timestamp(1_795_228_441_120_456);
        assert_eq!(time_of_day(at, 0), "02:34:01.120");
        assert_eq!(time_of_day(at, -3 * 3600), "23:34:01.120");
        assert_eq!(time_of_day(Timestamp(-1), 0), "23:59:59.999");
    }

    #[test]
    fn days_are_named_while_they_are_near() {
        let at = Timestamp(1_795_228_441_000_000);
        let later = |hours: i64| Timestamp(at.0 + hours * 3600 * SECOND);
        assert_eq!(day_and_time(at, later(1), 0), "today 02:34:01");
        assert_eq!(day_and_time(at, later(24), 0), "yesterday 02:34:01");
        assert_eq!(day_and_time(at, later(100), 0), "2026-11-21 02:34:01");
        assert_eq!(
            day_and_time(Timestamp(951_782_400_000_000), at, 0),
            "2000-02-29 00:00:00"
        );
    }

    #[test]
    fn a_zone_is_said_as_a_time_says_it() {
        assert_eq!(
            [0, 32_400, -12_600].map(offset),
            ["+00:00", "+09:00", "-03:30"]
        );
        let at = Timestamp(1_795_228_441_000_000);
        assert_eq!(
            [0, -3 * 3600].map(|it| date_of(at, it)),
            ["2026-11-21", "2026-11-20"]
        );
    }

    #[test]
    fn sizes_stay_short() {
        for bytes in [
            0,
            999,
            1000,
            9949,
            9950,
            999_499,
            999_500,
            9_949_999,
            999_499_999,
            1 << 40,
        ] {
            assert!(size(bytes).len() <= 7, "{}", size(bytes));
        }
        assert_eq!(
            (size(1234), size(50_000_000)),
            ("1.2k".into(), "50M".into())
        );
        assert_eq!(uptime(13_251_000_000), "03:40:51");
    }
}
