//! Patterns over names: `*` stands for any characters, `?` for one.

/// Whether a text is a pattern and not a name: names have neither of the two characters.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a name fits a pattern. Linear but for what stands between two stars, and without recursion.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_what_they_say() {
        for (pattern, name, expected) in [
            ("db-*", "db-01", true),
            ("db-*", "db-", true),
            ("db-*", "adb-01", false),
            ("*-01", "web-01", true),
            ("*-01", "web-010", false),
            ("w*b-?1", "web-01", true),
            ("w*b-?1", "wb-b-21", true),
            ("?", "", false),
            ("*", "", true),
            ("**a*", "banana", true),
            ("db-01", "db-01", true),
            ("db-01", "db-011", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} over {name}");
        }
        assert!(is_pattern("db-?") && is_pattern("*") && !is_pattern("db-01"));
    }
}
