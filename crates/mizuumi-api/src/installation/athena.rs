//! What queries of Athena run in; none of it is a tenant's to say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Installation;

/// The workgroup of a profile's queries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AthenaProfile {
    /// Its name. It says where results go, and limits the bytes that a query may scan; its role should be able to read only.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,128}$"))]
    pub workgroup: String,
    /// Whether queries run although the workgroup limits no bytes.
    #[serde(default)]
    pub allow_unlimited_scans: bool,
}

pub(super) fn problems(installation: &Installation, problems: &mut Vec<String>) {
    for (name, profile) in &installation.profiles {
        let Some(athena) = &profile.athena else { continue };
        // What Athena takes as a name of a workgroup.
        let is_sign = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let workgroup = &athena.workgroup;
        if workgroup.is_empty() || workgroup.len() > 128 || !workgroup.bytes().all(is_sign) {
            problems.push(format!(
                "profiles.{name}.athena.workgroup: must be 1 to 128 letters, digits, '.', '_' and '-'; it is '{workgroup}'"
            ));
        }
    }
}
