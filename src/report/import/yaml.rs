//! Values as YAML reads them back, and as part of a comment.

/// A value: plain where that is what a person would write, quoted otherwise.
pub fn value(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    // What some reader of YAML takes for something else than text.
    let taken = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = begins && text.chars().all(word) && !taken.iter().any(|w| text.eq_ignore_ascii_case(w));
    if plain { text.to_owned() } else { quoted(text) }
}

/// A value in quotes. What cannot be seen is written by its number.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if seen(c) => out.push(c),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// A text as part of a comment, which ends with its line.
pub fn said(text: &str) -> String {
    text.chars().map(|c| if seen(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Whether a character stands for itself: it neither ends a line, nor hides, nor turns what is around it.
fn seen(c: char) -> bool {
    let hides = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_reader_takes_for_text_stands_without_quotes() {
        for plain in ["db-01", "web.front_2", "e5", "Nope"] {
            assert_eq!(value(plain), plain);
        }
        for other in [
            "",
            "no",
            "On",
            "null",
            "~",
            "1e3",
            "-a",
            "a b",
            "a:",
            "a#",
            "ü",
            "192.0.2.1",
            "fd00::7",
            "*x",
            "'",
        ] {
            assert_eq!(value(other), format!("\"{other}\""));
        }
        assert_eq!(value("a\"\\\n\u{202e}"), "\"a\\\"\\\\\\U0000000a\\U0000202e\"");
    }

    #[test]
    fn a_comment_stays_one() {
        assert_eq!(said("a\nb\u{2028}c\u{85}: d"), "a\u{fffd}b\u{fffd}c\u{fffd}: d");
    }
}
