use super::*;

fn cursor(bytes: &[u8]) -> Cursor<'_> {
    Cursor {
        rest: bytes,
        end: bytes.len(),
    }
}

#[test]
fn integers_are_read_in_every_width() {
    let cases: [(&[u8], u64); 5] = [
        (&[0], 0),
        (&[0x7f], 127),
        (&[0xff, 0x80], 128),
        (&[0xfe, 0x01, 0x00], 256),
        (&[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], u64::MAX),
    ];
    for (bytes, expected) in cases {
        assert_eq!(cursor(bytes).unsigned("a number"), Ok(expected));
    }
    let signed = [0, 1, 2, 3, 4].map(|byte| cursor(&[byte]).signed("a number").unwrap());
    assert_eq!(signed, [0, -1, 1, -2, 2]);
    let mut lowest = cursor(&[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(lowest.signed("a number"), Ok(i64::MIN));
}

#[test]
fn integers_are_written_in_as_few_bytes_as_there_are_and_read_again() {
    let mut values = vec![0, 127, 128, 255, 256, u64::MAX];
    values.extend((0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1]));
    for value in values {
        let mut bytes = Vec::new();
        write::unsigned(&mut bytes, value).unwrap();
        let digits = value.to_be_bytes().iter().skip_while(|byte| **byte == 0).count();
        let expected = if value < 128 { 1 } else { digits + 1 };
        assert_eq!(bytes.len(), expected, "{value}");
        for bytes in [&bytes[..], &write::wide(value)] {
            let mut cursor = cursor(bytes);
            assert_eq!(cursor.unsigned("a number"), Ok(value));
            assert_eq!(cursor.finish("it"), Ok(()));
        }
    }
    for id in [0, 1, -1, 65, i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        write::type_id(&mut bytes, TypeId(id)).unwrap();
        assert_eq!(cursor(&bytes).signed("a number"), Ok(id));
    }
}

#[test]
fn integers_have_at_most_eight_bytes_and_all_of_them() {
    for bytes in [
        &[][..],
        &[0xff],
        &[0xfe, 1],
        &[0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[0x80; 200],
    ] {
        assert!(cursor(bytes).unsigned("a number").is_err(), "{bytes:?}");
    }
}

#[test]
fn a_length_beyond_the_end_is_refused() {
    for bytes in [
        &[2, 0][..],
        &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    ] {
        let error = cursor(bytes).chunk("a string").unwrap_err();
        assert_eq!(error.offset(), 0);
    }
}

/// A stream whose value is of type 65, a list of itself: `[[[...]]]`.
fn nested(depth: usize) -> Vec<u8> {
    // Type -65, kind 1: the common part is empty, the element is 65.
    let mut stream = vec![10, 0xff, 0x81, 2, 1, 0, 1, 0xff, 0x82, 0, 0];
    let mut value = vec![0xff, 0x82, 0];
    value.extend(std::iter::repeat_n(1, depth));
    value.push(0);
    stream.extend([0xfc]);
    stream.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    stream.extend(value);
    stream
}

fn skip(bytes: &[u8]) -> Result<(), StateFileError> {
    let stream = open(bytes)?;
    let mut values = stream.values();
    values.skip(stream.root())?;
    values.finish()
}

#[test]
fn nesting_has_a_bound() {
    assert_eq!(skip(&nested(MAX_DEPTH - 1)), Ok(()));
    for depth in [MAX_DEPTH, 1_000_000] {
        let error = skip(&nested(depth)).unwrap_err().to_string();
        assert!(error.contains("nested to at most 64 levels"), "{error}");
    }
}

#[test]
fn a_type_is_defined_once() {
    let definition = &nested(0)[..11];
    let error = open(&definition.repeat(2)).unwrap_err().to_string();
    assert!(
        error.ends_with("expected each type to be defined once, found type 65 again"),
        "{error}"
    );
}

#[test]
fn an_interface_value_has_to_be_nil() {
    let stream = |value: &'static [u8]| {
        let mut bytes = vec![u8::try_from(value.len() + 2).unwrap(), 16, 0];
        bytes.extend_from_slice(value);
        bytes
    };
    assert_eq!(skip(&stream(&[0])), Ok(()));
    let error = skip(&stream(&[3, b'i', b'n', b't', 4, 2, 0, 2]))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("expected a field of a known type, found an interface value"),
        "{error}"
    );
}

#[test]
fn a_huge_count_ends_with_the_bytes() {
    let mut bytes = nested(0)[..11].to_vec();
    bytes.extend([
        12, 0xff, 0x82, 0, 0xf8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    assert!(skip(&bytes).is_err());
}
