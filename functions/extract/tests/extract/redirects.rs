//! Redirects: followed where it is safe, without credentials where it is another's.

use crate::home::{Home, rest};
use crate::upstream::{Answer, Upstream};
use extract::Names;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A source with two names: one that the pipeline names, and one that it is led to. Both are on loopback.
fn names(table: &[(&str, &str)]) -> Names {
    Names::Fixed(
        table
            .iter()
            .map(|(name, address)| ((*name).to_owned(), vec![address.parse().unwrap()]))
            .collect::<BTreeMap<_, _>>(),
    )
}

const AUTH: &str = "auth: {bearer: {token: \"${secret:t}\"}}, headers: {x-tenant: \"${env:SET}\"}";

#[tokio::test]
async fn credentials_stay_at_home() {
    let other = Upstream::start(|_, _| Answer::json("[{\"id\":\"1\"}]")).await;
    let target = other.url("/elsewhere");
    let upstream = Upstream::start(move |_, asked| match asked.path.as_str() {
        "/things" => Answer::redirect("/moved"),
        "/moved" => Answer::redirect(&target),
        path => panic!("{path}"),
    })
    .await;
    let home = Home::new();
    home.run(&rest(&upstream.url("/"), AUTH, "")).await.unwrap();
    let with: Vec<_> = upstream
        .asked()
        .iter()
        .map(|asked| asked.headers.get("authorization").cloned())
        .collect();
    assert_eq!(with, vec![Some("Bearer s3cret of t/+".to_owned()); 2]);
    let asked = &other.asked()[0];
    assert_eq!(asked.path, "/elsewhere");
    for name in ["authorization", "x-tenant", "cookie", "referer"] {
        assert!(!asked.headers.contains_key(name), "{name}");
    }
    assert!(
        home.captures().await[0].url.ends_with("/things"),
        "kept under the address that was asked for"
    );
}

#[tokio::test]
async fn next_pages_at_another_host_get_no_credentials() {
    let other = Upstream::start(|_, _| Answer::json("{\"data\":[]}")).await;
    let next = other.url("/page2");
    let upstream = Upstream::start(move |_, _| Answer::json(format!("{{\"data\":[1],\"next\":\"{next}\"}}"))).await;
    let pages = "data_selector: data, paginator: {next_url: {next_url_path: next}}";
    Home::new().run(&rest(&upstream.url("/"), AUTH, pages)).await.unwrap();
    assert!(upstream.asked()[0].headers.contains_key("authorization"));
    assert!(!other.asked()[0].headers.contains_key("authorization") && !other.asked()[0].headers.contains_key("x-tenant"));
}

/// The host that a page was redirected to does not choose what the source is asked with our credentials.
#[tokio::test]
async fn another_host_names_no_next_page_at_home() {
    let pages = "data_selector: data, paginator: {next_url: {next_url_path: next}}";
    for private in [true, false] {
        let home = Arc::new(OnceLock::<[String; 2]>::new());
        let (next, target) = (home.clone(), home.clone());
        let other = Upstream::start(move |_, _| Answer::json(format!("{{\"data\":[1],\"next\":\"{}\"}}", next.get().unwrap()[0]))).await;
        let upstream = Upstream::start(move |_, asked| match asked.path.as_str() {
            "/things" => Answer::redirect(&target.get().unwrap()[1]),
            _ => Answer::json("{\"data\":[]}"),
        })
        .await;
        home.set([upstream.url("/second"), other.url("/first")]).unwrap();
        let pipeline = rest(&upstream.url("/"), if private { AUTH } else { "" }, pages);
        if private {
            let message = Home::new().failure(&pipeline).await;
            assert!(message.contains("named by a reply from another scheme, host or port"), "{message}");
            assert_eq!(upstream.asked().len(), 1);
        } else {
            Home::new().run(&pipeline).await.unwrap();
            assert_eq!(upstream.asked()[1].path, "/second", "nothing of ours goes with it");
        }
    }
}

#[tokio::test]
async fn a_public_source_cannot_lead_us_inside() {
    let inside = Upstream::start(|_, _| Answer::json("[]")).await;
    for (location, refusal) in [
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "not public"),
        (inside.url("/"), "not public"),
        (format!("http://[::ffff:127.0.0.1]:{}/", inside.port), "not public"),
        (format!("http://0x7f000001:{}/", inside.port), "not public"),
        (format!("http://inner.example:{}/", inside.port), "not public"),
        ("file:///etc/passwd".to_owned(), "neither http nor https"),
        ("gopher://x/".to_owned(), "neither http nor https"),
        ("http://".to_owned(), "without a good address"),
    ] {
        let to = location.clone();
        let upstream = Upstream::start(move |_, _| Answer::redirect(&to)).await;
        let mut home = Home::new();
        // The pipeline's own host may stand anywhere; the one that it leads to may not.
        home.names = names(&[("source.example", "127.0.0.1"), ("inner.example", "127.0.0.1")]);
        let message = home
            .failure(&rest(&format!("http://source.example:{}/", upstream.port), "", ""))
            .await;
        assert!(message.contains(refusal), "{location}: {message}");
        assert_eq!(upstream.asked().len(), 1, "it is not asked again");
        let lead = Upstream::start({
            let to = location.clone();
            move |_, _| Answer::json(serde_json::json!({"data": [1], "next": to}).to_string())
        })
        .await;
        let pages = "data_selector: data, paginator: {next_url: {next_url_path: next}}";
        let message = home
            .failure(&rest(&format!("http://source.example:{}/", lead.port), "", pages))
            .await;
        assert!(message.contains("where we must not go"), "{location}: {message}");
    }
    assert_eq!(inside.asked().len(), 0);
}

#[tokio::test]
async fn redirects_end() {
    let upstream = Upstream::start(|_, _| Answer::redirect("/things")).await;
    let message = Home::new().failure(&rest(&upstream.url("/"), "", "")).await;
    assert!(message.contains("more than 10 redirects"), "{message}");
    assert_eq!(upstream.asked().len(), 11);
    let upstream = Upstream::start(|_, _| Answer::status(301)).await;
    assert!(
        Home::new()
            .failure(&rest(&upstream.url("/"), "", ""))
            .await
            .contains("without a good address")
    );
}
