//! Each answer of S3, and what somebody who reads the error is told to do.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use super::*;

const PLACE: Place<'_> = Place {
    call: Call::Read,
    key: "raw/a.zst",
    bucket: "shop-lake",
    region: "eu-central-1",
};

fn denied(place: &Place<'_>, status: u16, code: &str, message: &str, region: Option<&str>) -> String {
    match of_answer(place, status, code, message, region) {
        Refusal::Denied(problem) => problem,
        other => panic!("{status} {code}: {other:?}"),
    }
}

#[test]
fn what_is_not_there_is_not_an_error_of_the_bucket() {
    assert_eq!(
        of_answer(&PLACE, 404, "NoSuchKey", "The specified key does not exist.", None),
        Refusal::NotFound
    );
    assert!(denied(&PLACE, 404, "NoSuchBucket", "", None).contains("there is no such bucket"));
}

#[test]
fn what_passes_is_tried_again() {
    for (status, code) in [
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, ""),
        (400, "RequestTimeout"),
        (400, "BadDigest"),
        (404, "NoSuchUpload"),
        (409, "ConditionalRequestConflict"),
        (429, "TooManyRequests"),
        (400, "ThrottlingException"),
        (200, ""),
        (200, "InternalError"),
    ] {
        let refusal = of_answer(&PLACE, status, code, "a while", None);
        assert!(matches!(refusal, Refusal::Retry(_)), "{status} {code}: {refusal:?}");
    }
}

#[test]
fn a_missing_permission_is_named_with_its_resource() {
    for (call, action, resource) in [
        (Call::Read, "s3:GetObject", "arn:aws:s3:::shop-lake/raw/a.zst"),
        (Call::Write, "s3:PutObject", "arn:aws:s3:::shop-lake/raw/a.zst"),
        (Call::Delete, "s3:DeleteObject", "arn:aws:s3:::shop-lake/raw/a.zst"),
        (Call::List, "s3:ListBucket", "arn:aws:s3:::shop-lake"),
    ] {
        let problem = denied(&Place { call, ..PLACE }, 403, "AccessDenied", "Access Denied", None);
        assert!(problem.contains(&format!("`{action}` on `{resource}`")), "{problem}");
        assert!(problem.ends_with("S3 answered 403 AccessDenied: Access Denied"), "{problem}");
    }
    let read = denied(&PLACE, 403, "AccessDenied", "", None);
    assert!(
        read.contains("without `s3:ListBucket` on `arn:aws:s3:::shop-lake` S3 answers the same for an object that is not there"),
        "{read}"
    );
    let china = Place {
        region: "cn-north-1",
        ..PLACE
    };
    assert!(denied(&china, 403, "", "", None).contains("`arn:aws-cn:s3:::shop-lake/raw/a.zst`"));
}

#[test]
fn another_region_is_named() {
    let wrong = "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'us-west-2'";
    for (status, code, message) in [
        (301, "PermanentRedirect", ""),
        (301, "", ""),
        (400, "AuthorizationHeaderMalformed", wrong),
    ] {
        let problem = denied(&PLACE, status, code, message, Some("us-west-2"));
        assert!(
            problem.starts_with("the bucket is in the region us-west-2, asked was eu-central-1: set AWS_REGION"),
            "{problem}"
        );
    }
}

#[test]
fn credentials_and_the_clock_have_words_of_their_own() {
    for (status, code) in [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "AuthorizationHeaderMalformed"),
    ] {
        let problem = denied(&PLACE, status, code, "", Some("eu-central-1"));
        assert!(problem.starts_with("the credentials are wrong"), "{problem}");
    }
    assert!(denied(&PLACE, 403, "RequestTimeTooSkewed", "", None).starts_with("this machine's clock is wrong"));
}

#[test]
fn other_refusals_are_told_as_they_are_and_short() {
    let problem = denied(
        &PLACE,
        400,
        "KeyTooLongError",
        &format!("Your key\nis too long{}", "!".repeat(1_000)),
        None,
    );
    assert!(
        problem.contains("S3 answered 400 KeyTooLongError: Your key is too long!!"),
        "{problem}"
    );
    assert!(problem.len() < 500);
}
