//! Against a comparison written straight from MongoDB's rules, with exact fractions of big integers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::cmp::Ordering;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, JavaScriptCodeWithScope, RawBson, Regex, Timestamp, doc};
use proptest::prelude::*;

use super::*;

fn key(value: &Bson) -> Vec<u8> {
    key_of(RawBson::try_from(value.clone()).unwrap().as_raw_bson_ref()).unwrap()
}

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

#[test]
fn equal_numbers_are_one_key() {
    let same: Vec<Vec<Bson>> = vec![
        vec![Bson::Int32(1), Bson::Double(1.0), Bson::Int64(1), decimal("1.00"), decimal("0.1E1")],
        vec![
            Bson::Int32(0),
            Bson::Double(0.0),
            Bson::Double(-0.0),
            decimal("-0"),
            decimal("0E+300"),
            Bson::Int64(0),
        ],
        vec![Bson::Double(f64::NAN), Bson::Double(-f64::NAN), decimal("NaN")],
        vec![Bson::Double(f64::INFINITY), decimal("Infinity")],
        vec![Bson::Double(f64::NEG_INFINITY), decimal("-Infinity")],
        vec![Bson::Double(-2.5), decimal("-2.50")],
        vec![
            Bson::Int64(1 << 53),
            Bson::Double(9_007_199_254_740_992.0),
            decimal("9007199254740992"),
        ],
        vec![
            Bson::Int64(i64::MIN),
            Bson::Double(-9_223_372_036_854_775_808.0),
            decimal("-9223372036854775808"),
        ],
        vec![Bson::Double(1e22), decimal("1E+22"), decimal("10000000000000000000000")],
        vec![Bson::Double(9_223_372_036_854_775_808.0), decimal("9223372036854775808")],
    ];
    for group in same {
        for value in &group {
            assert_eq!(key(value), key(&group[0]), "{value:?} and {:?}", group[0]);
        }
    }
}

#[test]
fn known_order() {
    let ascending: Vec<Bson> = vec![
        Bson::MinKey,
        Bson::Undefined,
        Bson::Null,
        Bson::Double(f64::NAN),
        Bson::Double(f64::NEG_INFINITY),
        Bson::Double(f64::MIN),
        Bson::Int64(i64::MIN),
        Bson::Int64(-9_007_199_254_740_993),
        Bson::Double(-9_007_199_254_740_992.0),
        Bson::Int32(-12),
        Bson::Double(-1.5),
        Bson::Int32(-1),
        Bson::Double(-5e-324),
        decimal("-1E-6176"),
        Bson::Int32(0),
        decimal("1E-6176"),
        Bson::Double(5e-324),
        // The double is a little more than a tenth.
        decimal("0.1"),
        Bson::Double(0.1),
        decimal("0.1000000000000000055511151231257828"),
        Bson::Int32(1),
        decimal("1.000000000000000000000000000000001"),
        Bson::Int32(9),
        Bson::Int32(10),
        Bson::Int32(12),
        Bson::Int32(100),
        Bson::Double(9_007_199_254_740_992.0),
        Bson::Int64(9_007_199_254_740_993),
        Bson::Double(9_007_199_254_740_994.0),
        Bson::Int64(i64::MAX),
        Bson::Double(9_223_372_036_854_775_808.0),
        Bson::Double(f64::MAX),
        decimal("9.999999999999999999999999999999999E+6144"),
        Bson::Double(f64::INFINITY),
        Bson::String(String::new()),
        Bson::String("\0".into()),
        Bson::String("\0\0".into()),
        Bson::String("\0a".into()),
        Bson::String("a".into()),
        Bson::String("a\0".into()),
        Bson::String("a\0b".into()),
        Bson::String("a\u{1}".into()),
        Bson::String("ab".into()),
        Bson::String("é".into()),
        Bson::Document(doc! {}),
        Bson::Document(doc! {"b": Bson::MinKey}),
        Bson::Document(doc! {"a": Bson::Null}),
        Bson::Document(doc! {"a": 1}),
        Bson::Document(doc! {"a": 1, "b": 0}),
        Bson::Document(doc! {"a": 2}),
        Bson::Document(doc! {"b": -1}),
        Bson::Document(doc! {"a": "\0"}),
        Bson::Array(vec![]),
        Bson::Array(vec![Bson::Int32(1)]),
        Bson::Array(vec![Bson::Int32(1), Bson::Int32(0)]),
        Bson::Array(vec![Bson::Int32(2)]),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid,
            bytes: vec![9],
        }),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: vec![0, 0],
        }),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: vec![0, 1],
        }),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid,
            bytes: vec![0, 0],
        }),
        Bson::ObjectId(ObjectId::from_bytes([0; 12])),
        Bson::ObjectId(ObjectId::from_bytes([255; 12])),
        Bson::Boolean(false),
        Bson::Boolean(true),
        Bson::DateTime(DateTime::from_millis(i64::MIN)),
        Bson::DateTime(DateTime::from_millis(-1)),
        Bson::DateTime(DateTime::from_millis(0)),
        Bson::DateTime(DateTime::from_millis(i64::MAX)),
        Bson::Timestamp(Timestamp {
            time: 1,
            increment: u32::MAX,
        }),
        Bson::Timestamp(Timestamp {
            time: u32::MAX,
            increment: 0,
        }),
        Bson::RegularExpression(Regex {
            pattern: "a".try_into().unwrap(),
            options: "x".try_into().unwrap(),
        }),
        Bson::RegularExpression(Regex {
            pattern: "b".try_into().unwrap(),
            options: "i".try_into().unwrap(),
        }),
        Bson::JavaScriptCode("a".into()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
            code: "a".into(),
            scope: doc! {"a": 1},
        }),
        Bson::MaxKey,
    ];
    for (i, low) in ascending.iter().enumerate() {
        for high in &ascending[i + 1..] {
            assert!(key(low) < key(high), "{low:?} must be before {high:?}");
            assert_eq!(compare(low, high), Ordering::Less, "the rules say otherwise: {low:?}, {high:?}");
        }
    }
}

#[test]
fn too_deep_is_an_error() {
    let mut value = Bson::Int32(1);
    for _ in 0..=DEPTH_MAX {
        value = Bson::Array(vec![value]);
    }
    assert_eq!(
        key_of(RawBson::try_from(value).unwrap().as_raw_bson_ref()),
        Err(Unreadable::TooDeep)
    );
}

// The rules.

fn compare(a: &Bson, b: &Bson) -> Ordering {
    let by_class = place(a).cmp(&place(b));
    if by_class.is_ne() {
        return by_class;
    }
    match (a, b) {
        (Bson::String(a) | Bson::Symbol(a), Bson::String(b) | Bson::Symbol(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Bson::Document(a), Bson::Document(b)) => compare_documents(a, b),
        (Bson::Array(a), Bson::Array(b)) => {
            let first = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            first.unwrap_or(a.len().cmp(&b.len()))
        }
        (Bson::Binary(a), Bson::Binary(b)) => {
            (a.bytes.len(), u8::from(a.subtype), &a.bytes).cmp(&(b.bytes.len(), u8::from(b.subtype), &b.bytes))
        }
        (Bson::ObjectId(a), Bson::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.cmp(b),
        (Bson::Timestamp(a), Bson::Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (Bson::RegularExpression(a), Bson::RegularExpression(b)) => {
            (a.pattern.as_str(), a.options.as_str()).cmp(&(b.pattern.as_str(), b.options.as_str()))
        }
        (Bson::JavaScriptCode(a), Bson::JavaScriptCode(b)) => a.cmp(b),
        (Bson::JavaScriptCodeWithScope(a), Bson::JavaScriptCodeWithScope(b)) => {
            a.code.cmp(&b.code).then_with(|| compare_documents(&a.scope, &b.scope))
        }
        _ if place(a) == 3 => compare_numbers(&number(a), &number(b)),
        _ => Ordering::Equal,
    }
}

fn compare_documents(a: &bson::Document, b: &bson::Document) -> Ordering {
    for ((a_name, a), (b_name, b)) in a.iter().zip(b) {
        let order = place(a).cmp(&place(b)).then_with(|| a_name.cmp(b_name)).then_with(|| compare(a, b));
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn place(value: &Bson) -> u8 {
    match value {
        Bson::MinKey => 0,
        Bson::Undefined => 1,
        Bson::Null => 2,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => 3,
        Bson::String(_) | Bson::Symbol(_) => 4,
        Bson::Document(_) => 5,
        Bson::Array(_) => 6,
        Bson::Binary(_) => 7,
        Bson::ObjectId(_) => 8,
        Bson::Boolean(_) => 9,
        Bson::DateTime(_) => 10,
        Bson::Timestamp(_) => 11,
        Bson::RegularExpression(_) => 12,
        Bson::DbPointer(_) => 13,
        Bson::JavaScriptCode(_) => 14,
        Bson::JavaScriptCodeWithScope(_) => 15,
        Bson::MaxKey => 16,
    }
}

/// digits × 2^twos × 10^tens.
enum Number {
    Nan,
    Infinite(bool),
    Finite {
        negative: bool,
        digits: u128,
        twos: i32,
        tens: i32,
    },
}

fn number(value: &Bson) -> Number {
    let whole = |value: i64| Number::Finite {
        negative: value < 0,
        digits: value.unsigned_abs().into(),
        twos: 0,
        tens: 0,
    };
    match value {
        Bson::Int32(value) => whole((*value).into()),
        Bson::Int64(value) => whole(*value),
        Bson::Double(value) if value.is_nan() => Number::Nan,
        Bson::Double(value) if value.is_infinite() => Number::Infinite(*value < 0.0),
        Bson::Double(value) => {
            let bits = value.to_bits();
            let (exponent, fraction) = (((bits >> 52) & 0x7ff) as i32, bits & ((1 << 52) - 1));
            let (digits, twos) = if exponent == 0 {
                (fraction, -1074)
            } else {
                (fraction | 1 << 52, exponent - 1075)
            };
            Number::Finite {
                negative: *value < 0.0,
                digits: digits.into(),
                twos,
                tens: 0,
            }
        }
        // From its text, so that this reads no bits as the code under test does.
        Bson::Decimal128(value) => {
            let text = value.to_string();
            match text.trim_start_matches('-') {
                "NaN" => return Number::Nan,
                "Infinity" => return Number::Infinite(text.starts_with('-')),
                _ => {}
            }
            let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
            let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let digits = format!("{}{part}", whole.trim_start_matches('-')).parse().unwrap();
            let tens = exponent.parse::<i32>().unwrap() - part.len() as i32;
            Number::Finite {
                negative: text.starts_with('-'),
                digits,
                twos: 0,
                tens,
            }
        }
        _ => panic!("not a number"),
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    let sign = |number: &Number| match number {
        Number::Nan => -3,
        Number::Infinite(true) => -2,
        Number::Infinite(false) => 2,
        Number::Finite { digits: 0, .. } => 0,
        Number::Finite { negative, .. } => {
            if *negative {
                -1
            } else {
                1
            }
        }
    };
    let (
        Number::Finite {
            digits: a_digits,
            twos: a_twos,
            tens: a_tens,
            ..
        },
        Number::Finite {
            digits: b_digits,
            twos: b_twos,
            tens: b_tens,
            ..
        },
    ) = (a, b)
    else {
        return sign(a).cmp(&sign(b));
    };
    let by_sign = sign(a).cmp(&sign(b));
    if by_sign.is_ne() || sign(a) == 0 {
        return by_sign;
    }
    // To integers, by what makes every exponent positive.
    let (twos, tens) = (*a_twos.min(b_twos), *a_tens.min(b_tens));
    let magnitude = |digits: u128, own_twos: i32, own_tens: i32| {
        let mut big = Big::new(digits);
        (0..own_twos - twos).for_each(|_| big.times(2));
        (0..own_tens - tens).for_each(|_| big.times(10));
        big
    };
    let order = magnitude(*a_digits, *a_twos, *a_tens).compare(&magnitude(*b_digits, *b_twos, *b_tens));
    if sign(a) < 0 { order.reverse() } else { order }
}

/// A natural number: 32 bits a limb, the least first, no zero at the end.
struct Big(Vec<u32>);

impl Big {
    fn new(value: u128) -> Big {
        let mut limbs: Vec<u32> = (0..4).map(|limb| (value >> (32 * limb)) as u32).collect();
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Big(limbs)
    }

    fn times(&mut self, factor: u64) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let product = u64::from(*limb) * factor + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn compare(&self, other: &Big) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

fn numbers() -> impl Strategy<Value = Bson> {
    prop_oneof![
        any::<i32>().prop_map(Bson::Int32),
        (-30i32..30).prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        (-3i64..3).prop_map(|offset| Bson::Int64((1 << 53) + offset)),
        any::<u64>().prop_map(|bits| Bson::Double(f64::from_bits(bits))),
        (-40i32..40).prop_map(|quarters| Bson::Double(f64::from(quarters) / 4.0)),
        (-40i32..40).prop_map(|tenths| Bson::Double(f64::from(tenths) / 10.0)),
        any::<i64>().prop_map(|value| Bson::Double(value as f64)),
        (-40i32..40, -3i32..2).prop_map(|(digits, tens)| decimal(&format!("{digits}E{tens}"))),
        (any::<i64>(), -330i32..330).prop_map(|(digits, tens)| decimal(&format!("{digits}E{tens}"))),
    ]
}

fn values() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        4 => numbers(),
        3 => "[\\x00ab\u{ff}]{0,4}".prop_map(Bson::String),
        1 => "[ab]{0,2}".prop_map(Bson::Symbol),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => prop_oneof![Just(Bson::Null), Just(Bson::MinKey), Just(Bson::MaxKey), Just(Bson::Undefined)],
        1 => any::<i64>().prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        1 => prop::collection::vec(0u8..3, 0..3).prop_map(|bytes| Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })),
        1 => any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        1 => "[ab]{0,2}".prop_map(Bson::JavaScriptCode),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            prop::collection::vec(("[ab]{0,2}", inner), 0..3).prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_compare_exactly(a in numbers(), b in numbers()) {
        prop_assert_eq!(key(&a).cmp(&key(&b)), compare(&a, &b));
    }

    #[test]
    fn keys_compare_as_the_rules_say(a in values(), b in values()) {
        prop_assert_eq!(key(&a).cmp(&key(&b)), compare(&a, &b));
    }
}
