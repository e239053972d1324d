//! A connection string taken apart, so that a database can be named in it.

/// `scheme://authority/database?options`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    scheme: String,
    /// User, password, hosts.
    authority: String,
    database: Option<String>,
    options: Vec<String>,
}

impl Address {
    pub(crate) fn parse(uri: &str) -> Address {
        let (scheme, rest) = uri
            .split_once("://")
            .expect("a MongoDB URI starts with `mongodb://` or `mongodb+srv://`");
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        Address {
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            database: Some(database.to_owned()).filter(|database| !database.is_empty()),
            options: options.split('&').filter(|option| !option.is_empty()).map(str::to_owned).collect(),
        }
    }

    pub(crate) fn local(port: u16, user: Option<(&str, &str)>, options: &[String]) -> Address {
        let user = user.map_or(String::new(), |(name, password)| {
            format!("{}:{}@", encoded(name), encoded(password))
        });
        Address {
            scheme: "mongodb".to_owned(),
            authority: format!("{user}127.0.0.1:{port}"),
            database: None,
            options: options.to_vec(),
        }
    }

    /// The same server and user, another database.
    pub(crate) fn with_database(&self, database: &str) -> Address {
        let mut address = self.clone();
        let names_source = self
            .options
            .iter()
            .any(|option| option.to_ascii_lowercase().starts_with("authsource="));
        if self.authority.contains('@') && !names_source {
            // Without it the user would be looked for in the database that is named.
            let source = self.database.as_deref().unwrap_or("admin");
            address.options.push(format!("authSource={source}"));
        }
        address.database = Some(database.to_owned());
        address
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{}://{}/{}",
            self.scheme,
            self.authority,
            self.database.as_deref().unwrap_or("")
        )?;
        if self.options.is_empty() {
            return Ok(());
        }
        write!(out, "?{}", self.options.join("&"))
    }
}

/// Percent-encoded, as a user, a password and an option's value are in a connection string.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.as_bytes()
        .iter()
        .map(|byte| {
            if plain(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Address, encoded};

    #[test]
    fn a_database_is_named_and_the_user_stays_where_it_was() {
        let cases = [
            ("mongodb://h:1", "mongodb://h:1/d"),
            ("mongodb://h:1,i:2/x?tls=true", "mongodb://h:1,i:2/d?tls=true"),
            ("mongodb://u:p@h", "mongodb://u:p@h/d?authSource=admin"),
            ("mongodb+srv://u:p@h/x", "mongodb+srv://u:p@h/d?authSource=x"),
            ("mongodb://u:p@h/?w=1&authSource=y", "mongodb://u:p@h/d?w=1&authSource=y"),
        ];
        for (uri, expected) in cases {
            assert_eq!(Address::parse(uri).with_database("d").to_string(), expected);
        }
        assert_eq!(encoded("a b/@:%é"), "a%20b%2F%40%3A%25%C3%A9");
    }
}
