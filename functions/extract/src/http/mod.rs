//! Requests to a source: their credentials, pace, patience, redirects and limits.

pub(crate) mod body;
mod names;

pub use names::Names;

use crate::error::{Error, FetchError};
use crate::hops::Carried;
use crate::rate::Rate;
use crate::redact::Redactor;
use crate::redirect::{self, Hop, Refusal};
use crate::retry::{self, Decision, Failure};
use crate::time_left::TimeLeft;
use names::Guarded;
use pipeline::HttpLimits;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use url::Url;

/// How we name ourselves to a source.
const USER_AGENT: &str = concat!("tidemill/", env!("CARGO_PKG_VERSION"));

/// What we take, unless the pipeline says otherwise.
const ACCEPTED: &str = "application/json, */*;q=0.8";

/// How to prove who asks; sent to the source's own scheme, host and port only.
#[derive(Clone, Default)]
pub enum Credential {
    #[default]
    None,
    Bearer(SecretString),
    Basic(SecretString, SecretString),
    Header(String, SecretString),
}

/// What a client is made of.
pub struct Parts {
    /// The source's own address.
    pub home: Url,
    pub limits: HttpLimits,
    pub credential: Credential,
    /// The pipeline's headers; like the credential they go to the source only.
    pub headers: HeaderMap,
    /// Parameters that hold a secret: they are in no URL that is kept, and added when a request is sent to the source.
    pub secret_params: Vec<(String, SecretString)>,
    pub redactor: Redactor,
    pub names: Arc<Names>,
    pub time: TimeLeft,
    /// What the invocation before left.
    pub carried: Carried,
    /// For the jitter of the back-off.
    pub seed: u64,
    /// `gzip, br, zstd` or `identity`.
    pub accept_encoding: &'static str,
}

/// A client of one source.
pub struct Client {
    parts: Parts,
    /// Without TLS roots, whose loading costs more than a small run does.
    plain: Option<reqwest::Client>,
    secure: Option<reqwest::Client>,
    rate: Option<Rate>,
    started: Instant,
    /// The time of day at `started`, from which the rate counts.
    started_at: Duration,
    /// How many requests failed one after another.
    attempts: u32,
    /// When the next request may be made, where that is not at once.
    not_before_ms: Option<i64>,
    dice: fastrand::Rng,
}

/// The head of a reply with a status of 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it came from in the end; references in it are relative to this.
    pub url: Url,
    /// When it was received whole, milliseconds since 1970.
    pub at_ms: i64,
    pub status: u16,
    pub content_type: Option<String>,
    /// All `Link` headers, joined.
    pub link: Option<String>,
}

/// What one attempt came to.
enum Attempt {
    /// Another one may do better.
    Passing(Failure, FetchError),
    Final(FetchError),
    /// Whoever goes on makes it.
    OutOfTime,
}

impl From<FetchError> for Attempt {
    fn from(error: FetchError) -> Attempt {
        match error {
            // A body that cannot be decompressed was most likely cut short.
            FetchError::Transport(_) | FetchError::TimedOut { .. } | FetchError::Decode(_) => Attempt::Passing(Failure::Transport, error),
            other => Attempt::Final(other),
        }
    }
}

impl Client {
    pub fn new(parts: Parts) -> Client {
        let mut rate = parts.limits.rate_limit.map(Rate::new);
        if let Some(rate) = &mut rate {
            rate.remember(parts.carried.starts_ms.iter().copied().map(since_1970));
        }
        Client {
            rate,
            started_at: since_1970(parts.time.now_ms()),
            attempts: parts.carried.attempts,
            not_before_ms: parts.carried.not_before_ms,
            dice: fastrand::Rng::with_seed(parts.seed),
            plain: None,
            secure: None,
            started: Instant::now(),
            parts,
        }
    }

    pub fn redactor(&self) -> &Redactor {
        &self.parts.redactor
    }

    /// Whether anything of the pipeline's goes with the requests to the source: a credential, a header, a parameter with a secret.
    pub fn is_private(&self) -> bool {
        let Parts {
            credential,
            headers,
            secret_params,
            ..
        } = &self.parts;
        !matches!(credential, Credential::None) || !headers.is_empty() || !secret_params.is_empty()
    }

    /// What a continuation must know, when the time is up.
    pub fn carried(&self) -> Carried {
        let starts = self.rate.iter().flat_map(|rate| rate.remembered(self.now()));
        Carried {
            not_before_ms: self.not_before_ms,
            attempts: self.attempts,
            starts_ms: starts.filter_map(|start| i64::try_from(start.as_millis()).ok()).collect(),
        }
    }

    /// Gets a whole reply into `body`, asking again where that may help.
    pub async fn get(&mut self, url: &Url, body: &mut Vec<u8>) -> Result<Reply, Error> {
        self.wait_as_carried().await?;
        loop {
            self.pace().await?;
            let failed = match self.attempt_whole(url, body).await {
                Ok(reply) => {
                    self.attempts = 0;
                    return Ok(reply);
                }
                Err(failed) => failed,
            };
            self.pause(url, failed).await?;
        }
    }

    /// Gets the head of a reply whose body is then read as a stream, asking again until a head comes.
    pub async fn open(&mut self, url: &Url) -> Result<(Reply, reqwest::Response), Error> {
        self.wait_as_carried().await?;
        loop {
            self.pace().await?;
            let failed = match self.attempt(url).await {
                Ok((url, response)) => {
                    self.attempts = 0;
                    return Ok((reply(url, &response, self.parts.time.now_ms()), response));
                }
                Err(failed) => failed,
            };
            self.pause(url, failed).await?;
        }
    }

    /// The next bytes of a body that is read as a stream; `None` at its end. Each may take as long as the head may.
    pub async fn chunk(&self, response: &mut reqwest::Response) -> Result<Option<bytes::Bytes>, FetchError> {
        let limit = self.parts.limits.timeouts.first_byte.0;
        match timeout(limit, response.chunk()).await {
            Ok(chunk) => chunk.map_err(transport),
            Err(_) => Err(FetchError::TimedOut {
                what: "further bytes",
                limit,
            }),
        }
    }

    /// Waits before the next attempt to read a stream that broke, the `attempt`-th time; an error when there were enough.
    pub async fn pause_stream(&mut self, url: &Url, attempt: u32, error: FetchError) -> Result<(), Error> {
        self.attempts = attempt.saturating_sub(1);
        self.pause(url, error.into()).await?;
        self.attempts = 0;
        Ok(())
    }

    async fn pause(&mut self, url: &Url, failed: Attempt) -> Result<(), Error> {
        let fail = |source| Error::Fetch {
            url: self.parts.redactor.url(url),
            source,
        };
        let (failure, error) = match failed {
            Attempt::Final(error) => return Err(fail(error)),
            Attempt::Passing(failure, error) => (failure, error),
            Attempt::OutOfTime => return Err(Error::OutOfTime),
        };
        let attempt = self.attempts.saturating_add(1);
        match retry::decide(&self.parts.limits.retries, attempt, failure, self.dice.f64()) {
            Decision::Wait(wait) => {
                self.attempts = attempt;
                self.wait(wait).await
            }
            Decision::Exhausted if attempt > 1 => Err(fail(FetchError::Exhausted {
                attempts: attempt,
                last: Box::new(error),
            })),
            Decision::Final | Decision::Exhausted => Err(fail(error)),
            Decision::TooLong(wait) => Err(fail(FetchError::TooLong { wait })),
        }
    }

    /// Waits, or leaves it to whoever goes on to wait.
    async fn wait(&mut self, wait: Duration) -> Result<(), Error> {
        let wait_ms = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        self.not_before_ms = (wait_ms > 0).then(|| self.parts.time.now_ms().saturating_add(wait_ms));
        self.parts.time.wait(wait).await?;
        self.not_before_ms = None;
        Ok(())
    }

    /// Waits as long as the invocation before would have had to.
    async fn wait_as_carried(&mut self) -> Result<(), Error> {
        let Some(not_before_ms) = self.not_before_ms else { return Ok(()) };
        let wait_ms = not_before_ms.saturating_sub(self.parts.time.now_ms());
        self.wait(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))).await
    }

    async fn attempt_whole(&mut self, url: &Url, body: &mut Vec<u8>) -> Result<Reply, Attempt> {
        let limit = self.parts.limits.timeouts.reply.0;
        let whole = async {
            let (url, mut response) = self.attempt(url).await?;
            body::read(&mut response, body, self.parts.limits.reply_size_max.0).await?;
            Ok(reply(url, &response, self.parts.time.now_ms()))
        };
        match timeout(limit, whole).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::TimedOut {
                what: "whole reply",
                limit,
            }
            .into()),
        }
    }

    /// One request, with the redirects that it leads to.
    async fn attempt(&mut self, url: &Url) -> Result<(Url, reqwest::Response), Attempt> {
        let mut hop = Hop {
            url: url.clone(),
            credentials: url.origin() == self.parts.home.origin(),
        };
        redirect::allowed(&self.parts.home, &hop.url).map_err(FetchError::Refused)?;
        let mut hops = 0;
        loop {
            let response = self.send(&hop).await?;
            let status = response.status().as_u16();
            if matches!(status, 200..=299) {
                return Ok((hop.url, response));
            }
            let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                let failure = Failure::Status {
                    status,
                    retry_after: text(RETRY_AFTER).and_then(|value| retry::retry_after(value, self.parts.time.now_ms())),
                };
                return Err(Attempt::Passing(failure, FetchError::Status { status }));
            }
            hop = redirect::follow(&self.parts.home, &hop, text(LOCATION), hops).map_err(FetchError::Refused)?;
            hops += 1;
            self.pace().await.map_err(|_| Attempt::OutOfTime)?;
        }
    }

    /// Waits until another request may be made. It is no part of what a time-out measures, except between redirects.
    async fn pace(&mut self) -> Result<(), Error> {
        let Some(rate) = &self.rate else { return Ok(()) };
        self.wait(rate.wait(self.now())).await?;
        let now = self.now();
        if let Some(rate) = &mut self.rate {
            rate.book(now);
        }
        Ok(())
    }

    /// The time of day, by a clock that only moves forward.
    fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }

    async fn send(&mut self, hop: &Hop) -> Result<reqwest::Response, FetchError> {
        let (mut url, mut headers) = (hop.url.clone(), HeaderMap::new());
        if hop.credentials {
            headers = self.parts.headers.clone();
            for (name, value) in &self.parts.secret_params {
                url.query_pairs_mut().append_pair(name, value.expose_secret());
            }
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(ACCEPTED));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(self.parts.accept_encoding));
        let mut request = self.client(&url)?.get(url).headers(headers);
        if hop.credentials {
            request = match &self.parts.credential {
                Credential::Bearer(token) => request.bearer_auth(token.expose_secret()),
                Credential::Basic(user, password) => request.basic_auth(user.expose_secret(), Some(password.expose_secret())),
                Credential::Header(name, key) => request.header(name, key.expose_secret()),
                Credential::None => request,
            };
        }
        let limit = self.parts.limits.timeouts.first_byte.0;
        match timeout(limit, request.send()).await {
            Ok(response) => response.map_err(transport),
            Err(_) => Err(FetchError::TimedOut { what: "reply", limit }),
        }
    }

    fn client(&mut self, url: &Url) -> Result<reqwest::Client, FetchError> {
        let secure = url.scheme() == "https";
        let kept = if secure { &mut self.secure } else { &mut self.plain };
        if let Some(client) = kept {
            return Ok(client.clone());
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(FetchError::NoTlsProvider);
        }
        let resolver = Guarded {
            names: self.parts.names.clone(),
            home: self.parts.home.host_str().map(str::to_owned),
        };
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.parts.limits.timeouts.connect.0)
            .dns_resolver(Arc::new(resolver))
            // A proxy would resolve names itself, past our guard.
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(30));
        let builder = if secure { builder } else { builder.tls_certs_only([]) };
        let client = builder.build().map_err(FetchError::Client)?;
        Ok(kept.insert(client).clone())
    }
}

/// A failure of the connection; a refusal of our own resolver is told apart from it.
fn transport(error: reqwest::Error) -> FetchError {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return FetchError::Refused(*refusal);
        }
        source = cause.source();
    }
    FetchError::Transport(error.without_url())
}

fn since_1970(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn reply(url: Url, response: &reqwest::Response, at_ms: i64) -> Reply {
    let links: Vec<&str> = response
        .headers()
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Reply {
        url,
        at_ms,
        status: response.status().as_u16(),
        content_type: content_type.map(str::to_owned),
        link: (!links.is_empty()).then(|| links.join(", ")),
    }
}
