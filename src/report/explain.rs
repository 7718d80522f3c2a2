//! The codes and their pages.

use crate::diag::Code;

/// All codes, one a line.
#[must_use]
pub fn list() -> String {
    Code::ALL.iter().map(|code| format!("{code}  {:<8} {}\n", code.severity().word(), code.title())).collect()
}

/// The page of a code.
#[must_use]
pub fn page(code: Code) -> String {
    format!("{}\n", code.page().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_with_its_title() {
        let list = list();
        assert_eq!(list.lines().count(), Code::ALL.len());
        assert!(list.contains("LB0502  error    two routes lead"));
    }
}
