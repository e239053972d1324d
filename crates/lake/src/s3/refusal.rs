//! Pure: what an answer of S3 that is not a success means, and what to do about it.

use super::bucket::Call;

/// S3's own words are told up to here.
const MESSAGE_CHARS_MAX: usize = 400;

/// The codes that are about who asks, not about what.
const CREDENTIALS: &[&str] = &[
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidSecurity",
    "TokenRefreshRequired",
    "AuthorizationHeaderMalformed",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
];

/// The codes below 500 of what may be well the next time.
const PASSING: &[&str] = &["RequestTimeout", "IncompleteBody", "BadDigest", "NoSuchUpload", "SlowDown"];

/// What was asked, and where.
pub(super) struct Place<'a> {
    pub(super) call: Call,
    /// The prefix, for a list.
    pub(super) key: &'a str,
    pub(super) bucket: &'a str,
    pub(super) region: &'a str,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    /// It may pass.
    Retry(String),
    /// It will not, and this is to be done.
    Denied(String),
}

/// `code` and `message`: of the answer's body, empty where it has none. `bucket_region`: where S3 says that the bucket is.
pub(super) fn of_answer(place: &Place<'_>, status: u16, code: &str, message: &str, bucket_region: Option<&str>) -> Refusal {
    let said = said(status, code, message);
    match (status, code) {
        (_, "NoSuchBucket") => Refusal::Denied(format!(
            "there is no such bucket: correct its name, the account or the region ({}), or deploy the stack that creates it",
            place.region
        )),
        (404, "NoSuchKey" | "NotFound" | "") => Refusal::NotFound,
        _ if of_another_region(status, code, message) => {
            let other = bucket_region.map_or_else(|| "another region".to_owned(), |region| format!("the region {region}"));
            Refusal::Denied(format!(
                "the bucket is in {other}, asked was {}: set AWS_REGION to the bucket's. {said}",
                place.region
            ))
        }
        _ if CREDENTIALS.contains(&code) => Refusal::Denied(format!(
            "the credentials are wrong, or valid no more: sign in again (`aws sso login`), or correct AWS_PROFILE or the keys. {said}"
        )),
        (_, "RequestTimeTooSkewed") => Refusal::Denied(format!("this machine's clock is wrong: set it. {said}")),
        (401 | 403, _) => Refusal::Denied(permission(place, &said)),
        // Below 300: a failure within a success, or an answer that could not be read.
        (..300 | 408 | 409 | 412 | 429 | 500.., _) => Refusal::Retry(said),
        _ if PASSING.contains(&code) || code.contains("Throttl") => Refusal::Retry(said),
        _ => Refusal::Denied(format!("S3 does not take the request. {said}")),
    }
}

fn of_another_region(status: u16, code: &str, message: &str) -> bool {
    match code {
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => true,
        "AuthorizationHeaderMalformed" => message.contains("region"),
        _ => matches!(status, 301 | 307),
    }
}

fn said(status: u16, code: &str, message: &str) -> String {
    let code = if code.is_empty() { "without a code" } else { code };
    let message: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect();
    match message.as_str() {
        "" => format!("S3 answered {status} {code}"),
        message => format!("S3 answered {status} {code}: {message}"),
    }
}

/// Which permission is missing, on what.
fn permission(place: &Place<'_>, said: &str) -> String {
    let partition = match place.region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let (bucket, key) = (place.bucket, place.key);
    let of_bucket = format!("arn:{partition}:s3:::{bucket}");
    let of_object = format!("{of_bucket}/{key}");
    let (action, resource) = match place.call {
        Call::Read => ("s3:GetObject", &of_object),
        Call::Write => ("s3:PutObject", &of_object),
        Call::Delete => ("s3:DeleteObject", &of_object),
        Call::List => ("s3:ListBucket", &of_bucket),
    };
    let more = match place.call {
        Call::Read => format!("; without `s3:ListBucket` on `{of_bucket}` S3 answers the same for an object that is not there"),
        Call::List => format!(" (a condition on `s3:prefix` must let `{key}` through)"),
        Call::Write | Call::Delete => String::new(),
    };
    format!(
        "the identity in use needs `{action}` on `{resource}`{more}. Allow it in the role's policy; if it is, look for a denial in the \
         bucket's policy, a permissions boundary, or the policy of the bucket's KMS key. {said}"
    )
}

#[cfg(test)]
mod tests;
