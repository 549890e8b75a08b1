//! Who calls: access key, region and service out of the `SigV4` credential scope, and the account behind a key.
//! Signatures are not checked: this endpoint listens on loopback and guards nothing.

use std::collections::HashMap;

use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::lock::Lock;

/// The account of keys that say nothing else (moto's default as well).
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";
/// The region of unsigned requests.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// What a request's signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The access key, empty for unsigned requests.
    pub(crate) access_key: String,
    /// The signed region.
    pub(crate) region: String,
    /// The signed service name, if any.
    pub(crate) service: Option<String>,
}

impl Signed {
    /// Reads the `Authorization` header, or a presigned URL's `X-Amz-Credential`.
    pub(crate) fn of(parts: &Parts) -> Self {
        let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        if let Some(scope) = header.and_then(|text| text.split("Credential=").nth(1)) {
            return Self::of_scope(scope.split([',', ' ']).next().unwrap_or_default());
        }
        let presigned = parts.uri.query().unwrap_or_default().split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.eq_ignore_ascii_case("X-Amz-Credential").then_some(value)
        });
        match presigned {
            Some(value) => Self::of_scope(&percent_decode_str(value).decode_utf8_lossy()),
            None => Self { access_key: String::new(), region: DEFAULT_REGION.to_owned(), service: None },
        }
    }

    fn of_scope(scope: &str) -> Self {
        let mut words = scope.split('/');
        let access_key = words.next().unwrap_or_default().to_owned();
        let region = words.nth(1).filter(|region| !region.is_empty()).unwrap_or(DEFAULT_REGION).to_owned();
        let service = words.next().map(str::to_owned);
        Self { access_key, region, service }
    }
}

/// An account and the principal that a key stands for in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The 12-digit account.
    pub(crate) account: String,
    /// The principal's ARN, which Glue stores as `CreatedBy`.
    pub(crate) arn: String,
}

/// Keys that STS handed out through us.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    assumed: Lock<HashMap<String, Principal>>,
}

impl Accounts {
    /// The principal of a key: a 12-digit key *is* the account, a key from `AssumeRole` has its role's account.
    pub(crate) fn principal(&self, access_key: &str) -> Principal {
        if let Some(principal) = self.assumed.hold().get(access_key) {
            return principal.clone();
        }
        let is_account = access_key.len() == 12 && access_key.bytes().all(|byte| byte.is_ascii_digit());
        let account = if is_account { access_key } else { DEFAULT_ACCOUNT };
        Principal { account: account.to_owned(), arn: format!("arn:aws:iam::{account}:user/local") }
    }

    /// Remembers the key in an `AssumeRole` answer (XML) and the account of the role that it was for.
    pub(crate) fn learn(&self, answer: &str) {
        let element = |name: &str| {
            let rest = answer.split_once(&format!("<{name}>"))?.1;
            Some(rest.split_once('<')?.0.trim().to_owned())
        };
        // `Arn` is the assumed role's ARN: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
        let (Some(key), Some(arn)) = (element("AccessKeyId"), element("Arn")) else { return };
        if let Some(account) = arn.split(':').nth(4).filter(|account| account.len() == 12) {
            let principal = Principal { account: account.to_owned(), arn: arn.clone() };
            self.assumed.hold().insert(key, principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_credential_scope_names_key_region_and_service() {
        let header = "AWS4-HMAC-SHA256 Credential=111122223333/20261122/eu-west-1/glue/aws4_request, \
                      SignedHeaders=host, Signature=00";
        let signed = Signed::of(&parts("/", Some(header)));
        assert_eq!(signed.access_key, "111122223333");
        assert_eq!(signed.region, "eu-west-1");
        assert_eq!(signed.service.as_deref(), Some("glue"));
    }

    #[test]
    fn a_presigned_url_is_read_too() {
        let signed =
            Signed::of(&parts("/b/k?X-Amz-Credential=AKIA%2F20261122%2Feu-west-1%2Fs3%2Faws4_request", None));
        assert_eq!((signed.access_key.as_str(), signed.region.as_str()), ("AKIA", "eu-west-1"));
    }

    #[test]
    fn twelve_digits_are_an_account_and_assumed_keys_are_remembered() {
        let accounts = Accounts::default();
        assert_eq!(accounts.principal("111122223333").account, "111122223333");
        assert_eq!(accounts.principal("ASIAX").account, DEFAULT_ACCOUNT);
        accounts
            .learn("<AccessKeyId>ASIAX</AccessKeyId><Arn>arn:aws:sts::444455556666:assumed-role/r/s</Arn>");
        assert_eq!(accounts.principal("ASIAX").account, "444455556666");
    }
}
