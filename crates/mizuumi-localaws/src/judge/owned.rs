//! Whose tables there are, and who wrote them: I1, I2, I4, I5, I7.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Case, Known, Verdict};

/// I1.
pub(super) fn made_once(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I1",
        "No table is made twice without a deletion between, and no two tables carry the same owner mark",
    );
    verdict.checked = case.book.creations;
    verdict.violated_as(&case.book.doubled);
    let mut by_owner: BTreeMap<String, Vec<&Known>> = BTreeMap::new();
    for (table, mark) in case.marked() {
        let owner = format!("{}/{}/{}/{}", mark.installation, mark.namespace, mark.kind, mark.name);
        by_owner.entry(owner).or_default().push(table);
        verdict.checked += 1;
    }
    for (owner, tables) in by_owner.iter().filter(|(_, tables)| tables.len() > 1) {
        let names: Vec<String> = tables.iter().map(|table| place(table)).collect();
        verdict.violated(format!("{owner} keeps {}", names.join(" and ")));
    }
    verdict
}

/// I2.
pub(super) fn known_to_kubernetes(case: &Case<'_>) -> Verdict {
    let mut verdict =
        Verdict::new("I2", "No table carries the mark of an object that Kubernetes does not know");
    let present = case.present();
    let gone: HashMap<&str, &super::Seen> = case
        .seen
        .iter()
        .filter(|seen| seen.missing_since.is_some())
        .map(|seen| (seen.key.as_str(), seen))
        .collect();
    let grace = i64::from(case.question.grace) * 1000;
    let (mut waiting, mut left) = (0, 0);
    for (table, mark) in case.marked() {
        verdict.checked += 1;
        let key = format!("{}/{}", mark.namespace, mark.name);
        if present.contains(&key) {
            continue;
        }
        let seen = gone.get(key.as_str());
        // Counted from the first view without the object; one that was never shown went before the table was touched.
        let since = seen.and_then(|seen| seen.missing_since).unwrap_or(table.touched_millis);
        if seen.is_some_and(|seen| !seen.may_be_cleaned) {
            left += 1;
        } else if case.now - since < grace {
            waiting += 1;
        } else {
            verdict.violated(format!("{} carries the mark of {key}", place(table)));
        }
    }
    verdict.note(waiting, "tables without their object are within the grace");
    verdict.note(left, "tables were left behind on purpose: abandoned, or not to be written");
    verdict
}

/// I4.
pub(super) fn deleted_with_its_object(case: &Case<'_>) -> Verdict {
    let mut verdict =
        Verdict::new("I4", "An object with deletionPolicy Delete is gone only when its table is");
    let present = case.present();
    let mut marked: HashMap<String, &Known> = HashMap::new();
    for (table, mark) in case.marked() {
        marked.insert(format!("{}/{}@{}", mark.namespace, mark.name, mark.external), table);
    }
    let mut said = HashSet::new();
    for seen in case.seen.iter().filter(|seen| seen.delete && seen.missing_since.is_some()) {
        verdict.checked += 1;
        // The table of an object that was made anew is that object's.
        if present.contains(&seen.key) || !said.insert(&seen.key) {
            continue;
        }
        let (database, name) = &seen.table;
        if let Some(table) = marked.get(&format!("{}@{database}.{name}", seen.key)) {
            verdict.violated(format!("{} is gone and {} is there", seen.key, place(table)));
        }
    }
    verdict
}

/// I5.
pub(super) fn only_ours_written(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I5",
        "No table is written that does not carry the mark of the object it is written for",
    );
    verdict.checked = case.book.writes;
    verdict.violated_as(&case.book.foreign);
    verdict.note(case.book.adoptions, "unmarked tables were taken over by naming their current version");
    verdict
}

/// I7.
pub(super) fn versions_named(case: &Case<'_>) -> Verdict {
    let mut verdict =
        Verdict::new("I7", "Every update names a version, and none takes effect on another than it names");
    verdict.checked = case.book.updates;
    verdict.violated_as(&case.book.unversioned);
    verdict
}

/// Where a table is.
pub(super) fn place(table: &Known) -> String {
    format!("{} ({}, {})", table.external(), table.account, table.region)
}
