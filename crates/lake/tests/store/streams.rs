//! Objects as streams of lines and documents: what is written comes back, and what is damaged is an error.

use crate::suite::{body, key, metadata};
use lake::zst::{DOCUMENT_BYTES_MAX, LINE_BYTES_MAX};
use lake::{Compressor, DirectoryStore, Key, ObjectReader, ObjectWriter, Store, StoreError, ZSTD_LEVEL};
use proptest::prelude::*;
use tempfile::TempDir;

fn store() -> (TempDir, DirectoryStore) {
    let root = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(root.path().to_owned()).unwrap();
    (root, store)
}

/// Stores `bytes` as they are, by hand: these objects need not be durable, and there are many.
fn put(store: &DirectoryStore, name: &str, bytes: Vec<u8>) -> Key {
    let at = key(&format!("{name}.zst"));
    std::fs::write(store.path(&at).unwrap(), bytes).unwrap();
    at
}

async fn lines(store: &dyn Store, at: &Key) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut reader = ObjectReader::open(store, at).await?;
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().await? {
        lines.push(line.to_vec());
    }
    assert_eq!(reader.next_line().await?, None);
    Ok(lines)
}

async fn documents(store: &dyn Store, at: &Key) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut reader = ObjectReader::open(store, at).await?;
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document().await? {
        documents.push(document.to_vec());
    }
    assert_eq!(reader.next_document().await?, None);
    Ok(documents)
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(ZSTD_LEVEL).unwrap();
    compressor.push(bytes).unwrap();
    compressor.finish().unwrap().to_vec()
}

fn document(length: usize) -> Vec<u8> {
    let mut document = vec![1; length];
    document[..4].copy_from_slice(&(length as u32).to_le_bytes());
    document[length - 1] = 0;
    document
}

/// Bytes that hardly compress, always the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn damage<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Damaged { problem, .. }) => problem,
        other => panic!("expected damage, got {other:?}"),
    }
}

#[tokio::test]
async fn lines_come_back() {
    let (_root, store) = store();
    let long = noise(2_000_000).into_iter().filter(|b| *b != b'\n').collect::<Vec<u8>>();
    let wanted: Vec<&[u8]> = vec![b"one", b"", &long, b"two", &long[..300_000], b"three"];
    for last in [&b"\n"[..], b""] {
        let text = [wanted.join(&b'\n'), last.to_vec()].concat();
        let at = put(&store, "lines", frame(&text));
        assert_eq!(lines(&store, &at).await.unwrap(), wanted);
    }
}

#[tokio::test]
async fn an_object_of_nothing_has_no_lines() {
    let (_root, store) = store();
    let at = put(&store, "nothing", Compressor::new(3).unwrap().finish().unwrap().to_vec());
    assert!(lines(&store, &at).await.unwrap().is_empty());
    assert!(documents(&store, &at).await.unwrap().is_empty());
}

#[tokio::test]
async fn frames_follow_each_other_and_skippable_ones_are_passed_over() {
    let (_root, store) = store();
    let skippable = |length: u32| {
        [
            &0x184D_2A50_u32.to_le_bytes()[..],
            &length.to_le_bytes(),
            &vec![b'\n'; length as usize],
        ]
        .concat()
    };
    let all = [
        skippable(0),
        frame(b"a\nb"),
        skippable(700_000),
        frame(b""),
        frame(&[b'c'; 400_000]),
        skippable(3),
        frame(b"\nd\n"),
        skippable(1),
    ];
    let at = put(&store, "frames", all.concat());
    let second = [&b"b"[..], &[b'c'; 400_000]].concat();
    assert_eq!(lines(&store, &at).await.unwrap(), [b"a".to_vec(), second, b"d".to_vec()]);
}

#[tokio::test]
async fn every_cut_is_damage() {
    let (_root, store) = store();
    let whole = [frame(b"some\nlines\n"), frame(&noise(300))].concat();
    let between = frame(b"some\nlines\n").len();
    for length in (0..whole.len()).filter(|length| *length != between) {
        let at = put(&store, "cut", whole[..length].to_vec());
        damage(lines(&store, &at).await);
        damage(documents(&store, &at).await);
    }
}

#[tokio::test]
async fn no_flipped_bit_goes_unseen() {
    let (_root, store) = store();
    let text: Vec<u8> = noise(200).into_iter().map(|b| b | 0x80).collect();
    let good = frame(&text);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let at = put(&store, "flipped", bad);
        match lines(&store, &at).await {
            // Some bits of a frame's header (a larger window, the reserved one) change nothing.
            Ok(read) => assert_eq!(read, [&text[..]], "bit {bit}"),
            Err(error) => _ = damage::<()>(Err(error)),
        }
    }
    let at = put(&store, "flipped", [good, b"rubbish".to_vec()].concat());
    damage(lines(&store, &at).await);
}

#[tokio::test]
async fn a_line_without_end_is_damage_and_so_is_a_window_without_bounds() {
    let (_root, store) = store();
    let most = [vec![b'x'; LINE_BYTES_MAX], b"\ny\n".to_vec()].concat();
    let at = put(&store, "most", frame(&most));
    let read = lines(&store, &at).await.unwrap();
    assert_eq!((read[0].len(), &read[1][..]), (LINE_BYTES_MAX, &b"y"[..]));
    for end in [&b""[..], b"\n"] {
        let bomb = [vec![b'x'; LINE_BYTES_MAX + 1], end.to_vec()].concat();
        let at = put(&store, "bomb", frame(&bomb));
        assert!(damage(lines(&store, &at).await).contains("longer than"));
    }
    let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(27).unwrap();
    std::io::Write::write_all(&mut wide, &most).unwrap();
    let at = put(&store, "wide", wide.finish().unwrap());
    assert!(damage(lines(&store, &at).await).contains("memory"));
}

#[tokio::test]
async fn documents_come_back_and_torn_ones_are_damage() {
    let (_root, store) = store();
    let wanted = [document(5), document(700_000), document(5), document(6_000), document(128 << 10)];
    let at = put(&store, "documents", frame(&wanted.concat()));
    assert_eq!(documents(&store, &at).await.unwrap(), wanted);

    let small = document(8);
    for cut in 1..8 {
        let at = put(&store, "torn", frame(&[&small[..], &small[..cut]].concat()));
        assert!(damage(documents(&store, &at).await).contains("ends within"));
    }
    for length in [0, 4, u32::MAX, DOCUMENT_BYTES_MAX as u32 + 1] {
        let at = put(&store, "length", frame(&[&length.to_le_bytes()[..], &[0; 20]].concat()));
        assert!(damage(documents(&store, &at).await).contains(&length.to_string()));
    }
    let mut open = document(9);
    open[8] = 1;
    let at = put(&store, "open", frame(&open));
    assert!(damage(documents(&store, &at).await).contains("zero byte"));
}

#[tokio::test]
async fn a_written_object_depends_on_its_bytes_only() {
    let (_root, store) = store();
    let line: Vec<u8> = (0..400_u32)
        .flat_map(|n| format!("{{\"id\": {n}, \"n\": {}}}\n", n * n % 97).into_bytes())
        .collect();
    let bytes = [line.repeat(100), noise(1_500_000), line.repeat(50)].concat();
    let said = metadata(&[("n", "1")]);
    let mut stored = Vec::new();
    for split in [usize::MAX, 1_000_000, 131_072, 131_071, 4_096, 997, 61] {
        let at = key(&format!("written/{split}.zst"));
        let mut writer = ObjectWriter::create(&store, &at, &said, ZSTD_LEVEL).await.unwrap();
        for part in bytes.chunks(split.min(bytes.len())) {
            writer.write(part).await.unwrap();
        }
        assert_eq!(store.head(&at).await.unwrap(), None);
        assert_eq!(writer.finish().await.unwrap(), bytes.len() as u64);
        assert_eq!(ObjectReader::open(&store, &at).await.unwrap().metadata(), &said);
        stored.push(body(&store, &at).await);
    }
    assert_eq!(zstd::decode_all(&stored[0][..]).unwrap(), bytes);
    assert!(
        stored.iter().all(|object| *object == stored[0]),
        "the split of the writes changes the object"
    );
    assert_eq!(stored[0], frame(&bytes), "in memory and as a stream are the same");
}

#[test]
fn a_compressor_tells_its_lengths() {
    let mut compressor = Compressor::new(ZSTD_LEVEL).unwrap();
    let bytes = noise(1_000_000);
    compressor.push(&bytes).unwrap();
    assert_eq!(compressor.uncompressed(), 1_000_000);
    assert!((700_000..=1_100_000).contains(&compressor.compressed()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_lines_come_back_whatever_the_frames(
        sizes in prop::collection::vec((0_usize..200_000, any::<u8>()), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let wanted: Vec<Vec<u8>> = sizes.iter().map(|(size, byte)| vec![byte | 0x80; *size]).collect();
        let mut text = Vec::new();
        for line in &wanted {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let object: Vec<u8> = places.windows(2).flat_map(|pair| frame(&text[pair[0]..pair[1]])).collect();
        let read = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let (_root, store) = store();
            let at = put(&store, "any", object);
            lines(&store, &at).await.unwrap()
        });
        prop_assert_eq!(read, wanted);
    }
}
