//! What a change of the columns does to data and queries that are there already.
//!
//! Which change a format bears is the table "Supported schema update operations by data format" of Athena's user guide: it
//! depends on whether readers find a column by its name or by its place.

use std::collections::BTreeSet;

use mizuumi_api::data_table::Engine;
pub use mizuumi_api::data_table::EvolutionClass as Class;

use super::definition::{Column, Serde, TableDefinition};
use super::desired::DesiredTable;
use super::merge;
use super::storage::StorageClasses;
use super::{avro, avro_evolution};
use crate::approval;
use crate::hive_type::HiveType;
use crate::publication::sha256;

/// One change of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evolution {
    /// Where, such as `columns.dep_delay`.
    pub path: String,
    /// The type that is there.
    pub from: Option<String>,
    /// The type that is to be there.
    pub to: Option<String>,
    /// What it does.
    pub class: Class,
    /// What breaks, if anything does.
    pub why: &'static str,
}

/// Changes that wait for somebody to approve them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What has to be approved: the same in a pull request, in the status and at the apply.
    pub hash: String,
    /// The changes.
    pub changes: Vec<Evolution>,
}

const NAMED: &str = "queries that name it fail";
const SHIFTED: &str = "readers find columns by their place, so those after it would read other data";
const RETYPED: &str = "files that are there cannot be read as this type";
const SPARK: &str =
    "Spark cannot read files that are there as this type; if it need not, leave it out of `spec.engines`";

/// The changes of a spec that wait for approval; none where the spec is as it was, and the table was changed by others.
#[must_use]
pub fn held(desired: &DesiredTable, have: &TableDefinition) -> Option<Held> {
    let is_ours = have.owner_mark() == Some(desired.owner.to_string().as_str());
    if !is_ours || merge::is_drift(desired, have) {
        return None;
    }
    let mut changes = changes(&have.columns, &desired.columns, &desired.storage, &desired.engines);
    let literal = |serde: &Serde| serde.parameters.get(avro::SCHEMA_LITERAL).cloned();
    if let (Some(from), Some(to)) = (have.serde.as_ref().and_then(literal), literal(&desired.storage.serde))
        && let Some((class, why)) = avro_evolution::change(&from, &to)
    {
        // The text of a schema is long: what matters of it is which one it is.
        let [from, to] = [from, to].map(|text| Some(sha256(text.as_bytes())));
        changes.push(Evolution { path: avro::SCHEMA_LITERAL.to_owned(), from, to, class, why });
    }
    // A view has no files that would have to be read as another type: only what goes is missed.
    changes
        .retain(|change| change.class > desired.evolution && (desired.view.is_none() || change.to.is_none()));
    if changes.is_empty() {
        return None;
    }
    let none = String::new;
    let lines = changes.iter().map(|change| {
        let [from, to] = [&change.from, &change.to].map(|type_| type_.clone().unwrap_or_else(none));
        [change.path.clone(), from, to]
    });
    let hash = approval::hash(&desired.owner, lines);
    (!desired.approved.contains(&hash)).then_some(Held { hash, changes })
}

impl Held {
    /// What would change, why it waits, and how it goes on.
    #[must_use]
    pub fn message(&self) -> String {
        let listed: Vec<String> = self
            .changes
            .iter()
            .map(|change| {
                let what = match (&change.from, &change.to) {
                    _ if change.path == avro::SCHEMA_LITERAL => "changes".to_owned(),
                    (Some(from), Some(to)) if from == to => "moves".to_owned(),
                    (Some(from), Some(to)) => format!("becomes {to}, and is {from}"),
                    (None, Some(to)) => format!("({to}) comes in between"),
                    (Some(from), None) => format!("({from}) goes"),
                    (None, None) => "changes".to_owned(),
                };
                format!("{} {what}: {}", change.path, change.why)
            })
            .collect();
        format!(
            "the definition stays as it is until this is approved, by '{}' in `spec.approvals` or in the annotation '{}': {}",
            self.hash,
            mizuumi_api::annotation::APPROVE,
            listed.join("; ")
        )
    }
}

/// What changes between two lists of columns.
#[must_use]
pub fn changes(
    have: &[Column],
    want: &[Column],
    storage: &StorageClasses,
    engines: &[Engine],
) -> Vec<Evolution> {
    let by_place = finds_by_place(&storage.serde);
    let types = Types::of(storage, engines);
    let name = |column: &Column| column.name.to_lowercase();
    let (here, there): (BTreeSet<String>, BTreeSet<String>) =
        (have.iter().map(name).collect(), want.iter().map(name).collect());
    let mut all = Vec::new();
    for (place, column) in have.iter().enumerate().filter(|(_, column)| !there.contains(&name(column))) {
        let is_last = have[place + 1..].iter().all(|after| !there.contains(&name(after)));
        let why = if by_place && !is_last { SHIFTED } else { NAMED };
        all.push(evolution(column, column.type_.clone(), None, Class::Breaking, why));
    }
    for (place, column) in want.iter().enumerate() {
        let Some(before) = have.iter().find(|before| name(before) == name(column)) else {
            let is_last = want[place + 1..].iter().all(|after| !here.contains(&name(after)));
            let (class, why) =
                if by_place && !is_last { (Class::Breaking, SHIFTED) } else { (Class::Additive, "") };
            all.push(evolution(column, None, column.type_.clone(), class, why));
            continue;
        };
        if let Some((class, why)) = types.change(before.type_.as_deref(), column.type_.as_deref()) {
            all.push(evolution(column, before.type_.clone(), column.type_.clone(), class, why));
        }
    }
    if by_place {
        let kept = |columns: &[Column], of: &BTreeSet<String>| -> Vec<String> {
            columns.iter().map(name).filter(|name| of.contains(name)).collect()
        };
        let (before, after) = (kept(have, &there), kept(want, &here));
        for (place, moved) in
            after.iter().enumerate().filter(|(place, name)| before.get(*place) != Some(name))
        {
            let column = want.iter().find(|column| name(column) == *moved);
            // Those that only make room for it are not told again.
            if before.iter().position(|name| name == moved).is_some_and(|earlier| earlier > place)
                && let Some(column) = column
            {
                let stays = || column.type_.clone();
                all.push(evolution(column, stays(), stays(), Class::Breaking, SHIFTED));
            }
        }
    }
    all
}

fn evolution(
    column: &Column,
    from: Option<String>,
    to: Option<String>,
    class: Class,
    why: &'static str,
) -> Evolution {
    Evolution { path: format!("columns.{}", column.name), from, to, class, why }
}

/// Whether readers find a column by its place in the file: text always, ORC and Parquet by a parameter of the serde, whose
/// default in Athena is by place for ORC and by name for Parquet.
pub(crate) fn finds_by_place(serde: &Serde) -> bool {
    let library = serde.library.as_deref().unwrap_or_default();
    let says = |key: &str| serde.parameters.get(key).map(|value| value.eq_ignore_ascii_case("true"));
    if library.ends_with("OrcSerde") {
        says("orc.column.index.access").unwrap_or(true)
    } else if library.ends_with("ParquetHiveSerDe") {
        says("parquet.column.index.access").unwrap_or(false)
    } else {
        !(library.ends_with("JsonSerDe") || library.ends_with("AvroSerDe"))
    }
}

/// Which changes of a type the files of a format bear.
struct Types {
    is_text: bool,
    is_parquet: bool,
    is_read_by_spark: bool,
}

impl Types {
    fn of(storage: &StorageClasses, engines: &[Engine]) -> Self {
        let input = &storage.input_format;
        Self {
            is_text: input.ends_with("TextInputFormat"),
            is_parquet: input.ends_with("MapredParquetInputFormat"),
            is_read_by_spark: engines.contains(&Engine::Spark),
        }
    }

    /// The class of a change of type; none if the two mean the same.
    fn change(&self, from: Option<&str>, to: Option<&str>) -> Option<(Class, &'static str)> {
        let (Some(from), Some(to)) = (from, to) else {
            return (from != to).then_some((Class::Breaking, RETYPED));
        };
        match (HiveType::parse(from), HiveType::parse(to)) {
            (Ok(from), Ok(to)) => self.change_of(&from, &to),
            _ => (from != to).then_some((Class::Breaking, RETYPED)),
        }
    }

    fn change_of(&self, from: &HiveType, to: &HiveType) -> Option<(Class, &'static str)> {
        if from == to {
            return None;
        }
        let breaking = (Class::Breaking, RETYPED);
        match (from, to) {
            (HiveType::Array(from), HiveType::Array(to)) => self.change_of(from, to),
            (HiveType::Map(from_key, from), HiveType::Map(to_key, to)) => {
                self.change_of(from_key, to_key).into_iter().chain(self.change_of(from, to)).max()
            }
            (HiveType::Struct(from), HiveType::Struct(to)) => {
                // Fields are found by name in Parquet, Avro and JSON; text and ORC find them by place.
                let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
                let goes = from.iter().any(|(name, _)| !to.iter().any(|(other, _)| same(name, other)));
                if goes {
                    return Some((Class::Breaking, NAMED));
                }
                let in_order = from.iter().zip(to).all(|((name, _), (other, _))| same(name, other));
                if !in_order {
                    return Some((Class::Breaking, SHIFTED));
                }
                let changed = from.iter().zip(to).filter_map(|((_, from), (_, to))| self.change_of(from, to));
                changed.chain((to.len() > from.len()).then_some((Class::Additive, ""))).max()
            }
            // Text is text, whatever was made of it.
            (HiveType::Primitive(_), HiveType::Primitive(to)) if self.is_text && to == "string" => {
                Some((Class::Widening, ""))
            }
            (HiveType::Primitive(from), HiveType::Primitive(to)) if is_wider(from, to) => {
                if self.is_parquet && self.is_read_by_spark && stores_otherwise(from, to) {
                    Some((Class::Breaking, SPARK))
                } else {
                    Some((Class::Widening, ""))
                }
            }
            _ => Some(breaking),
        }
    }
}

const INTEGERS: &[&str] = &["tinyint", "smallint", "int", "bigint"];

/// Whether every value of one type is one of the other.
pub(super) fn is_wider(from: &str, to: &str) -> bool {
    let place = |name: &str| INTEGERS.iter().position(|integer| *integer == name);
    if let (Some(from), Some(to)) = (place(from), place(to)) {
        return from < to;
    }
    if let (Some((precision, scale)), Some((wider, other))) = (decimal(from), decimal(to)) {
        return scale == other && precision < wider;
    }
    let length =
        |text: &str| -> Option<u32> { text.strip_prefix("varchar(")?.strip_suffix(')')?.parse().ok() };
    match (from, to) {
        ("float", "double") => true,
        (from, "string") => from.starts_with("varchar("),
        (from, to) => matches!((length(from), length(to)), (Some(from), Some(to)) if from < to),
    }
}

/// Whether Parquet stores the two in different physical types: Spark's vectorized reader takes a file's type or fails with
/// "Parquet column cannot be converted".
fn stores_otherwise(from: &str, to: &str) -> bool {
    to == "bigint" || to == "double" || (decimal(from).is_some() && decimal(to).is_some())
}

fn decimal(text: &str) -> Option<(u32, u32)> {
    let (precision, scale) = text.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use mizuumi_api::data_table::Format;

    use super::super::definition::tests::columns;
    use super::*;

    fn classes(format: Format, engines: &[Engine], have: &str, want: &str) -> Vec<(String, Class)> {
        let storage = StorageClasses::of_format(format, None);
        let all = changes(&columns(have), &columns(want), &storage, engines);
        all.into_iter().map(|change| (change.path.replace("columns.", ""), change.class)).collect()
    }

    /// Format, engines, columns before, columns after, and what has changed.
    type Case<'a> = (Format, &'a [Engine], &'a str, &'a str, &'a [(&'a str, Class)]);

    #[test]
    fn each_change_has_the_class_that_the_format_gives_it() {
        use Class::{Additive, Breaking, Widening};
        use Format::{Avro, Csv, Json, Orc, Parquet};
        let all = &Engine::ALL[..];
        let athena = &[Engine::Athena][..];
        let cases: &[Case<'_>] = &[
            (Parquet, all, "a int; b int", "a int; b int", &[]),
            (Parquet, all, "a int; b int", "b int; a int", &[]),
            (Parquet, all, "a int; b int", "a int; b int; c int", &[("c", Additive)]),
            (Parquet, all, "a int; b int", "a int; c int; b int", &[("c", Additive)]),
            (Csv, all, "a int; b int", "a int; b int; c int", &[("c", Additive)]),
            (Csv, all, "a int; b int", "a int; c int; b int", &[("c", Breaking)]),
            (Csv, all, "a int; b int", "b int; a int", &[("b", Breaking)]),
            (Orc, all, "a int; b int", "c int; a int; b int", &[("c", Breaking)]),
            (Parquet, all, "a int; b int", "a int", &[("b", Breaking)]),
            (Parquet, all, "a int; b int", "a int; z int", &[("b", Breaking), ("z", Additive)]),
            (Parquet, all, "a INTEGER", "a int", &[]),
            (Parquet, all, "a tinyint", "a int", &[("a", Widening)]),
            (Parquet, all, "a int", "a bigint", &[("a", Breaking)]),
            (Parquet, athena, "a int", "a bigint", &[("a", Widening)]),
            (Orc, all, "a int", "a bigint", &[("a", Widening)]),
            (Avro, all, "a float", "a double", &[("a", Widening)]),
            (Parquet, all, "a bigint", "a int", &[("a", Breaking)]),
            (Parquet, all, "a int", "a string", &[("a", Breaking)]),
            (Csv, all, "a int", "a string", &[("a", Widening)]),
            (Json, all, "a date", "a string", &[("a", Widening)]),
            (Parquet, all, "a varchar(10)", "a varchar(20)", &[("a", Widening)]),
            (Parquet, athena, "a decimal(10,2)", "a decimal(12,2)", &[("a", Widening)]),
            (Parquet, athena, "a decimal(10,2)", "a decimal(12,3)", &[("a", Breaking)]),
            (Parquet, all, "a struct<x:int>", "a struct<x:int,y:int>", &[("a", Additive)]),
            (Parquet, all, "a struct<x:int,y:int>", "a struct<x:int>", &[("a", Breaking)]),
            (Parquet, all, "a array<tinyint>", "a array<int>", &[("a", Widening)]),
            (Parquet, all, "a map<string,int>", "a map<string,string>", &[("a", Breaking)]),
        ];
        for (format, engines, have, want, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(name, class)| ((*name).to_owned(), *class)).collect();
            assert_eq!(classes(*format, engines, have, want), expected, "{format:?}: {have} → {want}");
        }
    }
}
