//! A finding: what is wrong or worth knowing, where, why, and what to do about it.

use crate::diag::code::Code;
use crate::diag::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing goes on before it is mended.
    Error,
    /// Lawful, but suspicious.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word that stands before the message.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place and why it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// Why here.
    pub text: String,
}

/// Whether a machine may apply a fix by itself. What changes the meaning of a recovery never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applicability {
    /// It only says better what was meant.
    MachineApplicable,
    /// A person must look at it.
    MaybeIncorrect,
}

/// A replacement of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// A way to mend a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// Whether a machine may apply it.
    pub applicability: Applicability,
    /// The replacements.
    pub edits: Vec<Edit>,
}

/// Something found. Its message stands alone, says what is wrong and never how to mend it; labels say why here; help says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its code, for `lifeboat explain`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where; the first one is the primary place. Empty where no document is concerned.
    pub labels: Vec<Label>,
    /// The object and the source of the facts, where no document is concerned ("replica db-01, recovery read 14:02:07Z").
    pub object: Option<String>,
    /// What to do.
    pub help: Vec<String>,
    /// Ways to mend it as patches.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A finding of the severity that its code has.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            object: None,
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// With one place more; the first one is the primary.
    #[must_use]
    pub fn at(mut self, span: Option<Span>, text: impl Into<String>) -> Self {
        if let Some(span) = span {
            self.labels.push(Label { span, text: text.into() });
        }
        self
    }

    /// With one way out more.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// About an object that no document holds.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// With a patch.
    #[must_use]
    pub fn fix(mut self, applicability: Applicability, edits: Vec<Edit>) -> Self {
        self.fixes.push(Fix { applicability, edits });
        self
    }

    /// The primary place.
    #[must_use]
    pub fn primary(&self) -> Option<Span> {
        self.labels.first().map(|l| l.span)
    }
}

/// The order in which findings are shown: by place, errors before warnings at the same place; without a place last.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (f.primary().is_none(), f.primary(), f.severity, f.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
}
