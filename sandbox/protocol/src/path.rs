//! Which names files may have, and which of them a pattern means.

/// Bytes of a path.
const LONGEST: usize = 512;
/// Folders in folders.
const DEEPEST: usize = 16;

/// Whether a path names something below the folder it is joined to, whatever that is: relative,
/// with no way up, not too long and not too deep, and without characters that mean something to
/// a terminal.
pub fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() <= 255;
    path.len() <= LONGEST
        && path.split('/').count() <= DEEPEST
        && path.split('/').all(plain)
        && !path.chars().any(char::is_control)
}

/// Whether a pattern means this path: `?` is any character and `*` any number of them, within
/// one folder; `**` is any number of folders.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    sequence(
        &pattern,
        &path,
        |part| *part == "**",
        |pattern, part| {
            let pattern: Vec<char> = pattern.chars().collect();
            let part: Vec<char> = part.chars().collect();
            sequence(&pattern, &part, |c| *c == '*', |pattern, c| *pattern == '?' || pattern == c)
        },
    )
}

/// Matches items one by one; one that is `any` stands for any number of them. Goes back to the
/// last such one only, which is enough, so that no pattern takes more than the product of both
/// lengths.
fn sequence<T>(pattern: &[T], items: &[T], any: impl Fn(&T) -> bool, one: impl Fn(&T, &T) -> bool) -> bool {
    let (mut p, mut i) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while i < items.len() {
        if pattern.get(p).is_some_and(&any) {
            last = Some((p, i));
            p += 1;
        } else if pattern.get(p).is_some_and(|pattern| one(pattern, &items[i])) {
            p += 1;
            i += 1;
        } else if let Some((star, from)) = last {
            last = Some((star, from + 1));
            p = star + 1;
            i = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside() {
        for inside in ["a", "a/b.txt", "...", "a b", "ä/ö", ".hidden"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["", "/", "/etc", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a\nb", "a\u{1b}[31m"] {
            assert!(!is_inside(outside), "{outside}");
        }
        assert!(!is_inside(&"a/".repeat(300)));
        assert!(!is_inside(&"a".repeat(256)));
        assert!(!is_inside(&format!("{}a", "a/".repeat(16))));
    }

    #[test]
    fn a_pattern_means_what_a_shell_would() {
        let cases = [
            ("*.png", "a.png", true),
            ("*.png", "out/a.png", false),
            ("out/*", "out/a.png", true),
            ("**/*.png", "a.png", true),
            ("**/*.png", "a/b/c.png", true),
            ("**", "a/b/c", true),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("a/**/z", "b/a/z", false),
            ("?.txt", "a.txt", true),
            ("?.txt", "ab.txt", false),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "axxbxxb", false),
            ("", "a", false),
        ];
        for (pattern, path, meant) in cases {
            assert_eq!(matches(pattern, path), meant, "{pattern} {path}");
        }
        // Takes no time that anyone would notice.
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
    }
}
