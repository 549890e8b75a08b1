//! Columns from an Avro schema, by the types that Hive's `AvroSerDe` gives to Avro's (Hive wiki, "AvroSerDe").

use std::collections::BTreeMap;

use serde_json::Value;

/// Deeper schemas than this are a mistake, and reading them must not exhaust the stack.
const DEEPEST: usize = 32;

/// Longer types are a mistake: a schema that names what it has defined makes of a few lines as much as it likes. Glue takes
/// 131,072 characters for one column.
const LONGEST: usize = 131_072;
/// All types together.
const MOST: usize = 1024 * 1024;

/// Longest comment of a column, in characters (`CommentString` of the Glue API reference, a line).
const LONGEST_COMMENT: usize = 255;

/// A column of a schema: its name, its Hive type and what it holds.
pub type Said = (String, String, Option<String>);

/// The columns of a schema in JSON, and the schema in one line.
///
/// # Errors
/// What is wrong, in words that name the field.
pub fn columns(text: &str) -> Result<(Vec<Said>, String), String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("must be JSON: {error}"))?;
    if !["record", "error"].map(Value::from).contains(&schema["type"]) {
        return Err("must be an Avro schema of type 'record'; its fields are the columns".to_owned());
    }
    let mut reader = Reader::default();
    let fields = reader.fields(&schema, None, 0)?;
    if fields.is_empty() {
        return Err("must have at least one field".to_owned());
    }
    Ok((fields, schema.to_string()))
}

/// What has been read by name: schemas refer to those that came before.
#[derive(Default)]
struct Reader {
    named: BTreeMap<String, Option<String>>,
    /// The length of all types so far.
    made: usize,
}

impl Reader {
    fn fields(&mut self, record: &Value, space: Option<&str>, depth: usize) -> Result<Vec<Said>, String> {
        let (name, space) = named(record, space)?;
        self.begin(&name)?;
        let Some(fields) = record["fields"].as_array() else {
            return Err(format!("record '{name}' must have 'fields'"));
        };
        let mut all = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(called) = field["name"].as_str().filter(|name| !name.is_empty()) else {
                return Err(format!("record '{name}' has a field without a name"));
            };
            let type_ = self
                .hive_type(&field["type"], space.as_deref(), depth + 1)
                .map_err(|why| format!("field '{called}' of record '{name}': {why}"))?;
            all.push((called.to_owned(), type_, field["doc"].as_str().and_then(comment)));
        }
        Ok(all)
    }

    /// A name is taken before it is read, so that a schema that holds itself is told from one that names another.
    fn begin(&mut self, name: &str) -> Result<(), String> {
        match self.named.insert(name.to_owned(), None) {
            None => Ok(()),
            Some(_) => Err(format!("the name '{name}' is there twice")),
        }
    }

    fn hive_type(&mut self, schema: &Value, space: Option<&str>, depth: usize) -> Result<String, String> {
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels"));
        }
        match schema {
            Value::String(name) => self.by_name(name, space),
            Value::Array(branches) => self.union(branches, space, depth),
            Value::Object(_) => self.complex(schema, space, depth),
            Value::Null => Err("has no type".to_owned()),
            other => Err(format!("{other} is no Avro type")),
        }
    }

    fn by_name(&mut self, name: &str, space: Option<&str>) -> Result<String, String> {
        if let Some(type_) = primitive(name) {
            return Ok(type_.to_owned());
        }
        let whole = |space: &str| format!("{space}.{name}");
        let found =
            space.map(whole).and_then(|whole| self.named.get(&whole)).or_else(|| self.named.get(name));
        match found {
            Some(Some(type_)) => {
                self.made += type_.len();
                if self.made > MOST {
                    return Err("makes types that are too long, all together".to_owned());
                }
                Ok(type_.clone())
            }
            Some(None) => Err(format!("'{name}' holds itself, which no Hive type does")),
            None => Err(format!("'{name}' is no Avro type, and nothing before has that name")),
        }
    }

    /// Only a union with null has a Hive type that Athena reads.
    fn union(&mut self, branches: &[Value], space: Option<&str>, depth: usize) -> Result<String, String> {
        let some: Vec<&Value> = branches.iter().filter(|branch| **branch != "null").collect();
        match some.as_slice() {
            [one] => self.hive_type(one, space, depth + 1),
            _ => Err("is a union of several types, which Athena does not read; only one with null may be"
                .to_owned()),
        }
    }

    fn complex(&mut self, schema: &Value, space: Option<&str>, depth: usize) -> Result<String, String> {
        let type_ = match schema["type"].as_str() {
            None => return self.hive_type(&schema["type"], space, depth + 1),
            Some("record" | "error") => {
                let fields = self.fields(schema, space, depth + 1)?;
                let fields: Vec<String> = fields
                    .into_iter()
                    .map(|(name, type_, _)| format!("{}:{type_}", name.to_lowercase()))
                    .collect();
                if fields.is_empty() {
                    return Err("is a record without fields".to_owned());
                }
                format!("struct<{}>", fields.join(","))
            }
            Some("enum") => "string".to_owned(),
            Some("fixed") => logical(schema)?.unwrap_or_else(|| "binary".to_owned()),
            Some("array") => format!("array<{}>", self.hive_type(&schema["items"], space, depth + 1)?),
            Some("map") => format!("map<string,{}>", self.hive_type(&schema["values"], space, depth + 1)?),
            Some(name) => match logical(schema)? {
                Some(type_) => type_,
                None => self.by_name(name, space)?,
            },
        };
        self.made += type_.len();
        if type_.len() > LONGEST || self.made > MOST {
            return Err("makes a type that is too long".to_owned());
        }
        if ["record", "error", "enum", "fixed"].map(Value::from).contains(&schema["type"]) {
            let (name, _) = named(schema, space)?;
            if schema["type"] != "record" && schema["type"] != "error" {
                self.begin(&name)?;
            }
            self.named.insert(name, Some(type_.clone()));
        }
        Ok(type_)
    }
}

/// What a field holds, as the comment of a column: one line, as long as Glue takes it. The whole text stays in the schema.
fn comment(doc: &str) -> Option<String> {
    let line = doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let text = if line.chars().count() > LONGEST_COMMENT {
        line.chars().take(LONGEST_COMMENT - 1).chain(['…']).collect()
    } else {
        line
    };
    (!text.is_empty()).then_some(text)
}

/// The whole name of a record, an enum or a fixed, and the namespace that names in it are in.
fn named(schema: &Value, space: Option<&str>) -> Result<(String, Option<String>), String> {
    let Some(name) = schema["name"].as_str().filter(|name| !name.is_empty()) else {
        return Err(format!("a type '{}' has no name", schema["type"].as_str().unwrap_or_default()));
    };
    if let Some((space, _)) = name.rsplit_once('.') {
        return Ok((name.to_owned(), Some(space.to_owned())));
    }
    let space = schema["namespace"].as_str().or(space).filter(|space| !space.is_empty());
    let whole = space.map_or_else(|| name.to_owned(), |space| format!("{space}.{name}"));
    Ok((whole, space.map(str::to_owned)))
}

fn primitive(name: &str) -> Option<&'static str> {
    Some(match name {
        "boolean" => "boolean",
        "int" => "int",
        "long" => "bigint",
        "float" => "float",
        "double" => "double",
        "bytes" => "binary",
        "string" => "string",
        _ => return None,
    })
}

/// The Hive type of a logical type that Hive knows; others are what they are stored as.
fn logical(schema: &Value) -> Result<Option<String>, String> {
    let number = |key: &str| schema[key].as_u64();
    let stored = schema["type"].as_str().unwrap_or_default();
    Ok(match (schema["logicalType"].as_str().unwrap_or_default(), stored) {
        ("decimal", "bytes" | "fixed") => {
            let precision = number("precision").ok_or("is a decimal without 'precision'")?;
            Some(format!("decimal({precision},{})", number("scale").unwrap_or_default()))
        }
        ("date", "int") => Some("date".to_owned()),
        ("timestamp-millis", "long") => Some("timestamp".to_owned()),
        // Hive's own, by which it keeps lengths.
        (kind @ ("varchar" | "char"), "string") => {
            number("maxLength").map(|length| format!("{kind}({length})"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn types(fields: &Value) -> Result<Vec<String>, String> {
        let schema = json!({ "type": "record", "name": "r", "namespace": "n", "fields": fields });
        let (columns, _) = columns(&schema.to_string())?;
        Ok(columns.into_iter().map(|(name, type_, _)| format!("{name} {type_}")).collect())
    }

    #[test]
    fn each_avro_type_has_the_hive_type_that_the_serde_gives_it() {
        let fields = json!([
            { "name": "a", "type": "long" },
            { "name": "b", "type": ["null", "string"], "doc": "said" },
            { "name": "c", "type": { "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2 } },
            { "name": "d", "type": ["null", { "type": "int", "logicalType": "date" }] },
            { "name": "e", "type": { "type": "long", "logicalType": "timestamp-millis" } },
            { "name": "f", "type": { "type": "long", "logicalType": "timestamp-micros" } },
            { "name": "g", "type": { "type": "array", "items": ["null", "int"] } },
            { "name": "h", "type": { "type": "map", "values": "double" } },
            { "name": "i", "type": { "type": "enum", "name": "colour", "symbols": ["red"] } },
            { "name": "j", "type": "colour" },
            { "name": "k", "type": { "type": "record", "name": "point", "fields": [
                { "name": "X", "type": "float" }, { "name": "at", "type": "n.colour" } ] } },
            { "name": "l", "type": { "type": "array", "items": "point" } },
            { "name": "m", "type": { "type": "fixed", "name": "md5", "size": 16 } },
            { "name": "n", "type": { "type": "string", "logicalType": "varchar", "maxLength": 8 } },
            { "name": "o", "type": { "type": "string", "logicalType": "uuid" } },
        ]);
        let expected = [
            "a bigint",
            "b string",
            "c decimal(9,2)",
            "d date",
            "e timestamp",
            "f bigint",
            "g array<int>",
            "h map<string,double>",
            "i string",
            "j string",
            "k struct<x:float,at:string>",
            "l array<struct<x:float,at:string>>",
            "m binary",
            "n varchar(8)",
            "o string",
        ];
        assert_eq!(types(&fields), Ok(expected.map(str::to_owned).to_vec()));
        let all = types(&fields).expect("columns");
        for column in all {
            let (_, type_) = column.split_once(' ').expect("a type");
            assert!(crate::hive_type::HiveType::parse(type_).is_ok(), "{type_}");
        }
    }

    #[test]
    fn a_long_text_about_a_field_is_a_comment_that_glue_takes() {
        for (doc, expected) in [
            ("said", "said".to_owned()),
            ("one\n  two\r\n", "one two".to_owned()),
            (&"長".repeat(256), "長".repeat(254) + "…"),
            (&"長".repeat(255), "長".repeat(255)),
        ] {
            assert_eq!(comment(doc), Some(expected));
        }
        assert_eq!(comment("\n"), None);
    }

    #[test]
    fn what_no_column_can_be_is_told_with_its_field() {
        for (fields, says) in [
            (json!([]), "at least one field"),
            (json!([{ "name": "a", "type": ["int", "string"] }]), "field 'a' of record 'n.r': is a union"),
            (json!([{ "name": "a", "type": "lang" }]), "'lang' is no Avro type"),
            (json!([{ "name": "a", "type": ["null", "r"] }]), "'r' holds itself"),
            (json!([{ "type": "int" }]), "without a name"),
            (json!([{ "name": "a" }]), "has no type"),
            (
                json!([{ "name": "a", "type": { "type": "bytes", "logicalType": "decimal" } }]),
                "without 'precision'",
            ),
            (json!([{ "name": "a", "type": { "type": "enum", "symbols": [] } }]), "'enum' has no name"),
        ] {
            let why = types(&fields).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
        for (text, says) in
            [("{", "must be JSON"), ("\"string\"", "of type 'record'"), ("[]", "of type 'record'")]
        {
            let why = columns(text).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn a_schema_that_doubles_at_each_step_is_refused_before_it_is_made() {
        let first = json!({ "type": "record", "name": "R0", "fields": [{ "name": "x", "type": "int" }] });
        let step = |number: usize| {
            let before = format!("R{}", number - 1);
            json!({ "type": "record", "name": format!("R{number}"), "fields": [
                { "name": "a", "type": before }, { "name": "b", "type": before } ] })
        };
        let all = std::iter::once(first).chain((1..64).map(step));
        let fields: Vec<Value> = all
            .enumerate()
            .map(|(number, type_)| json!({ "name": format!("f{number}"), "type": type_ }))
            .collect();
        let why = types(&json!(fields)).expect_err("too long");
        assert!(why.contains("too long"), "{why}");
    }

    #[test]
    fn an_avro_library_takes_the_schema_and_reads_the_same_names() {
        let schema = json!({ "type": "record", "name": "r", "fields": [
            { "name": "id", "type": "long" },
            { "name": "tags", "type": { "type": "array", "items": "string" } },
        ] });
        let (columns, line) = columns(&schema.to_string()).expect("columns");
        let apache_avro::Schema::Record(record) = apache_avro::Schema::parse_str(&line).expect("a schema")
        else {
            panic!("a record")
        };
        let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, columns.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>());
    }
}
