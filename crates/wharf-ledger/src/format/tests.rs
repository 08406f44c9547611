use super::*;

#[test]
fn names_are_told_apart() {
    assert_eq!(FileKind::of(&segment_name(7)), FileKind::Segment(7));
    assert_eq!(
        FileKind::of(&checkpoint_name(Sequence(u64::MAX))),
        FileKind::Checkpoint(u64::MAX)
    );
    assert_eq!(FileKind::of(&spare_name(7)), FileKind::Spare);
    assert_eq!(FileKind::of("log-00000000000000000001.tmp"), FileKind::Temporary);
    for other in [
        "lock",
        "log-1",
        "log-99999999999999999999",
        "log-0000000000000000000+",
        "README",
    ] {
        assert_eq!(FileKind::of(other), FileKind::Other, "{other}");
    }
}

#[test]
fn headers_come_back_as_they_were() {
    let segment = SegmentHeader {
        id: 3,
        stamp: 9,
        start: Some(Start {
            follows: 4,
            begins: 6,
        }),
    };
    assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
    let plain = SegmentHeader {
        start: None,
        ..segment
    };
    assert_eq!(SegmentHeader::decode(&plain.encode()), Ok(plain));
    let checkpoint = CheckpointHeader {
        sequence: 5,
        stamp: 6,
    };
    assert_eq!(CheckpointHeader::decode(&checkpoint.encode()), Ok(checkpoint));
}

#[test]
fn every_flipped_bit_of_a_header_is_seen() {
    let bytes = SegmentHeader {
        id: 3,
        stamp: 9,
        start: None,
    }
    .encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(SegmentHeader::decode(&flipped), Err(HeaderError::Damaged(_))),
            "bit {bit}"
        );
    }
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let mut bytes = CheckpointHeader {
        sequence: 5,
        stamp: 6,
    }
    .encode();
    bytes[8] = 2;
    assert!(matches!(
        CheckpointHeader::decode(&bytes),
        Err(HeaderError::Damaged(_))
    ));
    let checksum = crc32c::crc32c(&bytes[..60]).to_le_bytes();
    bytes[60..].copy_from_slice(&checksum);
    assert_eq!(CheckpointHeader::decode(&bytes), Err(HeaderError::Newer(2)));
}

#[test]
fn a_header_that_begins_before_what_it_follows_is_refused() {
    let bytes = SegmentHeader {
        id: 3,
        stamp: 9,
        start: Some(Start {
            follows: 4,
            begins: 4,
        }),
    }
    .encode();
    assert!(matches!(
        SegmentHeader::decode(&bytes),
        Err(HeaderError::Damaged(_))
    ));
}

#[test]
fn a_block_of_another_life_of_the_file_is_nothing() {
    let mut block = BlockBuilder::new(vec![1; 100]);
    block.push(b"record");
    let bytes = block.seal(BlockKind::Records, 1, 10, 9).to_vec();
    assert_eq!(bytes.len() % ALIGNMENT, 0);
    assert_eq!(BlockHeader::decode(&bytes, 1).unwrap().last(), Some(10));
    assert_eq!(BlockHeader::decode(&bytes, 2), Err(Unreadable::Nothing));
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    let mut block = BlockBuilder::new(Vec::new());
    block.push(b"one");
    block.push(b"");
    let payload = block.bytes[BLOCK_HEADER_BYTES..].to_vec();
    assert_eq!(
        Records::new(&payload, 2).unwrap().collect::<Vec<_>>(),
        [&b"one"[..], b""]
    );
    assert!(Records::new(&payload, 1).is_none());
    assert!(Records::new(&payload, 3).is_none());
    assert!(Records::new(&payload[..5], 1).is_none());
    assert!(Records::new(&[255; 4], 1).is_none());
}
