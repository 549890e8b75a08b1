//! Resources by kind and name, as people write them: `dtbl/delays`, `DataTable/delays`.

use std::fmt;

use serde::{Serialize, Serializer};

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `DataTable`.
    DataTable,
    /// `IngestJob`.
    IngestJob,
    /// `IngestRun`.
    IngestRun,
    /// `EmrCluster`.
    EmrCluster,
    /// `EmrClusterClass`.
    EmrClusterClass,
    /// `QualityCheck`.
    QualityCheck,
    /// `SourceConnection`.
    SourceConnection,
    /// `Backfill`.
    Backfill,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::DataTable,
        Self::IngestJob,
        Self::IngestRun,
        Self::EmrCluster,
        Self::EmrClusterClass,
        Self::QualityCheck,
        Self::SourceConnection,
        Self::Backfill,
    ];

    /// The kind in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DataTable => "DataTable",
            Self::IngestJob => "IngestJob",
            Self::IngestRun => "IngestRun",
            Self::EmrCluster => "EmrCluster",
            Self::EmrClusterClass => "EmrClusterClass",
            Self::QualityCheck => "QualityCheck",
            Self::SourceConnection => "SourceConnection",
            Self::Backfill => "Backfill",
        }
    }

    /// The plural, as in the API's paths.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::DataTable => "datatables",
            Self::IngestJob => "ingestjobs",
            Self::IngestRun => "ingestruns",
            Self::EmrCluster => "emrclusters",
            Self::EmrClusterClass => "emrclusterclasses",
            Self::QualityCheck => "qualitychecks",
            Self::SourceConnection => "sourceconnections",
            Self::Backfill => "backfills",
        }
    }

    /// The short name that kubectl takes.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::DataTable => "dtbl",
            Self::IngestJob => "ijob",
            Self::IngestRun => "irun",
            Self::EmrCluster => "emrc",
            Self::EmrClusterClass => "emrcc",
            Self::QualityCheck => "qchk",
            Self::SourceConnection => "srcc",
            Self::Backfill => "bfill",
        }
    }

    /// Whether its resources are in namespaces.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::EmrClusterClass)
    }

    /// The kind that a word of kubectl's stands for: kind, singular, plural or short name, with the group or without.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = word.strip_suffix(".mizuumi.dev").unwrap_or(&word);
        let is_it = |kind: &Self| {
            [kind.short(), kind.plural()].contains(&word) || kind.name().eq_ignore_ascii_case(word)
        };
        Self::ALL.into_iter().find(is_it)
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ResourceKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A resource by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResourceId {
    /// Kind.
    pub kind: ResourceKind,
    /// Namespace; empty for kinds that are in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if self.kind.is_namespaced() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_definitions() {
        let all = crate::crd::all().expect("definitions");
        assert_eq!(all.len(), ResourceKind::ALL.len());
        for crd in all {
            let names = crd.spec.names;
            let kind = ResourceKind::of(&names.kind).expect("a kind");
            assert_eq!((kind.name(), kind.plural()), (names.kind.as_str(), names.plural.as_str()));
            assert_eq!(names.short_names.as_deref(), Some(&[kind.short().to_owned()][..]));
            assert_eq!(kind.is_namespaced(), crd.spec.scope == "Namespaced");
            for word in [names.plural.clone(), format!("{}.mizuumi.dev", names.plural), names.kind] {
                assert_eq!(ResourceKind::of(&word), Some(kind), "{word}");
            }
        }
        assert_eq!(ResourceKind::of("pods"), None);
    }
}
