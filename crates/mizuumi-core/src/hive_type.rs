//! Hive types: which texts are types, and which texts mean the same type.
//!
//! The grammar is that of the Hive language manual, less `uniontype`, which Athena cannot read. `varchar` and `char`
//! need a length: Trino, and so Athena, refuses a table whose type lacks it.

use std::fmt;

/// A type, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HiveType {
    /// A type without parts, such as `bigint` or `decimal(10,2)`.
    Primitive(String),
    /// `array<…>`.
    Array(Box<Self>),
    /// `map<…,…>`.
    Map(Box<Self>, Box<Self>),
    /// `struct<name:…,…>`.
    Struct(Vec<(String, Self)>),
}

/// Types without parameters.
const PLAIN: &[&str] = &[
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "boolean",
    "string",
    "binary",
    "date",
    "timestamp",
];

/// Deeper types than this are a mistake, and reading them must not exhaust the stack.
const DEEPEST: usize = 32;

impl HiveType {
    /// Reads a type.
    ///
    /// # Errors
    /// What is wrong, in words that name the part of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text };
        let parsed = reader.any_type(0)?;
        reader.skip_space();
        if reader.rest.is_empty() {
            Ok(parsed)
        } else {
            Err(format!("has '{}' after the end of the type", reader.rest))
        }
    }

    /// Whether partitions can have this type.
    #[must_use]
    pub const fn is_primitive(&self) -> bool {
        matches!(self, Self::Primitive(_))
    }
}

/// Whether two texts mean the same type; texts that are no types are the same only if equal.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || matches!((HiveType::parse(one), HiveType::parse(other)), (Ok(a), Ok(b)) if a == b)
}

impl fmt::Display for HiveType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(name) => f.write_str(name),
            Self::Array(item) => write!(f, "array<{item}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, (name, type_)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{name}:{type_}")?;
                }
                f.write_str(">")
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn any_type(&mut self, depth: usize) -> Result<HiveType, String> {
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels"));
        }
        let name = self.word().to_ascii_lowercase();
        match name.as_str() {
            "array" => {
                self.expect('<')?;
                let item = self.any_type(depth + 1)?;
                self.expect('>')?;
                Ok(HiveType::Array(Box::new(item)))
            }
            "map" => {
                self.expect('<')?;
                let key = self.any_type(depth + 1)?;
                if !key.is_primitive() {
                    return Err(format!("has a map key of type '{key}'; it must be a primitive type"));
                }
                self.expect(',')?;
                let value = self.any_type(depth + 1)?;
                self.expect('>')?;
                Ok(HiveType::Map(Box::new(key), Box::new(value)))
            }
            "struct" => self.struct_fields(depth),
            "decimal" | "numeric" => self.decimal(),
            "varchar" => self.sized("varchar", 65_535),
            "char" => self.sized("char", 255),
            "integer" => Ok(HiveType::Primitive("int".to_owned())),
            plain if PLAIN.contains(&plain) => Ok(HiveType::Primitive(name)),
            "" => Err("is missing a type".to_owned()),
            "uniontype" => Err("uses 'uniontype', which Athena cannot read".to_owned()),
            _ => Err(format!(
                "has the unknown type '{name}'; the primitive types are {}, decimal, char and varchar",
                PLAIN.join(", ")
            )),
        }
    }

    fn struct_fields(&mut self, depth: usize) -> Result<HiveType, String> {
        self.expect('<')?;
        let mut fields: Vec<(String, HiveType)> = Vec::new();
        loop {
            let name = self.word().to_ascii_lowercase();
            if name.is_empty() {
                return Err("has a struct field without a name".to_owned());
            }
            if fields.iter().any(|(earlier, _)| *earlier == name) {
                return Err(format!("has the struct field '{name}' twice"));
            }
            self.expect(':')?;
            fields.push((name, self.any_type(depth + 1)?));
            if self.take(',') {
                continue;
            }
            self.expect('>')?;
            return Ok(HiveType::Struct(fields));
        }
    }

    fn decimal(&mut self) -> Result<HiveType, String> {
        // Hive: decimal is decimal(10,0), decimal(p) is decimal(p,0); the precision is at most 38.
        let (precision, scale) = if self.take('(') {
            let precision = self.number()?;
            let scale = if self.take(',') { self.number()? } else { 0 };
            self.expect(')')?;
            (precision, scale)
        } else {
            (10, 0)
        };
        if !(1..=38).contains(&precision) || scale > precision {
            return Err(format!(
                "has decimal({precision},{scale}); the precision must be from 1 to 38 and the scale not more than it"
            ));
        }
        Ok(HiveType::Primitive(format!("decimal({precision},{scale})")))
    }

    fn sized(&mut self, name: &str, longest: u32) -> Result<HiveType, String> {
        if !self.take('(') {
            return Err(format!("has '{name}' without a length; write '{name}(N)' or 'string'"));
        }
        let length = self.number()?;
        self.expect(')')?;
        if !(1..=longest).contains(&length) {
            return Err(format!("has {name}({length}); the length must be from 1 to {longest}"));
        }
        Ok(HiveType::Primitive(format!("{name}({length})")))
    }

    fn word(&mut self) -> &'a str {
        self.skip_space();
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '$'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<u32, String> {
        let word = self.word();
        word.parse().map_err(|_| format!("has '{word}' where a number must be"))
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(match self.rest.chars().next() {
            Some(found) => format!("has '{found}' where '{wanted}' must be"),
            None => format!("ends where '{wanted}' must be"),
        })
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_spelling() {
        for (text, spelling) in [
            ("INT", "int"),
            ("integer", "int"),
            (" decimal ", "decimal(10,0)"),
            ("decimal( 10 , 2 )", "decimal(10,2)"),
            ("decimal(5)", "decimal(5,0)"),
            ("varchar(10)", "varchar(10)"),
            ("Array< String >", "array<string>"),
            ("map<string, array<int>>", "map<string,array<int>>"),
            ("struct<A: int, b:struct<c:date>>", "struct<a:int,b:struct<c:date>>"),
        ] {
            assert_eq!(HiveType::parse(text).map(|t| t.to_string()), Ok(spelling.to_owned()), "{text}");
        }
        assert!(same("DECIMAL(10, 2)", "decimal(10,2)"));
        assert!(!same("int", "bigint"));
    }

    #[test]
    fn what_is_no_type_is_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "missing"),
            ("text", "'text'"),
            ("varchar", "varchar(N)"),
            ("varchar(0)", "from 1 to 65535"),
            ("decimal(39,2)", "38"),
            ("decimal(5,6)", "scale"),
            ("array<int", "'>'"),
            ("array int", "'i'"),
            ("map<array<int>,int>", "map key"),
            ("struct<a:int,a:int>", "twice"),
            ("struct<>", "without a name"),
            ("int)", "after the end"),
            ("uniontype<int,string>", "uniontype"),
            ("decimal(x)", "'x'"),
        ] {
            let refused = HiveType::parse(text).expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn a_type_nested_without_end_is_refused_and_does_not_exhaust_the_stack() {
        let deep = "array<".repeat(100_000);
        assert!(HiveType::parse(&deep).expect_err("too deep").contains("nested"));
    }
}
