//! The closed set of reasons a condition can carry, and what each one tells a reader.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition is what it is: one word for programs, documented for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word in `status.conditions[].reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The reason that a word stands for.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.name() == word)
            }

            /// What the word means and what to do about it; the documentation is made from this.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n",)+),)+ }
            }
        }
    };
}

reasons! {
    /// AWS matches the spec.
    InSync,
    /// The controller has seen the object and is looking at AWS for the first time.
    Progressing,
    /// The external object does not exist yet and is being created.
    Creating,
    /// The external object differs from a changed spec and is being updated.
    Updating,
    /// Somebody changed the external object; it is being put back to what the spec says.
    CorrectingDrift,
    /// Partitions are being registered, moved or removed in the catalog.
    UpdatingPartitions,
    /// Partition indexes are being built or removed.
    UpdatingIndexes,
    /// Glue could not build a partition index; the message says over which partitions it stumbled.
    IndexFailed,
    /// Nothing is written because `spec.suspend` is true.
    Suspended,
    /// `managementPolicy: ObserveOnly`: the external object differs from the spec and is left alone.
    Differs,
    /// `managementPolicy: ObserveOnly`: the external object does not exist.
    NotFound,
    /// `managementPolicy: Plan`: there are changes; `status.plan` lists them, nothing is written.
    PlanPending,
    /// The spec says something that cannot be; the message names each path. Change the spec.
    SpecInvalid,
    /// The installation's configuration does not allow this database, location or profile. Ask the platform team.
    NotAllowed,
    /// The Glue database does not exist. Create it, or set `databasePolicy: Create`; it is looked for again by itself.
    DatabaseNotFound,
    /// The external object exists and nobody claims it. Set `adoptionPolicy: IfUnowned` to take it over.
    NotAdopted,
    /// The external object is kept by another resource. Only one may keep it; delete one of the two.
    OwnedByAnother,
    /// The external object is of a sort that this resource does not write, such as a link, an Iceberg table or a view of several dialects.
    UnsupportedTable,
    /// The change cannot be made to the existing external object; it would have to be deleted and made anew.
    ReplacementRequired,
    /// The columns would change in a way that breaks readers; the message says how, and what to approve. Until then the
    /// definition stays as it is; partitions, runs and freshness go on.
    ApprovalRequired,
    /// The columns come from the data, and there is none yet. The table follows by itself once there is.
    AwaitingData,
    /// The columns come from the data or from an Avro schema elsewhere, and that does not say them; the message says where and why. The
    /// columns stay as they are; write files, or a schema, that say them.
    SchemaUnreadable,
    /// The columns come from a Glue crawler, which is being made or runs; the table follows by itself once it has ended.
    Crawling,
    /// The columns come from a Glue crawler, whose last crawl failed; the message has its words. The columns stay as they are. It
    /// is started again after a while, or at once when `mizuumi.dev/requested-at` is set to the present time.
    CrawlFailed,
    /// The external object keeps being changed by somebody else as fast as it is put back. Find the other writer.
    Fighting,
    /// AWS says no. Check the role of the profile; it is tried again slowly. For a job it is Kubernetes that says no: check the
    /// controller's role.
    Denied,
    /// AWS, or for a job Kubernetes, does not accept the request. The message has its words; change the spec.
    Invalid,
    /// AWS asks to slow down. It is tried again by itself.
    Throttled,
    /// AWS cannot be reached or answers with a failure of its own. It is tried again by itself.
    Unavailable,
    /// Whether a write took effect is not known; the controller looks before it does anything else.
    OutcomeUnknown,
    /// The object is being deleted and its external object is still there.
    Deleting,
    /// So many resources are being deleted at once that it may be a mistake; nothing was done to the external object.
    /// Confirm with the annotation `mizuumi.dev/confirm-deletion: "true"`, or keep the external object with
    /// `mizuumi.dev/abandon: "true"`.
    DeletionHeld,
    /// The data is as recent as `spec.freshness` asks.
    Fresh,
    /// The data is older than `spec.freshness.maxAge.warn`, yet not than `error`.
    Warn,
    /// The data is late.
    Stale,
    /// The first deadline since the object was made has not come yet.
    NotDue,
    /// No source of `spec.freshness.sources` has said anything yet.
    NeverObserved,
    /// Nothing is known that one of `spec.engines` reads otherwise than the others.
    EnginesAgree,
    /// The Avro schema stands behind `avro.schema.url`, which Athena does not read. Use `avro.schema.literal`.
    AvroSchemaUrl,
    /// The table is not marked as external: Hive deletes the data with it, and Athena may not read it.
    NotExternal,
    /// It is a view in a form that not every engine reads. Write the data into a table for those, or leave them out of `spec.engines`.
    ViewUnread,
    /// Athena computes the partitions; Hive and Spark find none. Use `partitions.mode: Discovered` for tables they read.
    ProjectionUnseen,
    /// The table's serde is not there in every engine. Use a `format`.
    SerdeMissing,
    /// Spark reads the header of the files as a row. Write them without one.
    HeaderRead,
    /// Hive and Spark read other types than the table says; the message says which.
    TypesIgnored,
    /// A table of the warehouse or of a mart holds text. Write Parquet or ORC.
    ParquetDue,
    /// No cluster is wanted now, and there is none.
    Stopped,
    /// EMR starts the cluster.
    Starting,
    /// The cluster is ending; another follows if one is wanted.
    Stopping,
    /// Whether EMR made a cluster is not known. It is looked for before another is asked for; nothing has to be done.
    Verifying,
    /// The cluster did all that it was there for, and has ended.
    Completed,
    /// The cluster ended with an error; the message has EMR's words. A cluster of `lifecycle: Batch` is not started again: make
    /// another resource. Others are, after a pause.
    ClusterFailed,
    /// There is no `EmrClusterClass` of that name, or it does not allow this namespace. Ask the platform team.
    ClassNotFound,
    /// A ConfigMap of `spec.configurationsFrom` does not exist or cannot be read; the message says which. The cluster goes on as
    /// it is, and follows by itself once it is there.
    ConfigMapNotFound,
    /// The spec breaks rules of its `EmrClusterClass`; the message says each rule and the value. Change the spec, or ask the
    /// platform team.
    RuleBroken,
    /// The cluster runs, or the run's work is being done and it is waited for its data.
    Running,
    /// The run's data is all there, and the table is publishing it.
    Publishing,
    /// What the run brought has been published.
    Published,
    /// The run waits for data of the tables that it reads; the message says which, and how far they are. Nothing has to be done.
    WaitingForUpstream,
    /// Jobs wait for each other, each for the table that the next one writes, so that none of their runs would ever begin; the message names
    /// them in a circle. Take one `waitFor` away, or give it an `offset`; the jobs go on by themselves.
    UpstreamCycle,
    /// A program of `spec.artifacts` is missing or another one by now; the message says which. Nothing is begun with it: put it back, or
    /// make a run that names the new one.
    ArtifactChanged,
    /// The run's work failed and is done again after a pause; the message says why and when.
    Retrying,
    /// The run was given up: nothing of it is published.
    RunCancelled,
    /// There is no `EmrCluster` that takes the run's step: none of that name or with those labels, or only ones that take none.
    /// The message says which. The run goes on by itself once there is one.
    ClusterNotFound,
    /// Whoever does the run's work says that it failed. Make a run of the next revision.
    RunFailed,
    /// What is in the run's directory cannot be published; the message says why. Make a run of the next revision.
    OutputInvalid,
    /// The run was rolled back before it was published wholly.
    RolledBack,
    /// There is no such `DataTable` in the namespace of the run or job. Apply it, and it goes on by itself.
    TableNotFound,
    /// Runs cannot be published into this `DataTable`: its spec does not hold, its partitions are not of mode
    /// `Published`, or its `managementPolicy` is not `Full`.
    TableNotPublished,
    /// The job's schedule and its table hold; the message says when the next session is, and how many wait.
    Scheduled,
    /// The job has no schedule: its runs are made by hand, with `mizuumi run`.
    ByHand,
    /// There is no such `SourceConnection` in the namespace of the job. Apply it, and the job makes runs again by itself.
    ConnectionNotFound,
    /// The job's `SourceConnection` is there, and no run can be made with it; the message says why. Change one of the two.
    ConnectionUnusable,
    /// The connection holds: jobs that name it make their runs with it.
    Usable,
    /// The source was there, and let the image in, when a run tried last.
    SourceReached,
    /// The source was not there, or cut the connection off, when a run tried last (exit code 69). Runs with `retries` try again by themselves.
    SourceUnavailable,
    /// The source refused the credentials, or they may not read what was asked for, when a run tried last (exit code 77). Mend the secret in its
    /// store, and make the next run.
    SourceDenied,
    /// No run has tried to reach the source yet, or none has come so far.
    NeverTried,
    /// There is no such `IngestJob` in the namespace of the backfill. Apply it, and the backfill goes on by itself.
    JobNotFound,
    /// The job can make no runs, or has no schedule that says which sessions there are; the message says why. The backfill goes on by
    /// itself once it can.
    JobNotReady,
    /// All sessions of the backfill are done, or had data already.
    CaughtUp,
    /// All sessions of the backfill are done, and runs of some failed; `status.failures` names the latest. Once the cause is mended,
    /// another backfill of the same range runs those that are missing.
    SessionsFailed,
    /// The rules of the check can be evaluated by its engine, which the message names.
    Compiled,
    /// All rules passed that were evaluated last; of those that only warn, the message tells which did not.
    RulesPassed,
    /// At least one rule did not pass; the message names it and what was measured.
    RulesFailed,
    /// At least one rule could not be evaluated and none failed: nothing is known of the data. The message says why.
    RulesNotEvaluated,
    /// The rules have not been evaluated yet.
    NeverEvaluated,
    /// A check with `gate: Publish` did not let the run's data pass; the message names the check, the rule and what was measured. Nothing
    /// of the run is published: mend the data, and make a run of the next revision.
    GateFailed,
    /// The work of the run says the columns that its table declares.
    SchemaDeclared,
    /// The work of the run says other columns than its table declares; the message says which, and what to declare. Nothing is held up: what the
    /// table does not declare is not read.
    SchemaDiffers,
    /// An annotation or a Glue parameter that should tell freshness cannot be read; the message says how to write it.
    ReportInvalid,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
