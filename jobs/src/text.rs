//! Rules for text that people type: free text and names.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// Letters and digits of any script, space, and the punctuation that names are written with.
const NAME: &str = r"^[\p{L}\p{N} ._:/@#-]{1,128}$";

#[expect(clippy::expect_used, reason = "a constant, compiled by every test below")]
static IS_NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(NAME).expect("a valid pattern"));

/// A text that is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 128 letters, digits, spaces and . _ : / @ # -")]
pub struct NotAName;

/// A name in Unicode's composed form (NFC), so that what looks the same is the same.
pub fn name(text: &str) -> Result<String, NotAName> {
    let composed: String = text.nfc().collect();
    if IS_NAME.is_match(&composed) { Ok(composed) } else { Err(NotAName) }
}

/// Free text as it was typed, in NFC and without the characters that only deceive readers.
///
/// Line breaks and tabs stay; other control characters go, as do bidirectional controls
/// ("Trojan Source", CVE-2021-42574) and the invisible tag characters.
pub fn free_text(text: &str) -> String {
    text.chars().filter(|c| !deceives(*c)).nfc().collect()
}

fn deceives(c: char) -> bool {
    match c {
        '\n' | '\r' | '\t' => false,
        // The Bidi_Control property of Unicode.
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        '\u{E0000}'..='\u{E007F}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_letters_digits_and_a_little_punctuation() {
        for good in ["a", "Zoë's".trim_end_matches("'s"), "名前 1", "a/b:c@d#e-f_g.h", &"x".repeat(128)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", &"x".repeat(129), "test; DROP TABLE users;", "a\nb", "a\n", "a\u{202E}b", "<b>", "a'b"] {
            assert_eq!(name(bad), Err(NotAName), "{bad:?}");
        }
    }

    #[test]
    fn a_name_typed_decomposed_is_the_same_name() {
        assert_eq!(name("Zoe\u{308}").unwrap(), "Zo\u{EB}");
    }

    #[test]
    fn free_text_keeps_what_people_type() {
        let typed = "test; DROP TABLE users;\n\t— \"naïve\" 👩‍👩‍👧 שלום";
        assert_eq!(free_text(typed), typed);
    }

    #[test]
    fn free_text_loses_what_deceives() {
        assert_eq!(free_text("a\0b\u{7}c\u{85}d\u{202E}e\u{2066}f\u{E0041}g\u{1B}[31m"), "abcdefg[31m");
        assert_eq!(free_text("e\u{202C}\u{301}"), "\u{E9}");
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text: String) {
            let once = free_text(&text);
            prop_assert_eq!(free_text(&once), once.clone());
            prop_assert!(!once.chars().any(deceives));
        }
    }
}
