//! Numbers of things as people read them: in the rows of the model, and everywhere on the screen.

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
}
