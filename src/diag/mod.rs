//! Floor 1: findings as data: a code, a severity, one sentence, places in the text, a way out. No rendering here.

pub mod code;
pub mod finding;
pub mod source;

pub use code::Code;
pub use finding::{Applicability, Edit, Finding, Fix, Label, Severity};
pub use source::{FileId, Position, SourceFile, Sources, Span};
