//! Floor 5: a run as a fold over its events. Pure: what may start, what is done, how it ended.

pub mod admission;
pub mod drill;
pub mod event;
pub mod outcome;
mod places;
pub mod progress;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Glass};
pub use drill::{Drill, Left, Verdict, drill, last_look};
pub use event::{Event, FailedWhy, How, IllegalEvent, Runner, StopWhy, Wish};
pub use outcome::{NotRun, Outcome, Summary, outcome};
pub use progress::{Next, Progress, Status};
