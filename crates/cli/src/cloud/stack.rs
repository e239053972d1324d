//! An open stack: its names, and its parts behind the ports.

use super::{CloudError, Names, Queues, Schedules, mongodb::SecretUri, names::check_stack};
use crate::{
    local::{Destination, DestinationError, Place},
    ports::{LakeAt, Ports},
};
use aws_config::SdkConfig;
use documents::{Documents, MongoDocuments};
use lake::{Definitions, Store, s3::S3Store};
use ledger::dynamodb::DynamoLedger;
use std::sync::Arc;

/// A stack, reached as the environment's AWS settings say.
pub struct Stack {
    pub names: Names,
    /// Who this is, as AWS calls it.
    pub identity: String,
    pub config: SdkConfig,
    pub ports: Ports,
    pub queues: Queues,
    pub schedules: Schedules,
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
        let documents: Arc<dyn Documents> = match destination.place {
            Place::Mongodb { .. } => Arc::new(destination.mongodb()),
            Place::Embedded => Arc::new(MongoDocuments::new(Arc::new(SecretUri::new(&config, &names.mongodb_secret())))),
        };
        Ok(Stack {
            ports: Ports {
                definitions: Arc::new(Definitions::new(store.clone())),
                store,
                ledger: Arc::new(DynamoLedger::new(&config, &names.ledger())),
                documents,
                lake: LakeAt::Bucket(names.lake()),
            },
            queues: Queues::new(&config, &names),
            schedules: Schedules::new(&config, &names),
            identity,
            config,
            names,
        })
    }
}

/// A destination is only read here: that MongoDB is not built in can't be.
impl From<DestinationError> for CloudError {
    fn from(error: DestinationError) -> CloudError {
        CloudError::Mongodb(documents::mongodb::UriError::Unusable(crate::chain(&error)))
    }
}
