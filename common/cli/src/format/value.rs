//! Values of a template: JSON, with what Go would know of its type, and printed as Go's `fmt` prints.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// A value while a template runs.
#[derive(Clone, Debug)]
pub enum Val<'a> {
    /// What a map does not hold: printed `<no value>`.
    Nothing,
    /// A pointer to nothing: printed `<nil>`.
    Nil,
    /// Data, and whether Go would hold an object as a map.
    Data(Cow<'a, Value>, Shape),
}

/// What Go would hold an object as. Docker's own objects are structs, and a field that they lack is a mistake; what is
/// keyed by the user's words is a map, where a missing key is no mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A struct, or anything that is no object.
    Struct,
    /// A map to texts: a missing key is the empty text.
    Texts,
    /// A map to anything else.
    Map,
}

/// Keys of docker's objects (moby api/types 28) under which a map to texts stands.
const TEXTS: [&str; 13] = [
    "Annotations",
    "Config",
    "Data",
    "DriverOpts",
    "Info",
    "Labels",
    "LayersData",
    "LogOpts",
    "Options",
    "RawLabels",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
];
/// Those under which a map to something else stands.
const MAPS: [&str; 9] =
    ["Containers", "Dockless", "ExposedPorts", "IPAMOptions", "Networks", "PortBindings", "Ports", "Status", "Volumes"];
/// Those under which a list stands that may be null.
const LISTS: [&str; 47] = [
    "Aliases",
    "Args",
    "Binds",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "CapAdd",
    "CapDrop",
    "Capabilities",
    "Cmd",
    "DNSNames",
    "DeviceCgroupRules",
    "DeviceIDs",
    "DeviceRequests",
    "Devices",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "Drop",
    "Entrypoint",
    "Env",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "History",
    "IPAMConfigs",
    "Layers",
    "Links",
    "LinkLocalIPs",
    "Log",
    "MaskedPaths",
    "Mounts",
    "OnBuild",
    "Peers",
    "PortSpecs",
    "ReadonlyPaths",
    "RepoDigests",
    "RepoTags",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
    "SecurityOpt",
    "Shell",
    "Test",
    "Ulimits",
    "VolumesFrom",
];

impl<'a> Val<'a> {
    /// Data that a caller owns.
    pub fn borrowed(value: &'a Value) -> Val<'a> {
        Val::Data(Cow::Borrowed(value), Shape::Struct)
    }

    /// Data made while the template runs.
    pub fn owned(value: impl Into<Value>) -> Val<'a> {
        Val::Data(Cow::Owned(value.into()), Shape::Struct)
    }

    /// The data; JSON's null where there is none.
    pub fn json(&self) -> &Value {
        match self {
            Val::Nothing | Val::Nil => &Value::Null,
            Val::Data(value, _) => value,
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        self.json().as_str()
    }

    /// The field or key of an object. `None` where that object has to have it and has not.
    pub fn key(&self, name: &str) -> Option<Val<'a>> {
        let Val::Data(value, shape) = self else { return None };
        let object = value.as_object()?;
        match (object.contains_key(name), shape) {
            (true, _) => Some(self.child(name)),
            (false, Shape::Struct) => None,
            (false, Shape::Texts | Shape::Map) => Some(Val::Nothing),
        }
    }

    /// What `index` gives for a key: the empty value of the map's type where the key is not there.
    pub fn indexed(&self, name: &str) -> Val<'a> {
        match (self.json().as_object().is_some_and(|object| object.contains_key(name)), self) {
            (true, _) => self.child(name),
            (false, Val::Data(_, Shape::Texts)) => Val::owned(""),
            (false, _) => Val::Nothing,
        }
    }

    fn child(&self, name: &str) -> Val<'a> {
        let Val::Data(value, shape) = self else { return Val::Nothing };
        let child = match value {
            Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
            Cow::Owned(value) => value.get(name).cloned().map(Cow::Owned),
        };
        child.map_or(Val::Nothing, |child| shaped(child, if *shape == Shape::Struct { name } else { "" }))
    }

    /// The item at a place of a list.
    pub fn item(&self, at: usize) -> Val<'a> {
        match self {
            Val::Data(Cow::Borrowed(value), _) => {
                value.get(at).map_or(Val::Nothing, |item| shaped(Cow::Borrowed(item), ""))
            }
            Val::Data(Cow::Owned(value), _) => {
                value.get(at).map_or(Val::Nothing, |item| shaped(Cow::Owned(item.clone()), ""))
            }
            _ => Val::Nothing,
        }
    }

    /// Whether Go's `if` takes it for true.
    pub fn is_true(&self) -> bool {
        match self.json() {
            Value::Null => false,
            Value::Bool(b) => *b,
            Value::Number(n) => n.as_f64() != Some(0.0),
            Value::String(s) => !s.is_empty(),
            Value::Array(a) => !a.is_empty(),
            // A struct is always true.
            Value::Object(o) => !o.is_empty() || matches!(self, Val::Data(_, Shape::Struct)),
        }
    }

    /// Go's name of the type, for messages.
    pub fn kind(&self) -> &'static str {
        match (self, self.json()) {
            (Val::Nothing | Val::Nil, _) | (_, Value::Null) => "nil",
            (_, Value::Bool(_)) => "bool",
            (_, Value::Number(n)) if n.is_f64() => "float64",
            (_, Value::Number(n)) if n.is_i64() => "int",
            (_, Value::Number(_)) => "uint64",
            (_, Value::String(_)) => "string",
            (_, Value::Array(items)) if !items.is_empty() && items.iter().all(Value::is_string) => "[]string",
            (_, Value::Array(_)) => "[]interface {}",
            _ => "map[string]interface {}",
        }
    }

    /// The data as Go's encoder writes it: a struct's fields in their own order, a map's keys sorted.
    pub fn ordered(&self) -> Value {
        match self {
            Val::Data(value, shape) => ordered(value, *shape),
            Val::Nothing | Val::Nil => Value::Null,
        }
    }

    /// The text that an action prints.
    pub fn printed(&self) -> String {
        match self {
            Val::Nothing => "<no value>".into(),
            Val::Nil => "<nil>".into(),
            Val::Data(value, _) => plain(value),
        }
    }

    /// The keys of an object in Go's order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.json().as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
        keys.sort();
        keys
    }
}

fn ordered(value: &Value, shape: Shape) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| ordered(item, Shape::Struct)).collect(),
        Value::Object(object) => {
            let mut pairs: Vec<(&String, &Value)> = object.iter().collect();
            if shape != Shape::Struct {
                pairs.sort_by_key(|(key, _)| *key);
            }
            let child = |key: &str, value| {
                ordered(value, if shape == Shape::Struct { shape_of(value, key) } else { Shape::Struct })
            };
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), child(key, value))).collect())
        }
        other => other.clone(),
    }
}

/// A child with the type that docker's object has under that key: null is an empty map, an empty list, or nil.
fn shaped<'a>(value: Cow<'a, Value>, name: &str) -> Val<'a> {
    let shape = shape_of(&value, name);
    match (&*value, shape) {
        (Value::Null, Shape::Texts | Shape::Map) => Val::Data(Cow::Owned(Value::Object(Map::new())), shape),
        (Value::Null, _) if name.is_empty() => Val::Nothing,
        (Value::Null, _) if LISTS.contains(&name) => Val::owned(Vec::<Value>::new()),
        (Value::Null, _) => Val::Nil,
        _ => Val::Data(value, shape),
    }
}

fn shape_of(value: &Value, name: &str) -> Shape {
    match name {
        name if TEXTS.contains(&name) && !is_struct(value) => Shape::Texts,
        name if MAPS.contains(&name) => Shape::Map,
        _ => Shape::Struct,
    }
}

// Some names are a map in one object and a struct in another: a container's `Config`.
fn is_struct(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.values().any(|value| !value.is_string() && !value.is_null()))
}

/// A value as `%v` prints it: `map[a:1 b:[x y]]`, keys sorted.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => number_text(n),
        Value::String(s) => s.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(object) => {
            let mut pairs: Vec<(&String, &Value)> = object.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            format!(
                "map[{}]",
                pairs.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect::<Vec<_>>().join(" ")
            )
        }
    }
}

/// A number as `%v` prints it: floats in their shortest form, with an exponent from 1e+21 on.
pub fn number_text(number: &Number) -> String {
    if !number.is_f64() {
        return number.to_string();
    }
    shortest(number.as_f64().unwrap_or(f64::NAN))
}

/// Go's shortest form of a float, with an exponent below -4 and from 21 on.
pub fn shortest(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return match value {
            v if v.is_nan() => "NaN".into(),
            v if v.is_infinite() => {
                if v > 0.0 {
                    "+Inf".into()
                } else {
                    "-Inf".into()
                }
            }
            v => {
                if v.is_sign_negative() {
                    "-0".into()
                } else {
                    "0".into()
                }
            }
        };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// A constant of a template with the text that stands for it.
#[derive(Clone, Debug)]
pub struct Constant {
    pub value: Value,
    pub source: String,
}

/// Reads `true`, a number, a character or a quoted text.
pub fn constant(source: &str) -> Option<Constant> {
    let value = match source.chars().next()? {
        _ if source == "true" || source == "false" => Value::Bool(source == "true"),
        '"' | '`' => Value::String(unquoted(source)?),
        '\'' => Value::from(u32::from(unquoted(source)?.chars().next()?)),
        _ => Value::Number(number(source)?),
    };
    Some(Constant { value, source: source.to_string() })
}

/// Reads a number as Go writes it: decimal, hex, octal, binary, with underscores, or a float.
pub fn number(source: &str) -> Option<Number> {
    let (sign, digits) = match source.strip_prefix(['+', '-']) {
        Some(digits) if source.starts_with('-') => (-1i128, digits),
        Some(digits) => (1, digits),
        None => (1, source),
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let digits = digits.replace('_', "").to_ascii_lowercase();
    if let Some(whole) = whole(&digits) {
        let value = sign * whole;
        return i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok();
    }
    let is_float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().all(|c| matches!(c, '0'..='9' | '.' | 'e' | '+' | '-'));
    Number::from_f64(is_float.then(|| digits.parse::<f64>().ok())?? * sign as f64)
}

fn whole(digits: &str) -> Option<i128> {
    let radix =
        |prefix: &str, radix| digits.strip_prefix(prefix).and_then(|digits| i128::from_str_radix(digits, radix).ok());
    if digits.contains(['+', '-']) {
        return None;
    }
    radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0b", 2))
        .or_else(|| if digits.len() > 1 { radix("0", 8) } else { None })
        .or_else(|| digits.parse().ok())
}

/// The text of a Go string constant, `None` where it is malformed.
pub fn unquoted(source: &str) -> Option<String> {
    if let Some(raw) = source.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let quote = source.chars().next()?;
    let inside = source.get(1..source.len().checked_sub(1)?)?;
    let mut bytes = Vec::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(&mut chars, quote, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn escape(chars: &mut std::str::Chars, quote: char, bytes: &mut Vec<u8>) -> Option<()> {
    let letter = chars.next()?;
    let mut digits = |count: usize, radix: u32, first: &str| {
        let mut text = String::from(first);
        text.extend(chars.by_ref().take(count));
        (text.len() == count + first.len()).then(|| u32::from_str_radix(&text, radix).ok())?
    };
    let byte = match letter {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        c if c == quote => c as u8,
        'x' => u8::try_from(digits(2, 16, "")?).ok()?,
        '0'..='7' => u8::try_from(digits(2, 8, letter.encode_utf8(&mut [0; 4]))?).ok()?,
        'u' | 'U' => {
            let c = char::from_u32(digits(if letter == 'u' { 4 } else { 8 }, 16, "")?)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(())
}

/// Go's order of two values of one kind; why not, where they cannot be compared.
pub fn compare(a: &Val, b: &Val) -> Result<Ordering, &'static str> {
    match (a.json(), b.json()) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() != b.is_f64() => Err("incompatible types for comparison"),
        (Value::Number(a), Value::Number(b)) if a.is_f64() => {
            Ok(a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Less))
        }
        (Value::Number(a), Value::Number(b)) => Ok(whole_number(a).cmp(&whole_number(b))),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Bool(_), Value::Bool(_)) => Err("invalid type for comparison"),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err("invalid type for comparison")
        }
        _ => Err("incompatible types for comparison"),
    }
}

/// Whether two values are the same, as `eq` sees it.
pub fn equal(a: &Val, b: &Val) -> Result<bool, &'static str> {
    match (a.json(), b.json()) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        // Docker looks a second time, with numbers as the texts that stood in the JSON, where types do not fit at first.
        (Value::Number(number), Value::String(text)) if a.is_given() => Ok(number_text(number) == *text),
        (Value::String(text), Value::Number(number)) if b.is_given() => Ok(number_text(number) == *text),
        (Value::Null, Value::Null) => Ok(true),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::Array(_) | Value::Object(_), _) => Err("non-comparable type"),
        (_, Value::Array(_) | Value::Object(_)) => Err("incompatible types for comparison"),
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn whole_number(number: &Number) -> i128 {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).unwrap_or_default()
}

impl Val<'_> {
    /// Whether this is data as it was given, not made by the template.
    fn is_given(&self) -> bool {
        matches!(self, Val::Data(Cow::Borrowed(_), _))
    }

    /// Whether both are the very same borrowed data.
    pub fn is_same(&self, other: &Val) -> bool {
        match (self, other) {
            (Val::Data(Cow::Borrowed(a), _), Val::Data(Cow::Borrowed(b), _)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }
}
