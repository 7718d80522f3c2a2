//! Where the driver itself looks at the sites: whether what was fenced stayed away, when it takes a run up; what became of the replicas, when
//! it ends one.

use super::{Driver, EngineError};
use crate::engine::fence::{self, Seen};
use crate::engine::settle::LOOK;
use crate::plan::{NodeId, Work};
use crate::port::Subject;
use crate::run::Event;

/// So many replicas share one record of what was observed: a value in a store has its largest size.
const TOGETHER: usize = 100;

impl Driver<'_> {
    /// Fences are proven anew for what may still start: between two runners a host may have come back. A person's word stands until
    /// somebody sees the contrary: it was given because no program can prove it.
    pub(super) async fn prove_anew(&mut self) -> Result<(), EngineError> {
        let (progress, mut events) = (&self.run.progress, Vec::new());
        let hooks = progress.plan().node_ids().zip(&progress.plan().nodes);
        let fences = hooks.filter(|(_, node)| matches!(&node.work, Work::Hook(hook) if hook.is_fence()));
        self.begun = fences.map(|(id, _)| id).filter(|id| progress.started_at(*id).is_some()).collect();
        let relied_on: Vec<NodeId> = progress.fences_relied_on().collect();
        for node in relied_on {
            let because = if progress.is_by_hand(node) {
                let Some(back) = self.came_back(node).await else { continue };
                format!("it was said to be away, and {back}")
            } else {
                "the run was taken up, and its proof is from before".to_owned()
            };
            events.push(Event::Reopened { node, person: self.run.runner.person.clone(), because });
        }
        self.note(events)
    }

    /// What is seen running of what a fence took away.
    async fn came_back(&self, node: NodeId) -> Option<String> {
        let plan = self.run.progress.plan();
        let Some(Work::Hook(hook)) = plan.node(node).map(|n| &n.work) else { return None };
        let (provider, clock) = (self.run.provider.as_ref(), self.run.clock.as_ref());
        match fence::look(&fence::sources(plan, hook), provider, clock).await {
            Seen::Running(vm) => Some(format!("{vm} runs")),
            Seen::Off(_) | Seen::Answering(_) | Seen::Nothing => None,
        }
    }

    /// What has become of the plan's replicas, for the record alone: nothing follows from it, and a run ends whether the sites answer or not.
    pub(super) async fn look_back(&self) -> Vec<Event> {
        let (provider, clock) = (&self.run.provider, &self.run.clock);
        let subjects: Vec<Subject> = self
            .run
            .progress
            .plan()
            .placements
            .iter()
            .map(|(replica, placement)| Subject { replica: replica.clone(), placement: placement.clone() })
            .collect();
        // The look works under the driver's own promise; whoever waits beside it needs another one.
        let _promise = clock.busy();
        tokio::select! {
            biased;
            inventory = provider.observe(&subjects) => {
                let inventory = inventory.of(subjects.iter().map(|s| &s.replica));
                let parts = inventory.parts(TOGETHER).into_iter();
                parts.map(|inventory| Event::Observed { inventory }).collect()
            }
            () = clock.until(clock.now().after(LOOK)) => {
                vec![Event::NotObserved { why: format!("the sites had not answered after {LOOK}") }]
            }
        }
    }
}
