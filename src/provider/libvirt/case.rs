//! A replica as it is at the moment at which something is asked of it: its record, its machines, its hosts.

use super::host::{Host, HostError};
use super::machine::{Machine, Run};
use super::record::{NAMESPACE, PREFIX, Record, RecordError};
use super::sight::{Layers, Roll, bear_out, layers};
use crate::base::{ReplicaName, SiteName};
use crate::domain::{Action, Consistency, CopyFacts, Facts, Operation, Power, Role, Sight, VmRef};
use crate::port::{Failure, Placement, copy_of};
use crate::provider::meter::Meter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A host did not do it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The record beside the replica cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Something is in the way; the text says what, and the way out.
    #[error("{0}")]
    InTheWay(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Host(HostError::Unreachable { .. }) => Self::NoAnswer(trouble.to_string()),
            Trouble::Host(HostError::Failed { .. }) | Trouble::Record(_) | Trouble::InTheWay(_) => {
                Self::Failed(trouble.to_string())
            }
        }
    }
}

/// The hosts by their sites.
pub type Hosts = BTreeMap<SiteName, Host>;

/// A look at one machine.
#[derive(Debug, Clone)]
pub enum Look {
    /// Nobody looked, or its host did not answer.
    Unseen,
    /// There is none.
    Absent,
    /// It is there.
    There(Box<Machine>),
}

impl Look {
    /// The machine, where it is there.
    #[must_use]
    pub fn machine(&self) -> Option<&Machine> {
        match self {
            Self::There(machine) => Some(machine),
            Self::Unseen | Self::Absent => None,
        }
    }
}

/// A replica as it is.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its name.
    pub replica: ReplicaName,
    /// Its machines as the documents name them.
    pub placement: Placement,
    /// All hosts.
    pub hosts: &'a Hosts,
    /// Its record; one of nothing where there is none yet.
    pub record: Record,
    /// Its own machine.
    pub own: Look,
    /// The source.
    pub source: Look,
    /// The failback's target, where it is another machine than the source.
    pub target: Option<Look>,
    /// Where it is told how far its copies have come.
    pub meter: Option<Arc<Meter>>,
    /// What the restore point is like that was made, where that is known better than from the facts.
    pub made: Option<Consistency>,
    /// Whether the source is another machine than the one that the replica is rendered from: it has got a disk, or memory, or a card.
    pub changed: bool,
}

impl<'a> Case<'a> {
    /// Looks at a replica and at those of its other machines that are asked for. One whose host does not answer is unseen; the
    /// recovery host must answer.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn read(
        hosts: &'a Hosts,
        replica: &ReplicaName,
        placement: &Placement,
        also: &[Role],
    ) -> Result<Self, Trouble> {
        let recovery = host_of(hosts, &placement.replica)?;
        let roll = Roll::call(recovery).await?;
        Self::with(hosts, (replica, placement), &roll, also).await
    }

    /// The same, where the recovery host has been asked for its machines already.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn with(
        hosts: &'a Hosts,
        whose: (&ReplicaName, &Placement),
        roll: &Roll,
        also: &[Role],
    ) -> Result<Self, Trouble> {
        let (replica, placement) = whose;
        let recovery = host_of(hosts, &placement.replica)?;
        let own = roll.machine(recovery, placement.replica.vm.as_str()).await?;
        let found = match &own {
            Some(machine) => Record::of(&machine.tree)?,
            None => None,
        };
        if let Some(other) = found.as_ref().map(|r| &r.replica).filter(|r| *r != replica) {
            let vm = &placement.replica;
            return Err(Trouble::InTheWay(format!("the machine {vm} belongs to the replica {other}")));
        }
        if let (Some(_), None) = (&own, &found) {
            let vm = &placement.replica;
            return Err(Trouble::InTheWay(format!(
                "the machine {vm} has no record of Lifeboat's: `lifeboat status {replica} --rebuild` shows what it would be where it was lost; \
                 where the machine is none of Lifeboat's, name the replica otherwise"
            )));
        }
        let record = found.unwrap_or_else(|| Record::new(replica.clone(), placement.source.clone()));
        let mut case = Self {
            replica: replica.clone(),
            placement: placement.clone(),
            hosts,
            record,
            own: own.map_or(Look::Absent, |m| Look::There(Box::new(m))),
            source: Look::Unseen,
            target: None,
            meter: None,
            made: None,
            changed: false,
        };
        let other = case.other_target();
        if other.is_some() {
            case.target = Some(Look::Unseen);
        }
        let wants = |role: Role| also.contains(&role);
        if wants(Role::Source) || (wants(Role::Target) && other.is_none()) {
            case.source = case.look(&case.vm(Role::Source)).await;
        }
        if let Some(vm) = other.filter(|_| wants(Role::Target)) {
            case.target = Some(case.look(&vm).await);
        }
        Ok(case)
    }

    /// Looks at a machine. One whose host does not answer is unseen.
    pub async fn look(&self, vm: &VmRef) -> Look {
        let Ok(host) = host_of(self.hosts, vm) else { return Look::Unseen };
        let found = super::sight::machine(host, vm.vm.as_str()).await;
        host.heard(&found);
        match found {
            Ok(Some(machine)) => Look::There(Box::new(machine)),
            Ok(None) => Look::Absent,
            Err(why) => {
                tracing::warn!(%why, machine = %vm, "a machine could not be looked at");
                Look::Unseen
            }
        }
    }

    /// The failback's target, where it is another machine than the source: as recorded, or else as the documents say.
    fn other_target(&self) -> Option<VmRef> {
        match &self.record.relation.failback {
            Some(failback) => failback.target.other().cloned(),
            None => self.placement.target.clone().filter(|t| *t != self.record.relation.source),
        }
    }

    /// The machine in a role. The record beside the replica counts, not the document.
    #[must_use]
    pub fn vm(&self, role: Role) -> VmRef {
        let source = || self.record.relation.source.clone();
        match role {
            Role::Source => source(),
            Role::Replica => self.placement.replica.clone(),
            Role::Target => self.other_target().unwrap_or_else(source),
            Role::Copy => copy_of(&self.placement.replica),
        }
    }

    /// What was seen of the machine in a role.
    #[must_use]
    pub fn seen(&self, role: Role) -> &Look {
        match role {
            Role::Source => &self.source,
            Role::Replica => &self.own,
            Role::Target => self.target.as_ref().unwrap_or(&self.source),
            Role::Copy => &Look::Unseen,
        }
    }

    /// The machine in a role, which must have been seen.
    ///
    /// # Errors
    /// [`Trouble`] where it is not there.
    pub fn machine(&self, role: Role) -> Result<&Machine, Trouble> {
        let missing = || Trouble::InTheWay(format!("the machine {} is not there", self.vm(role)));
        self.seen(role).machine().ok_or_else(missing)
    }

    /// The host of the machine in a role.
    ///
    /// # Errors
    /// [`Trouble`] where its site is not known.
    pub fn host(&self, role: Role) -> Result<&'a Host, Trouble> {
        host_of(self.hosts, &self.vm(role))
    }

    /// The host and the name of the machine in a role.
    ///
    /// # Errors
    /// [`Trouble`] where its site is not known.
    pub fn place(&self, role: Role) -> Result<(&'a Host, String), Trouble> {
        Ok((self.host(role)?, self.vm(role).vm.as_str().to_owned()))
    }

    /// Where the replica's layers are.
    ///
    /// # Errors
    /// [`Trouble`] where its site is not known.
    pub fn layers(&self) -> Result<Layers, Trouble> {
        Ok(Layers::of(self.host(Role::Replica)?, &self.replica))
    }

    /// The facts, as the record and the machines say. What stands of a drill is not among them ([`super::drill::facts`]).
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            source: self.sight(Role::Source, &self.source),
            replica: self.sight(Role::Replica, &self.own),
            target: self.target.as_ref().map(|look| self.sight(Role::Target, look)),
            points: self.record.points.clone(),
            disk: self.record.disk.clone(),
            relation: self.record.relation.clone(),
            copy: CopyFacts::default(),
        }
    }

    /// The facts as the layers on the disk bear them out.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn facts_on_disk(&self) -> Result<Facts, Trouble> {
        let mut facts = self.facts();
        if !facts.points.is_empty() || facts.disk.delta {
            let found = layers(self.host(Role::Replica)?).await?;
            bear_out(&self.record, &self.layers()?, &found, &mut facts);
        }
        Ok(facts)
    }

    fn sight(&self, role: Role, look: &Look) -> Sight {
        match look {
            Look::Unseen => Sight::Unseen,
            Look::Absent => Sight::Absent,
            Look::There(machine) => {
                let mut facts = machine.facts();
                // One that is on for its disks' sake alone does not serve.
                if machine.run == Run::Paused && self.record.paused == Some(role) {
                    facts.power = Power::Off;
                }
                Sight::Present(facts)
            }
        }
    }

    /// Writes the record down beside the replica.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn write(&self) -> Result<(), Trouble> {
        let (host, name) = self.place(Role::Replica)?;
        let text = self.record.element().render();
        let command = ["metadata", "--domain", &name, NAMESPACE, "--key", PREFIX, "--config", "--set", &text];
        host.virsh(&command).await?;
        Ok(())
    }
}

/// The host of a machine.
///
/// # Errors
/// [`Trouble`] where its site is not known.
pub fn host_of<'a>(hosts: &'a Hosts, vm: &VmRef) -> Result<&'a Host, Trouble> {
    let missing = || Trouble::InTheWay(format!("site {} has no host of libvirt", vm.site));
    hosts.get(&vm.site).ok_or_else(missing)
}

/// Whether an action looks at the source only where that costs nothing: what it does to it is a precaution.
#[must_use]
pub const fn glances(action: &Action) -> bool {
    matches!(action, Action::PowerOn { vm: Role::Replica } | Action::Hold | Action::Resume | Action::Exclude)
}

/// The machines besides the replica that an action has to see.
#[must_use]
pub fn concerns(action: &Action) -> &'static [Role] {
    match action {
        Action::CreatePoint { .. } | Action::Begin { operation: Operation::Replicate { .. } } => {
            &[Role::Source]
        }
        Action::ShutDown { vm: Role::Source, .. }
        | Action::PowerOff { vm: Role::Source }
        | Action::PowerOn { vm: Role::Source } => &[Role::Source],
        Action::ShutDown { vm: Role::Target, .. }
        | Action::PowerOff { vm: Role::Target }
        | Action::PowerOn { vm: Role::Target }
        | Action::CreateTarget
        | Action::SnapshotTarget { .. }
        | Action::SendChanges { .. }
        | Action::RevertTarget
        | Action::Unprotect
        | Action::KeepProtective { .. } => &[Role::Target],
        Action::ShutDown { vm: Role::Replica, .. }
        | Action::PowerOff { vm: Role::Replica }
        | Action::PowerOn { vm: Role::Replica }
        | Action::Begin { .. }
        | Action::Retain { .. }
        | Action::Hold
        | Action::Resume
        | Action::Reassign
        | Action::Exclude
        | Action::Revert { .. }
        | Action::StartDelta
        | Action::DropDelta
        | Action::Connect { .. }
        | Action::Merge
        | Action::Protect { .. }
        | Action::MergeTarget
        | Action::RevertReplica
        | Action::SetSwitchover { .. }
        | Action::Conclude { .. }
        | Action::MakeCopy { .. }
        | Action::RemoveCopy
        | Action::ShutDown { vm: Role::Copy, .. }
        | Action::PowerOff { vm: Role::Copy }
        | Action::PowerOn { vm: Role::Copy } => &[],
    }
}
