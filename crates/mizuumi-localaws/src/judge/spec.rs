//! I3: whether a table is what the spec of an object says, read without any code of the controller.

use serde_json::{Map, Value};

use super::view::{Column, Object};
use crate::glue::Known;
use crate::owner::Mark;

/// Every way in which the table differs.
pub(super) fn differences(object: &Object, table: &Known) -> Vec<String> {
    let definition = table.definition();
    let nothing = Map::new();
    let storage = definition.get("StorageDescriptor").and_then(Value::as_object).unwrap_or(&nothing);
    let mut differences = Vec::new();
    if let Some(schema) = &object.spec.schema {
        columns("columns", &schema.columns, storage.get("Columns"), &mut differences);
    }
    columns("partition keys", &object.spec.partition_keys, definition.get("PartitionKeys"), &mut differences);
    let text = |from: &Map<String, Value>, member: &str| {
        from.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let location = text(storage, "Location");
    if let Some(wanted) = object.spec.location.as_deref().filter(|wanted| place(wanted) != place(&location)) {
        differences.push(format!("location is '{location}' and not '{wanted}'"));
    }
    let description = text(&definition, "Description");
    let wanted = object.spec.description.as_deref().filter(|wanted| !wanted.is_empty());
    if let Some(wanted) = wanted.filter(|wanted| *wanted != description) {
        differences.push(format!("description is '{description}' and not '{wanted}'"));
    }
    if object.keeps_its_table() && !is_marked_by(object, table) {
        differences.push(format!("owner mark is {:?}", table.owner));
    }
    differences
}

/// Whether the table carries the mark of the object, whatever the installation.
pub(super) fn is_marked_by(object: &Object, table: &Known) -> bool {
    let mark = table.owner.as_deref().and_then(Mark::read);
    mark.is_some_and(|mark| {
        (mark.namespace, mark.name) == (&object.metadata.namespace, &object.metadata.name)
            && mark.kind == "DataTable"
            && mark.external == table.external()
    })
}

fn columns(what: &str, wanted: &[Column], there: Option<&Value>, differences: &mut Vec<String>) {
    let there = there.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |column: &Value, member: &str| column[member].as_str().unwrap_or_default().to_owned();
    let shown = |name: &str, kind: &str| format!("{} {}", name.to_lowercase(), type_of(kind));
    let wanted: Vec<String> = wanted.iter().map(|column| shown(&column.name, &column.kind)).collect();
    let there: Vec<String> =
        there.iter().map(|column| shown(&text(column, "Name"), &text(column, "Type"))).collect();
    if wanted == there {
        return;
    }
    let first = (0..wanted.len().max(there.len())).find(|index| wanted.get(*index) != there.get(*index));
    let at = |columns: &[String]| {
        first.and_then(|index| columns.get(index)).cloned().unwrap_or_else(|| "nothing".to_owned())
    };
    differences.push(format!("{what}: there is {} and not {}", at(&there), at(&wanted)));
}

/// One spelling of a place: Hadoop's `s3a://` and `s3n://` name the same objects, and the last slash means nothing.
fn place(location: &str) -> String {
    let rest = location.split_once("://").filter(|(scheme, _)| matches!(*scheme, "s3" | "s3a" | "s3n"));
    rest.map_or(location, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

/// One spelling of a Hive type: case and spaces mean nothing, `integer` is `int`, `numeric` is `decimal`, and a decimal
/// has precision 10 and scale 0 unless it says so (Hive language manual, types).
fn type_of(text: &str) -> String {
    let text: String = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut spelt = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // A word before a colon is the name of a struct's field.
        let named = after.starts_with(':');
        rest = after;
        match word {
            "integer" if !named => spelt.push_str("int"),
            "decimal" | "numeric" if !named => {
                let sizes = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
                rest = sizes.map_or(after, |(_, rest)| rest);
                let sizes = sizes.map(|(sizes, _)| sizes.split_once(',').unwrap_or((sizes, "0")));
                let (precision, scale) = sizes.unwrap_or(("10", "0"));
                spelt.push_str("decimal(");
                spelt.push_str(precision);
                spelt.push(',');
                spelt.push_str(scale);
                spelt.push(')');
            }
            word => spelt.push_str(word),
        }
        let mut chars = rest.chars();
        if let Some(c) = chars.next().filter(|c| !c.is_alphanumeric() && *c != '_') {
            spelt.push(c);
            rest = chars.as_str();
        }
    }
    spelt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_places_have_many_spellings() {
        for (one, other, same) in [
            ("INTEGER", "int", true),
            ("decimal", "decimal(10,0)", true),
            ("numeric( 12 )", "decimal(12,0)", true),
            ("struct<a:Decimal(5,2), b : array<integer>>", "struct<a:decimal(5,2),b:array<int>>", true),
            ("struct<integer:int>", "struct<int:int>", false),
            ("struct<decimal:int>", "struct<decimal:integer>", true),
            ("map<string,decimal>", "map<string,decimal(10,0)>", true),
            ("bigint", "int", false),
            ("varchar(10)", "varchar(11)", false),
        ] {
            assert_eq!(type_of(one) == type_of(other), same, "{one} and {other}");
        }
        assert_eq!(place("s3a://lake/x"), place("s3://lake/x/"));
        assert_ne!(place("s3://lake/x"), place("s3://lake/xy"));
    }
}
