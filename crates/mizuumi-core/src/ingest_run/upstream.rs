//! How far tables are that runs wait for and that no resource here keeps, by what Glue says of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::Installation;

use super::work::Covered;
use crate::data_table::definition::OWNER_PARAMETER;

/// How far a table is, by its parameters; none if it does not exist.
#[must_use]
pub fn covered(parameters: Option<&BTreeMap<String, String>>, installation: &Installation) -> Covered {
    let Some(parameters) = parameters else {
        return Covered::Unreadable("there is no such table in Glue".to_owned());
    };
    if !installation.upstreams.trust_foreign && !parameters.contains_key(OWNER_PARAMETER) {
        return Covered::Unreadable(format!(
            "it bears no mark of Mizuumi ('{OWNER_PARAMETER}'), so anybody may have written its times; with \
             `upstreams.trustForeign` the installation takes them all the same"
        ));
    }
    let key = &installation.freshness_parameters.data_time;
    let Some(text) = parameters.get(key) else { return Covered::Until(None) };
    match text.parse::<Timestamp>() {
        Ok(until) => Covered::Until(Some(until)),
        Err(_) => Covered::Unreadable(format!("its parameter '{key}' is '{text}', which is no time")),
    }
}

/// Whether the installation lets runs wait for a table by what Glue says: its database and name, or why it may not.
///
/// # Errors
/// In words, if it does not.
pub fn may_look<'a>(table: &'a str, installation: &Installation) -> Result<(&'a str, &'a str), String> {
    let (database, name) = table.split_once('.').ok_or_else(|| "it is not `database.table`".to_owned())?;
    // What another shard keeps is nobody's here.
    let is_shared = installation.kubernetes.shards > 1 && installation.allows_database(database);
    if is_shared || installation.allows_upstream(database) {
        return Ok((database, name));
    }
    Err(format!(
        "no DataTable of this installation keeps it, and '{database}' is not among the `upstreams.databases` of the \
         installation; ask the platform team"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(more: serde_json::Value) -> Installation {
        let mut whole = serde_json::json!({
            "installation": "demo", "aws": { "region": "us-east-1" },
            "allow": { "databases": ["nyc"], "s3Prefixes": ["s3://lake/"] },
        });
        whole["upstreams"] = more;
        serde_json::from_value(whole).expect("a configuration")
    }

    #[test]
    fn tables_that_another_shard_may_keep_need_no_leave() {
        let mut installation = installation(serde_json::json!({ "databases": [] }));
        assert!(may_look("nyc.trips", &installation).is_err(), "nobody else keeps it");
        installation.kubernetes.shards = 2;
        assert_eq!(may_look("nyc.trips", &installation), Ok(("nyc", "trips")));
        assert!(may_look("sales.orders", &installation).is_err(), "no shard may keep it");
    }

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_table_of_another_installation_tells_how_far_it_is() {
        let installation = installation(serde_json::json!({ "databases": ["sales"] }));
        let until = "2026-11-02T00:00:00Z";
        let marked = parameters(&[(OWNER_PARAMETER, "other/…"), ("mizuumi.data_time", until)]);
        assert_eq!(covered(Some(&marked), &installation), Covered::Until(until.parse().ok()));
        let silent = parameters(&[(OWNER_PARAMETER, "other/…")]);
        assert_eq!(covered(Some(&silent), &installation), Covered::Until(None));
        let wrong = parameters(&[(OWNER_PARAMETER, "other/…"), ("mizuumi.data_time", "yesterday")]);
        assert!(
            matches!(covered(Some(&wrong), &installation), Covered::Unreadable(why) if why.contains("'yesterday'"))
        );
    }

    #[test]
    fn a_table_without_a_mark_is_taken_at_its_word_only_if_the_installation_says_so() {
        let unmarked = parameters(&[("mizuumi.data_time", "2026-11-02T00:00:00Z")]);
        let careful = installation(serde_json::json!({ "databases": ["sales"] }));
        assert!(
            matches!(covered(Some(&unmarked), &careful), Covered::Unreadable(why) if why.contains("trustForeign"))
        );
        let trusting = installation(serde_json::json!({ "databases": ["sales"], "trustForeign": true }));
        assert!(matches!(covered(Some(&unmarked), &trusting), Covered::Until(Some(_))));
    }

    #[test]
    fn only_databases_that_the_installation_names_are_asked() {
        let installation = installation(serde_json::json!({ "databases": ["sales_*"] }));
        assert_eq!(may_look("sales_eu.orders", &installation), Ok(("sales_eu", "orders")));
        assert!(may_look("hr.people", &installation).is_err_and(|why| why.contains("'hr' is not among")));
    }
}
