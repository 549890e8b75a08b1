//! What the installation allows a resource, and what it may not do to itself.

use mizuumi_api::Installation;
use mizuumi_api::data_table as api;
use mizuumi_api::installation::DEFAULT_PROFILE;

use crate::data_table::projection;
use crate::freshness::{Policy, Source};
use crate::problem::Problem;
use crate::s3_uri;

/// Refuses databases and profiles that the installation's configuration does not allow.
pub(in crate::data_table) fn check_identity(
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    let database = &spec.database;
    if !installation.allows_database(database) {
        problems.push(Problem::not_allowed(
            "spec.database",
            format!(
                "installation '{}' may not touch the database '{database}'; ask the platform team",
                installation.installation
            ),
        ));
    }
    let profile = spec.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    if installation.profile(profile).is_none() {
        problems.push(Problem::not_allowed(
            "spec.profile",
            format!(
                "installation '{}' has no profile '{profile}'; ask the platform team",
                installation.installation
            ),
        ));
    }
}

pub(in crate::data_table) fn check_location(
    path: &str,
    location: &str,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    let prefixes = &installation.allow.s3_prefixes;
    if !prefixes.iter().any(|prefix| s3_uri::lies_under(location, prefix)) {
        problems.push(Problem::not_allowed(
            path,
            format!(
                "'{location}' must lie under one of {} and have no empty, '.' or '..' segment",
                prefixes.join(", ")
            ),
        ));
    }
}

/// Refuses a table that is not over data, a view or a link, one of the three.
pub(super) fn check_place(
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    match (&spec.location, &spec.view, &spec.link_to) {
        (Some(location), None, None) => check_location("spec.location", location, installation, problems),
        (None, Some(_), None) | (None, None, Some(_)) => {}
        _ => problems.push(Problem::invalid(
            "spec.location",
            "exactly one of it, `spec.view` and `spec.linkTo` must be set",
        )),
    }
}

/// Refuses to learn freshness from a parameter that the resource writes itself.
pub(super) fn check_sources(
    freshness: Option<&Policy>,
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    for source in freshness.iter().flat_map(|policy| &policy.sources) {
        let Source::GlueParameter(source) = source else { continue };
        let names = &installation.freshness_parameters;
        let is_ours = [&names.loaded_at, &names.data_time, &names.fresh_until].contains(&&source.key)
            || ["EXTERNAL", "classification"].contains(&source.key.as_str())
            || projection::is_parameter(&source.key)
            || spec.parameters.as_ref().is_some_and(|all| all.contains_key(&source.key));
        if is_ours {
            problems.push(Problem::invalid(
                "spec.freshness.sources",
                format!(
                    "must not read the parameter '{}', which this resource writes itself; name one that the \
                     producer writes",
                    source.key
                ),
            ));
        }
    }
}
