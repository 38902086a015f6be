//! Text in HTML, and the little of CommonMark that the documentation is written in.

/// Text that is nothing but text, in an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// A line of text with `code` in it.
pub(super) fn inline(text: &str) -> String {
    let mut html = String::new();
    for (number, piece) in text.split('`').enumerate() {
        match number % 2 {
            0 => html += &escaped(piece),
            _ => html += &format!("<code>{}</code>", escaped(piece)),
        }
    }
    html
}

/// Paragraphs, and lists whose entries begin with `- `.
pub(super) fn prose(text: &str) -> String {
    let mut html = String::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        if block.starts_with("- ") {
            let entries = block.lines().map(|line| format!("<li>{}</li>", inline(line.trim_start_matches("- "))));
            html += &format!("<ul>{}</ul>", entries.collect::<String>());
        } else {
            html += &format!("<p>{}</p>", inline(block));
        }
    }
    html
}

/// A name as the end of a link within the page.
pub(super) fn anchor(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' });
    plain.collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
        assert_eq!(inline("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
    }

    #[test]
    fn paragraphs_and_lists_are_told_apart() {
        assert_eq!(
            prose("One.\n\n- `a`: b\n- c\n\nTwo."),
            "<p>One.</p><ul><li><code>a</code>: b</li><li>c</li></ul><p>Two.</p>"
        );
    }
}
