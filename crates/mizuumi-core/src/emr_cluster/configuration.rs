//! The pieces of a cluster's settings, merged, and where each value comes from.

use std::collections::BTreeMap;
use std::fmt;

use mizuumi_api::emr_cluster::{Configuration, NestedConfiguration};
use serde::Deserialize;

/// Where a setting stands: the classification, and the one within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Such as `spark-env`.
    pub classification: String,
    /// Such as `export`; none for the classification's own properties.
    pub nested: Option<String>,
}

/// Which piece says a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The class's defaults.
    ClassDefaults,
    /// A ConfigMap, and its key.
    ConfigMap(String, String),
    /// The cluster's own spec.
    Spec,
    /// What the class has as mandatory.
    ClassMandatory,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClassDefaults => f.write_str("class defaults"),
            Self::ConfigMap(name, key) => write!(f, "ConfigMap '{name}', key '{key}'"),
            Self::Spec => f.write_str("spec.configurations"),
            Self::ClassMandatory => f.write_str("class, mandatory"),
        }
    }
}

/// Settings that have been put together: what comes later wins, property by property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    places: BTreeMap<Place, BTreeMap<String, (String, Source)>>,
}

impl Merged {
    /// Adds a piece.
    pub fn add(&mut self, piece: &[Configuration], source: &Source) {
        for configuration in piece {
            self.put(&configuration.classification, None, configuration.properties.as_ref(), source);
            for nested in configuration.configurations.iter().flatten() {
                let within = Some(nested.classification.clone());
                self.put(&configuration.classification, within, nested.properties.as_ref(), source);
            }
        }
    }

    fn put(
        &mut self,
        classification: &str,
        nested: Option<String>,
        properties: Option<&BTreeMap<String, String>>,
        source: &Source,
    ) {
        let place = Place { classification: classification.to_owned(), nested };
        let there = self.places.entry(place).or_default();
        for (name, value) in properties.into_iter().flatten() {
            there.insert(name.clone(), (value.clone(), source.clone()));
        }
    }

    /// The settings as EMR is asked for them, in the order of their names.
    #[must_use]
    pub fn configurations(&self) -> Vec<Configuration> {
        let mut all: BTreeMap<&str, Configuration> = BTreeMap::new();
        for (place, settings) in &self.places {
            let entry = all.entry(&place.classification).or_insert_with(|| Configuration {
                classification: place.classification.clone(),
                ..Configuration::default()
            });
            let values = settings.iter().map(|(name, (value, _))| (name.clone(), value.clone()));
            let properties = Some(values.collect::<BTreeMap<_, _>>()).filter(|all| !all.is_empty());
            match &place.nested {
                None => entry.properties = properties,
                Some(nested) => entry
                    .configurations
                    .get_or_insert_default()
                    .push(NestedConfiguration { classification: nested.clone(), properties }),
            }
        }
        all.into_values().collect()
    }

    /// Each setting with its value and where that comes from.
    pub fn settings(&self) -> impl Iterator<Item = (&Place, &str, &str, &Source)> {
        self.places.iter().flat_map(|(place, settings)| {
            settings.iter().map(move |(name, (value, source))| (place, name.as_str(), value.as_str(), source))
        })
    }
}

/// A classification as EMR writes it in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "Classification", alias = "classification")]
    classification: String,
    #[serde(rename = "Properties", alias = "properties", default)]
    properties: BTreeMap<String, String>,
    #[serde(rename = "Configurations", alias = "configurations", default)]
    configurations: Vec<Self>,
}

/// The settings of one key of a ConfigMap.
///
/// # Errors
/// Why they cannot be read, with the line where that is known.
pub fn of_file(key: &str, text: &str) -> Result<Vec<Configuration>, String> {
    // A key of a ConfigMap is a file name by convention, and those are in small letters.
    if key.strip_suffix(".json").is_some() {
        return of_json(text);
    }
    let classification = key.strip_suffix(".conf").or_else(|| key.strip_suffix(".properties")).unwrap_or(key);
    let mut properties = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find(|c: char| c == '=' || c.is_whitespace());
        let (name, value) = end.map(|end| line.split_at(end)).ok_or_else(|| {
            format!("line {}: must be a property and its value, such as 'spark.executor.memory 4g'; it is '{line}'", number + 1)
        })?;
        let value = value.trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim_start();
        properties.insert(name.to_owned(), value.to_owned());
    }
    let classification = classification.to_owned();
    Ok(vec![Configuration { classification, properties: Some(properties), configurations: None }])
}

fn of_json(text: &str) -> Result<Vec<Configuration>, String> {
    let written: Vec<Written> = serde_json::from_str(text).map_err(|error| {
        format!("must be a JSON list of objects with Classification and Properties, as EMR has them: {error}")
    })?;
    written
        .into_iter()
        .map(|outer| {
            let nested = outer
                .configurations
                .into_iter()
                .map(|inner| {
                    if inner.configurations.is_empty() {
                        let properties = Some(inner.properties);
                        Ok(NestedConfiguration { classification: inner.classification, properties })
                    } else {
                        Err(format!(
                            "{}.{}: has configurations of its own; a third level is read by no application",
                            outer.classification, inner.classification
                        ))
                    }
                })
                .collect::<Result<Vec<_>, String>>()?;
            Ok(Configuration {
                classification: outer.classification,
                properties: Some(outer.properties),
                configurations: (!nested.is_empty()).then_some(nested),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(classification: &str, settings: &[(&str, &str)]) -> Vec<Configuration> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        vec![Configuration {
            classification: classification.to_owned(),
            properties: Some(settings.collect()),
            configurations: None,
        }]
    }

    #[test]
    fn what_comes_later_wins_property_by_property_and_says_where_it_comes_from() {
        let mut merged = Merged::default();
        merged.add(&piece("hive-site", &[("a", "1"), ("b", "1"), ("c", "1")]), &Source::ClassDefaults);
        merged.add(&piece("hive-site", &[("b", "2"), ("c", "2")]), &Source::Spec);
        merged.add(&piece("hive-site", &[("c", "3")]), &Source::ClassMandatory);
        merged.add(&piece("core-site", &[("z", "1")]), &Source::Spec);
        assert_eq!(
            merged.configurations(),
            [piece("core-site", &[("z", "1")]), piece("hive-site", &[("a", "1"), ("b", "2"), ("c", "3")])]
                .concat()
        );
        let told: Vec<String> = merged
            .settings()
            .map(|(place, name, value, source)| format!("{} {name}={value}: {source}", place.classification))
            .collect();
        assert_eq!(
            told,
            [
                "core-site z=1: spec.configurations",
                "hive-site a=1: class defaults",
                "hive-site b=2: spec.configurations",
                "hive-site c=3: class, mandatory",
            ]
        );
    }

    #[test]
    fn files_are_read_as_spark_and_hadoop_write_them_and_as_emr_does() {
        let lines = "# memory\nspark.executor.memory  4g\n\nspark.a=b=c\nspark.empty =\n";
        assert_eq!(
            of_file("spark-defaults.conf", lines),
            Ok(piece(
                "spark-defaults",
                &[("spark.executor.memory", "4g"), ("spark.a", "b=c"), ("spark.empty", "")]
            ))
        );
        let json = r#"[{"Classification": "spark-env", "Configurations": [{"Classification": "export", "Properties": {"A": "1"}}]}]"#;
        let read = of_file("env.json", json).expect("JSON");
        assert_eq!(read[0].configurations.as_ref().map(Vec::len), Some(1));
        let mut merged = Merged::default();
        merged.add(&read, &Source::Spec);
        assert_eq!(merged.configurations()[0].configurations, read[0].configurations);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let error = of_file("yarn-site", "a 1\nb\n").expect_err("no value");
        assert!(error.starts_with("line 2: ") && error.contains("'b'"), "{error}");
        assert!(of_file("a.json", "{}").expect_err("no list").contains("must be a JSON list"));
        let deep = r#"[{"Classification":"a","Configurations":[{"Classification":"b","Configurations":[{"Classification":"c"}]}]}]"#;
        assert!(of_file("a.json", deep).expect_err("three levels").starts_with("a.b: "));
    }
}
