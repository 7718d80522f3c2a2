//! A person's word about a step, as an event.

use crate::plan::NodeId;
use crate::run::{Event, FailedWhy, How};

/// What a person says of a step.
#[must_use]
pub fn by_hand(node: NodeId, word: Word, person: &str, because: &str) -> Event {
    let (person, because) = (person.to_owned(), because.to_owned());
    match word {
        Word::Done => Event::Settled { node, how: How::ByHand { person, because }, moved: None },
        Word::Failed => Event::Failed { node, why: FailedWhy::ByHand { person, because } },
        Word::Retry => Event::Reopened { node, person, because },
    }
}

/// What a person can say of a step in doubt, or of one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Its effect is there.
    Done,
    /// Its effect is not there and shall not be.
    Failed,
    /// It shall be tried again.
    Retry,
}
