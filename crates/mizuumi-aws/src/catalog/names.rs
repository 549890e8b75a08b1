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
}

/// The expression that matches these names. Glue's expressions are regular expressions over the whole name.
pub(super) fn expression(names: &[String]) -> String {
    names.join("|")
}

/// Adds a name to a call, if the call has room for it and it can be read so; whether it is read by that call now.
pub(super) fn joins(group: &mut Vec<String>, name: &str) -> bool {
    if group.iter().any(|there| there == name) {
        return true;
    }
    let joins = is_plain(name) && has_room(group, name);
    if joins {
        group.push(name.to_owned());
    }
    joins
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
    fn further_names_join_a_call_until_it_is_full() {
        let mut group = vec!["b".to_owned()];
        assert!(joins(&mut group, "a") && joins(&mut group, "b") && !joins(&mut group, "x|y"));
        assert_eq!(group, ["b", "a"]);
        let joined = names(0..1000).iter().filter(|name| joins(&mut group, name)).count();
        assert!(joined + 2 == group.len() && group.len() <= PAGE && expression(&group).len() <= LONGEST);
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
