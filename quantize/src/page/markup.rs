//! Pieces of markup. What comes out is well-formed XML too, so that a simple check finds mistakes.

use std::fmt::Display;

/// Text as markup: characters with a meaning of their own are escaped, those that no document may hold are replaced.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(' '),
            // Marks that turn the direction of text could make a line read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The first characters of a text, as markup, with an ellipsis where some are left out.
pub fn shortened(text: &str, most: usize) -> String {
    let kept: String = text.chars().take(most).collect();
    if kept.len() == text.len() { escape(text) } else { escape(&kept) + "…" }
}

/// A number with a comma between thousands.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A table of cells that are markup; cells of columns whose head ends in `#` are aligned right.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let class = |column: usize| if head[column].ends_with('#') { " class=\"number\"" } else { "" };
    let line = |tag: &str, cells: &[String]| {
        let cell = |(column, cell): (usize, &String)| format!("<{tag}{}>{cell}</{tag}>", class(column));
        format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
    };
    let titles = head.map(|title| title.trim_end_matches('#').trim_end().to_string());
    let body: String = rows.into_iter().map(|row| line("td", &row)).collect();
    format!(
        "<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>\n{body}</tbody>\n</table></div>\n",
        line("th", &titles)
    )
}

/// First and last of a range, as one number where they are equal.
pub fn span([first, last]: [u16; 2]) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(
            escape("<b a='1' c=\"2\">&\u{0}\u{202e}"),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(shortened("<<<<", 2), "&lt;&lt;…");
        assert_eq!(shortened("ab", 2), "ab");
    }

    #[test]
    fn thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
