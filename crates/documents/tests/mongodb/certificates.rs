//! Certificates made for a test, and what the store says of servers that show them.

use std::path::{Path, PathBuf};

use documents::DocumentsError;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use serde_json::json;
use servers::mongodb::{Options, Server, Tls, User};
use tempfile::TempDir;

use super::support::{call, failure, open, with};

/// An authority, and the folder for its files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new() -> Authority {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = write(folder.path(), "authority.pem", &certificate.pem());
        Authority {
            issuer: Issuer::new(params, key),
            folder,
            file,
        }
    }

    /// A certificate for a host: the file of it, that of its key, and one of both.
    fn issue(&self, name: &str, host: &str, change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let key = key.serialize_pem();
        let folder = self.folder.path();
        (
            write(folder, &format!("{name}.crt"), &certificate),
            write(folder, &format!("{name}.key"), &key),
            write(folder, &format!("{name}.pem"), &format!("{certificate}{key}")),
        )
    }

    fn serve(&self, (certificate, key, _): &(PathBuf, PathBuf, PathBuf), options: Options, client: Option<PathBuf>) -> Server {
        Server::start(Options {
            tls: Some(Tls {
                certificate: certificate.clone(),
                key: key.clone(),
                authority: self.file.clone(),
                client,
            }),
            ..options
        })
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const SOON: &str = "serverSelectionTimeoutMS=1000";

fn problem(error: &DocumentsError) -> &str {
    match error {
        DocumentsError::Certificate { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ones_own_authority_is_known_by_its_file_only() {
    let authority = Authority::new();
    let server = authority.serve(&authority.issue("server", "127.0.0.1", |_| ()), Options::default(), None);
    assert_eq!(call(&open(&server.uri_of("x"))).await.unwrap(), None);

    let unknown = with(&format!("mongodb://{}/x?tls=true", server.host()), SOON);
    let error = failure(&unknown).await;
    assert!(problem(&error).contains("tlsCAFile"), "{error}");
    assert!(error.to_string().contains(&server.host()), "{error}");
    assert!(!error.passes());

    // On this machine the examination may be left out.
    let insecure = format!("mongodb://{}/x?tls=true&tlsInsecure=true", server.host());
    assert_eq!(call(&open(&insecure)).await.unwrap(), None);
    // A server that wants TLS does not answer without.
    let plain = with(&format!("mongodb://{}/x", server.host()), SOON);
    let error = failure(&plain).await;
    assert!(matches!(error, DocumentsError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_certificate_that_does_not_stand_is_said() {
    let authority = Authority::new();
    let expired = authority.issue("expired", "127.0.0.1", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let other = authority.issue("other", "db.example.com", |_| ());
    for (certificate, words) in [(expired, "expired"), (other, "another host name")] {
        let server = authority.serve(&certificate, Options::default(), None);
        let error = failure(&with(&server.uri_of("x"), SOON)).await;
        assert!(problem(&error).contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "nonsense.pem", "nonsense");
    let file = file.to_str().unwrap();
    for (option, file, words) in [
        ("tlsCertificateKeyFile", file, "PEM"),
        (
            "tlsCertificateKeyFile",
            "/there/is/none.pem",
            "`tlsCertificateKeyFile` names can't be read",
        ),
        ("tlsCAFile", "/there/is/none.pem", "`tlsCAFile` names can't be read"),
    ] {
        let uri = format!("mongodb://127.0.0.1:1/x?tls=true&{option}={file}");
        let error = failure(&with(&uri, SOON)).await;
        let DocumentsError::Uri { problem } = &error else {
            panic!("{error:?}")
        };
        assert!(problem.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_an_identity() {
    let authority = Authority::new();
    let server = authority.issue("server", "127.0.0.1", |_| ());
    let (.., client) = authority.issue("loader", "loader", |_| ());
    let options = Options {
        auth: Some(("chief".to_owned(), "chief's own".to_owned())),
        users: vec![User {
            database: "$external".to_owned(),
            name: "CN=loader".to_owned(),
            password: String::new(),
            roles: json!([{"role": "readWrite", "db": "x"}]),
        }],
        ..Options::default()
    };
    let server = authority.serve(&server, options, Some(client.clone()));
    let ca = format!("tls=true&tlsCAFile={}", authority.file.display());
    let base = format!(
        "mongodb://{}/x?authMechanism=MONGODB-X509&authSource=%24external&{ca}",
        server.host()
    );
    let store = open(&format!("{base}&tlsCertificateKeyFile={}", client.display()));
    let examination = store.examine(&[]).await.unwrap();
    assert_eq!(examination.users, ["CN=loader@$external"]);
    assert_eq!(examination.mechanism.as_deref(), Some("MONGODB-X509"));
    assert!(examination.tls);

    // Without a file there is nothing to sign in with, which is said before anything is sent.
    let error = failure(&base).await;
    let DocumentsError::Uri { problem } = &error else {
        panic!("{error:?}")
    };
    assert!(problem.contains("tlsCertificateKeyFile"), "{error}");
    // A certificate of a user whom the server does not know.
    let (.., stranger) = authority.issue("stranger", "stranger", |_| ());
    let error = failure(&format!("{base}&tlsCertificateKeyFile={}", stranger.display())).await;
    assert!(matches!(error, DocumentsError::SignIn { .. }), "{error:?}");
}
