//! Reading some tables of a database by one call: GetTables with an expression that matches their names.

/// The longest expression that Glue takes (API reference, `FilterString`).
const LONGEST: usize = 2048;
/// Tables on one page of GetTables.
pub(super) const PAGE: usize = 100;
/// About how many names one expression holds, for weighing it against a list of the whole.
const ABOUT: usize = 50;

/// The calls that reading some tables takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Names that one call each reads together.
    pub(super) groups: Vec<Vec<String>>,
    /// Names that are read one by one.
    pub(super) single: Vec<String>,
}

impl Calls {
    /// The calls for some names, each of which says whether it is to be read directly.
    ///
    /// An expression is used for one name too: unlike GetTable's, its answer tells a missing database from a missing
    /// table.
    pub(super) fn for_names(mut names: Vec<String>, is_direct: impl Fn(&str) -> bool) -> Self {
        names.sort_unstable();
        names.dedup();
        let mut calls = Self::default();
        for name in names {
            if !is_plain(&name) || is_direct(&name) {
                calls.single.push(name);
            } else if let Some(group) = calls.groups.last_mut().filter(|group| has_room(group, &name)) {
                group.push(name);
            } else {
                calls.groups.push(vec![name]);
            }
        }
        calls
    }

    /// Adds further names, as far as that takes no further call.
    pub(super) fn fill(&mut self, names: Vec<String>) {
        let Some(group) = self.groups.last_mut() else { return };
        for name in names {
            if !has_room(group, &name) {
                return;
            }
            if is_plain(&name) && !group.contains(&name) {
                group.push(name);
            }
        }
    }
}

/// The expression that matches these names. Glue's expressions are regular expressions over the whole name.
pub(super) fn expression(names: &[String]) -> String {
    names.join("|")
}

fn has_room(group: &[String], name: &str) -> bool {
    let length: usize = group.iter().map(|name| name.len() + 1).sum();
    group.len() < PAGE && length + name.len() <= LONGEST
}

/// Whether a name means itself in a regular expression.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether listing a database of that size costs fewer calls than reading so many of its tables by name.
pub(super) const fn is_list_cheaper(tables: usize, size: usize) -> bool {
    tables.div_ceil(ABOUT) > size / PAGE + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("a_table_with_a_name_{n:05}")).collect()
    }

    #[test]
    fn many_names_share_a_call_and_no_expression_is_too_long() {
        let calls = Calls::for_names(names(0..1000), |_| false);
        assert!(calls.groups.len() < 15, "{}", calls.groups.len());
        assert!(calls.groups.iter().all(|group| expression(group).len() <= LONGEST && group.len() <= PAGE));
        assert_eq!(calls.groups.concat(), names(0..1000));
        let short: Vec<String> = (0..250).map(|n| format!("t{n}")).collect();
        assert_eq!(Calls::for_names(short, |_| false).groups.len(), 3, "no more than a page each");
    }

    #[test]
    fn further_names_fill_a_call_and_make_none() {
        let mut calls = Calls::for_names(vec!["b".to_owned()], |_| false);
        calls.fill(["a", "b", "x|y"].map(str::to_owned).to_vec());
        assert_eq!(calls.groups, [["b".to_owned(), "a".to_owned()]]);
        calls.fill(names(0..1000));
        assert!(calls.groups.len() == 1 && expression(&calls.groups[0]).len() <= LONGEST);
        let mut single = Calls::for_names(vec!["b".to_owned()], |_| true);
        single.fill(names(0..10));
        assert_eq!((single.groups.len(), single.single.len()), (0, 1));
    }

    #[test]
    fn names_that_mean_something_else_in_an_expression_are_read_by_themselves() {
        let calls =
            Calls::for_names(["a.b", "x|y", "ok", "fine", "日本"].map(str::to_owned).to_vec(), |_| false);
        assert_eq!(calls.groups, [["fine".to_owned(), "ok".to_owned()]]);
        assert_eq!(calls.single.len(), 3);
    }

    #[test]
    fn a_list_is_made_where_it_costs_fewer_calls() {
        assert!(!is_list_cheaper(500, 950), "ten pages are no better than ten reads");
        assert!(is_list_cheaper(501, 950));
        assert!(!is_list_cheaper(50, 0));
    }
}
