//! What was run is looked at over the cloud's adapters by the same commands as at home.

use crate::desk::Desk;
use crate::desk::Said;
use cli::cloud::names::Queue;
use cli::{
    local::{Home, Place, Places, Request, Runner, clock::SystemClock, pipelines, secrets::Secrets},
    output::progress::Progress,
};
use documents::{Documents, MongoDocuments, mongodb::Fixed};
use host::event::{CleanMessage, ExtractMessage, Message as _, Origin};
use lake::Key;
use servers::mongodb::{Database, shared};
use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    sync::Arc,
};

/// What plays the functions of a stack, in this process.
fn functions(desk: &Desk, database: &Database<'_>) -> Runner {
    let documents: Arc<dyn Documents> = Arc::new(MongoDocuments::new(Arc::new(Fixed::new(database.uri().into()))));
    let ports = desk.ports(documents);
    let home = Home {
        folder: desk.folder(),
        store: ports.store,
        ledger: ports.ledger,
        documents: ports.documents,
        definitions: ports.definitions,
        place: Place::of_uri(&database.uri().into()).unwrap(),
        places: Places::of_home(&desk.folder()),
    };
    let secrets = Secrets::new(&BTreeMap::new(), &desk.folder()).unwrap();
    Runner::new(home, Arc::new(SystemClock), Arc::new(Progress::silent()), secrets)
}

/// Runs `orders` on what the stack keeps.
async fn run(desk: &Desk, database: &Database<'_>) {
    let runner = functions(desk, database);
    let found = pipelines::find("orders", &desk.folder()).unwrap();
    let request = Request {
        checked: found.checked,
        text: found.text,
        folder: desk.folder(),
        resource: None,
        base_url: Some(".".to_owned()),
        pages_max: None,
    };
    let reports = runner.run(&request).await.unwrap();
    assert!(reports[0].error.is_none() && reports[0].problems.is_empty(), "{reports:?}");
    runner.home.documents.close().await;
}

async fn desk_with_a_run(database: &Database<'_>) -> Desk {
    let mut desk = Desk::new();
    desk.mongodb = Some(database.uri());
    desk.pipeline("orders", "rate(1 hour)");
    desk.write("orders.csv", "id,total\na1,10.5\na2,-3\na3,7\n");
    let applied = desk.type_in(&["apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.out.contains("+ collection"), "{applied:?}");
    run(&desk, database).await;
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_that_look_are_the_same_as_at_home() {
    let database = shared().fresh_database();
    let desk = desk_with_a_run(&database).await;
    let again = desk.type_in(&["apply"]);
    assert!(again.out.contains("nothing to change"), "{again:?}");
    let runs = desk.type_in(&["runs", "--json"]);
    let [run] = runs.json().try_into().unwrap();
    assert_eq!(
        (&run["clean"]["in"], &run["clean"]["rejected"], &run["load"]["inserted"]),
        (&3.into(), &1.into(), &2.into())
    );
    let rejects = desk.type_in(&["rejects", "orders", "--by", "reason"]);
    assert!(rejects.code == 0 && rejects.out.contains("total"), "{rejects:?}");
    let documents = desk.type_in(&["documents", "orders"]);
    assert_eq!(documents.out.lines().count(), 2, "{documents:?}");
    let explained = desk.type_in(&["explain", "orders", "a1"]);
    let expected = format!("aws s3 cp s3://{}/raw/orders/orders/", desk.names.lake());
    assert!(explained.code == 0 && explained.out.contains(&expected), "{explained:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_what_has_expired_says_so() {
    let database = shared().fresh_database();
    let desk = desk_with_a_run(&database).await;
    let nothing = desk.type_in(&["replay", "orders", "--since", "2999-01-01"]);
    assert_eq!(nothing.code, 0, "{nothing:?}");
    let documents: Arc<dyn Documents> = Arc::new(MongoDocuments::new(Arc::new(Fixed::new(database.uri().into()))));
    let store = desk.ports(documents).store;
    for key in store.list("raw/", None, 10).await.unwrap() {
        // As the bucket's lifecycle does.
        store.delete(&Key::parse(key.as_str()).unwrap()).await.unwrap();
    }
    let said = desk.type_in(&["replay", "orders"]);
    assert!(said.code == 1 && said.err.contains("raw/ of orders/orders has expired"), "{said:?}");
}

/// The message that a command sends.
fn sent(desk: &Desk, queue: &str, command: &mut Child) -> String {
    loop {
        if let Some(body) = desk.messages(queue).pop() {
            return body;
        }
        let ended = command.try_wait().unwrap();
        assert!(ended.is_none(), "the command ended without a message: {ended:?}");
    }
}

/// As `extract`, `clean` and `load` do when the message comes.
async fn answer(desk: &Desk, runner: &Runner, message: &ExtractMessage) {
    let home = &runner.home;
    let (hash, generation) = home.ledger.newest_definition(&message.pipeline).await.unwrap().unwrap();
    let services = extract::Services {
        store: home.store.clone(),
        ledger: home.ledger.clone(),
        holder: runner.holder.clone(),
        holder_is_dead: Arc::new(|_| false),
        resolve: Arc::new(|variable| Err(format!("{variable:?}"))),
        names: Arc::default(),
        settings: extract::Settings::default(),
    };
    let tick = extract::Tick {
        definition: home.definitions.get(&message.pipeline, &hash).await.unwrap(),
        generation,
        resource: message.resource.clone(),
        run: message.run_id().unwrap(),
        base_url: Some(".".to_owned()),
        folder: desk.folder(),
        pages_max: None,
        continues: false,
    };
    extract::handle(&tick, &runner.run, &services).await.unwrap();
    let workers = runner.workers(home.store.clone());
    for part in home.ledger.unfinished(&message.pipeline).await.unwrap() {
        let input = clean::Input {
            raw: part.raw,
            definition: None,
        };
        let clean = workers.clean(&input).await.unwrap().unwrap().clean;
        let input = load::Input {
            clean,
            again_in_order: false,
        };
        workers.load(&input).await.unwrap().unwrap();
    }
}

/// Types `run`, and does the work of the functions on its message.
async fn followed(desk: &Desk, database: &Database<'_>) -> Said {
    let mut command = desk.command(&["run", "orders"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let queue = desk.names.queue(Queue::Extract);
    let body = sent(desk, &queue, &mut child);
    let origin = Origin {
        lake_bucket: None,
        sent_ms: 0,
    };
    let message = ExtractMessage::parse(&body, &origin).unwrap().remove(0);
    let runner = functions(desk, database);
    answer(desk, &runner, &message).await;
    runner.home.documents.close().await;
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_is_not_shown_is_told() {
    let database = shared().fresh_database();
    let mut desk = Desk::new();
    desk.mongodb = Some(database.uri());
    let text = crate::desk::ORDERS.replace(
        "load: {collection: orders}",
        "load: {collection: orders, write_disposition: replace}",
    );
    desk.write("pipelines/orders.yaml", &text);
    desk.write("orders.csv", "id,total\n");
    assert_eq!(desk.apply().code, 0);
    let said = followed(&desk, &database).await;
    let expected = "the run brought no document, and `allow_empty` is not set: the documents of the run before stay";
    assert!(said.code == 1 && said.err.contains(expected), "{said:?}");
    let runs = desk.type_in(&["runs"]);
    assert!(runs.out.contains("not shown"), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_followed_to_its_last_document() {
    let database = shared().fresh_database();
    let mut desk = Desk::new();
    desk.mongodb = Some(database.uri());
    desk.pipeline("orders", "rate(1 hour)");
    desk.write("orders.csv", "id,total\na1,10.5\na2,-3\na3,7\n");
    assert_eq!(desk.apply().code, 0);
    let said = followed(&desk, &database).await;
    // As at home: a record is rejected, and none may be.
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err
            .contains("1 of 3 records were rejected, more than `reject_limit: 0` allows"),
        "{said:?}"
    );
    let told = Said {
        err: String::new(),
        ..said
    };
    insta::assert_snapshot!(told.masked(&desk), @r"
    extract  captures  bytes  took
    orders  1  128 B  TIME

    clean  in  out  rejected  dropped  duplicates
    orders  3  2  1  0  0

    load  in  inserted  updated  unchanged  stale  superseded  refused
    orders  2  2  0  0  0  0  0

    next: tidemill documents orders --limit 3 --stack STACK
    --- err, exit 1
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_through_a_queue_of_its_own_under_the_newest_definition() {
    let database = shared().fresh_database();
    let desk = desk_with_a_run(&database).await;
    let text = crate::desk::ORDERS.replace("min: 0", "min: -10");
    desk.write("pipelines/orders.yaml", &text);
    let applied = desk.type_in(&["apply"]);
    assert!(applied.code == 0 && applied.out.contains("~ definition"), "{applied:?}");
    let first = replayed(&desk, &database, &text).await;
    let counts = |report: &serde_json::Value| {
        [
            &report["objects"],
            &report["clean"]["out"],
            &report["load"]["in"],
            &report["load"]["inserted"],
        ]
        .map(|n| n.as_u64().unwrap())
    };
    assert_eq!(counts(&first), [1, 3, 3, 1], "{first}");
    assert!(first.get("notices").is_none(), "{first}");
    // The same again changes nothing, and has no numbers: those in the ledger are of the first time.
    let second = replayed(&desk, &database, &text).await;
    assert_eq!(counts(&second), [1, 0, 0, 0], "{second}");
    let expected = "1 object was loaded under this definition before: it was done again, and is not in these numbers";
    assert_eq!(second["notices"][0], expected, "{second}");
    // What is given up is told, though its facts are there.
    let mut command = desk.command(&["replay", "orders"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let body = sent(&desk, &desk.names.queue(Queue::CleanReplay), &mut child);
    desk.send(&desk.names.dead(Queue::CleanReplay), &body);
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("for 1 dead letter is there since"), "{err}");
}

/// Types `replay`, and does the work of `clean` and `load` on its message.
async fn replayed(desk: &Desk, database: &Database<'_>, text: &str) -> serde_json::Value {
    let mut command = desk.command(&["replay", "orders", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let queue = desk.names.queue(Queue::CleanReplay);
    let body = sent(desk, &queue, &mut child);
    let origin = Origin {
        lake_bucket: None,
        sent_ms: 0,
    };
    let message = CleanMessage::parse(&body, &origin).unwrap().remove(0);
    let choice = message.definition.unwrap();
    assert_eq!(
        (choice.generation, choice.hash),
        (2, pipeline::DefinitionHash::of(text).to_string())
    );
    let runner = functions(desk, database);
    let workers = runner.workers(runner.home.store.clone());
    let input = clean::Input {
        raw: message.raw,
        definition: Some((pipeline::DefinitionHash::of(text).to_string(), 2)),
    };
    let clean = workers.clean(&input).await.unwrap().unwrap().clean;
    let input = load::Input {
        clean,
        again_in_order: false,
    };
    workers.load(&input).await.unwrap().unwrap();
    runner.home.documents.close().await;
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
