//! The way to the server: one client, made when it is needed, and made anew when the user's credentials were changed.

use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bson::{Document, RawDocumentBuf};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::Tls;
use mongodb::{Client, Database};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::error::{Fault, FaultKind, classify_io};
use super::uri::{self, Uri, UriError};

/// Where a call went, as far as may be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// Hosts and ports.
    pub server: String,
    pub database: String,
}

/// The way to the server.
pub(super) struct Link {
    uri: Arc<dyn Uri>,
    connected: Mutex<Option<Arc<Connected>>>,
}

/// A client and what it was made from.
pub(super) struct Connected {
    pub database: Database,
    pub place: Place,
    pub tls: bool,
    /// How the user is authenticated.
    pub mechanism: Option<String>,
    uri: SecretString,
    /// Parts of the URI that must not be seen in a text of the driver's.
    secrets: Vec<SecretString>,
    last: Arc<LastFailure>,
}

/// Why the last look at the server failed; a server that answers clears it.
#[derive(Default)]
struct LastFailure(StdMutex<Option<(FaultKind, String)>>);

/// How long a call may take. The driver itself waits for an answer for ever.
const CALL_MAX: Duration = Duration::from_secs(120);
/// How long the building of an index may take: as long as a function may run.
const BUILD_MAX: Duration = Duration::from_secs(15 * 60);

impl Link {
    pub(super) fn new(uri: Arc<dyn Uri>) -> Link {
        Link {
            uri,
            connected: Mutex::new(None),
        }
    }

    /// The client; it is made if there is none.
    pub(super) async fn connected(&self) -> Result<Arc<Connected>, Fault> {
        let mut slot = self.connected.lock().await;
        if let Some(connected) = slot.as_ref() {
            return Ok(Arc::clone(connected));
        }
        let uri = self.uri.uri(false).await.map_err(|error| no_uri(&error))?;
        let connected = Arc::new(connect(uri).await?);
        *slot = Some(Arc::clone(&connected));
        Ok(connected)
    }

    /// Makes one call. When the credentials are refused and there are new ones, the next call uses them: the fault is `Renewed`.
    pub(super) async fn once<T, F>(&self, call: impl FnOnce(Database) -> F) -> Result<T, Fault>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        self.within(CALL_MAX, call).await
    }

    /// Makes a call, and again if there are new credentials.
    pub(super) async fn attempt<T, F>(&self, call: impl Fn(Database) -> F) -> Result<T, Fault>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        match self.once(&call).await {
            Err(fault) if fault.kind == FaultKind::Renewed => self.once(&call).await,
            result => result,
        }
    }

    /// Runs a command and reads its reply. It is not tried again.
    pub(super) async fn command(&self, command: RawDocumentBuf) -> Result<Document, Fault> {
        self.once(|database| async move { database.run_raw_command(command).await }).await
    }

    /// Runs a command that may be run twice: when the user's credentials are new, or the connection was cut once.
    pub(super) async fn command_again(&self, command: Document) -> Result<Document, Fault> {
        self.again(CALL_MAX, command).await
    }

    /// Runs a command that may take long, and may be run twice.
    pub(super) async fn long_command(&self, command: Document) -> Result<Document, Fault> {
        self.again(BUILD_MAX, command).await
    }

    async fn again(&self, most: Duration, command: Document) -> Result<Document, Fault> {
        let run = || {
            let command = command.clone();
            self.within(most, |database| async move { database.run_command(command).await })
        };
        match run().await {
            Err(fault) if matches!(fault.kind, FaultKind::Renewed | FaultKind::Passing) => run().await,
            result => result,
        }
    }

    async fn within<T, F>(&self, most: Duration, call: impl FnOnce(Database) -> F) -> Result<T, Fault>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let connected = self.connected().await?;
        let result = tokio::time::timeout(most, call(connected.database.clone())).await;
        let fault = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => connected.fault(&error),
            Err(_) => {
                let text = format!("no answer in {} s", most.as_secs());
                Fault::new(FaultKind::Unreachable, text, connected.place.clone())
            }
        };
        if fault.kind == FaultKind::SignIn {
            return Err(self.renew(&connected, fault).await?);
        }
        Err(fault)
    }

    /// Asks for the URI again; if it is another one (or another call has made a new client meanwhile), the fault becomes `Renewed`.
    async fn renew(&self, refused: &Arc<Connected>, fault: Fault) -> Result<Fault, Fault> {
        let mut slot = self.connected.lock().await;
        let stands = slot.as_ref().is_some_and(|connected| Arc::ptr_eq(connected, refused));
        if stands {
            let uri = self.uri.uri(true).await.map_err(|error| no_uri(&error))?;
            if uri.expose_secret() == refused.uri.expose_secret() {
                return Ok(fault);
            }
            *slot = Some(Arc::new(connect(uri).await?));
        }
        Ok(Fault {
            kind: FaultKind::Renewed,
            ..fault
        })
    }
}

impl Connected {
    /// Reads a driver's error, with what is known of the server.
    pub(super) fn fault(&self, error: &mongodb::error::Error) -> Fault {
        let mut fault = Fault::of(error, &self.place);
        if fault.kind == FaultKind::Unreachable
            && let Some((kind, text)) = self.last.get()
        {
            fault.kind = kind;
            fault.text = text;
        }
        for secret in &self.secrets {
            fault.text = fault.text.replace(secret.expose_secret(), "…");
        }
        fault
    }
}

impl LastFailure {
    fn get(&self) -> Option<(FaultKind, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, failure: Option<(FaultKind, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn watch(&self, event: SdamEvent) {
        match event {
            SdamEvent::ServerHeartbeatSucceeded(_) => self.set(None),
            SdamEvent::ServerHeartbeatFailed(event) => {
                let failure = match event.failure.kind.as_ref() {
                    mongodb::error::ErrorKind::Io(cause) => classify_io(cause),
                    _ => {
                        let fault = Fault::of(&event.failure, &Place::default());
                        (fault.kind, fault.text)
                    }
                };
                self.set(Some(failure));
            }
            _ => {}
        }
    }
}

async fn connect(uri: SecretString) -> Result<Connected, Fault> {
    // Of two providers that are built in, rustls would not choose.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = uri::settings(&uri).await?;
    let last = Arc::new(LastFailure::default());
    let mut options = settings.options;
    let tls = matches!(options.tls, Some(Tls::Enabled(_)));
    let mechanism = options.credential.as_ref().map(|credential| match &credential.mechanism {
        Some(mechanism) => mechanism.as_str().to_owned(),
        None => "SCRAM".to_owned(),
    });
    let watched = Arc::clone(&last);
    options.sdam_event_handler = Some(EventHandler::callback(move |event| watched.watch(event)));
    let place = settings.place;
    let client = Client::with_options(options).map_err(|error| Fault::of(&error, &place))?;
    Ok(Connected {
        database: client.database(&place.database),
        place,
        tls,
        mechanism,
        uri,
        secrets: settings.secrets,
        last,
    })
}

fn no_uri(error: &UriError) -> Fault {
    let kind = match error {
        UriError::Unusable(_) => FaultKind::Uri,
        UriError::Unavailable(_) => FaultKind::NoUri,
    };
    Fault::new(kind, error.to_string(), Place::default())
}
