//! What the doctor found, as text for people.

use super::checkup::{Checkup, CollectionFound, HomeFound, Server, StoreFound, Wrong};
use crate::output::numbers::{bytes, count, counted, duration};
use crate::output::plain::plain;
use std::fmt::Write;

/// Width of what stands before a finding.
const NAME_WIDTH: usize = 11;

/// The whole, section by section, and at the end what is wrong.
pub(super) fn text(checkup: &Checkup, wrong: &[Wrong]) -> String {
    let mut text = String::new();
    home(&checkup.home, &mut text);
    store(&checkup.documents, &mut text);
    if !checkup.collections.is_empty() {
        heading("collections", &mut text);
        let width = checkup.collections.iter().map(|found| found.collection.chars().count()).max();
        for found in &checkup.collections {
            let (mark, told) = collection(found);
            line(mark, &found.collection, width.unwrap_or(0).max(NAME_WIDTH), &told, &mut text);
        }
    }
    text.push('\n');
    if wrong.is_empty() {
        text.push_str("nothing is wrong\n");
    }
    for Wrong { what, next } in wrong {
        push(&mut text, format_args!("wrong: {}\n", plain(what)));
        if let Some(next) = next {
            push(&mut text, format_args!("next: {}\n", plain(next)));
        }
    }
    text
}

#[derive(Clone, Copy)]
enum Mark {
    Fact,
    Well,
    Wrong,
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // A `String` takes all.
    let _ = text.write_fmt(what);
}

fn heading(name: &str, text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
    push(text, format_args!("{name}\n"));
}

fn line(mark: Mark, name: &str, width: usize, told: &str, text: &mut String) {
    let mark = match mark {
        Mark::Fact => ' ',
        Mark::Well => '✓',
        Mark::Wrong => '✗',
    };
    push(text, format_args!("{mark} {:width$}  {}\n", plain(name), plain(told)));
}

fn fact(name: &str, told: &str, text: &mut String) {
    line(Mark::Fact, name, NAME_WIDTH, told, text);
}

fn home(home: &HomeFound, text: &mut String) {
    heading("home", text);
    fact("folder", &home.folder.display().to_string(), text);
    let Some(kept) = &home.kept else {
        fact("lake", "nothing has run here yet", text);
        return;
    };
    let objects = counted(kept.lake_objects, "object");
    fact("lake", &format!("{objects}, {}", bytes(kept.lake_bytes)), text);
    let newest = kept
        .newest_run
        .as_ref()
        .map_or("no run yet".to_owned(), |at| format!("the newest run started {at}"));
    fact("ledger", &format!("{}; {newest}", bytes(kept.ledger_bytes)), text);
    for lease in &kept.leases {
        let free = if lease.free {
            " (it is no longer there: the next run takes over)"
        } else {
            ""
        };
        fact(
            "lease",
            &format!("{}: {} until {}{free}", lease.resource, lease.holder, lease.until),
            text,
        );
    }
    if kept.leases.is_empty() {
        fact("leases", "none is held", text);
    }
    for unfinished in &kept.unfinished {
        let objects = counted(unfinished.objects, "object");
        let next = match &unfinished.holder {
            Some(holder) => format!("{holder} is at it"),
            None => "the next run goes on with them".to_owned(),
        };
        fact("unfinished", &format!("{}: {objects}; {next}", unfinished.pipeline), text);
    }
    for found in &kept.elsewhere {
        let (pipeline, places) = (&found.pipeline, found.places.join("; in "));
        let told = format!("{pipeline}/{}: documents of earlier runs are in {places}", found.resource);
        fact("elsewhere", &told, text);
    }
}

fn store(found: &StoreFound, text: &mut String) {
    heading("documents", text);
    match found {
        StoreFound::Embedded { path, bytes: size } => {
            fact("store", &format!("the home's own: {}", path.display()), text);
            fact("size", &size.map_or("nothing is in it yet".to_owned(), bytes), text);
        }
        StoreFound::Unusable { place, .. } => {
            fact("store", place, text);
            line(Mark::Wrong, "connection", NAME_WIDTH, "none, or of no use", text);
        }
        StoreFound::Mongodb(server) => mongodb(server, text),
    }
}

fn mongodb(server: &Server, text: &mut String) {
    let Server {
        server: hosts,
        database,
        version,
        topology,
        ..
    } = server;
    fact("store", &format!("MongoDB {version} at {hosts}, database `{database}`"), text);
    fact("topology", topology, text);
    match server.tls {
        true => line(Mark::Well, "encryption", NAME_WIDTH, "TLS", text),
        false => fact("encryption", "none: the server is on this machine", text),
    }
    let anybody = server.users.is_empty();
    let mechanism = server
        .mechanism
        .as_ref()
        .map_or(String::new(), |mechanism| format!(" by {mechanism}"));
    match anybody {
        true if server.tls => line(Mark::Wrong, "user", NAME_WIDTH, "none: the server lets in anybody", text),
        true => fact("user", "none: the server lets in anybody", text),
        false => line(
            Mark::Well,
            "user",
            NAME_WIDTH,
            &format!("{}{mechanism}", server.users.join(", ")),
            text,
        ),
    }
    if !anybody {
        let roles = if server.roles.is_empty() {
            "none".to_owned()
        } else {
            server.roles.join(", ")
        };
        fact("roles", &roles, text);
    }
    match server.may_all() {
        Some(true) => line(Mark::Well, "may", NAME_WIDTH, "all that loading needs", text),
        None if server.may_not().is_empty() => fact("may", "the server does not tell", text),
        Some(false) | None => {
            for permission in server.permissions.iter().filter(|permission| permission.granted == Some(false)) {
                line(
                    Mark::Wrong,
                    "may not",
                    NAME_WIDTH,
                    &format!("{} ({})", permission.action, permission.purpose),
                    text,
                );
            }
        }
    }
    match server.clock_ahead_ms {
        None => fact("clock", "the server does not tell the time", text),
        Some(ms) => {
            let side = if ms < 0 { "behind" } else { "ahead of" };
            let off = duration(i64::try_from(ms.unsigned_abs()).unwrap_or(i64::MAX));
            let mark = if server.clock_is_off() { Mark::Wrong } else { Mark::Well };
            line(mark, "clock", NAME_WIDTH, &format!("{off} {side} this machine's"), text);
        }
    }
}

fn collection(found: &CollectionFound) -> (Mark, String) {
    if let Some(error) = &found.error {
        return (Mark::Wrong, error.clone());
    }
    let owner = &found.owner;
    let documents = found.documents.map(|documents| match documents {
        1 => "1 document".to_owned(),
        documents => format!("{} documents", count(documents)),
    });
    match (&found.differs, documents) {
        (_, None) => (Mark::Fact, format!("not there yet: the first run of {owner} makes it")),
        (None, Some(documents)) => (Mark::Fact, format!("{documents} of {owner}")),
        (Some(differs), Some(documents)) if differs.is_empty() => (
            Mark::Well,
            format!("{documents}; validator and indexes are as {owner} declares them"),
        ),
        (Some(differs), Some(documents)) => (
            Mark::Wrong,
            format!("{documents}; not as {owner} declares it yet: {}", differs.join("; ")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::checkup::{ElsewhereFound, Kept, LeaseFound, Permission, UnfinishedFound};

    fn shown(checkup: &Checkup) -> String {
        text(checkup, &checkup.wrong(|words| format!("tidemill {words}")))
    }

    fn collection(name: &str, documents: Option<u64>, differs: Option<&[&str]>) -> CollectionFound {
        CollectionFound {
            collection: name.to_owned(),
            owner: format!("shop/{name}"),
            pipeline: "shop".to_owned(),
            typed: "shop".to_owned(),
            mends: true,
            also: Vec::new(),
            documents,
            differs: differs.map(|differs| differs.iter().map(|text| text.to_string()).collect()),
            error: None,
            next: None,
        }
    }

    fn permission(action: &'static str, purpose: &'static str, granted: Option<bool>) -> Permission {
        Permission { action, purpose, granted }
    }

    fn server() -> Server {
        Server {
            server: "a.example.org:27017,b.example.org:27017".to_owned(),
            database: "shop".to_owned(),
            version: "8.0.4".to_owned(),
            topology: "the replica set `rs0` of 3 members that hold data".to_owned(),
            tls: true,
            users: vec!["loader@admin".to_owned()],
            mechanism: Some("SCRAM-SHA-256".to_owned()),
            roles: vec!["dbAdmin@shop".to_owned(), "readWrite@shop".to_owned()],
            permissions: vec![
                permission("insert", "to write new documents", Some(true)),
                permission("collMod", "to change validators", Some(true)),
            ],
            clock_ahead_ms: Some(-12),
        }
    }

    fn home() -> HomeFound {
        HomeFound {
            folder: ".tidemill".into(),
            kept: Some(Kept {
                lake_objects: 7,
                lake_bytes: 1_258_291,
                ledger_bytes: 61_440,
                newest_run: Some("2026-11-24T07:30:00Z".to_owned()),
                leases: Vec::new(),
                unfinished: Vec::new(),
                elsewhere: Vec::new(),
            }),
        }
    }

    #[test]
    fn all_is_well() {
        let checkup = Checkup {
            half_restored: None,
            home: home(),
            documents: StoreFound::Mongodb(Box::new(server())),
            collections: vec![
                collection("orders", Some(1707), Some(&[])),
                collection("returns_of_goods", None, Some(&["create the collection"])),
            ],
            files: Vec::new(),
        };
        insta::assert_snapshot!(shown(&checkup), @r"
        home
          folder       .tidemill
          lake         7 objects, 1.2 MB
          ledger       60.0 KB; the newest run started 2026-11-24T07:30:00Z
          leases       none is held

        documents
          store        MongoDB 8.0.4 at a.example.org:27017,b.example.org:27017, database `shop`
          topology     the replica set `rs0` of 3 members that hold data
        ✓ encryption   TLS
        ✓ user         loader@admin by SCRAM-SHA-256
          roles        dbAdmin@shop, readWrite@shop
        ✓ may          all that loading needs
        ✓ clock        12 ms behind this machine's

        collections
        ✓ orders            1,707 documents; validator and indexes are as shop/orders declares them
          returns_of_goods  not there yet: the first run of shop/returns_of_goods makes it

        nothing is wrong
        ");
    }

    #[test]
    fn much_is_wrong() {
        let mut wrong = server();
        wrong
            .permissions
            .push(permission("renameCollectionSameDB", "to replace a collection", Some(false)));
        wrong.clock_ahead_ms = Some(-7_500_000);
        let mut home = home();
        if let Some(kept) = &mut home.kept {
            kept.leases.push(LeaseFound {
                resource: "shop/orders".to_owned(),
                holder: "process 7 on laptop".to_owned(),
                until: "2026-11-24T07:31:00Z".to_owned(),
                free: true,
            });
            kept.unfinished.push(UnfinishedFound {
                pipeline: "shop".to_owned(),
                typed: "my/shop.yaml".to_owned(),
                objects: 3,
                holder: None,
            });
            kept.elsewhere.push(ElsewhereFound {
                pipeline: "shop".to_owned(),
                typed: "my/shop.yaml".to_owned(),
                resource: "orders".to_owned(),
                places: vec!["the home's own store".to_owned()],
            });
        }
        let checkup = Checkup {
            half_restored: None,
            home,
            documents: StoreFound::Mongodb(Box::new(wrong)),
            collections: vec![collection(
                "orders",
                Some(1),
                Some(&["set the validator", "create the index `day_1`"]),
            )],
            files: vec![Wrong {
                what: "pipelines/old.yaml has 2 faults".to_owned(),
                next: Some("tidemill check pipelines/old.yaml".to_owned()),
            }],
        };
        insta::assert_snapshot!(shown(&checkup), @r"
        home
          folder       .tidemill
          lake         7 objects, 1.2 MB
          ledger       60.0 KB; the newest run started 2026-11-24T07:30:00Z
          lease        shop/orders: process 7 on laptop until 2026-11-24T07:31:00Z (it is no longer there: the next run takes over)
          unfinished   shop: 3 objects; the next run goes on with them
          elsewhere    shop/orders: documents of earlier runs are in the home's own store

        documents
          store        MongoDB 8.0.4 at a.example.org:27017,b.example.org:27017, database `shop`
          topology     the replica set `rs0` of 3 members that hold data
        ✓ encryption   TLS
        ✓ user         loader@admin by SCRAM-SHA-256
          roles        dbAdmin@shop, readWrite@shop
        ✗ may not      renameCollectionSameDB (to replace a collection)
        ✗ clock        2 h 05 m behind this machine's

        collections
        ✗ orders       1 document; not as shop/orders declares it yet: set the validator; create the index `day_1`

        wrong: pipelines/old.yaml has 2 faults
        next: tidemill check pipelines/old.yaml
        wrong: 3 objects of `shop` are to be cleaned or loaded yet
        next: tidemill run my/shop.yaml
        wrong: documents of earlier runs of shop/orders are in the home's own store, and not where they go now
        next: tidemill replay my/shop.yaml
        wrong: the user may not do all that loading needs: renameCollectionSameDB
        next: give the user the roles `readWrite` and `dbAdmin` on the database `shop`
        wrong: this machine's clock and the server's are more than a minute apart
        next: set the clock that is wrong (let NTP do it)
        wrong: the collection `orders` is not as shop/orders declares it (2 to do)
        next: a run does what it can of that: tidemill run shop
        ");
    }

    #[test]
    fn a_server_that_is_not_there_and_a_home_without_anything() {
        let checkup = Checkup {
            half_restored: None,
            home: HomeFound {
                folder: ".tidemill".into(),
                kept: None,
            },
            documents: StoreFound::Unusable {
                place: "MongoDB at localhost:27017, database `shop`".to_owned(),
                error: "no answer from MongoDB at localhost:27017: is it running?".to_owned(),
                wrong_setting: false,
                next: None,
            },
            collections: Vec::new(),
            files: Vec::new(),
        };
        insta::assert_snapshot!(shown(&checkup), @r"
        home
          folder       .tidemill
          lake         nothing has run here yet

        documents
          store        MongoDB at localhost:27017, database `shop`
        ✗ connection   none, or of no use

        wrong: no answer from MongoDB at localhost:27017: is it running?
        ");
    }

    #[test]
    fn a_server_for_trials_lets_in_anybody_and_another_must_not() {
        let mut open = Server {
            users: Vec::new(),
            mechanism: None,
            permissions: vec![permission("insert", "to write new documents", None)],
            tls: false,
            ..server()
        };
        assert_eq!((open.wrong_count(), open.may_all()), (0, Some(true)));
        open.tls = true;
        assert_eq!(open.wrong_count(), 1);
        let silent = Server {
            permissions: vec![permission("insert", "to write new documents", None)],
            ..server()
        };
        assert_eq!((silent.wrong_count(), silent.may_all()), (0, None));
    }

    #[test]
    fn who_only_reads_may_not_load_though_the_server_does_not_tell() {
        let check = |roles: &[&str], expected: &[&str]| {
            let mut server = Server {
                roles: roles.iter().map(|role| role.to_string()).collect(),
                permissions: vec![
                    permission("find", "to read documents", None),
                    permission("insert", "to write new documents", None),
                ],
                ..server()
            };
            server.judge_by_roles();
            assert_eq!(server.may_not(), expected, "{roles:?}");
        };
        check(&["read@shop"], &["insert"]);
        check(&["readAnyDatabase@admin", "readWrite@other"], &["insert"]);
        check(&["read@shop", "readWrite@shop"], &[]);
        check(&["read@shop", "root@admin"], &[]);
        check(&["loader@admin"], &[]);
        check(&[], &[]);
    }

    #[test]
    fn what_no_run_can_mend_is_not_left_to_one() {
        let found = CollectionFound {
            mends: false,
            ..collection("orders", Some(1), Some(&["the validator is not Tidemill's: it is left as it is"]))
        };
        let checkup = Checkup {
            half_restored: None,
            home: home(),
            documents: StoreFound::Mongodb(Box::new(server())),
            collections: vec![found],
            files: Vec::new(),
        };
        let wrong = checkup.wrong(str::to_owned);
        assert_eq!(wrong.iter().map(|one| one.next.as_deref()).collect::<Vec<_>>(), [None]);
    }

    impl Server {
        fn wrong_count(&self) -> usize {
            let checkup = Checkup {
                half_restored: None,
                home: home(),
                documents: StoreFound::Mongodb(Box::new(Server {
                    permissions: self
                        .permissions
                        .iter()
                        .map(|one| permission(one.action, one.purpose, one.granted))
                        .collect(),
                    users: self.users.clone(),
                    tls: self.tls,
                    ..server()
                })),
                collections: Vec::new(),
                files: Vec::new(),
            };
            checkup.wrong(str::to_owned).len()
        }
    }
}
