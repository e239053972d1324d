//! The variables of the function's environment on AWS. Pure.

/// The variables that only this function needs: it has none beside those of every function. A name, and what it is for.
pub const VARIABLES: [(&str, &str); 0] = [];
