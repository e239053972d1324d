//! An open stack: its names, and its parts behind the ports.

use super::{CloudError, Names, Queues, Schedules, names::check_stack};
use crate::{
    local::{Destination, DestinationError, Place, destination::VARIABLE},
    ports::{LakeAt, Ports},
};
use aws_config::SdkConfig;
use documents::{Database, Documents, MongoDatabase, MongoDocuments, mongodb::Uri as _};
use host::secrets::{Secrets, mongodb::SecretUri};
use lake::{Definitions, Store, s3::S3Store};
use ledger::dynamodb::DynamoLedger;
use std::sync::Arc;

/// Whoever types the command has another way.
const NO_URI: &str = "see that it is there and that this identity may read it, or set `TIDEMILL_MONGODB_URI`";

/// A stack, reached as the environment's AWS settings say.
pub struct Stack {
    pub names: Names,
    /// Who this is, as AWS calls it.
    pub identity: String,
    pub config: SdkConfig,
    pub ports: Ports,
    /// The whole database that the documents are in, as backup and restore see it.
    pub database: Arc<dyn Database>,
    pub queues: Queues,
    pub schedules: Schedules,
    /// Where `TIDEMILL_MONGODB_URI` leads to, if it is set.
    place: Option<Place>,
    secret: Arc<SecretUri>,
}

/// Which MongoDB this speaks to, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpokenTo {
    pub place: Option<Place>,
    /// That the functions load elsewhere.
    pub note: Option<String>,
}

impl Stack {
    /// Opens a stack. AWS is asked who this is; whether the stack is there shows at the first use.
    ///
    /// # Errors
    /// [`CloudError`] for a wrong name, no region, or an identity that AWS does not know.
    pub async fn open(stack: &str, destination: &Destination) -> Result<Stack, CloudError> {
        check_stack(stack).map_err(|expected| CloudError::StackName {
            stack: stack.to_owned(),
            expected,
        })?;
        // There is one TLS provider in a process. That it is there already is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = host::sdk::config().await;
        let region = config.region().map(ToString::to_string).ok_or(CloudError::NoRegion)?;
        let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        let caller = caller.map_err(|error| CloudError::aws("ask AWS who this is, for", stack, &error))?;
        let (account, identity) = caller.account.zip(caller.arn).ok_or(CloudError::NoIdentity)?;
        let names = Names {
            stack: stack.to_owned(),
            account,
            region,
        };
        let store: Arc<dyn Store> = Arc::new(S3Store::new(&config, &names.lake()));
        let secret = SecretUri::new(Secrets::new(&config, ""), names.mongodb_secret());
        let secret = Arc::new(secret.advising(NO_URI));
        let (documents, database): (Arc<dyn Documents>, Arc<dyn Database>) = match destination.place {
            Place::Mongodb { .. } => (Arc::new(destination.mongodb()), Arc::new(MongoDatabase::new(destination.uri()))),
            Place::Embedded => (
                Arc::new(MongoDocuments::new(secret.clone())),
                Arc::new(MongoDatabase::new(secret.clone())),
            ),
        };
        Ok(Stack {
            ports: Ports {
                definitions: Arc::new(Definitions::new(store.clone())),
                store,
                ledger: Arc::new(DynamoLedger::new(&config, &names.ledger())),
                documents,
                lake: LakeAt::Bucket(names.lake()),
            },
            database,
            queues: Queues::new(&config, &names),
            schedules: Schedules::new(&config, &names),
            identity,
            config,
            names,
            place: Some(destination.place.clone()).filter(|place| *place != Place::Embedded),
            secret,
        })
    }

    /// Which MongoDB this speaks to. The stack's secret is read for it; one that can't be read says nothing.
    pub async fn spoken_to(&self) -> SpokenTo {
        let of_functions = match self.secret.uri(false).await {
            Ok(uri) => Place::of_uri(&uri).ok(),
            // Whoever needs it is told.
            Err(_) => None,
        };
        let note = self.place.as_ref().zip(of_functions.as_ref()).and_then(|(here, there)| {
            let secret = self.names.mongodb_secret();
            (!here.is(there)).then(|| {
                format!(
                    "this speaks to {here}, as `{VARIABLE}` says, but the stack's functions load into {there}, as the secret `{secret}` says"
                )
            })
        });
        SpokenTo {
            place: self.place.clone().or(of_functions),
            note,
        }
    }
}

/// A destination is only read here: that MongoDB is not built in can't be.
impl From<DestinationError> for CloudError {
    fn from(error: DestinationError) -> CloudError {
        CloudError::Mongodb(documents::mongodb::UriError::Unusable(crate::chain(&error)))
    }
}
