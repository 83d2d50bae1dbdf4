//! Numbers of things and lengths of time as people read them: in the rows of the model, and everywhere else.

/// `18 022`: digits in groups of three.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `1 error`, `2 errors`.
pub fn plural(number: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

/// `820 µs`, `3.2 ms`, `30.0 s`, `2m05s`, `3h40m`: at most seven columns up to a hundred hours.
pub fn duration(micros: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = micros as f64;
    match micros {
        i64::MIN..1000 => format!("{micros} µs"),
        1000..10_000 => format!("{:.1} ms", value / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        1_000_000..60_000_000 => format!("{:.1} s", value / 1e6),
        60_000_000..3_600_000_000 => {
            format!("{}m{:02}s", micros / 60_000_000, micros / 1_000_000 % 60)
        }
        _ => format!(
            "{}h{:02}m",
            micros / 3_600_000_000,
            micros / 60_000_000 % 60
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let said = [1, 999, 18_022, 1_000_000].map(count);
        assert_eq!(said, ["1", "999", "18 022", "1 000 000"]);
        let said = [0, 1, 2027].map(|number| plural(number, "tool"));
        assert_eq!(said, ["0 tools", "1 tool", "2 027 tools"]);
    }

    #[test]
    fn lengths_of_time_stay_short() {
        for micros in [
            0,
            999,
            1000,
            9999,
            10_000,
            999_999,
            59_900_000,
            3_599_000_000,
            86_400_000_000,
        ] {
            assert!(
                duration(micros).chars().count() <= 7,
                "{}",
                duration(micros)
            );
        }
        assert_eq!(
            (duration(2100), duration(30_000_000)),
            ("2.1 ms".into(), "30.0 s".into())
        );
        assert_eq!(
            (duration(125_000_000), duration(13_251_000_000)),
            ("2m05s".into(), "3h40m".into())
        );
    }
}
