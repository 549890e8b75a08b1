//! Which partitions are to point to which run's data, and what became of what runs asked for.
//!
//! Everything follows from what runs ask for and from where the partitions point now: a publication that was cut short
//! anywhere goes on from there, and one that is done asks for nothing.

mod ground;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::cut;
use mizuumi_api::data_table::{PublicationState, PublicationStatus};

use self::ground::{Counts, Drawn, Ground};
use super::definition::TableDefinition;
use super::desired::{DesiredTable, PartitionPolicy};
use super::partitions::PartitionEntry;
use super::world::{ManifestLook, ObservedPartition, PartitionValues, SeenManifest, TableWorld};
use crate::publication::{self, Manifest, Pointer, RunOrder, RunTimes, is_of_pointer, output};
use crate::{hive_path, s3_uri};

/// So many publications are worked on at once; the others wait for their turn.
const AT_ONCE: usize = 8;
/// So many publications are told of in the status.
const TOLD: usize = 12;
/// Longest text about a publication that is refused.
const LONGEST_REFUSAL: usize = 96;

/// How a table is published into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The table's root: runs, manifests and an empty head lie under it.
    pub root: String,
    /// How long data is kept that nothing points to any more; for ever if none.
    pub keeps_superseded: Option<SignedDuration>,
    /// What runs ask for; none while the runs have not been looked at.
    pub asked: Option<Requests>,
}

/// What runs ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// What is not answered yet and is worked on now, in order: rollbacks first.
    pub open: Vec<Asked>,
    /// Uids of all runs that ask.
    pub asking: BTreeSet<String>,
    /// Names of all runs that are not over.
    pub under_way: BTreeSet<String>,
}

/// A table's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsOfTable {
    /// What they ask for.
    pub asked: Vec<Asked>,
    /// Names of those that are not over, whether they ask yet or not.
    pub under_way: BTreeSet<String>,
}

/// What a run asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The run.
    pub run: String,
    /// Its uid: one of the same name that is made anew asks anew.
    pub uid: String,
    /// Its place among the others; none for a rollback.
    pub order: Option<RunOrder>,
    /// The run that it takes back, if it is a rollback.
    pub rolls_back: Option<String>,
    /// Where its manifest is.
    pub manifest: String,
    /// SHA-256 of the manifest.
    pub sha256: String,
    /// How many partitions the manifest has.
    pub partitions: i64,
}

/// What a partition, or a table without partition keys, points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub location: Option<String>,
    /// Which run's data that is, if a run brought it.
    pub pointer: Option<Pointer>,
}

/// What has to be done about what was asked for, and what is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Partitions that are to point elsewhere, or with no place: to go.
    pub moves: BTreeMap<PartitionValues, Option<Place>>,
    /// What became of each request that was looked at.
    pub answers: Vec<PublicationStatus>,
}

impl Published {
    /// Takes up what runs ask for. Worked on now is what the status does not say is done, rollbacks first, each with the run
    /// that it takes back. What was asked for under another root has to wait until the table's is that one again: it is the
    /// table that says where manifests are, and not who asks.
    pub fn ask(&mut self, runs: RunsOfTable, told: &[PublicationStatus]) {
        let RunsOfTable { asked: all, under_way } = runs;
        let asking: BTreeSet<String> = all.iter().map(|one| one.uid.clone()).collect();
        let mut open: Vec<Asked> = all
            .into_iter()
            .filter(|one| one.manifest == publication::manifest(&self.root, &one.run))
            .filter(|one| !told.iter().any(|known| known.uid == one.uid && known.state.is_over()))
            .collect();
        open.sort_by(in_order);
        // What was answered and not read yet must not go for new answers.
        let is_unread = |known: &&PublicationStatus| known.state.is_over() && asking.contains(&known.uid);
        let most = AT_ONCE.min(TOLD.saturating_sub(told.iter().filter(is_unread).count()));
        let open = in_turn(open, most);
        self.asked = Some(Requests { open, asking, under_way });
    }

    /// The manifests to look at.
    #[must_use]
    pub fn look(&self) -> Vec<ManifestLook> {
        let look = |one: &Asked| ManifestLook { location: one.manifest.clone(), sha256: one.sha256.clone() };
        self.asked.iter().flat_map(|asked| &asked.open).map(look).collect()
    }
}

/// Rollbacks, which have no place among the others, first.
fn in_order(one: &Asked, other: &Asked) -> std::cmp::Ordering {
    one.order.cmp(&other.order).then_with(|| one.run.cmp(&other.run))
}

/// As many requests as fit, rollbacks first, each only together with the run that it takes back: else that run would be
/// published again once its turn comes.
fn in_turn(mut all: Vec<Asked>, most: usize) -> Vec<Asked> {
    let mut open: Vec<Asked> = Vec::new();
    while let Some(place) = all.iter().position(|one| one.order.is_none()) {
        let rollback = all.remove(place);
        let run = all.iter().position(|one| Some(&one.run) == rollback.rolls_back.as_ref());
        if open.len() + 1 + usize::from(run.is_some()) > most {
            // The run waits as well.
            if let Some(run) = run {
                all.remove(run);
            }
            continue;
        }
        open.extend(run.map(|run| all.remove(run)));
        open.push(rollback);
    }
    let room = most.saturating_sub(open.len());
    open.extend(all.into_iter().take(room));
    open.sort_by(in_order);
    open
}

/// How the spec says the table is published into, if it does.
#[must_use]
pub const fn policy(desired: &DesiredTable) -> Option<&Published> {
    match &desired.partitions {
        Some(PartitionPolicy::Published(published)) => Some(published),
        _ => None,
    }
}

/// What a table without partition keys points to.
#[must_use]
pub fn place_of(table: &TableDefinition) -> Place {
    Place {
        location: table.location.clone(),
        pointer: Pointer::read(|key| table.parameters.get(key).map(String::as_str)),
    }
}

/// Has a table point there: its location and what it says of the run.
pub fn point(table: &mut TableDefinition, place: &Place) {
    table.location.clone_from(&place.location);
    table.parameters.retain(|key, _| !is_of_pointer(key));
    table.parameters.extend(place.pointer.iter().flat_map(Pointer::parameters));
}

/// Whether a run's data is there in part, or that cannot be told yet.
#[must_use]
pub fn is_under_way(desired: &DesiredTable, world: &TableWorld) -> bool {
    let Some(published) = policy(desired) else { return false };
    match &published.asked {
        None => true,
        Some(asked) if asked.open.is_empty() => false,
        Some(_) => work(desired, world).is_none_or(|work| {
            work.answers.iter().any(|answer| !answer.state.is_over() && answer.published > 0)
        }),
    }
}

/// How recent the data of the newest run is: the one whose data reaches farthest, and of those the last that landed. None
/// inside if no run has been published; none at all if the partitions were not looked at.
#[must_use]
pub fn newest(desired: &DesiredTable, world: &TableWorld) -> Option<Option<RunTimes>> {
    let times = |pointer: &Pointer| pointer.times;
    let by_time = |times: &RunTimes| (times.data_time, times.loaded_at);
    match Ground::of(desired, world)? {
        Ground::Table { place, .. } => Some(place.pointer.as_ref().map(times)),
        Ground::Partitions { all, .. } => {
            Some(all.values().filter_map(|p| p.pointer.as_deref()).map(times).max_by_key(by_time))
        }
    }
}

/// What is to be done; none if what it takes was not looked at.
#[must_use]
pub fn work(desired: &DesiredTable, world: &TableWorld) -> Option<Work> {
    let published = policy(desired)?;
    let asked = published.asked.as_ref()?;
    let ground = Ground::of(desired, world)?;
    let manifests: Vec<(&Asked, Request<'_>)> = asked
        .open
        .iter()
        .map(|asked| Some((asked, request(desired, published, asked, world)?)))
        .collect::<Option<_>>()?;
    let moved = ground.strays();
    let mut plan = Drawn { ground, moved };
    let mut cancelled: BTreeSet<&str> = BTreeSet::new();
    // Rollbacks come first, so who is taken back is known by the time that it is its turn.
    let mut drawn = Vec::with_capacity(manifests.len());
    for (asked, request) in manifests {
        drawn.push((
            asked,
            match request {
                Request::For(_) if cancelled.contains(asked.run.as_str()) => Request::TakenBack,
                Request::For(manifest) => match plan.draw(manifest) {
                    Ok(()) => {
                        cancelled.extend(manifest.rolls_back.as_deref());
                        Request::For(manifest)
                    }
                    Err(why) => Request::Refused(why),
                },
                other => other,
            },
        ));
    }
    let answers = drawn
        .into_iter()
        .map(|(asked, request)| {
            let (state, counts, message) = match request {
                Request::For(manifest) => {
                    let (state, counts) = plan.answer(manifest);
                    (state, counts, None)
                }
                Request::TakenBack => (PublicationState::RolledBack, Counts::default(), None),
                Request::Unreadable(why) => (PublicationState::Publishing, Counts::default(), Some(why)),
                Request::Refused(why) => (PublicationState::Refused, Counts::default(), Some(why)),
            };
            PublicationStatus {
                run: asked.run.clone(),
                uid: asked.uid.clone(),
                state,
                partitions: asked.partitions,
                published: counts.pointing,
                superseded: counts.superseded,
                since: Timestamp::UNIX_EPOCH,
                message: message.map(|why| cut(&why, LONGEST_REFUSAL)),
            }
        })
        .collect();
    Some(Work { moves: plan.into_moves(), answers })
}

/// Why nothing can be published into a table without partition keys as it is: under what it points to now, all that runs
/// write would be read.
#[must_use]
pub fn is_in_the_way(desired: &DesiredTable, table: &TableDefinition) -> Option<String> {
    let published = policy(desired).filter(|_| desired.partition_keys.is_empty())?;
    let place = place_of(table);
    let location = s3_uri::canonical(place.location.as_deref()?);
    (place.pointer.is_none() && output(&published.root, "").starts_with(&location)).then(|| {
        format!(
            "the Glue table points to '{location}', and its readers would read all that runs write below it, half written \
             or taken back; set `spec.location` to another root, or delete the table from the catalog first"
        )
    })
}

/// What a run asks for, once its manifest was looked at.
enum Request<'a> {
    For(&'a Manifest),
    TakenBack,
    /// It may not be read now.
    Unreadable(String),
    Refused(String),
}

/// What a run asks for, checked; none if its manifest was not looked at.
fn request<'a>(
    desired: &DesiredTable,
    published: &Published,
    asked: &Asked,
    world: &'a TableWorld,
) -> Option<Request<'a>> {
    Some(match world.manifests.get(&asked.sha256)? {
        SeenManifest::Unreadable(why) => Request::Unreadable(why.clone()),
        SeenManifest::Wrong(why) => Request::Refused(why.clone()),
        SeenManifest::Read(manifest) => match check(desired, published, asked, manifest) {
            Ok(()) => Request::For(manifest),
            Err(why) => Request::Refused(why),
        },
    })
}

/// Whether a manifest asks for what the run may ask for, and for nothing else.
fn check(
    desired: &DesiredTable,
    published: &Published,
    asked: &Asked,
    manifest: &Manifest,
) -> Result<(), String> {
    let external = &desired.owner.external;
    if (&manifest.table, &manifest.run) != (external, &asked.run)
        || (&manifest.order, &manifest.rolls_back) != (&asked.order, &asked.rolls_back)
    {
        return Err(format!("its manifest is not that of run '{}' for '{external}'", asked.run));
    }
    let directory = output(&published.root, &asked.run);
    let keys = || desired.partition_keys.iter().map(|key| key.name.as_str());
    let mut seen = BTreeSet::new();
    for partition in &manifest.partitions {
        let named = || partition.values.join(", ");
        if partition.values.len() != desired.partition_keys.len() || !seen.insert(&partition.values) {
            return Err(format!(
                "its manifest has partition [{}] twice, or with too many or too few values",
                named()
            ));
        }
        // Where a rollback leads is compared with what each partition says itself.
        if manifest.rolls_back.is_some() {
            continue;
        }
        let location = partition.location.as_deref().map(s3_uri::canonical).unwrap_or_default();
        let path = location.strip_prefix(&directory).map(publication::without_attempt);
        if path.and_then(|path| hive_path::values(path, keys())).as_ref() != Some(&partition.values) {
            return Err(format!(
                "its manifest has partition [{}] at '{location}', which is no directory of those values under '{directory}'",
                named()
            ));
        }
    }
    Ok(())
}

/// The partitions that are to be made, to point elsewhere, and to go.
#[must_use]
pub fn entries(
    desired: &DesiredTable,
    world: &TableWorld,
) -> (Vec<PartitionEntry>, Vec<PartitionEntry>, Vec<PartitionEntry>) {
    let (mut made, mut moved, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let Some(have) = world.partitions.as_ref().filter(|_| !desired.partition_keys.is_empty()) else {
        return (made, moved, gone);
    };
    for (values, to) in work(desired, world).map(|work| work.moves).unwrap_or_default() {
        let there = have.get(&values);
        let seen = there.map(ObservedPartition::place);
        let to = to.unwrap_or(Place { location: None, pointer: None });
        // Put back, it is what it was; published or rolled back, all that it said was of other data.
        let is_new_data = there.is_none_or(|there| there.pointer.as_deref() != to.pointer.as_ref());
        let owner = Some(desired.owner.to_string());
        let goes = to.location.is_none();
        let location = to.location.unwrap_or_default();
        let entry = PartitionEntry {
            pointer: to.pointer,
            seen,
            is_new_data,
            ..PartitionEntry::new(values, location, owner)
        };
        match there {
            None => made.push(entry),
            Some(_) if goes => gone.push(entry),
            Some(_) => moved.push(entry),
        }
    }
    (made, moved, gone)
}

/// Where a table without partition keys is to point.
#[must_use]
pub fn table_place(desired: &DesiredTable, world: &TableWorld) -> Option<Place> {
    policy(desired).filter(|_| desired.partition_keys.is_empty())?;
    let now = world.table.as_ref().map(|table| place_of(&table.definition));
    let to = work(desired, world).and_then(|work| work.moves.into_values().next().flatten());
    Some(to.or(now).unwrap_or_else(|| Place { location: Some(desired.location.clone()), pointer: None }))
}

/// What the status tells: what became of the requests at hand, then what it told already, as much as there is room for. What
/// a run that asks still has not read yet does not go.
#[must_use]
pub fn told(
    published: &Published,
    answers: Vec<PublicationStatus>,
    before: Vec<PublicationStatus>,
    now: Timestamp,
) -> Vec<PublicationStatus> {
    let mut told: Vec<PublicationStatus> = answers
        .into_iter()
        .map(|mut answer| {
            let known = before.iter().find(|known| known.uid == answer.uid && known.state == answer.state);
            answer.since = known.map_or(now, |known| known.since);
            answer
        })
        .collect();
    let asks =
        |one: &PublicationStatus| published.asked.as_ref().is_some_and(|all| all.asking.contains(&one.uid));
    let mut earlier: Vec<PublicationStatus> = before
        .into_iter()
        .filter(|known| known.state.is_over() && told.iter().all(|answer| answer.run != known.run))
        .collect();
    earlier.sort_by(|a, b| {
        let place = |one: &PublicationStatus| (!asks(one), std::cmp::Reverse(one.since), one.run.clone());
        place(a).cmp(&place(b))
    });
    earlier.truncate(TOLD.saturating_sub(told.len()));
    told.extend(earlier);
    told.sort_by(|a, b| a.run.cmp(&b.run));
    told
}
