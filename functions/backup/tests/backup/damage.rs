//! Whatever is wrong with a backup, it is refused before anything is written.

use crate::desk::{Desk, id};
use backup::manifest::{FORMAT, Manifest};
use backup::{Error, Wanted, Wish};
use std::fs;

/// The backup is refused by `choose` or by `restore`, and the target is as it was.
async fn refused(desk: &Desk, what: &str) -> Error {
    let target = desk.database.beside("copy");
    let changes = desk.database.memory().changes;
    let error = match desk.newest().await {
        Ok(manifest) => {
            let restored = desk.restore(&manifest, &Wish::default(), &target).await.expect_err(what);
            let verified = desk.verify(&manifest).await.expect_err(what);
            assert_eq!(restored.to_string(), verified.to_string());
            let dry = Wish {
                dry_run: true,
                ..Wish::default()
            };
            assert_eq!(
                desk.restore(&manifest, &dry, &target).await.expect_err(what).to_string(),
                verified.to_string()
            );
            restored
        }
        Err(error) => error,
    };
    assert_eq!(desk.database.memory().changes, changes, "{what}: nothing is changed");
    assert!(desk.database.memory().databases.keys().all(|name| name == "shop"), "{what}");
    error
}

fn manifest_key(manifest: &Manifest) -> String {
    backup::keys::manifest(manifest.class, lake::RunId::parse(&manifest.id).unwrap())
        .unwrap()
        .to_string()
}

fn keys(manifest: &Manifest) -> Vec<String> {
    let parts = manifest.parts.iter().map(|part| part.key.clone());
    parts.chain([manifest_key(manifest)]).collect()
}

#[tokio::test]
async fn a_flipped_bit_anywhere() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    for key in keys(&manifest) {
        let path = desk.file(&key);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            let error = refused(&desk, &format!("a bit at {at} of `{key}`")).await;
            let named = matches!(&error, Error::Damaged { object, .. } | Error::FromElsewhere { object, .. } if *object == key);
            assert!(named, "{key}, {at}: {error}");
        }
        fs::write(&path, whole).unwrap();
    }
    desk.verify(&desk.newest().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_cut_short_or_longer_or_missing() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    for key in keys(&manifest) {
        let path = desk.file(&key);
        let whole = fs::read(&path).unwrap();
        for length in [0, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = refused(&desk, &format!("`{key}` of {length} bytes")).await;
            assert!(
                matches!(&error, Error::Damaged { object, .. } if *object == key),
                "{key}, {length}: {error}"
            );
        }
        fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
        assert!(matches!(refused(&desk, "longer").await, Error::Damaged { .. }));
        fs::remove_file(&path).unwrap();
        match refused(&desk, "missing").await {
            Error::MissingPart { object, .. } => assert_eq!(object, key),
            Error::NotFound { .. } => assert_eq!(key, manifest_key(&manifest), "no manifest, no backup"),
            other => panic!("{key}: {other}"),
        }
        fs::write(&path, whole).unwrap();
    }
}

#[tokio::test]
async fn parts_that_changed_places() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let (first, second) = (desk.file(&manifest.parts[2].key), desk.file(&manifest.parts[3].key));
    let (of_first, of_second) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    fs::write(&first, of_second).unwrap();
    fs::write(&second, of_first).unwrap();
    assert!(matches!(refused(&desk, "changed places").await, Error::Damaged { .. }));
}

#[tokio::test]
async fn a_manifest_from_elsewhere() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let copied = fs::read(desk.file(&manifest_key(&manifest))).unwrap();
    let other = backup::keys::manifest(backup::retention::Class::Daily, id(1)).unwrap();
    fs::create_dir_all(desk.file(other.as_str()).parent().unwrap()).unwrap();
    fs::write(desk.file(other.as_str()), copied).unwrap();
    let error = refused(&desk, "copied").await;
    assert!(
        matches!(&error, Error::FromElsewhere { object, .. } if object == other.as_str()),
        "{error}"
    );
    // The one that is whole can still be had by name, and the other is listed with what is wrong.
    assert_eq!(backup::choose(desk.vault(), &Wanted::Id(id(0))).await.unwrap(), manifest);
    let listed = backup::list(desk.vault()).await.unwrap();
    assert!(listed[0].manifest.is_err() && listed[1].manifest.is_ok());
}

/// Somebody who seals a manifest anew still can't make other parts of a backup its own.
#[tokio::test]
async fn a_manifest_that_names_parts_of_another_backup() {
    let desk = Desk::small();
    let first = desk.take(id(0)).await;
    desk.pass(86_400_000);
    let second = desk.take(id(1)).await;
    let mixed = Manifest {
        parts: first.parts.clone(),
        ..second.clone()
    };
    assert!(mixed.clone().sealed().is_err());
    fs::write(desk.file(&manifest_key(&second)), mixed.to_bytes().unwrap()).unwrap();
    refused(&desk, "parts of another backup").await;
}

/// A manifest that is sealed, but says something else than its parts hold.
#[tokio::test]
async fn a_manifest_that_says_something_else() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    type Change = fn(&mut Manifest);
    let changes: [(&str, Change); 6] = [
        ("hash", |it| it.collections[3].hash = "0".repeat(63) + "1"),
        ("crc", |it| it.collections[3].crc64 = "0".repeat(15) + "1"),
        ("bytes", |it| it.collections[3].bytes += 1),
        ("metadata", |it| it.collections[3].metadata = it.collections[2].metadata.clone()),
        ("order", |it| it.collections.swap(3, 4)),
        ("database", |it| it.database = "other".to_owned()),
    ];
    for (what, change) in changes {
        let mut changed = manifest.clone();
        change(&mut changed);
        let bytes = changed.sealed().unwrap().to_bytes().unwrap();
        fs::write(desk.file(&manifest_key(&manifest)), bytes).unwrap();
        let error = refused(&desk, what).await;
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_backup_of_a_newer_format() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let path = desk.file(&manifest_key(&manifest));
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replacen(
        &format!("\"format\": {FORMAT}"),
        &format!("\"format\": {}, \"more\": 1", FORMAT + 1),
        1,
    );
    assert_ne!(newer, text);
    fs::write(&path, newer).unwrap();
    let error = refused(&desk, "newer").await;
    assert!(
        matches!(error, Error::NewerFormat { found, known, .. } if (found, known) == (FORMAT + 1, FORMAT)),
        "{error}"
    );
    assert!(error.to_string().contains("use a newer tidemill"));
}
