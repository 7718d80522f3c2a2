//! The codes. A code never changes its meaning and is never used again; each has its page in `docs/codes/`.

use crate::diag::finding::Severity;

macro_rules! codes {
    ($($variant:ident $text:literal $severity:ident $title:literal;)*) => {
        /// What a finding is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is printed.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it is about, in one line.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// How bad it is, unless `--deny` raises it.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// Its page.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("../../docs/codes/", $text, ".md")),)* }
            }
        }
    };
}

codes! {
    // The text.
    YamlSyntax "LB0101" Error "the text is no YAML";
    DuplicateKey "LB0102" Error "a key stands twice in one mapping";
    TabIndent "LB0103" Error "a tab is used to indent";
    UnknownAnchor "LB0104" Error "an alias names an anchor that is not there";
    TooLarge "LB0105" Error "a document is too deep or grows too large through its aliases";
    BadMerge "LB0106" Error "a merge key does not merge a mapping";
    UnknownTag "LB0107" Error "a tag is not part of the documents' language";
    NotUtf8 "LB0108" Error "a file is no UTF-8 text";
    // The shape.
    NotADocument "LB0201" Error "a document is no mapping with apiVersion, kind, metadata and spec";
    UnknownVersion "LB0202" Error "the apiVersion is not known";
    UnknownKind "LB0203" Error "the kind is not known";
    UnknownKey "LB0204" Error "a key is not known here";
    MissingKey "LB0205" Error "a key is missing";
    WrongType "LB0206" Error "a value has the wrong type";
    UnknownValue "LB0207" Error "a value is none of those allowed";
    OutOfRange "LB0208" Error "a number is out of its range";
    BadName "LB0209" Error "a name has a form that names cannot have";
    BadDuration "LB0210" Error "a duration is not written with its unit, or is too long";
    BadTime "LB0211" Error "a time is not written with its zone";
    BadAddress "LB0212" Error "an address or prefix is not one";
    OneOf "LB0213" Error "of some keys exactly one must stand here";
    NoDocuments "LB0214" Error "the workspace has no documents";
    BadPattern "LB0215" Error "a regular expression cannot be read";
    // The names.
    DuplicateName "LB0301" Error "two documents of a kind have one name";
    UnknownSite "LB0302" Error "no site has that name";
    UnknownReplica "LB0303" Error "no replica has that name";
    UnknownPlan "LB0304" Error "no failover plan has that name";
    UnknownRunbook "LB0305" Error "no runbook has that name";
    EmptySelection "LB0306" Error "a selection of labels fits no replica";
    UnknownEntry "LB0307" Error "an edge names nothing that stands in the sequence";
    SharedMachine "LB0308" Error "two replicas claim one machine";
    SameMachine "LB0309" Error "a replica is its own source";
    MixedProviders "LB0310" Error "source and replica are at sites of different providers";
    UnknownPolicy "LB0311" Error "no policy has that name";
    MixedWorkspace "LB0312" Error "some sites of a workspace are simulated and some are real";
    UnknownGroup "LB0313" Error "no group of people has that name";
    FenceMissing "LB0317" Error "a failover plan fences, and a source has no fence";
    UnknownNameServer "LB0319" Error "no name server is known for a name";
    NameServerTwice "LB0320" Error "two name servers have one name";
    NameTwice "LB0321" Error "a name follows two machines";
    ConsistencyUnfit "LB0318" Error "a consistency group cannot be meant so";
    // The graph.
    Cycle "LB0401" Error "entries wait for each other in a circle";
    EntryTwice "LB0402" Error "a replica stands twice in a sequence";
    GoalTwice "LB0403" Error "a runbook asks two things of one replica";
    EmptySequence "LB0404" Error "a sequence or a runbook is empty";
    // Combinations that cannot be meant.
    PointNeedsUnplanned "LB0410" Error "a planned failover cannot choose a restore point";
    TermWithoutUse "LB0411" Error "a term does not fit the state that is asked for";
    IrreversibleUnsaid "LB0412" Error "a permanent failover is not marked irreversible";
    NeverSo "LB0413" Error "what a replica must be to be ready can never be so";
    FailureUnfit "LB0414" Error "what is said of failures does not fit together";
    BadHook "LB0415" Error "a hook or a gate cannot be meant so";
    FenceUnfit "LB0416" Error "a fence cannot be meant so";
    MappedTwice "LB0417" Error "a network or an address is mapped twice";
    NameUnfit "LB0418" Error "what is said of a name that follows a machine does not fit together";
    AddressesKept "LB0419" Warning "a rule for addresses has no effect at such a site";
    // Routes.
    NoRoute "LB0501" Error "no operation leads from here to the desired state";
    Ambiguous "LB0502" Error "two routes lead to the desired state and keep different data";
    NoPoint "LB0503" Error "there is no such restore point";
    SiteUnseen "LB0504" Error "a site that the plan needs does not answer";
    Foreign "LB0505" Error "a replica is in a condition that no operation leaves behind";
    BothWouldServe "LB0507" Error "source and replica would serve on one network";
    TargetUnfit "LB0508" Error "the failback target does not fit";
    NetworkUnmapped "LB0509" Error "a network of the source has no mapping";
    CheckerRefuses "LB0510" Error "the checker found the plan unsafe";
    SliceUnfit "LB0511" Error "a slice of a runbook cannot be made so";
    NoFence "LB0512" Error "a source that cannot be seen has no fence";
    FencesOthers "LB0513" Warning "a fence takes down machines that the plan does not bring up";
    AddressShared "LB0516" Error "two replicas would have one address";
    AddressTaken "LB0517" Error "a machine that runs has the address that a replica would get";
    NameNowhere "LB0518" Error "it is not known what a name shall say";
    MixedCut "LB0514" Error "members of a consistency group would be of different moments";
    NoCut "LB0515" Error "a consistency group has no common cut";
    DrillNoNetwork "LB0525" Error "a drill has no network apart for a network of its replicas";
    DrillNotApart "LB0526" Error "the copies of a drill would not be apart";
    // Policy.
    ObjectiveMissing "LB0601" Error "a policy asks for an objective that is not set";
    LossOverObjective "LB0602" Error "the plan would lose more than the objective allows";
    PolicyForbids "LB0603" Error "a policy forbids what the plan does";
    RtoMissed "LB0604" Error "the plan is predicted to take longer than its objective";
    RuleBroken "LB0605" Error "a rule of a policy is broken";
    RuleContradicts "LB0606" Error "rules contradict each other, or one contradicts itself";
    RuleTwice "LB0607" Error "two rules of a policy have one name";
    SignersUnfit "LB0608" Error "the file of allowed signers cannot be used";
    NeverApproved "LB0609" Error "a rule wants approvals that no plan can ever have";
    NotDrilled "LB0621" Error "a failover plan was not drilled lately";
    BehindObjective "LB0620" Error "a replica is further behind than its objective allows";
    // Sealed plans.
    PlanUnreadable "LB0701" Error "the file is no sealed plan";
    PlanEdited "LB0702" Error "a sealed plan was changed after it was sealed";
    PlanStale "LB0703" Error "the world is not any more what the sealed plan was made for";
    PlanVersion "LB0704" Error "a sealed plan has a format that this version does not know";
    ConfirmMismatch "LB0705" Error "the plan was not confirmed by its name";
    NoWayBack "LB0706" Warning "a replica of the run cannot be brought back";
    // Runs.
    Locked "LB0801" Error "another run holds one of the replicas";
    Unfinished "LB0802" Error "an earlier run over these replicas is not finished";
    JournalDamaged "LB0803" Error "a journal is damaged";
    JournalVersion "LB0804" Error "a journal has a format that this version does not know";
    UnknownRun "LB0805" Error "no run has that name";
    NothingToResume "LB0806" Error "there is nothing to resume, settle or abort";
    UnknownNode "LB0807" Error "the run has no step of that name";
    StoreUnwritable "LB0808" Error "the workspace cannot be written or is full";
    StepFailed "LB0809" Error "a step failed";
    StepInDoubt "LB0810" Error "the outcome of a step is not known";
    FileUnreadable "LB0811" Error "a file or folder cannot be read";
    UnknownCode "LB0812" Error "no finding has that code";
    WorkspaceExists "LB0813" Error "there is a workspace already";
    SimulatorDamaged "LB0814" Error "the simulator's world cannot be read";
    NotSimulated "LB0815" Error "the sites are not simulated";
    BadStore "LB0817" Error "the place where runs are kept cannot be used";
    StoreUnreachable "LB0818" Error "the store does not answer, or refuses";
    StoreLost "LB0819" Error "the store was lost in the middle of a run";
    LeaseLost "LB0820" Error "the run is not held any more";
    NotVerified "LB0821" Error "the record of a run is not what was written";
    CopyThere "LB0850" Error "the copy of an earlier drill is there";
    CopyInTheWay "LB0851" Error "the copy of a drill is in the way";
    DrillFailed "LB0852" Error "a drill did not pass";
    DrillLeft "LB0853" Error "something of a drill is left";
    NotAsked "LB0830" Error "the run asks no such question now";
    MayNotAnswer "LB0831" Error "a person may not answer a gate";
    NotApproved "LB0840" Error "the plan does not have the approvals that a rule wants";
    ApprovalUnfit "LB0841" Warning "an approval does not count";
    CannotApprove "LB0842" Error "an approval cannot be made";
    SignerMissing "LB0843" Error "`ssh-keygen` cannot be run";
    GlassUnsaid "LB0844" Error "the glass is broken without a reason";
    NoHosts "LB0816" Error "it is not known which hosts to import from, or to where";
    // The sites.
    SiteSilent "LB0901" Error "a site does not answer";
    HostTooOld "LB0902" Error "libvirt or QEMU at a site is too old";
    NoBackups "LB0903" Error "a host cannot serve the disks of a machine while it runs";
    ToolMissing "LB0904" Error "a program is missing at a site";
    FolderUnusable "LB0905" Error "the folder for restore points cannot be written";
    LittleRoom "LB0906" Error "there is too little room at a site";
    DataPathUnusable "LB0907" Error "disks cannot be served at the address and ports that the document names";
    NetworkDown "LB0908" Error "a network that a machine is to be on is not there or not active";
    MachineUnfit "LB0909" Error "a machine cannot be replicated";
    KindUnknown "LB0910" Error "a host cannot run a machine of that kind";
    OthersWork "LB0911" Error "a machine has a job, a snapshot or a checkpoint of somebody else's";
    ClockOff "LB0912" Warning "the clock of a host is off";
    CannotTell "LB0913" Error "something about a site or a replica cannot be told";
    NotRebuilt "LB0914" Error "a record beside a replica is not rebuilt";
    HookUnfit "LB0920" Error "a hook cannot be run here, or its check fails";
    AddressAnswers "LB0921" Error "somebody answers at the address that a replica would get";
    NameServerUnfit "LB0922" Warning "a name server does not tell what a name says";
    NameTaken "LB0923" Error "a name leads to somebody else's machine";
    NameElsewhere "LB0924" Warning "a name does not lead to the machine that serves";
    // Worth a look.
    SourceLeftRunning "LB1001" Warning "a source is left running while its replica serves";
    SourceUnseen "LB1002" Warning "a source cannot be seen while its replica is started";
    LosesData "LB1003" Warning "the plan loses data";
    OlderPoint "LB1004" Warning "an older restore point than the latest is chosen";
    SourceMoved "LB1005" Warning "replication runs from another machine than the document says";
    AmbiguousText "LB1006" Warning "a word is text here and something else to older YAML readers";
    ReplicaUnplanned "LB1007" Warning "a replica stands in no failover plan";
    SourceStaysOff "LB1008" Warning "the source stays off when its failover is undone";
    DelayIgnored "LB1009" Warning "a delay of the last entry is ignored";
    NoReadiness "LB1010" Warning "an entry waits for ready, and the replica does not say when it is ready";
    BareDelay "LB1011" Warning "an entry waits by the clock where a replica says when it is ready";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|c| c.as_str().eq_ignore_ascii_case(text)).copied().ok_or(())
    }
}
