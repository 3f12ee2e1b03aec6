//! Quantities as Kubernetes writes them: `250m`, `1800Mi`, `1.5Gi`, `12345n`, `1e3`. Pure.

/// The number that a quantity stands for; `None` for what is none.
#[must_use]
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text
        .char_indices()
        // An exponent's `e` belongs to the number when digits follow; `E` alone is 10^18.
        .find(|(at, c)| match c {
            '0'..='9' | '.' => false,
            '+' | '-' => *at != 0 && !text[..*at].ends_with(['e', 'E']),
            'e' | 'E' => !text[at + 1..]
                .starts_with(|next: char| next.is_ascii_digit() || next == '-' || next == '+'),
            _ => true,
        })
        .map_or(text.len(), |(at, _)| at);
    let number: f64 = text[..digits].parse().ok()?;
    // Divided rather than multiplied by a fraction: 25382501n is then 0.025382501 and nothing beside it.
    let (factor, divisor) = match &text[digits..] {
        "n" => (1.0, 1e9),
        "u" => (1.0, 1e6),
        "m" => (1.0, 1e3),
        whole => (factor(whole)?, 1.0),
    };
    number.is_finite().then_some(number * factor / divisor)
}

fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers() {
        for (text, number) in [
            ("250m", 0.25),
            ("2", 2.0),
            ("1800Mi", 1_887_436_800.0),
            ("1.5Gi", 1_610_612_736.0),
            ("12345678n", 0.012_345_678),
            ("766Ki", 784_384.0),
            ("1e3", 1000.0),
            ("2E", 2e18),
            ("1e-2", 0.01),
            ("0", 0.0),
        ] {
            let read = parse(text).unwrap();
            assert!(
                (read - number).abs() <= number.abs() * 1e-12,
                "{text}: {read}"
            );
        }
        for bad in ["", "Mi", "1X", "1 Gi", "abc", "1e", "-"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
