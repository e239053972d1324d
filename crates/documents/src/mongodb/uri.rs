//! The URI: a secret. It is checked part by part, so that an error names the part and never shows it.

use std::fs::File;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::error::ErrorKind;
use mongodb::options::{
    AuthMechanism, ClientOptions, ConnectionString, HostInfo, ReadConcern, ReadPreference, SelectionCriteria, ServerAddress, Tls,
    WriteConcern,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::client::Place;
use super::error::{Fault, FaultKind};

/// Where the URI comes from.
#[async_trait]
pub trait Uri: Send + Sync {
    /// The URI. With `renew` the one given before was refused: what was kept must be read anew.
    async fn uri(&self, renew: bool) -> Result<SecretString, UriError>;
}

/// Why there is no URI. The texts must not hold any of it.
#[derive(Debug, thiserror::Error)]
pub enum UriError {
    /// It is not there, or can't be one: somebody must set it.
    #[error("{0}")]
    Unusable(String),
    /// Where it is kept could not be asked.
    #[error("{0}")]
    Unavailable(String),
}

/// A URI that does not change while the process lives.
#[derive(Debug)]
pub struct Fixed(SecretString);

impl Fixed {
    pub fn new(uri: SecretString) -> Fixed {
        Fixed(uri)
    }
}

#[async_trait]
impl Uri for Fixed {
    async fn uri(&self, _: bool) -> Result<SecretString, UriError> {
        Ok(self.0.clone())
    }
}

/// The URI with a database: its own, or else this one. What is no URI stays as it is, for the driver to tell.
///
/// A database in a URI is also where a password is looked up, unless `authSource` says otherwise: without one that is `admin`, and must stay so.
pub fn with_database(uri: &str, database: &str) -> String {
    let uri = uri.trim();
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let (before, mut options) = match rest.split_once('?') {
        Some((before, options)) => (before, format!("?{options}")),
        None => (rest, String::new()),
    };
    if before.contains('@') && !says_where_users_are(&options) {
        options.push_str(if options.len() > 1 { "&" } else { "?" });
        options = options.replacen("??", "?", 1) + "authSource=admin";
    }
    // A user's name and password hold no `/` as it is.
    match before.split_once('/') {
        Some((_, named)) if !named.is_empty() => uri.to_owned(),
        Some((hosts, _)) => format!("{scheme}://{hosts}/{database}{options}"),
        None => format!("{scheme}://{before}/{database}{options}"),
    }
}

/// Whether the options name the database of the users, or a mechanism that has one of its own.
fn says_where_users_are(options: &str) -> bool {
    options.trim_start_matches('?').split('&').any(|option| {
        let option = option.to_ascii_lowercase();
        let mechanism = option.strip_prefix("authmechanism=");
        option.starts_with("authsource=") || mechanism.is_some_and(|mechanism| !mechanism.starts_with("scram"))
    })
}

/// Where a URI leads to: what may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Each with its port, in lower case; with `mongodb+srv` the one name that DNS knows them by.
    pub hosts: Vec<String>,
    pub database: String,
}

impl Whereabouts {
    /// Reads a URI. Nobody is asked: that it can be read does not say that there is a server.
    ///
    /// # Errors
    /// When it is no URI of MongoDB. The text names what is wrong, and holds nothing of the URI.
    pub fn of(uri: &SecretString) -> Result<Whereabouts, UriError> {
        let uri = uri.expose_secret().trim();
        let parts = Parts::of(uri).map_err(UriError::Unusable)?;
        let parsed = ConnectionString::parse(uri).map_err(|_| UriError::Unusable(parts.problem()))?;
        let hosts = match &parsed.host_info {
            HostInfo::HostIdentifiers(hosts) => hosts.iter().map(host_of).collect(),
            _ => vec![parts.hosts.to_ascii_lowercase()],
        };
        Ok(Whereabouts {
            hosts,
            database: database(&parsed),
        })
    }
}

fn host_of(host: &ServerAddress) -> String {
    match host {
        // The driver leaves out the brackets.
        ServerAddress::Tcp { host: address, port } if address.contains(':') && !address.starts_with('[') => {
            format!("[{address}]:{}", port.unwrap_or(PORT))
        }
        ServerAddress::Tcp { .. } => host.to_string().to_ascii_lowercase(),
        // A socket's path has both cases.
        _ => host.to_string(),
    }
}

fn database(parsed: &ConnectionString) -> String {
    parsed.default_database.clone().unwrap_or_else(|| DATABASE.to_owned())
}

/// What a URI comes to.
pub(super) struct Settings {
    pub options: ClientOptions,
    pub place: Place,
    /// Parts of the URI that no text may hold.
    pub secrets: Vec<SecretString>,
    /// The user, as written and as meant: no secret, but the server says it to those whom it does not let in.
    pub users: Vec<SecretString>,
}

/// The database when the URI names none.
const DATABASE: &str = "tidemill";
/// The port when a host names none.
const PORT: u16 = 27017;
const APP_NAME: &str = "tidemill";
/// Connections of a process: a function's work is one batch after another.
const POOL_MAX: u32 = 4;
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long DNS is asked for the servers of `mongodb+srv`.
const DNS_MAX: Duration = Duration::from_secs(15);
/// How long a server is looked for. A new primary is there within some 5 s; what takes longer is the queue's to try again.
const SELECTION_MAX: Duration = Duration::from_secs(15);
/// Shorter than load balancers and firewalls keep a silent connection.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long a write waits for a majority.
pub(super) const MAJORITY_MAX: Duration = Duration::from_secs(20);

/// Reads a URI. With `mongodb+srv` the hosts are looked up.
pub(super) async fn settings(uri: &SecretString) -> Result<Settings, Fault> {
    let uri = uri.expose_secret().trim();
    let refused = |problem: String| Fault::new(FaultKind::Uri, problem, Place::default());
    let parts = Parts::of(uri).map_err(refused)?;
    parts.check_mechanism().map_err(refused)?;
    let parsed = ConnectionString::parse(uri).map_err(|_| refused(parts.problem()))?;
    let mut place = Place {
        server: parts.hosts.to_owned(),
        database: database(&parsed),
    };
    let no_hosts = || {
        let text = "DNS has no `SRV` record of its servers, or does not answer";
        Fault::new(FaultKind::Unreachable, text, place.clone())
    };
    let options = timeout(DNS_MAX, ClientOptions::parse(parsed)).await.map_err(|_| no_hosts())?;
    let mut options = options.map_err(|error| match error.kind.as_ref() {
        ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => no_hosts(),
        _ => refused(parts.problem()),
    })?;
    place.server = parts.named_hosts(&options.hosts);
    check_safety(&options, &place.server).map_err(refused)?;
    fill_in(&mut options);
    Ok(Settings {
        options,
        place,
        secrets: parts.secrets(),
        users: hidden(&[parts.user]),
    })
}

/// What matters is set, whatever the URI says of it; where it may choose, it has chosen already.
fn fill_in(options: &mut ClientOptions) {
    options.app_name.get_or_insert_with(|| APP_NAME.to_owned());
    options.connect_timeout.get_or_insert(CONNECT_MAX);
    options.server_selection_timeout.get_or_insert(SELECTION_MAX);
    // Asked rather than told, a server that was not the primary is looked at again at once, not when its next word is due.
    options
        .server_monitoring_mode
        .get_or_insert(mongodb::options::ServerMonitoringMode::Poll);
    options.max_idle_time.get_or_insert(IDLE_MAX);
    options.max_pool_size = Some(options.max_pool_size.filter(|size| *size > 0).unwrap_or(POOL_MAX).min(POOL_MAX));
    options.min_pool_size = None;
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    // Under overload we wait ourselves: the two together would ask three times as often.
    options.max_adaptive_retries = Some(0);
    options.read_concern = Some(ReadConcern::majority());
    let mut majority = WriteConcern::majority();
    majority.w_timeout = Some(MAJORITY_MAX);
    options.write_concern = Some(majority);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
}

/// Passwords and documents go over the network encrypted, to the server whose certificate stands.
fn check_safety(options: &ClientOptions, server: &str) -> Result<(), String> {
    let tls = match &options.tls {
        Some(Tls::Enabled(tls)) => Some(tls),
        _ => None,
    };
    let x509 = options
        .credential
        .as_ref()
        .is_some_and(|credential| credential.mechanism == Some(AuthMechanism::MongoDbX509));
    if x509 && tls.is_none_or(|tls| tls.cert_key_file_path.is_none()) {
        return Err(
            "`authMechanism=MONGODB-X509` needs `tls=true` and `tlsCertificateKeyFile=FILE`, a PEM file of certificate and key".to_owned(),
        );
    }
    let files = tls.map(|tls| [("tlsCAFile", &tls.ca_file_path), ("tlsCertificateKeyFile", &tls.cert_key_file_path)]);
    for (option, path) in files.into_iter().flatten() {
        if let Some(Err(error)) = path.as_ref().map(File::open) {
            return Err(format!("the file that `{option}` names can't be read: {}", error.kind()));
        }
    }
    if options.hosts.iter().all(is_loopback) {
        return Ok(());
    }
    let Some(tls) = tls else {
        return Err(format!(
            "without TLS only a server on this machine may be spoken to, and {server} is not: add `tls=true`"
        ));
    };
    if tls.allow_invalid_certificates == Some(true) {
        return Err(format!(
            "`tlsInsecure` and `tlsAllowInvalidCertificates` are for a server on this machine only, and {server} is not: take it out, and name \
             the file of your own authority with `tlsCAFile`"
        ));
    }
    Ok(())
}

fn is_loopback(host: &ServerAddress) -> bool {
    match host {
        ServerAddress::Tcp { host, .. } => {
            host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        // A socket in the file system.
        _ => true,
    }
}

/// A URI taken apart.
struct Parts<'u> {
    scheme: &'u str,
    user: Option<&'u str>,
    password: Option<&'u str>,
    /// Of those characters only that hosts have, so that they may be shown.
    hosts: &'u str,
    options: Vec<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(uri: &'u str) -> Result<Parts<'u>, String> {
        if uri.is_empty() {
            return Err("it is empty".to_owned());
        }
        let (scheme, rest) = SCHEMES
            .iter()
            .find_map(|scheme| Some((*scheme, uri.strip_prefix(scheme)?)))
            .ok_or("it must begin with `mongodb://` or `mongodb+srv://`")?;
        let (before, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (user, password) = match before {
            None => (None, None),
            Some(before) => {
                let (user, password) = before
                    .split_once(':')
                    .map_or((before, None), |(user, password)| (user, Some(password)));
                check_encoded(user, "user")?;
                check_encoded(password.unwrap_or_default(), "password")?;
                (Some(user), password)
            }
        };
        let hosts = rest.split(['/', '?']).next().unwrap_or_default();
        check_hosts(hosts, scheme)?;
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        Ok(Parts {
            scheme,
            user,
            password,
            hosts,
            options: options.split('&').filter(|option| !option.is_empty()).collect(),
        })
    }

    fn option(&self, name: &str) -> Option<&'u str> {
        let pairs = self.options.iter().filter_map(|option| option.split_once('='));
        pairs
            .into_iter()
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    fn check_mechanism(&self) -> Result<(), String> {
        let mechanism = self.option("authMechanism").unwrap_or("SCRAM-SHA-256");
        let some = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
        if mechanism.starts_with("SCRAM") && some(self.user) != some(self.password) {
            return Err("a user needs a password, and a password a user: `mongodb://USER:PASSWORD@HOST/DATABASE`".to_owned());
        }
        match mechanism {
            "MONGODB-AWS" if !cfg!(feature = "mongodb-aws") => {
                Err("this build has no `authMechanism=MONGODB-AWS`: build with `--features mongodb-aws`, or use SCRAM or X.509".to_owned())
            }
            "MONGODB-AWS" | "MONGODB-X509" | "SCRAM-SHA-1" | "SCRAM-SHA-256" => Ok(()),
            _ => Err("`authMechanism` must be SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509 or MONGODB-AWS".to_owned()),
        }
    }

    /// Which part the driver does not take. Each is tried by itself, for what the driver says may hold any of it.
    fn problem(&self) -> String {
        let fails = |uri: String| ConnectionString::parse(uri).is_err();
        if fails(format!("{}{}/", self.scheme, self.hosts)) {
            return "the hosts are not as they must be: `HOST:PORT`, several with commas (with `mongodb+srv://` one name without a port)"
                .to_owned();
        }
        for option in &self.options {
            let name = option.split('=').next().unwrap_or_default();
            let alone = !CREDENTIALS.iter().any(|key| name.eq_ignore_ascii_case(key));
            if alone && fails(format!("mongodb://localhost/?{option}")) {
                return match OPTIONS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                    Some(known) => format!("the option `{known}` has a value that it can't have"),
                    None => "one of its options is not `NAME=VALUE` with a name that there is".to_owned(),
                };
            }
        }
        "user, password, database and options do not go together: see that the database has no special characters, that SCRAM has a user and a \
         password, and X.509 no password"
            .to_owned()
    }

    /// The hosts for people: as the URI has them, with the port when it is left out.
    fn named_hosts(&self, hosts: &[ServerAddress]) -> String {
        if self.scheme == SRV {
            return self.hosts.to_owned();
        }
        hosts.iter().map(host_of).collect::<Vec<_>>().join(", ")
    }

    fn secrets(&self) -> Vec<SecretString> {
        hidden(&[
            self.password,
            self.option("authMechanismProperties"),
            self.option("tlsCertificateKeyFilePassword"),
        ])
    }
}

/// What is to be hidden in texts, as written and as meant.
fn hidden(written: &[Option<&str>]) -> Vec<SecretString> {
    // A shorter one would be found in any text.
    const LEAST: usize = 3;
    let written: Vec<&str> = written.iter().copied().flatten().collect();
    let decoded = written.iter().filter_map(|text| decode(text));
    let mut hidden: Vec<String> = decoded.chain(written.iter().map(|text| (*text).to_owned())).collect();
    // A longer one may hold a shorter one.
    hidden.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
    hidden.retain(|text| text.len() >= LEAST);
    hidden.into_iter().map(SecretString::from).collect()
}

const SRV: &str = "mongodb+srv://";
const SCHEMES: [&str; 2] = ["mongodb://", SRV];
const CREDENTIALS: [&str; 3] = ["authMechanism", "authMechanismProperties", "authSource"];
/// The options whose names may be shown: of another one the name may be a piece of a password.
const OPTIONS: [&str; 34] = [
    "appName",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsInsecure",
    "w",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
];

/// A user or password: what has a meaning in a URI must be percent-encoded.
fn check_encoded(text: &str, part: &str) -> Result<(), String> {
    if text.contains(['/', '?', '#', '[', ']', '@', ':']) || decode(text).is_none() {
        return Err(format!(
            "in the {part} each of `: / ? # [ ] @ %` must be percent-encoded (`@` is `%40`, `/` is `%2F`, `%` is `%25`); in the options `@` as well"
        ));
    }
    Ok(())
}

fn check_hosts(hosts: &str, scheme: &str) -> Result<(), String> {
    if hosts.is_empty() {
        return Err("it names no host".to_owned());
    }
    if scheme == SRV && hosts.contains([',', ':']) {
        return Err("with `mongodb+srv://` it must name one host, without a port".to_owned());
    }
    for host in hosts.split(',') {
        let address = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (name, port) = match address {
            Some((address, rest)) => (address, rest.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
        };
        let shown =
            |character: char| character.is_ascii_alphanumeric() || "-._%".contains(character) || (address.is_some() && character == ':');
        if name.is_empty() || !name.chars().all(shown) {
            return Err("a host has characters that no host has: if they are the password's, an `@` must follow it".to_owned());
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("a port is not a number from 1 to 65535: if it is a password, an `@` and the host must follow it".to_owned());
        }
    }
    Ok(())
}

/// What is percent-encoded; `None` when it is so wrongly.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
