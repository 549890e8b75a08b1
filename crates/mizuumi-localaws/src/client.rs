//! Which client calls, by its user agent.

/// What the user agent of Mizuumi's own calls contains.
pub(crate) const OURS: &str = "app/mizuumi";

/// The client behind a user agent: the application's name if it gives one (`app/NAME` in the AWS SDKs' format), else the
/// first product. The rest of the text differs from call to call (features in use).
pub(crate) fn name(user_agent: &str) -> &str {
    let mut words = user_agent.split_whitespace();
    let first = words.clone().next().unwrap_or_default();
    words.find(|word| word.starts_with("app/")).unwrap_or(first)
}

/// Whether Mizuumi calls.
pub(crate) fn is_ours(user_agent: &str) -> bool {
    user_agent.contains(OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_its_application_or_first_product() {
        assert_eq!(name("aws-sdk-rust/1.3 ua/2.1 api/glue/1.184 m/E,b app/mizuumi"), "app/mizuumi");
        assert_eq!(name("Boto3/1.44.5 md/Botocore#1.44.5 m/N"), "Boto3/1.44.5");
        assert_eq!(name(""), "");
        assert!(is_ours("aws-sdk-rust/1.3 app/mizuumi") && !is_ours("Boto3/1.44.5"));
    }
}
