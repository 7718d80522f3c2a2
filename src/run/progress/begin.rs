//! What let a run begin.

use super::Progress;
use crate::run::admission::{Admission, Glass};
use std::sync::Arc;

impl Progress {
    /// The same with what let it begin.
    #[must_use]
    pub fn admitted(self, admission: Option<Arc<Admission>>) -> Self {
        Self { admission, ..self }
    }

    /// What let it begin, where its plan needs approvals.
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_deref()
    }

    /// Who had it begin without the approvals that its plan needs.
    #[must_use]
    pub fn glass(&self) -> Option<&Glass> {
        self.admission().and_then(|a| a.glass.as_ref())
    }
}
