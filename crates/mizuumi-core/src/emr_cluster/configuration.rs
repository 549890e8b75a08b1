//! The pieces of a cluster's settings, merged, and where each value comes from.

use std::collections::BTreeMap;
use std::fmt;

use mizuumi_api::emr_cluster::{Configuration, EmrClusterSpec, NestedConfiguration};
use mizuumi_api::{EmrClusterClassSpec, Reason};

use super::{Pieces, piece};

/// Where a setting stands: the classification, and the one within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Such as `spark-env`.
    pub classification: String,
    /// Such as `export`; none for the classification's own properties.
    pub nested: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.classification)?;
        self.nested.as_ref().map_or(Ok(()), |nested| write!(f, ".{nested}"))
    }
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

/// Settings as they are compared: two that say the same are equal, whatever their order.
#[must_use]
pub fn canonical(settings: &[Configuration]) -> Vec<Configuration> {
    let mut merged = Merged::default();
    merged.add(settings, &Source::Spec);
    merged.configurations()
}

/// Settings that have been put together: what comes later wins, property by property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    places: BTreeMap<Place, BTreeMap<String, (String, Source)>>,
}

impl Merged {
    /// All pieces of a cluster's settings in their order.
    ///
    /// # Errors
    /// A ConfigMap that is not there, or that cannot be read: its name, its key and why.
    pub fn of(
        spec: &EmrClusterSpec,
        class: &EmrClusterClassSpec,
        pieces: &Pieces,
    ) -> Result<Self, (Reason, String)> {
        let mut merged = Self::default();
        merged.add(class.defaults.configurations.as_deref().unwrap_or_default(), &Source::ClassDefaults);
        for source in spec.configurations_from.iter().flatten() {
            let name = &source.config_map;
            let Some(Some(data)) = pieces.config_maps.get(name) else {
                if source.optional.unwrap_or_default() {
                    continue;
                }
                let message = format!(
                    "there is no ConfigMap '{name}' in this namespace; apply it, or make it `optional`"
                );
                return Err((Reason::ConfigMapNotFound, message));
            };
            for (key, text) in data {
                let piece = piece::of_file(key, text).map_err(|why| {
                    (Reason::ConfigMapNotFound, format!("ConfigMap '{name}', key '{key}': {why}"))
                })?;
                merged.add(&piece, &Source::ConfigMap(name.clone(), key.clone()));
            }
        }
        merged.add(spec.configurations.as_deref().unwrap_or_default(), &Source::Spec);
        merged.add(class.mandatory.configurations.as_deref().unwrap_or_default(), &Source::ClassMandatory);
        Ok(merged)
    }

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
            .map(|(place, name, value, source)| format!("{place} {name}={value}: {source}"))
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
}
