//! Where in a file something stands: the lines of a YAML document, found by the path of a value.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A document whose values know their lines.
#[derive(Debug)]
pub(crate) struct Places(Spanned<Shape>);

/// What a value is made of.
#[derive(Debug)]
enum Shape {
    Map(Vec<(Spanned<String>, Places)>),
    List(Vec<Places>),
    Plain,
}

impl Places {
    /// The documents of a file; none of one that cannot be read.
    pub(crate) fn of(text: &str) -> Vec<Self> {
        serde_saphyr::from_multiple::<Self>(text).unwrap_or_default()
    }

    /// The line of a value by its path, such as `spec.schema.columns[3].type`; of the nearest above it, where there is none.
    pub(crate) fn line(&self, path: &str) -> u64 {
        let mut at = self;
        let mut line = self.0.referenced.line();
        let path = path.replace('[', ".").replace(']', "");
        let mut rest: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        while !rest.is_empty() {
            let next = match &at.0.value {
                // A key may have dots itself.
                Shape::Map(fields) => (1..=rest.len()).rev().find_map(|number| {
                    let key = rest[..number].join(".");
                    let found = fields.iter().find(|(name, _)| name.value == key);
                    found.map(|(name, value)| (value, name.referenced.line(), number))
                }),
                Shape::List(items) => {
                    let item = rest[0].parse::<usize>().ok().and_then(|index| items.get(index));
                    item.map(|value| (value, value.0.referenced.line(), 1))
                }
                Shape::Plain => None,
            };
            let Some((value, at_line, number)) = next else { break };
            (at, line) = (value, at_line);
            rest.drain(..number);
        }
        line
    }

    /// A document of a list, as `kubectl get -o yaml` prints one.
    pub(crate) fn item(&self, number: usize) -> Option<&Self> {
        let Shape::Map(fields) = &self.0.value else { return None };
        let (_, items) = fields.iter().find(|(name, _)| name.value == "items")?;
        if let Shape::List(items) = &items.0.value { items.get(number) } else { None }
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value of YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Shape::Map(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_what_is_not_there_by_what_is_above() {
        let text = "kind: A\n---\nkind: DataTable\nspec:\n  schema:\n    columns:\n    - {name: a}\n    - name: b\n      type: int\n  parameters:\n    a.b: c\n";
        let documents = Places::of(text);
        assert_eq!(documents.len(), 2);
        let line = |path| documents[1].line(path);
        assert_eq!(line("spec.schema.columns[1].type"), 9);
        assert_eq!(line("spec.schema.columns.0.name"), 7);
        assert_eq!(line("spec.schema.columns[0].type"), 7);
        assert_eq!(line("spec.parameters.a.b"), 11);
        assert_eq!(line("spec.nothing"), 4);
        assert_eq!(line(""), 3);
    }
}
