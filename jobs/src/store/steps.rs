//! Cuts a verb's file into its statements, when the crate is compiled.

/// The statement that follows the line `-- step: <name>` in `file`, up to the next such line.
///
/// Meant for constants: a name that is not in the file does not compile.
pub(super) const fn step(file: &'static str, name: &str) -> &'static str {
    const MARK: &[u8] = b"-- step: ";
    let (text, name) = (file.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at < text.len() {
        let named = at + MARK.len();
        if starts_with(text, at, MARK) && starts_with(text, named, name) && ends_line(text, named + name.len()) {
            let start = named + name.len();
            let mut end = start;
            while end < text.len() && !starts_with(text, end, MARK) {
                end += 1;
            }
            return file.split_at(end).0.split_at(start).1;
        }
        at += 1;
    }
    panic!("the file has no step of that name")
}

const fn starts_with(text: &[u8], at: usize, prefix: &[u8]) -> bool {
    let mut i = 0;
    while i < prefix.len() {
        if at + i >= text.len() || text[at + i] != prefix[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn ends_line(text: &[u8], at: usize) -> bool {
    at >= text.len() || text[at] == b'\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_what_stands_between_its_line_and_the_next() {
        const FILE: &str = "-- About.\n-- step: one\nSELECT 1\n\n-- step: one_more\nSELECT 2\n";
        assert_eq!(step(FILE, "one").trim(), "SELECT 1");
        assert_eq!(step(FILE, "one_more").trim(), "SELECT 2");
    }
}
