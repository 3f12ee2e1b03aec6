//! Text in columns.

/// Lays out rows in columns two spaces apart; the last column is not padded.
#[must_use]
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    line(&mut text, &widths, header.iter().copied());
    for row in rows {
        line(&mut text, &widths, row.iter().map(String::as_str));
    }
    text
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let start = text.len();
    for (cell, width) in cells.zip(widths) {
        text.push_str(cell);
        let missing = width.saturating_sub(cell.chars().count()) + 2;
        text.extend(std::iter::repeat_n(' ', missing));
    }
    let end = start + text[start..].trim_end().len();
    text.truncate(end);
    text.push('\n');
}

/// The same text without what would steer a terminal: programs print what they like, and it is shown again.
#[must_use]
pub fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.chars().map(shown).collect()
}

/// The first line of a text, cut to so many characters.
#[must_use]
pub fn shorten(text: &str, characters: usize) -> String {
    let text = &harmless(text.trim_end());
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= characters && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(characters.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A time span for people: `350ms`, `4.2s`, `3m07s`, `1h02m`.
#[must_use]
pub fn elapsed(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..=59 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// The time from one moment to a later one; none when they stand the wrong way round.
#[must_use]
pub fn between(from: jiff::Timestamp, to: jiff::Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let rows = vec![
            vec!["a".to_owned(), "é".to_owned()],
            vec!["long".to_owned(), String::new()],
        ];
        assert_eq!(render(&["x", "y"], &rows), "x     y\na     é\nlong\n");
    }

    #[test]
    fn a_long_text_is_cut_and_only_its_first_line_shown() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("ab\ncd", 9), "ab…");
        assert_eq!(shorten("a\u{1b}[2Jb\r", 9), "a [2Jb");
    }

    #[test]
    fn spans_are_short() {
        let shown =
            [350, 4_250, 187_000, 3_720_000].map(|millis| elapsed(Duration::from_millis(millis)));
        assert_eq!(shown, ["350ms", "4.2s", "3m07s", "1h02m"]);
    }
}
