//! Credentials are sent, and are nowhere else.

use crate::home::{Home, rest};
use crate::upstream::{Answer, Upstream};

#[tokio::test]
async fn every_kind_of_credential_is_sent() {
    let upstream = Upstream::start(|_, _| Answer::json("[]")).await;
    for (source, header, value) in [
        ("auth: {bearer: {token: \"${secret:t}\"}}", "authorization", "Bearer s3cret of t/+"),
        (
            "auth: {basic: {username: me, password: \"${secret:p}\"}}",
            "authorization",
            "Basic bWU6czNjcmV0IG9mIHAvKw==",
        ),
        ("auth: {api_key: {name: X-Key, value: \"${secret:k}\"}}", "x-key", "s3cret of k/+"),
        ("headers: {x-token: \"a ${secret:h}\"}", "x-token", "a s3cret of h/+"),
        ("headers: {accept: text/plain}", "accept", "text/plain"),
        ("", "accept", "application/json, */*;q=0.8"),
        ("", "user-agent", concat!("tidemill/", env!("CARGO_PKG_VERSION"))),
    ] {
        Home::new().run(&rest(&upstream.url("/"), source, "")).await.unwrap();
        assert_eq!(upstream.asked().last().unwrap().headers[header], value, "{source}");
    }
    for source in [
        "auth: {api_key: {name: key, value: \"${secret:k}\", location: query}}",
        "params: {key: \"${secret:k}\"}",
    ] {
        Home::new()
            .run(&rest(&upstream.url("/"), source, "params: {q: \"1\"}"))
            .await
            .unwrap();
        let asked = upstream.asked().pop().unwrap();
        assert_eq!((asked.query["key"].as_str(), asked.query["q"].as_str()), ("s3cret of k/+", "1"));
    }
}

#[tokio::test]
async fn no_secret_is_kept_or_shown() {
    let source = "auth: {api_key: {name: key, value: \"${secret:k}\", location: query}}, params: {token: \"${secret:p}\"}, headers: {x: \"${secret:h}\"}";
    let pages = "data_selector: data, paginator: {link_header: {}}";
    let upstream = Upstream::start(|number, asked| {
        assert_eq!(
            (asked.query["key"].as_str(), asked.query["token"].as_str()),
            ("s3cret of k/+", "s3cret of p/+")
        );
        match number {
            // The next address carries the keys again, as many sources do.
            0 | 1 => {
                let next = format!(
                    "</things?page={}&key=s3cret+of+k%2F%2B&token=s3cret%20of%20p%2F%2B>; rel=next",
                    number + 2
                );
                Answer::json(format!("{{\"data\":[{number}]}}")).with("link", &next)
            }
            _ => Answer::status(404),
        }
    })
    .await;
    let mut home = Home::new();
    home.settings.object_bytes_max = 1;
    let message = home.failure(&rest(&upstream.url("/"), source, pages)).await;
    assert!(message.contains("/things?page=3") && message.contains("404"), "{message}");
    assert_eq!(home.objects().await.len(), 2);
    assert!(home.objects().await[0].1.state.as_ref().unwrap().contains("/things?page=2"));
    assert!(home.holds("page=3"), "the search looks everywhere");
    for secret in ["s3cret", "c2VjcmV0"] {
        assert!(!message.contains(secret), "{message}");
        assert!(!home.holds(secret));
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_taken_out_of_an_address() {
    let source = "auth: {bearer: {token: \"${secret:k}\"}}";
    let pages = "data_selector: data, paginator: {next_url: {next_url_path: next}}";
    for next in ["/x/s3cret%20of%20k%2F%2B/2", "/x/s3cret of k/+/2", "/x?q=s3cret+of%20k/%2b"] {
        let upstream = Upstream::start(move |_, _| Answer::json(format!("{{\"data\":[1],\"next\":\"{next}\"}}"))).await;
        let message = Home::new().failure(&rest(&upstream.url("/"), source, pages)).await;
        assert!(message.contains("holds a secret") && !message.contains("s3cret"), "{message}");
    }
}

/// A setting that happens to stand in the next address is no secret; what proves who asks is one, however short.
#[tokio::test]
async fn short_values_of_the_environment() {
    let upstream = Upstream::start(|number, asked| {
        assert_eq!(asked.query["limit"], "100");
        match number {
            0 => Answer::json("{\"data\":[1],\"next\":\"/things?offset=100&limit=100\"}"),
            _ => {
                assert_eq!(asked.query["offset"], "100");
                Answer::json("{\"data\":[]}")
            }
        }
    })
    .await;
    let pages = "data_selector: data, paginator: {next_url: {next_url_path: next}}";
    let home = Home::new();
    home.run(&rest(&upstream.url("/"), "params: {limit: \"${env:SIZE}\"}", pages))
        .await
        .unwrap();
    assert!(home.captures().await[1].url.ends_with("/things?offset=100"));
    for source in [
        "params: {limit: \"${env:SIZE}\"}, auth: {bearer: {token: \"${env:SIZE}\"}}",
        "params: {limit: \"${env:SIZE}\"}, auth: {api_key: {name: k, value: \"${env:SIZE}\", location: query}}",
    ] {
        let upstream = Upstream::start(|_, _| Answer::json("{\"data\":[1],\"next\":\"/things?offset=100\"}")).await;
        let message = Home::new().failure(&rest(&upstream.url("/"), source, pages)).await;
        assert!(message.contains("holds a secret"), "{message}");
    }
}

#[tokio::test]
async fn what_cannot_be_resolved() {
    for (base_url, source, expected) in [
        (
            "http://h/",
            "auth: {bearer: {token: \"${env:MISSING}\"}}",
            "auth.bearer.token: the environment has no `MISSING`",
        ),
        ("${env:SET}", "", "base_url: expected an address such as"),
        (
            "http://h/",
            "headers: {x: \"${secret:two lines}\"}",
            "header `x`: its value cannot be sent",
        ),
        (
            "http://h/",
            "auth: {bearer: {token: \"${secret:two lines}\"}}",
            "auth.bearer.token: its value holds a line end",
        ),
    ] {
        let message = Home::new().failure(&rest(base_url, source, "")).await;
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("env value") && !message.contains("s3cret"), "{message}");
    }
}
