//! The words that documents choose from.

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident $case:literal { $($(#[$d:meta])* $word:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = $case)]
        #[schemars(inline)]
        pub enum $name { $($(#[$d])* $word,)* }
    )*};
}

words! {
    /// The kinds of record that can follow a machine.
    FollowingWord "UPPERCASE" {
        /// An IPv4 address.
        A,
        /// An IPv6 address.
        Aaaa,
        /// Another name for it.
        Cname,
    }
    /// From when on a name leads to a machine that was started.
    OnceWord "camelCase" {
        /// As soon as it was started.
        Started,
        /// When it is ready.
        Ready,
    }
    /// How a key of a name server signs.
    KeyAlgorithmWord "kebab-case" {
        /// With SHA-256.
        HmacSha256,
        /// With SHA-384.
        HmacSha384,
        /// With SHA-512.
        HmacSha512,
    }
    /// When a place is free again.
    SlotWord "camelCase" {
        /// When the machine's operation is done.
        Done,
        /// When the machine is ready.
        Ready,
    }
    /// In which order an undo goes.
    UndoOrderWord "camelCase" {
        /// Against the dependencies.
        Reverse,
        /// In the order of the list.
        List,
    }
    /// What happens to a running source.
    SourceWord "kebab-case" {
        /// Nothing.
        Leave,
        /// It is powered off where its site answers.
        PowerOff,
        /// It is powered off where its site answers, and fenced where it does not.
        Fence,
    }
    /// Whether a guest's file systems are frozen for a restore point.
    QuiesceWord "camelCase" {
        /// Where its agent answers.
        Auto,
        /// Never.
        Never,
        /// Always: without an answer of its agent there is no restore point.
        Required,
    }
    /// What a failure does to what waits.
    IfFailedWord "camelCase" {
        /// It does not start.
        Block,
        /// It starts all the same.
        Continue,
        /// Nothing new starts in the whole run.
        Stop,
    }
    /// What is done where a run ends with a failure.
    OnFailureWord "camelCase" {
        /// Everything stays where it is, and a person decides.
        Hold,
        /// The way back is shown, and carried out where that was confirmed in advance.
        Undo,
    }
    /// How bad it is where a rule is broken.
    SeverityWord "camelCase" {
        /// The plan is refused.
        Error,
        /// The plan is made, and says so.
        Warning,
    }
    /// What an edge waits for.
    IsWord "camelCase" {
        /// The machine was powered on.
        Started,
        /// The machine is ready.
        Ready,
        /// The machine is ready; and its failback is committed, or its failover made permanent, before the other's is.
        Committed,
    }
    /// What a rule asks of those that come first.
    RuleIsWord "camelCase" {
        /// The machine was powered on.
        Started,
        /// The machine is ready.
        Ready,
    }
    /// What happens where a replica is not ready in time.
    AtEndWord "camelCase" {
        /// The wait has failed, and what waits for it does not start.
        Stop,
        /// The run goes on, and ends with an exception.
        Continue,
        /// A person decides.
        Ask,
    }
    /// How a web server is asked.
    MethodWord "UPPERCASE" {
        /// For the whole answer.
        Get,
        /// For its head alone.
        Head,
    }
    /// A kind of record of a name.
    RecordWord "UPPERCASE" {
        /// An IPv4 address.
        A,
        /// An IPv6 address.
        Aaaa,
        /// Another name for it.
        Cname,
        /// Who takes its mail.
        Mx,
        /// Its name servers.
        Ns,
        /// The name of an address.
        Ptr,
        /// The head of its zone.
        Soa,
        /// Where a service of it is.
        Srv,
        /// A text.
        Txt,
    }
    /// What it means that nobody answers.
    SilenceWord "camelCase" {
        /// Nothing new starts; whoever resumes the run is asked again.
        Stop,
        /// As if the answer had been yes; the run ends with an exception.
        Continue,
        /// As if the answer had been no.
        No,
    }
    /// An operation that a hook is about.
    HookOperationWord "kebab-case" {
        /// A replication run.
        Replicate,
        /// Failover to a restore point.
        Failover,
        /// Failover after the source was synchronised and shut down.
        PlannedFailover,
        /// Back to the source.
        UndoFailover,
        /// The replica becomes the production machine for good.
        PermanentFailover,
        /// Failback, phase 1.
        Failback,
        /// Failback, phase 2.
        Switchover,
        /// The failback stands.
        CommitFailback,
        /// Back to the replica.
        UndoFailback,
        /// A copy is tried, as a hook must say it to be run in a drill.
        Drill,
    }
    /// A desired state.
    StateWord "PascalCase" {
        /// Standing by.
        Ready,
        /// Serving at the recovery site.
        Failover,
        /// Serving at the recovery site, with production synchronised.
        ReadyToSwitch,
        /// Serving at production, not committed.
        Failback,
        /// The replica is production for good.
        Permanent,
    }
    /// How a failover is done.
    ViaWord "camelCase" {
        /// Nothing is lost; refused where the source does not answer.
        Planned,
        /// To a restore point.
        Unplanned,
        /// Planned where the source answers, otherwise unplanned.
        Best,
    }
    /// Whose data survives.
    KeepWord "camelCase" {
        /// The source's; what the replica wrote is discarded.
        Source,
        /// What the replica wrote.
        Replica,
    }
    /// What is done where a verification fails.
    OtherwiseWord "camelCase" {
        /// The run stops there.
        Stop,
        /// The failback is undone.
        Undo,
    }
}
