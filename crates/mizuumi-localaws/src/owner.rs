//! The marks that say who keeps a table or a cluster. The judge reads them and writes none; their form is that of Mizuumi's book:
//! `installation/namespace/kind/name@database.table`.

/// The tag of an EMR cluster that holds its mark.
pub(crate) const OWNER_TAG: &str = "mizuumi:owner";

/// The table parameter that holds the mark.
pub(crate) const OWNER_PARAMETER: &str = "mizuumi.owner";

/// A mark that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark<'a> {
    /// Id of the installation.
    pub(crate) installation: &'a str,
    /// Namespace of the object.
    pub(crate) namespace: &'a str,
    /// Kind of the object.
    pub(crate) kind: &'a str,
    /// Name of the object.
    pub(crate) name: &'a str,
    /// The table that the mark was made for.
    pub(crate) external: &'a str,
}

impl<'a> Mark<'a> {
    /// Reads a mark; nothing if it has another form, as marks of other tools have.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (owner, external) = text.split_once('@')?;
        let mut parts = owner.splitn(4, '/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (installation, namespace, kind, name) = (part()?, part()?, part()?, part()?);
        Some(Self { installation, namespace, kind, name, external })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_which_object_keeps_which_table() {
        let mark = Mark::read("demo/team-a/DataTable/flights@nyc.flights").unwrap();
        assert_eq!((mark.installation, mark.namespace, mark.kind), ("demo", "team-a", "DataTable"));
        assert_eq!((mark.name, mark.external), ("flights", "nyc.flights"));
        assert_eq!(Mark::read("terraform"), None);
        assert_eq!(Mark::read("a/b@c.d"), None);
    }
}
