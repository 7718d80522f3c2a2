//! People who answer a run's questions: at the terminal where it runs, or by a word that is left for it from anywhere.

use super::world::World;
use super::{Desk, Screen};
use crate::base::RunId;
use crate::domain::Reply;
use crate::engine::Aids;
use crate::journal::{Store, Topic};
use crate::plan::{NodeId, Plan};
use crate::port::{Answers, Asked, Busy, Clock, Later};
use crate::provider::script::Processes;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};

/// How often it is looked whether somebody left an answer.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// Who answers a run.
struct People {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    person: String,
    host: String,
    /// What is typed where it runs; nothing where there is no terminal.
    typed: Option<Sender<String>>,
    /// The questions that are open, by their names.
    open: Mutex<BTreeSet<String>>,
}

/// Who helps a run of a plan: programs on this machine, and people.
pub fn aids(
    desk: &Desk,
    plan: &Plan,
    world: &World,
    screen: &mut dyn Screen,
) -> Result<Aids, Box<super::Answer>> {
    let asks = plan.node_ids().any(|node| plan.question(node).is_some());
    let people = People {
        store: desk.store()?,
        clock: world.clock(),
        person: desk.person.clone(),
        host: desk.host.clone(),
        typed: asks.then(|| screen.hears()).flatten(),
        open: Mutex::default(),
    };
    Ok(Aids { scripts: Arc::new(scripts(desk)), answers: Arc::new(people), names: world.names(desk) })
}

/// The programs of this machine, in the workspace's folder.
pub fn scripts(desk: &Desk) -> Processes {
    Processes::new(desk.folder.clone(), desk.environment.as_ref().clone())
}

impl People {
    /// Returns with the first answer that somebody leaves who may.
    async fn left(&self, asked: &Asked) -> Reply {
        let node = NodeId(asked.node);
        loop {
            let found = self.in_store(asked, move |store, run| store.answer(run, node)).await.flatten();
            match found {
                Some(reply) if asked.question.may_answer(&reply.person) => return reply,
                Some(reply) => {
                    tracing::warn!(
                        person = reply.person,
                        gate = asked.name,
                        "an answer of somebody who may not"
                    );
                    self.in_store(asked, move |store, run| drop(store.forget_word(run, Topic::Answer(node))))
                        .await;
                }
                None => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the store beside everything else: one elsewhere may take its time, and nothing else shall wait for it.
    async fn in_store<T: Send + 'static>(
        &self,
        asked: &Asked,
        question: impl FnOnce(&dyn Store, &RunId) -> T + Send + 'static,
    ) -> Option<T> {
        let (store, run) = (Arc::clone(&self.store), asked.run.clone());
        tokio::task::spawn_blocking(move || question(store.as_ref(), &run)).await.ok()
    }

    /// Returns with the first answer that is typed.
    async fn typed(&self, asked: &Asked, mut lines: Receiver<String>) -> Reply {
        loop {
            match lines.recv().await {
                Ok(line) => {
                    let alone = self.lock().len() == 1;
                    let read = read(&line, &asked.name, alone).filter(|(yes, _)| *yes || !asked.yes_alone);
                    if let Some((yes, because)) = read {
                        let (person, host) = (self.person.clone(), self.host.clone());
                        return Reply { yes, person, host, because };
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a question from the open ones when it is answered, or given up.
struct Open<'a>(&'a People, &'a str);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(self.1);
    }
}

impl Answers for People {
    fn answer<'a>(&'a self, asked: &'a Asked) -> Later<'a, (Reply, Busy)> {
        Box::pin(async move {
            self.lock().insert(asked.name.clone());
            let _open = Open(self, &asked.name);
            let lines = self.typed.as_ref().filter(|_| asked.question.may_answer(&self.person));
            let Some(lines) = lines.map(Sender::subscribe) else {
                return (self.left(asked).await, self.clock.busy());
            };
            // Somebody sits there and thinks, which takes real time: a virtual clock stands still meanwhile.
            let thinks = self.clock.busy();
            tokio::select! {
                reply = self.left(asked) => (reply, thinks),
                reply = self.typed(asked, lines) => (reply, thinks),
            }
        })
    }
}

/// An answer in a line: `yes`, `no, the shop is slow`, or with the gate's name before it, which is needed where several are open.
fn read(line: &str, name: &str, alone: bool) -> Option<(bool, Option<String>)> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let line = if is(name, first) {
        rest.trim()
    } else if alone {
        line
    } else {
        return None;
    };
    let end = line.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(line.len());
    let (word, why) = line.split_at_checked(end)?;
    let yes = match word.to_ascii_lowercase().as_str() {
        "yes" | "y" => true,
        "no" | "n" => false,
        _ => return None,
    };
    let why = why.trim_start_matches(|c: char| c == ',' || c == ':' || c.is_whitespace());
    let why = why.strip_prefix("because ").unwrap_or(why).trim();
    Some((yes, (!why.is_empty()).then(|| why.to_owned())))
}

/// Whether a gate is meant: by its whole name, or without its plan's.
pub fn is(gate: &str, said: &str) -> bool {
    gate == said || gate.rsplit_once('/').is_some_and(|(_, own)| own == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_answer_is_yes_or_no_and_may_say_why() {
        let why = |text: &str| Some(text.to_owned());
        for (line, alone, read_as) in [
            ("yes", true, Some((true, None))),
            ("No, the shop is slow\n", true, Some((false, why("the shop is slow")))),
            ("y because all is green", true, Some((true, why("all is green")))),
            ("shop/open yes: fine", false, Some((true, why("fine")))),
            ("open no", false, Some((false, None))),
            ("yes", false, None),
            ("other yes", false, None),
            ("yesterday", true, None),
            ("", true, None),
            ("open", true, None),
        ] {
            assert_eq!(read(line, "shop/open", alone), read_as, "{line}");
        }
    }
}
