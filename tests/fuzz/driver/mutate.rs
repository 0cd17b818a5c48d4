//! Changes inputs by chance: as bytes, and those that are JSON also as what they say.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// The longest input. Readers have limits of their own, or the listener has one for them; longer ones only take longer.
const LONGEST: usize = 16 * 1024;

/// Texts that trip many readers: other blanks, quotes, line ends, directions of writing, what is cut in the middle of a character.
const ODD: [&str; 22] = [
    "\0",
    "\r\n",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{1f}",
    "\u{1e}",
    "ß",
    "İ",
    "👩‍🔬",
    "e\u{301}",
    "%00",
    "%2e%2e%2f",
    "..",
    "\\",
    "\"",
    "{x}",
    "${x}",
];

/// Numbers at the edges of their types, and some that are none.
const NUMBERS: [&str; 20] = [
    "0",
    "-0",
    "-1",
    "1",
    "9",
    "10",
    "24",
    "59",
    "60",
    "64",
    "65",
    "256",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "-1e999",
    "1e-400",
    "0.1",
];

/// How deep something is put: at once, and below and above the limits of readers (64 and 128).
const DEPTHS: [usize; 6] = [1, 2, 60, 70, 130, 3000];

pub(super) struct Mutator {
    pub words: &'static [&'static str],
}

impl Mutator {
    /// Changes one thing. `other` is an input from which something may be taken.
    pub fn mutate(&self, random: &mut StdRng, input: &mut Vec<u8>, other: &[u8]) {
        let as_json = random.random_ratio(2, 3);
        match serde_json::from_slice::<Value>(input) {
            Ok(mut value) if as_json => {
                self.mutate_json(random, &mut value, other);
                *input = value.to_string().into_bytes();
            }
            _ => self.mutate_bytes(random, input, other),
        }
        input.truncate(LONGEST);
    }

    fn mutate_bytes(&self, random: &mut StdRng, input: &mut Vec<u8>, other: &[u8]) {
        let (from, to) = range(random, input.len());
        let last = input.len().saturating_sub(1);
        match random.random_range(0..11) {
            0 if !input.is_empty() => input[from.min(last)] ^= 1 << random.random_range(0..8),
            1 if !input.is_empty() => input[from.min(last)] = random.random(),
            2 => drop(input.drain(from..to)),
            3 => put(input, from, from, pick(random, &ODD).as_bytes()),
            4 => put(input, from, from, pick(random, self.words).as_bytes()),
            5 => put(input, from, to, pick(random, self.words).as_bytes()),
            6 => {
                let (other_from, other_to) = range(random, other.len());
                put(input, from, to, &other[other_from..other_to]);
            }
            7 => {
                let part = input[from..to].repeat(*pick(random, &[2, 3, 100]));
                put(input, from, to, &part[..part.len().min(LONGEST)]);
            }
            8 => self.nest(random, input, from, to),
            9 => {
                let (mut from, mut to) = (from, from);
                while from > 0 && input[from - 1].is_ascii_digit() {
                    from -= 1;
                }
                while to < input.len() && input[to].is_ascii_digit() {
                    to += 1;
                }
                put(input, from, to, pick(random, &NUMBERS).as_bytes());
            }
            _ => put(input, from, from, &[random.random()]),
        }
    }

    fn nest(&self, random: &mut StdRng, input: &mut Vec<u8>, from: usize, to: usize) {
        let (open, close) = pick(random, &[("[", "]"), ("{\"a\":", "}"), ("{", "}"), ("(", ")"), ("a={", "}")]);
        let depth = *pick(random, &DEPTHS);
        let nested = [open.repeat(depth).as_bytes(), &input[from..to], close.repeat(depth).as_bytes()].concat();
        put(input, from, to, &nested);
    }

    fn mutate_json(&self, random: &mut StdRng, value: &mut Value, other: &[u8]) {
        let mut index = random.random_range(0..count(value));
        let Some(node) = nth(value, &mut index) else { return };
        let key = (*pick(random, self.words)).to_owned();
        let fresh = self.fresh(random, other);
        match (random.random_range(0..8), node) {
            (0 | 1, Value::Object(members)) if !members.is_empty() => {
                let index = random.random_range(0..members.len());
                let name = members.keys().nth(index).cloned().unwrap_or_default();
                members.shift_remove(&name);
            }
            (2..=4, Value::Object(members)) => drop(members.insert(key, fresh)),
            (0, Value::Array(items)) if !items.is_empty() => drop(items.remove(random.random_range(0..items.len()))),
            (1..=3, Value::Array(items)) => items.push(fresh),
            (4, Value::Array(items)) if !items.is_empty() => {
                let copies = *pick(random, &[1, 2, 64, 257]);
                let copied = items[random.random_range(0..items.len())].clone();
                items.extend(std::iter::repeat_n(copied, copies));
            }
            (0..=3, Value::String(text)) => {
                let mut bytes = std::mem::take(text).into_bytes();
                self.mutate_bytes(random, &mut bytes, key.as_bytes());
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            (5, node) => {
                let inner = node.take();
                *node = (0..*pick(random, &DEPTHS[..4])).fold(inner, |inner, _| json!([inner]));
            }
            (_, node) => *node = fresh,
        }
    }

    /// A value to put somewhere.
    fn fresh(&self, random: &mut StdRng, other: &[u8]) -> Value {
        match random.random_range(0..9) {
            0 => Value::Null,
            1 => Value::Bool(random.random()),
            2 | 3 => serde_json::from_str(pick::<&str>(random, &NUMBERS)).unwrap_or_default(),
            4 => Value::from(format!("{}{}", pick(random, self.words), pick(random, &ODD))),
            5 => Value::from("x".repeat(*pick(random, &[0, 1, 200, 201, 2001]))),
            6 => [json!([]), json!({}), json!("")][random.random_range(0..3)].clone(),
            7 => {
                let mut other = serde_json::from_slice(other).unwrap_or(Value::Null);
                let mut index = random.random_range(0..count(&other));
                nth(&mut other, &mut index).map(Value::take).unwrap_or_default()
            }
            _ => Value::from(*pick(random, self.words)),
        }
    }
}

fn pick<'a, T>(random: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}

/// A part, mostly a short one.
fn range(random: &mut StdRng, length: usize) -> (usize, usize) {
    let from = random.random_range(0..=length);
    let longest = if random.random_ratio(3, 4) { 8 } else { length };
    (from, from + random.random_range(0..=longest.min(length - from)))
}

fn put(input: &mut Vec<u8>, from: usize, to: usize, part: &[u8]) {
    input.splice(from..to, part.iter().copied());
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The value at a position, counted from the outside in.
fn nth<'a>(value: &'a mut Value, index: &mut usize) -> Option<&'a mut Value> {
    if *index == 0 {
        return Some(value);
    }
    *index -= 1;
    let members =
        |members: &'a mut Map<String, Value>, index: &mut usize| members.values_mut().find_map(|inner| nth(inner, index));
    match value {
        Value::Array(items) => items.iter_mut().find_map(|inner| nth(inner, index)),
        Value::Object(object) => members(object, index),
        _ => None,
    }
}
