//! The variables of the function's environment on AWS. Pure.

/// Where the way to the database is kept. A variable's name, and what it is for.
pub const MONGODB_SECRET: (&str, &str) = (
    "TIDEMILL_MONGODB_SECRET",
    "the name of the secret whose field `uri` is MongoDB's connection string (its field `database` counts where the URI names none)",
);

/// The variables that only this function needs.
pub const VARIABLES: [(&str, &str); 1] = [MONGODB_SECRET];
