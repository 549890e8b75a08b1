//! What is called: service, operation and protocol out of a request's headers, path, query and form.

use axum::http::Method;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::athena;
use crate::ecs;
use crate::emr;
use crate::glue::Object;
use crate::protocol::Protocol;
use crate::sigv4::Signed;

/// The names under which a call is counted, logged and matched by fault rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Service in lower case, as `SigV4` names it.
    pub(crate) service: String,
    /// Operation name as in the API model; a best effort for S3.
    pub(crate) name: String,
    /// The protocol in which errors are written.
    pub(crate) protocol: Protocol,
}

/// True when the body is a small document that names the operation (and is needed whole), not an object's content.
pub(crate) fn has_small_body(parts: &Parts) -> bool {
    parts.headers.contains_key("x-amz-target") || is_form(parts)
}

fn is_form(parts: &Parts) -> bool {
    parts.method == Method::POST
        && parts
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

impl Operation {
    /// Names a request; `body` is there when `has_small_body` says so.
    pub(crate) fn of(parts: &Parts, signed: &Signed, body: Option<&[u8]>) -> Self {
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        if let Some((prefix, name)) = target.and_then(|target| target.rsplit_once('.')) {
            let service = match (prefix, &signed.service) {
                ("AWSGlue", _) => "glue".to_owned(),
                ("ElasticMapReduce", _) => emr::SERVICE.to_owned(),
                ("AmazonAthena", _) => athena::SERVICE.to_owned(),
                ("AmazonEC2ContainerServiceV20141113", _) => ecs::SERVICE.to_owned(),
                (_, Some(service)) => service.clone(),
                (_, None) => prefix.to_ascii_lowercase(),
            };
            return Self { service, name: name.to_owned(), protocol: Protocol::Json };
        }
        let service = signed.service.clone();
        let form = body.filter(|_| is_form(parts)).map(String::from_utf8_lossy);
        if let Some(action) = form.as_deref().and_then(|form| form_value(form, "Action")) {
            let service = service.unwrap_or_else(|| "query".to_owned());
            return Self { service, name: action, protocol: Protocol::Query };
        }
        match service {
            Some(service) if service != "s3" => {
                let name = format!("{} {}", parts.method, parts.uri.path());
                Self { service, name, protocol: Protocol::RestJson }
            }
            _ => Self { service: "s3".to_owned(), name: s3_operation(parts), protocol: Protocol::S3Xml },
        }
    }
}

/// A member of a form body.
pub(crate) fn form_value(form: &str, name: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    })
}

/// Whether a call asks for a page after the first.
pub(crate) fn has_page_token(parts: &Parts, input: Option<&Object>) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let in_body = |input: &Object| {
        ["NextToken", "nextToken", "Marker"].iter().any(|name| input.get(*name).is_some_and(is_text))
    };
    let mut query = parts.uri.query().unwrap_or_default().split('&');
    // S3: ListObjectsV2 and ListObjects.
    input.is_some_and(in_body)
        || query.any(|pair| pair.starts_with("continuation-token=") || pair.starts_with("marker="))
}

/// `bucket` or `bucket/key` of a path-style S3 request (virtual-host style is not recognised).
pub(crate) fn s3_resource(parts: &Parts) -> String {
    percent_decode_str(parts.uri.path().trim_start_matches('/')).decode_utf8_lossy().into_owned()
}

/// Sub-resources that name an operation on a bucket or an object, with the noun AWS uses.
const SUBRESOURCES: [(&str, &str); 17] = [
    ("acl", "Acl"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    ("inventory", "BucketInventoryConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("tagging", "Tagging"),
    ("versioning", "BucketVersioning"),
    ("website", "BucketWebsite"),
];

fn s3_operation(parts: &Parts) -> String {
    let query: Vec<&str> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    let has = |name: &str| query.contains(&name);
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let method = parts.method.as_str();
    let verb = match method {
        "PUT" => "Put",
        "DELETE" => "Delete",
        _ => "Get",
    };
    if let Some((_, noun)) = SUBRESOURCES.iter().find(|(name, _)| has(name)) {
        return format!("{verb}{noun}");
    }
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let name = match (method, bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets",
        ("GET", false, true) if has("uploads") => "ListMultipartUploads",
        ("GET", false, true) if has("versions") => "ListObjectVersions",
        ("GET", false, true) if has("list-type") => "ListObjectsV2",
        ("GET", false, true) => "ListObjects",
        ("GET", false, false) if has("uploadId") => "ListParts",
        ("GET", false, false) if has("attributes") => "GetObjectAttributes",
        ("GET", false, false) => "GetObject",
        ("HEAD", _, true) => "HeadBucket",
        ("HEAD", _, false) => "HeadObject",
        ("PUT", _, true) => "CreateBucket",
        ("PUT", _, false) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", _, false) if has("uploadId") => "UploadPart",
        ("PUT", _, false) if copies => "CopyObject",
        ("PUT", _, false) => "PutObject",
        ("DELETE", _, true) => "DeleteBucket",
        ("DELETE", _, false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _, false) => "DeleteObject",
        ("POST", _, true) if has("delete") => "DeleteObjects",
        ("POST", _, false) if has("uploads") => "CreateMultipartUpload",
        ("POST", _, false) if has("uploadId") => "CompleteMultipartUpload",
        ("POST", _, false) if has("restore") => "RestoreObject",
        ("POST", _, false) if has("select") => "SelectObjectContent",
        _ => "Unknown",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn named(method: &str, uri: &str) -> String {
        let parts = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        Operation::of(&parts, &Signed::of(&parts), None).name
    }

    #[test]
    fn s3_operations_are_named_by_method_path_and_query() {
        assert_eq!(named("GET", "/"), "ListBuckets");
        assert_eq!(named("GET", "/b?list-type=2&prefix=x"), "ListObjectsV2");
        assert_eq!(named("GET", "/b/k/l"), "GetObject");
        assert_eq!(named("HEAD", "/b/k"), "HeadObject");
        assert_eq!(named("PUT", "/b"), "CreateBucket");
        assert_eq!(named("PUT", "/b?lifecycle"), "PutBucketLifecycleConfiguration");
        assert_eq!(named("POST", "/b?delete"), "DeleteObjects");
        assert_eq!(named("POST", "/b/k?uploads"), "CreateMultipartUpload");
    }

    #[test]
    fn the_action_of_a_form_is_the_operation() {
        let parts = Request::builder()
            .method("POST")
            .uri("/")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let body = b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fx";
        let operation = Operation::of(&parts, &Signed::of(&parts), Some(body));
        assert_eq!((operation.name.as_str(), operation.protocol), ("AssumeRole", Protocol::Query));
    }
}
