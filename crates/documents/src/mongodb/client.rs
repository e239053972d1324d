//! The way to the server: one client, made when it is needed, and made anew when the user's credentials were changed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::event::EventHandler;
use mongodb::options::Tls;
use mongodb::{Client, Database};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Fault, FaultKind};
use super::looks::Looks;
use super::patience::pause;
use super::reply;
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
    /// Another database than the URI's.
    database: Option<String>,
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
    /// What must not be seen of a user who is not let in.
    users: Vec<SecretString>,
    looks: Arc<Looks>,
}

/// The database that a command is for.
#[derive(Clone, Copy)]
enum On {
    Ours,
    Admin,
}

/// How long the URI may take to be read, or the user to be let in.
const URI_MAX: Duration = Duration::from_secs(20);
const SIGN_IN_PAUSE: Duration = Duration::from_millis(500);
/// How long a call may take, with all that comes before it. The driver itself waits for an answer for ever.
const CALL_MAX: Duration = Duration::from_secs(120);
/// How long the building of an index may take: as long as a function may run.
const BUILD_MAX: Duration = Duration::from_secs(15 * 60);
/// How long the end of the connections is waited for.
const CLOSE_MAX: Duration = Duration::from_secs(1);

impl Link {
    pub(super) fn new(uri: Arc<dyn Uri>) -> Link {
        Link {
            uri,
            database: None,
            connected: Mutex::new(None),
        }
    }

    /// The way to another database of the same server, with a client of its own.
    pub(super) fn to(&self, database: &str) -> Link {
        Link {
            database: Some(database.to_owned()),
            ..Link::new(Arc::clone(&self.uri))
        }
    }

    /// The client; it is made if there is none.
    pub(super) async fn connected(&self) -> Result<Arc<Connected>, Fault> {
        let mut slot = self.connected.lock().await;
        if let Some(connected) = slot.as_ref() {
            return Ok(Arc::clone(connected));
        }
        let uri = self.ask(false).await?;
        let connected = Arc::new(self.connect(uri).await?);
        *slot = Some(Arc::clone(&connected));
        Ok(connected)
    }

    /// Ends the client, if there is one; the next call makes another. A server that doesn't answer is not waited for long.
    pub(super) async fn close(&self) {
        if let Some(connected) = self.connected.lock().await.take() {
            let closed = tokio::time::timeout(CLOSE_MAX, connected.database.client().clone().shutdown());
            // It ends with the process all the same.
            drop(closed.await);
        }
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

    /// Runs a command and reads its reply, once. That its effect is not on a majority of the servers is a failure like any other: it may be undone yet.
    pub(super) async fn command(&self, command: RawDocumentBuf) -> Result<Document, Fault> {
        self.run(CALL_MAX, On::Ours, command).await
    }

    /// The same, of a command that is a tree.
    pub(super) async fn command_once(&self, command: Document) -> Result<Document, Fault> {
        self.command(raw(&command)?).await
    }

    /// Runs a command that may be run twice: when the user's credentials are new, or the connection was cut once.
    pub(super) async fn command_again(&self, command: Document) -> Result<Document, Fault> {
        self.again(CALL_MAX, command).await
    }

    /// Runs a command that may take long, and may be run twice.
    pub(super) async fn long_command(&self, command: Document) -> Result<Document, Fault> {
        self.again(BUILD_MAX, command).await
    }

    /// Runs a command of the database `admin`, once.
    pub(super) async fn admin_command(&self, command: &Document) -> Result<Document, Fault> {
        self.run(CALL_MAX, On::Admin, raw(command)?).await
    }

    async fn again(&self, most: Duration, command: Document) -> Result<Document, Fault> {
        let command = raw(&command)?;
        match self.run(most, On::Ours, command.clone()).await {
            Err(fault) if matches!(fault.kind, FaultKind::Renewed | FaultKind::Passing) => self.run(most, On::Ours, command).await,
            result => result,
        }
    }

    /// The one way in which a command is run.
    async fn run(&self, most: Duration, on: On, command: RawDocumentBuf) -> Result<Document, Fault> {
        let reply = self.within(most, |database| async move {
            match on {
                On::Ours => database.run_raw_command(command).await,
                On::Admin => database.client().database("admin").run_raw_command(command).await,
            }
        });
        let reply = reply.await?;
        match reply::no_majority(&reply) {
            None => Ok(reply),
            Some((code, text)) => Err(Fault {
                code: Some(code),
                ..Fault::new(FaultKind::Passing, text, self.connected().await?.place.clone())
            }),
        }
    }

    async fn within<T, F>(&self, most: Duration, call: impl FnOnce(Database) -> F) -> Result<T, Fault>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let until = Instant::now() + most;
        let connected = timeout_at(until, self.connected()).await;
        let connected = connected.unwrap_or_else(|_| {
            Err(no_uri(&UriError::Unavailable(format!(
                "others wait for it for {} s",
                most.as_secs()
            ))))
        })?;
        let result = timeout_at(until, call(connected.database.clone())).await;
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
        if fault.kind == FaultKind::Unreachable {
            self.forget(&connected).await;
        }
        Err(fault)
    }

    /// Lets a client go that found no server. A driver keeps what it learned of a deployment, and may never look again at a server that left it: a process
    /// that lives long, as a function's does, would not see it come back. The next call makes a new client, of a URI that may be new too.
    async fn forget(&self, gone: &Arc<Connected>) {
        let mut slot = self.connected.lock().await;
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, gone)) {
            *slot = None;
        }
    }

    /// Asks for the URI again; if it is another one (or another call has made a new client meanwhile), the fault becomes `Renewed`. It does so too when the
    /// user is let in with the same one after all.
    async fn renew(&self, refused: &Arc<Connected>, fault: Fault) -> Result<Fault, Fault> {
        if !self.is_another(refused).await? && (fault.code.is_some() || !refused.lets_in().await) {
            return Ok(fault);
        }
        Ok(Fault {
            kind: FaultKind::Renewed,
            ..fault
        })
    }

    /// Is there another client now than the one that was refused?
    async fn is_another(&self, refused: &Arc<Connected>) -> Result<bool, Fault> {
        let mut slot = self.connected.lock().await;
        let stands = slot.as_ref().is_some_and(|connected| Arc::ptr_eq(connected, refused));
        if stands {
            let uri = self.ask(true).await?;
            if uri.expose_secret() == refused.uri.expose_secret() {
                return Ok(false);
            }
            *slot = Some(Arc::new(self.connect(uri).await?));
        }
        Ok(true)
    }

    async fn connect(&self, uri: SecretString) -> Result<Connected, Fault> {
        let mut connected = connect(uri).await?;
        if let Some(database) = &self.database {
            connected.database = connected.database.client().database(database);
            connected.place.database.clone_from(database);
        }
        Ok(connected)
    }

    async fn ask(&self, renew: bool) -> Result<SecretString, Fault> {
        let uri = timeout(URI_MAX, self.uri.uri(renew)).await;
        let uri = uri.unwrap_or_else(|_| Err(UriError::Unavailable(format!("it was not given in {} s", URI_MAX.as_secs()))));
        uri.map_err(|error| no_uri(&error))
    }
}

impl Connected {
    /// Reads a driver's error, with what is known of the server.
    pub(super) fn fault(&self, error: &mongodb::error::Error) -> Fault {
        let mut fault = Fault::of(error, &self.place);
        if fault.kind == FaultKind::Unreachable
            && let Some((kind, text)) = self.looks.failure()
        {
            fault.kind = kind;
            fault.text = text;
        }
        let users = Some(&self.users).filter(|_| fault.kind == FaultKind::SignIn);
        for hidden in self.secrets.iter().chain(users.into_iter().flatten()) {
            fault.text = fault.text.replace(hidden.expose_secret(), "…");
        }
        fault
    }

    /// Tries once more, after a pause, whether the user is let in: a user who was just made, or changed, is not known everywhere at once.
    async fn lets_in(&self) -> bool {
        pause(SIGN_IN_PAUSE).await;
        let ping = self.database.run_command(doc! { "ping": 1 });
        matches!(timeout(URI_MAX, ping).await, Ok(Ok(_)))
    }
}

async fn connect(uri: SecretString) -> Result<Connected, Fault> {
    // Of two providers that are built in, rustls would not choose.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = uri::settings(&uri).await?;
    let looks = Arc::new(Looks::default());
    let mut options = settings.options;
    let tls = matches!(options.tls, Some(Tls::Enabled(_)));
    let mechanism = options.credential.as_ref().map(|credential| match &credential.mechanism {
        Some(mechanism) => mechanism.as_str().to_owned(),
        None => "SCRAM".to_owned(),
    });
    let watched = Arc::clone(&looks);
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
        users: settings.users,
        looks,
    })
}

pub(super) fn raw(command: &Document) -> Result<RawDocumentBuf, Fault> {
    RawDocumentBuf::try_from(command).map_err(|_| Fault::damaged("a command can't be written as BSON".to_owned()))
}

fn no_uri(error: &UriError) -> Fault {
    let kind = match error {
        UriError::Unusable(_) => FaultKind::Uri,
        UriError::Unavailable(_) => FaultKind::NoUri,
    };
    Fault::new(kind, error.to_string(), Place::default())
}
